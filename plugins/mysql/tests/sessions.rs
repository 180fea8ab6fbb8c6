//! Logging in, transactions, and what several clients and nodes see of each other.

mod support;

use std::time::Duration;

use ha_memory::MemoryLog;
use ha_mysql::Options;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use support::{code, joining, rows, server, with};

async fn refused(opts: mysql_async::Opts) -> u16 {
    match Conn::new(opts).await {
        Err(mysql_async::Error::Server(error)) => error.code,
        other => panic!("a refusal is expected, not {other:?}"),
    }
}

#[tokio::test]
async fn only_the_user_with_the_password_gets_in_and_only_while_there_are_seats() {
    let server = with(Options { max_connections: 1, ..Options::default() }).await;
    assert_eq!(refused(server.opts("ha", "wrong")).await, 1045);
    assert_eq!(refused(server.opts("eve", "ha")).await, 1045);
    assert_eq!(refused(server.opts("ha", "")).await, 1045);
    let client = server.client().await;
    assert_eq!(refused(server.opts("ha", "ha")).await, 1040);
    client.disconnect().await.unwrap();
}

/// Waits until the only seat is free, and has the client on it do that. One that is slow is
/// disconnected, and another comes.
async fn seat(server: &support::Server, sql: &str) -> Conn {
    let seated = async {
        loop {
            match Conn::new(server.opts("ha", "ha")).await {
                Ok(mut client) => {
                    if client.query_drop(sql).await.is_ok() {
                        return client;
                    }
                }
                Err(mysql_async::Error::Server(error)) => assert_eq!(error.code, 1040),
                Err(_) => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seated).await.expect("the seat is free again")
}

#[tokio::test]
async fn a_client_that_sends_nothing_for_too_long_is_disconnected() {
    let options = Options { max_connections: 1, ..Options::default() };
    let idle_timeout = Some(Duration::from_millis(100));
    let server = with(Options { idle_timeout, ..options.clone() }).await;
    let mut idle = seat(&server, "SELECT 1").await;
    let mut other = seat(&server, "SET wait_timeout = 1000").await;
    assert!(idle.query_drop("SELECT 1").await.is_err());
    assert_eq!(rows(&mut other, "SELECT @@wait_timeout, @@interactive_timeout").await, ["1000|1"]);

    let server = with(options).await;
    let mut idle = server.client().await;
    assert_eq!(rows(&mut idle, "SELECT @@wait_timeout").await, ["28800"]);
    idle.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    idle.query_drop("BEGIN").await.unwrap();
    idle.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    idle.query_drop("SET SESSION wait_timeout = 1").await.unwrap();
    let mut other = seat(&server, "SELECT 1").await;
    assert!(rows(&mut other, "SELECT a FROM t").await.is_empty());
    assert!(idle.query_drop("COMMIT").await.is_err());
    other.query_drop("SET wait_timeout = 1000").await.unwrap();
    other.reset().await.unwrap();
    assert_eq!(rows(&mut other, "SELECT @@wait_timeout").await, ["28800"]);
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_goes_back_to_savepoints() {
    let server = server().await;
    let (mut client, mut other) = (server.client().await, server.client().await);
    client.query_drop("CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    for sql in
        ["START TRANSACTION", "INSERT INTO t VALUES (1)", "SAVEPOINT s", "INSERT INTO t VALUES (2)"]
    {
        client.query_drop(sql).await.unwrap();
    }
    assert_eq!(code(&mut client, "INSERT INTO t VALUES (1)").await, 1062);
    assert!(rows(&mut other, "SELECT a FROM t").await.is_empty());
    client.query_drop("ROLLBACK TO SAVEPOINT s").await.unwrap();
    assert_eq!(code(&mut client, "ROLLBACK TO nosuch").await, 1305);
    client.query_drop("COMMIT").await.unwrap();
    assert_eq!(rows(&mut other, "SELECT a FROM t").await, ["1"]);
    client.query_drop("BEGIN").await.unwrap();
    client.query_drop("DELETE FROM t").await.unwrap();
    client.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(rows(&mut client, "SELECT a FROM t").await, ["1"]);
    client.query_drop("START TRANSACTION READ ONLY").await.unwrap();
    assert_eq!(code(&mut client, "DELETE FROM t").await, 1290);
}

#[tokio::test]
async fn without_autocommit_a_statement_begins_and_ddl_commits() {
    let server = server().await;
    let (mut client, mut other) = (server.client().await, server.client().await);
    client.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    client.query_drop("SET autocommit = 0").await.unwrap();
    client.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    assert!(rows(&mut other, "SELECT a FROM t").await.is_empty());
    client.query_drop("ROLLBACK").await.unwrap();
    client.query_drop("INSERT INTO t VALUES (2)").await.unwrap();
    client.query_drop("CREATE TABLE u (a INT)").await.unwrap();
    client.query_drop("ROLLBACK").await.unwrap();
    assert_eq!(rows(&mut other, "SELECT a FROM t").await, ["2"]);
    client.query_drop("INSERT INTO t VALUES (3)").await.unwrap();
    client.query_drop("SET autocommit = ON").await.unwrap();
    assert_eq!(rows(&mut other, "SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn a_reset_connection_is_as_new() {
    let server = server().await;
    let mut client = server.client().await;
    client.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    client.query_drop("SET autocommit = 0, @x = 1").await.unwrap();
    client.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    assert!(client.reset().await.unwrap());
    assert_eq!(
        rows(&mut client, "SELECT @x, @@autocommit, (SELECT count(*) FROM t)").await,
        ["NULL|1|0"]
    );
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_another_node_overtook_is_1213_and_can_be_repeated() {
    let log = MemoryLog::new();
    let one = joining(Options::default(), &log).await;
    let mut here = one.client().await;
    here.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    here.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    let two = joining(Options::default(), &log).await;
    let mut there = two.client().await;
    here.query_drop("BEGIN").await.unwrap();
    assert_eq!(rows(&mut here, "SELECT a FROM t").await, ["1"]);
    there.query_drop("UPDATE t SET a = 5").await.unwrap();
    let transaction = async {
        here.query_drop("UPDATE t SET a = a + 1").await?;
        here.query_drop("COMMIT").await
    };
    let Err(mysql_async::Error::Server(error)) = transaction.await else {
        panic!("a conflict is expected")
    };
    assert_eq!((error.code, error.state.as_str()), (1213, "40001"));
    here.query_drop("UPDATE t SET a = a + 1").await.unwrap();
    assert_eq!(rows(&mut here, "SELECT a FROM t").await, ["6"]);
}

#[tokio::test]
async fn kill_ends_a_query_or_a_connection() {
    let server = server().await;
    let (mut client, mut other) = (server.client().await, server.client().await);
    let id = client.id();
    let forever =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let endless = tokio::spawn(async move {
        let code = code(&mut client, forever).await;
        (client, code)
    });
    while !endless.is_finished() {
        other.query_drop(format!("KILL QUERY {id}")).await.unwrap();
    }
    let (mut client, code_of) = endless.await.unwrap();
    assert_eq!(code_of, 1317);
    client.ping().await.unwrap();
    other.query_drop(format!("KILL {id}")).await.unwrap();
    client.ping().await.unwrap_err();
    assert_eq!(code(&mut other, "KILL 99999").await, 1094);
}

#[tokio::test]
async fn a_stop_tells_idle_clients_and_closes_the_port() {
    let server = server().await;
    let mut client = server.client().await;
    server.stop.trigger();
    server.task.await.unwrap().unwrap();
    client.ping().await.unwrap_err();
    let mut again =
        mysql_async::OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(server.port);
    again = again.prefer_socket(false);
    assert!(Conn::new(again).await.is_err());
}
