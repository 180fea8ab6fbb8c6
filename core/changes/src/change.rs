use std::sync::Arc;

use ha_core::Value;

/// One step of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A row was inserted, updated or deleted.
    Row(RowChange),
    /// SQL that rows cannot express: DDL, `sqlite_sequence`, `PRAGMA user_version`.
    Sql(String),
    /// SQL with parameters by position, which only writers other than `ha` send.
    SqlWith(String, Vec<Value>),
}

/// What happened to one row.
///
/// In an entry of v0.0.7 (one without [`crate::Meta`]) it says what was sent, no more: values
/// are plain JSON scalars whose meaning depends on the declared types of the receiver's table,
/// rowid 0 and no rowid are both `None`, the number of columns may differ from that of the
/// values, and of [`Table`] only the names are known. [`crate::apply`] resolves all this.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// Whose row. Rows of one table share one `Arc`.
    pub table: Arc<Table>,
    /// What happened, with values in the order of [`Table::columns`].
    pub op: RowOp,
}

/// How a row changed. The rowid is `None` in a `WITHOUT ROWID` table.
#[derive(Debug, Clone, PartialEq)]
pub enum RowOp {
    /// A new row.
    Insert {
        /// Its rowid.
        rowid: Option<i64>,
        /// Its values.
        new: Vec<Value>,
    },
    /// A row with other values, perhaps another key.
    Update {
        /// Its rowid before.
        old_rowid: Option<i64>,
        /// Its rowid after.
        new_rowid: Option<i64>,
        /// Its values before.
        old: Vec<Value>,
        /// Its values after.
        new: Vec<Value>,
    },
    /// A row that is gone.
    Delete {
        /// Its rowid.
        rowid: Option<i64>,
        /// Its values.
        old: Vec<Value>,
    },
}

/// A table of the main database, as far as its rows need it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Table {
    /// Its name, not quoted.
    pub name: String,
    /// The columns that are stored, in declared order; generated columns are left out.
    pub columns: Vec<TableColumn>,
    /// The table has no rowid and is keyed by its primary key.
    pub without_rowid: bool,
}

/// A stored column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TableColumn {
    /// Its name, not quoted.
    pub name: String,
    /// Its declared type, as written; empty if it has none and in decoded entries, which do
    /// not carry it.
    pub decl_type: String,
    /// Its place in the primary key, from 1; 0 if it is not part of it.
    pub pk: u32,
}

/// The names of the rowid, unless a column has that name
/// (<https://www.sqlite.org/lang_createtable.html#rowid>).
const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

impl Table {
    /// A name that means the rowid in SQL. `None` if the table has no rowid or its columns
    /// take all names.
    #[must_use]
    pub fn rowid_name(&self) -> Option<&'static str> {
        let taken = |name: &&&str| self.column(name).is_some();
        ROWID_NAMES.iter().find(|name| !self.without_rowid && !taken(name)).copied()
    }

    /// The place of a column in [`Self::columns`]; case does not matter.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The places of the primary key's columns, in the order of the key.
    #[must_use]
    pub fn key(&self) -> Vec<usize> {
        let mut key: Vec<usize> =
            (0..self.columns.len()).filter(|&index| self.columns[index].pk > 0).collect();
        key.sort_by_key(|&index| self.columns[index].pk);
        key
    }

    /// The column that is the rowid under another name: a primary key of one column declared
    /// `INTEGER`. Only for tables whose declared types are known.
    #[must_use]
    pub fn rowid_alias(&self) -> Option<usize> {
        match self.key()[..] {
            [index] if !self.without_rowid => {
                self.columns[index].decl_type.eq_ignore_ascii_case("INTEGER").then_some(index)
            }
            _ => None,
        }
    }
}

impl RowChange {
    /// Values and rowids are as the table has them, and its rows can be told apart.
    pub(crate) fn is_consistent(&self) -> bool {
        let table = &self.table;
        let fits = |values: &[Value], rowid: Option<i64>| {
            values.len() == table.columns.len() && rowid.is_none() == table.without_rowid
        };
        let values_fit = match &self.op {
            RowOp::Insert { rowid, new: row } | RowOp::Delete { rowid, old: row } => {
                fits(row, *rowid)
            }
            RowOp::Update { old_rowid, new_rowid, old, new } => {
                fits(old, *old_rowid) && fits(new, *new_rowid)
            }
        };
        values_fit && (table.rowid_name().is_some() || !table.key().is_empty())
    }
}
