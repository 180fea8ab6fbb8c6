//! Entries of several parts.

use super::super::Reseed;
use super::*;

/// A second without the next part.
const LATE: Duration = Duration::from_secs(2);

/// Three parts that another node makes on the position.
fn of_another_in_three(position: Position) -> Vec<Bytes> {
    run(&mut machine(2, position), "of another", 2).1
}

/// The machine has executed a group of three parts and handed it to the log.
fn appending_three() -> (Machine, AttemptId, Vec<Bytes>) {
    let mut machine = idle();
    let (id, parts) = run(&mut machine, "mine", 2);
    let event = Event::Executed { id, parts: parts.clone(), deadline: DEADLINE };
    let actions = machine.on(Duration::ZERO, event);
    let draft = drafts(&actions)[0];
    assert_eq!((draft.expect, &draft.parts), (Some(Seq(3)), &parts));
    (machine, id, parts)
}

fn settling_three() -> (Machine, AttemptId, Vec<Bytes>) {
    let (mut machine, id, parts) = appending_three();
    let actions = machine.on(Duration::ZERO, acked(id, Err(unknown())));
    assert_eq!(reads(&actions), [Seq(4)]);
    (machine, id, parts)
}

fn acked_at(id: AttemptId, first: u64, last: u64) -> Event {
    Event::Acked { id, result: Ok(Appended { first: Seq(first), last: Seq(last) }) }
}

/// Delivers a part and applies it, up to the last but one.
fn stage(machine: &mut Machine, seq: u64, part: &Bytes) {
    let actions = machine.on(Duration::ZERO, delivered(seq, part));
    assert!(matches!(how(&actions), Some(How::Part(_))), "{actions:?}");
    assert!(machine.on(Duration::ZERO, Event::Staged).is_empty());
}

fn committed(actions: &[Action]) -> Option<(Seq, RunningHash)> {
    actions.iter().find_map(|action| match action {
        Action::Commit { seq, hash, .. } => Some((*seq, *hash)),
        _ => None,
    })
}

fn hash_over(parts: &[Bytes]) -> RunningHash {
    let places = (4..).map(Seq);
    places.zip(parts).fold(at(3).hash, |hash, (seq, part)| hash.extend(seq, part))
}

fn passes(actions: &[Action]) -> Option<&str> {
    match how(actions) {
        Some(How::Nothing(Some(reason))) => Some(reason),
        _ => None,
    }
}

fn starts_over(actions: &[Action]) -> bool {
    matches!(actions, [Action::Unstage, Action::Resubscribe(Seq(4))])
}

#[test]
fn parts_take_a_place_each_and_the_position_moves_with_the_last() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    for (seq, part) in (4..).zip(&parts[..2]) {
        stage(&mut machine, seq, part);
        assert_eq!(machine.position(), at(3));
        assert!(!machine.can_execute(), "a transaction is open");
    }
    let actions = machine.on(Duration::ZERO, delivered(6, &parts[2]));
    let hash = hash_over(&parts);
    assert!(
        matches!(&actions[..], [Action::Apply { seq: Seq(6), hash: after, .. }] if *after == hash),
        "{actions:?}"
    );
    machine.on(Duration::ZERO, Event::Moved { seq: Seq(6), hash });
    assert_eq!(machine.position(), Position { seq: Seq(6), hash, ..at(3) });
    assert!(machine.can_execute());
}

#[test]
fn only_an_acknowledgement_of_all_places_commits() {
    let (mut machine, id, parts) = appending_three();
    let landing = machine.landing().unwrap();
    assert_eq!((landing.seq, landing.hash), (Seq(6), hash_over(&parts)));
    let actions = machine.on(Duration::ZERO, acked_at(id, 4, 6));
    assert_eq!(committed(&actions), Some((Seq(6), hash_over(&parts))));
    for (first, last) in [(4, 4), (4, 5), (5, 7), (6, 6)] {
        let (mut machine, id, _) = appending_three();
        let actions = machine.on(Duration::ZERO, acked_at(id, first, last));
        assert_eq!(committed(&actions), None);
        assert_eq!(reads(&actions), [Seq(4)]);
    }
}

