//! Members whose NATS servers are one cluster, most often three.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::contents::assert_same;
use super::members;
use super::network::Network;
use super::{Node, home, say, until};

/// Nodes with a copy of the log each, killed when it is dropped.
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
        let addresses = match &network {
            None => members::ports::<3>().map(|port| format!("127.0.0.1:{port}")),
            Some(network) => [0, 1, 2].map(|member| network.peer_address(member) + ":6222"),
        };
        Self::launch(network, home, &addresses, args)
    }

    /// As [`Self::start_on`], of as many members as wanted.
    pub fn of<const N: usize>(home: &Path, args: &[&str]) -> Self {
        let addresses = members::ports::<N>().map(|port| format!("127.0.0.1:{port}"));
        Self::launch(None, home, &addresses, args)
    }

    fn launch(network: Option<Network>, home: &Path, addresses: &[String], args: &[&str]) -> Self {
        let reached = network.as_ref();
        let members: Vec<Node> = thread::scope(|scope| {
            let start =
                |number| scope.spawn(move || launch(reached, home, number, addresses, args));
            let starting: Vec<_> = (0..addresses.len()).map(start).collect();
            starting.into_iter().map(|one| one.join().unwrap()).collect()
        });
        members.iter().for_each(Node::wait_ready);
        Self { members, network, home: None }
    }

    /// Kills all members at once and starts them again.
    pub fn kill_all(&mut self) {
        self.members.iter_mut().for_each(Node::kill);
        self.restart_all();
    }

    /// Starts all members again, which have ended. One alone would wait for a second.
    pub fn restart_all(&mut self) {
        self.restart(|_| true);
    }

    /// Starts those members again that are wanted, which have ended.
    pub fn restart(&mut self, wanted: impl Fn(usize) -> bool) {
        thread::scope(|scope| {
            let members = self.members.iter_mut().enumerate();
            for (_, member) in members.filter(|(number, _)| wanted(*number)) {
                scope.spawn(|| member.restart());
            }
        });
    }

    /// Waits until somebody tells which member leads the log.
    pub fn leader(&self) -> usize {
        until("the log has a leader", || {
            let status = self.members.iter().map(|member| member.get("/v1/status").json());
            let leader = |status: Value| status["transport"]["copies"][0]["server"].clone();
            let leader = status.map(leader).find_map(|name| name.as_str().map(str::to_owned))?;
            leader.strip_prefix('n')?.parse().ok()
        })
    }

    /// Waits until all members are ready, stand at the same position and hold the same.
    pub fn assert_same(&self, what: &str) {
        self.members.iter().for_each(Node::wait_ready);
        for member in &self.members[1..] {
            assert_same(&self.members[0], member, what);
        }
    }

    /// The HTTP addresses.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.http).collect()
    }
}

/// Starts a member, whose files are in a directory of its own: `home/n0` and so on.
fn launch(
    network: Option<&Network>,
    home: &Path,
    member: usize,
    addresses: &[String],
    args: &[&str],
) -> Node {
    let (name, file) = (format!("n{member}"), format!("n{member}/n{member}.db"));
    fs::create_dir_all(home.join(&name)).unwrap();
    let (replicas, peers) = (addresses.len().to_string(), addresses.join(","));
    let mut all = vec!["--name", &name, "--replicas", &replicas, "--cluster-secret", "test"];
    all.extend(["--cluster-listen", &addresses[member], "--cluster-peers", &peers]);
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
