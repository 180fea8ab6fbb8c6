//! The one place that knows MySQL's error codes and SQLSTATEs. Their meaning:
//! <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>.

use ha_core::Error;

/// The result of what a connection does.
pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

/// Why a connection could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is told; the connection goes on.
    Report(Box<Report>),
    /// There is nobody left to tell.
    Gone,
}

/// An error as a client sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) code: u16,
    pub(crate) state: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: u16, state: &'static str, message: impl Into<String>) -> Self {
        Self::Report(Box::new(Report { code, state, message: message.into() }))
    }

    /// What `ha` does not do.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new(1235, "42000", format!("This version of ha doesn't yet support '{what}'"))
    }

    /// A foreign key that fails in a DELETE fails for the rows that are pointed to. SQLite does
    /// not tell which side it is.
    pub(crate) fn of_delete(mut self) -> Self {
        if let Self::Report(report) = &mut self
            && report.code == 1452
        {
            report.code = 1451;
        }
        self
    }

    /// Text that is no SQL, as far as the front-end reads it.
    pub(crate) fn syntax(near: &str) -> Self {
        let near: String = near.chars().take(80).collect();
        Self::new(1064, "42000", format!("You have an error in your SQL syntax near '{near}'"))
    }

    /// A client that was silent for too long (`ER_CLIENT_INTERACTION_TIMEOUT`).
    pub(crate) fn inactive() -> Self {
        let text = "The client was disconnected by the server because of inactivity. See \
                    wait_timeout and interactive_timeout for configuring this behavior.";
        Self::new(4031, "HY000", text)
    }

    /// A message that breaks the protocol.
    pub(crate) fn protocol(what: &str) -> Self {
        Self::new(1835, "HY000", format!("Malformed communication packet: {what}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let (code, state) = match &error {
            Error::Sql { code, message, .. } => return of_sqlite(*code, message),
            Error::Invalid(_) => (1210, "HY000"),
            Error::NotAllowed(_) => (1227, "42000"),
            Error::Unsupported(_) => (1235, "42000"),
            Error::Conflict => (1213, "40001"),
            // "Got error during COMMIT": the only code that says that it may have happened.
            Error::OutcomeUnknown(_) => (1180, "08007"),
            Error::NotSent(_) => (1180, "08006"),
            Error::NotReady(_) => (1053, "08S01"),
            Error::ReadOnly(_) => (1290, "HY000"),
            Error::Timeout(_) => (3024, "HY000"),
            Error::Interrupted => (1317, "70100"),
            Error::TooLarge { .. } => (1153, "08S01"),
            Error::IdleTransaction(_) => (1205, "40001"),
            Error::NoTransaction(_) => (1213, "40001"),
            Error::Closed => (1053, "08S01"),
            Error::Io { .. } => (1026, "HY000"),
            Error::Corrupt(_) => (1034, "HY000"),
            _ => (1105, "HY000"),
        };
        Self::new(code, state, message)
    }
}

/// From SQLite's extended result code (<https://sqlite.org/rescode.html>); the plain
/// `SQLITE_ERROR` only tells more in its message.
fn of_sqlite(code: i32, message: &str) -> Failure {
    let culprit = message.split_once("constraint failed: ").map_or("", |(_, culprit)| culprit);
    match code {
        2067 | 1555 | 2579 => {
            let key = culprit.split(", ").next().unwrap_or_default();
            let text = format!("Duplicate entry for key '{key}' ({message})");
            return Failure::new(1062, "23000", text);
        }
        787 => {
            let text = "Cannot add, update or delete a row: a foreign key constraint fails";
            return Failure::new(1452, "23000", text);
        }
        1811 if message.contains("FOREIGN KEY") => return Failure::new(1451, "23000", message),
        1299 => {
            let column = culprit.rsplit('.').next().unwrap_or_default();
            return Failure::new(1048, "23000", format!("Column '{column}' cannot be null"));
        }
        275 => {
            let text = format!("Check constraint '{culprit}' is violated.");
            return Failure::new(3819, "HY000", text);
        }
        1811 => return Failure::new(1644, "45000", message),
        _ => {}
    }
    let (code, state) = match code & 0xff {
        1 => of_message(message),
        5 | 6 => (1213, "40001"),
        7 => (1037, "HY001"),
        8 => (1290, "HY000"),
        9 => (1317, "70100"),
        10 | 11 | 26 => (1026, "HY000"),
        13 => (1021, "HY000"),
        18 => (1153, "08S01"),
        19 => (1062, "23000"),
        20 => (1366, "HY000"),
        23 => (1227, "42000"),
        _ => (1105, "HY000"),
    };
    Failure::new(code, state, message)
}

