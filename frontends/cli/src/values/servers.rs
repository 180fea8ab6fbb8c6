//! NATS servers, and URLs without what is secret in them.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use super::List;

/// One or more NATS servers, as clients take them. Its `Debug` and `Display` forms leave out
/// what is secret in the URLs.
#[derive(Clone, PartialEq, Eq)]
pub struct Servers(Vec<String>);

impl Servers {
    /// The URLs with the credentials they may hold; at least one.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Servers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let List(urls) = text.parse().unwrap_or_default();
        let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
        let unknown = urls
            .iter()
            .filter_map(|url| scheme(url))
            .find(|scheme| !["nats", "tls", "ws", "wss"].contains(&scheme.as_str()));
        match unknown {
            Some(scheme) => Err(format!("{scheme}:// is no NATS scheme; use nats:// or tls://")),
            None if urls.is_empty() => Err("expected a URL such as nats://host:4222".into()),
            None => Ok(Self(urls)),
        }
    }
}

impl Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.0.iter().map(|url| shown(url)).collect();
        f.write_str(&shown.join(","))
    }
}

/// Servers need no scheme.
fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) if !url.contains("://") => format!("***@{host}"),
        Some(_) | None => without_credentials(url),
    }
}

/// A URL whose user and password are `***`; text that is no URL with these stays as it is.
pub(crate) fn without_credentials(url: &str) -> String {
    let parts =
        url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match parts {
        Some((scheme, (_, host))) => format!("{scheme}://***@{host}"),
        None => url.to_owned(),
    }
}
