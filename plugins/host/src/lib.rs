//! Loads plugins and shows them as the traits of ha-core.
