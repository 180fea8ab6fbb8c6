//! What PostgreSQL clients get from a node with everything in it.

mod support;

use std::time::Duration;

use serde_json::json;
use support::tools::psql;
use support::{Node, home};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A client that has logged in. It leaves when it is dropped.
async fn client(node: &Node) -> Client {
    let login = format!("host=127.0.0.1 port={} user=ha password=ha dbname=ha", node.pg.port());
    let (client, connection) = tokio_postgres::connect(&login, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn sqlstate(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
}

async fn first_value(client: &Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await.unwrap();
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

#[test]
fn psql_sees_tags_nulls_and_aborted_transactions() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, raw BLOB);
        BEGIN; INSERT INTO t VALUES(1, 'a', x'00ff'), (2, NULL, NULL); COMMIT;
        BEGIN; DELETE FROM t; ROLLBACK;
        BEGIN; SAVEPOINT s; UPDATE t SET name = 'b'; ROLLBACK TO s; RELEASE s; COMMIT;
        SELECT * FROM t ORDER BY id;
        BEGIN; SELECT nosuch; SELECT 1; COMMIT;";
    let file = home.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let format = ["-At", "-P", "null=<null>", "-v", "VERBOSITY=sqlstate"];
    let printed = psql(&node, &[&format[..], &["-f", file.to_str().unwrap()]].concat());
    let lines: Vec<&str> = printed.out.lines().collect();
    assert_eq!(
        lines,
        [
            "CREATE TABLE",
            "BEGIN",
            "INSERT 0 2",
            "COMMIT",
            "BEGIN",
            "DELETE 2",
            "ROLLBACK",
            "BEGIN",
            "SAVEPOINT",
            "UPDATE 2",
            "ROLLBACK",
            "RELEASE",
            "COMMIT",
            "1|a|\\x00ff",
            "2|<null>|<null>",
            "BEGIN",
            "ROLLBACK",
        ]
    );
    let codes = printed.err.lines().filter_map(|line| line.rsplit(' ').next());
    assert_eq!(codes.collect::<Vec<_>>(), ["42703", "25P02"]);
}

#[tokio::test]
async fn errors_have_the_codes_of_postgresql() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let client = client(&node).await;
    let tables = "CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE child(id INTEGER PRIMARY KEY, parent INT REFERENCES parent(id));
        INSERT INTO parent VALUES(1, 'a')";
    client.batch_execute(tables).await.unwrap();
    for (sql, code) in [
        ("INSERT INTO parent VALUES(1, 'b')", "23505"),
        ("INSERT INTO parent VALUES(2, 'a')", "23505"),
        ("INSERT INTO child VALUES(1, 9)", "23503"),
        ("INSERT INTO parent VALUES(3, NULL)", "23502"),
        ("SELECT * FROM nosuch", "42P01"),
        ("SELECT nosuch FROM parent", "42703"),
        ("SELEC 1", "42601"),
    ] {
        assert_eq!(sqlstate(&client, sql).await, code, "{sql}");
    }
    let rows = node.select("SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)");
    assert_eq!(rows, "[[1,0]]");
}

#[tokio::test]
async fn prepared_statements_carry_values_and_nulls() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let mut client = client(&node).await;
    client.batch_execute("CREATE TABLE t(a BIGINT, b TEXT, c BYTEA, d BOOLEAN)").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES($1, $2, $3, $4)").await.unwrap();
    let raw: &[u8] = &[0, 255];
    assert_eq!(client.execute(&insert, &[&i64::MAX, &"x", &raw, &true]).await.unwrap(), 1);
    let nothing = (None::<i64>, None::<&str>, None::<&[u8]>, None::<bool>);
    let transaction = client.transaction().await.unwrap();
    let nulls: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&nothing.0, &nothing.1, &nothing.2, &nothing.3];
    transaction.execute(&insert, &nulls).await.unwrap();
    transaction.commit().await.unwrap();
    let rows = client.query("SELECT a, b, c, d FROM t ORDER BY rowid", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), i64::MAX);
    assert_eq!((rows[0].get::<_, &str>(1), rows[0].get::<_, &[u8]>(2)), ("x", raw));
    assert!(rows[0].get::<_, bool>(3));
    assert_eq!(rows[1].get::<_, Option<i64>>(0), None);
    assert_eq!(rows[1].get::<_, Option<&str>>(1), None);
}

