/// What happens to an append that a [`crate::MemoryLog`] was told to disturb. The one who
/// appends learns the same in every case: [`ha_core::AppendError::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes place and the acknowledgement is lost.
    AckLost,
    /// It is lost on the way.
    SendLost,
    /// It takes place at the next [`crate::MemoryLog::release`], if its condition holds then.
    Delayed,
}
