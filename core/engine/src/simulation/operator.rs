//! What an operator does about nodes that need one.

use std::cmp::Reverse;

use ha_core::{Engine, Readiness, Seq};
use tokio::time::sleep;

use super::nodes::{File, Slot};
use super::op::millis;
use super::{World, check, world};

/// Does what an operator would: a log that was deleted is begun anew, and a node that stands still is
/// given another file.
pub(super) async fn operate() {
    loop {
        sleep(millis(100)).await;
        let world = world();
        if world.log.borrow().is_vacant() {
            begin_anew();
            continue;
        }
        for (index, slot) in world.slots.iter().enumerate() {
            let Some(run) = slot.node() else { continue };
            let Readiness::Stopped(reason) = run.node.status().readiness else { continue };
            check::may_stop(index, &reason);
            world.note("stood still", index as u64, 0);
            drop(run);
            slot.kill();
            slot.give(newer_file(index));
        }
    }
}

/// The log has begun without a base, or with that of another node.
pub(super) fn begun_already(index: usize) {
    let world = world();
    if world.log.borrow().is_vacant() {
        world.log.borrow_mut().begin_again(true);
        world.rewound(Seq::ZERO);
    } else {
        world.slots[index].begins.set(false);
    }
}

/// Has a node begin the log that was deleted: mostly the one that is furthest.
fn begin_anew() {
    let world = world();
    if world.slots.iter().any(|slot| slot.begins.get()) || World::draw(4) > 0 {
        return;
    }
    let former = world.log.borrow().former();
    let place = |slot: &Slot| slot.position().map(|at| (Some(at.lineage) == former, at.seq));
    let mut slots: Vec<_> = world.slots.iter().collect();
    slots.sort_by_key(|slot| Reverse(place(slot)));
    if World::draw(4) == 0 && place(slots[1]).is_some_and(|(is_of_log, _)| is_of_log) {
        slots.swap(0, 1);
    }
    slots[0].begins.set(true);
    slots[0].kill();
}

/// The newest file of another node, or none if that is enough.
fn newer_file(index: usize) -> File {
    let world = world();
    let others = world.slots.iter().enumerate().filter(|(other, _)| *other != index);
    let running = others.filter_map(|(_, slot)| Some((slot.node()?.node.status(), slot)));
    let (former, lineage) = (world.log.borrow().former(), world.log.borrow().bounds().lineage);
    let ready = running.filter(|(status, _)| {
        let is_of_log = former.is_none() || status.position.lineage == lineage;
        is_of_log && !matches!(status.readiness, Readiness::Stopped(_))
    });
    match ready.max_by_key(|(status, _)| status.position.seq) {
        Some((_, slot)) => File::Replaced(slot.image()),
        None => File::Removed,
    }
}
