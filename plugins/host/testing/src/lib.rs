//! The in-memory transport and a line protocol as a plugin, and ways to go wrong that tests ask
//! for.

mod line;
mod memory;

ha_plugin::declare_plugin!(name: "testing", transport: memory::open, frontend: line::open);
