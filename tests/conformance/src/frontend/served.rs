use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ha_core::{Frontend, Params, Result, Shutdown, ShutdownTrigger};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Client, FrontendFixture, MemoryNode, Observed, Rows};

/// A front-end that serves a node.
#[derive(Debug)]
pub struct Served {
    /// The node.
    pub node: MemoryNode,
    /// Where clients find it.
    pub address: SocketAddr,
    stop: ShutdownTrigger,
    task: JoinHandle<Result<()>>,
}

impl Served {
    /// Serves a new node on a free port.
    pub async fn new(fixture: &impl FrontendFixture) -> Self {
        let (frontend, address) = fixture.bind(0).await.expect("bind to a free port");
        Self::start(frontend, address).await
    }

    /// Serves a new node with a front-end that is bound there.
    pub async fn start(frontend: Arc<dyn Frontend>, address: SocketAddr) -> Self {
        let node = MemoryNode::start().await;
        let (stop, stopped) = Shutdown::new();
        let task = tokio::spawn(frontend.serve(node.engine(), stopped));
        Self { node, address, stop, task }
    }

    /// What it serves.
    #[must_use]
    pub fn engine(&self) -> Arc<Observed> {
        self.node.engine()
    }

    /// Whether it has stopped serving.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Requests the stop.
    pub fn request_stop(&self) {
        self.stop.trigger();
    }

    /// Requests the stop and returns once it is done. Panics if serving ended with an error.
    pub async fn stop(self) -> MemoryNode {
        self.stop.trigger();
        let served = self.task.await.expect("serving does not panic");
        served.expect("serving ends without an error");
        self.node
    }
}

/// Runs a statement without parameters that has to succeed.
pub(crate) async fn run(client: &mut Box<dyn Client>, sql: &str) -> Rows {
    client.run(sql, Params::None).await.unwrap_or_else(|failure| panic!("{sql}: {failure:?}"))
}

/// The only value of a query, as an integer.
pub(crate) async fn number(client: &mut Box<dyn Client>, sql: &str) -> i64 {
    match run(client, sql).await.as_slice() {
        [row] => match row.as_slice() {
            [ha_core::Value::Integer(number)] => *number,
            other => panic!("{sql}: {other:?}"),
        },
        rows => panic!("{sql}: {} rows", rows.len()),
    }
}

/// Returns once nobody listens at `address`.
pub(crate) async fn refused(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Returns from a check that needs what the protocol lacks.
macro_rules! speaks {
    ($fixture:expr, $what:ident) => {
        if !($fixture.protocol().client && $fixture.protocol().$what) {
            $crate::probe::skipped(concat!("the fixture's protocol has no ", stringify!($what)));
            return;
        }
    };
}
pub(crate) use speaks;
