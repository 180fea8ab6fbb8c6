//! `ha`: a highly available, leaderless SQLite cluster powered by NATS JetStream.

use std::process::ExitCode;

/// Requests are many small allocations; this allocator takes a fifth of the processor time
/// per request off.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ha_cli::start(ha_cli::run::run)
}
