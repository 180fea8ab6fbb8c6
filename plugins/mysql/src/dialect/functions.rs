//! MySQL's functions in SQLite's terms; what is not here goes to SQLite as it is.

use super::lex::{Kind, Token};
use super::parts::literal;
use super::rewrite::Rewriter;
use super::{time, types};
use crate::error::{Failure, Outcome};
use crate::wire::handshake::VERSION;

/// The arguments of a call.
type Args<'a, 't> = [&'a [Token<'t>]];

/// What is a function of this module or of [`time`].
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.iter().chain(time::KNOWN).any(|known| known.eq_ignore_ascii_case(name))
}

const KNOWN: &[&str] = &[
    "ANY_VALUE",
    "BIN_TO_UUID",
    "CAST",
    "CHARACTER_LENGTH",
    "CHAR_LENGTH",
    "CONCAT",
    "CONNECTION_ID",
    "CONVERT",
    "CURRENT_USER",
    "DATABASE",
    "FOUND_ROWS",
    "GET_LOCK",
    "GREATEST",
    "GROUP_CONCAT",
    "IF",
    "INSTR",
    "ISNULL",
    "IS_FREE_LOCK",
    "JSON_UNQUOTE",
    "LAST_INSERT_ID",
    "LCASE",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LOCATE",
    "MID",
    "MOD",
    "NVL",
    "OCTET_LENGTH",
    "RAND",
    "RELEASE_LOCK",
    "RIGHT",
    "ROW_COUNT",
    "SCHEMA",
    "SESSION_USER",
    "SUBSTR",
    "SUBSTRING",
    "SYSTEM_USER",
    "UCASE",
    "USER",
    "UUID",
    "VERSION",
    "FORMAT",
    "TIMEDIFF",
    "ROUND",
];

/// What a call becomes of a function that [`is_known`], or of what looks like one: a table with
/// its columns. Its arguments are rewritten once.
pub(super) fn call(rewriter: &Rewriter<'_>, written: &str, args: &Args<'_, '_>) -> Outcome<String> {
    let name = &*written.to_ascii_uppercase();
    if let Some(fact) = fact(rewriter, name, args)? {
        return Ok(fact);
    }
    if let Some(text) = time::call(rewriter, name, args)? {
        return Ok(text);
    }
    let sql: Vec<String> = match name {
        "CAST" | "CONVERT" | "GROUP_CONCAT" => Vec::new(),
        _ => args.iter().map(|arg| rewriter.expression(arg)).collect::<Outcome<_>>()?,
    };
    let text = match (name, &sql[..]) {
        ("CAST", _) => types::cast(rewriter, args)?,
        ("CONVERT", _) => types::convert(rewriter, args)?,
        ("GROUP_CONCAT", _) => group_concat(rewriter, args)?,
        ("CONCAT", [_, ..]) => format!("(({}))", sql.join(") || (")),
        ("IF", [condition, yes, no]) => format!("iif({condition}, {yes}, {no})"),
        ("ISNULL", [a]) => format!("(({a}) IS NULL)"),
        ("NVL", [a, b]) => format!("ifnull({a}, {b})"),
        ("LOCATE", [part, text]) | ("INSTR", [text, part]) => {
            format!("instr(lower({text}), lower({part}))")
        }
        ("GREATEST", [_, _, ..]) => format!("max({})", sql.join(", ")),
        ("LEAST", [_, _, ..]) => format!("min({})", sql.join(", ")),
        ("LENGTH" | "OCTET_LENGTH", [a]) => format!("length(CAST({a} AS BLOB))"),
        ("CHAR_LENGTH" | "CHARACTER_LENGTH", [a]) => format!("length({a})"),
        ("LCASE", [a]) => format!("lower({a})"),
        ("UCASE", [a]) => format!("upper({a})"),
        ("LEFT", [a, n]) => format!("substr({a}, 1, {n})"),
        ("RIGHT", [a, n]) => format!("substr({a}, -({n}))"),
        ("MID" | "SUBSTRING" | "SUBSTR", [_]) => substring(rewriter, args[0])?,
        ("MID" | "SUBSTRING" | "SUBSTR", _) => format!("substr({})", sql.join(", ")),
        ("MOD", [a, b]) => format!("(({a}) % ({b}))"),
        ("RAND", []) => "(abs(random() / 2) / 4611686018427387904.0)".into(),
        ("UUID", []) => uuid(),
        ("JSON_UNQUOTE", [a]) => format!("({a} ->> '$')"),
        ("ANY_VALUE" | "BIN_TO_UUID", [a]) => a.clone(),
        // The id of the row that is changed is told in any case.
        ("LAST_INSERT_ID", [a]) if rewriter.new_row.is_some() => a.clone(),
        ("LAST_INSERT_ID", [_]) => return Err(Failure::unsupported("LAST_INSERT_ID with a value")),
        ("ROUND", [a, places]) if !places.starts_with('-') => format!("round({a}, {places})"),
        // SQLite does something else with these.
        ("FORMAT", [_, _, ..]) | ("TIMEDIFF", [_, _]) | ("ROUND", [_, _]) => {
            return Err(Failure::unsupported(&format!("{name} of these values")));
        }
        ("SCHEMA", _) => literal(&rewriter.scope.database),
        ("GET_LOCK" | "RELEASE_LOCK" | "IS_FREE_LOCK", _) => {
            return Err(Failure::unsupported("locks that the client names"));
        }
        _ => format!("{written}({})", sql.join(", ")),
    };
    Ok(text)
}