#[test]
fn the_own_parts_that_are_delivered_commit_with_the_last() {
    let (mut machine, id, parts) = appending_three();
    for (seq, part) in (4..).zip(&parts[..2]) {
        assert!(machine.on(Duration::ZERO, delivered(seq, part)).is_empty());
    }
    let actions = machine.on(Duration::ZERO, delivered(6, &parts[2]));
    assert_eq!(committed(&actions), Some((Seq(6), hash_over(&parts))));
    let hash = hash_over(&parts);
    machine.on(Duration::ZERO, Event::Moved { seq: Seq(6), hash });
    assert!(machine.on(Duration::ZERO, acked_at(id, 4, 6)).is_empty());
}

#[test]
fn an_unknown_outcome_is_settled_by_reading_all_parts() {
    let (mut machine, _, parts) = settling_three();
    for (seq, part) in (4..).zip(&parts[..2]) {
        let actions = machine.on(Duration::ZERO, read_back(seq, Some(part)));
        assert_eq!(reads(&actions), [Seq(seq + 1)]);
    }
    let actions = machine.on(Duration::ZERO, read_back(6, Some(&parts[2])));
    assert_eq!(committed(&actions), Some((Seq(6), hash_over(&parts))));
}

#[test]
fn the_same_parts_are_sent_again_while_none_is_there() {
    let (mut machine, id, parts) = settling_three();
    let actions = machine.on(Duration::ZERO, read_back(4, None));
    let draft = drafts(&actions)[0];
    assert_eq!((draft.expect, draft.attempt, &draft.parts), (Some(Seq(3)), id, &parts));
    let actions = machine.on(Duration::ZERO, acked_at(id, 4, 6));
    assert!(committed(&actions).is_some());
}

#[test]
fn nothing_but_success_counts_once_a_part_of_it_was_seen() {
    let (mut machine, id, parts) = appending_three();
    machine.on(Duration::ZERO, delivered(4, &parts[0]));
    let answer = acked(id, Err(AppendError::Refused { last: Some(Seq(4)) }));
    let actions = machine.on(Duration::ZERO, answer);
    assert!(fate(&actions).is_none());
    assert_eq!(reads(&actions), [Seq(5)]);
}

#[test]
fn a_log_that_ends_inside_the_own_parts_is_cut_and_the_group_offered_again() {
    let (mut machine, _, parts) = settling_three();
    machine.on(Duration::ZERO, read_back(4, Some(&parts[0])));
    let actions = machine.on(Duration::ZERO, read_back(5, None));
    assert!(drafts(&actions).is_empty(), "the rest may come: {actions:?}");
    machine.on(LATE, Event::Tick);
    let actions = machine.on(LATE, read_back(5, None));
    let noop = drafts(&actions)[0].clone();
    assert_eq!(noop.expect, Some(Seq(4)));
    let actions = machine.on(LATE, delivered(5, &noop.parts[0]));
    assert!(actions.is_empty(), "both are folded: {actions:?}");
    assert_eq!(machine.position().seq, Seq(5));
    assert!(matches!(machine.on(LATE, Event::Quiet)[..], [Action::Offer]));
}

