use super::*;
use crate::config::Storage;
use crate::testing::{config, configured, refusal};

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn http_port(arguments: &[&str], variables: &[(&str, &str)]) -> u16 {
    configured(arguments, variables).unwrap().http.unwrap().address.port()
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let file = file_with("port 3\n");
    let path = file.path().to_str().unwrap();
    let environment = [("HA_PORT", "2")];
    assert_eq!(http_port(&["-p", "1", "-c", path], &environment), 1);
    assert_eq!(http_port(&["-c", path], &environment), 2);
    assert_eq!(http_port(&["-c", path], &[]), 3);
    assert_eq!(http_port(&[], &[("HA_CONFIG", path)]), 3);
    assert_eq!(http_port(&["-c", ""], &[("HA_CONFIG", path)]), 8080);
    assert_eq!(http_port(&["-c", path], &[("HA_PORT", "")]), 3);
    assert_eq!(http_port(&[], &[]), 8080);
}

#[test]
fn a_flag_that_repeats_the_default_wins_too() {
    assert_eq!(http_port(&["--port=8080"], &[("HA_PORT", "2")]), 8080);
}

#[test]
fn the_last_of_repeated_settings_counts() {
    let file = file_with("port 3\nport 4\nfrontend pg\nfrontend http\n");
    let path = file.path().to_str().unwrap();
    let config = config(&["-c", path]);
    assert_eq!(config.http.unwrap().address.port(), 4);
    assert_eq!(config.pg, None);
    assert_eq!(http_port(&["-p", "1", "-p", "2"], &[]), 2);
}

#[test]
fn switches_can_be_taken_back() {
    let file = file_with("memory\n");
    let path = file.path().to_str().unwrap();
    let in_memory = |arguments: &[&str], variables: &[(&str, &str)]| {
        let storage = configured(arguments, variables).unwrap().database.storage;
        matches!(storage, Storage::Memory(_))
    };
    assert!(in_memory(&["-c", path], &[]));
    assert!(!in_memory(&["-c", path, "--memory=false"], &[]));
    assert!(!in_memory(&["-c", path], &[("HA_MEMORY", "0")]));
    assert!(in_memory(&[], &[("HA_MEMORY", "1")]));
    assert!(in_memory(&["-m"], &[("HA_MEMORY", "false")]));
    assert!(!in_memory(&[], &[]));
}

#[test]
fn a_switch_takes_no_argument_that_follows() {
    let config = config(&["-mn", "node2", "file.db"]);
    assert_eq!(config.node, "node2");
    assert_eq!(config.database.storage, Storage::Memory(Some("file.db".into())));
}

/// A value for every setting that is not its default.
const SAMPLES: &[(&str, &str)] = &[
    ("name", "n"),
    ("memory", "true"),
    ("concurrent-queries", "7"),
    ("extensions", "a.so,b.so"),
    ("frontend", "http"),
    ("host", "127.0.0.2"),
    ("insecure", "true"),
    ("transport", "local"),
    ("replication-url", "tls://a"),
    ("replication-creds", "file"),
    ("replication-token", "secret"),
    ("replication-stream", "s"),
    ("replicas", "3"),
    ("replication-timeout", "7s"),
    ("replication-max-age", "1h30m"),
    ("replication-max-bytes", "8g"),
    ("snapshot-interval", "7m"),
    ("snapshot-bytes", "1g"),
    ("replication-policy", "by_start_time=2026-01-02 03:04:05"),
    ("new-lineage", "true"),
    ("compat", "v0.0.7"),
    ("audit-interval", "2h"),
    ("nats-port", "4223"),
    ("nats-host", "127.0.0.2"),
    ("nats-store-dir", "dir"),
    ("nats-config", "file"),
    ("nats-sync", "2m"),
    ("nats-token", "secret"),
    ("cluster-listen", "127.0.0.1:6222"),
    ("cluster-peers", "a:1,b:2,c:3"),
    ("cluster-name", "c"),
    ("cluster-secret", "secret"),
    ("port", "8081"),
    ("http-token", "secret"),
    ("http-allow-host", "db.example"),
    ("http-max-connections", "7"),
    ("pg-port", "5433"),
    ("pg-user", "user"),
    ("pg-pass", "secret"),
    ("pg-cert", "c"),
    ("pg-key", "k"),
    ("pg-max-connections", "7"),
    ("plugins", "a.so,b.so"),
    ("plugin-dir", "dir"),
    ("set", "x.key=value"),
    ("max-body", "64k"),
    ("max-rows", "7"),
    ("max-result-bytes", "64k"),
    ("max-transaction-bytes", "64k"),
    ("statement-timeout", "7s"),
    ("transaction-idle-timeout", "7s"),
    ("log", "debug"),
    ("log-format", "json"),
    ("log-sql", "true"),
];

const MEMBER: [&str; 3] =
    ["--name=n", "--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2,c:3"];

