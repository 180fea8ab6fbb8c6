//! From an executed group to an entry of the log.

use ha_changes::{
    Change, Encoded, Entry, Error as FormatError, Form, Kind, PartLimits, PartWriter, RowOp,
    TransactionMark,
};
use ha_core::{Capabilities, Error, Result, Value};

use super::Writer;
use super::progress::Progress;
use super::touched::Touches;
use crate::host;
use crate::store::{Execution, Shipped, TransactionLimit};

/// How large a transaction may be in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryLimits {
    /// What the log takes.
    pub(super) parts: PartLimits,
    /// What the operator allows.
    bytes: usize,
}

impl EntryLimits {
    /// The limits of a transport, and of the operator. v0.0.7 knows no parts.
    pub(super) fn new(log: &Capabilities, max_bytes: usize, compat_v007: bool) -> Self {
        let max_parts = if compat_v007 { 1 } else { log.max_parts };
        let parts = PartLimits { max_part_bytes: log.max_part_bytes, max_parts };
        Self { parts, bytes: max_bytes }
    }

    /// A group is large enough for an entry of its own from there on.
    pub(super) fn enough(&self) -> usize {
        self.parts.max_part_bytes.min(16 << 20) / 2
    }

    /// What a transaction may ship.
    pub(super) fn limit(&self) -> TransactionLimit {
        let PartLimits { max_part_bytes, max_parts } = self.parts;
        let log = max_part_bytes.saturating_mul(max_parts as usize);
        TransactionLimit { bytes: self.bytes.min(log), exceeded: self.exceeded() }
    }

    /// Why a transaction is refused.
    pub(super) fn exceeded(&self) -> Error {
        let PartLimits { max_part_bytes, max_parts } = self.parts;
        let log = max_part_bytes.saturating_mul(max_parts as usize);
        let (limit, hint) = if self.bytes <= log {
            (self.bytes, "write less in one transaction, or raise --max-transaction-bytes")
        } else if max_parts == 1 {
            let hint = "write less in one transaction: this log takes no entries of several messages \
                        (they need NATS servers from 2.12 on, and no --compat v0.0.7)";
            (log, hint)
        } else {
            (log, "write less in one transaction: the log takes no more at once")
        };
        Error::TooLarge {
            what: "the size of the transaction in the log".to_owned(),
            limit: limit as u64,
            hint: hint.to_owned(),
        }
    }
}

impl Writer {
    /// The messages of an executed group as a new attempt on the position, and what it
    /// touches. One that ships nothing only confirms what was read.
    pub(super) fn encode(&mut self, execution: Execution) -> Result<(Encoded, Touches)> {
        let mark = |shipped: &Shipped| TransactionMark {
            changes: shipped.changes.len(),
            id: shipped.keyed.clone(),
        };
        let marks: Vec<_> = execution.shipped.iter().map(mark).collect();
        let kind = if marks.is_empty() { Kind::Noop } else { Kind::Transactions(marks) };
        let mut meta = self.machine.next_meta(kind);
        let is_sql = |change: &Change| matches!(change, Change::Sql(_));
        if execution.shipped.iter().any(|shipped| shipped.changes.iter().any(is_sql)) {
            meta.sqlite = Some(rusqlite::version().to_owned());
        }
        let head = Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: now_ns(),
            meta: Some(meta),
            changes: Vec::new(),
        };
        let form =
            if self.compat_v007 { Form::V007Exact(self.store.triggers()) } else { Form::Own };
        write(head, execution, form, &self.limits)
    }
}

/// Writes the changes one by one, and forgets each.
fn write(
    head: Entry,
    execution: Execution,
    form: Form<'_>,
    limits: &EntryLimits,
) -> Result<(Encoded, Touches)> {
    let failed = |error: FormatError| match error {
        FormatError::TooLarge { .. } => limits.exceeded(),
        other => Error::Corrupt(other.to_string()),
    };
    let of = execution.shipped.iter().map(|shipped| shipped.changes.len()).sum();
    let mut progress = Progress::new("changes encoded");
    let mut touches = Touches::default();
    let mut writer = PartWriter::new(head, form, limits.parts).map_err(failed)?;
    let changes = execution.shipped.into_iter().flat_map(|shipped| shipped.changes);
    for (done, change) in changes.enumerate() {
        touches.add(&change);
        writer.push(&change).map_err(failed)?;
        if writer.size() > limits.bytes {
            return Err(limits.exceeded());
        }
        progress.done(done, of);
    }
    Ok((writer.finish().map_err(failed)?, touches))
}

/// The wall clock, for information only.
pub(super) fn now_ns() -> i64 {
    i64::try_from(host::unix_time().as_nanos()).unwrap_or(i64::MAX)
}

/// About how many bytes the changes take in an entry; rather too few.
pub(super) fn estimate(shipped: &Shipped) -> usize {
    let values = |values: &[Value]| values.iter().map(Value::size).sum::<usize>();
    let keyed = shipped.keyed.as_ref().map_or(0, |keyed| 128 + 24 * keyed.counts.len());
    let changes = shipped.changes.iter().map(|change| match change {
        Change::Sql(sql) | Change::SqlWith(sql, _) => sql.len() + 64,
        Change::Row(row) => {
            200 + match &row.op {
                RowOp::Insert { new, .. } => values(new),
                RowOp::Update { old, new, .. } => values(old) + values(new),
                RowOp::Delete { old, .. } => values(old),
            }
        }
    });
    keyed + changes.sum::<usize>()
}
