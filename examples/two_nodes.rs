//! Two nodes in one process share a log in memory: `cargo run --example two_nodes`.
//!
//! Shows how the crates fit together: a transport, nodes on it, and sessions of a node.

use std::sync::Arc;

use ha_core::{Batch, ChangeTransport, Engine, Session, SessionOptions, Statement};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let log = MemoryLog::new();
    let start = async |name: &str| {
        let options = NodeOptions::new(name, dir.path().join(format!("{name}.db")));
        Node::start(options, log.open() as Arc<dyn ChangeTransport>).await
    };
    let (one, two) = (start("one").await?, start("two").await?);
    let mut on_one = one.session(SessionOptions::default()).await?;
    let mut on_two = two.session(SessionOptions::default()).await?;

    run(&mut *on_one, "CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0)").await?;
    for _ in 0..3 {
        // A node that is behind catches up before its write counts.
        run(&mut *on_two, "UPDATE counter SET n = n + 1").await?;
        run(&mut *on_one, "UPDATE counter SET n = n + 1").await?;
    }
    run(&mut *on_one, "SELECT n FROM counter").await?;

    one.stop().await;
    two.stop().await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "it shows what happens")]
async fn run(session: &mut dyn Session, sql: &str) -> anyhow::Result<()> {
    let batch = Batch { statements: vec![Statement::new(sql)], ..Batch::default() };
    let reply = session.run(batch).await?;
    println!("{} {sql}: {:?}", reply.position, reply.results[0].rows);
    Ok(())
}
