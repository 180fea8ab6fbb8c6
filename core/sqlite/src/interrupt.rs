use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;

/// Steps of SQLite's virtual machine between two looks at the clock.
const STEPS: i32 = 1_000;

/// A request to stop a statement, shared by who may ask and who must obey.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the statement to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets an earlier request.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Why a statement was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Its time was over.
    TimeOver(Duration),
    /// Somebody asked.
    Requested,
}

/// Stops the statements of one connection at a deadline or on request.
///
/// A stopped write takes the whole transaction with it, other clients' savepoints included.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    deadline: Arc<AtomicU64>,
    limit: Option<Duration>,
    interrupt: Arc<Mutex<Interrupt>>,
}

impl Clock {
    /// Installs the clock on a connection.
    ///
    /// # Errors
    /// SQLite's, if the connection is unusable.
    pub fn install(conn: &mut Connection) -> rusqlite::Result<Self> {
        let clock = Self {
            start: Instant::now(),
            deadline: Arc::new(AtomicU64::new(u64::MAX)),
            limit: None,
            interrupt: Arc::default(),
        };
        let watched = clock.clone();
        conn.progress_handler(STEPS, Some(move || watched.must_stop()))?;
        Ok(clock)
    }

    /// Begins a call that may take `limit` and obeys `interrupt`.
    pub fn begin(&mut self, limit: Option<Duration>, interrupt: &Interrupt) {
        let deadline = limit.map_or(u64::MAX, |limit| nanos(self.start.elapsed() + limit));
        self.limit = limit;
        self.deadline.store(deadline, Ordering::Relaxed);
        *self.interrupt.lock() = interrupt.clone();
    }

    /// Ends the call: nothing is stopped until the next [`Self::begin`].
    pub fn end(&mut self) {
        self.begin(None, &Interrupt::default());
    }

    /// Why a statement that SQLite calls interrupted was stopped.
    #[must_use]
    pub fn reason(&self) -> StopReason {
        match self.limit {
            Some(limit) if !self.interrupt.lock().is_requested() => StopReason::TimeOver(limit),
            _ => StopReason::Requested,
        }
    }

    fn must_stop(&self) -> bool {
        self.interrupt.lock().is_requested()
            || nanos(self.start.elapsed()) > self.deadline.load(Ordering::Relaxed)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
