//! Read levels and idempotency keys, from the outside of a cluster of two.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use support::http::{Answer, send, statements};
use support::{Node, home};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

fn cluster(home: &TempDir) -> [Node; 2] {
    let timeout = ["--replication-timeout", "2s"];
    let first = Node::start(home.path(), &[&["-n", "first", "-m"], &timeout[..]].concat());
    let join = ["-n", "second", "-m", "--replication-url", first.url()];
    let second = Node::start(home.path(), &[&join, &timeout[..]].concat());
    [first, second]
}

fn post(node: &Node, path: &str, headers: &[(&str, &str)], sql: &[&str]) -> Answer {
    let body = statements(sql, &json!(null));
    send(node.http, "POST", path, headers, body.as_bytes()).unwrap()
}

fn count(answer: &Answer) -> u64 {
    answer.rows(0)[0][0].as_u64().unwrap()
}

const COUNT: &[&str] = &["SELECT count(*) FROM t"];
const INSERT: &[&str] = &["INSERT INTO t(v) VALUES('x')"];

#[test]
fn reads_over_http_see_what_they_ask_for() {
    let home = home();
    let [first, second] = cluster(&home);
    first.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)"]);
    for written in (1..=20).step_by(2) {
        let answer = post(&first, "/v1/query", &[], INSERT);
        let position = answer.header("x-ha-position").unwrap();
        let session = [("X-Ha-Min-Position", position)];
        assert_eq!(count(&post(&second, "/", &session, COUNT)), written);
        let path = format!("/v1/query?min_position={position}");
        assert_eq!(count(&post(&second, &path, &[], COUNT)), written);
        post(&first, "/v1/query", &[], INSERT);
        assert_eq!(count(&post(&second, "/", &[("X-Ha-Read", "strong")], COUNT)), written + 1);
        assert_eq!(count(&post(&second, "/?read=strong", &[], COUNT)), written + 1);
    }
    let elsewhere = [("X-Ha-Min-Position", "00000000000000aa-1.1")];
    let never = first.position().replace('-', "-9");
    for path in ["/", "/v1/query"] {
        assert_eq!(post(&first, path, &elsewhere, COUNT).status, 412);
        assert_eq!(post(&first, path, &[("X-Ha-Min-Position", &never)], COUNT).status, 503);
        assert_eq!(post(&first, path, &[("X-Ha-Read", "newest")], COUNT).status, 400);
    }
}

/// Writers and strong readers on both nodes, back to back, until each has done enough.
#[test]
fn strong_reads_and_writes_on_both_nodes_all_get_through() {
    let home = home();
    let nodes = cluster(&home);
    nodes[0].run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)"]);
    nodes[1].wait_rows(COUNT[0], &json!([[0]]));
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| {
                for _ in 0..40 {
                    assert_eq!(post(node, "/v1/query", &[], INSERT).status, 200);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
            scope.spawn(|| {
                for _ in 0..40 {
                    let known = acknowledged.load(Ordering::SeqCst);
                    let answer = post(node, "/v1/query", &[("X-Ha-Read", "strong")], COUNT);
                    assert!(count(&answer) >= known, "{answer:?} after {known}");
                }
            });
        }
    });
    assert_eq!(count(&post(&nodes[1], "/", &[("X-Ha-Read", "strong")], COUNT)), 80);
}

#[test]
fn strong_reads_need_the_log_and_others_do_not() {
    let home = home();
    let [first, second] = cluster(&home);
    first.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)"]);
    second.wait_rows(COUNT[0], &json!([[0]]));
    first.pause();
    assert_eq!(post(&second, "/v1/query", &[("X-Ha-Read", "strong")], COUNT).status, 503);
    assert_eq!(count(&post(&second, "/v1/query", &[], COUNT)), 0);
    first.resume();
    support::until("strong reads work again", || {
        let answer = post(&second, "/v1/query", &[("X-Ha-Read", "strong")], COUNT);
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_request_with_a_key_happens_once_on_all_nodes() {
    let home = home();
    let [first, second] = cluster(&home);
    first.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)"]);
    second.wait_rows(COUNT[0], &json!([[0]]));
    for round in 1..=5 {
        let key = format!("order {round}");
        let headers = [("Idempotency-Key", key.as_str())];
        let nodes = [&first, &second, &first, &second];
        let answers = std::thread::scope(|scope| {
            let tries = nodes.map(|node| scope.spawn(move || post(node, "/", &headers, INSERT)));
            tries.map(|answer| answer.join().unwrap())
        });
        for answer in &answers {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.body, answers[0].body);
            assert_eq!(answer.header("x-ha-position"), answers[0].header("x-ha-position"));
        }
        let strong = [("X-Ha-Read", "strong")];
        assert_eq!(count(&post(&second, "/", &strong, COUNT)), round);
        for path in ["/", "/v1/query"] {
            assert_eq!(post(&second, path, &headers, &["DELETE FROM t"]).status, 422);
        }
    }
}

