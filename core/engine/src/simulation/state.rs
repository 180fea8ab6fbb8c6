//! What the database must hold after an entry: a model of SQL's effects that shares no code with
//! the engine but the decoding of entries.

use std::collections::BTreeMap;
use std::rc::Rc;

use ha_changes::{Change, RowOp};
use ha_core::Value;

/// The rows of a table by rowid.
pub(super) type Rows = BTreeMap<i64, Vec<Value>>;

/// A state of the database.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State {
    pub(super) tables: BTreeMap<String, Rc<Rows>>,
}

/// The table of the transactions that are in the database.
pub(super) const MARKS: &str = "marks";
/// What is moved between accounts.
pub(super) const ACCOUNTS: &str = "accounts";
/// What is appended to.
pub(super) const LISTS: &str = "lists";

impl State {
    /// Applies a transaction's changes; the error says what cannot be.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), String> {
        changes.iter().try_for_each(|change| self.apply_one(change))
    }

    fn apply_one(&mut self, change: &Change) -> Result<(), String> {
        let row = match change {
            Change::Row(row) => row,
            Change::Sql(sql) => return self.apply_sql(sql),
            Change::SqlWith(sql, _) => return Err(format!("nobody sends {sql}")),
        };
        let rows = self.rows_mut(&row.table.name)?;
        let unexpected = || Err(format!("{row:?} does not fit"));
        match &row.op {
            RowOp::Insert { rowid: Some(rowid), new } => {
                if rows.insert(*rowid, new.clone()).is_some() {
                    return unexpected();
                }
            }
            RowOp::Update { old_rowid: Some(from), new_rowid: Some(to), old, new } => {
                if rows.remove(from).as_ref() != Some(old)
                    || rows.insert(*to, new.clone()).is_some()
                {
                    return unexpected();
                }
            }
            RowOp::Delete { rowid: Some(rowid), old } => {
                if rows.remove(rowid).as_ref() != Some(old) {
                    return unexpected();
                }
            }
            _ => return unexpected(),
        }
        Ok(())
    }

    fn apply_sql(&mut self, sql: &str) -> Result<(), String> {
        let mut words = sql.split([' ', '(']);
        match (words.next(), words.next(), words.next()) {
            (Some("CREATE"), Some("TABLE"), Some(name)) => {
                self.tables.insert(name.to_owned(), Rc::default());
            }
            (Some("DROP"), Some("TABLE"), Some(name)) => {
                self.tables.remove(name).ok_or_else(|| format!("no table for {sql}"))?;
            }
            _ => return Err(format!("nobody sends {sql}")),
        }
        Ok(())
    }

    fn rows_mut(&mut self, table: &str) -> Result<&mut Rows, String> {
        let rows = self.tables.get_mut(table).ok_or_else(|| format!("no table {table}"))?;
        Ok(Rc::make_mut(rows))
    }

    /// The rows of a table; none if there is no such table.
    pub(super) fn rows(&self, table: &str) -> Rc<Rows> {
        self.tables.get(table).cloned().unwrap_or_default()
    }

    /// Notes the transaction, as its statement does.
    pub(super) fn mark(&mut self, op: i64) {
        let marks = Rc::make_mut(self.tables.entry(MARKS.to_owned()).or_default());
        let rowid = marks.last_key_value().map_or(1, |(last, _)| last + 1);
        marks.insert(rowid, vec![Value::Integer(op)]);
    }

    /// The balance of an account, if it exists.
    pub(super) fn balance(&self, account: i64) -> Option<i64> {
        match self.rows(ACCOUNTS).get(&account)?[..] {
            [_, Value::Integer(balance)] => Some(balance),
            _ => None,
        }
    }

    pub(super) fn set_balance(&mut self, account: i64, balance: i64) {
        let rows = Rc::make_mut(self.tables.entry(ACCOUNTS.to_owned()).or_default());
        rows.insert(account, vec![Value::Integer(account), Value::Integer(balance)]);
    }

    /// What was appended to a list.
    pub(super) fn list(&self, key: i64) -> String {
        match self.rows(LISTS).get(&key).map(|row| &row[..]) {
            Some([_, Value::Text(text)]) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    pub(super) fn set_list(&mut self, key: i64, text: String) {
        let rows = Rc::make_mut(self.tables.entry(LISTS.to_owned()).or_default());
        rows.insert(key, vec![Value::Integer(key), Value::Text(text)]);
    }

    /// The sum of all balances.
    pub(super) fn total(&self) -> i64 {
        self.rows(ACCOUNTS).keys().filter_map(|account| self.balance(*account)).sum()
    }
}
