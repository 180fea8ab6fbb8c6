//! The real engine and real SQLite, over a log that loses, delays and repeats messages, on nodes
//! that are killed and get other files: one seed is one schedule, in one thread.
//!
//! The parts: [`executor`] runs everything in a [`world`]; [`wire`] and [`feed`] are the transport,
//! [`log`] what is behind it; [`nodes`] starts and kills nodes, [`chaos`] decides when,
//! [`operator`] helps those that need it; [`client`] makes calls; [`state`] is a
//! model of what they do, and [`check`] and [`anew`] compare.

mod anew;
mod campaign;
mod chaos;
mod check;
mod client;
mod damage;
mod executor;
mod fault;
mod feed;
mod image;
mod log;
mod nodes;
mod op;
mod operator;
mod point;
mod post;
mod replies;
mod report;
mod schedule;
mod state;
mod wire;
mod world;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use ha_core::{Engine, SessionOptions};
use tokio::time::sleep;

use crate::planted::{self, Bug};
use crate::writer::Writer;
use executor::Owner;
use fault::Rewinds;
use nodes::Slot;
use op::millis;
use report::Report;
use schedule::schedule;
use world::World;

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// When, what, and two numbers that say more.
type Event = (u64, &'static str, u64, u64);

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
    world().unix_time()
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

/// Leaves the schedule, however it ends.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let world = CURRENT.take();
        if let Some(world) = &world {
            world.slots.iter().for_each(Slot::discard);
            world.dice.clear();
        }
        planted::plant(None);
    }
}

/// Runs a schedule with files in `dir`, panics if it breaks a promise. `rewinds` says
/// whether the log is sure to lose its end.
fn run(seed: u64, dir: &Path, bug: Option<Bug>, rewinds: Rewinds) -> Report {
    // It has a runtime of its own.
    genesis();
    let runtime = runtime();
    let _entered = runtime.enter();
    let world = drawn(seed, dir, rewinds);
    planted::plant(bug);
    enter(&runtime, world, schedule())
}

/// What there is at the beginning of a schedule.
fn drawn(seed: u64, dir: &Path, rewinds: Rewinds) -> World {
    World::new(seed, dir, 3, Some(genesis()), rewinds)
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

/// A log with the tables, and a file that has applied it.
fn genesis() -> &'static Genesis {
    static GENESIS: OnceLock<Genesis> = OnceLock::new();
    GENESIS.get_or_init(|| {
        ha_sqlite::keep_files_private().expect("no other process looks at what is simulated");
        let dir = tempfile::TempDir::new_in(campaign::scratch()).expect("there is room");
        let runtime = runtime();
        let _entered = runtime.enter();
        let empty = World::new(0, dir.path(), 1, None, Rewinds::Few);
        let made = Rc::new(RefCell::new(None));
        let genesis = Rc::clone(&made);
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
            let entries = log.chain().iter().skip(1).map(|point| point.payload.clone());
            let file = world.slots[0].image().whole(&dir.path().join("genesis"));
            *genesis.borrow_mut() = Some(Genesis { entries: entries.collect(), file });
        });
        made.take().expect("nothing went wrong")
    })
}
