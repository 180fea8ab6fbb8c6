//! v0.0.7: what it reads of a message, and what it does with it
//! (litesql/ha v0.0.7, `internal/sqlite/changeset.go`).

use ha_core::Value;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};
use serde::Deserialize;

use super::{Param, Sqlite};

/// What v0.0.7 reads: its own fields, each of which may be missing, and no other.
#[derive(Deserialize)]
pub struct GoMessage {
    pub node: String,
    pub process_id: i64,
    pub changes: Vec<GoChange>,
    pub timestamp_ns: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct GoChange {
    pub database: String,
    pub table: String,
    pub columns: Vec<String>,
    pub operation: String,
    pub old_rowid: i64,
    pub new_rowid: i64,
    pub old_values: Vec<serde_json::Value>,
    pub new_values: Vec<serde_json::Value>,
    pub sql: String,
    pub sql_args: Vec<serde_json::Value>,
}

/// A node of v0.0.7: triggers run when it applies, foreign keys do not.
pub struct GoNode(pub Sqlite);

impl GoNode {
    pub fn new(schema: &str) -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        db.execute_batch(schema).unwrap();
        Self(Sqlite(db))
    }

    /// Applies a message as one transaction, or nothing of it.
    pub fn apply(&mut self, bytes: &[u8]) -> rusqlite::Result<()> {
        let message: GoMessage = serde_json::from_slice(bytes).unwrap();
        self.0.0.execute_batch("BEGIN")?;
        let result = message.changes.iter().try_for_each(|change| self.change(change));
        self.0.0.execute_batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        result
    }

    fn change(&self, change: &GoChange) -> rusqlite::Result<()> {
        let GoChange { database, table, columns, old_rowid, new_rowid, .. } = change;
        let numbered = (1..).zip(columns).map(|(number, column)| format!("{column} = ?{number}"));
        let numbered = numbered.collect::<Vec<_>>().join(", ");
        let last = columns.len() + 1;
        let with = |rowid: &i64| {
            change.new_values.iter().map(bound).chain([Value::Integer(*rowid)]).collect::<Vec<_>>()
        };
        match &*change.operation {
            "INSERT" => {
                let names = columns.join(", ");
                let marks: Vec<_> = (1..=last).map(|number| format!("?{number}")).collect();
                let marks = marks.join(",");
                let sql = format!(
                    "INSERT INTO {database}.{table} ({names}, rowid) VALUES ({marks}) \
                     ON CONFLICT (rowid) DO UPDATE SET {numbered};"
                );
                self.exec(&sql, &with(new_rowid))
            }
            "UPDATE" => {
                let sql = format!("UPDATE {database}.{table} SET {numbered} WHERE rowid = ?{last}");
                self.exec(&sql, &with(old_rowid))
            }
            "DELETE" => {
                let sql = format!("DELETE FROM {database}.{table} WHERE rowid = ?1");
                self.exec(&sql, &[Value::Integer(*old_rowid)])
            }
            "SQL" => {
                let args: Vec<_> = change.sql_args.iter().map(bound).collect();
                self.exec(&change.sql, &args)
            }
            _ => Ok(()),
        }
    }

    /// Runs all statements; each takes as many of the arguments as it has parameters.
    fn exec(&self, sql: &str, args: &[Value]) -> rusqlite::Result<()> {
        let mut args = args.iter();
        let mut batch = Batch::new(&self.0.0, sql);
        while let Some(mut statement) = batch.next()? {
            for number in 1..=statement.parameter_count() {
                let arg = args.next().expect("not enough args to execute query");
                statement.raw_bind_parameter(number, Param(arg))?;
            }
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
        }
        Ok(())
    }
}

/// What a JSON value is bound as: Go decodes every number as a double.
fn bound(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Integer((*value).into()),
        serde_json::Value::Number(number) => Value::Real(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        other => panic!("unsupported type {other}"),
    }
}
