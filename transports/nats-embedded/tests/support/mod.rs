//! Servers of a cluster, all on this machine.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::net::TcpListener;

use ha_nats_embedded::{Cluster, Options, Sync};
use tempfile::TempDir;

/// Three servers that were not started yet, with a store each.
pub(crate) struct Plan {
    pub(crate) stores: [TempDir; 3],
    routes: Vec<String>,
    clients: Vec<u16>,
    sync: Sync,
}

impl Plan {
    pub(crate) fn new(sync: Sync) -> Self {
        let stores = std::array::from_fn(|_| TempDir::new().unwrap());
        let mut ports = free_ports(6);
        let clients = ports.split_off(3);
        let routes = ports.into_iter().map(|port| format!("127.0.0.1:{port}")).collect();
        Self { stores, routes, clients, sync }
    }

    /// The options of one of the servers, the same at each start.
    pub(crate) fn server(&self, index: usize) -> Options {
        let cluster = Cluster {
            name: "test".to_owned(),
            listen: self.routes[index].clone(),
            peers: self.routes.clone(),
            secret: "secret".to_owned(),
        };
        Options {
            port: self.clients[index],
            store_dir: self.stores[index].path().to_owned(),
            server_name: format!("n{index}"),
            sync: self.sync,
            cluster: Some(cluster),
            ..Options::default()
        }
    }

    /// How nodes reach any of the servers.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<_> = self.clients.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        urls.join(",")
    }
}

/// A log of that name, on all three servers.
pub(crate) fn stream(name: &str) -> ha_jetstream::Options {
    ha_jetstream::Options { stream: name.to_owned(), replicas: 3, ..Default::default() }
}

/// Ports that nobody else has; they are known before the servers that take them start.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
