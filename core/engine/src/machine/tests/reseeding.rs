//! A database that becomes another state of the log.

use super::*;
use crate::machine::{NoSeed, Reseed, Target};

fn reseed() -> Event {
    Event::Reseed(Reseed::newest(at(3).lineage, "it is wrong", "Do something"))
}

fn fetches(actions: &[Action]) -> bool {
    matches!(actions.last(), Some(Action::Fetch(Target::Newest { .. })))
}

fn failed() -> Event {
    Event::NoSeed(NoSeed::Failed("out of reach".to_owned()))
}

#[test]
fn nothing_of_the_log_counts_until_the_new_state_is_there() {
    let mut machine = idle();
    assert!(fetches(&machine.on(Duration::ZERO, reseed())));
    assert!(machine.is_reseeding() && !machine.can_execute());
    let other = of_another(at(3));
    for event in [delivered(4, &other), bounds(1, 9), reseed(), Event::Quiet, Event::Tick] {
        let actions = machine.on(Duration::ZERO, event.clone());
        assert!(actions.is_empty(), "{event:?}: {actions:?}");
    }
    let actions = machine.on(Duration::ZERO, Event::Adopted(at(7)));
    assert!(matches!(actions[..], [Action::Resubscribe(Seq(8)), Action::AskBounds]), "{actions:?}");
    assert_eq!(machine.position(), at(7));
    assert!(!machine.can_execute(), "the log's end is not known");
    machine.on(Duration::ZERO, bounds(1, 8));
    assert!(!machine.can_execute(), "it is not reached");
    let other = of_another(at(7));
    assert!(how(&machine.on(Duration::ZERO, delivered(8, &other))).is_some());
    machine.on(Duration::ZERO, moved(&machine, &other));
    assert!(machine.can_execute());
}

#[test]
fn a_state_may_be_older_than_the_one_that_is_given_up() {
    let mut machine = idle();
    machine.on(Duration::ZERO, reseed());
    machine.on(Duration::ZERO, Event::Adopted(at(1)));
    let actions = machine.on(Duration::ZERO, delivered(2, &of_another(at(1))));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
}

#[test]
fn clients_of_what_is_open_are_told_what_is_known() {
    let (mut machine, id, _) = appending();
    let actions = machine.on(Duration::ZERO, reseed());
    assert!(is_unknown(fate(&actions), id) && fetches(&actions), "{actions:?}");
    let late = machine.on(Duration::ZERO, acked(id, Ok(4)));
    assert!(late.is_empty(), "the answer comes too late: {late:?}");

    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    let actions = machine.on(Duration::ZERO, reseed());
    assert!(is_unknown(fate(&actions), id) && fetches(&actions), "{actions:?}");

    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: None })));
    let actions = machine.on(Duration::ZERO, reseed());
    assert!(matches!(fate(&actions), Some(Fate::Again)) && fetches(&actions), "{actions:?}");
    let Error::NotReady(text) = machine.why_waiting() else { panic!("not ready") };
    assert!(text.contains("it is wrong"), "{text}");
}

#[test]
fn what_was_folded_for_an_open_group_is_given_up_with_it() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(4)) })));
    let noop = bytes(Some(super::machine(2, at(3)).next_meta(Kind::Noop)), Vec::new());
    machine.on(Duration::ZERO, delivered(4, &noop));
    assert_eq!(machine.position().seq, Seq(4));
    let actions = machine.on(Duration::ZERO, reseed());
    assert!(
        matches!(actions[..], [Action::Rollback(Fate::Again), Action::Fetch(_)]),
        "{actions:?}"
    );
    assert_eq!(machine.position(), at(3), "where the database stands");
}

#[test]
fn it_is_tried_again_ever_later_and_others_see_why() {
    let mut machine = idle();
    machine.on(Duration::ZERO, reseed());
    assert_eq!(machine.wake_at(), None, "it is being fetched");
    machine.on(Duration::ZERO, Event::Fetching { done: 3_000_000, total: 9_100_000 });
    assert!(machine.trouble().unwrap().contains("3 of 10 MB"), "{:?}", machine.trouble());
    let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
    for _ in 0..9 {
        assert!(machine.on(now, failed()).is_empty());
        assert!(machine.trouble().unwrap().contains("out of reach"), "{:?}", machine.trouble());
        let due = machine.wake_at().unwrap();
        pauses.push(due - now);
        now = due;
        assert!(fetches(&machine.on(now, Event::Tick)));
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[1], "{pauses:?}");
    assert_eq!(pauses[7], pauses[8], "not for ever later");
}

