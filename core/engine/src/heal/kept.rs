//! The newest entries that this database has applied, byte for byte.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use ha_changes::Kind;
use ha_core::{Result, RunningHash, Seq};
use ha_sqlite::error;
use rusqlite::Connection;

use super::file::KeptFile;
use crate::machine::Position;
use crate::store;

/// So many places are tried before it is taken for unproven what comes before them: each takes a
/// hash over all that follows.
const TRIES: usize = 8;

/// Kept entries without a gap, the last one that at the position.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    position: Position,
    entries: BTreeMap<Seq, Bytes>,
}

impl Kept {
    /// Reads what the file keeps. Takes up to 64 MiB.
    pub(super) async fn read(file: &KeptFile, position: Position) -> Result<Self> {
        let rows = Self::read_some(file, Seq::ZERO..=position.seq).await?;
        Ok(Self::new(position, rows))
    }

    /// Reads those of these places.
    pub(super) async fn read_some(
        file: &KeptFile,
        places: RangeInclusive<Seq>,
    ) -> Result<Vec<(Seq, Vec<u8>)>> {
        file.ask(|conn| store::entries(conn, places).map_err(error)).await
    }

    /// Reads the one at `seq`, and whether the database's running hash is the log's: one that
    /// began in the middle of the log has a hash of its own.
    pub(super) async fn read_one(file: &KeptFile, seq: Seq) -> Result<(Option<Vec<u8>>, bool)> {
        file.ask(move |conn| {
            let partial = store::partial_since(conn).map_err(error)?;
            Ok((store::entry(conn, seq).map_err(error)?, partial.is_none()))
        })
        .await
    }

    /// Reads what an open database keeps. Blocks.
    pub(crate) fn of(conn: &Connection, position: Position) -> rusqlite::Result<Self> {
        Ok(Self::new(position, store::entries(conn, Seq::ZERO..=position.seq)?))
    }

    fn new(position: Position, rows: impl IntoIterator<Item = (Seq, Vec<u8>)>) -> Self {
        let mut entries = BTreeMap::new();
        for (seq, payload) in rows {
            let follows =
                entries.last_key_value().is_none_or(|(last, _): (&Seq, _)| last.next() == seq);
            if !follows {
                entries.clear();
            }
            if seq <= position.seq {
                entries.insert(seq, Bytes::from(payload));
            }
        }
        if entries.last_key_value().is_none_or(|(last, _)| *last != position.seq) {
            entries.clear();
        }
        Self { position, entries }
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<Seq> {
        self.entries.keys().next().copied()
    }

    pub(crate) fn get(&self, seq: Seq) -> Option<&Bytes> {
        self.entries.get(&seq)
    }

    /// Those after `seq`, in order.
    pub(super) fn after(&self, seq: Seq) -> impl Iterator<Item = (Seq, &Bytes)> {
        self.entries.range(seq.next()..).map(|(seq, payload)| (*seq, payload))
    }

    /// The place before the entry that goes on after `seq`; `seq`, if one begins there.
    pub(super) fn before_entry(&self, seq: Seq) -> Seq {
        let next = self.get(seq.next()).and_then(|payload| ha_changes::decode_part(payload).ok());
        let parts_before = next.map_or(0, |part| part.place().0.saturating_sub(1));
        Seq(seq.0.saturating_sub(u64::from(parts_before)))
    }

    /// The running hash that this database had at `seq`. A kept entry that was made on a place
    /// at or before it names the hash there; that it is this database's is proven by going on
    /// from it to the position.
    pub(super) fn hash_at(&self, seq: Seq) -> Option<RunningHash> {
        if seq == self.position.seq {
            return Some(self.position.hash);
        }
        let starts: Vec<_> = self.starts().filter(|(start, _)| *start <= seq).collect();
        starts.into_iter().rev().find_map(|(start, hash)| self.run_from(start, hash, seq))
    }

    /// The oldest entries, as far as nothing proves that they are those that lead to the position:
    /// no entry names a hash from which they go on to it. Hashes up to 64 MiB a few times.
    pub(crate) fn unproven(&self) -> impl Iterator<Item = (Seq, &Bytes)> {
        let leads = |(start, hash): &(Seq, RunningHash)| self.run_from(*start, *hash, *start);
        let proven = self.starts().take(TRIES).find(|start| leads(start).is_some());
        let last = proven.map_or(self.position.seq, |(start, _)| start);
        self.entries.range(..=last).map(|(seq, payload)| (*seq, payload))
    }

    /// Places whose hashes may be known, in order.
    fn starts(&self) -> impl Iterator<Item = (Seq, RunningHash)> {
        std::iter::once((Seq::ZERO, RunningHash::default())).chain(self.named())
    }

    /// The places that kept entries name as those they were made on, whatever lineage the log had
    /// then.
    fn named(&self) -> impl Iterator<Item = (Seq, RunningHash)> {
        self.entries.iter().filter_map(|(seq, payload)| {
            let meta = ha_changes::decode(payload).ok()?.meta?;
            let seed = match meta.kind {
                Kind::Base(base) => (base.seq, base.hash),
                Kind::Transactions(_) | Kind::Noop | Kind::Audit(_) | Kind::Turn(_) => {
                    (meta.base.seq, meta.base.hash)
                }
            };
            (seed.0.next() == *seq).then_some(seed)
        })
    }

    /// The hash at `wanted`, if `hash` at `start` leads to the position's.
    fn run_from(&self, start: Seq, hash: RunningHash, wanted: Seq) -> Option<RunningHash> {
        self.first().filter(|first| *first <= start.next())?;
        let mut found = (start == wanted).then_some(hash);
        let mut hash = hash;
        for (seq, payload) in self.after(start) {
            hash = hash.extend(seq, payload);
            if seq == wanted {
                found = Some(hash);
            }
        }
        found.filter(|_| hash == self.position.hash)
    }
}

#[cfg(test)]
mod tests {
    use ha_changes::{Base, Entry, Meta};
    use ha_core::{AttemptId, Lineage};

