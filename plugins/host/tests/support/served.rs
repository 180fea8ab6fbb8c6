//! A node, and its engine as a plugin sees it: the plugin is linked in, and hands the engine that it
//! is served to the test.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "handing.rs"]
mod handing;

use std::sync::Arc;

use ha_core::{
    Batch, Engine, Result, Session, SessionOptions, Shutdown, ShutdownTrigger, Statement, Value,
};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;
use ha_plugin_host::Plugin;
use tokio::task::JoinHandle;

ha_plugin::declare_plugin!(name: "surface", frontend: handing::open);

/// A node, and its engine as a plugin sees it.
pub(crate) struct Served {
    pub(crate) node: Arc<Node>,
    pub(crate) engine: Arc<dyn Engine>,
    stop: ShutdownTrigger,
    serving: JoinHandle<Result<()>>,
    _directory: tempfile::TempDir,
}

pub(crate) async fn served(log: &MemoryLog) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let options = NodeOptions::new("a", directory.path().join("db"));
    let node = Node::start(options, log.open()).await.unwrap();
    // SAFETY: `declare_plugin` made it.
    #[allow(unsafe_code, reason = "the entry of the plugin in this program")]
    let plugin = unsafe { Plugin::linked(ha_plugin_v1) }.unwrap();
    let (stop, stopping) = Shutdown::new();
    let served = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let (engine, serving) = handing::serve(&plugin, served, stopping).await.unwrap();
    Served { node, engine, stop, serving, _directory: directory }
}

impl Served {
    pub(crate) async fn session(&self) -> Box<dyn Session> {
        self.engine.session(SessionOptions::default()).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.stop.trigger();
        self.serving.await.unwrap().unwrap();
        drop(self.engine);
        self.node.stop().await;
    }
}

pub(crate) fn batch(sql: &str) -> Batch {
    Batch { statements: vec![Statement::new(sql)], ..Batch::default() }
}

pub(crate) async fn value(session: &mut dyn Session, sql: &str) -> Value {
    session.run(batch(sql)).await.unwrap().results[0].rows[0][0].clone()
}
