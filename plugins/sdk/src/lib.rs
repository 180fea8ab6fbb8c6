//! What the author of a plugin for ha uses.
