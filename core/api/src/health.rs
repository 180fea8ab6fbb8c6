use std::time::SystemTime;

use crate::{Bounds, Seq, SnapshotMeta, Status};

/// Everything that a node knows of how it is: for people, for `ha doctor` and for monitoring.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Health {
    /// Whether clients should come, and the position.
    pub status: Status,
    /// The log as it is now; `None` if it does not answer.
    pub log: Option<Bounds>,
    /// Entries that every node skipped: how many, and the newest of them.
    pub skipped: (u64, Vec<Skipped>),
    /// How the last comparison of the nodes' databases ended, since this process started.
    pub audit: Option<AuditOutcome>,
    /// The newest stored snapshot.
    pub snapshot: Option<SnapshotMeta>,
    /// What the transport says.
    pub transport: TransportHealth,
}

/// An entry that changed nothing although it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Skipped {
    /// Its place.
    pub seq: Seq,
    /// Why.
    pub reason: String,
}

/// What came of comparing the databases of all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct AuditOutcome {
    /// The entry at which they were compared.
    pub mark: Seq,
    /// When this node had the result.
    #[cfg_attr(feature = "json", serde(rename = "at_ns", with = "crate::json::time"))]
    pub at: SystemTime,
    /// How many nodes took part, this one included.
    pub nodes: usize,
    /// What differs; `None` if all were equal.
    pub difference: Option<Difference>,
}

/// Databases that are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Difference {
    /// The other nodes whose database is not this one's.
    pub nodes: Vec<String>,
    /// The tables that differ.
    pub tables: Vec<String>,
    /// It is this node that is wrong, as far as anybody knows.
    pub here: bool,
}

/// How a transport is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct TransportHealth {
    /// What and where it is.
    pub name: String,
    /// What should be looked after, in words.
    pub warnings: Vec<String>,
    /// The servers that keep the log together; `None` if it is not known here.
    pub members: Option<Members>,
    /// How many copies of the log there should be; 0 if it is not known.
    pub replicas: usize,
    /// The copies of the log, as they were when it was last asked; empty if it is not known.
    pub copies: Vec<LogCopy>,
}

/// A copy of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct LogCopy {
    /// The server that keeps it.
    pub server: String,
    /// It has everything.
    pub is_current: bool,
}

/// Servers that keep the log together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Members {
    /// How many there are.
    pub size: usize,
    /// How many of them have to be there for a write.
    pub needed: usize,
    /// The names of those that are there, this one's first.
    pub here: Vec<String>,
    /// The names of those that are not, as far as they are known.
    pub away: Vec<String>,
    /// The one that leads, if there is one.
    pub leader: Option<String>,
    /// The configured addresses where nobody answers; not asked for while all are there.
    pub silent: Vec<String>,
}

impl Members {
    /// Whether enough of them are there.
    #[must_use]
    pub fn have_quorum(&self) -> bool {
        self.here.len() >= self.needed
    }

    /// What is missing, in words; `None` if nothing is that writes need.
    #[must_use]
    pub fn lacking(&self) -> Option<String> {
        let Self { size, needed, here, silent, .. } = self;
        match (self.have_quorum(), &self.leader) {
            (true, Some(_)) => return None,
            (true, None) => return Some("the servers are electing a leader".to_owned()),
            (false, _) => {}
        }
        let silent = match &silent[..] {
            [] => String::new(),
            silent => format!(", nobody answers at {}", silent.join(", ")),
        };
        Some(format!(
            "no quorum: {needed} of {size} servers are needed, {} here ({}){silent}",
            here.len(),
            here.join(", ")
        ))
    }
}

impl From<Status> for Health {
    /// Of a node that knows nothing else.
    fn from(status: Status) -> Self {
        Self {
            status,
            log: None,
            skipped: (0, Vec::new()),
            audit: None,
            snapshot: None,
            transport: TransportHealth::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_only_when_writes_need_it() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let of = |here: &[&str], silent: &[&str]| Members {
            size: 3,
            needed: 2,
            here: names(here),
            away: Vec::new(),
            leader: Some("a".to_owned()),
            silent: names(silent),
        };
        assert_eq!(of(&["a", "b"], &["c:1"]).lacking(), None);
        let leaderless = Members { leader: None, ..of(&["a", "b"], &[]) };
        assert!(leaderless.lacking().unwrap().contains("electing"));
        let text = of(&["a"], &["b:1", "c:1"]).lacking().unwrap();
        assert_eq!(
            text,
            "no quorum: 2 of 3 servers are needed, 1 here (a), nobody answers at b:1, c:1"
        );
    }
}
