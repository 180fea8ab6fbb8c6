//! SELECT: columns are called as their text is, as MySQL calls them.

use super::lex::{Kind, Token};
use super::parts::{find, quoted, split};
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// What ends the list of columns.
const AFTER: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTO",
    "FOR",
    "LOCK",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
];

/// What may stand between SELECT and the list.
const BEFORE: &[&str] = &[
    "ALL",
    "DISTINCT",
    "DISTINCTROW",
    "SQL_CALC_FOUND_ROWS",
    "SQL_NO_CACHE",
    "STRAIGHT_JOIN",
    "HIGH_PRIORITY",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
];

/// Rewrites a SELECT; `source` is the text that the tokens are from.
pub(super) fn select(
    rewriter: &Rewriter<'_>,
    tokens: &[Token<'_>],
    source: &str,
) -> Outcome<String> {
    let counts = tokens.iter().any(|token| token.is("SQL_CALC_FOUND_ROWS"));
    if counts && find(tokens, 0, &["LIMIT"]).is_some() {
        return Err(Failure::unsupported("SQL_CALC_FOUND_ROWS; ask for COUNT(*)"));
    }
    let list = 1 + tokens[1..].iter().take_while(|token| token.is_any(BEFORE)).count();
    let end = find(tokens, list, AFTER).unwrap_or(tokens.len());
    let items: Vec<_> = split(&tokens[list..end])
        .iter()
        .map(|item| column(rewriter, item, source))
        .collect::<Outcome<_>>()?;
    let head = rewriter.expression(&tokens[..list])?;
    let rest = rewriter.expression(&tokens[end..])?;
    Ok(format!("{head} {} {rest}", items.join(", ")).trim_end().to_owned())
}

fn column(rewriter: &Rewriter<'_>, item: &[Token<'_>], source: &str) -> Outcome<String> {
    let sql = rewriter.expression(item)?;
    if item.is_empty() || is_plain(item) || has_alias(item) {
        return Ok(sql);
    }
    let name = match item {
        [Token { kind: Kind::Text, .. }] => item[0].value(),
        _ => source[item[0].at..item[item.len() - 1].end()].to_owned(),
    };
    Ok(format!("{sql} AS {}", quoted(&name)))
}

/// `*`, `t.*`, `c` or `t.c`, which have names.
fn is_plain(item: &[Token<'_>]) -> bool {
    let last = &item[item.len() - 1];
    let path = item.iter().all(|token| token.is_name() || token.symbol(".") || token.symbol("*"));
    let bare = item.len() == 1 && last.is_any(&["NULL", "TRUE", "FALSE", "CURRENT_USER"]);
    (path && !bare && item.len() % 2 == 1 && item.iter().skip(1).step_by(2).all(|t| t.symbol(".")))
        || last.symbol("*")
}

/// `x AS name`, or `x name`.
fn has_alias(item: &[Token<'_>]) -> bool {
    let [.., before, last] = item else { return false };
    if before.is("AS") {
        return true;
    }
    const NO_NAMES: &[&str] = &["END", "NULL", "TRUE", "FALSE"];
    let names = (last.is_name() && !last.is_any(NO_NAMES)) || last.kind == Kind::Text;
    let operand = match before.kind {
        Kind::Symbol => before.text == ")",
        // Strings side by side are one.
        Kind::Text => last.kind != Kind::Text,
        Kind::Word => last.kind != Kind::Text && (before.is("END") || !is_operator(before)),
        _ => true,
    };
    names && operand
}

fn is_operator(token: &Token<'_>) -> bool {
    token.is_any(&[
        "AND", "OR", "NOT", "IS", "IN", "LIKE", "BETWEEN", "DIV", "MOD", "REGEXP", "RLIKE", "XOR",
        "BINARY", "CASE", "WHEN", "THEN", "ELSE", "INTERVAL", "COLLATE", "ESCAPE",
    ])
}
