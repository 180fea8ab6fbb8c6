//! Clients of nodes of both versions that write the same rows at the same moment.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::compare::{self, wait_applied};
use crate::go::GoNode;
use crate::support::contents::assert_same;
use crate::support::{Node, home, http, say, until};

const TABLES: [&str; 5] = [
    "CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, who TEXT)",
    "CREATE TABLE pairs(k INTEGER PRIMARY KEY, v TEXT)",
    "CREATE TABLE counter(n INTEGER)",
    "INSERT INTO counter VALUES(0)",
    "CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT UNIQUE, who TEXT)",
];

/// How long, in seconds.
fn duration() -> Duration {
    let seconds = std::env::var("HA_V007_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

fn statement(who: usize) -> String {
    let (kind, number) = (rand::random_range(0..8), rand::random_range(0..30));
    match kind {
        0 | 1 => format!("INSERT INTO auto(who) VALUES('{who}')"),
        2 => format!("DELETE FROM auto WHERE id = {number}"),
        3 => format!("UPDATE auto SET who = '{who}' WHERE id > {number}"),
        4 => format!("INSERT OR REPLACE INTO pairs VALUES({number}, '{who}')"),
        5 => "UPDATE counter SET n = n + 1".to_owned(),
        6 => format!("INSERT INTO names(name, who) VALUES('{number}', '{who}')"),
        _ => format!("DELETE FROM names WHERE name = '{number}'"),
    }
}

/// How many were acknowledged.
fn write(who: usize, node: SocketAddr, until: Instant) -> usize {
    let mut acknowledged = 0;
    while Instant::now() < until {
        let body = json!([{ "sql": statement(who) }]).to_string();
        let answer = http::send(node, "POST", "/", &[], body.as_bytes());
        acknowledged += usize::from(answer.is_ok_and(|answer| answer.status == 200));
    }
    acknowledged
}

/// What v0.0.7 has differs: it does not apply its own messages in their place, and leaves those that
/// fail for later. The nodes of ours agree on what the log says.
#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn nodes_of_this_version_stay_the_same_whatever_v0_0_7_writes() {
    let home = home();
    let go = [GoNode::start(home.path(), "go1", "go1.db?_journal=WAL")];
    let url = go[0].nats.clone();
    let second = GoNode::join(home.path(), "go2", "go2.db?_journal=WAL", &url);
    let [first] = go;
    let join = |name: &str, more: &[&str]| {
        let file = format!("{name}.db");
        Node::start(
            home.path(),
            &[&["-n", name, "--replication-url", &url], more, &[&file]].concat(),
        )
    };
    let ours = [join("ours1", &["--compat", "v0.0.7"]), join("ours2", &["--compat", "v0.0.7"])];
    first.run(&TABLES);
    second.wait_applied(0);
    ours.iter().for_each(|node| wait_applied(node, &first));
    let end = Instant::now() + duration();
    let nodes = [first.http, second.http, ours[0].http, ours[1].http];
    let counts: Vec<usize> = thread::scope(|scope| {
        let write = |(who, &node)| scope.spawn(move || write(who, node, end));
        let clients: Vec<_> = nodes.iter().enumerate().map(write).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    until("v0.0.7 has got the log", || (first.lag()?.0 == 0 && second.lag()?.0 == 0).then_some(()));
    wait_applied(&ours[0], &first);
    assert_same(&ours[0], &ours[1], "conflicts");
    let status: Value = ours[0].get("/v1/status").json();
    assert_eq!(status["ready"], true, "{status}");
    // One that begins now, and reads all of it.
    assert_same(&ours[0], &join("late", &[]), "a new node");
    say(&format!("acknowledged by node: {counts:?}; skipped: {}", status["skipped"]["count"]));
    for go in [&first, &second] {
        let (here, there) = (compare::contents(&ours[0]), compare::contents(go));
        let only = here.iter().filter(|line| !there.contains(line)).count();
        let poisoned = go.lag().map(|(_, poisoned)| poisoned);
        say(&format!("{}: {only} of {} lines differ, {poisoned:?} poisoned", go.name, here.len()));
    }
}
