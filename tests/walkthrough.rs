//! What the README of v0.0.7 shows, with free ports.

mod support;

use std::fs;

use serde_json::json;
use support::tools::{curl, psql};
use support::{Node, home, members};

const CREATE: &str =
    r#"[{"sql": "CREATE TABLE users(ID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)"}]"#;
const INSERT: &str =
    r#"[{"sql": "INSERT INTO users(name) VALUES(:name)", "params": {"name": "HA user"}}]"#;

#[test]
fn two_nodes_in_memory_share_a_table() {
    let home = home();
    let first = Node::start(home.path(), &["-m"]);
    let url = format!("http://localhost:{}", first.http.port());
    curl(home.path(), &["-d", CREATE, &url]);
    let inserted = curl(home.path(), &["-d", INSERT, &url]);
    assert_eq!(
        inserted.out,
        "{\"results\":[{\"columns\":[\"rows_affected\",\"last_insert_id\"],\"rows\":[[1,1]]}]}\n"
    );
    let seen = psql(&first, &["-c", "SELECT * FROM users"]);
    assert_eq!(seen.out, " ID |  name   \n----+---------\n  1 | HA user\n(1 row)\n\n");

    let join = ["-m", "-n", "node2", "--replication-url", first.url(), "mydatabase.db"];
    let second = Node::start(home.path(), &join);
    assert!(second.log().contains("mydatabase.db does not exist: the database starts empty"));
    let seen = psql(&second, &["-Atc", "SELECT * FROM users"]);
    assert_eq!(seen.out, "1|HA user\n");
    let written = psql(&second, &["-Atc", "INSERT INTO users(name) VALUES('node2') RETURNING ID"]);
    assert_eq!(written.out, "2\nINSERT 0 1\n");
    first.wait_rows("SELECT * FROM users", &json!([[1, "HA user"], [2, "node2"]]));
}

#[test]
fn a_backup_is_a_database_that_a_node_loads() {
    let home = home();
    let dsn = "file:mydatabase.db?_journal=WAL&_busy_timeout=500";
    let node = Node::start(home.path(), &[dsn]);
    assert!(home.path().join("mydatabase.db").exists());
    node.run(&["CREATE TABLE users(name)", "INSERT INTO users VALUES('kept')"]);
    let backups = home.path().join("backups");
    fs::create_dir(&backups).unwrap();
    let url = format!("http://localhost:{}", node.http.port());
    let got = curl(&backups, &["-O", "-J", &url]);
    assert!(got.success, "{got:?}");
    let name = fs::read_dir(&backups).unwrap().next().unwrap().unwrap().file_name();
    let name = name.to_str().unwrap();
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00 00:00:00_ha.db");

    let file = rusqlite::Connection::open(backups.join(name)).unwrap();
    let check: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let kept: String = file.query_row("SELECT name FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, "kept");
    drop(file);

    let restored = Node::start(&backups, &["-m", name]);
    assert_eq!(restored.select("SELECT name FROM users"), r#"[["kept"]]"#);
    restored.run(&["INSERT INTO users VALUES('more')"]);
}

#[test]
fn a_node_in_memory_gets_its_data_back_from_its_stream() {
    let home = home();
    // A node in memory keeps its log under the number of its NATS port.
    let [port] = members::ports().map(|port| port.to_string());
    let mut node = Node::start(home.path(), &["-m", "--nats-port", &port]);
    node.run(&["CREATE TABLE users(name)", "INSERT INTO users VALUES('kept')"]);
    assert_eq!(node.terminate().code(), Some(0));
    node.again();
    assert_eq!(node.select("SELECT name FROM users"), r#"[["kept"]]"#);
    node.run(&["INSERT INTO users VALUES('more')"]);
    node.kill();
    node.again();
    assert_eq!(node.select("SELECT name FROM users"), r#"[["kept"],["more"]]"#);
}

#[test]
fn a_node_on_disk_goes_on_where_it_was() {
    let home = home();
    let mut node = Node::start(home.path(), &[]);
    assert!(home.path().join("ha.db").exists() && home.path().join("ha.db.nats").exists());
    node.run(&["CREATE TABLE users(name)", "INSERT INTO users VALUES('kept')"]);
    let position = node.position();
    assert_eq!(node.terminate().code(), Some(0));
    node.again();
    assert_eq!(node.position(), position);
    assert_eq!(node.select("SELECT name FROM users"), r#"[["kept"]]"#);
}

#[test]
fn a_plain_configuration_file_is_read() {
    let home = home();
    let lines = "# a node in memory\nmemory\nname configured\nhttp-token secret\n";
    fs::write(home.path().join("ha.conf"), lines).unwrap();
    let node = Node::start(home.path(), &["-c", "ha.conf"]);
    assert_eq!(node.readiness().unwrap().json()["node"], "configured");
    assert_eq!(node.query("SELECT 1").status, 401);
    assert!(!home.path().join("ha.db").exists());
}
