use bytes::BufMut;

use crate::error::{Failure, Outcome};

/// Reads the fields of a packet's payload, little-endian, from front to end.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| Failure::protocol("too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// An integer of up to eight bytes.
    pub(crate) fn int(&mut self, bytes: usize) -> Outcome<u64> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    pub(crate) fn byte(&mut self) -> Outcome<u8> {
        Ok(self.take(1)?[0])
    }

    /// An integer that tells its own length.
    pub(crate) fn size(&mut self) -> Outcome<usize> {
        let size = match self.byte()? {
            0xfc => self.int(2)?,
            0xfd => self.int(3)?,
            0xfe => self.int(8)?,
            byte => u64::from(byte),
        };
        usize::try_from(size).map_err(|_| Failure::protocol("a length out of range"))
    }

    /// Bytes after their length.
    pub(crate) fn bytes(&mut self) -> Outcome<&'a [u8]> {
        let size = self.size()?;
        self.take(size)
    }

    /// Bytes up to a NUL, or all that are left.
    pub(crate) fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.map_or(&[], |end| &self.0[end + 1..]);
        taken
    }
}

/// An integer that tells its own length
/// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html>).
pub(crate) fn put_int(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0xfa => out.put_u8(value as u8),
        0xfb..=0xffff => {
            out.put_u8(0xfc);
            out.put_uint_le(value, 2);
        }
        0x1_0000..=0xff_ffff => {
            out.put_u8(0xfd);
            out.put_uint_le(value, 3);
        }
        _ => {
            out.put_u8(0xfe);
            out.put_u64_le(value);
        }
    }
}

/// Bytes after their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    put_int(out, bytes.len() as u64);
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size_come_back() {
        for size in [0, 250, 251, 65_535, 65_536, 16_777_215, 16_777_216, u64::from(u32::MAX)] {
            let mut out = Vec::new();
            put_int(&mut out, size);
            assert_eq!(Reader(&out).size().unwrap() as u64, size);
        }
        assert!(Reader(&[5, 1, 2]).bytes().is_err());
        assert_eq!(Reader(b"ab\0c").until_nul(), b"ab");
    }
}
