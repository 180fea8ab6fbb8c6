use core::ffi::c_void;

use crate::{HaBuf, HaCompletion, HaSlice, HaStream, HaStreamCompletion};

/// The `b` of an item of a subscription.
pub mod delivery {
    /// An entry: `a` is its sequence, the body its bytes.
    pub const ENTRY: u64 = 0;
    /// Continuity was interrupted: the body is the log's bounds.
    pub const RECONNECTED: u64 = 1;
}

/// What a transport can do; the fields are those of `ha_core::Capabilities`. Flags are 0 or 1.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct HaCapabilities {
    /// Bytes of the struct that are there.
    pub size: usize,
    /// The largest part in bytes.
    pub max_part_bytes: u64,
    /// How many parts an entry may have.
    pub max_parts: u32,
    /// Other nodes can read what is appended.
    pub replicated: u8,
    /// An acknowledged entry survives a power loss.
    pub synced: u8,
    /// Snapshots can be stored.
    pub snapshots: u8,
    /// `trim` works.
    pub trim: u8,
    /// `read` and `subscribe` give back what was stored.
    pub readable: u8,
    /// `bounds` always counts what was acknowledged.
    pub exact_bounds: u8,
}

/// An entry to be stored, lent for the time of the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HaDraft {
    /// Bytes of the struct that are there.
    pub size: usize,
    /// Where the log has to end, if `has_expect`.
    pub expect: u64,
    /// 1 if there is a condition.
    pub has_expect: u32,
    /// How many parts there are, at least one.
    pub parts_len: u32,
    /// The parts.
    pub parts: *const HaSlice,
    /// The first half of the attempt's name.
    pub attempt_boot: u64,
    /// The second half of the attempt's name.
    pub attempt_counter: u64,
}

/// A transport of a plugin. The functions are the methods of `ha_core::ChangeTransport`.
#[repr(C)]
#[derive(Debug)]
pub struct HaTransport {
    /// Bytes of the struct that are there.
    pub size: usize,
    /// Given to every function.
    pub ctx: *mut c_void,
    /// What it is, for people.
    pub display: Option<unsafe extern "C" fn(ctx: *mut c_void) -> HaBuf>,
    /// Fills the struct up to the size it says.
    pub capabilities: Option<unsafe extern "C" fn(ctx: *mut c_void, out: *mut HaCapabilities)>,
    /// Stores an entry: `a` and `b` are the first and the last sequence.
    pub append:
        Option<unsafe extern "C" fn(ctx: *mut c_void, draft: *const HaDraft, done: HaCompletion)>,
    /// Everything from a sequence on; see [`delivery`].
    pub subscribe:
        Option<unsafe extern "C" fn(ctx: *mut c_void, from: u64, done: HaStreamCompletion)>,
    /// What is stored at a sequence; `NONE` if the log ends before it.
    pub read: Option<unsafe extern "C" fn(ctx: *mut c_void, seq: u64, done: HaCompletion)>,
    /// The log's bounds, as JSON.
    pub bounds: Option<unsafe extern "C" fn(ctx: *mut c_void, done: HaCompletion)>,
    /// Forgets what is below a sequence.
    pub trim: Option<unsafe extern "C" fn(ctx: *mut c_void, before: u64, done: HaCompletion)>,
    /// Stores a snapshot, described by JSON; the body is given away. Listed and answered only after
    /// what was stored has been read back and is what the description says.
    pub put_snapshot: Option<
        unsafe extern "C" fn(ctx: *mut c_void, meta: HaSlice, body: HaStream, done: HaCompletion),
    >,
    /// The stored snapshots, as JSON.
    pub snapshots: Option<unsafe extern "C" fn(ctx: *mut c_void, done: HaCompletion)>,
    /// A snapshot's body, in chunks.
    pub get_snapshot:
        Option<unsafe extern "C" fn(ctx: *mut c_void, meta: HaSlice, done: HaStreamCompletion)>,
    /// Forgets a snapshot.
    pub remove_snapshot:
        Option<unsafe extern "C" fn(ctx: *mut c_void, meta: HaSlice, done: HaCompletion)>,
    /// What of the log is worse than it was: a JSON list of texts. Answers at once.
    /// An error as JSON instead says that the transport panicked, and is not asked again.
    pub warnings: Option<unsafe extern "C" fn(ctx: *mut c_void) -> HaBuf>,
    /// How the transport is, as JSON.
    pub health: Option<unsafe extern "C" fn(ctx: *mut c_void, done: HaCompletion)>,
    /// Takes a member out of the servers that keep the log.
    pub remove_member:
        Option<unsafe extern "C" fn(ctx: *mut c_void, name: HaSlice, done: HaCompletion)>,
    /// Ends all subscriptions; later calls fail.
    pub close: Option<unsafe extern "C" fn(ctx: *mut c_void, done: HaCompletion)>,
    /// Gives it back. Calls that are unanswered are still answered; streams live on.
    pub drop: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

impl HaTransport {
    /// What an opener fills.
    pub const EMPTY: Self = Self {
        size: size_of::<Self>(),
        ctx: core::ptr::null_mut(),
        display: None,
        capabilities: None,
        append: None,
        subscribe: None,
        read: None,
        bounds: None,
        trim: None,
        put_snapshot: None,
        snapshots: None,
        get_snapshot: None,
        remove_snapshot: None,
        warnings: None,
        health: None,
        remove_member: None,
        close: None,
        drop: None,
    };
}

// SAFETY: the rules of the boundary say that its functions may be called from any thread.
unsafe impl Send for HaTransport {}
// SAFETY: as above.
unsafe impl Sync for HaTransport {}
