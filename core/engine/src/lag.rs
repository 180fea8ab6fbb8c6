use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Over how long it is told whether a node gains.
const WINDOW: Duration = Duration::from_secs(10);

/// How far apart two looks are at least.
const APART: Duration = Duration::from_secs(1);

/// How far behind a node was in the last seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lag(VecDeque<(Instant, u64)>);

impl Lag {
    /// It is behind by so many entries now.
    pub(crate) fn note(&mut self, entries: u64) {
        let now = Instant::now();
        while self.0.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(at, _)| now - *at >= APART) {
            self.0.push_back((now, entries));
        }
    }

    /// In words: by how many entries it is behind, and whether they become fewer.
    pub(crate) fn text(&self, entries: u64) -> String {
        let trend = self.trend(entries).map_or_else(String::new, |trend| format!(", {trend}"));
        format!("{entries} {} behind{trend}", if entries == 1 { "entry" } else { "entries" })
    }

    fn trend(&self, entries: u64) -> Option<String> {
        let (at, before) = self.0.front().filter(|(at, _)| at.elapsed() >= APART)?;
        let milliseconds = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = before.abs_diff(entries).saturating_mul(1_000) / milliseconds;
        Some(match entries.cmp(before) {
            _ if rate == 0 => "neither gaining nor falling back".to_owned(),
            Ordering::Less => format!("gaining {rate} a second"),
            _ => {
                format!("falling back by {rate} a second: more is written than this node can apply")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_gains_or_falls_back() {
        let mut lag = Lag::default();
        lag.note(1_000);
        assert_eq!(lag.text(1_000), "1000 entries behind");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(lag.text(1), "1 entry behind, gaining 499 a second");
        assert_eq!(lag.text(1_001), "1001 entries behind, neither gaining nor falling back");
        lag.note(1_100);
        assert!(lag.text(1_100).starts_with("1100 entries behind, falling back by 50 a second: "));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_long_ago_counts_no_more() {
        let mut lag = Lag::default();
        for entries in [0, 1_000, 2_000] {
            lag.note(entries);
            tokio::time::advance(Duration::from_secs(8)).await;
        }
        lag.note(2_000);
        assert_eq!(lag.text(2_000), "2000 entries behind, neither gaining nor falling back");
    }
}
