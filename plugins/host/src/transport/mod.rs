mod items;
mod table;

use std::fmt;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use ha_abi::{HaDraft, HaSlice, HaStatus, HaTransport, delivery};
use ha_bridge::{Answer, ask, ask_stream, export_bytes, take};
use ha_core::{
    AppendError, Appended, Bounds, ByteStream, Capabilities, ChangeTransport, Delivery, Draft,
    Error, Result, Seq, SnapshotMeta, Stored, TransportHealth, json,
};
use tokio::runtime::Handle;

use crate::Plugin;
use crate::text::{in_one_line, lines, one_line};
use items::{answer, checked, ended, streamed};
use table::{Table, call};

/// A transport behind the boundary.
pub(crate) struct PluginTransport {
    table: Table,
    plugin: Plugin,
    display: String,
    capabilities: Capabilities,
}

impl PluginTransport {
    pub(crate) fn new(table: HaTransport, plugin: Plugin) -> Result<Self> {
        let table = Table::new(table).map_err(|name| {
            let text = format!("its transport has no function `{name}`");
            Error::transport(plugin.name(), text)
        })?;
        let (display, capabilities) = (one_line(&table.display()), table.capabilities());
        Ok(Self { table, plugin, display, capabilities })
    }
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

#[async_trait]
impl ChangeTransport for PluginTransport {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn append(&self, draft: Draft) -> Result<Appended, AppendError> {
        if self.plugin.alive().is_err() {
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
            call!(self.table, append(&raw const lent, done));
        });
        let answer = tokio::select! {
            biased;
            answer = asked => answer,
            error = ended(&self.plugin) => return Err(unknown(&error)),
        };
        if answer.status == HaStatus::ERROR {
            return Err(json::append_failure(&in_one_line(answer).body));
        }
        let stored = checked(&self.plugin, answer).map_err(|error| unknown(&error))?;
        placed(&draft, stored.a, stored.b)
    }

    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>> {
        self.plugin.alive()?;
        let asked = ask_stream(|done| call!(self.table, subscribe(from.0, done)));
        let items = streamed(&self.plugin, asked).await?;
        Ok(items.map(|item| delivered(item?)).boxed())
    }

    async fn read(&self, seq: Seq) -> Result<Option<Stored>> {
        self.plugin.alive()?;
        let asked = ask(|done| call!(self.table, read(seq.0, done)));
        let answer = tokio::select! {
            biased;
            answer = asked => answer,
            error = ended(&self.plugin) => return Err(error),
        };
        if answer.status == HaStatus::NONE {
            return Ok(None);
        }
        let stored = checked(&self.plugin, answer)?;
        Ok(Some(Stored { seq: Seq(stored.a), payload: stored.body }))
    }

    async fn bounds(&self) -> Result<Bounds> {
        self.plugin.alive()?;
        let answer = answer(&self.plugin, ask(|done| call!(self.table, bounds(done)))).await?;
        json::read(&answer.body)
    }

    async fn trim(&self, before: Seq) -> Result<()> {
        self.plugin.alive()?;
        answer(&self.plugin, ask(|done| call!(self.table, trim(before.0, done)))).await.map(drop)
    }

    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()> {
        self.plugin.alive()?;
        let meta = json::write(&meta);
        let asked = ask(|done| {
            let body = export_bytes(Handle::current(), body);
            call!(self.table, put_snapshot(HaSlice::new(&meta), body, done));
        });
        answer(&self.plugin, asked).await.map(drop)
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>> {
        self.plugin.alive()?;
        let answer = answer(&self.plugin, ask(|done| call!(self.table, snapshots(done)))).await?;
        json::read(&answer.body)
    }

    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        self.plugin.alive()?;
        let meta = json::write(meta);
        let asked = ask_stream(|done| call!(self.table, get_snapshot(HaSlice::new(&meta), done)));
        let chunks = streamed(&self.plugin, asked).await?;
        Ok(chunks.map(|chunk| Ok(chunk?.body)).boxed())
    }

    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()> {
        self.plugin.alive()?;
        let meta = json::write(meta);
        let asked = ask(|done| call!(self.table, remove_snapshot(HaSlice::new(&meta), done)));
        answer(&self.plugin, asked).await.map(drop)
    }

    fn warnings(&self) -> Vec<String> {
        if let Some(text) = self.plugin.state().panicked {
            return vec![text];
        }
        let told = call!(self.table, warnings());
        // SAFETY: the list is given away.
        let told = lines(&unsafe { take(told) });
        if told.starts_with(b"{") {
            let panic = json::failure(self.plugin.name(), &told).to_string();
            return vec![self.plugin.note_panic(&panic)];
        }
        json::read_or_default(&told).unwrap_or_else(|error| vec![error.to_string()])
    }

    async fn health(&self) -> TransportHealth {
        if self.plugin.alive().is_err() {
            return TransportHealth { warnings: self.warnings(), ..TransportHealth::default() };
        }
        let answer = answer(&self.plugin, ask(|done| call!(self.table, health(done)))).await;
        let health = answer.and_then(|answer| json::read_or_default(&lines(&answer.body)));
        health.unwrap_or_default()
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        self.plugin.alive()?;
        let asked =
            ask(|done| call!(self.table, remove_member(HaSlice::new(name.as_bytes()), done)));
        answer(&self.plugin, asked).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.plugin.alive()?;
        answer(&self.plugin, ask(|done| call!(self.table, close(done)))).await.map(drop)
    }
}

/// The place that a transport tells, if the draft can have it: nobody may build on another.
fn placed(draft: &Draft, first: u64, last: u64) -> Result<Appended, AppendError> {
    let after_expected = draft.expect.is_none_or(|Seq(end)| end.checked_add(1) == Some(first));
    let for_all_parts = last.checked_sub(first) == Some(draft.parts.len() as u64 - 1);
    if first > 0 && after_expected && for_all_parts {
        return Ok(Appended { first: Seq(first), last: Seq(last) });
    }
    let parts = draft.parts.len();
    let reason = format!("{parts} parts were said to be stored at {first} to {last}");
    Err(AppendError::Unknown { reason })
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
