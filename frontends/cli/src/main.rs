//! `ha`: a highly available, leaderless SQLite cluster powered by NATS JetStream.

use std::process::ExitCode;

fn main() -> ExitCode {
    ha_cli::start(ha_cli::run::run)
}
