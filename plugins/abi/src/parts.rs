use core::ffi::c_void;
use core::ptr;

/// Bytes that are lent for the time of a call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HaSlice {
    /// The first byte; anything if `len` is 0.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// Bytes that are given away: who gets them calls `free(owner)` once, unless `free` is null.
#[repr(C)]
#[derive(Debug)]
pub struct HaBuf {
    /// The first byte; anything if `len` is 0.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
    /// What `free` takes.
    pub owner: *mut c_void,
    /// Gives the memory back to who made it.
    pub free: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// How a call went.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HaStatus(pub i32);

/// Where an answer goes: `done` is called exactly once, by any thread, perhaps before the call
/// that took it returns. `a` and `b` are numbers whose meaning the call tells, 0 if it tells none.
/// `body` is the answer, or the error as JSON.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HaCompletion {
    /// Given back to `done`.
    pub ctx: *mut c_void,
    /// Takes the answer.
    pub done: unsafe extern "C" fn(ctx: *mut c_void, status: HaStatus, a: u64, b: u64, body: HaBuf),
}

/// Items that are asked for one by one. Who has it calls `drop` once.
#[repr(C)]
#[derive(Debug)]
pub struct HaStream {
    /// Given to both functions.
    pub ctx: *mut c_void,
    /// Asks for the next item; never while another `next` is unanswered. [`HaStatus::END`] and
    /// errors end the stream.
    pub next: Option<unsafe extern "C" fn(ctx: *mut c_void, done: HaCompletion)>,
    /// Ends the stream. A `next` that is unanswered is answered with [`HaStatus::END`].
    pub drop: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

/// Where a stream goes, under the rules of [`HaCompletion`]. Without [`HaStatus::OK`] the stream
/// is empty and `body` is the error.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HaStreamCompletion {
    /// Given back to `done`.
    pub ctx: *mut c_void,
    /// Takes the stream, and what there is to know about it.
    pub done:
        unsafe extern "C" fn(ctx: *mut c_void, status: HaStatus, stream: HaStream, body: HaBuf),
}

impl HaStatus {
    /// Done.
    pub const OK: Self = Self(0);
    /// A stream has no more items.
    pub const END: Self = Self(1);
    /// There is nothing of that kind.
    pub const NONE: Self = Self(2);
    /// It failed; the body tells why.
    pub const ERROR: Self = Self(-1);
    /// It failed because the code panicked; the body tells where.
    pub const PANICKED: Self = Self(-2);
    /// Another version of the boundary is needed.
    pub const ABI: Self = Self(-3);
}

impl HaSlice {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: ptr::null(), len: 0 };

    /// Lends `bytes`; it is on the caller not to use it for longer than they live.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// `ptr` points to `len` bytes that nobody changes or frees for as long as `'a`.
    #[must_use]
    pub const unsafe fn as_bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller promises it.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl HaBuf {
    /// No bytes, nothing to free.
    pub const EMPTY: Self = Self { ptr: ptr::null(), len: 0, owner: ptr::null_mut(), free: None };
}

impl HaStream {
    /// No stream: what goes with an error.
    pub const EMPTY: Self = Self { ctx: ptr::null_mut(), next: None, drop: None };
}

// SAFETY: the rules of the boundary say that all of these may be used from any thread; what they
// point to is never tied to one.
unsafe impl Send for HaBuf {}
// SAFETY: as above; the bytes are not changed by anybody.
unsafe impl Sync for HaBuf {}
// SAFETY: as above; `done` may be called from any thread.
unsafe impl Send for HaCompletion {}
// SAFETY: as above; `next` and `drop` may be called from any thread.
unsafe impl Send for HaStream {}
// SAFETY: as above; `done` may be called from any thread.
unsafe impl Send for HaStreamCompletion {}
