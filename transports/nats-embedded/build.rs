//! Compiles the Go module in `server/` to a static library and links it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The Go version that `server/go.mod` asks for.
const GO: (u32, u32) = (1, 26);

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=server");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cargo::error={problem}");
            println!(
                "cargo::error=install Go {}.{} or newer (https://go.dev/dl), or build with --no-default-features",
                GO.0, GO.1
            );
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    check_version(&out)?;
    compile(&out)?;
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=ha_nats");
    println!("cargo::rustc-link-lib=resolv");
    Ok(())
}

/// Asks outside the module: inside it an old Go would fetch the version that go.mod asks for.
fn check_version(dir: &Path) -> Result<(), String> {
    let output = Command::new("go").args(["env", "GOVERSION"]).current_dir(dir).output();
    let output = output.map_err(|error| format!("the embedded nats-server needs Go: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if parse(&version).is_some_and(|found| found >= GO) {
        return Ok(());
    }
    Err(format!("the embedded nats-server needs Go {}.{}, found {version:?}", GO.0, GO.1))
}

/// Major and minor of a version like `go1.26.8`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("go")?.split(['.', 'r', 'b', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn compile(out: &Path) -> Result<(), String> {
    let status = Command::new("go")
        .args(["build", "-buildmode=c-archive", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(out.join("libha_nats.a"))
        .arg(".")
        .current_dir("server")
        .env("CGO_ENABLED", "1")
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("go build of the embedded nats-server failed: {status}")),
        Err(error) => Err(format!("go build could not be run: {error}")),
    }
}
