use bytes::{Bytes, BytesMut};

/// What happens to an append that a [`crate::MemoryLog`] was told to disturb. The one who
/// appends learns the same in every case: [`ha_core::AppendError::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes place and the acknowledgement is lost.
    AckLost,
    /// Of its parts only the first `parts` are stored, as on a server with one replica that
    /// crashed and lost what it had staged. An entry of no more parts is stored whole.
    Torn {
        /// How many.
        parts: usize,
    },
    /// It is lost on the way.
    SendLost,
    /// It takes place at the next [`crate::MemoryLog::release`], if its condition holds then.
    Delayed,
}

/// What happens to a snapshot that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// One byte in the middle is another one.
    Flipped,
    /// Reading it fails in the middle.
    Torn,
}

impl Spoil {
    pub(crate) fn apply(self, body: &Bytes) -> Bytes {
        let middle = body.len() / 2;
        match self {
            Self::Torn => body.slice(..middle),
            Self::Flipped => {
                let mut flipped = BytesMut::from(&body[..]);
                if let Some(byte) = flipped.get_mut(middle) {
                    *byte ^= 1;
                }
                flipped.freeze()
            }
        }
    }
}
