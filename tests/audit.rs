//! A database that was changed behind its node's back is found, and made anew.

mod support;

use rusqlite::Connection;
use serde_json::json;
use support::{Node, PATIENCE, home, until};

#[test]
fn a_file_that_was_changed_by_others_is_found_and_made_anew() {
    let home = home();
    let audits = ["--audit-interval", "2s"];
    let first = Node::start(home.path(), &[&["-n", "a", "a.db"], &audits[..]].concat());
    let join = |name: &str, file: &str| {
        let flags = ["-n", name, file, "--replication-url", first.url()];
        Node::start(home.path(), &[&flags, &audits[..]].concat())
    };
    let others = [join("b", "b.db"), join("c", "c.db")];
    first.run(&["CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "CREATE TABLE other(a)"]);
    first.run(&["INSERT INTO t VALUES(1, 'right')"]);
    others[0].wait_rows("SELECT b FROM t", &json!([["right"]]));

    let file = Connection::open(home.path().join("b.db")).unwrap();
    file.busy_timeout(PATIENCE).unwrap();
    file.execute("UPDATE t SET b = 'wrong'", []).unwrap();
    until("the difference is found", || {
        first.query("INSERT INTO other VALUES(1)");
        others[0].log().contains("the database is not the same as on").then_some(())
    });
    others[0].wait_rows("SELECT b FROM t", &json!([["right"]]));
    others[0].wait_ready();
    let audit = &others[0].get("/v1/status").json()["audit"];
    assert_eq!(audit["equal"], json!(true), "{audit}");
    assert_eq!(first.readiness().unwrap().status, 200);
}
