//! `ha doctor` says what state a file or a node is in, and its exit code whether there is
//! something to do.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use support::members::{self, ports, write_through};
use support::node::run_to_end;
use support::{Node, home, until};

/// The exit code and the page.
fn doctor(home: &Path, args: &[&str]) -> (i32, String) {
    let (code, out, err) = run_to_end(home, &[&["doctor"], args].concat());
    (code, out + &err)
}

fn ask(home: &Path, node: &Node) -> (i32, String) {
    doctor(home, &["--url", &format!("http://{}", node.http)])
}

#[test]
fn files_and_a_single_node_are_examined() {
    let home = home();
    let (code, page) = doctor(home.path(), &["none.db"]);
    assert!(code == 1 && page.contains("no such file"), "{code} {page}");
    assert_eq!(doctor(home.path(), &[]).0, 2);
    assert_eq!(doctor(home.path(), &["a.db", "--url", "http://localhost"]).0, 2);
    assert_eq!(doctor(home.path(), &["--help"]).0, 0);

    let mut node =
        Node::start(home.path(), &["--http-token", "secret", "--nats-port", "any", "my.db"]);
    let (code, page) = doctor(home.path(), &["my.db"]);
    assert!(code == 0 && page.contains("used by a running process"), "{code} {page}");
    let (code, page) = ask(home.path(), &node);
    assert!(code == 1 && page.contains("401") && page.contains("--token"), "{code} {page}");
    let url = format!("http://{}", node.http);
    let (code, page) = doctor(home.path(), &["--url", &url, "--token", "secret"]);
    assert!(code == 0 && page.contains("ready: takes reads and writes"), "{code} {page}");

    node.terminate();
    let (code, page) = ask(home.path(), &node);
    assert!(code == 1 && page.contains("nobody answers"), "{code} {page}");
    let (code, page) = doctor(home.path(), &["my.db", "--full"]);
    assert!(code == 0 && page.starts_with("my.db: healthy\n"), "{code} {page}");
    assert!(
        page.contains("integrity check: nothing wrong") && page.contains("my.db.nats"),
        "{page}"
    );
    assert!(!page.contains("running process"), "{page}");
}

#[test]
fn without_a_quorum_the_missing_members_are_named() {
    let home = home();
    let ports = ports::<3>();
    let mut members = members::start(home.path(), ports, &[]);
    members[0].run(&["CREATE TABLE t(v PRIMARY KEY)"]);
    write_through(&members[0], "before");
    until("all members are known", || {
        let (code, page) = ask(home.path(), &members[0]);
        (code == 0 && page.contains("3 servers, 2 needed, 3 here")).then_some(())
    });
    members[1].kill();
    let silent = |member: usize| format!("127.0.0.1:{}", ports[member]);
    until("a missing member is named", || {
        let (code, page) = ask(home.path(), &members[0]);
        let named = page.contains("of the cluster is missing: n1") && page.contains(&silent(1));
        (code == 1 && named).then_some(())
    });
    members[2].kill();
    until("what is missing is at /readyz", || {
        let ready = members[0].readiness()?;
        let named = [silent(1), silent(2)].iter().all(|silent| ready.body.contains(silent));
        let said = ready.body.contains("no quorum: 2 of 3 servers are needed, 1 here (n0)");
        (ready.status == 503 && named && said).then_some(())
    });
    let (code, page) = ask(home.path(), &members[0]);
    assert!(code == 1 && page.contains("! no quorum: 2 of 3 servers are needed, 1 here"), "{page}");

    // A member that starts alone says what it waits for.
    members[0].kill();
    let alone = members::begin(home.path(), 0, &ports);
    until("the start says whom it waits for", || {
        let ready = alone.readiness()?;
        (ready.status == 503 && ready.body.contains(&silent(2))).then_some(())
    });
    let (code, page) = ask(home.path(), &alone);
    assert!(code == 1 && page.contains("nobody answers at"), "{code} {page}");
}

#[test]
fn a_node_behind_an_encrypted_door_is_asked_if_its_certificate_is_trusted() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--nats-port", "any"]);
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = home.path().join("trusted.pem");
    std::fs::write(&trusted, made.cert.pem()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let port = runtime.block_on(encrypt(made.cert.der().clone(), key, node.http.to_string()));
    let ask = |trusted: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ha"));
        command.args(["doctor", "--url", &format!("https://localhost:{port}")]);
        let output = command.env("SSL_CERT_FILE", trusted).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, page) = ask(&trusted);
    assert!(code == Some(0) && page.contains("ready: takes reads and writes"), "{page}");
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&trusted, other.cert.pem()).unwrap();
    let (code, page) = ask(&trusted);
    assert!(code == Some(1) && page.contains("nobody answers: "), "{page}");
    assert!(page.to_lowercase().contains("certificate"), "{page}");
}

/// Passes on to `node` what comes encrypted to the port that is returned.
async fn encrypt(
    certificate: rustls_pki_types::CertificateDer<'static>,
    key: rustls_pki_types::PrivateKeyDer<'static>,
    node: String,
) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // A client that does not trust us ends here.
            let Ok(mut client) = acceptor.accept(client).await else { continue };
            let mut node = tokio::net::TcpStream::connect(&node).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut node).await;
        }
    });
    port
}
