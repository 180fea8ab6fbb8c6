use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};

/// The prefix of our own tables; clients may read them and nothing else.
const INTERNAL: &[u8] = b"_ha_";

/// Pragmas that tell something and change nothing, with or without an argument.
const TELLING: &[&str] = &[
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Pragmas that tell without an argument and would change something with one.
const READABLE: &[&str] = &[
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "data_version",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "journal_mode",
    "max_page_count",
    "page_count",
    "page_size",
    "query_only",
    "recursive_triggers",
    "schema_version",
    "synchronous",
    "temp_store",
    "wal_autocheckpoint",
];

/// Pragmas whose value is a part of the database and is replicated.
const REPLICATED: &[&str] = &["application_id", "user_version"];

const DENIED_FUNCTIONS: &[&str] = &["load_extension", "fts3_tokenizer"];

/// Why nobody writes SQLite's statistics: their rows stand in another order on each node, and are
/// not captured.
pub const STATISTICS: &str = "writing SQLite's statistics; use ANALYZE";

/// Whether a table is one of our own.
#[must_use]
pub fn is_internal(table: &[u8]) -> bool {
    table.get(..INTERNAL.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(INTERNAL))
}

/// Whether a name in the statement is one of our own: SQLite does not tell the authorizer what
/// a table is renamed to.
#[must_use]
pub fn names_internal(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    let in_a_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte) || *byte >= 0x80;
    (0..bytes.len()).any(|at| {
        is_internal(&bytes[at..])
            && !at.checked_sub(1).is_some_and(|before| in_a_name(&bytes[before]))
    })
}

/// Decides what clients' SQL may do, by SQLite's authorizer, and tells what a statement that
/// was just prepared would do.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    trusted: bool,
    seen: Seen,
}

/// What a statement would do, as far as it matters beyond its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// It changes the schema.
    pub schema: bool,
    /// It alters a table, maybe its name.
    pub alters: bool,
    /// A table it creates.
    pub creates_table: Option<String>,
    /// A table it drops.
    pub drops_table: Option<String>,
    /// It creates a virtual table.
    pub creates_virtual: bool,
    /// The tables whose rows it reads, virtual ones and table-valued functions as well, in
    /// lower case.
    pub reads: BTreeSet<String>,
    /// It asks for a pragma.
    pub asks_pragma: bool,
    /// It reads rows by a SELECT.
    pub selects: bool,
    /// It rebuilds statistics or indexes.
    pub maintenance: bool,
    /// It writes SQLite's statistics.
    pub writes_statistics: bool,
    /// It sets a pragma that is replicated.
    pub sets_pragma: bool,
    /// It begins, commits or rolls back.
    pub transaction: bool,
    /// It works on a savepoint.
    pub savepoint: Option<Savepoint>,
    /// What was refused, in words.
    pub refused: Option<String>,
}

/// A statement about a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    /// What it does.
    pub op: SavepointOp,
    /// The savepoint's name, as SQLite compares it: without regard to ASCII case.
    pub name: String,
}

/// What a statement does with a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavepointOp {
    /// Opens it.
    Open,
    /// Releases it and all opened after it.
    Release,
    /// Takes back what was done since it was opened.
    RollbackTo,
}

