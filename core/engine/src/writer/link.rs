//! The way from the writer thread to the transport and back.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use futures::StreamExt;
use futures::future::AbortHandle;
use ha_core::{Bounds, ChangeTransport, Delivery, Draft, Error, Seq, Stored};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Message;
use super::reseed::Progress;
use crate::heal::{Comparison, Healer, Place};
use crate::host;
use crate::machine::{Event, Target};
use crate::snapshots::{self, Room};

/// Entries that may wait for the writer thread; large ones count for several.
const AHEAD: u32 = 256;
/// So many bytes of an entry count for one more.
const BYTES_AHEAD: usize = 64 << 10;
/// How soon a subscription that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// What the transport tells by itself.
#[derive(Debug)]
pub(crate) enum News {
    /// An entry; the permit is given back once it was dealt with.
    Entry(Stored, OwnedSemaphorePermit),
    /// The log is followed from here on: whatever was known of it before may have changed.
    Following,
    /// The log, after an interruption.
    Reconnected(Bounds),
    /// The log is out of reach.
    Unreachable(String),
    /// The log no longer has what this node needs next.
    Truncated(Error),
}

/// Runs the transport's calls on the runtime and sends their answers to the writer thread.
#[derive(Debug)]
pub(crate) struct Link {
    transport: Arc<dyn ChangeTransport>,
    runtime: Handle,
    inbox: Sender<Message>,
    subscription: Option<Subscription>,
    verification: Option<AbortHandle>,
    healing: Option<AbortHandle>,
    fetching: Option<AbortHandle>,
}

/// What is followed now; its entries are nobody's once it is closed.
#[derive(Debug)]
struct Subscription {
    task: AbortHandle,
    permits: Arc<Semaphore>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.permits.close();
        self.task.abort();
    }
}

impl Link {
    pub(crate) fn new(
        transport: Arc<dyn ChangeTransport>,
        runtime: Handle,
        inbox: Sender<Message>,
    ) -> Self {
        Self {
            transport,
            runtime,
            inbox,
            subscription: None,
            verification: None,
            healing: None,
            fetching: None,
        }
    }

    pub(crate) fn transport(&self) -> &Arc<dyn ChangeTransport> {
        &self.transport
    }

    pub(crate) fn inbox(&self) -> Sender<Message> {
        self.inbox.clone()
    }

    pub(crate) fn append(&self, draft: Draft) {
        let (transport, inbox) = self.ends();
        host::spawn(&self.runtime, async move {
            let id = draft.attempt;
            let result = transport.append(draft).await;
            // The thread is gone only when the node is.
            let _ = inbox.send(Message::Event(Event::Acked { id, result }));
        });
    }

    pub(crate) fn read(&self, seq: Seq) {
        let (transport, inbox) = self.ends();
        host::spawn(&self.runtime, async move {
            let result = transport.read(seq).await;
            let _ = inbox.send(Message::Event(Event::ReadBack { seq, result }));
        });
    }

    /// Compares the log with what the node has applied at these places, until it answers.
    pub(crate) fn compare(&mut self, healer: Healer, places: Vec<Place>) {
        let inbox = self.inbox.clone();
        let compared = host::spawn(&self.runtime, async move {
            if let Some(comparison) = compare_surely(&healer, &places).await {
                let _ = inbox.send(Message::Compared(comparison));
            }
        });
        if let Some(former) = self.verification.replace(compared) {
            former.abort();
        }
    }

    /// Makes the log and the node fit, as far as the log goes.
    pub(crate) fn heal(&mut self, healer: Healer) {
        let inbox = self.inbox.clone();
        let healing = host::spawn(&self.runtime, async move {
            let _ = inbox.send(Message::Healed(healer.heal().await));
        });
        if let Some(former) = self.healing.replace(healing) {
            former.abort();
        }
    }

    /// Asks for the log's bounds. `position` is the node's when it asks: what was appended
    /// since need not be in the answer.
    pub(crate) fn ask_bounds(&self, position: Seq) {
        let (transport, inbox) = self.ends();
        host::spawn(&self.runtime, async move {
            let result = match transport.bounds().await {
                Ok(bounds) => Ok(bounds),
                Err(error) => Err(explained(&transport, error).await),
            };
            let _ = inbox.send(Message::Bounds { position, result });
        });
    }

    /// As [`Self::ask_bounds`]. A log of which not enough copies are within reach is out of reach,
    /// though one of them may answer.
    pub(crate) fn probe(&self, position: Seq) {
        let (transport, inbox) = self.ends();
        host::spawn(&self.runtime, async move {
            let result = match transport.bounds().await {
                Ok(bounds) => quorum(&transport).await.map(|()| bounds),
                Err(error) => Err(explained(&transport, error).await),
            };
            let _ = inbox.send(Message::Bounds { position, result });
        });
    }

