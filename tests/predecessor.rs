//! What v0.0.7 lost, reordered or changed between two nodes, and what it got right and must stay
//! so: on disk and in memory, whichever node writes.

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::cases::CASES;
use support::contents::{assert_same, contents};
use support::nats::publish;
use support::tools::psql;
use support::{Node, home};
use tempfile::TempDir;

/// Two nodes of a log of their own.
fn pair(home: &TempDir, in_memory: bool) -> [Node; 2] {
    let place = |name: &str| if in_memory { "-m".to_owned() } else { format!("{name}.db") };
    let first = Node::start(home.path(), &["-n", "first", &place("first")]);
    let second = [place("second"), "--replication-url".to_owned(), first.url().to_owned()];
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    let second = Node::start(home.path(), &[&["-n", "second"], &second[..]].concat());
    [first, second]
}

fn everywhere(check: impl Fn(&Node, &Node)) {
    for in_memory in [false, true] {
        for swapped in [false, true] {
            let home = home();
            let [first, second] = pair(&home, in_memory);
            if swapped { check(&second, &first) } else { check(&first, &second) }
        }
    }
}

#[test]
fn every_change_arrives_as_it_was_made() {
    everywhere(|writer, other| {
        for (name, requests) in CASES {
            for sql in *requests {
                let answer = writer.query(sql);
                assert_eq!(answer.status, 200, "{name}: {sql}: {}", answer.body);
                assert_same(writer, other, &format!("{name}: {sql}"));
            }
        }
        let found = other.select("SELECT (SELECT count(*) FROM four WHERE four MATCH 'again'), (SELECT count(*) FROM five WHERE five MATCH 'hello')");
        assert_eq!(found, "[[1,1]]");
    });
}

/// Both nodes do it at the same moment, so often; how many were told that it is done.
fn together(nodes: [&Node; 2], times: usize, sql: impl Fn(usize, usize) -> String + Sync) -> i64 {
    let start = Barrier::new(2);
    let run = |node: usize| {
        (0..times)
            .filter(|&round| {
                start.wait();
                nodes[node].query(&sql(node, round)).status == 200
            })
            .count()
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        i64::try_from(run(0) + other.join().unwrap()).unwrap()
    })
}

#[test]
fn writes_at_the_same_moment_are_one_after_the_other() {
    everywhere(|one, two| {
        one.run(&[
            "CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, who)",
            "CREATE TABLE plain(id INTEGER PRIMARY KEY, who)",
            "CREATE TABLE counter(n)",
            "INSERT INTO counter VALUES(0)",
            "CREATE TABLE uniq(id INTEGER PRIMARY KEY, u UNIQUE)",
        ]);
        assert_same(one, two, "the tables");
        let nodes = [one, two];
        let one_number = |sql: &str| {
            assert_same(one, two, sql);
            two.run(&[sql])[0][0].as_i64().unwrap()
        };
        for table in ["auto", "plain"] {
            let insert = |node, round| format!("INSERT INTO {table}(who) VALUES('{node} {round}')");
            let told = together(nodes, 20, insert);
            assert_eq!(told, 40);
            assert_eq!(one_number(&format!("SELECT count(DISTINCT who) FROM {table}")), told);
        }
        let told = together(nodes, 20, |_, _| "UPDATE counter SET n = n + 1".to_owned());
        assert_eq!(one_number("SELECT n FROM counter"), told);
        let same = |_, round| format!("INSERT INTO uniq(u) VALUES('{round}')");
        assert_eq!(
            together(nodes, 20, same),
            20,
            "one of the two is told that the other was first"
        );
        let clash =
            |node, round| format!("UPDATE plain SET who = 'set by {node}' WHERE id = {round} + 1");
        together(nodes, 20, clash);
        let erase = |node, round| match node {
            0 => format!("DELETE FROM auto WHERE id = {round} + 1"),
            _ => format!("UPDATE auto SET who = 'kept' WHERE id = {round} + 1"),
        };
        together(nodes, 20, erase);
        assert_same(one, two, "writes at the same moment");
    });
}

#[test]
fn what_is_rolled_back_stays_so_everywhere() {
    everywhere(|writer, other| {
        writer.run(&["CREATE TABLE t(a UNIQUE)"]);
        let script = |sql: &str| psql(writer, &["-At", "-c", sql]);
        psql(
            writer,
            &[
                "-c",
                "BEGIN",
                "-c",
                "INSERT INTO t VALUES(1)",
                "-c",
                "SAVEPOINT s",
                "-c",
                "INSERT INTO t VALUES(2)",
                "-c",
                "ROLLBACK TO s",
                "-c",
                "COMMIT",
            ],
        );
        assert_eq!(writer.select("SELECT a FROM t"), "[[1]]");
        psql(
            writer,
            &[
                "-c",
                "BEGIN",
                "-c",
                "INSERT INTO t VALUES(5)",
                "-c",
                "INSERT INTO t VALUES(6), (7), (5)",
                "-c",
                "COMMIT",
            ],
        );
        assert_eq!(writer.select("SELECT a FROM t"), "[[1]]", "an aborted transaction");
        script("SAVEPOINT outside");
        script("INSERT INTO t VALUES(8)");
        assert_eq!(writer.select("SELECT a FROM t ORDER BY a"), "[[1],[8]]");
        let batch = json!([{"sql": "INSERT INTO t VALUES(9)"}, {"sql": "COMMIT"}]).to_string();
        assert_eq!(writer.post("/v1/query", batch).unwrap().status, 400);
        let batch =
            json!([{"sql": "INSERT INTO t VALUES(10)"}, {"sql": "INSERT INTO t VALUES(1)"}]);
        assert_eq!(writer.post("/v1/query", batch.to_string()).unwrap().status, 400);
        assert_eq!(writer.select("SELECT a FROM t ORDER BY a"), "[[1],[8]]");
        assert_same(writer, other, "what was rolled back");
    });
}

