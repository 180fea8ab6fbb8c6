//! What happens to the log before others get in.

use std::net::{TcpListener, TcpStream};
use std::path::Path;

use bytes::Bytes;
use ha_core::{AttemptId, ChangeTransport, Draft, Error, Seq};
use ha_nats_embedded::{Embedded, Options, Server};
use tempfile::TempDir;

/// An address at which nothing else of this machine listens or connects from.
const HOST: &str = "127.0.47.11";

fn options(store: &Path, port: u16) -> Options {
    Options { host: HOST.to_owned(), store_dir: store.to_owned(), port, ..Options::default() }
}

fn free_port() -> u16 {
    TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port()
}

fn draft(expect: u64, payload: &'static str) -> Draft {
    let attempt = AttemptId { boot: 1, counter: expect };
    Draft {
        expect: Some(Seq(expect)),
        attempt,
        parts: vec![Bytes::from_static(payload.as_bytes())],
    }
}

#[tokio::test]
async fn nobody_gets_in_before_the_log_is_prepared() {
    let store = TempDir::new().unwrap();
    let port = free_port();
    let others = || TcpStream::connect((HOST, port));
    for token in [None, Some("secret".to_owned())] {
        let options = Options { token: token.clone(), ..options(store.path(), port) };
        let end = if token.is_some() { 2 } else { 0 };
        let prepared = async |log: ha_nats_embedded::Private| {
            assert!(others().is_err() && !log.is_clustered);
            assert_eq!(log.log.bounds().await.unwrap().last, Seq(end));
            log.log.append(draft(end, "prepared")).await.unwrap();
            Ok(())
        };
        let log = Embedded::open_after(options, Default::default(), prepared).await.unwrap();
        assert!(others().is_ok());
        assert_eq!(log.server().port(), port);
        assert_eq!(log.created_stream(), token.is_none());
        log.append(draft(end + 1, "ours")).await.unwrap();
        assert_eq!(log.read(Seq(end + 1)).await.unwrap().unwrap().payload, "prepared");
        log.close().await.unwrap();
        assert!(others().is_err(), "the server is down");
    }
}

#[tokio::test]
async fn a_preparation_that_fails_stops_the_server_before_it_let_others_in() {
    let store = TempDir::new().unwrap();
    let port = free_port();
    let fails = async |_| Err(Error::Corrupt("no".to_owned()));
    let opened = Embedded::open_after(options(store.path(), port), Default::default(), fails).await;
    assert_eq!(opened.unwrap_err(), Error::Corrupt("no".to_owned()));
    assert!(TcpStream::connect((HOST, port)).is_err());
    Embedded::open(options(store.path(), port), Default::default()).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_told_before_anything_is_prepared() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = Server::start(options(one.path(), 0)).unwrap();
    let never = async |_| panic!("the log must not be touched");
    let options = options(two.path(), first.port());
    let opened = Embedded::open_after(options.clone(), Default::default(), never).await;
    assert!(opened.unwrap_err().to_string().contains("in use"));
    drop(first);
    Embedded::open(options, Default::default()).await.unwrap();
}
