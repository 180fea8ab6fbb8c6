//! Appending again what the log has lost.

use std::time::Duration;

use bytes::Bytes;
use ha_core::{AppendError, AttemptId, Draft, Error, Result, RunningHash, Seq};

use super::kept::Kept;
use super::{Attempts, Healer};

/// How soon the log is asked again whether an append has arrived, and how often.
const RETRY: Duration = Duration::from_millis(50);
const TRIES: u32 = 100;

/// An entry as it is kept: all its parts, or those of them that the log has lost.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    /// The sequence before it.
    after: Seq,
    parts: Vec<Bytes>,
}

impl Run {
    fn hash_after(&self, before: RunningHash) -> RunningHash {
        let places = (self.after.0 + 1..).map(Seq);
        places.zip(&self.parts).fold(before, |hash, (seq, part)| hash.extend(seq, part))
    }
}

impl Healer {
    /// Appends what was applied here after `end`, in its order and to its places, each entry
    /// on the condition that the log ends there. Whether all of it is in the log now; if not,
    /// somebody else has appended something else.
    ///
    /// Several nodes may do so at the same time: what one has appended the others find.
    pub(super) async fn append_again(&self, end: Seq, kept: &Kept) -> Result<bool> {
        let runs = runs(kept.after(end), self.log.capabilities().max_parts);
        tracing::warn!(
            first = %end.next(), last = %self.position.seq,
            "the log has lost entries that this node has applied; they are appended again"
        );
        let mut hash = kept.hash_at(end);
        for run in &runs {
            if !self.append_run(run, kept, hash).await? {
                return Ok(false);
            }
            hash = hash.map(|before| run.hash_after(before));
        }
        tracing::info!(last = %self.position.seq, "the log has its lost entries again");
        Ok(true)
    }

    /// Whether the run is at its place. Sent again under the same name until that is known, as long
    /// as what stands before it is what was applied here: the log may lose more meanwhile, and get
    /// something else.
    async fn append_run(
        &self,
        run: &Run,
        kept: &Kept,
        before: Option<RunningHash>,
    ) -> Result<bool> {
        let attempt = self.attempts.name(run.after);
        for _ in 0..TRIES {
            if !self.is_ours(kept, run.after, before).await? {
                return Ok(false);
            }
            let draft = Draft { expect: Some(run.after), attempt, parts: run.parts.clone() };
            match self.log.append(draft).await {
                Err(AppendError::Closed) => return Err(Error::Closed),
                Err(AppendError::NotSent { reason }) => return Err(Error::NotSent(reason)),
                Err(error @ AppendError::TooLarge { .. }) => {
                    return Err(Error::NotSent(error.to_string()));
                }
                // Whatever the answer is, what can be read there is the truth.
                Ok(_) | Err(AppendError::Refused { .. } | AppendError::Unknown { .. } | _) => {}
            }
            match self.holds(run).await? {
                Some(holds) => return Ok(holds),
                None => tokio::time::sleep(RETRY).await,
            }
        }
        Err(Error::NotSent("the log does not take the entries that it has lost".to_owned()))
    }

    /// Whether the log has the run; `None` if it ends before.
    async fn holds(&self, run: &Run) -> Result<Option<bool>> {
        let mut seq = run.after;
        for part in &run.parts {
            seq = seq.next();
            match self.log.read(seq).await? {
                Some(stored) if stored.payload == *part => {}
                Some(_) => return Ok(Some(false)),
                None => return Ok(None),
            }
        }
        Ok(Some(true))
    }
}

impl Attempts {
    /// One name for each place. The counters of ordinary attempts begin at 0.
    fn name(self, after: Seq) -> AttemptId {
        let counter = 1 << 63 | u64::from(self.round) << 32 | after.0 & u64::from(u32::MAX);
        AttemptId { boot: self.boot, counter }
    }
}

/// Puts the parts of each entry together, so that they are stored all or none. A transport
/// that takes fewer parts gets them one by one.
fn runs<'a>(kept: impl Iterator<Item = (Seq, &'a Bytes)>, max_parts: u32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open = None;
    for (seq, payload) in kept {
        let part = place(payload);
        let goes_on = part.is_some() && part == open;
        match runs.last_mut() {
            Some(run) if goes_on && run.parts.len() < max_parts as usize => {
                run.parts.push(payload.clone());
            }
            _ => {
                runs.push(Run { after: Seq(seq.0.saturating_sub(1)), parts: vec![payload.clone()] })
            }
        }
        open = part.filter(|(_, k, n)| k < n).map(|(id, k, n)| (id, k + 1, n));
    }
    runs
}

/// The attempt, part and number of parts that an entry of ours names.
fn place(payload: &[u8]) -> Option<(AttemptId, u32, u32)> {
    let meta = ha_changes::decode(payload).ok()?.meta?;
    Some((meta.id, meta.part.0, meta.part.1))
}

#[cfg(test)]
mod tests {
    use ha_changes::{Base, Entry, Kind, Meta};
    use ha_core::{Lineage, RunningHash};

    use super::*;

    fn part(counter: u64, part: (u32, u32)) -> Bytes {
        let meta = Meta {
            part,
            ..Meta::new(
                AttemptId { boot: 1, counter },
                Base { lineage: Lineage([1; 8]), seq: Seq(0), hash: RunningHash::default() },
                Kind::Transactions(Vec::new()),
            )
        };
        let entry = Entry {
            node: "n".to_owned(),
            process_id: 1,
            timestamp_ns: 0,
            meta: Some(meta),
            changes: Vec::new(),
        };
        // Of several parts it is the one that says which it is that counts here.
        let json = String::from_utf8(
            ha_changes::encode(&Entry {
                meta: entry.meta.clone().map(|meta| Meta { part: (1, 1), ..meta }),
                ..entry
            })
            .unwrap(),
        );
        json.unwrap().replace("\"part\":[1,1]", &format!("\"part\":[{},{}]", part.0, part.1)).into()
    }

    fn lengths(payloads: &[Bytes], max_parts: u32) -> Vec<(u64, usize)> {
        let kept = payloads.iter().zip(4..).map(|(payload, seq)| (Seq(seq), payload));
        runs(kept, max_parts).iter().map(|run| (run.after.0, run.parts.len())).collect()
    }

    #[test]
    fn the_parts_of_an_entry_stay_together() {
        let go = Bytes::from_static(b"{\"changes\":[]}");
        let entries = [
            part(1, (2, 3)),
            part(1, (3, 3)),
            part(2, (1, 1)),
            go.clone(),
            part(3, (1, 2)),
            part(3, (2, 2)),
            go,
        ];
        assert_eq!(lengths(&entries, 1000), [(3, 2), (5, 1), (6, 1), (7, 2), (9, 1)]);
        assert_eq!(lengths(&entries, 1).len(), 7);
        let torn = [part(1, (1, 3)), part(2, (1, 2)), part(2, (2, 2)), part(1, (2, 3))];
        assert_eq!(lengths(&torn, 1000), [(3, 1), (4, 2), (6, 1)]);
    }

    #[test]
    fn no_two_healings_share_a_name() {
        let name = |round, after| Attempts { boot: 1, round }.name(Seq(after));
        assert_ne!(name(0, 1), name(1, 0));
        assert_ne!(name(0, 1), name(0, 2));
        assert!(name(0, 0).counter > u64::MAX / 2);
    }
}
