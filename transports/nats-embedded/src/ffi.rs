//! The functions of the Go side (`server/main.go`), made safe.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};

unsafe extern "C" {
    fn ha_nats_start(options: *const c_char) -> *mut c_char;
    fn ha_nats_listen(handle: u64) -> *mut c_char;
    fn ha_nats_next_log(handle: u64) -> *mut c_char;
    fn ha_nats_running(handle: u64) -> c_int;
    fn ha_nats_shutdown(handle: u64);
    fn ha_nats_free(text: *mut c_char);
}

/// Starts a server; takes and gives JSON.
pub(crate) fn start(options: &CStr) -> String {
    // SAFETY: the callee copies the string, which lives until the call returns.
    take(unsafe { ha_nats_start(options.as_ptr()) }).unwrap_or_default()
}

/// Opens the port of a server that was started privately; gives JSON.
pub(crate) fn listen(handle: u64) -> String {
    // SAFETY: a number that is no handle is answered with an error.
    take(unsafe { ha_nats_listen(handle) }).unwrap_or_default()
}

/// Waits for a line of a server's log; `None` after the server was shut down.
pub(crate) fn next_log(handle: u64) -> Option<String> {
    // SAFETY: a number that is no handle is answered with NULL.
    take(unsafe { ha_nats_next_log(handle) })
}

/// Whether the server runs.
pub(crate) fn is_running(handle: u64) -> bool {
    // SAFETY: a number that is no handle is answered with 0.
    unsafe { ha_nats_running(handle) == 1 }
}

/// Stops a server and waits until it is down.
pub(crate) fn shutdown(handle: u64) {
    // SAFETY: a number that is no handle is ignored.
    unsafe { ha_nats_shutdown(handle) }
}

/// A C string from text, without the NUL bytes in it (JSON has none).
pub(crate) fn c_string(text: String) -> CString {
    let mut bytes = text.into_bytes();
    bytes.retain(|byte| *byte != 0);
    CString::new(bytes).unwrap_or_default()
}

fn take(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the Go side gives a NUL-terminated string that is ours until it is freed, which
    // happens once, here, after it was copied.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        ha_nats_free(text);
        Some(copy)
    }
}
