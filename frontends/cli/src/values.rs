//! What flags take: small types that are right once they are parsed.

mod servers;

use std::convert::Infallible;
use std::fmt::{self, Debug, Display};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::duration;
pub use servers::Servers;
pub(crate) use servers::without_credentials;

/// A value that an empty text leaves out, as v0.0.7 has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Optional<T>(pub Option<T>);

impl<T: FromStr<Err: Display>> FromStr for Optional<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        text.parse().map(|value| Self(Some(value))).map_err(|error: T::Err| error.to_string())
    }
}

/// A comma-separated list; blanks around its items and empty items do not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List(pub Vec<String>);

impl FromStr for List {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Self(items.map(str::to_owned).collect()))
    }
}

/// A name that NATS accepts for streams, consumers and servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
        match text.chars().find(|&c| refused(c)) {
            Some(c) => Err(format!("a name cannot contain {c:?}")),
            None if text.is_empty() => Err("a name cannot be empty".into()),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Where a listener that can be turned off listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Nowhere: `0` or a negative number.
    Off,
    /// On this port.
    Number(u16),
    /// On any that is free: `any`.
    Any,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::Any);
        }
        match text.parse::<i64>().map(u16::try_from) {
            Ok(Ok(0)) => Ok(Self::Off),
            Ok(Ok(port)) => Ok(Self::Number(port)),
            Ok(Err(_)) if text.starts_with('-') => Ok(Self::Off),
            Ok(Err(_)) | Err(_) => Err("expected a port up to 65535, 0 or any".into()),
        }
    }
}

/// Reads the address a listener binds: an IP address, `localhost`, or `*` for all.
pub fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        "*" => Ok(Ipv4Addr::UNSPECIFIED.into()),
        _ => text.trim_matches(['[', ']']).parse().map_err(|_| {
            "expected an IP address to listen on, such as 127.0.0.1 or 0.0.0.0".into()
        }),
    }
}

/// Reads how many there may be of something.
pub fn count(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse::<usize>().map_err(|_| "expected a number")?;
    NonZeroUsize::new(count).ok_or_else(|| "must be at least 1".into())
}

/// When the embedded server brings messages to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NatsSync {
    /// Before it acknowledges.
    #[default]
    Always,
    /// This often. A power loss loses what was acknowledged since.
    Every(Duration),
}

impl FromStr for NatsSync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "always" {
            return Ok(Self::Always);
        }
        duration::parse_positive(text)
            .map(Self::Every)
            .map_err(|_| "expected always, or how often, such as 100ms or 2m".into())
    }
}

/// What carries the changes between nodes, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportKind {
    /// `embedded`: the NATS server inside this process.
    Embedded,
    /// `jetstream`: the one behind `--replication-url`.
    Jetstream,
    /// `local`: none, a single node.
    Local,
    /// Any other name: a plugin.
    Plugin(String),
}

impl FromStr for TransportKind {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "embedded" => Self::Embedded,
            "jetstream" => Self::Jetstream,
            "local" => Self::Local,
            name => Self::Plugin(name.to_owned()),
        })
    }
}

/// A setting of a plugin, `NAME.KEY=VALUE`. Its `Debug` form leaves it out, as the value may be a
/// secret; for the same reason it takes any text, and who reads it complains.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment(String);

impl Assignment {
    /// Name, key and value, if that is what it is made of.
    #[must_use]
    pub fn parts(&self) -> Option<(&str, &str, &str)> {
        let (place, value) = self.0.split_once('=')?;
        let (name, key) = place.split_once('.')?;
        let (name, key) = (name.trim(), key.trim());
        (!name.is_empty() && !key.is_empty()).then_some((name, key, value))
    }
}

impl FromStr for Assignment {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Assignment").finish_non_exhaustive()
    }
}

/// Which other nodes the cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// Go nodes of v0.0.7 are in the cluster
    #[value(name = "v0.0.7")]
    V0_0_7,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests;
