//! What clients cannot reach: files, settings and tables that are not theirs; nodes without
//! credentials; secrets in the log.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::node::run_to_end;
use support::tools::{curl, psql};
use support::{Node, home, http};

/// Ways out of the database. Each is a whole request: statements, separated by `;;`, of which
/// at least one must be refused. `OUT` is a file that must not appear.
const ESCAPES: &[&str] = &[
    "ATTACH 'OUT' AS x",
    "ATTACH/**/DATABASE 'OUT' AS x",
    "SELECT 1; aTTach 'file:OUT?mode=rwc' AS x",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO 'OUT'",
    "VACUUM main INTO 'OUT'",
    "SELECT load_extension('OUT')",
    "SELECT fts3_tokenizer('simple', x'0000000000000000')",
    "SELECT writefile('OUT', 'x')",
    "PRAGMA writable_schema=1",
    "PRAGMA writable_schema=RESET",
    "UPDATE sqlite_schema SET sql='CREATE TABLE t(b)'",
    "DELETE FROM sqlite_master",
    "UPDATE sqlite_dbpage SET data=zeroblob(4096)",
    "PRAGMA journal_mode=DELETE",
    "PRAGMA main.journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA foreign_keys=0",
    "PRAGMA ignore_check_constraints=1",
    "PRAGMA recursive_triggers=1",
    "PRAGMA query_only=1",
    "PRAGMA trusted_schema=1",
    "PRAGMA temp_store_directory='/tmp'",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA schema_version=1",
    "PRAGMA hard_heap_limit=1",
    "SELECT * FROM pragma_wal_checkpoint",
    "CREATE TEMP TABLE x(a)",
    "CREATE TABLE temp.x(a)",
    "CREATE TEMP VIEW t AS SELECT 1",
    "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "UPDATE _ha_position SET seq=1",
    "DELETE FROM \"_HA_entries\"",
    "DROP TABLE _ha_position",
    "ALTER TABLE _ha_position RENAME TO mine",
    "ALTER TABLE t RENAME TO _ha_t",
    "CREATE TABLE _ha_mine(a)",
    "CREATE VIEW _ha_view AS SELECT 1",
    "CREATE VIRTUAL TABLE _ha_fts USING fts5(a)",
    "CREATE INDEX x ON _ha_position(seq)",
    "CREATE TRIGGER x AFTER UPDATE ON _ha_position BEGIN SELECT 1; END",
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM _ha_position; END;; INSERT INTO t VALUES(2)",
    "SAVEPOINT _ha_1",
];

/// The tables and indexes, the rows, and the settings that must stay as they are.
fn state(node: &Node) -> String {
    let queries = [
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
        "SELECT * FROM t",
        "PRAGMA journal_mode",
        "PRAGMA foreign_keys",
        "PRAGMA integrity_check",
    ];
    queries.map(|sql| node.select(sql)).join("\n")
}

/// The names of the files in a directory.
fn files(home: &Path) -> Vec<String> {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn node_with_rows(home: &Path) -> Node {
    let node = Node::start(home, &["ha.db"]);
    node.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES(1)"]);
    node
}

/// Tries every way out by `attempt`, which tells whether all statements were executed.
fn try_all(attempt: impl Fn(&Node, &[&str]) -> bool) {
    let home = home();
    let node = node_with_rows(home.path());
    let out = home.path().join("out");
    let (state_before, files_before) = (state(&node), files(home.path()));
    for escape in ESCAPES {
        let sql = escape.replace("OUT", out.to_str().unwrap());
        let statements: Vec<&str> = sql.split(";; ").collect();
        assert!(!attempt(&node, &statements), "{escape} is executed");
        assert_eq!(state(&node), state_before, "{escape}");
        assert_eq!(files(home.path()), files_before, "{escape}");
    }
    node.run(&["INSERT INTO t VALUES(2)"]);
}

#[test]
fn sql_over_http_does_not_get_out() {
    try_all(|node, statements| {
        let answer = node.post("/v1/query", http::statements(statements, &Value::Null)).unwrap();
        assert!([200, 400, 403].contains(&answer.status), "{statements:?}: {answer:?}");
        answer.status == 200
    });
}

#[test]
fn sql_over_postgresql_does_not_get_out() {
    try_all(|node, statements| {
        let sql = statements.join("; ");
        psql(node, &["-c", &sql]).success
    });
}

#[test]
fn http_asks_for_the_token() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--http-token", "right"]);
    let body = json!([{"sql": "SELECT 1"}]).to_string();
    let with = |credentials: &str| {
        let headers = [("Authorization", credentials)];
        http::send(node.http, "POST", "/", &headers, body.as_bytes()).unwrap().status
    };
    assert_eq!(node.post("/", &body).unwrap().status, 401);
    assert_eq!(with("Bearer wrong"), 401);
    assert_eq!(with("Bearer right"), 200);
    assert_eq!(node.get("/").status, 401);
    assert_eq!(node.get("/v1/outcome/x").status, 401);
    assert_eq!(node.get("/healthz").status, 200);
}

#[test]
fn http_takes_the_user_of_postgresql_too_unless_everybody_knows_the_password() {
    for (password, lets_in) in [("own", true), ("ha", false)] {
        let home = home();
        let node = Node::start(home.path(), &["-m", "--http-token", "t", "--pg-pass", password]);
        let (user, url) = (format!("ha:{password}"), format!("http://{}/", node.http));
        let backup = curl(home.path(), &["-f", "-u", &user, "-o", "backup.db", &url]);
        assert_eq!(backup.success, lets_in, "{backup:?}");
    }
}

