//! Clients that write on several nodes at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use crate::support::{http, until};

/// Between two writes: who writes without one leaves little room for nodes that look first.
const PAUSE: Duration = Duration::from_millis(10);

/// Longer than v0.0.7 waits for its log.
const PATIENCE: Duration = Duration::from_secs(20);

/// One client for each node.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    written: Vec<Arc<AtomicUsize>>,
    clients: Vec<JoinHandle<BTreeSet<i64>>>,
}

impl Writers {
    /// Each client inserts rows with ids of its own into `t(id INTEGER PRIMARY KEY, who TEXT)`,
    /// whatever comes of it.
    pub(crate) fn start(nodes: &[SocketAddr]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let written: Vec<Arc<AtomicUsize>> = nodes.iter().map(|_| Arc::default()).collect();
        let client = |(first, (&node, written)): (i64, (&SocketAddr, &Arc<AtomicUsize>))| {
            let (stop, written) = (Arc::clone(&stop), Arc::clone(written));
            thread::spawn(move || insert(node, first * 1_000_000, &stop, &written))
        };
        let clients = (0..).zip(nodes.iter().zip(&written)).map(client).collect();
        Self { stop, written, clients }
    }

    /// Waits until a client's writes are acknowledged again.
    pub(crate) fn wait_for(&self, client: usize) {
        let written = || self.written[client].load(Ordering::Relaxed);
        let before = written();
        until("writes are acknowledged", || (written() > before + 5).then_some(()));
    }

    /// The rows that were acknowledged, by client.
    pub(crate) fn finish(self) -> Vec<BTreeSet<i64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).collect()
    }
}

fn insert(node: SocketAddr, first: i64, stop: &AtomicBool, written: &AtomicUsize) -> BTreeSet<i64> {
    let mut acknowledged = BTreeSet::new();
    for id in first.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let sql = format!("INSERT INTO t(id, who) VALUES({id}, 'row {id}')");
        let body = json!([{ "sql": sql }]).to_string();
        let answer = http::send_patiently(node, "/", body.as_bytes(), PATIENCE);
        if answer.is_ok_and(|answer| answer.status == 200) {
            acknowledged.insert(id);
            written.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(PAUSE);
    }
    acknowledged
}
