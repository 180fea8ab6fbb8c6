//! What a plugin's front-end may ask of a node: all of it, through the boundary and back, against
//! a real node. The plugin is linked in; it hands the engine that it is served to the test.

#[path = "support/handing.rs"]
mod handing;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use ha_core::{
    Batch, ChangeEvent, Engine, Error, IdempotencyKey, Limits, Params, ReadLevel, Readiness,
    Result, Session, SessionOptions, Shutdown, ShutdownTrigger, Statement, TransactionOptions,
    TransactionState, Value,
};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;
use ha_plugin_host::Plugin;
use tokio::task::JoinHandle;

ha_plugin::declare_plugin!(name: "surface", frontend: handing::open);

/// A node, and its engine as a plugin sees it.
struct Served {
    node: Arc<Node>,
    engine: Arc<dyn Engine>,
    stop: ShutdownTrigger,
    serving: JoinHandle<Result<()>>,
    _directory: tempfile::TempDir,
}

async fn served(log: &MemoryLog) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let options = NodeOptions::new("a", directory.path().join("db"));
    let node = Node::start(options, log.open()).await.unwrap();
    // SAFETY: `declare_plugin` made it.
    #[allow(unsafe_code, reason = "the entry of the plugin in this program")]
    let plugin = unsafe { Plugin::linked(ha_plugin_v1) }.unwrap();
    let (stop, stopping) = Shutdown::new();
    let served = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let (engine, serving) = handing::serve(&plugin, served, stopping).await.unwrap();
    Served { node, engine, stop, serving, _directory: directory }
}

impl Served {
    async fn session(&self) -> Box<dyn Session> {
        self.engine.session(SessionOptions::default()).await.unwrap()
    }

    async fn end(self) {
        self.stop.trigger();
        self.serving.await.unwrap().unwrap();
        drop(self.engine);
        self.node.stop().await;
    }
}

fn batch(sql: &str) -> Batch {
    Batch { statements: vec![Statement::new(sql)], ..Batch::default() }
}

