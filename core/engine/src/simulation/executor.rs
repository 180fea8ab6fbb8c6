//! One thread in the place of all threads and tasks. Whoever can go on is picked by the seed, and
//! time passes only when nobody can.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::time::{Instant, sleep_until};

use crate::writer::{Turn, Writer};

/// Whose something is: a run of a node, or [`WORLD`]. What belongs to a run ends with it.
pub(super) type Owner = u64;

/// What belongs to no node: the network, the log, clients.
pub(super) const WORLD: Owner = 0;

/// No schedule has so many turns.
const ENDLESS: u64 = 500_000;

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// The one thread.
pub(super) struct Executor {
    random: RefCell<StdRng>,
    ready: Arc<Ready>,
    tasks: RefCell<BTreeMap<u64, (Owner, Option<Job>)>>,
    writers: RefCell<BTreeMap<Owner, Option<Box<Writer>>>>,
    /// Who stands still.
    paused: RefCell<BTreeSet<Owner>>,
    spawned: Cell<u64>,
    running: Cell<Owner>,
}

#[derive(Default)]
struct Ready {
    tasks: Mutex<BTreeSet<u64>>,
    main: AtomicWaker,
}

struct Signal {
    task: u64,
    ready: Arc<Ready>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.ready.tasks.lock().insert(self.task);
        self.ready.main.wake();
    }
}

enum Pick {
    Task(u64),
    Writer(Owner),
}

