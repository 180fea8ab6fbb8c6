//! Each anomaly is found and called by its name.

mod common;

use common::{Lists, Told, execute, history, names};
use ha_checker::{History, Kind, Step};
use proptest::prelude::*;

const X: u64 = 1;
const Y: u64 = 2;

fn a(key: u64, value: u64) -> Step {
    Step::Append(key, value)
}

fn r(key: u64, list: &[u64]) -> Step {
    Step::Read(key, Some(list.to_vec()))
}

fn told(process: u64, span: (u64, u64), end: Kind, steps: &[Step]) -> Told {
    Told { process, span, end, steps: steps.to_vec() }
}

/// Transactions of a process each, all at the same time.
fn at_once(transactions: &[&[Step]]) -> Vec<Told> {
    let one = |(process, steps): (u64, &&[Step])| told(process, (0, 100), Kind::Ok, steps);
    (1..).zip(transactions).map(one).collect()
}

/// Transactions of a process each, one after the other.
fn in_turn(transactions: &[&[Step]]) -> Vec<Told> {
    let one = |(n, steps): (u64, &&[Step])| told(n, (n * 10, n * 10 + 5), Kind::Ok, steps);
    (1..).zip(transactions).map(one).collect()
}

/// Names and histories that show it.
fn planted() -> Vec<(&'static str, Vec<Told>)> {
    let both = [a(X, 1), a(Y, 1)];
    let long = |end| {
        vec![
            told(1, (0, 100), end, &[a(X, 1), a(X, 2)]),
            told(2, (0, 100), Kind::Ok, &[r(X, &[1])]),
            told(3, (0, 100), Kind::Ok, &[r(X, &[1, 2])]),
        ]
    };
    vec![
        ("internal", at_once(&[&[a(X, 1), r(X, &[])]])),
        ("internal", at_once(&[&[r(X, &[]), r(X, &[1])], &[a(X, 1)]])),
        ("internal", at_once(&[&[a(X, 1), r(X, &[1, 2])], &[a(X, 2)]])),
        ("duplicate", at_once(&[&[a(X, 1)], &[r(X, &[1, 1])]])),
        ("unknown-value", at_once(&[&[r(X, &[1])]])),
        ("incompatible-order", at_once(&[&[a(X, 1)], &[a(X, 2)], &[r(X, &[1])], &[r(X, &[2])]])),
        ("G1a", long(Kind::Fail)),
        ("G1b", long(Kind::Ok)),
        ("G1b", long(Kind::Info)),
        ("G0", at_once(&[&both, &[a(X, 2), a(Y, 2)], &[r(X, &[1, 2]), r(Y, &[2, 1])]])),
        ("G1c", at_once(&[&[a(X, 1), r(Y, &[1])], &[a(Y, 1), r(X, &[1])]])),
        ("G-single", at_once(&[&both, &[r(X, &[]), r(Y, &[1])]])),
        // A lost update: both append to what they found empty.
        ("G-single", at_once(&[&[r(X, &[]), a(X, 1)], &[r(X, &[]), a(X, 2)], &[r(X, &[1, 2])]])),
        // Write skew.
        ("G2", at_once(&[&[r(X, &[]), a(Y, 1)], &[r(Y, &[]), a(X, 1)]])),
        // A long fork: two readers see two writes in opposite orders.
        (
            "G2",
            at_once(&[&[a(X, 1)], &[a(Y, 1)], &[r(X, &[1]), r(Y, &[])], &[r(X, &[]), r(Y, &[1])]]),
        ),
        // A later write goes before an earlier one.
        ("G0-realtime", in_turn(&[&[a(X, 1)], &[a(X, 2)], &[r(X, &[2, 1])]])),
        // What was read is written afterwards.
        ("G1c-realtime", in_turn(&[&[r(X, &[1])], &[a(X, 1)]])),
        // An acknowledged write is not read.
        ("G-single-realtime", in_turn(&[&[a(X, 1)], &[r(X, &[])]])),
        // The same, although nobody ever reads it.
        ("G-single-realtime", in_turn(&[&[a(X, 1)], &[r(X, &[1])], &[a(X, 2)], &[r(X, &[1])]])),
        // Write skew with somebody who had ended before.
        (
            "G2-realtime",
            vec![
                told(1, (0, 10), Kind::Ok, &[a(Y, 1)]),
                told(2, (20, 30), Kind::Ok, &[r(X, &[])]),
                told(3, (0, 40), Kind::Ok, &[a(X, 1), r(Y, &[])]),
            ],
        ),
        // What an unknown transaction did is seen, and then not any more.
        (
            "G-single-realtime",
            vec![
                told(1, (0, 5), Kind::Info, &[a(X, 1)]),
                told(2, (10, 15), Kind::Ok, &[r(X, &[1])]),
                told(3, (20, 25), Kind::Ok, &[r(X, &[])]),
            ],
        ),
        // A process does not see what it did itself.
        (
            "G-single-process",
            vec![
                told(1, (10, 15), Kind::Ok, &[a(X, 1)]),
                told(1, (20, 25), Kind::Ok, &[r(X, &[])]),
            ],
        ),
    ]
}

