use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::{Error, Result};

/// What a plugin is told when it is opened: names with values, as text, each without the
/// component's own name (`port`, not `mysql.port`).
///
/// Take what you know, then [`finish`](Self::finish): what is left over is a mistake of the
/// operator's and named as such.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    component: String,
    values: BTreeMap<String, String>,
}

impl Settings {
    /// The settings of a component, which errors name.
    pub fn new(component: impl Into<String>) -> Self {
        Self { component: component.into(), values: BTreeMap::new() }
    }

    /// Adds a setting, in place of an earlier one of this name.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(key.into(), value.into());
        self
    }

    /// The component's name.
    #[must_use]
    pub fn component(&self) -> &str {
        &self.component
    }

    /// All that were not taken yet.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Takes a setting; `None` if it was not given.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    /// Takes a setting that has to be given.
    ///
    /// # Errors
    /// [`Error::Config`] if it is missing.
    pub fn require(&mut self, key: &str) -> Result<String> {
        self.take(key).ok_or_else(|| self.wrong(key, "has to be set"))
    }

    /// Takes a setting of another type than text.
    ///
    /// # Errors
    /// [`Error::Config`] if the value does not read as one.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| self.wrong(key, &format!("{text:?}: {error}")))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Error::Config`] naming a setting that nobody took; `known` is told as what there is.
    pub fn finish(self, known: &[&str]) -> Result<()> {
        let Some(key) = self.values.keys().next() else { return Ok(()) };
        let known = known.join(", ");
        Err(self.wrong(key, &format!("there is no such setting; there are: {known}")))
    }

    /// The error that `key` has a value that cannot be, for this reason.
    #[must_use]
    pub fn wrong(&self, key: &str, reason: &str) -> Error {
        Error::config(format!("{}.{key}", self.component), reason)
    }
}

/// Values may be secrets: they are left out.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("component", &self.component)
            .field("keys", &self.values.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_a_mistake_that_is_named() {
        let mut settings = Settings::new("redis").with("url", "redis://h").with("ulr", "x");
        assert_eq!(settings.require("url").unwrap(), "redis://h");
        assert_eq!(settings.parse::<u16>("port").unwrap(), None);
        let error = settings.finish(&["url", "stream"]).unwrap_err().to_string();
        assert_eq!(error, "redis.ulr: there is no such setting; there are: url, stream");
    }

    #[test]
    fn a_value_that_does_not_read_and_one_that_is_missing_are_named() {
        let mut settings = Settings::new("mysql").with("port", "70000").with("password", "pw");
        assert!(!format!("{settings:?}").contains("pw"));
        let error = settings.parse::<u16>("port").unwrap_err().to_string();
        assert!(error.starts_with("mysql.port: \"70000\": "), "{error}");
        assert_eq!(settings.require("user").unwrap_err().to_string(), "mysql.user: has to be set");
    }
}
