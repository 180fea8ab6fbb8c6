//! What the tests share: a node in memory with the front-end on a free port, and clients.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::sync::Arc;

use ha_core::{Frontend, Result, Shutdown, ShutdownTrigger};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;
use ha_mysql::{MySql, Options};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A node of its own, and its front-end.
pub struct Server {
    pub port: u16,
    pub node: Arc<Node>,
    pub stop: ShutdownTrigger,
    pub task: JoinHandle<Result<()>>,
    _folder: TempDir,
}

/// Starts one.
pub async fn server() -> Server {
    with(Options::default()).await
}

/// Starts one that is different.
pub async fn with(options: Options) -> Server {
    joining(options, &MemoryLog::new()).await
}

/// Starts one on a log.
pub async fn joining(options: Options, log: &MemoryLog) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let node = NodeOptions::new("test", folder.path().join("db"));
    let node = Node::start(node, log.open()).await.unwrap();
    let front = MySql::bind(Options { port: 0, ..options }).await.unwrap();
    let port = front.local_addr().port();
    let (stop, stopped) = Shutdown::new();
    let task = tokio::spawn(front.serve(Arc::clone(&node) as _, stopped));
    Server { port, node, stop, task, _folder: folder }
}

impl Server {
    /// How a client connects as this user.
    pub fn opts(&self, user: &str, password: &str) -> Opts {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(user))
            .pass(Some(password))
            .db_name(Some("ha"))
            .prefer_socket(false)
            .into()
    }

    /// A client that is logged in.
    pub async fn client(&self) -> Conn {
        Conn::new(self.opts("ha", "ha")).await.unwrap()
    }

    /// What the client `mysql` prints for a script: its output, and its errors.
    pub async fn mysql(&self, options: &[&str], script: &str) -> (String, String) {
        let port = format!("--port={}", self.port);
        let mut command = tokio::process::Command::new("mysql");
        command.args(["--no-defaults", "-h127.0.0.1", "-uha", "-pha", &port]).args(options);
        let out = command.args(["-e", script, "ha"]).output().await.expect("mysql is installed");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(out.stdout), text(out.stderr))
    }
}

/// The number of the error that a statement fails with.
pub async fn code(client: &mut Conn, sql: &str) -> u16 {
    match client.query_drop(sql).await {
        Err(mysql_async::Error::Server(error)) => error.code,
        other => panic!("{sql}: {other:?}"),
    }
}

/// The rows of a query, each joined by `|`, NULL as `NULL`.
pub async fn rows(client: &mut Conn, sql: &str) -> Vec<String> {
    let rows: Vec<mysql_async::Row> =
        client.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.into_iter().map(joined).collect()
}

fn joined(row: mysql_async::Row) -> String {
    let text = |value: mysql_async::Value| match value {
        mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        mysql_async::Value::NULL => "NULL".into(),
        other => other.as_sql(true),
    };
    row.unwrap().into_iter().map(text).collect::<Vec<_>>().join("|")
}
