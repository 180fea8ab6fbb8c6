//! On small histories the checker agrees with trying every order.

mod common;

use common::{Lists, Told, execute, history, names};
use ha_checker::{Kind, Step};
use proptest::prelude::*;

/// Whether some order of all that happened, with any of the unknown ones, explains every read
/// and the order of time.
fn explainable(told: &[Told]) -> bool {
    let open: Vec<&Told> = told.iter().filter(|one| one.end != Kind::Fail).collect();
    extend(&open, &mut vec![false; open.len()], &Lists::new())
}

/// Whether the transactions not `done` can follow on `lists`.
fn extend(open: &[&Told], done: &mut [bool], lists: &Lists) -> bool {
    let left = || (0..open.len()).filter(|index| open[*index].end == Kind::Ok);
    if left().all(|index| done[index]) {
        return true;
    }
    // Nothing may come after what began after its end.
    let earliest = left().filter(|index| !done[*index]).map(|index| open[index].span.1).min();
    for index in 0..open.len() {
        if done[index] || earliest.is_some_and(|end| end < open[index].span.0) {
            continue;
        }
        let (mut next, mut steps) = (lists.clone(), open[index].steps.clone());
        execute(&mut next, &mut steps);
        if open[index].end == Kind::Ok && steps != open[index].steps {
            continue;
        }
        done[index] = true;
        let explained = extend(open, done, &next);
        done[index] = false;
        if explained {
            return true;
        }
    }
    false
}

/// What a transaction is made of: its beginning, its length, when it takes effect, how it
/// ends, its steps (key, whether it appends), how old its snapshot is.
type Shape = (u64, u64, u64, u8, Vec<(u64, bool)>, u8);

fn shape() -> impl Strategy<Value = Shape> {
    let steps = prop::collection::vec((0..2_u64, any::<bool>()), 1..4);
    (0..20_u64, 1..12_u64, 0..14_u64, 0..12_u8, steps, 0..8_u8)
}

/// Executes the shapes in the order in which they take effect, with mistakes.
fn perform(mut shapes: Vec<Shape>) -> Vec<Told> {
    shapes.sort_by_key(|shape| shape.0 + shape.2);
    let mut versions = vec![Lists::new()];
    let mut value = 0;
    let mut all = Vec::new();
    for (process, (begin, length, _, fate, shape, age)) in (1..).zip(shapes) {
        let mut step = |(key, appends): &(u64, bool)| {
            value += 1;
            if *appends { Step::Append(*key, value) } else { Step::Read(*key, None) }
        };
        let mut steps: Vec<Step> = shape.iter().map(&mut step).collect();
        let end = match fate {
            0..9 => Kind::Ok,
            9..11 => Kind::Info,
            _ => Kind::Fail,
        };
        // A few see an older version than there is.
        let old = versions.len().saturating_sub(if age < 5 { 1 } else { usize::from(age) - 3 });
        execute(&mut versions[old].clone(), &mut steps);
        if fate != 9 && fate != 11 {
            let mut newest = versions.last().cloned().unwrap_or_default();
            execute(&mut newest, &mut steps.clone());
            versions.push(newest);
        }
        all.push(Told { process, span: (begin, begin + length), end, steps });
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_checker_agrees_with_every_order(shapes in prop::collection::vec(shape(), 2..9)) {
        let told = perform(shapes);
        let found = names(&history(&told));
        prop_assert_eq!(found.is_empty(), explainable(&told), "{:?} in {:#?}", found, told);
    }
}

/// Both verdicts are common among the histories above, or they would prove little.
#[test]
fn right_and_wrong_histories_are_both_tried() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let shapes = prop::collection::vec(shape(), 2..9);
    let right = (0..500).filter(|_| {
        let shapes = shapes.new_tree(&mut runner).unwrap().current();
        explainable(&perform(shapes))
    });
    let right = right.count();
    assert!((100..400).contains(&right), "{right} of 500 are right");
}
