/* The boundary between ha and a plugin, version 1.0.
 *
 * A plugin is a shared library that exports `ha_plugin_v1`. It needs no symbol of the host.
 *
 * Rules that both sides keep:
 *  - Handshake: ha_plugin_v1 looks at host->major before anything else, and answers HA_ABI if it
 *    is not HA_MAJOR. It fills *out, in no more than out->size bytes, sets out->size to what it
 *    filled, and returns HA_OK. It is called once in a process.
 *  - Growth: a struct only grows at its end, with a new minor version. A field is there if the
 *    struct's `size` covers it. Another major version is another symbol.
 *  - Ownership: a HaSlice is lent until the call returns. A HaBuf, a HaStream, a HaEngine is given
 *    away: who gets it calls its `free` or `drop` exactly once. Memory is freed by who made it.
 *  - Completions: `done` is called exactly once for each call that takes one, by any thread,
 *    perhaps before that call returns; who makes the call holds no lock that `done` needs.
 *  - Threads: every function may be called by any thread and at the same time as others, but for
 *    two: `next` of one stream, and the calls of one session, come one after the other.
 *  - Blocking: nothing blocks but open_transport and open_frontend. `done` does not block either.
 *  - Backpressure: who is slow does not call `next`.
 *  - Cancellation: there is none but that of streams (`drop`; an unanswered `next` is then answered
 *    with HA_END) and sessions (`session_cancel`, `session_abandon`, `session_close`).
 *  - Panics and exceptions never cross; they become HA_PANICKED with a text.
 *  - Texts are UTF-8 and have no NUL at the end. JSON is UTF-8.
 *  - Errors are JSON: {"kind": "...", "message": "..."}, and in "detail" what else the
 *    kind has. A plain {"message": "..."} is an error too.
 *  - Libraries are never unloaded; a transport or front-end may be opened many times.
 *  - Trust: a plugin runs with all rights of the process.
 */
#ifndef HA_PLUGIN_H
#define HA_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HA_MAJOR 1u
#define HA_MINOR 0u

typedef int32_t HaStatus;
#define HA_OK 0        /* done */
#define HA_END 1       /* a stream has no more items */
#define HA_NONE 2      /* there is nothing of that kind */
#define HA_ERROR (-1)  /* it failed; the body tells why */
#define HA_PANICKED (-2) /* it failed because the code panicked */
#define HA_ABI (-3)    /* another version of the boundary is needed */

/* Levels of log lines. */
#define HA_LOG_ERROR 1u
#define HA_LOG_WARN 2u
#define HA_LOG_INFO 3u
#define HA_LOG_DEBUG 4u
#define HA_LOG_TRACE 5u

/* The `b` of an item of a subscription. */
#define HA_DELIVERY_ENTRY 0u        /* `a` is the sequence, the body the entry's bytes */
#define HA_DELIVERY_RECONNECTED 1u  /* the body is the log's bounds */

/* Bytes that are lent for the time of a call. */
typedef struct HaSlice {
  const uint8_t *ptr; /* anything if len is 0 */
  size_t len;
} HaSlice;

/* Bytes that are given away: call free(owner) once, unless free is NULL. */
typedef struct HaBuf {
  const uint8_t *ptr;
  size_t len;
  void *owner;
  void (*free)(void *owner);
} HaBuf;

/* Where an answer goes. a and b are numbers whose meaning the call tells, else 0; body is the
 * answer, or the error. */
typedef struct HaCompletion {
  void *ctx;
  void (*done)(void *ctx, HaStatus status, uint64_t a, uint64_t b, HaBuf body);
} HaCompletion;

/* Items that are asked for one by one. HA_END and errors end it; call drop once in any case. */
typedef struct HaStream {
  void *ctx;
  void (*next)(void *ctx, HaCompletion done);
  void (*drop)(void *ctx);
} HaStream;

/* Where a stream goes. Without HA_OK the stream is empty (NULL) and body is the error. */
typedef struct HaStreamCompletion {
  void *ctx;
  void (*done)(void *ctx, HaStatus status, HaStream stream, HaBuf body);
} HaStreamCompletion;

