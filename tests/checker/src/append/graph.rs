//! Which transaction must come before which, and why.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};

use super::orders::Orders;
use super::reads::Read;
use super::writes::Writes;
use crate::{Outcome, Transaction};

/// Why a transaction comes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Why {
    /// It wrote what the other wrote over.
    Ww,
    /// It wrote what the other read.
    Wr,
    /// It did not read what the other wrote.
    Rw,
    /// The same process did the other later.
    Process,
    /// It had ended before the other began.
    Realtime,
}

/// Nodes are numbered as the transactions.
pub(super) type Graph = DiGraph<(), Why>;

pub(super) fn build(
    transactions: &[Transaction],
    happened: &[bool],
    reads: &[Read<'_>],
    orders: &Orders<'_>,
    writes: &Writes,
) -> Graph {
    let mut builder = Builder { graph: Graph::new(), happened, orders, writes };
    for _ in transactions {
        builder.graph.add_node(());
    }
    builder.write_orders();
    reads.iter().for_each(|read| builder.read(read));
    builder.processes(transactions);
    builder.realtime(transactions);
    builder.graph
}

struct Builder<'a> {
    graph: Graph,
    happened: &'a [bool],
    orders: &'a Orders<'a>,
    writes: &'a Writes,
}

impl Builder<'_> {
    fn edge(&mut self, from: usize, to: usize, why: Why) {
        if from != to && self.happened[from] && self.happened[to] {
            self.graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), why);
        }
    }

    fn write_orders(&mut self) {
        let (orders, writes) = (self.orders, self.writes);
        for (key, list) in orders.keys() {
            let writers: Vec<_> = list.iter().map(|value| writes.writer(key, *value)).collect();
            for pair in writers.windows(2) {
                if let [Some(from), Some(to)] = *pair {
                    self.edge(from, to, Why::Ww);
                }
            }
            if let Some(&Some(newest)) = writers.last() {
                for writer in orders.unread(key, writes, self.happened) {
                    self.edge(newest, writer, Why::Ww);
                }
            }
        }
    }

    fn read(&mut self, read: &Read<'_>) {
        let (key, external) = (read.key, read.external());
        let (orders, writes) = (self.orders, self.writes);
        if let Some(writer) = external.last().and_then(|value| writes.writer(key, *value)) {
            self.edge(writer, read.by, Why::Wr);
        }
        // Its own appends are no answer to the question what it has missed.
        let missed = orders.of_key(key).get(external.len()..).unwrap_or_default();
        let next = missed.iter().filter_map(|value| writes.writer(key, *value));
        match next.clone().find(|writer| *writer != read.by) {
            Some(writer) => self.edge(read.by, writer, Why::Rw),
            None => {
                for writer in orders.unread(key, writes, self.happened) {
                    self.edge(read.by, writer, Why::Rw);
                }
            }
        }
    }

    fn processes(&mut self, transactions: &[Transaction]) {
        let mut newest = HashMap::new();
        for (index, one) in transactions.iter().enumerate() {
            if one.outcome == Outcome::Ok
                && let Some(before) = newest.insert(one.process, index)
            {
                self.edge(before, index, Why::Process);
            }
        }
    }

    /// Only from those whose end no other one's whole life separates from the beginning: the rest
    /// follows.
    fn realtime(&mut self, transactions: &[Transaction]) {
        let mut newest: Vec<usize> = Vec::new();
        let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
        for (_, ends, index) in moments(transactions, self.happened) {
            if ends {
                let implied = before.remove(&index).unwrap_or_default();
                newest.retain(|one| !implied.contains(one));
                newest.push(index);
            } else {
                newest.iter().for_each(|one| self.edge(*one, index, Why::Realtime));
                before.insert(index, newest.clone());
            }
        }
    }
}

/// The beginnings and ends (time, whether it is an end, transaction) in the order of time. At
/// the same moment beginnings are first: nothing is claimed about who was earlier.
fn moments(transactions: &[Transaction], happened: &[bool]) -> Vec<(u64, bool, usize)> {
    let mut moments = Vec::new();
    for (index, one) in transactions.iter().enumerate().filter(|(index, _)| happened[*index]) {
        moments.push((one.invoked, false, index));
        moments.extend(one.completed.map(|completed| (completed, true, index)));
    }
    moments.sort_unstable();
    moments
}
