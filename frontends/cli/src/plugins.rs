//! Front-ends and transports of others: libraries that are loaded into the process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Arg, Command};
use ha_core::{ChangeTransport, Error, Frontend, Settings};
use ha_plugin_host::{LoadError, Plugin};

use crate::args::{self, PluginArgs};
use crate::config::{Config, Offer, Transport};
use crate::layers;
use crate::stop::{self, Stop};

/// The plugins of a start, loaded.
#[derive(Debug, Clone, Default)]
pub struct Plugins(Vec<Plugin>);

impl Plugins {
    /// Loads what the configuration names and checks that it has what is wanted. Plugins run
    /// with all rights of the process, from here on and until it ends.
    ///
    /// # Errors
    /// One line that names the library, the flag or the setting that is wrong.
    pub fn load(config: &Config) -> Result<Self, Stop> {
        let usage = |error: LoadError| Stop::Usage(error.to_string());
        let wanted = &config.plugins;
        let mut plugins: Vec<Plugin> = Vec::new();
        for path in paths(wanted.libraries.clone(), wanted.directory.as_ref()).map_err(usage)? {
            let plugin = Plugin::load(&path).map_err(usage)?;
            if !plugins.iter().any(|known| known.path() == plugin.path()) {
                plugins.push(plugin);
            }
        }
        let offers: Vec<Offer> = plugins.iter().map(offer).collect();
        config.check_plugins(&offers)?;
        Ok(Self(plugins))
    }

    /// Opens front-ends, by name and in this order; they are bound then.
    pub(crate) async fn open_frontends(
        &self,
        wanted: &[Settings],
    ) -> anyhow::Result<Vec<(String, Arc<dyn Frontend>)>> {
        let mut opened = Vec::new();
        for settings in wanted {
            let name = settings.component().to_owned();
            let opening = self.get(&name)?.open_frontend(settings.clone());
            let frontend = opening.await.with_context(|| format!("open the front-end {name}"))?;
            opened.push((name, frontend));
        }
        Ok(opened)
    }

    /// Opens a transport.
    pub(crate) async fn open_transport(
        &self,
        settings: &Settings,
    ) -> anyhow::Result<Arc<dyn ChangeTransport>> {
        let name = settings.component();
        let opening = self.get(name)?.open_transport(settings.clone());
        opening.await.with_context(|| format!("open the transport {name}"))
    }

    /// Says that the transport panicked, once it did: nothing can be relied on then. If it does
    /// not, or is no plugin, this waits.
    pub(crate) async fn transport_panic(&self, transport: &Transport) -> String {
        let Transport::Plugin(settings) = transport else { return std::future::pending().await };
        let Ok(plugin) = self.get(settings.component()) else {
            return std::future::pending().await;
        };
        let panic = plugin.panicked().await;
        format!("the transport {} panicked, so the node ends: {panic}", plugin.name())
    }

    fn get(&self, name: &str) -> Result<&Plugin, Error> {
        let plugin = self.0.iter().find(|plugin| plugin.name() == name);
        plugin.ok_or_else(|| Error::config("--plugins", format!("there is no plugin {name:?}")))
    }
}

/// The flags that `ha plugins` shares with a node.
const FLAGS: [&str; 3] = ["config", "plugins", "plugin-dir"];

fn command() -> Command {
    let node = args::command();
    let is_shared = |arg: &&Arg| arg.get_long().is_some_and(|long| FLAGS.contains(&long));
    let shared = node.get_arguments().filter(is_shared).cloned();
    Command::new("ha plugins")
        .bin_name("ha plugins")
        .about("List what is in libraries with plugins. Each is loaded, which runs code of it")
        .max_term_width(80)
        .next_line_help(true)
        .args(shared.map(|arg| arg.help_heading(None)))
}

/// What a node with these arguments would load, by flags, variables or file.
fn wanted(arguments: &[OsString]) -> Result<PluginArgs, Stop> {
    command().try_get_matches_from(arguments)?;
    let is_shared = |name: &str| FLAGS.iter().any(|flag| layers::variable(flag) == name);
    let environment = |name: &str| std::env::var_os(name).filter(|_| is_shared(name));
    Ok(layers::parse(arguments, &environment)?.plugins)
}

/// Says what is in the libraries, and on standard error what keeps one from being loaded; the
/// code is 0 if all are.
pub(crate) fn list(arguments: &[OsString]) -> ExitCode {
    let wanted = match wanted(arguments) {
        Ok(wanted) => wanted,
        Err(stop) => return stop.report(),
    };
    let paths = match paths(wanted.libraries(), wanted.plugin_dir.0.as_ref()) {
        Ok(paths) => paths,
        Err(error) => return Stop::Usage(error.to_string()).report(),
    };
    if paths.is_empty() {
        let line = "there is no plugin to list: name it with --plugin FILE, --plugin-dir DIR or in the \
                    file of --config";
        return Stop::Usage(line.to_owned()).report();
    }
    let (loaded, failed): (Vec<_>, Vec<_>) =
        paths.iter().map(|path| Plugin::load(path)).partition(Result::is_ok);
    let loaded: Vec<Plugin> = loaded.into_iter().flatten().collect();
    if !loaded.is_empty() {
        stop::print(&table(&loaded));
    }
    let failed: Vec<LoadError> = failed.into_iter().filter_map(Result::err).collect();
    for error in &failed {
        stop::complain(&error.to_string());
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The libraries that are named, then those in the directory.
fn paths(mut named: Vec<PathBuf>, directory: Option<&PathBuf>) -> Result<Vec<PathBuf>, LoadError> {
    if let Some(directory) = directory {
        named.extend(ha_plugin_host::in_dir(directory)?);
    }
    Ok(named)
}

fn offer(plugin: &Plugin) -> Offer {
    Offer {
        name: plugin.name().to_owned(),
        path: plugin.path().to_owned(),
        transport: plugin.has_transport(),
        frontend: plugin.has_frontend(),
    }
}

fn table(plugins: &[Plugin]) -> String {
    let head = ["name", "version", "interface", "has", "file"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(plugins.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..4).map(width).collect();
    let line = |row: &[String; 5]| {
        let cells = widths.iter().zip(row).map(|(&width, cell)| format!("{cell:width$}  "));
        cells.collect::<String>() + &row[4] + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(plugin: &Plugin) -> [String; 5] {
    let (major, minor) = plugin.abi();
    let has = match (plugin.has_transport(), plugin.has_frontend()) {
        (true, true) => "transport, front-end",
        (true, false) => "transport",
        (false, true) => "front-end",
        (false, false) => "nothing",
    };
    [
        plugin.name().to_owned(),
        plugin.version().to_owned(),
        format!("{major}.{minor}"),
        has.to_owned(),
        plugin.path().display().to_string(),
    ]
}
