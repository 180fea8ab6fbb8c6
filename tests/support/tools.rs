//! Clients that people use.

use std::path::Path;
use std::process::{Command, Output};

use super::Node;

/// What a program printed.
#[derive(Debug)]
pub struct Printed {
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            success: output.status.success(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// Runs curl in a directory; it must be installed.
pub fn curl(home: &Path, args: &[&str]) -> Printed {
    let mut command = Command::new("curl");
    command.arg("-sS").args(args).current_dir(home);
    command.output().expect("curl is installed").into()
}

/// Runs psql against a node, see [`psql_at`].
pub fn psql(node: &Node, args: &[&str]) -> Printed {
    psql_at(node.pg.port(), args)
}

/// Runs psql against a port of this machine as the user and with the password that nodes have by
/// default; it must be installed.
pub fn psql_at(port: u16, args: &[&str]) -> Printed {
    let port = port.to_string();
    let mut command = Command::new("psql");
    command.args(["-X", "-h", "localhost", "-U", "ha", "-p", &port]).args(args);
    command.env("PGPASSWORD", "ha").env("PGCONNECT_TIMEOUT", "30");
    command.output().expect("psql is installed").into()
}
