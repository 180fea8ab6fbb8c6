//! The PostgreSQL front-end: clients of PostgreSQL talk to a node as if it were PostgreSQL 15.
//!
//! [`Pg`] speaks version 3 of the
//! [frontend/backend protocol](https://www.postgresql.org/docs/15/protocol.html), simple and
//! extended, over TCP or TLS, with SCRAM-SHA-256. Statements are translated by the `dialect`
//! module and executed by a [`ha_core::Session`] per connection.

mod answer;
mod auth;
mod backend;
mod cancel;
mod connection;
mod dialect;
mod error;
mod extended;
mod options;
mod prepare;
mod server;
mod settings;
mod simple;
mod sqlstate;
mod startup;
mod tls;
mod transaction;
mod types;
mod wire;

pub use options::{Options, TlsFiles};
pub use server::Pg;
