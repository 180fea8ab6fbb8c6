//! A large transaction against nodes that write small ones without a pause: it gets its turn.
//!
//! Larger ones, several times: `cargo test --release --test fairness -- --ignored --nocapture`

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::http::{self, Answer};
use support::inserts::Inserts;
use support::members::{ports, start};
use support::{Node, home, say};

/// Clients of each of the two other nodes.
const CLIENTS: usize = 32;

#[test]
fn a_large_transaction_gets_its_turn_among_small_ones() {
    large_among_small(20_000, 1);
}

#[test]
#[ignore = "long"]
fn transactions_of_100_000_rows_get_their_turn_among_small_ones() {
    large_among_small(100_000, 5);
}

/// Without a turn one of 20,000 rows has never succeeded here.
fn large_among_small(rows: u32, times: u32) {
    let home = home();
    let members = start(home.path(), ports::<3>(), &[]);
    members[0].run(&["CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)"]);
    let inserts = Inserts::start(&members[0], &[members[1].http, members[2].http], CLIENTS);
    for time in 1..=times {
        inserts.wait_acknowledged(200);
        let (before, sent) = (inserts.acknowledged(), Instant::now());
        let answer = insert(&members[0], rows);
        say(&format!(
            "{rows} rows by one statement, {time} of {times}: {} after {:.1?}, meanwhile {} of one row",
            answer.status,
            sent.elapsed(),
            inserts.acknowledged() - before
        ));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    inserts.wait_acknowledged(200);
    say(&format!("the longest time without a small transaction: {:.1?}", inserts.gap()));
    inserts.finish(&members).report("small transactions", &format!("large={times}"));
    members[1].wait_rows("SELECT count(*) FROM t", &json!([[rows * times]]));
    members[0].wait_log("other nodes are asked to wait");
}

fn insert(node: &Node, rows: u32) -> Answer {
    let insert = format!(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows}) \
         SELECT NULL, 'the name of row ' || i FROM n"
    );
    let body = http::statements(&[&insert], &Value::Null);
    let patience = Duration::from_secs(100);
    http::send_patiently(node.http, "/v1/query", body.as_bytes(), patience).unwrap()
}
