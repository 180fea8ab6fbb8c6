//! What a list of result columns consists of.

use crate::dialect::lex::{Kind, Token};

/// The expressions between the commas, without `SELECT` and what follows the list.
pub(super) fn items<'t, 'a>(all: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    const ENDS: &[&str] = &[
        "FROM",
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "WINDOW",
    ];
    let Some(start) = top_level(all, |token| token.is_any(&["SELECT", "RETURNING"])) else {
        return Vec::new();
    };
    let compound = top_level(all, |token| token.is_any(&["UNION", "EXCEPT", "INTERSECT"]));
    let mut list = &all[start + 1..];
    if list.first().is_some_and(|token| token.is_any(&["DISTINCT", "ALL"])) {
        list = &list[1..];
    }
    let end = top_level(list, |token| token.is_any(ENDS) || token.symbol(";"));
    list = &list[..end.unwrap_or(list.len())];
    if compound.is_some() || list.is_empty() {
        return Vec::new();
    }
    let mut items = Vec::new();
    while let Some(comma) = top_level(list, |token| token.symbol(",")) {
        items.push(&list[..comma]);
        list = &list[comma + 1..];
    }
    items.push(list);
    items
}

/// The first token outside parentheses that matches.
pub(super) fn top_level(
    tokens: &[Token<'_>],
    matches: impl Fn(&Token<'_>) -> bool,
) -> Option<usize> {
    let mut depth = 0_i32;
    tokens.iter().position(|token| {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0 && matches(token)
    })
}

/// The expression without its name.
pub(super) fn unaliased<'t, 'a>(item: &'t [Token<'a>]) -> &'t [Token<'a>] {
    const NO_ALIAS: &[&str] = &["END", "NULL", "TRUE", "FALSE", "ISNULL", "NOTNULL"];
    const CONTINUED: &[&str] = &["NOT", "IS", "IN", "LIKE", "AND", "OR", "COLLATE", "OVER", "CASE"];
    match item {
        [expression @ .., word, _] if word.is("AS") => expression,
        [.., before, alias]
            if alias.is_name()
                && !alias.is_any(NO_ALIAS)
                && !before.is_any(CONTINUED)
                && (before.symbol(")") || !matches!(before.kind, Kind::Symbol)) =>
        {
            &item[..item.len() - 1]
        }
        item => item,
    }
}

/// `FigureColname` of PostgreSQL's parser, for the common cases.
pub(super) fn name_of(expression: &[Token<'_>]) -> String {
    match expression {
        [cast, open, inner @ .., word, ty, close]
            if cast.is("CAST") && open.symbol("(") && word.is("AS") && close.symbol(")") =>
        {
            let inner = name_of(inner);
            if inner == "?column?" { ty.name() } else { inner }
        }
        [name, open, ..] if name.kind == Kind::Word && open.symbol("(") => name.name(),
        [name] if name.is_any(&["TRUE", "FALSE"]) => "bool".into(),
        [name] if name.is("NULL") => "?column?".into(),
        [case, ..] if case.is("CASE") => "case".into(),
        [name] if name.is_name() => name.name(),
        [.., dot, name] if dot.symbol(".") && name.is_name() => name.name(),
        _ => "?column?".into(),
    }
}
