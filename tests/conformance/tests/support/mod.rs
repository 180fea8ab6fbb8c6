//! Libraries as fixtures.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod runner;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_conformance::frontend::{Client, FrontendFixture, LineClient, Protocol};
use ha_core::{ChangeTransport, Error, Frontend, Result, Settings};
use ha_plugin_host::Plugin;

/// A plugin, how it is opened, and who speaks its protocol.
#[derive(Debug, Clone)]
pub struct Library {
    pub plugin: Plugin,
    /// `name.key=value,name.key=value`; `{port}` and `{fresh}` stand for what the checks put there.
    pub settings: String,
    pub clients: Clients,
    pub sessions: bool,
}

/// Who speaks the protocol of a front-end.
#[derive(Debug, Clone)]
pub enum Clients {
    /// Nobody.
    None,
    /// It speaks lines itself.
    Lines,
    /// A program that is told the port and exchanges lines with us.
    Program(PathBuf),
}

impl Library {
    /// A front-end that speaks lines and has the setting `port`.
    pub fn of_lines(path: &Path, sessions: bool) -> Self {
        let plugin = Plugin::load(path).unwrap_or_else(|error| panic!("{error}"));
        Self { plugin, settings: String::new(), clients: Clients::Lines, sessions }
    }

    /// The settings; a value may have commas in it, as long as no `name.` follows them.
    fn filled(&self, port: u16, fresh: &str) -> Settings {
        let prefix = format!("{}.", self.plugin.name());
        let text = self.settings.replace("{port}", &port.to_string()).replace("{fresh}", fresh);
        let text = text.replace(&format!(",{prefix}"), "\n").replace(&prefix, "");
        let pairs = text.split('\n').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let settings = Settings::new(self.plugin.name());
        pairs.fold(settings, |settings, (key, value)| settings.with(key, value))
    }
}

#[async_trait]
impl FrontendFixture for Library {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        let mut settings = self.filled(port, &fresh());
        if !self.settings.contains("{port}") {
            settings = settings.with("port", port.to_string());
        }
        let frontend = self.plugin.open_frontend(settings).await?;
        let text = frontend.to_string();
        let port = port_in(&text).ok_or_else(|| Error::invalid(format!("no port in {text:?}")))?;
        Ok((frontend, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    async fn connect(&self, address: SocketAddr) -> Box<dyn Client> {
        let client = match &self.clients {
            Clients::Program(path) => LineClient::program(path, address.port()),
            Clients::None | Clients::Lines => LineClient::connect(address).await,
        };
        Box::new(client.unwrap_or_else(|error| panic!("{:?}: {error}", self.clients)))
    }

    fn protocol(&self) -> Protocol {
        let client = !matches!(self.clients, Clients::None);
        Protocol { client, positional: false, named: false, sessions: self.sessions }
    }
}

#[async_trait]
impl TransportFixture for Library {
    /// What the log was called.
    type Guard = String;

    async fn open(&self) -> (String, Arc<dyn ChangeTransport>) {
        let guard = fresh();
        let transport = self.join(&guard).await;
        (guard, transport)
    }

    async fn join(&self, guard: &String) -> Arc<dyn ChangeTransport> {
        let opened = self.plugin.open_transport(self.filled(0, guard)).await;
        opened.unwrap_or_else(|error| panic!("{}: {error}", self.plugin.name()))
    }
}

/// Runs a program that has to succeed.
pub fn succeed(command: &mut Command) {
    let program = command.get_program().to_owned();
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{program:?} is installed: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A name that nobody has used.
fn fresh() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("ha-{}-{time:x}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// What follows the last colon that is followed by digits.
fn port_in(text: &str) -> Option<u16> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    text.rsplit(':').find_map(|part| part[..digits(part)].parse().ok())
}
