//! `ha doctor`: what state a node or a database file is in, and what to do.

mod beside;
mod cluster;
mod file;
mod findings;
mod node;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

pub use findings::{Findings, Problem};

use crate::client::{Access, Client};

const MORE: &str = "\
The exit code is 0 if all is well, 1 if there is something to do, 2 after a
usage error. Nothing is changed. Monitoring reads the same of a node as JSON at
/v1/status.";

/// Tell what state a database file or a running node is in, and what to do
#[derive(Debug, Parser)]
#[command(name = "ha doctor", bin_name = "ha doctor", after_help = MORE, max_term_width = 80)]
pub(crate) struct Args {
    /// Database file to examine
    #[arg(value_name = "FILE", required_unless_present = "url", conflicts_with = "url")]
    file: Option<PathBuf>,

    /// Running node to ask, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    access: Access,

    /// Compare indexes with their tables too, which takes longer
    #[arg(long)]
    full: bool,
}

/// Examines what the arguments name and says what it finds on standard output.
pub(crate) fn run(args: &Args) -> ExitCode {
    let findings = match (&args.file, &args.url) {
        (_, Some(url)) => node::ask(&Client::new(url, &args.access)),
        (Some(path), None) => file::examine(path, args.full),
        (None, None) => Findings::new("nothing"),
    };
    crate::stop::print(&findings.to_string());
    if findings.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