#[test]
fn own_parts_that_another_entry_cuts_are_passed_before_it_is_applied() {
    let (mut machine, _, parts) = settling_three();
    machine.on(Duration::ZERO, read_back(4, Some(&parts[0])));
    let torn = Position { seq: Seq(4), hash: hash_over(&parts[..1]), ..at(3) };
    let other = of_another(torn);
    let actions = machine.on(Duration::ZERO, delivered(5, &other));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    let Some(Action::Record { folded, position }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(*position, torn);
    assert_eq!(folded[0].reason.as_deref(), Some("part 1 of 3 of an entry that is not whole"));
    let actions = machine.on(Duration::ZERO, Event::Recorded);
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
}

#[test]
fn after_the_deadline_the_log_says_what_becomes_of_parts_that_are_there() {
    let (mut machine, id, parts) = settling_three();
    machine.on(Duration::ZERO, read_back(4, Some(&parts[0])));
    let actions = machine.on(DEADLINE, Event::Tick);
    assert!(is_unknown(fate(&actions), id));
    assert!(matches!(how(&actions), Some(How::Part(_))), "{actions:?}");
    machine.on(DEADLINE, Event::Staged);
    for (seq, part) in (5..).zip(&parts[1..]) {
        let actions = machine.on(DEADLINE, delivered(seq, part));
        assert!(matches!(how(&actions), Some(How::Part(_))), "{actions:?}");
        machine.on(DEADLINE, Event::Staged);
    }
}

#[test]
fn a_commit_that_fails_is_applied_part_by_part() {
    let (mut machine, id, parts) = appending_three();
    machine.on(Duration::ZERO, acked_at(id, 4, 6));
    let mut actions = machine.on(Duration::ZERO, Event::CommitFailed { reason: "disk".to_owned() });
    assert!(matches!(fate(&actions), Some(Fate::Applying(_))));
    for (seq, part) in (4..).map(Seq).zip(&parts) {
        let Some(Action::Apply { seq: at, payload, .. }) = actions.last() else {
            panic!("{actions:?}")
        };
        assert_eq!((*at, payload), (seq, part));
        actions = machine.on(Duration::ZERO, Event::Staged);
    }
    assert!(actions.is_empty());
}

#[test]
fn parts_that_another_entry_cuts_are_taken_back_and_passed() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    stage(&mut machine, 5, &parts[1]);
    let cut = entry(
        &mut super::machine(3, Position { seq: Seq(5), hash: hash_over(&parts[..2]), ..at(3) }),
        "cut",
    )
    .1;
    let actions = machine.on(Duration::ZERO, delivered(6, &cut));
    assert!(starts_over(&actions), "{actions:?}");
    for (seq, part) in (4..).zip(&parts[..2]) {
        let actions = machine.on(Duration::ZERO, delivered(seq, part));
        let reason = format!("part {} of 3 of an entry that is not whole", seq - 3);
        assert_eq!(passes(&actions), Some(&*reason));
        machine.on(Duration::ZERO, moved(&machine, part));
    }
    let actions = machine.on(Duration::ZERO, delivered(6, &cut));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "judged on the torn parts: {actions:?}");
}

#[test]
fn parts_without_a_beginning_are_passed_in_the_same_words() {
    let parts = of_another_in_three(at(3));
    let after_first = Position { seq: Seq(4), hash: hash_over(&parts[..1]), ..at(3) };
    let mut restarted = machine(1, after_first);
    let actions = restarted.on(Duration::ZERO, delivered(5, &parts[1]));
    assert_eq!(passes(&actions), Some("part 2 of 3 of an entry that is not whole"));
}

#[test]
fn the_end_of_an_entry_whose_first_parts_were_passed_has_the_log_compared() {
    let parts = of_another_in_three(at(3));
    let inside = Position { seq: Seq(5), hash: hash_over(&parts[..2]), ..at(3) };
    let mends = |actions: &[Action]| matches!(actions, [Action::Mend]);
    let mut restarted = machine(1, inside);
    assert!(mends(&restarted.on(Duration::ZERO, delivered(6, &parts[2]))));
    restarted.on(Duration::ZERO, Event::Adopted(at(3)));
    stage(&mut restarted, 4, &parts[0]);
    stage(&mut restarted, 5, &parts[1]);
    let actions = restarted.on(Duration::ZERO, delivered(6, &parts[2]));
    assert!(matches!(how(&actions), Some(How::Part(_))), "{actions:?}");

    let mut right = machine(1, inside);
    right.on(Duration::ZERO, delivered(6, &parts[2]));
    right.on(Duration::ZERO, Event::Mended);
    let actions = right.on(Duration::ZERO, delivered(6, &parts[2]));
    assert_eq!(passes(&actions), Some("part 3 of 3 of an entry that is not whole"));
    let elsewhere = machine(1, at(8)).on(Duration::ZERO, delivered(9, &parts[2]));
    assert_eq!(passes(&elsewhere), Some("part 3 of 3 of an entry that is not whole"));
}

