//! The types as JSON, exactly and both ways: how they cross to a plugin.
//!
//! Positions, hashes and names are their texts. The shapes are a public contract, told in the
//! header of the boundary: fields are added, never renamed.

mod failure;
mod statement;
mod texts;
mod value;

pub use failure::{append_error, append_failure, error, failure};
pub(crate) use texts::{digest, maybe_time, milliseconds, time};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, Settings};

/// A value as JSON.
#[must_use]
pub fn write<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("no type of this crate has a key that is not text")
}

/// What JSON says.
///
/// # Errors
/// [`Error::Invalid`] telling where it is not what was expected.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| Error::invalid(format!("JSON: {error}")))
}

/// As [`read`], with the default for no bytes at all.
///
/// # Errors
/// As [`read`].
pub fn read_or_default<T: DeserializeOwned + Default>(json: &[u8]) -> Result<T> {
    if json.is_empty() { Ok(T::default()) } else { read(json) }
}

/// Settings as an object of texts, without the component's name.
#[must_use]
pub fn write_settings(settings: &Settings) -> Vec<u8> {
    write(&settings.iter().collect::<std::collections::BTreeMap<_, _>>())
}

/// The settings of a component from an object of texts.
///
/// # Errors
/// As [`read`].
pub fn read_settings(component: &str, json: &[u8]) -> Result<Settings> {
    let values: std::collections::BTreeMap<String, String> = read_or_default(json)?;
    let none = Settings::new(component);
    Ok(values.into_iter().fold(none, |settings, (key, value)| settings.with(key, value)))
}

#[cfg(test)]
mod tests;
