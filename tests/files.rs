//! Which database files a node accepts beside which log, and what becomes of them.

mod support;

use std::fs;
use std::path::Path;

use serde_json::json;
use support::node::run_to_end;
use support::tools::curl;
use support::{Node, home};

/// A database that no node has made.
fn foreign(home: &Path, name: &str, row: &str) {
    let file = rusqlite::Connection::open(home.join(name)).unwrap();
    let sql = format!("CREATE TABLE t(a); INSERT INTO t VALUES('{row}')");
    file.execute_batch(&sql).unwrap();
}

fn backup(node: &Node, home: &Path, name: &str) {
    let url = format!("http://{}/", node.http);
    assert!(curl(home, &["-f", "-o", name, &url]).success);
}

#[test]
fn a_copied_file_goes_on_at_its_position() {
    let home = home();
    let mut first = Node::start(home.path(), &["one.db"]);
    first.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES('copied')"]);
    assert_eq!(first.terminate().code(), Some(0));
    for file in ["one.db", "one.db-wal"] {
        if home.path().join(file).exists() {
            let copy = file.replace("one", "two");
            fs::copy(home.path().join(file), home.path().join(copy)).unwrap();
        }
    }
    first.again();
    first.run(&["INSERT INTO t VALUES('later')"]);
    let second = Node::start(home.path(), &["two.db", "--replication-url", first.url()]);
    second.wait_rows("SELECT a FROM t", &json!([["copied"], ["later"]]));
    second.run(&["INSERT INTO t VALUES('back')"]);
    first.wait_rows("SELECT count(*) FROM t", &json!([[3]]));
}

#[test]
fn a_backup_goes_on_at_its_position() {
    let home = home();
    let first = Node::start(home.path(), &["-m"]);
    first.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES('saved')"]);
    backup(&first, home.path(), "saved.db");
    first.run(&["INSERT INTO t VALUES('later')"]);
    let second = Node::start(home.path(), &["-m", "saved.db", "--replication-url", first.url()]);
    second.wait_rows("SELECT a FROM t", &json!([["saved"], ["later"]]));
    second.run(&["INSERT INTO t VALUES('back')"]);
    first.wait_rows("SELECT count(*) FROM t", &json!([[3]]));
}

#[test]
fn a_backup_beside_a_new_stream_begins_a_new_log() {
    let home = home();
    let mut first = Node::start(home.path(), &["-m"]);
    first.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES('saved')"]);
    backup(&first, home.path(), "saved.db");
    first.kill();
    let second = Node::start(home.path(), &["saved.db"]);
    second.wait_log("this database becomes the base of a new log");
    assert_eq!(second.select("SELECT a FROM t"), r#"[["saved"]]"#);
    let third = Node::start(home.path(), &["-m", "--replication-url", second.url()]);
    third.wait_rows("SELECT a FROM t", &json!([["saved"]]));
}

#[test]
fn a_deleted_log_begins_anew_and_is_followed_by_who_has_the_same() {
    let home = home();
    let mut first = Node::start(home.path(), &["one.db"]);
    let second = Node::start(home.path(), &["two.db", "--replication-url", first.url()]);
    first.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES('kept')"]);
    second.wait_rows("SELECT a FROM t", &json!([["kept"]]));
    first.kill();
    fs::remove_dir_all(home.path().join("one.db.nats")).unwrap();
    first.again();
    first.wait_log("this database becomes the base of a new log");
    assert_eq!(first.select("SELECT a FROM t"), r#"[["kept"]]"#);
    // It has the very state that the new log begins with.
    second.wait_log("the stream was made again from this very database");
    second.wait_ready();
    first.run(&["INSERT INTO t VALUES('goes on')"]);
    second.wait_rows("SELECT a FROM t", &json!([["kept"], ["goes on"]]));
    second.run(&["INSERT INTO t VALUES('on both')"]);
    first.wait_rows("SELECT count(*) FROM t", &json!([[3]]));
}

#[test]
fn a_foreign_file_becomes_the_base_that_others_start_from() {
    let home = home();
    foreign(home.path(), "one.db", "foreign");
    fs::copy(home.path().join("one.db"), home.path().join("same.db")).unwrap();
    let mut first = Node::start(home.path(), &["one.db"]);
    assert_eq!(first.select("SELECT a FROM t"), r#"[["foreign"]]"#);
    first.run(&["INSERT INTO t VALUES('later')"]);
    let all = json!([["foreign"], ["later"]]);

    let empty = Node::start(home.path(), &["empty.db", "--replication-url", first.url()]);
    empty.wait_rows("SELECT a FROM t", &all);
    let same = Node::start(home.path(), &["same.db", "--replication-url", first.url()]);
    same.wait_rows("SELECT a FROM t", &all);
    for node in [&empty, &same] {
        node.run(&["INSERT INTO t VALUES('back')"]);
    }
    first.wait_rows("SELECT count(*) FROM t", &json!([[4]]));
    assert_eq!(first.terminate().code(), Some(0));
    first.again();
    assert_eq!(first.select("SELECT count(*) FROM t"), "[[4]]");
}

#[test]
fn another_foreign_file_is_refused_and_kept_as_it_is() {
    let home = home();
    let first = Node::start(home.path(), &["-m"]);
    first.run(&["CREATE TABLE t(a)"]);
    foreign(home.path(), "other.db", "mine");
    let before = fs::read(home.path().join("other.db")).unwrap();
    let join = ["--port", "0", "--pg-port", "any", "--replication-url", first.url()];
    let (code, out, err) = run_to_end(home.path(), &[&join[..], &["other.db"]].concat());
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("other.db: the file has content but no position in the log"), "{err}");
    assert!(err.contains("start with a file that does not exist"), "{err}");
    assert_eq!(fs::read(home.path().join("other.db")).unwrap(), before);
    assert_eq!(first.select("SELECT count(*) FROM t"), "[[0]]");
}

#[test]
fn a_policy_beside_a_position_is_refused() {
    let home = home();
    let mut node = Node::start(home.path(), &["one.db"]);
    node.run(&["CREATE TABLE t(a)"]);
    assert_eq!(node.terminate().code(), Some(0));
    let ports = ["--port", "0", "--pg-port", "any", "--nats-port", "any"];
    let policy = ["--replication-policy", "by_start_sequence=1", "one.db"];
    let (code, _, err) = run_to_end(home.path(), &[&ports[..], &policy].concat());
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("--replication-policy: the database file has a position"), "{err}");
    node.again();
    assert_eq!(node.select("SELECT count(*) FROM t"), "[[0]]");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept_as_it_is() {
    let home = home();
    let text = "a letter, long enough to be taken for a database ".repeat(100);
    fs::write(home.path().join("letter.txt"), &text).unwrap();
    let ports = ["--port", "0", "--pg-port", "any", "--nats-port", "any"];
    let (code, _, err) = run_to_end(home.path(), &[&ports[..], &["letter.txt"]].concat());
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("letter.txt: file is not a database"), "{err}");
    assert_eq!(fs::read_to_string(home.path().join("letter.txt")).unwrap(), text);
}
