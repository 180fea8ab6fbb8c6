//! The results, as a table for people and as JSON for programs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::load::Outcome;
use crate::verify::Faults;

/// All that a run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The database was in memory.
    pub(crate) memory: bool,
    /// Where the node's files were.
    pub(crate) dir: PathBuf,
    pub(crate) baseline: Baseline,
    pub(crate) rows: Vec<Row>,
    /// How many rows were acknowledged.
    pub(crate) acknowledged: usize,
    pub(crate) faults: Faults,
}

/// What disk and NATS server did in the same run, per second.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Baseline {
    /// Appends with `fdatasync`, before and after the workloads.
    pub(crate) fdatasync: (f64, f64),
    /// Publishes to the node's NATS server, one at a time.
    pub(crate) publishes: f64,
}

/// What came of one workload. Latencies are in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    clients: u16,
    per_second: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
    /// Of writes, how many an entry of the log held on average.
    per_entry: Option<f64>,
    /// Processor time that the node spent on each, in microseconds. Varies less than
    /// throughput when other programs disturb.
    processor_micros: f64,
    errors: u64,
    first_error: Option<String>,
}

/// What a workload took from the node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Processor time of all threads, the NATS server's too.
    pub(crate) processor: Duration,
    /// Entries of the log.
    pub(crate) entries: u64,
}

impl Spent {
    /// What was spent between `earlier` and this.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let processor = self.processor.saturating_sub(earlier.processor);
        Self { processor, entries: self.entries.saturating_sub(earlier.entries) }
    }
}

impl Row {
    /// Sums a workload up.
    pub(crate) fn new(name: String, clients: u16, outcome: &Outcome, spent: Spent) -> Self {
        let millis = |micros: u64| micros as f64 / 1000.0;
        let requests = outcome.latency.len() as f64;
        let quantile = |q| millis(outcome.latency.value_at_quantile(q));
        Self {
            name,
            clients,
            per_second: requests / outcome.elapsed.as_secs_f64(),
            p50: quantile(0.50),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: millis(outcome.latency.max()),
            per_entry: (spent.entries > 0).then(|| requests / spent.entries as f64),
            processor_micros: spent.processor.as_secs_f64() * 1e6 / requests,
            errors: outcome.errors,
            first_error: outcome.first_error.clone(),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, baseline: &Baseline) -> fmt::Result {
        let Self {
            name, clients, per_second, p50, p95, p99, max, errors, processor_micros, ..
        } = self;
        let per_entry = self.per_entry.map_or(String::new(), |mean| format!("{mean:.1}"));
        let by_disk = per_second / baseline.mean_fdatasync();
        let by_publish = per_second / baseline.publishes;
        writeln!(
            f,
            "{name:<14}{clients:>8}{per_second:>11.0}{p50:>9.2}{p95:>9.2}{p99:>9.2}{max:>10.2}\
             {per_entry:>11}{processor_micros:>8.0}{errors:>8}{by_disk:>13.2}{by_publish:>12.2}"
        )?;
        match &self.first_error {
            Some(error) => writeln!(f, "  first error: {error}"),
            None => Ok(()),
        }
    }
}

impl Baseline {
    fn mean_fdatasync(&self) -> f64 {
        f64::midpoint(self.fdatasync.0, self.fdatasync.1)
    }
}

impl Report {
    /// Whether every request succeeded and every row is there once.
    pub(crate) fn is_sound(&self) -> bool {
        self.faults.is_none() && self.rows.iter().all(|row| row.errors == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Baseline { fdatasync: (before, after), publishes } = self.baseline;
        let database = if self.memory { "in memory" } else { "on disk" };
        writeln!(f, "database {database}, log in {}", self.dir.display())?;
        let mean = self.baseline.mean_fdatasync();
        writeln!(f, "fdatasync: {mean:.0}/s ({before:.0} before, {after:.0} after)")?;
        writeln!(f, "publishes one at a time: {publishes:.0}/s\n")?;
        writeln!(
            f,
            "{:<14}{:>8}{:>11}{:>9}{:>9}{:>9}{:>10}{:>11}{:>8}{:>8}{:>13}{:>12}",
            "workload",
            "clients",
            "per s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "max ms",
            "per entry",
            "cpu us",
            "errors",
            "x fdatasync",
            "x publish"
        )?;
        self.rows.iter().try_for_each(|row| row.write(f, &self.baseline))?;
        let Faults { lost, doubled, unexplained } = self.faults;
        writeln!(
            f,
            "\n{} rows acknowledged: {lost} lost, {doubled} doubled, {unexplained} unexplained",
            self.acknowledged
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;

    fn report(errors: u64, faults: Faults) -> Report {
        let mut latency = Histogram::new(3).unwrap();
        (1..=1000_u64).for_each(|n| latency.record(n * 10).unwrap());
        let first_error = (errors > 0).then(|| "out of paper".to_owned());
        let elapsed = Duration::from_secs(2);
        let outcome = Outcome { elapsed, latency, acknowledged: vec![], errors, first_error };
        let spent = Spent { processor: Duration::from_millis(40), entries: 250 };
        Report {
            memory: false,
            dir: "/data".into(),
            baseline: Baseline { fdatasync: (50.0, 150.0), publishes: 250.0 },
            rows: vec![Row::new("http insert".to_owned(), 16, &outcome, spent)],
            acknowledged: 1000,
            faults,
        }
    }

    #[test]
    fn the_table_has_throughput_quantiles_and_ratios() {
        let text = report(0, Faults::default()).to_string();
        let row = text.lines().find(|line| line.starts_with("http insert")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().skip(2).collect();
        let expected =
            ["16", "500", "5.00", "9.50", "9.90", "10.01", "4.0", "40", "0", "5.00", "2.00"];
        assert_eq!(cells, expected, "{text}");
    }

    #[test]
    fn an_error_or_a_missing_row_makes_a_run_unsound() {
        assert!(report(0, Faults::default()).is_sound());
        assert!(!report(0, Faults { lost: 1, ..Faults::default() }).is_sound());
        let failed = report(1, Faults::default());
        assert!(!failed.is_sound());
        assert!(failed.to_string().contains("out of paper"));
    }
}
