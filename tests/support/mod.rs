//! Nodes as processes of their own, and what talks to them.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod cases;
pub mod cluster;
pub mod contents;
pub mod disk;
pub mod http;
pub mod inserts;
pub mod load;
pub mod members;
pub mod nats;
pub mod network;
pub mod node;
pub mod process;
pub mod report;
pub mod tools;

use std::io::Write;
use std::time::{Duration, Instant};

pub use node::Node;

/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `condition` gives once it gives something.
///
/// # Panics
/// When that does not happen in a long time; `what` tells what was waited for.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Prints a line, in tests that pass as well.
pub fn say(line: &str) {
    // Not `eprintln`, which is kept back. Nobody has to see it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A directory that is removed when it is dropped.
pub fn home() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("ha-test-").tempdir().unwrap()
}
