//! Nodes that ask the others to wait.

use super::*;

const TIME: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_millis(299);

/// What another process asks at a position.
fn question(boot: u64, position: Position, time: Duration) -> Bytes {
    bytes(Some(machine(boot, position).next_meta(Kind::Turn(time))), Vec::new())
}

/// A machine at whose entry 4 another one has asked.
fn asked(time: Duration) -> (Machine, Vec<Action>) {
    let mut machine = idle();
    let actions = fold(&mut machine, &question(2, at(3), time));
    (machine, actions)
}

/// Lets an entry come and be applied.
fn fold(machine: &mut Machine, payload: &Bytes) -> Vec<Action> {
    let seq = machine.position().seq.next().0;
    let actions = machine.on(Duration::ZERO, delivered(seq, payload));
    machine.on(Duration::ZERO, moved(machine, payload));
    actions
}

#[test]
fn others_wait_until_the_asker_has_appended() {
    let (mut machine, actions) = asked(TIME);
    assert!(matches!(
        actions[..],
        [Action::Hold(TIME), Action::Apply { how: How::Nothing(None), .. }]
    ));
    assert!(!machine.can_execute());
    let third = entry(&mut super::machine(3, machine.position()), "of a third").1;
    fold(&mut machine, &third);
    assert!(!machine.can_execute(), "somebody who did not look");
    let base = machine.position();
    fold(&mut machine, &of_another(base));
    assert!(machine.can_execute());
}

#[test]
fn others_wait_no_longer_than_they_were_asked_to() {
    let (mut machine, _) = asked(TIME);
    assert_eq!(machine.wake_at(), Some(TIME));
    machine.on(LATER, Event::Tick);
    assert!(!machine.can_execute());
    machine.on(TIME, Event::Tick);
    assert!(machine.can_execute());
    let (machine, actions) = asked(Duration::MAX);
    let Some(Action::Hold(time)) = actions.first() else { panic!("{actions:?}") };
    assert!(*time <= Duration::from_secs(5), "nobody may ask for longer");
    assert_eq!(machine.wake_at(), Some(*time));
}

#[test]
fn barriers_wait_too_and_an_open_group_makes_way() {
    let (mut machine, _) = asked(TIME);
    machine.on(Duration::ZERO, Event::Asked { read: 1 });
    assert!(machine.on(LATER, Event::Quiet).is_empty());
    machine.on(TIME, Event::Tick);
    assert_eq!(drafts(&machine.on(TIME, Event::Quiet)).len(), 1);
    let (mut machine, ..) = appending();
    let actions = machine.on(Duration::ZERO, delivered(4, &question(2, at(3), TIME)));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    assert!(actions.iter().any(|action| matches!(action, Action::Hold(TIME))));
    assert!(!machine.can_execute());
}

#[test]
fn the_asker_waits_for_its_turn_alone() {
    let mut machine = idle();
    let actions = machine.on(Duration::ZERO, Event::AskTurn(TIME));
    let [draft] = drafts(&actions)[..] else { panic!("{actions:?}") };
    let (id, payload) = (draft.attempt, draft.parts[0].clone());
    assert_eq!(draft.expect, None);
    assert!(!machine.can_execute());
    assert!(machine.on(Duration::ZERO, Event::AskTurn(TIME)).is_empty(), "one at a time");
    machine.on(Duration::ZERO, acked(id, Ok(5)));
    fold(&mut machine, &of_another(at(3)));
    assert!(!machine.can_execute(), "what is before it in the log comes first");
    let actions = fold(&mut machine, &payload);
    assert!(!actions.iter().any(|action| matches!(action, Action::Hold(_))), "{actions:?}");
    assert!(machine.can_execute());
}

#[test]
fn a_question_that_is_not_stored_is_not_waited_for() {
    let mut machine = idle();
    let actions = machine.on(Duration::ZERO, Event::AskTurn(TIME));
    let id = drafts(&actions)[0].attempt;
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    assert!(machine.can_execute());
    machine.on(Duration::ZERO, Event::AskTurn(TIME));
    machine.on(machine.wake_at().unwrap(), Event::Tick);
    assert!(machine.can_execute(), "nor is one without an answer");
}

#[test]
fn who_asks_first_is_first() {
    let (mut machine, _) = asked(TIME);
    let base = machine.position();
    let actions = machine.on(Duration::ZERO, Event::AskTurn(TIME));
    assert!(actions.is_empty(), "it is not its turn to ask");
    // It had asked at the same time: its question comes second.
    let own = question(1, base, TIME);
    fold(&mut machine, &own);
    assert!(!machine.can_execute());
    let base = machine.position();
    fold(&mut machine, &of_another(base));
    assert!(machine.can_execute());
    let late = question(3, machine.position(), TIME);
    fold(&mut machine, &late);
    assert!(machine.can_execute(), "a third is after it");
    let (id, payload) = entry(&mut machine, "mine");
    machine.on(
        Duration::ZERO,
        Event::Executed { id, parts: vec![payload.clone()], deadline: DEADLINE },
    );
    let seq = machine.position().seq.next().0;
    machine.on(Duration::ZERO, acked(id, Ok(seq)));
    machine.on(Duration::ZERO, moved(&machine, &payload));
    assert!(!machine.can_execute(), "and now it is that one's turn");
}

#[test]
fn who_asks_again_in_its_own_turn_is_behind_the_others_who_have_all_of_theirs() {
    let (mut machine, _) = asked(TIME);
    let base = machine.position();
    fold(&mut machine, &question(3, base, 2 * TIME));
    let again = question(2, machine.position(), TIME);
    let seq = machine.position().seq.next().0;
    machine.on(LATER, delivered(seq, &again));
    machine.on(LATER, moved(&machine, &again));
    assert_eq!(machine.wake_at(), Some(LATER + 2 * TIME), "the third has just begun");
    machine.on(LATER + 2 * TIME, Event::Tick);
    assert_eq!(machine.wake_at(), Some(LATER + 3 * TIME));
    assert!(!machine.can_execute());
}
