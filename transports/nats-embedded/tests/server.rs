//! Starting and stopping servers.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ha_core::{AttemptId, ChangeTransport, Draft, Seq};
use ha_nats_embedded::{Embedded, Options, Server, Sync};
use tempfile::TempDir;

fn options(store: &Path) -> Options {
    Options { store_dir: store.to_owned(), ..Options::default() }
}

/// Options that read `config`, which may name the store as `STORE`.
fn configured(store: &TempDir, config: &str) -> Options {
    let file = store.path().join("nats.conf");
    let store_dir = store.path().join("js");
    std::fs::write(&file, config.replace("STORE", store_dir.to_str().unwrap())).unwrap();
    Options { config_file: Some(file), ..Options::default() }
}

#[test]
fn several_servers_run_in_one_process() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = Server::start(options(one.path())).unwrap();
    let second = Server::start(options(two.path())).unwrap();
    assert_ne!(first.client_url(), second.client_url());
    assert_eq!(first.host(), "127.0.0.1");
    first.shutdown();
    first.shutdown();
    assert_eq!((first.is_running(), second.is_running()), (false, true));
}

#[test]
fn a_store_is_used_by_one_server_at_a_time() {
    let store = TempDir::new().unwrap();
    let first = Server::start(options(store.path())).unwrap();
    let error = Server::start(options(store.path())).unwrap_err().to_string();
    assert!(error.contains(store.path().to_str().unwrap()), "{error}");
    assert!(first.is_running());
    drop(first);
    Server::start(options(store.path())).unwrap();
}

#[test]
fn a_port_in_use_is_an_error_and_frees_the_store() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = Server::start(options(one.path())).unwrap();
    let taken = Options { port: first.port(), ..options(two.path()) };
    let error = Server::start(taken).unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    Server::start(options(two.path())).unwrap();
}

#[test]
fn a_store_that_cannot_be_made_is_an_error() {
    let store = TempDir::new().unwrap();
    let file = store.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Server::start(options(&file)).is_err());
}

#[test]
fn a_relaxed_store_says_so() {
    let store = TempDir::new().unwrap();
    let sync = Sync::Interval(Duration::from_secs(10));
    let relaxed = Server::start(Options { sync, ..options(store.path()) }).unwrap();
    assert!(!relaxed.is_synced());
}

#[test]
fn a_config_file_decides_alone_and_is_synced_unless_it_says_otherwise() {
    let store = TempDir::new().unwrap();
    let silent = "listen: 127.0.0.1:-1\njetstream { store_dir: 'STORE' }";
    let server = Server::start(configured(&store, silent)).unwrap();
    assert!(server.is_synced());
    assert!(store.path().join("js/jetstream").is_dir(), "the store is where the file says");
    drop(server);
    let relaxed = "listen: 127.0.0.1:-1\njetstream { store_dir: 'STORE', sync_interval: 10s }";
    assert!(!Server::start(configured(&store, relaxed)).unwrap().is_synced());
}

#[test]
fn a_config_file_without_jetstream_or_with_mistakes_is_an_error() {
    let store = TempDir::new().unwrap();
    let error = Server::start(configured(&store, "listen: 127.0.0.1:-1")).unwrap_err();
    assert!(error.to_string().contains("JetStream"), "{error}");
    let error = Server::start(configured(&store, "port: {")).unwrap_err();
    assert!(error.to_string().contains("nats.conf"), "{error}");
}

#[test]
fn options_do_not_show_the_token() {
    let shown = format!("{:?}", Options { token: Some("secret".to_owned()), ..Options::default() });
    assert!(!shown.contains("secret"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_survive_a_restart() {
    let store = TempDir::new().unwrap();
    let with_token = || Options { token: Some("secret".to_owned()), ..options(store.path()) };
    let attempt = AttemptId { boot: 1, counter: 1 };
    let parts = vec![Bytes::from_static(b"entry")];
    let node = Embedded::open(with_token(), ha_jetstream::Options::default()).await.unwrap();
    node.append(Draft { expect: Some(Seq::ZERO), attempt, parts }).await.unwrap();
    let before = node.bounds().await.unwrap();
    node.close().await.unwrap();
    assert!(!node.server().is_running());
    let node = Embedded::open(with_token(), ha_jetstream::Options::default()).await.unwrap();
    assert!(!node.created_stream());
    assert_eq!(node.bounds().await.unwrap(), before);
    assert_eq!(node.read(Seq(1)).await.unwrap().unwrap().payload, "entry");
    let port = node.server().port();
    assert_eq!(node.to_string(), format!("embedded NATS at nats://127.0.0.1:{port}"));
}
