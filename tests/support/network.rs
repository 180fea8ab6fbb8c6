//! A network of its own for each member of a cluster, with two links: one for clients, and one
//! for the other members, which can be cut, also between two of them and in one direction.

use std::process::{Command, Stdio};

use super::say;

/// Members of a cluster.
const MEMBERS: usize = 3;

/// Network namespaces, removed when it is dropped.
#[derive(Debug)]
pub struct Network {
    /// The second part of all addresses; also names everything.
    subnet: u32,
}

impl Network {
    /// `None`, with a line that says so, on a machine that does not allow it: that takes root
    /// and the command `ip`.
    pub fn new() -> Option<Self> {
        if let Some(network) = Self::claim()
            && network.build().is_some()
        {
            return Some(network);
        }
        say("skipped: members are not cut off, network namespaces need root and `ip`");
        None
    }

    /// A subnet that no other test on this machine has: it is whose bridge for clients it is.
    fn claim() -> Option<Self> {
        let bridge = |subnet: &u32| ip(&format!("link add ha{subnet}c type bridge")).is_some();
        (20..220).find(bridge).map(|subnet| Self { subnet })
    }

    /// The namespace of a member.
    pub fn namespace(&self, member: usize) -> String {
        format!("ha{}n{member}", self.subnet)
    }

    /// Where clients reach a member.
    pub fn client_address(&self, member: usize) -> String {
        format!("10.{}.1.{}", self.subnet, member + 1)
    }

    /// Where the other members reach a member.
    pub fn peer_address(&self, member: usize) -> String {
        format!("10.{}.2.{}", self.subnet, member + 1)
    }

    /// Cuts a member off from the others; clients still reach it. Packets vanish.
    pub fn cut(&self, member: usize) {
        ip(&format!("link set {} down", self.link('p', member))).expect("it can be cut");
    }

    /// Undoes [`Self::cut`].
    pub fn heal(&self, member: usize) {
        ip(&format!("link set {} up", self.link('p', member))).expect("it can be healed");
    }

    /// From now on what one member sends to another vanishes; what comes back still arrives.
    pub fn block(&self, from: usize, to: usize) {
        // A frame to a hardware address that nobody has is dropped by all.
        let nobody = "lladdr 02:00:00:00:00:01 nud permanent";
        self.neighbour("replace", from, to, nobody).expect("it can be cut in one direction");
    }

    /// Undoes [`Self::block`].
    pub fn unblock(&self, from: usize, to: usize) {
        self.neighbour("del", from, to, "").expect("it can be healed");
    }

    fn neighbour(&self, verb: &str, from: usize, to: usize, more: &str) -> Option<()> {
        let (namespace, address) = (self.namespace(from), self.peer_address(to));
        ip(format!("-n {namespace} neigh {verb} {address} dev eth-p {more}").trim_end())
    }

    /// The outer end of a link.
    fn link(&self, of: char, member: usize) -> String {
        format!("ha{}{of}{member}", self.subnet)
    }

    fn bridge(&self, of: char) -> String {
        format!("ha{}{of}", self.subnet)
    }

    fn build(&self) -> Option<()> {
        let (bridge, subnet) = (self.bridge('c'), self.subnet);
        ip(&format!("link add {} type bridge", self.bridge('p')))?;
        ip(&format!("link set {} up", self.bridge('p')))?;
        ip(&format!("link set {bridge} up"))?;
        ip(&format!("addr add 10.{subnet}.1.254/24 dev {bridge}"))?;
        for member in 0..MEMBERS {
            let namespace = self.namespace(member);
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
            self.connect('c', member, &self.client_address(member))?;
            self.connect('p', member, &self.peer_address(member))?;
        }
        Some(())
    }

    fn connect(&self, of: char, member: usize, address: &str) -> Option<()> {
        let (namespace, outer) = (self.namespace(member), self.link(of, member));
        let inner = format!("eth-{of}");
        ip(&format!("link add {outer} type veth peer name {inner} netns {namespace}"))?;
        ip(&format!("link set {outer} master {} up", self.bridge(of)))?;
        ip(&format!("-n {namespace} addr add {address}/24 dev {inner}"))?;
        ip(&format!("-n {namespace} link set {inner} up"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for of in ['c', 'p'] {
            for member in 0..MEMBERS {
                ip(&format!("link del {}", self.link(of, member)));
            }
        }
        for member in 0..MEMBERS {
            ip(&format!("netns del {}", self.namespace(member)));
        }
        // The claim on the names goes last.
        for of in ['p', 'c'] {
            ip(&format!("link del {}", self.bridge(of)));
        }
    }
}

/// A program in a namespace, which becomes the process. Unlike `ip netns exec` this leaves the mounts
/// alone: copies of them would keep the disks of other tests in use.
pub fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args([&format!("--net=/run/netns/{namespace}"), program]);
    command
}

/// Runs `ip`; whether it succeeded.
fn ip(args: &str) -> Option<()> {
    let mut command = Command::new("ip");
    command.args(args.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok().filter(std::process::ExitStatus::success).map(drop)
}
