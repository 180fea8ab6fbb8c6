//! Networks that are cut in every way: packets vanish, and connections stay open.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rand::Rng;
use rand::seq::IndexedRandom;

use crate::support::Node;
use crate::support::cluster::Cluster;
use crate::support::network::{Network, inside};
use crate::support::until;
use crate::{Nemesis, Work, progress};

/// What was cut.
#[derive(Debug)]
pub(crate) struct Partitions {
    /// How often each kind, and how many operations succeeded meanwhile.
    counts: BTreeMap<Kind, (u64, usize)>,
    turn: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The member that leads the log is cut off.
    Leader,
    /// Two members do not reach each other; the third reaches both.
    Ring,
    /// One member does not reach another, which reaches it.
    OneWay,
    /// Nobody hears a member, which hears all.
    Mute,
    /// A member hears nobody, and all hear it.
    Deaf,
    /// A member is cut off and healed again and again.
    Flapping,
    /// A member is cut off.
    Isolated,
}

const KINDS: [Kind; 7] = [
    Kind::Leader,
    Kind::OneWay,
    Kind::Flapping,
    Kind::Ring,
    Kind::Mute,
    Kind::Deaf,
    Kind::Isolated,
];

/// One that is sent to another.
type Way = (usize, usize);

impl Partitions {
    /// Begins with any kind.
    pub(crate) fn new() -> Self {
        Self { counts: BTreeMap::new(), turn: rand::random_range(0..KINDS.len()) }
    }
}

impl Nemesis for Partitions {
    fn next(&mut self, cluster: &mut Cluster, work: &Work) {
        let kind = KINDS[self.turn % KINDS.len()];
        self.turn += 1;
        let before = work.lists.ok();
        self.inject(kind, cluster, work);
        let (count, succeeded) = self.counts.entry(kind).or_default();
        *count += 1;
        *succeeded += work.lists.ok() - before;
        cluster.members.iter().for_each(Node::wait_ready);
        progress(work, 30);
    }

    fn reached(&self, count: u64, _: &Cluster) -> bool {
        let reached = |kind| self.counts.get(kind).map_or(0, |(injected, _)| *injected) >= count;
        KINDS.iter().all(reached)
    }
}

impl Partitions {
    fn inject(&self, kind: Kind, cluster: &Cluster, work: &Work) {
        let network = cluster.network.as_ref().expect("members have networks");
        let mut order = [0, 1, 2];
        rand::seq::SliceRandom::shuffle(&mut order[..], &mut rand::rng());
        let [one, other, third] = order;
        match kind {
            Kind::Leader => isolate(network, cluster.leader(), work),
            Kind::Isolated => isolate(network, one, work),
            Kind::OneWay => block(network, &[(one, other)]),
            Kind::Ring => block(network, &[(one, other), (other, one)]),
            Kind::Mute => block(network, &[(one, other), (one, third)]),
            Kind::Deaf => block(network, &[(other, one), (third, one)]),
            Kind::Flapping => flap(network, one),
        }
    }
}

/// The others go on.
fn isolate(network: &Network, member: usize, work: &Work) {
    network.cut(member);
    progress(work, 20);
    network.heal(member);
}

/// Who can go on is up to the servers, which elect a leader by who hears whom.
fn block(network: &Network, ways: &[Way]) {
    ways.iter().for_each(|(from, to)| network.block(*from, *to));
    hold(&[500, 2_000, 4_000, 8_000]);
    ways.iter().for_each(|(from, to)| network.unblock(*from, *to));
}

fn flap(network: &Network, member: usize) {
    for _ in 0..4 {
        network.cut(member);
        hold(&[500, 1_000, 2_000]);
        network.heal(member);
        hold(&[500, 1_000, 2_000]);
    }
}

/// A fault lasts for one of these times, in milliseconds, or up to half a second more.
fn hold(choices: &[u64]) {
    let mut random = rand::rng();
    let time = choices.choose(&mut random).copied().unwrap_or_default();
    thread::sleep(Duration::from_millis(time + random.random_range(0..500)));
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (count, succeeded)) in &self.counts {
            write!(f, "{kind:?}={count} (ok meanwhile={succeeded}) ")?;
        }
        Ok(())
    }
}

/// Otherwise nothing would be proven here.
#[test]
fn packets_vanish_in_one_direction() {
    let Some(network) = Network::new() else { return };
    network.block(0, 1);
    let (receiver, reverse) = (Receiver::start(&network, 1), Receiver::start(&network, 0));
    send(&network, 0, 1, "vanishes");
    send(&network, 1, 0, "arrives");
    assert_eq!(reverse.received(), "arrives");
    network.unblock(0, 1);
    let mut arrived = receiver;
    until("the cut is healed", || {
        send(&network, 0, 1, "later");
        arrived.0.try_wait().unwrap()
    });
    assert_eq!(arrived.received(), "later");
}

const PORT: u16 = 9;

/// Prints the first datagram that a member gets, and ends; after a minute without one, too.
struct Receiver(Child);

impl Receiver {
    fn start(network: &Network, member: usize) -> Self {
        let script = r#"my $in = IO::Socket::INET->new(LocalAddr => $ARGV[0], Proto => "udp") or die;
            alarm 60; $| = 1; print "."; $in->recv(my $text, 99); print $text"#;
        let mut child = perl(network, member, script, &[&address(network, member)]);
        let mut ready = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        Self(child)
    }

    fn received(self) -> String {
        String::from_utf8(self.0.wait_with_output().unwrap().stdout).unwrap()
    }
}

fn send(network: &Network, from: usize, to: usize, text: &str) {
    let script = r#"IO::Socket::INET->new(PeerAddr => $ARGV[0], Proto => "udp")->send($ARGV[1])"#;
    perl(network, from, script, &[&address(network, to), text]).wait().unwrap();
}

fn address(network: &Network, member: usize) -> String {
    format!("{}:{PORT}", network.peer_address(member))
}

fn perl(network: &Network, member: usize, script: &str, args: &[&str]) -> Child {
    let mut command = inside(&network.namespace(member), "perl");
    command.args(["-MIO::Socket::INET", "-e", script]).args(args);
    command.stdout(Stdio::piped()).spawn().unwrap()
}
