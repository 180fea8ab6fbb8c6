//! Binding, serving and stopping; no check needs a client that speaks the protocol.

use ha_core::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::served::refused;
use super::{FrontendFixture, MemoryNode, Served};
use crate::probe::noise;

/// Its text says where it is.
pub async fn display_names_the_frontend(fixture: &impl FrontendFixture) {
    let (frontend, address) = fixture.bind(0).await.expect("bind");
    let text = frontend.to_string();
    assert!(text.contains(&address.port().to_string()), "{text:?} does not tell {address}");
}

/// It takes connections until the stop is requested, and then ends without an error.
pub async fn it_serves_until_it_is_stopped(fixture: &impl FrontendFixture) {
    let served = Served::new(fixture).await;
    let _connection = TcpStream::connect(served.address).await.expect("it listens");
    assert!(!served.is_finished(), "it serves as long as nobody stops it");
    served.stop().await;
}

/// A stop that was requested before serving began counts.
pub async fn a_stop_before_serving_ends_it_at_once(fixture: &impl FrontendFixture) {
    let (frontend, _) = fixture.bind(0).await.expect("bind");
    let node = MemoryNode::start().await;
    let (stop, stopped) = Shutdown::new();
    stop.trigger();
    frontend.serve(node.engine(), stopped).await.expect("it ends without an error");
}

/// After the stop nobody can connect, and the port can be bound again.
pub async fn stop_closes_the_listener(fixture: &impl FrontendFixture) {
    let served = Served::new(fixture).await;
    let address = served.address;
    served.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "somebody still listens at {address}");
    let (again, _) = fixture.bind(address.port()).await.expect("the port is free again");
    Served::start(again, address).await.stop().await;
}

/// A port in use is an error of the constructor.
pub async fn bind_error_is_reported_early(fixture: &impl FrontendFixture) {
    let served = Served::new(fixture).await;
    let second = fixture.bind(served.address.port()).await;
    assert!(second.is_err(), "two front-ends on {}", served.address);
    served.stop().await;
}

/// Two front-ends of a process do not know of each other.
pub async fn two_instances_on_port_0(fixture: &impl FrontendFixture) {
    let (first, second) = (Served::new(fixture).await, Served::new(fixture).await);
    assert_ne!(first.address, second.address);
    first.stop().await;
    let _connection = TcpStream::connect(second.address).await.expect("the second one goes on");
    assert!(!second.is_finished(), "the second one goes on");
    second.stop().await;
}

/// Nothing of a front-end that was stopped is in the way of the next one.
pub async fn it_may_be_opened_served_and_stopped_often(fixture: &impl FrontendFixture) {
    for _ in 0..20 {
        let served = Served::new(fixture).await;
        let _connection = TcpStream::connect(served.address).await.expect("it listens");
        let engine = served.engine();
        served.stop().await;
        engine.has_sessions(0).await;
    }
}

/// Clients that are connected and say nothing do not keep it from stopping.
pub async fn idle_connections_do_not_keep_it(fixture: &impl FrontendFixture) {
    let served = Served::new(fixture).await;
    let address = served.address;
    let mut connections = Vec::new();
    for _ in 0..5 {
        connections.push(TcpStream::connect(address).await.expect("it listens"));
    }
    served.stop().await;
    refused(address).await;
}

/// Bytes that are no protocol end their connection at most.
pub async fn garbage_harms_nobody(fixture: &impl FrontendFixture) {
    let served = Served::new(fixture).await;
    for seed in 0..8 {
        let mut connection = TcpStream::connect(served.address).await.expect("it listens");
        // It may hang up before it has read, or answered, everything.
        let _ = connection.write_all(&noise(4096, seed)).await;
        let _ = connection.write_all(b"\n\n").await;
        let _ = connection.shutdown().await;
        let _ = connection.read_to_end(&mut Vec::new()).await;
    }
    assert!(!served.is_finished(), "it goes on");
    if fixture.protocol().client {
        let mut client = fixture.connect(served.address).await;
        super::served::run(&mut client, "SELECT 1").await;
    }
    served.stop().await;
}
