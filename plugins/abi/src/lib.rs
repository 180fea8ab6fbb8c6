//! The C boundary between ha and a plugin.
