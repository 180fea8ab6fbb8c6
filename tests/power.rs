//! Power losses while numbers are inserted: none that was acknowledged is lost.
//!
//! The database and the log are on an ext4 file system of their own, in a file. It is shut down as
//! a loss of power would (`EXT4_IOC_SHUTDOWN` without flushing its journal: what was not synced
//! is gone), the processes are killed, and everything is mounted and started again.
//!
//! More losses than in the usual run:
//! `cargo test --release --test power -- --ignored --test-threads 1`

mod support;

use std::fs;

use rand::Rng;
use support::cluster::Cluster;
use support::disk::Disk;
use support::inserts::{Inserts, Verdict};
use support::{Node, home};

/// Clients of each node.
const CLIENTS: usize = 4;

/// The log is synced now and then: it loses its end, or all of it, and the database has it.
const UNSYNCED: &[&str] = &["--nats-sync", "2m"];

#[test]
fn a_node_alone_loses_nothing() {
    lose_power(5, &[]);
}

#[test]
#[ignore = "long"]
fn a_node_alone_loses_nothing_in_60_losses() {
    lose_power(60, &[]);
}

#[test]
fn a_node_alone_loses_nothing_though_its_log_does() {
    lose_power(5, UNSYNCED);
}

/// Together they lose less than the node keeps of the log.
#[test]
#[ignore = "long"]
fn a_node_alone_loses_nothing_though_its_log_does_60_times() {
    (0..6).for_each(|_| lose_power(10, UNSYNCED));
}

/// Otherwise this file would prove nothing.
#[test]
fn what_is_not_synced_is_lost() {
    let home = home();
    let Some(mut disk) = Disk::new(home.path()) else { return };
    let [synced, not] = ["synced", "not"].map(|name| disk.path().join(name));
    fs::write(&synced, "kept").unwrap();
    fs::File::open(&synced).unwrap().sync_all().unwrap();
    fs::write(&not, "lost").unwrap();
    disk.lose_power();
    assert!(fs::write(disk.path().join("later"), "lost").is_err());
    disk.mount_again();
    assert_eq!(fs::read_to_string(&synced).unwrap(), "kept");
    assert_ne!(fs::read_to_string(&not).unwrap_or_default(), "lost");
}

fn lose_power(losses_of_power: usize, args: &[&str]) {
    if let Some(verdict) = losses(losses_of_power, args) {
        let faults = format!("{} losses={losses_of_power}", args.join(" "));
        verdict.report("power, a node alone", &faults);
        assert!(verdict.acknowledged >= 10 * losses_of_power);
    }
}

/// Takes the power away again and again; `None` on a machine that does not allow it.
fn losses(count: usize, args: &[&str]) -> Option<Verdict> {
    let home = home();
    let mut disk = Disk::new(home.path())?;
    let database = disk.path().join("alone.db");
    let mut nodes = [Node::start(home.path(), &[args, &[database.to_str().unwrap()]].concat())];
    let inserts = Inserts::start(&nodes[0], &[nodes[0].http], CLIENTS);
    for _ in 0..count {
        inserts.wait_acknowledged(rand::rng().random_range(10..100));
        nodes[0].pause();
        disk.lose_power();
        nodes[0].kill();
        disk.mount_again();
        nodes[0].again();
    }
    inserts.wait_acknowledged(10);
    Some(inserts.finish(&nodes))
}

#[test]
fn three_members_lose_nothing_when_all_lose_power() {
    lose_power_together(2);
}

#[test]
#[ignore = "long"]
fn three_members_lose_nothing_when_all_lose_power_20_times() {
    lose_power_together(20);
}

/// All three are on the same disk.
fn lose_power_together(losses: usize) {
    let home = home();
    let Some(mut disk) = Disk::new(home.path()) else { return };
    let timeout = ["--replication-timeout", "2s"];
    let mut cluster = Cluster::start_on(disk.path(), None, &timeout);
    let inserts = Inserts::start(&cluster.members[0], &cluster.addresses(), CLIENTS);
    for _ in 0..losses {
        inserts.wait_acknowledged(rand::rng().random_range(10..100));
        cluster.members.iter().for_each(Node::pause);
        disk.lose_power();
        cluster.members.iter_mut().for_each(Node::kill);
        disk.mount_again();
        cluster.restart_all();
        cluster.members.iter().for_each(Node::wait_ready);
    }
    inserts.wait_acknowledged(10);
    let verdict = inserts.finish(&cluster.members);
    verdict.report("power, three members", &format!("losses={losses}"));
    assert!(verdict.acknowledged >= 10 * losses);
}
