//! What goes wrong, one after the other.

use std::fmt;

use rand::Rng;

use crate::support::cluster::Cluster;
use crate::support::{Node, until};
use crate::{Nemesis, Work, progress};

/// How often each kind was injected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    kills: u64,
    pauses: u64,
    cuts: u64,
    /// Planned ends of a process.
    stops: u64,
    /// Two of three are paused, so that there is no quorum.
    halts: u64,
    turn: u64,
}

impl Nemesis for Faults {
    fn reached(&self, count: u64, cluster: &Cluster) -> bool {
        let cuts = if cluster.network.is_some() { self.cuts } else { count };
        self.kills >= count
            && self.pauses >= count
            && cuts >= count
            && self.stops > 0
            && self.halts > 0
    }

    /// While something is broken the others go on.
    fn next(&mut self, cluster: &mut Cluster, work: &Work) {
        let member = rand::rng().random_range(0..3);
        self.turn += 1;
        match self.turn % 8 {
            1 | 6 => self.kill(&mut cluster.members[member], work),
            2 | 7 => self.pause(&cluster.members[member], work),
            4 => self.stop(&mut cluster.members[member], work),
            5 => self.halt(cluster, member),
            _ => self.cut(cluster, member, work),
        }
        cluster.members.iter().for_each(Node::wait_ready);
        progress(work, 30);
    }
}

impl Faults {
    fn kill(&mut self, member: &mut Node, work: &Work) {
        member.kill();
        self.kills += 1;
        progress(work, 20);
        member.restart();
    }

    fn stop(&mut self, member: &mut Node, work: &Work) {
        let status = member.terminate();
        assert!(status.success(), "{status}");
        self.stops += 1;
        progress(work, 20);
        member.restart();
    }

    fn pause(&mut self, member: &Node, work: &Work) {
        member.pause();
        self.pauses += 1;
        progress(work, 20);
        member.resume();
    }

    fn cut(&mut self, cluster: &Cluster, member: usize, work: &Work) {
        let Some(network) = &cluster.network else { return };
        network.cut(member);
        self.cuts += 1;
        progress(work, 20);
        network.heal(member);
    }

    /// Pauses two until the third says that it is alone, wakes them up the other way round.
    fn halt(&mut self, cluster: &Cluster, alone: usize) {
        let others = [(alone + 1) % 3, (alone + 2) % 3].map(|other| &cluster.members[other]);
        others.iter().for_each(|member| member.pause());
        self.halts += 1;
        until("the third says that it is alone", || {
            cluster.members[alone].readiness().filter(|answer| answer.status == 503)
        });
        others.iter().rev().for_each(|member| member.resume());
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, pauses, cuts, stops, halts, .. } = self;
        write!(f, "kills={kills} pauses={pauses} cuts={cuts} stops={stops} halts={halts}")
    }
}
