//! The checks of a transport. Each takes a fixture and panics if a promise is broken.

pub mod append;
pub mod close;
pub mod parts;
pub mod snapshot;
pub mod store;
pub mod subscribe;

use ha_core::Capabilities;

use crate::{Check, TransportFixture};

/// All checks, for who runs them without the macro.
#[must_use]
pub fn checks<F: TransportFixture>() -> Vec<Check<F>> {
    crate::transport_checks! { make_values [] }
}

/// What the fixture's transport can do: all that a check is skipped without.
///
/// # Panics
/// If it lacks something, so that its suite proves less than it seems to.
pub async fn skips_nothing(fixture: &impl TransportFixture) -> Capabilities {
    let (_guard, node) = fixture.open().await;
    let all = node.capabilities();
    let Capabilities { replicated, readable, snapshots, trim, max_parts, .. } = all;
    assert!(replicated && readable && snapshots && trim && max_parts > 1, "{all:?}");
    all
}
