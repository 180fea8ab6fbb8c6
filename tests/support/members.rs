//! Nodes whose embedded servers are one cluster.

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use super::{Node, until};

/// Ports that were free a moment ago; the members have to know each other's beforehand.
pub fn ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// Starts the member of that number, which knows the members on these ports, and waits for its
/// log.
pub fn launch(home: &Path, number: usize, ports: &[u16], more: &[&str]) -> Node {
    with(number, ports, |args| Node::launch(home, &[args, more].concat()))
}

/// As [`launch`], but does not wait for the log.
pub fn begin(home: &Path, number: usize, ports: &[u16]) -> Node {
    let free = ["--port", "0", "--pg-port", "any", "--nats-port", "any"];
    with(number, ports, |args| Node::begin(home, &[args, &free].concat()))
}

fn with(number: usize, ports: &[u16], start: impl FnOnce(&[&str]) -> Node) -> Node {
    let peers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (name, file) = (format!("n{number}"), format!("n{number}.db"));
    let (listen, peers) = (&peers[number], peers.join(","));
    let flags = ["--name", &name, "--cluster-listen", listen, "--cluster-peers", &peers];
    start(&[&flags[..], &["--replicas", "3", &file]].concat())
}

/// The first members, ready.
pub fn start<const N: usize>(home: &Path, ports: [u16; N], more: &[&str]) -> Vec<Node> {
    let ports = &ports;
    thread::scope(|scope| {
        let start = |number| {
            scope.spawn(move || {
                let node = launch(home, number, ports, more);
                node.wait_ready();
                node
            })
        };
        let starting: Vec<_> = (0..N).map(start).collect();
        starting.into_iter().map(|member| member.join().unwrap()).collect()
    })
}

/// Three members, ready.
pub fn three(home: &Path) -> Vec<Node> {
    start(home, ports::<3>(), &[])
}

/// Writes until it is acknowledged; a try whose outcome is unknown may have done it.
pub fn write_through(node: &Node, value: &str) {
    until("a write is acknowledged", || {
        let insert = format!("INSERT OR IGNORE INTO t VALUES('{value}')");
        (node.query(&insert).status == 200).then_some(())
    });
}
