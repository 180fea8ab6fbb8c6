//! Runs the suites on any library:
//!
//! ```sh
//! HA_TEST_PLUGIN=./libredis.so HA_TEST_SETTINGS='redis.url=redis://localhost,redis.stream={fresh}' \
//!     cargo test -p ha-conformance --test plugin
//! ```
//!
//! | variable | |
//! |---|---|
//! | `HA_TEST_PLUGIN` | the library; without it nothing is checked |
//! | `HA_TEST_SETTINGS` | `name.key=value,name.key=value`. `{fresh}` is a name that no other check uses, `{port}` the port to bind; a front-end without it is given a setting `port` |
//! | `HA_TEST_CLIENT` | a program that gets the port as its argument and speaks a front-end's protocol for us: SQL on its input, one line each, and a line of JSON for each on its output: `{"rows":[[…]]}`, a whole reply, or `{"error":"…"}`. Without it only what needs no client is checked |
//! | `HA_TEST_SESSIONS` | set to anything: `BEGIN`, `COMMIT` and `ROLLBACK` work on a connection of that client |

mod support;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ha_conformance::{Check, frontend, transport};
use ha_plugin_host::{LoadError, Plugin};
use libtest_mimic::{Arguments, Failed, Trial};
use support::{Clients, Library};

#[expect(clippy::print_stderr, reason = "what was not checked must be seen")]
fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match env::var_os("HA_TEST_PLUGIN") {
        None => {
            eprintln!("skipped: HA_TEST_PLUGIN names no library to check");
            Vec::new()
        }
        Some(path) => library(Path::new(&path)).map_or_else(broken, |library| trials(&library)),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn library(path: &Path) -> Result<Library, LoadError> {
    let plugin = Plugin::load(path)?;
    let mut settings = env::var("HA_TEST_SETTINGS").unwrap_or_default();
    if plugin.has_frontend() && !settings.contains("{port}") {
        let comma = if settings.is_empty() { "" } else { "," };
        settings = format!("{settings}{comma}{}.port={{port}}", plugin.name());
    }
    let client = env::var_os("HA_TEST_CLIENT");
    let clients = client.map_or(Clients::None, |path| Clients::Program(path.into()));
    let sessions = env::var_os("HA_TEST_SESSIONS").is_some();
    Ok(Library { plugin, settings, clients, sessions })
}

fn trials(library: &Library) -> Vec<Trial> {
    let mut trials = Vec::new();
    if library.plugin.has_transport() {
        trials.extend(
            transport::checks().into_iter().map(|check| trial("transport", library, check)),
        );
    }
    if library.plugin.has_frontend() {
        trials
            .extend(frontend::checks().into_iter().map(|check| trial("frontend", library, check)));
    }
    trials
}

fn trial(suite: &str, library: &Library, check: Check<Library>) -> Trial {
    let library = Arc::new(library.clone());
    let name = format!("{}::{suite}::{}", library.plugin.name(), check.name());
    Trial::test(name, move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build()?;
        runtime.block_on(check.run(&library));
        Ok(())
    })
}

/// A library that cannot be loaded is a test that fails.
fn broken(error: LoadError) -> Vec<Trial> {
    vec![Trial::test("it can be loaded", move || Err(Failed::from(error.to_string())))]
}