#[test]
fn each_planted_anomaly_is_found() {
    for (name, told) in planted() {
        let found = names(&history(&told));
        assert!(found.iter().any(|one| one == name), "{name} is not in {found:?} of {told:?}");
    }
}

#[test]
fn what_only_looks_wrong_is_not_reported() {
    let unknown = |end: u64, value: u64| told(9, (0, end), Kind::Info, &[a(X, value)]);
    let harmless = [
        at_once(&[&[a(X, 1)], &[r(X, &[])], &[r(X, &[1])]]),
        at_once(&[&[a(X, 1), r(X, &[1]), a(X, 2), r(X, &[1, 2])], &[r(X, &[1, 2])]]),
        // It happens long after its client gave up.
        vec![
            unknown(5, 1),
            told(1, (10, 15), Kind::Ok, &[r(X, &[])]),
            told(2, (20, 25), Kind::Ok, &[r(X, &[1])]),
        ],
        // It never happens.
        vec![unknown(5, 1), told(1, (10, 15), Kind::Ok, &[r(X, &[])])],
        // The end of one and the beginning of the other are the same moment.
        vec![told(1, (0, 10), Kind::Ok, &[a(X, 1)]), told(2, (10, 15), Kind::Ok, &[r(X, &[])])],
    ];
    for told in harmless {
        assert_eq!(names(&history(&told)), [""; 0], "{told:?}");
    }
}

#[test]
fn a_value_that_is_appended_twice_is_no_history() {
    let told = at_once(&[&[a(X, 1)], &[a(X, 1)]]);
    assert!(ha_checker::append::check(&history(&told)).is_err());
}

/// A long correct history of eight processes: each transaction takes effect at one moment
/// between its beginning and its end.
fn correct(shapes: &[(u64, u64, bool, u8)]) -> Vec<Told> {
    let mut lists = Lists::new();
    let mut all: Vec<Told> = Vec::new();
    for (place, &(key, width, writes, fate)) in (1..).zip(shapes) {
        // No two transactions of a process overlap: it does every eighth.
        let (moment, reach) = (place * 100, width % 390);
        let end = [Kind::Ok, Kind::Ok, Kind::Ok, Kind::Info, Kind::Fail][usize::from(fate % 5)];
        let mut steps = vec![Step::Read(100 + key % 5, None)];
        if writes {
            steps.extend([a(100 + key % 5, place), Step::Read(100 + key % 7, None)]);
        }
        if end == Kind::Ok || (end == Kind::Info && fate % 2 == 0) {
            execute(&mut lists, &mut steps);
        }
        let process = if end == Kind::Info { 1000 + place } else { 100 + place % 8 };
        all.push(Told { process, span: (moment - reach.min(moment), moment + reach), end, steps });
    }
    all
}

fn shapes() -> impl Strategy<Value = Vec<(u64, u64, bool, u8)>> {
    prop::collection::vec(any::<(u64, u64, bool, u8)>(), 50..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn correct_histories_have_no_anomalies(shapes in shapes()) {
        prop_assert_eq!(names(&history(&correct(&shapes))), Vec::<String>::new());
    }

    #[test]
    fn a_planted_anomaly_is_found_among_much_else(
        shapes in shapes(),
        which in 0..planted().len(),
        shift in 0_u64..3000,
    ) {
        let (name, planted) = planted().swap_remove(which);
        let mut all = correct(&shapes);
        all.extend(planted.into_iter().map(|one| Told {
            process: one.process + 5000,
            span: (one.span.0 + shift, one.span.1 + shift),
            ..one
        }));
        let found = names(&history(&all));
        prop_assert!(found.iter().any(|one| one == name), "{} not in {:?}", name, found);
    }

    /// Nothing overlaps: each read has one right answer, and any other is found.
    #[test]
    fn any_other_answer_is_found_where_nothing_overlaps(
        shapes in shapes(),
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let turns: Vec<_> = shapes.iter().map(|(key, _, writes, _)| (*key, 10, *writes, 0)).collect();
        let mut all = correct(&turns);
        let mut lists: Vec<&mut Vec<u64>> = all.iter_mut().flat_map(|one| &mut one.steps)
            .filter_map(|step| match step {
                Step::Read(_, Some(list)) if !list.is_empty() => Some(list),
                _ => None,
            })
            .collect();
        prop_assume!(!lists.is_empty());
        let list = which.index(lists.len());
        let length = cut.index(lists[list].len());
        lists[list].truncate(length);
        prop_assert!(!names(&history(&all)).is_empty());
    }
}

#[test]
fn an_empty_history_is_correct() {
    assert_eq!(names(&History::default()), [""; 0]);
}
