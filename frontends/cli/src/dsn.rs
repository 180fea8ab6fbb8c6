//! The positional argument: a path or a `file:` URI with the parameters of mattn/go-sqlite3.

use std::path::PathBuf;
use std::time::Duration;

use ha_core::{Error, Result};
use percent_encoding::percent_decode_str;

/// What is opened when nothing is named.
pub const DEFAULT: &str = "file:ha.db?_journal=WAL&_busy_timeout=5000";

/// A database file and how it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// The file.
    pub path: PathBuf,
    /// How it is opened.
    pub options: OpenOptions,
    /// Parameters that have no effect, one line each.
    pub warnings: Vec<String>,
}

/// How a database is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Foreign keys are enforced.
    pub foreign_keys: bool,
    /// `PRAGMA cache_size`: pages, or KiB if negative.
    pub cache_size: Option<i64>,
    /// How long to wait for a lock that another process holds.
    pub busy_timeout: Duration,
    /// Clients may not write. What other nodes write is still applied.
    pub read_only: bool,
    /// The file is created if it does not exist.
    pub create: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            foreign_keys: true,
            cache_size: None,
            busy_timeout: Duration::from_secs(5),
            read_only: false,
            create: true,
        }
    }
}

impl Dsn {
    /// Reads a `file:` URI by the rules of SQLite (sqlite.org/uri.html), anything else as a
    /// path that ends before its first `?`; an empty text is [`DEFAULT`].
    ///
    /// A parameter that would change what SQL means or what is stored, and cannot have its
    /// way, is an error; any other that cannot is a warning.
    pub fn parse(text: &str) -> Result<Self> {
        let text = if text.is_empty() { DEFAULT } else { text };
        let (path, query) = split(text)?;
        if path.is_empty() || path == ":memory:" {
            return Err(refused("names no file; for a database in memory start with -m"));
        }
        let mut dsn = Self { path: path.into(), options: OpenOptions::default(), warnings: vec![] };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            dsn.set(&decoded(name)?, &decoded(value)?)?;
        }
        Ok(dsn)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let lower = value.to_ascii_lowercase();
        let options = &mut self.options;
        match name {
            "_busy_timeout" | "_timeout" => options.busy_timeout = millis(name, value)?,
            "_fk" | "_foreign_keys" => options.foreign_keys = boolean(name, &lower)?,
            "_cache_size" => options.cache_size = Some(integer(name, value)?),
            "_query_only" => options.read_only |= boolean(name, &lower)?,
            "mode" => self.set_mode(value)?,
            "vfs" if value == "memdb" => return Err(memory(name, value)),
            _ => self.judge(name, value, &lower)?,
        }
        Ok(())
    }

    fn set_mode(&mut self, mode: &str) -> Result<()> {
        match mode {
            "rwc" => {}
            "rw" => self.options.create = false,
            "ro" => (self.options.create, self.options.read_only) = (false, true),
            "memory" => return Err(memory("mode", mode)),
            _ => return Err(invalid("mode", mode, "ro, rw or rwc")),
        }
        Ok(())
    }

    /// What `ha` decides itself: agreed, without effect, or impossible.
    fn judge(&mut self, name: &str, value: &str, lower: &str) -> Result<()> {
        match verdict(name, lower) {
            Verdict::Agreed => Ok(()),
            Verdict::NoEffect(why) => {
                self.warnings.push(format!("{name}={value} has no effect: {why}"));
                Ok(())
            }
            Verdict::Impossible(why) => Err(refused(&format!("{name}={value}: {why}"))),
            Verdict::Invalid(expected) => Err(invalid(name, value, expected)),
        }
    }
}

