//! What goes wrong with nodes and with the log as a whole.

use std::rc::Rc;

use bytes::Bytes;
use ha_core::{Seq, SnapshotMeta};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::damage::damage;
use super::executor::WORLD;
use super::fault::{FAULTS, Fault};
use super::nodes::{File, restart};
use super::op::millis;
use super::{World, world};
use crate::machine::Position;

/// The most that a wall clock is wrong, in milliseconds: two days.
const CLOCK: u64 = 2 * 24 * 3_600_000;

/// Lets things go wrong until the faults are over.
pub(super) async fn rage() {
    let kinds = FAULTS.into_iter().chain([Fault::Rename]);
    let kinds: Vec<_> = kinds.filter(|fault| world().faults.has(*fault)).collect();
    while !kinds.is_empty() && !world().faults.are_over() {
        sleep(millis(10 + World::draw(300))).await;
        let fault = kinds[World::draw(kinds.len() as u64) as usize];
        if !world().faults.are_over() {
            strike(&world(), fault);
        }
    }
}

/// Ends what is going wrong.
pub(super) fn calm() {
    let world = world();
    world.faults.end();
    for slot in &world.slots {
        slot.latency.set(slot.latency.get().min(20));
        if slot.cut.replace(false) {
            slot.interrupt();
        }
        if let Some(run) = slot.node() {
            world.dice.resume(run.owner);
        }
    }
}

fn strike(world: &Rc<World>, fault: Fault) {
    let index = World::draw(world.slots.len() as u64) as usize;
    if happens(world, fault, index) {
        world.faults.count(fault);
        world.note("fault", fault as u64, index as u64);
    }
}

/// Does it, if it is one that is done here and can be now.
fn happens(world: &Rc<World>, fault: Fault, index: usize) -> bool {
    let slot = &world.slots[index];
    if world.log.borrow().is_vacant() && !hits_nodes(fault) {
        return false;
    }
    let Some(run) = slot.node() else { return false };
    match fault {
        Fault::Partition => cut_off(world, index),
        Fault::Reconnect => world.slots.iter().for_each(|slot| slot.interrupt()),
        Fault::Crash => slot.kill(),
        Fault::PowerLoss => slot.cut_power(),
        Fault::Restart => {
            // It counts when it is done.
            world.dice.spawn_for(WORLD, restart(index));
            return false;
        }
        Fault::OldFile => {
            let Some(copy) = slot.copy.take() else {
                *slot.copy.borrow_mut() = Some(slot.image());
                return false;
            };
            slot.kill();
            slot.give(File::Replaced(copy));
        }
        Fault::OthersFile => {
            let other = &world.slots[World::draw(world.slots.len() as u64) as usize];
            let image = other.image();
            slot.kill();
            slot.give(File::Replaced(image));
        }
        Fault::NoFile => {
            slot.kill();
            slot.give(File::Removed);
        }
        Fault::ClockJump => slot.clock.set(World::draw(2 * CLOCK) as i64 - CLOCK as i64),
        Fault::Pause => pause(world, run.owner),
        Fault::Turn => run.node.ask_turn(millis(World::draw(3_000))),
        Fault::Trim => return trim(world, index),
        Fault::Rewind => return rewind(world),
        Fault::Rename => return rename(world),
        Fault::Again => return again(world),
        // Nodes that keep snapshots trust those that are listed, and would forget the whole ones.
        Fault::BadSnapshot if world.upkeep.snapshots.is_some() => return false,
        Fault::BadSnapshot => return store_snapshot(world, index, true).is_some(),
        Fault::Stray => return stray(world),
        Fault::Garbage => push(world, Bytes::from_static(b"no entry")),
        _ => return false,
    }
    true
}

/// Whether it leaves the log and the files of nodes as they are.
fn hits_nodes(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Partition
            | Fault::Reconnect
            | Fault::Crash
            | Fault::Restart
            | Fault::Pause
            | Fault::Turn
            | Fault::ClockJump
    )
}

