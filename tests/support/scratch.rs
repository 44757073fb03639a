//! Directories, ports and processes of one test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A directory that goes with its owner, unless the test fails.
pub struct Scratch {
    dir: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// Short, since Unix sockets below it may have at most 107 octets, and open to the unprivileged users that the servers
    /// drop to.
    pub fn new(what: &str) -> Self {
        let dir = tempfile::Builder::new().prefix(&format!("guichet-{what}-")).tempdir_in("/tmp").expect("a directory under /tmp");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = dir.path().to_owned();
        assert!(path.as_os_str().len() <= 60, "{} is too long", path.display());
        Self { dir: Some(dir), path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("kept: {}", dir.keep().display());
        }
    }
}

/// A loopback port that was free a moment ago and that no other server of this process is given.
///
/// Below the range from which the kernel picks, so that no outgoing connection takes it while a server is being
/// restarted. Another process may still win the race: starters try again with another.
pub fn free_port() -> u16 {
    const FIRST: u32 = 11_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id().wrapping_mul(997).wrapping_add(turn)) % COUNT;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback");
}

/// Whether this process may become others.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The name, user id, group name and group id of an account.
pub struct Account {
    pub user: String,
    pub uid: u32,
    pub group: String,
    pub gid: u32,
}

impl Account {
    /// `nobody` for root, else who runs the tests.
    pub fn unprivileged() -> Self {
        if is_root() {
            return Self::named("nobody");
        }
        let uid = fs::metadata("/proc/self").unwrap().uid();
        Self::find(|_, id| id == uid)
    }

    /// The account of this name.
    pub fn named(user: &str) -> Self {
        Self::find(|name, _| name == user)
    }

    fn find(wanted: impl Fn(&str, u32) -> bool) -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let (user, uid, gid) = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .filter(|fields| fields.len() > 3)
            .map(|fields| (fields[0].to_owned(), fields[2].parse().unwrap(), fields[3].parse().unwrap()))
            .find(|(name, id, _)| wanted(name, *id))
            .expect("the account in /etc/passwd");
        let groups = fs::read_to_string("/etc/group").unwrap();
        let group = groups
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.len() > 2 && fields[2].parse() == Ok(gid))
            .map(|fields| fields[0].to_owned())
            .expect("its group in /etc/group");
        Self { user, uid, group, gid }
    }

    /// Gives a path and all below it to this account.
    pub fn own(&self, path: &Path) {
        if !is_root() {
            return;
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).unwrap();
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.own(&entry.unwrap().path());
            }
        }
    }
}

/// A signal to one process, or with a leading `-` to a process group.
pub fn signal(name: &str, target: &str) {
    // A process that is already gone is what was wanted.
    let _ = Command::new("kill").args(["-s", name, "--", target]).output();
}

/// Kills a child and all of its process group, and waits for the child.
pub fn kill_group(child: &mut Child) {
    signal("KILL", &format!("-{}", child.id()));
    let _ = child.kill();
    let _ = child.wait();
}

/// The last lines of a log, for the report of a failed test.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
