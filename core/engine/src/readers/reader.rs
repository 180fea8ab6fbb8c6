//! One connection that reads.

use std::collections::{BTreeSet, HashMap};

use ha_core::{Batch, Description, Error, Reply, Result, ResultSet, Statement, Token};
use ha_sqlite::{Clock, Guard, Interrupt, StopReason, error};
use rusqlite::Connection;

use crate::store::{self, Binder, Budget, Record};

/// How many statements a connection remembers.
const REMEMBERED: usize = 4_096;

/// A reading connection, which remembers what it has seen of statements.
#[derive(Debug)]
pub(crate) struct Reader {
    conn: Connection,
    guard: Guard,
    clock: Clock,
    known: HashMap<String, Known>,
    /// The version of the schema that statements were looked at with, as far as it matters.
    schema: i64,
}

/// What was seen of a statement.
#[derive(Debug)]
struct Known {
    /// It is for a reader.
    readable: bool,
    /// The tables whose rows it reads; `None` if it reads something else too.
    rows_of: Option<BTreeSet<String>>,
}

/// What came of trying to read.
#[derive(Debug)]
pub(crate) enum Read {
    /// It was a read.
    Done(Reply),
    /// The statements write; nothing was done.
    Writes,
}

impl Reader {
    pub(super) fn new(conn: Connection, guard: Guard, clock: Clock) -> Self {
        Self { conn, guard, clock, known: HashMap::new(), schema: 0 }
    }

    /// Runs the batch in a snapshot of its own, if it only reads.
    pub(crate) fn read(&mut self, batch: &Batch, interrupt: &Interrupt) -> Result<Read> {
        self.begin()?;
        let read = self.read_on(batch, interrupt);
        self.end()?;
        read
    }

