//! The course of a schedule.

use ha_core::{Engine, Readiness};
use tokio::time::sleep;

use super::nodes::Slot;
use super::op::{Told, millis};
use super::world::World;
use super::{chaos, check, client, nodes, operator, replies, world};

/// A schedule: things go wrong, then nothing does, and everything must come right.
pub(super) async fn schedule() {
    let world = world();
    for index in 0..world.slots.len() {
        world.dice.spawn(nodes::keep_running(index));
    }
    world.dice.spawn(operator::operate());
    world.dice.spawn(chaos::rage());
    let clients = 2 + World::draw(3) as usize;
    world.clients_left.set(clients);
    for client in 0..clients {
        let calls = 3 + World::draw(7);
        world.dice.spawn(async move {
            client::live(client % 3, calls).await;
            let world = super::world();
            world.clients_left.set(world.clients_left.get() - 1);
        });
    }
    while world.clients_left.get() > 0 {
        sleep(millis(50)).await;
    }
    chaos::calm();
    world.note("calm", 0, 0);
    settle().await;
    for index in 0..world.slots.len() {
        client::insist(index).await;
    }
    settle().await;
    outcomes().await;
    replies::told();
    (0..world.slots.len()).for_each(check::file);
}

/// Waits until all nodes are ready at the end of the log.
async fn settle() {
    let world = world();
    for _ in 0..600 {
        let end = world.log.borrow().last();
        let there = |slot: &Slot| {
            let status = slot.node().map(|run| run.node.status());
            status.is_some_and(|status| {
                status.readiness == Readiness::Ready && status.position.seq == end
            })
        };
        if world.slots.iter().all(there) {
            return;
        }
        sleep(millis(100)).await;
    }
    let status = |slot: &Slot| slot.node().map(|run| run.node.status());
    let status: Vec<_> = world.slots.iter().map(status).collect();
    panic!("the nodes do not come to rest: {:?}, {status:?}", world.log.borrow().bounds());
}

/// Asks what became of all that is unknown.
async fn outcomes() {
    let world = world();
    let named: Vec<_> = (0_i64..)
        .zip(&*world.ops.borrow())
        .flat_map(|(op, record)| record.told.iter().map(move |told| (op, told.clone())))
        .filter_map(
            |(op, told)| if let Told::Unknown(name) = told { Some((op, name)) } else { None },
        )
        .collect();
    for (op, name) in named {
        let index = World::draw(world.slots.len() as u64) as usize;
        let run = world.slots[index].node().expect("all run");
        let outcome = run.node.outcome(&name).await.expect("all are ready");
        replies::outcome(op, &name, &outcome);
    }
}
