//! Servers of a cluster, all on this machine.
#![allow(dead_code, reason = "not every test uses all of it")]

pub(crate) mod processes;
pub(crate) mod writer;

use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use ha_nats_embedded::{Cluster, Options, Sync};
use tempfile::TempDir;

/// The log of the tests that have one.
pub(crate) const LOG: &str = "log";

/// What three servers need that were not started yet.
pub(crate) struct Plan {
    /// Has a store for each.
    root: PathBuf,
    /// Where they listen for each other, and for clients.
    routes: Vec<String>,
    clients: Vec<String>,
    sync: Sync,
    /// Removes the root, if this plan made it.
    _made: Option<TempDir>,
}

impl Plan {
    pub(crate) fn new(sync: Sync) -> Self {
        let made = TempDir::new().unwrap();
        let mut routes = free_addresses(6);
        let clients = routes.split_off(3);
        Self { root: made.path().to_owned(), routes, clients, sync, _made: Some(made) }
    }

    /// The options of one of the servers, the same at each start.
    pub(crate) fn server(&self, index: usize) -> Options {
        let cluster = Cluster {
            name: "test".to_owned(),
            listen: self.routes[index].clone(),
            peers: self.routes.clone(),
            secret: "secret".to_owned(),
        };
        let (host, port) = self.clients[index].split_once(':').unwrap();
        Options {
            host: host.to_owned(),
            port: port.parse().unwrap(),
            store_dir: self.root.join(index.to_string()),
            server_name: format!("n{index}"),
            sync: self.sync,
            cluster: Some(cluster),
            ..Options::default()
        }
    }

    /// Where clients reach a server.
    pub(crate) fn client(&self, index: usize) -> String {
        self.clients[index].clone()
    }

    /// Where clients reach any of the servers.
    pub(crate) fn url(&self) -> String {
        self.clients.join(",")
    }

    /// The plan for another process.
    pub(crate) fn to_env(&self) -> [(&'static str, String); 3] {
        let root = self.root.to_str().unwrap().to_owned();
        [
            ("HA_TEST_ROOT", root),
            ("HA_TEST_ROUTES", self.routes.join(",")),
            ("HA_TEST_CLIENTS", self.clients.join(",")),
        ]
    }

    /// The plan of the process that started this one, with stores that sync.
    pub(crate) fn from_env() -> Self {
        let value = |name| std::env::var(name).unwrap();
        let list = |name| value(name).split(',').map(str::to_owned).collect();
        let (routes, clients) = (list("HA_TEST_ROUTES"), list("HA_TEST_CLIENTS"));
        let root = value("HA_TEST_ROOT").into();
        Self { root, routes, clients, sync: Sync::Always, _made: None }
    }
}

/// A log of that name, on all three servers.
pub(crate) fn stream(name: &str) -> ha_jetstream::Options {
    ha_jetstream::Options { stream: name.to_owned(), replicas: 3, ..Default::default() }
}

/// The index of the server that leads the log, once one does, and how many replicas the log
/// has.
pub(crate) async fn leader(url: &str) -> (usize, usize) {
    let servers: Vec<_> = url.split(',').collect();
    let client = async_nats::connect(servers).await.unwrap();
    let context = async_nats::jetstream::new(client);
    loop {
        let Ok(stream) = context.get_stream(LOG).await else { continue };
        let info = stream.cached_info();
        if let Some(leader) = info.cluster.as_ref().and_then(|cluster| cluster.leader.as_ref()) {
            return (leader[1..].parse().unwrap(), info.config.num_replicas);
        }
    }
}

/// Addresses that are known before the servers that take them start. Nothing else of this machine
/// listens or connects from there, so that they stay free while the servers are down.
fn free_addresses(count: usize) -> Vec<String> {
    static PLANS: AtomicU8 = AtomicU8::new(1);
    let host = [127, 0, 48, PLANS.fetch_add(1, Ordering::Relaxed)];
    let free = || TcpListener::bind((IpAddr::from(host), 0)).unwrap();
    let listeners: Vec<_> = (0..count).map(|_| free()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
}
