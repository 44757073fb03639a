//! The real binary, run as ops run it.

use super::scratch::{Scratch, kill_group, signal, tail};
use super::wait::{LIMIT, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use tokio::net::UnixStream;

/// Lines of the daemon's log in the report of a failed test.
const TAIL_LINES: usize = 60;

/// A daemon with its own configuration and state; both outlive its process.
pub struct Daemon {
    child: Option<Child>,
    environment: Vec<(String, String)>,
    scratch: Scratch,
}

impl Daemon {
    /// Writes the configuration's files and starts nothing. `@STATE@` in a text becomes the directory of its state, `@CONFIG@` that
    /// of its configuration.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new("run");
        for name in ["config", "state"] {
            fs::create_dir(scratch.join(name)).unwrap();
        }
        let daemon = Self { child: None, environment: Vec::new(), scratch };
        for (name, text) in files {
            daemon.write(name, text);
        }
        daemon
    }

    /// Writes the files, starts the daemon and waits until it is ready.
    pub async fn start(files: &[(&str, &str)]) -> Self {
        let mut daemon = Self::new(files);
        daemon.run().await;
        daemon
    }

    /// A variable of its environment, from the next start on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Writes or replaces one file of the configuration.
    pub fn write(&self, name: &str, text: &str) {
        let text =
            text.replace("@STATE@", &self.state_dir().display().to_string()).replace("@CONFIG@", &self.config_dir().display().to_string());
        fs::write(self.config_dir().join(name), text).unwrap();
    }

    pub fn config_dir(&self) -> PathBuf {
        self.scratch.join("config")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.scratch.join("state")
    }

    /// Where a test may put what else it needs.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// All that it has printed, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.scratch.join("daemon.log")
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon runs").id()
    }

    /// Starts it on the state as it is, and waits until its control socket answers.
    pub async fn run(&mut self) {
        if let Some(status) = self.run_or_end().await {
            panic!("the daemon ended instead of starting: {status}");
        }
    }

    /// The same for one that may end before that: `Some` if it did.
    pub async fn run_or_end(&mut self) -> Option<ExitStatus> {
        self.spawn();
        let socket = self.state_dir().join("control.sock");
        let child = self.child.as_mut().expect("spawned");
        let ended = wait_until("the daemon to be ready", LIMIT, async || {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Some(status));
            }
            UnixStream::connect(&socket).await.is_ok().then_some(None)
        })
        .await;
        if ended.is_some() {
            self.child = None;
        }
        ended
    }

    /// `Some` once it has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut().expect("the daemon runs").try_wait().unwrap()?;
        self.kill9();
        Some(status)
    }

    /// From the next start on its environment is as it was at first.
    pub fn clear_environment(&mut self) {
        self.environment.clear();
    }

    /// Starts it and waits until it ends by itself, for what must not run.
    pub async fn run_to_end(&mut self) -> ExitStatus {
        self.spawn();
        self.wait_end().await
    }

    /// Ends it as a power cut does to a process.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_group(&mut child);
        }
    }

    /// Asks it to stop, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_end().await
    }

    /// Sends a signal by its short name.
    pub fn signal(&self, name: &str) {
        signal(name, &self.pid().to_string());
    }

    /// Puts a mail into the desk's Maildir, as a mail server does.
    pub fn arrives(&self, name: &str, octets: &[u8]) {
        for folder in ["new", "cur", "tmp"] {
            fs::create_dir_all(self.state_dir().join("in").join(folder)).unwrap();
        }
        let written = self.state_dir().join("in/tmp").join(name);
        fs::write(&written, octets).unwrap();
        fs::rename(written, self.state_dir().join("in/new").join(name)).unwrap();
    }

    /// A verb of the command line with `--config`, whatever comes of it.
    pub async fn cli(&self, args: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.args(args).arg("--config").arg(self.config_dir()).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).output().await.expect("the binary runs")
    }

    /// The one object that a verb prints with `--json`.
    pub async fn json(&self, args: &[&str]) -> Value {
        let mut objects = self.json_lines(args).await;
        assert_eq!(objects.len(), 1, "{args:?} prints one object");
        objects.remove(0)
    }

    /// The objects that a verb prints with `--json`, one a line.
    pub async fn json_lines(&self, args: &[&str]) -> Vec<Value> {
        let output = self.cli(&[args, &["--json"]].concat()).await;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {}\n{stdout}{stderr}", output.status);
        let objects = serde_json::Deserializer::from_str(&stdout).into_iter().collect::<Result<Vec<_>, _>>();
        objects.unwrap_or_else(|fault| panic!("{args:?}: {fault} in\n{stdout}"))
    }

    /// Resident memory in KiB (`VmRSS`).
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "the daemon runs already");
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.arg("run").arg("--config").arg(self.config_dir()).env("RUST_BACKTRACE", "1").envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        self.child = Some(command.spawn().expect("the binary runs"));
    }

    async fn wait_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the daemon runs");
        let status = wait_until("the daemon to end", LIMIT, async || child.try_wait().unwrap()).await;
        kill_group(&mut child);
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("the daemon's last lines:\n{}", tail(&self.log(), TAIL_LINES));
        }
    }
}
