//! What both sides of the boundary between `ha` and a plugin are made of: bytes that change hands,
//! calls that are answered later, and streams, each as Rust knows them on this side and as
//! [`ha_abi`] does on the other.

#![allow(unsafe_code, reason = "this is the boundary")]

mod answer;
mod ask;
mod buf;
mod later;
mod respond;
mod stream;
mod table;

pub use answer::Answer;
pub use ask::{Asked, AskedStream, ask, ask_stream};
pub use buf::{give, take};
pub use respond::{guarded, respond, respond_stream};
pub use stream::{Imported, Item, export_bytes, export_stream};
pub use table::{Copied, fill, fits};