#[test]
fn a_page_of_another_site_is_refused() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let body = json!([{"sql": "SELECT 1"}]).to_string();
    let from = |header| http::send(node.http, "POST", "/", &[header], body.as_bytes()).unwrap();
    assert_eq!(from(("Origin", "http://evil.example")).status, 403);
    assert_eq!(from(("Origin", "null")).status, 403);
    let rebound = curl(
        home.path(),
        &[
            "-o",
            "x",
            "-w",
            "%{http_code}",
            "-H",
            "Host: evil.example",
            "-d",
            &body,
            &format!("http://{}/", node.http),
        ],
    );
    assert_eq!(rebound.out, "403");
}

#[test]
fn postgresql_asks_for_the_password() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--pg-user", "me", "--pg-pass", "right"]);
    let port = node.pg.port().to_string();
    let login = |user: &str, password: &str| {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-h", "localhost", "-p", &port, "-U", user, "-Atc", "SELECT 1"]);
        psql.env("PGPASSWORD", password).output().expect("psql is installed").status.success()
    };
    assert!(login("me", "right"));
    assert!(!login("me", "wrong") && !login("me", "ha") && !login("ha", "right"));
}

#[test]
fn listeners_that_others_reach_need_credentials_of_ones_own() {
    let home = home();
    let ports = ["-m", "--port", "0", "--pg-port", "any", "--nats-port", "any"];
    for (open, credentials) in [
        (&["--host", "*"][..], "--http-token"),
        (&["--host", "0.0.0.0", "--http-token", "t"], "--pg-pass"),
        (&["--host", "::", "--http-token", "t", "--pg-pass", "ha"], "--pg-pass"),
        (&["--nats-host", "*"], "--nats-token"),
    ] {
        let (code, _, err) = run_to_end(home.path(), &[&ports[..], open].concat());
        assert_eq!(code, 2, "{open:?}: {err}");
        assert!(err.contains(credentials) && err.lines().count() == 1, "{open:?}: {err}");
    }
    let closed = ["--http-token", "t", "--pg-pass", "p", "--nats-token", "n"];
    for allowed in [&closed[..], &["--insecure"]] {
        let open = ["-m", "--host", "0.0.0.0", "--nats-host", "0.0.0.0"];
        Node::start(home.path(), &[&open[..], allowed].concat());
    }
}

#[test]
fn the_nats_server_asks_for_the_token() {
    let home = home();
    let first = Node::start(home.path(), &["-m", "--nats-token", "right"]);
    first.run(&["CREATE TABLE t(a)"]);
    let join = ["-m", "--port", "0", "--pg-port", "any", "--replication-url", first.url()];
    for wrong in [&[][..], &["--replication-token", "wrong"]] {
        let (code, _, err) = run_to_end(home.path(), &[&join[..], wrong].concat());
        assert_eq!(code, 1, "{wrong:?}: {err}");
        let last = err.lines().last().unwrap();
        assert!(last.to_lowercase().contains("authorization"), "{wrong:?}: {err}");
    }
    let second = Node::start(home.path(), &[&join[..], &["--replication-token", "right"]].concat());
    second.wait_rows("SELECT * FROM t", &json!([]));
}

#[test]
fn no_secret_is_in_the_log() {
    let home = home();
    let secrets = ["--http-token", "canary1", "--pg-pass", "canary2", "--nats-token", "canary3"];
    let mut first = Node::start(home.path(), &[&["-m", "--log", "trace"], &secrets[..]].concat());
    let by_token = ["-m", "--log", "trace", "--replication-token", "canary3"];
    let by_url = first.url().replace("nats://", "nats://canary3@");
    let joined = [
        Node::start(home.path(), &[&by_token[..], &["--replication-url", first.url()]].concat()),
        Node::start(home.path(), &["-m", "--log", "trace", "--replication-url", &by_url]),
    ];
    let body = json!([{"sql": "CREATE TABLE t(a)"}, {"sql": "INSERT INTO t VALUES(:a)", "params": {"a": "canary4"}}]);
    let send = |credentials: &str| {
        let headers = [("Authorization", credentials)];
        http::send(first.http, "POST", "/", &headers, body.to_string().as_bytes()).unwrap().status
    };
    assert_eq!(send("Bearer canary5"), 401);
    assert_eq!(send("Bearer canary1"), 200);
    joined[1].wait_rows("SELECT a FROM t", &json!([["canary4"]]));
    let port = first.pg.port().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-h", "localhost", "-p", &port, "-U", "ha", "-Atc", "SELECT 'canary6'"]);
    let output = psql.env("PGPASSWORD", "canary2").output().expect("psql is installed");
    assert!(output.status.success());
    first.terminate();
    for log in [first.log(), joined[0].log(), joined[1].log()] {
        let found: Vec<&str> = log.lines().filter(|line| line.contains("canary")).take(5).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
    let refused = ["-m", "--port", "0", "--pg-port", "any", "--replication-timeout", "1s"];
    let url = "nats://user:canary7@127.0.0.1:1";
    let (_, _, err) = run_to_end(
        home.path(),
        &[&refused[..], &["--log", "trace", "--replication-url", url]].concat(),
    );
    assert!(err.contains("127.0.0.1:1") && !err.contains("canary"), "{err}");
}