impl Guard {
    /// Installs the rules on a connection.
    ///
    /// # Errors
    /// SQLite's, if the connection is unusable.
    pub fn install(conn: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self(Arc::default());
        let state = Arc::clone(&guard.0);
        conn.authorizer(Some(move |context: AuthContext<'_>| state.lock().judge(&context)))?;
        Ok(guard)
    }

    /// Runs our own SQL, which may do everything.
    pub fn trusted<T>(&self, run: impl FnOnce() -> T) -> T {
        self.0.lock().trusted = true;
        let result = run();
        self.0.lock().trusted = false;
        result
    }

    /// Prepares a client's statement by `prepare` and tells what it would do.
    pub fn watch<T>(&self, prepare: impl FnOnce() -> T) -> (T, Seen) {
        self.0.lock().seen = Seen::default();
        let result = prepare();
        (result, std::mem::take(&mut self.0.lock().seen))
    }
}

impl State {
    fn judge(&mut self, context: &AuthContext<'_>) -> Authorization {
        if self.trusted {
            return Authorization::Allow;
        }
        match self.seen.refusal(context) {
            None => Authorization::Allow,
            Some(refusal) => {
                self.seen.refused.get_or_insert(refusal);
                Authorization::Deny
            }
        }
    }
}

impl Seen {
    /// Notes the action; `Some` with the reason if clients may not do it.
    fn refusal(&mut self, context: &AuthContext<'_>) -> Option<String> {
        use AuthAction as A;
        let database = context.database_name;
        match context.action {
            A::Attach { .. } => return refuse("ATTACH, VACUUM and VACUUM INTO"),
            A::Detach { .. } => return refuse("DETACH"),
            A::CreateTempIndex { .. }
            | A::CreateTempTable { .. }
            | A::CreateTempTrigger { .. }
            | A::CreateTempView { .. }
            | A::DropTempIndex { .. }
            | A::DropTempTable { .. }
            | A::DropTempTrigger { .. }
            | A::DropTempView { .. } => return temporary(),
            A::Function { function_name } if matches(DENIED_FUNCTIONS, function_name) => {
                return refuse(&format!("the function {function_name}()"));
            }
            A::Pragma { pragma_name, pragma_value } => {
                self.asks_pragma = true;
                return self.pragma(pragma_name, pragma_value);
            }
            A::Transaction { .. } => self.transaction = true,
            A::Savepoint { operation, savepoint_name } => {
                return self.savepoint(operation, savepoint_name);
            }
            A::CreateTable { table_name } => {
                self.schema = true;
                self.creates_table = Some(table_name.to_owned());
                return own(table_name);
            }
            A::DropTable { table_name } => {
                self.schema = true;
                self.drops_table = Some(table_name.to_owned());
                return own(table_name);
            }
            A::CreateVtable { table_name, .. } => {
                self.schema = true;
                self.creates_virtual = true;
                return if database == Some("temp") { temporary() } else { own(table_name) };
            }
            A::DropVtable { table_name, .. } => {
                self.schema = true;
                return own(table_name);
            }
            A::AlterTable { table_name, .. } => {
                self.schema = true;
                self.alters = true;
                return own(table_name);
            }
            A::CreateIndex { table_name, .. }
            | A::CreateTrigger { table_name, .. }
            | A::DropIndex { table_name, .. }
            | A::DropTrigger { table_name, .. } => {
                self.schema = true;
                return own(table_name);
            }
            A::CreateView { view_name } => {
                self.schema = true;
                return own(view_name);
            }
            A::DropView { .. } => self.schema = true,
            A::Analyze { .. } | A::Reindex { .. } => self.maintenance = true,
            A::Insert { table_name } | A::Delete { table_name } | A::Update { table_name, .. } => {
                return self.write(table_name, database, context.accessor);
            }
            A::Select => self.selects = true,
            A::Read { table_name, .. } => {
                self.reads.insert(table_name.to_ascii_lowercase());
            }
            _ => {}
        }
        None
    }

    fn pragma(&mut self, name: &str, value: Option<&str>) -> Option<String> {
        if matches(TELLING, name) || (value.is_none() && matches(READABLE, name)) {
            return None;
        }
        if matches(REPLICATED, name) {
            self.sets_pragma |= value.is_some();
            return None;
        }
        refuse(&format!("PRAGMA {name}{}", if value.is_some() { " with a value" } else { "" }))
    }

    fn savepoint(&mut self, operation: TransactionOperation, name: &str) -> Option<String> {
        if is_internal(name.as_bytes()) {
            return refuse(&format!("the savepoint name {name:?}"));
        }
        let op = match operation {
            TransactionOperation::Release => SavepointOp::Release,
            TransactionOperation::Rollback => SavepointOp::RollbackTo,
            _ => SavepointOp::Open,
        };
        self.savepoint = Some(Savepoint { op, name: name.to_ascii_lowercase() });
        None
    }

    /// `trigger` is the trigger that writes, if one does; else it is the statement, or SQLite for
    /// it.
    fn write(
        &mut self,
        table: &str,
        database: Option<&str>,
        trigger: Option<&str>,
    ) -> Option<String> {
        let statistics = table.starts_with("sqlite_stat");
        self.writes_statistics |= statistics;
        if statistics && trigger.is_some() {
            return refuse(STATISTICS);
        }
        if database == Some("temp") && table != "sqlite_temp_master" {
            return temporary();
        }
        own(table)
    }
}

fn own(table: &str) -> Option<String> {
    if is_internal(table.as_bytes()) {
        return refuse(&format!("writing {table:?}, a table of the node's own"));
    }
    None
}

fn temporary() -> Option<String> {
    refuse("temporary tables, views and triggers")
}

fn refuse(what: &str) -> Option<String> {
    Some(what.to_owned())
}

fn matches(list: &[&str], name: &str) -> bool {
    list.iter().any(|entry| entry.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded() -> (Connection, Guard) {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t(a); CREATE TABLE _ha_position(a)").unwrap();
        let guard = Guard::install(&mut conn).unwrap();
        (conn, guard)
    }

    #[test]
    fn ways_out_are_refused_with_what_they_are() {
        let (conn, guard) = guarded();
        for sql in [
            "ATTACH ':memory:' AS x",
            "ATTACH '/etc/passwd' AS x",
            "DETACH main",
            "VACUUM",
            "VACUUM INTO '/tmp/x'",
            "SELECT load_extension('/tmp/x')",
            "PRAGMA writable_schema=1",
            "PRAGMA journal_mode=DELETE",
            "PRAGMA foreign_keys=0",
            "PRAGMA temp_store_directory='/tmp'",
            "PRAGMA wal_checkpoint",
            "PRAGMA defer_foreign_keys=1",
            "SELECT * FROM pragma_wal_checkpoint",
            "CREATE TEMP TABLE x(a)",
            "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TEMP VIEW x AS SELECT 1",
            "CREATE VIRTUAL TABLE temp.x USING fts5(a)",
            "UPDATE _ha_position SET a=1",
            "DELETE FROM _HA_position",
            "DROP TABLE _ha_position",
            "ALTER TABLE _ha_position ADD b",
            "CREATE TABLE _ha_mine(a)",
            "CREATE VIRTUAL TABLE _ha_mine USING fts5(a)",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM _ha_position; END; INSERT INTO t VALUES(1)",
            "CREATE TRIGGER y AFTER UPDATE ON _ha_position BEGIN SELECT 1; END",
            "SAVEPOINT _ha_tx",
        ] {
            let (result, seen) = guard.watch(|| conn.execute_batch(sql));
            assert!(result.is_err(), "{sql}");
            assert!(seen.refused.is_some() || sql.contains("pragma_"), "{sql}");
        }
    }

    #[test]
    fn what_a_statement_would_do_is_told() {
        let (conn, guard) = guarded();
        let seen = |sql: &str| guard.watch(|| conn.prepare(sql).map(drop)).1;
        let create = seen("CREATE TABLE u AS SELECT 1");
        assert!(create.schema && create.selects);
        assert_eq!(create.creates_table.as_deref(), Some("u"));
        assert!(!seen("CREATE TABLE u(a CHECK (a > 1) DEFAULT (1+1))").selects);
        assert_eq!(seen("DROP TABLE t").drops_table.as_deref(), Some("t"));
        assert!(seen("ANALYZE").maintenance);
        assert!(seen("PRAGMA user_version=3").sets_pragma);
        assert!(!seen("PRAGMA user_version").sets_pragma);
        assert!(seen("PRAGMA user_version").asks_pragma);
        assert_eq!(seen("SELECT count(*) FROM T").reads, BTreeSet::from(["t".to_owned()]));
        assert!(seen("BEGIN").transaction);
        let savepoint = seen("ROLLBACK TO \"A\"").savepoint.unwrap();
        assert_eq!((savepoint.op, savepoint.name.as_str()), (SavepointOp::RollbackTo, "a"));
        assert!(!seen("INSERT INTO t SELECT 1").schema);
    }

    #[test]
    fn names_of_our_own_are_found_in_a_text() {
        for sql in
            ["ALTER TABLE t RENAME TO _ha_t", "_HA_t", "x \"_ha_t\"", "main._ha_t", "[_ha_t]"]
        {
            assert!(names_internal(sql), "{sql}");
        }
        for sql in ["", "t", "a_ha_t", "$_ha_t", "é_ha_t", "__ha_t", "_ha"] {
            assert!(!names_internal(sql), "{sql}");
        }
    }

    #[test]
    fn our_own_sql_may_do_everything() {
        let (conn, guard) = guarded();
        guard.trusted(|| conn.execute_batch("UPDATE _ha_position SET a=1")).unwrap();
        assert!(conn.execute_batch("UPDATE _ha_position SET a=2").is_err());
    }
}
