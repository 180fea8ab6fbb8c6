//! What the boundary costs: calls of the in-memory transport and of a node, made directly and
//! through a plugin that is linked in. A node's clients are tasks of the runtime that a front-end
//! of that kind has: the program's, or the plugin's own. How often a thread of the process waited is
//! told as well (on Linux), which another program's load changes less than the time.
//!
//! ```sh
//! cargo run --release -p ha-plugin-host --example boundary
//! ```

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

#[path = "../tests/support/handing.rs"]
mod handing;

use std::sync::Arc;
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

ha_plugin::declare_plugin!(name: "boundary", transport: open_memory, frontend: handing::open);

async fn open_memory(settings: Settings) -> Result<Arc<Memory>> {
    settings.finish(&[])?;
    Ok(MemoryLog::new().open())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: `declare_plugin` made it.
    #[allow(unsafe_code, reason = "the entry of the plugin in this program")]
    let plugin = unsafe { Plugin::linked(ha_plugin_v1) }?;
    println!("median of {ROUNDS}; \u{b5}s per call  built-in    plugin   ratio     added    waits");
    transport(&plugin).await?;
    engine(&plugin).await
}

async fn transport(plugin: &Plugin) -> Result<(), Box<dyn std::error::Error>> {
    let built_in: Arc<dyn ChangeTransport> = MemoryLog::new().open();
    let across = plugin.open_transport(Settings::new("boundary")).await?;
    let mut appending = Pairs::default();
    let mut reading = Pairs::default();
    for _ in 0..ROUNDS {
        appending.built_in.push(Cost::of(append(&*built_in)).await?);
        appending.plugin.push(Cost::of(append(&*across)).await?);
        reading.built_in.push(Cost::of(next(&*built_in)).await?);
        reading.plugin.push(Cost::of(next(&*across)).await?);
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
    let (own, other) =
        (Handle::current(), handing::RUNTIME.get().cloned().unwrap_or_else(Handle::current));
    execute(&direct, &own, "CREATE TABLE t(a, b)", 1, 1).await?;
    for (name, sql, clients) in [
        ("read, 1 client", "SELECT 1", 1),
        ("read, 64", "SELECT 1", 64),
        ("write, 1 client", WRITE, 1),
        ("write, 64", WRITE, 64),
    ] {
        let mut pairs = Pairs::default();
        for _ in 0..ROUNDS {
            let built_in = execute(&direct, &own, sql, clients, CALLS);
            pairs.built_in.push(Cost::of(built_in).await?);
            let plugin = execute(&across, &other, sql, clients, CALLS);
            pairs.plugin.push(Cost::of(plugin).await?);
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

/// What calls took, one of them in the mean.
struct Cost {
    microseconds: f64,
    /// How often a thread waited.
    waits: f64,
}

impl Cost {
    async fn of(calls: impl Future<Output = Result<Duration>>) -> Result<Self> {
        let before = waits();
        let microseconds = calls.await?.as_secs_f64() * 1e6 / f64::from(CALLS);
        let waits = (waits() - before) / f64::from(CALLS);
        Ok(Self { microseconds, waits })
    }
}

/// How often the threads that are there have waited; 0 where the system does not tell.
fn waits() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let status = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("status"));
    let all = threads.flatten().filter_map(|thread| status(thread).ok());
    let lines = all.filter_map(|text| {
        let (_, rest) = text.split_once("\nvoluntary_ctxt_switches:")?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    lines.sum()
}

/// The same calls, made directly and across.
#[derive(Default)]
struct Pairs {
    built_in: Vec<Cost>,
    plugin: Vec<Cost>,
}

impl Pairs {
    fn tell(&self, name: &str) {
        let time = |costs: &[Cost]| median(costs.iter().map(|cost| cost.microseconds));
        let waits = |costs: &[Cost]| median(costs.iter().map(|cost| cost.waits));
        let (direct, across) = (time(&self.built_in), time(&self.plugin));
        let (ratio, added) = (across / direct, across - direct);
        let (fewer, more) = (waits(&self.built_in), waits(&self.plugin));
        println!(
            "{name:25} {direct:10.2}  {across:8.2}  {ratio:6.2}  {added:8.2}  {fewer:5.2} {more:5.2}"
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
