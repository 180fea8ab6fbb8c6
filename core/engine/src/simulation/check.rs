//! What must hold, whatever goes wrong.

use std::collections::BTreeMap;
use std::rc::Rc;

use ha_core::{
    AttemptName, Error, Outcome, ReadLevel, Reply, Seq, Stored, Token, TransactionName, Value,
};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::anew;
use super::executor::Owner;
use super::log::Log;
use super::nodes::{Notice, Run, Slot};
use super::op::{Spec, Told, answers};
use super::point::Point;
use super::state::{MARKS, Rows, State};
use super::world;
use super::world::Floor;
use crate::audit::Verdict;
use crate::machine::Position;
use crate::shared::LastAudit;
use crate::store;

/// An entry of the log is exactly what its transactions do on the state before them, and each
/// is there once.
pub(super) fn effect(op: i64, before: &State, after: &State) {
    if op == 0 {
        return;
    }
    let world = world();
    let ops = world.ops.borrow();
    let spec = &ops[op as usize].spec;
    let twice = before.rows(MARKS).values().any(|row| row[..] == [Value::Integer(op)]);
    assert!(!twice, "{op} {spec:?} is in the log twice");
    let expected = spec.effect(op, before);
    let expected = expected.unwrap_or_else(|| panic!("{op} {spec:?} cannot follow {before:?}"));
    assert_eq!(*after, expected, "{op} {spec:?} has done something else");
}

/// What a node says of itself after a turn: it goes forward only, and stands where the log did.
pub(super) fn observe(owner: Owner) {
    let world = world();
    let Some(slot) = world.slots.iter().find(|slot| slot.is_run_by(owner)) else { return };
    let Some(run) = slot.node() else { return };
    let record = run.node.shared.record();
    let token = run.node.shared.token();
    if slot.seen.get() == Some(token) {
        return;
    }
    if let Some(seen) = slot.seen.replace(Some(token)) {
        assert!(
            seen.seq <= token.seq || world.has_lost(),
            "{} went back from {seen} to {token}",
            slot.path().display()
        );
    }
    excuse(slot, &record.position);
    let log = world.log.borrow();
    let points = log.points(token.seq);
    let here = |point: &&Rc<Point>| point.hash == record.position.hash;
    let point = points.iter().find(here);
    let after = log.chain().get(token.seq.0 as usize + 1..).unwrap_or_default();
    let inside = point.is_some_and(|point| log.has(point) && point.is_inside(after));
    assert!(
        !inside || world.has_lost(),
        "{} stands inside an entry at {record:?}",
        slot.path().display()
    );
    assert!(
        point.is_some(),
        "{} stands at {record:?}, where the log never was",
        slot.path().display()
    );
    world.note("at", token.seq.0, owner);
    let stood = slot.stood.replace(point.map(|point| (token.lineage, Rc::clone(point))));
    if let Some((_, stood)) = stood.filter(|(lineage, _)| *lineage != token.lineage) {
        anew::followed(slot, &log, &stood, token);
    }
    drop(log);
    audited(slot, &run);
}

/// Until a node has heard that the log has lost its end, it may go on with a history that has ended.
fn excuse(slot: &Slot, at: &Position) {
    let world = world();
    let is_known = world.log.borrow().points(at.seq).iter().any(|point| point.hash == at.hash);
    if !is_known && slot.mixes.get() {
        let kept = kept(slot, at.seq);
        world.log.borrow_mut().compose(&kept, at.hash);
    }
    if slot.notice.get() == Notice::Aware {
        slot.mixes.set(false);
    }
}

/// The entries that a node keeps, up to `last`.
fn kept(slot: &Slot, last: Seq) -> Vec<Stored> {
    let conn = Connection::open(slot.path()).expect("it can be opened");
    let kept = store::entries(&conn, Seq::ZERO..=last).expect("it is readable");
    kept.into_iter().map(|(seq, payload)| Stored { seq, payload: payload.into() }).collect()
}

