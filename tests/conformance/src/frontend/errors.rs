//! Errors reach the client, and end nothing but the statement.

use ha_core::Params;

use super::served::{number, run, speaks};
use super::{FrontendFixture, Served};

/// The connection goes on after an error.
pub async fn error_leaves_session_usable(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, "CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    for wrong in ["INSERT INTO t VALUES (1), (1)", "SELECT * FROM nowhere", "INSERT INTO"] {
        let failure = client.run(wrong, Params::None).await.expect_err(wrong);
        assert!(!failure.message.is_empty(), "{wrong} fails without a text");
        assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 0);
    }
    run(&mut client, "INSERT INTO t VALUES (1)").await;
    assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 1);
    served.stop().await;
}

/// What SQLite says of a statement is what the client reads.
pub async fn syntax_error_is_reported(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    let failure = client.run("SELEC 1", Params::None).await.expect_err("there is no SELEC");
    let message = failure.message.to_lowercase();
    assert!(message.contains("syntax error") && message.contains("selec"), "{failure:?}");
    served.stop().await;
}
