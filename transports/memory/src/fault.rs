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
