//! Asking a running node.

use serde_json::Value;

use super::findings::human;
use super::{Findings, cluster};
use crate::client::{Answer, Client};

/// What the node tells of itself.
pub(super) fn ask(client: &Client) -> Findings {
    let mut findings = Findings::new(client.url());
    match client.get("/v1/status") {
        Ok(Answer { status: 200, body }) => match serde_json::from_str(&body) {
            Ok(status) => tell(&mut findings, &status),
            Err(error) => findings.problem(
                format!("the answer is no status of ha: {error}"),
                "check that the address is a node's HTTP address",
            ),
        },
        Ok(answer) => refused(&mut findings, &answer),
        Err(reason) => findings.problem(
            format!("nobody answers: {reason}"),
            "start the node, or look into its log if it runs; then check the address",
        ),
    }
    findings
}

fn refused(findings: &mut Findings, answer: &Answer) {
    let todo = match answer.status {
        401 | 403 => "give the token of the node, with --token or HA_HTTP_TOKEN",
        404 => "check the address, and that the node is of a version that has /v1/status",
        _ => "look into the node's log",
    };
    let text = answer.body.lines().next().unwrap_or_default();
    findings.problem(format!("the node answers with {}: {text}", answer.status), todo);
}

fn tell(findings: &mut Findings, status: &Value) {
    findings.fact("node", text(&status["node"]));
    tell_position(findings, status);
    cluster::tell_members(findings, &status["transport"]["members"]);
    cluster::tell_copies(findings, &status["transport"]["copies"]);
    tell_readiness(findings, status);
    for warning in list(&status["transport"]["warnings"]) {
        findings.problem(warning, "see the configuration of the NATS servers");
    }
    tell_audit(findings, &status["audit"]);
    tell_snapshot(findings, &status["snapshot"]);
    tell_skipped(findings, &status["skipped"]);
}

fn tell_position(findings: &mut Findings, status: &Value) {
    let lag = status["lag"].as_u64().unwrap_or_default();
    let behind = match lag {
        _ if status["log"].is_null() => "the end of the log is not known".to_owned(),
        0 => "the end of the log".to_owned(),
        1 => "one entry behind the log".to_owned(),
        lag => format!("{lag} entries behind the log"),
    };
    findings.fact("position", format!("{}, {behind}", text(&status["position"])));
    let log = &status["log"];
    let name = text(&status["transport"]["name"]);
    let extent = match (log["first"].as_u64(), log["last"].as_u64()) {
        (Some(first), Some(last)) => format!("{name}, entries {first} to {last}"),
        _ => format!("{name}, which does not answer"),
    };
    findings.fact("log", extent);
}

fn tell_readiness(findings: &mut Findings, status: &Value) {
    let reason = text(&status["reason"]);
    match status["state"].as_str() {
        Some("ready") => match status["read_only"].as_str() {
            None => findings.fact("state", "ready: takes reads and writes"),
            Some(why) => findings.fact("state", format!("ready: takes reads only: {why}")),
        },
        Some("stopped") => {
            findings.fact("state", "stopped: applies nothing and takes no writes");
            findings.problem(
                format!("the node has stopped: {reason}"),
                "do what the text says, then start the node again",
            );
        }
        _ => {
            findings.fact("state", "waiting: reads answer from the state it has");
            findings.problem(
                format!("the node is not ready: {reason}"),
                "nothing if this passes by itself; otherwise see to what the text names",
            );
        }
    }
}

fn tell_audit(findings: &mut Findings, audit: &Value) {
    if audit.is_null() {
        return findings.fact("audit", "none since the node was started");
    }
    let (mark, at, nodes) = (&audit["mark"], text(&audit["at"]), &audit["nodes"]);
    let (tables, others) = (list(&audit["tables"]).join(", "), list(&audit["others"]).join(", "));
    if audit["equal"] == Value::Bool(true) {
        return findings.fact("audit", format!("entry {mark}, {at}: {nodes} nodes, all equal"));
    }
    findings.fact("audit", format!("entry {mark}, {at}: {nodes} nodes, not all equal"));
    let here = audit["here"] == Value::Bool(true);
    if here {
        findings.problem(
            format!("this database is not the one of {others} at entry {mark}: {tables}"),
            "wait until the node has made its database anew from the log; if it has stopped, do what it says",
        );
    } else {
        findings.problem(
            format!("the database of {others} is another one at entry {mark}: {tables}"),
            format!("ask that node: ha doctor --url … of {others}"),
        );
    }
}

