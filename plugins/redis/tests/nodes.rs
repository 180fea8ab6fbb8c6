//! Nodes over a Redis stream are equal, whatever is written where.

mod support;

use std::sync::Arc;

use futures::future::join_all;
use ha_core::{Batch, ChangeTransport, Engine, SessionOptions, Statement, Value};
use ha_engine::{Node, NodeOptions};
use support::proxy::Proxy;
use support::{TestServer, open, until};
use tempfile::TempDir;

struct Running {
    node: Arc<Node>,
    _dir: TempDir,
}

impl Running {
    async fn start(name: &str, url: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let transport: Arc<dyn ChangeTransport> = open(url).await.unwrap();
        let options = NodeOptions::new(name, dir.path().join("ha.db"));
        Self { node: Node::start(options, transport).await.unwrap(), _dir: dir }
    }

    async fn try_run(&self, sql: &str) -> ha_core::Result<Vec<Vec<Value>>> {
        let mut session = self.node.session(SessionOptions::default()).await?;
        let batch = Batch { statements: vec![Statement::new(sql)], ..Batch::default() };
        Ok(session.run(batch).await?.results.pop().unwrap().rows)
    }

    async fn run(&self, sql: &str) -> Vec<Vec<Value>> {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn has_table(&self) {
        until("the table", async || self.try_run("SELECT count(*) FROM n").await.is_ok()).await;
    }
}

/// Increments one counter from all nodes at once, and compares what they have then.
async fn converge(names: &[&str]) {
    const CLIENTS: usize = 4;
    const EACH: usize = 15;
    let server = TestServer::start().await;
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(Running::start(name, &server.url()).await);
    }
    let schema = "CREATE TABLE n(v); INSERT INTO n VALUES(0);
                  CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, who TEXT UNIQUE)";
    nodes[0].run(schema).await;
    join_all(nodes.iter().map(Running::has_table)).await;
    let clients = nodes.iter().flat_map(|node| (0..CLIENTS).map(move |client| (node, client)));
    let work = clients.enumerate().map(async |(index, (node, _))| {
        for i in 0..EACH {
            let sql = format!("UPDATE n SET v = v + 1; INSERT INTO log(who) VALUES('{index}-{i}')");
            node.run(&sql).await;
        }
    });
    join_all(work).await;
    let total = Value::Integer((names.len() * CLIENTS * EACH) as i64);
    let end = nodes.iter().map(|node| node.node.status().position.seq).max().unwrap();
    for node in &nodes {
        until("the end", async || node.node.status().position.seq >= end).await;
        assert_eq!(
            node.run("SELECT v, (SELECT count(*) FROM log) FROM n").await,
            [[total.clone(), total.clone()]]
        );
        assert_eq!(node.run("SELECT * FROM log").await, nodes[0].run("SELECT * FROM log").await);
    }
    join_all(nodes.iter().map(|node| node.node.stop())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_lose_no_increment() {
    converge(&["a", "b"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_lose_no_increment() {
    converge(&["a", "b", "c"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_late_has_everything() {
    let server = TestServer::start().await;
    let first = Running::start("a", &server.url()).await;
    first.run("CREATE TABLE n(v); INSERT INTO n VALUES(7)").await;
    let late = Running::start("b", &server.url()).await;
    late.has_table().await;
    assert_eq!(late.run("SELECT v FROM n").await, [[Value::Integer(7)]]);
    late.node.stop().await;
    first.node.stop().await;
}

/// Where the log of a server ends, if it has one.
async fn end(server: &TestServer) -> Option<u64> {
    server.ask("HGET ha_replication:state last").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_lost_is_stored_again_by_who_has_applied_it() {
    let (master, replica) = (TestServer::start().await, TestServer::start().await);
    let proxy = Proxy::start(master.port).await;
    let node = Running::start("a", &proxy.url()).await;
    node.run("CREATE TABLE n(v)").await;
    let _: () = replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port)).await;
    let kept = end(&master).await;
    until("the replica", async || end(&replica).await == kept).await;
    let _: () = replica.ask("REPLICAOF NO ONE").await;
    node.run("INSERT INTO n VALUES(7)").await;
    let lost = end(&master).await;
    assert!(lost > kept, "an entry that the replica has not");
    proxy.turn_to(replica.port);
    until("the end", async || end(&replica).await >= lost).await;
    let late = Running::start("b", &replica.url()).await;
    late.has_table().await;
    assert_eq!(late.run("SELECT v FROM n").await, [[Value::Integer(7)]]);
    late.node.stop().await;
    node.node.stop().await;
}
