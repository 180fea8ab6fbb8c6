//! Real servers for the tests, and what can go wrong on the way to them.
#![allow(dead_code, reason = "not every test uses all of it")]

pub(crate) mod fixture;
pub(crate) mod proxy;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use ha_core::{AttemptId, Bounds, ChangeTransport, Delivery, Draft, Result, Seq, Settings, Stored};
use ha_redis::Redis;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// How long a condition is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a directory of its own.
pub(crate) struct TestServer {
    pub(crate) port: u16,
    dir: TempDir,
    options: Vec<String>,
    child: Option<Child>,
}

impl TestServer {
    /// A server that syncs before it acknowledges.
    pub(crate) async fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// A server with these options. Another may take its port before it does: then it is given
    /// another.
    pub(crate) async fn with(options: &[&str]) -> Self {
        loop {
            let mut server = Self {
                port: free_port(),
                dir: TempDir::new().unwrap(),
                options: options.iter().map(|&option| option.to_owned()).collect(),
                child: None,
            };
            if server.begins().await {
                return server;
            }
        }
    }

    /// Kills it, if it runs, without a warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on its directory and port, once nobody else has that.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        until("redis-server to get its port back", async || self.begins().await).await;
    }

    /// Starts it on its directory and port. `false` if it ended at once.
    async fn begins(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(self.dir.path()).args(&self.options).stdout(Stdio::null());
        let child = self.child.insert(command.spawn().expect("redis-server is installed"));
        let answering = async {
            while child.try_wait().unwrap().is_none() {
                if who_answers(self.port).await == Some(child.id()) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            false
        };
        tokio::time::timeout(PATIENCE, answering).await.expect("redis-server answers")
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn open(&self) -> Arc<Redis> {
        open(&self.url()).await.unwrap()
    }

    /// A client without any of the transport's rules.
    pub(crate) async fn admin(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// What the server answers to a command.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut asked = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            asked.arg(word);
        });
        asked.query_async(&mut self.admin().await).await.unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) async fn open(url: &str) -> Result<Arc<Redis>> {
    ha_redis::open(settings(url)).await
}

pub(crate) fn settings(url: &str) -> Settings {
    Settings::new("redis").with("url", url)
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The process that listens on a port. It may be another test's server.
async fn who_answers(port: u16) -> Option<u32> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let mut asked = redis::cmd("INFO");
    let told: String = asked.arg("server").query_async(&mut connection).await.ok()?;
    told.lines().find_map(|line| line.strip_prefix("process_id:"))?.parse().ok()
}

/// The `counter`th try of these tests.
pub(crate) fn draft(expect: impl Into<Option<u64>>, counter: u64, payload: &str) -> Draft {
    Draft {
        expect: expect.into().map(Seq),
        attempt: AttemptId { boot: 7, counter },
        parts: vec![Bytes::copy_from_slice(payload.as_bytes())],
    }
}

/// Appends `0`, `1`, … to a log that is empty.
pub(crate) async fn fill(node: &Redis, count: u64) {
    for number in 0..count {
        node.append(draft(number, number, &number.to_string())).await.unwrap();
    }
}

pub(crate) type Subscription = BoxStream<'static, Result<Delivery>>;

/// The next entry, whatever else is delivered before.
pub(crate) async fn next_entry(subscription: &mut Subscription) -> Stored {
    loop {
        if let Delivery::Entry(entry) = next(subscription).await.unwrap() {
            return entry;
        }
    }
}

/// The next word of an interruption.
pub(crate) async fn reconnected(subscription: &mut Subscription) -> Bounds {
    match next(subscription).await.unwrap() {
        Delivery::Reconnected(bounds) => bounds,
        Delivery::Entry(entry) => panic!("{entry:?}"),
    }
}

pub(crate) async fn next(subscription: &mut Subscription) -> Result<Delivery> {
    let next = tokio::time::timeout(PATIENCE, subscription.next());
    next.await.expect("something is delivered").expect("the subscription goes on")
}

/// Returns once `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited for {what}"));
}
