//! The fields of the JSON, as they are sent. All of v0.0.7's may be missing or null.

use std::time::Duration;

use ha_core::{AttemptId, Lineage, RunningHash, Seq};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::scalar::{Args, Digest, Parsed, Plain, Text};
use crate::{Audit, AuditReport, Base, BaseSnapshot, Keyed, Kind, Meta, TransactionMark};

#[derive(Deserialize)]
pub(super) struct WireEntry<'a> {
    #[serde(borrow)]
    pub(super) node: Option<Text<'a>>,
    pub(super) process_id: Option<i64>,
    pub(super) ha: Option<WireMeta>,
    #[serde(borrow)]
    pub(super) changes: Option<Vec<WireChange<'a>>>,
    pub(super) timestamp_ns: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct WireChange<'a> {
    #[serde(borrow)]
    database: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) table: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) columns: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) pk_columns: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) operation: Option<Text<'a>>,
    pub(super) old_rowid: Option<i64>,
    pub(super) new_rowid: Option<i64>,
    #[serde(borrow)]
    pub(super) old_values: Option<Vec<Plain<'a>>>,
    #[serde(borrow)]
    pub(super) old_types: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) new_values: Option<Vec<Plain<'a>>>,
    #[serde(borrow)]
    pub(super) new_types: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) sql: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) sql_args: Option<Args<'a>>,
    #[serde(borrow)]
    pub(super) command: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) args: Option<Args<'a>>,
    /// The row that the SQL changes.
    #[serde(borrow)]
    pub(super) row: Option<Box<Self>>,
    /// A piece of a change.
    #[serde(borrow)]
    pub(super) json: Option<Text<'a>>,
    #[serde(default)]
    pub(super) more: bool,
}

impl WireChange<'_> {
    /// The row is one of the main database.
    pub(super) fn is_main(&self) -> bool {
        self.database.as_ref().is_none_or(|name| matches!(name.as_str(), "" | "main"))
    }
}

/// Just enough to tell that a newer `ha` wrote it.
#[derive(Deserialize)]
pub(super) struct WireProbe {
    pub(super) ha: Option<ProbedMeta>,
}

#[derive(Deserialize)]
pub(super) struct ProbedMeta {
    pub(super) version: u32,
}

#[derive(Deserialize)]
pub(super) struct WireMeta {
    version: u32,
    id: Parsed<AttemptId>,
    part: (u32, u32),
    base: WireBase,
    kind: String,
    #[serde(default)]
    transactions: Vec<WireMark>,
    snapshot: Option<WireSnapshot>,
    report: Option<WireReport>,
    turn: Option<u64>,
    sqlite: Option<String>,
    #[serde(default)]
    functions: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
}

#[derive(Deserialize)]
struct WireBase {
    lineage: Parsed<Lineage>,
    seq: u64,
    hash: Digest,
}

#[derive(Deserialize)]
struct WireMark {
    changes: usize,
    id: Option<String>,
    request: Option<Digest>,
    #[serde(default)]
    counts: Vec<(u64, i64)>,
}

#[derive(Deserialize)]
struct WireSnapshot {
    source: Option<Digest>,
    digest: Digest,
    bytes: u64,
    seq: u64,
    hash: Digest,
    from: Option<WireBase>,
}

#[derive(Deserialize)]
struct WireReport {
    mark: u64,
    method: u32,
    total: Digest,
    tables: Vec<(String, Digest)>,
}

impl WireMeta {
    pub(super) fn into_meta(self) -> Result<Meta, String> {
        Ok(Meta {
            version: self.version,
            id: self.id.0,
            part: self.part,
            base: self.base.into(),
            kind: match self.turn {
                Some(time) if self.kind == "noop" => Kind::Turn(Duration::from_millis(time)),
                _ => kind(&self.kind, self.transactions, self.snapshot, self.report)?,
            },
            sqlite: self.sqlite,
            functions: self.functions,
            modules: self.modules,
        })
    }
}

fn kind(
    name: &str,
    marks: Vec<WireMark>,
    snapshot: Option<WireSnapshot>,
    report: Option<WireReport>,
) -> Result<Kind, String> {
    match (name, snapshot, report) {
        ("transactions", None, None) => {
            Ok(Kind::Transactions(marks.into_iter().map(TransactionMark::from).collect()))
        }
        ("noop", None, None) => Ok(Kind::Noop),
        ("base", Some(snapshot), None) => Ok(Kind::Base(snapshot.into())),
        ("audit", None, None) => Ok(Kind::Audit(Audit::Mark)),
        ("audit", None, Some(report)) => Ok(Kind::Audit(Audit::Report(report.into()))),
        _ => Err(format!("kind {name:?} with the fields of another, or unknown")),
    }
}

impl From<WireBase> for Base {
    fn from(wire: WireBase) -> Self {
        Self { lineage: wire.lineage.0, seq: Seq(wire.seq), hash: RunningHash(wire.hash.0) }
    }
}

impl From<WireMark> for TransactionMark {
    fn from(wire: WireMark) -> Self {
        let WireMark { changes, id, request, counts } = wire;
        let id = id.zip(request).map(|(key, request)| Keyed { key, request: request.0, counts });
        Self { changes, id }
    }
}

impl From<WireSnapshot> for BaseSnapshot {
    fn from(wire: WireSnapshot) -> Self {
        Self {
            source: wire.source.map(|digest| digest.0),
            digest: wire.digest.0,
            bytes: wire.bytes,
            seq: Seq(wire.seq),
            hash: RunningHash(wire.hash.0),
            from: wire.from.map(Base::from),
        }
    }
}

impl From<WireReport> for AuditReport {
    fn from(wire: WireReport) -> Self {
        Self {
            mark: Seq(wire.mark),
            method: wire.method,
            total: wire.total.0,
            tables: wire.tables.into_iter().map(|(name, hash)| (name, hash.0)).collect(),
        }
    }
}
