mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use ha_core::{ReadLevel, Token};

use crate::Options;
use crate::error::{Failure, Outcome};
use values::{checked, milliseconds, parse_milliseconds};

/// PostgreSQL's version that the front-end behaves like.
pub(crate) const SERVER_VERSION: &str = concat!("15.0 (ha ", env!("CARGO_PKG_VERSION"), ")");

/// How a setting behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Can be set, and has no effect of its own.
    Free,
    /// As `Free`, and the client is told of every change.
    Reported,
    /// Cannot be set; reported at startup.
    Fixed,
    /// Cannot be set.
    Internal,
    /// A duration in milliseconds.
    Milliseconds,
    /// A position in the log, or nothing.
    Position,
    /// How new the state is that is read.
    Level,
}

/// The settings that exist, as <https://www.postgresql.org/docs/15/runtime-config.html> and
/// the list of reported parameters in `protocol-flow` name them.
const KNOWN: &[(&str, &str, Kind)] = &[
    ("application_name", "", Kind::Reported),
    ("bytea_output", "hex", Kind::Internal),
    ("client_encoding", "UTF8", Kind::Reported),
    ("client_min_messages", "notice", Kind::Free),
    ("DateStyle", "ISO, MDY", Kind::Reported),
    ("default_transaction_isolation", "serializable", Kind::Internal),
    ("default_transaction_read_only", "off", Kind::Fixed),
    ("extra_float_digits", "1", Kind::Free),
    ("ha.min_position", "", Kind::Position),
    ("ha.position", "", Kind::Internal),
    ("ha.read", "local", Kind::Level),
    ("idle_in_transaction_session_timeout", "0", Kind::Free),
    ("in_hot_standby", "off", Kind::Fixed),
    ("integer_datetimes", "on", Kind::Fixed),
    ("IntervalStyle", "postgres", Kind::Reported),
    ("is_superuser", "off", Kind::Fixed),
    ("jit", "off", Kind::Free),
    ("lock_timeout", "0", Kind::Free),
    ("max_identifier_length", "63", Kind::Internal),
    ("search_path", "\"$user\", public", Kind::Free),
    ("server_encoding", "UTF8", Kind::Fixed),
    ("server_version", SERVER_VERSION, Kind::Fixed),
    ("server_version_num", "150000", Kind::Internal),
    ("session_authorization", "", Kind::Fixed),
    ("standard_conforming_strings", "on", Kind::Fixed),
    ("statement_timeout", "0", Kind::Milliseconds),
    ("TimeZone", "UTC", Kind::Reported),
    ("transaction_isolation", "serializable", Kind::Internal),
    ("transaction_read_only", "off", Kind::Internal),
];

/// A session's settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
    /// What SET LOCAL goes back to when the transaction ends.
    local: BTreeMap<String, String>,
}

impl Settings {
    /// The defaults.
    pub(crate) fn new(options: &Options) -> Self {
        let mut values: BTreeMap<_, _> =
            KNOWN.iter().map(|(name, value, _)| ((*name).into(), (*value).into())).collect();
        let timeout = options.statement_timeout.map_or(0, |time| time.as_millis());
        values.insert("statement_timeout".into(), milliseconds(timeout));
        Self { defaults: values.clone(), values, local: BTreeMap::new() }
    }

    /// Takes over what the client asked for at startup; these become its defaults. Names that
    /// do not exist are an error, as in PostgreSQL.
    pub(crate) fn start(&mut self, startup: &BTreeMap<String, String>) -> Outcome<()> {
        for (name, value) in startup {
            match name.as_str() {
                "user" => {
                    self.values.insert("session_authorization".into(), value.clone());
                }
                "database" | "replication" | "options" => {}
                // Options of the protocol, not settings.
                name if name.starts_with("_pq_.") => {}
                name => self.set(name, Some(value), false)?,
            }
        }
        self.defaults = self.values.clone();
        Ok(())
    }

    /// The value of a setting; 42704 if there is none of the name.
    pub(crate) fn get(&self, name: &str) -> Outcome<(&str, &str)> {
        self.values
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .ok_or_else(|| unknown(name))
    }