fn cut_off(world: &Rc<World>, index: usize) {
    world.slots[index].cut.set(true);
    let ms = 20 + World::draw(2_000);
    world.dice.spawn_for(WORLD, async move {
        sleep(millis(ms)).await;
        let slot = &super::world().slots[index];
        if slot.cut.replace(false) {
            slot.interrupt();
        }
    });
}

fn pause(world: &Rc<World>, owner: u64) {
    world.dice.pause(owner);
    let ms = 10 + World::draw(2_000);
    world.dice.spawn_for(WORLD, async move {
        sleep(millis(ms)).await;
        super::world().dice.resume(owner);
    });
}

/// Stores a snapshot and forgets entries that are in it.
fn trim(world: &World, index: usize) -> bool {
    let Some(at) = store_snapshot(world, index, false) else { return false };
    let mut log = world.log.borrow_mut();
    if log.is_renamed() {
        return false;
    }
    let before = at.0 + 1 - World::draw(3).min(at.0);
    log.trim(Seq(before));
    true
}

/// Loses the end of the log.
fn rewind(world: &World) -> bool {
    let (last, held) = (world.log.borrow().last(), world.log.borrow().held());
    let most = last.0.saturating_sub(held.0).min(4);
    if most == 0 {
        return false;
    }
    let left = Seq(last.0 - 1 - World::draw(most));
    world.log.borrow_mut().rewind(left);
    world.rewound(left);
    true
}

/// Gives the log another lineage. Whoever stands under an old one has to find there what he has
/// applied, so that nothing is forgotten before and after.
fn rename(world: &World) -> bool {
    let mut log = world.log.borrow_mut();
    if !log.is_whole() {
        return false;
    }
    log.rename();
    world.slots.iter().for_each(|slot| slot.interrupt());
    true
}

/// Deletes the log. Whoever has no database would begin another one, so that it is done only while all
/// nodes have theirs; what comes then is the operator's.
pub(super) fn again(world: &World) -> bool {
    if !world.slots.iter().all(|slot| slot.has_position() && !slot.begins.get()) {
        return false;
    }
    world.log.borrow_mut().begin_again(World::draw(2) == 0);
    world.rewound(Seq::ZERO);
    true
}

/// Stores a snapshot of a node's database; where that stands, if it has anything.
fn store_snapshot(world: &World, index: usize, damaged: bool) -> Option<Seq> {
    let slot = &world.slots[index];
    slot.seen.get().filter(|token| token.seq > Seq::ZERO)?;
    let (mut body, record) = slot.image().pack(&slot.path().with_extension("snapshot"));
    let Position { lineage, seq, hash } = record.position;
    let is_of_log =
        world.log.borrow().chain().get(seq.0 as usize).is_some_and(|at| at.hash == hash);
    if !is_of_log {
        return None;
    }
    let described_after = damaged && damage(&mut body, slot.path());
    let bytes = body.len() as u64;
    let mut digest: [u8; 32] = Sha256::digest(&body).into();
    if damaged && !described_after {
        digest[0] ^= 1;
    }
    let meta = SnapshotMeta { digest, bytes, lineage, seq, hash };
    world.log.borrow_mut().keep(meta, body.into(), !damaged);
    Some(seq)
}

/// Stores an entry once more, on another state than the one it was made on.
fn stray(world: &Rc<World>) -> bool {
    let payload = {
        let log = world.log.borrow();
        let chain = log.chain();
        let point = &chain[World::draw(chain.len() as u64) as usize];
        // A base is appended on the condition that nothing is before it.
        if point.origin.is_some() {
            return false;
        }
        point.payload.clone()
    };
    if payload.is_empty() {
        return false;
    }
    push(world, payload);
    true
}

fn push(world: &Rc<World>, payload: Bytes) {
    world.log.borrow_mut().push(payload);
    world.changed.send_replace(());
}
