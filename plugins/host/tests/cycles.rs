//! Opening, using and closing a plugin's parts a thousand times leaves nothing behind.
//! `HA_TEST_CYCLES` is another number of times, for tools that slow everything down; memory is not
//! judged then, which such tools take for themselves.

mod support;

use std::fs;
use std::sync::Arc;

use futures::StreamExt as _;
use ha_core::{AttemptId, Draft, Engine, Seq, Settings, Shutdown};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;
use ha_plugin_host::Plugin;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const CYCLES: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cycles_leave_no_thread_file_or_memory_behind() {
    let told = std::env::var("HA_TEST_CYCLES").ok();
    let cycles = told.as_ref().map_or(CYCLES, |told| told.parse().unwrap());
    let plugin = support::testing();
    let directory = tempfile::tempdir().unwrap();
    let options = NodeOptions::new("a", directory.path().join("db"));
    let node = Node::start(options, MemoryLog::new().open()).await.unwrap();
    for _ in 0..cycles.min(100) {
        cycle(&plugin, &node).await;
    }
    let before = used();
    for _ in 0..cycles {
        cycle(&plugin, &node).await;
    }
    let after = used();
    assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
    assert!(after.files <= before.files + 2, "{before:?} {after:?}");
    // Much less than a kilobyte for each cycle; what a leaked session or stream takes is more.
    let grown = after.kilobytes.saturating_sub(before.kilobytes);
    assert!(told.is_some() || grown <= 4 * 1024, "{before:?} {after:?}");
    node.stop().await;
}

async fn cycle(plugin: &Plugin, node: &Arc<Node>) {
    let settings = Settings::new("testing").with("port", "0");
    let frontend = plugin.open_frontend(settings).await.unwrap();
    let address = frontend.to_string().replace("lines on ", "");
    let (stop, stopping) = Shutdown::new();
    let engine = Arc::<Node>::clone(node) as Arc<dyn Engine>;
    let serving = tokio::spawn(frontend.serve(engine, stopping));
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    client.get_mut().write_all(b"SELECT 1\n").await.unwrap();
    let mut reply = String::new();
    client.read_line(&mut reply).await.unwrap();
    assert!(reply.contains("[[1]]"), "{reply}");
    stop.trigger();
    serving.await.unwrap().unwrap();

    let settings = Settings::new("testing").with("log", "cycles");
    let transport = plugin.open_transport(settings).await.unwrap();
    let end = transport.bounds().await.unwrap().last;
    let attempt = AttemptId { boot: 1, counter: end.0 };
    let parts = vec!["entry".into()];
    transport.append(Draft { expect: Some(end), attempt, parts }).await.unwrap();
    transport.trim(end).await.unwrap();
    let mut entries = transport.subscribe(end.next()).await.unwrap();
    entries.next().await.unwrap().unwrap();
    // A subscription that waits when it is dropped.
    assert!(futures::poll!(entries.next()).is_pending());
    drop(entries);
    assert_eq!(transport.read(Seq(end.0 + 2)).await.unwrap(), None);
    transport.close().await.unwrap();
}

#[derive(Debug)]
struct Used {
    threads: usize,
    files: usize,
    kilobytes: usize,
}

fn used() -> Used {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let files = fs::read_dir("/proc/self/fd").unwrap().count();
    Used { threads: number("Threads:"), files, kilobytes: number("VmRSS:") }
}
