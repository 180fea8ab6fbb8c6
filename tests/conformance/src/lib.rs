//! The checks that every transport and every front-end passes, built in or not. The tests of one
//! hold a [`TransportFixture`] or a [`frontend::FrontendFixture`] and one line:
//!
//! ```ignore
//! ha_conformance::transport_suite!(Fixture);
//! ha_conformance::frontend_suite!(Fixture);
//! ```
//!
//! which makes one `#[tokio::test]` per check, each on a log or a node of its own. Checks that need
//! what a transport's [`ha_core::Capabilities`] or a front-end's [`frontend::Protocol`] do not
//! offer are skipped and say so. Libraries are checked without code, see `tests/plugin.rs`.

mod check;
mod fixture;
#[cfg(feature = "frontend")]
pub mod frontend;
mod library;
mod probe;
mod suites;
pub mod transport;

pub use check::{Check, run};
pub use fixture::TransportFixture;
pub use library::{cargo, library, others_folder, toolchain};
