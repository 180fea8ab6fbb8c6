//! What confirms that a read sees everything.

use super::*;

fn ask(machine: &mut Machine, read: u64) {
    assert!(machine.on(Duration::ZERO, Event::Asked { read }).is_empty());
}

/// The barrier that the machine sends now.
fn barrier(machine: &mut Machine) -> Draft {
    let actions = machine.on(Duration::ZERO, Event::Quiet);
    let draft = drafts(&actions)[0].clone();
    assert_eq!(draft.expect, None);
    let meta = ha_changes::decode(&draft.parts[0]).unwrap().meta.unwrap();
    assert_eq!(meta.kind, Kind::Noop);
    draft
}

fn served(actions: &[Action]) -> Option<u64> {
    actions
        .iter()
        .find_map(|action| if let Action::Serve(upto) = action { Some(*upto) } else { None })
}

/// Delivers and applies what is stored at `seq`.
fn apply(machine: &mut Machine, seq: u64, payload: &Bytes) -> Vec<Action> {
    let actions = machine.on(Duration::ZERO, delivered(seq, payload));
    assert!(how(&actions).is_some(), "{actions:?}");
    machine.on(Duration::ZERO, moved(machine, payload))
}

#[test]
fn a_read_waits_for_its_barrier_and_for_everything_before_it() {
    let mut machine = idle();
    ask(&mut machine, 1);
    let barrier = barrier(&mut machine);
    let actions = machine.on(Duration::ZERO, acked(barrier.attempt, Ok(5)));
    assert_eq!(served(&actions), None, "entry 4 is missing");
    let other = of_another(machine.position());
    assert_eq!(served(&apply(&mut machine, 4, &other)), None);
    assert_eq!(served(&apply(&mut machine, 5, &barrier.parts[0])), Some(1));
}

#[test]
fn a_barrier_that_was_applied_before_it_is_acknowledged_serves_as_well() {
    let mut machine = idle();
    ask(&mut machine, 1);
    let barrier = barrier(&mut machine);
    assert_eq!(served(&apply(&mut machine, 4, &barrier.parts[0])), None);
    let actions = machine.on(Duration::ZERO, acked(barrier.attempt, Ok(4)));
    assert_eq!(served(&actions), Some(1));
}

#[test]
fn one_barrier_is_out_and_serves_those_who_came_before_it() {
    let mut machine = idle();
    (1..=3).for_each(|read| ask(&mut machine, read));
    let first = barrier(&mut machine);
    ask(&mut machine, 4);
    assert!(machine.on(Duration::ZERO, Event::Quiet).is_empty(), "one at a time");
    machine.on(Duration::ZERO, acked(first.attempt, Ok(4)));
    assert_eq!(served(&apply(&mut machine, 4, &first.parts[0])), Some(3));
    let second = barrier(&mut machine);
    assert_ne!(second.attempt, first.attempt);
}

#[test]
fn a_group_that_starts_after_the_read_is_its_barrier() {
    let mut machine = idle();
    ask(&mut machine, 1);
    let (id, payload) = entry(&mut machine, "mine");
    let event = Event::Executed { id, parts: vec![payload.clone()], deadline: DEADLINE };
    machine.on(Duration::ZERO, event);
    ask(&mut machine, 2);
    assert!(machine.on(Duration::ZERO, Event::Quiet).is_empty(), "a group is on its way");
    assert!(commits(&machine.on(Duration::ZERO, acked(id, Ok(4)))));
    let actions = machine.on(Duration::ZERO, moved(&machine, &payload));
    assert_eq!(served(&actions), Some(1), "the second came after the group was sent");
    barrier(&mut machine);
}

#[test]
fn a_read_whose_group_is_refused_gets_a_barrier() {
    let mut machine = idle();
    ask(&mut machine, 1);
    let (id, payload) = entry(&mut machine, "mine");
    machine.on(Duration::ZERO, Event::Executed { id, parts: vec![payload], deadline: DEADLINE });
    let other = of_another(machine.position());
    machine.on(Duration::ZERO, delivered(4, &other));
    machine.on(Duration::ZERO, moved(&machine, &other));
    barrier(&mut machine);
}

#[test]
fn a_group_does_not_race_the_own_barrier() {
    let mut machine = idle();
    ask(&mut machine, 1);
    let barrier = barrier(&mut machine);
    let (id, payload) = entry(&mut machine, "mine");
    let actions = machine
        .on(Duration::ZERO, Event::Executed { id, parts: vec![payload], deadline: DEADLINE });
    assert!(actions.is_empty(), "{actions:?}");
    assert!(machine.on(Duration::ZERO, Event::Quiet).is_empty());
    machine.on(Duration::ZERO, acked(barrier.attempt, Ok(4)));
    assert!(machine.on(Duration::ZERO, Event::Quiet).is_empty(), "the barrier is in the way");
    let actions = machine.on(Duration::ZERO, delivered(4, &barrier.parts[0]));
    assert_eq!(served(&actions), Some(1), "the read does not wait for the group");
    let actions = machine.on(Duration::ZERO, Event::Quiet);
    assert!(matches!(actions[..], [Action::Offer]), "{actions:?}");
}

#[test]
fn a_barrier_without_an_answer_is_sent_again_later_under_another_name() {
    for error in [unknown(), AppendError::NotSent { reason: "down".to_owned() }] {
        let mut machine = idle();
        ask(&mut machine, 1);
        let first = barrier(&mut machine);
        machine.on(Duration::ZERO, acked(first.attempt, Err(error)));
        assert!(machine.on(Duration::ZERO, Event::Quiet).is_empty(), "not at once");
        let due = machine.wake_at().unwrap();
        machine.on(due, Event::Tick);
        let actions = machine.on(due, Event::Quiet);
        assert_ne!(drafts(&actions)[0].attempt, first.attempt);
    }
}

#[test]
fn a_log_that_has_lost_entries_confirms_nothing() {
    let mut machine = idle();
    ask(&mut machine, 1);
    let barrier = barrier(&mut machine);
    let actions = machine.on(Duration::ZERO, acked(barrier.attempt, Ok(3)));
    assert!(matches!(actions[..], [Action::AskBounds]), "{actions:?}");
}

#[test]
fn barriers_leave_a_pause_for_others_writes() {
    let round_trip = Duration::from_millis(8);
    let pauses = (1..20).map(|boot| {
        let mut machine = machine(boot, at(3));
        ask(&mut machine, 1);
        let barrier = barrier(&mut machine);
        machine.on(Duration::ZERO, delivered(4, &barrier.parts[0]));
        machine.on(Duration::ZERO, moved(&machine, &barrier.parts[0]));
        machine.on(round_trip, acked(barrier.attempt, Ok(4)));
        machine.on(round_trip, Event::Asked { read: 2 });
        machine.wake_at().map_or(Duration::ZERO, |at| at - round_trip)
    });
    let pauses: Vec<_> = pauses.collect();
    assert!(pauses.iter().all(|pause| *pause <= round_trip * 2), "{pauses:?}");
    assert!(pauses.iter().max() > Some(&round_trip), "{pauses:?}");
    assert!(pauses.iter().min() < Some(&round_trip), "{pauses:?}");
}

#[test]
fn without_a_log_to_read_this_state_is_the_newest() {
    let mut machine = idle().with_readable_log(false);
    assert_eq!(served(&machine.on(Duration::ZERO, Event::Asked { read: 1 })), Some(1));
}
