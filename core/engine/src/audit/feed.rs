use rusqlite::Row;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

/// What is collected before it is hashed; more than most rows have.
const BUFFER: usize = 64 << 10;

/// Values on their way into a hash, each with its type and length.
#[derive(Default)]
pub(super) struct Feed {
    hash: Sha256,
    buffer: Vec<u8>,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

impl Feed {
    pub(super) fn row(&mut self, row: &Row<'_>, width: usize) -> rusqlite::Result<()> {
        for index in 0..width {
            match row.get_ref(index)? {
                ValueRef::Null => self.put(b'n', &[]),
                ValueRef::Integer(value) => self.integer(value),
                ValueRef::Real(value) => self.put(b'r', &value.to_bits().to_be_bytes()),
                ValueRef::Text(bytes) => self.sized(b't', bytes),
                ValueRef::Blob(bytes) => self.sized(b'b', bytes),
            }
        }
        Ok(())
    }

    pub(super) fn integer(&mut self, value: i64) {
        self.put(b'i', &value.to_be_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.sized(b't', text.as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.sized(b'b', bytes);
    }

    fn sized(&mut self, kind: u8, bytes: &[u8]) {
        self.put(kind, &(bytes.len() as u64).to_be_bytes());
        if bytes.len() > BUFFER {
            self.flush();
            self.hash.update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.bytes += bytes.len() as u64;
    }

    fn put(&mut self, kind: u8, bytes: &[u8]) {
        if self.buffer.len() > BUFFER {
            self.flush();
        }
        self.buffer.push(kind);
        self.buffer.extend_from_slice(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn flush(&mut self) {
        self.hash.update(&self.buffer);
        self.buffer.clear();
    }

    pub(super) fn finish(mut self) -> [u8; 32] {
        self.flush();
        self.hash.finalize().into()
    }
}
