//! Comparing the log with what was applied here, place by place.

use std::future::ready;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ha_core::{Error, Result, Seq, Stored};

use super::compare::{Here, compare};
use super::{AT_ONCE, Comparison, Healer, Kept};
use crate::chain::{Back, Chain, LOOK};
use crate::machine::{Position, Reseed};

/// A node takes fewer entries before it hears that the log has lost what they were made on.
const UNHEARD: u64 = 16;

/// A place where the log is to be the one that was applied here.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The place.
    pub(crate) at: Position,
    /// The entry there; otherwise it is the one that the database keeps.
    pub(crate) payload: Option<Bytes>,
}

impl Healer {
    /// Compares the log's entry at the position with the one applied here.
    pub(super) async fn compare(&self) -> Result<Comparison> {
        self.compare_at(&Place { at: self.position, payload: None }).await
    }

    /// Compares the log at each of the places; what is the first that is not as it should be.
    ///
    /// # Errors
    /// Those of [`Self::heal`].
    pub(crate) async fn compare_places(&self, places: &[Place]) -> Result<Comparison> {
        let mut seen = Comparison::Same;
        for place in places {
            match self.compare_at(place).await? {
                Comparison::Same => {}
                Comparison::Silent => seen = Comparison::Silent,
                differs @ (Comparison::Other | Comparison::Ends | Comparison::Gone) => {
                    return Ok(differs);
                }
            }
        }
        if seen == Comparison::Silent && self.has_gap().await? {
            return Ok(Comparison::Gone);
        }
        match places.first() {
            Some(first) if !self.is_same_before(first.at.seq).await? => Ok(Comparison::Other),
            Some(_) | None => Ok(seen),
        }
    }

    /// Whether what comes after the position is trimmed. What a subscription gives all the same may go on
    /// from another history.
    async fn has_gap(&self) -> Result<bool> {
        let bounds = self.log.bounds().await?;
        Ok(Reseed::across_gap(&self.position, &bounds).is_some())
    }

    /// Whether the newest entries before `seq` are those that are kept here. That one of them was made
    /// on the state before it proves nothing: who made it, this node itself even, may not have heard
    /// yet that the log had lost that.
    pub(super) async fn is_same_before(&self, seq: Seq) -> Result<bool> {
        let (first, last) = (seq.0.saturating_sub(UNHEARD), seq.0.saturating_sub(1));
        let kept = Kept::read_some(&self.database, Seq(first)..=Seq(last)).await?;
        let compare = |(seq, kept)| async move {
            Ok::<_, Error>(match self.here(seq).await? {
                Here::Entry(there) => there == kept,
                Here::Ends => false,
                Here::Trimmed => true,
            })
        };
        let compared = stream::iter(kept.into_iter().rev()).map(compare).buffered(AT_ONCE);
        compared.try_all(ready).await
    }

    async fn compare_at(&self, Place { at, payload }: &Place) -> Result<Comparison> {
        let (kept, has_hash) = Kept::read_one(&self.database, at.seq).await?;
        let kept = payload.clone().or(kept.map(Bytes::from));
        let here = self.here(at.seq).await?;
        let wants_next =
            has_hash && here != Here::Ends && (here == Here::Trimmed || kept.is_none());
        let next = if wants_next { self.at(at.seq.next()).await? } else { None };
        let mut comparison = compare(at, kept.as_deref(), &here, next.as_deref());
        // An entry that seems to have been made on another history may be void itself, and one that was
        // made on this one too: what covers what is trimmed tells.
        if wants_next && comparison != Comparison::Same || here == Here::Trimmed && has_hash {
            comparison = self.later(at).await?;
        }
        if let (Comparison::Same, Here::Entry(payload), true) = (comparison, here, has_hash) {
            comparison = self.before(at, payload).await?;
        }
        if comparison == Comparison::Silent {
            tracing::info!(
                position = %at.seq,
                "neither the log's entry at the position nor one made on it is stored any more; the log \
                 is the same, so this node goes on"
            );
        }
        Ok(comparison)
    }

    /// Whether what stands before an entry that is the same is the same too. An entry that names the
    /// state it was made on proves it; other ones may stand at the same place of two histories.
    pub(super) async fn before(&self, at: &Position, payload: Bytes) -> Result<Comparison> {
        let mut back = Back::new(*at, payload);
        while let Some(seq) = back.next() {
            let (Some(kept), _) = Kept::read_one(&self.database, seq).await? else { break };
            let Some(stored) = self.at(seq).await? else { break };
            if stored != kept {
                return Ok(Comparison::Other);
            }
            back.push(stored);
        }
        Ok(Comparison::Same)
    }

    /// What the entries after `at` say of it, or, if they say nothing, the snapshots that they lead to.
    async fn later(&self, at: &Position) -> Result<Comparison> {
        let (mut chain, mut said) = (Chain::new(*at), Comparison::Silent);
        for seq in (at.seq.0 + 1..=at.seq.0 + LOOK).map(Seq) {
            let Some(payload) = self.at(seq).await? else { break };
            match chain.see(&Stored { seq, payload }) {
                Some(true) => {
                    said = Comparison::Same;
                    break;
                }
                Some(false) => said = Comparison::Other,
                None => {}
            }
        }
        let states = self.stored_states(&chain).await?;
        let first = if self.restored == Some(*at) { Comparison::Same } else { states.first };
        Ok(first_that_tells([states.agree, said, first]))
    }

    /// What the stored snapshots say.
    pub(super) async fn stored_states(&self, chain: &Chain) -> Result<States> {
        if !self.log.capabilities().snapshots {
            return Ok(States { agree: Comparison::Silent, first: Comparison::Silent });
        }
        let metas = self.log.snapshots().await?;
        let said: Vec<_> = metas.iter().filter_map(|meta| chain.leads_to(meta)).collect();
        let first = said.first().copied();
        let differ = said.contains(&true) && said.contains(&false);
        let agree = first.filter(|_| !differ);
        Ok(States { agree: told(agree), first: told(first) })
    }
}

/// What stored snapshots say of a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct States {
    /// All of them. Several that differ say nothing: some are of what the log has lost.
    agree: Comparison,
    /// The one that is listed first. If nothing else is left that tells which is right, it counts: it is the
    /// same for whoever asks, and what he would restore if nothing in it is against that.
    first: Comparison,
}

impl States {
    /// What they say if there is nothing else.
    pub(super) fn told(self) -> Comparison {
        first_that_tells([self.agree, self.first])
    }
}

fn first_that_tells<const N: usize>(said: [Comparison; N]) -> Comparison {
    said.into_iter().find(|said| *said != Comparison::Silent).unwrap_or(Comparison::Silent)
}

fn told(is_same: Option<bool>) -> Comparison {
    match is_same {
        Some(true) => Comparison::Same,
        Some(false) => Comparison::Other,
        None => Comparison::Silent,
    }
}
