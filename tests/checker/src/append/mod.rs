//! List-append histories: strict serializability.
//!
//! Each value is appended to its key once, so that a list that was read tells which
//! transactions made it and in which order. From the lists follow the dependencies between
//! transactions (who overwrote, read or missed whom), from the moments of the events who ended
//! before whom began. The history is strictly serializable exactly if these have no cycle and no
//! list is impossible in itself.
//!
//! A transaction of unknown outcome counts as happened if anybody has read of it, and then at
//! no particular moment after it began.

mod cycles;
mod graph;
mod orders;
mod reads;
mod writes;

use crate::{Anomaly, History, Malformed, Outcome, Transaction};

/// What no strictly serializable database shows. Names:
///
/// * `internal`: a transaction does not see what it did itself, or reads differently twice;
/// * `duplicate`: a value is twice in a list; `unknown-value`: nobody has appended it;
/// * `incompatible-order`: two lists of a key, neither the beginning of the other;
/// * `G1a`: of a transaction that failed; `G1b`: of one in its middle;
/// * `G0`, `G1c`, `G-single`, `G2`: a cycle of dependencies, of writes only, with reads, with one
///   or with more anti-dependencies; with `-process` or `-realtime` if it needs the order of
///   one process or of time.
///
/// # Errors
/// [`Malformed`] if it is no history.
pub fn check(history: &History) -> Result<Vec<Anomaly>, Malformed> {
    let transactions = history.transactions()?;
    let writes = writes::Writes::of(&transactions)?;
    let mut anomalies = Vec::new();
    let reads = reads::collect(&transactions, &mut anomalies);
    reads::check_values(&reads, &transactions, &writes, &mut anomalies);
    let orders = orders::Orders::of(&reads, &mut anomalies);
    let happened = orders.happened(&transactions, &writes);
    let dependencies = graph::build(&transactions, &happened, &reads, &orders, &writes);
    cycles::find(&dependencies, &transactions, &mut anomalies);
    Ok(anomalies)
}

fn name(index: usize, transaction: &Transaction) -> String {
    let outcome = if transaction.outcome == Outcome::Ok { "" } else { " (outcome unknown)" };
    format!("T{index}{outcome} of {}: {:?}", transaction.process, transaction.steps)
}
