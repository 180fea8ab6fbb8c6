//! What a statement asks for.

use super::lex::{Kind, Token};
use super::parts::split;
use super::show::Show;
use super::variables;
use crate::error::{Failure, Outcome};

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Rows that the engine reads.
    Read,
    /// Rows that the engine writes; whether they may have new ids.
    Write {
        inserts: bool,
    },
    Ddl(Ddl),
    Begin {
        read_only: bool,
    },
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Use(String),
    /// What is set to what: tokens of the value, by their place in the statement.
    Set(Vec<Setting>),
    Show(Show),
    Kill {
        query: bool,
        id: u32,
    },
    /// Done by doing nothing.
    Nothing,
}

/// A statement that changes the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ddl {
    CreateTable,
    CreateIndex,
    Drop,
    DropIndex,
    Alter,
    Rename,
    /// Views and triggers, as SQLite takes them.
    Other,
}

/// A part of SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    /// The tokens of the value.
    pub(crate) value: std::ops::Range<usize>,
}

impl Command {
    pub(crate) fn read(tokens: &[Token<'_>]) -> Outcome<Self> {
        let is = |index: usize, words: &[&str]| tokens.get(index).is_some_and(|t| t.is_any(words));
        let last = || tokens.last().map(Token::value).unwrap_or_default();
        let Some(first) = tokens.first() else { return Ok(Self::Nothing) };
        if first.symbol("(") {
            return Ok(Self::Read);
        }
        let chain = tokens.iter().position(|token| token.is("CHAIN"));
        if first.is_any(&["COMMIT", "ROLLBACK"]) && chain.is_some_and(|at| tokens[at - 1].is("AND"))
        {
            return Err(Failure::unsupported("AND CHAIN"));
        }
        Ok(match first.text.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "VALUES" | "TABLE" | "PRAGMA" => Self::Read,
            "EXPLAIN" | "DESCRIBE" | "DESC" => Self::described(tokens)?,
            "INSERT" | "REPLACE" => Self::Write { inserts: true },
            "UPDATE" | "DELETE" | "TRUNCATE" => Self::Write { inserts: false },
            "CREATE" | "DROP" | "ALTER" | "RENAME" => Self::Ddl(Self::ddl(tokens)?),
            "BEGIN" => Self::Begin { read_only: false },
            "START" if is(1, &["TRANSACTION"]) => {
                Self::Begin { read_only: is(2, &["READ"]) && is(3, &["ONLY"]) }
            }
            "COMMIT" => Self::Commit,
            "ROLLBACK" if tokens.iter().any(|token| token.is("TO")) => Self::RollbackTo(last()),
            "ROLLBACK" => Self::Rollback,
            "SAVEPOINT" => Self::Savepoint(last()),
            "RELEASE" => Self::Release(last()),
            "USE" => Self::Use(last()),
            "SET" => Self::set(tokens)?,
            "SHOW" => Self::Show(Show::read(&tokens[1..])?),
            "KILL" => Self::Kill {
                query: is(1, &["QUERY"]),
                id: last().parse().map_err(|_| Failure::syntax("KILL"))?,
            },
            "LOCK" | "UNLOCK" | "FLUSH" | "DO" => Self::Nothing,
            "CALL" | "LOAD" | "HANDLER" | "GRANT" | "REVOKE" | "PREPARE" | "EXECUTE" | "XA"
            | "DELIMITER" | "CHECK" | "ANALYZE" | "OPTIMIZE" | "REPAIR" => {
                return Err(Failure::unsupported(first.text));
            }
            _ => return Err(Failure::syntax(first.text)),
        })
    }

