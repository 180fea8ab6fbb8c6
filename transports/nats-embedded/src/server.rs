use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ha_core::{Error, Members, Result};
use serde::Deserialize;

use crate::failure::Failure;
use crate::ffi;
use crate::options::{Options, Wire};

/// A running nats-server with JetStream. Dropping it shuts it down.
///
/// A process may run several, each with a store directory of its own.
#[derive(Debug)]
pub struct Server {
    started: Started,
    stopped: AtomicBool,
}

/// What the Go side tells of a server (`started` in `server/main.go`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Started {
    error: Option<String>,
    handle: u64,
    url: String,
    host: String,
    port: u16,
    synced: bool,
    clustered: bool,
}

/// What the Go side tells of a cluster (`members` in `server/members.go`).
#[derive(Debug, Deserialize)]
struct WireMembers {
    size: usize,
    needed: usize,
    here: Vec<String>,
    away: Vec<String>,
    leader: String,
}

impl From<WireMembers> for Members {
    fn from(wire: WireMembers) -> Self {
        let WireMembers { size, needed, here, away, leader } = wire;
        let leader = Some(leader).filter(|name| !name.is_empty());
        Self { size, needed, here, away, leader, silent: Vec::new() }
    }
}

impl Server {
    /// Starts a server and returns once it takes connections, after some 30 ms with an empty
    /// store. Blocks the thread meanwhile: call it through `spawn_blocking` in async code.
    ///
    /// [`Error::Transport`] with nats-server's own words if it cannot start: a port in use, a
    /// store directory that another server uses, a wrong configuration file.
    /// [`Error::Config`] if the settings of the cluster are wrong. A member of a cluster does
    /// not wait for the others.
    pub fn start(options: Options) -> Result<Self> {
        Self::start_as(options, false, Arc::default())
    }

    /// As [`Self::start`], but its port is opened by [`Self::listen`] only; until then it is
    /// reached at a port that nobody else is told. A member of a cluster, and a server whose
    /// configuration file asks for TLS, listens at once. `failure` is told what its log says.
    pub(crate) fn start_privately(options: Options, failure: Arc<Failure>) -> Result<Self> {
        Self::start_as(options, true, failure)
    }

    fn start_as(options: Options, private: bool, failure: Arc<Failure>) -> Result<Self> {
        let wire = serde_json::to_string(&Wire::new(options, private)?)
            .map_err(|error| Error::config("nats", error.to_string()))?;
        let started = answered(&ffi::start(&ffi::c_string(wire))).map_err(with_advice)?;
        forward_log(started.handle, failure)?;
        Ok(Self { started, stopped: AtomicBool::new(false) })
    }

    /// Opens the port, if it is not open. Connections that were made before are closed.
    pub(crate) fn listen(mut self) -> Result<Self> {
        self.started = answered(&ffi::listen(self.started.handle))?;
        Ok(self)
    }

    /// Where clients of this machine connect, without credentials.
    #[must_use]
    pub fn client_url(&self) -> &str {
        &self.started.url
    }

    /// The address that clients of this machine connect to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.started.host
    }

    /// The port that was bound.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.started.port
    }

    /// Whether the store is synced before every acknowledgement.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.started.synced
    }

    /// Whether the server is a member of a cluster.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.started.clustered
    }

    /// Whether the server runs and JetStream with it; nats-server turns JetStream off when its
    /// disk fails.
    #[must_use]
    pub fn is_running(&self) -> bool {
        ffi::is_running(self.started.handle)
    }

    /// The members of the cluster, as far as this server knows them; `None` without a cluster. One
    /// that hangs counts as there until its connection is given up.
    #[must_use]
    pub fn members(&self) -> Option<Members> {
        let wire: WireMembers = serde_json::from_str(&ffi::members(self.started.handle)?).ok()?;
        Some(wire.into())
    }

    /// Takes a member out of the cluster for good, by its name: the others no longer count it
    /// when they need most of their number. It must not come back with what it has stored. Blocks
    /// the thread for some seconds.
    ///
    /// [`Error::Transport`] if it is no member, or most of the others do not agree.
    pub fn remove_member(&self, name: &str) -> Result<()> {
        match ffi::remove(self.started.handle, &ffi::c_string(name.to_owned())) {
            None => Ok(()),
            Some(reason) => {
                Err(Error::transport(format!("removing {name:?} from the cluster"), reason))
            }
        }
    }

    /// Stops the server and returns when it is down and its store directory is free. Blocks
    /// the thread meanwhile. Stopping again does nothing.
    ///
    /// A member of a cluster first hands over what it leads, so that the others need no
    /// election; that takes a second.
    pub fn shutdown(&self) {
        if !self.stopped.swap(true, Ordering::AcqRel) {
            ffi::shutdown(self.started.handle);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn answered(answer: &str) -> Result<Started> {
    let started: Started = serde_json::from_str(answer).map_err(failed)?;
    match started.error {
        Some(error) => Err(failed(error)),
        None => Ok(started),
    }
}

/// Copies the server's log to `tracing` until the server is down.
fn forward_log(handle: u64, failure: Arc<Failure>) -> Result<()> {
    let forward = move || {
        while let Some(line) = ffi::next_log(handle) {
            log(&line);
            failure.look_at(&line);
        }
    };
    match thread::Builder::new().name("nats-log".to_owned()).spawn(forward) {
        Ok(_) => Ok(()),
        Err(error) => {
            ffi::shutdown(handle);
            Err(Error::io("starting a thread", &error))
        }
    }
}

fn log(line: &str) {
    let (level, text) = line.split_at_checked(1).unwrap_or(("N", line));
    match level {
        "F" | "E" => tracing::error!(target: "nats", "{text}"),
        "W" => tracing::warn!(target: "nats", "{text}"),
        "N" => tracing::info!(target: "nats", "{text}"),
        "D" => tracing::debug!(target: "nats", "{text}"),
        _ => tracing::trace!(target: "nats", "{text}"),
    }
}

/// What can be done about a store that nats-server finds to be damaged.
fn with_advice(error: Error) -> Error {
    match &error {
        Error::Transport { reason, .. } if reason.contains("corrupt") => failed(format!(
            "{reason}. Its store is damaged: while the other members run, move the store directory away \
             and start this node again, which then gets a copy from them"
        )),
        _ => error,
    }
}

fn failed(reason: impl ToString) -> Error {
    Error::transport("the embedded NATS server", reason)
}
