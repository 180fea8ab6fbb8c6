use crate::{Error, Token};

/// How new the state is that a read sees. The default, `local`, is the newest state that the
/// node has; it costs nothing and may be behind what other nodes have acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct ReadLevel {
    /// `session`: not before this position, which the client was told by any node. The read
    /// waits for it for a while, then fails with [`Error::NotReady`]; a position in another log
    /// is [`Error::OtherLog`] at once.
    pub min_position: Option<Token>,
    /// `strong`: everything that any node had acknowledged when the read arrived. It waits for
    /// an answer of the log, and fails with [`Error::NotReady`] if none comes.
    pub strong: bool,
}

impl ReadLevel {
    /// The newest state that the node has.
    pub const LOCAL: Self = Self { min_position: None, strong: false };
    /// Everything acknowledged so far.
    pub const STRONG: Self = Self { min_position: None, strong: true };

    /// At least the state at `token`.
    #[must_use]
    pub fn session(token: Token) -> Self {
        Self { min_position: Some(token), strong: false }
    }
}

/// A client's name for a request, under which its effects happen once however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The longest key in bytes.
    pub const MAX_BYTES: usize = 255;

    /// A key of 1 to [`Self::MAX_BYTES`] printable ASCII characters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other text.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Ok(Self(text));
        }
        let limit = Self::MAX_BYTES;
        Err(Error::invalid(format!(
            "an idempotency key is 1 to {limit} printable ASCII characters"
        )))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_printable_texts() {
        assert_eq!(IdempotencyKey::new("order 17").unwrap().as_str(), "order 17");
        for bad in ["", "é", "a\nb", &"x".repeat(256)] {
            assert!(IdempotencyKey::new(bad).is_err(), "{bad:?}");
        }
    }
}
