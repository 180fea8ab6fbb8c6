//! From PostgreSQL's SQL to what the engine runs. What is not translated goes to SQLite as it
//! is, whose error is the answer.

mod cast;
mod command;
mod hints;
mod identity;
pub(crate) mod lex;
mod set;
mod split;

use lex::{Kind, Token};

pub(crate) use command::{Command, Verb};
pub(crate) use hints::Hint;
pub(crate) use identity::Identity;
pub(crate) use split::{Piece, split};

use crate::error::Outcome;

/// A statement for the engine.
#[derive(Debug, Clone)]
pub(crate) struct Translation {
    /// SQL in SQLite's dialect.
    pub(crate) sql: String,
    /// What it asks for.
    pub(crate) command: Command,
    /// What the text tells of each parameter, `$1` first.
    pub(crate) hints: Vec<Hint>,
    /// The tables that it names, as far as they can be seen.
    pub(crate) tables: Vec<String>,
    /// Byte offsets in `sql` are those of the original text.
    exact: bool,
}

/// Translates one statement.
pub(crate) fn translate(sql: &str, identity: &Identity) -> Outcome<Translation> {
    let tokens = lex::tokens(sql);
    let words = lex::words(&tokens);
    let command = Command::read(&words)?;
    let rewritten = rewrite(&tokens, identity)?;
    Ok(Translation {
        exact: rewritten.len() == sql.len(),
        hints: hints::of_params(&words),
        tables: hints::tables(&words),
        sql: rewritten,
        command,
    })
}

impl Translation {
    /// The character of the original text, counted from 1, that the engine means with `offset`.
    pub(crate) fn position(&self, offset: Option<usize>) -> Option<usize> {
        let before = self.sql.get(..offset.filter(|_| self.exact)?)?;
        Some(before.chars().count() + 1)
    }
}

fn rewrite(tokens: &[Token<'_>], identity: &Identity) -> Outcome<String> {
    let mut out: Vec<(Kind, String)> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        match token.kind {
            Kind::Param(number) => out.push((token.kind, format!("?{number}"))),
            Kind::Escaped => {
                out.push((Kind::Text, literal(&unescape(lex::inner(&token.text[1..])))))
            }
            Kind::Dollar => out.push((Kind::Text, literal(undollar(token.text)))),
            Kind::Cast => rest = cast::apply(&mut out, after)?,
            Kind::Word => match identity.replace(tokens, tokens.len() - after.len() - 1) {
                Some((text, used)) => {
                    out.push((Kind::Text, text));
                    rest = &after[used..];
                }
                None => out.push((token.kind, token.text.to_owned())),
            },
            _ => out.push((token.kind, token.text.to_owned())),
        }
    }
    Ok(out.into_iter().map(|(_, text)| text).collect())
}

/// A string literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A quoted name.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn undollar(text: &str) -> &str {
    let mark = text[1..].find('$').map_or(text.len(), |end| end + 2);
    let text = text.get(mark..).unwrap_or_default();
    text.get(..text.len().saturating_sub(mark)).unwrap_or_default()
}

/// The text of an escape string
/// (<https://www.postgresql.org/docs/15/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE>).
fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\'' if chars.peek() == Some(&'\'') => result.extend(chars.next()),
            '\\' => match chars.next() {
                Some('n') => result.push('\n'),
                Some('t') => result.push('\t'),
                Some('r') => result.push('\r'),
                Some('b') => result.push('\u{8}'),
                Some('f') => result.push('\u{c}'),
                Some('x') => result.extend(code(&mut chars, 2)),
                Some('u') => result.extend(code(&mut chars, 4)),
                Some('U') => result.extend(code(&mut chars, 8)),
                other => result.extend(other),
            },
            char => result.push(char),
        }
    }
    result
}

/// The character with the hexadecimal code that follows.
fn code(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, digits: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        let Some(digit) = chars.peek().and_then(|char| char.to_digit(16)) else { break };
        value = value * 16 + digit;
        chars.next();
    }
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        translate(text, &Identity::for_tests()).unwrap().sql
    }

    #[test]
    fn parameters_are_numbered_outside_strings_and_comments() {
        let text = "SELECT $2, '$1', \"$1\" /* $1 */ -- $1\n, $1";
        assert_eq!(sql(text), "SELECT ?2, '$1', \"$1\" /* $1 */ -- $1\n, ?1");
    }

    #[test]
    fn strings_of_postgresql_are_plain_strings() {
        assert_eq!(sql(r"SELECT E'it\'s\n\x41\u00e9'''"), "SELECT 'it''s\nAé'''");
        assert_eq!(sql("SELECT $a$it's$$;$a$, $$$$"), "SELECT 'it''s$$;', ''");
    }

    #[test]
    fn casts_are_rewritten_around_what_they_apply_to() {
        assert_eq!(sql("SELECT $1::int + 1"), "SELECT CAST(?1 AS INT4) + 1");
        assert_eq!(sql("SELECT a.b :: text"), "SELECT CAST(a.b  AS TEXT)");
        assert_eq!(sql("SELECT f(a, (b))::float8"), "SELECT CAST(f(a, (b)) AS FLOAT8)");
        assert_eq!(sql("x IN (1)::int"), "x IN CAST((1) AS INT4)");
        assert_eq!(sql("SELECT $1::text::bigint"), "SELECT CAST(CAST(?1 AS TEXT) AS INT8)");
        assert_eq!(sql("SELECT '12'::int, 't'::bool, $1::bool"), "SELECT 12, TRUE, ?1");
        assert_eq!(sql(r"SELECT '\x00ff'::bytea"), "SELECT x'00ff'");
        assert_eq!(sql("SELECT 1::double precision"), "SELECT CAST(1 AS FLOAT8)");
    }

    #[test]
    fn casts_that_cannot_be_done_are_errors() {
        let failed = |text| translate(text, &Identity::for_tests()).is_err();
        assert!(failed("SELECT 'x'::int"));
        assert!(failed("SELECT 'maybe'::bool"));
        assert!(failed("SELECT a::regclass"));
        assert!(failed("SELECT a::varchar(2)"));
        assert!(failed("SELECT a::bool"));
    }

    #[test]
    fn questions_about_the_session_are_answered() {
        let text = sql("SELECT version(), current_user, pg_catalog.current_database() AS d");
        assert!(text.starts_with("SELECT 'PostgreSQL 15.0 (ha "), "{text}");
        assert!(text.ends_with(" AS version, 'ann' AS current_user, 'db' AS d"), "{text}");
        assert_eq!(sql("SELECT f(1, current_schema(), 2)"), "SELECT f(1, 'public', 2)");
        assert_eq!(sql("SELECT t.version FROM t"), "SELECT t.version FROM t");
    }

    #[test]
    fn positions_are_told_only_where_they_are_known() {
        let position = |text| translate(text, &Identity::for_tests()).unwrap().position(Some(9));
        assert_eq!(position("SELECT é $1 x"), Some(9));
        assert_eq!(position("SELECT $1::int x"), None);
    }
}
