use std::cell::Cell;
use std::collections::HashMap;

use pgwire::api::Type;

use super::select::{items, name_of, top_level, unaliased};
use crate::dialect::lex::{Kind, Token, tokens, words};

/// What is known about the names in a statement.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// The types of the columns by name; `None` where two tables disagree.
    pub(crate) columns: HashMap<String, Option<Type>>,
    /// The types of the parameters.
    pub(crate) params: Vec<Type>,
    /// A column was asked for that is not in `columns`.
    pub(crate) missed: Cell<bool>,
}

/// What PostgreSQL would say about a column of a result that is no column of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Inferred {
    /// Its type, if that can be known.
    pub(crate) ty: Option<Type>,
    /// What SQLite names it without AS, which is how it is written.
    pub(crate) written: String,
    /// What PostgreSQL names it without AS.
    pub(crate) name: String,
}

/// Reads the columns of a SELECT or RETURNING in SQLite's dialect. Empty if they cannot be
/// told one by one, as with `*`.
pub(crate) fn infer(sql: &str, scope: &Scope) -> Vec<Inferred> {
    let all = words(&tokens(sql));
    let items = items(&all);
    if items.iter().any(|item| item.last().is_none_or(|token| token.symbol("*"))) {
        return Vec::new();
    }
    items.iter().map(|item| inferred(sql, item, scope)).collect()
}

