//! A real nats-server inside the process, as a [`Server`] of its own and as the transport
//! [`Embedded`], which talks to it over loopback like to any other server.
//!
//! Alone, or as a member of a [`Cluster`] that keeps the log as long as most members run.
//!
//! The server is Go code that the build script compiles and links; it shares nothing with the
//! Rust side but eight functions. It leaves signals alone and logs to `tracing` under the
//! target `nats`.

mod cluster;
mod embedded;
mod failure;
mod ffi;
mod health;
mod options;
mod server;
mod space;
mod starting;

pub use cluster::Cluster;
pub use embedded::{Embedded, Private};
pub use health::silent;
pub use options::{Options, Sync};
pub use server::Server;
