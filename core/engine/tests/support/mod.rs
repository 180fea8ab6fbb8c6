//! Nodes over the in-memory log, and short words for what tests do with them.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod exact;
pub(crate) mod feeds;
pub(crate) mod late;
pub(crate) mod stored;

use std::sync::Arc;
use std::time::Duration;

use ha_core::{
    AttemptId, Batch, ChangeTransport, Draft, Engine, Error, Outcome, Readiness, Reply, Result,
    Session, SessionOptions, Statement, TransactionName, TransactionOptions, Value,
};
use ha_engine::{Node, NodeOptions};
use ha_memory::{Memory, MemoryLog};
use rusqlite::Connection;
use tempfile::TempDir;

/// How long a condition is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Statements that change something in every way there is, one after the other.
pub(crate) const EVERY_KIND: &[&str] = &[
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE, c)",
    "INSERT INTO t VALUES(1,'x',1.5),(2,'y',x'00ff'),(3,NULL,9223372036854775807),(-4,'z',-0.0),(0,'0',9e999)",
    "REPLACE INTO t VALUES(1,'y','two victims')",
    "UPDATE t SET a = a + 100 WHERE a > 2",
    "CREATE TABLE w(k TEXT, n INT, v, PRIMARY KEY(n,k)) WITHOUT ROWID",
    "INSERT INTO w VALUES('a',1,'v'),('b',2,NULL)",
    "UPDATE w SET n = 7 WHERE k = 'a'; DELETE FROM w WHERE k = 'b'",
    "CREATE TABLE \"order\"(\"group\" TEXT, \"my col\" INT, g AS (\"my col\" + 1), s AS (\"my col\" * 2) STORED)",
    "INSERT INTO \"order\" VALUES('g', 5); UPDATE \"order\" SET \"my col\" = 6",
    "CREATE TABLE log(x); CREATE TRIGGER tr AFTER INSERT ON w BEGIN INSERT INTO log VALUES(new.k); UPDATE log SET x = x || '!'; END",
    "INSERT INTO w VALUES('c',3,'v')",
    "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p ON DELETE CASCADE)",
    "INSERT INTO p VALUES(1); INSERT INTO c VALUES(1),(1); DELETE FROM p",
    "CREATE TABLE made AS SELECT a, random() AS r FROM t",
    "ALTER TABLE t ADD COLUMN d DEFAULT 'dd'; INSERT INTO t(b) VALUES('after')",
    "ALTER TABLE t RENAME COLUMN d TO e; UPDATE t SET e = 'ee' WHERE b = 'after'",
    "ALTER TABLE t DROP COLUMN c; UPDATE t SET e = 'ff'",
    "PRAGMA user_version = 7",
    "CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE)",
    "INSERT INTO auto(u) VALUES(1); INSERT OR IGNORE INTO auto(u) VALUES(1); INSERT INTO auto(u) VALUES(1) ON CONFLICT DO NOTHING",
    "CREATE INDEX i ON t(e); ANALYZE",
    "CREATE VIEW view AS SELECT * FROM t; DROP VIEW view; DELETE FROM log",
    "INSERT INTO t(b) VALUES(CAST(x'ff41' AS TEXT)), ('nul' || char(0) || 'end')",
];

/// A node, its file and its end of the log.
pub(crate) struct Running {
    pub(crate) node: Arc<Node>,
    pub(crate) transport: Arc<Memory>,
    pub(crate) dir: TempDir,
}

pub(crate) fn options(name: &str, dir: &TempDir) -> NodeOptions {
    NodeOptions::new(name, dir.path().join("ha.db"))
}

pub(crate) async fn start(name: &str, log: &MemoryLog) -> Running {
    start_with(log, TempDir::new().unwrap(), |dir| options(name, dir)).await.unwrap()
}

pub(crate) async fn start_with(
    log: &MemoryLog,
    dir: TempDir,
    options: impl FnOnce(&TempDir) -> NodeOptions,
) -> Result<Running> {
    let transport = log.open();
    let node = Node::start(options(&dir), Arc::<Memory>::clone(&transport)).await?;
    Ok(Running { node, transport, dir })
}

impl Running {
    pub(crate) async fn session(&self) -> Box<dyn Session> {
        self.node.session(SessionOptions::default()).await.unwrap()
    }

    pub(crate) async fn try_run(&self, sql: &str) -> Result<Reply> {
        self.session().await.run(batch(sql)).await
    }

