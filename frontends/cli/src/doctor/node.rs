//! Asking a running node.

use serde_json::Value;

use super::Findings;
use super::findings::human;
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
    tell_members(findings, &status["transport"]["members"]);
    tell_copies(findings, &status["transport"]["copies"]);
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

fn tell_members(findings: &mut Findings, members: &Value) {
    if members.is_null() {
        return;
    }
    let (here, away) = (list(&members["here"]), list(&members["away"]));
    let silent = list(&members["silent"]);
    let (size, needed) = (&members["size"], &members["needed"]);
    let leader =
        members["leader"].as_str().map_or("no leader".to_owned(), |name| format!("led by {name}"));
    findings.fact(
        "cluster",
        format!(
            "{size} servers, {needed} needed, {} here ({}), {leader}",
            here.len(),
            here.join(", ")
        ),
    );
    let missing: Vec<String> = away.into_iter().chain(silent).collect();
    if members["quorum"] == Value::Bool(false) {
        findings.problem(
            format!(
                "no quorum: {needed} of {size} servers are needed, {} here; missing: {}",
                here.len(),
                missing.join(", ")
            ),
            "start the missing nodes; writes resume by themselves, and reads go on meanwhile",
        );
    } else if !missing.is_empty() {
        findings.problem(
            format!("of the cluster is missing: {}; writes go on", missing.join(", ")),
            "start it again. If it is gone for good: ha cluster remove NAME",
        );
    }
}

fn tell_copies(findings: &mut Findings, copies: &Value) {
    let copies = copies.as_array().map(Vec::as_slice).unwrap_or_default();
    let with = |current: bool| -> Vec<String> {
        let these = copies.iter().filter(|copy| copy["current"] == Value::Bool(current));
        these.map(|copy| text(&copy["server"])).collect()
    };
    let (current, behind) = (with(true), with(false));
    if !copies.is_empty() {
        findings.fact(
            "copies",
            format!("{} of {}: {}", current.len(), copies.len(), current.join(", ")),
        );
    }
    if !behind.is_empty() {
        findings.problem(
            format!("the log's copy is not current on {}", behind.join(", ")),
            "nothing while it catches up; start the server if it is down",
        );
    }
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

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().map(|all| all.iter().map(text).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready() -> Value {
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

    fn page(status: &Value) -> String {
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
    fn no_quorum_names_what_is_missing_and_what_to_do() {
        let mut status = ready();
        (status["state"], status["reason"]) =
            ("waiting".into(), "the log cannot be reached".into());
        status["log"] = Value::Null;
        let members = &mut status["transport"]["members"];
        (members["here"], members["quorum"]) = (json!(["n1"]), false.into());
        (members["away"], members["leader"]) = (json!(["n2", "n3"]), Value::Null);
        members["silent"] = json!(["10.0.0.2:6222", "10.0.0.3:6222"]);
        let page = page(&status);
        assert!(page.starts_with("http://127.0.0.1:8080: needs attention\n"), "{page}");
        assert!(page.contains("17.1, the end of the log is not known"), "{page}");
        assert!(page.contains("which does not answer"), "{page}");
        let problem = "! no quorum: 2 of 3 servers are needed, 1 here; missing: n2, n3, \
                       10.0.0.2:6222, 10.0.0.3:6222\n  To do: start the missing nodes";
        assert!(page.contains(problem), "{page}");
        assert!(page.contains("! the node is not ready: the log cannot be reached"), "{page}");
    }

    #[test]
    fn a_node_that_takes_no_writes_says_why() {
        let mut status = ready();
        status["read_only"] = "the database was opened with mode=ro".into();
        let page = page(&status);
        assert!(page.contains("takes reads only: the database was opened with mode=ro"), "{page}");
    }

    #[test]
    fn a_missing_member_is_something_to_do_while_writes_go_on() {
        let mut status = ready();
        let members = &mut status["transport"]["members"];
        (members["here"], members["away"]) = (json!(["n1", "n2"]), json!(["n3"]));
        status["transport"]["copies"][2]["current"] = false.into();
        let page = page(&status);
        assert!(page.contains("copies    2 of 3: n2, n1"), "{page}");
        assert!(page.contains("! the log's copy is not current on n3"), "{page}");
        assert!(page.contains("! of the cluster is missing: n3; writes go on"), "{page}");
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