fn tell_snapshot(findings: &mut Findings, snapshot: &Value) {
    let text = match (snapshot["seq"].as_u64(), snapshot["bytes"].as_u64()) {
        (Some(seq), Some(bytes)) => format!("entry {seq}, {}", human(bytes)),
        _ => "none is stored".to_owned(),
    };
    findings.fact("snapshot", text);
}

fn tell_skipped(findings: &mut Findings, skipped: &Value) {
    let newest = skipped["newest"].as_array().map(Vec::as_slice).unwrap_or_default();
    let newest = newest.iter().map(|one| ha_core::Skipped {
        seq: ha_core::Seq(one["seq"].as_u64().unwrap_or_default()),
        reason: text(&one["reason"]),
    });
    let count = skipped["count"].as_u64().unwrap_or_default();
    super::file::tell_skipped(findings, &(count, newest.collect()));
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn list(value: &Value) -> Vec<String> {
    value.as_array().map(|all| all.iter().map(text).collect()).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn ready() -> Value {
        json!({
            "ready": true, "state": "ready", "reason": null, "node": "n1",
            "position": "9d3d67df018f7ad3-17.1", "end": 17, "lineage": "9d3d67df018f7ad3", "lag": 0,
            "log": {"lineage": "9d3d67df018f7ad3", "first": 1, "last": 17},
            "skipped": {"count": 1, "newest": [{"seq": 5, "reason": "it was made on another state"}]},
            "audit": {"mark": 12, "at": "2026-11-23T04:13:36Z", "nodes": 3, "equal": true, "here": false,
                      "tables": [], "others": []},
            "snapshot": {"seq": 9, "bytes": 4096, "lineage": "9d3d67df018f7ad3"},
            "transport": {
                "name": "embedded NATS at nats://127.0.0.1:4222", "warnings": [],
                "members": {"size": 3, "needed": 2, "quorum": true, "here": ["n1", "n2", "n3"],
                            "away": [], "leader": "n2", "silent": []},
                "copies": [{"server": "n2", "current": true}, {"server": "n1", "current": true},
                           {"server": "n3", "current": true}],
            },
        })
    }

    pub(in super::super) fn page(status: &Value) -> String {
        let mut findings = Findings::new("http://127.0.0.1:8080");
        tell(&mut findings, status);
        findings.to_string()
    }

    #[test]
    fn a_ready_node_is_healthy_and_tells_everything() {
        let expected = "\
http://127.0.0.1:8080: healthy
  node      n1
  position  9d3d67df018f7ad3-17.1, the end of the log
  log       embedded NATS at nats://127.0.0.1:4222, entries 1 to 17
  cluster   3 servers, 2 needed, 3 here (n1, n2, n3), led by n2
  copies    3 of 3: n2, n1, n3
  state     ready: takes reads and writes
  audit     entry 12, 2026-11-23T04:13:36Z: 3 nodes, all equal
  snapshot  entry 9, 4.0 KiB
  skipped   1 entries changed nothing, on any node; the newest:
            5: it was made on another state
";
        assert_eq!(page(&ready()), expected);
    }

    #[test]
    fn a_node_that_takes_no_writes_says_why() {
        let mut status = ready();
        status["read_only"] = "the database was opened with mode=ro".into();
        let page = page(&status);
        assert!(page.contains("takes reads only: the database was opened with mode=ro"), "{page}");
    }

    #[test]
    fn a_database_that_differs_and_a_node_that_stopped_are_told() {
        let mut status = ready();
        (status["state"], status["reason"]) = ("stopped".into(), "start it anew".into());
        let audit = &mut status["audit"];
        (audit["equal"], audit["here"]) = (false.into(), true.into());
        (audit["tables"], audit["others"]) = (json!(["t"]), json!(["n2", "n3"]));
        let here = page(&status);
        assert!(here.contains("! this database is not the one of n2, n3 at entry 12: t"), "{here}");
        assert!(here.contains("! the node has stopped: start it anew"), "{here}");
        status["audit"]["here"] = false.into();
        let there = page(&status);
        assert!(
            there.contains("! the database of n2, n3 is another one at entry 12: t"),
            "{there}"
        );
    }

    #[test]
    fn a_missing_token_and_a_foreign_server_are_told() {
        let asked = |status, body: &str| {
            let mut findings = Findings::new("u");
            refused(&mut findings, &Answer { status, body: body.to_owned() });
            findings.to_string()
        };
        assert!(asked(401, "no").contains("--token"));
        assert!(asked(404, "no").contains("check the address"));
    }
}
