use std::path::PathBuf;

use crate::values::{Assignment, List, Optional};

/// Front-ends and transports of others.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Plugins")]
pub struct PluginArgs {
    /// Libraries with front-ends or transports to load, separated by commas;
    /// --plugin is the same, and both can be repeated
    #[arg(long, alias = "plugin", value_name = "FILES")]
    pub plugins: Vec<List>,

    /// Directory of libraries (lib*.so) that are all loaded
    #[arg(long, value_name = "DIR", default_value = "", hide_default_value = true)]
    pub plugin_dir: Optional<PathBuf>,

    /// Setting of a plugin that is used, by the plugin's name; can be
    /// repeated. NAME.transport.KEY and NAME.frontend.KEY are for that part of
    /// it alone. The variable holds one a line; in TOML files a table of the
    /// plugin's name holds KEY = VALUE
    #[arg(long, value_name = "NAME.KEY=VALUE")]
    pub set: Vec<Assignment>,
}

impl PluginArgs {
    /// The libraries that are named, in this order.
    #[must_use]
    pub fn libraries(&self) -> Vec<PathBuf> {
        self.plugins.iter().flat_map(|list| &list.0).map(PathBuf::from).collect()
    }
}
