//! A transport in C that answers before its calls return, and answers wrongly when it is told to:
//! nothing it says makes the node take for stored what may not be.

mod support;

use std::sync::Arc;

use futures::StreamExt as _;
use ha_core::{AppendError, Appended, AttemptId, ChangeTransport, Draft, Error, Seq, Settings};
use ha_plugin_host::Plugin;
use support::compiled;

const CODE: &str = r#"
#include <string.h>
#define UNUSED(x) (void)(x)
static HaBuf text(const char *s) {
  HaBuf b = {(const uint8_t *)s, strlen(s), NULL, NULL};
  return b;
}
static const HaBuf nothing;
static HaBuf display(void *c) { UNUSED(c); return text("in C"); }
static void capabilities(void *c, HaCapabilities *out) {
  UNUSED(c);
  out->max_part_bytes = 1000;
  out->max_parts = 9;
  out->readable = 1;
}
static void append(void *c, const HaDraft *d, HaCompletion to) {
  UNUSED(c);
  uint64_t first = d->expect + 1;
  switch (d->parts[0].ptr[0]) {
  case 's': to.done(to.ctx, HA_OK, first, d->expect + d->parts_len, nothing); break;
  case 'n': to.done(to.ctx, HA_NONE, first, first, nothing); break;
  case 'z': to.done(to.ctx, HA_OK, 0, 0, nothing); break;
  case 'l': to.done(to.ctx, HA_OK, first + 1, first + d->parts_len, nothing); break;
  case 'f': to.done(to.ctx, HA_OK, first, first, nothing); break;
  case 'm': to.done(to.ctx, HA_ERROR, 0, 0, text("{\"message\": \"full\"}")); break;
  case 'r': to.done(to.ctx, HA_ERROR, 0, 0, text("{\"kind\": \"refused\", \"last\": 3}")); break;
  }
}
static void next(void *c, HaCompletion to) {
  int *n = c;
  ++*n;
  if (*n == 1) to.done(to.ctx, HA_OK, 1, HA_DELIVERY_ENTRY, text("one"));
  else if (*n == 2) to.done(to.ctx, HA_OK, 0, 7, nothing);
  else to.done(to.ctx, HA_END, 0, 0, nothing);
}
static void drop_stream(void *c) { *(int *)c = 0; }
static int asked;
static void subscribe(void *c, uint64_t from, HaStreamCompletion to) {
  UNUSED(c); UNUSED(from);
  HaStream s = {&asked, next, drop_stream};
  to.done(to.ctx, HA_OK, s, nothing);
}
static void none(HaCompletion to) { to.done(to.ctx, HA_NONE, 0, 0, nothing); }
static void read_entry(void *c, uint64_t seq, HaCompletion to) { UNUSED(c); UNUSED(seq); none(to); }
static void plain(void *c, HaCompletion to) { UNUSED(c); none(to); }
static void trim(void *c, uint64_t before, HaCompletion to) { UNUSED(c); UNUSED(before); none(to); }
static void put(void *c, HaSlice m, HaStream body, HaCompletion to) {
  UNUSED(c); UNUSED(m);
  body.drop(body.ctx);
  none(to);
}
static void get(void *c, HaSlice m, HaStreamCompletion to) {
  UNUSED(c); UNUSED(m);
  HaStream s = {NULL, NULL, NULL};
  to.done(to.ctx, HA_ERROR, s, text("no JSON"));
}
static void named(void *c, HaSlice m, HaCompletion to) { UNUSED(c); UNUSED(m); none(to); }
static HaBuf warnings(void *c) { UNUSED(c); return nothing; }
static int dropped;
static void drop(void *c) { UNUSED(c); dropped++; }
static HaStatus open(HaSlice settings, HaTransport *out, HaBuf *error) {
  if (dropped) { *error = text("{\"message\": \"it was given back\"}"); return HA_ERROR; }
  HaTransport t = {sizeof t, NULL, display, capabilities, append, subscribe, read_entry, plain,
                   trim, put, plain, get, named, warnings, plain, named, plain, drop};
  if (settings.len > 2) t.close = NULL;
  *out = t;
  return HA_OK;
}
HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out) {
  if (host->major != HA_MAJOR) return HA_ABI;
  HaPlugin p = {sizeof p, HA_MAJOR, HA_MINOR, {(const uint8_t *)"c", 1}, {(const uint8_t *)"1", 1},
                open, NULL};
  *out = p;
  return HA_OK;
}
"#;

fn plugin(directory: &tempfile::TempDir) -> Plugin {
    Plugin::load(&compiled(directory.path(), CODE)).unwrap()
}

async fn opened(directory: &tempfile::TempDir) -> Arc<dyn ChangeTransport> {
    plugin(directory).open_transport(Settings::new("c")).await.unwrap()
}

async fn append(transport: &dyn ChangeTransport, parts: &[&str]) -> Result<Appended, AppendError> {
    let parts = parts.iter().map(|part| (*part).to_owned().into()).collect();
    let attempt = AttemptId { boot: 1, counter: 1 };
    transport.append(Draft { expect: Some(Seq(4)), attempt, parts }).await
}

#[tokio::test]
async fn only_a_place_that_the_entry_can_have_counts_as_stored() {
    let directory = tempfile::tempdir().unwrap();
    let transport = opened(&directory).await;
    assert_eq!(transport.to_string(), "in C");
    let stored = Appended { first: Seq(5), last: Seq(6) };
    assert_eq!(append(&*transport, &["stored", "whole"]).await, Ok(stored));
    for wrong in ["none", "zero", "later", "first only", "message without a kind"] {
        let outcome = append(&*transport, &[wrong, "more"]).await;
        assert!(matches!(outcome, Err(AppendError::Unknown { .. })), "{wrong}: {outcome:?}");
    }
    let refused = Err(AppendError::Refused { last: Some(Seq(3)) });
    assert_eq!(append(&*transport, &["refused"]).await, refused);
}

#[tokio::test]
async fn an_answer_of_a_kind_that_does_not_belong_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let transport = opened(&directory).await;
    assert_eq!(transport.read(Seq(1)).await, Ok(None));
    let error = transport.bounds().await.unwrap_err().to_string();
    assert!(error.contains("an answer with the status 2"), "{error}");
    assert!(transport.trim(Seq(1)).await.is_err() && transport.close().await.is_err());
    let mut entries = transport.subscribe(Seq(1)).await.unwrap();
    assert!(entries.next().await.unwrap().is_ok());
    assert!(matches!(entries.next().await, Some(Err(Error::Corrupt(_)))));
    assert!(entries.next().await.is_none());
}

#[tokio::test]
async fn a_transport_that_lacks_a_function_is_named_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = plugin(&directory);
    let lacking = Settings::new("c").with("lack", "close");
    let error = plugin.open_transport(lacking).await.unwrap_err().to_string();
    assert!(error.contains("no function `close`"), "{error}");
    let error = plugin.open_transport(Settings::new("c")).await.unwrap_err().to_string();
    assert!(error.contains("it was given back"), "{error}");
}
