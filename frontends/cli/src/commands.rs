//! What `ha` does besides running a node.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::client::{Access, Answer, Client};
use crate::doctor;
use crate::plugins;
use crate::stop::{self, Stop};

/// How long the log may take to be copied.
const PATIENCE: Duration = Duration::from_secs(120);

/// Change which servers keep the log of a cluster of embedded NATS servers
#[derive(Debug, Parser)]
#[command(name = "ha cluster", bin_name = "ha cluster", max_term_width = 80)]
struct Cluster {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Take a member that is gone for good out of the cluster: the others no
    /// longer count it. It must not come back with what it has stored
    Remove {
        /// Name of the node (--name)
        name: String,

        /// A running node of the cluster, not the one that leaves
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
        url: String,

        #[command(flatten)]
        access: Access,
    },
}

/// Does what the first argument names, if that is a command; a database file of such a name
/// is written `./doctor`.
pub(crate) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (program, rest) = arguments.split_first()?;
    let command = rest.first()?.to_str()?;
    let rest: Vec<OsString> = std::iter::once(program).chain(&rest[1..]).cloned().collect();
    match command {
        "doctor" => Some(parsed(doctor::Args::try_parse_from(rest), |args| doctor::run(&args))),
        "plugins" => Some(plugins::list(&rest)),
        "cluster" => Some(parsed(Cluster::try_parse_from(rest), change)),
        _ => None,
    }
}

fn parsed<A>(args: Result<A, clap::Error>, run: impl FnOnce(A) -> ExitCode) -> ExitCode {
    match args {
        Ok(args) => run(args),
        Err(error) => Stop::from(error).report(),
    }
}

fn change(args: Cluster) -> ExitCode {
    let Change::Remove { name, url, access } = args.change;
    let client = Client::new(&url, &access);
    let member = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
    let failed = match client.delete(&format!("/v1/members/{member}")) {
        Ok(Answer { status: 200, .. }) => return removed(&client, &name),
        Ok(Answer { status, body }) => format!("{}: {status} {}", client.url(), body.trim()),
        Err(reason) => format!("{}: {reason}", client.url()),
    };
    stop::complain(&failed);
    ExitCode::FAILURE
}

/// The servers that are left copy the log among them before another one may be lost.
fn removed(client: &Client, name: &str) -> ExitCode {
    stop::print(&format!(
        "{name} is no member any more; the log is copied to those that are left\n"
    ));
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let status = client
            .get("/v1/status")
            .ok()
            .and_then(|answer| serde_json::from_str::<Value>(&answer.body).ok());
        if let Some(kept) = status.and_then(|status| settled(&status, name)) {
            stop::print(&format!("done: the log is kept by {kept}\n"));
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    stop::complain(
        "the log is not copied yet: see `ha doctor --url`, and lose no other member before",
    );
    ExitCode::FAILURE
}

/// Who keeps the log, once all that should have everything, and the member is not among them.
fn settled(status: &Value, left: &str) -> Option<String> {
    let copies = status["transport"]["copies"].as_array().filter(|copies| !copies.is_empty())?;
    let servers: Vec<&str> = copies.iter().filter_map(|copy| copy["server"].as_str()).collect();
    let current = copies.iter().all(|copy| copy["current"] == Value::Bool(true));
    let size = status["transport"]["members"]["size"].as_u64()?;
    let wanted = status["transport"]["replicas"].as_u64()?.min(size);
    let whole = copies.len() as u64 >= wanted;
    (current && whole && !servers.contains(&left)).then(|| servers.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_log_is_settled_once_all_copies_are_current_elsewhere() {
        let kept = |replicas: u64, servers: &[&str], current: bool| {
            let copies: Vec<Value> = servers
                .iter()
                .map(|server| json!({"server": server, "current": current || *server == "b"}))
                .collect();
            let transport = json!({"members": {"size": 3}, "replicas": replicas, "copies": copies});
            settled(&json!({ "transport": transport }), "a")
        };
        let of = |servers: &[&str], current: bool| kept(3, servers, current);
        assert_eq!(kept(1, &["b"], true).unwrap(), "b");
        assert_eq!(kept(2, &["b"], true), None);
        assert_eq!(kept(5, &["b", "c", "d"], true).unwrap(), "b, c, d", "there are no more");
        assert_eq!(of(&["b", "c", "d"], true).unwrap(), "b, c, d");
        assert_eq!(of(&["b", "c", "d"], false), None);
        assert_eq!(of(&["a", "b", "c"], true), None);
        assert_eq!(of(&["b", "c"], true), None);
        assert_eq!(of(&[], true), None);
    }
}
