//! How the node is, in detail, as JSON.

use std::time::UNIX_EPOCH;

use ha_core::{AuditOutcome, Health, Readiness, Status, TransportHealth};
use serde_json::{Value, json};

use crate::timestamp::Timestamp;

/// What `/readyz` says too.
pub(crate) fn readiness(status: &Status) -> Value {
    let (state, reason) = match &status.readiness {
        Readiness::Ready => ("ready", None),
        Readiness::Waiting(reason) => ("waiting", Some(reason)),
        Readiness::Stopped(reason) => ("stopped", Some(reason)),
    };
    json!({
        "ready": reason.is_none(),
        "state": state,
        "reason": reason,
        "node": status.node,
        "position": status.position.to_string(),
        "end": status.end.map(|seq| seq.0),
        "read_only": status.read_only,
    })
}

/// Everything.
pub(crate) fn health(health: &Health) -> Value {
    let Health { status, log, skipped, audit, snapshot, transport } = health;
    let mut body = readiness(status);
    let end = status.end.unwrap_or(status.position.seq);
    body["lineage"] = status.position.lineage.to_string().into();
    body["lag"] = end.0.saturating_sub(status.position.seq.0).into();
    body["log"] = log.map_or(Value::Null, |bounds| {
        json!({
            "lineage": bounds.lineage.to_string(), "first": bounds.first.0, "last": bounds.last.0,
        })
    });
    let (count, newest) = skipped;
    let newest: Vec<Value> =
        newest.iter().map(|one| json!({"seq": one.seq.0, "reason": one.reason})).collect();
    body["skipped"] = json!({"count": count, "newest": newest});
    body["audit"] = audit.as_ref().map_or(Value::Null, outcome);
    body["snapshot"] = snapshot.as_ref().map_or(
        Value::Null,
        |meta| json!({"seq": meta.seq.0, "bytes": meta.bytes, "lineage": meta.lineage.to_string()}),
    );
    body["transport"] = carried(transport);
    body
}

fn outcome(audit: &AuditOutcome) -> Value {
    let seconds = audit.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = i64::try_from(seconds).ok().and_then(Timestamp::from_unix);
    let difference = audit.difference.as_ref();
    json!({
        "mark": audit.mark.0,
        "at": at.map(|at| at.to_string()),
        "nodes": audit.nodes,
        "equal": difference.is_none(),
        "here": difference.is_some_and(|difference| difference.here),
        "tables": difference.map_or(&[][..], |difference| &difference.tables),
        "others": difference.map_or(&[][..], |difference| &difference.nodes),
    })
}

fn carried(transport: &TransportHealth) -> Value {
    let members = transport.members.as_ref().map(|members| {
        json!({
            "size": members.size,
            "needed": members.needed,
            "quorum": members.have_quorum(),
            "here": members.here,
            "away": members.away,
            "leader": members.leader,
            "silent": members.silent,
        })
    });
    let copies: Vec<Value> = transport
        .copies
        .iter()
        .map(|copy| json!({"server": copy.server, "current": copy.is_current}))
        .collect();
    json!({
        "name": transport.name,
        "warnings": transport.warnings,
        "members": members,
        "replicas": transport.replicas,
        "copies": copies,
    })
}
