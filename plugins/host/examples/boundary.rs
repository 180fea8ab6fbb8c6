//! What the boundary costs: calls of the in-memory transport and of a node, made directly and
//! through a plugin that is linked in.
//!
//! ```sh
//! cargo run --release -p ha-plugin-host --example boundary
//! ```

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use ha_core::{
    AttemptId, Batch, ChangeTransport, Draft, Engine, Frontend, Result, Seq, SessionOptions,
    Settings, Shutdown, Statement,
};
use ha_engine::{Node, NodeOptions};
use ha_memory::{Memory, MemoryLog};
use ha_plugin::async_trait::async_trait;
use ha_plugin_host::Plugin;

const ROUNDS: u32 = 20_000;
const PAYLOAD: &[u8] = &[7; 256];

ha_plugin::declare_plugin!(name: "boundary", transport: open_memory, frontend: open_handing);

static ENGINE: OnceLock<Arc<dyn Engine>> = OnceLock::new();

async fn open_memory(settings: Settings) -> Result<Arc<Memory>> {
    settings.finish(&[])?;
    Ok(MemoryLog::new().open())
}

async fn open_handing(settings: Settings) -> Result<Arc<Handing>> {
    settings.finish(&[])?;
    Ok(Arc::new(Handing))
}

/// A front-end that hands over the engine that it serves.
#[derive(Debug)]
struct Handing;

impl fmt::Display for Handing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handing")
    }
}

#[async_trait]
impl Frontend for Handing {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        ENGINE.get_or_init(|| engine);
        stop.requested().await;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: `declare_plugin` made it.
    #[allow(unsafe_code, reason = "the entry of the plugin in this program")]
    let plugin = unsafe { Plugin::linked(ha_plugin_v1) }?;
    println!("mean of {ROUNDS}; µs  built-in    plugin   ratio     added");

    let built_in: Arc<dyn ChangeTransport> = MemoryLog::new().open();
    let across = plugin.open_transport(Settings::new("boundary")).await?;
    tell("append", append(&*built_in).await?, append(&*across).await?);
    tell("next", next(&*built_in).await?, next(&*across).await?);

    let directory = tempfile::tempdir()?;
    let options = NodeOptions::new("a", directory.path().join("db"));
    let node = Node::start(options, MemoryLog::new().open()).await?;
    let frontend = plugin.open_frontend(Settings::new("boundary")).await?;
    let (stop, stopping) = Shutdown::new();
    let served = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let serving = tokio::spawn(frontend.serve(served, stopping));
    while ENGINE.get().is_none() {
        tokio::task::yield_now().await;
    }
    let across = ENGINE.get().ok_or("served")?;
    for (name, sql) in [("read", "SELECT 1"), ("write", "INSERT INTO t VALUES(1)")] {
        prepare(&*node).await?;
        tell(name, execute(&*node, sql).await?, execute(&**across, sql).await?);
    }
    stop.trigger();
    serving.await??;
    Ok(())
}

fn tell(name: &str, built_in: Duration, across: Duration) {
    let mean = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let (direct, across) = (mean(built_in), mean(across));
    println!(
        "{name:20} {direct:8.2}  {across:8.2}  {:6.2}  {:8.2}",
        across / direct,
        across - direct
    );
}

async fn append(transport: &dyn ChangeTransport) -> Result<Duration> {
    let start = Instant::now();
    for counter in 0..u64::from(ROUNDS) {
        let attempt = AttemptId { boot: 1, counter };
        let parts = vec![PAYLOAD.into()];
        let stored = transport.append(Draft { expect: Some(Seq(counter)), attempt, parts }).await;
        stored.map_err(|error| ha_core::Error::transport("append", error))?;
    }
    Ok(start.elapsed())
}

async fn next(transport: &dyn ChangeTransport) -> Result<Duration> {
    let mut entries = transport.subscribe(Seq(1)).await?;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        entries.next().await.transpose()?;
    }
    Ok(start.elapsed())
}

async fn prepare(engine: &dyn Engine) -> Result<()> {
    let mut session = engine.session(SessionOptions::default()).await?;
    let sql = "DROP TABLE IF EXISTS t; CREATE TABLE t(a)";
    session.run(Batch { statements: vec![Statement::new(sql)], ..Batch::default() }).await?;
    Ok(())
}

async fn execute(engine: &dyn Engine, sql: &str) -> Result<Duration> {
    let mut session = engine.session(SessionOptions::default()).await?;
    let batch = Batch { statements: vec![Statement::new(sql)], ..Batch::default() };
    let start = Instant::now();
    for _ in 0..ROUNDS {
        session.run(batch.clone()).await?;
    }
    Ok(start.elapsed())
}
