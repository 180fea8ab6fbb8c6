//! Files of one member of three that were damaged while it was down: what it had is restored, or it
//! says what is wrong. It never answers with something else than the others.
//!
//! `cargo test --release --test corruption -- --ignored --nocapture` damages every kind of file in
//! many places, and prints what became of each.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::cluster::Cluster;
use support::{Node, home, say, until};

/// Databases are compared all the time.
const ARGS: &[&str] = &["--replication-timeout", "3s", "--audit-interval", "1s"];

/// The member whose files are damaged.
const VICTIM: usize = 2;

/// What is done to a file, at a place of it between 0 and 1.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit is another one.
    Flip(f64),
    /// It ends there.
    Cut(f64),
}

/// How the victim ends before.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Kill,
    /// Everything is in the database file.
    Stop,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It holds the same as the others.
    Sound,
    /// So it does; what is damaged is what nobody has read yet, and a check of the file finds it.
    Latent,
    /// It says that something is wrong, and does not answer as if nothing were.
    Detected,
    /// There was no such file.
    Absent,
}

use Damage::{Cut, Flip};

/// A part of the path below the victim's directory, how it ended, and where the file is damaged.
const CASES: &[(&str, End, &[Damage])] = &[
    (
        "/n2.db*n2.db",
        End::Stop,
        &[Flip(0.001), Flip(0.1), Flip(0.3), Flip(0.5), Flip(0.7), Flip(0.9), Cut(0.5)],
    ),
    ("*n2.db-wal", End::Kill, &[Flip(0.0), Flip(0.2), Flip(0.5), Flip(0.8), Cut(0.5)]),
    (
        "$G/streams/ha_replication/msgs/*.blk",
        End::Kill,
        &[Flip(0.0), Flip(0.2), Flip(0.5), Flip(0.8), Flip(0.999), Cut(0.5)],
    ),
    ("$G/streams/ha_replication/msgs/*index.db", End::Stop, &[Flip(0.5), Cut(0.5)]),
    ("$G/streams/ha_replication/meta.inf", End::Kill, &[Flip(0.5), Cut(0.5)]),
    ("$G/streams/ha_replication/meta.sum", End::Kill, &[Flip(0.5)]),
    ("$SYS/_js_/S-R3F*tav.idx", End::Kill, &[Flip(0.5), Cut(0.0)]),
    ("$SYS/_js_/S-R3F*.blk", End::Kill, &[Flip(0.1), Flip(0.5), Flip(0.9), Cut(0.5)]),
    ("$SYS/_js_/_meta_/msgs/*.blk", End::Kill, &[Flip(0.1), Flip(0.5), Cut(0.5)]),
    ("$SYS/_js_/_meta_/tav.idx", End::Kill, &[Flip(0.5), Cut(0.0)]),
    ("$SYS/_js_/_meta_/peers.idx", End::Kill, &[Flip(0.5), Cut(0.0)]),
    ("$SYS/_js_/_meta_/snapshots", End::Stop, &[Flip(0.2), Flip(0.8), Cut(0.5)]),
];

#[test]
fn a_damaged_log_and_a_damaged_database_are_made_good() {
    let [database, _, log, ..] = CASES else { panic!("there are more") };
    damage(&[(log.0, End::Kill, &[Flip(0.5)]), (database.0, End::Stop, &[Flip(0.5)])]);
}

#[test]
#[ignore = "long"]
fn no_damaged_file_makes_a_member_answer_something_else() {
    damage(CASES);
}

/// Nobody else has what a node alone has stored: the database gives it back to the log.
const ALONE: &[&str] = &["/ha_replication/msgs/*.blk", "*a.db-wal"];

#[test]
#[ignore = "long"]
fn no_damaged_log_makes_a_node_alone_forget() {
    let home = home();
    let mut node = Node::start(home.path(), &["a.db"]);
    node.run(&["CREATE TABLE t(n INTEGER PRIMARY KEY, v TEXT)"]);
    let damages = [Flip(0.0), Flip(0.2), Flip(0.5), Flip(0.8), Flip(0.999), Cut(0.0), Cut(0.5)];
    let cases = ALONE.iter().flat_map(|part| damages.map(|damage| (part, damage)));
    for (part, damage) in cases {
        (0..20).for_each(|_| write(&node));
        let before = node.select("SELECT n, v FROM t ORDER BY n");
        node.kill();
        harm(&find(home.path(), part).expect("it is there"), damage);
        node.again();
        assert_eq!(node.select("SELECT n, v FROM t ORDER BY n"), before, "{part} {damage:?}");
        say(&format!("alone: {part} {damage:?}: Sound"));
    }
}

