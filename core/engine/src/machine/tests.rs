//! Each rule of the machine, and random schedules of several machines on one log.

mod appending;
mod audit;
mod blocked;
mod folding;
mod loose;
mod mending;
mod reseeding;
mod runs;
mod settling;
mod simulation;
mod strong;
mod turns;

use std::time::Duration;

use bytes::Bytes;
use ha_changes::{Change, Entry, Form, Kind, Meta, PartLimits, PartWriter, TransactionMark};
use ha_core::{
    AppendError, Appended, AttemptId, AttemptName, Bounds, Draft, Error, Lineage, RunningHash, Seq,
    Stored,
};

use super::{Action, Event, Fate, Folded, How, Identity, Machine, Position};

const LINEAGE: Lineage = Lineage([7; 8]);
const DEADLINE: Duration = Duration::from_secs(5);

fn at(seq: u64) -> Position {
    Position {
        lineage: LINEAGE,
        seq: Seq(seq),
        hash: RunningHash([u8::try_from(seq).unwrap(); 32]),
    }
}

fn machine(boot: u64, position: Position) -> Machine {
    let identity = Identity { node: format!("node {boot}"), process_id: 1, boot };
    Machine::new(identity, position, position.seq)
}

/// A machine that stands at entry 3, the log's end.
fn idle() -> Machine {
    machine(1, at(3))
}

/// An entry with one transaction that the machine makes on its position.
fn entry(machine: &mut Machine, sql: &str) -> (AttemptId, Bytes) {
    let mark = TransactionMark { changes: 1, id: None };
    let meta = machine.next_meta(Kind::Transactions(vec![mark]));
    let id = meta.id;
    let changes = vec![Change::Sql(sql.to_owned())];
    (id, bytes(Some(meta), changes))
}

/// An entry with one transaction of as many more parts as there are fillers.
fn run(machine: &mut Machine, sql: &str, fillers: u64) -> (AttemptId, Vec<Bytes>) {
    let changes = 1 + usize::try_from(fillers).unwrap();
    let meta = machine.next_meta(Kind::Transactions(vec![TransactionMark { changes, id: None }]));
    let id = meta.id;
    let head = Entry {
        node: "n".to_owned(),
        process_id: 1,
        timestamp_ns: 0,
        meta: Some(meta),
        changes: Vec::new(),
    };
    let limits = PartLimits { max_part_bytes: 1_100, max_parts: 10 };
    let mut writer = PartWriter::new(head, Form::Own, limits).unwrap();
    writer.push(&Change::Sql(sql.to_owned())).unwrap();
    let filler = Change::Sql(format!("-- {}", "x".repeat(350)));
    (0..fillers).for_each(|_| writer.push(&filler).unwrap());
    let parts = writer.finish().unwrap().parts();
    assert_eq!(parts.len() as u64, 1 + fillers, "a part for each filler");
    (id, parts)
}

fn bytes(meta: Option<Meta>, changes: Vec<Change>) -> Bytes {
    let entry = Entry { node: "n".to_owned(), process_id: 1, timestamp_ns: 0, meta, changes };
    ha_changes::encode(&entry).unwrap().into()
}

/// An entry of another node on the same position.
fn of_another(position: Position) -> Bytes {
    entry(&mut machine(2, position), "of another").1
}

/// The machine has executed a group and handed it to the log.
fn appending() -> (Machine, AttemptId, Bytes) {
    let mut machine = idle();
    let (id, payload) = entry(&mut machine, "mine");
    let event = Event::Executed { id, parts: vec![payload.clone()], deadline: DEADLINE };
    let actions = machine.on(Duration::ZERO, event);
    assert_eq!(drafts(&actions).len(), 1, "{actions:?}");
    (machine, id, payload)
}

fn acked(id: AttemptId, result: Result<u64, AppendError>) -> Event {
    Event::Acked { id, result: result.map(|seq| Appended { first: Seq(seq), last: Seq(seq) }) }
}

fn unknown() -> AppendError {
    AppendError::Unknown { reason: "lost".to_owned() }
}

fn delivered(seq: u64, payload: &Bytes) -> Event {
    Event::Delivered(Stored { seq: Seq(seq), payload: payload.clone() })
}

fn read_back(seq: u64, payload: Option<&Bytes>) -> Event {
    let stored = payload.map(|payload| Stored { seq: Seq(seq), payload: payload.clone() });
    Event::ReadBack { seq: Seq(seq), result: Ok(stored) }
}

fn bounds(first: u64, last: u64) -> Event {
    Event::Bounds(Bounds { lineage: LINEAGE, first: Seq(first), last: Seq(last), bytes: 0 })
}

fn moved(machine: &Machine, payload: &Bytes) -> Event {
    let seq = machine.position().seq.next();
    Event::Moved { seq, hash: machine.position().hash.extend(seq, payload) }
}

fn drafts(actions: &[Action]) -> Vec<&Draft> {
    actions
        .iter()
        .filter_map(|action| if let Action::Append(draft) = action { Some(draft) } else { None })
        .collect()
}

fn reads(actions: &[Action]) -> Vec<Seq> {
    actions
        .iter()
        .filter_map(|action| if let Action::Read(seq) = action { Some(*seq) } else { None })
        .collect()
}

fn fate(actions: &[Action]) -> Option<&Fate> {
    actions
        .iter()
        .find_map(|action| if let Action::Rollback(fate) = action { Some(fate) } else { None })
}

fn commits(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Commit { seq: Seq(4), .. }))
}

fn how(actions: &[Action]) -> Option<&How> {
    actions
        .iter()
        .find_map(|action| if let Action::Apply { how, .. } = action { Some(how) } else { None })
}

fn name(id: AttemptId) -> AttemptName {
    AttemptName { lineage: LINEAGE, base: Seq(3), attempt: id }
}

fn is_unknown(fate: Option<&Fate>, id: AttemptId) -> bool {
    matches!(fate, Some(Fate::Unknown(told)) if *told == name(id))
}
