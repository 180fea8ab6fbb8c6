mod exposure;
mod plugins;
mod transport;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::testing::{config, configured, refusal};
use crate::values::NatsSync;

fn server(config: Config) -> ServerOptions {
    match config.transport {
        Transport::Embedded { server: EmbeddedServer::Options(options), .. } => options,
        other => panic!("expected an embedded server: {other:?}"),
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_defaults_are_those_of_v0_0_7_on_loopback() {
    let config = config(&[]);
    assert_eq!(config.node, "ha_7");
    assert_eq!(config.database.storage, Storage::File("ha.db".into()));
    assert_eq!(config.database.open, OpenOptions::default());
    assert_eq!(config.database.concurrent_queries.get(), 50);
    assert_eq!(
        config.replication,
        Replication {
            stream: "ha_replication".into(),
            replicas: 1,
            timeout: Duration::from_secs(5),
            max_age: Some(Duration::from_secs(24 * 60 * 60)),
            max_bytes: None,
            snapshot_interval: Some(Duration::from_secs(60 * 60)),
            snapshot_bytes: Some(256 << 20),
            policy: StartPolicy::Default,
            new_lineage: false,
            compat: None,
            audit_interval: Some(Duration::from_secs(60 * 60)),
        }
    );
    let http = config.http.clone().unwrap();
    assert_eq!((http.address, http.max_body), (address("127.0.0.1:8080"), 8 << 20));
    let pg = config.pg.clone().unwrap();
    assert_eq!((pg.address, pg.user.as_str()), (address("127.0.0.1:5432"), "ha"));
    assert_eq!((pg.password.expose(), pg.tls), ("ha", None));
    assert_eq!(config.transaction_idle_timeout, Duration::from_secs(5));
    assert_eq!(config.limits.time, Some(Duration::from_secs(30)));
    assert_eq!((config.limits.rows, config.limits.bytes), (Some(100_000), Some(64 << 20)));
    assert!(config.warnings.is_empty());
    let server = server(config);
    assert_eq!((server.address, server.sync), (address("127.0.0.1:4222"), NatsSync::Always));
    assert_eq!(server.store_dir, Path::new("ha.db.nats"));
}

#[test]
fn the_second_node_of_the_walk_through_joins_the_url() {
    let config = config(&[
        "-m",
        "-n",
        "node2",
        "-p",
        "8081",
        "--pg-port",
        "5433",
        "--nats-port",
        "0",
        "--replication-url",
        "nats://localhost:4222",
    ]);
    let Transport::Jetstream { servers, credentials, synced } = &config.transport else { panic!() };
    assert_eq!(servers.urls(), ["nats://localhost:4222"]);
    assert_eq!((credentials, *synced), (&Credentials::None, false));
    assert_eq!(config.node, "node2");
    assert_eq!(config.http.unwrap().address.port(), 8081);
    assert_eq!(config.pg.unwrap().address.port(), 5433);
    assert!(config.warnings.is_empty());
}

#[test]
fn the_dsn_of_the_walk_through_opens_a_file() {
    let config = config(&["file:mydatabase.db?_journal=WAL&_busy_timeout=500"]);
    assert_eq!(config.database.storage, Storage::File("mydatabase.db".into()));
    assert_eq!(config.database.open.busy_timeout, Duration::from_millis(500));
    assert_eq!(server(config).store_dir, Path::new("mydatabase.db.nats"));
}

#[test]
fn an_empty_database_argument_is_none() {
    assert_eq!(config(&[""]).database.storage, Storage::File("ha.db".into()));
    assert_eq!(config(&["-m", ""]).database.storage, Storage::Memory(None));
}

#[test]
fn a_loaded_backup_gives_its_moment_and_a_file_does_not() {
    let backup = "2026-01-02 03:04:05_ha.db";
    let policy = |arguments: &[&str]| config(arguments).replication.policy;
    assert!(matches!(policy(&["-m", backup]), StartPolicy::FileName(Policy::ByTime(_))));
    assert!(matches!(policy(&["-m", backup, "--replication-policy="]), StartPolicy::FileName(_)));
    assert_eq!(policy(&[backup]), StartPolicy::Default);
    let given = policy(&["-m", backup, "--replication-policy=last"]);
    assert_eq!(given, StartPolicy::Given(Policy::Last));
    let line = refusal(&["--replication-policy=bogus"], &[]);
    assert!(line.contains("by_start_sequence=N"), "{line}");
}

#[test]
fn values_that_cannot_be_are_refused() {
    for arguments in [
        ["--name", "bad.name"],
        ["--name", "a b"],
        ["--concurrent-queries", "0"],
        ["--replication-timeout", "0s"],
        ["--replication-stream", "a.b"],
        ["--replicas", "6"],
        ["--frontend", "http,ftp"],
        ["--host", "example.org"],
        ["--max-body", "0"],
        ["--http-max-connections", "0"],
        ["--compat", "v1"],
        ["--memory=perhaps", "x"],
    ] {
        let line = refusal(&arguments, &[]);
        let flag = arguments[0].split('=').next().unwrap();
        assert!(line.contains(flag), "{line}");
    }
    assert!(refusal(&["--pg-cert", "c"], &[]).contains("--pg-key"));
    assert!(refusal(&["--pg-key", "k"], &[]).contains("--pg-cert"));
    refusal(&["--compat=v0.0.7", "--replicas=3"], &[]);
}

#[test]
fn frontends_can_be_left_out() {
    assert_eq!(config(&["--pg-port", "0"]).pg, None);
    assert_eq!(config(&["--pg-port", "-1"]).pg, None);
    assert_eq!(config(&["--pg-port", "any"]).pg.unwrap().address.port(), 0);
    assert_eq!(config(&["--port", "0"]).http.unwrap().address.port(), 0);
    let only_pg = config(&["--frontend", "pg"]);
    assert!(only_pg.http.is_none() && only_pg.pg.is_some());
    assert!(config(&["--frontend="]).http.is_none());
}

#[test]
fn zero_is_no_limit_where_the_help_says_so() {
    let config = config(&[
        "--max-rows=0",
        "--max-result-bytes=0",
        "--statement-timeout=0",
        "--replication-max-age=0",
        "--audit-interval=0",
        "--snapshot-interval=0",
        "--snapshot-bytes=0",
    ]);
    assert_eq!(config.limits, ha_core::Limits::default());
    assert_eq!(config.replication.audit_interval, None);
    let Replication { max_age, max_bytes, snapshot_interval, snapshot_bytes, .. } =
        config.replication;
    assert_eq!((max_age, max_bytes, snapshot_interval, snapshot_bytes), (None, None, None, None));
}

#[test]
fn lists_and_switches_reach_the_configuration() {
    let config = config(&[
        "--extensions=a.so, b.so",
        "--http-allow-host=db.example",
        "--compat=v0.0.7",
        "--new-lineage",
        "--log=debug",
        "--log-format=json",
        "--log-sql",
        "--pg-cert=c",
        "--pg-key=k",
    ]);
    assert_eq!(config.database.extensions, [Path::new("a.so"), Path::new("b.so")]);
    assert_eq!(config.http.unwrap().allow_hosts, ["db.example"]);
    assert_eq!(config.replication.compat, Some(Compat::V0_0_7));
    assert!(config.replication.new_lineage);
    let logging = Logging { filter: "debug".into(), format: LogFormat::Json, sql: true };
    assert_eq!(config.logging, logging);
    assert_eq!(config.pg.unwrap().tls, Some(Tls { certificate: "c".into(), key: "k".into() }));
}

#[test]
fn no_debug_form_shows_a_secret() {
    let variables = [
        ("HA_HTTP_TOKEN", "canary"),
        ("HA_PG_PASS", "canary"),
        ("HA_REPLICATION_TOKEN", "canary"),
        ("HA_REPLICATION_URL", "nats://user:canary@host"),
    ];
    let joined = configured(&[], &variables).unwrap();
    assert!(!format!("{joined:?} {joined:#?}").contains("canary"));
    let embedded = configured(&[], &[("HA_NATS_TOKEN", "canary")]).unwrap();
    assert!(!format!("{embedded:?}").contains("canary"));
}

const MEMBER: [&str; 6] = [
    "--name=a",
    "--cluster-listen=127.0.0.1:6222",
    "--cluster-peers=127.0.0.1:6222,127.0.0.1:6223,127.0.0.1:6224",
    "--replicas=3",
    "--nats-port=4222",
    "a.db",
];
