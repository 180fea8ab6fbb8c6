//! Measures a node of `ha`.
//!
//! ```text
//! cargo build --release -p ha
//! cargo run --release -p ha-bench -- --seconds 5 --clients 1,16,64 --json bench.json
//! ```
//!
//! Starts the `ha` that was built beside it, with its embedded NATS server, and drives it over
//! HTTP and PostgreSQL. Each client sends its next request when it has the reply to the last
//! one. Every request has to succeed, and every row that was acknowledged has to be there
//! exactly once; otherwise the exit code is 1.
//!
//! A synced write can be no faster than the disk, and shared machines have slow minutes. So
//! the rates of `fdatasync` and of synced JetStream publishes, one at a time, are measured in
//! the same run, and throughput is given as a multiple of them too.
//!
//! `--rqlite FILE` and `--v007 FILE` measure those servers too, each a node alone with its files
//! in the same place and its own defaults: rqlite syncs before it answers, v0.0.7 does not.
//!
//! Node, NATS server and load generator share the machine's processors; the load generator
//! uses one thread.

mod disk;
mod http;
mod load;
mod node;
mod options;
mod peers;
mod postgres;
mod publish;
mod report;
mod suite;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use options::Options;
use report::Report;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(report) if report.is_sound() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ha-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(suite::run(options))?;
    write!(io::stdout(), "{report}")?;
    if let Some(path) = &options.json {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(report)
}
