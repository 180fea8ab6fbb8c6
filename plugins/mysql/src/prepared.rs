//! Prepared statements.

use crate::connection::{Connection, watched};
use crate::dialect::readable;
use crate::error::{Failure, Outcome};
use crate::rows;
use crate::wire::params::{self, ParamType};
use crate::wire::types::{Field, Kind};
use crate::wire::{Reader, Wire, reply};

/// How many statements a client may have prepared.
const MOST_PREPARED: usize = 16_382;

/// A prepared statement.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    sql: String,
    params: usize,
    /// As the client told with the last execution.
    types: Vec<ParamType>,
    /// Values that came ahead.
    long: Vec<Option<Vec<u8>>>,
    /// One of them was too long.
    refused: bool,
}

impl Prepared {
    /// The values that came ahead, and whether one of them was too long.
    pub(crate) fn forget_values(&mut self) -> (Vec<Option<Vec<u8>>>, bool) {
        (std::mem::take(&mut self.long), std::mem::take(&mut self.refused))
    }
}

impl Connection {
    /// COM_STMT_PREPARE.
    pub(crate) async fn prepare(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        if self.prepared.len() >= MOST_PREPARED {
            return Err(Failure::new(1461, "42000", "Can't create more prepared statements"));
        }
        let sql = readable(body)?.into_owned();
        let (params, columns) = watched(wire, self.backend.describe(&sql)).await?;
        self.last_prepared = self.last_prepared.wrapping_add(1).max(1);
        let id = self.last_prepared;
        wire.send(&reply::prepared(id, columns.len(), params)).await?;
        if params > 0 {
            let param = Field { name: "?".into(), table: String::new(), kind: Kind::TEXT };
            self.columns(wire, &vec![param; params]).await?;
        }
        if !columns.is_empty() {
            self.columns(wire, &columns).await?;
        }
        self.prepared.insert(id, Prepared { sql, params, ..Prepared::default() });
        Ok(())
    }

    /// COM_STMT_EXECUTE.
    pub(crate) async fn execute(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        let mut reader = Reader(body);
        let statement = self.statement(&mut reader)?;
        // The kind of cursor, and how often: never several times.
        reader.take(5)?;
        let (long, refused) = statement.forget_values();
        if refused {
            let text = "A parameter sent in parts is longer than 'max_allowed_packet' bytes";
            return Err(Failure::new(1153, "08S01", text));
        }
        let values = params::read(&mut reader, statement.params, &mut statement.types, &long)?;
        let sql = statement.sql.clone();
        let answer = watched(wire, self.backend.run(&sql, values)).await?;
        self.answer(wire, answer, rows::binary_row).await
    }

    /// COM_STMT_SEND_LONG_DATA: a part of a value.
    pub(crate) fn long_data(&mut self, body: &[u8]) -> Outcome<()> {
        let most = self.options.max_packet_bytes;
        let mut reader = Reader(body);
        let statement = self.statement(&mut reader)?;
        let index = reader.int(2)? as usize;
        if index >= statement.params {
            return Err(Failure::protocol("no such parameter"));
        }
        statement.long.resize(statement.params, None);
        let value = statement.long[index].get_or_insert_default();
        statement.refused |= value.len() + reader.0.len() > most;
        if !statement.refused {
            value.extend_from_slice(reader.0);
        }
        Ok(())
    }

    /// COM_STMT_CLOSE.
    pub(crate) fn close(&mut self, body: &[u8]) -> Outcome<()> {
        self.prepared.remove(&(Reader(body).int(4)? as u32));
        Ok(())
    }

    /// The statement whose number comes next.
    pub(crate) fn statement(&mut self, reader: &mut Reader<'_>) -> Outcome<&mut Prepared> {
        let id = reader.int(4)? as u32;
        self.prepared.get_mut(&id).ok_or_else(|| {
            Failure::new(1243, "HY000", format!("Unknown prepared statement handler ({id})"))
        })
    }
}
