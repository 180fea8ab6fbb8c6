use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::moment::install_chance;
use crate::raw::load_extensions;
use crate::vfs::{VFS, register_vfs};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Executes clients' writes: triggers and foreign keys as the clients expect.
    Execute,
    /// Applies entries of the log: their effects are in the entries, so triggers and foreign
    /// keys are off.
    Apply,
    /// Reads only.
    Read,
}

/// How much a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The file is gone after a crash anyway.
    Off,
    /// A power loss may take the last commits; the log gives them back.
    Normal,
    /// A commit survives a power loss.
    Full,
}

/// How connections to one database are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether foreign keys are enforced for clients.
    pub foreign_keys: bool,
    /// What a commit waits for.
    pub durability: Durability,
    /// SQLite's cache_size pragma, per connection.
    pub cache_size: Option<i64>,
    /// Loadable extensions, in this order. They run with the rights of the process.
    pub extensions: Vec<PathBuf>,
}

/// Opens a connection. Behaviour that clients could see is the same on each: double-quoted
/// strings are an error (but where entries are applied, which v0.0.7 may have made), schemas are not trusted, tables of virtual tables are protected, and
/// time and chance are those of a [`crate::Moment`].
///
/// # Errors
/// SQLite's, when the file cannot be opened or is no database.
pub fn open(path: &Path, role: Role, options: &OpenOptions) -> rusqlite::Result<Connection> {
    let access = match role {
        Role::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Execute | Role::Apply => {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        }
    };
    register_vfs()?;
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags_and_vfs(path, flags, VFS)?;
    install_chance(&conn)?;
    conn.set_prepared_statement_cache_capacity(256);
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    load_extensions(&conn, &options.extensions)?;
    fix_behaviour(&conn, role, options)?;
    limit(&conn)?;
    if role != Role::Read {
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        conn.pragma_update(
            None,
            "synchronous",
            match options.durability {
                Durability::Off => "OFF",
                Durability::Normal => "NORMAL",
                Durability::Full => "FULL",
            },
        )?;
        conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    }
    if let Some(size) = options.cache_size {
        conn.pragma_update(None, "cache_size", size)?;
    }
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

fn fix_behaviour(conn: &Connection, role: Role, options: &OpenOptions) -> rusqlite::Result<()> {
    let effects = role != Role::Apply;
    let switches = [
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, !effects),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, !effects),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, effects),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, effects),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, effects && options.foreign_keys),
    ];
    for (switch, on) in switches {
        conn.set_db_config(switch, on)?;
    }
    conn.pragma_update(None, "recursive_triggers", false)?;
    conn.pragma_update(None, "ignore_check_constraints", role == Role::Apply)
}

fn limit(conn: &Connection) -> rusqlite::Result<()> {
    let limits = [
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1_000),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 500),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50_000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ];
    for (limit, value) in limits {
        conn.set_limit(limit, value)?;
    }
    Ok(())
}
