use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ha_core::Result;
use serde::Serialize;

use crate::Cluster;
use crate::cluster::WireCluster;

/// How the server is to run.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// Where streams are stored. Made if it is missing; one server at a time may use it.
    pub store_dir: PathBuf,
    /// The server's name in a cluster and in its log; empty for a random one.
    pub server_name: String,
    /// When the store is synced to disk.
    pub sync: Sync,
    /// A token that clients must present.
    pub token: Option<String>,
    /// The largest message in bytes; the server's default is 1 MiB.
    pub max_payload: Option<u32>,
    /// The cluster that the server is a member of; alone if there is none. A member needs a
    /// name of its own in [`Self::server_name`].
    pub cluster: Option<Cluster>,
    /// A configuration file of nats-server, which then decides all of the above alone. It must
    /// enable JetStream. A file without a `sync_interval` means [`Sync::Always`], not the two
    /// minutes of nats-server.
    pub config_file: Option<PathBuf>,
}

/// When a server's store is synced to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// Before every acknowledgement: what is acknowledged survives a power loss.
    #[default]
    Always,
    /// Every so often: a power loss takes what was acknowledged since.
    Interval(Duration),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            store_dir: PathBuf::from("nats"),
            server_name: String::new(),
            sync: Sync::Always,
            token: None,
            max_payload: None,
            cluster: None,
            config_file: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("store_dir", &self.store_dir)
            .field("server_name", &self.server_name)
            .field("sync", &self.sync)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("max_payload", &self.max_payload)
            .field("cluster", &self.cluster)
            .field("config_file", &self.config_file)
            .finish()
    }
}

/// The options as the Go side reads them (`options` in `server/node.go`).
#[derive(Serialize)]
pub(crate) struct Wire {
    host: String,
    port: i32,
    store_dir: PathBuf,
    server_name: String,
    sync_interval_ns: u64,
    token: String,
    config_file: PathBuf,
    max_payload: u32,
    debug: bool,
    private: bool,
    cluster: Option<WireCluster>,
}

impl Wire {
    /// `private`: only this process gets in for now.
    pub(crate) fn new(options: Options, private: bool) -> Result<Self> {
        let cluster = options.cluster.filter(|_| options.config_file.is_none());
        let cluster = cluster.map(|cluster| WireCluster::new(cluster, &options.server_name));
        Ok(Self {
            cluster: cluster.transpose()?,
            host: options.host,
            port: if options.port == 0 { -1 } else { options.port.into() },
            store_dir: options.store_dir,
            server_name: options.server_name,
            sync_interval_ns: match options.sync {
                Sync::Always => 0,
                // Zero would mean always, the opposite of a careless interval's intent.
                Sync::Interval(interval) => {
                    u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX >> 1).max(1)
                }
            },
            token: options.token.unwrap_or_default(),
            config_file: options.config_file.unwrap_or_default(),
            max_payload: options.max_payload.unwrap_or_default(),
            debug: tracing::enabled!(target: "nats", tracing::Level::DEBUG),
            private,
        })
    }
}
