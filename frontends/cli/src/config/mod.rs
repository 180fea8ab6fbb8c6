//! What a start of `ha` was told, checked and typed. Nothing here touches the file system or
//! the network.

mod choice;
mod cluster;
mod exposure;
mod frontends;
mod plugins;
mod policy;
mod transport;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ha_core::{Error, Result};

pub use cluster::Cluster;
pub use exposure::{check_exposure, reachable};
pub use frontends::{Http, Pg, Tls};
pub use plugins::{Offer, Plugins};
pub use policy::{Policy, StartPolicy};
pub use transport::{Credentials, EmbeddedServer, ServerOptions, Transport};

use crate::args::{Args, LimitArgs, LogArgs, NodeArgs, ReplicationArgs};
use crate::dsn::{Dsn, OpenOptions};
use crate::values::{Compat, LogFormat, Port};

/// How a node is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The node's name; one made from the time if none was given.
    pub node: String,
    /// The database.
    pub database: Database,
    /// What carries the changes.
    pub transport: Transport,
    /// The log.
    pub replication: Replication,
    /// The HTTP front-end, if it is to be served.
    pub http: Option<Http>,
    /// The PostgreSQL front-end, if it is to be served.
    pub pg: Option<Pg>,
    /// Front-ends and transports of others.
    pub plugins: Plugins,
    /// What one call of a client may use.
    pub limits: ha_core::Limits,
    /// How large the changes of a transaction may be in the log, in bytes.
    pub max_transaction_bytes: usize,
    /// How long a transaction may hold the writer without doing anything.
    pub transaction_idle_timeout: Duration,
    /// Logging.
    pub logging: Logging,
    /// Listeners need no credentials; see [`check_exposure`].
    pub insecure: bool,
    /// What the user should know before the node starts, one line each.
    pub warnings: Vec<String>,
}

/// The database of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where it is.
    pub storage: Storage,
    /// How it is opened.
    pub open: OpenOptions,
    /// How many queries run at the same time.
    pub concurrent_queries: NonZeroUsize,
    /// SQLite extensions that every connection loads, in this order.
    pub extensions: Vec<PathBuf>,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In this file.
    File(PathBuf),
    /// In memory, beginning with the content of this file; empty without.
    Memory(Option<PathBuf>),
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// The stream that holds it.
    pub stream: String,
    /// How many servers keep the stream.
    pub replicas: u8,
    /// How long a write may take to be replicated.
    pub timeout: Duration,
    /// How long the log keeps changes; `None` means for ever.
    pub max_age: Option<Duration>,
    /// How many bytes the log keeps; `None` means no limit.
    pub max_bytes: Option<u64>,
    /// How old a change may be that no snapshot covers; `None` means any age.
    pub snapshot_interval: Option<Duration>,
    /// How many bytes of log need not be covered by a snapshot; `None` means any number.
    pub snapshot_bytes: Option<u64>,
    /// Where a node without a position starts.
    pub policy: StartPolicy,
    /// A database that was part of another log may begin a new one.
    pub new_lineage: bool,
    /// Which version's nodes may be in the cluster.
    pub compat: Option<Compat>,
    /// How often the nodes compare their databases; `None` means never.
    pub audit_interval: Option<Duration>,
}

/// Logging, to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Which events, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
    /// Whether the text of statements is logged; see [`crate::logging::SQL_TARGET`].
    pub sql: bool,
}

/// What a configuration depends on besides the arguments.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The directory for temporary files.
    pub temp_dir: PathBuf,
    /// The time, for a node without a name.
    pub now: SystemTime,
}

