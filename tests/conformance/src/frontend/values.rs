//! Values arrive as they were sent and are shown as they are stored.

use ha_core::{Params, Value};

use super::served::{number, run, speaks};
use super::{FrontendFixture, Rows, Served};

const TABLE: &str = "CREATE TABLE v (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB)";
const SELECT: &str = "SELECT i, r, s, b FROM v ORDER BY id";

/// NULL, the bounds of integers, reals, text and blobs are shown as they are stored.
pub async fn select_types(fixture: &impl FrontendFixture) {
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, TABLE).await;
    let values = "(1, NULL, NULL, NULL, NULL), (2, -9223372036854775808, -0.25, '', x''), \
                  (3, 9223372036854775807, 1.5e300, 'it''s é ☃', x'00ff41')";
    run(&mut client, &format!("INSERT INTO v VALUES {values}")).await;
    assert_eq!(run(&mut client, SELECT).await, shown(fixture, &samples()));
    served.stop().await;
}

/// Values that are bound by position are stored as they are.
pub async fn positional_params(fixture: &impl FrontendFixture) {
    speaks!(fixture, positional);
    let place = |number| fixture.placeholder(number);
    let list = [place(1), place(2), place(3), place(4)].join(", ");
    let sql = format!("INSERT INTO v (i, r, s, b) VALUES ({list})");
    stores(fixture, &sql, |row| Params::Positional(row.to_vec())).await;
}

/// Values that are bound by name are stored as they are.
pub async fn named_params(fixture: &impl FrontendFixture) {
    speaks!(fixture, named);
    let sql = "INSERT INTO v (b, s, r, i) VALUES (:b, :s, :r, :i)";
    let bind = |row: &[Value]| {
        let names = ["i", "r", "s", "b"].into_iter().map(str::to_owned);
        Params::Named(names.zip(row.iter().cloned()).collect())
    };
    stores(fixture, sql, bind).await;
}

/// A result of 100,000 rows arrives whole and in order.
pub async fn large_result(fixture: &impl FrontendFixture) {
    const ROWS: usize = 100_000;
    speaks!(fixture, client);
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, "CREATE TABLE large (i INTEGER PRIMARY KEY, s TEXT)").await;
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                INSERT INTO large SELECT i, 'row ' || i FROM n";
    run(&mut client, fill).await;
    let rows = run(&mut client, "SELECT i, s FROM large ORDER BY i").await;
    assert_eq!(rows.len(), ROWS);
    for (number, row) in (1_i64..).zip(&rows) {
        assert_eq!(row[..], [Value::Integer(number), Value::Text(format!("row {number}"))]);
    }
    assert_eq!(number(&mut client, "SELECT count(*) FROM large").await, 100_000);
    served.stop().await;
}

/// Binds each sample to an INSERT and compares what the node has then, and what a client is shown.
async fn stores(fixture: &impl FrontendFixture, sql: &str, bind: impl Fn(&[Value]) -> Params) {
    let served = Served::new(fixture).await;
    let mut client = fixture.connect(served.address).await;
    run(&mut client, TABLE).await;
    for row in samples() {
        client.run(sql, bind(&row)).await.unwrap_or_else(|failure| panic!("{row:?}: {failure:?}"));
    }
    assert_eq!(served.node.rows(SELECT).await, samples());
    assert_eq!(run(&mut client, SELECT).await, shown(fixture, &samples()));
    served.stop().await;
}

fn samples() -> Rows {
    let row = |i, r, s: &str, b: &[u8]| {
        vec![Value::Integer(i), Value::Real(r), Value::from(s), Value::Blob(b.to_vec())]
    };
    vec![
        vec![Value::Null; 4],
        row(i64::MIN, -0.25, "", b""),
        row(i64::MAX, 1.5e300, "it's é ☃", b"\x00\xffA"),
    ]
}

fn shown(fixture: &impl FrontendFixture, rows: &Rows) -> Rows {
    rows.iter().map(|row| row.iter().map(|value| fixture.shown(value)).collect()).collect()
}
