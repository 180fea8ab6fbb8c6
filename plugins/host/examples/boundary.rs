//! What the boundary costs: calls of the in-memory transport and of a node, made directly and
//! through a plugin that is linked in. A node's clients are tasks of the runtime that a front-end
//! of that kind has: the program's, or the plugin's own.
//!
//! ```sh
//! cargo run --release -p ha-plugin-host --example boundary
//! ```

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

#[path = "../tests/support/handing.rs"]
mod handing;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use ha_core::{
    AttemptId, Batch, ChangeTransport, Draft, Engine, Error, Result, Seq, SessionOptions, Settings,
    Shutdown, Statement,
};
use ha_engine::{Node, NodeOptions};
use ha_memory::{Memory, MemoryLog};
use ha_plugin_host::Plugin;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Each figure is the median of so many rounds, which alternate between the two.
const ROUNDS: usize = 15;
const CALLS: u32 = 4_096;
const PAYLOAD: &[u8] = &[7; 256];
const WRITE: &str = "INSERT INTO t VALUES(1, 'a text of a usual length')";

ha_plugin::declare_plugin!(name: "boundary", transport: open_memory, frontend: open_handing);

/// The plugin's.
static RUNTIME: OnceLock<Handle> = OnceLock::new();

async fn open_handing(settings: Settings) -> Result<Arc<handing::Handing>> {
    RUNTIME.get_or_init(Handle::current);
    handing::open(settings).await
}

async fn open_memory(settings: Settings) -> Result<Arc<Memory>> {
    settings.finish(&[])?;
    Ok(MemoryLog::new().open())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: `declare_plugin` made it.
    #[allow(unsafe_code, reason = "the entry of the plugin in this program")]
    let plugin = unsafe { Plugin::linked(ha_plugin_v1) }?;
    println!("median of {ROUNDS}; \u{b5}s per call  built-in    plugin   ratio     added");
    transport(&plugin).await?;
    engine(&plugin).await
}

async fn transport(plugin: &Plugin) -> Result<(), Box<dyn std::error::Error>> {
    let built_in: Arc<dyn ChangeTransport> = MemoryLog::new().open();
    let across = plugin.open_transport(Settings::new("boundary")).await?;
    let mut appending = Pairs::default();
    let mut reading = Pairs::default();
    for _ in 0..ROUNDS {
        appending.add(append(&*built_in).await?, append(&*across).await?);
        reading.add(next(&*built_in).await?, next(&*across).await?);
    }
    appending.tell("append");
    reading.tell("next");
    Ok(())
}

async fn engine(plugin: &Plugin) -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let options = NodeOptions::new("a", directory.path().join("db"));
    let node = Node::start(options, MemoryLog::new().open()).await?;
    let direct = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let (stop, stopping) = Shutdown::new();
    let (across, serving) = handing::serve(plugin, Arc::clone(&direct), stopping).await?;
    let (own, other) = (Handle::current(), RUNTIME.get().cloned().unwrap_or_else(Handle::current));
    execute(&direct, &own, "CREATE TABLE t(a, b)", 1, 1).await?;
    for (name, sql, clients) in [
        ("read, 1 client", "SELECT 1", 1),
        ("read, 64", "SELECT 1", 64),
        ("write, 1 client", WRITE, 1),
        ("write, 64", WRITE, 64),
    ] {
        let mut pairs = Pairs::default();
        for _ in 0..ROUNDS {
            let built_in = execute(&direct, &own, sql, clients, CALLS).await?;
            pairs.add(built_in, execute(&across, &other, sql, clients, CALLS).await?);
        }
        pairs.tell(name);
    }
    stop.trigger();
    serving.await??;
    drop(across);
    node.stop().await;
    Ok(())
}

async fn append(transport: &dyn ChangeTransport) -> Result<Duration> {
    let end = transport.bounds().await?.last.0;
    let start = Instant::now();
    for counter in end..end + u64::from(CALLS) {
        let attempt = AttemptId { boot: 1, counter };
        let parts = vec![PAYLOAD.into()];
        let stored = transport.append(Draft { expect: Some(Seq(counter)), attempt, parts }).await;
        stored.map_err(|error| Error::transport("append", error))?;
    }
    Ok(start.elapsed())
}

async fn next(transport: &dyn ChangeTransport) -> Result<Duration> {
    let mut entries = transport.subscribe(Seq(1)).await?;
    let start = Instant::now();
    for _ in 0..CALLS {
        entries.next().await.transpose()?;
    }
    Ok(start.elapsed())
}

/// The time that so many calls of all clients together take.
async fn execute(
    engine: &Arc<dyn Engine>,
    runtime: &Handle,
    sql: &'static str,
    clients: u32,
    calls: u32,
) -> Result<Duration> {
    let mut all = JoinSet::new();
    let start = Instant::now();
    for _ in 0..clients {
        let mut session = engine.session(SessionOptions::default()).await?;
        let calling = async move {
            let statements = vec![Statement::new(sql)];
            let batch = Batch { statements, ..Batch::default() };
            for _ in 0..calls / clients {
                session.run(batch.clone()).await?;
            }
            Result::Ok(())
        };
        all.spawn_on(calling, runtime);
    }
    while let Some(ended) = all.join_next().await {
        ended.map_err(|error| Error::transport("client", error))??;
    }
    Ok(start.elapsed())
}

/// Times of the same calls.
#[derive(Default)]
struct Pairs {
    built_in: Vec<Duration>,
    plugin: Vec<Duration>,
}

impl Pairs {
    fn add(&mut self, built_in: Duration, plugin: Duration) {
        self.built_in.push(built_in);
        self.plugin.push(plugin);
    }

    fn tell(mut self, name: &str) {
        let (direct, across) = (median(&mut self.built_in), median(&mut self.plugin));
        let (ratio, added) = (across / direct, across - direct);
        println!("{name:25} {direct:10.2}  {across:8.2}  {ratio:6.2}  {added:8.2}");
    }
}

/// In microseconds, for one call.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6 / f64::from(CALLS)
}
