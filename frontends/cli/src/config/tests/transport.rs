//! Which transport it is, and what it is told.

use super::*;

#[test]
fn the_transport_follows_from_what_is_given() {
    let url = "--replication-url=nats://a";
    assert_eq!(config(&["--nats-port", "0"]).transport, Transport::Local);
    assert_eq!(config(&["--nats-port", "-1"]).transport, Transport::Local);
    assert!(matches!(config(&[url]).transport, Transport::Jetstream { .. }));
    assert!(matches!(config(&["--replication-url="]).transport, Transport::Embedded { .. }));
    let by_file = config(&["--nats-config", "nats.conf", "--nats-port", "0"]).transport;
    let server = EmbeddedServer::File("nats.conf".into());
    assert_eq!(by_file, Transport::Embedded { server, credentials: Credentials::None });
    assert_eq!(config(&["--transport", "local"]).transport, Transport::Local);
}

#[test]
fn an_embedded_server_beside_a_url_is_refused_unless_the_transport_is_named() {
    let url = "--replication-url=nats://a";
    for flag in ["--nats-port=4222", "--nats-port=any", "--nats-config=f", "--nats-store-dir=d"] {
        let line = refusal(&[url, flag], &[]);
        assert!(line.contains("--transport jetstream"), "{line}");
        let joined = config(&[url, flag, "--transport=jetstream"]);
        assert!(matches!(joined.transport, Transport::Jetstream { .. }));
        assert!(joined.warnings[0].contains("has no effect"), "{:?}", joined.warnings);
        let embedded = config(&[url, flag, "--transport=embedded"]);
        assert!(matches!(embedded.transport, Transport::Embedded { .. }));
        assert!(embedded.warnings.iter().any(|line| line.starts_with("--replication-url")));
    }
    refusal(&[url], &[("HA_NATS_STORE_DIR", "/data")]);
    assert!(config(&[url, "--nats-store-dir=d", "--nats-port=0"]).warnings.len() == 1);
}

#[test]
fn a_transport_that_lacks_what_it_needs_is_refused() {
    assert!(refusal(&["--transport=jetstream"], &[]).contains("--replication-url"));
    let line = refusal(&["--transport=embedded", "--nats-port=0"], &[]);
    assert!(line.starts_with("--nats-port: "), "{line}");
    refusal(&["--replication-url=http://a"], &[]);
}

#[test]
fn the_store_is_beside_the_database_or_one_per_port() {
    let store_dir = |arguments: &[&str]| server(config(arguments)).store_dir;
    assert_eq!(store_dir(&["/data/a b.db"]), Path::new("/data/a b.db.nats"));
    assert_eq!(store_dir(&["-m"]), Path::new("/tmp/ha-nats-4222"));
    assert_eq!(store_dir(&["-m", "--nats-port=4223"]), Path::new("/tmp/ha-nats-4223"));
    assert_eq!(store_dir(&["-m", "--nats-port=any", "-n=x"]), Path::new("/tmp/ha-nats-x"));
    assert_eq!(store_dir(&["-m", "--nats-store-dir=/data"]), Path::new("/data"));
}

#[test]
fn credentials_go_where_they_belong() {
    let transport = |arguments: &[&str]| match config(arguments).transport {
        Transport::Embedded { credentials, .. } | Transport::Jetstream { credentials, .. } => {
            credentials
        }
        Transport::Local | Transport::Plugin(_) => panic!("no transport"),
    };
    let token = || Credentials::Token("t".into());
    assert_eq!(transport(&["--nats-token=t"]), token());
    assert_eq!(transport(&["--nats-config=f", "--replication-token=t"]), token());
    let url = "--replication-url=nats://a";
    assert_eq!(transport(&[url, "--replication-token=t"]), token());
    assert_eq!(transport(&[url, "--replication-creds=f"]), Credentials::File("f".into()));
    refusal(&[url, "--replication-creds=f", "--replication-token=t"], &[]);
}

#[test]
fn the_log_is_synced_only_where_that_is_known() {
    let is_synced = |arguments: &[&str]| config(arguments).transport.is_synced();
    assert!(is_synced(&[]));
    assert!(!is_synced(&["--nats-sync=2m"]));
    assert!(!is_synced(&["--nats-config=f"]));
    assert!(!is_synced(&["--transport=local"]));
    assert!(!is_synced(&["--replication-url=a"]));
    assert!(!is_synced(&["--replication-url=a", "--nats-sync=2m"]));
    assert!(is_synced(&["--replication-url=a", "--nats-sync=always"]));
    let every = NatsSync::Every(Duration::from_secs(120));
    assert_eq!(server(config(&["--nats-sync=2m"])).sync, every);
}
