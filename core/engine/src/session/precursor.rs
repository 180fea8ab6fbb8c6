//! Positions of the log that the followed one goes on from.

use ha_changes::{Base, Kind};
use ha_core::{Error, Lineage, Result, Seq, Token};

use super::Surroundings;
use crate::store;

/// Where a log says what it was begun from.
const BASE: Seq = Seq(1);

impl Surroundings {
    /// Returns once the node has reached a position of another log, which it surely has if its own began
    /// with a database that stood there or later.
    pub(super) async fn reached_before(&self, token: Token, lineage: Lineage) -> Result<()> {
        let from = self.beginning(lineage).await.filter(|from| from.lineage == token.lineage);
        match from {
            Some(from) if token.seq <= from.seq => {
                let base = Token { lineage, seq: BASE, n: 0 };
                self.shared.reached(base, self.options.replication_timeout).await
            }
            from => Err(Error::OtherLog { token, lineage, kept: from.map(|from| from.seq) }),
        }
    }

    /// Where in another log the database stood that this log began with, as far as its first entry is
    /// stored anywhere.
    async fn beginning(&self, lineage: Lineage) -> Option<Base> {
        let mut lent = self.readers.lend().await.ok()?;
        let kept = move || lent.reader()?.trusted(|conn| store::entry(conn, BASE));
        let payload = match self.shared.stall.read(kept).await.ok()?.ok()? {
            Some(kept) => kept,
            None => self.transport.read(BASE).await.ok()??.payload.to_vec(),
        };
        let meta = ha_changes::decode(&payload).ok()?.meta?;
        match meta.kind {
            Kind::Base(base) if meta.base.lineage == lineage => base.from,
            _ => None,
        }
    }
}
