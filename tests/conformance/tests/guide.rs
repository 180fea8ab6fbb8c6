//! What the guide to plugins has authors write builds as it stands there, and is a front-end that
//! keeps its promises; also built by another compiler, which rustup has:
//!
//! ```sh
//! HA_TEST_TOOLCHAIN=1.96.0 cargo test -p ha-conformance --test guide
//! ```

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ha_conformance::frontend::Served;
use support::{Library, root, succeed};

fn line() -> Library {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(build);
    Library::of_lines(&BUILT, true)
}

/// Builds the guide's crate outside of the workspace, with the versions that are locked here, and
/// with what cargo has built here already.
fn build() -> PathBuf {
    let root = root();
    let ours = || Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let target = ha_conformance::others_folder().unwrap_or_else(ours);
    let directory = tempfile::tempdir().unwrap();
    let sdk = root.join("plugins/sdk").display().to_string();
    let manifest = block("toml").replace("../ha/plugins/sdk", &sdk);
    assert!(manifest.contains(&sdk), "the guide's crate needs the SDK");
    fs::create_dir(directory.path().join("src")).unwrap();
    fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(directory.path().join("src/lib.rs"), block("rust")).unwrap();
    fs::copy(root.join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    let mut cargo = ha_conformance::cargo();
    cargo.args(["build", "--offline", "--target-dir"]).arg(&target);
    cargo.args(["--config", "profile.dev.debug='line-tables-only'"]);
    cargo.args(["--config", "profile.dev.package.'*'.opt-level=1"]);
    cargo.args(["--config", "profile.dev.package.'*'.debug=false"]);
    succeed(cargo.current_dir(directory.path()));
    target.join("debug/libline_frontend.so")
}

/// The first block of this language in the guide.
fn block(language: &str) -> String {
    let guide = fs::read_to_string(root().join("plugins/README.md")).unwrap();
    let (_, rest) = guide.split_once(&format!("```{language}\n")).expect("the guide has a block");
    rest.split_once("```\n").expect("the block ends").0.to_owned()
}

ha_conformance::frontend_suite!(line());

#[tokio::test]
async fn it_answers_as_the_guide_shows() {
    let served = Served::new(&line()).await;
    let command = block("console").replace("7001", &served.address.port().to_string());
    let command = command.strip_prefix("$ ").expect("a command").replace("../ha", ".");
    let mut shell = tokio::process::Command::new("sh");
    let output = shell.args(["-c", &command]).current_dir(root()).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command}: {errors}");
    let answer = String::from_utf8(output.stdout).unwrap();
    let (answer, position) = answer.split_once("\"position\":\"").expect("a position");
    assert!(position.ends_with("\"}\n"), "{position}");
    assert_eq!(block("json"), format!("{answer}\"position\":\"…\"}}\n"));
}

/// Each compiler writes its version into what it makes.
#[test]
fn it_is_built_by_the_toolchain_that_is_asked_for() {
    let library = fs::read(line().plugin.path()).unwrap();
    let library = String::from_utf8_lossy(&library);
    let (_, version) = library.split_once("rustc version ").expect("a library of Rust");
    match ha_conformance::toolchain() {
        Some(toolchain) => assert!(version.starts_with(&toolchain), "{}", &version[..20]),
        None => assert!(version.starts_with(char::is_numeric)),
    }
}

#[test]
fn the_example_is_what_the_guide_shows() {
    let example = root().join("examples/line-frontend");
    let code = fs::read_to_string(example.join("src/lib.rs")).unwrap();
    assert_eq!(block("rust"), code);
    let manifest = fs::read_to_string(example.join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("../../plugins/sdk", "../ha/plugins/sdk");
    assert_eq!(block("toml"), manifest.replace("\n[workspace]\n", ""));
}

#[test]
fn the_guide_promises_few_lines_and_the_number_of_checks() {
    let code = block("rust");
    let (_, code) = code.split_once("#[derive(Debug)]").expect("the imports end");
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines < 60, "the guide's front-end has {lines} lines");
    let transport = ha_conformance::transport::checks::<Library>().len();
    let frontend = ha_conformance::frontend::checks::<Library>().len();
    let guide = fs::read_to_string(root().join("plugins/README.md")).unwrap();
    let promise = format!("{transport} for a transport, {frontend} for a front-end");
    assert!(guide.contains(&promise), "{promise}");
}
