//! Three processes with nothing else beside them are one cluster: any of them may die.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use serde_json::json;
use support::{Node, home, until};

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

/// Writes until it is acknowledged; a try whose outcome is unknown may have done it.
fn write_through(node: &Node, value: &str) {
    until("a write is acknowledged", || {
        let insert = format!("INSERT OR IGNORE INTO t VALUES('{value}')");
        (node.query(&insert).status == 200).then_some(())
    });
}

#[test]
fn three_nodes_outlive_each_of_them() {
    let home = home();
    let ports = ports();
    let mut members: Vec<Node> = thread::scope(|scope| {
        let starting = [0, 1, 2].map(|number| {
            let home = home.path();
            scope.spawn(move || member(home, number, ports))
        });
        starting.into_iter().map(|member| member.join().unwrap()).collect()
    });
    members[0].run(&["CREATE TABLE t(v PRIMARY KEY)"]);
    let mut written = Vec::new();
    for victim in 0..3 {
        members[victim].kill();
        for other in (0..3).filter(|other| *other != victim) {
            let value = format!("{other} while {victim} is dead");
            write_through(&members[other], &value);
            written.push(value);
        }
        members[victim].again();
        let value = format!("{victim} is back");
        write_through(&members[victim], &value);
        written.push(value);
    }
    written.sort();
    let rows = written.iter().map(|value| json!([value])).collect();
    for member in &members {
        member.wait_rows("SELECT v FROM t ORDER BY v", &rows);
    }
}
