//! What would be a wrong answer is the right one here, or an error.

mod support;

use ha_core::{Batch, Engine as _, SessionOptions, Statement};
use ha_mysql::Options;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use support::{code, rows, server, with};

#[tokio::test]
async fn a_client_is_told_the_id_of_the_row_that_it_made_or_changed() {
    let server = server().await;
    let mut client = server.client().await;
    let create = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(9) UNIQUE, n INT)";
    client.query_drop(create).await.unwrap();
    client
        .query_drop("INSERT INTO t (id, k) VALUES (10, 'a'), (20, 'b'), (15, 'c')")
        .await
        .unwrap();
    assert_eq!((client.affected_rows(), client.last_insert_id()), (3, Some(10)));
    client.query_drop("INSERT IGNORE INTO t (k) VALUES ('a'), ('d'), ('b'), ('e')").await.unwrap();
    let told = client.last_insert_id().unwrap().to_string();
    assert_eq!(rows(&mut client, "SELECT id FROM t WHERE k = 'd'").await, [told]);
    client.query_drop("BEGIN").await.unwrap();
    client.query_drop("INSERT INTO t (k) VALUES ('f')").await.unwrap();
    let upsert = "INSERT INTO t (k, n) VALUES ('b', 1) ON DUPLICATE KEY UPDATE n = VALUES(n), id = LAST_INSERT_ID(id)";
    client.query_drop(upsert).await.unwrap();
    assert_eq!(client.last_insert_id(), Some(20));
    assert_eq!(rows(&mut client, "SELECT LAST_INSERT_ID()").await, ["20"]);
    client.query_drop("COMMIT").await.unwrap();
    let insert = "INSERT INTO t (k) VALUES (?), (?)";
    client.exec_drop(insert, ("x", "y")).await.unwrap();
    let told = client.last_insert_id().unwrap().to_string();
    assert_eq!(rows(&mut client, "SELECT id FROM t WHERE k = 'x'").await, [told]);
    assert_eq!(code(&mut client, "UPDATE t SET n = LAST_INSERT_ID(n + 1)").await, 1235);
}

#[tokio::test]
async fn a_table_without_rowid_takes_several_rows() {
    let server = server().await;
    let mut client = server.client().await;
    let mut session = server.node.session(SessionOptions::default()).await.unwrap();
    let sql = "CREATE TABLE w (a TEXT PRIMARY KEY) WITHOUT ROWID";
    let statements = vec![Statement::new(sql)];
    session.run(Batch { statements, ..Batch::default() }).await.unwrap();
    client.query_drop("INSERT INTO w VALUES ('a'), ('b')").await.unwrap();
    assert_eq!(client.affected_rows(), 2);
    assert_eq!(rows(&mut client, "SELECT count(*) FROM w").await, ["2"]);
}

#[tokio::test]
async fn what_means_something_else_in_sqlite_is_refused() {
    let server = server().await;
    let mut client = server.client().await;
    client.query_drop("CREATE TABLE t (a INT, b INT, value INT)").await.unwrap();
    client.query_drop("INSERT INTO t (a, b, value) VALUES (1, 2, 3), (2, 3, 4)").await.unwrap();
    for sql in [
        "UPDATE t SET a = a + 1, b = a",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')",
        "SET time_zone = '+02:00'",
        "SET NAMES latin1",
        "SET character_set_results = latin1",
        "COMMIT AND CHAIN",
        "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1",
        "SELECT LAST_INSERT_ID(7)",
        "SELECT FORMAT(1234.5, 2)",
        "SELECT ROUND(15, -1)",
        "SELECT DATE_FORMAT('2025-01-01', '%u')",
    ] {
        assert_eq!(code(&mut client, sql).await, 1235, "{sql}");
    }
    assert_eq!(code(&mut client, "INSERT INTO t (a) VALUES (18446744073709551615)").await, 1264);
    assert_eq!(code(&mut client, "DELETE FROM t LIMIT -1").await, 1064);
    assert_eq!(code(&mut client, "DELETE FROM t \0 WHERE a = 1").await, 1064);
    assert_eq!(code(&mut client, "ALTER TABLE t ADD CHECK )").await, 1064);
    for limit in ["-1".into(), mysql_async::Value::Int(-1)] {
        client.exec_drop("DELETE FROM t LIMIT ?", (limit,)).await.unwrap_err();
    }
    assert_eq!(rows(&mut client, "SELECT a FROM t LIMIT 1, 18446744073709551615").await, ["2"]);
    let page: Vec<i64> = client.exec("SELECT a FROM t LIMIT ? OFFSET ?", ("1", 1)).await.unwrap();
    assert_eq!(page, [2]);
    client.query_drop("UPDATE t SET a = a + 1, b = b + 1").await.unwrap();
    client.query_drop("INSERT INTO t (a) SELECT value FROM t").await.unwrap();
    assert_eq!(rows(&mut client, "SELECT count(*) FROM t").await, ["4"]);
    let set = "SET time_zone = '+00:00', NAMES = 1";
    assert_eq!(code(&mut client, set).await, 1193);
    client.query_drop("SET NAMES utf8mb4 COLLATE utf8mb4_bin").await.unwrap();
}

