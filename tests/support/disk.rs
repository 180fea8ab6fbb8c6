//! A file system that loses power.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::say;

/// An ext4 file system in a file, unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    path: PathBuf,
}

impl Disk {
    /// Makes one in a directory. `None`, with a line that says so, on a machine that does not
    /// allow it: that takes root, loop devices, `mkfs.ext4` and `perl`.
    pub fn new(home: &Path) -> Option<Self> {
        Self::at(home, "mounted")
    }

    /// As [`Self::new`], mounted under that name.
    pub fn at(home: &Path, name: &str) -> Option<Self> {
        let disk = Self { image: home.join(format!("disk-{name}")), path: home.join(name) };
        if disk.build().is_some() {
            return Some(disk);
        }
        say("skipped: no power is lost, that needs root, loop devices, `mkfs.ext4` and `perl`");
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on nothing is written, nor has been what was not synced. Processes that use it
    /// have to be paused before: a sync that is interrupted by this may return as if it had
    /// succeeded, which no loss of power does. They have to end before [`Self::mount_again`].
    pub fn lose_power(&self) {
        shut_down(&self.path).expect("it can be shut down");
    }

    /// Mounts it again, as after a loss of power.
    pub fn mount_again(&mut self) {
        run("umount", &[path(&self.path)]).expect("nobody uses it");
        self.mount().expect("it can be mounted again");
    }

    fn build(&self) -> Option<()> {
        let file = fs::File::create(&self.image).ok()?;
        file.set_len(1 << 30).ok()?;
        fs::create_dir(&self.path).ok()?;
        run("mkfs.ext4", &["-q", "-F", path(&self.image)])?;
        self.mount()?;
        // The machine may know loop devices, but not how to shut them down.
        shut_down(&self.path)?;
        run("umount", &[path(&self.path)])?;
        self.mount()
    }

    fn mount(&self) -> Option<()> {
        run("mount", &["-o", "loop", path(&self.image), path(&self.path)])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Processes of a failed test may use it still: it goes when they have ended.
        run("umount", &["-l", path(&self.path)]);
    }
}

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH` (fs/ext4/ext4.h of Linux).
fn shut_down(mounted: &Path) -> Option<()> {
    let script = r#"my $how = pack("L", 2);
        sysopen(my $directory, $ARGV[0], 0) or die;
        ioctl($directory, 0x8004587D, $how) or die"#;
    run("perl", &["-e", script, path(mounted)])
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Runs a program; whether it succeeded.
fn run(program: &str, args: &[&str]) -> Option<()> {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok().filter(std::process::ExitStatus::success).map(drop)
}
