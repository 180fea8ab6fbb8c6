//! What entries and the log's extent mean for the position.

use ha_changes::{Base, BaseSnapshot, FORMAT_VERSION};

use super::*;

fn deliver(machine: &mut Machine, payload: &Bytes) -> Vec<Action> {
    let seq = machine.position().seq.next().0;
    machine.on(Duration::ZERO, delivered(seq, payload))
}

fn stops(actions: &[Action]) -> Option<&str> {
    match actions.last() {
        Some(Action::Stop(reason)) => Some(reason),
        _ => None,
    }
}

fn json(payload: &Bytes, from: &str, to: &str) -> Bytes {
    let text = String::from_utf8(payload.to_vec()).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    text.replace(from, to).into()
}

#[test]
fn the_hash_goes_over_every_payload_and_sequence() {
    let mut machine = idle();
    let other = of_another(machine.position());
    match &deliver(&mut machine, &other)[..] {
        [Action::Apply { seq, hash, payload, how: How::Ours(_) }] => {
            assert_eq!((*seq, payload), (Seq(4), &other));
            assert_eq!(*hash, at(3).hash.extend(Seq(4), &other));
        }
        actions => panic!("{actions:?}"),
    }
}

#[test]
fn an_entry_of_ours_on_another_place_is_void() {
    let lineage = Lineage([8; 8]);
    let elsewhere = [
        Position { lineage, hash: at(2).hash, ..at(3) },
        Position { lineage, seq: Seq(2), ..at(3) },
        Position { seq: Seq(2), ..at(3) },
    ];
    for base in elsewhere {
        let mut machine = idle();
        let actions = deliver(&mut machine, &of_another(base));
        assert!(matches!(how(&actions), Some(How::Nothing(Some(_)))), "{base:?}: {actions:?}");
    }
}

/// The running hash says of the whole history that it is this one.
#[test]
fn an_entry_that_was_made_under_another_lineage_of_the_log_counts() {
    let actions = deliver(&mut idle(), &of_another(Position { lineage: Lineage([8; 8]), ..at(3) }));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
}

#[test]
fn entries_of_other_programs_apply_as_they_come_and_rubbish_is_skipped() {
    let actions = deliver(&mut idle(), &bytes(None, Vec::new()));
    assert!(matches!(how(&actions), Some(How::Foreign(_))), "{actions:?}");
    let actions = deliver(&mut idle(), &Bytes::from_static(b"no json"));
    assert!(matches!(how(&actions), Some(How::Nothing(Some(_)))), "{actions:?}");
}

#[test]
fn a_base_is_exempt_from_the_chain() {
    let snapshot = BaseSnapshot {
        source: None,
        digest: [1; 32],
        bytes: 1,
        seq: Seq::ZERO,
        hash: RunningHash([5; 32]),
        from: None,
    };
    let base = Base { lineage: Lineage([9; 8]), seq: Seq(77), hash: RunningHash([3; 32]) };
    let mut maker = machine(2, at(3));
    let meta = ha_changes::Meta { base, ..maker.next_meta(Kind::Base(snapshot)) };
    let mut machine = idle();
    let actions = deliver(&mut machine, &bytes(Some(meta), Vec::new()));
    assert!(matches!(how(&actions), Some(How::Base(found)) if *found == snapshot), "{actions:?}");
    machine.on(Duration::ZERO, Event::Adopted(at(4)));
    assert_eq!(machine.position(), at(4));
}

#[test]
fn a_newer_format_stops_the_node() {
    let payload = of_another(at(3));
    let version = format!("\"version\":{FORMAT_VERSION}");
    let newer = json(&payload, &version, "\"version\":99");
    let mut machine = idle();
    let actions = deliver(&mut machine, &newer);
    assert!(stops(&actions).is_some_and(|reason| reason.contains("update")), "{actions:?}");
    assert!(deliver(&mut machine, &payload).is_empty(), "nothing is applied any more");
}

#[test]
fn a_gap_subscribes_anew_and_old_entries_are_ignored() {
    let mut machine = idle();
    let other = of_another(machine.position());
    let actions = machine.on(Duration::ZERO, delivered(5, &other));
    assert!(matches!(actions[..], [Action::Resubscribe(Seq(4))]), "{actions:?}");
    assert!(machine.on(Duration::ZERO, delivered(3, &other)).is_empty());
    assert_eq!(machine.position(), at(3));
}

#[test]
fn an_entry_that_cannot_be_applied_for_now_is_tried_again_later_and_not_at_once() {
    let mut machine = idle();
    let other = of_another(machine.position());
    deliver(&mut machine, &other);
    machine.on(Duration::ZERO, Event::Stuck("disk full".to_owned()));
    assert!(!machine.can_execute());
    assert_eq!(machine.why_waiting(), Error::NotReady("disk full".to_owned()));
    assert!(machine.on(Duration::ZERO, delivered(5, &other)).is_empty(), "no hurry");
    let due = machine.wake_at().unwrap();
    let actions = machine.on(due, Event::Tick);
    assert!(matches!(actions[..], [Action::Resubscribe(Seq(4))]), "{actions:?}");
    assert!(how(&deliver(&mut machine, &other)).is_some());
    machine.on(due, moved(&machine, &other));
    assert!(machine.can_execute());
}

#[test]
fn nothing_is_executed_before_the_end_that_the_log_had_at_the_start() {
    let identity = Identity { node: "n".to_owned(), process_id: 1, boot: 1 };
    let mut machine = Machine::new(identity, at(3), Seq(5));
    for _ in 0..2 {
        assert!(!machine.can_execute());
        let other = of_another(machine.position());
        deliver(&mut machine, &other);
        machine.on(Duration::ZERO, moved(&machine, &other));
    }
    assert!(machine.can_execute());
}

#[test]
fn another_log_is_mended_and_a_lost_beginning_has_the_node_re_seeded() {
    let other = Bounds { lineage: Lineage([8; 8]), first: Seq(1), last: Seq(9), bytes: 0 };
    let mut machine = idle();
    let actions = machine.on(Duration::ZERO, Event::Bounds(other));
    assert!(matches!(actions[..], [Action::Mend]), "{actions:?}");
    assert!(deliver(&mut machine, &of_another(at(3))).is_empty(), "nothing is applied");
    assert!(!machine.can_execute() && machine.trouble().is_some());
    let actions = idle().on(Duration::ZERO, bounds(5, 9));
    assert!(matches!(actions[..], [Action::Fetch(_)]), "{actions:?}");
    assert!(idle().on(Duration::ZERO, bounds(4, 9)).is_empty());
}

#[test]
fn a_log_that_seems_to_end_too_early_is_looked_at_before_the_node_stops() {
    let mut machine = idle();
    let actions = machine.on(Duration::ZERO, bounds(1, 2));
    assert!(matches!(actions[..], [Action::Verify]), "{actions:?}");
    assert_eq!(machine.stopped(), None);
}

#[test]
fn a_node_without_entries_follows_a_log_that_is_made_again() {
    let start = Position { lineage: LINEAGE, seq: Seq::ZERO, hash: RunningHash::default() };
    let mut machine = machine(1, start);
    let lineage = Lineage([8; 8]);
    machine.on(
        Duration::ZERO,
        Event::Bounds(Bounds { lineage, first: Seq(1), last: Seq(0), bytes: 0 }),
    );
    assert_eq!(machine.position().lineage, lineage);
    let actions = deliver(&mut machine, &of_another(Position { lineage, ..start }));
    assert!(matches!(how(&actions), Some(How::Ours(_))), "{actions:?}");
}