#[tokio::test]
async fn a_transaction_is_seen_by_others_once_it_is_committed() {
    let home = home();
    let first = Node::start(home.path(), &["-m"]);
    let second = Node::start(home.path(), &["-m", "--replication-url", first.url()]);
    first.run(&["CREATE TABLE t(a)"]);
    second.wait_rows("SELECT * FROM t", &json!([]));
    let client = client(&second).await;
    client.batch_execute("BEGIN; INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)").await.unwrap();
    assert_eq!(first_value(&client, "SELECT count(*) FROM t").await.as_deref(), Some("2"));
    assert_eq!(second.select("SELECT count(*) FROM t"), "[[0]]");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(second.select("SELECT count(*) FROM t"), "[[2]]");
    first.wait_rows("SELECT count(*) FROM t", &json!([[2]]));
    client.batch_execute("BEGIN; DELETE FROM t; ROLLBACK").await.unwrap();
    assert_eq!(second.select("SELECT count(*) FROM t"), "[[2]]");
}

#[tokio::test]
async fn a_running_statement_is_cancelled() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--statement-timeout", "0"]);
    let client = client(&node).await;
    let endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
    let cancel = client.cancel_token();
    let running = client.simple_query(endless);
    // A request that comes before the statement runs has no effect, so it is repeated.
    let cancelling = async {
        loop {
            cancel.cancel_query(NoTls).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::select! {
        ended = timeout(support::PATIENCE, running) => ended.expect("it is cancelled"),
        () = cancelling => unreachable!("it goes on for ever"),
    };
    assert_eq!(ended.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    node.run(&["CREATE TABLE t(a)"]);
}

#[tokio::test]
async fn a_transaction_that_thinks_makes_way_for_others_and_goes_on() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--transaction-idle-timeout", "1h"]);
    let thinking = client(&node).await;
    thinking.batch_execute("CREATE TABLE t(a)").await.unwrap();
    thinking.batch_execute("BEGIN; INSERT INTO t VALUES('thought')").await.unwrap();
    let other = client(&node).await;
    other.batch_execute("INSERT INTO t VALUES('other')").await.unwrap();
    thinking.batch_execute("INSERT INTO t VALUES('late'); COMMIT").await.unwrap();
    assert_eq!(node.select("SELECT a FROM t"), r#"[["other"],["thought"],["late"]]"#);
}

#[tokio::test]
async fn a_transaction_that_is_idle_for_too_long_is_ended() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--transaction-idle-timeout", "300ms"]);
    let idle = client(&node).await;
    idle.batch_execute("CREATE TABLE t(a)").await.unwrap();
    idle.batch_execute("BEGIN; INSERT INTO t VALUES('idle')").await.unwrap();
    let other = client(&node).await;
    other.batch_execute("INSERT INTO t VALUES('other')").await.unwrap();
    // To be idle for so long is what is tried here.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(sqlstate(&idle, "INSERT INTO t VALUES('late')").await, "25P03");
    idle.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(node.select("SELECT a FROM t"), r#"[["other"]]"#);
    idle.batch_execute("BEGIN; INSERT INTO t VALUES('again'); COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_client_that_dies_in_a_transaction_leaves_nothing() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--transaction-idle-timeout", "1h"]);
    node.run(&["CREATE TABLE t(a)"]);
    let mut dying = psql_in_a_transaction(&node);
    dying.kill().unwrap();
    dying.wait().unwrap();
    // With the writer still held, this would wait for the hour.
    node.run(&["INSERT INTO t VALUES('other')"]);
    assert_eq!(node.select("SELECT a FROM t"), r#"[["other"]]"#);
}

/// A psql that has written in a transaction and waits for more to do.
fn psql_in_a_transaction(node: &Node) -> std::process::Child {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};
    let port = node.pg.port().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-h", "localhost", "-U", "ha", "-p", &port]).env("PGPASSWORD", "ha");
    let mut psql =
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql is installed");
    let script = b"BEGIN;\nINSERT INTO t VALUES('dying');\n";
    psql.stdin.as_mut().unwrap().write_all(script).unwrap();
    let mut lines = BufReader::new(psql.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "INSERT 0 1"));
    psql
}