    /// All of them by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Changes a setting; no value is its default. Any name with a dot in it exists, those with
    /// our own prefix apart.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Outcome<()> {
        let known = KNOWN.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name));
        let (name, kind) = match known {
            Some((name, _, kind)) => (*name, *kind),
            None if name.contains('.') && !is_ours(name) => (name, Kind::Free),
            None => return Err(unknown(name)),
        };
        let default = self.defaults.get(name).cloned().unwrap_or_default();
        let value = match value {
            Some(value) => checked(name, kind, value, &default)?,
            None => default,
        };
        let old = self.values.insert(name.to_owned(), value).unwrap_or_default();
        if local {
            self.local.entry(name.to_owned()).or_insert(old);
        } else {
            self.local.remove(name);
        }
        Ok(())
    }

    /// Every setting gets its default.
    pub(crate) fn reset_all(&mut self) {
        self.values = self.defaults.clone();
        self.local.clear();
    }

    /// Undoes SET LOCAL.
    pub(crate) fn end_transaction(&mut self) {
        self.values.append(&mut self.local);
    }

    /// `statement_timeout`.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let text = self.values.get("statement_timeout")?;
        parse_milliseconds(text).filter(|time| *time > 0).map(Duration::from_millis)
    }

    /// `ha.read` and `ha.min_position`.
    pub(crate) fn reads(&self) -> ReadLevel {
        let value = |name: &str| self.values.get(name).map(String::as_str);
        let min_position = value("ha.min_position").and_then(|token| token.parse().ok());
        ReadLevel { min_position, strong: value("ha.read") == Some("strong") }
    }

    /// Notes the position that `ha.position` shows.
    pub(crate) fn note_position(&mut self, position: Token) {
        for values in [&mut self.values, &mut self.defaults] {
            values.insert("ha.position".into(), position.to_string());
        }
    }

    /// The settings whose values the client is told.
    pub(crate) fn reported(&self) -> impl Iterator<Item = (&str, &str)> {
        let reported = |name: &str| {
            let kind = KNOWN.iter().find(|(known, _, _)| *known == name).map(|known| known.2);
            matches!(kind, Some(Kind::Reported | Kind::Fixed))
        };
        self.all().filter(move |(name, _)| reported(name))
    }
}

fn is_ours(name: &str) -> bool {
    name.get(..3).is_some_and(|prefix| prefix.eq_ignore_ascii_case("ha."))
}

fn unknown(name: &str) -> Failure {
    Failure::error("42704", format!("unrecognized configuration parameter \"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(failure: Failure) -> String {
        match failure {
            Failure::Report(info) => info.code,
            Failure::Gone => panic!("a report is expected"),
        }
    }

    #[test]
    fn settings_are_checked_shown_and_reset() {
        let mut settings = Settings::new(&Options::default());
        assert_eq!(settings.get("statement_timeout").unwrap().1, "30s");
        settings.set("STATEMENT_TIMEOUT", Some("1500"), false).unwrap();
        assert_eq!(settings.statement_timeout(), Some(Duration::from_millis(1500)));
        settings.set("statement_timeout", Some("0"), false).unwrap();
        assert_eq!(settings.statement_timeout(), None);
        settings.set("statement_timeout", None, false).unwrap();
        assert_eq!(settings.get("statement_timeout").unwrap().1, "30s");
        assert_eq!(code(settings.set("nonsense", Some("1"), false).unwrap_err()), "42704");
        assert_eq!(
            code(settings.set("client_encoding", Some("LATIN1"), false).unwrap_err()),
            "22023"
        );
        assert_eq!(code(settings.set("server_version", Some("9"), false).unwrap_err()), "55P02");
        settings.set("my.own", Some("x"), false).unwrap();
        assert_eq!(settings.get("my.own").unwrap().1, "x");
        settings.set("client_encoding", Some("'utf-8'"), false).unwrap();
    }

    #[test]
    fn levels_are_checked_and_kept() {
        let mut settings = Settings::new(&Options::default());
        assert_eq!(settings.reads(), ReadLevel::LOCAL);
        let token: Token = "00000000000000aa-7.1".parse().unwrap();
        settings.set("ha.read", Some("STRONG"), false).unwrap();
        settings.set("ha.min_position", Some("00000000000000aa-7.1"), false).unwrap();
        let both = ReadLevel { strong: true, min_position: Some(token) };
        assert_eq!(settings.reads(), both);
        settings.note_position(token);
        for (name, value, expected) in [
            ("ha.read", "session", "22023"),
            ("ha.min_position", "7", "22023"),
            ("ha.position", "", "55P02"),
            ("HA.reed", "strong", "42704"),
        ] {
            assert_eq!(code(settings.set(name, Some(value), false).unwrap_err()), expected);
        }
        settings.set("ha.min_position", Some(""), false).unwrap();
        settings.set("ha.read", None, false).unwrap();
        assert_eq!(settings.reads(), ReadLevel::LOCAL);
        settings.reset_all();
        assert_eq!(settings.get("ha.position").unwrap().1, "00000000000000aa-7.1");
    }

    #[test]
    fn local_settings_end_with_the_transaction() {
        let mut settings = Settings::new(&Options::default());
        settings.set("application_name", Some("a"), false).unwrap();
        settings.set("application_name", Some("b"), true).unwrap();
        settings.set("application_name", Some("c"), true).unwrap();
        settings.end_transaction();
        assert_eq!(settings.get("application_name").unwrap().1, "a");
    }
}
