//! Who reported what, and who is right. Nothing here knows the time but as it is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use ha_changes::AuditReport;
use ha_core::Seq;

/// How many marks are remembered at most, while none of them can be judged.
const ROUNDS: usize = 64;

/// A node that has missed more marks in a row than this is waited for no longer.
const MISSED: u32 = 2;

/// The reports of all nodes.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// This node's name.
    node: String,
    rounds: BTreeMap<Seq, Round>,
    /// Who is expected to report, and how many judged marks each has missed in a row.
    expected: BTreeMap<String, u32>,
    /// Something was judged: it is known whom to expect.
    begun: bool,
}

#[derive(Debug, Default)]
struct Round {
    reports: BTreeMap<String, AuditReport>,
    /// Since when this node has an own report.
    since: Option<Duration>,
    judged: bool,
}

/// What came of comparing the reports of a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) mark: Seq,
    /// How many nodes reported, this one included.
    pub(crate) reports: usize,
    pub(crate) verdict: Verdict,
}

/// Who is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All are equal.
    Agree,
    /// Most nodes are as this one, these are not.
    OthersDiffer { nodes: Vec<String>, tables: Vec<String> },
    /// This one is not as most nodes, or nobody knows who is right.
    Differs { nodes: Vec<String>, tables: Vec<String>, outvoted: bool },
}

impl Ledger {
    pub(crate) fn new(node: String) -> Self {
        Self { node, rounds: BTreeMap::new(), expected: BTreeMap::new(), begun: false }
    }

    /// Takes a report; the own one makes the round one that is judged. A node counts once for
    /// each mark, with its first report.
    pub(crate) fn report(&mut self, node: &str, report: AuditReport, now: Duration) {
        let round = self.rounds.entry(report.mark).or_default();
        if node == self.node {
            round.since.get_or_insert(now);
        }
        self.expected.insert(node.to_owned(), 0);
        round.reports.entry(node.to_owned()).or_insert(report);
        while self.rounds.len() > ROUNDS {
            self.rounds.pop_first();
        }
    }

    /// Forgets what this node reported: it has another state since.
    pub(crate) fn forget(&mut self) {
        self.rounds.clear();
    }

    /// When [`Self::judge`] is due, if no report comes until then.
    pub(crate) fn due_at(&self, grace: Duration) -> Option<Duration> {
        let open = self.rounds.values().filter(|round| !round.judged);
        open.filter_map(|round| round.since).map(|since| since + grace).min()
    }

    /// Compares the reports of the newest mark for which they are all there, or were waited for
    /// during `grace`, and forgets the marks before it. Each mark is judged once.
    pub(crate) fn judge(&mut self, now: Duration, grace: Duration) -> Option<Judged> {
        let Self { node, rounds, expected, begun } = self;
        let (mark, round) = rounds.iter_mut().rev().find(|(_, round)| {
            let complete = *begun && expected.keys().all(|name| round.reports.contains_key(name));
            let over = round.since.is_some_and(|since| since + grace <= now);
            !round.judged && round.since.is_some() && (complete || over)
        })?;
        (round.judged, *begun) = (true, true);
        expected.retain(|name, missed| {
            *missed = if round.reports.contains_key(name) { 0 } else { *missed + 1 };
            *missed <= MISSED
        });
        let (mark, reports) = (*mark, round.reports.len());
        let verdict = compare(node, &round.reports)?;
        rounds.retain(|seq, _| *seq >= mark);
        Some(Judged { mark, reports, verdict })
    }
}

/// A strict majority is right. Without one nobody knows, and all who differ are seeded again:
/// the log decides.
fn compare(own: &str, reports: &BTreeMap<String, AuditReport>) -> Option<Verdict> {
    let mine = reports.get(own)?;
    let comparable = || reports.iter().filter(|(_, report)| report.method == mine.method);
    let mut counts = HashMap::<[u8; 32], usize>::new();
    comparable().for_each(|(_, report)| *counts.entry(report.total).or_default() += 1);
    let others: Vec<_> = comparable().filter(|(_, report)| report.total != mine.total).collect();
    if others.is_empty() {
        return Some(Verdict::Agree);
    }
    let is_majority = |total: &[u8; 32]| 2 * counts[total] > comparable().count();
    let nodes = others.iter().map(|(name, _)| (*name).clone()).collect();
    if is_majority(&mine.total) {
        let tables = differing(mine, others.iter().map(|(_, report)| *report));
        return Some(Verdict::OthersDiffer { nodes, tables });
    }
    let right = others.iter().find(|(_, report)| is_majority(&report.total));
    let against = right.map_or(&others[..], std::slice::from_ref);
    let tables = differing(mine, against.iter().map(|(_, report)| *report));
    Some(Verdict::Differs { nodes, tables, outvoted: right.is_some() })
}

/// The tables in which one of the others is another.
fn differing<'a>(mine: &AuditReport, others: impl Iterator<Item = &'a AuditReport>) -> Vec<String> {
    let mine = by_name(mine);
    let mut tables = BTreeSet::new();
    for other in others.map(by_name) {
        let names = mine.keys().chain(other.keys());
        tables.extend(
            names.filter(|name| mine.get(*name) != other.get(*name)).map(|&name| name.to_owned()),
        );
    }
    tables.into_iter().collect()
}

