//! Types of columns and of CAST.

use super::lex::Token;
use super::parts::until_close;
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// `CAST(x AS type)`.
pub(super) fn cast(rewriter: &Rewriter<'_>, args: &[&[Token<'_>]]) -> Outcome<String> {
    let [arg] = args else { return decimal(rewriter, args) };
    let Some(at) = arg.iter().rposition(|token| token.is("AS")) else {
        return Err(Failure::syntax("CAST"));
    };
    typed(&rewriter.expression(&arg[..at])?, &arg[at + 1..])
}

/// `CAST(x AS DECIMAL(a, b))` has a comma of its own.
fn decimal(rewriter: &Rewriter<'_>, args: &[&[Token<'_>]]) -> Outcome<String> {
    match args {
        [value, kind] => typed(&rewriter.expression(value)?, kind),
        _ => Err(Failure::syntax("CAST")),
    }
}

/// `CONVERT(x, type)` or `CONVERT(x USING charset)`.
pub(super) fn convert(rewriter: &Rewriter<'_>, args: &[&[Token<'_>]]) -> Outcome<String> {
    let [arg] = args else { return decimal(rewriter, args) };
    let at = arg.iter().position(|token| token.is("USING")).unwrap_or(arg.len());
    Ok(format!("CAST({} AS TEXT)", rewriter.expression(&arg[..at])?))
}

fn typed(value: &str, kind: &[Token<'_>]) -> Outcome<String> {
    let Some(first) = kind.first() else { return Err(Failure::syntax("CAST")) };
    Ok(match first.text.to_ascii_uppercase().as_str() {
        "CHAR" | "NCHAR" | "VARCHAR" => format!("CAST({value} AS TEXT)"),
        "SIGNED" | "UNSIGNED" | "INTEGER" | "INT" => format!("CAST({value} AS INTEGER)"),
        "DECIMAL" | "FLOAT" | "DOUBLE" | "REAL" => format!("CAST({value} AS REAL)"),
        "BINARY" => format!("CAST({value} AS BLOB)"),
        "DATE" => format!("date({value})"),
        "TIME" => format!("time({value})"),
        "DATETIME" => format!("datetime({value})"),
        "JSON" => format!("json({value})"),
        other => return Err(Failure::unsupported(&format!("CAST AS {other}"))),
    })
}

/// A column's type.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// In SQLite's syntax, with MySQL's words.
    pub(super) text: String,
    /// What an ENUM allows, as a list in SQL.
    pub(super) values: Option<String>,
    /// How many tokens it was.
    pub(super) used: usize,
}

/// Reads a type: `INT(11) UNSIGNED`, `VARCHAR(20)`, `ENUM('a', 'b')` …
pub(super) fn declared(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<Declared> {
    let Some(first) = tokens.first() else { return Ok(Declared::default()) };
    let mut base = first.text.to_ascii_lowercase();
    let mut used = 1;
    if base == "double" && tokens.get(1).is_some_and(|token| token.is("PRECISION")) {
        used += 1;
    }
    let mut size = String::new();
    if tokens.get(used).is_some_and(|token| token.symbol("(")) {
        let close = until_close(tokens, used)?;
        size = rewriter.expression(&tokens[used + 1..close])?;
        used = close + 1;
    }
    let mut unsigned = false;
    while let Some(token) = tokens.get(used)
        && token.is_any(&["UNSIGNED", "SIGNED", "ZEROFILL"])
    {
        unsigned |= !token.is("SIGNED");
        used += 1;
    }
    let mut values = None;
    if matches!(base.as_str(), "enum" | "set") {
        values = Some(size).filter(|_| base == "enum");
        (base, size) = ("text".into(), String::new());
    }
    let whole = base.contains("int") || base == "bit";
    // `INTEGER` is kept for the alias of the rowid, which is 64 bits wide.
    let base = match base.as_str() {
        "integer" => "int".to_owned(),
        "numeric" | "dec" | "fixed" => "decimal".to_owned(),
        _ => base,
    };
    if base != "text" {
        size.retain(|char| char != ' ');
    }
    // Widths of integers say nothing, but for the one that means BOOL.
    if whole && !(base == "tinyint" && size == "1") {
        size.clear();
    }
    let size = if size.is_empty() { size } else { format!("({size})") };
    let unsigned = if unsigned && whole { " unsigned" } else { "" };
    Ok(Declared { text: format!("{base}{size}{unsigned}"), values, used })
}
