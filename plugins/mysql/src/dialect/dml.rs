//! INSERT, REPLACE, UPDATE and DELETE.

use super::lex::{Kind, Token};
use super::parts::{find, quoted, split, until_close};
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// Words without a meaning here.
const HINTS: &[&str] = &["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK"];

/// Rewrites an INSERT or REPLACE.
pub(super) fn insert(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<String> {
    let mut at = 1;
    let mut verb = if tokens[0].is("REPLACE") { "REPLACE" } else { "INSERT" };
    while let Some(token) = tokens.get(at)
        && (token.is_any(HINTS) || token.is_any(&["IGNORE", "INTO"]))
    {
        if token.is("IGNORE") {
            verb = "INSERT OR IGNORE";
        }
        at += 1;
    }
    let table = table(rewriter, tokens, &mut at)?;
    let upsert = duplicate(tokens, at);
    let body = &tokens[at..upsert.unwrap_or(tokens.len())];
    let (values, alias) = body_of(rewriter, body)?;
    let head = format!("{verb} INTO {table}");
    let Some(upsert) = upsert else { return Ok(format!("{head} {values}")) };
    let alias = alias.unwrap_or_default();
    let new_row = Rewriter { new_row: Some(&alias), ..*rewriter };
    in_any_order(&tokens[upsert + 4..], &alias)?;
    let changes = new_row.expression(&tokens[upsert + 4..])?;
    // Without WHERE, SQLite takes ON for the condition of a join.
    let where_true = find(body, 0, &["SELECT"]).is_some()
        && find(body, 0, &["WHERE", "GROUP", "ORDER", "LIMIT"]).is_none();
    let condition = if where_true { " WHERE true" } else { "" };
    Ok(format!("{head} {values}{condition} ON CONFLICT DO UPDATE SET {changes}"))
}

/// Where ON DUPLICATE KEY UPDATE begins.
fn duplicate(tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let on = find(tokens, from, &["DUPLICATE"])?.checked_sub(1)?;
    let words = tokens.get(on..on + 4)?;
    (words[0].is("ON") && words[2].is("KEY") && words[3].is("UPDATE")).then_some(on)
}

/// What follows the table's name, and how the new row is called.
fn body_of(rewriter: &Rewriter<'_>, body: &[Token<'_>]) -> Outcome<(String, Option<String>)> {
    if body.first().is_some_and(|token| token.is("SET")) {
        return assignments(rewriter, &body[1..]).map(|sql| (sql, None));
    }
    let Some(values) = values_at(body)? else {
        return Ok((rewriter.expression(body)?, None));
    };
    let mut rows = &body[values + 1..];
    let mut alias = None;
    if let [before @ .., as_word, name] = rows
        && as_word.is("AS")
    {
        (rows, alias) = (before, Some(name.value()));
    }
    let empty = |tokens: &[Token<'_>]| matches!(tokens, [a, b] if a.symbol("(") && b.symbol(")"));
    let columns = &body[..values];
    if empty(rows) && (columns.is_empty() || empty(columns)) {
        return Ok(("DEFAULT VALUES".into(), alias));
    }
    let rows: Vec<_> =
        split(rows).iter().map(|row| values_row(rewriter, row)).collect::<Outcome<_>>()?;
    Ok((format!("{} VALUES {}", rewriter.expression(columns)?, rows.join(", ")), alias))
}

/// Where VALUES stands: in front, or behind the list of columns.
fn values_at(body: &[Token<'_>]) -> Outcome<Option<usize>> {
    let columns = body.first().is_some_and(|token| token.symbol("("));
    let at = if columns { until_close(body, 0)? + 1 } else { 0 };
    Ok(body.get(at).is_some_and(|token| token.is_any(&["VALUES", "VALUE"])).then_some(at))
}

/// Whether the first id that a statement makes can only be told by the rows: if there are several,
/// or if a row may be changed instead of made.
pub(crate) fn ids_are_in_rows(tokens: &[Token<'_>]) -> bool {
    let several = || {
        let values = find(tokens, 0, &["VALUES", "VALUE"]);
        values.is_some_and(|at| split(&tokens[at + 1..]).len() > 1)
    };
    let upsert = duplicate(tokens, 0).is_some();
    find(tokens, 0, &["RETURNING"]).is_none() && (upsert || several())
}

/// A row of values; DEFAULT becomes NULL, for which an AUTO_INCREMENT column counts on.
fn values_row(rewriter: &Rewriter<'_>, row: &[Token<'_>]) -> Outcome<String> {
    let row = if row.first().is_some_and(|token| token.is("ROW")) { &row[1..] } else { row };
    let [open, inner @ .., close] = row else { return Err(Failure::syntax("VALUES")) };
    if !open.symbol("(") || !close.symbol(")") {
        return Err(Failure::syntax(open.text));
    }
    let value = |value: &&[Token<'_>]| match value {
        [token] if token.is("DEFAULT") => Ok("NULL".to_owned()),
        value => rewriter.expression(value),
    };
    let values: Vec<_> = split(inner).iter().map(value).collect::<Outcome<_>>()?;
    Ok(format!("({})", values.join(", ")))
}

/// `a = 1, b = 2` as columns and values.
fn assignments(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<String> {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for part in split(tokens) {
        let Some(at) = part.iter().position(|token| token.symbol("=")).filter(|at| *at > 0) else {
            return Err(Failure::syntax(part.first().map_or("", |token| token.text)));
        };
        columns.push(quoted(&part[at - 1].value()));
        values.push(rewriter.expression(&part[at + 1..])?);
    }
    Ok(format!("({}) VALUES ({})", columns.join(", "), values.join(", ")))
}

/// A table's name at `at`, which is moved behind it.
fn table(rewriter: &Rewriter<'_>, tokens: &[Token<'_>], at: &mut usize) -> Outcome<String> {
    let start = *at;
    let dotted = tokens.get(start + 1).is_some_and(|token| token.symbol("."));
    *at = start + if dotted { 3 } else { 1 };
    let name = tokens.get(start..*at).filter(|name| name[0].is_name());
    rewriter.expression(name.ok_or_else(|| Failure::syntax("the table's name"))?)
}

/// Rewrites an UPDATE.
pub(super) fn update(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<String> {
    let (mut at, mut verb) = (1, "UPDATE");
    while let Some(token) = tokens.get(at)
        && (token.is_any(HINTS) || token.is("IGNORE"))
    {
        if token.is("IGNORE") {
            verb = "UPDATE OR IGNORE";
        }
        at += 1;
    }
    let Some(set) = find(tokens, at, &["SET"]) else { return Err(Failure::syntax("UPDATE")) };
    if tokens[at..set].iter().any(|token| token.symbol(",") || token.is("JOIN")) {
        return Err(Failure::unsupported("UPDATE of several tables"));
    }
    let tables = rewriter.expression(&tokens[at..set])?;
    let end = find(tokens, set, &["WHERE", "ORDER", "LIMIT"]).unwrap_or(tokens.len());
    in_any_order(&tokens[set + 1..end], "")?;
    let changes = rewriter.expression(&tokens[set..end])?;
    Ok(format!("{verb} {tables} {changes} {}", condition(rewriter, &tables, &tokens[end..])?))
}

/// Refuses assignments that use a column which one before them changes: MySQL takes its new
/// value, SQLite the old one. `new_row` is how the row is called that is inserted.
fn in_any_order(assignments: &[Token<'_>], new_row: &str) -> Outcome<()> {
    let mut changed: Vec<String> = Vec::new();
    for part in split(assignments) {
        let Some(at) = part.iter().position(|token| token.symbol("=")).filter(|at| *at > 0) else {
            continue;
        };
        let value = &part[at + 1..];
        for (index, token) in value.iter().enumerate().filter(|(_, token)| token.is_name()) {
            let before = |steps: usize| index.checked_sub(steps).map(|index| &value[index]);
            let after = value.get(index + 1);
            let leads = after.is_some_and(|next| next.symbol("(") || next.symbol("."));
            let inserted = before(2).is_some_and(|word| {
                word.is("VALUES") || (!new_row.is_empty() && word.value() == new_row)
            });
            let name = token.value();
            if !leads && !inserted && changed.iter().any(|c| c.eq_ignore_ascii_case(&name)) {
                let what = format!("the use of '{name}' behind its assignment");
                return Err(Failure::unsupported(&what));
            }
        }
        changed.push(part[at - 1].value());
    }
    Ok(())
}

/// Rewrites a DELETE.
pub(super) fn delete(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<String> {
    let mut at = 1;
    while tokens.get(at).is_some_and(|token| token.is_any(HINTS) || token.is("IGNORE")) {
        at += 1;
    }
    let Some(from) = find(tokens, at, &["FROM"]) else { return Err(Failure::syntax("DELETE")) };
    let end = find(tokens, from, &["WHERE", "ORDER", "LIMIT"]).unwrap_or(tokens.len());
    let refs = rewriter.expression(&tokens[from + 1..end])?;
    if from == at {
        return Ok(format!("DELETE FROM {refs} {}", condition(rewriter, &refs, &tokens[end..])?));
    }
    // DELETE t FROM t JOIN u …
    let [name] = &tokens[at..from] else {
        return Err(Failure::unsupported("DELETE from several tables"));
    };
    let (target, rest) = (quoted(&name.value()), rewriter.expression(&tokens[end..])?);
    let table = aliased(&tokens[from + 1..end], &name.value()).unwrap_or_else(|| target.clone());
    let rows = format!("SELECT {target}.rowid FROM {refs} {rest}");
    Ok(format!("DELETE FROM {table} WHERE rowid IN ({rows})"))
}

/// The table that is called `alias`, if it has another name.
fn aliased(refs: &[Token<'_>], alias: &str) -> Option<String> {
    let at = refs.iter().position(|token| token.is_name() && token.value() == alias)?;
    let before = at.checked_sub(1).map(|index| &refs[index])?;
    let table = if before.is("AS") { refs.get(at.checked_sub(2)?)? } else { before };
    (table.is_name() && !table.is_any(&["JOIN", "ON"]) || table.kind == Kind::Name)
        .then(|| quoted(&table.value()))
}

/// WHERE, and ORDER BY with LIMIT, which SQLite does not take here.
fn condition(rewriter: &Rewriter<'_>, table: &str, rest: &[Token<'_>]) -> Outcome<String> {
    let sql = rewriter.expression(rest)?;
    if find(rest, 0, &["LIMIT"]).is_none() {
        let order = find(rest, 0, &["ORDER"]).unwrap_or(rest.len());
        return rewriter.expression(&rest[..order]);
    }
    Ok(format!("WHERE rowid IN (SELECT rowid FROM {table} {sql})"))
}

/// `TRUNCATE [TABLE] t`.
pub(super) fn truncate(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<String> {
    let at = if tokens.get(1).is_some_and(|token| token.is("TABLE")) { 2 } else { 1 };
    Ok(format!("DELETE FROM {}", rewriter.expression(&tokens[at..])?))
}

/// A list in parentheses, and where it ends.
pub(super) fn list<'a, 't>(
    tokens: &'a [Token<'t>],
    open: usize,
) -> Outcome<(Vec<&'a [Token<'t>]>, usize)> {
    let close = until_close(tokens, open)?;
    Ok((split(&tokens[open + 1..close]), close + 1))
}
