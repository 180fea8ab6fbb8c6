//! The real engine and real SQLite, over a log that loses, delays and repeats messages, on nodes
//! that are killed and get other files: one seed is one schedule, in one thread.
//!
//! The parts: [`executor`] runs everything; [`wire`] is the transport, [`log`] what is behind it;
//! [`nodes`] starts and kills nodes, [`chaos`] decides when; [`client`] makes calls; [`state`] is a
//! model of what they do, and [`check`] compares.

mod campaign;
mod chaos;
mod check;
mod client;
mod damage;
mod executor;
mod fault;
mod log;
mod nodes;
mod op;
mod state;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use ha_core::{Engine, Lineage, Readiness, Seq, SessionOptions, Token};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::planted::{self, Bug};
use crate::writer::Writer;
use executor::{Executor, Owner, WORLD};
use fault::{Fault, Faults};
use log::Log;
use nodes::{File, Image, Notice, Slot};
use op::{Op, Spec, Told, millis};

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// What there is in a schedule.
struct World {
    dice: Rc<Executor>,
    log: RefCell<Log>,
    /// The log, or the way to it, has changed.
    changed: watch::Sender<()>,
    slots: Vec<Slot>,
    /// By number; number 0 made the tables.
    ops: RefCell<Vec<Op>>,
    faults: Faults,
    floor: Cell<Floor>,

    /// The longest time between two calls of a client, in milliseconds.
    pause: u64,
    /// The log tells its bounds as they are.
    exact_bounds: bool,
    owners: Cell<Owner>,
    started: Instant,
    trace: RefCell<Vec<Event>>,
    clients_left: Cell<usize>,
}

/// What somebody was told of.
#[derive(Debug, Clone, Copy, Default)]
struct Floor {
    /// The changes up to here.
    seq: u64,
    /// How often the log has lost its end.
    rewinds: u64,
}

/// When, what, and two numbers that say more.
type Event = (u64, &'static str, u64, u64);

/// Ways out of trouble, as the trace names them.
const PATHS: [&str; 9] = [
    "sent again",
    "read back",
    "asked for bounds",
    "subscribed again",
    "was reconnected",
    "gave up",
    "repeated",
    "fetched a snapshot",
    "was refused",
];

/// What came of a schedule.
#[derive(Debug, Default)]
struct Report {
    faults: BTreeMap<Fault, u64>,
    /// What nodes did about it.
    paths: BTreeMap<&'static str, u64>,
    calls: u64,
    reads: u64,
    acknowledged: u64,
    unknown: u64,
    failed: u64,
    /// The events in order, as a hash.
    trace: u64,
}

/// What every schedule begins with.
struct Genesis {
    entries: Vec<Bytes>,
    file: Vec<u8>,
}

/// Whether this thread is in a schedule.
pub(crate) fn is_running() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Runs a task of whoever is running.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    world().dice.spawn(task);
}

/// Lets a writer work for whoever is running.
pub(crate) fn adopt(writer: Writer) {
    world().dice.adopt(writer);
}

/// The wall clock.
pub(crate) fn unix_time() -> Duration {
    Duration::from_secs(1_700_000_000) + world().started.elapsed()
}

/// A number from the seed.
pub(crate) fn chance() -> u64 {
    world().dice.next_u64()
}

fn observe(owner: Owner) {
    check::observe(owner);
}

fn world() -> Rc<World> {
    CURRENT.with_borrow(|world| world.clone().expect("a schedule runs"))
}

impl World {
    fn draw(end: u64) -> u64 {
        world().dice.below(end)
    }

    fn note(&self, what: &'static str, a: u64, b: u64) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!("{ms} ms  {what} {a} {b}");
        self.trace.borrow_mut().push((ms, what, a, b));
    }

    fn next_owner(&self) -> Owner {
        self.owners.set(self.owners.get() + 1);
        self.owners.get()
    }

