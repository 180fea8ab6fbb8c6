use std::borrow::Cow;

/// An SQL identifier for any name, always in double quotes.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    quote(name, '"')
}

/// The SQL that makes the `sqlite_sequence` of a table what it is here: `seq`, or no row. It
/// keeps the row's own rowid.
#[must_use]
pub fn sequence_sql(table: &str, seq: Option<i64>) -> Vec<String> {
    let name = quote(table, '\'');
    match seq {
        None => vec![format!("DELETE FROM sqlite_sequence WHERE name = {name}")],
        Some(seq) => vec![
            format!("UPDATE sqlite_sequence SET seq = {seq} WHERE name = {name}"),
            format!(
                "INSERT INTO sqlite_sequence(name, seq) SELECT {name}, {seq} \
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = {name})"
            ),
        ],
    }
}

/// A name as messages spell it: quoted only where SQL needs it, since v0.0.7 puts what it
/// receives into SQL as it is.
pub(crate) fn spell(name: &str) -> Cow<'_, str> {
    if is_plain(name) && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name)) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(quote_identifier(name))
    }
}

/// The name behind a spelling; the reverse of [`spell`]. v0.0.7 never quotes, so that its
/// reserved words come back as they are.
pub(crate) fn unspell(spelling: &str) -> String {
    match spelling.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => spelling.to_owned(),
    }
}

fn quote(text: &str, mark: char) -> String {
    let doubled = text.replace(mark, if mark == '"' { "\"\"" } else { "''" });
    format!("{mark}{doubled}{mark}")
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    name.bytes().all(plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// The keywords that SQLite does not take as names
/// (those without a fallback to `ID` in its grammar, `src/parse.y`).
const RESERVED: [&str; 58] = [
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "AUTOINCREMENT",
    "BETWEEN",
    "CASE",
    "CHECK",
    "COLLATE",
    "COMMIT",
    "CONSTRAINT",
    "CREATE",
    "DEFAULT",
    "DEFERRABLE",
    "DELETE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FOREIGN",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "INDEX",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "LIMIT",
    "NOT",
    "NOTHING",
    "NOTNULL",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PRIMARY",
    "REFERENCES",
    "RETURNING",
    "SELECT",
    "SET",
    "TABLE",
    "THEN",
    "TO",
    "TRANSACTION",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// All keywords, from <https://www.sqlite.org/lang_keywords.html>.
    const KEYWORDS: &str = "ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH \
        AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE CASE CAST CHECK COLLATE COLUMN COMMIT \
        CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP \
        DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END \
        ESCAPE EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN \
        FROM FULL GENERATED GLOB GROUP GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED \
        INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN KEY LAST LEFT LIKE LIMIT \
        MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER \
        OTHERS OUTER OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE \
        REFERENCES REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW \
        ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN TIES TO TRANSACTION TRIGGER \
        UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH \
        WITHIN WITHOUT";

    /// The statements that v0.0.7 makes of a message, with its own way to splice names.
    fn spliced_by_v007(db: &Connection, name: &str) -> rusqlite::Result<()> {
        let spelled = spell(name);
        db.execute_batch(&format!(
            "CREATE TABLE {quoted}({quoted}, b);
             INSERT INTO main.{spelled} (b, {spelled}, rowid) VALUES (1, 2, 3)
                ON CONFLICT (rowid) DO UPDATE SET b = 1, {spelled} = 2;
             UPDATE main.{spelled} SET b = 1, {spelled} = 5 WHERE rowid = 3;
             DELETE FROM main.{spelled} WHERE rowid = 3;
             DROP TABLE {quoted};",
            quoted = quote_identifier(name)
        ))
    }

    #[test]
    fn spelled_names_work_where_v007_splices_them() {
        let db = Connection::open_in_memory().unwrap();
        let odd = ["my col", "a\"b", "1st", "é", "a$b", "x;y", "--", "", "[z]", "'q'", "\"q\""];
        for name in KEYWORDS.split_whitespace().chain(odd) {
            spliced_by_v007(&db, name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
            assert_eq!(unspell(&spell(name)), name);
        }
    }

    #[test]
    fn plain_names_stay_plain() {
        for name in ["users", "key", "Name_2", "größe"] {
            assert_eq!(spell(name), name);
        }
        assert_eq!(spell("order"), "\"order\"");
        assert_eq!(spell("Group"), "\"Group\"");
    }

    #[test]
    fn the_sequence_of_a_table_is_set_made_and_removed() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE \"o'x\"(id INTEGER PRIMARY KEY AUTOINCREMENT)").unwrap();
        let read = || {
            db.query_row("SELECT group_concat(name || seq) FROM sqlite_sequence", [], |row| {
                row.get::<_, Option<String>>(0)
            })
            .unwrap()
        };
        for (seq, expected) in [(Some(7), Some("o'x7")), (Some(-2), Some("o'x-2")), (None, None)] {
            for sql in sequence_sql("o'x", seq) {
                db.execute(&sql, []).unwrap();
            }
            assert_eq!(read().as_deref(), expected);
        }
    }
}
