//! What the tests of this crate share: a node over SQLite in memory, engines that fail or
//! never answer, a server and a client.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod client;
pub mod engines;
pub mod golden;
pub mod memory;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ha_core::{Engine, Frontend, Result, Shutdown, ShutdownTrigger};
use ha_http::{Http, Options};
use tokio::task::JoinHandle;

/// A front-end that serves an engine on a free port.
pub struct Server {
    pub address: SocketAddr,
    pub stop: ShutdownTrigger,
    pub task: JoinHandle<Result<()>>,
}

/// Options with a free port.
pub fn options() -> Options {
    Options { listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], ..Options::default() }
}

/// Serves `engine`.
pub fn serve(engine: impl Engine, options: Options) -> Server {
    let http = Http::bind(options).unwrap();
    let address = http.local_addr();
    let (stop, stopped) = Shutdown::new();
    let task = tokio::spawn(http.serve(Arc::new(engine), stopped));
    Server { address, stop, task }
}

impl Server {
    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
