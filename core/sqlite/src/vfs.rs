#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

use rusqlite::{Error, Result, ffi};

use crate::moment;

/// The name of our VFS: the default one, with a clock that can be stopped.
pub(crate) const VFS: &CStr = c"ha";

/// Of all files that are opened from now on, by whatever means, this process is the only user:
/// another one finds them locked. SQLite keeps what connections share of them in the memory of this
/// process and asks the system for one lock, which takes a fraction of the time
/// (<https://www.sqlite.org/vfs.html>, `unix-excl`). For simulations, which open many.
///
/// # Errors
/// If this SQLite has no such way to open files.
pub fn keep_files_private() -> Result<()> {
    // SAFETY: the name ends with a zero byte.
    let private = unsafe { ffi::sqlite3_vfs_find(c"unix-excl".as_ptr()) };
    if private.is_null() {
        return checked(ffi::SQLITE_NOTFOUND);
    }
    // SAFETY: it is one of SQLite's own, which are never unregistered.
    checked(unsafe { ffi::sqlite3_vfs_register(private, 1) })
}

/// Registers our VFS, once for the process.
pub(crate) fn register_vfs() -> Result<()> {
    static CODE: OnceLock<c_int> = OnceLock::new();
    checked(*CODE.get_or_init(register))
}

fn checked(code: c_int) -> Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

fn register() -> c_int {
    let Some(system) = system() else { return ffi::SQLITE_ERROR };
    // SAFETY: it points to a VFS of the system, which is never unregistered. The methods of these take what they
    // need from `pAppData` and `mxPathname`, which the copy has as well; SQLite itself registers such copies.
    let mut ours = unsafe { *system };
    ours.zName = VFS.as_ptr();
    ours.pNext = std::ptr::null_mut();
    ours.xOpen = Some(open);
    ours.xCurrentTimeInt64 = Some(current_time);
    // SAFETY: the copy is leaked, so that it lives as long as the process.
    unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 0) }
}

/// The default VFS.
fn system() -> Option<*mut ffi::sqlite3_vfs> {
    // SAFETY: a null name asks for the default.
    let system = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
    (!system.is_null()).then_some(system)
}

/// Opens a file as the default VFS of now does: what files are to the system's VFSs depends on the
/// name of the one that opens them.
unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let Some(system) = system() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: it points to a VFS that is never unregistered.
    let Some(open) = (unsafe { (*system).xOpen }) else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: the arguments are SQLite's, and there is room for a file: those of all the system's VFSs are of
    // one size.
    unsafe { open(system, name, file, flags, out) }
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, now: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes a pointer to an integer of its own.
    unsafe { *now = moment::now() };
    ffi::SQLITE_OK
}
