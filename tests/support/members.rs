//! Three nodes that need nothing else.

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use super::Node;

/// Three processes whose NATS servers are one cluster that keeps the log three times.
pub fn three(home: &Path) -> Vec<Node> {
    let ports = ports();
    thread::scope(|scope| {
        let starting = [0, 1, 2].map(|number| scope.spawn(move || member(home, number, ports)));
        starting.into_iter().map(|member| member.join().unwrap()).collect()
    })
}

/// Ports that were free a moment ago; the members have to know each other's beforehand.
fn ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

fn member(home: &Path, number: usize, ports: [u16; 3]) -> Node {
    let peers = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let listen = format!("127.0.0.1:{}", ports[number]);
    let (name, file) = (format!("n{number}"), format!("n{number}.db"));
    let args = [
        "--name",
        &name,
        "--cluster-listen",
        &listen,
        "--cluster-peers",
        &peers,
        "--replicas",
        "3",
        &file,
    ];
    Node::start(home, &args)
}
