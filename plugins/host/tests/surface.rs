//! What a plugin's front-end may ask of a node: all of it, through the boundary and back, against
//! a real node. Transactions and calls that are dropped are in `transactions.rs`.

#[path = "support/served.rs"]
mod served;

use futures::{StreamExt as _, TryStreamExt as _};
use ha_core::{
    Batch, ChangeEvent, Engine as _, Error, IdempotencyKey, Limits, Params, ReadLevel, Readiness,
    Statement, Value,
};
use ha_memory::MemoryLog;
use served::{batch, served};

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