impl Executor {
    pub(super) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            random: RefCell::new(StdRng::seed_from_u64(seed)),
            ready: Arc::default(),
            tasks: RefCell::default(),
            writers: RefCell::default(),
            paused: RefCell::default(),
            spawned: Cell::new(0),
            running: Cell::new(WORLD),
        })
    }

    pub(super) fn next_u64(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.random.borrow_mut().random_range(0..end)
    }

    /// Who is running.
    pub(super) fn running(&self) -> Owner {
        self.running.get()
    }

    /// Runs a task; it belongs to whoever is running.
    pub(super) fn spawn(&self, job: impl Future<Output = ()> + 'static) {
        self.spawn_for(self.running.get(), job);
    }

    pub(super) fn spawn_for(&self, owner: Owner, job: impl Future<Output = ()> + 'static) {
        let task = self.spawned.get();
        self.spawned.set(task + 1);
        self.tasks.borrow_mut().insert(task, (owner, Some(Box::pin(job))));
        self.ready.tasks.lock().insert(task);
    }

    /// Lets a writer work for whoever is running.
    pub(super) fn adopt(&self, writer: Writer) {
        self.writers.borrow_mut().insert(self.running.get(), Some(Box::new(writer)));
    }

    /// Whether the writer has not ended.
    pub(super) fn has_writer(&self, owner: Owner) -> bool {
        self.writers.borrow().contains_key(&owner)
    }

    /// Ends everything of an owner, as a crash does.
    pub(super) fn crash(&self, owner: Owner) {
        let gone: Vec<_> =
            self.tasks.borrow_mut().extract_if(.., |_, (of, _)| *of == owner).collect();
        let writer = self.writers.borrow_mut().remove(&owner);
        self.paused.borrow_mut().remove(&owner);
        drop((gone, writer));
    }

    /// Ends everything.
    pub(super) fn clear(&self) {
        drop((self.tasks.take(), self.writers.take()));
    }

    pub(super) fn pause(&self, owner: Owner) {
        self.paused.borrow_mut().insert(owner);
    }

    pub(super) fn resume(&self, owner: Owner) {
        self.paused.borrow_mut().remove(&owner);
    }

    /// Runs everything until `main` is done.
    pub(super) async fn run(&self, main: impl Future<Output = ()> + 'static) {
        let done = Rc::new(Cell::new(false));
        let is_done = Rc::clone(&done);
        self.spawn(async move {
            main.await;
            done.set(true);
        });
        let mut turns = 0;
        while !is_done.get() {
            turns += 1;
            assert!(turns < ENDLESS, "it goes on for ever");
            match self.pick() {
                Some(Pick::Task(task)) => self.poll(task),
                Some(Pick::Writer(owner)) => drop(self.turn(owner)),
                None => {
                    if !self.turn_any() {
                        self.wait().await;
                    }
                }
            }
        }
    }

    /// One of those who may be able to go on; `None` if that could only be writers.
    fn pick(&self) -> Option<Pick> {
        let paused = self.paused.borrow();
        let tasks = self.tasks.borrow();
        let mut ready = self.ready.tasks.lock();
        ready.retain(|task| tasks.contains_key(task));
        let may_run = |task: &&u64| !paused.contains(&tasks[*task].0);
        let count = ready.iter().filter(may_run).count();
        if count == 0 {
            return None;
        }
        let writers = self.writers.borrow();
        let writers = writers.keys().filter(|owner| !paused.contains(owner));
        let place = self.below((count + writers.clone().count()) as u64) as usize;
        match place.checked_sub(count) {
            Some(writer) => writers.copied().nth(writer).map(Pick::Writer),
            None => {
                let task = *ready.iter().filter(may_run).nth(place)?;
                ready.remove(&task);
                Some(Pick::Task(task))
            }
        }
    }

    fn poll(&self, task: u64) {
        let Some((owner, mut job)) = self.take(task) else { return };
        self.running.set(owner);
        let waker = Waker::from(Arc::new(Signal { task, ready: Arc::clone(&self.ready) }));
        let polled = job.as_mut().poll(&mut Context::from_waker(&waker));
        self.running.set(WORLD);
        let mut tasks = self.tasks.borrow_mut();
        if polled.is_ready() {
            tasks.remove(&task);
        } else if let Some((_, place)) = tasks.get_mut(&task) {
            // Otherwise it has crashed its own node.
            *place = Some(job);
            return;
        }
        drop(tasks);
        drop(job);
    }

    fn take(&self, task: u64) -> Option<(Owner, Job)> {
        let mut tasks = self.tasks.borrow_mut();
        let (owner, job) = tasks.get_mut(&task)?;
        Some((*owner, job.take()?))
    }

    /// Whether the writer had anything to do.
    fn turn(&self, owner: Owner) -> bool {
        let writer = self.writers.borrow_mut().get_mut(&owner).and_then(Option::take);
        let Some(mut writer) = writer else { return false };
        self.running.set(owner);
        let turn = writer.turn_if_due();
        super::observe(owner);
        self.running.set(WORLD);
        let mut writers = self.writers.borrow_mut();
        if let Turn::Over = turn {
            writers.remove(&owner);
        } else if let Some(place) = writers.get_mut(&owner) {
            *place = Some(writer);
        }
        !matches!(turn, Turn::Idle)
    }

    /// Lets one of the writers work; whether any had something to do.
    fn turn_any(&self) -> bool {
        let paused = self.paused.borrow().clone();
        let mut writers: Vec<_> =
            self.writers.borrow().keys().copied().filter(|owner| !paused.contains(owner)).collect();
        while !writers.is_empty() {
            let owner = writers.swap_remove(self.below(writers.len() as u64) as usize);
            if self.turn(owner) {
                return true;
            }
        }
        false
    }

    /// Lets time pass until somebody can go on.
    async fn wait(&self) {
        let due = self.next_turn();
        let mut alarm = pin!(async {
            match due {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|context| {
            self.ready.main.register(context.waker());
            if self.is_anybody_ready() {
                return Poll::Ready(());
            }
            alarm.as_mut().poll(context)
        })
        .await;
    }

    fn is_anybody_ready(&self) -> bool {
        let (paused, tasks) = (self.paused.borrow(), self.tasks.borrow());
        let ready = self.ready.tasks.lock();
        ready.iter().filter_map(|task| tasks.get(task)).any(|(owner, _)| !paused.contains(owner))
    }

    fn next_turn(&self) -> Option<Instant> {
        let paused = self.paused.borrow();
        let writers = self.writers.borrow();
        let running = writers.iter().filter(|(owner, _)| !paused.contains(owner));
        running.filter_map(|(_, writer)| writer.as_ref()?.due()).min()
    }
}
