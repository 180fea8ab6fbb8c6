//! Dates and times, which are text in SQLite. The time zone is UTC.

use super::lex::{Kind, Token};
use super::parts::literal;
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// The functions of time.
pub(super) const KNOWN: &[&str] = &[
    "ADDDATE",
    "CONVERT_TZ",
    "CURDATE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURTIME",
    "DATEDIFF",
    "DATE_ADD",
    "DATE_FORMAT",
    "DATE_SUB",
    "DAY",
    "DAYOFMONTH",
    "DAYOFWEEK",
    "DAYOFYEAR",
    "EXTRACT",
    "FROM_UNIXTIME",
    "HOUR",
    "LOCALTIME",
    "MINUTE",
    "MONTH",
    "NOW",
    "SECOND",
    "SUBDATE",
    "SYSDATE",
    "UNIX_TIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "WEEKDAY",
    "YEAR",
];

/// What a function of time becomes; `None` if it is none.
pub(super) fn call(
    rewriter: &Rewriter<'_>,
    name: &str,
    args: &[&[Token<'_>]],
) -> Outcome<Option<String>> {
    let sql =
        |index: usize| args.get(index).map_or(Ok(String::new()), |arg| rewriter.expression(arg));
    let part =
        |format: &str| Ok(Some(format!("CAST(strftime('{format}', {}) AS INTEGER)", sql(0)?)));
    let text = match (name, args.len()) {
        ("NOW" | "CURRENT_TIMESTAMP" | "SYSDATE" | "LOCALTIME" | "UTC_TIMESTAMP", 0) => {
            "datetime('now')".into()
        }
        ("NOW" | "CURRENT_TIMESTAMP" | "SYSDATE" | "LOCALTIME" | "UTC_TIMESTAMP", 1) => {
            "strftime('%Y-%m-%d %H:%M:%f', 'now')".into()
        }
        ("CURDATE" | "CURRENT_DATE" | "UTC_DATE", 0) => "date('now')".into(),
        ("CURTIME" | "CURRENT_TIME" | "UTC_TIME", _) => "time('now')".into(),
        ("UNIX_TIMESTAMP", 0) => "CAST(strftime('%s', 'now') AS INTEGER)".into(),
        ("UNIX_TIMESTAMP", 1) => return part("%s"),
        ("FROM_UNIXTIME", 1) => format!("datetime({}, 'unixepoch')", sql(0)?),
        ("YEAR", 1) => return part("%Y"),
        ("MONTH", 1) => return part("%m"),
        ("DAY" | "DAYOFMONTH", 1) => return part("%d"),
        ("HOUR", 1) => return part("%H"),
        ("MINUTE", 1) => return part("%M"),
        ("SECOND", 1) => return part("%S"),
        ("DAYOFYEAR", 1) => return part("%j"),
        ("DAYOFWEEK", 1) => format!("(strftime('%w', {}) + 1)", sql(0)?),
        ("WEEKDAY", 1) => format!("((strftime('%w', {}) + 6) % 7)", sql(0)?),
        ("EXTRACT", 1) => extract(rewriter, args[0])?,
        ("DATEDIFF", 2) => {
            let (to, from) = (sql(0)?, sql(1)?);
            format!("CAST(julianday(date({to})) - julianday(date({from})) AS INTEGER)")
        }
        ("DATE_FORMAT", 2) => formatted(&sql(0)?, args[1])?,
        ("DATE_ADD" | "ADDDATE", 2) => shift(&sql(0)?, "+", args[1], rewriter)?,
        ("DATE_SUB" | "SUBDATE", 2) => shift(&sql(0)?, "-", args[1], rewriter)?,
        ("CONVERT_TZ", 3) => convert_tz(&sql(0)?, args)?,
        _ => return Ok(None),
    };
    Ok(Some(text))
}

/// A time and an `INTERVAL n unit` before or after it.
pub(super) fn shift(
    time: &str,
    sign: &str,
    interval: &[Token<'_>],
    rewriter: &Rewriter<'_>,
) -> Outcome<String> {
    let interval = interval.strip_prefix_word("INTERVAL");
    let (amount, unit) = match interval.split_last() {
        Some((unit, amount)) if unit.kind == Kind::Word && !amount.is_empty() => {
            (amount, unit.text.to_ascii_uppercase())
        }
        _ => (interval, "DAY".to_owned()),
    };
    let (times, unit) = match unit.as_str() {
        "MICROSECOND" => (0.000_001, "seconds"),
        "SECOND" => (1.0, "seconds"),
        "MINUTE" => (1.0, "minutes"),
        "HOUR" => (1.0, "hours"),
        "DAY" => (1.0, "days"),
        "WEEK" => (7.0, "days"),
        "MONTH" => (1.0, "months"),
        "QUARTER" => (3.0, "months"),
        "YEAR" => (1.0, "years"),
        unit => return Err(Failure::unsupported(&format!("INTERVAL in {unit}"))),
    };
    let amount = rewriter.expression(amount)?;
    let mut change = format!("({sign}({amount}) * {times}) || ' {unit}'");
    if matches!(unit, "months" | "years") {
        // The last day of a month stays one.
        change.push_str(", 'floor'");
    }
    shifted(time, &change, !matches!(unit, "days" | "months" | "years"))
}

/// A day that is changed by days stays a day, as text that compares with other days.
fn shifted(time: &str, change: &str, clock: bool) -> Outcome<String> {
    if clock || time.starts_with("datetime(") {
        return Ok(format!("datetime({time}, {change})"));
    }
    if time.starts_with("date(") {
        return Ok(format!("date({time}, {change})"));
    }
    if time.len() > LONGEST {
        return Err(Failure::unsupported("INTERVAL after a time that takes so much to compute"));
    }
    let format = format!("iif(length({time}) = 10, '%Y-%m-%d', '%Y-%m-%d %H:%M:%S')");
    Ok(format!("strftime({format}, {time}, {change})"))
}

/// What is written twice may be this long, as it could be in itself again.
const LONGEST: usize = 4096;

/// Taking a leading key word off.
trait StripWord {
    fn strip_prefix_word(&self, word: &str) -> &Self;
}

impl StripWord for [Token<'_>] {
    fn strip_prefix_word(&self, word: &str) -> &Self {
        match self {
            [first, rest @ ..] if first.is(word) => rest,
            all => all,
        }
    }
}

/// `EXTRACT(unit FROM x)`.
fn extract(rewriter: &Rewriter<'_>, arg: &[Token<'_>]) -> Outcome<String> {
    let [unit, from, time @ ..] = arg else { return Err(Failure::syntax("EXTRACT")) };
    let format = match unit.text.to_ascii_uppercase().as_str() {
        "YEAR" => "%Y",
        "MONTH" => "%m",
        "DAY" => "%d",
        "HOUR" => "%H",
        "MINUTE" => "%M",
        "SECOND" => "%S",
        _ => return Err(Failure::unsupported(&format!("EXTRACT({} FROM …)", unit.text))),
    };
    if !from.is("FROM") {
        return Err(Failure::syntax(from.text));
    }
    Ok(format!("CAST(strftime('{format}', {}) AS INTEGER)", rewriter.expression(time)?))
}

/// Only between equal zones, and between UTC's names.
fn convert_tz(time: &str, args: &[&[Token<'_>]]) -> Outcome<String> {
    let zone = |arg: &[Token<'_>]| arg.first().map(Token::value).unwrap_or_default();
    let (from, to) = (zone(args[1]), zone(args[2]));
    let utc = |zone: &str| matches!(zone, "UTC" | "+00:00" | "SYSTEM");
    if from == to || (utc(&from) && utc(&to)) {
        return Ok(format!("datetime({time})"));
    }
    Err(Failure::unsupported("CONVERT_TZ between different time zones"))
}

/// A time in MySQL's format. Parts that SQLite fills with blanks stand alone, without these.
fn formatted(time: &str, arg: &[Token<'_>]) -> Outcome<String> {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    for letters in format_of(arg)? {
        if !matches!(letters.as_str(), "%e" | "%k" | "%l") {
            plain.push_str(&letters);
            continue;
        }
        parts.push(format!("strftime({}, {time})", literal(&std::mem::take(&mut plain))));
        parts.push(format!("ltrim(strftime('{letters}', {time}))"));
    }
    if parts.is_empty() || !plain.is_empty() {
        parts.push(format!("strftime({}, {time})", literal(&plain)));
    }
    if parts.len() > 1 && time.len() > LONGEST {
        return Err(Failure::unsupported("DATE_FORMAT of what takes so much to compute"));
    }
    Ok(if parts.len() > 1 { format!("({})", parts.join(" || ")) } else { parts.concat() })
}

/// MySQL's format in strftime's letters, one by one.
fn format_of(arg: &[Token<'_>]) -> Outcome<Vec<String>> {
    let [Token { kind: Kind::Text, .. }] = arg else {
        return Err(Failure::unsupported("DATE_FORMAT with a format that is no string"));
    };
    let mut out = Vec::new();
    let format = arg[0].value();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char.to_string());
            continue;
        }
        let letters = match chars.next().unwrap_or('%') {
            'Y' => "%Y",
            'm' => "%m",
            'd' => "%d",
            'e' => "%e",
            'H' => "%H",
            'h' | 'I' => "%I",
            'k' => "%k",
            'l' => "%l",
            'i' => "%M",
            's' | 'S' => "%S",
            'f' => return Err(Failure::unsupported("DATE_FORMAT with %f")),
            'j' => "%j",
            'p' => "%p",
            'T' => "%H:%M:%S",
            'w' => "%w",
            '%' => "%%",
            other => return Err(Failure::unsupported(&format!("DATE_FORMAT with %{other}"))),
        };
        out.push(letters.to_owned());
    }
    Ok(out)
}
