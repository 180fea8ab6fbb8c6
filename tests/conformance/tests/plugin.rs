//! Runs the suites on any library:
//!
//! ```sh
//! HA_TEST_PLUGIN=target/release/libha_redis.so HA_TEST_SETTINGS='redis.url=redis://localhost,redis.stream={fresh}' \
//!     cargo test -p ha-conformance --test plugin
//! ```
//!
//! | variable | |
//! |---|---|
//! | `HA_TEST_PLUGIN` | the library; without it nothing is checked |
//! | `HA_TEST_SETTINGS` | `name.key=value,name.key=value`. `{fresh}` is a name that no other check uses, `{port}` the port to bind; a front-end whose settings lack it is given a setting `port` |
//! | `HA_TEST_CLIENT` | a program that gets the port as its argument and speaks a front-end's protocol for us: SQL on its input, one line each, and a line of JSON for each on its output: `{"rows":[[…]]}`, a whole reply, or `{"error":"…"}`. Without it only what needs no client is checked |
//! | `HA_TEST_SESSIONS` | set to anything: `BEGIN`, `COMMIT` and `ROLLBACK` work on a connection of that client |
//!
//! A library with a transport and a front-end, which have other settings, is checked by two calls
//! that end in `-- transport` and `-- frontend`.

mod support;

use std::env;
use std::process::ExitCode;

use libtest_mimic::Arguments;
use support::runner;

#[expect(clippy::print_stderr, reason = "what was not checked must be seen")]
fn main() -> ExitCode {
    let trials = runner::trials(|name| env::var_os(name)).unwrap_or_else(|| {
        eprintln!("skipped: HA_TEST_PLUGIN names no library to check");
        Vec::new()
    });
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
