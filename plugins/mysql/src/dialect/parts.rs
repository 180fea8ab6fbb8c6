//! Taking statements apart, and writing names and strings.

use ha_core::Value;

use super::lex::{Kind, Token};
use super::text;
use crate::error::{Failure, Outcome};

/// A string in SQL. SQLite's text ends at a NUL, so such a string is written as bytes.
pub(crate) fn literal(value: &str) -> String {
    if value.contains('\0') {
        return format!("CAST({} AS TEXT)", text::hex(value.as_bytes()));
    }
    format!("'{}'", value.replace('\'', "''"))
}

/// A value in SQL, exactly.
pub(crate) fn constant(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(i64::MIN) => "(-9223372036854775807 - 1)".into(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) if value.is_infinite() => {
            if *value > 0.0 { "9e999" } else { "-9e999" }.into()
        }
        Value::Real(value) => format!("{value:?}"),
        Value::Text(text) => literal(text),
        Value::RawText(bytes) => format!("CAST({} AS TEXT)", text::hex(bytes)),
        Value::Blob(bytes) => text::hex(bytes),
    }
}

/// A name in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Where the parenthesis at `open` is closed.
pub(super) fn until_close(tokens: &[Token<'_>], open: usize) -> Outcome<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.symbol("(") {
            depth += 1;
        } else if token.symbol(")") {
            match depth {
                0 => break,
                1 => return Ok(index),
                _ => depth -= 1,
            }
        }
    }
    Err(Failure::syntax(tokens.get(open).map_or("", |token| token.text)))
}

/// The parts between the commas that are in no parentheses.
pub(crate) fn split<'a, 't>(tokens: &'a [Token<'t>]) -> Vec<&'a [Token<'t>]> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" if token.kind == Kind::Symbol => depth += 1,
            ")" if token.kind == Kind::Symbol => depth = depth.saturating_sub(1),
            "," if token.kind == Kind::Symbol && depth == 0 => {
                parts.push(&tokens[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if !tokens.is_empty() {
        parts.push(&tokens[start..]);
    }
    parts
}

/// The first token at or after `from` that is one of these words and in no parentheses.
pub(super) fn find(tokens: &[Token<'_>], from: usize, words: &[&str]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(from) {
        if token.symbol("(") {
            depth += 1;
        } else if token.symbol(")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is_any(words) {
            return Some(index);
        }
    }
    None
}
