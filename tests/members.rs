//! Three processes with nothing else beside them are one cluster: any of them may die.

mod support;

use serde_json::json;
use support::home;
use support::members::{self, ports, write_through};

#[test]
fn three_nodes_outlive_each_of_them() {
    let home = home();
    let mut members = members::start(home.path(), ports::<3>(), &[]);
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
