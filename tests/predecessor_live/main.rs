//! Nodes of this version beside real ones of v0.0.7, in every arrangement.
//!
//! The binary of v0.0.7 is no part of the project; `HA_V007` names it.

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod compare;
mod conflicts;
mod go;
mod poison;
mod postgres;
mod restarts;
mod takeover;
mod without_compat;
mod writers;