#[test]
fn parts_whose_cut_the_log_has_lost_are_no_longer_torn() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    let cut = of_another(Position { seq: Seq(4), hash: hash_over(&parts[..1]), ..at(3) });
    assert!(starts_over(&machine.on(Duration::ZERO, delivered(5, &cut))));
    for (seq, part) in (4..).zip(&parts[..2]) {
        assert!(passes(&machine.on(Duration::ZERO, delivered(seq, part))).is_some());
        machine.on(Duration::ZERO, moved(&machine, part));
    }
    let actions = machine.on(Duration::ZERO, delivered(6, &parts[2]));
    assert!(matches!(actions[..], [Action::Mend]), "{actions:?}");
    machine.on(Duration::ZERO, Event::Adopted(at(3)));
    stage(&mut machine, 4, &parts[0]);
}

#[test]
fn a_group_that_stands_on_passed_parts_has_the_log_compared_when_their_end_comes() {
    let parts = of_another_in_three(at(3));
    let mut machine = machine(1, Position { seq: Seq(5), hash: hash_over(&parts[..2]), ..at(3) });
    let (id, payload) = entry(&mut machine, "mine");
    machine.on(Duration::ZERO, Event::Executed { id, parts: vec![payload], deadline: DEADLINE });
    let actions = machine.on(Duration::ZERO, delivered(6, &parts[2]));
    assert!(matches!(actions.last(), Some(Action::Mend)), "{actions:?}");
}

#[test]
fn the_newest_part_that_is_not_in_the_database_is_known() {
    let mut machine = idle();
    assert!(machine.newest_part().is_none());
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    stage(&mut machine, 5, &parts[1]);
    let there = |parts: &[Bytes]| {
        let seq = Seq(3 + parts.len() as u64);
        (Position { seq, hash: hash_over(parts), ..at(3) }, parts.last().unwrap().clone())
    };
    assert_eq!(machine.newest_part(), Some(there(&parts[..2])));

    let (mut machine, _, parts) = settling_three();
    assert!(machine.newest_part().is_none());
    machine.on(Duration::ZERO, read_back(4, Some(&parts[0])));
    assert_eq!(machine.newest_part(), Some(there(&parts[..1])));
}

#[test]
fn parts_of_different_entries_do_not_mix() {
    let mut machine = idle();
    let (one, other) = (of_another_in_three(at(3)), run(&mut super::machine(3, at(3)), "x", 2).1);
    stage(&mut machine, 4, &one[0]);
    assert!(starts_over(&machine.on(Duration::ZERO, delivered(5, &other[1]))));

    let mut machine = idle();
    stage(&mut machine, 4, &one[0]);
    assert!(
        starts_over(&machine.on(Duration::ZERO, delivered(5, &one[2]))),
        "the second is missing"
    );
}

#[test]
fn parts_that_contradict_each_other_are_passed() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    machine.on(Duration::ZERO, delivered(5, &parts[1]));
    assert!(starts_over(&machine.on(Duration::ZERO, Event::Torn)));
    for (seq, part) in (4..).zip(&parts) {
        assert!(passes(&machine.on(Duration::ZERO, delivered(seq, part))).is_some(), "{seq}");
        machine.on(Duration::ZERO, moved(&machine, part));
    }
}

