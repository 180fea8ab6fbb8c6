use std::collections::BTreeMap;

use super::lex::{Kind, Token};
use super::literal;
use crate::settings::SERVER_VERSION;

/// Who is asking, for the functions that tell it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    user: String,
    database: String,
    pid: i32,
}

impl Identity {
    /// From the startup packet; the database is named like the user if it is not named.
    pub(crate) fn new(startup: &BTreeMap<String, String>, pid: i32) -> Self {
        let user = startup.get("user").cloned().unwrap_or_default();
        let database = startup.get("database").cloned().unwrap_or_else(|| user.clone());
        Self { user, database, pid }
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self { user: "ann".into(), database: "db".into(), pid: 1 }
    }

    /// The constant that takes the place of the word at `at`, with its name if it is a column
    /// of its own, and how many of the following tokens it stands for too.
    pub(super) fn replace(&self, tokens: &[Token<'_>], at: usize) -> Option<(String, usize)> {
        let skip = usize::from(tokens[at].is("pg_catalog") && tokens.get(at + 1)?.symbol("."));
        let name = tokens.get(at + 2 * skip)?;
        let rest = &tokens[at + 2 * skip + 1..];
        let called = matches!(rest, [open, close, ..] if open.symbol("(") && close.symbol(")"));
        let value = self.value(&name.name(), called)?;
        if name.kind != Kind::Word || preceding(tokens, at).is_some_and(|token| token.symbol(".")) {
            return None;
        }
        let used = 2 * skip + if called { 2 } else { 0 };
        let alone = is_column(tokens, at, at + used + 1);
        let alias = if alone { format!(" AS {}", name.name()) } else { String::new() };
        Some((value + &alias, used))
    }

    fn value(&self, name: &str, called: bool) -> Option<String> {
        Some(match (name, called) {
            ("version", true) => literal(&format!("PostgreSQL {SERVER_VERSION}")),
            ("current_database", true) | ("current_catalog", false) => literal(&self.database),
            ("current_schema", _) => literal("public"),
            ("current_user" | "session_user" | "current_role", false) => literal(&self.user),
            ("pg_backend_pid", true) => self.pid.to_string(),
            // asyncpg's pool asks after every use; there are no such locks.
            ("pg_advisory_unlock_all", true) => "NULL".to_owned(),
            _ => return None,
        })
    }
}

fn preceding<'t, 'a>(tokens: &'t [Token<'a>], at: usize) -> Option<&'t Token<'a>> {
    tokens[..at].iter().rev().find(|token| token.kind != Kind::Blank)
}

/// Whether the tokens are a whole column of a SELECT that is not nested.
fn is_column(tokens: &[Token<'_>], start: usize, end: usize) -> bool {
    let depth = tokens[..start].iter().fold(0, |depth, token| match token.text {
        "(" => depth + 1,
        ")" => depth - 1,
        _ => depth,
    });
    let begins = preceding(tokens, start).is_some_and(|t| t.is("SELECT") || t.symbol(","));
    let next = tokens[end..].iter().find(|token| token.kind != Kind::Blank);
    let ends = next.is_none_or(|token| token.symbol(",") || token.symbol(";") || token.is("FROM"));
    let in_list = !tokens[..start].iter().any(|token| token.is("FROM"));
    depth == 0 && begins && ends && in_list
}