    use super::*;

    fn kept(rows: &[u64], last: u64) -> Kept {
        let position =
            Position { lineage: Lineage([1; 8]), seq: Seq(last), hash: RunningHash::default() };
        Kept::new(position, rows.iter().map(|seq| (Seq(*seq), vec![0])))
    }

    #[test]
    fn only_what_leads_to_the_position_without_a_gap_counts() {
        assert_eq!(kept(&[1, 2, 4, 5], 5).first(), Some(Seq(4)));
        assert_eq!(kept(&[1, 2, 3], 5).first(), None);
        assert_eq!(kept(&[3, 4, 5, 6], 5).after(Seq(3)).count(), 2);
    }

    #[test]
    fn hashes_are_known_as_far_back_as_they_can_be_proven() {
        let start = RunningHash::default();
        let (one, two) =
            (start.extend(Seq(1), b"a"), start.extend(Seq(1), b"a").extend(Seq(2), b"b"));
        let rows = || [(Seq(1), b"a".to_vec()), (Seq(2), b"b".to_vec())];
        let at = |hash| Position { lineage: Lineage([1; 8]), seq: Seq(2), hash };
        let kept = Kept::new(at(two), rows());
        assert_eq!(kept.hash_at(Seq(0)), Some(start));
        assert_eq!(kept.hash_at(Seq(1)), Some(one));
        assert_eq!(kept.hash_at(Seq(2)), Some(two));
        assert_eq!(Kept::new(at(one), rows()).hash_at(Seq(1)), None, "it leads elsewhere");
        assert_eq!(Kept::new(at(two), rows().into_iter().skip(1)).hash_at(Seq(1)), None);
    }

    #[test]
    fn what_an_entry_was_made_on_counts_under_the_next_lineage_of_the_log() {
        let (lineage, hash) = (Lineage([1; 8]), RunningHash([3; 32]));
        let base = Base { lineage, seq: Seq(3), hash };
        let entry = Entry {
            node: "n".to_owned(),
            process_id: 1,
            timestamp_ns: 0,
            meta: Some(Meta::new(AttemptId { boot: 1, counter: 1 }, base, Kind::Noop)),
            changes: Vec::new(),
        };
        let entry = ha_changes::encode(&entry).unwrap();
        let four = hash.extend(Seq(4), &entry);
        let position =
            Position { lineage: Lineage([2; 8]), seq: Seq(5), hash: four.extend(Seq(5), b"junk") };
        let kept = Kept::new(position, [(Seq(4), entry), (Seq(5), b"junk".to_vec())]);
        assert_eq!(kept.hash_at(Seq(3)), Some(hash));
        assert_eq!(kept.hash_at(Seq(4)), Some(four));
        assert_eq!(kept.unproven().count(), 0);
    }

    #[test]
    fn what_does_not_lead_to_the_position_is_unproven() {
        let start = RunningHash::default();
        let two = start.extend(Seq(1), b"a").extend(Seq(2), b"b");
        let position = Position { lineage: Lineage([1; 8]), seq: Seq(2), hash: two };
        let unproven = |rows: [(u64, &str); 2]| {
            let rows = rows.map(|(seq, payload)| (Seq(seq), payload.as_bytes().to_vec()));
            let kept = Kept::new(position, rows);
            kept.unproven().map(|(seq, _)| seq.0).collect::<Vec<_>>()
        };
        assert!(unproven([(1, "a"), (2, "b")]).is_empty());
        assert_eq!(unproven([(1, "a"), (2, "damaged")]), [1, 2]);
        assert_eq!(unproven([(1, "damaged"), (2, "b")]), [1, 2]);
    }
}
