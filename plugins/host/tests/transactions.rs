//! Transactions of a plugin's front-end, statements that are cancelled and calls that are dropped,
//! through the boundary and back, against a real node.

#[path = "support/served.rs"]
mod served;

use std::time::Duration;

use ha_core::{Engine as _, Error, TransactionOptions, TransactionState};
use ha_memory::MemoryLog;
use served::{batch, served, value};

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
