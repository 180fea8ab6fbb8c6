use std::path::PathBuf;
use std::process::Command;

/// Builds a package of this workspace that is a plugin and gives the path of its library.
///
/// # Panics
/// If it does not build, or is no library.
#[must_use]
pub fn library(package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--message-format", "json", "--package", package]);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo is there");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{package} does not build: {errors}");
    // A file name in the messages; a library's is the only one that ends so.
    let end = format!("{}{}\"", package.replace('-', "_"), std::env::consts::DLL_SUFFIX);
    let line = text.lines().find(|line| line.contains(&end)).expect("it is a library");
    let at = line.find(&end).expect("it was found");
    let start = line[..at].rfind('"').expect("a text begins") + 1;
    PathBuf::from(&line[start..at + end.len() - 1])
}
