//! Schema changes that v0.0.7 may run twice.
//!
//! It acknowledges a message after it was applied, and has no position: what is delivered again
//! runs again. A `CREATE TABLE` that fails then is delivered for ever.

use std::borrow::Cow;

/// The statement with `IF NOT EXISTS` or `IF EXISTS`, where it has neither and could. On a
/// database on which the statement as it was succeeds, both do the same, and SQLite keeps the
/// same text in the schema.
pub(super) fn repeatable(sql: &str) -> Cow<'_, str> {
    match place(sql) {
        Some((at, condition)) => Cow::Owned(format!("{} {condition}{}", &sql[..at], &sql[at..])),
        None => Cow::Borrowed(sql),
    }
}

/// Where the condition belongs.
fn place(sql: &str) -> Option<(usize, &'static str)> {
    let mut words = Words { sql, at: 0 };
    let condition = match words.next()? {
        word if word.eq_ignore_ascii_case("CREATE") => "IF NOT EXISTS",
        word if word.eq_ignore_ascii_case("DROP") => "IF EXISTS",
        _ => return None,
    };
    let is_one_of =
        |word: &str, known: &[&str]| known.iter().any(|it| word.eq_ignore_ascii_case(it));
    loop {
        let word = words.next()?;
        if is_one_of(word, &["TABLE", "INDEX", "TRIGGER", "VIEW"]) {
            break;
        }
        if !is_one_of(word, &["TEMP", "TEMPORARY", "UNIQUE", "VIRTUAL"]) {
            return None;
        }
    }
    let at = words.at;
    // A table may be called "if".
    let has = words.next().is_some_and(|word| word.eq_ignore_ascii_case("IF"))
        && words.next().is_some_and(|word| is_one_of(word, &["NOT", "EXISTS"]));
    (!has).then_some((at, condition))
}

/// The words at the beginning of a statement, comments left out.
struct Words<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// `None` at the end, and at what is no word.
    fn next(&mut self) -> Option<&'a str> {
        self.skip_comments();
        let rest = &self.sql[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        self.at += end;
        (end > 0).then_some(&rest[..end])
    }

    fn skip_comments(&mut self) {
        loop {
            let rest = &self.sql[self.at..];
            let skipped = if rest.starts_with("--") {
                rest.find('\n').map_or(rest.len(), |end| end + 1)
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                rest.len() - rest.trim_start().len()
            };
            if skipped == 0 {
                return;
            }
            self.at += skipped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::repeatable;

    #[test]
    fn what_could_fail_the_second_time_gets_a_condition() {
        for (sql, wanted) in [
            ("CREATE TABLE t(a)", "CREATE TABLE IF NOT EXISTS t(a)"),
            ("create unique index i on t(a)", "create unique index IF NOT EXISTS i on t(a)"),
            (
                "CREATE VIRTUAL TABLE f USING fts5(x)",
                "CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(x)",
            ),
            (
                "-- c\nCREATE/**/TABLE/* x */\"t\"(a)",
                "-- c\nCREATE/**/TABLE IF NOT EXISTS/* x */\"t\"(a)",
            ),
            ("CREATE TABLE if(a)", "CREATE TABLE IF NOT EXISTS if(a)"),
            ("DROP VIEW v", "DROP VIEW IF EXISTS v"),
            ("drop trigger[g]", "drop trigger IF EXISTS[g]"),
        ] {
            assert_eq!(repeatable(sql), wanted);
        }
    }

    #[test]
    fn what_cannot_or_need_not_stays() {
        for sql in [
            "CREATE TABLE IF NOT EXISTS t(a)",
            "DROP TABLE/**/if exists t",
            "ALTER TABLE t ADD b",
            "PRAGMA user_version = 3",
            "CREATE",
            "DROP SOMETHING x",
            "/* never closed",
            "",
        ] {
            assert_eq!(repeatable(sql), sql);
        }
    }
}
