//! Groups that were refused, and entries in their way that change nothing.

use super::*;

fn barrier(boot: u64, position: Position) -> Bytes {
    bytes(Some(machine(boot, position).next_meta(Kind::Noop)), Vec::new())
}

/// A group that was refused because of a barrier, which has arrived.
fn behind_a_barrier() -> (Machine, Bytes) {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(4)) })));
    let barrier = barrier(2, at(3));
    let actions = machine.on(Duration::ZERO, delivered(4, &barrier));
    assert!(actions.is_empty(), "the execution stays open: {actions:?}");
    (machine, barrier)
}

fn offer(machine: &mut Machine) -> (AttemptId, Bytes, Draft) {
    let actions = machine.on(Duration::ZERO, Event::Quiet);
    assert!(matches!(actions[..], [Action::Offer]), "{actions:?}");
    let (id, payload) = entry(machine, "mine");
    let event = Event::Executed { id, parts: vec![payload.clone()], deadline: DEADLINE };
    let actions = machine.on(Duration::ZERO, event);
    (id, payload, drafts(&actions)[0].clone())
}

fn recorded(actions: &[Action]) -> Option<(&[Folded], Position)> {
    actions.iter().find_map(|action| match action {
        Action::Record { folded, position } => Some((&folded[..], *position)),
        _ => None,
    })
}

#[test]
fn a_group_that_must_not_be_offered_again_is_executed_again_on_top_of_the_barrier() {
    let (mut machine, _) = behind_a_barrier();
    let actions = machine.on(Duration::ZERO, Event::Quiet);
    assert!(matches!(actions[..], [Action::Offer]), "{actions:?}");
    let actions = machine.on(Duration::ZERO, Event::Withdrawn);
    assert!(matches!(actions[0], Action::Rollback(Fate::Again)), "{actions:?}");
    let (folded, position) = recorded(&actions).expect("the barrier is written");
    assert_eq!((folded.len(), position.seq), (1, Seq(4)));
    machine.on(Duration::ZERO, Event::Recorded);
    assert!(machine.can_execute());
}

#[test]
fn a_group_is_offered_again_on_top_of_a_barrier_without_another_execution() {
    let (mut machine, barrier) = behind_a_barrier();
    let (id, payload, draft) = offer(&mut machine);
    assert_eq!((draft.expect, draft.attempt), (Some(Seq(4)), id));
    let meta = ha_changes::decode(&payload).unwrap().meta.unwrap();
    assert_eq!(meta.base.hash, at(3).hash.extend(Seq(4), &barrier));
    let actions = machine.on(Duration::ZERO, acked(id, Ok(5)));
    match &actions[..] {
        [Action::Commit { folded, seq: Seq(5), .. }] => {
            assert_eq!(folded[0].stored.payload, barrier)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_that_a_group_stands_on_and_the_database_has_not_is_known_with_its_place() {
    let (mut machine, first) = behind_a_barrier();
    let second = barrier(3, at(3));
    machine.on(Duration::ZERO, delivered(5, &second));
    let four = Position { seq: Seq(4), hash: at(3).hash.extend(Seq(4), &first), ..at(3) };
    let five = Position { seq: Seq(5), hash: four.hash.extend(Seq(5), &second), ..at(3) };
    assert_eq!(machine.folded().collect::<Vec<_>>(), [(four, first), (five, second)]);
}

#[test]
fn a_barrier_that_arrives_before_the_refusal_is_folded_as_well() {
    let (mut machine, first, _) = appending();
    assert!(machine.on(Duration::ZERO, delivered(4, &barrier(2, at(1)))).is_empty());
    let (id, ..) = offer(&mut machine);
    let late = AppendError::Refused { last: Some(Seq(4)) };
    assert!(machine.on(Duration::ZERO, acked(first, Err(late))).is_empty());
    let actions = machine.on(Duration::ZERO, acked(id, Ok(5)));
    assert!(matches!(actions[..], [Action::Commit { .. }]), "{actions:?}");
}

#[test]
fn a_void_entry_in_the_way_is_folded_with_its_reason() {
    let (mut machine, _, _) = appending();
    let void = of_another(at(2));
    assert!(machine.on(Duration::ZERO, delivered(4, &void)).is_empty());
    let (id, ..) = offer(&mut machine);
    match &machine.on(Duration::ZERO, acked(id, Ok(5)))[..] {
        [Action::Commit { folded, .. }] => assert!(folded[0].reason.is_some()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_barrier_up_to_the_end_is_awaited() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(5)) })));
    machine.on(Duration::ZERO, delivered(4, &barrier(2, at(3))));
    assert!(machine.on(Duration::ZERO, Event::Quiet).is_empty());
    machine.on(Duration::ZERO, delivered(5, &barrier(3, at(3))));
    assert_eq!(offer(&mut machine).2.expect, Some(Seq(5)));
}

#[test]
fn an_entry_that_changes_something_executes_again_after_what_was_folded_is_recorded() {
    let (mut machine, _) = behind_a_barrier();
    let position = machine.position();
    let other = of_another(position);
    let actions = machine.on(Duration::ZERO, delivered(5, &other));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    let (folded, at) = recorded(&actions).unwrap();
    assert_eq!((folded.len(), at), (1, position));
    assert!(how(&actions).is_none(), "first the database has to stand at the position");
    let actions = machine.on(Duration::ZERO, Event::Recorded);
    assert!(matches!(how(&actions), Some(How::Ours(_))));
    machine.on(Duration::ZERO, moved(&machine, &other));
    assert!(machine.can_execute());
}

#[test]
fn what_cannot_be_recorded_comes_again() {
    let (mut machine, _) = behind_a_barrier();
    let other = of_another(machine.position());
    machine.on(Duration::ZERO, delivered(5, &other));
    machine.on(Duration::ZERO, Event::Stuck("disk full".to_owned()));
    assert_eq!(machine.position(), at(3));
    let actions = machine.on(machine.wake_at().unwrap(), Event::Tick);
    assert!(matches!(actions[..], [Action::Resubscribe(Seq(4))]), "{actions:?}");
}

#[test]
fn clients_of_a_group_that_stays_blocked_are_answered_in_time() {
    let (mut machine, _) = behind_a_barrier();
    let actions = machine.on(DEADLINE, Event::Tick);
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    assert!(recorded(&actions).is_some());
    assert_eq!(machine.why_waiting(), Error::Conflict);
}

#[test]
fn an_unknown_outcome_is_settled_by_a_barrier_at_the_place() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    let actions = machine.on(Duration::ZERO, read_back(4, Some(&barrier(2, at(3)))));
    assert!(actions.is_empty(), "{actions:?}");
    assert_ne!(offer(&mut machine).0, id);
}

#[test]
fn giving_up_records_what_was_folded_and_goes_on_settling() {
    let (mut machine, _) = behind_a_barrier();
    let (id, ..) = offer(&mut machine);
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    let actions = machine.on(DEADLINE, Event::Tick);
    assert!(matches!(fate(&actions), Some(Fate::Unknown(name)) if name.base == Seq(4)));
    assert!(recorded(&actions).is_some());
    machine.on(DEADLINE, Event::Recorded);
    assert!(!machine.can_execute(), "nobody knows what stands at the next place");
    let actions = machine.on(DEADLINE, Event::Tick);
    assert_eq!(reads(&actions), [Seq(5)]);
}
