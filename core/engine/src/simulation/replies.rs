//! What clients are told is true, whatever goes wrong.

use std::collections::BTreeMap;
use std::rc::Rc;

use ha_core::{AttemptName, Error, Outcome, ReadLevel, Reply, Seq, Token, TransactionName};

use super::log::Log;
use super::op::{Spec, Told, answers};
use super::point::Point;
use super::world;
use super::world::Floor;

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
