//! Connecting, and the stream that is found or made.

mod support;

use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use ha_core::{ChangeTransport, Error};
use ha_jetstream::{JetStream, Options};
use support::{TestServer, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_stream_is_made_once() {
    let server = TestServer::start();
    let first = JetStream::connect(server.options()).await.unwrap();
    let second = JetStream::connect(server.options()).await.unwrap();
    assert_eq!((first.created_stream(), second.created_stream()), (true, false));
    let stream = server.admin().await.get_stream("ha_replication").await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["ha_replication"]);
    assert_eq!(config.storage, StorageType::File);
    assert_eq!(config.max_age, Duration::ZERO);
    assert_eq!(config.duplicate_window, Duration::from_secs(120));
    assert!(config.allow_atomic_publish);
    assert_eq!((config.num_replicas, config.max_messages, config.max_bytes), (1, -1, -1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_stream_is_left_as_it_is() {
    let server = TestServer::start();
    let foreign = Config {
        name: "ha_replication".to_owned(),
        max_age: Duration::from_secs(24 * 3600),
        ..Config::default()
    };
    let stream = server.admin().await.create_stream(foreign).await.unwrap();
    let node = JetStream::connect(server.options()).await.unwrap();
    assert!(!node.created_stream());
    assert_eq!(stream.get_info().await.unwrap().config, stream.cached_info().config);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_age_is_for_streams_that_the_server_prunes() {
    let server = TestServer::start();
    let max_age = Some(Duration::from_secs(3600));
    let node = Options { max_age, ..server.options() };
    JetStream::connect(node).await.unwrap();
    let stream = server.admin().await.get_stream("ha_replication").await.unwrap();
    assert_eq!(stream.cached_info().config.max_age, Duration::from_secs(3600));
    assert!(!stream.cached_info().config.allow_atomic_publish);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_may_stand_in_the_url_or_beside_it() {
    let server = TestServer::with(|options| options.token = Some("p@ss".to_owned()));
    let host = format!("127.0.0.1:{}", server.server.port());
    let url = options(&format!("nats://p%40ss@{host}"));
    let node = JetStream::connect(url).await.unwrap();
    assert!(!format!("{node} {node:?}").contains("p%40ss"));
    let beside = Options { token: Some("p@ss".to_owned()), ..options(&host) };
    JetStream::connect(beside).await.unwrap();
    for wrong in [options(&host), options(&format!("nats://wrong@{host}"))] {
        let error = JetStream::connect(wrong).await.unwrap_err();
        assert!(error.to_string().contains("authorization"), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
}

/// An address at which nothing else of this machine listens.
const HOST: &str = "127.0.47.12";

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_an_error_that_names_it() {
    let listener = std::net::TcpListener::bind((HOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // A listener that never answers, then none at all.
    let timeout = Duration::from_millis(300);
    let silent = Options { timeout, ..options(&format!("{HOST}:{port}")) };
    let error = JetStream::connect(silent.clone()).await.unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    drop(listener);
    let error = JetStream::connect(silent).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_make_no_sense_are_setting_errors() {
    let stream = |name: &str| Options { stream: name.to_owned(), ..Options::default() };
    let replicas = Options { replicas: 9, ..Options::default() };
    for wrong in [stream(""), stream("a.b"), stream("a b"), replicas, options("ftp://x")] {
        let error = JetStream::connect(wrong).await.unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_say_what_the_server_takes() {
    let server = TestServer::with(|options| options.max_payload = Some(64 << 10));
    let node = Options { synced: true, ..server.options() };
    let capabilities = JetStream::connect(node).await.unwrap().capabilities();
    assert!(capabilities.synced);
    assert!(((63 << 10)..(64 << 10)).contains(&capabilities.max_part_bytes), "{capabilities:?}");
}
