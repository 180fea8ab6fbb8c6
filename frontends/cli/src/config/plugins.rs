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
    /// What was set and is told to nobody, by plugin.
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
    /// Checks that the plugins that were loaded are told apart by their names and have what is
    /// wanted, and that nothing was set for one that is not used.
    ///
    /// # Errors
    /// [`Error::Config`] that names the flag or the setting, and what there is.
    pub fn check_plugins(&self, offers: &[Offer]) -> Result<()> {
        check_names(offers)?;
        for frontend in &self.plugins.frontends {
            check(Half::Frontend, frontend.component(), offers)?;
        }
        if let Transport::Plugin(transport) = &self.transport {
            check(Half::Transport, transport.component(), offers)?;
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

/// Tells each front-end its settings. What is for no half that is used was set in vain.
pub(super) fn choose(
    args: &PluginArgs,
    node: &NodeArgs,
    transport: &Transport,
    settings: &AllSettings,
) -> Plugins {
    let mut frontends: Vec<Settings> = Vec::new();
    for name in node.frontend.0.iter().filter(|name| !BUILT_IN_FRONTENDS.contains(&name.as_str())) {
        if !frontends.iter().any(|known| known.component() == name) {
            frontends.push(settings.of(name, Half::Frontend));
        }
    }
    let is_used = |name: &str, half: Half| match half {
        Half::Frontend => frontends.iter().any(|frontend| frontend.component() == name),
        Half::Transport => {
            matches!(transport, Transport::Plugin(used) if used.component() == name)
        }
    };
    let unused = settings.unused(is_used);
    Plugins { libraries: args.libraries(), directory: args.plugin_dir.0.clone(), frontends, unused }
}

/// A plugin may have both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Transport,
    Frontend,
}

impl Half {
    const BOTH: [Self; 2] = [Self::Transport, Self::Frontend];

    /// What it is called in the names of settings.
    fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Frontend => "frontend",
        }
    }

    fn is_offered(self, offer: &Offer) -> bool {
        match self {
            Self::Transport => offer.transport,
            Self::Frontend => offer.frontend,
        }
    }

    /// The key that is for this half alone, without the half's name.
    fn own(self, key: &str) -> Option<&str> {
        key.strip_prefix(self.name())?.strip_prefix('.')
    }

    /// Whether it is told this: its own settings, and those that are not the other half's.
    fn is_told(self, key: &str) -> bool {
        let others = Self::BOTH.into_iter().filter(|&half| half != self);
        others.map(|half| half.own(key)).all(|key| key.is_none())
    }
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
            let settings = all.0.remove(name).unwrap_or_else(|| Settings::new(name));
            all.0.insert(name.to_owned(), settings.with(key, value));
        }
        Ok(all)
    }

    /// What this half of the plugin is told. Its own settings win over those of both.
    pub(super) fn of(&self, name: &str, half: Half) -> Settings {
        let told = || self.0.get(name).into_iter().flat_map(Settings::iter);
        let shared =
            told().filter(|(key, _)| Half::BOTH.iter().all(|half| half.own(key).is_none()));
        let own = told().filter_map(|(key, value)| Some((half.own(key)?, value)));
        let add = |settings: Settings, (key, value)| settings.with(key, value);
        shared.chain(own).fold(Settings::new(name), add)
    }

    /// What no half is told that is used.
    fn unused(&self, is_used: impl Fn(&str, Half) -> bool) -> Vec<Settings> {
        let left = |settings: &Settings| {
            let name = settings.component();
            let used = |key| Half::BOTH.into_iter().any(|it| is_used(name, it) && it.is_told(key));
            let left = settings.iter().filter(|(key, _)| !used(key));
            left.fold(Settings::new(name), |left, (key, value)| left.with(key, value))
        };
        self.0.values().map(left).filter(|left| left.iter().next().is_some()).collect()
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

fn check(half: Half, name: &str, offers: &[Offer]) -> Result<()> {
    let (what, built_in, other) = match half {
        Half::Transport => {
            ("transport", &BUILT_IN_TRANSPORTS[..], "a front-end only: use it by --frontend")
        }
        Half::Frontend => {
            ("front-end", &BUILT_IN_FRONTENDS[..], "a transport only: use it by --transport")
        }
    };
    let reason = match offers.iter().find(|offer| offer.name == name) {
        Some(offer) if half.is_offered(offer) => return Ok(()),
        Some(_) => format!("the plugin {name:?} has {other} {name}"),
        None => {
            let others = offers.iter().filter(|offer| half.is_offered(offer));
            format!("there is no {what} {name:?}; {}{}", there_are(built_in, others), hint(offers))
        }
    };
    Err(Error::config(format!("--{}", half.name()), reason))
}

/// What is set in vain: whoever set it expects something of it.
fn unused(settings: &Settings, offers: &[Offer]) -> Error {
    let name = settings.component();
    let key = settings.iter().next().map_or("", |(key, _)| key);
    let there = match offers.iter().find(|offer| offer.name == name) {
        Some(offer) => return settings.wrong(key, &without_use(name, key, offer)),
        None if offers.is_empty() => "load it with --plugin FILE".to_owned(),
        None => there_are(&[], offers.iter()),
    };
    let reason = format!("there is no plugin {name:?}; {there}, or leave out what is set for it");
    settings.wrong(key, &reason)
}

fn without_use(name: &str, key: &str, offer: &Offer) -> String {
    let halves = [Half::Frontend, Half::Transport];
    match halves.into_iter().find(|half| half.is_offered(offer) && half.is_told(key)) {
        Some(half) => {
            let flag = half.name();
            format!("the plugin is not used: add --{flag} {name}, or leave the setting out")
        }
        None => "the plugin does not have that: leave the setting out".to_owned(),
    }
}

fn there_are<'a>(built_in: &[&str], offers: impl Iterator<Item = &'a Offer>) -> String {
    let others = offers.map(|offer| offer.name.as_str());
    let names: Vec<&str> = built_in.iter().copied().chain(others).collect();
    format!("there are {}", names.join(", "))
}

fn hint(offers: &[Offer]) -> &'static str {
    if offers.is_empty() { ", and what --plugin FILE loads" } else { "" }
}
