//! What a running node says of the cluster that its log is stored in.

use serde_json::Value;

use super::Findings;
use super::node::{list, text};

/// Who is there, and who is missing.
pub(super) fn tell_members(findings: &mut Findings, members: &Value) {
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

/// Where the log is stored.
pub(super) fn tell_copies(findings: &mut Findings, copies: &Value) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::node::tests::{page, ready};

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
}