async fn client(node: &Node) -> Client {
    let login = format!("host=127.0.0.1 port={} user=ha password=ha dbname=ha", node.pg.port());
    let (client, connection) = tokio_postgres::connect(&login, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn value(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap();
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.unwrap_or_else(|| panic!("{sql} gives no row"))
}

async fn sqlstate(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
}

#[tokio::test]
async fn reads_over_postgresql_see_what_they_ask_for() {
    let home = home();
    let [first, second] = cluster(&home);
    let (writer, reader) = (client(&first).await, client(&second).await);
    writer.batch_execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v)").await.unwrap();
    for written in 1..=10_u32 {
        writer.batch_execute("BEGIN; INSERT INTO t(v) VALUES('x'); COMMIT").await.unwrap();
        let position = value(&writer, "SHOW ha.position").await;
        reader.batch_execute(&format!("SET ha.min_position = '{position}'")).await.unwrap();
        assert_eq!(value(&reader, COUNT[0]).await, written.to_string());
        let begun = format!("BEGIN; {}; COMMIT", COUNT[0]);
        assert_eq!(value(&reader, &begun).await, written.to_string());
    }
    reader.batch_execute("RESET ha.min_position; SET ha.read = 'strong'").await.unwrap();
    for written in 11..=20_u32 {
        writer.batch_execute(INSERT[0]).await.unwrap();
        assert_eq!(value(&reader, COUNT[0]).await, written.to_string());
        let rows = reader.query(COUNT[0], &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), i64::from(written));
    }
    assert_eq!(value(&reader, "SHOW ha.read").await, "strong");
    reader.batch_execute("SET ha.min_position = '00000000000000aa-1.1'").await.unwrap();
    assert_eq!(sqlstate(&reader, COUNT[0]).await, "55000");
    assert_eq!(sqlstate(&reader, "SET ha.position = ''").await, "55P02");
}

/// Its log is begun anew: what clients know of the old one is good as far as the new one has it.
#[tokio::test(flavor = "multi_thread")]
async fn positions_of_the_log_that_the_new_one_goes_on_from_are_served() {
    let home = home();
    let mut node = Node::start(home.path(), &["my.db"]);
    node.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, v)"]);
    let position =
        post(&node, "/v1/query", &[], INSERT).header("x-ha-position").unwrap().to_owned();
    let (place, n) = position.rsplit_once('.').unwrap();
    let (lineage, seq) = place.split_once('-').unwrap();
    let beyond = format!("{lineage}-{}.{n}", seq.parse::<u64>().unwrap() + 1);
    node.terminate();
    std::fs::remove_dir_all(home.path().join("my.db.nats")).unwrap();
    node.again();
    assert!(!node.position().starts_with(lineage), "{} after {position}", node.position());
    for path in ["/", "/v1/query"] {
        assert_eq!(count(&post(&node, path, &[("X-Ha-Min-Position", &position)], COUNT)), 1);
        assert_eq!(count(&post(&node, &format!("{path}?min_position={position}"), &[], COUNT)), 1);
        let refused = post(&node, path, &[("X-Ha-Min-Position", &beyond)], COUNT);
        let why = format!("anew from entry {seq} of that log");
        assert!(refused.status == 412 && refused.body.contains(&why), "{refused:?}");
    }
    let reader = client(&node).await;
    reader.batch_execute(&format!("SET ha.min_position = '{position}'")).await.unwrap();
    assert_eq!(value(&reader, COUNT[0]).await, "1");
    reader.batch_execute(&format!("SET ha.min_position = '{beyond}'")).await.unwrap();
    assert_eq!(sqlstate(&reader, COUNT[0]).await, "55000");
}
