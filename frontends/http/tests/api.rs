//! Paths, statuses and headers.

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use ha_core::{AttemptId, AttemptName, Error, Limits, Lineage, Readiness, Seq};
use ha_http::{Options, Secret};
use serde_json::json;
use support::client::{get, post, send};
use support::engines::Failing;
use support::memory::{Memory, token};
use support::{options, serve};

fn attempt(base: u64) -> AttemptName {
    let attempt = AttemptId { boot: 0xfeed, counter: 3 };
    AttemptName { lineage: Lineage([7; 8]), base: Seq(base), attempt }
}

#[tokio::test]
async fn replies_carry_the_position_that_was_read_or_made() {
    let engine = Memory::new();
    let server = serve(engine.clone(), options());
    let body = r#"[{"sql":"CREATE TABLE t (a)"},{"sql":"INSERT INTO t VALUES (?)","params":[1]}]"#;
    for (path, body) in [("/", body), ("/v1/query", r#"{"sql":"SELECT 1"}"#), ("/x/y", "[]")] {
        let answer = post(&server.url(path), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-ha-position"), Some(token(1).to_string().as_str()), "{path}");
    }
}

#[tokio::test]
async fn each_error_has_its_status_and_a_problem_body() {
    let cases = [
        (Error::Conflict, 409, 409),
        (Error::NotSent("no server".to_owned()), 503, 503),
        (Error::NotReady("starting".to_owned()), 503, 503),
        (Error::ReadOnly("by flag".to_owned()), 503, 503),
        (Error::Timeout(Duration::from_secs(30)), 408, 408),
        (Error::NotAllowed("ATTACH".to_owned()), 500, 403),
        (Error::invalid("no value"), 500, 400),
    ];
    for (error, plain, problem) in cases {
        let server = serve(Failing(error.clone()), options());
        let answer = post(&server.url("/"), r#"[{"sql":"x"}]"#).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (plain, format!("{error}\n").as_str()));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        let answer = post(&server.url("/v1/query"), r#"[{"sql":"x"}]"#).await;
        assert_eq!(answer.status, problem);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let title = answer.status.canonical_reason();
        let expected = json!({
            "type": "about:blank", "title": title, "status": problem, "detail": error.to_string(),
        });
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.header("retry-after").is_some(), error.is_retryable() && problem == 503);
    }
}

#[tokio::test]
async fn an_unknown_outcome_names_the_transaction() {
    let server = serve(Failing(Error::OutcomeUnknown(attempt(6).into())), options());
    let name = attempt(6).to_string();
    let plain = post(&server.url("/"), r#"[{"sql":"x"}]"#).await;
    assert_eq!(plain.status, 504);
    assert_eq!(plain.header("x-ha-transaction"), Some(name.as_str()));
    assert!(plain.text().contains(&name));
    let problem = post(&server.url("/v1/query"), r#"[{"sql":"x"}]"#).await;
    assert_eq!(problem.status, 504);
    assert_eq!(problem.json()["transaction"], name);
}

#[tokio::test]
async fn a_problem_of_sqlite_has_its_code() {
    let server = serve(Memory::new(), options());
    let url = server.url("/v1/query");
    let answer =
        post(&url, r#"[{"sql":"CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1), (1)"}]"#).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["code"], "SQLITE_CONSTRAINT_UNIQUE");
    assert_eq!(answer.json()["detail"], "UNIQUE constraint failed: t.a");
    let answer = post(&url, "[").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["title"]), (400, &json!("Bad Request")));
}

#[tokio::test]
async fn values_go_in_and_come_out() {
    let server = serve(Memory::new(), options());
    let body = r#"{"sql":"SELECT ?1, typeof(?2), ?2, typeof(?3), ?3, :n",
        "params":{"?1":true,"$2":5.0,"3":{"blob":"AP9B"},":n":"x"}}"#;
    let answer = post(&server.url("/"), body).await;
    assert_eq!(answer.json()["results"][0]["rows"], json!([[1, "real", 5, "blob", "AP9B", "x"]]));
    let answer = post(&server.url("/"), r#"[{"sql":"PRAGMA user_version"}]"#).await;
    assert_eq!(answer.text(), "{\"results\":[{\"columns\":[\"user_version\"],\"rows\":[[0]]}]}\n");
}

#[tokio::test]
async fn nothing_runs_before_a_refused_begin() {
    let server = serve(Memory::new(), options());
    for control in ["BEGIN", "SELECT 1; commit", "END", "ROLLBACK"] {
        let body = format!(r#"[{{"sql":"CREATE TABLE t (a)"}},{{"sql":"{control}"}}]"#);
        assert_eq!(post(&server.url("/"), body.clone()).await.status, 500, "{control}");
        assert_eq!(post(&server.url("/v1/query"), body).await.status, 400, "{control}");
    }
    let answer = post(&server.url("/"), r#"[{"sql":"SELECT count(*) FROM sqlite_schema"}]"#).await;
    assert_eq!(answer.json()["results"][0]["rows"], json!([[0]]));
}

#[tokio::test]
async fn too_many_rows_or_statements_are_refused() {
    let limits = Limits { rows: Some(2), ..Limits::default() };
    let server = serve(Memory::new(), Options { limits, ..options() });
    let url = server.url("/v1/query");
    assert_eq!(post(&url, r#"[{"sql":"VALUES (1), (2)"}]"#).await.status, 200);
    for body in [r#"[{"sql":"VALUES (1), (2), (3)"}]"#, "[{},{},{}]"] {
        let answer = post(&url, body).await;
        assert_eq!(answer.status, 413);
        assert!(answer.text().contains("--max-rows"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_reply_of_megabytes_arrives_whole() {
    let server = serve(Memory::new(), options());
    let text = "é<".repeat(700_000);
    let body = json!([{"sql": "SELECT ?", "params": [text]}]).to_string();
    let answer = post(&server.url("/"), body).await;
    assert_eq!(answer.json()["results"][0]["rows"][0][0], text);
}

#[tokio::test]
async fn probes_tell_how_the_node_is() {
    let engine = Memory::new();
    let server = serve(engine.clone(), options());
    for method in [Method::GET, Method::HEAD] {
        let answer = send(method, &server.url("/healthz"), &[], Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
    }
    let answer = get(&server.url("/readyz")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["ready"]), (200, &json!(true)));
    for readiness in
        [Readiness::Waiting("catching up".into()), Readiness::Stopped("catching up".into())]
    {
        *engine.readiness.lock() = readiness;
        let answer = get(&server.url("/readyz")).await;
        assert_eq!(answer.status, 503);
        let body = answer.json();
        assert_eq!((&body["ready"], &body["reason"]), (&json!(false), &json!("catching up")));
        assert_eq!(body["position"], engine.position().to_string());
    }
}

#[tokio::test]
async fn an_outcome_can_be_asked_for() {
    let server = serve(Memory::new(), options());
    let position = json!(token(2).to_string());
    let cases = [
        (1, "committed", position),
        (2, "not_committed", json!(null)),
        (3, "unknown", json!(null)),
        (4, "forgotten", json!(null)),
    ];
    for (base, outcome, position) in cases {
        let name = attempt(base).to_string();
        let answer = get(&server.url(&format!("/v1/outcome/{name}"))).await;
        let expected = json!({"transaction": name, "outcome": outcome, "position": position});
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    }
    let name = format!("{},{}", attempt(1), attempt(2));
    let answer = get(&server.url(&format!("/v1/outcome/{name}"))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["transaction"]), (200, &json!(name)));
    let answer = get(&server.url(&format!("/v1/outcome/{}", attempt(9)))).await;
    assert_eq!(answer.status, 503);
    let answer = get(&server.url("/v1/outcome/nonsense")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["detail"].as_str().unwrap().contains("<lineage>-<seq>"));
}

#[tokio::test]
async fn other_methods_and_paths_are_told_what_there_is() {
    let server = serve(Memory::new(), options());
    let cases = [
        (Method::PUT, "/healthz", 405, Some("GET, HEAD, POST")),
        (Method::DELETE, "/elsewhere", 405, Some("POST")),
        (Method::GET, "/v1/query", 405, Some("POST")),
        (Method::POST, "/v1/outcome/x", 405, Some("GET, HEAD")),
        (Method::POST, "/v1/nothing", 404, None),
        (Method::HEAD, "/favicon.ico", 404, None),
    ];
    for (method, path, status, allow) in cases {
        let answer = send(method, &server.url(path), &[], Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (status, allow), "{path}");
    }
}

#[tokio::test]
async fn credentials_guard_all_but_the_probes() {
    let token = Some(Secret::new("t0ken"));
    let server = serve(Memory::new(), Options { token, ..options() });
    for path in ["/", "/v1/query", "/healthz", "/readyz", "/x"] {
        let answer = post(&server.url(path), "[]").await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"ha\""));
    }
    assert_eq!(get(&server.url("/")).await.status, 401);
    assert_eq!(get(&server.url("/healthz")).await.status, 200);
    assert_eq!(get(&server.url("/readyz")).await.status, 200);
    let bearer = [("authorization", "Bearer t0ken"), ("host", "any.example")];
    assert_eq!(send(Method::POST, &server.url("/"), &bearer, "[]").await.status, 200);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_node() {
    let server = serve(Memory::new(), options());
    for header in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let answer = send(Method::POST, &server.url("/"), &[header], "[]").await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("--http-allow-host evil.example"), "{}", answer.text());
    }
    let extra_hosts = vec!["evil.example".to_owned()];
    let server = serve(Memory::new(), Options { extra_hosts, ..options() });
    for header in [("host", "evil.example"), ("origin", "http://evil.example")] {
        assert_eq!(send(Method::POST, &server.url("/"), &[header], "[]").await.status, 200);
    }
}
