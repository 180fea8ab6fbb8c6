//! What must hold of nodes, whatever goes wrong.

use std::rc::Rc;

use ha_core::{Seq, Stored, Value};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::anew;
use super::executor::Owner;
use super::nodes::{Notice, Run, Slot};
use super::point::Point;
use super::state::{MARKS, Rows, State};
use super::world;
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
