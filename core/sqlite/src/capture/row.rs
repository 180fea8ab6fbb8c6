//! The rows that SQLite shows in its preupdate hook.
#![allow(unsafe_code)]

use std::ffi::c_int;

use ha_core::Value;
use rusqlite::ffi;

type Column = unsafe extern "C" fn(*mut ffi::sqlite3, c_int, *mut *mut ffi::sqlite3_value) -> c_int;

/// A row that the callback of `db` is told of, by columns.
pub(super) fn row(db: *mut ffi::sqlite3, column: Column) -> Vec<Option<Value>> {
    // SAFETY: called only inside the preupdate callback of `db`.
    let count = unsafe { ffi::sqlite3_preupdate_count(db) };
    (0..count)
        .map(|index| {
            let mut value = std::ptr::null_mut();
            // SAFETY: inside the callback of `db`, with an index below the column count.
            let rc = unsafe { column(db, index, &raw mut value) };
            // A virtual generated column has no stored value (SQLITE_RANGE).
            (rc == ffi::SQLITE_OK && !value.is_null()).then(|| copy(value))
        })
        .collect()
}

fn copy(value: *mut ffi::sqlite3_value) -> Value {
    // SAFETY: `value` is a protected value that SQLite keeps until the callback returns;
    // text and blob pointers are read before any other call on it, with the length SQLite
    // gives for that representation.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => {
                let text = ffi::sqlite3_value_text(value);
                Value::text(bytes(text, ffi::sqlite3_value_bytes(value)))
            }
            ffi::SQLITE_BLOB => {
                let blob = ffi::sqlite3_value_blob(value).cast();
                Value::Blob(bytes(blob, ffi::sqlite3_value_bytes(value)).to_vec())
            }
            _ => Value::Null,
        }
    }
}

/// # Safety
/// `start` must be null or point to `length` bytes that live as long as the result is used.
unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller's promise.
        Ok(length) if !start.is_null() => unsafe { std::slice::from_raw_parts(start, length) },
        _ => &[],
    }
}
