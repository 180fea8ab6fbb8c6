//! Which transport the flags ask for, and which of them stay without effect.

use ha_core::{Error, Result};

use super::transport::{EmbeddedServer, Transport};
use crate::args::{NatsArgs, ReplicationArgs};
use crate::values::{Port, TransportKind};

/// The kind that is named, or that follows from what else is given.
pub(super) fn kind(replication: &ReplicationArgs, nats: &NatsArgs) -> Result<TransportKind> {
    if let Some(kind) = &replication.transport {
        return Ok(kind.clone());
    }
    match (&replication.replication_url.0, asked_for_server(nats)) {
        (Some(_), Some(flag)) => Err(Error::config(
            "--replication-url",
            format!(
                "with {flag} it is not clear where changes go; add --transport jetstream for \
                 the URL or --transport embedded for a server in this process"
            ),
        )),
        (Some(_), None) => Ok(TransportKind::Jetstream),
        (None, _) if is_off(nats) => Ok(TransportKind::Local),
        (None, _) => Ok(TransportKind::Embedded),
    }
}

/// What was given and has no effect with this transport, a line each.
pub(super) fn unused(
    transport: &Transport,
    replication: &ReplicationArgs,
    nats: &NatsArgs,
) -> Vec<String> {
    let by_plugin;
    let (heeded, why): (&[&str], _) = match transport {
        Transport::Embedded { server: EmbeddedServer::File(_), .. } => (
            &["--nats-config", "--replication-creds", "--replication-token"],
            "--nats-config sets up the server",
        ),
        Transport::Embedded { .. } => (
            &["--nats-port", "--nats-store-dir", "--nats-sync", "--nats-token"],
            "changes go to the embedded server",
        ),
        Transport::Jetstream { .. } => (
            &["--nats-sync", "--replication-creds", "--replication-token", "--replication-url"],
            "no embedded server is started",
        ),
        Transport::Local => (&[], "the node is alone"),
        Transport::Plugin(settings) => {
            by_plugin = format!("changes go by the plugin {}", settings.component());
            (&[], by_plugin.as_str())
        }
    };
    let unheeded = |(flag, given): &(&str, bool)| *given && !heeded.contains(flag);
    let unused = flags(replication, nats).into_iter().filter(unheeded);
    unused.map(|(flag, _)| format!("{flag} has no effect: {why}")).collect()
}

/// The flag that asks for an embedded server beside a URL.
fn asked_for_server(nats: &NatsArgs) -> Option<&'static str> {
    server_flags(nats)
        .into_iter()
        .find_map(|(flag, given)| (given && !is_off(nats)).then_some(flag))
}

/// What an embedded server is asked for with, and whether it was given.
fn server_flags(nats: &NatsArgs) -> [(&'static str, bool); 3] {
    [
        ("--nats-port", nats.nats_port.is_some_and(|port| port != Port::Off)),
        ("--nats-config", nats.nats_config.0.is_some()),
        ("--nats-store-dir", nats.nats_store_dir.0.is_some()),
    ]
}

/// What only some transports heed, and whether it was given.
fn flags(replication: &ReplicationArgs, nats: &NatsArgs) -> Vec<(&'static str, bool)> {
    let others = [
        ("--nats-sync", nats.nats_sync.is_some()),
        ("--nats-token", nats.nats_token.0.is_some()),
        ("--replication-creds", replication.replication_creds.0.is_some()),
        ("--replication-token", replication.replication_token.0.is_some()),
        ("--replication-url", replication.replication_url.0.is_some()),
    ];
    server_flags(nats).into_iter().chain(others).collect()
}

/// A configuration file asks for the server whatever the port.
fn is_off(nats: &NatsArgs) -> bool {
    nats.nats_port == Some(Port::Off) && nats.nats_config.0.is_none()
}
