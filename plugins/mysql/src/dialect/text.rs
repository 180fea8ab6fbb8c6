//! Statements arrive as bytes: drivers put binary strings into them as they are.

use std::borrow::Cow;

use ha_core::sql::quoted;

use crate::error::{Failure, Outcome};

/// A statement as text. `_binary'…'`, whose bytes need not be UTF-8, becomes `x'…'`.
pub(crate) fn readable(sql: &[u8]) -> Outcome<Cow<'_, str>> {
    let binary = sql.windows(7).any(|window| window.eq_ignore_ascii_case(b"_binary"));
    match std::str::from_utf8(sql) {
        Ok(text) if !binary => Ok(Cow::Borrowed(text)),
        _ => String::from_utf8(with_hex(sql)).map(Cow::Owned).map_err(|_| {
            Failure::new(1300, "HY000", "Invalid utf8mb4 character string in the statement")
        }),
    }
}

fn with_hex(sql: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(sql.len()), 0);
    while at < sql.len() {
        let rest = &sql[at..];
        let length = match rest[0] {
            quote @ (b'\'' | b'"') => quoted(rest, quote, true),
            b'`' => quoted(rest, b'`', false),
            b'_' => {
                if let Some((literal, length)) = binary(rest) {
                    out.extend_from_slice(hex(&literal).as_bytes());
                    at += length;
                    continue;
                }
                1
            }
            _ => 1,
        };
        out.extend_from_slice(&rest[..length.min(rest.len())]);
        at += length;
    }
    out
}

/// The bytes of `_binary'…'` and its length.
fn binary(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (word, rest) = text.split_at_checked(7)?;
    let blanks = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let quote = rest[blanks];
    if !word.eq_ignore_ascii_case(b"_binary") || !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let length = quoted(&rest[blanks..], quote, true);
    let body = rest.get(blanks + 1..(blanks + length).checked_sub(1)?)?;
    Some((unescape(body, quote), 7 + blanks + length))
}

fn unescape(body: &[u8], quote: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            byte if byte == quote && bytes.peek() == Some(&quote) => out.extend(bytes.next()),
            b'\\' => out.extend(bytes.next().map(|byte| match byte {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'0' => 0,
                b'Z' => 0x1a,
                byte => byte,
            })),
            byte => out.push(byte),
        }
    }
    out
}

/// A blob in SQL.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_strings_keep_their_bytes() {
        let sql = b"INSERT INTO t VALUES (_binary'\xff\\0a\\'', 'x _binary''y', `_binary`)";
        let text = readable(sql).unwrap();
        assert_eq!(text, "INSERT INTO t VALUES (x'ff006127', 'x _binary''y', `_binary`)");
        assert!(readable(b"SELECT '\xff'").is_err());
        for odd in [&b"_binary'"[..], b"_binary", b"_binary'\\", b"'\\"] {
            let _ = readable(odd);
        }
    }
}
