//! What clients commit anywhere, as a stream for whoever wants to follow.
//!
//! A feed belongs to its reader: it reads the log again, what the database file keeps of it first,
//! up to where the node is. What became of an entry is not judged a second time: the file tells
//! which were skipped. So a feed shows what the node has applied, keeps nothing in memory but the
//! stretch it is at, and holds up nobody.

mod reading;
mod source;
mod transactions;

use std::time::Duration;

use futures::stream::{self, StreamExt};
use ha_core::{Error, Result, Seq, Token, TransactionStream};

use crate::node::Node;
use crate::store;
use reading::Feed;
use source::{Place, Source};

impl Node {
    /// See [`ha_core::Engine::changes`].
    pub(crate) async fn feed(&self, from: Option<Token>) -> Result<TransactionStream> {
        let patience = self.options.replication_timeout;
        self.shared.serving(patience).await?;
        if let Some(token) = from {
            self.shared.reached(token, patience).await?;
        }
        let here = self.here().await?;
        let source = Source::new(self, here.lineage);
        let feed = match from {
            Some(token) => {
                // The node may go back meanwhile, and a log that is out of reach does not answer.
                let found = tokio::time::timeout(patience, after(token, &here, source)).await;
                found.map_err(|_| not_told(token, patience))??
            }
            None => Feed::new(source, here.seq.next(), here.hash),
        };
        Ok(stream::try_unfold(feed, |mut feed| async move {
            let transaction = feed.next().await?;
            Ok(Some((transaction, feed)))
        })
        .boxed())
    }

    async fn here(&self) -> Result<Place> {
        let (record, first) = self
            .readers
            .look(|reader| {
                let record = reader.record()?;
                let first = reader.trusted(store::partial_since)?;
                Ok((record, first))
            })
            .await?;
        let store::Record { position, transactions } = record;
        // A node with a part of the log cannot know its hash.
        let hash = first.is_none().then_some(position.hash);
        Ok(Place { lineage: position.lineage, seq: position.seq, transactions, hash, first })
    }
}

fn not_told(token: Token, patience: Duration) -> Error {
    Error::NotReady(format!("the log has not told what stands at {token} within {patience:?}"))
}

/// The feed of what comes after the token, which the node has reached.
async fn after(token: Token, here: &Place, mut source: Source) -> Result<Feed> {
    if token.lineage != here.lineage {
        return Err(Error::OtherLog { token, lineage: here.lineage, kept: None });
    }
    if token.seq == here.seq && token.n >= here.transactions {
        return Ok(Feed::new(source, here.seq.next(), here.hash));
    }
    let (next, passed) = match token.seq {
        Seq::ZERO => (Seq(1), 0),
        seq => source.entry_at(seq).await?.map_or((seq.next(), 0), |first| (first, token.n)),
    };
    match here.first {
        Some(first) if next < first => Err(Error::Truncated { from: next, first }),
        _ => Ok(Feed::new(source, next, None).without(passed)),
    }
}
