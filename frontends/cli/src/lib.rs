//! The command line of `ha`: flags, environment and configuration file, and the
//! [`Config`] they add up to.
//!
//! A binary is `fn main() -> ExitCode { ha_cli::start(run) }`; everything before `run` reads
//! the command line, everything in it is the node.

pub mod args;
mod client;
mod commands;
pub mod config;
pub mod doctor;
pub mod dsn;
pub mod duration;
mod file;
mod flags;
mod layers;
pub mod logging;
pub mod plugins;
pub mod run;
pub mod secret;
pub mod size;
mod stop;
#[cfg(test)]
mod testing;
pub mod values;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::SystemTime;

pub use flags::reference;
pub use layers::{Environment, parse, variable};
pub use stop::{Stop, version};

use config::{Config, Surroundings, check_exposure};
use plugins::Plugins;

/// Does what a command (`ha doctor`, `ha cluster`, `ha plugins`) says; without one it reads the
/// process's arguments and environment, starts logging, loads plugins and calls `run`. The exit
/// code is 0 after help, version and a `run` without error, 2 after a usage error, which is one
/// line on standard error, and 1 after an error of `run`, which is logged.
pub fn start(run: impl FnOnce(Config, Plugins) -> anyhow::Result<()>) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = commands::run(&arguments) {
        return code;
    }
    let surroundings = Surroundings { temp_dir: std::env::temp_dir(), now: SystemTime::now() };
    match prepare(&arguments, &|name| std::env::var_os(name), &surroundings) {
        Ok((config, plugins)) => finish(run(config, plugins)),
        Err(stop) => stop.report(),
    }
}

/// The checked configuration of a start: [`parse`], [`Config::new`] and [`check_exposure`].
pub fn configure(
    arguments: &[OsString],
    environment: Environment<'_>,
    surroundings: &Surroundings,
) -> Result<Config, Stop> {
    let config = Config::new(parse(arguments, environment)?, surroundings)?;
    check_exposure(&config).map_err(Stop::Usage)?;
    Ok(config)
}

fn prepare(
    arguments: &[OsString],
    environment: Environment<'_>,
    surroundings: &Surroundings,
) -> Result<(Config, Plugins), Stop> {
    let config = configure(arguments, environment, surroundings)?;
    logging::init(&config.logging)?;
    let plugins = Plugins::load(&config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok((config, plugins))
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}