#[test]
fn a_log_that_ends_inside_an_entry_gets_a_noop_there_and_only_there() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    let due = machine.wake_at().unwrap();
    assert!(machine.on(due / 2, Event::Tick).is_empty());
    let actions = machine.on(due, Event::Tick);
    let noop = drafts(&actions)[0].clone();
    assert_eq!(noop.expect, Some(Seq(4)));
    let later = acked(noop.attempt, Err(AppendError::Refused { last: Some(Seq(6)) }));
    assert!(machine.on(due, later).is_empty(), "the rest is there after all");
    machine.on(due, delivered(5, &parts[1]));
    machine.on(due, Event::Staged);
    assert_eq!(machine.wake_at(), Some(due * 2), "each part has its time");
}

#[test]
fn an_end_that_the_log_has_lost_inside_an_entry_may_be_given_back_first() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    machine.on(Duration::ZERO, bounds(1, 6));
    machine.on(Duration::ZERO, bounds(1, 4));
    let due = machine.wake_at().unwrap();
    assert!(machine.on(due, Event::Tick).is_empty(), "somebody may have the other parts");
    let later = machine.wake_at().unwrap();
    assert!(later > due);
    let noop = drafts(&machine.on(later, Event::Tick))[0].clone();
    assert_eq!(noop.expect, Some(Seq(4)));
}

#[test]
fn parts_that_the_log_has_lost_are_read_again() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    stage(&mut machine, 5, &parts[1]);
    let due = machine.wake_at().unwrap();
    let noop = drafts(&machine.on(due, Event::Tick))[0].clone();
    let refused = Err(AppendError::Refused { last: Some(Seq(4)) });
    assert!(starts_over(&machine.on(due, acked(noop.attempt, refused))));
    let actions = machine.on(due, delivered(4, &parts[0]));
    assert!(matches!(how(&actions), Some(How::Part(_))), "they are not torn: {actions:?}");
}

#[test]
fn a_gap_inside_an_entry_subscribes_after_the_parts_that_came() {
    let mut machine = idle();
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    let actions = machine.on(Duration::ZERO, delivered(6, &parts[2]));
    assert!(matches!(actions[..], [Action::Resubscribe(Seq(5))]), "{actions:?}");
    assert!(machine.on(Duration::ZERO, delivered(4, &parts[0])).is_empty(), "it came before");
}

#[test]
fn who_was_behind_before_an_entry_of_parts_is_behind_after_it() {
    let mut machine =
        Machine::new(Identity { node: "n".to_owned(), process_id: 1, boot: 1 }, at(3), Seq(7));
    let parts = of_another_in_three(at(3));
    stage(&mut machine, 4, &parts[0]);
    stage(&mut machine, 5, &parts[1]);
    machine.on(Duration::ZERO, bounds(1, 7));
    machine.on(Duration::ZERO, delivered(6, &parts[2]));
    machine.on(Duration::ZERO, Event::Moved { seq: Seq(6), hash: hash_over(&parts) });
    assert!(!machine.can_execute(), "the log goes on to 7");
}

#[test]
fn becoming_another_state_or_mending_the_log_takes_back_what_is_staged() {
    let mut machine = idle();
    stage(&mut machine, 4, &of_another_in_three(at(3))[0]);
    let actions =
        machine.on(Duration::ZERO, Event::Reseed(Reseed::newest(at(3).lineage, "gone", "act")));
    assert!(matches!(actions[..], [Action::Unstage, Action::Fetch(_)]), "{actions:?}");

    let mut machine = idle();
    stage(&mut machine, 4, &of_another_in_three(at(3))[0]);
    let actions = machine.on(Duration::ZERO, Event::Misfit("rewound".to_owned()));
    assert!(matches!(actions[..], [Action::Unstage, Action::Mend]), "{actions:?}");
}

#[test]
fn stopping_takes_back_what_is_staged() {
    let mut machine = idle();
    stage(&mut machine, 4, &of_another_in_three(at(3))[0]);
    let actions = machine.on(Duration::ZERO, Event::Failed("broken".to_owned()));
    assert!(matches!(actions[..], [Action::Unstage, Action::Stop(_)]), "{actions:?}");
}
