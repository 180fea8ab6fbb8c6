//! Names of transactions whose clients could not be told what became of them.

use std::fmt;
use std::str::FromStr;

use crate::{AttemptName, Error};

/// The name of a transaction whose outcome a client could not be told: the tries of it that may be
/// stored, in order, at least one and at most [`Self::MOST`]. No history has two of them in effect.
/// Written as the names of the tries with commas between them, some hundred characters at most;
/// clients give it back as they got it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransactionName(Vec<AttemptName>);

impl TransactionName {
    /// So many tries can be named.
    pub const MOST: usize = 8;

    /// The name for these tries; `None` if there are none. Of more than [`Self::MOST`] the last ones
    /// are named.
    #[must_use]
    pub fn of(tries: impl IntoIterator<Item = AttemptName>) -> Option<Self> {
        let mut tries: Vec<_> = tries.into_iter().collect();
        tries.drain(..tries.len().saturating_sub(Self::MOST));
        (!tries.is_empty()).then_some(Self(tries))
    }

    /// The tries.
    #[must_use]
    pub fn tries(&self) -> &[AttemptName] {
        &self.0
    }
}

impl From<AttemptName> for TransactionName {
    fn from(only: AttemptName) -> Self {
        Self(vec![only])
    }
}

impl fmt::Display for TransactionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl FromStr for TransactionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let tries = text.split(',').take(Self::MOST + 1).map(str::parse);
        let tries: Vec<_> = tries.collect::<Result<_, _>>()?;
        if tries.len() > Self::MOST {
            return Err(Error::invalid(format!(
                "transaction name of more than {} tries",
                Self::MOST
            )));
        }
        Ok(Self(tries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttemptId, Lineage, Seq};

    fn tries(count: u64) -> impl Iterator<Item = AttemptName> {
        let lineage = Lineage::of_stream("ha_replication", 1_795_397_947_872_983_422);
        (0..count).map(move |counter| {
            let attempt = AttemptId { boot: 0xfeed, counter };
            AttemptName { lineage, base: Seq(6), attempt }
        })
    }

    #[test]
    fn names_survive_a_round_trip_through_text() {
        for count in [1, 2, TransactionName::MOST as u64] {
            let name = TransactionName::of(tries(count)).unwrap();
            assert_eq!(name.to_string().parse::<TransactionName>().unwrap(), name);
        }
        let one = tries(1).next().unwrap();
        assert_eq!(TransactionName::from(one).to_string(), one.to_string());
    }

    #[test]
    fn no_name_is_empty_or_longer_than_it_may_be() {
        assert_eq!(TransactionName::of([]), None);
        let most = TransactionName::MOST;
        let name = TransactionName::of(tries(most as u64 + 1)).unwrap();
        assert_eq!(name.tries().len(), most);
        let one = name.tries()[0].to_string();
        for text in [String::new(), format!("{one},"), vec![one; most + 1].join(",")] {
            assert!(text.parse::<TransactionName>().is_err(), "{text:?}");
        }
    }
}
