use std::path::PathBuf;
use std::time::Duration;

use crate::begin::BeginAt;
use crate::snapshots::{Retention, SnapshotOptions};

/// How a node is to be.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its name, unique among the nodes of a stream.
    pub name: String,
    /// The database file. Its directory must exist.
    pub path: PathBuf,
    /// The file is scratch: it is gone after a crash, and nothing waits for the disk.
    pub scratch: bool,
    /// Whether foreign keys are enforced.
    pub foreign_keys: bool,
    /// SQLite's cache_size per connection.
    pub cache_size: Option<i64>,
    /// SQLite extensions that each connection loads, in this order.
    pub extensions: Vec<PathBuf>,
    /// Connections that read at the same time.
    pub readers: usize,
    /// Within this a write is answered, execution not counted.
    pub replication_timeout: Duration,
    /// How large the changes of a transaction may be in the log, in bytes.
    pub max_transaction_bytes: usize,
    /// How long a transaction that wrote may be without a statement.
    pub idle_timeout: Duration,
    /// Begin a new log from this database, on an empty stream.
    pub new_lineage: bool,
    /// The stream is that of a server of this process alone, so that its emptiness is no sign
    /// of a loss elsewhere.
    pub own_stream: bool,
    /// Nodes of v0.0.7 follow the same log: rows that they would not apply exactly are written
    /// in a form that they do.
    pub compat_v007: bool,
    /// Where in the log a node without a position begins.
    pub begin_at: BeginAt,
    /// When the node takes snapshots; `None` for never.
    pub snapshots: Option<SnapshotOptions>,
    /// How much of the log is kept. Nobody trims it with [`Self::compat_v007`].
    pub retention: Retention,
    /// Where entries are saved that this node has applied and the log will never have again: the
    /// beginning of the path. The database's own, unless that is gone at the end.
    pub lost: PathBuf,
    /// The node takes no writes, for this reason.
    pub read_only: Option<String>,
}

impl NodeOptions {
    /// The defaults for a node with that name and file.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: name.into(),
            lost: path.clone(),
            path,
            scratch: false,
            foreign_keys: true,
            cache_size: None,
            extensions: Vec::new(),
            readers: 50,
            replication_timeout: Duration::from_secs(5),
            max_transaction_bytes: 512 << 20,
            idle_timeout: Duration::from_secs(5),
            new_lineage: false,
            own_stream: false,
            compat_v007: false,
            begin_at: BeginAt::default(),
            snapshots: Some(SnapshotOptions::default()),
            retention: Retention::default(),
            read_only: None,
        }
    }
}