    /// Opens a snapshot; it is the newest state at the first read in it.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.guard
            .trusted(|| self.conn.prepare_cached("BEGIN")?.raw_execute())
            .map(drop)
            .map_err(error)
    }

    /// Closes the snapshot.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.guard
            .trusted(|| self.conn.prepare_cached("ROLLBACK")?.raw_execute())
            .map(drop)
            .map_err(error)
    }

    /// Runs the batch in the open snapshot, if it only reads.
    pub(crate) fn read_on(&mut self, batch: &Batch, interrupt: &Interrupt) -> Result<Read> {
        let position = self.position()?;
        self.clock.begin(batch.limits.time, interrupt);
        let mut budget = Budget::new(batch.limits);
        let mut results = Vec::with_capacity(batch.statements.len());
        let mut outcome = Ok(Read::Writes);
        for statement in &batch.statements {
            match self.read_string(statement, &mut budget) {
                Ok(Some(result)) => results.push(result),
                Ok(None) => break,
                Err(failure) => {
                    outcome = Err(self.explain(failure));
                    break;
                }
            }
        }
        self.clock.end();
        if outcome.is_ok() && results.len() == batch.statements.len() {
            return Ok(Read::Done(Reply { results, position }));
        }
        outcome
    }

    /// The tables that the batch has read in the open snapshot, in lower case; `None` if it has
    /// read something else than rows of tables.
    pub(crate) fn tables(&mut self, batch: &Batch) -> Option<Vec<String>> {
        self.mind_schema().ok()?;
        let mut tables = BTreeSet::new();
        for sql in batch.statements.iter().flat_map(|one| ha_core::sql::split(&one.sql)) {
            let rows_of = self.known(sql).ok()?.rows_of.as_ref()?;
            tables.extend(rows_of.iter().cloned());
        }
        tables.iter().all(|table| self.is_plain(table)).then(|| tables.into_iter().collect())
    }

    /// What was seen of statements is of one schema: that of a view decides what it reads.
    fn mind_schema(&mut self) -> Result<()> {
        let schema = self.trusted(|conn| {
            conn.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))
        })?;
        if self.schema != schema {
            self.known.clear();
            self.schema = schema;
        }
        Ok(())
    }

    /// Whether all changes of the table are changes of its rows.
    fn is_plain(&self, table: &str) -> bool {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 \
                   AND lower(name) = ?1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        self.trusted(|conn| conn.prepare_cached(sql)?.exists([table])).unwrap_or(false)
            && !ha_sqlite::is_internal(table.as_bytes())
    }

    /// What a statement takes and gives.
    pub(crate) fn describe(&mut self, sql: &str) -> Result<Description> {
        store::describe(&self.conn, &self.guard, sql)
    }

    /// The state of the open snapshot.
    pub(crate) fn position(&self) -> Result<Token> {
        let record = self.record()?;
        Ok(Token {
            lineage: record.position.lineage,
            seq: record.position.seq,
            n: record.transactions,
        })
    }

    /// The same with the running hash.
    pub(crate) fn record(&self) -> Result<Record> {
        let record = self.guard.trusted(|| store::read_record(&self.conn))?;
        record.ok_or_else(|| Error::Corrupt("the file has no position".to_owned()))
    }

    /// Our own reads.
    pub(crate) fn trusted<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.guard.trusted(|| run(&self.conn)).map_err(error)
    }

    fn read_string(
        &mut self,
        statement: &Statement,
        budget: &mut Budget,
    ) -> Result<Option<ResultSet>> {
        let mut binder = Binder::new(&statement.params);
        let mut result = ResultSet::default();
        for sql in ha_core::sql::split(&statement.sql) {
            if !self.known(sql)?.readable {
                return Ok(None);
            }
            let mut prepared = self.conn.prepare_cached(sql).map_err(error)?;
            binder.bind(&mut prepared)?;
            result = store::collect(&mut prepared, budget)?;
        }
        Ok(Some(result))
    }

    fn known(&mut self, sql: &str) -> Result<&Known> {
        if !self.known.contains_key(sql) {
            let known = self.look_at(sql)?;
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            self.known.insert(sql.to_owned(), known);
        }
        self.known.get(sql).ok_or(Error::Closed)
    }

    fn look_at(&self, sql: &str) -> Result<Known> {
        let (prepared, seen) = store::check(&self.conn, &self.guard, sql)?;
        if seen.transaction && !prepared.explains {
            return Err(store::no_transaction_control());
        }
        let readable = prepared.explains
            || prepared.read_only
                && !(seen.savepoint.is_some()
                    || seen.sets_pragma
                    || seen.maintenance
                    || seen.schema);
        Ok(Known { readable, rows_of: (!seen.asks_pragma).then_some(seen.reads) })
    }

    fn explain(&self, failure: Error) -> Error {
        match failure {
            Error::Sql { code, .. } if code & 0xff == 9 => match self.clock.reason() {
                StopReason::TimeOver(limit) => Error::Timeout(limit),
                StopReason::Requested => Error::Interrupted,
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use ha_sqlite::{Durability, OpenOptions, Role};

    use super::*;
    use crate::readers::Readers;

    #[test]
    fn the_tables_of_a_read_are_told_unless_it_reads_something_else() {
        let dir = tempfile::TempDir::new().unwrap();
        let options = OpenOptions {
            foreign_keys: true,
            durability: Durability::Off,
            cache_size: None,
            extensions: Vec::new(),
        };
        let path = dir.path().join("db");
        let schema = "CREATE TABLE T(a); CREATE TABLE u(a); CREATE VIRTUAL TABLE f USING fts5(a)";
        let writer = ha_sqlite::open(&path, Role::Execute, &options).unwrap();
        writer.execute_batch(schema).unwrap();
        store::create(&writer).unwrap();
        let record = Record::empty(ha_core::Lineage([7; 8]));
        store::write_record(&writer, &record, None).unwrap();
        let mut reader = Readers::new(path, options, 1).open().unwrap();
        let mut tables = |sql: &str| {
            let batch = Batch { statements: vec![Statement::new(sql)], ..Batch::default() };
            reader.begin().unwrap();
            reader.read_on(&batch, &Interrupt::default()).unwrap();
            let tables = reader.tables(&batch);
            reader.end().unwrap();
            tables
        };
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(tables("SELECT 1"), names(&[]));
        assert_eq!(tables("SELECT count(*) FROM t"), names(&["t"]));
        assert_eq!(tables("SELECT 1; SELECT (SELECT a FROM U) FROM t"), names(&["t", "u"]));
        for sql in [
            "SELECT * FROM f",
            "PRAGMA user_version",
            "SELECT * FROM sqlite_schema",
            "SELECT * FROM t, json_each('[]')",
            "SELECT * FROM pragma_table_list",
        ] {
            assert_eq!(tables(sql), None, "{sql}");
        }
        writer.execute_batch("CREATE VIEW v AS SELECT a FROM t").unwrap();
        assert_eq!(tables("SELECT a FROM v"), None, "what it reads may change");
        writer.execute_batch("DROP VIEW v; CREATE TABLE v(a)").unwrap();
        assert_eq!(tables("SELECT a FROM v"), names(&["v"]));
        writer.execute_batch("DROP TABLE v; CREATE VIEW v AS SELECT a FROM u").unwrap();
        assert_eq!(tables("SELECT a FROM v"), None);
    }
}
