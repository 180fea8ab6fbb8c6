//! Drafts on their way to the log, and the answers to them.

use std::future::Future;

use ha_core::{AppendError, Appended, Draft, Seq};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::executor::WORLD;
use super::fault::Fault;
use super::nodes::Notice;
use super::op::millis;
use super::wire::{ACK, draw, is_cut, strikes, way};
use super::world;

/// Sends a draft; nobody can call it back. A log loses its end with the servers that keep it. What is on
/// its way there is lost as well; with [`Fault::RewindUnder`] only if it was not made on what is left.
pub(super) fn post(
    node: usize,
    draft: Draft,
) -> impl Future<Output = Result<Result<Appended, AppendError>, ()>> {
    let (answer, answered) = oneshot::channel();
    let world = world();
    let (losses, sent) = (world.losses(), Instant::now());
    world.dice.spawn_for(WORLD, async move {
        if strikes(Fault::RequestLost) {
            return sleep(2 * ACK).await;
        }
        way(node).await;
        if strikes(Fault::RequestLate) {
            sleep(millis(draw(1_500))).await;
        }
        if is_cut(node) && draw(2) == 0 {
            return sleep(2 * ACK).await;
        }
        let world = self::world();
        let may_be_lost = losses != world.losses() || world.slots[node].cut_off.get();
        let is_settled = is_settled(node, &draft, sent);
        let survives = world.faults.has(Fault::RewindUnder) && world.log.borrow().led_to(&draft);
        if may_be_lost && (is_settled || !survives) {
            return sleep(2 * ACK).await;
        }
        if !is_settled {
            lose_what_is_in_the_way(&draft);
        }
        let result = arrive(node, &draft);
        let losses = self::world().losses();
        way(node).await;
        if strikes(Fault::AckLate) {
            sleep(millis(draw(1_000))).await;
        }
        if strikes(Fault::AckLost) || is_cut(node) {
            return sleep(2 * ACK).await;
        }
        if let (Ok(stored), true) = (&result, losses != self::world().losses()) {
            self::world().slots[node].goes_on_with_what_is_lost(*stored);
        }
        let _ = answer.send(result);
    });
    async { answered.await.map_err(|_| ()) }
}

/// Whether the sender has had no answer, and has read since then what stands in a place of the draft: it
/// takes the draft for not stored. That it comes later still, and the log loses just that, is one chance too many.
fn is_settled(node: usize, draft: &Draft, sent: Instant) -> bool {
    let world = world();
    let found = world.slots[node].found.borrow();
    let given_up = sent + ACK;
    draft.expect.is_some_and(|Seq(before)| {
        let places = Seq(before + 1)..=Seq(before + draft.parts.len() as u64);
        found.range(places).any(|(_, read)| *read >= given_up)
    })
}

/// The log may lose its end right before a draft comes to which that end had left no place.
fn lose_what_is_in_the_way(draft: &Draft) {
    let Some(expect) = draft.expect else { return };
    let world = world();
    let lost = world.log.borrow().last().0.saturating_sub(expect.0);
    let may = (1..=2).contains(&lost) && world.log.borrow().led_to(draft);
    if may && world.log.borrow().held() <= expect && strikes(Fault::RewindUnder) {
        world.log.borrow_mut().rewind(expect);
        world.crashed(expect);
    }
}

/// A draft has reached the log.
fn arrive(node: usize, draft: &Draft) -> Result<Appended, AppendError> {
    let world = world();
    if draft.expect.is_some() && strikes(Fault::Refused) {
        let last = world.log.borrow().last().next();
        return Err(AppendError::Refused { last: Some(last) });
    }
    let unaware = world.slots[node].notice.get() != Notice::Aware;
    let torn = draft.parts.len() > 1 && strikes(Fault::Torn);
    let torn = torn.then(|| 1 + draw(draft.parts.len() as u64 - 1) as usize);
    let result = world.log.borrow_mut().store(draft, unaware, torn);
    if torn.is_some() {
        world.changed.send_replace(());
    }
    if draft.parts.len() > 1 && result.is_ok() {
        world.note("stored parts", draft.parts.len() as u64, draft.attempt.counter);
    }
    if result.is_err() {
        world.note("was refused", draft.expect.map_or(0, |seq| seq.0), draft.attempt.counter);
    }
    if let Ok(appended) = result {
        world.note("stored", appended.last.0, draft.attempt.counter);
        world.changed.send_replace(());
    }
    result
}
