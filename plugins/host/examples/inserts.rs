//! What a library costs end to end: inserts over HTTP into a node whose transport is linked in and
//! loaded from a library. Each of 64 clients sends its next insert, over its own connection, when
//! the last one is answered. A second node that has the transport linked in shows how far the
//! machine's noise goes.
//!
//! The log is in memory, which is the worst case, or in a Redis server that nothing else uses: three
//! streams are left there.
//!
//! ```sh
//! cargo build --release -p ha-testing-plugin -p ha-redis
//! cargo run --release -p ha-plugin-host --example inserts
//! cargo run --release -p ha-plugin-host --example inserts redis://127.0.0.1:6379
//! ```

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_core::{ChangeTransport, Engine, Frontend as _, Settings, Shutdown, ShutdownTrigger};
use ha_engine::{Node, NodeOptions};
use ha_http::{Http, Options};
use ha_memory::MemoryLog;
use ha_plugin_host::Plugin;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const CLIENTS: usize = 64;
/// The two are measured in turn, so that both have the same share of a machine's slow seconds.
const ROUNDS: usize = 25;
const ROUND: Duration = Duration::from_secs(1);
const INSERT: &str =
    r#"{"sql":"INSERT INTO t(b) VALUES(?)","params":["a text of a usual length"]}"#;

#[tokio::main]
async fn main() -> Result<()> {
    let [linked, loaded, again] = match std::env::args().nth(1) {
        None => in_memory().await?,
        Some(url) => in_redis(&url).await?,
    };
    let mut linked = Served::start(linked).await?;
    let mut loaded = Served::start(loaded).await?;
    let mut again = Served::start(again).await?;
    let (mut rates, mut of_loaded, mut of_again) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let rate = linked.round().await?;
        let (loaded, again) = (loaded.round().await? / rate, again.round().await? / rate);
        // The first one warms up.
        if round > 0 {
            rates.push(rate);
            of_loaded.push(loaded);
            of_again.push(again);
        }
    }
    println!("{CLIENTS} clients, median of {ROUNDS} rounds of {} s for each", ROUND.as_secs());
    println!("linked in: {:.0} inserts/s", median(rates));
    println!("loaded: {:.3} of that; linked in again: {:.3}", median(of_loaded), median(of_again));
    for served in [linked, loaded, again] {
        served.stop().await?;
    }
    Ok(())
}

/// Linked in, loaded, linked in again.
type Transports = [Arc<dyn ChangeTransport>; 3];

async fn in_memory() -> Result<Transports> {
    let plugin = Plugin::load(&library("testing_plugin")?)?;
    let loaded = plugin.open_transport(Settings::new(plugin.name()).with("log", "inserts")).await?;
    Ok([MemoryLog::new().open(), loaded, MemoryLog::new().open()])
}

async fn in_redis(url: &str) -> Result<Transports> {
    let plugin = Plugin::load(&library("redis")?)?;
    let run = std::process::id();
    let settings = |which: &str| {
        let stream = format!("inserts-{run}-{which}");
        Settings::new(plugin.name()).with("url", url).with("stream", stream)
    };
    let loaded = plugin.open_transport(settings("loaded")).await?;
    Ok([
        ha_redis::open(settings("linked")).await?,
        loaded,
        ha_redis::open(settings("again")).await?,
    ])
}

/// A plugin of this repository, built beside this program's folder.
fn library(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let built_in = program.ancestors().nth(2).ok_or("cargo builds examples in a folder")?;
    Ok(built_in.join(format!("libha_{name}{}", std::env::consts::DLL_SUFFIX)))
}

/// A node, its front-end and its clients.
struct Served {
    node: Arc<Node>,
    stop: ShutdownTrigger,
    serving: tokio::task::JoinHandle<ha_core::Result<()>>,
    clients: Vec<Client>,
    _directory: tempfile::TempDir,
}

impl Served {
    async fn start(transport: Arc<dyn ChangeTransport>) -> Result<Self> {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let options = NodeOptions::new("a", directory.path().join("db"));
        let node = Node::start(NodeOptions { scratch: true, ..options }, transport).await?;
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let http = Http::bind(Options { listen, ..Options::default() })?;
        let address = http.local_addr();
        let (stop, stopping) = Shutdown::new();
        let serving = tokio::spawn(http.serve(Arc::clone(&node) as Arc<dyn Engine>, stopping));
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client(BufReader::new(TcpStream::connect(address).await?)));
        }
        clients[0].post(r#"{"sql":"CREATE TABLE t(a INTEGER PRIMARY KEY, b)"}"#).await?;
        Ok(Self { node, stop, serving, clients, _directory: directory })
    }

    /// Inserts per second.
    async fn round(&mut self) -> Result<f64> {
        let start = Instant::now();
        let mut all = JoinSet::new();
        for mut client in self.clients.drain(..) {
            all.spawn(async move {
                let mut inserts = 0_u32;
                while start.elapsed() < ROUND {
                    client.post(INSERT).await?;
                    inserts += 1;
                }
                Result::Ok((client, inserts))
            });
        }
        let mut inserts = 0;
        while let Some(ended) = all.join_next().await {
            let (client, own) = ended??;
            self.clients.push(client);
            inserts += own;
        }
        Ok(f64::from(inserts) / start.elapsed().as_secs_f64())
    }

    async fn stop(self) -> Result<()> {
        drop(self.clients);
        self.stop.trigger();
        self.serving.await??;
        self.node.stop().await;
        Ok(())
    }
}

/// A connection that is kept.
struct Client(BufReader<TcpStream>);

impl Client {
    /// Posts statements; an error if they fail.
    async fn post(&mut self, body: &str) -> Result<()> {
        let head =
            "POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.0.write_all(request.as_bytes()).await?;
        let (mut line, mut length, mut succeeded) = (String::new(), 0, false);
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).await?;
            succeeded |= line.starts_with("HTTP/1.1 200 ");
            if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = told.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).await?;
        if succeeded { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into()) }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
