//! Three members whose NATS servers are one cluster.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use super::members;
use super::network::Network;
use super::{Node, home, say};

/// Three nodes with three copies of the log, killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    pub members: Vec<Node>,
    /// How they reach each other, if that can be cut.
    pub network: Option<Network>,
    /// What its files are in, if it was made for it.
    home: Option<TempDir>,
}

impl Cluster {
    /// Starts the members with additional arguments and waits until they are ready.
    pub fn start(network: Option<Network>, args: &[&str]) -> Self {
        let home = home();
        let mut cluster = Self::start_on(home.path(), network, args);
        cluster.home = Some(home);
        cluster
    }

    /// As [`Self::start`], with all files in a directory.
    pub fn start_on(home: &Path, network: Option<Network>, args: &[&str]) -> Self {
        let members = Self::launch(network.as_ref(), home, args);
        members.iter().for_each(Node::wait_ready);
        Self { members, network, home: None }
    }

    fn launch(network: Option<&Network>, home: &Path, args: &[&str]) -> Vec<Node> {
        let addresses = match network {
            None => members::ports::<3>().map(|port| format!("127.0.0.1:{port}")),
            Some(network) => [0, 1, 2].map(|member| network.peer_address(member) + ":6222"),
        };
        let peers = addresses.join(",");
        thread::scope(|scope| {
            let start = |member: usize| {
                let (listen, peers) = (&addresses[member], &peers);
                scope.spawn(move || launch(network, home, member, listen, peers, args))
            };
            let starting = [0, 1, 2].map(start);
            starting.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    /// Kills all members at once and starts them again.
    pub fn kill_all(&mut self) {
        self.members.iter_mut().for_each(Node::kill);
        self.restart_all();
    }

    /// Starts all members again, which have ended. One alone would wait for a second.
    pub fn restart_all(&mut self) {
        thread::scope(|scope| {
            for member in &mut self.members {
                scope.spawn(|| member.restart());
            }
        });
    }

    /// The HTTP addresses.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.http).collect()
    }
}

fn launch(
    network: Option<&Network>,
    home: &Path,
    member: usize,
    listen: &str,
    peers: &str,
    args: &[&str],
) -> Node {
    let (name, file) = (format!("n{member}"), format!("n{member}.db"));
    let mut all = vec!["--name", &name, "--replicas", "3", "--cluster-secret", "test"];
    all.extend(["--cluster-listen", listen, "--cluster-peers", peers]);
    let host = network.map(|network| network.client_address(member));
    if let Some(host) = &host {
        all.extend(["--host", host, "--insecure"]);
    }
    all.extend(args);
    all.push(&file);
    Node::launch_in(network.map(|network| network.namespace(member)), home, &all)
}

impl Drop for Cluster {
    /// What explains a failure stays.
    fn drop(&mut self) {
        if let Some(mut home) = self.home.take().filter(|_| thread::panicking()) {
            home.disable_cleanup(true);
            say(&format!("files and logs of the members are in {}", home.path().display()));
        }
    }
}
