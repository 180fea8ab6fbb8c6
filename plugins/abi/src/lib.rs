//! The boundary between `ha` and a plugin: structs, function pointers, constants, and nothing else.
//!
//! A plugin is a shared library with one symbol, [`ENTRY`]. The rules that both sides keep are
//! written once, at the head of the C header [`HEADER`]; the header and this crate describe the
//! same layout, which a test proves.

#![no_std]
#![allow(unsafe_code, reason = "function pointers over a C boundary are unsafe to call")]

mod engine;
mod frontend;
mod parts;
mod plugin;
mod transport;

pub use engine::HaEngine;
pub use frontend::HaFrontend;
pub use parts::{HaBuf, HaCompletion, HaSlice, HaStatus, HaStream, HaStreamCompletion};
pub use plugin::{HaEntry, HaHost, HaPlugin, level};
pub use transport::{HaCapabilities, HaDraft, HaTransport, delivery};

/// The major version: another one is another symbol, and nothing else of it is known here.
pub const MAJOR: u32 = 1;

/// The minor version: grows with each field that is added at the end of a struct.
pub const MINOR: u32 = 0;

/// The symbol that the host looks up, a [`HaEntry`].
pub const ENTRY: &core::ffi::CStr = c"ha_plugin_v1";

/// The text of the C header.
pub const HEADER: &str = include_str!("../include/ha_plugin.h");
