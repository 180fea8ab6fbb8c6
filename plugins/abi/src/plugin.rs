use core::ffi::c_void;

use crate::{HaBuf, HaFrontend, HaSlice, HaStatus, HaTransport};

/// How much a line of the log matters.
pub mod level {
    /// Something failed.
    pub const ERROR: u32 = 1;
    /// Somebody should look.
    pub const WARN: u32 = 2;
    /// Worth knowing.
    pub const INFO: u32 = 3;
    /// For finding mistakes.
    pub const DEBUG: u32 = 4;
    /// For finding mistakes, in every detail.
    pub const TRACE: u32 = 5;
}

/// What the host offers every plugin; valid for as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct HaHost {
    /// Bytes of the struct that are there.
    pub size: usize,
    /// [`crate::MAJOR`] of the host.
    pub major: u32,
    /// [`crate::MINOR`] of the host.
    pub minor: u32,
    /// Given to every function.
    pub ctx: *mut c_void,
    /// Writes a line to the node's log; `level` is one of [`level`].
    pub log: unsafe extern "C" fn(ctx: *mut c_void, level: u32, target: HaSlice, message: HaSlice),
    /// Whether a line of this level would be written.
    pub log_enabled: unsafe extern "C" fn(ctx: *mut c_void, level: u32) -> u32,
}

// SAFETY: the host promises that its functions may be called from any thread, at any time.
unsafe impl Send for HaHost {}
// SAFETY: as above.
unsafe impl Sync for HaHost {}

/// What a plugin is. The texts live as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct HaPlugin {
    /// Set by the host to the bytes it has room for, by the plugin to those it filled.
    pub size: usize,
    /// [`crate::MAJOR`] of the plugin.
    pub major: u32,
    /// [`crate::MINOR`] of the plugin.
    pub minor: u32,
    /// Its name, by which operators select it: letters, digits, `-` and `_`.
    pub name: HaSlice,
    /// Its version.
    pub version: HaSlice,
    /// Opens a transport; null if it has none. `settings` is a JSON object of texts. May block.
    /// What is not `OK` fills `error` with JSON.
    pub open_transport: Option<
        unsafe extern "C" fn(
            settings: HaSlice,
            out: *mut HaTransport,
            error: *mut HaBuf,
        ) -> HaStatus,
    >,
    /// Opens and binds a front-end; null if it has none. As `open_transport`.
    pub open_frontend: Option<
        unsafe extern "C" fn(
            settings: HaSlice,
            out: *mut HaFrontend,
            error: *mut HaBuf,
        ) -> HaStatus,
    >,
}

// SAFETY: what it points to lives as long as the process, does not change, and belongs to no thread.
unsafe impl Send for HaPlugin {}
// SAFETY: as above.
unsafe impl Sync for HaPlugin {}

impl HaPlugin {
    /// What an entry fills.
    pub const EMPTY: Self = Self {
        size: size_of::<Self>(),
        major: 0,
        minor: 0,
        name: HaSlice::EMPTY,
        version: HaSlice::EMPTY,
        open_transport: None,
        open_frontend: None,
    };
}

/// The type of the symbol [`crate::ENTRY`]: tells what the plugin is, after it looked whether the
/// host has its major version; [`HaStatus::ABI`] if not. Called once.
pub type HaEntry = unsafe extern "C" fn(host: *const HaHost, out: *mut HaPlugin) -> HaStatus;
