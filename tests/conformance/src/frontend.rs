//! The checks of a front-end. Each takes a fixture and panics if a promise is broken. A front-end
//! serves a node of its own, which is real: SQLite behind a log in memory.

pub mod clients;
pub mod errors;
mod fixture;
mod lines;
mod node;
mod observed;
mod served;
pub mod service;
pub mod sessions;
pub mod values;
pub mod writes;

pub use fixture::{Client, Failure, FrontendFixture, Protocol, Rows};
pub use lines::LineClient;
pub use node::MemoryNode;
pub use observed::Observed;
pub use served::Served;

use crate::Check;

/// All checks, for who runs them without the macro.
#[must_use]
pub fn checks<F: FrontendFixture>() -> Vec<Check<F>> {
    crate::frontend_checks! { make_values [] }
}
