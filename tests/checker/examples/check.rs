//! Judges a list-append history in a file: `cargo run -p ha-checker --example check -- FILE`.
//! Ends with 1 if it is not strictly serializable.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use ha_checker::{History, append};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: check FILE")?;
    let history = History::parse(&std::fs::read_to_string(path)?)?;
    let anomalies = append::check(&history)?;
    let mut out = std::io::stdout().lock();
    for anomaly in &anomalies {
        writeln!(out, "{anomaly}")?;
    }
    let transactions = history.transactions()?.len();
    writeln!(out, "{transactions} transactions, {} anomalies", anomalies.len())?;
    Ok(if anomalies.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