fn inferred(sql: &str, item: &[Token<'_>], scope: &Scope) -> Inferred {
    let expression = unaliased(item);
    let written = match (expression.first(), expression.last()) {
        (Some(first), Some(last)) => sql[first.at..last.at + last.text.len()].to_owned(),
        _ => String::new(),
    };
    Inferred { ty: type_of(expression, scope), name: name_of(expression), written }
}

fn type_of(expression: &[Token<'_>], scope: &Scope) -> Option<Type> {
    const LOGIC: &[&str] = &["AND", "OR", "NOT", "IS", "IN", "LIKE", "GLOB", "BETWEEN", "EXISTS"];
    const COMPARISON: &[&str] = &["=", "==", "<>", "!=", "<", ">", "<=", ">="];
    match expression {
        [token] => return of_token(token, scope),
        [sign, token] if sign.symbol("-") || sign.symbol("+") => return of_token(token, scope),
        [.., dot, name] if dot.symbol(".") && expression.len() == 3 => {
            return of_token(name, scope);
        }
        [open, inner @ .., close]
            if open.symbol("(") && closes(expression) && close.symbol(")") =>
        {
            return type_of(inner, scope);
        }
        [name, open, ..] if open.symbol("(") && name.kind == Kind::Word && !name.is_any(LOGIC) => {
            if let Some(ty) = of_call(expression, scope) {
                return Some(ty);
            }
        }
        [case, ..] if case.is("CASE") => return None,
        _ => {}
    }
    let logic = |token: &Token<'_>| {
        token.is_any(LOGIC) || (token.kind == Kind::Symbol && COMPARISON.contains(&token.text))
    };
    if top_level(expression, logic).is_some() {
        return Some(Type::BOOL);
    }
    if top_level(expression, |token| token.symbol("||")).is_some() {
        return Some(Type::TEXT);
    }
    let at = top_level(expression, |token| {
        token.kind == Kind::Symbol && ["+", "-", "*", "/", "%"].contains(&token.text)
    })?;
    unify(&type_of(&expression[..at], scope)?, &type_of(&expression[at + 1..], scope)?)
}

/// Whether the first parenthesis closes at the end only.
fn closes(expression: &[Token<'_>]) -> bool {
    top_level(expression, |token| token.symbol(")")) == Some(expression.len() - 1)
}

fn of_token(token: &Token<'_>, scope: &Scope) -> Option<Type> {
    match token.kind {
        Kind::Integer if token.text.parse::<i32>().is_ok() => Some(Type::INT4),
        Kind::Integer => Some(Type::INT8),
        Kind::Decimal => Some(Type::FLOAT8),
        Kind::Text => Some(Type::TEXT),
        Kind::Hex => Some(Type::BYTEA),
        Kind::Param(number) => scope.params.get(usize::from(number).checked_sub(1)?).cloned(),
        Kind::Word if token.is_any(&["TRUE", "FALSE"]) => Some(Type::BOOL),
        Kind::Word if token.is("NULL") => Some(Type::TEXT),
        Kind::Word | Kind::Quoted => {
            let known = scope.columns.get(&token.name());
            scope.missed.set(scope.missed.get() || known.is_none());
            known.cloned().flatten()
        }
        _ => None,
    }
}

fn of_call(expression: &[Token<'_>], scope: &Scope) -> Option<Type> {
    const COUNTS: &[&str] = &[
        "count",
        "length",
        "instr",
        "unicode",
        "octet_length",
        "row_number",
        "rank",
        "dense_rank",
        "ntile",
        "random",
        "changes",
        "total_changes",
        "last_insert_rowid",
        "unixepoch",
    ];
    const REALS: &[&str] = &["avg", "total", "percent_rank", "cume_dist", "julianday"];
    const TEXTS: &[&str] = &[
        "lower",
        "upper",
        "trim",
        "ltrim",
        "rtrim",
        "substr",
        "substring",
        "replace",
        "hex",
        "quote",
        "typeof",
        "printf",
        "format",
        "group_concat",
        "string_agg",
        "concat",
        "char",
        "concat_ws",
        "date",
        "time",
        "datetime",
        "strftime",
        "json",
        "json_array",
        "json_object",
        "json_group_array",
        "json_group_object",
        "sqlite_version",
    ];
    const SAME: &[&str] = &[
        "sum",
        "min",
        "max",
        "abs",
        "coalesce",
        "ifnull",
        "nullif",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "nth_value",
    ];
    let name = expression.first()?.name();
    let close = 1 + top_level(&expression[1..], |token| token.symbol(")"))?;
    // What follows a call may be part of it, or make it a part of something else.
    if expression.get(close + 1).is_some_and(|token| !token.is_any(&["OVER", "FILTER"])) {
        return None;
    }
    let inner = expression.get(2..close)?;
    match name.as_str() {
        "cast" => inner.last().map(|ty| super::cast(&ty.text.to_ascii_uppercase())),
        name if COUNTS.contains(&name) => Some(Type::INT8),
        name if REALS.contains(&name) => Some(Type::FLOAT8),
        name if TEXTS.contains(&name) => Some(Type::TEXT),
        name if SAME.contains(&name) => {
            let comma = top_level(inner, |token| token.symbol(","));
            let first = type_of(&inner[..comma.unwrap_or(inner.len())], scope)?;
            // A sum of SQLite is as wide as its integers are.
            Some(if name == "sum" && first == Type::INT4 { Type::INT8 } else { first })
        }
        _ => None,
    }
}

/// The type of a calculation; SQLite's integers do not stay short.
fn unify(left: &Type, right: &Type) -> Option<Type> {
    let is_integer = |ty: &Type| matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8);
    let is_real = |ty: &Type| matches!(*ty, Type::FLOAT4 | Type::FLOAT8);
    match (left, right) {
        (left, right) if left == right && *left == Type::INT4 => Some(Type::INT4),
        (left, right) if is_integer(left) && is_integer(right) => Some(Type::INT8),
        (left, right)
            if (is_real(left) || is_integer(left)) && (is_real(right) || is_integer(right)) =>
        {
            Some(Type::FLOAT8)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(sql: &str) -> Vec<Option<Type>> {
        let scope = Scope {
            columns: [("id", Some(Type::INT8)), ("name", Some(Type::TEXT)), ("x", None)]
                .map(|(name, ty)| (name.to_owned(), ty))
                .into(),
            params: vec![Type::INT4],
            missed: Cell::new(false),
        };
        infer(sql, &scope).into_iter().map(|item| item.ty).collect()
    }

    #[test]
    fn expressions_have_the_types_that_can_be_known() {
        let (int, text) = (Some(Type::INT8), Some(Type::TEXT));
        assert_eq!(
            types("SELECT count(*), max(id), sum(id) + 1, avg(id) FROM t"),
            [int.clone(), int.clone(), int.clone(), Some(Type::FLOAT8)]
        );
        assert_eq!(
            types("SELECT 1, 3000000000, 1.5, 'a', x'00', NULL"),
            [
                Some(Type::INT4),
                int.clone(),
                Some(Type::FLOAT8),
                text.clone(),
                Some(Type::BYTEA),
                text.clone()
            ]
        );
        assert_eq!(
            types("SELECT id = 1, name || 'x', CAST(name AS INT4), ?1, -1"),
            [Some(Type::BOOL), text.clone(), Some(Type::INT4), Some(Type::INT4), Some(Type::INT4)]
        );
        assert_eq!(
            types("SELECT f(x), x, coalesce(name, 'a'), (id)"),
            [None, None, text, int.clone()]
        );
        assert_eq!(
            types("INSERT INTO t VALUES (1) RETURNING id, count(*) OVER ()"),
            [int.clone(), int.clone()]
        );
        assert_eq!(types("SELECT count(*) n, id \"m\" FROM t"), [int.clone(), int.clone()]);
        assert_eq!(
            types("SELECT count(*) || 'x', NOT id, EXISTS (SELECT 1)")[1..],
            [Some(Type::BOOL), Some(Type::BOOL)]
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_guessed() {
        assert!(types("SELECT *, 1 FROM t").is_empty());
        assert!(types("SELECT 1 UNION SELECT 'a'").is_empty());
        assert!(types("VALUES (1)").is_empty());
        let scope = Scope::default();
        infer("SELECT max(id) FROM t", &scope);
        assert!(scope.missed.get());
    }

    #[test]
    fn columns_are_named_as_in_postgresql() {
        let names = |sql| -> Vec<_> {
            infer(sql, &Scope::default()).into_iter().map(|i| (i.written, i.name)).collect()
        };
        let expected = [
            ("count(*)", "count"),
            ("a + 1", "?column?"),
            ("CAST(?1 AS INT4)", "int4"),
            ("t.b", "b"),
        ];
        let expected = expected.map(|(written, name)| (written.to_owned(), name.to_owned()));
        assert_eq!(names("SELECT count(*), a + 1 AS s, CAST(?1 AS INT4), t.b"), expected);
    }
}