#[tokio::test]
async fn a_variable_keeps_its_value() {
    let server = server().await;
    let mut client = server.client().await;
    client
        .query_drop(
            r"SET @t = 'a\0b''\\', @r = 1e300, @x = 0.1, @i = -9223372036854775808, @b = 0xff00",
        )
        .await
        .unwrap();
    let row: (String, f64, f64, i64, Vec<u8>) =
        client.query_first("SELECT @t, @r, @x, @i, @b").await.unwrap().unwrap();
    assert_eq!(row, ("a\0b'\\".into(), 1e300, 0.1, i64::MIN, vec![0xff, 0]));
}

#[tokio::test]
async fn deep_expressions_are_read_once_or_refused() {
    let server = server().await;
    let mut client = server.client().await;
    let nested = |name: &str, depth| format!("SELECT {}1{}", name.repeat(depth), ")".repeat(depth));
    for name in ["ABS(", "COALESCE(2, ", "CONCAT(", "IF(1, 1, ", "(", "1 AND ("] {
        rows(&mut client, &nested(name, 50)).await;
    }
    assert_eq!(code(&mut client, &nested("IF(1, 1, ", 20_000)).await, 1436);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_value_that_is_too_long_in_parts_is_not_stored_in_part() {
    let server = with(Options { max_packet_bytes: 20 << 20, ..Options::default() }).await;
    let opts = OptsBuilder::from_opts(server.opts("ha", "ha")).max_allowed_packet(Some(16 << 20));
    let mut client = Conn::new(opts).await.unwrap();
    client.query_drop("CREATE TABLE t (b BLOB)").await.unwrap();
    let stored = client.exec_drop("INSERT INTO t VALUES (?)", (vec![b'x'; 30 << 20],)).await;
    let Err(mysql_async::Error::Server(error)) = stored else { panic!("{stored:?}") };
    assert_eq!(error.code, 1153);
    assert_eq!(rows(&mut client, "SELECT count(*) FROM t").await, ["0"]);
    client.exec_drop("INSERT INTO t VALUES (?)", (vec![b'x'; 18 << 20],)).await.unwrap();
    assert_eq!(rows(&mut client, "SELECT length(b) FROM t").await, ["18874368"]);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_with_a_reason() {
    let server = with(Options { max_packet_bytes: 1000, ..Options::default() }).await;
    let mut client = server.client().await;
    assert_eq!(code(&mut client, &format!("SELECT '{}'", "x".repeat(1000))).await, 1153);
}

#[tokio::test]
async fn a_stranger_is_let_go_after_some_time_and_some_bytes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let login_timeout = std::time::Duration::from_millis(50);
    let server = with(Options { login_timeout, ..Options::default() }).await;
    let connect = || tokio::net::TcpStream::connect(("127.0.0.1", server.port));
    let mut silent = connect().await.unwrap();
    silent.read_to_end(&mut Vec::new()).await.unwrap();
    let server = support::server().await;
    let mut loud = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    loud.write_all(&[0xff, 0xff, 0xff, 1]).await.unwrap();
    let mut told = Vec::new();
    loud.read_to_end(&mut told).await.unwrap();
    assert!(told.windows(2).any(|code| code == 1153_u16.to_le_bytes()), "{told:?}");
}
