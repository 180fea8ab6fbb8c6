//! Three servers as one cluster.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ha_core::{AppendError, AttemptId, ChangeTransport, Draft, Error, Seq};
use ha_jetstream::JetStream;
use ha_nats_embedded::{Embedded, Options, Server, Sync};
use support::{Plan, stream};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const LOG: &str = "log";

fn open(options: Options) -> JoinHandle<Arc<Embedded>> {
    tokio::spawn(async move { Embedded::open(options, stream(LOG)).await.unwrap() })
}

/// The server that leads the log, if one does, and how many replicas the log has.
async fn leader(url: &str) -> (Option<String>, usize) {
    let client = async_nats::connect(url.to_owned()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    loop {
        if let Ok(stream) = context.get_stream(LOG).await {
            let info = stream.cached_info();
            let leader = info.cluster.as_ref().and_then(|cluster| cluster.leader.clone());
            return (leader, info.config.num_replicas);
        }
    }
}

/// Appends entries one after the other, whatever happens to the servers, as a node does: what
/// is not acknowledged is settled by reading, and sent again while nothing took its place.
struct Writer {
    node: Arc<JetStream>,
    boot: u64,
    counter: u64,
    last: Seq,
    /// What was acknowledged, and where.
    acknowledged: Vec<(Seq, Bytes)>,
    longest_pause: Duration,
    unknown: usize,
}

impl Writer {
    async fn new(url: &str, boot: u64) -> Self {
        let options = ha_jetstream::Options {
            url: url.to_owned(),
            timeout: Duration::from_millis(1500),
            ..stream(LOG)
        };
        let node = JetStream::connect_when_ready(options).await.unwrap();
        let (acknowledged, longest_pause) = (Vec::new(), Duration::ZERO);
        Self { node, boot, counter: 0, last: Seq(0), acknowledged, longest_pause, unknown: 0 }
    }

    /// Appends until `enough` says so.
    async fn write_until(&mut self, enough: impl Fn(usize) -> bool) {
        let mut before = Instant::now();
        while !enough(self.acknowledged.len()) {
            self.counter += 1;
            let payload = Bytes::from(format!("{}/{}", self.boot, self.counter));
            if self.write(payload.clone()).await {
                self.acknowledged.push((self.last, payload));
                self.longest_pause = self.longest_pause.max(before.elapsed());
                before = Instant::now();
            }
        }
    }

    /// Whether the entry was stored, after the last one; else another is there.
    async fn write(&mut self, payload: Bytes) -> bool {
        let attempt = AttemptId { boot: self.boot, counter: self.counter };
        loop {
            let (expect, parts) = (Some(self.last), vec![payload.clone()]);
            match self.node.append(Draft { expect, attempt, parts }).await {
                Ok(appended) => {
                    self.last = appended.last;
                    return true;
                }
                Err(AppendError::NotSent { .. }) => tokio::task::yield_now().await,
                Err(error @ (AppendError::Refused { .. } | AppendError::Unknown { .. })) => {
                    self.unknown += usize::from(matches!(error, AppendError::Unknown { .. }));
                    if let Ok(Some(stored)) = self.node.read(self.last.next()).await {
                        self.last = stored.seq;
                        return stored.payload == payload;
                    }
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    /// Everything that was acknowledged is where it was acknowledged.
    async fn check(&self, node: &dyn ChangeTransport) {
        for (seq, payload) in &self.acknowledged {
            let stored = node.read(*seq).await.unwrap().unwrap();
            assert_eq!(stored.payload, payload, "at {seq}");
        }
    }

    #[expect(clippy::print_stderr, reason = "a measure for people; nothing is asserted")]
    fn report(&self, event: &str) {
        let (count, pause) = (self.acknowledged.len(), self.longest_pause);
        eprintln!("{event}: {count} entries, longest pause {pause:?}, {} unknown", self.unknown);
    }
}

fn entry(expect: u64, counter: u64) -> Draft {
    let attempt = AttemptId { boot: 1, counter };
    Draft { expect: Some(Seq(expect)), attempt, parts: vec![Bytes::from_static(b"entry")] }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_become_a_cluster_in_any_order_and_may_be_restarted() {
    let plan = Plan::new(Sync::Always);
    let third = open(plan.server(2));
    // Alone it waits, and is free to be given up.
    let alone = Plan::new(Sync::Always);
    let given_up = Embedded::open(alone.server(0), stream(LOG));
    assert!(tokio::time::timeout(Duration::from_secs(3), given_up).await.is_err());
    assert!(!third.is_finished());
    let first = open(plan.server(0)).await.unwrap();
    let third = third.await.unwrap();
    assert!(first.capabilities().synced);
    first.append(entry(0, 1)).await.unwrap();
    third.append(entry(1, 2)).await.unwrap();
    let second = open(plan.server(1)).await.unwrap();
    assert_eq!(second.bounds().await.unwrap(), first.bounds().await.unwrap());
    assert_eq!(leader(first.server().client_url()).await.1, 3);
    for index in 0..3 {
        let nodes = [&first, &second, &third];
        let (stopped, other) = (nodes[index], nodes[(index + 1) % 3]);
        stopped.server().shutdown();
        let mut writer = Writer::new(other.server().client_url(), 10 + index as u64).await;
        writer.last = other.bounds().await.unwrap().last;
        writer.write_until(|count| count >= 5).await;
        let again = Server::start(plan.server(index)).unwrap();
        let back = Writer::new(again.client_url(), 0).await;
        writer.check(&*back.node).await;
        // The node goes on with the server that took the place of its own.
        std::mem::forget(again);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_stop_of_the_leader_loses_nothing() {
    let plan = Plan::new(Sync::Always);
    let servers: Vec<_> = (0..3).map(|n| Server::start(plan.server(n)).unwrap()).collect();
    let mut writer = Writer::new(servers[0].client_url(), 1).await;
    writer.write_until(|count| count >= 50).await;
    let (leader, replicas) = leader(servers[0].client_url()).await;
    assert_eq!(replicas, 3);
    let leader = servers.iter().position(|s| Some(s.name()) == leader.as_deref()).unwrap();
    let stays = (leader + 1) % 3;
    let mut writer = Writer::new(servers[stays].client_url(), 2).await;
    writer.last = Seq(50);
    let stopped = AtomicBool::new(false);
    let stop = async {
        tokio::task::block_in_place(|| servers[leader].shutdown());
        stopped.store(true, Ordering::Relaxed);
    };
    futures::join!(writer.write_until(|count| stopped.load(Ordering::Relaxed) && count > 100), stop);
    writer.report("the leader was stopped");
    let check = Writer::new(servers[(leader + 2) % 3].client_url(), 3).await;
    writer.check(&*check.node).await;
}
