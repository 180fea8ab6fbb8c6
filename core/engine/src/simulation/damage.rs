//! Snapshots that are not what they were.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Result};

use super::World;

/// The header of a database file.
const HEADER: usize = 100;

/// What a node compares with the log.
const COMPARED: [&str; 2] = ["_ha_entries", "_ha_position"];

/// Changes a byte of a snapshot; whether it may be described as it is then, as by a node whose file
/// is damaged. What nothing but a comparison of rows would find is damaged after it was described.
pub(super) fn damage(body: &mut [u8], beside: &Path) -> bool {
    let place = World::draw(body.len() as u64) as usize;
    let described_after = World::draw(2) == 0 && place >= HEADER;
    let whole = described_after.then(|| content(body, beside));
    body[place] ^= 0x55;
    whole.is_some_and(|whole| content(body, beside).is_none_or(|content| Some(content) == whole))
}

/// All rows that are not compared; `None` if SQLite finds that something is wrong.
fn content(body: &[u8], beside: &Path) -> Option<Vec<Vec<Value>>> {
    let path = beside.with_extension("damaged");
    std::fs::write(&path, body).expect("there is room");
    let content = read(&path).ok().filter(|(_, check)| *check == [[Value::Text("ok".to_owned())]]);
    std::fs::remove_file(&path).expect("it is there");
    content.map(|(rows, _)| rows)
}

type Table = Vec<Vec<Value>>;

/// The rows, and what SQLite finds when it looks through the file as a node does.
fn read(path: &Path) -> Result<(Table, Table)> {
    let conn = Connection::open(path)?;
    let check = rows(&conn, "PRAGMA quick_check")?;
    let mut all = rows(&conn, "PRAGMA integrity_check")?;
    let tables = "SELECT * FROM sqlite_schema ORDER BY name";
    let tables = rows(&conn, tables)?;
    for table in &tables {
        match &table[..] {
            [Value::Text(kind), Value::Text(name), ..]
                if kind == "table" && !COMPARED.contains(&&name[..]) =>
            {
                all.extend(rows(&conn, &format!("SELECT * FROM \"{name}\""))?);
            }
            _ => {}
        }
    }
    all.extend(tables);
    Ok((all, check))
}

fn rows(conn: &Connection, sql: &str) -> Result<Table> {
    let mut select = conn.prepare(sql)?;
    let columns = select.column_count();
    select.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?.collect()
}
