use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use ha_core::Members;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Server;

/// How long a member may take to accept a connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// The members of the server's cluster. If some are missing, the configured addresses are tried
/// for who is silent; each try is a line in the others' logs.
pub(crate) async fn members(server: &Arc<Server>, peers: &[String]) -> Option<Members> {
    let server = Arc::clone(server);
    let known = tokio::task::spawn_blocking(move || server.members()).await.ok()??;
    let silent = if known.here.len() < known.size { silent(peers).await } else { Vec::new() };
    Some(Members { silent, ..known })
}

/// The addresses, each `host:port`, where nobody accepts a connection; asks all at once, for
/// half a second.
pub async fn silent(peers: &[String]) -> Vec<String> {
    let answers = join_all(peers.iter().map(|peer| timeout(PATIENCE, TcpStream::connect(peer))));
    let silent =
        answers.await.into_iter().zip(peers).filter(|(answer, _)| !matches!(answer, Ok(Ok(_))));
    silent.map(|(_, peer)| peer.clone()).collect()
}
