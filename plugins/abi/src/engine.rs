use core::ffi::c_void;

use crate::{HaBuf, HaCompletion, HaSlice, HaStreamCompletion};

/// A node, as a front-end gets it in `serve`. The struct is lent for that call: copy it. What it
/// is of lives until the plugin calls `drop`, which it does once: sessions that are
/// still open are closed by it, and calls that are unanswered are still answered. Requests and answers are JSON.
#[repr(C)]
#[derive(Debug)]
pub struct HaEngine {
    /// Bytes of the struct that are there.
    pub size: usize,
    /// Given to every function.
    pub ctx: *mut c_void,
    /// Runs a batch as one transaction in a session of its own.
    pub execute: unsafe extern "C" fn(ctx: *mut c_void, batch: HaSlice, done: HaCompletion),
    /// Opens a session; `a` is its number, never 0.
    pub session_open: unsafe extern "C" fn(ctx: *mut c_void, options: HaSlice, done: HaCompletion),
    /// Runs a batch. One call at a time for each session.
    pub session_run:
        unsafe extern "C" fn(ctx: *mut c_void, session: u64, batch: HaSlice, done: HaCompletion),
    /// Opens a transaction.
    pub session_begin:
        unsafe extern "C" fn(ctx: *mut c_void, session: u64, options: HaSlice, done: HaCompletion),
    /// Commits; the body is the position, as text.
    pub session_commit: unsafe extern "C" fn(ctx: *mut c_void, session: u64, done: HaCompletion),
    /// Rolls back.
    pub session_rollback: unsafe extern "C" fn(ctx: *mut c_void, session: u64, done: HaCompletion),
    /// What the statement takes and gives.
    pub session_describe:
        unsafe extern "C" fn(ctx: *mut c_void, session: u64, sql: HaSlice, done: HaCompletion),
    /// Whether a transaction is open: 0 none, 1 open, 2 lost. While a call is unanswered, what was
    /// before it.
    pub session_transaction: unsafe extern "C" fn(ctx: *mut c_void, session: u64) -> u32,
    /// Stops the statement that runs, if one does. Any time.
    pub session_cancel: unsafe extern "C" fn(ctx: *mut c_void, session: u64),
    /// Abandons the call that is unanswered, if there is one: it is interrupted, an open
    /// transaction rolled back, and the call answered with the error. The session goes on.
    pub session_abandon: unsafe extern "C" fn(ctx: *mut c_void, session: u64),
    /// Closes the session, which rolls back. A call that is unanswered is abandoned.
    pub session_close: unsafe extern "C" fn(ctx: *mut c_void, session: u64),
    /// What became of a transaction, by its name as text: `a` is 0 committed (the body is the
    /// position), 1 not committed, 2 unknown, 3 forgotten.
    pub outcome: unsafe extern "C" fn(ctx: *mut c_void, name: HaSlice, done: HaCompletion),
    /// The committed transactions after a position, or from now on if `from` is empty. An item's
    /// body is a transaction.
    pub changes: unsafe extern "C" fn(ctx: *mut c_void, from: HaSlice, done: HaStreamCompletion),
    /// The database as an SQLite file in chunks; the stream's body is its position, as text.
    pub snapshot: unsafe extern "C" fn(ctx: *mut c_void, done: HaStreamCompletion),
    /// How the node is, at once.
    pub status: unsafe extern "C" fn(ctx: *mut c_void) -> HaBuf,
    /// How the node is, in detail.
    pub health: unsafe extern "C" fn(ctx: *mut c_void, done: HaCompletion),
    /// Takes a member out of the servers that keep the log.
    pub remove_member: unsafe extern "C" fn(ctx: *mut c_void, name: HaSlice, done: HaCompletion),
    /// Gives the engine back.
    pub drop: unsafe extern "C" fn(ctx: *mut c_void),
}

// SAFETY: the rules of the boundary say that its functions may be called from any thread.
unsafe impl Send for HaEngine {}
// SAFETY: as above.
unsafe impl Sync for HaEngine {}
