//! System variables and those of the user.

use std::collections::BTreeMap;

use super::parts::literal;
use crate::error::{Failure, Outcome};
use crate::wire::handshake::VERSION;

/// What a session's variables are.
#[derive(Debug, Clone)]
pub(crate) struct Variables {
    system: BTreeMap<String, String>,
    user: BTreeMap<String, String>,
}

/// Their values at the beginning, as SQL.
const DEFAULTS: &[(&str, &str)] = &[
    ("auto_increment_increment", "1"),
    ("auto_increment_offset", "1"),
    ("autocommit", "1"),
    ("character_set_client", "'utf8mb4'"),
    ("character_set_connection", "'utf8mb4'"),
    ("character_set_database", "'utf8mb4'"),
    ("character_set_results", "'utf8mb4'"),
    ("character_set_server", "'utf8mb4'"),
    ("collation_connection", "'utf8mb4_bin'"),
    ("collation_database", "'utf8mb4_bin'"),
    ("collation_server", "'utf8mb4_bin'"),
    ("default_storage_engine", "'InnoDB'"),
    ("foreign_key_checks", "1"),
    ("have_ssl", "'DISABLED'"),
    ("init_connect", "''"),
    ("innodb_version", "'8.0.36'"),
    ("interactive_timeout", "28800"),
    ("license", "'Apache-2.0'"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "67108864"),
    ("net_buffer_length", "16384"),
    ("net_write_timeout", "60"),
    ("performance_schema", "0"),
    ("port", "3306"),
    ("protocol_version", "10"),
    ("query_cache_size", "0"),
    ("query_cache_type", "'OFF'"),
    ("read_only", "0"),
    ("sql_auto_is_null", "0"),
    ("sql_big_selects", "1"),
    ("sql_mode", "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"),
    ("sql_notes", "1"),
    ("sql_quote_show_create", "1"),
    ("sql_safe_updates", "0"),
    ("sql_select_limit", "9223372036854775807"),
    ("sql_warnings", "0"),
    ("storage_engine", "'InnoDB'"),
    ("system_time_zone", "'UTC'"),
    ("time_zone", "'+00:00'"),
    ("transaction_isolation", "'SERIALIZABLE'"),
    ("transaction_read_only", "0"),
    ("tx_isolation", "'SERIALIZABLE'"),
    ("tx_read_only", "0"),
    ("unique_checks", "1"),
    ("version_comment", "'ha: SQLite on NATS JetStream'"),
    ("version_compile_machine", "'x86_64'"),
    ("version_compile_os", "'Linux'"),
    ("wait_timeout", "28800"),
];

impl Default for Variables {
    fn default() -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut system: BTreeMap<_, _> = DEFAULTS.iter().map(owned).collect();
        system.insert("version".into(), literal(VERSION));
        Self { system, user: BTreeMap::new() }
    }
}

impl Variables {
    /// The value of `@@name`, as SQL.
    pub(crate) fn system(&self, text: &str) -> Outcome<String> {
        let name = plain(text);
        self.system.get(&name).cloned().ok_or_else(|| unknown(&name))
    }

    /// The value of `@name`, as SQL; NULL before it was set.
    pub(crate) fn user(&self, text: &str) -> String {
        self.user.get(&text.to_ascii_lowercase()).cloned().unwrap_or_else(|| "NULL".into())
    }

    /// Sets `@name`.
    pub(crate) fn set_user(&mut self, text: &str, value: String) {
        self.user.insert(text.to_ascii_lowercase(), value);
    }

    /// Sets a system variable for the session. That it has an effect is promised for
    /// `autocommit` and `wait_timeout` only; a name that nobody knows is an error.
    pub(crate) fn set_system(&mut self, text: &str, value: String) -> Outcome<()> {
        let name = plain(text);
        possible(&name, value.trim_matches('\''))?;
        match self.system.get_mut(&name) {
            Some(old) => *old = value,
            None if TOLERATED.contains(&name.as_str()) => {}
            None => return Err(unknown(&name)),
        }
        Ok(())
    }

    /// Has a system variable begin with another value, as SQL.
    pub(crate) fn begin_with(&mut self, name: &str, value: &str) {
        self.system.insert(name.to_owned(), value.to_owned());
    }

    /// All of the system's: name and value as SQL, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.system.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Refuses what would change the meaning of statements and values, and is not done here.
pub(super) fn possible(name: &str, value: &str) -> Outcome<()> {
    const MODES: &[&str] =
        &["ANSI", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "HIGH_NOT_PRECEDENCE"];
    let value = value.to_ascii_uppercase();
    let done = match name {
        "sql_mode" => !value.split(',').any(|mode| MODES.contains(&mode.trim())),
        "time_zone" => matches!(&*value, "+00:00" | "-00:00" | "UTC" | "SYSTEM" | "GMT"),
        "character_set_client" | "character_set_connection" | "character_set_results" => {
            value.starts_with("UTF8") || matches!(&*value, "BINARY" | "ASCII" | "NULL" | "DEFAULT")
        }
        _ => true,
    };
    if done { Ok(()) } else { Err(Failure::unsupported(&format!("{name} = {value}"))) }
}

/// What dumps and tools set, and what means nothing here.
const TOLERATED: &[&str] = &[
    "character_set_filesystem",
    "group_concat_max_len",
    "information_schema_stats_expiry",
    "innodb_lock_wait_timeout",
    "lock_wait_timeout",
    "max_execution_time",
    "net_read_timeout",
    "optimizer_switch",
    "session_track_gtids",
    "sql_log_bin",
    "sql_require_primary_key",
    "default_time_zone",
    "sql_generate_invisible_primary_key",
    "log_bin_trust_function_creators",
];

/// `@@session.name` as `name`.
fn plain(text: &str) -> String {
    let name = text.trim_start_matches('@').to_ascii_lowercase();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

fn unknown(name: &str) -> Failure {
    Failure::new(1193, "HY000", format!("Unknown system variable '{name}'"))
}
