//! A fourth member joins a running cluster, and one leaves for good.

mod support;

use serde_json::json;
use support::members::{self, ports, write_through};
use support::node::run_to_end;
use support::{Node, home, until};

/// How many servers the cluster has, as a member knows it.
fn size(node: &Node) -> u64 {
    node.get("/v1/status").json()["transport"]["members"]["size"].as_u64().unwrap_or_default()
}

#[test]
fn a_fourth_member_joins_and_one_leaves_for_good() {
    let home = home();
    let ports = ports::<4>();
    let mut members = members::start(home.path(), [ports[0], ports[1], ports[2]], &[]);
    members[0].run(&["CREATE TABLE t(v PRIMARY KEY)"]);
    write_through(&members[0], "of three");

    let fourth = members::launch(home.path(), 3, &ports, &[]);
    fourth.wait_ready();
    fourth.wait_rows("SELECT v FROM t", &json!([["of three"]]));
    write_through(&fourth, "of the fourth");
    members[1].wait_rows("SELECT count(*) FROM t", &json!([[2]]));
    until("four are known", || (size(&fourth) == 4).then_some(()));

    members[0].kill();
    let url = format!("http://{}", fourth.http);
    until("the others have elected", || (fourth.readiness()?.status == 200).then_some(()));
    let (code, out, err) = run_to_end(home.path(), &["cluster", "remove", "n0", "--url", &url]);
    assert!(code == 0 && out.contains("n0 is no member any more"), "{code} {out} {err}");
    assert!(out.contains("done: the log is kept by"), "{out}");
    let (code, _, err) = run_to_end(home.path(), &["cluster", "remove", "n0", "--url", &url]);
    assert!(code == 1 && err.contains("n0"), "{code} {err}");
    until("three are left", || (size(&fourth) == 3).then_some(()));
    let healthy = || (run_to_end(home.path(), &["doctor", "--url", &url]).0 == 0).then_some(());
    until("the doctor has nothing to say", healthy);
    write_through(&members[2], "of three again");

    // Of four without two nobody could write; of three without one the others can.
    members[1].kill();
    write_through(&members[2], "of two");
    write_through(&fourth, "of the other");
    fourth.wait_rows("SELECT count(*) FROM t", &json!([[5]]));
}
