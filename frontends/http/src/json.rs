//! JSON as Go's `encoding/json` writes it.
//!
//! Source: `encodeState.string` and `floatEncoder` of
//! <https://go.dev/src/encoding/json/encode.go>.

use std::io::Write as _;

/// Appends `text` as a JSON string; `<`, `>`, `&`, U+2028 and U+2029 are escaped.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends bytes as a JSON string; each byte that is not UTF-8 becomes `\ufffd`.
pub(crate) fn lossy_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        escaped(out, chunk.valid());
        chunk.invalid().iter().for_each(|_| out.extend_from_slice(b"\\ufffd"));
    }
    out.push(b'"');
}

/// Appends an integer, exactly.
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest number that reads back as `value`; infinities are strings.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"null");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let sign = if size < 1.0 { "e" } else { "e+" };
        out.extend_from_slice(text.replacen('e', sign, 1).as_bytes());
    } else {
        display(out, value);
    }
}

/// Appends what `value` displays as, which must need no escaping.
pub(crate) fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut written = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !is_special(bytes[at]) {
            at += 1;
            continue;
        }
        let length = escaped_length(&bytes[at..]);
        if length > 0 {
            out.extend_from_slice(&bytes[written..at]);
            escape(out, &bytes[at..at + length]);
            written = at + length;
        }
        at += length.max(1);
    }
    out.extend_from_slice(&bytes[written..]);
}

/// 0xE2 begins U+2028 and U+2029, among others.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xE2)
}

/// How many bytes the escape at the start of `bytes` stands for, 0 if none is needed.
fn escaped_length(bytes: &[u8]) -> usize {
    match bytes {
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        [0xE2, ..] => 0,
        _ => 1,
    }
}

fn escape(out: &mut Vec<u8>, special: &[u8]) {
    let short = match special[0] {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0C => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0xE2 => return display(out, format_args!("\\u20{:x}", special[2] - 0x80)),
        byte => return display(out, format_args!("\\u{byte:04x}")),
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// What Go wrote for each number.
    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases = [
            (1.0, "1"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e21, "1e+21"),
            (-1e21, "-1e+21"),
            (1e300, "1e+300"),
            (1e-6, "0.000001"),
            (9.99e-7, "9.99e-7"),
            (1.5e-10, "1.5e-10"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (100.5, "100.5"),
        ];
        for (value, expected) in cases {
            assert_eq!(written(|out| float(out, value)), expected);
        }
    }

    /// What Go wrote for each string.
    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let cases: [(&[u8], &str); 6] = [
            (b"a\"b\\c/", r#""a\"b\\c/""#),
            (b"\0\x01\x08\t\n\x0b\x0c\r\x1f", r#""\u0000\u0001\b\t\n\u000b\f\r\u001f""#),
            ("<b>&é✓\u{7f}".as_bytes(), "\"\\u003cb\\u003e\\u0026é✓\u{7f}\""),
            ("\u{2028}\u{2029}‧€".as_bytes(), r#""\u2028\u2029‧€""#),
            (b"\xff\xe2\x82A\xed\xa0\x80", r#""\ufffd\ufffd\ufffdA\ufffd\ufffd\ufffd""#),
            ("😀\u{fffd}".as_bytes(), "\"😀\u{fffd}\""),
        ];
        for (bytes, expected) in cases {
            assert_eq!(written(|out| lossy_string(out, bytes)), expected);
            if let Ok(text) = std::str::from_utf8(bytes) {
                assert_eq!(written(|out| string(out, text)), expected);
            }
        }
    }

    #[test]
    fn infinities_are_strings() {
        assert_eq!(written(|out| float(out, f64::INFINITY)), "\"Infinity\"");
        assert_eq!(written(|out| float(out, f64::NEG_INFINITY)), "\"-Infinity\"");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(text: String, number: f64, integer: i64) {
            let read = |json: String| serde_json::from_str::<serde_json::Value>(&json).unwrap();
            assert_eq!(read(written(|out| string(out, &text))), text);
            assert_eq!(read(written(|out| super::integer(out, integer))), integer);
            if number.is_finite() {
                let back = read(written(|out| float(out, number))).as_f64();
                assert_eq!(back, Some(number));
            }
        }
    }
}
