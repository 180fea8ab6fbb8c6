//! Opening the transport that the configuration names.

use std::sync::Arc;

use anyhow::Result;
use ha_core::{ChangeTransport, Lineage, Seq};
use ha_engine::{Found, NodeOptions};
use ha_jetstream::JetStream;
use ha_memory::Local;

use super::roll_call;
use crate::config::{Config, Credentials, EmbeddedServer, Transport};
use crate::plugins::Plugins;

/// A transport, and the log behind it if that is one of NATS.
pub(super) struct Opened {
    pub(super) transport: Arc<dyn ChangeTransport>,
    pub(super) log: Option<Arc<JetStream>>,
}

/// Opens the transport. The log of a server of this process is prepared for the node with these
/// options before others get in.
pub(super) async fn open(
    config: &Config,
    plugins: &Plugins,
    found: Found,
    node: &NodeOptions,
) -> Result<Opened> {
    match &config.transport {
        Transport::Local => Ok(Opened { transport: Arc::new(local(found)), log: None }),
        Transport::Plugin(settings) => {
            Ok(Opened { transport: plugins.open_transport(settings).await?, log: None })
        }
        Transport::Jetstream { servers, credentials, synced } => {
            let options = ha_jetstream::Options {
                url: servers.urls().join(","),
                synced: *synced,
                ..stream(config, credentials)
            };
            if !synced {
                tracing::info!(
                    "commits wait for this node's disk; --nats-sync always says that the NATS servers sync"
                );
            }
            let log = JetStream::connect(options).await?;
            if node.new_lineage {
                roll_call::before_new_lineage(&log, found).await?;
            }
            Ok(Opened { transport: Arc::<JetStream>::clone(&log), log: Some(log) })
        }
        Transport::Embedded { server, credentials } => {
            embedded::open(config, found, server, stream(config, credentials), node).await
        }
    }
}

/// What a log that does not open is waited for, in words.
pub(super) async fn waited_for(config: &Config) -> String {
    let silent = match &config.transport {
        Transport::Embedded { server: EmbeddedServer::Options(options), .. } => {
            let peers = options.cluster.as_ref().map_or(&[][..], |cluster| &cluster.peers);
            embedded::silent(peers).await
        }
        Transport::Local
        | Transport::Jetstream { .. }
        | Transport::Embedded { .. }
        | Transport::Plugin(_) => Vec::new(),
    };
    if silent.is_empty() {
        return "the node is starting: it waits for its log".to_owned();
    }
    format!(
        "the node is starting: it waits for most servers of the cluster, and nobody answers at {}",
        silent.join(", ")
    )
}

fn local(found: Found) -> Local {
    match found {
        Found::Position(token) => Local::new(token.lineage, token.seq),
        Found::Nothing | Found::Foreign(_) => Local::new(Lineage(rand::random()), Seq::ZERO),
    }
}

/// The stream keeps everything: the age limit is the node's own to keep, once snapshots cover
/// what it drops. Beside nodes of v0.0.7 it is as they make it, the age limit included.
fn stream(config: &Config, credentials: &Credentials) -> ha_jetstream::Options {
    let mut options = ha_jetstream::Options {
        stream: config.replication.stream.clone(),
        replicas: usize::from(config.replication.replicas),
        timeout: config.replication.timeout,
        name: config.node.clone(),
        max_age: config.replication.compat.map(|_| config.replication.max_age.unwrap_or_default()),
        ..ha_jetstream::Options::default()
    };
    match credentials {
        Credentials::None => {}
        Credentials::Token(token) => options.token = Some(token.expose().to_owned()),
        Credentials::File(path) => options.credentials = Some(path.clone()),
    }
    options
}

#[cfg(not(feature = "nats-embedded"))]
mod embedded {
    use anyhow::{Result, bail};
    use ha_engine::{Found, NodeOptions};

    use super::Opened;
    use crate::config::{Config, EmbeddedServer};

    #[allow(clippy::unused_async, reason = "the same shape as with the server")]
    pub(super) async fn open(
        _: &Config,
        _: Found,
        _: &EmbeddedServer,
        _: ha_jetstream::Options,
        _: &NodeOptions,
    ) -> Result<Opened> {
        bail!(
            "this ha was built without the embedded NATS server; name a server with \
             --replication-url, or start alone with --nats-port 0"
        )
    }

    #[allow(clippy::unused_async, reason = "the same shape as with the server")]
    pub(super) async fn silent(_: &[String]) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(feature = "nats-embedded")]
mod embedded {
    use std::fs::{self, DirBuilder};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    use std::path::Path;
    use std::sync::Arc;

    use anyhow::{Context, Result, bail};
    use ha_core::ChangeTransport;
    use ha_engine::{Found, Node, NodeOptions};
    use ha_nats_embedded::{Embedded, Options, Private, Sync};

    pub(super) use ha_nats_embedded::silent;

    use super::super::once_reachable;
    use super::{Opened, roll_call};
    use crate::config::{Config, EmbeddedServer, ServerOptions};
    use crate::values::NatsSync;

    pub(super) async fn open(
        config: &Config,
        found: Found,
        server: &EmbeddedServer,
        stream: ha_jetstream::Options,
        node: &NodeOptions,
    ) -> Result<Opened> {
        let options = match server {
            EmbeddedServer::File(path) => {
                Options { config_file: Some(path.clone()), ..Options::default() }
            }
            EmbeddedServer::Options(options) => {
                store_dir(&options.store_dir)?;
                server_options(options)
            }
        };
        let options = Options { server_name: config.node.clone(), ..options };
        let prepare = async |Private { log, is_clustered }: Private| {
            if node.new_lineage {
                roll_call::before_new_lineage(&log, found).await?;
            }
            // A cluster's stream belongs to all its members, and another one may know more.
            let node = NodeOptions { own_stream: !is_clustered, ..node.clone() };
            let log = log as Arc<dyn ChangeTransport>;
            if is_clustered {
                once_reachable(async || Node::prepare(&node, &log).await).await
            } else {
                Node::prepare(&node, &log).await
            }
        };
        let embedded = Embedded::open_after(options, stream, prepare).await?;
        let log = Some(Arc::clone(embedded.log()));
        Ok(Opened { transport: embedded, log })
    }

    fn server_options(options: &ServerOptions) -> Options {
        Options {
            host: options.address.ip().to_string(),
            port: options.address.port(),
            store_dir: options.store_dir.clone(),
            sync: match options.sync {
                NatsSync::Always => Sync::Always,
                NatsSync::Every(interval) => Sync::Interval(interval),
            },
            token: options.token.as_ref().map(|token| token.expose().to_owned()),
            cluster: options.cluster.as_ref().map(cluster),
            ..Options::default()
        }
    }

    fn cluster(cluster: &crate::config::Cluster) -> ha_nats_embedded::Cluster {
        let secret = cluster.secret.as_ref().map_or("ha", |secret| secret.expose());
        ha_nats_embedded::Cluster {
            name: cluster.name.clone(),
            listen: cluster.listen.to_string(),
            peers: cluster.peers.clone(),
            secret: secret.to_owned(),
        }
    }

    /// Makes the server's directory, for this user only. One in a shared place may have been
    /// made by somebody else.
    fn store_dir(path: &Path) -> Result<()> {
        let context = || format!("the NATS store directory {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(context)?;
        let owner = fs::metadata(path).with_context(context)?.uid();
        if owner != rustix::process::geteuid().as_raw() && !rustix::process::geteuid().is_root() {
            bail!("{} belongs to another user; choose one with --nats-store-dir", context());
        }
        Ok(())
    }
}
