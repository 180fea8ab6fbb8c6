//! The feed of changes: what is committed anywhere, in the order of the log, each exactly once.

mod support;

use std::time::{Duration, UNIX_EPOCH};

use futures::FutureExt;
use futures::StreamExt;
use ha_core::{
    Batch, ChangeEvent, Engine, Error, EventTable, IdempotencyKey, Row, RowEvent, RowOp, Seq,
    Statement, Token, Value,
};
use ha_memory::MemoryLog;
use support::feeds::{Replica, dump_of, end, follow, from_the_beginning, inserted, next, take};
use support::{EVERY_KIND, Running, begin, open, options, raw, run, start, start_with};

async fn two() -> (MemoryLog, Running, Running) {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    (log, a, b)
}

fn integers(values: impl IntoIterator<Item = i64>) -> Vec<Value> {
    values.into_iter().map(Value::Integer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_told_on_every_node_with_its_place_its_maker_and_its_rows() {
    let (_log, a, b) = two().await;
    a.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v)").await;
    b.reach(&a).await;
    let mut feeds = [follow(&a, None).await, follow(&b, None).await];
    let reply =
        b.run("INSERT INTO t VALUES(1, 'one'); UPDATE t SET v = 'two'; DELETE FROM t").await;
    for feed in &mut feeds {
        let told = next(feed).await.unwrap();
        assert_eq!(told.position, reply.position);
        assert_eq!(told.node.as_deref(), Some("b"));
        assert!(told.at.unwrap() > UNIX_EPOCH);
        let row = |v: &str| Row { rowid: Some(1), values: vec![1.into(), v.into()] };
        let ops = [
            RowOp::Insert { new: row("one") },
            RowOp::Update { old: row("one"), new: row("two") },
            RowOp::Delete { old: row("two") },
        ];
        let columns = vec!["id".to_owned(), "v".to_owned()];
        let table = EventTable { name: "t".to_owned(), columns, key: vec![0] };
        let expected =
            ops.map(|op| ChangeEvent::Row(RowEvent { table: table.clone().into(), op })).to_vec();
        assert_eq!(told.changes, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_executes_what_is_told_has_the_same_database() {
    let (_log, a, b) = two().await;
    let mut feed = from_the_beginning(&b).await;
    let together = [
        "REPLACE INTO t VALUES(1,'y','two victims'); UPDATE t SET a = a + 100 WHERE a < 2",
        "ALTER TABLE w ADD COLUMN d DEFAULT 'dd'; INSERT INTO w(k, n) VALUES('after', 8); ALTER TABLE w DROP COLUMN v; UPDATE w SET d = 'ff'",
        "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('some words'),('others')",
        "UPDATE f SET x = 'new words' WHERE f MATCH 'others'; PRAGMA user_version = 8",
        "CREATE TABLE hidden(rowid TEXT, v); INSERT INTO hidden VALUES('a',1),('a',2); DELETE FROM hidden WHERE v = 1",
    ];
    for sql in EVERY_KIND.iter().chain(&together) {
        a.run(sql).await;
    }
    b.reach(&a).await;
    let (replica, end) = (Replica::new(), b.node.status().position);
    loop {
        let told = next(&mut feed).await.unwrap();
        replica.apply(&told);
        if told.position == end {
            break;
        }
    }
    assert_eq!(replica.dump(), dump_of(&b));
    assert_eq!(replica.dump(), dump_of(&a));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_on_both_nodes_are_told_once_each_and_in_one_order() {
    let (_log, a, b) = two().await;
    a.run("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, who)").await;
    b.reach(&a).await;
    let mut feeds = [follow(&a, None).await, follow(&b, None).await];
    let writers = (0..8).map(|writer| {
        let node = if writer % 2 == 0 { &a } else { &b };
        async move {
            let mut tokens = Vec::new();
            for _ in 0..20 {
                let sql = format!("INSERT INTO t(who) VALUES({writer})");
                tokens.push(node.run(&sql).await.position);
            }
            tokens
        }
    });
    let acknowledged: Vec<Token> =
        futures::future::join_all(writers).await.into_iter().flatten().collect();
    let mut told = Vec::new();
    for feed in &mut feeds {
        told.push(take(feed, 160).await);
    }
    assert_eq!(told[0], told[1]);
    let places: Vec<_> = told[0].iter().map(|one| (one.position.seq, one.position.n)).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
    let mut acknowledged: Vec<_> = acknowledged.iter().map(|at| (at.seq, at.n)).collect();
    acknowledged.sort_unstable();
    assert_eq!(places, acknowledged, "the name of a transaction is what its client was told");
    // Each was executed on all before it: entries that lost their places are not told.
    let ids = told[0].iter().map(|one| match &one.changes[0] {
        ChangeEvent::Row(row) => row.after().unwrap().rowid.unwrap(),
        ChangeEvent::Sql { sql, .. } => panic!("{sql}"),
    });
    assert!(ids.eq(1..=160));
}

/// Several transactions in one entry: the writer is kept busy while they come.
async fn grouped(node: &Running, count: i64) -> Vec<Token> {
    let mut busy = open(node).await;
    run(&mut busy, "INSERT INTO t VALUES(-1)").await.unwrap();
    let mut writes: Vec<_> = (0..count)
        .map(|i| {
            let sql = format!("INSERT INTO t VALUES({i})");
            async move { node.run(&sql).await.position }.boxed()
        })
        .collect();
    for write in &mut writes {
        // Polled once, so that it is on its way to the writer.
        assert!(futures::poll!(write).is_pending());
    }
    let (_, tokens) = tokio::join!(busy.rollback(), futures::future::join_all(writes));
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_on_in_the_middle_of_an_entry_with_several_transactions() {
    let (_log, a, b) = two().await;
    a.run("CREATE TABLE t(v)").await;
    let mut tokens = grouped(&a, 6).await;
    while tokens.last().unwrap().n < 3 {
        tokens = grouped(&a, 6).await;
    }
    tokens.sort_by_key(|token| (token.seq, token.n));
    a.run("INSERT INTO t VALUES(100)").await;
    b.reach(&a).await;
    for node in [&a, &b] {
        let all = take(&mut follow(node, Some(Token { n: 0, ..tokens[0] })).await, 2).await;
        for (index, token) in tokens.iter().enumerate() {
            let rest = tokens.len() - index - 1;
            let mut feed = follow(node, Some(*token)).await;
            let told = take(&mut feed, rest + 1).await;
            let places: Vec<Token> = told.iter().map(|one| one.position).collect();
            assert_eq!(places[..rest], tokens[index + 1..]);
            assert_eq!(inserted(&told[rest..]), integers([100]));
        }
        assert_eq!(all[0].position.n, 1, "before the first is no transaction");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_committed_is_not_told() {
    let (log, a, b) = two().await;
    a.run("CREATE TABLE t(v UNIQUE)").await;
    let mut feed = follow(&a, None).await;
    let mut session = open(&a).await;
    run(&mut session, "INSERT INTO t VALUES('rolled back')").await.unwrap();
    session.rollback().await.unwrap();
    begin(&mut session).await;
    run(&mut session, "INSERT INTO t VALUES(1)").await.unwrap();
    session.commit().await.unwrap();
    a.try_run("INSERT INTO t VALUES(1)").await.unwrap_err();
    a.run("UPDATE t SET v = 0 WHERE v = 'nothing'").await;
    raw(&log, "not a message").await;
    raw(&log, r#"{"node":"go","changes":[{"database":"main","table":"nosuch","columns":["id"],"operation":"INSERT","new_rowid":1,"new_values":[1]}],"timestamp_ns":1}"#).await;
    // An entry of ours on another state, at a place where none was accepted.
    let void = void_copy(&log).await;
    raw(&log, &void).await;
    b.run("INSERT INTO t VALUES(2)").await;
    assert_eq!(inserted(&take(&mut feed, 2).await), integers([1, 2]));
    let mut old = from_the_beginning(&b).await;
    assert_eq!(take(&mut old, 1).await[0].changes.len(), 1, "CREATE TABLE");
    assert_eq!(inserted(&take(&mut old, 2).await), integers([1, 2]));
}

/// The newest entry once more, which is void at its new place.
async fn void_copy(log: &MemoryLog) -> String {
    use ha_core::ChangeTransport;
    let transport = log.open();
    let last = transport.bounds().await.unwrap().last;
    for back in 0..last.0 {
        let stored = transport.read(Seq(last.0 - back)).await.unwrap().unwrap();
        let text = String::from_utf8(stored.payload.to_vec()).unwrap();
        if text.contains("\"ha\"") && text.contains("INSERT") {
            return text;
        }
    }
    panic!("there is no entry of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_told_once() {
    let (_log, a, b) = two().await;
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    let mut feed = follow(&b, None).await;
    let keyed = || Batch {
        statements: vec![Statement::new("INSERT INTO t VALUES(1)")],
        key: Some(IdempotencyKey::new("once").unwrap()),
        ..Batch::default()
    };
    for node in [&a, &b, &a] {
        node.session().await.run(keyed()).await.unwrap();
    }
    a.run("INSERT INTO t VALUES(2)").await;
    assert_eq!(inserted(&take(&mut feed, 2).await), integers([1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_that_is_no_change_of_rows_is_told_as_text() {
    let (_log, a, b) = two().await;
    let mut feed = follow(&b, None).await;
    a.run("CREATE TABLE t(v); INSERT INTO t VALUES(1); PRAGMA user_version = 3").await;
    let told = next(&mut feed).await.unwrap();
    let [ChangeEvent::Sql { sql, .. }, ChangeEvent::Row(_), ChangeEvent::Sql { sql: pragma, .. }] =
        &told.changes[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(sql, "CREATE TABLE t(v)");
    assert!(pragma.contains("user_version"), "{pragma}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_nobody_up_and_misses_nothing() {
    let (_log, a, b) = two().await;
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    let mut slow = follow(&b, None).await;
    // More than the file keeps, so that the rest comes from the log.
    for _ in 0..60 {
        let rows = (0..20).map(|_| a.run("INSERT INTO t VALUES((SELECT count(*) FROM t))"));
        futures::future::join_all(rows).await;
    }
    for i in 1_200..2_300 {
        a.run(&format!("INSERT INTO t VALUES({i})")).await;
    }
    b.reach(&a).await;
    assert_eq!(inserted(&take(&mut slow, 2_300).await), integers(0..2_300));
    assert!(slow.next().now_or_never().is_none(), "there is no more");
    a.run("INSERT INTO t VALUES('new')").await;
    assert_eq!(inserted(&take(&mut slow, 1).await), [Value::from("new")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_when_its_node_stops_and_goes_on_after_the_restart() {
    let (log, a, b) = two().await;
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    let mut feed = follow(&b, None).await;
    let position = a.run("INSERT INTO t VALUES(1)").await.position;
    b.reach(&a).await;
    let dir = b.stop().await;
    let told = take(&mut feed, 1).await;
    assert_eq!(told[0].position, position, "what it had is told");
    assert_eq!(end(&mut feed).await, Error::Closed);
    a.run("INSERT INTO t VALUES(2)").await;
    let b = start_with(&log, dir, |dir| options("b", dir)).await.unwrap();
    let mut feed = follow(&b, Some(told[0].position)).await;
    a.run("INSERT INTO t VALUES(3)").await;
    assert_eq!(inserted(&take(&mut feed, 2).await), integers([2, 3]));
    let mut elsewhere = follow(&a, Some(position)).await;
    assert_eq!(inserted(&take(&mut elsewhere, 2).await), integers([2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_the_node_has_not_reached_is_waited_for() {
    let (log, a, b) = two().await;
    a.run("CREATE TABLE t(v)").await;
    b.reach(&a).await;
    log.disconnect(&b.transport);
    let there = a.run("INSERT INTO t VALUES(1)").await.position;
    let asking = b.node.changes(Some(there));
    let reconnecting = async {
        log.reconnect(&b.transport);
        a.run("INSERT INTO t VALUES(2)").await;
    };
    let (feed, ()) = tokio::join!(asking, reconnecting);
    assert_eq!(inserted(&take(&mut feed.unwrap(), 1).await), integers([2]));
    let impatient = start_with(&log, tempfile::TempDir::new().unwrap(), |dir| {
        let mut options = options("c", dir);
        options.replication_timeout = Duration::from_millis(50);
        options
    });
    let far = Token { seq: Seq(there.seq.0 + 1_000), ..there };
    let refused = impatient.await.unwrap().node.changes(Some(far)).await.err();
    assert!(matches!(refused, Some(Error::NotReady(_))), "{refused:?}");
}
