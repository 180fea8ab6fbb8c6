//! Nodes: how they are started, killed and given other files.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use ha_core::{Appended, Error, Lineage, Seq, Token};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::executor::{Owner, WORLD};
use super::fault::Fault;
use super::image::{Image, remove};
use super::op::millis;
use super::point::Point;
use super::wire::Wire;
use super::{operator, world};
use crate::begin::{Found, inspect};
use crate::heal::lost_entries;
use crate::{Node, NodeOptions};

/// A place for a node: its file and its way to the log.
pub(super) struct Slot {
    path: PathBuf,
    pub(super) run: RefCell<Option<Run>>,
    ended: Notify,
    /// What the file is to be at the next start.
    next_file: RefCell<Option<File>>,
    /// The file as it once was.
    pub(super) copy: RefCell<Option<Image>>,
    /// What it was last seen at, since its file was changed by others.
    pub(super) seen: Cell<Option<Token>>,
    pub(super) cut: Cell<bool>,
    pub(super) interruptions: Cell<u64>,
    pub(super) notice: Cell<Notice>,
    /// When it began to read each place, of those where it has found an entry.
    pub(super) found: RefCell<BTreeMap<Seq, Instant>>,
    /// Its connection ended with a crash of the log, and the log has not answered it since.
    pub(super) cut_off: Cell<bool>,
    /// Up to where it was told that the log has stored something, after that was lost.
    pub(super) told_late: Cell<Seq>,
    /// It may have gone on with a history that has ended, since it was last seen.
    pub(super) mixes: Cell<bool>,
    /// The longest that a message takes, in milliseconds.
    pub(super) latency: Cell<u64>,
    /// How far the wall clock is ahead, in milliseconds.
    pub(super) clock: Cell<i64>,
    /// Whose the newest run is.
    pub(super) owner: Cell<Owner>,
    /// It begins the log anew at its next start.
    pub(super) begins: Cell<bool>,
    /// Where it was last seen and in which log, since its file was changed by others.
    pub(super) stood: RefCell<Option<(Lineage, Rc<Point>)>>,
    /// The last comparison of states that the run was seen to make.
    pub(super) audited: Cell<Option<Seq>>,
}

/// What a node can know of the log's loss of its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Notice {
    /// There was none, or the node has asked the log what it holds since.
    #[default]
    Aware,
    /// Its connection is a new one.
    Reconnected,
    /// Nothing has told it.
    Unaware,
}

/// A run of a node.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) owner: Owner,
    pub(super) node: Arc<Node>,
}

/// What becomes of a file while its node is down.
pub(super) enum File {
    Replaced(Image),
    Removed,
}