    pub(crate) async fn run(&self, sql: &str) -> Reply {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs it until it is acknowledged.
    pub(crate) async fn eventually(&self, sql: &str) -> Reply {
        let trying = async {
            loop {
                if let Ok(reply) = self.try_run(sql).await {
                    return reply;
                }
            }
        };
        tokio::time::timeout(PATIENCE, trying).await.unwrap_or_else(|_| panic!("tried {sql}"))
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        self.run(sql).await.results.pop().unwrap().rows
    }

    /// The only value of a query.
    pub(crate) async fn value(&self, sql: &str) -> Value {
        self.rows(sql).await.swap_remove(0).swap_remove(0)
    }

    /// The last entry that the node has.
    pub(crate) fn node_seq(&self) -> u64 {
        self.node.status().position.seq.0
    }

    /// Ends the node and gives its directory back.
    pub(crate) async fn stop(self) -> TempDir {
        self.node.stop().await;
        self.dir
    }

    /// Returns once the node has applied everything `other` has.
    pub(crate) async fn reach(&self, other: &Self) {
        let target = other.node.status().position.seq;
        until("the other node's position", || {
            let status = self.node.status();
            let stopped = matches!(status.readiness, Readiness::Stopped(_));
            assert!(!stopped, "stopped before {target}: {status:?}");
            status.position.seq >= target
        })
        .await;
    }

    /// How many of the kept entries change something.
    pub(crate) async fn changing_entries(&self) -> Value {
        self.value(
            "SELECT count(*) FROM _ha_entries WHERE CAST(payload AS TEXT) LIKE '%\"operation\"%'",
        )
        .await
    }

    /// Everything that SQL can see of the database, our own tables left out.
    pub(crate) async fn dump(&self) -> Vec<String> {
        let mut dump = Vec::new();
        let tables = self
            .rows("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '\\_ha\\_%' ESCAPE '\\' ORDER BY name")
            .await;
        for row in &tables {
            dump.push(format!("{row:?}"));
        }
        let names = self
            .rows("SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE '\\_ha\\_%' ESCAPE '\\' ORDER BY name")
            .await;
        for name in names {
            let Value::Text(name) = &name[0] else { continue };
            let quoted = name.replace('"', "\"\"");
            // ANALYZE goes through the tables in the order of a hash that depends on when each
            // was made known to its connection.
            let order = if name == "sqlite_stat1" { " ORDER BY tbl, idx" } else { "" };
            for row in self.rows(&format!("SELECT * FROM \"{quoted}\"{order}")).await {
                dump.push(format!("{name} {row:?}"));
            }
        }
        dump
    }
}

/// Appends bytes that no node made.
pub(crate) async fn raw(log: &MemoryLog, payload: &str) {
    let attempt = AttemptId { boot: 0, counter: rand::random() };
    let parts = vec![payload.to_owned().into()];
    log.open().append(Draft { expect: None, attempt, parts }).await.unwrap();
}

/// Waits until both have applied the same, and compares everything. What is still on its way,
/// as a barrier is whose answer was lost, may move one of them meanwhile: then it is done again.
pub(crate) async fn equal(a: &Running, b: &Running) {
    let position = "SELECT lineage, seq, hash FROM _ha_position";
    loop {
        a.reach(b).await;
        b.reach(a).await;
        let before = (a.node_seq(), b.node_seq());
        let (dumps, positions) =
            ((a.dump().await, b.dump().await), (a.rows(position).await, b.rows(position).await));
        if before.0 == before.1 && before == (a.node_seq(), b.node_seq()) {
            assert_eq!(dumps.0, dumps.1);
            assert_eq!(positions.0, positions.1);
            return;
        }
    }
}

/// The name of a write whose outcome its client was not told.
pub(crate) fn unknown<T: std::fmt::Debug>(result: Result<T>) -> TransactionName {
    match result {
        Err(Error::OutcomeUnknown(name)) => name,
        other => panic!("{other:?}"),
    }
}

/// What became of it, once the node knows.
pub(crate) async fn settled(node: &Running, name: &TransactionName) -> Outcome {
    let asking = async {
        loop {
            match node.node.outcome(name).await {
                Ok(Outcome::Unknown) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                Ok(outcome) => return outcome,
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the outcome is settled")
}

/// Changes a node's file without the node.
pub(crate) fn behind_its_back(node: &Running, sql: &str) {
    let conn = Connection::open(node.dir.path().join("ha.db")).unwrap();
    conn.busy_timeout(PATIENCE).unwrap();
    conn.execute_batch(sql).unwrap();
}

pub(crate) type Client = Box<dyn Session>;

/// A session in a transaction.
pub(crate) async fn open(node: &Running) -> Client {
    let mut session = node.session().await;
    begin(&mut session).await;
    session
}

pub(crate) async fn run(session: &mut Client, sql: &str) -> Result<Reply> {
    session.run(batch(sql)).await
}

pub(crate) fn batch(sql: &str) -> Batch {
    Batch { statements: vec![Statement::new(sql)], ..Batch::default() }
}

pub(crate) async fn begin(session: &mut Box<dyn Session>) {
    session.begin(TransactionOptions::default()).await.unwrap();
}

pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

pub(crate) async fn until_stopped(running: &Running) -> String {
    until("the node to stop", || matches!(running.node.status().readiness, Readiness::Stopped(_)))
        .await;
    match running.node.status().readiness {
        Readiness::Stopped(reason) => reason,
        other => panic!("{other:?}"),
    }
}
