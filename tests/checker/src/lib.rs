//! Judges what the clients of a database saw, without looking at the database.
//!
//! * [`append::check`]: transactions that append to lists and read them; whether they are
//!   strictly serializable, after Kingsbury and Alvaro, *Elle* (VLDB 2020,
//!   <https://www.vldb.org/pvldb/vol14/p268-alvaro.pdf>).
//! * [`bank::check`]: money is moved, none is made.
//! * [`set::check`]: what was acknowledged is there once.
//!
//! Histories are JSON lines in Jepsen's form, so that other checkers can read them:
//! `{"type":"ok","process":3,"time":17,"value":[["append",1,2],["r",1,[2]]]}`.
//!
//! Nothing here does I/O or looks at a clock other than [`Recorder`].

mod anomaly;
pub mod append;
pub mod bank;
mod history;
mod json;
mod recorder;
pub mod set;

pub use anomaly::Anomaly;
pub use history::{Event, History, Kind, Malformed, Outcome, Step, Transaction};
pub use recorder::{Call, Recorder};