/* A node, as a front-end gets it in `serve`. The struct is lent for that call: copy it. What it is
 * of lives until the plugin calls drop, which it does once: sessions that are still open are closed
 * by it, and calls that are unanswered are still answered. Requests and answers are JSON:
 *   batch     {"statements": [{"sql": "...", "params": [..] or {"name": ..}}], "limits": {"time_ms",
 *             "rows", "bytes"}, "reads": {"strong": true, "min_position": "..."}, "key": "..."};
 *             all but statements may be left out; a statement may be a plain text
 *   reply     {"results": [{"columns": [{"name", "decl_type", "origin": [table, column]}], "rows":
 *             [[..]], "changes": n, "last_insert_rowid": n}], "position": "..."}
 *   value     null, 7 (an integer), 7.0 (a real), "text", {"blob": "base64"}, {"text": "base64"}
 *             (not UTF-8), {"real": "inf" or "-inf" or "nan"}
 *   session   {"read_only": true}; may be empty
 *   begin     {"read_only", "limits", "reads", "hides_rowids"}; may be empty
 */
typedef struct HaEngine {
  size_t size;
  void *ctx;
  /* Runs a batch as one transaction in a session of its own: a reply. */
  void (*execute)(void *ctx, HaSlice batch, HaCompletion done);
  /* Opens a session; a is its number, never 0. */
  void (*session_open)(void *ctx, HaSlice options, HaCompletion done);
  /* Runs a batch: a reply. */
  void (*session_run)(void *ctx, uint64_t session, HaSlice batch, HaCompletion done);
  /* Opens a transaction. */
  void (*session_begin)(void *ctx, uint64_t session, HaSlice options, HaCompletion done);
  /* Commits; the body is the position, as text. */
  void (*session_commit)(void *ctx, uint64_t session, HaCompletion done);
  /* Rolls back. */
  void (*session_rollback)(void *ctx, uint64_t session, HaCompletion done);
  /* What a statement takes and gives: {"params": [{"name"}], "columns": [..], "read_only"}. */
  void (*session_describe)(void *ctx, uint64_t session, HaSlice sql, HaCompletion done);
  /* Whether a transaction is open: 0 none, 1 open, 2 lost. While a call is unanswered, what was
   * before it. */
  uint32_t (*session_transaction)(void *ctx, uint64_t session);
  /* Stops the statement that runs, if one does. */
  void (*session_cancel)(void *ctx, uint64_t session);
  /* Abandons the unanswered call: it is interrupted, an open transaction rolled back. */
  void (*session_abandon)(void *ctx, uint64_t session);
  /* Closes the session, which rolls back. */
  void (*session_close)(void *ctx, uint64_t session);
  /* What became of a transaction, by its name: a is 0 committed (the body is the position),
   * 1 not committed, 2 unknown, 3 forgotten. */
  void (*outcome)(void *ctx, HaSlice name, HaCompletion done);
  /* The transactions after a position, or from now on if from is empty; a body is a transaction. */
  void (*changes)(void *ctx, HaSlice from, HaStreamCompletion done);
  /* The database as an SQLite file in chunks; the stream's body is its position, as text. */
  void (*snapshot)(void *ctx, HaStreamCompletion done);
  /* How the node is, at once: {"node", "position", "end", "readiness": "ready" or {"waiting": "why"}
   * or {"stopped": "why"}, "read_only"}. */
  HaBuf (*status)(void *ctx);
  /* How the node is, in detail. */
  void (*health)(void *ctx, HaCompletion done);
  /* Takes a member out of the servers that keep the log. */
  void (*remove_member)(void *ctx, HaSlice name, HaCompletion done);
  /* Gives the engine back. */
  void (*drop)(void *ctx);
} HaEngine;

/* A front-end, bound but not yet serving. */
typedef struct HaFrontend {
  size_t size;
  void *ctx;
  /* What it is, for people. */
  HaBuf (*display)(void *ctx);
  /* Serves until `stop`; answered when the last client is finished. Called once at most. */
  void (*serve)(void *ctx, const HaEngine *engine, HaCompletion done);
  /* Asks serve to finish what is in flight and end. May come before serve, and again. */
  void (*stop)(void *ctx);
  /* Gives it back; not before serve is answered. */
  void (*drop)(void *ctx);
} HaFrontend;

/* What a transport can do. Flags are 0 or 1. */
typedef struct HaCapabilities {
  size_t size;
  uint64_t max_part_bytes; /* the largest part in bytes */
  uint32_t max_parts;      /* how many parts an entry may have */
  uint8_t replicated;      /* other nodes can read what is appended */
  uint8_t synced;          /* an acknowledged entry survives a power loss */
  uint8_t snapshots;       /* snapshots can be stored */
  uint8_t trim;            /* trim works */
  uint8_t readable;        /* read and subscribe give back what was stored */
  uint8_t exact_bounds;    /* bounds always counts what was acknowledged */
} HaCapabilities;

