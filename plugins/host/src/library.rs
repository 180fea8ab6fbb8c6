use std::path::Path;

use ha_abi::{ENTRY, HaEntry, HaPlugin, HaStatus, MAJOR, MINOR};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::LoadError;
use crate::log::HOST;

/// Loads a library for good and shakes hands with it.
pub(crate) fn load(path: &Path) -> Result<HaPlugin, LoadError> {
    let entry = entry(path)?;
    // SAFETY: the symbol is an entry by its name, which has the major version in it.
    unsafe { shake_hands(path, entry) }
}

/// # Safety
/// The entry keeps the rules of the boundary.
pub(crate) unsafe fn shake_hands(path: &Path, entry: HaEntry) -> Result<HaPlugin, LoadError> {
    let mut plugin = HaPlugin::EMPTY;
    // SAFETY: the caller promises it; the host's table lives as long as the process.
    let status = unsafe { entry(&raw const HOST, &raw mut plugin) };
    let versions = || LoadError::Version {
        path: path.to_owned(),
        found: format!("{}.{}", plugin.major, plugin.minor),
        ours: format!("{MAJOR}.{MINOR}"),
    };
    match status {
        HaStatus::OK if plugin.major == MAJOR => Ok(plugin),
        HaStatus::OK | HaStatus::ABI => Err(versions()),
        HaStatus(status) => {
            let reason = format!("it fails to start (status {status})");
            Err(LoadError::Broken { path: path.to_owned(), reason })
        }
    }
}

/// The one symbol. All others are bound here and now, so that a missing one is known before
/// anything is served.
fn entry(path: &Path) -> Result<HaEntry, LoadError> {
    // SAFETY: the operator names the file, and nobody else can have written it; what it does
    // when it is loaded is trusted as the rest of it.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
        let reason = error.to_string();
        LoadError::NotALibrary { path: path.to_owned(), reason: one_line(path, &reason) }
    })?;
    // SAFETY: the name promises the type.
    let entry = unsafe { library.get::<HaEntry>(ENTRY.to_bytes_with_nul()) }.map(|symbol| *symbol);
    let entry = entry.map_err(|_| LoadError::NoEntry {
        path: path.to_owned(),
        symbol: ENTRY.to_string_lossy().into_owned(),
    });
    if entry.is_ok() {
        // Threads and thread-locals of the library may outlive everything: it stays.
        std::mem::forget(library);
    }
    entry
}

/// The system's text without the file's name, which the error tells already.
fn one_line(path: &Path, reason: &str) -> String {
    let name = format!("{}: ", path.display());
    reason.replace(&name, "").replace('\n', " ")
}
