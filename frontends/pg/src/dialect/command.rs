use super::lex::{Kind, Token};
use super::set::{set, setting, shown};
use crate::error::{Failure, Outcome};

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// The engine runs it.
    Sql(Verb),
    /// BEGIN or START TRANSACTION, with its tag.
    Begin { read_only: bool, tag: &'static str },
    /// COMMIT or END.
    Commit,
    /// ROLLBACK or ABORT.
    Rollback,
    /// SAVEPOINT, run by the engine as it is.
    Savepoint,
    /// RELEASE, run by the engine as it is.
    Release,
    /// ROLLBACK TO, run by the engine as it is.
    RollbackTo,
    /// SET; without a value the default.
    Set { name: String, value: Option<String>, local: bool },
    /// SET TRANSACTION and SET SESSION CHARACTERISTICS, whose words ask for nothing that is not
    /// the case anyway.
    Isolation,
    /// SHOW; without a name all.
    Show(Option<String>),
    /// RESET ALL.
    ResetAll,
    /// DISCARD, with its tag.
    Discard(&'static str),
    /// DEALLOCATE; without a name all.
    Deallocate(Option<String>),
    /// UNLISTEN and CLOSE ALL, of which there is nothing to undo; with the tag.
    Nothing(&'static str),
}

/// What the tag of a statement of the engine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Rows are counted: `SELECT n`.
    Select,
    /// `INSERT 0 n`.
    Insert,
    /// `UPDATE n`.
    Update,
    /// `DELETE n`.
    Delete,
    /// Nothing is counted.
    Other(String),
}

impl Verb {
    /// The tag, for this many rows.
    pub(crate) fn tag(&self, rows: u64) -> String {
        match self {
            Self::Select => format!("SELECT {rows}"),
            Self::Insert => format!("INSERT 0 {rows}"),
            Self::Update => format!("UPDATE {rows}"),
            Self::Delete => format!("DELETE {rows}"),
            Self::Other(tag) => tag.clone(),
        }
    }
}

impl Command {
    /// Reads what a statement, given without white space, asks for. 0A000 for what PostgreSQL
    /// can do and this cannot.
    pub(crate) fn read(words: &[Token<'_>]) -> Outcome<Self> {
        let second = |word: &str| words.get(1).is_some_and(|token| token.is(word));
        let first = words.first().filter(|token| token.kind == Kind::Word);
        let keyword = first.map(|token| token.text.to_ascii_uppercase()).unwrap_or_default();
        Ok(match keyword.as_str() {
            "BEGIN" => Self::Begin { read_only: read_only(words)?, tag: "BEGIN" },
            "START" if second("TRANSACTION") => {
                Self::Begin { read_only: read_only(words)?, tag: "START TRANSACTION" }
            }
            "COMMIT" | "END" => end(words, Self::Commit)?,
            "ROLLBACK" if words.iter().any(|token| token.is("TO")) => Self::RollbackTo,
            "ROLLBACK" | "ABORT" => end(words, Self::Rollback)?,
            "SAVEPOINT" => Self::Savepoint,
            "RELEASE" => Self::Release,
            "SET" => set(&words[1..])?,
            "SHOW" => Self::Show(shown(&words[1..])),
            "RESET" if second("ALL") => Self::ResetAll,
            "RESET" => Self::Set { name: setting(&words[1..]).0, value: None, local: false },
            "DISCARD" => discard(words),
            "DEALLOCATE" => deallocate(&words[1..]),
            "UNLISTEN" => Self::Nothing("UNLISTEN"),
            "CLOSE" if second("ALL") => Self::Nothing("CLOSE CURSOR ALL"),
            "PREPARE" | "EXECUTE" | "DECLARE" | "FETCH" | "MOVE" | "CLOSE" | "COPY" | "LISTEN"
            | "NOTIFY" | "LOCK" | "TRUNCATE" | "GRANT" | "REVOKE" | "COMMENT" | "CALL" | "DO"
            | "MERGE" | "CHECKPOINT" | "CLUSTER" => {
                return Err(Failure::unsupported(format!("{keyword} is not supported yet")));
            }
            _ => Self::Sql(verb(words)),
        })
    }
}

/// Checks `AND CHAIN` and `PREPARED`, which change what the end of a transaction means.
fn end(words: &[Token<'_>], command: Command) -> Outcome<Command> {
    let chains = words.windows(2).any(|pair| pair[0].is("AND") && pair[1].is("CHAIN"));
    if chains || words.iter().any(|token| token.is("PREPARED")) {
        return Err(Failure::unsupported("AND CHAIN and PREPARED are not supported"));
    }
    Ok(command)
}

/// Reads the modes of BEGIN. Every isolation level is served by serializable transactions.
fn read_only(words: &[Token<'_>]) -> Outcome<bool> {
    const MODES: &[&str] = &[
        "BEGIN",
        "START",
        "TRANSACTION",
        "WORK",
        "ISOLATION",
        "LEVEL",
        "SERIALIZABLE",
        "REPEATABLE",
        "READ",
        "COMMITTED",
        "UNCOMMITTED",
        "ONLY",
        "WRITE",
        "NOT",
        "DEFERRABLE",
        // SQLite's own.
        "DEFERRED",
        "IMMEDIATE",
        "EXCLUSIVE",
    ];
    if let Some(word) = words.iter().find(|token| !token.is_any(MODES) && !token.symbol(",")) {
        return Err(Failure::error("42601", format!("syntax error at or near \"{}\"", word.text)));
    }
    Ok(words.windows(2).any(|pair| pair[0].is("READ") && pair[1].is("ONLY")))
}

fn discard(words: &[Token<'_>]) -> Command {
    match words.get(1) {
        Some(token) if token.is("ALL") => Command::Discard("DISCARD ALL"),
        Some(token) if token.is("PLANS") => Command::Nothing("DISCARD PLANS"),
        Some(token) if token.is("SEQUENCES") => Command::Nothing("DISCARD SEQUENCES"),
        _ => Command::Nothing("DISCARD TEMP"),
    }
}

fn deallocate(words: &[Token<'_>]) -> Command {
    let words = match words {
        [prepare, rest @ ..] if prepare.is("PREPARE") && !rest.is_empty() => rest,
        words => words,
    };
    match words.first() {
        Some(token) if !token.is("ALL") => Command::Deallocate(Some(token.name())),
        _ => Command::Deallocate(None),
    }
}

/// What the engine's statement does, as the tags of
/// <https://www.postgresql.org/docs/15/protocol-message-formats.html> name it.
fn verb(words: &[Token<'_>]) -> Verb {
    let Some(main) = main_word(words) else { return Verb::Other(String::new()) };
    let keyword = main.text.to_ascii_uppercase();
    match keyword.as_str() {
        "SELECT" | "VALUES" | "(" | "TABLE" | "PRAGMA" => Verb::Select,
        "INSERT" | "REPLACE" => Verb::Insert,
        "UPDATE" => Verb::Update,
        "DELETE" => Verb::Delete,
        "CREATE" | "DROP" | "ALTER" => Verb::Other(ddl(&keyword, words)),
        _ => Verb::Other(keyword),
    }
}

/// The word that says what the statement does; WITH is followed by its tables.
fn main_word<'t, 'a>(words: &'t [Token<'a>]) -> Option<&'t Token<'a>> {
    const MAIN: &[&str] = &["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "VALUES"];
    let first = words.first()?;
    if !first.is("WITH") {
        return Some(first);
    }
    let mut depth = 0_usize;
    words.iter().find(|token| {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.is_any(MAIN)
    })
}

fn ddl(keyword: &str, words: &[Token<'_>]) -> String {
    const OBJECTS: &[&str] = &["TABLE", "INDEX", "VIEW", "TRIGGER"];
    let object = words.iter().skip(1).take(4).find(|token| token.is_any(OBJECTS));
    object.map_or(keyword.to_owned(), |object| {
        format!("{keyword} {}", object.text.to_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::super::lex::{tokens, words};
    use super::*;

    fn read(sql: &str) -> Command {
        Command::read(&words(&tokens(sql))).unwrap()
    }

    #[test]
    fn transactions_are_recognised_in_all_their_words() {
        let begin = |read_only, tag| Command::Begin { read_only, tag };
        assert_eq!(read("begin isolation level repeatable read, read only"), begin(true, "BEGIN"));
        assert_eq!(read("/* x */ START TRANSACTION READ WRITE"), begin(false, "START TRANSACTION"));
        assert_eq!(read("END"), Command::Commit);
        assert_eq!(read("abort work"), Command::Rollback);
        assert_eq!(read("ROLLBACK TO SAVEPOINT a"), Command::RollbackTo);
        assert!(Command::read(&words(&tokens("BEGIN nonsense"))).is_err());
        assert!(Command::read(&words(&tokens("COMMIT AND CHAIN"))).is_err());
    }

    #[test]
    fn tags_say_what_was_done() {
        let tag = |sql| match read(sql) {
            Command::Sql(verb) => verb.tag(3),
            other => panic!("{other:?}"),
        };
        assert_eq!(tag("with a as (select 1) insert into t select * from a"), "INSERT 0 3");
        assert_eq!(tag("REPLACE INTO t VALUES(1)"), "INSERT 0 3");
        assert_eq!(tag("(select 1)"), "SELECT 3");
        assert_eq!(tag("create unique index i on t(a)"), "CREATE INDEX");
        assert_eq!(tag("DROP TABLE IF EXISTS t"), "DROP TABLE");
        assert_eq!(tag("create temp table t(a)"), "CREATE TABLE");
        assert_eq!(tag("vacuum"), "VACUUM");
    }
}
