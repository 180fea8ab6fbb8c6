//! A log with three replicas on three servers keeps the promises of a transport, whichever
//! server a node is connected to.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_conformance::transport::skips_nothing;
use ha_core::ChangeTransport;
use ha_jetstream::{JetStream, Options};
use ha_nats_embedded::{Server, Sync};
use support::{Plan, stream};

struct Fixture;

/// A stream of its own in the cluster that all checks share.
struct Guard {
    stream: String,
    nodes: AtomicUsize,
    servers: Arc<Servers>,
}

#[async_trait]
impl TransportFixture for Fixture {
    type Guard = Guard;

    async fn open(&self) -> (Guard, Arc<dyn ChangeTransport>) {
        static STREAMS: AtomicUsize = AtomicUsize::new(0);
        let number = STREAMS.fetch_add(1, Ordering::Relaxed);
        let servers = tokio::task::spawn_blocking(Servers::shared).await.unwrap();
        let stream = format!("log_{number}");
        let guard = Guard { stream, nodes: AtomicUsize::new(number), servers };
        let node = self.join(&guard).await;
        (guard, node)
    }

    /// Connects to one server after the other.
    async fn join(&self, guard: &Guard) -> Arc<dyn ChangeTransport> {
        let number = guard.nodes.fetch_add(1, Ordering::Relaxed);
        let options = Options {
            url: guard.servers.0[number % 3].client_url().to_owned(),
            timeout: Duration::from_secs(30),
            ..stream(&guard.stream)
        };
        JetStream::connect_when_ready(options).await.unwrap()
    }
}

/// Three servers and their stores. They run for as long as any check does.
struct Servers(Vec<Server>, #[expect(dead_code, reason = "keeps the stores")] Plan);

impl Servers {
    fn shared() -> Arc<Self> {
        static SERVERS: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        let mut shared = SERVERS.lock().unwrap();
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let plan = Plan::new(Sync::Interval(Duration::from_secs(60)));
        let start = |index| Server::start(plan.server(index)).unwrap();
        let running = Arc::new(Self((0..3).map(start).collect(), plan));
        *shared = Arc::downgrade(&running);
        running
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        std::thread::scope(|scope| {
            self.0.iter().for_each(|server| drop(scope.spawn(|| server.shutdown())));
        });
    }
}

ha_conformance::transport_suite!(Fixture);

/// One of several servers may not have heard of the end of the log yet.
#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without_but_tell_the_end() {
    assert!(!skips_nothing(&Fixture).await.exact_bounds);
}
