//! Every flag of `ha`. The doc comment of a field is its help text.

mod cluster;
mod frontends;
mod plugins;
mod replication;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Command, CommandFactory, Parser};

pub use cluster::ClusterArgs;
pub use frontends::{HttpArgs, LimitArgs, PgArgs};
pub use plugins::PluginArgs;
pub use replication::{NatsArgs, ReplicationArgs};

use crate::values::{self, List, LogFormat, Name, Optional};

const ABOUT: &str = "Highly available, leaderless SQLite cluster powered by NATS JetStream";

const MORE: &str = "\
Every flag can also be set by an environment variable, HA_ and the flag's name
(--nats-port: HA_NATS_PORT), and in the file that --config names. A flag wins
over the environment, the environment over the file. Other users of the machine
can see flags: set secrets by variable or file.

Durations: 250ms, 5s, 1h30m. Sizes: 4096, 64k, 8MiB.

Examples:
  ha -m                          a node in memory with a NATS server inside
  ha -m -n node2 -p 8081 --pg-port 5433 --nats-port 0 \\
     --replication-url nats://localhost:4222
                                 a second node that joins it
  ha mydatabase.db               a node on disk

Commands:
  ha doctor FILE                 what state a database file is in, and what to do
  ha doctor --url URL            the same of a running node
  ha cluster remove NAME         takes a member out that is gone for good
  ha plugins --plugin FILE       what is in libraries with plugins; also with
                                 --plugin-dir and --config

To start empty again: stop the node, then delete the database file, its -wal
and -shm files beside it, and the directory of the embedded NATS server:
FILE.nats beside the database file, ha-nats-PORT in the temporary
directory for -m, or what --nats-store-dir names. On other servers delete the
stream too.";

/// What a start of `ha` was told, whether by flag, environment or file.
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// Database file, as a path or file: URI; with -m the file to load
    /// [default: file:ha.db?_journal=WAL&_busy_timeout=5000, with -m none]
    #[arg(value_name = "DATABASE", default_value = "", hide_default_value = true)]
    pub database: String,

    /// The node, its storage and its configuration.
    #[command(flatten)]
    pub node: NodeArgs,

    /// Replication.
    #[command(flatten)]
    pub replication: ReplicationArgs,

    /// The embedded server.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// The cluster that the embedded server is a member of.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// The HTTP front-end.
    #[command(flatten)]
    pub http: HttpArgs,

    /// The PostgreSQL front-end.
    #[command(flatten)]
    pub pg: PgArgs,

    /// Plugins.
    #[command(flatten)]
    pub plugins: PluginArgs,

    /// Limits.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The node and its storage.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Node")]
pub struct NodeArgs {
    /// Configuration file: `name value` lines, or TOML
    #[arg(short, long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub config: Optional<PathBuf>,

    /// Name of the node, unique in the cluster [default: ha_ and the time]
    #[arg(short, long, default_value = "", hide_default_value = true)]
    pub name: Optional<Name>,

    /// Keep the database in memory
    #[arg(short, long)]
    pub memory: bool,

    /// How many queries run at the same time
    #[arg(long, value_name = "N", default_value = "50", value_parser = values::count)]
    pub concurrent_queries: NonZeroUsize,

    /// SQLite extensions to load, separated by commas
    #[arg(long, value_name = "FILES", default_value = "", hide_default_value = true)]
    pub extensions: List,

    /// Front-ends to serve, separated by commas: http, pg, and names of plugins
    #[arg(long, value_name = "NAMES", default_value = "http,pg")]
    pub frontend: List,

    /// Address the front-ends listen on; * for all
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = values::host)]
    pub host: IpAddr,

    /// Allow listeners on other addresses without credentials of one's own
    #[arg(long)]
    pub insecure: bool,
}

/// Logging, to standard error.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// What to log: a level, or `part=level` pairs separated by commas
    #[arg(long, value_name = "FILTER", default_value = "info,nats=warn,async_nats=warn")]
    pub log: String,

    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// Log the text of statements too, with the values in it
    #[arg(long)]
    pub log_sql: bool,
}

/// The command that parses [`Args`]. Switches take a value (`--memory=false`), so that a flag
/// can take back what the environment or the file sets.
#[must_use]
pub fn command() -> Command {
    Args::command()
        .name("ha")
        .bin_name("ha")
        .about(ABOUT)
        .long_about(None)
        .after_help(MORE)
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(80)
        .args_override_self(true)
        .next_line_help(true)
        .mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => switch(arg),
            _ => arg,
        })
}

fn switch(arg: clap::Arg) -> clap::Arg {
    arg.action(ArgAction::Set)
        .value_parser(BoolishValueParser::new())
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .hide_possible_values(true)
}
