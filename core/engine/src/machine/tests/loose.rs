//! Attempts whose place another entry seems to have, while nothing says that they are not stored.

use ha_core::TransactionName;

use super::*;

/// The answer is not there yet, and another entry was delivered in the attempt's place and applied.
fn overtaken() -> (Machine, AttemptId, Bytes) {
    let (mut machine, id, payload) = appending();
    let other = of_another(machine.position());
    assert!(matches!(fate(&machine.on(Duration::ZERO, delivered(4, &other))), Some(Fate::Again)));
    machine.on(Duration::ZERO, moved(&machine, &other));
    (machine, id, payload)
}

fn named(tries: impl IntoIterator<Item = AttemptName>) -> Option<TransactionName> {
    TransactionName::of(tries)
}

fn refused() -> AppendError {
    AppendError::Refused { last: Some(Seq(4)) }
}

fn mends(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Mend))
}

#[test]
fn that_an_attempt_is_not_stored_is_said_once_the_log_has_refused_it() {
    let (mut machine, id, _) = overtaken();
    assert!(machine.can_execute() && machine.may_repeat(&[id]), "what is made now excludes it");
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
    machine.on(Duration::ZERO, acked(id, Err(refused())));
    assert!(machine.may_repeat(&[id]));
    assert_eq!(machine.name_of(&[id], None), None);
}

fn reads(actions: &[Action], seq: u64) -> bool {
    matches!(actions, [Action::Read(at)] if *at == Seq(seq))
}

#[test]
fn after_every_other_answer_it_is_said_once_the_place_was_read() {
    for answer in [Err(unknown()), Ok(9)] {
        let (mut machine, id, _) = overtaken();
        machine.on(Duration::ZERO, acked(id, answer.clone()));
        let actions = machine.on(machine.wake_at().unwrap(), Event::Tick);
        assert!(reads(&actions, 4), "{answer:?}: {actions:?}");
        // It may refuse a second send because it has taken the first.
        machine.on(Duration::ZERO, acked(id, Err(refused())));
        // Who is asked may lag behind.
        machine.on(Duration::ZERO, read_back(4, None));
        assert_eq!(machine.name_of(&[id], None), named([name(id)]));
        let actions = machine.on(machine.wake_at().unwrap(), Event::Tick);
        assert!(reads(&actions, 4), "{answer:?}: {actions:?}");
        let other = of_another(at(3));
        machine.on(Duration::ZERO, read_back(4, Some(&other)));
        assert_eq!(machine.name_of(&[id], None), None);
    }
}

#[test]
fn what_was_delivered_in_the_place_of_an_unknown_attempt_is_read() {
    let (mut machine, id, payload) = appending();
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    let other = of_another(machine.position());
    let actions = machine.on(Duration::ZERO, delivered(4, &other));
    assert!(matches!(fate(&actions), Some(Fate::Again)));
    machine.on(Duration::ZERO, moved(&machine, &other));
    assert!(machine.can_execute() && machine.may_repeat(&[id]));
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
    assert!(reads(&machine.on(machine.wake_at().unwrap(), Event::Tick), 4));
    // The log was rewound, and has taken it.
    assert!(mends(&machine.on(Duration::ZERO, read_back(4, Some(&payload)))));
    assert!(!machine.may_repeat(&[id]) && !machine.awaits_word(&[id]));
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
}

#[test]
fn what_was_sent_again_is_looked_for_after_its_answer() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    let again = machine.on(Duration::ZERO, read_back(4, None));
    assert!(matches!(again[..], [Action::Append(_)]), "{again:?}");
    let other = of_another(machine.position());
    machine.on(Duration::ZERO, delivered(4, &other));
    machine.on(Duration::ZERO, moved(&machine, &other));
    assert_eq!(machine.wake_at(), None, "it may be on its way still");
    // The log may have taken the first send.
    machine.on(Duration::ZERO, acked(id, Err(refused())));
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
    assert!(reads(&machine.on(machine.wake_at().unwrap(), Event::Tick), 4));
    machine.on(Duration::ZERO, read_back(4, Some(&other)));
    assert_eq!(machine.name_of(&[id], None), None);
}

