//! The database as a file.

mod support;

use axum::body::Body;
use axum::http::Method;
use ha_core::Error;
use support::client::{get, post, send};
use support::engines::Failing;
use support::memory::Memory;
use support::{options, serve};

#[tokio::test]
async fn a_backup_is_the_whole_database() {
    let server = serve(Memory::new(), options());
    let body = r#"[{"sql":"CREATE TABLE t (a); INSERT INTO t VALUES ('kept')"}]"#;
    assert_eq!(post(&server.url("/"), body).await.status, 200);
    let answer = get(&server.url("/")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    std::fs::write(&file, &answer.body).unwrap();
    let copy = rusqlite::Connection::open(file).unwrap();
    let kept: String = copy.query_row("SELECT a FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn the_head_names_a_file_by_time() {
    let server = serve(Memory::new(), options());
    for method in [Method::GET, Method::HEAD] {
        let answer = send(method.clone(), &server.url("/"), &[], Body::empty()).await;
        let disposition = answer.header("content-disposition").unwrap();
        let name = disposition.strip_prefix("attachment; filename=").unwrap();
        let shape: String =
            name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00_ha.db");
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
    }
}

#[tokio::test]
async fn no_snapshot_is_an_error_and_not_an_empty_file() {
    let server = serve(Failing(Error::NotReady("starting".to_owned())), options());
    let answer = get(&server.url("/")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "the node is not ready: starting\n"));
}