    /// Somebody was told of this position. Entries that change nothing may be folded before the
    /// database says so.
    fn seen(&self, token: Token) {
        let log = self.log.borrow();
        let before = log.chain().iter().take_while(|point| point.seq <= token.seq);
        let changing = before.filter(|point| !point.ops.is_empty()).last();
        let seq = changing.map_or(0, |point| point.seq.0);
        let floor = self.floor.get();
        self.floor.set(Floor { seq: floor.seq.max(seq), ..floor });
    }

    /// The log ends here now, and has forgotten what was after it.
    fn rewound(&self, last: Seq) {
        let Floor { seq, rewinds } = self.floor.get();
        self.floor.set(Floor { seq: seq.min(last.0), rewinds: rewinds + 1 });
        self.slots.iter().for_each(|slot| slot.notice.set(Notice::Unaware));
        self.slots.iter().for_each(Slot::interrupt);
    }

    /// How often the log has lost its end.
    fn losses(&self) -> u64 {
        self.floor.get().rewinds
    }

    /// Whether the log has ever lost something.
    fn has_lost(&self) -> bool {
        self.losses() > 0
    }

    /// Whether a position has everything that was known at `floor`, as far as the log still had it.
    fn has(&self, token: Token, floor: Floor) -> bool {
        token.seq.0 >= floor.seq || floor.rewinds != self.floor.get().rewinds
    }

    fn report(&self) -> Report {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hash = DefaultHasher::new();
        self.trace.borrow().hash(&mut hash);
        let mut report =
            Report { faults: self.faults.happened(), trace: hash.finish(), ..Report::default() };
        for (_, what, ..) in self.trace.borrow().iter() {
            report.reads += u64::from(*what == "read");
            if PATHS.contains(what) {
                *report.paths.entry(what).or_default() += 1;
            }
        }
        for told in self.ops.borrow().iter().flat_map(|op| &op.told) {
            report.calls += 1;
            match told {
                Told::Committed(_) => report.acknowledged += 1,
                Told::Failed(_) => report.failed += 1,
                Told::Unknown(_) | Told::Gone => report.unknown += 1,
            }
        }
        report
    }
}

impl Told {
    fn name(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::Gone => "gone",
        }
    }
}

/// Leaves the schedule, however it ends.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let world = CURRENT.take();
        if let Some(world) = &world {
            world.slots.iter().for_each(|slot| drop(slot.run.take()));
            world.dice.clear();
        }
        planted::plant(None);
    }
}

/// Runs a schedule with files in `dir`, panics if it breaks a promise. Logs lose their ends only
/// if it `rewinds`.
fn run(seed: u64, dir: &Path, bug: Option<Bug>, rewinds: bool) -> Report {
    let genesis = genesis();
    let runtime = runtime();
    let _entered = runtime.enter();
    let world = World::new(seed, dir, 3, Some(genesis), rewinds);
    planted::plant(bug);
    enter(&runtime, world, schedule())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing")
}

fn enter(
    runtime: &tokio::runtime::Runtime,
    world: World,
    main: impl Future<Output = ()> + 'static,
) -> Report {
    let world = Rc::new(world);
    CURRENT.set(Some(Rc::clone(&world)));
    let _leave = Leave;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(world.dice.run(main));
    }));
    if let Err(panic) = result {
        campaign::print_trace(&world.trace.borrow());
        world.log.borrow().tell();
        std::panic::resume_unwind(panic);
    }
    world.report()
}

impl World {
    fn new(seed: u64, dir: &Path, nodes: usize, genesis: Option<&Genesis>, rewinds: bool) -> Self {
        let dice = Executor::new(seed);
        let slot = |index| {
            let latency = [0, 2, 10, 50][dice.below(4) as usize];
            let slot = Slot::new(dir.join(format!("{index}.db")), latency);
            if let Some(genesis) = genesis.filter(|_| dice.below(8) > 0) {
                slot.give(File::Replaced(Image::of(genesis.file.clone())));
            }
            slot
        };
        let slots = (0..nodes).map(slot).collect();
        let faults = if genesis.is_some() { Faults::draw(&dice, rewinds) } else { Faults::none() };
        let setup = Op { spec: Spec::Mark, keyed: false, told: Vec::new() };
        let exact_bounds = genesis.is_none() || dice.below(2) == 0;
        let pause = [10, 60, 200][dice.below(3) as usize];
        Self {
            dice,
            log: RefCell::new(Log::new(Lineage::of_stream("simulation", 0), genesis)),
            changed: watch::Sender::new(()),
            slots,
            ops: RefCell::new(vec![setup]),
            faults,
            floor: Cell::default(),
            pause,
            exact_bounds,
            owners: Cell::new(WORLD),
            started: Instant::now(),
            trace: RefCell::default(),
            clients_left: Cell::new(0),
        }
    }
}

