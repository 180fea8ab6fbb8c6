//! Transactions that a client begins and ends.

use super::served::{number, run, speaks};
use super::{FrontendFixture, Served};

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY)";
const INSERT: &str = "INSERT INTO t VALUES (1)";
const COUNT: &str = "SELECT count(*) FROM t";

/// Nobody sees what is not committed; everybody sees what is.
pub async fn a_transaction_is_isolated(fixture: &impl FrontendFixture) {
    speaks!(fixture, sessions);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    let mut other = fixture.connect(served.address).await;
    run(&mut client, TABLE).await;
    run(&mut client, "BEGIN").await;
    run(&mut client, INSERT).await;
    assert_eq!(number(&mut client, COUNT).await, 1, "it sees its own writes");
    assert_eq!(number(&mut other, COUNT).await, 0, "others do not");
    run(&mut client, "COMMIT").await;
    assert_eq!(number(&mut other, COUNT).await, 1, "others see what is committed");
    served.stop().await;
}

/// A transaction that is rolled back was never there.
pub async fn rollback_leaves_nothing(fixture: &impl FrontendFixture) {
    speaks!(fixture, sessions);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, TABLE).await;
    run(&mut client, "BEGIN").await;
    run(&mut client, INSERT).await;
    run(&mut client, "ROLLBACK").await;
    assert_eq!(number(&mut client, COUNT).await, 0);
    served.stop().await;
}

/// The transaction of a client that goes away is rolled back, and its session closed.
pub async fn disconnect_rolls_back(fixture: &impl FrontendFixture) {
    speaks!(fixture, sessions);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, TABLE).await;
    let sessions = served.engine().sessions();
    let mut gone = fixture.connect(served.address).await;
    run(&mut gone, "BEGIN").await;
    run(&mut gone, INSERT).await;
    drop(gone);
    served.engine().has_sessions(sessions).await;
    assert_eq!(number(&mut client, COUNT).await, 0);
    run(&mut client, INSERT).await;
    served.stop().await;
}
