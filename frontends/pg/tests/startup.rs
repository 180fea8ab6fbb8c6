//! Getting in, staying out, and being asked to leave.

mod support;

use std::time::Duration;

use ha_core::Error;
use ha_pg::{Options, Pg, TlsFiles};
use support::{Raw, node, node_with};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

async fn refused(config: &str) -> tokio_postgres::error::DbError {
    let Err(error) = tokio_postgres::connect(config, NoTls).await else {
        panic!("a refusal is expected");
    };
    error.as_db_error().expect("the server says why").clone()
}

#[tokio::test]
async fn wrong_users_and_passwords_are_told_the_same() {
    let node = node().await;
    let wrong = |user, password| {
        format!("host=127.0.0.1 port={} user={user} password={password}", node.address.port())
    };
    let password = refused(&wrong("ha", "no")).await;
    assert_eq!(password.code(), &SqlState::INVALID_PASSWORD);
    assert_eq!(password.severity(), "FATAL");
    let user = refused(&wrong("eve", "ha")).await;
    assert_eq!(user.code(), &SqlState::INVALID_PASSWORD);
    assert_eq!(user.message().replace("eve", "ha"), password.message());
    node.client().await;
}

#[tokio::test]
async fn the_server_looks_like_postgresql_15() {
    let node = node().await;
    let (_, connection) = tokio_postgres::connect(&node.url(), NoTls).await.unwrap();
    assert!(connection.parameter("server_version").unwrap().starts_with("15.0 (ha "));
    for (name, value) in [
        ("DateStyle", "ISO, MDY"),
        ("client_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("session_authorization", "ha"),
    ] {
        assert_eq!(connection.parameter(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn too_many_clients_are_refused_but_may_cancel() {
    let node = node_with(Options { max_connections: 1, ..Options::default() }).await;
    let client = node.client().await;
    assert_eq!(refused(&node.url()).await.code(), &SqlState::TOO_MANY_CONNECTIONS);
    let endless = client.simple_query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    );
    let token = client.cancel_token();
    let cancel = async {
        // The request may come before the statement runs, and then has no effect.
        loop {
            token.cancel_query(NoTls).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::select! {
        result = endless => result.unwrap_err(),
        () = cancel => unreachable!("it goes on until the statement ends"),
    };
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    // The seat is free again once the client has left.
    drop(client);
    while tokio_postgres::connect(&node.url(), NoTls).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn startup_must_end_in_time() {
    let options = Options { startup_timeout: Duration::from_millis(50), ..Options::default() };
    let node = node_with(options).await;
    assert!(node.socket().await.rest().await.is_empty());
}

#[tokio::test]
async fn garbage_closes_one_connection_and_no_other() {
    let node = node().await;
    let client = node.client().await;
    let huge = Raw::message(b'p', &[])[..1].iter().copied().chain([0x7f; 4]).collect::<Vec<_>>();
    let packets: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
        &[0, 0, 0, 0, 0, 0, 0, 0],
        &[Raw::startup("ha"), huge].concat(),
        &[Raw::startup("ha"), vec![0; 64]].concat(),
        &[Raw::startup("ha"), Raw::message(b'Q', b"SELECT 1\0")].concat(),
    ];
    for packet in packets {
        let mut socket = node.socket().await;
        socket.send(packet).await;
        let answer = socket.rest().await;
        assert!(!answer.contains(&b'Z') || !answer.ends_with(b"I"), "{packet:?} got in");
    }
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test]
async fn idle_clients_are_sent_away_when_the_node_stops() {
    let node = node().await;
    let (client, connection) = tokio_postgres::connect(&node.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.simple_query("BEGIN").await.unwrap();
    node.stop.trigger();
    let error = connection.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN));
    node.served.await.unwrap().unwrap();
    assert!(
        Config::new().host("127.0.0.1").port(node.address.port()).connect(NoTls).await.is_err()
    );
}

#[tokio::test]
async fn a_running_statement_ends_before_its_client_is_sent_away() {
    let node = node().await;
    let mut raw = node.login().await;
    // The first result is larger than what is held back, so that its arrival means that the
    // second statement has begun.
    let sql = "SELECT hex(zeroblob(20000)); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL \
               SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n";
    raw.query(sql).flush().await;
    raw.until('D').await;
    node.stop.trigger();
    let answer = raw.rest().await;
    let has = |text: &[u8]| answer.windows(text.len()).any(|window| window == text);
    assert!(has(b"300000") && has(b"C57P01"));
    node.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_is_offered_with_a_certificate_only() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = folder.path().join("cert.pem");
    let key = folder.path().join("key.pem");
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Some(TlsFiles { certificate, key });

    let secure = node_with(Options { tls, ..Options::default() }).await;
    let bound = "sslmode=require channel_binding=require";
    let (out, error) = secure.psql_as("ha", bound, &["-c", "\\conninfo", "-Atc", "SELECT 5"]).await;
    assert!(out.contains("TLSv1.3") && out.ends_with("5\n"), "{out}{error}");
    let (out, _) = secure.psql_as("ha", "sslmode=disable", &["-Atc", "SELECT 6"]).await;
    assert_eq!(out, "6\n");

    let plain = node().await;
    let (_, error) = plain.psql_as("ha", "sslmode=require", &["-c", "SELECT 1"]).await;
    assert!(error.contains("server does not support SSL"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let missing = TlsFiles { certificate: "/no/such.pem".into(), key: "/no/such.pem".into() };
    let listen = || "127.0.0.1:0".to_owned();
    let tls = Options { listen: listen(), tls: Some(missing), ..Options::default() };
    assert!(matches!(Pg::bind(tls).await, Err(Error::Config { .. })));
    let first = Pg::bind(Options { listen: listen(), ..Options::default() }).await.unwrap();
    let taken = Options { listen: first.local_addr().to_string(), ..Options::default() };
    assert!(matches!(Pg::bind(taken).await, Err(Error::Config { .. })));
}