/// A schedule: things go wrong, then nothing does, and everything must come right.
async fn schedule() {
    let world = world();
    for index in 0..world.slots.len() {
        world.dice.spawn(nodes::keep_running(index));
    }
    world.dice.spawn(nodes::operate());
    world.dice.spawn(chaos::rage());
    let clients = 2 + World::draw(3) as usize;
    world.clients_left.set(clients);
    for client in 0..clients {
        let calls = 3 + World::draw(7);
        world.dice.spawn(async move {
            client::live(client % 3, calls).await;
            let world = self::world();
            world.clients_left.set(world.clients_left.get() - 1);
        });
    }
    while world.clients_left.get() > 0 {
        sleep(millis(50)).await;
    }
    chaos::calm();
    world.note("calm", 0, 0);
    settle().await;
    for index in 0..world.slots.len() {
        client::insist(index).await;
    }
    settle().await;
    outcomes().await;
    check::told();
    (0..world.slots.len()).for_each(check::file);
}

/// Waits until all nodes are ready at the end of the log.
async fn settle() {
    let world = world();
    for _ in 0..600 {
        let end = world.log.borrow().last();
        let there = |slot: &Slot| {
            let status = slot.node().map(|run| run.node.status());
            status.is_some_and(|status| {
                status.readiness == Readiness::Ready && status.position.seq == end
            })
        };
        if world.slots.iter().all(there) {
            return;
        }
        sleep(millis(100)).await;
    }
    let status = |slot: &Slot| slot.node().map(|run| run.node.status());
    let status: Vec<_> = world.slots.iter().map(status).collect();
    panic!("the nodes do not come to rest: {:?}, {status:?}", world.log.borrow().bounds());
}

/// Asks what became of all that is unknown.
async fn outcomes() {
    let world = world();
    let named: Vec<_> = (0_i64..)
        .zip(&*world.ops.borrow())
        .flat_map(|(op, record)| record.told.iter().map(move |told| (op, told.clone())))
        .filter_map(
            |(op, told)| if let Told::Unknown(name) = told { Some((op, name)) } else { None },
        )
        .collect();
    for (op, name) in named {
        let index = World::draw(world.slots.len() as u64) as usize;
        let run = world.slots[index].node().expect("all run");
        let outcome = run.node.outcome(&name).await.expect("all are ready");
        check::outcome(op, &name, &outcome);
    }
}

/// A log with the tables, and a file that has applied it.
fn genesis() -> &'static Genesis {
    static GENESIS: OnceLock<Genesis> = OnceLock::new();
    GENESIS.get_or_init(|| {
        let dir = tempfile::TempDir::new_in(campaign::scratch()).expect("there is room");
        let runtime = runtime();
        let _entered = runtime.enter();
        let empty = World::new(0, dir.path(), 1, None, false);
        let made = Rc::new(RefCell::new(Vec::new()));
        let entries = Rc::clone(&made);
        enter(&runtime, empty, async move {
            let world = self::world();
            world.dice.spawn(nodes::keep_running(0));
            while world.slots[0].node().is_none() {
                sleep(millis(1)).await;
            }
            let run = world.slots[0].node().expect("it runs");
            let mut session = run.node.session(SessionOptions::default()).await.expect("it runs");
            session.run(op::schema()).await.expect("it works");
            let log = world.log.borrow();
            *entries.borrow_mut() =
                log.chain().iter().skip(1).map(|point| point.payload.clone()).collect();
        });
        // Its last connection is closed, so that there is no WAL.
        let file = std::fs::read(dir.path().join("0.db")).expect("it is there");
        Genesis { entries: made.take(), file }
    })
}
