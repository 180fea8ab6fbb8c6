//! Logs that are not the one that was applied.

use super::*;

const LATER: Duration = Duration::from_secs(2);

fn misfit() -> Event {
    Event::Misfit("it was rewound".to_owned())
}

fn not_mended(reason: &str, hopeless: bool) -> Event {
    Event::NotMended { reason: reason.to_owned(), hopeless }
}

fn mends(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Mend))
}

fn follows_from(actions: &[Action], from: u64) -> bool {
    let resubscribes =
        |action: &Action| matches!(action, Action::Resubscribe(seq) if seq.0 == from);
    actions.iter().any(resubscribes)
}

#[test]
fn a_write_that_was_sent_is_unknown_and_nothing_else_happens_until_the_log_fits() {
    let (mut machine, id, payload) = appending();
    let actions = machine.on(Duration::ZERO, misfit());
    assert!(is_unknown(fate(&actions), id), "{actions:?}");
    assert!(mends(&actions));
    for event in [delivered(4, &payload), bounds(1, 9), acked(id, Ok(4)), misfit(), Event::Tick] {
        assert!(machine.on(LATER, event).is_empty());
    }
    assert_eq!(machine.position(), at(3));
    let actions = machine.on(LATER, Event::Mended);
    assert!(follows_from(&actions, 4), "{actions:?}");
    assert!(!machine.can_execute(), "it is not known yet where the log ends");
    machine.on(LATER, bounds(1, 3));
    assert!(machine.can_execute());
}

#[test]
fn what_only_somebody_else_can_mend_is_looked_at_again_and_said_once() {
    let mut machine = idle();
    machine.on(Duration::ZERO, misfit());
    let actions = machine.on(Duration::ZERO, not_mended("no answer", false));
    assert!(actions.is_empty() && machine.stopped().is_none());
    assert!(mends(&machine.on(LATER, Event::Tick)));
    let actions = machine.on(LATER, not_mended("do this", true));
    assert!(matches!(&actions[..], [Action::Stop(text)] if text == "do this"), "{actions:?}");
    assert_eq!(machine.stopped(), Some("do this"));
    assert!(machine.wake_at().is_some_and(|at| at > LATER));
    assert!(mends(&machine.on(LATER * 2, Event::Tick)));
    assert!(machine.on(LATER * 2, not_mended("do this", true)).is_empty());
    assert_eq!(machine.on(LATER * 3, not_mended("do that", true)).len(), 1);
}

#[test]
fn a_database_at_another_place_follows_from_there() {
    let mut machine = idle();
    machine.on(Duration::ZERO, misfit());
    let position = Position { lineage: Lineage([9; 8]), ..at(1) };
    let actions = machine.on(Duration::ZERO, Event::Adopted(position));
    assert!(follows_from(&actions, 2), "{actions:?}");
    assert_eq!(machine.position(), position);
}

#[test]
fn a_node_that_has_not_applied_what_the_log_has_lost_lets_others_append_it_first() {
    let mut machine = idle();
    machine.on(Duration::ZERO, bounds(1, 4));
    assert!(machine.can_execute(), "it is not known to be behind before its write is refused");
    machine.on(Duration::ZERO, bounds(1, 3));
    assert!(!machine.can_execute());
    let actions = machine.on(LATER, Event::Tick);
    assert!(matches!(actions[..], [Action::AskBounds]), "{actions:?}");
    machine.on(LATER, bounds(1, 3));
    assert!(!machine.can_execute());

    let mut healed = idle();
    healed.on(Duration::ZERO, bounds(1, 4));
    healed.on(Duration::ZERO, bounds(1, 3));
    let payload = of_another(at(3));
    assert!(how(&healed.on(LATER, delivered(4, &payload))).is_some());
    let event = moved(&healed, &payload);
    healed.on(LATER, event);
    assert!(healed.can_execute(), "it is there again");

    // Nobody has it.
    machine.on(LATER * 2, Event::Tick);
    machine.on(LATER * 2, bounds(1, 3));
    assert!(machine.can_execute());
}

#[test]
fn an_entry_made_here_on_another_history_has_the_log_compared_once() {
    let strange = Position { hash: RunningHash([99; 32]), ..at(3) };
    let payload = of_another(strange);
    let (mut busy, id, _) = appending();
    let actions = busy.on(Duration::ZERO, delivered(4, &payload));
    assert!(mends(&actions) && matches!(fate(&actions), Some(Fate::Again)), "{actions:?}");
    assert_eq!(busy.position(), at(3));
    let _ = id;

    let mut machine = idle();
    assert!(mends(&machine.on(Duration::ZERO, delivered(4, &payload))));
    machine.on(Duration::ZERO, Event::Mended);
    let actions = machine.on(Duration::ZERO, delivered(4, &payload));
    assert!(matches!(how(&actions), Some(How::Nothing(Some(_)))), "{actions:?}");

    let earlier = of_another(Position { hash: RunningHash([99; 32]), ..at(2) });
    let actions = idle().on(Duration::ZERO, delivered(4, &earlier));
    assert!(matches!(how(&actions), Some(How::Nothing(Some(_)))), "{actions:?}");
}

#[test]
fn an_answer_that_fails_does_not_end_the_wait_for_a_lost_end() {
    let mut machine = idle();
    machine.on(Duration::ZERO, bounds(1, 9));
    machine.on(Duration::ZERO, bounds(1, 5));
    assert!(!machine.can_execute(), "somebody may be about to append the end again");
    machine.on(Duration::ZERO, Event::Unreachable("it flaps".to_owned()));
    let actions = machine.on(Duration::from_millis(60), Event::Tick);
    assert!(matches!(actions[..], [Action::AskBounds]), "{actions:?}");
    assert!(!machine.can_execute());
}