async fn value(session: &mut dyn Session, sql: &str) -> Value {
    session.run(batch(sql)).await.unwrap().results[0].rows[0][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_parameters_results_and_errors_are_those_of_the_node() {
    let served = served(&MemoryLog::new()).await;
    let mut session = served.session().await;
    let values = vec![
        Value::Null,
        i64::MIN.into(),
        f64::NEG_INFINITY.into(),
        (-0.0).into(),
        "a\0é".into(),
        Value::RawText(vec![0xff, 0]),
        vec![0, 0xff].into(),
    ];
    let sql = "SELECT ?, ?, ?, ?, ?, ?, ?";
    let statements = vec![Statement::with(sql, values.clone())];
    let reply = session.run(Batch { statements, ..Batch::default() }).await.unwrap();
    assert_eq!(reply.results[0].rows, [values]);

    let named = Params::Named(vec![("a".to_owned(), 7.into())]);
    let statements = vec![
        Statement::new("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)"),
        Statement { sql: "INSERT INTO t VALUES(:a, 'x')".to_owned(), params: named },
    ];
    let key = Some(IdempotencyKey::new("k").unwrap());
    let keyed = Batch { statements, key, ..Batch::default() };
    let reply = session.run(keyed.clone()).await.unwrap();
    assert_eq!((reply.results[1].changes, reply.results[1].last_insert_rowid), (1, 7));
    assert_eq!(session.run(keyed).await.unwrap().position, reply.position);

    let error = session.run(batch("INSERT INTO t VALUES(8, 'x')")).await.unwrap_err();
    assert!(matches!(error, Error::Sql { code: 2067, .. }), "{error:?}");
    let few = Limits { rows: Some(1), ..Limits::default() };
    let error = session.run(Batch { limits: few, ..batch("VALUES(1),(2)") }).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    let reads = ReadLevel { min_position: Some(reply.position), strong: true };
    session.run(Batch { reads, ..batch("SELECT * FROM t") }).await.unwrap();

    let described = session.describe("SELECT b FROM t WHERE a = :a").await.unwrap();
    assert!(described.read_only);
    assert_eq!(described.params[0].name.as_deref(), Some(":a"));
    assert_eq!(described.columns[0].decl_type.as_deref(), Some("TEXT"));
    drop(session);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_those_of_the_node() {
    let served = served(&MemoryLog::new()).await;
    let (mut one, mut two) = (served.session().await, served.session().await);
    one.run(batch("CREATE TABLE t(a)")).await.unwrap();
    one.begin(TransactionOptions::default()).await.unwrap();
    assert_eq!(one.transaction(), TransactionState::Open);
    one.run(batch("INSERT INTO t VALUES(1)")).await.unwrap();
    assert_eq!(value(&mut *two, "SELECT count(*) FROM t").await, 0.into());
    let token = one.commit().await.unwrap();
    assert_eq!(one.transaction(), TransactionState::None);
    assert_eq!(token, served.node.status().position);
    assert_eq!(value(&mut *two, "SELECT count(*) FROM t").await, 1.into());

    two.begin(TransactionOptions::default()).await.unwrap();
    assert_eq!(value(&mut *two, "SELECT count(*) FROM t").await, 1.into());
    one.run(batch("INSERT INTO t VALUES(2)")).await.unwrap();
    let wrote = two.run(batch("INSERT INTO t SELECT count(*) FROM t")).await;
    let ended = match wrote {
        Ok(_) => two.commit().await.map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(ended, Err(Error::Conflict));
    two.rollback().await.unwrap();

    two.begin(TransactionOptions { read_only: true, ..TransactionOptions::default() })
        .await
        .unwrap();
    assert!(two.run(batch("DELETE FROM t")).await.is_err());
    drop(two);
    drop(one);
    served.end().await;
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_cancelled_and_a_dropped_call_is_undone() {
    let served = served(&MemoryLog::new()).await;
    let mut session = served.session().await;
    session.run(batch("CREATE TABLE t(a)")).await.unwrap();
    let canceller = session.canceller();
    let endless = async {
        let error = session.run(batch(ENDLESS)).await.unwrap_err();
        assert_eq!(error, Error::Interrupted);
    };
    let cancelling = async {
        loop {
            canceller.cancel();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = endless => {}
        () = cancelling => {}
    }
    session.begin(TransactionOptions::default()).await.unwrap();
    session.run(batch("INSERT INTO t VALUES(1)")).await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(50), session.run(batch(ENDLESS)));
    assert!(dropped.await.is_err());
    session.rollback().await.unwrap();
    assert_eq!(value(&mut *session, "SELECT count(*) FROM t").await, 0.into());
    canceller.cancel();
    drop(session);
    canceller.cancel();
    served.end().await;
}

/// Whether the call was done when it was dropped is a matter of chance; what comes of it is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_lost_with_a_call_that_is_dropped_even_if_it_was_done() {
    let served = served(&MemoryLog::new()).await;
    let mut session = served.session().await;
    session.run(batch("CREATE TABLE t(a)")).await.unwrap();
    let mut dropped = 0;
    for round in 0..100 {
        session.begin(TransactionOptions::default()).await.unwrap();
        session.run(batch("INSERT INTO t VALUES(1)")).await.unwrap();
        if was_dropped(session.run(batch("INSERT INTO t VALUES(2)")), round).await {
            assert_eq!(session.transaction(), TransactionState::Lost);
            session.run(batch("INSERT INTO t VALUES(3)")).await.unwrap_err();
            assert_eq!(session.transaction(), TransactionState::Lost);
            dropped += 1;
        }
        match session.transaction() {
            TransactionState::Lost if round % 2 == 0 => drop(session.commit().await.unwrap_err()),
            _ => session.rollback().await.unwrap(),
        }
        assert_eq!(session.transaction(), TransactionState::None);
        if !was_dropped(session.begin(TransactionOptions::default()), round).await {
            session.rollback().await.unwrap();
        }
        assert_eq!(value(&mut *session, "SELECT count(*) FROM t").await, 0.into());
        assert_eq!(session.transaction(), TransactionState::None);
    }
    assert!(dropped > 0);
    drop(session);
    served.end().await;
}

/// Begins a call, gives it some time to be done, and drops it without looking. `false` if it was
/// done at once.
async fn was_dropped<T>(call: impl Future<Output = T>, yields: usize) -> bool {
    let mut call = std::pin::pin!(call);
    let pending = futures::poll!(call.as_mut()).is_pending();
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    pending
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_dropped_rolls_back() {
    let served = served(&MemoryLog::new()).await;
    let mut other = served.session().await;
    other.run(batch("CREATE TABLE t(a)")).await.unwrap();
    let mut session = served.session().await;
    session.begin(TransactionOptions::default()).await.unwrap();
    session.run(batch("INSERT INTO t VALUES(1)")).await.unwrap();
    drop(session);
    other.run(batch("INSERT INTO t VALUES(2)")).await.unwrap();
    assert_eq!(value(&mut *other, "SELECT sum(a) FROM t").await, 2.into());
    drop(other);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_health_outcome_and_members_are_those_of_the_node() {
    let served = served(&MemoryLog::new()).await;
    let (told, known) = (served.engine.status(), served.node.status());
    assert_eq!((told.node, told.position, told.end), (known.node, known.position, known.end));
    assert_eq!(told.readiness, Readiness::Ready);
    let health = served.engine.health().await;
    assert_eq!(health.log, served.node.health().await.log);
    let name = "0101010101010101-1.0000000000000001.1".parse().unwrap();
    let asked = served.engine.outcome(&name).await;
    assert_eq!(asked, served.node.outcome(&name).await);
    let removed = served.engine.remove_member("x").await.unwrap_err();
    assert_eq!(removed, served.node.remove_member("x").await.unwrap_err());
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_the_database() {
    let served = served(&MemoryLog::new()).await;
    let mut session = served.session().await;
    session.run(batch("CREATE TABLE t AS SELECT randomblob(3000000) AS b")).await.unwrap();
    drop(session);
    let snapshot = served.engine.snapshot().await.unwrap();
    assert_eq!(snapshot.position, served.node.status().position);
    let body: Vec<_> = snapshot.body.try_collect().await.unwrap();
    let body = body.concat();
    assert!(body.starts_with(b"SQLite format 3\0") && body.len() > 3_000_000);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_arrive_as_the_node_tells_them() {
    let served = served(&MemoryLog::new()).await;
    let mut session = served.session().await;
    let before = session.run(batch("CREATE TABLE t(a, b)")).await.unwrap().position;
    let mut changes = served.engine.changes(Some(before)).await.unwrap();
    session.run(batch("INSERT INTO t VALUES(1, x'00ff')")).await.unwrap();
    session.run(batch("UPDATE t SET a = 2.0")).await.unwrap();
    drop(session);
    let mut known = served.node.changes(Some(before)).await.unwrap();
    for _ in 0..2 {
        let told = changes.next().await.unwrap().unwrap();
        assert_eq!(told, known.next().await.unwrap().unwrap());
        assert!(matches!(told.changes[..], [ChangeEvent::Row(_)]), "{told:?}");
    }
    drop((changes, known));
    served.end().await;
}
