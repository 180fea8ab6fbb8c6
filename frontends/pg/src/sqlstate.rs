//! The one place that knows what errors of the engine are as SQLSTATEs. Their meaning:
//! <https://www.postgresql.org/docs/15/errcodes-appendix.html>.

use ha_core::Error;
use pgwire::error::ErrorInfo;

/// The class of an error of the engine.
pub(crate) fn sqlstate(error: &Error) -> String {
    match error {
        Error::Sql { code, message, .. } => of_sqlite(*code, message),
        Error::Invalid(_) => "22023",
        Error::NotAllowed(_) => "42501",
        Error::Unsupported(_) => "0A000",
        Error::OtherLog { .. } => "55000",
        Error::KeyReused(_) => "22023",
        Error::Conflict => "40001",
        Error::OutcomeUnknown(_) => "08007",
        Error::NotSent(_) => "08006",
        Error::NotReady(_) => "57P03",
        Error::ReadOnly(_) => "25006",
        Error::Timeout(_) | Error::Interrupted => "57014",
        Error::TooLarge { .. } => "54000",
        Error::IdleTransaction(_) => "25P03",
        Error::NoTransaction(_) => "25P01",
        Error::Closed => "57P01",
        Error::Config { .. } => "F0000",
        Error::Io { .. } => "58030",
        Error::Corrupt(_) => "XX001",
        _ => "XX000",
    }
    .to_owned()
}

/// From SQLite's extended result code (<https://sqlite.org/rescode.html>); the plain
/// `SQLITE_ERROR` only tells more in its message.
fn of_sqlite(code: i32, message: &str) -> &'static str {
    match code {
        2067 | 1555 | 2579 => return "23505",
        787 => return "23503",
        1299 => return "23502",
        275 => return "23514",
        1811 => return "P0001",
        3091 => return "42804",
        _ => {}
    }
    match code & 0xff {
        1 => of_message(message),
        5 | 6 => "40001",
        7 => "53200",
        8 => "25006",
        9 => "57014",
        10 => "58030",
        11 | 26 => "XX001",
        13 => "53100",
        18 => "54000",
        19 => "23000",
        20 => "42804",
        23 => "42501",
        _ => "XX000",
    }
}

fn of_message(message: &str) -> &'static str {
    const MEANINGS: &[(&str, &str)] = &[
        ("no such table", "42P01"),
        ("no such view", "42P01"),
        ("no such column", "42703"),
        ("has no column named", "42703"),
        ("no such index", "42704"),
        ("no such trigger", "42704"),
        ("no such collation", "42704"),
        ("no such savepoint", "3B001"),
        ("no such function", "42883"),
        ("wrong number of arguments", "42883"),
        ("no such module", "0A000"),
        ("already exists", "42P07"),
        ("already another table or index", "42P07"),
        ("duplicate column name", "42701"),
        ("ambiguous column name", "42702"),
        ("syntax error", "42601"),
        ("incomplete input", "42601"),
        ("unrecognized token", "42601"),
        ("columns but", "42601"),
        ("values for", "42601"),
        ("not authorized", "42501"),
        ("prohibited", "42501"),
        ("may not be", "42501"),
        ("misuse of", "42803"),
        ("integer overflow", "22003"),
        ("malformed JSON", "22P02"),
        ("too many", "54000"),
        ("too big", "54000"),
        ("too deep", "54001"),
        ("foreign key mismatch", "42830"),
    ];
    let meaning = MEANINGS.iter().find(|(words, _)| message.contains(words));
    meaning.map_or("42000", |(_, code)| code)
}

/// Fills in the table, column and constraint that SQLite names in `… constraint failed: …`.
pub(crate) fn name_the_culprit(info: &mut ErrorInfo, code: i32, message: &str) {
    let Some((_, culprits)) = message.split_once("constraint failed: ") else { return };
    if let Some(index) = culprits.strip_prefix("index '") {
        info.constraint = Some(index.trim_end_matches('\'').to_owned());
        return;
    }
    if code == 275 {
        info.constraint = Some(culprits.to_owned());
        return;
    }
    let columns: Vec<_> =
        culprits.split(", ").filter_map(|culprit| culprit.split_once('.')).collect();
    let Some((table, column)) = columns.first() else { return };
    info.table = Some((*table).to_owned());
    let names: Vec<_> = columns.iter().map(|(_, column)| *column).collect();
    if columns.len() == 1 {
        info.column = Some((*column).to_owned());
    }
    // PostgreSQL's own names of unnamed constraints.
    match code {
        2067 => info.constraint = Some(format!("{table}_{}_key", names.join("_"))),
        1555 | 2579 => info.constraint = Some(format!("{table}_pkey")),
        _ => {}
    }
}
