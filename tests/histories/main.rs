//! What clients of three members see while these are killed, paused, cut off and lose power is
//! strictly serializable: lists that are appended to and read, transfers between accounts. No
//! insert that was acknowledged is lost, none is doubled, and at the end all members are the same.
//!
//! For longer, with as many seconds as wanted, each:
//! `HISTORY_SECONDS=600 cargo test --release --test histories -- --ignored --test-threads 1`
//!
//! The history is left in `target/tmp/lists.jsonl`, in a form that other checkers read:
//! `adya check -m list-append -c strict-serializable target/tmp/lists.jsonl`.

#[path = "../support/mod.rs"]
mod support;

mod bank;
mod connection;
mod faults;
mod http;
mod lists;
mod majorities;
mod partitions;
mod pg;
mod power;

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use faults::Faults;
use majorities::Majorities;
use partitions::Partitions;
use power::PowerLosses;
use support::cluster::Cluster;
use support::disk::Disk;
use support::inserts::Inserts;
use support::network::Network;
use support::{Node, home, say, until};

/// When clients end, and what they have done.
#[derive(Debug, Default)]
struct Work {
    stop: AtomicBool,
    lists: connection::Counts,
    bank: connection::Counts,
}

/// What goes wrong, one after the other; its text tells how often each kind was injected.
trait Nemesis: Display {
    /// Breaks something, repairs it, and waits until all members are ready.
    fn next(&mut self, cluster: &mut Cluster, work: &Work);

    /// Whether there were enough of each kind that this machine allows.
    fn reached(&self, count: u64, cluster: &Cluster) -> bool;
}

/// How long clients work at least, how much they do, and how often each fault is injected.
#[derive(Debug, Clone, Copy)]
struct Extent {
    time: Duration,
    operations: usize,
    faults: u64,
}

/// One fault of any kind.
const SHORT: Extent = Extent { time: Duration::ZERO, operations: 100, faults: 0 };

/// Members say soon that they do not know.
const ARGS: &[&str] =
    &["--replication-timeout", "3s", "--log", "info,ha_trace=debug,ha_jetstream=debug,nats=debug"];

#[test]
fn histories_with_faults_are_strictly_serializable() {
    let extent = Extent { time: Duration::from_secs(30), operations: 2_000, faults: 3 };
    run("faults", Cluster::start(Network::new(), ARGS), Faults::default(), extent);
}

#[test]
#[ignore = "long"]
fn long_histories_with_faults_are_strictly_serializable() {
    run("faults", Cluster::start(Network::new(), ARGS), Faults::default(), long(60));
}

#[test]
fn histories_with_partitions_are_strictly_serializable() {
    partitions(SHORT);
}

#[test]
#[ignore = "long"]
fn long_histories_with_partitions_are_strictly_serializable() {
    partitions(long(120));
}

fn partitions(extent: Extent) {
    let Some(network) = Network::new() else { return };
    run("partitions", Cluster::start(Some(network), ARGS), Partitions::new(), extent);
}

#[test]
fn histories_with_losses_of_power_are_strictly_serializable() {
    lose_power(SHORT);
}

#[test]
#[ignore = "long"]
fn long_histories_with_losses_of_power_are_strictly_serializable() {
    lose_power(long(60));
}

fn lose_power(extent: Extent) {
    let home = home();
    let Some(disks) = disks::<3>(home.path()) else { return };
    run("power", Cluster::start_on(home.path(), None, ARGS), PowerLosses::new(disks), extent);
}

#[test]
fn histories_over_majorities_that_change_are_strictly_serializable() {
    change_majorities::<3>(SHORT);
}

#[test]
#[ignore = "long"]
fn long_histories_over_majorities_that_change_are_strictly_serializable() {
    change_majorities::<3>(long(60));
    change_majorities::<5>(long(60));
}

