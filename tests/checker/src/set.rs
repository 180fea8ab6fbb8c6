//! Unique inserts: acknowledged ⊆ stored ⊆ attempted, each once.

use std::collections::{BTreeMap, BTreeSet};

use crate::Anomaly;

/// What the client was told of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is stored.
    Acknowledged,
    /// It is not stored.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What is wrong with the `stored` elements after these attempts. Names: `lost`, `doubled`,
/// `refused but stored`, `never attempted`.
pub fn check(attempts: &BTreeMap<u64, Fate>, stored: &[u64]) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let mut seen = BTreeSet::new();
    for element in stored {
        let mut found = |name| anomalies.push(Anomaly::new(name, element.to_string()));
        if !seen.insert(element) {
            found("doubled");
        }
        match attempts.get(element) {
            Some(Fate::Refused) => found("refused but stored"),
            Some(Fate::Acknowledged | Fate::Unknown) => {}
            None => found("never attempted"),
        }
    }
    let acknowledged = attempts.iter().filter(|(_, fate)| **fate == Fate::Acknowledged);
    let lost = acknowledged.filter(|(element, _)| !seen.contains(element));
    anomalies.extend(lost.map(|(element, _)| Anomaly::new("lost", element.to_string())));
    anomalies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anomaly_is_found() {
        let attempts =
            BTreeMap::from([(1, Fate::Acknowledged), (2, Fate::Refused), (3, Fate::Unknown)]);
        let names = |stored: &[u64]| {
            check(&attempts, stored).into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert!(names(&[1]).is_empty() && names(&[3, 1]).is_empty());
        assert_eq!(names(&[3]), ["lost"]);
        assert_eq!(names(&[1, 1]), ["doubled"]);
        assert_eq!(names(&[1, 3, 3]), ["doubled"]);
        assert_eq!(names(&[1, 2]), ["refused but stored"]);
        assert_eq!(names(&[1, 4]), ["never attempted"]);
    }
}
