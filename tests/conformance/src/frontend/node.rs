use std::sync::Arc;

use ha_core::{Batch, Engine as _, ReadLevel, SessionOptions, Statement};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;
use tempfile::TempDir;

use super::{Observed, Rows};

/// A node over a log in memory. It is gone, with its files, once it is dropped.
#[derive(Debug)]
pub struct MemoryNode {
    log: MemoryLog,
    node: Arc<Node>,
    engine: Arc<Observed>,
    _directory: TempDir,
}

impl MemoryNode {
    /// The first node on a new log.
    pub async fn start() -> Self {
        Self::on(MemoryLog::new()).await
    }

    /// One more node on this one's log.
    pub async fn peer(&self) -> Self {
        Self::on(self.log.clone()).await
    }

    /// What a front-end serves.
    #[must_use]
    pub fn engine(&self) -> Arc<Observed> {
        Arc::clone(&self.engine)
    }

    /// The rows of a query, read past all front-ends.
    pub async fn rows(&self, sql: &str) -> Rows {
        self.rows_at(sql, ReadLevel::default()).await
    }

    /// As [`Self::rows`], of a state that holds all that `other` has applied.
    pub async fn rows_after(&self, other: &Self, sql: &str) -> Rows {
        let reads =
            ReadLevel { min_position: Some(other.node.status().position), ..ReadLevel::default() };
        self.rows_at(sql, reads).await
    }

    async fn rows_at(&self, sql: &str, reads: ReadLevel) -> Rows {
        let mut session = self.node.session(SessionOptions::default()).await.expect("session");
        let batch = Batch { statements: vec![Statement::new(sql)], reads, ..Batch::default() };
        let reply = session.run(batch).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        reply.results.into_iter().next_back().expect("one result per statement").rows
    }

    async fn on(log: MemoryLog) -> Self {
        let directory = TempDir::new().expect("a folder for the database");
        let options = NodeOptions::new("conformance", directory.path().join("ha.db"));
        let node = Node::start(options, log.open()).await.expect("the node starts");
        let engine = Arc::new(Observed::new(Arc::clone(&node) as _));
        Self { log, node, engine, _directory: directory }
    }
}