    /// Follows the log from `from` on, instead of what was followed before. Of that nothing
    /// counts any more, see [`News::is_stale`].
    pub(crate) fn subscribe(&mut self, from: Seq) {
        self.subscription = None;
        let (transport, inbox) = self.ends();
        let permits = Arc::new(Semaphore::new(AHEAD as usize));
        let task = host::spawn(&self.runtime, follow(transport, inbox, Arc::clone(&permits), from));
        self.subscription = Some(Subscription { task, permits });
    }

    /// Follows the log no longer, and fetches what the database is to become.
    pub(crate) fn fetch(&mut self, target: Target, room: Room) {
        self.subscription = None;
        let (transport, inbox) = self.ends();
        let fetching = host::spawn(&self.runtime, async move {
            let mut progress = Progress::new(inbox.clone());
            let mut note = |done, total| progress.note(done, total);
            let found = snapshots::fetch(&transport, target, &room, &mut note).await;
            let _ = inbox.send(Message::Fetched(found));
        });
        if let Some(former) = self.fetching.replace(fetching) {
            former.abort();
        }
    }

    fn ends(&self) -> (Arc<dyn ChangeTransport>, Sender<Message>) {
        (Arc::clone(&self.transport), self.inbox.clone())
    }
}

impl News {
    /// Whether it is of a subscription that was given up.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Entry(_, permit) if permit.semaphore().is_closed())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let tasks = [self.verification.take(), self.healing.take(), self.fetching.take()];
        tasks.into_iter().flatten().for_each(|task| task.abort());
    }
}

/// `None` if the transport is closed.
async fn compare_surely(healer: &Healer, places: &[Place]) -> Option<Comparison> {
    loop {
        match healer.compare_places(places).await {
            Ok(comparison) => return Some(comparison),
            Err(Error::Closed) => return None,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// An error if too few of the servers that keep the log are within reach to add to it.
async fn quorum(transport: &Arc<dyn ChangeTransport>) -> Result<(), Error> {
    if transport.capabilities().exact_bounds {
        return Ok(());
    }
    match transport.health().await.members {
        Some(members) if !members.have_quorum() => {
            Err(Error::transport(transport.to_string(), members.lacking().unwrap_or_default()))
        }
        _ => Ok(()),
    }
}

/// The error of a log that does not answer, and which of its servers are missing.
async fn explained(transport: &Arc<dyn ChangeTransport>, error: Error) -> Error {
    let lacking = transport.health().await.members.and_then(|members| members.lacking());
    match lacking {
        Some(lacking) => Error::transport(lacking, error),
        None => error,
    }
}

fn weight(stored: &Stored) -> u32 {
    u32::try_from(stored.payload.len() / BYTES_AHEAD).map_or(AHEAD, |more| more.min(AHEAD - 1) + 1)
}

async fn follow(
    transport: Arc<dyn ChangeTransport>,
    inbox: Sender<Message>,
    permits: Arc<Semaphore>,
    from: Seq,
) {
    let mut next = from;
    loop {
        let news = match pass_on(&transport, &inbox, &permits, &mut next).await {
            Ok(()) | Err(Error::Closed) => return,
            Err(error @ Error::Truncated { .. }) => {
                let _ = inbox.send(Message::News(News::Truncated(error)));
                return;
            }
            Err(error) => News::Unreachable(explained(&transport, error).await.to_string()),
        };
        if inbox.send(Message::News(news)).is_err() {
            return;
        }
        tokio::time::sleep(RETRY).await;
        if let Ok(bounds) = transport.bounds().await {
            let _ = inbox.send(Message::News(News::Reconnected(bounds)));
        }
    }
}

/// Passes entries on until the subscription fails; `Ok` if it is over or nobody listens.
async fn pass_on(
    transport: &Arc<dyn ChangeTransport>,
    inbox: &Sender<Message>,
    permits: &Arc<Semaphore>,
    next: &mut Seq,
) -> Result<(), Error> {
    let mut deliveries = transport.subscribe(*next).await?;
    if inbox.send(Message::News(News::Following)).is_err() {
        return Ok(());
    }
    while let Some(delivery) = deliveries.next().await {
        let news = match delivery? {
            Delivery::Entry(stored) => {
                *next = stored.seq.next();
                let permit = Arc::clone(permits).acquire_many_owned(weight(&stored)).await;
                News::Entry(stored, permit.map_err(|_| Error::Closed)?)
            }
            Delivery::Reconnected(bounds) => News::Reconnected(bounds),
        };
        if inbox.send(Message::News(news)).is_err() {
            return Ok(());
        }
    }
    Err(Error::transport(transport.to_string(), "the subscription ended"))
}
