//! Transactions that make way for others and go on afterwards.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ha_core::{Engine, Error, SessionOptions, TransactionOptions, TransactionState, Value};
use ha_memory::MemoryLog;
use support::{Client, Running, equal, open, options, run, start_with};
use tempfile::TempDir;

/// Two nodes on which a transaction may be idle for longer than any test takes.
async fn two(schema: &str) -> (Running, Running) {
    let log = MemoryLog::new();
    let patient = async |name| {
        let options = |dir: &TempDir| ha_engine::NodeOptions {
            idle_timeout: Duration::from_secs(3_600),
            ..options(name, dir)
        };
        start_with(&log, TempDir::new().unwrap(), options).await.unwrap()
    };
    let (a, b) = (patient("a").await, patient("b").await);
    a.run(schema).await;
    b.reach(&a).await;
    (a, b)
}

async fn rows(session: &mut Client, sql: &str) -> Vec<Vec<Value>> {
    let reply = run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    reply.results.into_iter().next_back().unwrap().rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_thinks_keeps_nobody_waiting_and_goes_on() {
    let (a, b) = two("CREATE TABLE t(v); CREATE TABLE log(v)").await;
    let mut thinking = open(&a).await;
    rows(&mut thinking, "INSERT INTO t VALUES('first'); CREATE TABLE made(v)").await;
    a.run("INSERT INTO log VALUES('a writer of the same node')").await;
    rows(&mut thinking, "INSERT INTO made VALUES(1)").await;
    b.reach(&a).await;
    b.run("INSERT INTO log VALUES('an entry of another node')").await;
    a.reach(&b).await;
    assert_eq!(thinking.describe("SELECT v FROM made").await.unwrap().columns.len(), 1);
    let mut second = open(&a).await;
    rows(&mut second, "INSERT INTO log VALUES('another transaction')").await;
    let made = rows(&mut thinking, "SELECT t.v, made.v FROM t, made").await;
    assert_eq!(made, [[Value::from("first"), Value::Integer(1)]]);
    second.commit().await.unwrap();
    thinking.commit().await.unwrap();
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(*) FROM log").await, Value::Integer(3));
    assert_eq!(b.value("SELECT count(*) FROM made").await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_would_have_seen_something_else_is_told_of_the_conflict() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    for in_between in [&a, &b] {
        let mut session = open(&a).await;
        rows(&mut session, "INSERT INTO t VALUES('mine') RETURNING (SELECT count(*) FROM t)").await;
        in_between.run("INSERT INTO t VALUES('other')").await;
        a.reach(in_between).await;
        assert_eq!(run(&mut session, "SELECT 1").await, Err(Error::Conflict));
        assert_eq!(session.transaction(), TransactionState::Lost);
        assert_eq!(session.commit().await, Err(Error::Conflict));
        b.reach(&a).await;
    }
    equal(&a, &b).await;
    assert_eq!(a.value("SELECT count(*) FROM t WHERE v = 'mine'").await, Value::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_made_way_and_is_given_up_leaves_nothing() {
    let (a, b) = two("CREATE TABLE t(v)").await;
    let mut rolled_back = open(&a).await;
    rows(&mut rolled_back, "INSERT INTO t VALUES('rolled back')").await;
    a.run("INSERT INTO t VALUES('other')").await;
    rolled_back.rollback().await.unwrap();
    let mut dropped = open(&a).await;
    rows(&mut dropped, "INSERT INTO t VALUES('dropped')").await;
    a.run("INSERT INTO t VALUES('other')").await;
    drop(dropped);
    a.run("INSERT INTO t VALUES('other')").await;
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT count(DISTINCT v) FROM t").await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_stands_still_and_chance_is_repeated_in_a_transaction() {
    let (a, b) = two("CREATE TABLE t(chance, time); CREATE TABLE log(v)").await;
    let mut session = open(&a).await;
    let chance = "SELECT random(), hex(randomblob(4)), julianday('now'), CURRENT_TIMESTAMP";
    let first = rows(&mut session, chance).await;
    b.run("INSERT INTO log VALUES(1)").await;
    a.reach(&b).await;
    let insert = "INSERT INTO t VALUES(random(), julianday('now')) RETURNING *";
    let inserted = rows(&mut session, insert).await;
    a.run("INSERT INTO log VALUES(2)").await;
    let second = rows(&mut session, chance).await;
    b.reach(&a).await;
    b.run("INSERT INTO log VALUES(3)").await;
    session.commit().await.unwrap();
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT * FROM t").await, inserted, "what was shown is what is stored");
    assert_eq!(first[0][2], second[0][2], "one time");
    assert_eq!(first[0][2], inserted[0][1], "one time, in reads and writes");
    assert_ne!(first[0][0], second[0][0], "not one number");
    assert_ne!(inserted[0][0], second[0][0], "not one number");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_pauses_lets_others_in() {
    let (a, b) = two("CREATE TABLE t(v); CREATE TABLE log(v)").await;
    let mut busy = open(&a).await;
    rows(&mut busy, "INSERT INTO t VALUES(0)").await;
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    // In a task of its own: one that is always answered at once leaves others of its task no turn.
    let work = tokio::spawn(async move {
        let mut statements = 0_i64;
        while !seen.load(Ordering::Relaxed) {
            rows(&mut busy, "INSERT INTO t VALUES(1)").await;
            statements += 1;
        }
        (busy, statements)
    });
    let others = async {
        a.run("INSERT INTO log VALUES('a')").await;
        b.run("INSERT INTO log VALUES('b')").await;
        a.reach(&b).await;
        done.store(true, Ordering::Relaxed);
        work.await.unwrap()
    };
    let (mut busy, statements) = tokio::time::timeout(support::PATIENCE, others).await.unwrap();
    busy.commit().await.unwrap();
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT sum(v) FROM t").await, Value::Integer(statements));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_and_an_error_are_repeated_as_they_were() {
    let (a, b) = two("CREATE TABLE t(v UNIQUE); CREATE TABLE log(v)").await;
    let mut session = open(&a).await;
    for (sql, works) in [
        ("INSERT INTO t VALUES(1)", true),
        ("SAVEPOINT s", true),
        ("INSERT INTO t VALUES(2),(1)", false),
        ("INSERT INTO t VALUES(3)", true),
        ("ROLLBACK TO s", true),
        ("INSERT INTO t VALUES(4)", true),
        ("RELEASE s", true),
    ] {
        a.run("INSERT INTO log VALUES(0)").await;
        assert_eq!(run(&mut session, sql).await.is_ok(), works, "{sql}");
    }
    session.commit().await.unwrap();
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT group_concat(v) FROM t").await, Value::from("1,4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rowid_that_moved_is_a_conflict_only_for_those_who_are_shown_rowids() {
    let (a, b) = two("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v)").await;
    for (hides_rowids, goes_on) in [(true, true), (false, false)] {
        let mut session = a.node.session(SessionOptions::default()).await.unwrap();
        session
            .begin(TransactionOptions { hides_rowids, ..TransactionOptions::default() })
            .await
            .unwrap();
        rows(&mut session, "INSERT INTO t(v) VALUES('mine')").await;
        b.run("INSERT INTO t(v) VALUES('other')").await;
        a.reach(&b).await;
        let update = "UPDATE t SET v = v || '!' WHERE id = last_insert_rowid()";
        assert_eq!(run(&mut session, update).await.is_ok(), goes_on);
        assert_eq!(session.commit().await.is_ok(), goes_on);
        b.reach(&a).await;
    }
    equal(&a, &b).await;
    assert_eq!(b.value("SELECT group_concat(v) FROM t").await, Value::from("other,mine!,other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_what_has_changed_since_is_a_conflict() {
    let (a, b) =
        two("CREATE TABLE t(v); CREATE TABLE other(v); CREATE VIEW seen AS SELECT * FROM t; \
                      CREATE VIRTUAL TABLE f USING fts5(v); INSERT INTO f VALUES('x')")
        .await;
    let view = "SELECT count(*) FROM seen";
    for (reads, changes, goes_on) in [
        (view, "INSERT INTO other VALUES(1)", true),
        (view, "INSERT INTO t VALUES(1)", false),
        ("SELECT count(*) FROM f WHERE f MATCH 'x'", "INSERT INTO other VALUES(1)", true),
        ("SELECT count(*) FROM f WHERE f MATCH 'x'", "INSERT INTO f VALUES('x')", false),
        ("SELECT count(*) FROM sqlite_schema", "INSERT INTO other VALUES(1)", true),
        ("SELECT count(*) FROM sqlite_schema", "CREATE TABLE more(v)", false),
        ("PRAGMA user_version", "PRAGMA user_version = 9", false),
        (view, "DROP VIEW seen; CREATE VIEW seen AS SELECT v FROM t UNION ALL SELECT 1", false),
        ("SELECT max(seq) FROM _ha_position", "INSERT INTO other VALUES(1)", false),
    ] {
        let mut session = open(&a).await;
        rows(&mut session, reads).await;
        b.run(changes).await;
        a.reach(&b).await;
        let wrote = run(&mut session, "INSERT INTO other VALUES(2)").await;
        assert_eq!(wrote.is_ok(), goes_on, "{reads}, then {changes}");
        assert_eq!(session.commit().await.is_ok(), goes_on, "{reads}, then {changes}");
        b.reach(&a).await;
    }
    equal(&a, &b).await;
}
