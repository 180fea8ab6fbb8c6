//! Plugins by name, and what is set for them.

use super::*;

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
