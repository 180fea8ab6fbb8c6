//! The front-end in C is built from the header alone, and keeps the promises of a front-end.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ha_conformance::frontend::FrontendFixture as _;
use ha_core::{Error, Settings};
use support::{Library, root, succeed};

fn echo() -> Library {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Library::of_lines(BUILT.get_or_init(build), false)
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
