//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

/// Measures a node of ha: throughput and latency over HTTP and PostgreSQL.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The ha to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    ha: Option<PathBuf>,
    /// Where a directory for the node is made and removed; its file system is what is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Keep the database in memory; the log is on disk all the same
    #[arg(short, long)]
    pub(crate) memory: bool,
    /// How long each workload runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How many clients the HTTP workloads have
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,16,64", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) clients: Vec<u16>,
    /// How many clients the PostgreSQL workloads have
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) pg_clients: u16,
    /// Measure this rqlited over HTTP too, in the same run
    #[arg(long, value_name = "FILE")]
    pub(crate) rqlite: Option<PathBuf>,
    /// Measure this ha of version 0.0.7 over HTTP too, in the same run
    #[arg(long, value_name = "FILE")]
    pub(crate) v007: Option<PathBuf>,
    /// Run only the workloads whose name contains this, such as "http insert"
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) only: String,
    /// Write the results to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// More flags for ha
    #[arg(last = true, value_name = "FLAGS")]
    pub(crate) flags: Vec<String>,
}

impl Options {
    /// The program to measure. An error if there is none.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let program = match &self.ha {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("ha"),
        };
        ensure!(
            program.is_file(),
            "{} does not exist: run cargo build --release -p ha first, or name it with --ha",
            program.display()
        );
        Ok(program)
    }

    /// How long each workload runs.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
