use core::ffi::c_void;

use crate::{HaBuf, HaCompletion, HaEngine};

/// A front-end of a plugin, bound but not yet serving.
#[repr(C)]
#[derive(Debug)]
pub struct HaFrontend {
    /// Bytes of the struct that are there.
    pub size: usize,
    /// Given to every function.
    pub ctx: *mut c_void,
    /// What it is, for people.
    pub display: Option<unsafe extern "C" fn(ctx: *mut c_void) -> HaBuf>,
    /// Serves until `stop`; answered when the last client is finished. Called once at most. The
    /// engine is given away, whatever the outcome.
    pub serve:
        Option<unsafe extern "C" fn(ctx: *mut c_void, engine: *const HaEngine, done: HaCompletion)>,
    /// Asks `serve` to finish what is in flight and end. May come before `serve`, and again.
    pub stop: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    /// Gives it back; not before `serve` is answered.
    pub drop: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

impl HaFrontend {
    /// What an opener fills.
    pub const EMPTY: Self = Self {
        size: size_of::<Self>(),
        ctx: core::ptr::null_mut(),
        display: None,
        serve: None,
        stop: None,
        drop: None,
    };
}

// SAFETY: the rules of the boundary say that its functions may be called from any thread.
unsafe impl Send for HaFrontend {}
// SAFETY: as above.
unsafe impl Sync for HaFrontend {}
