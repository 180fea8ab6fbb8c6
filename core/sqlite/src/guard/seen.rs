//! What statements do, and what clients may not.

use std::collections::BTreeSet;

use rusqlite::hooks::{AuthAction, AuthContext, TransactionOperation};

use super::{STATISTICS, is_internal};

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

impl Seen {
    /// Notes the action; `Some` with the reason if clients may not do it.
    pub(super) fn refusal(&mut self, context: &AuthContext<'_>) -> Option<String> {
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
