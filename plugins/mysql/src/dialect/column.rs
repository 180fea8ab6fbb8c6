//! The definition of a column, in CREATE TABLE and ALTER TABLE.

use super::keywords::collation;
use super::lex::{Kind, Token};
use super::parts::{quoted, until_close};
use super::rewrite::Rewriter;
use super::types;
use crate::error::{Failure, Outcome};

/// A column as it was defined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) auto_increment: bool,
    /// The column alone is the primary key.
    pub(crate) primary: bool,
    /// The column alone is unique.
    pub(crate) unique: bool,
    /// Something of it has no effect; what.
    pub(crate) ignored: Option<&'static str>,
    declared: String,
    not_null: bool,
    /// What else SQLite is told.
    rest: Vec<String>,
}

impl ColumnDefinition {
    /// In SQLite's dialect. The column that counts on is the alias of the rowid, whose type is
    /// always `INTEGER`.
    pub(crate) fn sql(&self) -> String {
        let name = quoted(&self.name);
        if self.auto_increment {
            return format!("{name} INTEGER PRIMARY KEY AUTOINCREMENT");
        }
        let mut sql = format!("{name} {}", self.declared);
        if self.not_null || self.primary {
            sql.push_str(" NOT NULL");
        }
        if self.primary {
            sql.push_str(" PRIMARY KEY");
        }
        for part in &self.rest {
            sql.push(' ');
            sql.push_str(part);
        }
        sql
    }

    /// Reads `name type …`.
    pub(super) fn read(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<Self> {
        let [name, rest @ ..] = tokens else { return Err(Failure::syntax("a column")) };
        let declared = types::declared(rewriter, rest)?;
        let mut column = Self { name: name.value(), declared: declared.text, ..Self::default() };
        if let Some(values) = declared.values {
            column.rest.push(format!("CHECK ({} IN ({values}))", quoted(&column.name)));
        }
        let mut at = declared.used;
        while at < rest.len() {
            at += column.attribute(rewriter, &rest[at..])?;
        }
        Ok(column)
    }

    /// Reads an attribute and tells how many tokens it was.
    fn attribute(&mut self, rewriter: &Rewriter<'_>, rest: &[Token<'_>]) -> Outcome<usize> {
        let next = |index: usize, word: &str| rest.get(index).is_some_and(|token| token.is(word));
        let word = rest[0].text.to_ascii_uppercase();
        Ok(match word.as_str() {
            "NOT" if next(1, "NULL") => {
                self.not_null = true;
                2
            }
            "NULL" | "VISIBLE" => 1,
            "AUTO_INCREMENT" => {
                self.auto_increment = true;
                1
            }
            "PRIMARY" => {
                self.primary = true;
                1 + usize::from(next(1, "KEY"))
            }
            "KEY" => {
                self.primary = true;
                1
            }
            "UNIQUE" => {
                self.unique = true;
                1 + usize::from(next(1, "KEY"))
            }
            "CHARACTER" if next(1, "SET") => 3,
            "CHARSET" | "COMMENT" | "COLUMN_FORMAT" | "STORAGE" => 2,
            "COLLATE" => {
                let name = rest.get(1).map(Token::value).unwrap_or_default();
                if collation(&name) == "NOCASE" {
                    self.rest.push("COLLATE NOCASE".into());
                }
                2
            }
            "ON" if next(1, "UPDATE") => {
                self.ignored = Some("ON UPDATE CURRENT_TIMESTAMP");
                3 + parentheses(rest, 3)?
            }
            "DEFAULT" => self.default_value(rewriter, rest)?,
            "FIRST" => 1,
            "AFTER" => 2,
            "GENERATED" | "AS" | "CHECK" | "CONSTRAINT" | "VIRTUAL" | "STORED" | "REFERENCES" => {
                self.rest.push(rewriter.expression(rest)?);
                rest.len()
            }
            _ => return Err(Failure::syntax(rest[0].text)),
        })
    }

    fn default_value(&mut self, rewriter: &Rewriter<'_>, rest: &[Token<'_>]) -> Outcome<usize> {
        let Some(value) = rest.get(1) else { return Err(Failure::syntax("DEFAULT")) };
        let times = ["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"];
        if value.is_any(&times) {
            self.rest.push("DEFAULT CURRENT_TIMESTAMP".into());
            return Ok(2 + parentheses(rest, 2)?);
        }
        let used = match value.kind {
            Kind::Symbol if value.symbol("(") => parentheses(rest, 1)?,
            Kind::Symbol => 2,
            _ => 1,
        };
        let value = rest.get(1..=used).ok_or_else(|| Failure::syntax("DEFAULT"))?;
        self.rest.push(format!("DEFAULT {}", rewriter.expression(value)?));
        Ok(1 + used)
    }
}

/// How many tokens are in the parentheses at `at`, with them; 0 if there are none.
pub(super) fn parentheses(tokens: &[Token<'_>], at: usize) -> Outcome<usize> {
    match tokens.get(at) {
        Some(token) if token.symbol("(") => Ok(until_close(tokens, at)? + 1 - at),
        _ => Ok(0),
    }
}
