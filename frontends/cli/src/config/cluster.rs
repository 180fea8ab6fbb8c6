use std::net::SocketAddr;

use ha_core::{Error, Result};

use crate::args::{ClusterArgs, NodeArgs};
use crate::secret::Secret;

/// The cluster that the embedded server is a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Where this server listens for the others.
    pub listen: SocketAddr,
    /// Where all servers listen, this one included.
    pub peers: Vec<String>,
    /// What the servers show each other; `None` if none was given, which loopback allows.
    pub secret: Option<Secret>,
}

/// The cluster that the flags ask for. The node's name is the server's, and must be the same
/// at each start.
pub(super) fn choose(args: ClusterArgs, node: &NodeArgs) -> Result<Option<Cluster>> {
    let ClusterArgs { cluster_listen, cluster_peers, cluster_name, cluster_secret } = args;
    let peers = cluster_peers.0;
    let Some(listen) = cluster_listen else {
        let given = [
            (!peers.is_empty(), "--cluster-peers"),
            (cluster_secret.0.is_some(), "--cluster-secret"),
        ];
        return match given.into_iter().find(|(given, _)| *given) {
            Some((_, flag)) => {
                Err(Error::config(flag, "needs --cluster-listen, where this node listens"))
            }
            None => Ok(None),
        };
    };
    if listen.port() == 0 {
        let reason = "the others have to know the port; give one, such as 6222";
        return Err(Error::config("--cluster-listen", reason));
    }
    if peers.len() < 3 {
        let reason = "list all nodes of the cluster, this one too: at least 3, so that the log \
                      outlives one of them";
        return Err(Error::config("--cluster-peers", reason));
    }
    if let Some(peer) = peers.iter().find(|peer| !is_host_and_port(peer)) {
        return Err(Error::config("--cluster-peers", format!("{peer:?} is not HOST:PORT")));
    }
    if node.name.0.is_none() {
        let reason = "a node of a cluster needs a name that stays, see --name";
        return Err(Error::config("--cluster-listen", reason));
    }
    let name = cluster_name.as_str().to_owned();
    Ok(Some(Cluster { name, listen, peers, secret: cluster_secret.0 }))
}

fn is_host_and_port(peer: &str) -> bool {
    peer.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
