//! Clients that wait, come and go.

use std::time::Duration;

use ha_core::{Params, Value};

use super::served::{number, refused, run, speaks};
use super::{FrontendFixture, Served};

/// As long as a front-end may take to close its port after the stop before it is not waited for.
const REACTION: Duration = Duration::from_secs(2);

/// A statement that runs when the stop is requested is answered.
pub async fn stop_finishes_what_is_in_flight(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let (engine, address) = (served.engine(), served.address);
    let mut client = fixture.connect(address).await;
    run(&mut client, "CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    engine.hold(1);
    let client = tokio::spawn(async move {
        let answer = client.run("INSERT INTO t VALUES (7)", Params::None).await;
        (client, answer)
    });
    engine.holds().await;
    served.request_stop();
    // Who closes the port only at the end is not seen to have noticed the request.
    let _ = tokio::time::timeout(REACTION, refused(address)).await;
    assert!(!served.is_finished(), "it does not end while a statement runs");
    engine.release();
    let (client, answer) = client.await.expect("the client does not panic");
    answer.expect("what was in flight is answered");
    drop(client);
    let node = served.stop().await;
    assert_eq!(node.rows("SELECT id FROM t").await, [[Value::Integer(7)]]);
}

/// Others are served while the statement of a client takes long.
pub async fn a_client_that_waits_blocks_nobody(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let engine = served.engine();
    engine.hold(4);
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = fixture.connect(served.address).await;
        slow.push(tokio::spawn(async move { client.run("SELECT 1", Params::None).await }));
    }
    engine.holds().await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, "SELECT 1").await;
    engine.release();
    for client in slow {
        client.await.expect("the client does not panic").expect("it is answered in the end");
    }
    served.stop().await;
}

/// Nothing is left of connections that were closed.
pub async fn many_connections_come_and_go(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    for expected in 0..100 {
        let mut client = fixture.connect(served.address).await;
        assert_eq!(number(&mut client, &format!("SELECT {expected}")).await, expected);
    }
    served.engine().has_sessions(0).await;
    served.stop().await;
}
