use std::fmt;

use ha_core::{Error, Result};
use serde::Serialize;

/// The cluster of servers that a server is a member of. JetStream then keeps every stream on
/// as many of them as the stream has replicas, and works as long as most of them run.
///
/// A store directory that was filled without a cluster is refused with one, and the other way
/// round: nats-server would delete, or fork, what is in it.
#[derive(Clone)]
pub struct Cluster {
    /// The cluster's name, the same on all members.
    pub name: String,
    /// Where this server listens for the others, `host:port`; the port is known beforehand.
    pub listen: String,
    /// Where all servers of the cluster listen, this one included: the same list on every
    /// member. In an empty store the cluster is taken to have as many servers.
    pub peers: Vec<String>,
    /// What the servers show each other to be let in, the same on all members.
    pub secret: String,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("secret", &"***")
            .finish()
    }
}

/// The cluster as the Go side reads it (`cluster` in `server/cluster.go`).
#[derive(Serialize)]
pub(crate) struct WireCluster {
    name: String,
    host: String,
    port: u16,
    peers: Vec<String>,
    secret: String,
}

impl WireCluster {
    /// [`Error::Config`] if the settings of the server called `server` make no sense.
    pub(crate) fn new(cluster: Cluster, server: &str) -> Result<Self> {
        check_name("server_name", server)?;
        check_name("cluster.name", &cluster.name)?;
        if cluster.secret.is_empty() {
            let reason = "without a secret anybody could join the cluster";
            return Err(Error::config("cluster.secret", reason));
        }
        if cluster.peers.is_empty() {
            return Err(Error::config("cluster.peers", "the servers of the cluster are missing"));
        }
        for peer in &cluster.peers {
            address("cluster.peers", peer)?;
        }
        let (host, port) = address("cluster.listen", &cluster.listen)?;
        let Cluster { name, peers, secret, .. } = cluster;
        Ok(Self { name, host: host.to_owned(), port, peers, secret })
    }
}

fn check_name(key: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.contains(char::is_whitespace) {
        let reason = format!("{name:?}: a member of a cluster needs a name, without blanks");
        return Err(Error::config(key, reason));
    }
    Ok(())
}

/// The host, without brackets, and the port, which is not 0.
fn address<'a>(key: &str, text: &'a str) -> Result<(&'a str, u16)> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let is_ipv6 = host.starts_with('[') && host.ends_with(']');
        let bare = if is_ipv6 { &host[1..host.len() - 1] } else { host };
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!bare.is_empty() && (is_ipv6 || !bare.contains(':'))).then_some((bare, port))
    });
    parsed.ok_or_else(|| Error::config(key, format!("{text:?}: host:port expected")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        assert_eq!(address("k", "10.0.0.1:6222"), Ok(("10.0.0.1", 6222)));
        assert_eq!(address("k", "[::1]:6222"), Ok(("::1", 6222)));
        assert_eq!(address("k", "node-1.local:1"), Ok(("node-1.local", 1)));
        for wrong in ["", "host", ":6222", "host:", "host:0", "host:70000", "::1:6222", "[]:1"] {
            assert!(address("k", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let good = || Cluster {
            name: "c".to_owned(),
            listen: "127.0.0.1:1".to_owned(),
            peers: vec!["127.0.0.1:1".to_owned()],
            secret: "s".to_owned(),
        };
        assert!(WireCluster::new(good(), "n1").is_ok());
        let key = |cluster, server: &str| match WireCluster::new(cluster, server) {
            Err(Error::Config { key, .. }) => key,
            _ => panic!("a setting is wrong"),
        };
        assert_eq!(key(good(), ""), "server_name");
        assert_eq!(key(Cluster { name: "a b".to_owned(), ..good() }, "n1"), "cluster.name");
        assert_eq!(key(Cluster { secret: String::new(), ..good() }, "n1"), "cluster.secret");
        assert_eq!(key(Cluster { peers: vec![], ..good() }, "n1"), "cluster.peers");
        assert_eq!(key(Cluster { listen: "x".to_owned(), ..good() }, "n1"), "cluster.listen");
    }
}
