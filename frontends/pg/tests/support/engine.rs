use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use ha_core::{
    Batch, Canceller, Column, Description, Engine, Error, Health, Lineage, Outcome,
    ParamDescription, Params, Readiness, Reply, Result, ResultSet, Seq, Session, SessionOptions,
    Snapshot, Statement, Status, Token, TransactionName, TransactionOptions, TransactionState,
    TransactionStream, Value,
};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::Mutex;

/// One database file; each session is a connection of its own to it.
#[derive(Debug)]
pub struct TestEngine(tempfile::TempDir);

impl TestEngine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Connection::open(folder.path().join("db")).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        Self(folder)
    }
}

#[async_trait]
impl Engine for TestEngine {
    async fn session(&self, _: SessionOptions) -> Result<Box<dyn Session>> {
        let db = Connection::open(self.0.path().join("db")).map_err(error)?;
        db.pragma_update(None, "foreign_keys", true).map_err(error)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(error)?;
        let interrupt = Arc::new(db.get_interrupt_handle());
        let db = Arc::new(Mutex::new(db));
        Ok(Box::new(TestSession { db, interrupt, transaction: TransactionState::None }))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        Err(Error::Closed)
    }

    async fn changes(&self, _: Option<Token>) -> Result<TransactionStream> {
        Ok(stream::pending().boxed())
    }

    async fn outcome(&self, _: &TransactionName) -> Result<Outcome> {
        Ok(Outcome::Unknown)
    }

    fn status(&self) -> Status {
        let position = token();
        let readiness = Readiness::Ready;
        Status { node: "test".into(), position, end: None, readiness, read_only: None }
    }

    async fn health(&self) -> Health {
        self.status().into()
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        Err(Error::no_members(name))
    }
}

struct TestSession {
    db: Arc<Mutex<Connection>>,
    interrupt: Arc<InterruptHandle>,
    transaction: TransactionState,
}

impl std::fmt::Debug for TestSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestSession")
    }
}

/// Stops the statement of a call that is dropped, even if it has not begun.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl TestSession {
    async fn call<T: Send + 'static>(
        &self,
        time: Option<Duration>,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut db = Arc::clone(&self.db).lock_owned().await;
        let dropped = Arc::new(AtomicBool::new(false));
        let _guard = Guard(Arc::clone(&dropped));
        let mut task = tokio::task::spawn_blocking(move || {
            let stop = move || dropped.load(Ordering::Relaxed);
            db.progress_handler(1000, Some(stop)).map_err(error)?;
            work(&mut db)
        });
        match time {
            None => (&mut task).await.unwrap(),
            Some(time) => match tokio::time::timeout(time, &mut task).await {
                Ok(result) => result.unwrap(),
                Err(_) => {
                    self.interrupt.interrupt();
                    task.await.unwrap().and(Err(Error::Timeout(time))).map_err(
                        |error| match error {
                            Error::Interrupted => Error::Timeout(time),
                            error => error,
                        },
                    )
                }
            },
        }
    }
}

#[async_trait]
impl Session for TestSession {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        let limits = batch.limits;
        let results = self
            .call(limits.time, move |db| {
                batch.statements.iter().map(|s| run(db, s, limits.rows)).collect()
            })
            .await?;
        Ok(Reply { results, position: token() })
    }

    async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        let only = options.read_only;
        self.call(None, move |db| {
            db.pragma_update(None, "query_only", only).map_err(error)?;
            db.execute_batch("BEGIN").map_err(error)
        })
        .await?;
        self.transaction = TransactionState::Open;
        Ok(())
    }

    async fn commit(&mut self) -> Result<Token> {
        self.transaction = TransactionState::None;
        let result = self.call(None, |db| db.execute_batch("COMMIT").map_err(error)).await;
        if result.is_err() {
            self.rollback().await?;
        }
        result.map(|()| token())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.transaction = TransactionState::None;
        self.call(None, |db| {
            if !db.is_autocommit() {
                db.execute_batch("ROLLBACK").map_err(error)?;
            }
            db.pragma_update(None, "query_only", false).map_err(error)
        })
        .await
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        let sql = sql.to_owned();
        self.call(None, move |db| {
            let statement = db.prepare(&sql).map_err(error)?;
            let name = |index| statement.parameter_name(index).map(str::to_owned);
            Ok(Description {
                params: (1..=statement.parameter_count())
                    .map(|index| ParamDescription { name: name(index) })
                    .collect(),
                columns: columns(&statement),
                read_only: statement.readonly(),
            })
        })
        .await
    }

    fn transaction(&self) -> TransactionState {
        self.transaction
    }

    fn canceller(&self) -> Canceller {
        let interrupt = Arc::clone(&self.interrupt);
        Canceller::new(move || interrupt.interrupt())
    }
}

fn run(db: &mut Connection, statement: &Statement, most: Option<usize>) -> Result<ResultSet> {
    let values = match &statement.params {
        Params::None => &[][..],
        Params::Positional(values) => values,
        Params::Named(_) => return Err(Error::invalid("not used here")),
    };
    let before = db.total_changes();
    let mut prepared = db.prepare(&statement.sql).map_err(error)?;
    for (index, value) in values.iter().enumerate() {
        prepared
            .raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(borrowed(value)))
            .map_err(error)?;
    }
    let columns = columns(&prepared);
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next().map_err(error)? {
        let value = |index| row.get_ref(index).map(owned).map_err(error);
        rows.push((0..columns.len()).map(value).collect::<Result<_>>()?);
        if let Some(limit) = most.filter(|most| rows.len() > *most) {
            let (what, hint) = ("the result".into(), "use LIMIT".into());
            return Err(Error::TooLarge { what, limit: limit as u64, hint });
        }
    }
    drop(cursor);
    drop(prepared);
    let changes = db.total_changes() - before;
    Ok(ResultSet { columns, rows, changes, last_insert_rowid: db.last_insert_rowid() })
}

fn columns(statement: &rusqlite::Statement<'_>) -> Vec<Column> {
    let decl: Vec<_> =
        statement.columns().map(|column| column.decl_type().map(str::to_owned)).collect();
    let describe = |(column, decl_type): (rusqlite::ColumnMetadata<'_>, Option<String>)| Column {
        name: column.name().to_owned(),
        decl_type,
        origin: column.table_name().zip(column.origin_name()).map(|(t, c)| (t.into(), c.into())),
    };
    statement.columns_with_metadata().zip(decl).map(describe).collect()
}

fn borrowed(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(integer) => ValueRef::Integer(*integer),
        Value::Real(real) => ValueRef::Real(*real),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::RawText(text) => ValueRef::Text(text),
        Value::Blob(blob) => ValueRef::Blob(blob),
    }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) => real.into(),
        ValueRef::Text(text) => Value::text(text),
        ValueRef::Blob(blob) => blob.to_vec().into(),
    }
}

fn error(error: rusqlite::Error) -> Error {
    let (code, message, offset) = match error {
        rusqlite::Error::SqliteFailure(error, message) => {
            (error.extended_code, message.unwrap_or_default(), None)
        }
        rusqlite::Error::SqlInputError { error, msg, offset, .. } => {
            (error.extended_code, msg, usize::try_from(offset).ok())
        }
        other => (1, other.to_string(), None),
    };
    if code == 9 { Error::Interrupted } else { Error::Sql { code, message, offset } }
}

fn token() -> Token {
    Token { lineage: Lineage([0; 8]), seq: Seq::ZERO, n: 0 }
}