fn damage(cases: &[(&str, End, &[Damage])]) {
    let home = home();
    let mut cluster = Cluster::start_on(home.path(), None, ARGS);
    cluster.members[0].run(&["CREATE TABLE t(n INTEGER PRIMARY KEY, v TEXT)"]);
    let mut counts = BTreeMap::<Fate, usize>::new();
    for (part, end, damages) in cases {
        for damage in *damages {
            cluster.members.iter().for_each(Node::wait_ready);
            (0..20).for_each(|_| write(&cluster.members[0]));
            let [first, .., last] = &cluster.members[..] else { panic!("there are three") };
            assert_same_as(first, last);
            let fate = strike(&mut cluster, home.path(), part, *end, *damage);
            *counts.entry(fate).or_default() += 1;
            say(&format!("{part} {damage:?}: {fate:?}"));
        }
    }
    let all: usize = counts.values().sum();
    say(&format!("corruption: cases={all} {counts:?} silent=0"));
    assert!(
        4 * counts.get(&Fate::Absent).copied().unwrap_or_default() <= all,
        "too little was damaged"
    );
}

fn write(node: &Node) {
    until("a write is acknowledged", || {
        let answer = node.query("INSERT INTO t(v) VALUES(hex(randomblob(300)))");
        (answer.status == 200).then_some(())
    });
}

/// Damages a file of the victim, and restores it afterwards if that is not the same as before.
fn strike(cluster: &mut Cluster, home: &Path, part: &str, end: End, damage: Damage) -> Fate {
    let files = home.join(format!("n{VICTIM}"));
    match end {
        End::Kill => cluster.members[VICTIM].kill(),
        End::Stop => drop(cluster.members[VICTIM].terminate()),
    }
    let Some(file) = find(&files, part) else {
        cluster.members[VICTIM].again();
        return Fate::Absent;
    };
    harm(&file, damage);
    // The others have gone on meanwhile.
    until("the others write", || {
        (cluster.members[0].query("INSERT INTO t(v) VALUES('meanwhile')").status == 200)
            .then_some(())
    });
    let fate = judge(cluster);
    if matches!(fate, Fate::Detected | Fate::Latent) {
        cluster.members[VICTIM].kill();
        fs::remove_dir_all(&files).unwrap();
        fs::create_dir(&files).unwrap();
        cluster.members[VICTIM].again();
    }
    fate
}

/// What the victim makes of it.
fn judge(cluster: &mut Cluster) -> Fate {
    if let Err(log) = cluster.members[VICTIM].try_restart() {
        say(log.lines().last().unwrap_or_default());
        return Fate::Detected;
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        // Who has nothing new to compare does not. It may lead the log, and have to be replaced.
        cluster.members[0].query("INSERT INTO t(v) VALUES('compared')");
        let victim = &cluster.members[VICTIM];
        if victim.readiness().is_some_and(|answer| answer.status == 200) && was_audited(victim) {
            assert_same_as(&cluster.members[0], victim);
            let check = victim.query("PRAGMA integrity_check");
            return if check.body.contains("\"ok\"") { Fate::Sound } else { Fate::Latent };
        }
        if cluster.members[VICTIM].has_ended() {
            say(cluster.members[VICTIM].log().lines().last().unwrap_or_default());
            return Fate::Detected;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let answer = cluster.members[VICTIM].readiness().expect("it runs");
    assert_eq!(answer.status, 503, "nothing was compared");
    say(&answer.json()["reason"].to_string());
    Fate::Detected
}

/// All three have compared their databases since it was started.
fn was_audited(victim: &Node) -> bool {
    let audit = &victim.get("/v1/status").json()["audit"];
    audit["equal"] == true && audit["nodes"] == 3
}

fn assert_same_as(other: &Node, victim: &Node) {
    let rows = |node: &Node| node.select("SELECT n, v FROM t ORDER BY n");
    until("the member stands where the others do", || {
        (other.position() == victim.position()).then_some(())
    });
    assert_eq!(rows(other), rows(victim), "it answers something else");
}

/// The largest file whose path has in it what is before the star, and ends with what is after it.
fn find(directory: &Path, part: &str) -> Option<PathBuf> {
    let (part, end) = part.split_once('*').unwrap_or((part, ""));
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let (path, size) = (entry.path(), entry.metadata().unwrap().len());
            if path.is_dir() {
                left.push(path);
            } else if size > 0 {
                let name = path.to_str().expect("paths of tests are text");
                let is_it = name.contains(part) && name.ends_with(end);
                found.extend(is_it.then(|| (size, path.clone())));
            }
        }
    }
    found.into_iter().max().map(|(_, path)| path)
}

fn harm(path: &Path, damage: Damage) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let at = |place: f64| ((length as f64 * place) as u64).min(length - 1);
    match damage {
        Cut(place) => file.set_len(at(place)).unwrap(),
        Flip(place) => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at(place)).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at(place)).unwrap();
        }
    }
    file.sync_all().unwrap();
}