enum Verdict {
    Agreed,
    NoEffect(&'static str),
    Impossible(&'static str),
    Invalid(&'static str),
}

fn verdict(name: &str, value: &str) -> Verdict {
    use Verdict::{Agreed, Impossible, Invalid, NoEffect};
    let off = matches!(value, "0" | "no" | "false" | "off");
    match (name, value) {
        ("_journal" | "_journal_mode", "wal") => Agreed,
        ("_journal" | "_journal_mode", "delete" | "truncate" | "persist" | "memory" | "off") => {
            NoEffect("readers and the writer need the journal mode WAL")
        }
        ("_journal" | "_journal_mode", _) => Invalid("WAL"),
        ("_sync" | "_synchronous", _) => NoEffect("ha syncs as the log needs it; see --nats-sync"),
        ("_txlock", "deferred" | "immediate") | ("_mutex", "no" | "full") => Agreed,
        ("_txlock", "exclusive") => NoEffect("writers run one at a time and readers never wait"),
        ("_txlock", _) => Invalid("deferred, immediate or exclusive"),
        ("_locking" | "_locking_mode", "normal") | ("cache", "private") | ("vfs", "unix") => Agreed,
        ("_locking" | "_locking_mode", "exclusive") => NoEffect("readers need the file too"),
        ("cache", "shared") => NoEffect("connections share no cache, so that readers never wait"),
        ("cache", _) => Invalid("private"),
        ("vfs", _) => Impossible("other file systems of SQLite cannot be chosen; leave it out"),
        ("immutable" | "nolock", _) if off => Agreed,
        ("immutable", _) => Impossible("what other nodes write has to be stored; use mode=ro"),
        ("nolock", _) => Impossible("without locks the file could be damaged; leave it out"),
        (
            "_case_sensitive_like"
            | "_cslike"
            | "_defer_fk"
            | "_defer_foreign_keys"
            | "_ignore_check_constraints"
            | "_writable_schema",
            _,
        ) if off => Agreed,
        ("_case_sensitive_like" | "_cslike", _) => {
            Impossible("LIKE means the same on every node; use GLOB or leave it out")
        }
        ("_defer_fk" | "_defer_foreign_keys", _) => {
            Impossible("declare the keys DEFERRABLE INITIALLY DEFERRED instead")
        }
        ("_ignore_check_constraints" | "_writable_schema", _) => {
            Impossible("it would let nodes store what others refuse; leave it out")
        }
        (name, _) if name.starts_with("_auth") => {
            Impossible("SQLite has no users; set --http-token and --pg-pass")
        }
        ("_recursive_triggers" | "_rt", _) => NoEffect("it is the same on every node"),
        ("_auto_vacuum" | "_vacuum" | "_secure_delete" | "_loc", _) => {
            NoEffect("ha does not support it")
        }
        _ => NoEffect("ha does not know it"),
    }
}

/// The path, decoded, and the parameters, as they are written.
fn split(text: &str) -> Result<(String, &str)> {
    let Some(uri) = text.strip_prefix("file:") else {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        return Ok((path.to_owned(), query));
    };
    let uri = uri.split('#').next().unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    Ok((uri_path(path)?, query))
}

/// The path of a URI without `file:` and query. Its authority can only be empty or `localhost`.
fn uri_path(uri: &str) -> Result<String> {
    let path = match uri.strip_prefix("//") {
        None => uri,
        Some(rest) => match rest.split_at(rest.find('/').unwrap_or(rest.len())) {
            ("" | "localhost", path) => path,
            (host, _) => {
                return Err(refused(&format!("file://{host}/… is on another machine")));
            }
        },
    };
    decoded(path)
}

fn decoded(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok().filter(|text| !text.contains('\0'));
    decoded.map(Into::into).ok_or_else(|| refused(&format!("{text:?} is no text in UTF-8")))
}

fn boolean(name: &str, lower: &str) -> Result<bool> {
    match lower {
        "0" | "no" | "false" | "off" => Ok(false),
        "1" | "yes" | "true" | "on" => Ok(true),
        _ => Err(invalid(name, lower, "0 or 1")),
    }
}

fn integer(name: &str, value: &str) -> Result<i64> {
    value.parse().map_err(|_| invalid(name, value, "an integer"))
}

fn millis(name: &str, value: &str) -> Result<Duration> {
    let millis = value.parse().map_err(|_| invalid(name, value, "milliseconds"))?;
    Ok(Duration::from_millis(millis))
}

fn invalid(name: &str, value: &str, expected: &str) -> Error {
    refused(&format!("{name}={value}: expected {expected}"))
}

fn memory(name: &str, value: &str) -> Error {
    refused(&format!("{name}={value}: for a database in memory start with -m"))
}

fn refused(why: &str) -> Error {
    Error::config("DATABASE", why)
}

#[cfg(test)]
mod tests;
