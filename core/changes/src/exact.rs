//! Values as JSON, exactly. `null`, numbers and strings say NULL, INTEGER (no dot, no
//! exponent), REAL and TEXT; a row with any other value carries one letter per column:
//!
//! | letter | value | JSON |
//! |---|---|---|
//! | `n` `i` `r` `t` | NULL, INTEGER, finite REAL, TEXT | as without letters |
//! | `i` | INTEGER beyond 2^53 for v0.0.7 | its digits as a string |
//! | `b` | BLOB | base64 |
//! | `x` | TEXT whose bytes are not UTF-8 | base64 |
//! | `f` | infinite REAL | `"Infinity"`, `"-Infinity"` |

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ha_core::Value;

use crate::encode::Writer;

/// Whether the value needs no letter; integers that no double holds need one if they are
/// [spelled](spell).
pub(crate) fn is_plain(value: &Value, spelled: bool) -> bool {
    match value {
        Value::Integer(integer) => !spelled || is_double(*integer),
        _ => matches!(letter(value), b'n' | b'r' | b't'),
    }
}

/// Whether this integer and those beside it are doubles too, as v0.0.7 reads every number.
pub(crate) fn is_double(integer: i64) -> bool {
    integer.unsigned_abs() <= 1 << 53
}

/// The letter of a value.
pub(crate) fn letter(value: &Value) -> u8 {
    match value {
        Value::Null => b'n',
        Value::Integer(_) => b'i',
        Value::Real(real) if real.is_nan() => b'n',
        Value::Real(real) if real.is_infinite() => b'f',
        Value::Real(_) => b'r',
        Value::Text(_) => b't',
        Value::RawText(_) => b'x',
        Value::Blob(_) => b'b',
    }
}

/// The JSON of a value.
pub(crate) fn write(out: &mut Writer, value: &Value) {
    match value {
        Value::Integer(integer) => out.integer(*integer),
        Value::Real(real) if real.is_finite() => out.real(*real),
        Value::Real(real) if *real == f64::INFINITY => out.raw("\"Infinity\""),
        Value::Real(real) if *real == f64::NEG_INFINITY => out.raw("\"-Infinity\""),
        Value::Null | Value::Real(_) => out.raw("null"),
        Value::Text(text) => out.string(text),
        Value::RawText(bytes) | Value::Blob(bytes) => out.base64(bytes),
    }
}

/// The JSON of an integer as a string: v0.0.7 stores it exactly where the column makes an
/// INTEGER of it.
pub(crate) fn spell(out: &mut Writer, integer: i64) {
    out.raw("\"");
    out.integer(integer);
    out.raw("\"");
}

/// The value that a JSON scalar, which is no string, and a letter mean together; `None` if
/// they contradict each other.
pub(crate) fn resolve(scalar: Value, letter: u8) -> Option<Value> {
    let fits = matches!(
        (letter, &scalar),
        (b'n', Value::Null) | (b'i', Value::Integer(_)) | (b'r', Value::Real(_))
    );
    fits.then_some(scalar)
}

/// As [`resolve`], for a string.
pub(crate) fn resolve_text(text: Cow<'_, str>, letter: u8) -> Option<Value> {
    match (letter, &*text) {
        (b't', _) => Some(Value::Text(text.into_owned())),
        (b'i', digits) => digits.parse().ok().map(Value::Integer),
        (b'b', base64) => STANDARD.decode(base64).ok().map(Value::Blob),
        (b'x', base64) => STANDARD.decode(base64).ok().map(|bytes| Value::text(&bytes)),
        (b'f', "Infinity") => Some(Value::Real(f64::INFINITY)),
        (b'f', "-Infinity") => Some(Value::Real(f64::NEG_INFINITY)),
        _ => None,
    }
}

/// The value that v0.0.7 meant by plain JSON for a column of this type. Of base64 nothing tells
/// whether it was a TEXT or a BLOB: the type decides, or else whether it is text.
pub(crate) fn resolve_v007(plain: &Value, as_base64: bool, decl_type: &str) -> Value {
    let Value::Text(text) = plain else { return plain.clone() };
    let bytes = if as_base64 { STANDARD.decode(text).ok() } else { None };
    match bytes.map(String::from_utf8) {
        None => plain.clone(),
        Some(Ok(text)) if !decl_type.eq_ignore_ascii_case("BLOB") => Value::Text(text),
        Some(Ok(text)) => Value::Blob(text.into_bytes()),
        Some(Err(error)) => Value::Blob(error.into_bytes()),
    }
}
