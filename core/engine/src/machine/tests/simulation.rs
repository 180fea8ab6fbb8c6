//! Machines on a model of the log whose messages are lost, late and reordered.
//!
//! `HA_SEED=n cargo test -p ha-engine simulation` replays one schedule.

use std::collections::{BTreeMap, HashMap};

use ha_changes::{Assembler, Audit, Progress};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::machine::Heard;

const SEEDS: u64 = 3_000;
const NODES: usize = 3;
const STEPS: usize = 250;

#[test]
fn no_schedule_makes_nodes_differ_or_loses_or_doubles_a_write() {
    let seeds = match std::env::var("HA_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("HA_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let replayed = seeds.end - seeds.start == 1;
    let mut all = Faults::default();
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| World::new(seed).run());
        let Ok(faults) = outcome else { panic!("schedule HA_SEED={seed} broke a promise") };
        all.torn += faults.torn;
        all.restarts += faults.restarts;
        all.lost_answers += faults.lost_answers;
        all.whole_runs += faults.whole_runs;
        all.turns += faults.turns;
    }
    let Faults { torn, restarts, lost_answers, whole_runs, turns } = all;
    assert!(
        replayed
            || [torn, restarts, lost_answers, whole_runs, turns].iter().all(|n| *n > SEEDS / 10),
        "{all:?}"
    );
}

/// What a client was told of its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Committed,
    Unknown,
}

struct Node {
    machine: Machine,
    /// The entry of which not all parts are applied, and how many are.
    staging: Assembler,
    staged: u64,
    /// What was passed, and why.
    skipped: BTreeMap<u64, String>,
    /// The rows of the model database: the writes in the order of the fold.
    rows: Vec<u64>,
    open: Option<u64>,
    applying: Option<u64>,
    /// Strong reads that wait, and what was acknowledged anywhere when each arrived.
    reads: Vec<(u64, Vec<u64>)>,
    queue: Vec<u64>,
    /// Events on their way to the machine.
    events: Vec<Event>,
    next_delivery: u64,
    /// Where the model database stands.
    ground: Position,
    clock: u64,
}

/// How often what a schedule must have to be worth something happened.
#[derive(Debug, Default, Clone, Copy)]
struct Faults {
    torn: u64,
    restarts: u64,
    lost_answers: u64,
    whole_runs: u64,
    turns: u64,
}

