//! SHOW and DESCRIBE.

use super::lex::Token;
use super::parts::{literal, quoted};
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Show {
    pub(crate) what: What,
    /// A pattern for the first column.
    like: Option<String>,
}

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Tables {
        full: bool,
    },
    Columns {
        full: bool,
        table: String,
    },
    Index(String),
    CreateTable(String),
    CreateDatabase(String),
    Databases,
    TableStatus,
    Variables,
    Warnings,
    Engines,
    Collations,
    Charsets,
    Triggers,
    /// Something of which there is nothing, with these columns.
    Empty(&'static [&'static str]),
}

impl Show {
    /// DESCRIBE t.
    pub(super) fn describe(table: String, column: Option<String>) -> Self {
        Self { what: What::Columns { full: false, table }, like: column }
    }

    /// Reads what follows SHOW.
    pub(super) fn read(tokens: &[Token<'_>]) -> Outcome<Self> {
        const SKIPPED: &[&str] = &["SESSION", "GLOBAL", "LOCAL", "EXTENDED", "STORAGE"];
        let full = tokens.iter().take(2).any(|token| token.is("FULL"));
        let skip = tokens.iter().take_while(|t| t.is_any(SKIPPED) || t.is("FULL")).count();
        let tokens = &tokens[skip..];
        let like = tokens.iter().position(|token| token.is("LIKE"));
        if tokens.iter().any(|token| token.is("WHERE")) {
            return Err(Failure::unsupported("SHOW … WHERE; ask information_schema"));
        }
        let like = like.and_then(|at| tokens.get(at + 1)).map(Token::value);
        let Some(first) = tokens.first() else { return Err(Failure::syntax("SHOW")) };
        let what = match first.text.to_ascii_uppercase().as_str() {
            "TABLES" => What::Tables { full },
            "COLUMNS" | "FIELDS" => What::Columns { full, table: of(tokens)? },
            "INDEX" | "INDEXES" | "KEYS" => What::Index(of(tokens)?),
            "CREATE" if tokens.get(1).is_some_and(|t| t.is_any(&["DATABASE", "SCHEMA"])) => {
                What::CreateDatabase(tokens.last().map(Token::value).unwrap_or_default())
            }
            "CREATE" if tokens.get(1).is_some_and(|t| t.is_any(&["TABLE", "VIEW"])) => {
                What::CreateTable(tokens.last().map(Token::value).unwrap_or_default())
            }
            "DATABASES" | "SCHEMAS" => What::Databases,
            "TABLE" => What::TableStatus,
            "VARIABLES" => What::Variables,
            "WARNINGS" | "ERRORS" => What::Warnings,
            "ENGINES" => What::Engines,
            "COLLATION" => What::Collations,
            "CHARSET" | "CHARACTER" => What::Charsets,
            "TRIGGERS" => What::Triggers,
            "STATUS" => What::Empty(&["Variable_name", "Value"]),
            "PROCESSLIST" => {
                What::Empty(&["Id", "User", "Host", "db", "Command", "Time", "State", "Info"])
            }
            "PROCEDURE" | "FUNCTION" => What::Empty(&["Db", "Name", "Type"]),
            "EVENTS" => What::Empty(&["Db", "Name"]),
            "PLUGINS" => What::Empty(&["Name", "Status", "Type", "Library", "License"]),
            "GRANTS" => What::Empty(&["Grants"]),
            "OPEN" => What::Empty(&["Database", "Table", "In_use", "Name_locked"]),
            other => return Err(Failure::unsupported(&format!("SHOW {other}"))),
        };
        Ok(Self { what, like })
    }

    /// The query whose rows are the answer; `None` for what is no query.
    pub(crate) fn sql(&self, rewriter: &Rewriter<'_>) -> Outcome<Option<String>> {
        let Some((first, sql)) = crate::schema::show(&self.what, rewriter.scope)? else {
            return Ok(None);
        };
        Ok(Some(match &self.like {
            Some(pattern) => {
                let (first, pattern) = (quoted(&first), literal(pattern));
                format!("SELECT * FROM ({sql}) WHERE {first} LIKE {pattern} ESCAPE '\\'")
            }
            None => sql,
        }))
    }
}

/// The table after FROM or IN.
fn of(tokens: &[Token<'_>]) -> Outcome<String> {
    let at = tokens.iter().position(|token| token.is_any(&["FROM", "IN"]));
    let at = at.ok_or_else(|| Failure::syntax("SHOW"))?;
    let dotted = tokens.get(at + 2).is_some_and(|token| token.symbol("."));
    let name = tokens.get(at + if dotted { 3 } else { 1 });
    name.map(Token::value).ok_or_else(|| Failure::syntax("SHOW"))
}