impl Config {
    /// Checks the arguments and fills in what follows from them. The error names the flag. Names
    /// of plugins are checked by [`Self::check_plugins`], once they are loaded.
    pub fn new(args: Args, surroundings: &Surroundings) -> Result<Self> {
        let node = node_name(&args.node, surroundings.now);
        let (database, mut warnings) = database(&args)?;
        let place = transport::Place { storage: &database.storage, node: &node, surroundings };
        let settings = plugins::AllSettings::read(&args.plugins.set)?;
        let (transport, notes) = transport::choose(&args, &place, &settings)?;
        warnings.extend(notes);
        let replication = replication(&args.replication, &database.storage)?;
        let plugins = plugins::choose(&args.plugins, &args.node, &transport, &settings);
        let (http, pg) = frontends::choose(&args.node, args.http, args.pg, args.limits.max_body)?;
        let config = Self {
            node,
            database,
            transport,
            replication,
            http,
            pg,
            plugins,
            limits: limits(&args.limits),
            max_transaction_bytes: args.limits.max_transaction_bytes,
            transaction_idle_timeout: args.limits.transaction_idle_timeout,
            logging: logging(args.log),
            insecure: args.node.insecure,
            warnings,
        };
        if !config.plugins.is_any_loaded() {
            config.check_plugins(&[])?; // whatever is set is for one that is not there
        }
        Ok(config)
    }
}

fn node_name(args: &NodeArgs, now: SystemTime) -> String {
    let generated = || {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("ha_{}", since_epoch.as_nanos())
    };
    args.name.0.as_ref().map_or_else(generated, |name| name.as_str().to_owned())
}

fn database(args: &Args) -> Result<(Database, Vec<String>)> {
    let Args { node, database, .. } = args;
    let (storage, open, warnings) = if node.memory && database.is_empty() {
        (Storage::Memory(None), OpenOptions::default(), Vec::new())
    } else {
        let Dsn { path, options, warnings } = Dsn::parse(database)?;
        let storage = if node.memory { Storage::Memory(Some(path)) } else { Storage::File(path) };
        (storage, options, warnings)
    };
    let extensions = node.extensions.0.iter().map(PathBuf::from).collect();
    let concurrent_queries = node.concurrent_queries;
    Ok((Database { storage, open, concurrent_queries, extensions }, warnings))
}

fn replication(args: &ReplicationArgs, storage: &Storage) -> Result<Replication> {
    if args.compat.is_some() && args.replicas > 1 {
        let reason = "nodes of v0.0.7 set the stream back to 1; leave it out with --compat";
        return Err(Error::config("--replicas", reason));
    }
    let loaded = match storage {
        Storage::Memory(file) => file.as_deref(),
        Storage::File(_) => None,
    };
    Ok(Replication {
        stream: args.replication_stream.as_str().to_owned(),
        replicas: args.replicas,
        timeout: args.replication_timeout,
        max_age: unless_zero(args.replication_max_age),
        max_bytes: positive(args.replication_max_bytes).map(|bytes| bytes as u64),
        snapshot_interval: unless_zero(args.snapshot_interval),
        snapshot_bytes: positive(args.snapshot_bytes).map(|bytes| bytes as u64),
        policy: StartPolicy::choose(args.replication_policy.0, loaded),
        new_lineage: args.new_lineage,
        compat: args.compat,
        audit_interval: Some(args.audit_interval).filter(|interval| !interval.is_zero()),
    })
}

/// The number to bind, if any; 0 binds a free port.
fn number(port: Port) -> Option<u16> {
    match port {
        Port::Off => None,
        Port::Number(number) => Some(number),
        Port::Any => Some(0),
    }
}

fn positive(limit: usize) -> Option<usize> {
    Some(limit).filter(|&limit| limit > 0)
}

fn unless_zero(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| !time.is_zero())
}

fn limits(args: &LimitArgs) -> ha_core::Limits {
    ha_core::Limits {
        time: unless_zero(args.statement_timeout),
        rows: positive(args.max_rows),
        bytes: positive(args.max_result_bytes),
    }
}

fn logging(args: LogArgs) -> Logging {
    Logging { filter: args.log, format: args.log_format, sql: args.log_sql }
}

#[cfg(test)]
mod tests;