struct World {
    random: StdRng,
    log: Vec<Bytes>,
    /// Drafts on their way to the log, and who waits for the answer.
    sent: Vec<(usize, Draft)>,
    nodes: Vec<Node>,
    told: BTreeMap<u64, Told>,
    writes: u64,
    boots: u64,
    faults: Faults,
    asked: u64,
    /// The rows that the first node to pass an audit mark had there.
    marks: HashMap<Seq, Vec<u64>>,
    /// Faults happen; otherwise everything runs to its end.
    faulty: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let start = Position { lineage: LINEAGE, seq: Seq::ZERO, hash: RunningHash::default() };
        let node = |boot| Node {
            machine: machine(boot, start),
            staging: Assembler::default(),
            staged: 0,
            skipped: BTreeMap::new(),
            rows: Vec::new(),
            open: None,
            applying: None,
            reads: Vec::new(),
            queue: Vec::new(),
            events: Vec::new(),
            next_delivery: 1,
            ground: start,
            clock: 0,
        };
        Self {
            random: StdRng::seed_from_u64(seed),
            log: Vec::new(),
            sent: Vec::new(),
            nodes: (1..=NODES as u64).map(node).collect(),
            told: BTreeMap::new(),
            writes: 0,
            boots: NODES as u64,
            faults: Faults::default(),
            asked: 0,
            marks: HashMap::new(),
            faulty: true,
        }
    }

    fn run(mut self) -> Faults {
        for _ in 0..STEPS {
            self.step();
        }
        self.faulty = false;
        for round in 0.. {
            assert!(round < 20_000, "the nodes do not come to rest");
            if self.at_rest() {
                break;
            }
            self.step();
        }
        self.check();
        self.faults
    }

    fn at_rest(&self) -> bool {
        let end = self.log.len() as u64;
        self.sent.is_empty()
            && self.nodes.iter().all(|node| {
                node.machine.can_execute()
                    && node.queue.is_empty()
                    && node.reads.is_empty()
                    && node.open.is_none()
                    && node.machine.position().seq.0 == end
            })
    }

    fn step(&mut self) {
        let node = self.random.random_range(0..NODES);
        match self.random.random_range(0..13) {
            4 if self.faulty && self.random.random_bool(0.2) => self.restart(node),
            0 if self.faulty => self.ask(node),
            10 if self.faulty => self.read_strongly(node),
            11 => self.tell(node, Event::Quiet),
            12 if self.faulty && self.random.random_bool(0.1) => self.mark(node),
            12 if self.faulty && self.random.random_bool(0.05) => self.ask_turn(node),
            1 => self.arrive(),
            2 | 3 => self.deliver(node),
            4 => self.tick(node),
            5 => self.execute(node),
            _ => self.tell_one(node),
        }
    }

    /// A client wants a write.
    fn ask(&mut self, node: usize) {
        self.writes += 1;
        self.nodes[node].queue.push(self.writes);
    }

    /// A client wants a strong read.
    fn read_strongly(&mut self, at: usize) {
        self.asked += 1;
        let known = self.told.iter().filter(|(_, told)| **told == Told::Committed);
        let known = known.map(|(write, _)| *write).collect();
        self.nodes[at].reads.push((self.asked, known));
        self.tell(at, Event::Asked { read: self.asked });
    }

    /// Everybody is to have the same state where this comes to stand.
    fn mark(&mut self, at: usize) {
        let meta = self.nodes[at].machine.next_meta(Kind::Audit(Audit::Mark));
        let draft =
            Draft { expect: None, attempt: meta.id, parts: vec![bytes(Some(meta), Vec::new())] };
        self.sent.push((at, draft));
    }

    fn ask_turn(&mut self, at: usize) {
        let time = Duration::from_millis(self.random.random_range(1..300));
        self.tell(at, Event::AskTurn(time));
    }

    fn audit(&mut self, at: usize, heard: &Heard) {
        let rows = &self.nodes[at].rows;
        let expected = self.marks.entry(heard.seq).or_insert_with(|| rows.clone());
        assert_eq!(rows, expected, "node {at} is asked for another state at {}", heard.seq);
    }

    fn serve(&mut self, at: usize, upto: u64) {
        let node = &mut self.nodes[at];
        for (read, known) in node.reads.extract_if(.., |(read, _)| *read <= upto) {
            let seen = known.iter().all(|write| node.rows.contains(write));
            assert!(seen, "read {read} misses a write that was acknowledged before it: {known:?}");
        }
    }

    fn execute(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if !node.machine.can_execute() || node.open.is_some() || node.queue.is_empty() {
            return;
        }
        let write = node.queue.remove(0);
        node.open = Some(write);
        let event = self.offer(at);
        self.tell(at, event);
    }

    fn offer(&mut self, at: usize) -> Event {
        let node = &mut self.nodes[at];
        let write = node.open.expect("an offer has an open group");
        let (id, parts) = group(&mut node.machine, write);
        let deadline = Duration::from_millis(node.clock + self.random.random_range(1..400));
        Event::Executed { id, parts, deadline }
    }

    /// The node ends and starts again with what it has committed. Its clients learn nothing.
    fn restart(&mut self, at: usize) {
        self.boots += 1;
        self.faults.restarts += 1;
        let identity = Identity { node: String::new(), process_id: 1, boot: self.boots };
        let node = &mut self.nodes[at];
        node.machine = Machine::new(identity, node.ground, Seq(self.log.len() as u64));
        node.next_delivery = node.ground.seq.next().0;
        node.unstage();
        node.events.clear();
        node.reads.clear();
        let lost: Vec<u64> = node
            .open
            .take()
            .into_iter()
            .chain(node.applying.take())
            .chain(node.queue.drain(..))
            .collect();
        lost.into_iter().for_each(|write| self.answer(write, Told::Unknown));
    }

    fn tick(&mut self, at: usize) {
        self.nodes[at].clock += self.random.random_range(1..120);
        self.tell(at, Event::Tick);
    }

    /// One of the drafts on their way reaches the log, in any order.
    fn arrive(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (at, draft) = self.sent.swap_remove(self.random.random_range(0..self.sent.len()));
        let answer = self.store(&draft);
        let lost = self.faulty && self.random.random_bool(0.3);
        self.faults.lost_answers += u64::from(lost && answer.is_ok());
        let result = if lost { Err(unknown()) } else { answer };
        self.nodes[at].events.push(Event::Acked { id: draft.attempt, result });
    }

    fn store(&mut self, draft: &Draft) -> Result<Appended, AppendError> {
        let last = Seq(self.log.len() as u64);
        if draft.expect.is_some_and(|expect| expect != last) {
            return Err(AppendError::Refused { last: Some(last) });
        }
        let parts = draft.parts.len();
        if self.faulty && parts > 1 && self.random.random_bool(0.3) {
            let stored = self.random.random_range(1..parts);
            self.log.extend_from_slice(&draft.parts[..stored]);
            self.faults.torn += 1;
            return Err(unknown());
        }
        self.faults.whole_runs += u64::from(parts > 1);
        self.log.extend_from_slice(&draft.parts);
        Ok(Appended { first: last.next(), last: Seq(last.0 + parts as u64) })
    }

    fn deliver(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let seq = node.next_delivery;
        let Some(payload) = self.log.get(seq as usize - 1) else { return };
        node.next_delivery += 1;
        let event = delivered(seq, payload);
        self.tell(at, event);
    }

    /// One of the answers on their way reaches the node, in any order.
    fn tell_one(&mut self, at: usize) {
        let waiting = self.nodes[at].events.len();
        if waiting == 0 {
            return;
        }
        let event = self.nodes[at].events.swap_remove(self.random.random_range(0..waiting));
        self.tell(at, event);
    }

    fn tell(&mut self, at: usize, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let node = &mut self.nodes[at];
            let actions = node.machine.on(Duration::from_millis(node.clock), events.remove(0));
            for action in actions {
                events.extend(self.perform(at, action));
            }
        }
    }

    fn perform(&mut self, at: usize, action: Action) -> Option<Event> {
        match action {
            Action::Append(draft) => self.send(at, draft),
            Action::Read(seq) => {
                let found = self.log.get(seq.0 as usize - 1).cloned();
                self.nodes[at].events.push(read_back(seq.0, found.as_ref()));
            }
            Action::AskBounds => {
                self.nodes[at].events.push(bounds(1, self.log.len() as u64));
            }
            Action::Verify => {
                let position = self.nodes[at].machine.position().seq;
                assert!(position.0 as usize <= self.log.len(), "the log lost nothing");
            }
            Action::Mend => panic!("node {at} takes the log for another"),
            Action::Commit { folded, seq, hash, parts } => {
                return Some(self.commit(at, &folded, seq, hash, &parts));
            }
            Action::Unstage => self.nodes[at].unstage(),
            Action::Offer => return Some(self.offer(at)),
            Action::Record { folded, position } => return Some(self.record(at, &folded, position)),
            Action::Serve(upto) => self.serve(at, upto),
            Action::Rollback(fate) => self.roll_back(at, &fate),
            Action::Apply { seq, hash, how, .. } => return Some(self.apply(at, seq, hash, &how)),
            Action::Audit(heard) => self.audit(at, &heard),
            Action::Hold(_) => self.faults.turns += 1,
            Action::Resubscribe(from) => self.nodes[at].next_delivery = from.0,
            Action::Fetch(target) => panic!("node {at} misses nothing, and fetches {target:?}"),
            Action::Stop(reason) => panic!("node {at} stopped: {reason}"),
        }
        None
    }

    fn send(&mut self, at: usize, draft: Draft) {
        let dice = if self.faulty { self.random.random_range(0..10) } else { 9 };
        let answer = |error| Event::Acked { id: draft.attempt, result: Err(error) };
        match dice {
            0 => self.nodes[at].events.push(answer(unknown())),
            1 => {
                let error = AppendError::NotSent { reason: "down".to_owned() };
                self.nodes[at].events.push(answer(error));
            }
            // It is late: the sender learns nothing, and it arrives some time.
            2 => {
                self.nodes[at].events.push(answer(unknown()));
                self.sent.push((at, draft));
            }
            _ => self.sent.push((at, draft)),
        }
    }

    fn record(&mut self, at: usize, folded: &[Folded], position: Position) -> Event {
        let node = &mut self.nodes[at];
        assert!(node.open.is_none(), "entries are recorded beside an open group");
        assert_eq!(proceed(node.ground, folded), position.seq.0);
        if self.faulty && self.random.random_bool(0.1) {
            return Event::Stuck("disk full".to_owned());
        }
        node.skip(folded);
        node.ground = position;
        Event::Recorded
    }

    fn commit(
        &mut self,
        at: usize,
        folded: &[Folded],
        seq: Seq,
        hash: RunningHash,
        parts: &[Bytes],
    ) -> Event {
        let places = seq.0 as usize - parts.len()..seq.0 as usize;
        assert_eq!(&self.log[places], parts, "committed without the log");
        if self.faulty && self.random.random_bool(0.1) {
            return Event::CommitFailed { reason: "disk".to_owned() };
        }
        let ground = proceed(self.nodes[at].ground, folded);
        assert_eq!(ground + parts.len() as u64, seq.0, "a gap");
        self.nodes[at].skip(folded);
        self.nodes[at].ground = Position { lineage: LINEAGE, seq, hash };
        let write = self.nodes[at].open.take().expect("a commit has an open group");
        self.nodes[at].rows.push(write);
        self.answer(write, Told::Committed);
        Event::Moved { seq, hash }
    }

    fn roll_back(&mut self, at: usize, fate: &Fate) {
        let node = &mut self.nodes[at];
        let write = node.open.take().expect("a rollback has an open group");
        match fate {
            Fate::Again => node.queue.insert(0, write),
            Fate::Applying(_) => node.applying = Some(write),
            Fate::Unknown(_) => self.answer(write, Told::Unknown),
            Fate::Failed(error) => panic!("{error}"),
        }
    }

    fn apply(&mut self, at: usize, seq: Seq, hash: RunningHash, how: &How) -> Event {
        let node = &mut self.nodes[at];
        assert!(node.open.is_none(), "an entry is applied beside an open group");
        assert_eq!(node.ground.seq.0 + node.staged + 1, seq.0, "a gap");
        assert!(node.staged == 0 || matches!(how, How::Part(_)), "applied inside an entry");
        match how {
            How::Part(_) if self.faulty && self.random.random_bool(0.05) => {
                node.unstage();
                return Event::Stuck("disk full".to_owned());
            }
            How::Part(part) => match node.staging.push((**part).clone()).unwrap() {
                Progress::More => {
                    node.staged += 1;
                    return Event::Staged;
                }
                Progress::Complete(entry) => {
                    node.rows.extend(entry.changes.iter().filter_map(number))
                }
                other => panic!("{other:?}"),
            },
            How::Ours(entry) => node.rows.extend(entry.changes.iter().filter_map(number)),
            How::Nothing(reason) => {
                node.skipped.extend(reason.clone().map(|reason| (seq.0, reason)));
            }
            How::Audit(_) => {}
            other => panic!("{other:?}"),
        }
        node.staged = 0;
        node.ground = Position { lineage: LINEAGE, seq, hash };
        if let Some(write) = node.applying.take() {
            self.answer(write, Told::Committed);
        }
        Event::Moved { seq, hash }
    }

    fn answer(&mut self, write: u64, told: Told) {
        assert!(self.told.insert(write, told).is_none(), "write {write} was answered twice");
    }

    /// All nodes have the same state, with each acknowledged write in it exactly once, and no
    /// write twice.
    fn check(&self) {
        let rows = &self.nodes[0].rows;
        for node in &self.nodes {
            assert_eq!(&node.rows, rows);
            assert_eq!(node.machine.position(), self.nodes[0].machine.position());
            assert_eq!(node.skipped, self.nodes[0].skipped, "passed for other reasons");
        }
        let mut counts = HashMap::new();
        rows.iter().for_each(|write| *counts.entry(write).or_insert(0) += 1);
        assert!(counts.values().all(|count| *count == 1), "a write is there twice: {rows:?}");
        for write in 1..=self.writes {
            let told = self.told.get(&write).expect("every client is answered");
            assert!(*told == Told::Unknown || counts.contains_key(&write), "write {write} is lost");
        }
    }
}

impl Node {
    fn unstage(&mut self) {
        self.staging.cut();
        self.staged = 0;
    }

    fn skip(&mut self, folded: &[Folded]) {
        let reasons = folded
            .iter()
            .filter_map(|folded| folded.reason.clone().map(|reason| (folded.stored.seq.0, reason)));
        self.skipped.extend(reasons);
    }
}

/// The messages of a write: every third has several.
fn group(machine: &mut Machine, write: u64) -> (AttemptId, Vec<Bytes>) {
    let fillers = if write.is_multiple_of(3) { write % 5 } else { 0 };
    run(machine, &write.to_string(), fillers)
}

fn proceed(ground: Position, folded: &[Folded]) -> u64 {
    for (seq, folded) in (ground.seq.0 + 1..).zip(folded) {
        assert_eq!(folded.stored.seq.0, seq, "a gap");
    }
    ground.seq.0 + folded.len() as u64
}

/// The number that a change writes, if it is no filler.
fn number(change: &Change) -> Option<u64> {
    match change {
        Change::Sql(sql) => sql.parse().ok(),
        other => panic!("{other:?}"),
    }
}