#[test]
fn parameters_are_what_they_are_sent_as() {
    everywhere(|writer, other| {
        writer.run(&["CREATE TABLE t(a TEXT, b, c)"]);
        let insert = |sql: &str, params: Value| {
            let body = json!([{"sql": sql, "params": params}]).to_string();
            let answer = writer.post("/v1/query", body).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        };
        insert("INSERT INTO t VALUES($name, $n, $x)", json!({"$name": "x", "$n": 5, "$x": null}));
        insert("INSERT INTO t VALUES(:a, @b, ?3)", json!({"a": 5, "b": 2.5, "3": true}));
        insert(
            "INSERT INTO t VALUES(?, ?, ?)",
            json!(["y", 9_007_199_254_740_993_i64, {"blob": "AP9B"}]),
        );
        let rows = "SELECT a, quote(b), quote(c) FROM t";
        let expected =
            json!([["x", "5", "NULL"], ["5", "2.5", "1"], ["y", "9007199254740993", "X'00FF41'"]]);
        for node in [writer, other] {
            node.wait_rows(rows, &expected);
        }
    });
}

/// Reading and writing in one request, by many clients of a node.
#[test]
fn clients_of_a_node_are_never_told_that_it_is_locked() {
    let home = home();
    let [one, two] = pair(&home, true);
    one.run(&["CREATE TABLE counter(n)", "INSERT INTO counter VALUES(0)"]);
    let batch = json!([{"sql": "SELECT n FROM counter"}, {"sql": "UPDATE counter SET n = n + 1"}]);
    let batch = batch.to_string();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let answer = one.post("/v1/query", &batch).unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.body);
                }
            });
        }
    });
    assert_eq!(one.select("SELECT n FROM counter"), "[[160]]");
    assert_same(&one, &two, "the counter");
}

#[test]
fn a_large_transaction_is_one_transaction_everywhere() {
    let home = home();
    let [one, two] = pair(&home, false);
    one.run(&["CREATE TABLE big(a)"]);
    for sql in [
        "INSERT INTO big VALUES(hex(randomblob(600000)))",
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO big SELECT 'row ' || i FROM n",
    ] {
        let answer = one.query(sql);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_same(&one, &two, "large transactions");
    assert_eq!(two.select("SELECT count(*) FROM big"), "[[20001]]");
}

/// A message as v0.0.7 sends it when it writes.
fn of_v007(seconds_ago: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let change = json!({"database": "main", "table": "t", "columns": ["a"], "operation": "INSERT", "old_rowid": 1, "new_rowid": 1, "new_values": ["go"]});
    let made = i64::try_from(now.as_nanos()).unwrap() - seconds_ago * 1_000_000_000;
    json!({"node": "go1", "process_id": 1, "changes": [change], "timestamp_ns": made}).to_string()
}

#[test]
fn a_node_says_that_v0_0_7_writes_beside_it_unless_it_was_told() {
    const WARNING: &str = "start with --compat v0.0.7";
    let home = home();
    let told = ["-n", "told", "--compat", "v0.0.7", "told.db"];
    for (args, seconds_ago, warns) in [
        (&["-n", "one", "one.db"][..], 0, true),
        (&["-n", "old", "old.db"], 60, false),
        (&told, 0, false),
    ] {
        let node = Node::start(home.path(), args);
        node.run(&["CREATE TABLE t(a)"]);
        publish(node.url(), "ha_replication", &of_v007(seconds_ago));
        node.wait_rows("SELECT a FROM t", &json!([["go"]]));
        if warns {
            node.wait_log(WARNING);
        }
        assert_eq!(node.log().contains(WARNING), warns, "{args:?}");
    }
}

/// The comparison of these tests sees what it is there for.
#[test]
fn a_difference_is_seen() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    node.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES(1)"]);
    let before = contents(&node);
    for change in [
        "UPDATE t SET a = 1.0",
        "UPDATE t SET a = 1, rowid = 2",
        "CREATE INDEX i ON t(a)",
        "PRAGMA user_version = 1",
    ] {
        node.run(&[change]);
        assert_ne!(contents(&node), before, "{change}");
    }
}
