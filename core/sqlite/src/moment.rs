#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result, ffi};

/// 1970-01-01 as SQLite counts: milliseconds since noon in Greenwich on November 24, 4714 B.C.
const EPOCH: i64 = 210_866_760_000_000;

/// What statements are told of time and chance, so that repeating them gives the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What 'now' is, in milliseconds since 1970.
    pub unix_ms: i64,
    /// What `random()` and `randomblob()` begin from.
    pub seed: u64,
}

thread_local! {
    static NOW: Cell<Option<i64>> = const { Cell::new(None) };
    static CHANCE: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

impl Moment {
    /// Runs SQL of this thread in the moment. It must be on connections of [`crate::open()`].
    pub fn during<T>(self, run: impl FnOnce() -> T) -> T {
        let _end = End;
        NOW.set(Some(self.unix_ms));
        CHANCE.set(Some(StdRng::seed_from_u64(self.seed)));
        run()
    }
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        NOW.set(None);
        CHANCE.set(None);
    }
}

/// What 'now' is for the SQL of this thread, as SQLite counts.
pub(crate) fn now() -> i64 {
    NOW.get().unwrap_or_else(system_time).saturating_add(EPOCH)
}

fn system_time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Puts `random()` and `randomblob()` of our own in the place of SQLite's.
pub(crate) fn install_chance(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_scalar_function("random", 0, flags, |_| Ok(random()))?;
    conn.create_scalar_function("randomblob", 1, flags, random_blob)
}

/// As SQLite's: never the least integer, of which there is no absolute value.
fn random() -> i64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    match i64::from_ne_bytes(bytes) {
        negative if negative < 0 => -(negative & i64::MAX),
        other => other,
    }
}

fn random_blob(context: &Context<'_>) -> Result<Vec<u8>> {
    let wanted = number(context.get_raw(0)).max(1);
    // SAFETY: the reference is used only inside the function's call, on its thread.
    let limit = unsafe { context.get_connection() }?.limit(Limit::SQLITE_LIMIT_LENGTH)?;
    match usize::try_from(wanted) {
        Ok(length) if wanted <= i64::from(limit) => {
            let mut blob = vec![0; length];
            fill(&mut blob);
            Ok(blob)
        }
        _ => Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None)),
    }
}

/// What is no number counts as 0.
#[allow(clippy::cast_possible_truncation, reason = "SQLite cuts fractions off as well")]
fn number(value: ValueRef<'_>) -> i64 {
    match value {
        ValueRef::Integer(number) => number,
        ValueRef::Real(number) => number as i64,
        ValueRef::Text(text) => {
            str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        }
        ValueRef::Null | ValueRef::Blob(_) => 0,
    }
}

fn fill(bytes: &mut [u8]) {
    CHANCE.with_borrow_mut(|chance| match chance {
        Some(chance) => chance.fill_bytes(bytes),
        None => rand::rng().fill_bytes(bytes),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, OpenOptions, Role, open};

    fn connection() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::TempDir::new().unwrap();
        let options = OpenOptions {
            foreign_keys: true,
            durability: Durability::Off,
            cache_size: None,
            extensions: Vec::new(),
        };
        let conn = open(&dir.path().join("db"), Role::Execute, &options).unwrap();
        (dir, conn)
    }

    fn text(conn: &Connection, sql: &str) -> String {
        conn.query_row(&format!("SELECT group_concat(x, ' ') FROM ({sql})"), [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn every_way_to_ask_for_the_time_gives_that_of_the_moment() {
        let (_dir, conn) = connection();
        let now = "SELECT CURRENT_TIMESTAMP AS x UNION ALL SELECT datetime() UNION ALL \
                   SELECT unixepoch('now', 'subsec') UNION ALL SELECT strftime('%f', 'now') UNION ALL \
                   SELECT CURRENT_DATE || CURRENT_TIME UNION ALL SELECT julianday('now')";
        let moment = Moment { unix_ms: 86_400_500, seed: 0 };
        let expected = "1970-01-02 00:00:00 1970-01-02 00:00:00 86400.5 00.500 \
                        1970-01-0200:00:00 2440588.5000057872";
        assert_eq!(moment.during(|| text(&conn, now)), expected);
        assert!(text(&conn, "SELECT datetime() AS x").as_str() > "2025");
    }

    #[test]
    fn chance_is_repeated_in_a_moment_and_nowhere_else() {
        let (_dir, conn) = connection();
        let chance = "SELECT hex(randomblob(9)) AS x UNION ALL SELECT random()";
        let moment = |seed| Moment { unix_ms: 0, seed };
        let first = moment(1).during(|| text(&conn, chance));
        assert_eq!(moment(1).during(|| text(&conn, chance)), first);
        assert_ne!(moment(2).during(|| text(&conn, chance)), first);
        assert_ne!(text(&conn, chance), text(&conn, chance));
    }

    #[test]
    fn blobs_are_as_long_as_sqlite_makes_them() {
        let (_dir, conn) = connection();
        let lengths = "SELECT length(randomblob(column1)) AS x FROM (VALUES(3),(0),(-5),(NULL),('2'),('x'),(2.9))";
        assert_eq!(text(&conn, lengths), "3 1 1 1 2 1 2");
        let huge = conn.query_row("SELECT randomblob(9223372036854775807)", [], |_| Ok(()));
        assert_eq!(huge.unwrap_err().sqlite_error_code(), Some(rusqlite::ErrorCode::TooBig));
    }
}
