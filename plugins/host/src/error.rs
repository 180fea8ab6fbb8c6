use std::path::PathBuf;

/// Why a library is not loaded. Each text is one line that names the file and the cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is not there, or may not be read.
    #[error("plugin {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Somebody else could have written it.
    #[error("plugin {}: {reason}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Who, and what to do.
        reason: String,
    },
    /// The system does not load it.
    #[error("plugin {}: not a library that can be loaded: {reason}", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is a library, but no plugin.
    #[error("plugin {}: not a plugin for this ha: it has no symbol {symbol}", path.display())]
    NoEntry {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        symbol: String,
    },
    /// It needs another version of the boundary.
    #[error("plugin {}: made for version {found} of the plugin interface, this ha has {ours}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What this is.
        ours: String,
    },
    /// It does not say who it is.
    #[error("plugin {}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
