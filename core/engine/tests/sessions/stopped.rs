//! Statements that are cancelled or abandoned.

use ha_core::{Error, Reply, Result, TransactionState, Value};

use crate::support::{Client, batch, equal, open, run, until};
use crate::{ENDLESS, ok, two};

/// Runs a statement that does not end, and calls `stop` once it runs.
async fn cancelled(mut session: Client, sql: &str) -> (Client, Result<Reply>) {
    let canceller = session.canceller();
    let sql = sql.to_owned();
    let work = tokio::spawn(async move {
        let reply = run(&mut session, &sql).await;
        (session, reply)
    });
    until("the statement to be cancelled", || {
        canceller.cancel();
        work.is_finished()
    })
    .await;
    work.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_statement_ends_as_interrupted() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let (mut session, reply) = cancelled(a.session().await, ENDLESS).await;
    assert_eq!(reply, Err(Error::Interrupted), "a read");
    ok(&mut session, "INSERT INTO t VALUES(1)").await;
    let (session, reply) = cancelled(session, &format!("INSERT INTO t {ENDLESS}")).await;
    assert_eq!(reply, Err(Error::Interrupted), "a write");
    drop(session);

    let mut session = open(&a).await;
    ok(&mut session, "INSERT INTO t VALUES(2)").await;
    let (mut session, reply) = cancelled(session, ENDLESS).await;
    assert_eq!(reply, Err(Error::Interrupted), "a read in a transaction");
    assert_eq!(session.transaction(), TransactionState::Open);
    ok(&mut session, "INSERT INTO t VALUES(3)").await;
    let (mut session, reply) = cancelled(session, &format!("INSERT INTO t {ENDLESS}")).await;
    assert_eq!(reply, Err(Error::Interrupted), "a write in a transaction");
    assert_eq!(session.transaction(), TransactionState::Lost);
    assert_eq!(session.commit().await, Err(Error::Interrupted));
    ok(&mut session, "INSERT INTO t VALUES(4)").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT group_concat(v) FROM t").await, Value::from("1,4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_stopped_is_never_repeated() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let (mut reading, reply) = cancelled(open(&a).await, ENDLESS).await;
    assert_eq!(reply, Err(Error::Interrupted));
    assert_eq!(run(&mut reading, "INSERT INTO t VALUES(1)").await, Err(Error::Conflict));

    let mut writing = open(&a).await;
    ok(&mut writing, "INSERT INTO t VALUES(2)").await;
    let (mut writing, _) = cancelled(writing, ENDLESS).await;
    b.run("INSERT INTO t VALUES(3)").await;
    assert_eq!(writing.commit().await, Err(Error::Conflict));
    equal(&a, &b).await;
    assert_eq!(a.rows("SELECT v FROM t").await, [[Value::Integer(3)]]);
}

/// Polls a call once, and drops it then.
async fn abandoned(session: &mut Client, sql: &str) {
    let mut call = Box::pin(session.run(batch(sql)));
    assert!(futures::poll!(&mut call).is_pending());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_call_interrupts_it_and_takes_its_transaction_back() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut alone = a.session().await;
    abandoned(&mut alone, &format!("INSERT INTO t {ENDLESS}")).await;
    ok(&mut alone, "INSERT INTO t VALUES('alone')").await;

    let mut writing = open(&a).await;
    ok(&mut writing, "INSERT INTO t VALUES('gone')").await;
    abandoned(&mut writing, &format!("INSERT INTO t {ENDLESS}")).await;
    assert_eq!(writing.transaction(), TransactionState::Lost);
    a.run("INSERT INTO t VALUES('other')").await;
    assert_eq!(writing.commit().await, Err(Error::Interrupted));

    let mut reading = open(&a).await;
    ok(&mut reading, "SELECT * FROM t").await;
    abandoned(&mut reading, ENDLESS).await;
    assert_eq!(run(&mut reading, "SELECT * FROM t").await, Err(Error::Interrupted));
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT group_concat(v) FROM t").await, Value::from("alone,other"));
}
