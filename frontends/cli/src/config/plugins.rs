use std::collections::BTreeMap;
use std::path::PathBuf;

use ha_core::{Error, Result, Settings};

use super::{Config, Transport};
use crate::args::{NodeArgs, PluginArgs};
use crate::values::Assignment;

const BUILT_IN_FRONTENDS: [&str; 2] = ["http", "pg"];
const BUILT_IN_TRANSPORTS: [&str; 3] = ["embedded", "jetstream", "local"];

/// What is wanted of plugins; none is loaded yet. A transport is [`Transport::Plugin`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plugins {
    /// Libraries to load, in this order.
    pub libraries: Vec<PathBuf>,
    /// All libraries in here are loaded too.
    pub directory: Option<PathBuf>,
    /// The front-ends to serve beside the built-in ones: their plugins' names, each once, with
    /// what they are told.
    pub frontends: Vec<Settings>,
    /// What was set for plugins that are not used.
    pub unused: Vec<Settings>,
}

/// What a loaded plugin has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The name it is used by.
    pub name: String,
    /// The library.
    pub path: PathBuf,
    /// Whether there is a transport in it.
    pub transport: bool,
    /// Whether there is a front-end in it.
    pub frontend: bool,
}

impl Config {
    /// Checks that the plugins that were loaded are told apart by their names, have what is
    /// wanted, and that everything that was set is for one that is used.
    ///
    /// # Errors
    /// [`Error::Config`] that names the flag or the setting, and what there is.
    pub fn check_plugins(&self, offers: &[Offer]) -> Result<()> {
        check_names(offers)?;
        for frontend in &self.plugins.frontends {
            check_frontend(frontend.component(), offers)?;
        }
        if let Transport::Plugin(transport) = &self.transport {
            check_transport(transport.component(), offers)?;
        }
        self.plugins.unused.iter().try_for_each(|settings| Err(unused(settings, offers)))
    }
}

impl Plugins {
    /// Whether libraries have to be loaded to know what there is.
    #[must_use]
    pub fn is_any_loaded(&self) -> bool {
        !self.libraries.is_empty() || self.directory.is_some()
    }
}

/// Takes the settings of what is used out of `settings`; what is left was set in vain.
pub(super) fn choose(
    args: PluginArgs,
    node: &NodeArgs,
    transport: &Transport,
    mut settings: AllSettings,
) -> Plugins {
    let mut frontends: Vec<Settings> = Vec::new();
    for name in node.frontend.0.iter().filter(|name| !BUILT_IN_FRONTENDS.contains(&name.as_str())) {
        if !frontends.iter().any(|known| known.component() == name) {
            frontends.push(settings.of(name));
        }
    }
    let is_used = |name: &str| {
        let as_frontend = frontends.iter().any(|frontend| frontend.component() == name);
        as_frontend || matches!(transport, Transport::Plugin(used) if used.component() == name)
    };
    settings.0.retain(|name, _| !is_used(name));
    let unused = settings.0.into_values().collect();
    let libraries = args.plugins.into_iter().flat_map(|list| list.0).map(PathBuf::from).collect();
    Plugins { libraries, directory: args.plugin_dir.0, frontends, unused }
}

/// What was set, by plugin.
#[derive(Default)]
pub(super) struct AllSettings(BTreeMap<String, Settings>);

impl AllSettings {
    /// The last of what is set twice counts.
    pub(super) fn read(assignments: &[Assignment]) -> Result<Self> {
        let mut all = Self::default();
        for assignment in assignments {
            let Some((name, key, value)) = assignment.parts() else {
                let reason = "expected NAME.KEY=VALUE, such as redis.port=6379";
                return Err(Error::config("--set", reason));
            };
            if is_built_in(name) {
                let reason = format!("{name} is built in and has flags of its own: see ha --help");
                return Err(Error::config(format!("{name}.{key}"), reason));
            }
            let settings = all.of(name).with(key, value);
            all.0.insert(name.to_owned(), settings);
        }
        Ok(all)
    }

    /// What was set for this plugin.
    pub(super) fn of(&self, name: &str) -> Settings {
        self.0.get(name).cloned().unwrap_or_else(|| Settings::new(name))
    }
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN_FRONTENDS.contains(&name) || BUILT_IN_TRANSPORTS.contains(&name)
}

fn check_names(offers: &[Offer]) -> Result<()> {
    for (index, Offer { name, path, .. }) in offers.iter().enumerate() {
        let path = path.display();
        if is_built_in(name) {
            let reason = format!("{path} is called {name:?}, which is the name of a built-in part");
            return Err(Error::config("--plugins", reason));
        }
        if let Some(other) = offers[..index].iter().find(|other| other.name == *name) {
            let other = other.path.display();
            let reason = format!("{other} and {path} are both called {name:?}: load one of them");
            return Err(Error::config("--plugins", reason));
        }
    }
    Ok(())
}

fn check_frontend(name: &str, offers: &[Offer]) -> Result<()> {
    match offers.iter().find(|offer| offer.name == name) {
        Some(offer) if offer.frontend => Ok(()),
        Some(_) => {
            let reason =
                format!("the plugin {name:?} has a transport only: use it by --transport {name}");
            Err(Error::config("--frontend", reason))
        }
        None => {
            let others = offers.iter().filter(|offer| offer.frontend);
            let there = there_are(&BUILT_IN_FRONTENDS, others);
            let reason = format!("there is no front-end {name:?}; {there}{}", hint(offers));
            Err(Error::config("--frontend", reason))
        }
    }
}

fn check_transport(name: &str, offers: &[Offer]) -> Result<()> {
    match offers.iter().find(|offer| offer.name == name) {
        Some(offer) if offer.transport => Ok(()),
        Some(_) => {
            let reason =
                format!("the plugin {name:?} has a front-end only: use it by --frontend {name}");
            Err(Error::config("--transport", reason))
        }
        None => {
            let others = offers.iter().filter(|offer| offer.transport);
            let there = there_are(&BUILT_IN_TRANSPORTS, others);
            let reason = format!("there is no transport {name:?}; {there}{}", hint(offers));
            Err(Error::config("--transport", reason))
        }
    }
}

fn unused(settings: &Settings, offers: &[Offer]) -> Error {
    let name = settings.component();
    let key = settings.iter().next().map_or("", |(key, _)| key);
    let reason = match offers.iter().find(|offer| offer.name == name) {
        Some(offer) => {
            let flag = if offer.frontend { "--frontend" } else { "--transport" };
            format!("the plugin is not used: add {flag} {name}, or leave the setting out")
        }
        None if offers.is_empty() => {
            format!("there is no plugin {name:?}; load it with --plugin FILE")
        }
        None => format!("there is no plugin {name:?}; {}", there_are(&[], offers.iter())),
    };
    settings.wrong(key, &reason)
}

fn there_are<'a>(built_in: &[&str], offers: impl Iterator<Item = &'a Offer>) -> String {
    let others = offers.map(|offer| offer.name.as_str());
    let names: Vec<&str> = built_in.iter().copied().chain(others).collect();
    format!("there are {}", names.join(", "))
}

fn hint(offers: &[Offer]) -> &'static str {
    if offers.is_empty() { ", and what --plugin FILE loads" } else { "" }
}
