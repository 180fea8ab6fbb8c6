//! What the server answers:
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase_text.html>.

use bytes::BufMut;

use super::types::Field;
use super::{put_bytes, put_int};
use crate::error::Report;

/// A transaction is open.
pub(crate) const IN_TRANSACTION: u16 = 1;
/// Statements commit by themselves.
pub(crate) const AUTOCOMMIT: u16 = 2;

/// A statement without rows is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows that it changed.
    pub(crate) affected: u64,
    /// The first id that it made; 0 if none.
    pub(crate) insert_id: u64,
    /// How many `SHOW WARNINGS` shows.
    pub(crate) warnings: u16,
}

/// OK_Packet.
pub(crate) fn done(done: &Done, status: u16) -> Vec<u8> {
    let mut out = vec![0];
    put_int(&mut out, done.affected);
    put_int(&mut out, done.insert_id);
    out.put_u16_le(status);
    out.put_u16_le(done.warnings);
    out
}

/// ERR_Packet.
pub(crate) fn failed(report: &Report) -> Vec<u8> {
    let mut out = vec![0xff];
    out.put_u16_le(report.code);
    out.put_u8(b'#');
    out.put_slice(report.state.as_bytes());
    out.put_slice(report.message.as_bytes());
    out
}

/// EOF_Packet, which ends columns and rows.
pub(crate) fn end(status: u16) -> Vec<u8> {
    let mut out = vec![0xfe, 0, 0];
    out.put_u16_le(status);
    out
}

/// The number of columns that follow.
pub(crate) fn count(fields: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, fields as u64);
    out
}

/// Protocol::ColumnDefinition41.
pub(crate) fn column(field: &Field, database: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for text in ["def", database, &field.table, &field.table, &field.name, &field.name] {
        put_bytes(&mut out, text);
    }
    out.put_u8(0x0c);
    out.put_u16_le(field.kind.charset());
    out.put_u32_le(field.kind.length);
    out.put_u8(field.kind.code as u8);
    out.put_u16_le(field.kind.flags());
    out.put_u8(field.kind.decimals);
    out.put_u16_le(0);
    out
}

/// COM_STMT_PREPARE_OK.
pub(crate) fn prepared(id: u32, columns: usize, params: usize) -> Vec<u8> {
    let mut out = vec![0];
    out.put_u32_le(id);
    out.put_u16_le(columns as u16);
    out.put_u16_le(params as u16);
    out.put_u8(0);
    out.put_u16_le(0);
    out
}
