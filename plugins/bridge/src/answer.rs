use std::any::Any;

use bytes::Bytes;
use ha_abi::HaStatus;
use ha_core::{Error, Result, json};

/// What a call is answered with.
#[derive(Debug)]
pub struct Answer {
    /// How it went.
    pub status: HaStatus,
    /// The first number.
    pub a: u64,
    /// The second number.
    pub b: u64,
    /// The answer's bytes, or the error's JSON.
    pub body: Bytes,
}

impl Answer {
    /// Done, with these bytes.
    pub fn body(body: impl Into<Bytes>) -> Self {
        Self { status: HaStatus::OK, a: 0, b: 0, body: body.into() }
    }

    /// Done, with these numbers.
    #[must_use]
    pub fn numbers(a: u64, b: u64) -> Self {
        Self { status: HaStatus::OK, a, b, body: Bytes::new() }
    }

    /// Done.
    #[must_use]
    pub fn ok() -> Self {
        Self::numbers(0, 0)
    }

    /// Nothing but a status.
    #[must_use]
    pub fn status(status: HaStatus) -> Self {
        Self { status, ..Self::ok() }
    }

    /// It failed, with the JSON of an error.
    pub fn failed(json: impl Into<Bytes>) -> Self {
        Self { status: HaStatus::ERROR, ..Self::body(json) }
    }

    /// It panicked, with what was thrown.
    #[must_use]
    pub fn panicked(thrown: &(dyn Any + Send)) -> Self {
        let text = thrown.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| thrown.downcast_ref::<String>().cloned());
        let reason = text.unwrap_or_else(|| "no text".to_owned());
        let error = Error::transport("panicked", reason);
        Self { status: HaStatus::PANICKED, ..Self::failed(json::error(&error)) }
    }

    /// The answer, if it is [`HaStatus::OK`]. `origin` is named by errors that name nothing else.
    ///
    /// # Errors
    /// The error that it tells, or that the status is none that belongs here.
    pub fn done(self, origin: &str) -> Result<Self> {
        match self.status {
            HaStatus::OK => Ok(self),
            HaStatus(status @ 1..) => {
                Err(Error::transport(origin, format!("an answer with the status {status}")))
            }
            HaStatus(_) => Err(json::failure(origin, &self.body)),
        }
    }
}

/// Done with what `write` makes of the value, or failed.
impl<T: Into<Self>> From<Result<T>> for Answer {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(error) => Self::failed(json::error(&error)),
        }
    }
}

impl From<()> for Answer {
    fn from((): ()) -> Self {
        Self::ok()
    }
}
