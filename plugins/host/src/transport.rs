use std::fmt;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ha_abi::{HaCapabilities, HaDraft, HaSlice, HaStatus, HaTransport, delivery};
use ha_bridge::{Answer, Asked, AskedStream, Imported, ask, ask_stream, export_bytes, take};
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Result, Seq, SnapshotMeta, Stored, TransportHealth, json,
};
use tokio::runtime::Handle;

use crate::Plugin;

/// A transport behind the boundary.
pub(crate) struct PluginTransport {
    table: HaTransport,
    plugin: Plugin,
    display: String,
    capabilities: Capabilities,
}

/// Calls a function of the table, which is there: it was looked when the transport was opened.
macro_rules! call {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        // SAFETY: the transport is there until it is dropped, and what is lent is for the call.
        unsafe { $self.table.$function.expect("looked for at the start")($self.table.ctx, $($argument),*) }
    };
}

impl PluginTransport {
    pub(crate) fn new(table: HaTransport, plugin: Plugin) -> Result<Self> {
        let none = |name: &str| {
            let text = format!("its transport has no function `{name}`");
            Err(Error::transport(plugin.name(), text))
        };
        if let Some(name) = missing(&table) {
            return none(name);
        }
        let capabilities = Capabilities {
            replicated: false,
            synced: false,
            max_part_bytes: 0,
            max_parts: 0,
            snapshots: false,
            trim: false,
            readable: false,
            exact_bounds: false,
        };
        let mut transport = Self { table, plugin, display: String::new(), capabilities };
        transport.capabilities = transport.told_capabilities();
        let display = call!(transport.display());
        // SAFETY: the text is given away.
        let display = unsafe { take(display) };
        transport.display = String::from_utf8_lossy(&display).into_owned();
        Ok(transport)
    }

    fn told_capabilities(&self) -> Capabilities {
        let size = size_of::<HaCapabilities>();
        let mut told = HaCapabilities { size, ..HaCapabilities::default() };
        call!(self.capabilities(&raw mut told));
        Capabilities {
            replicated: told.replicated != 0,
            synced: told.synced != 0,
            max_part_bytes: usize::try_from(told.max_part_bytes).unwrap_or(usize::MAX),
            max_parts: told.max_parts,
            snapshots: told.snapshots != 0,
            trim: told.trim != 0,
            readable: told.readable != 0,
            exact_bounds: told.exact_bounds != 0,
        }
    }

    fn alive(&self) -> Result<()> {
        alive(&self.plugin)
    }

    /// Waits for an answer, which may never come once the transport has panicked.
    async fn answer(&self, asked: Asked) -> Result<Answer> {
        tokio::select! {
            biased;
            answer = asked => checked(&self.plugin, answer),
            error = ended(&self.plugin) => Err(error),
        }
    }

    /// As [`Self::answer`], for a stream; a panic ends that too.
    async fn streamed(&self, asked: AskedStream) -> Result<BoxStream<'static, Result<Answer>>> {
        let (stream, answer) = tokio::select! {
            biased;
            answer = asked => answer,
            error = ended(&self.plugin) => return Err(error),
        };
        // SAFETY: it was given away.
        let items = unsafe { Imported::new(stream, self.plugin.name().into()) };
        checked(&self.plugin, answer)?;
        let state = Some((items, self.plugin.clone()));
        Ok(stream::unfold(state, |state| async { next(state?).await }).boxed())
    }
}

type Items = (Imported, Plugin);

/// The next item. What comes after a panic of the transport is not believed.
async fn next((mut items, plugin): Items) -> Option<(Result<Answer>, Option<Items>)> {
    let item = match alive(&plugin) {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            biased;
            item = items.next() => item?.and_then(|answer| checked(&plugin, answer)),
            error = ended(&plugin) => Err(error),
        },
    };
    let rest = item.is_ok().then_some((items, plugin));
    Some((item, rest))
}

/// Nothing is asked of a transport that panicked: what it holds may be half done.
fn alive(plugin: &Plugin) -> Result<()> {
    match plugin.state().panicked {
        None => Ok(()),
        Some(text) => Err(Error::transport(plugin.name(), text)),
    }
}

/// Waits for a panic of the transport.
async fn ended(plugin: &Plugin) -> Error {
    Error::transport(plugin.name(), plugin.panicked().await)
}

fn checked(plugin: &Plugin, answer: Answer) -> Result<Answer> {
    let panicked = answer.status == HaStatus::PANICKED;
    let checked = answer.done(plugin.name());
    if let (true, Err(error)) = (panicked, &checked) {
        plugin.has_panicked(&error.to_string());
    }
    checked
}