/* An entry to be stored, lent for the time of the call. */
typedef struct HaDraft {
  size_t size;
  uint64_t expect;     /* where the log has to end, if has_expect */
  uint32_t has_expect;
  uint32_t parts_len;  /* at least one */
  const HaSlice *parts;
  uint64_t attempt_boot; /* the two halves of the attempt's name */
  uint64_t attempt_counter;
} HaDraft;

/* The ordered log that all nodes share. Bounds are {"lineage": "16 hex digits", "first", "last",
 * "bytes"}; a snapshot is {"digest": "64 hex digits", "bytes", "lineage", "seq", "hash": "64 hex
 * digits"}. All functions have to be there. */
typedef struct HaTransport {
  size_t size;
  void *ctx;
  /* What it is, for people. */
  HaBuf (*display)(void *ctx);
  /* Fills *out up to out->size. Constant. */
  void (*capabilities)(void *ctx, HaCapabilities *out);
  /* Stores all parts as one entry or none; a and b are the first and the last sequence, one for each
   * part, the first right after `expect` if there is a condition: another place is not believed,
   * and the outcome taken as unknown. Errors have the kinds refused {"last"}, unknown {"reason"},
   * not_sent {"reason"}, too_large {"size", "limit"}, closed; any other is taken as unknown. */
  void (*append)(void *ctx, const HaDraft *draft, HaCompletion done);
  /* Everything from a sequence on, in order, without a gap; see HA_DELIVERY_. */
  void (*subscribe)(void *ctx, uint64_t from, HaStreamCompletion done);
  /* What is stored at a sequence; HA_NONE if the log ends before it. */
  void (*read)(void *ctx, uint64_t seq, HaCompletion done);
  /* The log's bounds. */
  void (*bounds)(void *ctx, HaCompletion done);
  /* Forgets what is below a sequence. */
  void (*trim)(void *ctx, uint64_t before, HaCompletion done);
  /* Stores a snapshot. It is listed, and this answers, only after what was stored has been read back
     and found to have the digest and the length of `meta`: the log is trimmed by what is listed, and
     nobody else looks. */
  void (*put_snapshot)(void *ctx, HaSlice meta, HaStream body, HaCompletion done);
  /* The stored snapshots, a JSON list, the newest position first. */
  void (*snapshots)(void *ctx, HaCompletion done);
  /* A snapshot's body, in chunks. */
  void (*get_snapshot)(void *ctx, HaSlice meta, HaStreamCompletion done);
  /* Forgets a snapshot; no error if there is none. */
  void (*remove_snapshot)(void *ctx, HaSlice meta, HaCompletion done);
  /* What of the log is worse than it was: a JSON list of texts, at once. An error as JSON
     instead says that the transport panicked; it is not asked again. */
  HaBuf (*warnings)(void *ctx);
  /* How the transport is. */
  void (*health)(void *ctx, HaCompletion done);
  /* Takes a member out of the servers that keep the log. */
  void (*remove_member)(void *ctx, HaSlice name, HaCompletion done);
  /* Ends all subscriptions; later calls fail with the kind closed. */
  void (*close)(void *ctx, HaCompletion done);
  /* Gives it back. Unanswered calls are still answered; streams live on. */
  void (*drop)(void *ctx);
} HaTransport;

/* What the host offers; valid for as long as the process. */
typedef struct HaHost {
  size_t size;
  uint32_t major;
  uint32_t minor;
  void *ctx;
  /* Writes a line to the node's log. */
  void (*log)(void *ctx, uint32_t level, HaSlice target, HaSlice message);
  /* Whether a line of this level would be written: 0 or 1. */
  uint32_t (*log_enabled)(void *ctx, uint32_t level);
} HaHost;

/* What a plugin is. The texts live as long as the process. */
typedef struct HaPlugin {
  size_t size;
  uint32_t major;
  uint32_t minor;
  HaSlice name; /* letters, digits, - and _ */
  HaSlice version;
  /* Opens a transport, or NULL. settings is a JSON object of texts. May block. What is not HA_OK
   * fills *error. */
  HaStatus (*open_transport)(HaSlice settings, HaTransport *out, HaBuf *error);
  /* Opens and binds a front-end, or NULL. */
  HaStatus (*open_frontend)(HaSlice settings, HaFrontend *out, HaBuf *error);
} HaPlugin;

/* The one symbol of a plugin. */
HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out);

#ifdef __cplusplus
}
#endif
#endif
