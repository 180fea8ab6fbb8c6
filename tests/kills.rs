//! Unique inserts while processes are killed: none that was acknowledged is lost, none is doubled.
//!
//! More ends of processes than in the usual run, and how long nobody could write:
//! `cargo test --release --test kills -- --ignored --test-threads 1`

mod support;

use rand::Rng;
use support::cluster::Cluster;
use support::inserts::Inserts;
use support::{Node, home, say};

/// Clients of each node.
const CLIENTS: usize = 4;

#[test]
fn a_node_alone_loses_nothing() {
    kill_alone(6);
}

#[test]
#[ignore = "long"]
fn a_node_alone_loses_nothing_in_60_kills() {
    kill_alone(60);
}

/// Kills a node with its own log again and again.
fn kill_alone(kills: usize) {
    let home = home();
    let mut nodes = [Node::start(home.path(), &["alone.db"])];
    let inserts = Inserts::start(&nodes[0], &[nodes[0].http], CLIENTS);
    for _ in 0..kills {
        inserts.wait_acknowledged(rand::rng().random_range(1..60));
        nodes[0].kill();
        nodes[0].again();
    }
    inserts.wait_acknowledged(20);
    let verdict = inserts.finish(&nodes);
    verdict.report("a node alone", &format!("kills={kills}"));
    assert!(verdict.acknowledged >= kills && verdict.unknown + verdict.refused >= kills);
}

#[test]
fn three_members_lose_nothing() {
    kill_members(4);
}

#[test]
#[ignore = "long"]
fn three_members_lose_nothing_in_40_kills() {
    kill_members(40);
}

/// Kills one member of three after the other, and every fourth time all of them at once.
fn kill_members(kills: usize) {
    let mut cluster = Cluster::start(None, &["--replication-timeout", "2s"]);
    let inserts = Inserts::start(&cluster.members[0], &cluster.addresses(), CLIENTS);
    for round in 0..kills {
        inserts.wait_acknowledged(rand::rng().random_range(1..60));
        if round % 4 == 3 {
            cluster.kill_all();
        } else {
            let victim = &mut cluster.members[round % 3];
            victim.kill();
            inserts.wait_acknowledged(10);
            victim.restart();
        }
        cluster.members.iter().for_each(Node::wait_ready);
    }
    inserts.wait_acknowledged(20);
    while inserts.acknowledged() < 20 * kills {
        inserts.wait_acknowledged(20);
    }
    let verdict = inserts.finish(&cluster.members);
    let faults = format!("kills={} of all={}", kills - kills / 4, kills / 4);
    verdict.report("three members", &faults);
    assert!(verdict.acknowledged >= 20 * kills && verdict.unknown + verdict.refused >= kills);
}

/// Prints for how long nobody could write. Each way is tried on each member, one of which leads
/// the log.
#[test]
#[ignore = "long"]
fn how_long_nobody_can_write() {
    let mut cluster = Cluster::start(None, &[]);
    let inserts = Inserts::start(&cluster.members[0], &cluster.addresses(), CLIENTS);
    for (fault, begin, end) in FAULTS {
        let mut gaps = Vec::new();
        for victim in [0, 1, 2, 0, 1, 2] {
            inserts.wait_acknowledged(50);
            inserts.forget_gap();
            begin(&mut cluster.members[victim]);
            inserts.wait_acknowledged(50);
            gaps.push(inserts.gap().as_millis());
            end(&mut cluster.members[victim]);
            cluster.members[victim].wait_ready();
        }
        say(&format!(
            "nobody can write after {fault} of each of three members, twice: {gaps:?} ms"
        ));
    }
    inserts.finish(&cluster.members).report("availability", "faults=18");
}

type Action = fn(&mut Node);

/// A name, how it begins and how it ends.
const FAULTS: [(&str, Action, Action); 3] = [
    ("a kill", Node::kill, Node::restart),
    ("a planned stop", |node| _ = node.terminate(), Node::restart),
    ("a pause", |node| node.pause(), |node| node.resume()),
];
