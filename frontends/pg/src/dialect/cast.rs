use super::lex::{Kind, Token, inner, words};
use super::literal;
use crate::error::{Failure, Outcome};

/// The types that `::` can name, with the name that SQLite gives the same affinity.
const TYPES: &[(&str, &str)] = &[
    ("int", "INT4"),
    ("int4", "INT4"),
    ("integer", "INT4"),
    ("int8", "INT8"),
    ("bigint", "INT8"),
    ("int2", "INT2"),
    ("smallint", "INT2"),
    ("text", "TEXT"),
    ("varchar", "VARCHAR"),
    ("character varying", "VARCHAR"),
    ("float8", "FLOAT8"),
    ("double precision", "FLOAT8"),
    ("float4", "FLOAT4"),
    ("real", "FLOAT4"),
    ("bool", "BOOL"),
    ("boolean", "BOOL"),
    ("bytea", "BLOB"),
];

/// The type that a cast names, and how many of the tokens that follow `::` do.
pub(super) fn target(tokens: &[Token<'_>]) -> Option<(&'static str, usize)> {
    let qualified = tokens.first()?.is("pg_catalog") && tokens.get(1)?.symbol(".");
    let skip = if qualified { 2 } else { 0 };
    let blank = tokens[skip..].iter().take_while(|token| token.kind == Kind::Blank).count();
    let start = skip + blank;
    let first = tokens.get(start)?;
    if first.is_any(&["double", "character"]) {
        let second = tokens[start + 1..].iter().position(|token| token.kind == Kind::Word)?;
        let end = start + 1 + second;
        let name = format!("{} {}", first.name(), tokens[end].name());
        return lookup(&name).map(|sqlite| (sqlite, end + 1));
    }
    lookup(&first.name()).map(|sqlite| (sqlite, start + 1))
}

fn lookup(name: &str) -> Option<&'static str> {
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, sqlite)| *sqlite)
}

/// Casts what was written last to the type that follows, and returns what follows the type.
pub(super) fn apply<'t, 'a>(
    out: &mut Vec<(Kind, String)>,
    after: &'t [Token<'a>],
) -> Outcome<&'t [Token<'a>]> {
    let Some((sqlite, used)) = target(after) else { return Err(unknown(after)) };
    let rest = &after[used..];
    let next = words(&rest[..rest.len().min(2)]);
    if next.first().is_some_and(|token| token.symbol("(") || token.symbol("[")) {
        return Err(unknown(after));
    }
    let end = out.iter().rposition(|(kind, _)| *kind != Kind::Blank);
    let end = end.ok_or_else(|| Failure::error("42601", "syntax error at or near \"::\""))?;
    if let Some(text) = constant(&out[end], sqlite)? {
        out[end].1 = text;
        return Ok(rest);
    }
    let start = operand(out, end)?;
    out.splice(start..start, [(Kind::Word, "CAST".to_owned()), (Kind::Symbol, "(".to_owned())]);
    out.push((Kind::Word, format!(" AS {sqlite}")));
    out.push((Kind::Symbol, ")".to_owned()));
    Ok(rest)
}

fn unknown(after: &[Token<'_>]) -> Failure {
    let words = words(&after[..after.len().min(8)]);
    let name = match &words[..] {
        [_, dot, name, ..] if dot.symbol(".") => name.text,
        [name, ..] => name.text,
        [] => "nothing",
    };
    Failure::unsupported(format!("a cast to {name} in this form is not supported yet"))
}

/// What a constant or parameter becomes, where SQLite's own CAST would not do the same.
fn constant((kind, text): &(Kind, String), sqlite: &str) -> Outcome<Option<String>> {
    let value = inner(text).replace("''", "'");
    let invalid = |name: &str| {
        Failure::error("22P02", format!("invalid input syntax for type {name}: \"{value}\""))
    };
    match (kind, sqlite) {
        (Kind::Text, "TEXT" | "VARCHAR") => Ok(Some(text.clone())),
        (Kind::Text, "INT2" | "INT4" | "INT8") => {
            let number = value.trim().parse::<i64>().map_err(|_| invalid("integer"))?;
            Ok(Some(number.to_string()))
        }
        (Kind::Text, "BOOL") => {
            let truth = crate::types::truth(&value).ok_or_else(|| invalid("boolean"))?;
            Ok(Some(if truth { "TRUE" } else { "FALSE" }.to_owned()))
        }
        (Kind::Text, "BLOB") => match value.strip_prefix("\\x") {
            Some(digits) => {
                hex::decode(digits).map_err(|_| invalid("bytea"))?;
                Ok(Some(format!("x'{digits}'")))
            }
            None => Ok(Some(format!("CAST({} AS BLOB)", literal(&value)))),
        },
        // The value was made one of the type when it was bound.
        (Kind::Param(_), "BOOL" | "BLOB") => Ok(Some(text.clone())),
        (Kind::Word, "BOOL")
            if ["TRUE", "FALSE", "NULL"].iter().any(|word| text.eq_ignore_ascii_case(word)) =>
        {
            Ok(Some(text.clone()))
        }
        (_, "BOOL") => {
            Err(Failure::unsupported("a cast of an expression to boolean is not supported yet"))
        }
        _ => Ok(None),
    }
}

/// Where the operand begins that ends at `end`: a constant, a name, a call or parentheses.
fn operand(out: &[(Kind, String)], end: usize) -> Outcome<usize> {
    let start = match &out[end] {
        (Kind::Symbol, text) if text == ")" => callee(out, opening(out, end)?),
        (Kind::Symbol, text) => {
            return Err(Failure::error("42601", format!("syntax error at or near \"{text}\"")));
        }
        _ => end,
    };
    Ok(qualifier(out, start))
}

fn opening(out: &[(Kind, String)], end: usize) -> Outcome<usize> {
    let mut depth = 0_usize;
    for (index, (kind, text)) in out[..=end].iter().enumerate().rev() {
        match (kind, text.as_str()) {
            (Kind::Symbol, ")") => depth += 1,
            (Kind::Symbol, "(") if depth == 1 => return Ok(index),
            (Kind::Symbol, "(") => depth -= 1,
            _ => {}
        }
    }
    Err(Failure::error("42601", "syntax error at or near \")\""))
}

/// A name right before the parenthesis is the function's.
fn callee(out: &[(Kind, String)], opening: usize) -> usize {
    match opening.checked_sub(1).map(|before| &out[before].0) {
        Some(Kind::Word | Kind::Quoted) => opening - 1,
        _ => opening,
    }
}

fn qualifier(out: &[(Kind, String)], mut start: usize) -> usize {
    while start >= 2
        && matches!(out[start].0, Kind::Word | Kind::Quoted)
        && out[start - 1].1 == "."
        && matches!(out[start - 2].0, Kind::Word | Kind::Quoted)
    {
        start -= 2;
    }
    start
}