/// Nodes that compare their states find them the same, as long as the log is one.
fn audited(slot: &Slot, run: &Run) {
    let Some(LastAudit { judged, .. }) = run.node.shared.last_audit() else { return };
    if slot.audited.replace(Some(judged.mark)) == Some(judged.mark) {
        return;
    }
    let world = world();
    if judged.reports > 1 {
        world.note("compared states", judged.mark.0, judged.reports as u64);
    }
    let agree = judged.verdict == Verdict::Agree;
    assert!(agree || world.has_lost(), "{} differs: {judged:?}", slot.path().display());
}

/// Whether a node may stand still for this reason.
pub(super) fn may_stop(index: usize, reason: &str) {
    let world = world();
    assert!(world.has_lost(), "node {index} stands still: {reason}");
}

/// A write was acknowledged.
pub(super) fn written(
    op: i64,
    spec: &Spec,
    keyed: bool,
    strong: bool,
    floor: Floor,
    reply: &Reply,
) {
    let world = world();
    let token = reply.position;
    if matches!(spec, Spec::Nothing) && !keyed {
        // Nothing is stored of what changes nothing.
        let right = !strong || world.has(token, floor);
        assert!(right, "{op} {spec:?} at {token} has not seen {floor:?}");
        return;
    }
    let repeated = keyed && !world.ops.borrow()[op as usize].told.is_empty();
    let before = Token { seq: Seq(token.seq.0 - 1), ..token };
    assert!(repeated || world.has(before, floor), "{op} at {token} is not after {floor:?}");
    let log = world.log.borrow();
    let fits = |point: &Rc<Point>| {
        let place = (token.n as usize).wrapping_sub(1);
        let stands = point.ops.get(place) == Some(&op);
        let was_carried =
            keyed && token.n == 0 && point.origin.is_some() && point.done.contains(&op);
        was_carried || stands && (keyed || spec.fits(reply, &point.states[place + 1]))
    };
    let points = log.points(token.seq);
    let found = points.iter().any(fits);
    assert!(found, "{op} {spec:?} is not what stands at {token}: {reply:?}; {points:?}");
}

/// A read was answered.
pub(super) fn read(level: ReadLevel, floor: Floor, reply: &Reply) {
    let world = world();
    let token = reply.position;
    {
        let log = world.log.borrow();
        let points = log.points(token.seq);
        let right = points.iter().any(|point| answers(reply, point.state()));
        assert!(right, "a read at {token} has shown {reply:?}, but there is {points:?}");
    }
    if level.strong {
        assert!(world.has(token, floor), "a strong read at {token} has not seen {floor:?}");
        world.seen(token);
    }
    if let Some(wanted) = level.min_position {
        let log = world.log.borrow();
        let seen = if wanted.lineage == token.lineage { token.seq } else { begun_from(&log) };
        assert!(seen >= wanted.seq, "a session read at {token} has not seen {wanted}");
    }
}

/// What the log has of the one before, if it was begun anew with the state there.
fn begun_from(log: &Log) -> Seq {
    let origins = log.points(Seq(1)).iter().filter_map(|point| point.origin.as_ref());
    origins.map(|origin| origin.seq).max().unwrap_or(Seq::ZERO)
}

/// A read may fail only because the node is not ready, or the log had another lineage before.
pub(super) fn read_failed(error: &Error) {
    let renamed =
        matches!(error, Error::OtherLog { token, lineage, .. } if token.lineage != *lineage);
    let may = renamed || matches!(error, Error::NotReady(_) | Error::NotSent(_) | Error::Closed);
    assert!(may, "a read failed: {error:?}");
}

/// All that clients were told is true.
pub(super) fn told() {
    let world = world();
    let log = world.log.borrow();
    let mut counts = BTreeMap::<i64, usize>::new();
    for op in log.end().done.iter() {
        *counts.entry(*op).or_default() += 1;
    }
    for (op, record) in (0_i64..).zip(&*world.ops.borrow()).skip(1) {
        let count = counts.get(&op).copied().unwrap_or(0);
        let committed = record.told.iter().any(|told| matches!(told, Told::Committed(_)));
        let open = record.told.iter().any(|told| matches!(told, Told::Unknown(_) | Told::Gone));
        let ships = record.keyed || !matches!(record.spec, Spec::Nothing);
        if committed && ships {
            let lost = world.has_lost() && record.told.iter().any(|told| is_lost(&log, told));
            assert!(count == 1 || count == 0 && lost, "{op} {record:?} was acknowledged");
        } else if !open && !committed {
            assert_eq!(count, 0, "{op} {record:?} failed");
        }
    }
}

