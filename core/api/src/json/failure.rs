use serde::{Deserialize, Serialize};

use super::write;
use crate::{AppendError, Error};

/// An error and its text, for those who only show it.
#[derive(Serialize)]
struct Told<'a, E> {
    message: String,
    #[serde(flatten)]
    error: &'a E,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// An error as JSON, with its text as `message`.
#[must_use]
pub fn error(error: &Error) -> Vec<u8> {
    write(&Told { message: error.to_string(), error })
}

/// The error that JSON tells. What is not known by its kind is [`Error::Transport`] of `origin`
/// with the message, or the bytes themselves.
#[must_use]
pub fn failure(origin: &str, json: &[u8]) -> Error {
    serde_json::from_slice(json).unwrap_or_else(|_| Error::transport(origin, message(json)))
}

/// As [`error`], for an append.
#[must_use]
pub fn append_error(error: &AppendError) -> Vec<u8> {
    write(&Told { message: error.to_string(), error })
}

/// The outcome of an append that JSON tells. One of no known kind is unknown: nothing may be
/// taken for not stored that might be.
#[must_use]
pub fn append_failure(json: &[u8]) -> AppendError {
    serde_json::from_slice(json).unwrap_or_else(|_| AppendError::Unknown { reason: message(json) })
}

fn message(json: &[u8]) -> String {
    serde_json::from_slice::<Message>(json)
        .map_or_else(|_| String::from_utf8_lossy(json).into_owned(), |told| told.message)
}