fn by_name(report: &AuditReport) -> BTreeMap<&str, &[u8; 32]> {
    report.tables.iter().map(|(name, hash)| (name.as_str(), hash)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn report(mark: u64, hash: u8) -> AuditReport {
        let tables = vec![("same".to_owned(), [0; 32]), ("t".to_owned(), [hash; 32])];
        AuditReport { mark: Seq(mark), method: 1, total: [hash; 32], tables }
    }

    /// What `a` judges when the grace is over.
    fn judged(reports: &[(&str, u8)]) -> Verdict {
        let mut ledger = Ledger::new("a".to_owned());
        for (node, hash) in reports {
            ledger.report(node, report(7, *hash), Duration::ZERO);
        }
        assert_eq!(ledger.due_at(GRACE), Some(GRACE));
        assert_eq!(ledger.judge(Duration::ZERO, GRACE), None, "others may yet report");
        let judged = ledger.judge(GRACE, GRACE).unwrap();
        assert_eq!(judged.mark, Seq(7));
        assert_eq!(ledger.judge(GRACE, GRACE), None, "a mark is judged once");
        judged.verdict
    }

    fn differs(nodes: &[&str], outvoted: bool) -> Verdict {
        let nodes = nodes.iter().map(|&node| node.to_owned()).collect();
        Verdict::Differs { nodes, tables: vec!["t".to_owned()], outvoted }
    }

    #[test]
    fn a_strict_majority_is_right() {
        assert_eq!(judged(&[("a", 1)]), Verdict::Agree);
        assert_eq!(judged(&[("a", 1), ("b", 1)]), Verdict::Agree);
        assert_eq!(judged(&[("a", 1), ("b", 2), ("c", 2)]), differs(&["b", "c"], true));
        let others =
            Verdict::OthersDiffer { nodes: vec!["c".to_owned()], tables: vec!["t".to_owned()] };
        assert_eq!(judged(&[("a", 1), ("b", 1), ("c", 2)]), others);
    }

    #[test]
    fn without_a_majority_nobody_is_right() {
        assert_eq!(judged(&[("a", 1), ("b", 2)]), differs(&["b"], false));
        assert_eq!(judged(&[("a", 1), ("b", 2), ("c", 3)]), differs(&["b", "c"], false));
        assert_eq!(judged(&[("a", 1), ("b", 1), ("c", 2), ("d", 2)]), differs(&["c", "d"], false));
    }

    #[test]
    fn a_node_counts_once() {
        let twice = [("a", 1), ("b", 2), ("b", 1), ("b", 1), ("c", 2)];
        assert_eq!(judged(&twice), differs(&["b", "c"], true));
    }

    #[test]
    fn reports_made_in_another_way_are_not_compared() {
        let mut ledger = Ledger::new("a".to_owned());
        ledger.report("a", report(7, 1), Duration::ZERO);
        ledger.report("b", AuditReport { method: 2, ..report(7, 2) }, Duration::ZERO);
        assert_eq!(ledger.judge(GRACE, GRACE).unwrap().verdict, Verdict::Agree);
    }

    #[test]
    fn who_reported_lately_is_waited_for_and_then_nobody_else() {
        let mut ledger = Ledger::new("a".to_owned());
        for node in ["a", "b"] {
            ledger.report(node, report(7, 1), Duration::ZERO);
        }
        assert!(ledger.judge(GRACE, GRACE).is_some());
        // Another one was late.
        ledger.report("c", report(7, 1), GRACE);
        for node in ["b", "a"] {
            ledger.report(node, report(9, 1), GRACE);
            assert_eq!(ledger.judge(GRACE, GRACE), None);
        }
        ledger.report("c", report(9, 1), GRACE);
        assert_eq!(ledger.judge(GRACE, GRACE).unwrap().reports, 3);
    }

    #[test]
    fn who_is_gone_is_waited_for_some_times_only() {
        let mut ledger = Ledger::new("a".to_owned());
        for (mark, nodes) in [(1, &["a", "b"][..]), (2, &["a"]), (3, &["a"]), (4, &["a"])] {
            for node in nodes {
                ledger.report(node, report(mark, 1), Duration::ZERO);
            }
            assert_eq!(ledger.judge(Duration::ZERO, GRACE), None, "{mark}");
            assert!(ledger.judge(GRACE, GRACE).is_some(), "{mark}");
        }
        ledger.report("a", report(5, 1), GRACE);
        assert!(ledger.judge(GRACE, GRACE).is_some());
    }

    #[test]
    fn without_an_own_report_nothing_is_judged() {
        let mut ledger = Ledger::new("a".to_owned());
        ledger.report("b", report(7, 1), Duration::ZERO);
        assert_eq!((ledger.due_at(GRACE), ledger.judge(GRACE, GRACE)), (None, None));
    }

    #[test]
    fn tables_that_only_one_side_has_differ() {
        let mut other = report(7, 1);
        other.tables.push(("more".to_owned(), [0; 32]));
        assert_eq!(differing(&report(7, 1), [&other].into_iter()), ["more"]);
        assert_eq!(differing(&other, [&report(7, 2)].into_iter()), ["more", "t"]);
    }
}
