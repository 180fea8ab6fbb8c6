//! What the author of a plugin uses: implement [`ha_core::Frontend`] or [`ha_core::ChangeTransport`], as
//! the built-in ones do, write an opener and one line:
//!
//! ```
//! use std::{fmt, sync::Arc};
//!
//! use ha_plugin::ha_core::{Engine, Frontend, Result, Settings, Shutdown};
//!
//! #[derive(Debug)]
//! struct Silent;
//!
//! impl fmt::Display for Silent {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         f.write_str("silence")
//!     }
//! }
//!
//! #[ha_plugin::async_trait::async_trait]
//! impl Frontend for Silent {
//!     async fn serve(self: Arc<Self>, _: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
//!         stop.requested().await;
//!         Ok(())
//!     }
//! }
//!
//! async fn open(settings: Settings) -> Result<Arc<Silent>> {
//!     settings.finish(&[])?;
//!     Ok(Arc::new(Silent))
//! }
//!
//! ha_plugin::declare_plugin!(name: "silent", frontend: open);
//! # fn main() {}
//! ```
//!
//! The crate is built as a `cdylib`. Everything the author writes runs on a runtime of this crate's
//! own, so `tokio::spawn` works; `tracing` writes to the node's log. A panic fails the call it
//! happens in. The library is never unloaded, and the opener may be called many times.
//!
//! A method is polled once by whoever calls it, on its thread; it must not block, as always in
//! async code.
//!
//! The crate may be an `rlib` as well, and be used through its Rust types without any of this. Of all
//! crates that are linked into one program only one can declare a plugin: elsewhere the line goes
//! behind a feature.

#![allow(unsafe_code, reason = "this is the boundary")]

#[doc(hidden)]
pub mod boundary;
mod engine;
mod frontend;
mod log;
mod runtime;
mod session;
mod transport;

pub use {async_trait, bytes, futures, ha_core, tokio, tracing};

/// Makes the crate a plugin: its name, by which operators select it (letters, digits, `-` and
/// `_`), and the openers of what it has, `async fn(Settings) -> Result<Arc<T>>` where `T` is a
/// [`ha_core::ChangeTransport`] or a [`ha_core::Frontend`]. The version is the crate's. Once in a
/// library.
#[macro_export]
macro_rules! declare_plugin {
    (name: $name:literal $(, transport: $transport:path)? $(, frontend: $frontend:path)? $(,)?) => {
        /// The entry of the plugin.
        ///
        /// # Safety
        /// For the loader of `ha`, by the rules of its boundary.
        #[allow(unsafe_code, reason = "the symbol that the loader looks for")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn ha_plugin_v1(
            host: *const $crate::boundary::HaHost,
            out: *mut $crate::boundary::HaPlugin,
        ) -> $crate::boundary::HaStatus {
            let declared = $crate::boundary::Declared {
                name: $name,
                version: env!("CARGO_PKG_VERSION"),
                open_transport: $crate::declare_plugin!(@open_transport $name $(, $transport)?),
                open_frontend: $crate::declare_plugin!(@open_frontend $name $(, $frontend)?),
            };
            // SAFETY: the host calls this by the rules of the boundary.
            unsafe { $crate::boundary::enter(host, out, &declared) }
        }
    };
    (@open_transport $name:literal) => { None };
    (@open_transport $name:literal, $open:path) => {{
        unsafe extern "C" fn __open_transport(
            settings: $crate::boundary::HaSlice,
            out: *mut $crate::boundary::HaTransport,
            error: *mut $crate::boundary::HaBuf,
        ) -> $crate::boundary::HaStatus {
            // SAFETY: the host calls this by the rules of the boundary.
            unsafe { $crate::boundary::open_transport($name, settings, out, error, $open) }
        }
        Some(__open_transport)
    }};
    (@open_frontend $name:literal) => { None };
    (@open_frontend $name:literal, $open:path) => {{
        unsafe extern "C" fn __open_frontend(
            settings: $crate::boundary::HaSlice,
            out: *mut $crate::boundary::HaFrontend,
            error: *mut $crate::boundary::HaBuf,
        ) -> $crate::boundary::HaStatus {
            // SAFETY: the host calls this by the rules of the boundary.
            unsafe { $crate::boundary::open_frontend($name, settings, out, error, $open) }
        }
        Some(__open_frontend)
    }};
}
