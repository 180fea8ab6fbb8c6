use std::path::PathBuf;
use std::process::Command;

/// Builds a package of this workspace that is a plugin and gives the path of its library.
///
/// # Panics
/// If it does not build, or is no library.
#[must_use]
pub fn library(package: &str) -> PathBuf {
    let mut build = cargo();
    build.args(["build", "--locked", "--message-format", "json", "--package", package]);
    if let Some(folder) = others_folder() {
        build.arg("--target-dir").arg(folder);
    }
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

/// What builds libraries: the cargo that builds these tests or, if `HA_TEST_TOOLCHAIN` names a
/// toolchain, as `1.96.0` does, the one of that, which rustup knows.
#[must_use]
pub fn cargo() -> Command {
    let Some(toolchain) = toolchain() else {
        return Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    };
    let mut rustup = Command::new("rustup");
    // Those of the compiler that builds these tests.
    rustup.env_remove("RUSTC").env_remove("CARGO");
    rustup.args(["run", &toolchain, "cargo"]);
    rustup
}

/// Where the toolchain of `HA_TEST_TOOLCHAIN` builds, if it is set.
///
/// # Panics
/// If this program was not built by cargo.
#[must_use]
pub fn others_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().expect("a program has a file");
    let built_in = program.ancestors().nth(2).expect("cargo builds tests in a folder of a folder");
    toolchain().map(|toolchain| built_in.join(format!("plugins-{toolchain}")))
}

/// The toolchain that builds libraries, if it is another one than that of these tests.
#[must_use]
pub fn toolchain() -> Option<String> {
    std::env::var("HA_TEST_TOOLCHAIN").ok().filter(|name| !name.is_empty())
}
