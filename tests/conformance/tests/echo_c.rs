//! The front-end in C is built from the header alone, and keeps the promises of a front-end.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use ha_conformance::frontend::FrontendFixture as _;
use ha_core::{Error, Settings};
use libtest_mimic::{Arguments, Conclusion};
use support::{Library, root, runner, succeed};

fn echo() -> Library {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(build);
    Library::of_lines(&BUILT, false)
}

fn build() -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libecho_c.so");
    let mut cc = Command::new("cc");
    cc.current_dir(root().join("plugins/echo-c"));
    cc.args(["-shared", "-fPIC", "-pthread", "-O2", "-Wall", "-Wextra", "-Werror"]);
    succeed(cc.args(["-I", "../abi/include", "echo.c", "-o"]).arg(&library));
    library
}

ha_conformance::frontend_suite!(echo());

#[tokio::test]
async fn it_says_what_it_is() {
    let plugin = echo().plugin;
    assert_eq!((plugin.name(), plugin.version()), ("echo-c", "1.0.0"));
    assert!(plugin.has_frontend() && !plugin.has_transport());
}

#[tokio::test]
async fn settings_that_it_does_not_know_are_refused() {
    let plugin = echo().plugin;
    for (key, value) in [("prot", "0"), ("port", "x"), ("port", "70000"), ("port", "")] {
        let settings = Settings::new("echo-c").with(key, value);
        let error = plugin.open_frontend(settings).await.unwrap_err();
        assert!(
            matches!(&error, Error::Config { key: told, .. } if told == &format!("echo-c.{key}")),
            "{error:?}"
        );
    }
    let two = Settings::new("echo-c").with("port", "0").with("zone", "1");
    plugin.open_frontend(two).await.unwrap_err();
}

#[tokio::test]
async fn a_front_end_that_is_never_served_gives_its_port_back() {
    let echo = echo();
    let (frontend, address) = echo.bind(0).await.unwrap();
    drop(frontend);
    echo.bind(address.port()).await.unwrap();
}

/// Runs the suites as for a library that somebody else has built, and without a word.
fn run(variables: &[(&str, &Path)]) -> Conclusion {
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
    let trials = runner::trials(|name| value(name).map(|(_, value)| value.as_os_str().into()));
    let log = tempfile::NamedTempFile::new().unwrap();
    let logfile = Some(log.path().display().to_string());
    let arguments = Arguments { logfile, ..Arguments::default() };
    libtest_mimic::run(&arguments, trials.expect("a library is named"))
}

#[test]
fn a_library_is_checked_with_and_without_a_client() {
    let (echo, client) = (echo(), root().join("tests/conformance/clients/lines.pl"));
    let plugin = ("HA_TEST_PLUGIN", echo.plugin.path());
    let settings = ("HA_TEST_SETTINGS", Path::new("echo-c.port={port}"));
    let alone = run(&[plugin, settings]);
    let spoken = run(&[plugin, ("HA_TEST_CLIENT", &client)]);
    let checks = ha_conformance::frontend::checks::<Library>().len() as u64;
    assert_eq!((alone.num_passed, alone.num_failed), (checks, 0));
    assert_eq!((spoken.num_passed, spoken.num_failed), (checks, 0));
}

#[test]
fn a_library_that_breaks_promises_fails() {
    let echo = echo();
    let plugin = ("HA_TEST_PLUGIN", echo.plugin.path());
    let wrong = run(&[plugin, ("HA_TEST_SETTINGS", Path::new("echo-c.prot=1"))]);
    assert!(wrong.has_failed());
    // It has no transactions on a connection.
    let client = root().join("tests/conformance/clients/lines.pl");
    let sessions = ("HA_TEST_SESSIONS", Path::new("1"));
    assert_eq!(run(&[plugin, ("HA_TEST_CLIENT", &client), sessions]).num_failed, 3);
    let absent = Path::new("/nowhere/libabsent.so");
    assert!(run(&[("HA_TEST_PLUGIN", absent)]).has_failed());
    assert!(runner::trials(|_| None).is_none(), "without a library nothing is checked");
}
