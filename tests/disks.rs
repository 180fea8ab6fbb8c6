//! Disks that are full, fail, or stand still: nothing that was acknowledged is lost, whoever writes is
//! told why that fails, and the process lives.

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::cluster::Cluster;
use support::disk::Disk;
use support::inserts::Inserts;
use support::node::run_to_end;
use support::{Node, home, until};

/// Clients of each node.
const CLIENTS: usize = 2;

const ARGS: &[&str] = &["--replication-timeout", "2s"];

/// What a node says of itself while it is not ready.
fn reason(node: &Node) -> Option<String> {
    let answer = node.readiness().filter(|answer| answer.status == 503)?;
    Some(answer.json()["reason"].as_str()?.to_owned())
}

#[test]
fn a_disk_that_fails_is_named_to_clients_and_operators() {
    let home = home();
    let Some(mut disk) = Disk::new(home.path()) else { return };
    let database = disk.path().join("alone.db");
    let mut nodes = [Node::start(home.path(), &[ARGS, &[database.to_str().unwrap()]].concat())];
    let inserts = Inserts::start(&nodes[0], &[nodes[0].http], CLIENTS);
    inserts.wait_acknowledged(50);
    // A sync that is interrupted may return as if it had succeeded: none is under way.
    nodes[0].pause();
    let failed = disk.fail();
    nodes[0].resume();
    if !failed {
        return support::say("skipped: this kernel cannot be asked for an error of a file system");
    }
    // Who meets it first is a matter of chance: the server with a write or a sync of its log, or the
    // database, which only waits.
    let told = |text: &str| {
        let log = ["read-only file system", "input/output error"];
        let log = log.iter().any(|error| text.contains(error)) && text.contains("restart");
        log || text.contains("disk I/O error")
    };
    until("the node says why", || reason(&nodes[0]).filter(|reason| told(reason)));
    until("clients are told why", || {
        Some(nodes[0].query("DELETE FROM inserts WHERE id < 0")).filter(|answer| told(&answer.body))
    });
    nodes[0].run(&["SELECT count(*) FROM inserts"]);
    assert!(nodes[0].terminate().success());
    disk.mount_again();
    nodes[0].again();
    inserts.wait_acknowledged(20);
    inserts.finish(&nodes).report("a disk that fails", "failures=1");
}

#[test]
fn a_disk_that_stands_still_is_named_to_who_waits_and_takes_nothing() {
    let home = home();
    let Some(disk) = Disk::new(home.path()) else { return };
    let database = disk.path().join("alone.db");
    let nodes = [Node::start(home.path(), &[ARGS, &[database.to_str().unwrap()]].concat())];
    let inserts = Inserts::start(&nodes[0], &[nodes[0].http], CLIENTS);
    inserts.wait_acknowledged(20);
    inserts.forget_gap();
    disk.freeze(12);
    // Reads do not wait, unless they need the disk.
    let read = nodes[0].query("SELECT count(*) FROM inserts");
    assert!(read.status == 200 || is_named(&disk, &read.body), "{read:?}");
    until("the node names the disk", || reason(&nodes[0]).filter(|text| is_named(&disk, text)));
    until("clients are told", || {
        let answer = nodes[0].query("DELETE FROM inserts WHERE id < 0");
        (answer.status == 503 && is_named(&disk, &answer.body)).then_some(())
    });
    let status = nodes[0].get("/v1/status").json();
    assert!(is_named(&disk, status["reason"].as_str().unwrap()), "{status}");
    let url = format!("http://{}", nodes[0].http);
    let (code, page, _) = run_to_end(home.path(), &["doctor", "--url", &url]);
    assert!(code == 1 && is_named(&disk, &page), "{code} {page}");
    nodes[0].wait_ready();
    inserts.wait_acknowledged(20);
    // What is told late was acknowledged before.
    assert!(inserts.gap() >= Duration::from_secs(2), "{:?}", inserts.gap());
    inserts.finish(&nodes).report("a disk that stands still", "freezes=1");
}

