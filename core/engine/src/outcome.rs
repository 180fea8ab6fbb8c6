//! What became of a transaction whose client was not told.

use ha_changes::Meta;
use ha_core::{AttemptId, AttemptName, Error, Outcome, Result, Seq, Token, TransactionName};

use crate::node::Node;
use crate::store;

impl Node {
    /// What became of any of the tries; that nothing is stored is told only if that is known of all.
    pub(crate) async fn outcome_of(&self, name: &TransactionName) -> Result<Outcome> {
        let mut outcome = Outcome::NotCommitted;
        for one in name.tries() {
            outcome = match (self.outcome_of_try(one).await?, outcome) {
                (committed @ Outcome::Committed(_), _) => return Ok(committed),
                (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
                (Outcome::Forgotten, _) | (_, Outcome::Forgotten) => Outcome::Forgotten,
                (Outcome::NotCommitted, other) => other,
            };
        }
        Ok(outcome)
    }

    async fn outcome_of_try(&self, name: &AttemptName) -> Result<Outcome> {
        if name.lineage != self.shared.token().lineage {
            return Ok(Outcome::Forgotten);
        }
        match self.judge(name).await {
            Err(Error::Truncated { .. }) => Ok(Outcome::Forgotten),
            outcome => outcome,
        }
    }

    /// What stands after the attempt's base decides; if that is a part of it, what follows.
    async fn judge(&self, name: &AttemptName) -> Result<Outcome> {
        let first = name.base.next();
        let Some(payload) = self.at(first).await? else { return Ok(Outcome::Unknown) };
        let Some(meta) = meta_of(name.attempt, &payload) else { return Ok(Outcome::NotCommitted) };
        let (_, of) = meta.part;
        let n = store::transactions(Some(&meta));
        let last = Seq(name.base.0 + u64::from(of));
        if last == first || self.has_part(name.attempt, last, (of, of)).await? == Some(true) {
            // It may have been made on another history, and be void.
            if self.read(move |conn| store::is_skipped(conn, last)).await? {
                return Ok(Outcome::NotCommitted);
            }
            return Ok(Outcome::Committed(Token { lineage: name.lineage, seq: last, n }));
        }
        for number in 2..=of {
            let seq = Seq(name.base.0 + u64::from(number));
            match self.has_part(name.attempt, seq, (number, of)).await? {
                Some(true) => {}
                Some(false) => return Ok(Outcome::NotCommitted),
                None => return Ok(Outcome::Unknown),
            }
        }
        Ok(Outcome::Unknown)
    }

    /// Whether that part of the attempt stands at a place; `None` if nothing does.
    async fn has_part(
        &self,
        attempt: AttemptId,
        seq: Seq,
        part: (u32, u32),
    ) -> Result<Option<bool>> {
        let payload = self.at(seq).await?;
        let is_it =
            |payload: Vec<u8>| meta_of(attempt, &payload).is_some_and(|meta| meta.part == part);
        Ok(payload.map(is_it))
    }

    /// What the log has at a place, from the file if it is kept there.
    async fn at(&self, seq: Seq) -> Result<Option<Vec<u8>>> {
        if let Some(kept) = self.read(move |conn| store::entry(conn, seq)).await? {
            return Ok(Some(kept));
        }
        Ok(self.transport.read(seq).await?.map(|stored| stored.payload.to_vec()))
    }
}

/// What a message says of itself, if it is of the attempt.
fn meta_of(attempt: AttemptId, payload: &[u8]) -> Option<Meta> {
    let meta = ha_changes::decode(payload).ok()?.meta?;
    (meta.id == attempt).then_some(meta)
}
