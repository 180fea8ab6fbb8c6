//! The log, with everything that was ever stored in it, and the state after each entry.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use ha_changes::{BaseSnapshot, Kind};
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, Draft, Error, Lineage, Result, RunningHash, Seq,
    SnapshotMeta, Stored,
};

use super::point::Point;
use super::{Genesis, anew};

/// No schedule has so many entries.
const ENDLESS: u64 = 5_000;

/// The log.
pub(super) struct Log {
    lineage: Lineage,
    /// The one before the log was deleted, if it was.
    former: Option<Lineage>,
    renamed: bool,
    first: Seq,
    /// The entries and what stands after them, from sequence 0 on.
    chain: Vec<Rc<Point>>,
    attempts: HashMap<AttemptId, Appended>,
    /// The newest last.
    snapshots: Vec<Kept>,
    /// Every point that ever was, by sequence.
    points: HashMap<Seq, Vec<Rc<Point>>>,
}

/// A stored snapshot.
struct Kept {
    meta: SnapshotMeta,
    body: Bytes,
    /// Nothing was done to it.
    is_whole: bool,
}

impl Log {
    pub(super) fn new(lineage: Lineage, genesis: Option<&Genesis>) -> Self {
        let start = Rc::new(Point::start());
        let points = HashMap::from([(Seq::ZERO, vec![Rc::clone(&start)])]);
        let mut log = Self {
            lineage,
            former: None,
            renamed: false,
            first: Seq(1),
            chain: vec![start],
            attempts: HashMap::new(),
            snapshots: Vec::new(),
            points,
        };
        genesis.iter().flat_map(|genesis| &genesis.entries).for_each(|one| log.push(one.clone()));
        log
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { lineage: self.lineage, first: self.first, last: self.last(), bytes: 0 }
    }

    pub(super) fn last(&self) -> Seq {
        self.end().seq
    }

    /// The newest point.
    pub(super) fn end(&self) -> &Rc<Point> {
        self.chain.last().expect("it begins with a point")
    }

    /// The points of the log as it is, in order.
    pub(super) fn chain(&self) -> &[Rc<Point>] {
        &self.chain
    }

    /// The last entry up to this one that changes something. Those that change nothing may be folded before a
    /// database says so.
    pub(super) fn changed_by(&self, seq: Seq) -> Seq {
        let before = self.chain.iter().take_while(|point| point.seq <= seq);
        let changing = before.filter(|point| !point.ops.is_empty()).last();
        changing.map_or(Seq::ZERO, |point| point.seq)
    }

    /// Whether the log has the point now.
    pub(super) fn has(&self, point: &Rc<Point>) -> bool {
        self.chain.get(point.seq.0 as usize).is_some_and(|now| Rc::ptr_eq(now, point))
    }

    /// Whatever ever stood there.
    pub(super) fn points(&self, seq: Seq) -> &[Rc<Point>] {
        self.points.get(&seq).map_or(&[], Vec::as_slice)
    }

    /// Stores a draft as JetStream with one replica does: the condition comes first. Of several parts
    /// a server that crashes stores only the first ones: so many as `torn` says.
    /// Who has not heard that the log has lost its end may take what it stands on for a part of it:
    /// it goes on with a history that has ended.
    pub(super) fn store(
        &mut self,
        draft: &Draft,
        unaware: bool,
        torn: Option<usize>,
    ) -> Result<Appended, AppendError> {
        let last = self.last();
        if draft.expect.is_some_and(|expect| expect != last) {
            return Err(AppendError::Refused { last: Some(last) });
        }
        if let Some(appended) = self.attempts.get(&draft.attempt) {
            return Ok(*appended);
        }
        let mut ended = None;
        for part in &draft.parts[..torn.unwrap_or(draft.parts.len())] {
            ended = ended.or_else(|| unaware.then(|| self.ended(part)).flatten());
            ended = ended.map(|before| self.imagine(&before, part));
            self.push(part.clone());
        }
        if torn.is_some() {
            return Err(AppendError::Unknown { reason: "the server crashed".to_owned() });
        }
        let appended = Appended { first: last.next(), last: self.last() };
        self.attempts.insert(draft.attempt, appended);
        Ok(appended)
    }

