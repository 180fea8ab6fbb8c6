use std::net::SocketAddr;
use std::path::PathBuf;

use ha_core::{Error, Result, Settings};

use super::choice::{kind, unused};
use super::plugins::{AllSettings, Half};
use super::{Cluster, Storage, Surroundings, cluster, number};
use crate::args::{Args, NatsArgs, ReplicationArgs};
use crate::secret::Secret;
use crate::values::{NatsSync, Optional, Port, Servers, TransportKind};

const DEFAULT_NATS_PORT: Port = Port::Number(4222);

/// What carries the changes between nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A NATS server inside the process.
    Embedded {
        /// The server.
        server: EmbeddedServer,
        /// What the node itself shows to it.
        credentials: Credentials,
    },
    /// NATS servers elsewhere.
    Jetstream {
        /// The servers.
        servers: Servers,
        /// What the node shows to them.
        credentials: Credentials,
        /// The user says that they sync before they acknowledge.
        synced: bool,
    },
    /// Nothing: the node is alone.
    Local,
    /// The plugin of that name, with what it is told.
    Plugin(Settings),
}

impl Transport {
    /// Whether the log is known to be on a disk before a write is acknowledged. `false` where
    /// only a configuration file or somebody else could tell.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        match self {
            Self::Embedded { server: EmbeddedServer::Options(options), .. } => {
                options.sync == NatsSync::Always
            }
            Self::Embedded { server: EmbeddedServer::File(_), .. }
            | Self::Local
            | Self::Plugin(_) => false,
            Self::Jetstream { synced, .. } => *synced,
        }
    }
}

/// How the embedded server is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddedServer {
    /// By a configuration file of nats-server.
    File(PathBuf),
    /// By flags.
    Options(ServerOptions),
}

/// The embedded server by flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where it listens; port 0 means a free one.
    pub address: SocketAddr,
    /// Where it stores the log.
    pub store_dir: PathBuf,
    /// When it brings messages to the disk.
    pub sync: NatsSync,
    /// What it asks of its clients.
    pub token: Option<Secret>,
    /// The cluster it is a member of.
    pub cluster: Option<Cluster>,
}

/// What a node shows to NATS servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing, or what the URLs hold.
    None,
    /// A token.
    Token(Secret),
    /// A credentials file.
    File(PathBuf),
}

/// Where the node is, for default paths.
pub(super) struct Place<'a> {
    pub(super) storage: &'a Storage,
    pub(super) node: &'a str,
    pub(super) surroundings: &'a Surroundings,
}

/// The transport the arguments ask for, and what of them stays without effect.
pub(super) fn choose(
    args: &Args,
    place: &Place<'_>,
    settings: &AllSettings,
) -> Result<(Transport, Vec<String>)> {
    let (replication, nats) = (&args.replication, &args.nats);
    let credentials = credentials(replication)?;
    let cluster = cluster::choose(args.cluster.clone(), &args.node)?;
    let kind = kind(replication, nats)?;
    if cluster.is_some() && (kind != TransportKind::Embedded || nats.nats_config.0.is_some()) {
        let reason = "is for the embedded server as the flags make it: leave out --replication-url, \
                      --nats-config, --nats-port 0 and other transports";
        return Err(Error::config("--cluster-listen", reason));
    }
    let transport = match kind {
        TransportKind::Embedded => embedded(nats, credentials, cluster, place)?,
        TransportKind::Jetstream => jetstream(replication, nats, credentials)?,
        TransportKind::Local => Transport::Local,
        TransportKind::Plugin(name) => Transport::Plugin(settings.of(&name, Half::Transport)),
    };
    let warnings = unused(&transport, replication, nats);
    Ok((transport, warnings))
}

fn embedded(
    nats: &NatsArgs,
    credentials: Credentials,
    cluster: Option<Cluster>,
    place: &Place<'_>,
) -> Result<Transport> {
    if let Some(file) = nats.nats_config.0.clone() {
        return Ok(Transport::Embedded { server: EmbeddedServer::File(file), credentials });
    }
    let Some(port) = number(nats.nats_port.unwrap_or(DEFAULT_NATS_PORT)) else {
        let reason = "0 means no embedded server; give a port or any, or --transport local";
        return Err(Error::config("--nats-port", reason));
    };
    let token = nats.nats_token.0.clone();
    let credentials = token.clone().map_or(Credentials::None, Credentials::Token);
    let server = EmbeddedServer::Options(ServerOptions {
        address: SocketAddr::new(nats.nats_host, port),
        store_dir: nats.nats_store_dir.0.clone().unwrap_or_else(|| store_dir(place, port)),
        sync: nats.nats_sync.unwrap_or_default(),
        token,
        cluster,
    });
    Ok(Transport::Embedded { server, credentials })
}

fn jetstream(
    replication: &ReplicationArgs,
    nats: &NatsArgs,
    credentials: Credentials,
) -> Result<Transport> {
    let Optional(Some(servers)) = replication.replication_url.clone() else {
        let reason = "jetstream needs --replication-url, such as nats://host:4222";
        return Err(Error::config("--transport", reason));
    };
    let synced = nats.nats_sync == Some(NatsSync::Always);
    Ok(Transport::Jetstream { servers, credentials, synced })
}

fn credentials(args: &ReplicationArgs) -> Result<Credentials> {
    match (&args.replication_creds.0, &args.replication_token.0) {
        (Some(_), Some(_)) => {
            let reason = "give either this or --replication-creds, not both";
            Err(Error::config("--replication-token", reason))
        }
        (Some(file), None) => Ok(Credentials::File(file.clone())),
        (None, Some(token)) => Ok(Credentials::Token(token.clone())),
        (None, None) => Ok(Credentials::None),
    }
}

/// Beside the database file, or one per port in the directory for temporary files.
fn store_dir(place: &Place<'_>, port: u16) -> PathBuf {
    let in_temp_dir = |name: String| place.surroundings.temp_dir.join(name);
    match place.storage {
        Storage::File(path) => {
            let mut beside = path.clone().into_os_string();
            beside.push(".nats");
            beside.into()
        }
        Storage::Memory(_) if port == 0 => in_temp_dir(format!("ha-nats-{}", place.node)),
        Storage::Memory(_) => in_temp_dir(format!("ha-nats-{port}")),
    }
}
