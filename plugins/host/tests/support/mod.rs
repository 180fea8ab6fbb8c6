//! Libraries to load.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use ha_plugin_host::{LoadError, Plugin};

/// The testing plugin, built as a library.
pub(crate) fn testing() -> Plugin {
    static BUILT: LazyLock<PathBuf> =
        LazyLock::new(|| ha_conformance::library("ha-testing-plugin"));
    Plugin::load(&BUILT).unwrap()
}

/// A library of C code, made in the directory.
pub(crate) fn compiled(directory: &Path, code: &str) -> PathBuf {
    let source = directory.join("plugin.c");
    std::fs::write(&source, format!("#include \"ha_plugin.h\"\n{code}\n")).unwrap();
    let library = directory.join("libplugin.so");
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi/include");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I"]).arg(header);
    let built = cc.arg("-o").arg(&library).arg(&source).status().expect("cc is installed");
    assert!(built.success());
    library
}

/// Why C code is not loaded.
pub(crate) fn refused(code: &str) -> LoadError {
    let directory = tempfile::tempdir().unwrap();
    Plugin::load(&compiled(directory.path(), code)).unwrap_err()
}
