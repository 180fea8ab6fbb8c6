//! The suites as trials, for a library that is told by variables.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use ha_conformance::{Check, frontend, transport};
use ha_plugin_host::Plugin;
use libtest_mimic::{Failed, Trial};
use tokio::runtime::Builder;

use super::{Clients, Library};

/// All checks of the library that the variables name; a failing one if it cannot be loaded, and
/// `None` if they name none.
pub fn trials(variable: impl Fn(&str) -> Option<OsString>) -> Option<Vec<Trial>> {
    let path = |name| variable(name).map(|path| invoked_in(variable("PWD"), &path));
    let plugin = match Plugin::load(&path("HA_TEST_PLUGIN")?) {
        Ok(plugin) => plugin,
        Err(error) => {
            let failed = Failed::from(error.to_string());
            return Some(vec![Trial::test("it can be loaded", move || Err(failed))]);
        }
    };
    let settings = variable("HA_TEST_SETTINGS").unwrap_or_default();
    let library = Library {
        plugin,
        settings: settings.to_string_lossy().into_owned(),
        clients: path("HA_TEST_CLIENT").map_or(Clients::None, Clients::Program),
        sessions: variable("HA_TEST_SESSIONS").is_some(),
    };
    Some(suites(&library))
}

fn suites(library: &Library) -> Vec<Trial> {
    let mut trials = Vec::new();
    if library.plugin.has_transport() {
        trials.extend(transport::checks().into_iter().map(|it| trial("transport", library, it)));
    }
    if library.plugin.has_frontend() {
        trials.extend(frontend::checks().into_iter().map(|it| trial("frontend", library, it)));
    }
    trials
}

fn trial(suite: &str, library: &Library, check: Check<Library>) -> Trial {
    let library = Arc::new(library.clone());
    Trial::test(format!("{suite}::{}", check.name()), move || {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(check.run(&library));
        Ok(())
    })
}

/// Paths are relative to where cargo was called, while tests run in the folder of their crate.
fn invoked_in(directory: Option<OsString>, path: &OsStr) -> PathBuf {
    directory.map(PathBuf::from).unwrap_or_default().join(path)
}