#[test]
fn without_anything_to_restore_the_node_stops_and_says_what_to_do() {
    let mut machine = idle();
    machine.on(Duration::ZERO, reseed());
    let nothing = Event::NoSeed(NoSeed::Nothing("Nothing is stored".to_owned()));
    let actions = machine.on(Duration::ZERO, nothing);
    let [Action::Stop(reason)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(reason, "it is wrong. Nothing is stored. Do something");
    assert!(machine.on(Duration::ZERO, reseed()).is_empty(), "it has stopped");
}

#[test]
fn a_strong_read_is_served_by_nothing_that_was_sent_before_the_state_was_given_up() {
    let mut machine = idle();
    machine.on(Duration::ZERO, Event::Asked { read: 1 });
    let sent = machine.on(Duration::ZERO, Event::Quiet);
    let [Action::Append(barrier)] = &sent[..] else { panic!("{sent:?}") };
    machine.on(Duration::ZERO, reseed());
    let answer = machine.on(Duration::ZERO, acked(barrier.attempt, Ok(4)));
    assert!(answer.is_empty(), "{answer:?}");
    machine.on(Duration::ZERO, Event::Adopted(at(9)));
    machine.on(Duration::ZERO, bounds(1, 9));
    let again = machine.on(Duration::ZERO, Event::Quiet);
    assert_eq!(drafts(&again).len(), 1, "a barrier of its own: {again:?}");
}

#[test]
fn a_gap_is_bridged_and_other_differences_are_not_gaps() {
    let gap = |first, last| {
        let Event::Bounds(bounds) = bounds(first, last) else { unreachable!() };
        Reseed::across_gap(&at(3), &bounds)
    };
    assert!(gap(4, 9).is_none(), "nothing is missing");
    assert!(gap(4, 3).is_none(), "everything is trimmed");
    assert!(gap(5, 9).is_some());
    assert!(gap(1, 2).is_none(), "the log has lost its end");
    let Event::Bounds(mut other) = bounds(5, 9) else { unreachable!() };
    other.lineage = Lineage([8; 8]);
    assert!(Reseed::across_gap(&at(3), &other).is_none());
}

#[test]
fn what_was_restored_in_vain_is_not_restored_again_without_a_pause() {
    let mut machine = idle();
    let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
    assert!(fetches(&machine.on(now, reseed())));
    for _ in 0..3 {
        machine.on(now, Event::Adopted(at(2)));
        assert!(machine.on(now, reseed()).is_empty(), "the same may be all there is");
        assert!(machine.is_reseeding());
        let due = machine.wake_at().unwrap();
        pauses.push(due - now);
        now = due;
        assert!(fetches(&machine.on(now, Event::Tick)));
    }
    assert!(pauses[0] > Duration::ZERO && pauses.is_sorted() && pauses[0] < pauses[2]);
    machine.on(now, Event::Adopted(at(2)));
    let other = of_another(at(2));
    machine.on(now, delivered(3, &other));
    machine.on(now, moved(&machine, &other));
    assert!(fetches(&machine.on(now, reseed())), "something was made of it");
}

#[test]
fn a_log_that_was_made_again_meanwhile_is_looked_at_before_anything_is_restored() {
    let mut machine = idle();
    machine.on(Duration::ZERO, reseed());
    let actions = machine.on(Duration::ZERO, Event::NoSeed(NoSeed::OtherLog));
    assert!(matches!(actions[..], [Action::Mend]), "{actions:?}");
    assert!(machine.is_mending() && !machine.can_execute());
    assert_eq!(machine.position(), at(3));
}

#[test]
fn who_has_given_up_everything_for_a_log_that_was_deleted_does_not_begin_another() {
    let empty = Position { seq: Seq::ZERO, hash: RunningHash::default(), ..at(3) };
    let other = Event::Bounds(Bounds {
        lineage: Lineage([9; 8]),
        first: Seq(1),
        last: Seq::ZERO,
        bytes: 0,
    });
    let mut machine = idle();
    machine.on(Duration::ZERO, reseed());
    machine.on(Duration::ZERO, Event::Adopted(empty));
    let actions = machine.on(Duration::ZERO, other);
    assert!(matches!(actions[..], [Action::Mend]), "{actions:?}");
    assert!(!machine.can_execute());
}
