//! Many schedules, and what they have found.
//!
//! * `cargo test -p ha-engine simulation`: what everybody runs.
//! * `HA_SEED=n cargo test -p ha-engine simulation::campaign::schedules -- --nocapture`: one
//!   schedule again, with what happened in it.
//! * `HA_SIM_SCHEDULES=1000000 cargo test --release -p ha-engine simulation -- --ignored --nocapture`:
//!   as many as there is time for, from `HA_SIM_FROM` on; `HA_SIM_FAILURES=n` goes on until so many
//!   have failed. With `HA_SIM_REWIND=1` the log loses its end in each of them, not in every fifth;
//!   with `HA_SIM_PARTS=1` it takes entries of several parts in each, not in every fourth;
//!   with `HA_SIM_UNDER=1` many of these ends are in the way of entries that arrive then; with
//!   `HA_SIM_AGAIN=1` the log is deleted and begun anew in each, not in every tenth.
#![allow(clippy::print_stdout, reason = "what was found is to be read")]

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tempfile::TempDir;

use super::fault::{Fault, Rewinds};
use super::report::Report;
use super::{Event, drawn, run};
use crate::planted::Bug;

/// Schedules in a normal test run.
const SCHEDULES: u64 = 20_000;
/// Within so many schedules a mistake must be found.
const ENOUGH: usize = 5_000;
/// Every so many schedules one is run twice.
const TWICE: u64 = 1_000;

#[test]
fn schedules_keep_all_promises() {
    let seeds = match number("HA_SEED") {
        Some(seed) => {
            listen();
            seed..seed + 1
        }
        None => 0..SCHEDULES,
    };
    keep_promises(seeds);
}

#[test]
#[ignore = "takes as long as it is told to"]
fn many_schedules_keep_all_promises() {
    let from = number("HA_SIM_FROM").unwrap_or(SCHEDULES);
    keep_promises(from..from + number("HA_SIM_SCHEDULES").unwrap_or(1_000_000));
}

macro_rules! finds {
    ($($name:ident: $bug:ident,)*) => {$(
        #[test]
        fn $name() {
            find(Bug::$bug);
        }
    )*};
}

finds! {
    finds_a_position_that_is_committed_apart: PositionApart,
    finds_clients_that_are_answered_early: AnsweredEarly,
    finds_unknown_outcomes_that_are_called_failures: UnknownIsFailed,
    finds_second_answers_that_count: SecondAnswerCounts,
    finds_attempts_that_are_taken_for_refused: SeenIsRefused,
    finds_refused_groups_that_are_committed: RefusedIsCommitted,
    finds_gaps_that_are_ignored: GapIgnored,
    finds_entries_that_are_applied_twice: AppliedTwice,
    finds_void_entries_that_are_applied: VoidApplied,
    finds_hashes_that_forget: HashForgets,
    finds_entries_without_a_condition: Unconditional,
    finds_keys_that_are_forgotten: KeyForgotten,
    finds_barriers_that_are_too_old: OldBarrier,
    finds_barriers_that_are_not_folded: BarrierNotFolded,
    finds_session_reads_that_do_not_wait: SessionDoesNotWait,
    finds_replays_that_are_not_checked: ReplayUnchecked,
    finds_rows_of_failed_statements: FailedRowsSent,
    finds_rows_of_failed_transactions: AbandonedRowsSent,
    finds_logs_that_are_not_compared: Uncompared,
    finds_logs_that_are_trimmed_too_far: TrimmedTooFar,
    finds_keys_that_are_not_carried_into_another_log: KeyNotCarried,
    finds_entries_that_are_lost_with_their_log_and_not_saved: LostUnsaved,
    finds_logs_that_do_not_go_on_from_the_own_one: AnyLineage,
    finds_states_of_another_log_than_they_were_to_be_of: OtherLogRestored,
}

/// Where files are: in memory, if the system has such a place.
pub(super) fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Prints what happens in a schedule that is asked for, and what nodes say.
fn listen() {
    let lines = tracing_subscriber::fmt().without_time().with_ansi(false);
    let lines = lines.with_max_level(tracing::Level::DEBUG).with_writer(std::io::stdout);
    // Another test of the process may have done it.
    let _ = lines.try_init();
}

/// Prints the end of a schedule that failed.
pub(super) fn print_trace(trace: &[Event]) {
    const SHOWN: usize = 20;
    for (ms, what, a, b) in &trace[trace.len().saturating_sub(SHOWN)..] {
        println!("{ms:>8} ms  {what} {a} {b}");
    }
}

/// Runs the schedules on all cores.
fn keep_promises(seeds: Range<u64>) {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let (failed, total) = (AtomicU64::new(0), Mutex::new(Report::default()));
    let enough = number("HA_SIM_FAILURES").unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let dir = TempDir::new_in(scratch()).expect("there is room");
                while failed.load(Ordering::Relaxed) < enough {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match checked(seed, dir.path()) {
                        Some(report) => total.lock().add(&report),
                        None => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
    });
    let (failed, total) = (failed.into_inner(), total.into_inner());
    println!("schedules {seeds:?} in {:.1?}: {total}", begun.elapsed());
    assert_eq!(failed, 0, "schedules broke promises");
    if seeds.end - seeds.start >= TWICE {
        total.must_be_thorough();
    }
}

/// Runs a schedule, some twice; `None` if it broke a promise.
fn checked(seed: u64, dir: &Path) -> Option<Report> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let report = run(seed, dir, None, rewinds());
        if seed.is_multiple_of(TWICE) {
            assert_eq!(run(seed, dir, None, rewinds()).trace, report.trace, "it went another way");
        }
        report
    }));
    if outcome.is_err() {
        println!(
            "replay it: HA_SEED={seed} cargo test -p ha-engine schedules_keep_all_promises -- --nocapture"
        );
    }
    outcome.ok()
}

/// Runs schedules with a mistake until one of them finds it, of those that have what it takes.
fn find(bug: Bug) {
    let dir = TempDir::new_in(scratch()).expect("there is room");
    let (rewinds, takes) = match bug {
        Bug::Uncompared => (Rewinds::All, None),
        Bug::SeenIsRefused => (Rewinds::Under, Some(Fault::RewindUnder)),
        Bug::KeyNotCarried | Bug::LostUnsaved | Bug::AnyLineage | Bug::OtherLogRestored => {
            (Rewinds::Few, Some(Fault::Again))
        }
        _ => (Rewinds::Few, None),
    };
    let has_often = |seed, fault| drawn(seed, dir.path(), rewinds).faults.has_often(fault);
    let schedules = (0..).filter(|seed| takes.is_none_or(|fault| has_often(*seed, fault)));
    let fails =
        |seed, bug| catch_unwind(AssertUnwindSafe(|| run(seed, dir.path(), bug, rewinds))).is_err();
    // It must be the mistake that is found.
    let mut schedules = schedules.take(ENOUGH);
    let found = schedules.find(|seed| fails(*seed, Some(bug)) && !fails(*seed, None));
    println!("{bug:?} was found by seed {found:?}");
    assert!(found.is_some(), "{bug:?} was not found by {ENOUGH} schedules");
}

/// Which logs are to lose their ends.
fn rewinds() -> Rewinds {
    let is_set = |variable| std::env::var_os(variable).is_some();
    match (is_set("HA_SIM_UNDER"), is_set("HA_SIM_REWIND")) {
        (true, _) => Rewinds::Under,
        (false, true) => Rewinds::All,
        (false, false) => Rewinds::Few,
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}
