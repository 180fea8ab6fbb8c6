//! The checks of a transport. Each takes a fixture and panics if a promise is broken.

pub mod append;
pub mod close;
pub mod parts;
pub mod snapshot;
pub mod store;
pub mod subscribe;

use crate::{Check, TransportFixture};

/// All checks, for who runs them without the macro.
#[must_use]
pub fn checks<F: TransportFixture>() -> Vec<Check<F>> {
    crate::transport_checks! { make_values [] }
}