    /// Stores something, whoever sent it.
    pub(super) fn push(&mut self, payload: Bytes) {
        let before = Rc::clone(self.end());
        assert!(before.seq.0 < ENDLESS, "the log grows for ever");
        let point = match self.base_in(&payload).filter(|_| before.seq == Seq::ZERO) {
            Some((base, origin)) => Point::base(payload, &base, &origin),
            None => Point::after(&before, payload),
        };
        let point = Rc::new(point);
        self.points.entry(point.seq).or_default().push(Rc::clone(&point));
        self.chain.push(point);
    }

    /// The base that an entry is, and the place of an earlier log that it goes on from.
    fn base_in(&self, payload: &Bytes) -> Option<(BaseSnapshot, Rc<Point>)> {
        let part = ha_changes::decode_part(payload).ok()?;
        let Kind::Base(base) = part.meta()?.kind else { return None };
        let from = base.from?;
        let origin = self.points(from.seq).iter().find(|point| point.hash == from.hash);
        let origin = origin.unwrap_or_else(|| panic!("{base:?} goes on from where no log was"));
        anew::base(self.snapshot(base.digest), origin.state());
        Some((base, Rc::clone(origin)))
    }

    /// The payloads that lead to the point, as far as they do not to `other`; the newest first.
    pub(super) fn beyond(&self, point: &Rc<Point>, other: &Rc<Point>) -> Vec<Bytes> {
        let before = |point: &Rc<Point>| {
            let is_it = |at: &&Rc<Point>| at.hash.extend(point.seq, &point.payload) == point.hash;
            self.points(Seq(point.seq.0.checked_sub(1)?)).iter().find(is_it).cloned()
        };
        let history = |end: &Rc<Point>| std::iter::successors(Some(Rc::clone(end)), before);
        let common: HashMap<_, _> = history(other).map(|at| (at.seq, at.hash)).collect();
        let differs = |at: &Rc<Point>| common.get(&at.seq) != Some(&at.hash);
        history(point).take_while(differs).map(|at| at.payload.clone()).collect()
    }

    /// Where the history has ended that the entry was made on, if it goes on with one.
    fn ended(&self, payload: &Bytes) -> Option<Rc<Point>> {
        let last = self.last();
        let base = ha_changes::decode_part(payload).ok()?.meta()?.base;
        let mut ended = self.points(last).iter().filter(|point| {
            base.seq == last && point.hash == base.hash && point.hash != self.end().hash
        });
        ended.next_back().cloned()
    }

    /// Whether the draft was made on a part of the log as it is.
    pub(super) fn led_to(&self, draft: &Draft) -> bool {
        let part = ha_changes::decode_part(&draft.parts[0]).ok();
        let base = part.as_ref().and_then(|part| part.meta()).map(|meta| meta.base);
        base.is_some_and(|base| {
            let here = self.chain.get(base.seq.0 as usize);
            here.is_some_and(|point| point.hash == base.hash)
        })
    }

    /// Notes what the part means on a history that has ended.
    fn imagine(&mut self, before: &Point, payload: &Bytes) -> Rc<Point> {
        let point = Rc::new(Point::after(before, payload.clone()));
        self.points.entry(point.seq).or_default().push(Rc::clone(&point));
        point
    }

    /// Notes the history of somebody who has gone on with one that has ended, because he had not heard
    /// of it: from a place of the log on, each entry that he keeps stood where he has it.
    pub(super) fn compose(&mut self, kept: &[Stored], hash: RunningHash) {
        for (skipped, Stored { seq, .. }) in kept.iter().enumerate().rev() {
            for before in self.points(Seq(seq.0 - 1)).to_vec() {
                if self.leads_to(&before, &kept[skipped..], hash) {
                    let note =
                        |before: Rc<Point>, one: &Stored| self.imagine(&before, &one.payload);
                    kept[skipped..].iter().fold(before, note);
                    return;
                }
            }
        }
    }

    fn leads_to(&self, before: &Point, entries: &[Stored], hash: RunningHash) -> bool {
        let stood = |one: &Stored| self.points(one.seq).iter().any(|at| at.payload == one.payload);
        let extend = |hash: RunningHash, one: &Stored| hash.extend(one.seq, &one.payload);
        entries.iter().all(stood) && entries.iter().fold(before.hash, extend) == hash
    }

