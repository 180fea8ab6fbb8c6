//! A real SQLite behind the crate's trait, and entries to feed it.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part of it")]

pub mod cluster;
pub mod entries;
pub mod go;
pub mod origin;
pub mod parts;

use std::sync::Arc;

use ha_changes::{
    Applied, ApplyError, Base, Change, Database, DatabaseError, Entry, FORMAT_VERSION, Keyed, Kind,
    Meta, RowChange, RowOp, Table, TableColumn, TransactionMark, apply, decode, encode,
    quote_identifier,
};
use ha_core::{AttemptId, Lineage, RunningHash, Seq, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

/// A database as a node applies to it: triggers and foreign keys off.
pub struct Sqlite(pub Connection);

impl Sqlite {
    pub fn new(schema: &str) -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false).unwrap();
        db.execute_batch(schema).unwrap();
        Self(db)
    }

    /// Applies what is left of an entry after it went over the wire.
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<Applied, ApplyError> {
        let entry = entry(changes);
        self.apply_bytes(&encode(&entry).unwrap())
    }

    /// Applies in a transaction that is rolled back on an error.
    pub fn apply_bytes(&mut self, bytes: &[u8]) -> Result<Applied, ApplyError> {
        self.0.execute_batch("BEGIN").unwrap();
        let result = apply(self, &decode(bytes).unwrap());
        self.0.execute_batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        result
    }

    /// The table by this name, which must exist.
    pub fn schema(&mut self, name: &str) -> Arc<Table> {
        self.table(name).unwrap().unwrap()
    }

    /// All rows with their rowids (0 where the table has none), in order of the rowid or key.
    pub fn rows(&mut self, name: &str) -> Vec<(i64, Vec<Value>)> {
        let table = self.schema(name);
        let columns: Vec<String> =
            table.columns.iter().map(|column| quote_identifier(&column.name)).collect();
        let rowid = table.rowid_name().unwrap_or("0");
        let (columns, name) = (columns.join(","), quote_identifier(name));
        let sql = format!("SELECT {rowid}, {columns} FROM main.{name} ORDER BY 1, 2");
        let mut select = self.0.prepare(&sql).unwrap();
        let width = table.columns.len();
        let row = |row: &rusqlite::Row<'_>| {
            let cell = |index| read(row.get_ref(index + 1).unwrap());
            Ok((row.get(0)?, (0..width).map(cell).collect()))
        };
        select.query_map([], row).unwrap().map(Result::unwrap).collect()
    }

    /// One value of a query.
    pub fn one(&self, sql: &str) -> Value {
        self.0.query_row(sql, [], |row| Ok(read(row.get_ref(0)?))).unwrap()
    }
}

impl Database for Sqlite {
    fn execute(&mut self, sql: &str, params: &[&Value]) -> Result<usize, DatabaseError> {
        let mut statement = self.0.prepare_cached(sql).map_err(error)?;
        for (index, param) in params.iter().take(statement.parameter_count()).enumerate() {
            statement.raw_bind_parameter(index + 1, Param(param)).map_err(error)?;
        }
        let mut rows = statement.raw_query();
        while rows.next().map_err(error)?.is_some() {}
        drop(rows);
        drop(statement);
        Ok(usize::try_from(self.0.changes()).unwrap())
    }

