//! What settings may be set to.

use ha_core::Token;

use super::Kind;
use crate::error::{Failure, Outcome};

const ISOLATION_LEVELS: &[&str] =
    &["serializable", "repeatable read", "read committed", "read uncommitted"];

/// The form in which a value is kept and shown.
pub(super) fn checked(name: &str, kind: Kind, value: &str, current: &str) -> Outcome<String> {
    let invalid =
        || Failure::error("22023", format!("invalid value for parameter \"{name}\": \"{value}\""));
    match (name, kind) {
        ("client_encoding", _) => encoding(value).ok_or_else(invalid),
        // Every transaction is serializable, which is more than any other level asks for.
        ("transaction_isolation" | "default_transaction_isolation", _) => {
            let level = value.to_ascii_lowercase();
            ISOLATION_LEVELS.contains(&&*level).then(|| current.to_owned()).ok_or_else(invalid)
        }
        // Dates and times are text here, so that a zone has nothing to act on.
        ("TimeZone", _) if value.is_empty() => Err(invalid()),
        // asyncpg, pgjdbc and lib/pq name the ISO style with and without a field order.
        ("DateStyle", _) if value.to_ascii_lowercase().starts_with("iso") => Ok("ISO, MDY".into()),
        ("DateStyle", _) => Err(Failure::unsupported("only the DateStyle ISO is supported")),
        ("IntervalStyle", _) if value != "postgres" => {
            Err(Failure::unsupported("only the IntervalStyle postgres is supported"))
        }
        (_, Kind::Milliseconds) => {
            parse_milliseconds(value).map(|time| milliseconds(time.into())).ok_or_else(invalid)
        }
        (_, Kind::Level) => {
            let level = value.to_ascii_lowercase();
            matches!(&*level, "local" | "strong").then_some(level).ok_or_else(invalid)
        }
        (_, Kind::Position) if !value.is_empty() => {
            value.parse::<Token>().map(|token| token.to_string()).map_err(|_| invalid())
        }
        (_, Kind::Fixed | Kind::Internal) if !value.eq_ignore_ascii_case(current) => {
            Err(Failure::error("55P02", format!("parameter \"{name}\" cannot be changed")))
        }
        _ => Ok(value.to_owned()),
    }
}

fn encoding(value: &str) -> Option<String> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(plain.to_ascii_lowercase().as_str(), "utf8" | "unicode").then(|| "UTF8".to_owned())
}

/// Milliseconds from `500`, `500ms`, `5s` or `2min`.
pub(super) fn parse_milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// As SHOW prints it, in the largest unit without a fraction.
pub(super) fn milliseconds(time: u128) -> String {
    match time {
        0 => "0".into(),
        time if time % 60_000 == 0 => format!("{}min", time / 60_000),
        time if time % 1_000 == 0 => format!("{}s", time / 1_000),
        time => format!("{time}ms"),
    }
}