    /// Prints the log to those who listen.
    pub(super) fn tell(&self) {
        for Point { seq, payload, hash, ops, .. } in self.chain.iter().map(Rc::as_ref) {
            let payload = String::from_utf8_lossy(payload);
            tracing::debug!("{seq} {} {ops:?} {payload:.400}", hex::encode(&hash.0[..4]));
        }
    }

    /// The entry at `seq`; `None` if the log ends before it.
    pub(super) fn get(&self, seq: Seq) -> Result<Option<Stored>> {
        if seq < self.first {
            return Err(Error::Truncated { from: seq, first: self.first });
        }
        let point = self.chain.get(seq.0 as usize);
        Ok(point.map(|point| Stored { seq, payload: point.payload.clone() }))
    }

    /// Loses everything after `last`, as a server does that had not synced.
    pub(super) fn rewind(&mut self, last: Seq) {
        self.chain.truncate(last.0 as usize + 1);
        self.attempts.retain(|_, appended| appended.last <= last);
    }

    /// Has another lineage from now on, as a server makes it that forgets when it was made.
    pub(super) fn rename(&mut self) {
        self.lineage.0[0] = self.lineage.0[0].wrapping_add(1);
        self.renamed = true;
    }

    /// Is deleted, and is empty from now on. What was stored beside it may be left.
    pub(super) fn begin_again(&mut self, with_snapshots: bool) {
        if !self.is_vacant() {
            self.former = Some(self.lineage);
        }
        self.lineage.0[1] = self.lineage.0[1].wrapping_add(1);
        self.first = Seq(1);
        self.chain.truncate(1);
        self.attempts.clear();
        if !with_snapshots {
            self.snapshots.clear();
        }
    }

    /// Whether it was deleted, and nobody has begun it anew.
    pub(super) fn is_vacant(&self) -> bool {
        self.former.is_some() && self.origin().is_none()
    }

    /// What the log goes on from, if it was begun anew.
    pub(super) fn origin(&self) -> Option<&Rc<Point>> {
        self.chain.get(1)?.origin.as_ref()
    }

    /// The lineage that it had before it was deleted, if it was.
    pub(super) fn former(&self) -> Option<Lineage> {
        self.former
    }

    pub(super) fn is_renamed(&self) -> bool {
        self.renamed
    }

    /// Whether everything is still stored.
    pub(super) fn is_whole(&self) -> bool {
        self.first == Seq(1)
    }

    /// The least end that the log can have without a gap to a snapshot of it. Of those that nodes take they
    /// keep two, and may be removing the others.
    pub(super) fn held(&self) -> Seq {
        if self.first <= Seq(1) {
            return Seq(1);
        }
        let of_log = self.snapshots.iter().filter(|kept| {
            let meta = &kept.meta;
            let here = self.chain.get(meta.seq.0 as usize).is_some_and(|at| at.hash == meta.hash);
            kept.is_whole && here && meta.lineage == self.lineage && meta.seq.next() >= self.first
        });
        let mut places: Vec<_> = of_log.map(|kept| kept.meta.seq).collect();
        places.sort_by_key(|seq| std::cmp::Reverse(*seq));
        places.get(1).or(places.first()).copied().unwrap_or(self.last())
    }

    /// Stores a snapshot.
    pub(super) fn keep(&mut self, meta: SnapshotMeta, body: Bytes, is_whole: bool) {
        self.snapshots.retain(|kept| kept.meta != meta);
        self.snapshots.push(Kept { meta, body, is_whole });
    }

    /// Forgets a snapshot.
    pub(super) fn forget(&mut self, meta: &SnapshotMeta) {
        self.snapshots.retain(|kept| kept.meta != *meta);
    }

    /// The stored snapshots, the newest position first, and of those of one position the last.
    pub(super) fn snapshots(&self) -> Vec<SnapshotMeta> {
        let mut metas: Vec<_> = self.snapshots.iter().rev().map(|kept| kept.meta.clone()).collect();
        metas.sort_by_key(|meta| std::cmp::Reverse(meta.seq));
        metas
    }

    /// The body of a snapshot.
    pub(super) fn snapshot(&self, digest: [u8; 32]) -> Option<Bytes> {
        let found = self.snapshots.iter().find(|kept| kept.meta.digest == digest);
        found.map(|kept| kept.body.clone())
    }

    /// Forgets the entries before.
    pub(super) fn trim(&mut self, before: Seq) {
        self.first = self.first.max(before.min(self.last().next()));
    }
}
