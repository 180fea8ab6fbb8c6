//! From MySQL's SQL to what the engine runs. What is not translated goes to SQLite as it is,
//! whose error is the answer.

mod alter;
mod column;
mod command;
mod create;
mod dml;
mod functions;
mod keywords;
pub(crate) mod lex;
mod parts;
mod rewrite;
mod select;
mod show;
mod text;
mod time;
mod types;
mod variables;

pub(crate) use alter::{Alteration, alterations};
pub(crate) use column::ColumnDefinition;
pub(crate) use command::{Command, Ddl, Setting};
pub(crate) use create::{drop, find_index, index, table};
pub(crate) use dml::ids_are_in_rows;
pub(crate) use parts::{constant, literal, quoted, split};
pub(crate) use rewrite::Rewriter;
pub(crate) use show::{Show, What};
pub(crate) use text::readable;
pub(crate) use variables::Variables;

use lex::Token;

use crate::error::{Failure, Outcome};

/// What a session knows, and SQL may ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// How the client calls the database.
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) host: String,
    /// The connection's number.
    pub(crate) id: u32,
    pub(crate) last_insert_id: u64,
    pub(crate) row_count: i64,
    pub(crate) found_rows: u64,
    pub(crate) variables: Variables,
}

impl Scope {
    /// `USER()`, as SQL.
    fn account(&self) -> String {
        literal(&format!("{}@{}", self.user, self.host))
    }
}

/// The tokens of the only statement of a text.
pub(crate) fn statement(source: &str) -> Outcome<Vec<Token<'_>>> {
    let mut tokens = lex::tokens(source);
    while tokens.last().is_some_and(|token| token.symbol(";")) {
        tokens.pop();
    }
    // SQLite would stop to read at it.
    let nul = |token: &&Token<'_>| token.kind != lex::Kind::Text && token.text.contains('\0');
    if let Some(token) = tokens.iter().find(nul) {
        return Err(Failure::syntax(token.text));
    }
    let trigger = tokens.len() > 2 && tokens[0].is("CREATE") && tokens[1].is("TRIGGER");
    match tokens.iter().position(|token| token.symbol(";")) {
        Some(at) if !trigger => Err(Failure::syntax(&source[tokens[at].at..])),
        _ => Ok(tokens),
    }
}

/// Translates a statement that the engine runs.
pub(crate) fn translate(scope: &Scope, tokens: &[Token<'_>], source: &str) -> Outcome<String> {
    let rewriter = Rewriter::new(scope);
    let Some(first) = tokens.first() else { return Ok(String::new()) };
    match first.text.to_ascii_uppercase().as_str() {
        "SELECT" => select::select(&rewriter, tokens, source),
        "INSERT" | "REPLACE" => dml::insert(&rewriter, tokens),
        "UPDATE" => dml::update(&rewriter, tokens),
        "DELETE" => dml::delete(&rewriter, tokens),
        "TRUNCATE" => dml::truncate(&rewriter, tokens),
        _ => rewriter.expression(tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        let scope = Scope { database: "db".into(), ..Scope::default() };
        translate(&scope, &lex::tokens(text), text).unwrap()
    }

    #[test]
    fn strings_names_and_operators_are_sqlite_s() {
        assert_eq!(sql("SELECT `a`.`b` FROM `db`.`t` a"), "SELECT \"a\" . \"b\" FROM \"t\" a");
        assert_eq!(sql(r#"SELECT "it's" x, 'a\'b' AS y"#), "SELECT 'it''s' x, 'a''b' AS y");
        assert_eq!(
            sql("SELECT a || b && !c, x <=> NULL FROM t WHERE a DIV 2 = b / 2"),
            "SELECT a OR b AND (NOT c) AS \"a || b && !c\", x IS NULL AS \"x <=> NULL\" FROM t WHERE a / 2 = b * 1.0 / 2"
        );
        assert_eq!(sql("DELETE FROM t WHERE a = 0xfF"), "DELETE FROM t WHERE a = x'fF'");
    }

    #[test]
    fn columns_are_called_as_they_are_written() {
        assert_eq!(
            sql("SELECT COUNT(*), 'x', t.*, a b, `c`"),
            "SELECT COUNT ( * ) AS \"COUNT(*)\", 'x' AS \"x\", t . *, a b, \"c\""
        );
        assert!(sql("SELECT DATABASE()").ends_with("'db' AS \"DATABASE()\""));
    }

    #[test]
    fn functions_and_patterns_mean_the_same() {
        assert_eq!(
            sql("UPDATE t SET a = CONCAT(a, IF(b, 'x', ?)) WHERE c LIKE ?"),
            "UPDATE t SET a = ((a) || (iif(b, 'x', ?1))) WHERE c LIKE ?2 ESCAPE '\\'"
        );
        assert_eq!(
            sql("DELETE FROM t WHERE d < NOW() - INTERVAL 2 WEEK"),
            "DELETE FROM t WHERE d < datetime(datetime('now'), (-(2) * 7) || ' days')"
        );
        assert_eq!(
            sql("DELETE FROM t WHERE a = CAST(b AS SIGNED)"),
            "DELETE FROM t WHERE a = CAST(b AS INTEGER)"
        );
        assert_eq!(sql("SELECT a FROM t WHERE b = 1 FOR UPDATE"), "SELECT a FROM t WHERE b = 1");
    }

    #[test]
    fn writes_of_mysql_s_own_kind() {
        assert_eq!(
            sql("INSERT IGNORE t SET a = 1, `b` = ?"),
            "INSERT OR IGNORE INTO t (\"a\", \"b\") VALUES (1, ?1)"
        );
        assert_eq!(
            sql(
                "INSERT INTO t (a, b) VALUES (1, DEFAULT) ON DUPLICATE KEY UPDATE b = VALUES(b) + b"
            ),
            "INSERT INTO t ( a , b ) VALUES (1, NULL) ON CONFLICT DO UPDATE SET b = excluded.\"b\" + b"
        );
        assert_eq!(
            sql("INSERT INTO t (a) VALUES (1) AS new ON DUPLICATE KEY UPDATE a = new.a"),
            "INSERT INTO t ( a ) VALUES (1) ON CONFLICT DO UPDATE SET a = excluded . a"
        );
        assert_eq!(sql("INSERT INTO t () VALUES ()"), "INSERT INTO t DEFAULT VALUES");
        assert_eq!(
            sql("DELETE FROM t WHERE a > 1 ORDER BY a LIMIT 2"),
            "DELETE FROM t WHERE rowid IN (SELECT rowid FROM t WHERE a > 1 ORDER BY a LIMIT 2)"
        );
        assert_eq!(
            sql("DELETE x FROM t x JOIN u ON u.i = x.i"),
            "DELETE FROM \"t\" WHERE rowid IN (SELECT \"x\".rowid FROM t x JOIN u ON u . i = x . i )"
        );
        assert_eq!(sql("TRUNCATE TABLE `t`"), "DELETE FROM \"t\"");
    }
}
