//! Transactions that are larger than a NATS message, between processes.
//!
//! The largest, with times and memory:
//! `cargo test --release --test large -- --ignored --nocapture --test-threads 1`

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::http::{self, Answer};
use support::members::{ports, start};
use support::{Node, home, until};
use tempfile::TempDir;

/// The first has the NATS server, the second joins it; both are on disk.
fn cluster(home: &TempDir) -> [Node; 2] {
    let all = ["--statement-timeout", "0"];
    let first = Node::start(home.path(), &[&["-n", "first", "first.db"], &all[..]].concat());
    let join = ["-n", "second", "second.db", "--replication-url", first.url()];
    let second = Node::start(home.path(), &[&join, &all[..]].concat());
    [first, second]
}

fn insert(rows: u32) -> String {
    format!(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows}) \
         SELECT i, 'the name of row ' || i, i * 0.5 FROM n"
    )
}

const SUMS: &str = "SELECT count(*), sum(id), sum(length(name)), CAST(sum(half) * 2 AS INT) FROM t";

/// What [`insert`] makes [`SUMS`] give.
fn sums(rows: u32) -> Vec<Vec<Value>> {
    let digits: u64 = (1..=rows).map(|row| u64::from(row.ilog10()) + 1).sum();
    let rows = u64::from(rows);
    let sum = rows * (rows + 1) / 2;
    vec![vec![json!(rows), json!(sum), json!(rows * 16 + digits), json!(sum)]]
}

fn skipped(node: &Node) -> String {
    node.select("SELECT count(*) FROM _ha_skipped")
}

#[test]
fn a_transaction_of_several_megabytes_is_whole_on_both_nodes() {
    let home = home();
    let nodes = cluster(&home);
    nodes[0].run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, half REAL)"]);
    nodes[1].wait_rows("SELECT * FROM t", &json!([]));
    // Nobody on the second node sees a part of it.
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| nodes[0].query(&insert(20_000)));
        while !writer.is_finished() {
            let seen = nodes[1].select("SELECT count(*) FROM t");
            assert!(["[[0]]", "[[20000]]"].contains(&&*seen), "{seen}");
        }
        writer.join().unwrap()
    });
    assert_eq!(written.status, 200, "{}", written.body);
    nodes[1].wait_rows(SUMS, &json!(sums(20_000)));
    assert_eq!(nodes[0].run(&[SUMS]), sums(20_000));
    let body = json!([{"sql": "INSERT INTO t VALUES(0, ?, 0)", "params": ["x".repeat(3_000_000)]}]);
    assert_eq!(nodes[1].post("/v1/query", body.to_string()).unwrap().status, 200);
    nodes[0].wait_rows("SELECT length(name) FROM t WHERE id = 0", &json!([[3_000_000]]));
    assert!(nodes.iter().all(|node| skipped(node) == "[[0]]"));
}

#[test]
fn what_exceeds_the_limit_is_refused_with_the_flag_that_raises_it() {
    let home = home();
    let args = ["-m", "--max-transaction-bytes", "1MiB"];
    let node = Node::start(home.path(), &args);
    node.run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, half REAL)"]);
    let before = node.position();
    let answer = node.query(&insert(20_000));
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("--max-transaction-bytes"), "{}", answer.body);
    assert_eq!(node.position(), before);
}

#[test]
fn three_members_keep_a_large_transaction_whole_while_one_is_killed() {
    let home = home();
    let mut members = start(home.path(), ports::<3>(), &[]);
    members[0].run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, half REAL)"]);
    members[2].wait_rows("SELECT * FROM t", &json!([]));
    assert_eq!(members[1].query(&insert(20_000)).status, 200);
    for member in &members {
        member.wait_rows(SUMS, &json!(sums(20_000)));
    }
    // Its node dies while the log takes the next one: it is there everywhere, or nowhere.
    let body = http::statements(&["UPDATE t SET half = -half"], &Value::Null);
    let address = members[0].http;
    std::thread::scope(|scope| {
        let lost = scope.spawn(|| http::send(address, "POST", "/v1/query", &[], body.as_bytes()));
        until("it is offered", || (members[0].log().matches("offered").count() > 0).then_some(()));
        members[0].kill();
        drop(lost.join());
    });
    members[0].again();
    until("another write", || {
        (members[1].query("DELETE FROM t WHERE id = 1").status == 200).then_some(())
    });
    let state = "SELECT count(*), sum(half > 0), (SELECT count(*) FROM _ha_skipped) FROM t";
    let states = until("all hold the same", || {
        let [first, second, third] = [0, 1, 2].map(|member: usize| members[member].select(state));
        (first == second && second == third).then_some(first)
    });
    assert!(
        ["[[19999,19999,", "[[19999,0,"].iter().any(|whole| states.starts_with(whole)),
        "{states}"
    );
}

/// A million rows by one statement: one transaction everywhere.
#[test]
#[ignore = "long: half a minute with --release"]
fn a_million_rows_of_one_statement_are_one_transaction() {
    let home = home();
    let nodes = cluster(&home);
    nodes[0].run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, half REAL)"]);
    report("a million rows", &nodes, &insert(1_000_000));
    let expected = sums(1_000_000);
    for node in &nodes {
        assert_eq!(node.run(&[SUMS]), expected);
    }
}

#[test]
#[ignore = "long: half a minute with --release"]
fn a_blob_of_64_mib_is_the_same_on_both_nodes() {
    let home = home();
    let nodes = cluster(&home);
    nodes[0].run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)"]);
    report("a blob of 64 MiB", &nodes, "INSERT INTO t VALUES(1, randomblob(64 << 20))");
    // Pieces of it, as an answer has a limit.
    let digest = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 64) \
                  SELECT length(b), group_concat(hex(substr(b, (i << 20) + 1, 64))) FROM n, t";
    assert_eq!(nodes[0].select(digest), nodes[1].select(digest));
    assert_eq!(nodes[1].select("SELECT length(b) FROM t"), format!("[[{}]]", 64 << 20));
}

/// Runs a statement on the first node and waits for the second; prints what both took.
#[allow(clippy::print_stdout, reason = "these are measurements")]
fn report(what: &str, nodes: &[Node; 2], sql: &str) {
    let memory = || nodes.each_ref().map(|node| node.peak_memory() >> 20);
    let before = memory();
    let begun = Instant::now();
    let body = http::statements(&[sql], &Value::Null);
    let answer = patiently(&nodes[0], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let acknowledged = begun.elapsed();
    let position = answer.header("x-ha-position").unwrap().to_owned();
    patiently_until(|| nodes[1].position() == position);
    println!(
        "{what}: acknowledged after {acknowledged:.1?}, applied after {:.1?}, position {position}; \
         peak memory in MiB before {before:?}, after {:?}",
        begun.elapsed(),
        memory()
    );
}

/// A large transaction takes longer than [`support::PATIENCE`] on a slow machine.
fn patiently(node: &Node, body: &str) -> Answer {
    http::send_patiently(node.http, "/v1/query", body.as_bytes(), Duration::from_secs(600)).unwrap()
}

fn patiently_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(600) && !condition() {
        std::thread::sleep(Duration::from_millis(20));
    }
    until("the other node has it", || condition().then_some(()));
}
