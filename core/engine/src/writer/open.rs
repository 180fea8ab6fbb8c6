//! How the writer thread begins.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ha_core::{Result, Seq};
use ha_sqlite::OpenOptions;
use tokio::time::Instant;

use super::auditor::Auditor;
use super::encoding::EntryLimits;
use super::stages::Stages;
use super::touched::Touched;
use super::unseen::Unseen;
use super::{Link, Message, Writer, strong};
use crate::heal::KeptFile;
use crate::machine::{Event, Identity, Machine, Reseed};
use crate::shared::Shared;
use crate::snapshots::Room;
use crate::store::{Record, Store};

/// What the thread needs besides its connections.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) link: Link,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) room: Room,
    /// The database file, to be read beside the thread.
    pub(crate) file: KeptFile,
    pub(crate) identity: Identity,
    pub(crate) idle_timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) max_transaction_bytes: usize,
    /// Nodes of v0.0.7 apply what is written.
    pub(crate) compat_v007: bool,
    /// Where the log ended at the start.
    pub(crate) end: Seq,
    /// How long after one audit mark the next is due; `None` if this node makes none.
    pub(crate) audit_interval: Option<Duration>,
    /// The database has not the whole log: what cannot be applied to it is left out.
    pub(crate) partial: bool,
    /// What is wrong with the file and the log, if something is.
    pub(crate) problem: Option<Problem>,
    /// Where entries are saved that the log will never have again: the beginning of a path.
    pub(crate) lost: PathBuf,
}

/// Why a node cannot simply go on from its file.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// The log is not the one that was applied, for this reason; it is looked again whether it is.
    Misfit(String),
    /// Its database becomes another state first.
    Reseed(Reseed),
}

impl Writer {
    /// Opens the database on the calling thread.
    pub(crate) fn open(
        path: &Path,
        options: &OpenOptions,
        record: Record,
        setup: Setup,
    ) -> Result<Self> {
        let capabilities = setup.link.transport().capabilities();
        let limits =
            EntryLimits::new(&capabilities, setup.max_transaction_bytes, setup.compat_v007);
        let store = Store::open(path, options, record, limits.limit())?;
        let machine = Machine::new(setup.identity.clone(), record.position, setup.end)
            .with_readable_log(capabilities.readable)
            .with_part_of_the_log(setup.partial);
        let auditor = Auditor::new(
            path.to_owned(),
            options.clone(),
            setup.link.inbox(),
            setup.identity.node.clone(),
            setup.audit_interval,
            setup.end,
        );
        let mut writer = Self {
            store,
            machine,
            link: setup.link,
            inbox: setup.inbox,
            shared: setup.shared,
            room: setup.room,
            file: setup.file,
            identity: setup.identity,
            idle_timeout: setup.idle_timeout,
            patience: setup.patience,
            lost: setup.lost,
            healings: 0,
            limits,
            busy_until: Instant::now(),
            compat_v007: setup.compat_v007,
            warned_of_v007: false,
            is_replicated: capabilities.replicated,
            queue: VecDeque::new(),
            open: None,
            lease: None,
            receiving: None,
            applying: Vec::new(),
            withheld: Vec::new(),
            strong: strong::Waiting::default(),
            verifying: false,
            held: VecDeque::new(),
            unseen: Unseen::default(),
            probing: false,
            probed: Instant::now(),
            probes: capabilities.readable,
            alone: 0,
            wanted_turn: None,
            stages: Stages::default(),
            touched: Touched::default(),
            auditor,
            started: Instant::now(),
            stopping: false,
        };
        match setup.problem {
            Some(Problem::Misfit(reason)) => writer.tell(Event::Misfit(reason)),
            Some(Problem::Reseed(reseed)) => writer.tell(Event::Reseed(reseed)),
            None => writer.link.subscribe(record.position.seq.next()),
        }
        writer.publish();
        Ok(writer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whatever still reads it is about to be aborted.
        self.file.close();
    }
}
