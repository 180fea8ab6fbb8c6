//! A majority that has acknowledged is followed by another one that has only one member in common
//! with it, and that one has just lost its power.
//!
//! This is the schedule that lost acknowledged entries of NATS with its default of syncing now and
//! then (<https://github.com/nats-io/nats-server/issues/7567>): of five, two are paused, one of the
//! others crashes, the two go on, and those that are left are paused.

use std::fmt;

use rand::seq::SliceRandom;

use crate::power::lose_power;
use crate::support::Node;
use crate::support::cluster::Cluster;
use crate::support::disk::Disk;
use crate::{Nemesis, Work, progress};

/// How often the majority changed.
#[derive(Debug)]
pub(crate) struct Majorities {
    /// Of each member.
    disks: Vec<Disk>,
    count: u64,
}

impl Majorities {
    pub(crate) fn new(disks: Vec<Disk>) -> Self {
        Self { disks, count: 0 }
    }
}

impl Nemesis for Majorities {
    fn next(&mut self, cluster: &mut Cluster, work: &Work) {
        let mut order: Vec<usize> = (0..self.disks.len()).collect();
        order.shuffle(&mut rand::rng());
        let minority = order.len() / 2;
        let (first, rest) = order.split_at(minority);
        let (common, last) = (rest[0], &rest[1..]);
        each(cluster, first, Node::pause);
        progress(work, 20);
        // What comes back knows nothing of the rest but what it had synced.
        lose_power(cluster, &mut self.disks, &[common]);
        each(cluster, last, Node::pause);
        each(cluster, first, Node::resume);
        cluster.members[common].restart();
        progress(work, 20);
        each(cluster, last, Node::resume);
        self.count += 1;
        cluster.members.iter().for_each(Node::wait_ready);
        progress(work, 30);
    }

    fn reached(&self, count: u64, _: &Cluster) -> bool {
        self.count >= count
    }
}

fn each(cluster: &Cluster, numbers: &[usize], act: fn(&Node)) {
    numbers.iter().for_each(|number| act(&cluster.members[*number]));
}

impl fmt::Display for Majorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, all) = (self.count, self.disks.len());
        write!(
            f,
            "majorities changed={count} pauses={} losses of power={count}",
            count * (all as u64 - 1)
        )
    }
}