/// Whether what was told of stood in a part of the log that it has lost.
fn is_lost(log: &Log, told: &Told) -> bool {
    let Told::Committed(token) = told else { return false };
    let now = log.chain().get(token.seq.0 as usize).map(|point| point.hash);
    let then = log.points(token.seq);
    then.iter().any(|point| Some(point.hash) != now)
}

/// A node's file holds exactly what the log makes, and is sound.
pub(super) fn file(index: usize) {
    let world = world();
    let slot = &world.slots[index];
    let conn = Connection::open(slot.path()).expect("it can be opened");
    let state = Rc::clone(world.log.borrow().end().state());
    assert_eq!(tables(&conn), *state, "node {index} differs");
    let sound: String =
        conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it is readable");
    assert_eq!(sound, "ok", "node {index}");
}

/// The tables of clients.
pub(super) fn tables(conn: &Connection) -> State {
    let mut names = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_ha%' ESCAPE '\\'")
        .expect("it is readable");
    let names = names.query_map([], |row| row.get::<_, String>(0)).expect("it is readable");
    let mut state = State::default();
    for name in names {
        let name = name.expect("it is readable");
        let rows = rows(conn, &name).expect("it is readable");
        state.tables.insert(name, Rc::new(rows));
    }
    state
}

fn rows(conn: &Connection, table: &str) -> rusqlite::Result<Rows> {
    let mut select = conn.prepare(&format!("SELECT rowid, * FROM {table}"))?;
    let columns = select.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let values = (1..columns).map(|column| Ok(value(row.get_ref(column)?)));
        Ok((row.get(0)?, values.collect::<rusqlite::Result<_>>()?))
    };
    select.query_map([], row)?.collect()
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::text(text),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    }
}

/// What became of a transaction, as a node says it, is what the log says.
pub(super) fn outcome(op: i64, name: &TransactionName, outcome: &Outcome) {
    let world = world();
    let log = world.log.borrow();
    let mut places = name.tries().iter().filter_map(|one| stands(&log, op, one));
    let place = places.next();
    assert!(places.next().is_none(), "{name} is there twice");
    let any = |is_so: &dyn Fn(&AttemptName) -> bool| name.tries().iter().any(is_so);
    let right = match outcome {
        Outcome::Committed(Token { seq, .. }) => place == Some(*seq),
        Outcome::NotCommitted => place.is_none(),
        Outcome::Unknown => any(&|one| one.base.next() > log.last()),
        Outcome::Forgotten => {
            any(&|one| one.base.next() < log.bounds().first || one.lineage != log.bounds().lineage)
        }
    };
    assert!(right, "the outcome of {op} at {name} is not {outcome:?}");
    // A repetition has a name of its own.
    let anywhere = log.chain().iter().any(|point| point.ops.contains(&op));
    let tried_once = !world.ops.borrow()[op as usize].keyed;
    let lied = *outcome == Outcome::NotCommitted && tried_once && anywhere;
    assert!(!lied, "{op} is in the log, but not at {name}");
}

/// Where the log has the transaction, if it has it as this attempt.
fn stands(log: &Log, op: i64, name: &AttemptName) -> Option<Seq> {
    let first = name.base.next();
    let meta = |point: &Rc<Point>| ha_changes::decode_part(&point.payload).ok()?.meta().cloned();
    let found = log.chain().get(first.0 as usize).and_then(meta);
    let found = found.filter(|meta| meta.id == name.attempt && meta.part.0 == 1);
    let place = Seq(name.base.0 + found.as_ref().map_or(1, |meta| u64::from(meta.part.1)));
    let ops = found.as_ref().and_then(|_| log.chain().get(place.0 as usize));
    let ops = ops.map(|point| &point.ops[..]).unwrap_or_default();
    let stands = ops.contains(&op);
    let may_be_void = world().has_lost() && ops.is_empty() || place > first;
    assert!(stands || found.is_none() || may_be_void, "{name} is not {op}");
    stands.then_some(place)
}
