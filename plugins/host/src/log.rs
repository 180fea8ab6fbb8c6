use std::ffi::c_void;
use std::ptr;

use ha_abi::{HaHost, HaSlice, level};
use ha_bridge::guarded;
use tracing::Level;

use crate::text::one_line;

/// What every plugin is offered.
pub(crate) static HOST: HaHost = HaHost {
    size: size_of::<HaHost>(),
    major: ha_abi::MAJOR,
    minor: ha_abi::MINOR,
    ctx: ptr::null_mut(),
    log,
    log_enabled,
};

unsafe extern "C" fn log(_: *mut c_void, level: u32, target: HaSlice, message: HaSlice) {
    // SAFETY: the texts are lent for this call.
    let text = |slice: HaSlice| one_line(&unsafe { String::from_utf8_lossy(slice.as_bytes()) });
    let (target, message) = (text(target), text(message));
    guarded((), || match level {
        level::ERROR => tracing::error!(target: "plugin", "{target}: {message}"),
        level::WARN => tracing::warn!(target: "plugin", "{target}: {message}"),
        level::INFO => tracing::info!(target: "plugin", "{target}: {message}"),
        level::DEBUG => tracing::debug!(target: "plugin", "{target}: {message}"),
        _ => tracing::trace!(target: "plugin", "{target}: {message}"),
    });
}

unsafe extern "C" fn log_enabled(_: *mut c_void, level: u32) -> u32 {
    let enabled = || match level {
        level::ERROR => tracing::enabled!(target: "plugin", Level::ERROR),
        level::WARN => tracing::enabled!(target: "plugin", Level::WARN),
        level::INFO => tracing::enabled!(target: "plugin", Level::INFO),
        level::DEBUG => tracing::enabled!(target: "plugin", Level::DEBUG),
        _ => tracing::enabled!(target: "plugin", Level::TRACE),
    };
    guarded(0, || enabled().into())
}
