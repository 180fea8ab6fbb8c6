//! The node that is measured.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::options::Options;

/// How long a node may take to start, and to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running node. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    process: Child,
    /// Where it listens.
    pub(crate) addresses: Addresses,
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) postgres: SocketAddr,
    /// The URL of its NATS server.
    pub(crate) nats: String,
}

impl Node {
    /// Starts a node with its files in `dir` and waits until it has said where it listens. Its
    /// later log lines go to standard error.
    pub(crate) async fn start(options: &Options, dir: &Path) -> Result<Self> {
        let program = options.program()?;
        let mut command = Command::new(&program);
        command.args(flags(options)).arg("--nats-store-dir").arg(dir.join("nats"));
        if !options.memory {
            command.arg(dir.join("bench.db"));
        }
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"HA_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process =
            command.spawn().with_context(|| format!("start {}", program.display()))?;
        let log = process.stderr.take().context("the node's log is not readable")?;
        let mut log = BufReader::new(log).lines();
        let addresses = timeout(PATIENCE, listening(&mut log))
            .await
            .context("the node did not start in time")??;
        tokio::spawn(pass_on(log));
        Ok(Self { process, addresses })
    }

    /// The processor time that the node has used so far, of all its threads.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        processor_time(&self.process)
    }

    /// Stops the node; an error if it does not end by itself, without an error of its own.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or_else(|| anyhow!("the node has ended before it was stopped"))?;
        kill_process(pid, Signal::TERM)?;
        let status = timeout(PATIENCE, self.process.wait()).await.context("stop the node")??;
        if !status.success() {
            bail!("the node ended with {status}");
        }
        Ok(())
    }
}

/// The processor time that a process has used so far, of all its threads.
pub(crate) fn processor_time(process: &Child) -> Result<Duration> {
    let pid = process.id().context("the process has ended")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = processor_ticks(&stat).context("the process's times are not readable")?;
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

fn flags(options: &Options) -> Vec<&str> {
    let ports = ["--port", "0", "--pg-port", "any", "--nats-port", "any"];
    let memory = options.memory.then_some("--memory");
    let more = options.flags.iter().map(String::as_str);
    ports.into_iter().chain(memory).chain(more).collect()
}

/// Reads log lines until they have told all addresses.
async fn listening(log: &mut Lines<BufReader<ChildStderr>>) -> Result<Addresses> {
    let mut text = String::new();
    while let Some(line) = log.next_line().await.context("read the node's log")? {
        text.push_str(&line);
        text.push('\n');
        if let Some(addresses) = addresses(&text) {
            return Ok(addresses);
        }
    }
    bail!("the node ended at its start:\n{text}");
}

fn addresses(log: &str) -> Option<Addresses> {
    let after = |words: &str| log.split_once(words)?.1.split_whitespace().next();
    Some(Addresses {
        http: after("HTTP on ")?.parse().ok()?,
        postgres: after("PostgreSQL on ")?.parse().ok()?,
        nats: after("embedded NATS at ")?.to_owned(),
    })
}

/// The sum of utime and stime, the 14th and 15th field of `/proc/PID/stat` (proc(5)). The
/// second, the name, may hold blanks and ends with the last parenthesis.
fn processor_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times =
        after_name.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    Some(times.next()? + times.next()?)
}

async fn pass_on(mut log: Lines<BufReader<ChildStderr>>) {
    while let Ok(Some(line)) = log.next_line().await {
        // A log that cannot be shown is no reason to stop measuring.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_ticks_are_those_of_user_and_kernel() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 13 0 99 1 2 3";
        assert_eq!(processor_ticks(stat), Some(300));
        assert_eq!(processor_ticks("7 (ha) S 1"), None);
    }

    #[test]
    fn addresses_are_known_once_all_three_were_logged() {
        let log = "2026-01-01T00:00:00Z  INFO ha_cli::run: HTTP on 127.0.0.1:4001\n\
                   2026-01-01T00:00:00Z  INFO ha_cli::run: PostgreSQL on 127.0.0.1:4002\n";
        assert_eq!(addresses(log), None);
        let log = format!("{log} INFO replication by embedded NATS at nats://127.0.0.1:4003\n");
        let found = addresses(&log).unwrap();
        assert_eq!(found.http, "127.0.0.1:4001".parse().unwrap());
        assert_eq!(found.postgres, "127.0.0.1:4002".parse().unwrap());
        assert_eq!(found.nats, "nats://127.0.0.1:4003");
    }
}
