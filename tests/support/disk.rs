//! A file system that loses power, gets full, fails, or stands still.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{say, until};

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
        Self::of_size(home, name, 1 << 30)
    }

    /// As [`Self::at`], of so many bytes.
    pub fn of_size(home: &Path, name: &str, bytes: u64) -> Option<Self> {
        let mut disk = Self { image: home.join(format!("disk-{name}")), path: home.join(name) };
        if disk.build(bytes).is_some() {
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
        // As long as somebody else has the mount too, the file system is the one without power.
        // Each call of `ip -n` has it, for the moment that it takes.
        until("it is mounted again", || self.remount());
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("there is room for a name");
        let full = io::copy(&mut io::repeat(0), &mut ballast);
        assert_eq!(full.err().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    }

    /// Undoes [`Self::fill`].
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    /// From now on it is read-only, as file systems are that have found themselves damaged, until
    /// [`Self::mount_again`]. Whether this kernel has a way to ask for that.
    pub fn fail(&self) -> bool {
        let script =
            r#"echo 1 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE "$0"))/trigger_fs_error"#;
        run("sh", &["-c", script, path(&self.path)]).is_some()
    }

    /// Nothing is written for so many seconds: who writes waits. Returns once it begins.
    pub fn freeze(&self, seconds: u32) {
        // In a process of its own that is there, so that it thaws whatever becomes of the test, and
        // of the place where it is mounted.
        let script = format!(
            r#"cd "$0" && fsfreeze -f . || exit 1; (sleep {seconds}; fsfreeze -u .) > /dev/null &"#
        );
        run("sh", &["-c", &script, path(&self.path)]).expect("it can be frozen");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    fn build(&mut self, bytes: u64) -> Option<()> {
        let file = fs::File::create(&self.image).ok()?;
        file.set_len(bytes).ok()?;
        fs::create_dir(&self.path).ok()?;
        run("mkfs.ext4", &["-q", "-F", path(&self.image)])?;
        self.mount()?;
        // The machine may know loop devices, but not how to shut them down.
        shut_down(&self.path)?;
        self.mount_again();
        Some(())
    }

    fn remount(&self) -> Option<()> {
        if self.is_mounted() {
            run("umount", &[path(&self.path)])?;
        }
        // It finds nothing but the note that there was an error, and says so by 1.
        run("e2fsck", &["-fy", path(&self.image)]);
        self.mount()?;
        let probe = self.path.join("probe");
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).ok()
    }

    fn is_mounted(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        device(&self.path) != device(&self.image)
    }

    fn mount(&self) -> Option<()> {
        run("mount", &["-o", "loop,errors=remount-ro", path(&self.image), path(&self.path)])
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
