//! A node in memory for clients of MySQL: prints the port, serves until its input ends.

use std::error::Error;
use std::io::{Read as _, Write as _};

use ha_core::{Frontend as _, Settings, Shutdown};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = NodeOptions::new("example", folder.path().join("db"));
    let node = Node::start(options, MemoryLog::new().open()).await?;
    let front = ha_mysql::open(Settings::new("mysql").with("port", "0")).await?;
    writeln!(std::io::stdout(), "{}", front.local_addr().port())?;
    let (stop, stopped) = Shutdown::new();
    let serving = tokio::spawn(front.serve(node, stopped));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    stop.trigger();
    Ok(serving.await??)
}