impl Slot {
    pub(super) fn new(path: PathBuf, latency: u64) -> Self {
        remove(&path);
        lost_entries(&path).iter().for_each(|file| drop(std::fs::remove_file(file)));
        Self {
            path,
            run: RefCell::default(),
            ended: Notify::new(),
            next_file: RefCell::default(),
            copy: RefCell::default(),
            seen: Cell::default(),
            cut: Cell::default(),
            interruptions: Cell::default(),
            notice: Cell::default(),
            found: RefCell::default(),
            cut_off: Cell::default(),
            told_late: Cell::default(),
            mixes: Cell::default(),
            latency: Cell::new(latency),
            clock: Cell::default(),
            owner: Cell::new(WORLD),
            begins: Cell::default(),
            stood: RefCell::default(),
            audited: Cell::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The node, if it runs.
    pub(super) fn node(&self) -> Option<Run> {
        self.run.borrow().clone()
    }

    /// Whether that is the run of its node.
    pub(super) fn is_run_by(&self, owner: Owner) -> bool {
        self.run.borrow().as_ref().is_some_and(|run| run.owner == owner)
    }

    /// Its file is this at the next start.
    pub(super) fn give(&self, file: File) {
        *self.next_file.borrow_mut() = Some(file);
    }

    /// The file as it is now.
    pub(super) fn image(&self) -> Image {
        Image::read(&self.path)
    }

    /// Where the file stands, if it has a position beyond the beginning, and will have.
    pub(super) fn position(&self) -> Option<Token> {
        match inspect(&self.path).ok().filter(|_| self.next_file.borrow().is_none())? {
            Found::Position(token) => Some(token).filter(|token| token.seq > Seq::ZERO),
            Found::Nothing | Found::Foreign(_) => None,
        }
    }

    pub(super) fn has_position(&self) -> bool {
        self.position().is_some()
    }

    /// Nobody knows any more where the node stood.
    fn forget(&self) {
        self.seen.set(None);
        self.stood.take();
    }

    /// Kills the node.
    pub(super) fn kill(&self) {
        let Some(run) = self.run.take() else { return };
        // SQLite would tidy up files that are still there.
        let image = self.image();
        remove(&self.path);
        world().dice.crash(run.owner);
        drop(run);
        image.write(&self.path);
        self.ended.notify_one();
    }

    /// Kills the node, and takes its last commits with it: what was not synced.
    pub(super) fn cut_power(&self) {
        self.kill();
        let mut image = self.image();
        image.tear(|length| world().dice.below(length + 1));
        image.write(&self.path);
        self.forget();
    }

    /// Ends the node and its file: nobody asks for it any more.
    pub(super) fn discard(&self) {
        remove(&self.path);
        drop(self.run.take());
    }

    /// Connections are made anew.
    pub(super) fn interrupt(&self) {
        self.interruptions.set(self.interruptions.get() + 1);
        world().changed.send_replace(());
    }

    /// The node is told that the log has stored this, which it has lost meanwhile. Whatever else the node
    /// has asked, it goes on with that until it asks for this place.
    pub(super) fn goes_on_with_what_is_lost(&self, stored: Appended) {
        self.mixes.set(true);
        self.told_late.set(self.told_late.get().max(stored.last));
        if self.notice.get() == Notice::Aware {
            self.notice.set(Notice::Reconnected);
        }
    }

    fn prepare_file(&self) {
        let Some(file) = self.next_file.take() else { return };
        self.forget();
        match file {
            File::Replaced(image) => image.write(&self.path),
            File::Removed => remove(&self.path),
        }
    }
}

/// Keeps a node running for as long as the schedule lasts.
pub(super) async fn keep_running(index: usize) {
    loop {
        world().slots[index].prepare_file();
        while world().log.borrow().is_vacant() && !world().slots[index].has_position() {
            sleep(millis(50)).await;
        }
        match start(index).await {
            Ok(run) => {
                world().slots[index].begins.set(false);
                world().note("started", index as u64, run.owner);
                *world().slots[index].run.borrow_mut() = Some(run);
                let world = world();
                world.slots[index].ended.notified().await;
            }
            Err(error) => refused(index, &error),
        }
        let down = world().dice.below(300);
        sleep(millis(down + 1)).await;
    }
}

async fn start(index: usize) -> Result<Run, Error> {
    let world = world();
    let owner = world.next_owner();
    world.slots[index].owner.set(owner);
    world.slots[index].audited.set(None);
    let options = NodeOptions {
        replication_timeout: millis(1_000),
        idle_timeout: millis(300),
        readers: 4,
        snapshots: world.upkeep.snapshots,
        retention: world.upkeep.retention,
        audit_interval: world.upkeep.audits,
        new_lineage: world.slots[index].begins.get(),
        ..NodeOptions::new(format!("n{index}"), world.slots[index].path())
    };
    let (started, is_started) = oneshot::channel();
    world.dice.spawn_for(owner, async move {
        let _ = started.send(Node::start(options, Arc::new(Wire::new(index))).await);
    });
    let started = is_started.await.map_err(|_| Error::Closed).flatten();
    match started {
        Ok(node) => Ok(Run { owner, node }),
        Err(error) => {
            world.dice.crash(owner);
            Err(error)
        }
    }
}

fn refused(index: usize, error: &Error) {
    world().note("refused", index as u64, 0);
    if world().slots[index].begins.get() && matches!(error, Error::Config { .. }) {
        return operator::begun_already(index);
    }
    let passing =
        matches!(error, Error::Transport { .. } | Error::Truncated { .. } | Error::NotSent(_));
    assert!(passing, "node {index} does not start: {error}");
}

/// Stops the node in good order.
pub(super) async fn restart(index: usize) {
    let world = world();
    let Some(run) = world.slots[index].node() else { return };
    let Run { owner, node } = run;
    node.stop().await;
    drop(node);
    while world.dice.has_writer(owner) {
        sleep(millis(5)).await;
    }
    if world.slots[index].node().is_some_and(|run| run.owner == owner) {
        world.faults.count(Fault::Restart);
        world.slots[index].kill();
    }
}
