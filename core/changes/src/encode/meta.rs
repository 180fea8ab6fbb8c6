use crate::encode::json::Writer;
use crate::{Audit, AuditReport, Base, BaseSnapshot, Kind, Meta, TransactionMark};

/// The object `ha` of an entry, or of this part of it.
pub(super) fn write(out: &mut Writer, meta: &Meta, part: (u32, u32)) {
    out.raw("{\"version\":");
    out.integer(meta.version);
    out.raw(",\"id\":");
    out.string(&meta.id.to_string());
    out.raw(",\"part\":");
    out.list([part.0, part.1], Writer::integer);
    out.raw(",\"base\":");
    write_base(out, &meta.base);
    out.raw(",\"kind\":");
    write_kind(out, &meta.kind);
    if let Some(version) = &meta.sqlite {
        out.raw(",\"sqlite\":");
        out.string(version);
    }
    write_names(out, ",\"functions\":", &meta.functions);
    write_names(out, ",\"modules\":", &meta.modules);
    out.raw("}");
}

fn write_base(out: &mut Writer, base: &Base) {
    out.raw("{\"lineage\":");
    out.string(&base.lineage.to_string());
    out.raw(",\"seq\":");
    out.integer(base.seq.0);
    out.raw(",\"hash\":");
    out.string(&hex::encode(base.hash.0));
    out.raw("}");
}

fn write_kind(out: &mut Writer, kind: &Kind) {
    match kind {
        Kind::Transactions(marks) => {
            out.raw("\"transactions\",\"transactions\":");
            out.list(marks, write_mark);
        }
        Kind::Noop => out.raw("\"noop\""),
        Kind::Turn(time) => {
            out.raw("\"noop\",\"turn\":");
            out.integer(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
        Kind::Base(snapshot) => {
            out.raw("\"base\",\"snapshot\":");
            write_snapshot(out, snapshot);
        }
        Kind::Audit(Audit::Mark) => out.raw("\"audit\""),
        Kind::Audit(Audit::Report(report)) => {
            out.raw("\"audit\",\"report\":");
            write_report(out, report);
        }
    }
}

fn write_mark(out: &mut Writer, mark: &TransactionMark) {
    out.raw("{\"changes\":");
    out.integer(mark.changes);
    if let Some(id) = &mark.id {
        out.raw(",\"id\":");
        out.string(&id.key);
        out.raw(",\"request\":");
        out.string(&hex::encode(id.request));
        out.raw(",\"counts\":");
        out.list(&id.counts, |out, (changes, rowid)| {
            out.raw("[");
            out.integer(*changes);
            out.raw(",");
            out.integer(*rowid);
            out.raw("]");
        });
    }
    out.raw("}");
}

fn write_snapshot(out: &mut Writer, snapshot: &BaseSnapshot) {
    out.raw("{");
    if let Some(source) = snapshot.source {
        out.raw("\"source\":");
        out.string(&hex::encode(source));
        out.raw(",");
    }
    out.raw("\"digest\":");
    out.string(&hex::encode(snapshot.digest));
    out.raw(",\"bytes\":");
    out.integer(snapshot.bytes);
    out.raw(",\"seq\":");
    out.integer(snapshot.seq.0);
    out.raw(",\"hash\":");
    out.string(&hex::encode(snapshot.hash.0));
    if let Some(from) = &snapshot.from {
        out.raw(",\"from\":");
        write_base(out, from);
    }
    out.raw("}");
}

fn write_report(out: &mut Writer, report: &AuditReport) {
    out.raw("{\"mark\":");
    out.integer(report.mark.0);
    out.raw(",\"method\":");
    out.integer(report.method);
    out.raw(",\"total\":");
    out.string(&hex::encode(report.total));
    out.raw(",\"tables\":");
    out.list(&report.tables, |out, (name, hash)| {
        out.raw("[");
        out.string(name);
        out.raw(",");
        out.string(&hex::encode(hash));
        out.raw("]");
    });
    out.raw("}");
}

fn write_names(out: &mut Writer, field: &str, names: &[String]) {
    if !names.is_empty() {
        out.raw(field);
        out.list(names, |out, name| out.string(name));
    }
}