#[test]
fn every_setting_can_be_a_flag_a_variable_and_a_line_of_a_file() {
    for (name, value) in SAMPLES {
        // One is refused without the other, and credentials need something to be shown to.
        let others: &[&str] = match *name {
            "pg-cert" => &["--pg-key=other"],
            "pg-key" => &["--pg-cert=other"],
            "cluster-listen" => &["--name=other", "--cluster-peers=a:1,b:2,c:3"],
            "cluster-peers" => &["--name=other", "--cluster-listen=127.0.0.1:6222"],
            "cluster-name" | "cluster-secret" => &MEMBER,
            "set" => &["--plugin=x.so"],
            "replication-creds" | "replication-token" => &["--replication-url=a"],
            _ => &[],
        };
        let flag = format!("--{name}={value}");
        let by_flag = configured(&[others, &[&flag]].concat(), &[]).unwrap();
        let by_variable = configured(others, &[(&variable(name), value)]).unwrap();
        assert_eq!(by_flag, by_variable, "{name}");
        for text in [format!("{name} {value}"), format!("{name} = \"{value}\"")] {
            let file = file_with(&text);
            let path = file.path().to_str().unwrap();
            let by_file = configured(&[others, &["-c", path]].concat(), &[]).unwrap();
            assert_eq!(by_flag, by_file, "{text}");
        }
        let is_refused_alone = others.iter().any(|other| other.ends_with("other"));
        if !is_refused_alone {
            assert_ne!(by_flag, configured(others, &[]).unwrap(), "{name} has no effect");
        }
    }
}

#[test]
fn every_setting_has_a_sample() {
    let command = args::command();
    let settings = command.get_arguments().filter(|arg| is_setting(arg));
    for name in settings.filter_map(Arg::get_long).filter(|name| *name != "config") {
        assert!(SAMPLES.iter().any(|(sample, _)| *sample == name), "{name}");
    }
}

#[test]
fn a_wrong_value_names_its_origin() {
    let line = refusal(&[], &[("HA_PORT", "abc")]);
    assert!(line.starts_with("HA_PORT: invalid value 'abc'"), "{line}");
    let file = file_with("\nport abc\n");
    let path = file.path().to_str().unwrap();
    let line = refusal(&["-c", path], &[]);
    assert!(line.starts_with(&format!("{path}:2: invalid value 'abc'")), "{line}");
    let line = refusal(&["--port", "abc"], &[("HA_NATS_PORT", "1")]);
    assert!(line.starts_with("invalid value 'abc' for '--port"), "{line}");
}

#[test]
fn an_unknown_setting_names_the_file() {
    for text in ["colour blue\n", "version\n", "config x\n", "colour = \"blue\"\n"] {
        let file = file_with(text);
        let path = file.path().to_str().unwrap();
        let line = refusal(&["-c", path], &[]);
        let name = text.split_whitespace().next().unwrap();
        assert!(line.starts_with(path) && line.contains(&format!("unknown setting {name:?}")));
    }
}

#[test]
fn a_missing_file_and_an_unknown_flag_are_one_line() {
    let line = refusal(&["--config", "/nonexistent.cfg"], &[]);
    assert!(line.starts_with("/nonexistent.cfg: "), "{line}");
    let line = refusal(&["--prot", "1"], &[]);
    assert!(line.contains("'--prot'") && line.contains("did you mean --port?"), "{line}");
    assert!(refusal(&["--port"], &[]).contains("--port"));
    assert!(refusal(&["--transport", "x"], &[]).contains("embedded, jetstream, local"));
    assert!(refusal(&["a.db", "b.db"], &[]).contains("b.db"));
}

#[test]
fn help_and_version_need_no_valid_environment() {
    let wrong = [("HA_PORT", "abc")];
    for arguments in [["-h"], ["--help"]] {
        let Err(Stop::Help(help)) = configured(&arguments, &wrong) else { panic!() };
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|width| width <= 80), "{help}");
        assert!(help.contains("To start empty again") && help.contains("-shm"), "{help}");
    }
    assert_eq!(configured(&["--version"], &wrong).unwrap_err(), Stop::Version(crate::version()));
}

#[test]
fn a_refused_url_does_not_show_its_credentials() {
    for url in ["http://user:canary@a", "nats://b,http://canary@a"] {
        let line = refusal(&["--replication-url", url], &[]);
        assert!(line.contains("@a'") && !line.contains("canary"), "{line}");
        assert!(!refusal(&["a.db", url], &[]).contains("canary"));
    }
}

#[test]
fn settings_of_plugins_add_up_and_the_highest_layer_wins_each() {
    let file = file_with("plugins = \"a.so\"\n[x]\na = 1\nb = 1\nc = \"1=1,y.z=1\\nend\"\n");
    let path = file.path().to_str().unwrap();
    let variables = [("HA_SET", "x.a=2\nx.b=2\n"), ("HA_FRONTEND", "http,x")];
    let config = configured(&["-c", path, "--set=x.a=3", "--set", "x.d=3"], &variables).unwrap();
    let settings: Vec<_> = config.plugins.frontends[0].iter().collect();
    assert_eq!(settings, [("a", "3"), ("b", "2"), ("c", "1=1,y.z=1\nend"), ("d", "3")]);
}

#[test]
fn libraries_are_those_of_the_highest_layer_that_names_some() {
    let file = file_with("plugin a\nplugins b,c\n");
    let path = file.path().to_str().unwrap();
    let libraries = |arguments: &[&str], variables: &[(&str, &str)]| {
        let config = configured(&[&["-c", path], arguments].concat(), variables).unwrap();
        let names = config.plugins.libraries.iter().map(|path| path.display().to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(libraries(&[], &[]), "a b c");
    assert_eq!(libraries(&[], &[("HA_PLUGINS", "d,e")]), "d e");
    assert_eq!(libraries(&["--plugin", "f", "--plugins=g,h"], &[("HA_PLUGINS", "d")]), "f g h");
}
