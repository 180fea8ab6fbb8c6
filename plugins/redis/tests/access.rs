//! Ways to the server: with a password and few rights, and encrypted.

mod support;

use std::path::Path;
use std::process::Command;

use futures::StreamExt;
use futures::stream;
use ha_core::{ChangeTransport, RunningHash, Seq, SnapshotMeta};
use ha_redis::Redis;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sha2::{Digest, Sha256};
use support::{TestServer, draft, fill, next_entry, open};

/// Uses all of the transport.
async fn exercise(node: &Redis) {
    let mut subscription = node.subscribe(Seq(1)).await.unwrap();
    fill(node, 2).await;
    node.append(draft(None, 9, "unconditional")).await.unwrap();
    for seq in 1..=3 {
        assert_eq!(next_entry(&mut subscription).await.seq, Seq(seq));
    }
    assert_eq!(node.read(Seq(3)).await.unwrap().unwrap().payload, "unconditional");
    let meta = SnapshotMeta {
        digest: Sha256::digest(b"body").into(),
        bytes: 4,
        lineage: node.bounds().await.unwrap().lineage,
        seq: Seq(3),
        hash: RunningHash::default(),
    };
    for _ in 0..2 {
        let body = stream::iter([Ok("body".into())]).boxed();
        node.put_snapshot(meta.clone(), body).await.unwrap();
    }
    assert_eq!(node.snapshots().await.unwrap(), std::slice::from_ref(&meta));
    let body: Vec<_> = node.get_snapshot(&meta).await.unwrap().collect().await;
    assert_eq!(body, [Ok("body".into())]);
    node.remove_snapshot(&meta).await.unwrap();
    node.trim(Seq(3)).await.unwrap();
    assert_eq!(node.bounds().await.unwrap().first, Seq(3));
}

/// The command of the README, word for word.
fn rights() -> String {
    let readme = include_str!("../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    line.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_in_the_readme_are_enough() {
    let server = TestServer::start().await;
    let _: () = server.ask(&rights()).await;
    let _: () = server.ask("ACL SETUSER default off").await;
    let address = format!("127.0.0.1:{}", server.port);
    for wrong in [format!("redis://{address}"), format!("redis://ha:wrong@{address}")] {
        let error = open(&wrong).await.unwrap_err();
        assert!(!error.to_string().contains("wrong@"), "{error}");
    }
    let node = open(&format!("redis://ha:PASSWORD@{address}")).await.unwrap();
    assert!(node.capabilities().synced, "it may ask how the server is configured");
    exercise(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_configuration_may_not_be_asked_nothing_is_assumed() {
    let server = TestServer::start().await;
    let _: () = server.ask(&rights().replace(" +config|get", "")).await;
    let url = format!("redis://ha:PASSWORD@127.0.0.1:{}", server.port);
    let node = open(&url).await.unwrap();
    assert!(!node.capabilities().synced);
    assert!(node.health().await.warnings[0].contains("CONFIG GET is not allowed"));
    exercise(&node).await;
}

/// The client finds the authorities it trusts in an environment variable: another process has
/// to be the client.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_connection_is_made_to_who_proves_to_be_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let [certificate, key, other] = ["server.pem", "key.pem", "other.pem"];
    write_certificate(&directory.path().join(other), None);
    write_certificate(&directory.path().join(certificate), Some(&directory.path().join(key)));
    let server = TestServer::start().await;
    for (setting, file) in
        [("tls-cert-file", certificate), ("tls-key-file", key), ("tls-ca-cert-file", certificate)]
    {
        let path = directory.path().join(file);
        let _: () = server.ask(&format!("CONFIG SET {setting} {}", path.display())).await;
    }
    let _: () = server.ask("CONFIG SET tls-auth-clients no").await;
    let port = free_tls_port(&server).await;
    let is_accepted = |trusted: &str| {
        let mut client = Command::new(std::env::current_exe().unwrap());
        client.args(["--ignored", "--exact", "client_of_an_encrypted_server"]);
        client.env("SSL_CERT_FILE", directory.path().join(trusted));
        client.env("TEST_URL", format!("rediss://localhost:{port}"));
        client.status().unwrap().success()
    };
    assert!(is_accepted(certificate));
    assert!(!is_accepted(other), "another authority has not signed it");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of the test before"]
async fn client_of_an_encrypted_server() {
    let node = open(&std::env::var("TEST_URL").unwrap()).await.unwrap();
    exercise(&node).await;
}

fn write_certificate(certificate: &Path, key: Option<&Path>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, cert.pem()).unwrap();
    if let Some(key) = key {
        std::fs::write(key, signing_key.serialize_pem()).unwrap();
    }
}

/// Makes the server listen for encrypted connections, and gives the port.
async fn free_tls_port(server: &TestServer) -> u16 {
    loop {
        let port = support::free_port();
        let mut asked = redis::cmd("CONFIG");
        asked.arg("SET").arg("tls-port").arg(port);
        if asked.exec_async(&mut server.admin().await).await.is_ok() {
            return port;
        }
    }
}
