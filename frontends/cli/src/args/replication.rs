use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Policy;
use crate::duration;
use crate::secret::Secret;
use crate::size;
use crate::values::{self, Compat, Name, NatsSync, Optional, Port, Servers, TransportKind};

/// How changes get to the other nodes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Replication")]
pub struct ReplicationArgs {
    /// What carries the changes between nodes: embedded (the NATS server inside
    /// this process), jetstream (the one behind --replication-url), local
    /// (nothing: a single node), or a plugin [default: jetstream with
    /// --replication-url, local with --nats-port 0, else embedded]
    #[arg(long, value_name = "NAME")]
    pub transport: Option<TransportKind>,

    /// NATS servers to join, separated by commas, such as nats://host:4222
    #[arg(long, value_name = "URLS", default_value = "", hide_default_value = true)]
    pub replication_url: Optional<Servers>,

    /// Credentials file for the NATS servers
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub replication_creds: Optional<PathBuf>,

    /// Token for the NATS servers
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    pub replication_token: Optional<Secret>,

    /// JetStream stream that holds the log
    #[arg(long, value_name = "NAME", default_value = "ha_replication")]
    pub replication_stream: Name,

    /// How many servers keep the stream
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: u8,

    /// How long a write may take to be replicated
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_positive)]
    pub replication_timeout: Duration,

    /// How long the log keeps changes that snapshots cover; 0 means for ever
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub replication_max_age: Duration,

    /// How much the log keeps of what snapshots cover; 0 means no limit
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size::parse)]
    pub replication_max_bytes: usize,

    /// How old a change may be that no snapshot of the database covers; 0 means
    /// that age is no reason for one
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub snapshot_interval: Duration,

    /// How much of the log need not be covered by a snapshot; 0 means that
    /// size is no reason for one
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size::parse)]
    pub snapshot_bytes: usize,

    /// Where a node without a position starts: all, last, new,
    /// by_start_sequence=N or by_start_time=YYYY-MM-DD HH:MM:SS (UTC); with
    /// others than all it takes no writes, or needs a file and --compat
    /// [default: all]
    #[arg(long, value_name = "POLICY", default_value = "", hide_default_value = true)]
    pub replication_policy: Optional<Policy>,

    /// Begin a new log with this node's database on an empty stream, even if
    /// it was part of another log
    #[arg(long)]
    pub new_lineage: bool,

    /// Write what nodes of this version can read
    #[arg(long, value_enum, value_name = "VERSION")]
    pub compat: Option<Compat>,

    /// How often the nodes compare their databases, if anything was written
    /// meanwhile; 0 means never
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub audit_interval: Duration,
}

/// The NATS server inside the process.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Embedded NATS server")]
pub struct NatsArgs {
    /// Port of the embedded server: 0 for no server, any for a free port
    /// [default: 4222]
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    pub nats_port: Option<Port>,

    /// Address the server listens on; * for all
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = values::host)]
    pub nats_host: IpAddr,

    /// Where the embedded server stores the log [default: FILE.nats beside
    /// the database file, ha-nats-PORT in the temporary directory for -m]
    #[arg(long, value_name = "DIR", default_value = "", hide_default_value = true)]
    pub nats_store_dir: Optional<PathBuf>,

    /// nats-server configuration file, instead of the other --nats flags
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub nats_config: Optional<PathBuf>,

    /// When the server syncs to the disk: always (before it acknowledges) or
    /// an interval such as 2m (faster, but a power loss takes acknowledged
    /// writes with it). With --replication-url, always says that those
    /// servers do [default: always]
    #[arg(long, value_name = "WHEN")]
    pub nats_sync: Option<NatsSync>,

    /// Token that the embedded server asks of its clients
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    pub nats_token: Optional<Secret>,
}