/// What is known of the session.
fn fact(rewriter: &Rewriter<'_>, name: &str, args: &Args<'_, '_>) -> Outcome<Option<String>> {
    let scope = rewriter.scope;
    if !args.is_empty() {
        return Ok(None);
    }
    Ok(Some(match name {
        "DATABASE" | "SCHEMA" => literal(&scope.database),
        "VERSION" => literal(VERSION),
        "USER" | "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER" => scope.account(),
        "CONNECTION_ID" => scope.id.to_string(),
        "LAST_INSERT_ID" => scope.last_insert_id.to_string(),
        "ROW_COUNT" => scope.row_count.to_string(),
        "FOUND_ROWS" => scope.found_rows.to_string(),
        _ => return Ok(None),
    }))
}

/// `GROUP_CONCAT([DISTINCT] x [ORDER BY y] [SEPARATOR s])`.
fn group_concat(rewriter: &Rewriter<'_>, args: &Args<'_, '_>) -> Outcome<String> {
    let [arg] = args else { return Err(Failure::unsupported("GROUP_CONCAT of several values")) };
    let at = arg.iter().position(|token| token.is("SEPARATOR"));
    let (value, separator) = arg.split_at(at.unwrap_or(arg.len()));
    let order = value.iter().position(|token| token.is("ORDER")).unwrap_or(value.len());
    let (value, order) = value.split_at(order);
    let (value, order) = (rewriter.expression(value)?, rewriter.expression(order)?);
    Ok(match separator.get(1) {
        Some(separator) => {
            format!("group_concat({value}, {} {order})", literal(&separator.value()))
        }
        None => format!("group_concat({value} {order})"),
    })
}

/// `SUBSTRING(x FROM a [FOR b])`.
fn substring(rewriter: &Rewriter<'_>, arg: &[Token<'_>]) -> Outcome<String> {
    let parts = arg.split(|token| token.is_any(&["FROM", "FOR"]));
    let parts: Vec<_> = parts.map(|part| rewriter.expression(part)).collect::<Outcome<_>>()?;
    Ok(format!("substr({})", parts.join(", ")))
}

fn uuid() -> String {
    let part = |bytes: usize| format!("lower(hex(randomblob({bytes})))");
    [4, 2, 2, 2, 6].map(part).join(" || '-' || ")
}

/// Whether a word is a function without parentheses, and what it becomes.
pub(super) fn bare(rewriter: &Rewriter<'_>, token: &Token<'_>) -> Option<String> {
    if token.kind != Kind::Word {
        return None;
    }
    match token.text.to_ascii_uppercase().as_str() {
        "CURRENT_USER" => Some(rewriter.scope.account()),
        "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_TIMESTAMP" => Some("CURRENT_TIMESTAMP".into()),
        "UTC_DATE" => Some("CURRENT_DATE".into()),
        _ => None,
    }
}
