//! What `ha` does besides running a node.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::{Answer, Client};
use crate::doctor;
use crate::secret::Secret;
use crate::stop::{self, Stop};
use crate::values::Optional;

/// Change which servers keep the log of a cluster of embedded NATS servers
#[derive(Debug, Parser)]
#[command(name = "ha cluster", bin_name = "ha cluster", max_term_width = 80)]
struct Cluster {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Take a member that is gone for good out of the cluster: the others no
    /// longer count it. It must not come back with what it has stored
    Remove {
        /// Name of the node (--name)
        name: String,

        /// A running node of the cluster, not the one that leaves
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
        url: String,

        /// Token of the node's HTTP front-end
        #[arg(
            long,
            value_name = "TOKEN",
            env = "HA_HTTP_TOKEN",
            hide_env_values = true,
            default_value = "",
            hide_default_value = true
        )]
        token: Optional<Secret>,
    },
}

/// Does what the first argument names, if that is a command; a database file of such a name
/// is written `./doctor`.
pub(crate) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (program, rest) = arguments.split_first()?;
    let command = rest.first()?.to_str()?;
    let rest = || std::iter::once(program).chain(&rest[1..]);
    match command {
        "doctor" => Some(parsed(doctor::Args::try_parse_from(rest()), |args| doctor::run(&args))),
        "cluster" => Some(parsed(Cluster::try_parse_from(rest()), change)),
        _ => None,
    }
}

fn parsed<A>(args: Result<A, clap::Error>, run: impl FnOnce(A) -> ExitCode) -> ExitCode {
    match args {
        Ok(args) => run(args),
        Err(error) => Stop::from(error).report(),
    }
}

fn change(args: Cluster) -> ExitCode {
    let Change::Remove { name, url, token } = args.change;
    let client = Client::new(&url, token.0.as_ref());
    let failed = match client.delete(&format!("/v1/members/{name}")) {
        Ok(Answer { status: 200, .. }) => {
            stop::print(&format!("{name} is no member any more\n"));
            return ExitCode::SUCCESS;
        }
        Ok(Answer { status, body }) => format!("{}: {status} {}", client.url(), body.trim()),
        Err(reason) => format!("{}: {reason}", client.url()),
    };
    stop::complain(&failed);
    ExitCode::FAILURE
}
