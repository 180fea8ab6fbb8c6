//! Loads plugins, and shows what they bring as the traits of [`ha_core`]: nobody else can tell a
//! plugin's transport or front-end from a built-in one.

#![allow(unsafe_code, reason = "this is the boundary")]

mod engine;
mod error;
mod frontend;
mod library;
mod log;
mod plugin;
mod sessions;
mod text;
mod transport;
mod trust;

pub use error::LoadError;
pub use plugin::{Plugin, State};

use std::path::{Path, PathBuf};

/// The libraries in a directory, by name: what is called `lib*.so` (`lib*.dylib` on macOS).
///
/// # Errors
/// If the directory cannot be read.
pub fn in_dir(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::Unreadable {
        path: directory.to_owned(),
        reason: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("lib") && name.ends_with(std::env::consts::DLL_SUFFIX) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
