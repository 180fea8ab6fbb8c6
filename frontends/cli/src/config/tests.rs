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
fn an_open_listener_needs_credentials_of_ones_own() {
    let open = ["--host=0.0.0.0", "--nats-port=0"];
    let with = |more: &[&'static str]| [&open[..], more].concat();
    assert!(refusal(&open, &[]).contains("--http-token"));
    assert!(refusal(&with(&["--http-token=t"]), &[]).contains("--pg-pass"));
    assert!(refusal(&with(&["--http-token=t", "--pg-pass="]), &[]).contains("--pg-pass"));
    config(&with(&["--http-token=t", "--pg-pass=p"]));
    config(&with(&["--http-token=t", "--pg-port=0"]));
    config(&with(&["--frontend=pg", "--pg-pass=p"]));
    config(&with(&["--insecure"]));
    config(&["--host=::1", "--nats-host=127.0.0.2"]);
    refusal(&["--host=::"], &[]);
}

#[test]
fn an_open_embedded_server_needs_a_token_or_a_configuration() {
    assert!(refusal(&["--nats-host=*"], &[]).contains("--nats-token"));
    config(&["--nats-host=*", "--nats-token=t"]);
    config(&["--nats-host=*", "--nats-config=f"]);
    config(&["--nats-host=*", "--nats-port=0"]);
    config(&["--nats-host=*", "--insecure"]);
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

#[test]
fn a_member_of_a_cluster_names_all_servers_and_itself() {
    let member = server(config(&MEMBER)).cluster.unwrap();
    assert_eq!((member.name.as_str(), member.listen), ("ha", address("127.0.0.1:6222")));
    assert_eq!(member.peers.len(), 3);
    for wrong in [
        &["--cluster-peers=a:1,b:2,c:3"][..],
        &["--name=a", "--cluster-listen=127.0.0.1:6222"],
        &["--name=a", "--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2"],
        &["--name=a", "--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2,c"],
        &["--name=a", "--cluster-listen=127.0.0.1:0", "--cluster-peers=a:1,b:2,c:3"],
        &["--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2,c:3"],
        &[
            "--name=a",
            "--cluster-listen=127.0.0.1:6222",
            "--cluster-peers=a:1,b:2,c:3",
            "--nats-port=0",
        ],
    ] {
        refusal(wrong, &[]);
    }
}

#[test]
fn others_may_only_join_a_cluster_with_a_secret() {
    let open = ["--name=a", "--cluster-listen=10.0.0.1:6222", "--cluster-peers=a:1,b:2,c:3"];
    assert!(refusal(&open, &[]).contains("--cluster-secret"));
    let secret = [&open[..], &["--cluster-secret=s"]].concat();
    assert!(configured(&secret, &[]).is_ok());
}

fn offer(name: &str, transport: bool, frontend: bool) -> Offer {
    Offer { name: name.to_owned(), path: format!("lib{name}.so").into(), transport, frontend }
}

#[test]
fn names_of_plugins_are_checked_against_what_is_loaded() {
    let offers = [offer("redis", false, true), offer("kafka", true, false)];
    let checked = |arguments: &[&str]| {
        let config = config(&[&["--plugin=x.so"], arguments].concat());
        config.check_plugins(&offers).map_err(|error| error.to_string())
    };
    let used = ["--frontend=redis", "--transport=kafka", "--set=redis.port=1"];
    assert_eq!(checked(&used), Ok(()));
    for (arguments, part) in [
        (&["--frontend=kafka"][..], "--frontend: the plugin \"kafka\" has a transport only"),
        (&["--transport=redis"], "--transport: the plugin \"redis\" has a front-end only"),
        (&["--frontend=x"], "--frontend: there is no front-end \"x\"; there are http, pg, redis"),
        (&["--transport=x"], "there are embedded, jetstream, local, kafka"),
        (&["--set=kafka.url=1"], "kafka.url: the plugin is not used: add --transport kafka"),
        (&["--set=mysql.port=1"], "there is no plugin \"mysql\"; there are redis, kafka, or leave"),
    ] {
        let error = checked(arguments).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let config = config(&["--plugin=x.so"]);
    let same = [offer("x", true, true), offer("x", true, true)];
    assert!(config.check_plugins(&same).unwrap_err().to_string().contains("both called"));
    let taken = config.check_plugins(&[offer("local", true, false)]).unwrap_err().to_string();
    assert!(taken.contains("\"local\", which is the name of a built-in part"), "{taken}");
}

#[test]
fn without_libraries_names_are_refused_at_once() {
    let line = refusal(&["--transport=x"], &[]);
    assert!(line.contains("embedded, jetstream, local, and what --plugin FILE loads"), "{line}");
    let line = refusal(&["--set=x.key=hunter2"], &[]);
    assert!(line.starts_with("x.key: there is no plugin \"x\""), "{line}");
    assert!(!line.contains("hunter2"));
    assert!(refusal(&["--set=jetstream.url=a"], &[]).contains("built in"));
    for wrong in ["hunter2", "hunter2=x", ".a=hunter2", "a.=hunter2"] {
        let line = refusal(&[&format!("--set={wrong}")], &[]);
        assert!(line.contains("NAME.KEY=VALUE") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_plugin_is_used_once_and_leaves_built_in_flags_without_effect() {
    let transport = ["--transport=x", "--set=x.url=u", "--nats-port=4222"];
    let config = config(&[&["--plugin=x.so", "--frontend=y,pg,y"], &transport[..]].concat());
    assert_eq!(config.transport, Transport::Plugin(ha_core::Settings::new("x").with("url", "u")));
    assert_eq!(config.plugins.frontends, [ha_core::Settings::new("y")]);
    assert!(config.http.is_none() && config.pg.is_some());
    assert_eq!(config.warnings, ["--nats-port has no effect: changes go by the plugin x"]);
}

#[test]
fn what_is_set_for_a_part_of_a_plugin_that_is_not_used_is_refused() {
    let offers = [offer("kafka", true, false), offer("x", true, true)];
    let checked = |arguments: &[&str]| {
        let config = config(&[&["--plugin=x.so"], arguments].concat());
        config.check_plugins(&offers).map_err(|error| error.to_string())
    };
    let error = checked(&["--set=kafka.frontend.port=1", "--transport=kafka"]).unwrap_err();
    assert!(error.contains("kafka.frontend.port: the plugin does not have that"), "{error}");
    let set = ["--set=x.a=1", "--set=x.transport.b=2", "--set=x.frontend.c=3"];
    let error = checked(&[&set[..], &["--transport=x"]].concat()).unwrap_err();
    assert!(error.contains("x.frontend.c: the plugin is not used: add --frontend x"), "{error}");
    let both = ["--transport=x", "--frontend=x"];
    assert_eq!(checked(&[&set[..], &both].concat()), Ok(()));
}

#[test]
fn both_parts_of_a_plugin_are_told_their_own_settings() {
    let set = "x.both=1\nx.frontend.port=2\nx.port=9\nx.transport.url=u\nx.transportation=3";
    let both = ["--plugin=x.so", "--transport=x", "--frontend=x"];
    let config = configured(&both, &[("HA_SET", set)]).unwrap();
    let told = |settings: &ha_core::Settings| {
        let pairs = settings.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    let Transport::Plugin(transport) = &config.transport else { panic!() };
    assert_eq!(told(transport), "both=1 port=9 transportation=3 url=u");
    assert_eq!(told(&config.plugins.frontends[0]), "both=1 port=2 transportation=3");
}
