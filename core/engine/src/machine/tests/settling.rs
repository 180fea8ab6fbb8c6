//! Unknown outcomes.

use super::*;

/// The answer to the first send was lost; the place after the position is being read.
fn settling() -> (Machine, AttemptId, Bytes) {
    let (mut machine, id, payload) = appending();
    let actions = machine.on(Duration::ZERO, acked(id, Err(unknown())));
    assert_eq!(reads(&actions), [Seq(4)]);
    assert!(fate(&actions).is_none(), "the execution stays open");
    (machine, id, payload)
}

#[test]
fn nothing_else_is_executed_while_an_outcome_is_open() {
    let (mut machine, _, _) = settling();
    assert!(!machine.can_execute());
    assert!(machine.trouble().is_none(), "it is not known to last");
    machine.on(DEADLINE, Event::Tick);
    assert!(!machine.can_execute());
    assert!(machine.trouble().is_some());
}

#[test]
fn the_same_bytes_are_sent_again_under_the_same_name_and_condition() {
    let (mut machine, id, payload) = settling();
    let actions = machine.on(Duration::ZERO, read_back(4, None));
    let draft = drafts(&actions)[0];
    assert_eq!((draft.expect, draft.attempt, &draft.parts[0]), (Some(Seq(3)), id, &payload));
}

#[test]
fn what_is_read_at_the_place_decides() {
    let (mut machine, _, payload) = settling();
    assert!(commits(&machine.on(Duration::ZERO, read_back(4, Some(&payload)))));

    let (mut machine, _, _) = settling();
    let other = of_another(machine.position());
    let actions = machine.on(Duration::ZERO, read_back(4, Some(&other)));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    assert!(matches!(how(&actions), Some(How::Ours(_))));
}

#[test]
fn no_other_answer_to_a_second_send_decides() {
    for answer in [
        Err(AppendError::Refused { last: Some(Seq(4)) }),
        Err(AppendError::NotSent { reason: "down".to_owned() }),
        Err(AppendError::TooLarge { size: 2, limit: 1 }),
        Err(unknown()),
        Ok(9),
    ] {
        let (mut machine, id, _) = settling();
        machine.on(Duration::ZERO, read_back(4, None));
        let actions = machine.on(Duration::ZERO, acked(id, answer.clone()));
        assert!(actions.is_empty(), "{answer:?}: {actions:?}");
        assert!(!machine.can_execute());
        let due = machine.wake_at().unwrap();
        assert_eq!(reads(&machine.on(due, Event::Tick)), [Seq(4)], "{answer:?}");
    }
}

#[test]
fn a_second_send_that_is_acknowledged_at_the_place_commits() {
    let (mut machine, id, _) = settling();
    machine.on(Duration::ZERO, read_back(4, None));
    assert!(commits(&machine.on(Duration::ZERO, acked(id, Ok(4)))));
}

#[test]
fn a_read_that_fails_is_made_again() {
    let (mut machine, _, _) = settling();
    let result = Err(Error::transport("log", "down"));
    assert!(machine.on(Duration::ZERO, Event::ReadBack { seq: Seq(4), result }).is_empty());
    let due = machine.wake_at().unwrap();
    assert_eq!(reads(&machine.on(due, Event::Tick)), [Seq(4)]);
}

#[test]
fn after_the_deadline_clients_get_the_name_and_a_noop_takes_the_place() {
    for phase in ["no answer at all", "settling"] {
        let (mut machine, id, payload) = if phase == "settling" { settling() } else { appending() };
        let actions = machine.on(DEADLINE, Event::Tick);
        assert!(is_unknown(fate(&actions), id), "{phase}: {actions:?}");
        assert!(!machine.can_execute(), "{phase}");
        let mut now = DEADLINE;
        if phase == "settling" {
            // An outstanding read is not repeated at once.
            now = machine.wake_at().unwrap().max(now);
        }
        assert_eq!(reads(&machine.on(now, Event::Tick)), [Seq(4)], "{phase}");
        let actions = machine.on(now, read_back(4, None));
        let noop = drafts(&actions)[0].clone();
        assert_eq!(noop.expect, Some(Seq(3)));
        assert_ne!((noop.attempt, &noop.parts[0]), (id, &payload));
        let actions = machine.on(now, acked(noop.attempt, Ok(4)));
        assert!(matches!(how(&actions), Some(How::Nothing(None))), "{phase}: {actions:?}");
        machine.on(now, moved(&machine, &noop.parts[0]));
        assert!(machine.can_execute(), "writes go on");
    }
}

#[test]
fn an_entry_that_was_stored_after_all_is_applied_in_place_of_the_noop() {
    let (mut machine, id, payload) = settling();
    machine.on(DEADLINE, Event::Tick);
    let actions = machine.on(DEADLINE, delivered(4, &payload));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
    assert!(fate(&actions).is_none(), "its clients were told already");
    machine.on(DEADLINE, moved(&machine, &payload));
    assert!(machine.can_execute());
    assert!(machine.on(DEADLINE, acked(id, Ok(4))).is_empty());
}

#[test]
fn stopping_with_an_open_group_tells_its_clients_that_the_outcome_is_unknown() {
    for (mut machine, id, _) in [appending(), settling()] {
        let actions = machine.on(Duration::ZERO, Event::Failed("broken".to_owned()));
        assert!(is_unknown(fate(&actions), id), "{actions:?}");
        assert!(matches!(actions.last(), Some(Action::Stop(_))));
        assert_eq!(machine.stopped(), Some("broken"));
        assert_eq!(machine.why_waiting(), Error::NotReady("broken".to_owned()));
    }
}

#[test]
fn a_closed_transport_is_no_unknown_outcome() {
    let (mut machine, id, _) = appending();
    let actions = machine.on(Duration::ZERO, acked(id, Err(AppendError::Closed)));
    assert!(matches!(fate(&actions), Some(Fate::Failed(Error::Closed))));
}
