//! Taking part in the comparison of the nodes' states: marks are appended when they are due,
//! the state at a mark is hashed beside the writer, and what the reports say is drawn.

use std::time::Duration;

use ha_changes::{Audit, Entry, Kind};
use ha_core::{Draft, Seq};
use tokio::time::Instant;

use super::Writer;
use super::auditor::{GRACE, Hashed};
use super::encoding::now_ns;
use crate::audit::{Judged, Verdict};
use crate::machine::{Event, Heard, Reseed};

/// A node that is further behind than this does not hash old states.
const RECENT: u64 = 10_000;

/// So often a database is made anew in a row, while nobody knows who is right.
const TRIALS: u32 = 3;

impl Writer {
    /// A step that the log has at the place where the database stands.
    pub(super) fn audit(&mut self, heard: Heard) {
        if self.machine.is_partial() {
            return tracing::debug!("a database that has not the whole log is not compared");
        }
        match heard.audit {
            Audit::Mark => self.pass_mark(heard.seq),
            // The own report is known before it is in the log.
            Audit::Report(report) if heard.node == self.identity.node => {
                tracing::debug!(mark = %report.mark, "the own report is in the log");
            }
            Audit::Report(report) if report.mark <= self.auditor.after => {}
            Audit::Report(report) => {
                let now = self.started.elapsed();
                self.auditor.ledger.report(&heard.node, report, now);
                self.judge();
            }
        }
    }

    fn pass_mark(&mut self, mark: Seq) {
        if mark <= self.auditor.after {
            return;
        }
        self.auditor.passed();
        if self.auditor.hashing.is_some() || self.shared.is_behind_by(mark, RECENT) {
            tracing::debug!(%mark, "the state at an audit mark is not hashed");
            return;
        }
        if let Err(error) = self.auditor.hash(mark) {
            tracing::warn!(%mark, %error, "the state could not be audited");
        }
    }

    /// Reports a state that was hashed.
    pub(super) fn hashed(&mut self, hashed: Hashed) {
        let Hashed { mark, took, result } = hashed;
        if self.auditor.hashing.take_if(|hashing| *hashing == mark).is_none() {
            return;
        }
        let hash = match result {
            Ok(hash) => hash,
            Err(error) => {
                tracing::warn!(%mark, %error, "the state could not be audited");
                return self.auditor.ask_again(GRACE);
            }
        };
        self.auditor.took = took;
        tracing::debug!(%mark, bytes = hash.bytes, ?took, "the state is hashed");
        let room = self.limits.parts.max_part_bytes / 2;
        let report = hash.report(mark, room);
        let node = self.identity.node.clone();
        self.auditor.ledger.report(&node, report.clone(), self.started.elapsed());
        self.append_audit(Audit::Report(report));
        self.judge();
    }

    /// Appends a mark if one is due, and judges what was waited for.
    pub(super) fn mind_audit(&mut self) {
        self.judge();
        let now = Instant::now();
        let due = self.auditor.is_due(now);
        let sound = self.machine.stopped().is_none() && self.machine.trouble().is_none();
        if due && self.probes && sound && !self.verifying && !self.machine.is_partial() {
            self.auditor.wait_for_mark(now);
            self.append_audit(Audit::Mark);
        } else if due {
            self.auditor.put_off(now + Duration::from_secs(1));
        }
    }

    fn append_audit(&mut self, audit: Audit) {
        let meta = self.machine.next_meta(Kind::Audit(audit));
        let attempt = meta.id;
        let entry = Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: now_ns(),
            meta: Some(meta),
            changes: Vec::new(),
        };
        match ha_changes::encode(&entry) {
            Ok(payload) => {
                self.link.append(Draft { expect: None, attempt, parts: vec![payload.into()] });
            }
            Err(error) => tracing::warn!(%error, "an audit entry cannot be written"),
        }
    }

    fn judge(&mut self) {
        let grace = self.auditor.grace();
        while let Some(judged) = self.auditor.ledger.judge(self.started.elapsed(), grace) {
            self.draw(&judged);
        }
    }

    fn draw(&mut self, judged: &Judged) {
        let Judged { mark, reports, verdict } = judged;
        self.shared.audited(judged);
        match verdict {
            Verdict::Agree => {
                tracing::debug!(%mark, reports, "all nodes have the same state");
                self.trusted_again();
            }
            Verdict::OthersDiffer { nodes, tables } => {
                tracing::warn!(%mark, ?nodes, ?tables, "other nodes have another state, and most are as this one");
                self.trusted_again();
            }
            Verdict::Differs { nodes, tables, outvoted } => {
                self.differs(*mark, nodes, tables, *outvoted);
            }
        }
    }

    fn trusted_again(&mut self) {
        self.auditor.in_doubt = false;
        if std::mem::take(&mut self.auditor.trials) > 0 {
            tracing::info!("the database is what the log says again");
        }
        self.shared.distrust(None);
    }

    /// This node is wrong, or nobody knows who is. Its database is made anew, which is right by
    /// definition: what the log says is the database. When that does not help, the node stops.
    fn differs(&mut self, mark: Seq, nodes: &[String], tables: &[String], outvoted: bool) {
        let (tables, nodes) = (listed(tables), nodes.join(", "));
        let what = format!("the database is not the same as on {nodes} at entry {mark}: {tables}");
        if !outvoted && !std::mem::replace(&mut self.auditor.in_doubt, true) {
            tracing::warn!(%mark, "{what}; nobody knows who is right, the nodes are asked again");
            return self.auditor.ask_again(Duration::ZERO);
        }
        tracing::error!(%mark, tables, nodes, "the database differs from that of other nodes");
        self.shared.distrust(Some(what.clone()));
        let trials = self.auditor.trials;
        if trials >= TRIALS || outvoted && trials > 0 {
            let reason = format!(
                "{what}, although it was made anew from the log. The nodes may run different versions; \
                 save the database file, and start this node with an empty one"
            );
            return self.auditor.say(Event::Failed(reason));
        }
        self.auditor.trials += 1;
        // Whatever else was hashed is as wrong.
        self.auditor.renewed(Seq(u64::MAX));
        let advice = "Start this node with an empty database file";
        let lineage = self.machine.position().lineage;
        self.auditor.say(Event::Reseed(Reseed::newest(lineage, what, advice)));
    }
}

fn listed(tables: &[String]) -> String {
    if tables.is_empty() { "a table that is not named".to_owned() } else { tables.join(", ") }
}
