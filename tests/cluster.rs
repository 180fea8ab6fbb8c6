//! Two nodes under load: no acknowledged write is lost or doubled, and both hold the same.
//!
//! More ends of processes than in the usual run:
//! `cargo test --release --test cluster -- --ignored`

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use support::http::Answer;
use support::load::Load;
use support::report::outcome;
use support::{Node, home, until};
use tempfile::TempDir;

/// The first has the NATS server, the second joins it; both are on disk.
fn cluster(home: &TempDir) -> [Node; 2] {
    let timeout = ["--replication-timeout", "2s"];
    let first = Node::start(home.path(), &[&["-n", "first", "first.db"], &timeout[..]].concat());
    let join = ["-n", "second", "second.db", "--replication-url", first.url()];
    let second = Node::start(home.path(), &[&join, &timeout[..]].concat());
    [first, second]
}

fn both(nodes: &[Node; 2]) -> [&Node; 2] {
    [&nodes[0], &nodes[1]]
}

#[test]
fn writes_on_both_nodes_at_once_are_all_there_once() {
    let home = home();
    let nodes = cluster(&home);
    let report = Load::start(both(&nodes), Some(15)).finish_rounds();
    report.check(both(&nodes));
    assert!(report.written() > 16 * 15, "{}", report.written());
}

/// The checks of this file find what they look for.
#[test]
fn a_lost_or_doubled_write_is_found() {
    let home = home();
    let nodes = cluster(&home);
    let report = Load::start(both(&nodes), Some(3)).finish_rounds();
    report.check(both(&nodes));
    for (damage, repair) in [
        ("DELETE FROM items WHERE id = 1 RETURNING key", "INSERT INTO items VALUES(1, '?')"),
        ("INSERT INTO items SELECT 0, key FROM items LIMIT 1", "DELETE FROM items WHERE id = 0"),
        ("UPDATE names SET owner = owner || '!'", "UPDATE names SET owner = rtrim(owner, '!')"),
        ("UPDATE counter SET n = n - 1", "UPDATE counter SET n = n + 1"),
    ] {
        let shown = nodes[0].run(&[damage]);
        let found = catch_unwind(AssertUnwindSafe(|| report.check(both(&nodes))));
        assert!(found.is_err(), "not found: {damage}");
        let key = shown[0][0].as_str().unwrap_or_default();
        nodes[0].run(&[&repair.replace('?', key)]);
        report.check(both(&nodes));
    }
}

#[test]
fn a_killed_node_loses_and_doubles_nothing() {
    kill_by_turns(&[0, 1, 0]);
}

#[test]
#[ignore = "long"]
fn a_node_killed_ten_times_loses_and_doubles_nothing() {
    kill_by_turns(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
}

/// Kills the nodes of these numbers one after the other while both are written to.
fn kill_by_turns(victims: &[usize]) {
    let home = home();
    let mut nodes = cluster(&home);
    let load = Load::start(both(&nodes), None);
    for &victim in victims {
        load.wait_written(50, &[0, 1]);
        nodes[victim].kill();
        nodes[victim].again();
    }
    load.wait_written(50, &[0, 1]);
    let report = load.finish();
    report.check(both(&nodes));
    assert!(report.interrupted() >= victims.len(), "{} ends", report.interrupted());
}

#[test]
fn a_node_that_hangs_for_a_while_loses_and_doubles_nothing() {
    let home = home();
    let nodes = cluster(&home);
    let load = Load::start(both(&nodes), None);
    load.wait_written(50, &[0, 1]);
    nodes[1].pause();
    load.wait_written(50, &[0]);
    nodes[1].resume();
    load.wait_written(50, &[0, 1]);
    nodes[0].pause();
    until("the other node says so", || nodes[1].readiness().filter(|answer| answer.status == 503));
    nodes[0].resume();
    load.wait_written(50, &[0, 1]);
    load.finish().check(both(&nodes));
}

/// Writes to the second node until an attempt fails; its rows and answers, the failed one last.
fn write_until_it_fails(node: &Node, from: usize) -> Vec<(usize, Answer)> {
    let mut answers = Vec::new();
    while answers.last().is_none_or(|(_, answer): &(usize, Answer)| answer.status == 200) {
        let row = from + answers.len();
        let answer = node.query(&format!("INSERT INTO t VALUES({row})"));
        answers.push((row, answer));
    }
    answers
}

/// Whether an answer means that the row is stored, once everything works again.
fn is_stored(nodes: [&Node; 2], answer: &Answer) -> bool {
    match answer.status {
        200 => true,
        503 => false,
        504 => {
            let name = answer.header("x-ha-transaction").unwrap();
            let [first, second] = nodes.map(|node| outcome(node, name));
            assert_eq!(first, second, "{name}");
            first
        }
        _ => panic!("{answer:?}"),
    }
}

fn stream_comes_back(stop: impl FnOnce(&mut Node), go_on: impl FnOnce(&mut Node)) {
    let home = home();
    let mut nodes = cluster(&home);
    nodes[0].run(&["CREATE TABLE t(a)"]);
    nodes[1].wait_rows("SELECT * FROM t", &json!([]));
    nodes[1].run(&["INSERT INTO t VALUES(0)"]);
    stop(&mut nodes[0]);
    let mut answers = write_until_it_fails(&nodes[1], 1);
    let next = answers.len() + 1;
    answers.extend(write_until_it_fails(&nodes[1], next));
    assert!(nodes[1].run(&["SELECT a FROM t"]).contains(&vec![json!(0)]));
    go_on(&mut nodes[0]);
    until("writes work again", || {
        let row = 1 + answers.len();
        let answer = nodes[1].query(&format!("INSERT INTO t VALUES({row})"));
        let works = answer.status == 200;
        answers.push((row, answer));
        works.then_some(())
    });
    let stored = answers.iter().filter(|(_, answer)| is_stored(both(&nodes), answer));
    let rows: Vec<_> =
        std::iter::once(0).chain(stored.map(|(row, _)| *row)).map(|row| [row]).collect();
    for node in &nodes {
        node.wait_rows("SELECT a FROM t ORDER BY a", &json!(rows));
    }
}

#[test]
fn a_stream_that_hangs_leaves_nothing_in_doubt() {
    stream_comes_back(|node| node.pause(), |node| node.resume());
}

#[test]
fn a_stream_that_is_gone_leaves_nothing_in_doubt() {
    stream_comes_back(Node::kill, Node::again);
}
