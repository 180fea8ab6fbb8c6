//! A node without replication: one SQLite connection in memory.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use ha_core::{
    Batch, Canceller, Column, Description, Engine, Error, Health, Limits, Lineage, Outcome, Params,
    Readiness, Reply, Result, ResultSet, Seq, Session, SessionOptions, Snapshot, Statement, Status,
    Token, TransactionName, TransactionOptions, TransactionState, TransactionStream, Value, sql,
};
use parking_lot::Mutex;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

/// The engine. Clones share the database.
#[derive(Debug, Clone)]
pub struct Memory {
    connection: Arc<Mutex<Connection>>,
    pub readiness: Arc<Mutex<Readiness>>,
}

impl Memory {
    pub fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        Self {
            connection: Arc::new(Mutex::new(connection)),
            readiness: Arc::new(Mutex::new(Readiness::Ready)),
        }
    }

    pub fn position(&self) -> Token {
        token(self.connection.lock().total_changes())
    }
}

/// The position with this sequence.
pub fn token(seq: u64) -> Token {
    Token { lineage: Lineage([7; 8]), seq: Seq(seq), n: 1 }
}

#[async_trait]
impl Engine for Memory {
    async fn session(&self, _: SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(self.clone()))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy.db");
        self.connection
            .lock()
            .backup("main", &file, None::<fn(rusqlite::backup::Progress)>)
            .map_err(sql_error)?;
        let bytes = Bytes::from(std::fs::read(file).unwrap());
        let middle = bytes.len() / 2;
        let body = stream::iter([Ok(bytes.slice(..middle)), Ok(bytes.slice(middle..))]).boxed();
        Ok(Snapshot { position: self.position(), body })
    }

    async fn changes(&self, _: Option<Token>) -> Result<TransactionStream> {
        Ok(stream::pending().boxed())
    }

    /// The base decides, so that a test can ask for each outcome.
    async fn outcome(&self, name: &TransactionName) -> Result<Outcome> {
        match name.tries()[0].base.0 {
            1 => Ok(Outcome::Committed(token(2))),
            2 => Ok(Outcome::NotCommitted),
            3 => Ok(Outcome::Unknown),
            4 => Ok(Outcome::Forgotten),
            _ => Err(Error::NotReady("the log cannot be reached".to_owned())),
        }
    }

    fn status(&self) -> Status {
        let readiness = self.readiness.lock().clone();
        let (node, position) = ("one".to_owned(), self.position());
        Status { node, position, end: Some(Seq(9)), readiness, read_only: None }
    }

    async fn health(&self) -> Health {
        self.status().into()
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }
}

#[async_trait]
impl Session for Memory {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        let connection = self.connection.lock();
        connection.execute_batch("BEGIN").unwrap();
        let mut inserted = 0;
        let results = batch.statements.iter();
        let results =
            results.map(|statement| run(&connection, statement, batch.limits, &mut inserted));
        let results = results.collect::<Result<Vec<_>>>();
        connection.execute_batch(if results.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        Ok(Reply { results: results?, position: token(connection.total_changes()) })
    }

    async fn begin(&mut self, _: TransactionOptions) -> Result<()> {
        unreachable!("HTTP has no interactive transactions")
    }

    async fn commit(&mut self) -> Result<Token> {
        unreachable!("HTTP has no interactive transactions")
    }

    async fn rollback(&mut self) -> Result<()> {
        unreachable!("HTTP has no interactive transactions")
    }

    async fn describe(&mut self, _: &str) -> Result<Description> {
        unreachable!("HTTP describes nothing")
    }

    fn transaction(&self) -> TransactionState {
        TransactionState::None
    }

    fn canceller(&self) -> Canceller {
        Canceller::new(|| {})
    }
}

/// Runs all statements of the string; the result is the last one's.
fn run(
    connection: &Connection,
    statement: &Statement,
    limits: Limits,
    inserted: &mut i64,
) -> Result<ResultSet> {
    let mut result = ResultSet::default();
    for piece in sql::split(&statement.sql) {
        result = step(connection, piece, &statement.params, limits)?;
        if sql::first_keyword(piece) == "INSERT" {
            *inserted = connection.last_insert_rowid();
        }
    }
    result.last_insert_rowid = *inserted;
    Ok(result)
}

fn step(
    connection: &Connection,
    piece: &str,
    params: &Params,
    limits: Limits,
) -> Result<ResultSet> {
    let mut statement = connection.prepare(piece).map_err(sql_error)?;
    let wanted = statement.parameter_count();
    for index in 1..=wanted {
        let value = lookup(params, index, statement.parameter_name(index)).cloned();
        let value = value.ok_or_else(|| missing(params, wanted))?;
        statement.raw_bind_parameter(index, Bound(value)).map_err(sql_error)?;
    }
    let columns: Vec<Column> = statement.columns().map(|given| column(&given)).collect();
    let before = connection.total_changes();
    let mut cursor = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().map_err(sql_error)? {
        rows.push((0..columns.len()).map(|index| value(row.get_ref(index).unwrap())).collect());
        if let Some(limit) = limits.rows.filter(|limit| rows.len() > *limit) {
            let (what, hint) = ("the result".to_owned(), "--max-rows raises it".to_owned());
            return Err(Error::TooLarge { what, limit: limit as u64, hint });
        }
    }
    drop(cursor);
    let changes = connection.total_changes() - before;
    Ok(ResultSet { columns, rows, changes, last_insert_rowid: 0 })
}

fn column(column: &rusqlite::Column<'_>) -> Column {
    let decl_type = column.decl_type().map(str::to_owned);
    Column { name: column.name().to_owned(), decl_type, origin: None }
}

/// In the words of v0.0.7.
fn missing(params: &Params, wanted: usize) -> Error {
    let got = match params {
        Params::None => 0,
        Params::Positional(values) => values.len(),
        Params::Named(values) => values.len(),
    };
    Error::Sql {
        code: 25,
        message: format!("not enough args to execute query: want {wanted} got {got}"),
        offset: None,
    }
}

/// Prefixes of names do not count, and a number is a position.
fn lookup<'a>(params: &'a Params, index: usize, name: Option<&str>) -> Option<&'a Value> {
    let bare = |name: &str| name.trim_start_matches([':', '@', '$', '?']).to_owned();
    match params {
        Params::None => None,
        Params::Positional(values) => values.get(index - 1),
        Params::Named(values) => {
            let is =
                |key: &str| name.is_some_and(|name| bare(name) == key) || key == index.to_string();
            values.iter().find(|(key, _)| is(&bare(key))).map(|(_, value)| value)
        }
    }
}

struct Bound(Value);

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::RawText(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) => Value::text(bytes),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn sql_error(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error().map_or(1, |error| error.extended_code);
    let message = match &error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    Error::Sql { code, message, offset: None }
}
