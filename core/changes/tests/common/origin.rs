//! A database that clients write to, and the entries that its writes make.

use std::collections::BTreeMap;
use std::sync::Arc;

use ha_changes::{Change, Database, RowChange, RowOp, Table, Trigger, Triggers};
use ha_core::Value;
use rusqlite::Connection;

use super::Sqlite;

type Rows = BTreeMap<String, (i64, Vec<Value>)>;

/// Triggers run here, foreign keys do not.
pub struct Origin(pub Sqlite);

impl Origin {
    pub fn new() -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        Self(Sqlite(db))
    }

    /// Executes one statement and tells what it did: DDL as SQL, anything else as rows.
    pub fn execute(&mut self, sql: &str, params: &[&Value]) -> Vec<Change> {
        let before = self.all_rows();
        self.0.execute(sql, params).unwrap_or_else(|error| panic!("{sql}: {error}"));
        if ["CREATE", "ALTER", "DROP"].iter().any(|word| sql.starts_with(word)) {
            return vec![Change::Sql(sql.to_owned())];
        }
        // SQLite moves sqlite_sequence by itself wherever the rows are inserted.
        let keeps = |table: &Table| sql.contains(&*table.name) || table.name != "sqlite_sequence";
        let after = self.all_rows();
        let tables = after.into_iter().zip(before).filter(|((table, _), _)| keeps(table));
        tables.flat_map(|((table, after), (_, before))| difference(&table, before, after)).collect()
    }

    /// The rowid of a row changes, and other columns as it says.
    pub fn move_row(&mut self, table: &str, old_rowid: i64, sql: &str) -> Vec<Change> {
        let schema = self.0.schema(table);
        let row = |db: &mut Sqlite| db.rows(table).into_iter().collect::<BTreeMap<_, _>>();
        let before = row(&mut self.0);
        self.0.execute(sql, &[]).unwrap();
        let after = row(&mut self.0);
        let (new_rowid, new) = after.into_iter().find(|(at, _)| !before.contains_key(at)).unwrap();
        let old = before[&old_rowid].clone();
        vec![super::update(&schema, (old_rowid, new_rowid), old, new)]
    }

    /// The triggers as they are now.
    pub fn triggers(&self) -> SchemaTriggers {
        let sql = "SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger'";
        let mut select = self.0.0.prepare(sql).unwrap();
        let trigger = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, Trigger { name: row.get(1)?, sql: row.get(2)? }))
        };
        SchemaTriggers(select.query_map([], trigger).unwrap().map(Result::unwrap).collect())
    }

    fn all_rows(&mut self) -> Vec<(Arc<Table>, Rows)> {
        let names = table_names(&self.0);
        names.iter().map(|name| (self.0.schema(name), self.rows(name))).collect()
    }

    fn rows(&mut self, name: &str) -> Rows {
        let table = self.0.schema(name);
        let key = |rowid: i64, row: &[Value]| match table.without_rowid {
            true => format!("{:?}", table.key().iter().map(|&at| &row[at]).collect::<Vec<_>>()),
            false => rowid.to_string(),
        };
        let rows = self.0.rows(name).into_iter();
        rows.map(|(rowid, row)| (key(rowid, &row), (rowid, row))).collect()
    }
}

#[derive(Debug)]
pub struct SchemaTriggers(Vec<(String, Trigger)>);

impl Triggers for SchemaTriggers {
    fn on(&self, table: &Table) -> Vec<Trigger> {
        let of = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&table.name));
        of.map(|(_, trigger)| trigger.clone()).collect()
    }
}

/// All tables that hold rows, those of SQLite included.
pub fn table_names(db: &Sqlite) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'";
    let mut select = db.0.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn difference(table: &Arc<Table>, before: Rows, mut after: Rows) -> Vec<Change> {
    let rowid = |rowid: i64| (!table.without_rowid).then_some(rowid);
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for (key, (at, old)) in before {
        match after.remove(&key) {
            None => gone.push(RowOp::Delete { rowid: rowid(at), old }),
            Some((_, new)) if format!("{new:?}") != format!("{old:?}") => {
                let (old_rowid, new_rowid) = (rowid(at), rowid(at));
                changed.push(RowOp::Update { old_rowid, new_rowid, old, new });
            }
            Some(_) => {}
        }
    }
    let added = after.into_values().map(|(at, new)| RowOp::Insert { rowid: rowid(at), new });
    let ops = gone.into_iter().chain(changed).chain(added);
    ops.map(|op| Change::Row(RowChange { table: Arc::clone(table), op })).collect()
}
