//! A node to test against, and what talks to it. The tests need only its address.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses a part of it")]

mod engine;
mod raw;

use std::net::SocketAddr;
use std::sync::Arc;

use ha_core::{Frontend, Shutdown, ShutdownTrigger};
use ha_pg::{Options, Pg};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

pub use raw::{Raw, code, kinds, status, tags};

/// A node that serves until it is dropped.
pub struct Node {
    pub address: SocketAddr,
    pub stop: ShutdownTrigger,
    pub served: JoinHandle<ha_core::Result<()>>,
    _engine: Arc<engine::TestEngine>,
}

/// A node with the default options.
pub async fn node() -> Node {
    node_with(Options::default()).await
}

/// A node on a free port.
pub async fn node_with(options: Options) -> Node {
    let options = Options { listen: "127.0.0.1:0".into(), ..options };
    let pg = Pg::bind(options).await.expect("the port is free");
    let (stop, stopped) = Shutdown::new();
    let engine = Arc::new(engine::TestEngine::new());
    let address = pg.local_addr();
    let served = tokio::spawn(pg.serve(Arc::clone(&engine) as Arc<dyn ha_core::Engine>, stopped));
    Node { address, stop, served, _engine: engine }
}

impl Node {
    /// How tokio-postgres connects.
    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=ha password=ha dbname=ha", self.address.port())
    }

    /// A client; its connection is driven in the background.
    pub async fn client(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), NoTls).await.expect("login works");
        tokio::spawn(connection);
        client
    }

    /// Runs psql and gives back what it printed, output and errors.
    pub async fn psql(&self, arguments: &[&str]) -> (String, String) {
        self.psql_as("ha", "sslmode=prefer", arguments).await
    }

    /// As [`Self::psql`] with a password and connection options.
    pub async fn psql_as(
        &self,
        password: &str,
        options: &str,
        arguments: &[&str],
    ) -> (String, String) {
        let url =
            format!("host=127.0.0.1 port={} user=ha dbname=ha {options}", self.address.port());
        let output = Command::new("psql")
            .env("PGPASSWORD", password)
            .args(["-X", "-d", &url])
            .args(arguments)
            .output()
            .await
            .expect("psql is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// A bare socket.
    pub async fn socket(&self) -> Raw {
        Raw::new(TcpStream::connect(self.address).await.expect("the port is open"))
    }

    /// A bare socket that has logged in.
    pub async fn login(&self) -> Raw {
        let mut raw = self.socket().await;
        raw.login("ha", "ha").await;
        raw
    }
}
