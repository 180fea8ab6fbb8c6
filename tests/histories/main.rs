//! What clients of three members see while these are killed, paused and cut off is strictly
//! serializable: lists that are appended to and read, transfers between accounts.
//!
//! For longer, with as many seconds as wanted:
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
mod pg;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use faults::Faults;
use support::cluster::Cluster;
use support::network::Network;
use support::{Node, say};

/// When clients end, and what they have done.
#[derive(Debug, Default)]
struct Work {
    stop: AtomicBool,
    lists: connection::Counts,
    bank: connection::Counts,
}

#[test]
fn histories_with_faults_are_strictly_serializable() {
    run(Duration::from_secs(30), 2_000, 3);
}

#[test]
#[ignore = "long"]
fn long_histories_with_faults_are_strictly_serializable() {
    let seconds = std::env::var("HISTORY_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds = seconds.unwrap_or(600);
    run(Duration::from_secs(seconds), 20 * usize::try_from(seconds).unwrap(), seconds / 60);
}

/// Clients work for `time` and until there were `operations` and `faults` of each kind.
fn run(time: Duration, operations: usize, faults: u64) {
    let mut cluster = Cluster::start(
        Network::new(),
        &[
            "--replication-timeout",
            "3s",
            "--log",
            "info,ha_trace=debug,ha_jetstream=debug,nats=debug",
        ],
    );
    lists::create(&cluster.members[0]);
    bank::create(&cluster.members[0]);
    let work = Arc::new(Work::default());
    let (lists, bank) = (lists::Lists::default(), bank::Bank::default());
    let clients = start_clients(&cluster, &work, &lists, &bank);
    let begin = Instant::now();
    let mut injected = Faults::default();
    while begin.elapsed() < time
        || !injected.reached(faults, &cluster)
        || work.lists.all() < operations
    {
        injected.next(&mut cluster, &work);
    }
    work.stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let seconds = begin.elapsed().as_secs();
    cluster.members.iter().for_each(Node::wait_ready);
    let history = lists.finish(&cluster);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lists.jsonl");
    std::fs::write(&path, history.to_json_lines()).unwrap();
    let anomalies = ha_checker::append::check(&history).unwrap();
    say(&format!("histories: {seconds} s, {injected}"));
    say(&format!("lists: {} anomalies={} {}", work.lists, anomalies.len(), lists.resolved()));
    let in_bank = bank.check(&cluster);
    say(&format!("bank: {} anomalies={}", work.bank, in_bank.len()));
    assert!(anomalies.is_empty(), "{path:?}: {:#?}", &anomalies[..anomalies.len().min(20)]);
    assert!(in_bank.is_empty(), "{in_bank:#?}");
    assert!(work.bank.ok() > operations / 20);
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
