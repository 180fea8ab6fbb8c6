//! What is taken back, by the client or by an error.

use ha_core::{Error, TransactionState, Value};

use crate::support::{equal, open, run};
use crate::{ok, two};

#[tokio::test(flavor = "multi_thread")]
async fn rows_taken_back_to_a_savepoint_are_taken_back_everywhere() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut session = open(&a).await;
    for sql in [
        "INSERT INTO t VALUES('kept')",
        "SAVEPOINT \"One\"",
        "INSERT INTO t VALUES('gone')",
        "SAVEPOINT two; INSERT INTO t VALUES('gone too'); RELEASE two",
        "CREATE TABLE gone(v)",
        "ROLLBACK TO one",
        "INSERT INTO t VALUES('after')",
        "RELEASE ONE",
        "INSERT INTO t VALUES('x'); SAVEPOINT three; INSERT INTO t VALUES('y')",
        "ROLLBACK TO three; INSERT INTO t VALUES('z')",
    ] {
        ok(&mut session, sql).await;
    }
    session.commit().await.unwrap();
    equal(&a, &b).await;
    let all = "SELECT group_concat(v, ' ') FROM t";
    assert_eq!(b.value(all).await, Value::from("kept after x z"));
    assert!(b.rows("SELECT 1 FROM sqlite_schema WHERE name = 'gone'").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_statement_did_is_shipped_nowhere_and_the_transaction_goes_on() {
    let (a, b) = two("CREATE TABLE t(v UNIQUE); INSERT INTO t VALUES(5)").await;
    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO t VALUES(1)").await;
    for sql in [
        "INSERT INTO t VALUES(2),(5)",
        "INSERT OR FAIL INTO t VALUES(3),(5)",
        "SAVEPOINT s; INSERT INTO t VALUES(4),(5)",
        "SAVEPOINT s; INSERT OR FAIL INTO t VALUES(6),(5)",
        "CREATE TABLE u AS SELECT 1; INSERT INTO t VALUES(5)",
        "RELEASE nowhere",
        "nonsense",
    ] {
        assert!(matches!(run(&mut session, sql).await, Err(Error::Sql { .. })), "{sql}");
        assert_eq!(session.transaction(), TransactionState::Open, "{sql}");
    }
    ok(&mut session, "INSERT INTO t VALUES(7)").await;
    session.commit().await.unwrap();
    equal(&a, &b).await;
    let all = "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY v)";
    assert_eq!(b.value(all).await, Value::from("1,5,7"));
    assert_eq!(
        b.value("SELECT count(*) FROM u").await,
        Value::Integer(1),
        "it came before the error"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_foreign_key_fails_the_commit() {
    let schema = "CREATE TABLE p(id INTEGER PRIMARY KEY); \
                  CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    let (a, b) = two(schema).await;
    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO c VALUES(1)").await;
    assert!(matches!(session.commit().await, Err(Error::Sql { code: 787, .. })));
    a.run("INSERT INTO p VALUES(1)").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM c").await, Value::Integer(0));
}
