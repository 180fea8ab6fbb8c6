//! Connections.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ha_core::Shutdown;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tracing::{debug, warn};

use crate::options::Options;

/// The head of a request may have this many bytes.
const MAX_HEAD: usize = 64 << 10;

/// How long to wait after the system refused to accept, for lack of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Lets clients in, and out when the node stops.
#[derive(Clone)]
pub(crate) struct Door {
    service: TowerToHyperService<Router>,
    options: Arc<Options>,
    stop: Shutdown,
}

impl Door {
    /// A door behind which `router` serves.
    pub(crate) fn new(router: Router, options: Arc<Options>, stop: Shutdown) -> Self {
        Self { service: TowerToHyperService::new(router), options, stop }
    }

    /// Serves what connects until the stop, then what is in flight. Dropping the future cuts
    /// all connections off.
    pub(crate) async fn open(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let has_room = connections.len() < self.options.max_connections;
            tokio::select! {
                () = self.stop.requested() => break,
                Some(_) = connections.join_next() => {}
                stream = accept(&listener), if has_room => {
                    connections.spawn(self.clone().serve(stream));
                }
            }
        }
        drop(listener);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(self.options.stop_timeout, finish).await.is_err() {
            warn!(requests = connections.len(), "requests in flight are cut off by the stop");
        }
    }

    /// Serves a connection to its end, which the stop brings on after the current request.
    ///
    /// The server drops the future of a request when its client is gone.
    async fn serve(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection keeps delaying small packets");
        }
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.options.write_timeout));
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).max_buf_size(MAX_HEAD);
        server.header_read_timeout(self.options.read_timeout);
        let connection = server.serve_connection(TokioIo::new(Box::pin(stream)), self.service);
        let mut connection = pin!(connection);
        let end = tokio::select! {
            end = connection.as_mut() => end,
            () = self.stop.requested() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = end {
            debug!(%error, "a connection ended early");
        }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