#[test]
fn an_attempt_that_a_barrier_seems_to_have_overtaken_may_be_stored() {
    let (mut machine, id, _) = appending();
    let barrier = bytes(Some(super::machine(2, at(3)).next_meta(Kind::Noop)), Vec::new());
    assert!(machine.on(Duration::ZERO, delivered(4, &barrier)).is_empty());
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
}

#[test]
fn an_attempt_that_is_acknowledged_where_another_entry_was_has_the_log_compared() {
    let (mut machine, id, _) = overtaken();
    assert!(mends(&machine.on(Duration::ZERO, acked(id, Ok(4)))));
    assert!(!machine.can_execute() && !machine.may_repeat(&[id]));
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
}

#[test]
fn on_another_history_nothing_of_an_attempt_that_may_be_part_of_it_is_executed_again() {
    let (mut machine, id, _) = overtaken();
    machine.on(Duration::ZERO, Event::Misfit("it was rewound".to_owned()));
    machine.on(Duration::ZERO, Event::Adopted(Position { hash: RunningHash([99; 32]), ..at(4) }));
    machine.on(Duration::ZERO, bounds(1, 4));
    assert!(machine.can_execute() && !machine.may_repeat(&[id]));
    assert!(machine.may_repeat(&[AttemptId { boot: 1, counter: 9 }]));
    assert_eq!(machine.name_of(&[id], None), named([name(id)]));
}

#[test]
fn an_attempt_that_is_found_in_its_place_after_all_is_not_executed_again() {
    let (mut machine, id, payload) = appending();
    let other = of_another(machine.position());
    machine.on(Duration::ZERO, delivered(4, &other));
    machine.on(Duration::ZERO, Event::Stuck("disk full".to_owned()));
    machine.on(machine.wake_at().unwrap(), Event::Tick);
    assert!(machine.may_repeat(&[id]));
    // Meanwhile the log was rewound, and has taken it.
    let actions = machine.on(Duration::ZERO, delivered(4, &payload));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
    machine.on(Duration::ZERO, moved(&machine, &payload));
    assert!(!machine.may_repeat(&[id]));
}

#[test]
fn of_several_attempts_all_that_may_be_stored_are_named() {
    let (mut machine, id, _) = overtaken();
    let latest = AttemptName { base: Seq(4), ..name(AttemptId { boot: 1, counter: 9 }) };
    assert_eq!(machine.name_of(&[], Some(latest)), named([latest]));
    assert_eq!(machine.name_of(&[id], Some(latest)), named([name(id), latest]));
    assert_eq!(machine.name_of(&[id], Some(name(id))), named([name(id)]));
    machine.on(Duration::ZERO, acked(id, Err(refused())));
    assert_eq!(machine.name_of(&[id], Some(latest)), named([latest]), "the first is not stored");
}

#[test]
fn no_more_attempts_are_made_than_can_be_named() {
    let (mut machine, id, _) = overtaken();
    let mut attempts = vec![id];
    while machine.may_repeat(&attempts) {
        let id = AttemptId { boot: 1, counter: 100 + attempts.len() as u64 };
        let payload = bytes(Some(machine.next_meta(Kind::Noop)), Vec::new());
        let executed =
            Event::Executed { id, parts: vec![payload], deadline: Duration::from_secs(9) };
        machine.on(Duration::ZERO, executed);
        let other = of_another(machine.position());
        machine.on(Duration::ZERO, delivered(machine.position().seq.0 + 1, &other));
        machine.on(Duration::ZERO, moved(&machine, &other));
        attempts.push(id);
    }
    let name = machine.name_of(&attempts, None).unwrap();
    let named: Vec<_> = name.tries().iter().map(|one| one.attempt).collect();
    assert_eq!(named, attempts);
    assert_eq!(named.len(), TransactionName::MOST);
}

#[test]
fn what_nobody_waits_for_is_forgotten() {
    let (mut machine, id, _) = overtaken();
    machine.forget_loose(|needed| needed == id);
    assert!(machine.has_loose(&[id]));
    machine.forget_loose(|_| false);
    assert!(!machine.has_loose(&[id]));
}
