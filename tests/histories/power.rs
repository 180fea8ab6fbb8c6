//! Losses of power: of one member, of two, and of all at the same moment.

use std::fmt;

use rand::seq::SliceRandom;

use crate::support::Node;
use crate::support::cluster::Cluster;
use crate::support::disk::Disk;
use crate::{Nemesis, Work, progress};

/// What lost its power.
#[derive(Debug)]
pub(crate) struct PowerLosses {
    /// Of each member.
    disks: Vec<Disk>,
    /// How often so many members and one at once.
    counts: Vec<u64>,
    turn: usize,
}

impl PowerLosses {
    pub(crate) fn new(disks: Vec<Disk>) -> Self {
        let turn = rand::random_range(0..disks.len());
        Self { counts: vec![0; disks.len()], disks, turn }
    }
}

impl Nemesis for PowerLosses {
    fn next(&mut self, cluster: &mut Cluster, work: &Work) {
        let mut order: Vec<usize> = (0..self.disks.len()).collect();
        order.shuffle(&mut rand::rng());
        let at_once = self.turn % order.len();
        self.turn += 1;
        let dark = &order[..=at_once];
        lose_power(cluster, &mut self.disks, dark);
        self.counts[at_once] += 1;
        if cluster.members.len() > 2 * dark.len() {
            progress(work, 20);
        }
        cluster.restart(|member| dark.contains(&member));
        cluster.members.iter().for_each(Node::wait_ready);
        progress(work, 30);
    }

    fn reached(&self, count: u64, _: &Cluster) -> bool {
        self.counts.iter().all(|injected| *injected >= count)
    }
}

/// Members are gone, with all that was not synced, and their disks are as after a boot.
pub(crate) fn lose_power(cluster: &mut Cluster, disks: &mut [Disk], dark: &[usize]) {
    dark.iter().for_each(|member| cluster.members[*member].pause());
    dark.iter().for_each(|member| disks[*member].lose_power());
    dark.iter().for_each(|member| cluster.members[*member].kill());
    dark.iter().for_each(|member| disks[*member].mount_again());
}

impl fmt::Display for PowerLosses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.counts.len();
        let counts = (1..).zip(&self.counts);
        counts.into_iter().try_for_each(|(at_once, count)| {
            write!(f, "losses of {at_once} of {all} at once={count} ")
        })
    }
}
