//! Offering a group to the log, and what its answer means.

use super::*;

#[test]
fn an_entry_is_offered_on_the_condition_that_the_log_ends_at_the_position() {
    let mut machine = idle();
    let (id, payload) = entry(&mut machine, "mine");
    let event = Event::Executed { id, parts: vec![payload.clone()], deadline: DEADLINE };
    let actions = machine.on(Duration::ZERO, event);
    let draft = drafts(&actions)[0];
    assert_eq!((draft.expect, draft.attempt), (Some(Seq(3)), id));
    assert_eq!(draft.parts, [payload]);
    assert!(!machine.can_execute());
}

#[test]
fn only_an_acknowledgement_at_the_next_place_commits() {
    let (mut machine, id, payload) = appending();
    let actions = machine.on(Duration::ZERO, acked(id, Ok(4)));
    assert!(commits(&actions), "{actions:?}");
    machine.on(Duration::ZERO, moved(&machine, &payload));
    assert!(machine.can_execute());

    let (mut machine, id, _) = appending();
    let actions = machine.on(Duration::ZERO, acked(id, Ok(5)));
    assert!(!commits(&actions), "{actions:?}");
    assert_eq!(reads(&actions), [Seq(4)], "an answer at another place proves nothing");
}

#[test]
fn a_refusal_executes_again_after_the_logs_end_was_asked_for() {
    let (mut machine, id, _) = appending();
    let actions =
        machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(5)) })));
    assert!(actions.iter().any(|action| matches!(action, Action::AskBounds)));
    assert!(!machine.can_execute(), "the entries in the way come first");
    machine.on(Duration::ZERO, bounds(1, 4));
    let other = of_another(machine.position());
    let actions = machine.on(Duration::ZERO, delivered(4, &other));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    machine.on(Duration::ZERO, moved(&machine, &other));
    assert!(machine.can_execute());
}

#[test]
fn an_entry_that_a_refusal_counted_and_that_never_comes_is_not_waited_for() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(9)) })));
    machine.on(Duration::ZERO, bounds(1, 3));
    let actions = machine.on(Duration::ZERO, Event::Quiet);
    assert!(matches!(actions[..], [Action::Offer]), "the log ends at the position after all");
}

#[test]
fn the_logs_end_is_asked_for_again_while_nothing_comes() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: None })));
    let due = machine.wake_at().unwrap();
    assert!(machine.on(due / 2, Event::Tick).is_empty());
    let actions = machine.on(due, Event::Tick);
    assert!(matches!(actions[..], [Action::AskBounds]), "{actions:?}");
    assert!(machine.wake_at().unwrap() > due);
    assert_eq!(machine.why_waiting(), Error::Conflict);
}

#[test]
fn every_execution_has_an_attempt_of_its_own() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: None })));
    machine.on(Duration::ZERO, bounds(1, 3));
    machine.on(Duration::ZERO, Event::Quiet);
    assert_ne!(entry(&mut machine, "mine").0, id);
}

#[test]
fn what_was_not_sent_is_tried_again_and_then_said_not_to_be_sent() {
    let (mut machine, id, _) = appending();
    let answer = Err(AppendError::NotSent { reason: "down".to_owned() });
    let actions = machine.on(Duration::ZERO, acked(id, answer));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    assert!(!machine.can_execute());
    assert_eq!(machine.why_waiting(), Error::NotSent("down".to_owned()));
    machine.on(machine.wake_at().unwrap(), Event::Tick);
    assert!(machine.can_execute());
}

#[test]
fn a_log_out_of_reach_after_a_refusal_is_told_as_such() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: None })));
    machine.on(Duration::ZERO, Event::Unreachable("down".to_owned()));
    assert_eq!(machine.why_waiting(), Error::NotSent("down".to_owned()));
}

#[test]
fn an_entry_that_can_never_be_stored_fails_its_clients_and_nothing_else() {
    let (mut machine, id, _) = appending();
    let actions =
        machine.on(Duration::ZERO, acked(id, Err(AppendError::TooLarge { size: 9, limit: 5 })));
    assert!(matches!(fate(&actions), Some(Fate::Failed(Error::TooLarge { limit: 5, .. }))));
    assert!(machine.can_execute());
}

#[test]
fn a_commit_that_fails_after_the_acknowledgement_is_applied_from_the_log() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Ok(4)));
    let failed = Event::CommitFailed { reason: "disk".to_owned() };
    let actions = machine.on(Duration::ZERO, failed);
    assert!(matches!(fate(&actions), Some(Fate::Applying(told)) if *told == name(id)));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
}

#[test]
fn a_commit_that_fails_without_a_log_to_read_is_the_clients_error() {
    let mut machine = idle().with_readable_log(false);
    let (id, payload) = entry(&mut machine, "mine");
    machine.on(
        Duration::ZERO,
        Event::Executed { id, parts: vec![payload.clone()], deadline: DEADLINE },
    );
    machine.on(Duration::ZERO, acked(id, Ok(4)));
    let actions = machine.on(Duration::ZERO, Event::CommitFailed { reason: "disk".to_owned() });
    assert!(matches!(fate(&actions), Some(Fate::Failed(_))));
    assert!(how(&actions).is_none());
    assert!(machine.can_execute());
}

#[test]
fn the_own_entry_delivered_before_its_acknowledgement_commits_once() {
    let (mut machine, id, payload) = appending();
    assert!(commits(&machine.on(Duration::ZERO, delivered(4, &payload))));
    machine.on(Duration::ZERO, moved(&machine, &payload));
    assert!(machine.on(Duration::ZERO, acked(id, Ok(4))).is_empty(), "a late acknowledgement");
    assert_eq!(machine.position().seq, Seq(4));
}

#[test]
fn another_nodes_entry_at_the_place_executes_again_on_it() {
    let (mut machine, id, _) = appending();
    let other = of_another(machine.position());
    let actions = machine.on(Duration::ZERO, delivered(4, &other));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    assert!(matches!(how(&actions), Some(How::Ours(_))));
    machine.on(Duration::ZERO, moved(&machine, &other));
    assert!(machine.can_execute());
    let late =
        machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(4)) })));
    assert!(late.is_empty() && machine.can_execute());
}

#[test]
fn a_late_answer_to_an_earlier_attempt_decides_nothing() {
    let (mut machine, first, _) = appending();
    let other = of_another(machine.position());
    machine.on(Duration::ZERO, delivered(4, &other));
    machine.on(Duration::ZERO, moved(&machine, &other));
    let (id, payload) = entry(&mut machine, "mine again");
    machine.on(Duration::ZERO, Event::Executed { id, parts: vec![payload], deadline: DEADLINE });
    assert!(machine.on(Duration::ZERO, acked(first, Ok(5))).is_empty());
    assert!(!machine.can_execute());
}
