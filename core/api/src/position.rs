use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::Error;

/// A sequence number of the log. The first entry has 1; 0 is the state before any entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The sequence after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which log a sequence belongs to. A stream that is deleted and made again is another
/// lineage, even under the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage(pub [u8; 8]);

impl Lineage {
    /// The lineage of the stream `name` that was created at `created_ns` (Unix nanoseconds).
    #[must_use]
    pub fn of_stream(name: &str, created_ns: i128) -> Self {
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(created_ns.to_be_bytes());
        let mut lineage = [0; 8];
        lineage.copy_from_slice(&hash.finalize()[..8]);
        Self(lineage)
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lineage({self})")
    }
}

impl FromStr for Lineage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() != 16 {
            return Err(Error::invalid(format!(
                "lineage {text:?}: 16 hexadecimal digits expected"
            )));
        }
        u64::from_str_radix(text, 16).map(|value| Self(value.to_be_bytes())).map_err(|_| {
            Error::invalid(format!("lineage {text:?}: 16 hexadecimal digits expected"))
        })
    }
}

/// The hash over every payload of the log up to a position: `h' = SHA-256(h, seq, payload)`.
///
/// Two nodes with the same lineage, position and running hash have folded the same entries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RunningHash(pub [u8; 32]);

impl RunningHash {
    /// The hash after `payload` was stored at `seq`.
    #[must_use]
    pub fn extend(&self, seq: Seq, payload: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(seq.0.to_be_bytes());
        hash.update(payload);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for RunningHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunningHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningHash({self})")
    }
}

impl FromStr for RunningHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid(format!("hash {text:?}: 64 hexadecimal digits expected"));
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(hash))
    }
}

/// Where a reader or writer stands: entry `seq` of `lineage`, and the `n`th client
/// transaction in it (from 1; 0 = before the first). Written `<lineage>-<seq>.<n>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The log.
    pub lineage: Lineage,
    /// The entry.
    pub seq: Seq,
    /// The transaction in the entry.
    pub n: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.lineage, self.seq, self.n)
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid(format!("position {text:?}: <lineage>-<seq>.<n> expected"));
        let (lineage, rest) = text.split_once('-').ok_or_else(bad)?;
        let (seq, n) = rest.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            lineage: lineage.parse()?,
            seq: Seq(seq.parse().map_err(|_| bad())?),
            n: n.parse().map_err(|_| bad())?,
        })
    }
}

/// One try to append one entry, unique among all tries of all nodes. Written
/// `<boot>.<counter>`: the process that tries, and its count of tries.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptId {
    /// Random, made once per process.
    pub boot: u64,
    /// Counts the tries of that process.
    pub counter: u64,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.boot, self.counter)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttemptId({self})")
    }
}

impl FromStr for AttemptId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid(format!("attempt {text:?}: <boot>.<counter> expected"));
        let (boot, counter) = text.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            boot: u64::from_str_radix(boot, 16).map_err(|_| bad())?,
            counter: counter.parse().map_err(|_| bad())?,
        })
    }
}

/// The name of a try whose outcome a client could not be told: the try, and the position it
/// was made on. Written `<lineage>-<seq>.<boot>.<counter>`; whatever is stored at `seq + 1`
/// decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptName {
    /// The log.
    pub lineage: Lineage,
    /// The position the entry was made on.
    pub base: Seq,
    /// The try.
    pub attempt: AttemptId,
}

impl fmt::Display for AttemptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.lineage, self.base, self.attempt)
    }
}

impl FromStr for AttemptName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || {
            Error::invalid(format!(
                "transaction name {text:?}: <lineage>-<seq>.<boot>.<counter> expected"
            ))
        };
        let (lineage, rest) = text.split_once('-').ok_or_else(bad)?;
        let (base, attempt) = rest.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            lineage: lineage.parse()?,
            base: Seq(base.parse().map_err(|_| bad())?),
            attempt: attempt.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip_through_text() {
        let lineage = Lineage::of_stream("ha_replication", 1_795_397_947_872_983_422);
        let token = Token { lineage, seq: Seq(7), n: 2 };
        assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        let name =
            AttemptName { lineage, base: Seq(6), attempt: AttemptId { boot: 0xfeed, counter: 9 } };
        assert_eq!(name.to_string().parse::<AttemptName>().unwrap(), name);
        let hash = RunningHash::default().extend(Seq(1), b"x");
        assert_eq!(hash.to_string().parse::<RunningHash>().unwrap(), hash);
    }

    #[test]
    fn a_malformed_name_says_what_is_expected() {
        let error = "7".parse::<Token>().unwrap_err().to_string();
        assert!(error.contains("<lineage>-<seq>.<n>"), "{error}");
    }

    #[test]
    fn the_running_hash_depends_on_order_sequence_and_bytes() {
        let start = RunningHash::default();
        let ab = start.extend(Seq(1), b"a").extend(Seq(2), b"b");
        let ba = start.extend(Seq(1), b"b").extend(Seq(2), b"a");
        assert_ne!(ab, ba);
        assert_ne!(start.extend(Seq(1), b"a"), start.extend(Seq(2), b"a"));
    }
}