    fn table(&mut self, name: &str) -> Result<Option<Arc<Table>>, DatabaseError> {
        let listed = "SELECT name, wr FROM pragma_table_list(?1) WHERE schema = 'main'";
        let mut listed = self.0.prepare(listed).map_err(error)?;
        let table = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let Some(found) = listed.query_map([name], table).map_err(error)?.next() else {
            return Ok(None);
        };
        let (name, without_rowid): (String, bool) = found.map_err(error)?;
        let info = "SELECT name, type, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
        let mut info = self.0.prepare(info).map_err(error)?;
        let column = |row: &rusqlite::Row<'_>| {
            Ok(TableColumn { name: row.get(0)?, decl_type: row.get(1)?, pk: row.get(2)? })
        };
        let columns = info.query_map([&name], column).map_err(error)?;
        let columns = columns.collect::<Result<_, _>>().map_err(error)?;
        Ok(Some(Arc::new(Table { name, columns, without_rowid })))
    }

    fn generated(&mut self, table: &str) -> Result<Vec<usize>, DatabaseError> {
        let info = "SELECT cid FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 3";
        let mut info = self.0.prepare(info).map_err(error)?;
        let places = info.query_map([table], |row| row.get::<_, u32>(0)).map_err(error)?;
        Ok(places.map(|place| place.unwrap() as usize).collect())
    }

    fn is_rtree(&mut self, name: &str) -> Result<bool, DatabaseError> {
        let tree = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND sql LIKE '% USING rtree%'";
        self.0.query_row(tree, [name], |row| row.get(0)).map_err(error)
    }

    fn schema_changed(&mut self) {}
}

pub struct Param<'a>(pub &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::RawText(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(bytes) => Value::text(bytes),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn error(error: rusqlite::Error) -> DatabaseError {
    let code = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code,
        rusqlite::Error::SqlInputError { error, .. } => error.extended_code,
        _ => 21,
    };
    DatabaseError { code, message: error.to_string() }
}

/// An entry of ours that holds one transaction.
pub fn entry(changes: Vec<Change>) -> Entry {
    let marks = vec![TransactionMark { changes: changes.len(), id: None }];
    Entry {
        node: "n1".to_owned(),
        process_id: 1_795_398_608_532_647_936,
        timestamp_ns: 1_795_398_647_105_478_585,
        meta: Some(meta(Kind::Transactions(marks))),
        changes,
    }
}

pub fn meta(kind: Kind) -> Meta {
    let base = Base {
        lineage: Lineage::of_stream("ha_replication", 1),
        seq: Seq(41),
        hash: RunningHash::default().extend(Seq(41), b"x"),
    };
    Meta {
        version: FORMAT_VERSION,
        id: AttemptId { boot: 0xfeed_f00d, counter: 7 },
        part: (1, 1),
        base,
        kind,
        sqlite: None,
        functions: Vec::new(),
        modules: Vec::new(),
    }
}

pub fn insert(table: &Arc<Table>, rowid: impl Into<Option<i64>>, new: Vec<Value>) -> Change {
    row(table, RowOp::Insert { rowid: rowid.into(), new })
}

pub fn delete(table: &Arc<Table>, rowid: impl Into<Option<i64>>, old: Vec<Value>) -> Change {
    row(table, RowOp::Delete { rowid: rowid.into(), old })
}

pub fn update(
    table: &Arc<Table>,
    rowids: impl Into<Option<(i64, i64)>>,
    old: Vec<Value>,
    new: Vec<Value>,
) -> Change {
    let (old_rowid, new_rowid) = rowids.into().unzip();
    row(table, RowOp::Update { old_rowid, new_rowid, old, new })
}

fn row(table: &Arc<Table>, op: RowOp) -> Change {
    Change::Row(RowChange { table: Arc::clone(table), op })
}

/// Any value that SQLite can store.
pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(1 << 53)].prop_map(Value::Integer),
        any::<f64>().prop_filter("SQLite has no NaN", |real| !real.is_nan()).prop_map(Value::Real),
        (-1000..1000_i32).prop_map(|whole| Value::Real(whole.into())),
        prop_oneof![Just(-0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(5e-324)]
            .prop_map(Value::Real),
        vec(any::<char>(), 0..20).prop_map(|text| Value::Text(text.into_iter().collect())),
        "[\\x00-\\x7f]{0,20}".prop_map(Value::Text),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Value::text(&bytes)),
        vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

/// A row of values.
#[macro_export]
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$(ha_core::Value::from($value)),*] };
}

/// A key as a transaction carries it.
pub fn keyed(key: String) -> Keyed {
    Keyed { key, request: [7; 32], counts: vec![(1, -5), (u64::MAX, i64::MIN)] }
}
