//! Whether clients should come, and why not.

use std::time::{Duration, SystemTime};

use ha_core::{Readiness, Seq, Status};
use tokio::time::Instant;

use super::Shared;
use crate::audit::Judged;
use crate::lag::Lag;

/// A node that is behind for less than this is not called so: under load every node is, most
/// of the time.
pub(super) const LAG: Duration = Duration::from_secs(1);

/// What readiness is told from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) end: Seq,
    /// Since when the node has not been at the end.
    pub(super) behind: Option<Instant>,
    pub(super) lag: Lag,
    pub(super) trouble: Option<String>,
    pub(super) stopped: Option<String>,
    pub(super) unreachable: Option<String>,
    /// The database was found not to be what the log says.
    pub(super) distrusted: Option<String>,
    pub(super) audit: Option<LastAudit>,
    /// The log has not confirmed yet that its end is where it is said to be.
    pub(super) unconfirmed: bool,
}

/// What came of the last audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastAudit {
    pub(crate) at: SystemTime,
    pub(crate) judged: Judged,
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        let condition = self.condition.lock().clone();
        let position = self.token();
        let stalled = self.stall.reason();
        let readiness = match condition {
            Condition { stopped: Some(reason), .. } => Readiness::Stopped(reason),
            // What else is known may be as old.
            Condition { .. } if let Some(reason) = stalled => Readiness::Waiting(reason),
            Condition { unreachable: Some(reason), .. } => {
                Readiness::Waiting(format!("the log cannot be reached: {reason}"))
            }
            Condition { trouble: Some(reason), .. }
            | Condition { distrusted: Some(reason), .. } => Readiness::Waiting(reason),
            Condition { end, behind, lag, .. } if self.is_behind(behind) => {
                let lag = lag.text(end.0.saturating_sub(position.seq.0));
                Readiness::Waiting(format!("catching up: at {} of {end}, {lag}", position.seq))
            }
            Condition { unconfirmed: true, .. } => {
                Readiness::Waiting("asking the log whether this is its end".to_owned())
            }
            Condition { .. } => Readiness::Ready,
        };
        let (node, end) = (self.node.clone(), Some(condition.end));
        Status { node, position, end, readiness, read_only: None }
    }

    fn is_behind(&self, behind: Option<Instant>) -> bool {
        !*self.serving.borrow() || behind.is_some_and(|since| since.elapsed() >= LAG)
    }

    pub(super) fn why_not_ready(&self) -> String {
        match self.status().readiness {
            Readiness::Ready => "starting".to_owned(),
            Readiness::Waiting(reason) | Readiness::Stopped(reason) => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use ha_core::{Lineage, RunningHash};

    use super::*;
    use crate::machine::Position;
    use crate::snapshots::Growth;
    use crate::stall::Stall;
    use crate::store::Record;

    fn record(seq: u64) -> Record {
        let position =
            Position { lineage: Lineage([0; 8]), seq: Seq(seq), hash: RunningHash::default() };
        Record { position, transactions: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_slower_than_the_others_write_says_that_it_falls_back() {
        let stall = Stall::new("my.db".into(), LAG);
        let shared = Shared::new("n".into(), record(0), Seq(0), true, Growth::new(None), stall);
        for second in 1..=4 {
            shared.heard_of(Seq(100 * second));
            shared.update(record(60 * second), None, None);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        match shared.status().readiness {
            Readiness::Waiting(reason) => assert!(
                reason.starts_with(
                    "catching up: at 240 of 400, 160 entries behind, falling back by 30 a second"
                ),
                "{reason}"
            ),
            other => panic!("{other:?}"),
        }
        shared.update(record(400), None, None);
        assert_eq!(shared.status().readiness, Readiness::Ready);
    }
}
