//! Clients that leave, dawdle or send too much, and the stop.

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use futures::stream;
use ha_core::{Error, Frontend as _, Shutdown};
use ha_http::{Http, Options};
use support::client::{get, post, send};
use support::engines::{Held, State};
use support::memory::Memory;
use support::{Server, options, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BODY: &str = r#"[{"sql":"SELECT 1"}]"#;
const SHORT: Duration = Duration::from_millis(50);

/// A connection on which `text` was sent.
async fn sent(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything up to the end of the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn request(length: usize, headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn a_client_that_leaves_interrupts_its_statement() {
    let engine = Held::new();
    let server = serve(engine.clone(), options());
    let client = sent(&server, &request(BODY.len(), "", BODY)).await;
    engine.reached(State::Running).await;
    drop(client);
    engine.reached(State::Dropped).await;
}

#[tokio::test]
async fn the_stop_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let engine = Held::new();
    let server = serve(engine.clone(), options());
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut client = sent(&server, &request(BODY.len(), "", BODY)).await;
    engine.reached(State::Running).await;
    server.stop.trigger();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    engine.release();
    let reply = rest(&mut client).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with("[[1]]}]}\n"), "{reply}");
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_stop_waits_for_a_while_only() {
    let engine = Held::new();
    let server = serve(engine.clone(), Options { stop_timeout: SHORT, ..options() });
    let mut client = sent(&server, &request(BODY.len(), "", BODY)).await;
    engine.reached(State::Running).await;
    server.stop.trigger();
    server.task.await.unwrap().unwrap();
    engine.reached(State::Dropped).await;
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_with_the_name_of_the_flag() {
    let server = serve(Memory::new(), Options { body_limit: 1 << 10, ..options() });
    let chunks =
        stream::iter((0..1 << 10).map(|_| Ok::<_, Error>(Bytes::from(vec![b' '; 16 << 10]))));
    let declared = Body::from(vec![b' '; 16 << 20]);
    for body in [Body::from_stream(chunks), declared, Body::from(vec![b' '; (1 << 10) + 1])] {
        let answer = post(&server.url("/"), body).await;
        assert_eq!(answer.status, 413);
        assert!(answer.text().contains("--max-body"), "{}", answer.text());
    }
    let mut fits = BODY.to_owned();
    fits.push_str(&" ".repeat((1 << 10) - BODY.len()));
    assert_eq!(post(&server.url("/"), fits).await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_first_sends_no_body_in_vain() {
    let server = serve(Memory::new(), Options { body_limit: 10, ..options() });
    let mut client = sent(&server, &request(1 << 30, "Expect: 100-continue\r\n", "")).await;
    let reply = rest(&mut client).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let server = serve(Memory::new(), Options { read_timeout: SHORT, ..options() });
    let mut client = sent(&server, &request(1000, "", "[")).await;
    let reply = rest(&mut client).await;
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_given_up() {
    let server = serve(Memory::new(), Options { read_timeout: SHORT, ..options() });
    for start in ["", "POST / HTTP/1.1\r\nHost: loc"] {
        let mut client = sent(&server, start).await;
        rest(&mut client).await;
    }
    assert_eq!(get(&server.url("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_cut_off_runs_nothing() {
    let engine = Memory::new();
    let server = serve(engine.clone(), options());
    let body = r#"[{"sql":"CREATE TABLE t (a); INSERT INTO t VALUES (1)"}]"#;
    let mut client = sent(&server, &request(body.len() + 1, "", body)).await;
    client.shutdown().await.unwrap();
    rest(&mut client).await;
    let count = r#"[{"sql":"SELECT count(*) FROM sqlite_schema"}]"#;
    let answer = post(&server.url("/"), count).await;
    assert!(answer.text().ends_with("[[0]]}]}\n"), "{}", answer.text());
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = serve(Memory::new(), options());
    let last = request(BODY.len(), "Connection: close\r\n", BODY);
    let mut client = sent(&server, &(request(BODY.len(), "", BODY) + &last)).await;
    assert_eq!(rest(&mut client).await.matches("HTTP/1.1 200 OK").count(), 2);
}

/// Sends a request on a connection that stays open, and waits for the reply.
async fn exchange(client: &mut TcpStream) {
    client.write_all(request(BODY.len(), "", BODY).as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"[[1]]}]}\n") {
        assert_ne!(client.read_buf(&mut reply).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_room() {
    let server = serve(Memory::new(), Options { max_connections: 2, ..options() });
    let mut first = sent(&server, "").await;
    exchange(&mut first).await;
    let mut second = sent(&server, "").await;
    exchange(&mut second).await;
    let mut third = sent(&server, &request(BODY.len(), "Connection: close\r\n", BODY)).await;
    for _ in 0..100 {
        exchange(&mut second).await;
    }
    let early = third.try_read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    drop(first);
    assert!(rest(&mut third).await.contains("200 OK"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let limits = Options { max_connections: 1, write_timeout: SHORT, ..options() };
    let server = serve(Memory::new(), limits);
    let body = r#"[{"sql":"SELECT hex(zeroblob(16000000))"}]"#;
    let mut client = sent(&server, &request(body.len(), "", body)).await;
    assert_eq!(get(&server.url("/healthz")).await.status, 200, "the room is free again");
    let mut reply = Vec::new();
    // A reset is as good an end as any.
    let _ = client.read_to_end(&mut reply).await;
    assert!(reply.starts_with(b"HTTP/1.1 200 OK") && reply.len() < 32_000_000);
}

#[tokio::test]
async fn garbage_is_answered_and_harms_nobody() {
    let server = serve(Memory::new(), options());
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut client = sent(&server, garbage).await;
        let reply = rest(&mut client).await;
        assert!(reply.starts_with("HTTP/1.1 4") || reply.is_empty(), "{reply}");
    }
    for body in [&b"[{\"sql\":\"\xff\"}]"[..], b"\xff\xfe", b"[{\"sql\":\"SELECT 1\""] {
        let answer = send(Method::POST, &server.url("/"), &[], body.to_vec()).await;
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_of_the_constructor() {
    let http = Http::bind(options()).unwrap();
    let taken = Options { listen: vec![http.local_addr()], ..options() };
    let error = Http::bind(taken).unwrap_err();
    assert!(error.to_string().contains(&http.local_addr().to_string()), "{error}");
    let nowhere = Options { listen: Vec::new(), ..options() };
    assert!(matches!(Http::bind(nowhere), Err(Error::Config { .. })));
}

#[tokio::test]
async fn all_addresses_are_served_once() {
    let listen = vec![options().listen[0]; 2];
    let http = Http::bind(Options { listen, ..options() }).unwrap();
    let (trigger, stop) = Shutdown::new();
    let engine = Arc::new(Memory::new());
    let serving =
        tokio::spawn(Arc::clone(&http).serve(Arc::<Memory>::clone(&engine), stop.clone()));
    for address in http.local_addrs() {
        assert!(http.to_string().contains(&address.to_string()));
        assert_eq!(get(&format!("http://{address}/healthz")).await.status, 200);
    }
    trigger.trigger();
    serving.await.unwrap().unwrap();
    assert_eq!(http.serve(engine, stop).await, Err(Error::Closed));
}