fn missing(table: &HaTransport) -> Option<&'static str> {
    let functions = [
        ("display", table.display.is_some()),
        ("capabilities", table.capabilities.is_some()),
        ("append", table.append.is_some()),
        ("subscribe", table.subscribe.is_some()),
        ("read", table.read.is_some()),
        ("bounds", table.bounds.is_some()),
        ("trim", table.trim.is_some()),
        ("put_snapshot", table.put_snapshot.is_some()),
        ("snapshots", table.snapshots.is_some()),
        ("get_snapshot", table.get_snapshot.is_some()),
        ("remove_snapshot", table.remove_snapshot.is_some()),
        ("warnings", table.warnings.is_some()),
        ("health", table.health.is_some()),
        ("remove_member", table.remove_member.is_some()),
        ("close", table.close.is_some()),
        ("drop", table.drop.is_some()),
    ];
    functions.into_iter().find(|(_, there)| !there).map(|(name, _)| name)
}

impl fmt::Display for PluginTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl fmt::Debug for PluginTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PluginTransport").field(&self.plugin).finish()
    }
}

impl Drop for PluginTransport {
    fn drop(&mut self) {
        call!(self.drop());
    }
}

#[async_trait]
impl ChangeTransport for PluginTransport {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        if self.alive().is_err() {
            return Err(AppendError::Closed);
        }
        let asked = ask(|done| {
            let parts: Vec<_> = draft.parts.iter().map(|part| HaSlice::new(part)).collect();
            let lent = HaDraft {
                size: size_of::<HaDraft>(),
                expect: draft.expect.unwrap_or_default().0,
                has_expect: draft.expect.is_some().into(),
                parts_len: u32::try_from(parts.len()).unwrap_or(u32::MAX),
                parts: parts.as_ptr(),
                attempt_boot: draft.attempt.boot,
                attempt_counter: draft.attempt.counter,
            };
            call!(self.append(&raw const lent, done));
        });
        let answer = tokio::select! {
            biased;
            answer = asked => answer,
            error = ended(&self.plugin) => return Err(unknown(&error)),
        };
        if answer.status == HaStatus::ERROR {
            return Err(json::append_failure(&answer.body));
        }
        let stored = checked(&self.plugin, answer).map_err(|error| unknown(&error))?;
        Ok(Appended { first: Seq(stored.a), last: Seq(stored.b) })
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.alive()?;
        let asked = ask_stream(|done| call!(self.subscribe(from.0, done)));
        let items = self.streamed(asked).await?;
        Ok(items.map(|item| delivered(item?)).boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.alive()?;
        let answer = self.answer(ask(|done| call!(self.read(seq.0, done)))).await?;
        let is_there = answer.status != HaStatus::NONE;
        Ok(is_there.then(|| Stored { seq: Seq(answer.a), payload: answer.body }))
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.alive()?;
        let answer = self.answer(ask(|done| call!(self.bounds(done)))).await?;
        json::read(&answer.body)
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        self.alive()?;
        self.answer(ask(|done| call!(self.trim(before.0, done)))).await.map(drop)
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        self.alive()?;
        let meta = json::write(&meta);
        let asked = ask(|done| {
            let body = export_bytes(Handle::current(), body);
            call!(self.put_snapshot(HaSlice::new(&meta), body, done));
        });
        self.answer(asked).await.map(drop)
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        self.alive()?;
        let answer = self.answer(ask(|done| call!(self.snapshots(done)))).await?;
        json::read(&answer.body)
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        self.alive()?;
        let meta = json::write(meta);
        let asked = ask_stream(|done| call!(self.get_snapshot(HaSlice::new(&meta), done)));
        let chunks = self.streamed(asked).await?;
        Ok(chunks.map(|chunk| Ok(chunk?.body)).boxed())
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.alive()?;
        let meta = json::write(meta);
        let asked = ask(|done| call!(self.remove_snapshot(HaSlice::new(&meta), done)));
        self.answer(asked).await.map(drop)
    }

    fn warnings(&self) -> Vec<String> {
        if let Some(text) = self.plugin.state().panicked {
            return vec![text];
        }
        let told = call!(self.warnings());
        // SAFETY: the list is given away.
        let told = unsafe { take(told) };
        json::read_or_default(&told).unwrap_or_else(|error| vec![error.to_string()])
    }

    async fn health(&self) -> TransportHealth {
        if self.alive().is_err() {
            return TransportHealth { warnings: self.warnings(), ..TransportHealth::default() };
        }
        let answer = self.answer(ask(|done| call!(self.health(done)))).await;
        let health = answer.and_then(|answer| json::read_or_default(&answer.body));
        health.unwrap_or_default()
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.alive()?;
        let asked = ask(|done| call!(self.remove_member(HaSlice::new(name.as_bytes()), done)));
        self.answer(asked).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.alive()?;
        self.answer(ask(|done| call!(self.close(done)))).await.map(drop)
    }
}

/// What was handed over to a transport that panicked may be stored.
fn unknown(error: &Error) -> AppendError {
    AppendError::Unknown { reason: error.to_string() }
}

fn delivered(item: Answer) -> Result<Delivery> {
    match item.b {
        delivery::ENTRY => Ok(Delivery::Entry(Stored { seq: Seq(item.a), payload: item.body })),
        delivery::RECONNECTED => Ok(Delivery::Reconnected(json::read(&item.body)?)),
        other => Err(Error::Corrupt(format!("a subscription yields an item of kind {other}"))),
    }
}
