use std::net::SocketAddr;

use crate::secret::Secret;
use crate::values::{List, Name, Optional};

/// Embedded NATS servers that are one cluster: the log outlives any of them.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster of embedded NATS servers")]
pub struct ClusterArgs {
    /// Address and port on which this node's server listens for the other
    /// servers, such as 10.0.0.1:6222
    #[arg(long, value_name = "ADDRESS")]
    pub cluster_listen: Option<SocketAddr>,

    /// Where the servers of all nodes listen, this one's included, separated
    /// by commas: the same list on every node, such as a:6222,b:6222,c:6222
    #[arg(long, value_name = "HOSTS", default_value = "", hide_default_value = true)]
    pub cluster_peers: List,

    /// Name of the cluster, the same on every node
    #[arg(long, value_name = "NAME", default_value = "ha")]
    pub cluster_name: Name,

    /// What the servers show each other to be let in, the same on every node
    #[arg(long, value_name = "SECRET", default_value = "", hide_default_value = true)]
    pub cluster_secret: Optional<Secret>,
}
