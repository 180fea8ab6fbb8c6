//! Steps of comparing states are folded like barriers, and told where the database has the
//! state that they are about.

use ha_changes::{Audit, AuditReport};

use super::*;
use crate::machine::Heard;

fn step(audit: Audit) -> Bytes {
    // Its base is none of this log's positions: it counts anywhere.
    bytes(Some(machine(2, at(1)).next_meta(Kind::Audit(audit))), Vec::new())
}

fn report() -> Audit {
    Audit::Report(AuditReport { mark: Seq(2), method: 1, total: [1; 32], tables: Vec::new() })
}

#[test]
fn a_step_is_told_before_the_position_moves_past_it() {
    for audit in [Audit::Mark, report()] {
        let mut machine = idle();
        let actions = machine.on(Duration::ZERO, delivered(4, &step(audit.clone())));
        let told = Heard { seq: Seq(4), node: "n".to_owned(), audit };
        match &actions[..] {
            [Action::Audit(heard), Action::Apply { seq: Seq(4), how: How::Audit(_), .. }] => {
                assert_eq!(*heard, told);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_open_group_stays_executed_and_the_step_is_told_before_it_commits() {
    let (mut machine, id, _) = appending();
    let mark = step(Audit::Mark);
    let actions = machine.on(Duration::ZERO, delivered(4, &mark));
    match &actions[..] {
        [Action::Audit(Heard { seq: Seq(4), audit: Audit::Mark, .. })] => {}
        other => panic!("{other:?}"),
    }
    machine.on(Duration::ZERO, acked(id, Err(AppendError::Refused { last: Some(Seq(4)) })));
    let actions = machine.on(Duration::ZERO, Event::Quiet);
    assert!(matches!(actions[..], [Action::Offer]), "{actions:?}");
    let (id, payload) = entry(&mut machine, "mine");
    machine.on(Duration::ZERO, Event::Executed { id, parts: vec![payload], deadline: DEADLINE });
    match &machine.on(Duration::ZERO, acked(id, Ok(5)))[..] {
        [Action::Commit { folded, seq: Seq(5), .. }] => assert_eq!(folded[0].stored.payload, mark),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_that_arrives_while_an_outcome_is_open_settles_it() {
    let (mut machine, id, _) = appending();
    machine.on(Duration::ZERO, acked(id, Err(unknown())));
    let actions = machine.on(Duration::ZERO, read_back(4, Some(&step(report()))));
    assert!(matches!(actions[..], [Action::Audit(_)]), "{actions:?}");
    assert!(matches!(machine.on(Duration::ZERO, Event::Quiet)[..], [Action::Offer]));
}
