//! Text that must not be shown.

use std::convert::Infallible;
use std::fmt::{self, Debug};
use std::str::FromStr;

/// A token or password. Its `Debug` form is `***` and it has no `Display`, so that it cannot
/// get into a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_secret() {
        let secret = Secret::from("swordfish");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("swordfish").count(), 0);
        assert_eq!(secret.expose(), "swordfish");
    }
}
