//! From an executed group to an entry of the log.

use ha_changes::{Change, Entry, Form, Kind, Meta, RowOp, TransactionMark};
use ha_core::{AttemptId, Error, Result, Value};

use super::Writer;
use crate::host;
use crate::store::{Execution, Shipped};

impl Writer {
    /// The entry of an executed group; one that ships nothing only confirms what was read.
    pub(super) fn entry(&mut self, execution: Execution) -> Entry {
        let mut changes: Vec<Change> = Vec::new();
        let mut marks = Vec::with_capacity(execution.shipped.len());
        for shipped in execution.shipped {
            marks.push(TransactionMark { changes: shipped.changes.len(), id: shipped.keyed });
            changes.extend(shipped.changes);
        }
        let kind = if marks.is_empty() { Kind::Noop } else { Kind::Transactions(marks) };
        let mut meta = self.machine.next_meta(kind);
        if changes.iter().any(|change| matches!(change, Change::Sql(_))) {
            meta.sqlite = Some(rusqlite::version().to_owned());
        }
        Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: now_ns(),
            meta: Some(meta),
            changes,
        }
    }

    /// The entry's bytes as a new attempt on the position.
    pub(super) fn encode(&mut self, entry: &mut Entry) -> Result<(AttemptId, Vec<u8>)> {
        let Meta { id, base, .. } = self.machine.next_meta(Kind::Noop);
        if let Some(meta) = &mut entry.meta {
            (meta.id, meta.base) = (id, base);
        }
        let form =
            if self.compat_v007 { Form::V007Exact(self.store.triggers()) } else { Form::Own };
        let payload = ha_changes::encode_for(entry, form)
            .map_err(|error| Error::Corrupt(error.to_string()))?;
        Ok((id, payload))
    }
}

/// The wall clock, for information only.
fn now_ns() -> i64 {
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