    /// DESCRIBE of a table or EXPLAIN of a statement.
    fn described(tokens: &[Token<'_>]) -> Outcome<Self> {
        let Some(next) = tokens.get(1) else { return Err(Failure::syntax(tokens[0].text)) };
        if next.is_any(&["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "FORMAT"]) {
            return Err(Failure::unsupported("EXPLAIN of a statement"));
        }
        let dotted = tokens.get(2).is_some_and(|token| token.symbol("."));
        let table = tokens.get(if dotted { 3 } else { 1 }).map(Token::value).unwrap_or_default();
        let column = tokens.get(if dotted { 4 } else { 2 }).map(Token::value);
        Ok(Self::Show(Show::describe(table, column)))
    }

    fn ddl(tokens: &[Token<'_>]) -> Outcome<Ddl> {
        const NO_HEAD: &[&str] = &["TEMPORARY", "UNIQUE", "FULLTEXT", "SPATIAL", "OR", "REPLACE"];
        let create = tokens[0].is("CREATE");
        let Some(what) = tokens[1..].iter().find(|token| !token.is_any(NO_HEAD)) else {
            return Err(Failure::syntax(tokens[0].text));
        };
        let verb = tokens[0].text.to_ascii_uppercase();
        Ok(match (verb.as_str(), what.text.to_ascii_uppercase().as_str()) {
            ("CREATE", "TABLE") => Ddl::CreateTable,
            ("CREATE", "INDEX") => Ddl::CreateIndex,
            ("DROP", "INDEX") => Ddl::DropIndex,
            ("DROP", "TABLE" | "VIEW") => Ddl::Drop,
            ("ALTER", "TABLE") => Ddl::Alter,
            ("RENAME", "TABLE") => Ddl::Rename,
            (_, "VIEW" | "TRIGGER") if create || tokens[0].is("DROP") => Ddl::Other,
            (verb, what) => return Err(Failure::unsupported(&format!("{verb} {what}"))),
        })
    }

    fn set(tokens: &[Token<'_>]) -> Outcome<Self> {
        let is = |index: usize, words: &[&str]| tokens.get(index).is_some_and(|t| t.is_any(words));
        let scoped = is(1, &["SESSION", "GLOBAL", "LOCAL"]);
        if is(1, &["NAMES", "CHARACTER", "CHARSET"]) {
            let name = tokens.get(if is(2, &["SET"]) { 3 } else { 2 }).map(Token::value);
            let name = name.ok_or_else(|| Failure::syntax("SET NAMES"))?;
            variables::possible("character_set_client", &name)?;
            return Ok(Self::Nothing);
        }
        if is(1 + usize::from(scoped), &["TRANSACTION"]) {
            return Ok(Self::Nothing);
        }
        let (mut settings, mut at) = (Vec::new(), 1);
        for part in split(&tokens[1..]) {
            let skip = part
                .iter()
                .take_while(|t| t.is_any(&["SESSION", "GLOBAL", "LOCAL", "PERSIST"]))
                .count();
            let (Some(name), Some(sign)) = (part.get(skip), part.get(skip + 1)) else {
                return Err(Failure::syntax("SET"));
            };
            if !(sign.symbol("=") || sign.symbol(":=")) || skip + 2 >= part.len() {
                return Err(Failure::syntax(name.text));
            }
            let text = if name.kind == Kind::Name { name.value() } else { name.text.to_owned() };
            settings.push(Setting { name: text, value: at + skip + 2..at + part.len() });
            at += part.len() + 1;
        }
        Ok(Self::Set(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lex;
    use super::*;

    fn command(sql: &str) -> Command {
        Command::read(&lex::tokens(sql)).unwrap()
    }

    #[test]
    fn transactions_and_settings_are_the_front_end_s() {
        assert_eq!(command("start transaction read only"), Command::Begin { read_only: true });
        assert_eq!(command("ROLLBACK TO SAVEPOINT `a`"), Command::RollbackTo("a".into()));
        let Command::Set(settings) = command("SET @a = 1, SESSION sql_mode = 'x'") else {
            panic!()
        };
        assert_eq!((settings[0].name.as_str(), settings[0].value.clone()), ("@a", 3..4));
        assert_eq!((settings[1].name.as_str(), settings[1].value.clone()), ("sql_mode", 8..9));
        assert_eq!(command("SET NAMES utf8mb4"), Command::Nothing);
        assert_eq!(command("KILL QUERY 7"), Command::Kill { query: true, id: 7 });
        assert!(Command::read(&lex::tokens("GRANT ALL")).is_err());
        assert!(Command::read(&lex::tokens("COMMIT AND CHAIN")).is_err());
        assert_eq!(command("COMMIT AND NO CHAIN"), Command::Commit);
        assert!(Command::read(&lex::tokens("SET NAMES latin1")).is_err());
        assert!(Command::read(&lex::tokens("SELEC 1")).is_err());
    }
}
