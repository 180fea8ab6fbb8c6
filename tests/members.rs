//! Three processes with nothing else beside them are one cluster: any of them may die.

mod support;

use serde_json::json;
use support::members::three;
use support::{Node, home, until};

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
    let mut members = three(home.path());
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
