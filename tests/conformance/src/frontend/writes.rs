//! Writes are whole, in the log, and seen.

use futures::future::join_all;
use ha_core::{Params, Value};

use super::served::{number, run, speaks};
use super::{FrontendFixture, Served};

const COUNT: &str = "SELECT count(*) FROM t";

/// Statements that are one transaction are stored all or none.
pub async fn batch_is_atomic(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, "CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    let (one, two) = ("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)");
    client.batch(&[one, two, one]).await.expect_err("the key is taken");
    assert_eq!(number(&mut client, COUNT).await, 0, "nothing of a batch that failed is stored");
    client.batch(&[one, two]).await.expect("nothing is in the way");
    assert_eq!(number(&mut client, COUNT).await, 2);
    served.stop().await;
}

/// What a client wrote is on the other nodes.
pub async fn write_reaches_the_log(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, "CREATE TABLE t (s TEXT)").await;
    run(&mut client, "INSERT INTO t VALUES ('everywhere')").await;
    let peer = served.node.peer().await;
    let rows = peer.rows_after(&served.node, "SELECT s FROM t").await;
    assert_eq!(rows, [[Value::from("everywhere")]]);
    served.stop().await;
}

/// A write that was acknowledged is seen by whoever reads next.
pub async fn read_your_write(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    let mut other = fixture.connect(served.address).await;
    run(&mut client, "CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    for written in 1..=20 {
        run(&mut client, &format!("INSERT INTO t VALUES ({written})")).await;
        assert_eq!(number(&mut client, COUNT).await, written);
        assert_eq!(number(&mut other, COUNT).await, written);
    }
    served.stop().await;
}

/// Clients that write at the same time lose nothing and are answered each with its own.
pub async fn concurrent_clients(fixture: &impl FrontendFixture) {
    const CLIENTS: i64 = 8;
    const WRITES: i64 = 10;
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, "CREATE TABLE t (client INTEGER, n INTEGER)").await;
    let write = async |own: i64| {
        let mut client = fixture.connect(served.address).await;
        for n in 0..WRITES {
            let insert = format!("INSERT INTO t VALUES ({own}, {n})");
            client.run(&insert, Params::None).await.expect("nobody is in the way for long");
            let mine = format!("SELECT count(*) FROM t WHERE client = {own}");
            assert_eq!(number(&mut client, &mine).await, n + 1);
        }
    };
    join_all((0..CLIENTS).map(write)).await;
    assert_eq!(number(&mut client, COUNT).await, CLIENTS * WRITES);
    served.stop().await;
}
