//! Cycles of dependencies, and what they are called.
//!
//! Names after Adya, *Weak Consistency* (1999), §4 and §5.3, and after Elle for those that
//! need the order of time.

use std::collections::{BTreeSet, HashSet};

use petgraph::algo::{astar, kosaraju_scc};
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeFiltered, EdgeRef};

use super::graph::{Graph, Why};
use super::name;
use crate::{Anomaly, Transaction};

/// Where to look: an edge of the first kind, and a way back over edges of the others.
const CYCLES: [(Why, &[Why]); 4] = [
    (Why::Ww, &[Why::Ww]),
    (Why::Wr, &[Why::Ww, Why::Wr]),
    (Why::Rw, &[Why::Ww, Why::Wr]),
    (Why::Rw, &[Why::Ww, Why::Wr, Why::Rw]),
];

/// The orders that are not of data, in which a cycle may go as well.
const ORDERS: [&[Why]; 3] = [&[], &[Why::Process], &[Why::Process, Why::Realtime]];

/// Adds one cycle of each name for every knot of the graph.
pub(super) fn find(graph: &Graph, transactions: &[Transaction], anomalies: &mut Vec<Anomaly>) {
    for knot in kosaraju_scc(graph).into_iter().filter(|knot| knot.len() > 1) {
        let knot: HashSet<NodeIndex> = knot.into_iter().collect();
        let mut names = BTreeSet::new();
        for order in ORDERS {
            for (pivot, back) in CYCLES {
                let allowed = [back, order].concat();
                if let Some(cycle) = cycle(graph, &knot, pivot, &allowed)
                    && names.insert(called(&cycle))
                {
                    anomalies.push(Anomaly::new(called(&cycle), describe(&cycle, transactions)));
                }
            }
        }
    }
}

/// Each transaction and why it comes before the next one; the last one comes before the first.
type Cycle = Vec<(NodeIndex, Why)>;

/// A cycle in `knot` that begins with an edge of the kind `pivot`.
fn cycle(graph: &Graph, knot: &HashSet<NodeIndex>, pivot: Why, back: &[Why]) -> Option<Cycle> {
    let ways = EdgeFiltered::from_fn(graph, |edge| {
        back.contains(edge.weight()) && knot.contains(&edge.target())
    });
    let pivots = knot.iter().flat_map(|node| graph.edges(*node));
    pivots.filter(|edge| *edge.weight() == pivot && knot.contains(&edge.target())).find_map(
        |edge| {
            let (from, to) = (edge.source(), edge.target());
            let (_, path) = astar(&ways, to, |node| node == from, |_| 1, |_| 0)?;
            let steps = path.windows(2).map(|pair| (pair[0], why(graph, pair[0], pair[1], back)));
            Some(std::iter::once((from, pivot)).chain(steps).collect())
        },
    )
}

/// The strongest allowed reason.
fn why(graph: &Graph, from: NodeIndex, to: NodeIndex, allowed: &[Why]) -> Why {
    let reasons = graph.edges_connecting(from, to).map(|edge| *edge.weight());
    let strongest = reasons.filter(|why| allowed.contains(why)).min();
    strongest.expect("the path is made of such edges")
}

fn called(cycle: &Cycle) -> String {
    let count = |why| cycle.iter().filter(|(_, one)| *one == why).count();
    let kind = match (count(Why::Rw), count(Why::Wr)) {
        (0, 0) => "G0",
        (0, _) => "G1c",
        (1, _) => "G-single",
        _ => "G2",
    };
    let order = match (count(Why::Realtime), count(Why::Process)) {
        (0, 0) => "",
        (0, _) => "-process",
        _ => "-realtime",
    };
    format!("{kind}{order}")
}

fn describe(cycle: &Cycle, transactions: &[Transaction]) -> String {
    let lines = cycle.iter().map(|(node, why)| {
        let index = node.index();
        let one = &transactions[index];
        let (from, to) = (one.invoked, one.completed);
        format!("\n  {} from {from} to {to:?}\n    {}", name(index, one), reason(*why))
    });
    let back = cycle.first().map_or(0, |(node, _)| node.index());
    format!("{}\n  T{back}", lines.collect::<String>())
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::Ww => "wrote before (ww)",
        Why::Wr => "was read by (wr)",
        Why::Rw => "did not see (rw)",
        Why::Process => "was done by the same process before",
        Why::Realtime => "had ended before the beginning of",
    }
}
