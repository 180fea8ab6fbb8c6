use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ha_core::{Frontend, Params, Result, Value};

/// Makes front-ends to be checked, and clients that speak their protocol.
#[async_trait]
pub trait FrontendFixture: Send + Sync {
    /// A front-end that is bound to this port of 127.0.0.1, a free one for 0, and not served
    /// yet; and where its clients find it.
    ///
    /// # Errors
    /// What the front-end says, above all that the port is in use.
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)>;

    /// A client that has logged in. Not called without [`Protocol::client`].
    async fn connect(&self, address: SocketAddr) -> Box<dyn Client>;

    /// What clients can do.
    fn protocol(&self) -> Protocol;

    /// What a client is shown of a stored value: itself, where the protocol is exact.
    fn shown(&self, stored: &Value) -> Value {
        stored.clone()
    }

    /// How a statement names its parameter of that number, which begins with 1.
    fn placeholder(&self, number: usize) -> String {
        format!("?{number}")
    }
}

/// A connection of a client. Dropping it closes it, without a farewell.
#[async_trait]
pub trait Client: Send {
    /// Runs one statement; the rows that it gives.
    async fn run(&mut self, sql: &str, params: Params) -> Result<Rows, Failure>;

    /// Runs statements as one transaction, in one request if the protocol can.
    async fn batch(&mut self, statements: &[&str]) -> Result<(), Failure> {
        self.run(&statements.join("; "), Params::None).await.map(drop)
    }
}

/// The rows of a result.
pub type Rows = Vec<Vec<Value>>;

/// The error that a client is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The protocol's code or name for errors of this kind, if it has such.
    pub code: String,
    /// What people read.
    pub message: String,
}

/// What clients of a protocol can do. All of it, unless it is taken away.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// The fixture has a client that speaks it.
    pub client: bool,
    /// Parameters are bound by position.
    pub positional: bool,
    /// Parameters are bound by name.
    pub named: bool,
    /// A connection has transactions: `BEGIN`, `COMMIT`, `ROLLBACK`.
    pub sessions: bool,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { client: true, positional: true, named: true, sessions: true }
    }
}