fn of_message(message: &str) -> (u16, &'static str) {
    const MEANINGS: &[(&str, u16, &str)] = &[
        ("no such table", 1146, "42S02"),
        ("no such view", 1146, "42S02"),
        ("no such column", 1054, "42S22"),
        ("has no column named", 1054, "42S22"),
        ("no such index", 1091, "42000"),
        ("no such savepoint", 1305, "42000"),
        ("no such function", 1305, "42000"),
        ("wrong number of arguments", 1582, "42000"),
        ("no such collation", 1273, "HY000"),
        ("index", 1061, "42000"),
        ("already exists", 1050, "42S01"),
        ("already another table", 1050, "42S01"),
        ("duplicate column name", 1060, "42S21"),
        ("ambiguous column name", 1052, "23000"),
        ("columns but", 1136, "21S01"),
        ("values for", 1136, "21S01"),
        ("not authorized", 1227, "42000"),
        ("prohibited", 1227, "42000"),
        ("misuse of", 1111, "HY000"),
        ("integer overflow", 1690, "22003"),
        ("malformed JSON", 3140, "22032"),
        ("foreign key mismatch", 1822, "HY000"),
        ("use DROP VIEW", 1051, "42S02"),
    ];
    let means = |(words, ..): &&(&str, u16, &str)| match *words {
        "index" => message.starts_with("index ") && message.ends_with("already exists"),
        words => message.contains(words),
    };
    MEANINGS.iter().find(means).map_or((1064, "42000"), |(_, code, state)| (*code, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(error: Error) -> Report {
        match Failure::from(error) {
            Failure::Report(report) => *report,
            Failure::Gone => panic!("a report is expected"),
        }
    }

    fn sql(code: i32, message: &str) -> u16 {
        report(Error::Sql { code, message: message.into(), offset: None }).code
    }

    #[test]
    fn sqlite_s_words_have_mysql_s_numbers() {
        assert_eq!(sql(2067, "UNIQUE constraint failed: t.a"), 1062);
        assert_eq!(sql(787, "FOREIGN KEY constraint failed"), 1452);
        assert_eq!(sql(1299, "NOT NULL constraint failed: t.a"), 1048);
        assert_eq!(sql(275, "CHECK constraint failed: a > 1"), 3819);
        assert_eq!(sql(1, "near \"x\": syntax error"), 1064);
        assert_eq!(sql(1, "no such table: x"), 1146);
        assert_eq!(sql(1, "no such column: x"), 1054);
        assert_eq!(sql(1, "table \"x\" already exists"), 1050);
        assert_eq!(sql(1, "index x already exists"), 1061);
    }

    #[test]
    fn what_became_of_a_write_can_be_told_from_the_code() {
        let name = "00000000000000aa-7.00000000000000bb.1";
        let unknown = report(Error::OutcomeUnknown(name.parse().unwrap()));
        assert_eq!((unknown.code, unknown.state), (1180, "08007"));
        assert!(unknown.message.contains(name), "{}", unknown.message);
        let conflict = report(Error::Conflict);
        assert_eq!((conflict.code, conflict.state), (1213, "40001"));
        assert_eq!(report(Error::NotSent("cut off".into())).state, "08006");
        assert_eq!(report(Error::ReadOnly("a copy".into())).code, 1290);
        assert_eq!(report(Error::Interrupted).code, 1317);
    }
}
