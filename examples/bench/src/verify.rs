//! Whether what was acknowledged is there.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::http::Connection;

/// How many rows are read at a time, below the node's limit of a result.
const PAGE: i64 = 50_000;

/// What is wrong with the rows of a run; nothing if all are zero.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Acknowledged rows that are not there.
    pub(crate) lost: usize,
    /// Rows that are there more often than once.
    pub(crate) doubled: usize,
    /// Rows that nobody was told about, though no request failed.
    pub(crate) unexplained: usize,
}

impl Faults {
    /// Compares the keys of acknowledged rows, each different, with those that are there.
    /// Each of `failed` requests explains a row that is there unacknowledged.
    pub(crate) fn between(acknowledged: &[i64], present: &[i64], failed: u64) -> Self {
        let mut counts: HashMap<i64, usize> = HashMap::with_capacity(present.len());
        for key in present {
            *counts.entry(*key).or_default() += 1;
        }
        let doubled = counts.values().filter(|count| **count > 1).count();
        let lost = acknowledged.iter().filter(|key| counts.remove(key).is_none()).count();
        let failed = usize::try_from(failed).unwrap_or(usize::MAX);
        Self { lost, doubled, unexplained: counts.len().saturating_sub(failed) }
    }

    /// Whether there is nothing wrong.
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// The keys of all rows that the workloads wrote.
pub(crate) async fn written_keys(connection: &mut Connection) -> Result<Vec<i64>> {
    let mut keys = Vec::new();
    let mut last = 0;
    loop {
        let body = format!(
            r#"[{{"sql":"SELECT id, key FROM written WHERE id > {last} ORDER BY id LIMIT {PAGE}"}}]"#
        );
        let page = rows(connection.post(&body).await?)?;
        let Some((id, _)) = page.last() else { return Ok(keys) };
        last = *id;
        keys.extend(page.iter().map(|(_, key)| key));
    }
}

/// How many entries the node's log has.
pub(crate) async fn log_end(connection: &mut Connection) -> Result<u64> {
    seq(connection.get("/readyz").await?)
}

/// The sequence in the node's position, `<lineage>-<sequence>.<transaction>`.
fn seq(body: &[u8]) -> Result<u64> {
    let status: Status = serde_json::from_slice(body).context("the status is not as expected")?;
    let seq = status.position.split(['-', '.']).nth(1).context("a position without sequence")?;
    Ok(seq.parse()?)
}

#[derive(Deserialize)]
struct Status {
    position: String,
}

#[derive(Deserialize)]
struct Reply {
    results: Vec<Rows>,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<(i64, i64)>,
}

fn rows(body: &[u8]) -> Result<Vec<(i64, i64)>> {
    let reply: Reply = serde_json::from_slice(body).context("the reply is not as expected")?;
    let rows = reply.results.into_iter().next().context("the reply has no result")?;
    Ok(rows.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_doubled_and_unexplained_rows_are_found() {
        let faults = |present: &[i64], failed| Faults::between(&[1, 2, 3], present, failed);
        assert!(faults(&[3, 1, 2], 0).is_none());
        assert_eq!(faults(&[1, 3], 0), Faults { lost: 1, ..Faults::default() });
        assert_eq!(faults(&[1, 2, 2, 3, 3], 0), Faults { doubled: 2, ..Faults::default() });
        assert_eq!(faults(&[1, 2, 3, 4], 0), Faults { unexplained: 1, ..Faults::default() });
        assert!(faults(&[1, 2, 3, 4], 1).is_none(), "the outcome of a failed request is open");
        assert_eq!(faults(&[1, 4, 4], 1), Faults { lost: 2, doubled: 1, unexplained: 0 });
    }

    #[test]
    fn the_sequence_is_read_from_a_status() {
        assert_eq!(seq(br#"{"ready":true,"position":"5c6c76e8cb4f7a1d-11566.9"}"#).unwrap(), 11566);
        assert!(seq(br#"{"position":""}"#).is_err());
    }

    #[test]
    fn rows_are_read_from_a_reply() {
        let body = br#"{"results":[{"columns":["id","key"],"rows":[[1,10],[2,20]]}]}"#;
        assert_eq!(rows(body).unwrap(), [(1, 10), (2, 20)]);
        assert!(rows(b"{\"results\":[]}").is_err());
    }
}
