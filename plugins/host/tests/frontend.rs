//! A front-end of a library that goes wrong, or that nobody waits for.

mod support;

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use ha_core::{Engine, Frontend, Settings, Shutdown};
use ha_engine::{Node, NodeOptions};
use ha_memory::MemoryLog;
use ha_plugin_host::Plugin;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// What the node logs.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Log(Arc::clone(&log));
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    log
});

#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(text: &str) -> bool {
    String::from_utf8_lossy(&LOG.lock().unwrap()).contains(text)
}

async fn open(port: &str) -> ha_core::Result<Arc<dyn Frontend>> {
    LazyLock::force(&LOG);
    support::testing().open_frontend(Settings::new("testing").with("port", port)).await
}

fn address(frontend: &dyn Frontend) -> String {
    frontend.to_string().replace("lines on ", "")
}

async fn node(directory: &tempfile::TempDir) -> Arc<Node> {
    let options = NodeOptions::new("a", directory.path().join("db"));
    Node::start(options, MemoryLog::new().open()).await.unwrap()
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// The answer to a line; empty if the connection ends.
    async fn ask(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut reply = String::new();
        self.0.read_line(&mut reply).await.unwrap();
        reply
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_the_request_it_happens_in_and_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    let node = node(&directory).await;
    let frontend = open("0").await.unwrap();
    let address = address(&*frontend);
    assert!(logged(&format!("lines on {address}")));
    let (stop, stopping) = Shutdown::new();
    let engine = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let serving = tokio::spawn(frontend.serve(engine, stopping));
    let (mut one, mut other) = (Client::connect(&address).await, Client::connect(&address).await);
    assert!(one.ask("BEGIN").await.contains("{}"));
    assert_eq!(one.ask("panic").await, "");
    assert!(logged("a request was told to panic"));
    // The session of the request that failed holds nothing that others need.
    assert!(other.ask("CREATE TABLE t(a)").await.contains("position"));
    assert!(Client::connect(&address).await.ask("SELECT 7").await.contains("[[7]]"));
    assert_eq!(support::testing().state().panicked, None);
    stop.trigger();
    serving.await.unwrap().unwrap();
    node.stop().await;
}

const DEAF: &str = r#"
static HaBuf display(void *c) {
  (void)c;
  HaBuf b = {(const uint8_t *)"deaf\non 1:2", 11, NULL, NULL};
  return b;
}
HaEngine engine;
HaCompletion unanswered;
static void serve(void *c, const HaEngine *e, HaCompletion to) {
  (void)c;
  engine = *e;
  unanswered = to;
}
static void nothing(void *c) { (void)c; }
static HaStatus open(HaSlice settings, HaFrontend *out, HaBuf *error) {
  (void)settings; (void)error;
  HaFrontend f = {sizeof f, NULL, display, serve, nothing, nothing};
  *out = f;
  return HA_OK;
}
HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out) {
  HaSlice target = {(const uint8_t *)"de\naf", 5}, message = {(const uint8_t *)"is\nhere", 7};
  host->log(host->ctx, HA_LOG_WARN, target, message);
  HaPlugin p = {sizeof p, HA_MAJOR, HA_MINOR, {(const uint8_t *)"deaf", 4}, {(const uint8_t *)"1", 1},
                NULL, open};
  *out = p;
  return HA_OK;
}
"#;

#[tokio::test]
async fn a_front_end_that_does_not_stop_is_left_behind_and_the_log_says_so() {
    LazyLock::force(&LOG);
    let directory = tempfile::tempdir().unwrap();
    let node = node(&directory).await;
    let plugin = Plugin::load(&support::compiled(directory.path(), DEAF)).unwrap();
    let frontend = plugin.open_frontend(Settings::new("deaf")).await.unwrap();
    assert_eq!(frontend.to_string(), "deaf on 1:2");
    assert!(logged("de af: is here"));
    let (stop, stopping) = Shutdown::new();
    let engine = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let mut serving = tokio::spawn(frontend.serve(engine, stopping));
    assert!(futures::poll!(&mut serving).is_pending());
    stop.trigger();
    tokio::time::pause();
    serving.await.unwrap().unwrap();
    tokio::time::resume();
    assert!(logged("deaf: deaf on 1:2 does not stop"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_end_that_nobody_waits_for_any_more_stops_and_frees_its_port() {
    let directory = tempfile::tempdir().unwrap();
    let node = node(&directory).await;
    let frontend = open("0").await.unwrap();
    let address = address(&*frontend);
    let (_stop, stopping) = Shutdown::new();
    let engine = Arc::<Node>::clone(&node) as Arc<dyn Engine>;
    let serving = tokio::spawn(frontend.serve(engine, stopping));
    assert!(Client::connect(&address).await.ask("SELECT 7").await.contains("[[7]]"));
    serving.abort();
    let port = address.rsplit(':').next().unwrap();
    let freed = async {
        while open(port).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), freed).await.expect("the port is free again");
    node.stop().await;
}