/// Whether the text says that this disk does not answer.
fn is_named(disk: &Disk, text: &str) -> bool {
    let named = format!("the disk under {}/", disk.path().display());
    text.contains(&named) && text.contains(" has not answered for ")
}

/// The log is elsewhere: the database's disk alone stands still.
#[test]
fn a_database_whose_disk_stands_still_is_told_of_by_its_node() {
    let home = home();
    let Some(disk) = Disk::new(home.path()) else { return };
    let database = disk.path().join("alone.db");
    let store = home.path().join("store");
    let store = ["--nats-store-dir", store.to_str().unwrap(), database.to_str().unwrap()];
    let nodes = [Node::start(home.path(), &[ARGS, &store].concat())];
    let inserts = Inserts::start(&nodes[0], &[nodes[0].http], CLIENTS);
    inserts.wait_acknowledged(20);
    disk.freeze(8);
    until("the node names the disk", || reason(&nodes[0]).filter(|text| is_named(&disk, text)));
    until("clients are told", || {
        let answer = nodes[0].query("DELETE FROM inserts WHERE id < 0");
        (answer.status == 503 && is_named(&disk, &answer.body)).then_some(())
    });
    nodes[0].wait_ready();
    inserts.wait_acknowledged(20);
    inserts.finish(&nodes).report("a database's disk stands still", "freezes=1");
}

#[test]
fn a_member_whose_disk_is_full_goes_on_when_there_is_room() {
    let home = home();
    let Some(disk) = Disk::of_size(home.path(), "n2", 64 << 20) else { return };
    let mut cluster = Cluster::start_on(home.path(), None, ARGS);
    let inserts = Inserts::start(&cluster.members[0], &cluster.addresses(), CLIENTS);
    inserts.wait_acknowledged(50);
    disk.fill();
    let told = |text: &String| text.contains("full") || text.contains("no space left");
    until("the member says why", || reason(&cluster.members[2]).filter(told));
    inserts.wait_acknowledged(100);
    disk.make_room();
    // Its server may have met the end of the disk: it keeps no copy any more until it is restarted.
    let failed =
        inserts.rest_until("the member goes on, or says that it has to be restarted", || {
            match reason(&cluster.members[2]) {
                Some(reason) => reason.contains("restart").then_some(true),
                None => Some(false),
            }
        });
    if failed {
        assert!(cluster.members[2].terminate().success());
        cluster.members[2].restart();
    }
    inserts.rest_until_ready(&cluster.members[2]);
    inserts.wait_acknowledged(50);
    inserts.finish(&cluster.members).report("a member's disk is full", "fills=1");
}

#[test]
fn a_member_whose_disk_stands_still_catches_up() {
    let home = home();
    let Some(disk) = Disk::at(home.path(), "n2") else { return };
    let cluster = Cluster::start_on(home.path(), None, ARGS);
    let inserts = Inserts::start(&cluster.members[0], &cluster.addresses(), CLIENTS);
    inserts.wait_acknowledged(50);
    disk.freeze(5);
    inserts.wait_acknowledged(100);
    until("it has thawed", || fs::write(disk.path().join("thawed"), "").ok());
    cluster.members.iter().for_each(|member| inserts.rest_until_ready(member));
    inserts.wait_acknowledged(50);
    inserts.finish(&cluster.members).report("a member's disk stands still", "freezes=1");
}

/// As if a test failed meanwhile.
#[test]
fn a_disk_that_goes_while_it_stands_still_leaves_nothing() {
    let home = home();
    let Some(disk) = Disk::new(home.path()) else { return };
    disk.freeze(2);
    drop(disk);
    let home = home.path().to_str().unwrap();
    until("no loop device has its image", || {
        let devices = Command::new("losetup").arg("-a").output().unwrap().stdout;
        (!String::from_utf8(devices).unwrap().contains(home)).then_some(())
    });
}