fn change_majorities<const N: usize>(extent: Extent) {
    let home = home();
    let Some(disks) = disks::<N>(home.path()) else { return };
    let cluster = Cluster::of::<N>(home.path(), ARGS);
    run(&format!("majorities of {N}"), cluster, Majorities::new(disks), extent);
}

/// As long as the environment says, with each kind of fault once in `each` seconds.
fn long(each: u64) -> Extent {
    let seconds = std::env::var("HISTORY_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(600);
    let operations = 5 * usize::try_from(seconds).unwrap();
    Extent { time: Duration::from_secs(seconds), operations, faults: seconds / each }
}

/// A disk for each member's files, at `home/n0` and so on; `None` on a machine without.
fn disks<const N: usize>(home: &Path) -> Option<Vec<Disk>> {
    (0..N).map(|member| Disk::at(home, &format!("n{member}"))).collect()
}

/// Clients work on the cluster, in which the nemesis breaks what it can.
fn run(name: &str, mut cluster: Cluster, mut nemesis: impl Nemesis, extent: Extent) {
    lists::create(&cluster.members[0]);
    bank::create(&cluster.members[0]);
    let work = Arc::new(Work::default());
    let (lists, bank) = (lists::Lists::default(), bank::Bank::default());
    let inserts = Inserts::start(&cluster.members[0], &cluster.addresses(), 1);
    let clients = start_clients(&cluster, &work, &lists, &bank);
    let begin = Instant::now();
    loop {
        nemesis.next(&mut cluster, &work);
        let enough = work.lists.all() >= extent.operations;
        if enough && begin.elapsed() >= extent.time && nemesis.reached(extent.faults, &cluster) {
            break;
        }
    }
    let transfers = extent.operations / 20;
    until("the bank has done enough", || (work.bank.ok() > transfers).then_some(()));
    work.stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let seconds = begin.elapsed().as_secs();
    cluster.members.iter().for_each(Node::wait_ready);
    let history = lists.finish(&cluster);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lists.jsonl");
    std::fs::write(&path, history.to_json_lines()).unwrap();
    let anomalies = ha_checker::append::check(&history).unwrap();
    say(&format!("histories with {name}: {seconds} s, {nemesis}"));
    say(&format!("lists: {} anomalies={} {}", work.lists, anomalies.len(), lists.resolved()));
    let in_bank = bank.check(&cluster);
    say(&format!("bank: {} anomalies={}", work.bank, in_bank.len()));
    assert!(anomalies.is_empty(), "{path:?}: {:#?}", &anomalies[..anomalies.len().min(20)]);
    assert!(in_bank.is_empty(), "{in_bank:#?}");
    assert!(work.bank.ok() > transfers);
    inserts.finish(&cluster.members).report("inserts", &format!("with {name}"));
    cluster.assert_same("all faults");
}

/// Waits until clients have done so many operations more.
fn progress(work: &Work, count: usize) {
    let goal = work.lists.ok() + count;
    until(&format!("{count} operations succeed"), || {
        assert!(!work.stop.load(Ordering::Relaxed));
        (work.lists.ok() >= goal).then_some(())
    });
}

/// For each member three clients of the lists and two of the bank, over both protocols.
fn start_clients(
    cluster: &Cluster,
    work: &Arc<Work>,
    lists: &lists::Lists,
    bank: &bank::Bank,
) -> Vec<thread::JoinHandle<()>> {
    let mut clients = Vec::new();
    for member in &cluster.members {
        let (http, pg) = (member.http, member.pg);
        for client in 0..5 {
            let (work, lists, bank) = (Arc::clone(work), lists.clone(), bank.clone());
            clients.push(thread::spawn(move || match client {
                0 | 1 => lists.work(&work, http::Http::new(http)),
                2 => lists.work(&work, pg::Pg::new(pg)),
                3 => bank.work(&work, http::Http::new(http)),
                _ => bank.work(&work, pg::Pg::new(pg)),
            }));
        }
    }
    clients
}
