//! A private Dovecot: IMAP in clear with STARTTLS, IMAP over TLS, LMTP, passwords and locally signed tokens.

use super::authority::{Authority, authority, install_into};
use super::scratch::{Account, Scratch, free_port, is_root, kill_group, signal, tail};
use super::submit::{Protocol, submit};
use super::wait::{LIMIT, wait_until};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const CONFIGURATION: &str = include_str!("dovecot.conf.in");
/// One instance with its mail. The accounts' names are what stands before the `@`: `support@any.example` is `support`.
pub struct Dovecot {
    pub imap_port: u16,
    pub imaps_port: u16,
    pub lmtp_port: u16,
    /// Where Postfix asks about passwords.
    pub sasl_port: u16,
    child: Option<Child>,
    account: Account,
    /// Signs the tokens of XOAUTH2.
    token_key: String,
    extra: String,
    authority: Arc<Authority>,
    // Last: its directory goes after its processes.
    scratch: Scratch,
}

impl Dovecot {
    /// Starts one with these accounts, each with its password, and waits until it greets.
    pub async fn start(accounts: &[(&str, &str)]) -> Self {
        Self::start_with(accounts, "").await
    }

    /// The same with further lines of configuration, for example `imap_capability = IMAP4rev1 UIDPLUS` for a server that
    /// admits to little.
    pub async fn start_with(accounts: &[(&str, &str)], extra: &str) -> Self {
        let scratch = Scratch::new("imap");
        for name in ["run", "state", "mail", "keys/default/HS256"] {
            fs::create_dir_all(scratch.join(name)).unwrap();
        }
        let authority = authority();
        install_into(&authority, &scratch.join("tls"));
        let base = scratch.path().display().to_string();
        let passwd: Vec<_> = accounts.iter().map(|(user, password)| format!("{user}:{{PLAIN}}{password}::::::\n")).collect();
        fs::write(scratch.join("passwd"), passwd.concat()).unwrap();
        let token_key = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &token_key);
        fs::write(scratch.join("keys/default/HS256/default"), key).unwrap();
        let oauth2 =
            format!("introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={base}/keys/\nusername_attribute = email\n");
        fs::write(scratch.join("oauth2.conf"), oauth2).unwrap();

        let account = Account::unprivileged();
        let mut dovecot = Self {
            imap_port: 0,
            imaps_port: 0,
            lmtp_port: 0,
            sasl_port: 0,
            child: None,
            account,
            token_key,
            extra: extra.to_owned(),
            authority,
            scratch,
        };
        for user in accounts.iter().map(|(user, _)| user) {
            dovecot.make_maildir(user);
        }
        for _ in 0..5 {
            dovecot.imap_port = free_port();
            dovecot.imaps_port = free_port();
            dovecot.lmtp_port = free_port();
            dovecot.sasl_port = free_port();
            dovecot.write_configuration();
            if dovecot.spawn_and_wait().await {
                return dovecot;
            }
        }
        panic!("Dovecot does not start:\n{}", tail(&dovecot.log(), 20));
    }

    /// Stops it in order; mail and ports stay for [`Dovecot::start_again`].
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal("TERM", &child.id().to_string());
        wait_until("Dovecot to stop", LIMIT, async || child.try_wait().unwrap()).await;
        kill_group(&mut child);
    }

    /// Starts it again on the same mail and ports.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it is running");
        for _ in 0..20 {
            if self.spawn_and_wait().await {
                return;
            }
        }
        panic!("Dovecot does not start again:\n{}", tail(&self.log(), 20));
    }

    /// The authority that signed its certificate, which names `localhost` and 127.0.0.1.
    pub fn ca_pem(&self) -> &Path {
        &self.authority.ca_pem
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.scratch.join("dovecot.log")
    }

    /// A bearer token for XOAUTH2 and OAUTHBEARER that ends so many seconds from now (negative: it has ended).
    pub fn token(&self, user: &str, lifetime_secs: i64) -> String {
        self.token_maker()(user, lifetime_secs)
    }

    /// What makes [`Dovecot::token`]s, for a token endpoint.
    pub fn token_maker(&self) -> impl Fn(&str, i64) -> String + Send + 'static {
        let key = jsonwebtoken::EncodingKey::from_secret(self.token_key.as_bytes());
        move |user, lifetime_secs| {
            let now = jiff::Timestamp::now().as_second();
            // Two tokens are never the same.
            let claims = serde_json::json!({
                "sub": user, "email": user, "iat": now - 3600, "nbf": now - 3600, "exp": now + lifetime_secs, "jti": rand::random::<u64>(),
            });
            jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
        }
    }

    /// Delivers as a mail server would.
    pub async fn deliver_lmtp(&self, user: &str, octets: &[u8]) {
        self.try_deliver_lmtp(&format!("{user}@test.example"), octets).await.unwrap();
    }

    /// Delivers to a whole address; `Err` is the refusal.
    pub async fn try_deliver_lmtp(&self, address: &str, octets: &[u8]) -> Result<(), String> {
        submit(Protocol::Lmtp, self.lmtp_port, "sender@test.example", address, octets).await
    }

    /// Delivers by renaming a file into the Maildir: without any server, and exactly these octets.
    pub fn deliver_file(&self, user: &str, octets: &[u8]) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = jiff::Timestamp::now();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.M{:06}P{}Q{count}.test", now.as_second(), now.subsec_microsecond(), std::process::id());
        let maildir = self.maildir(user, "INBOX");
        let written = maildir.join("tmp").join(&name);
        fs::write(&written, octets).unwrap();
        self.account.own(&written);
        fs::rename(&written, maildir.join("new").join(&name)).unwrap();
    }

    /// The mails in a folder, oldest first, as they lie on disk (with LF for CRLF where LMTP brought them).
    pub fn messages(&self, user: &str, folder: &str) -> Vec<Vec<u8>> {
        // A file moves from new/ to cur/ and changes its flags while we look: look again until nothing was missed.
        for _ in 0..100 {
            let read: Option<Vec<Vec<u8>>> = self.files(user, folder).iter().map(|path| fs::read(path).ok()).collect();
            if let Some(messages) = read {
                return messages;
            }
        }
        panic!("folder {folder} of {user} does not come to rest");
    }

    /// How many mails are in a folder.
    pub fn count(&self, user: &str, folder: &str) -> usize {
        self.files(user, folder).len()
    }

    /// How many of them are flagged as seen.
    pub fn seen(&self, user: &str, folder: &str) -> usize {
        let flags = |path: &PathBuf| path.to_string_lossy().rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('S'));
        self.files(user, folder).iter().filter(|path| flags(path)).count()
    }

    /// Waits until a folder holds at least `n` mails, and returns them.
    pub async fn wait_for(&self, user: &str, folder: &str, n: usize) -> Vec<Vec<u8>> {
        let what = format!("{n} mails in {folder} of {user}");
        wait_until(&what, LIMIT, async || (self.count(user, folder) >= n).then(|| self.messages(user, folder))).await
    }

    /// Closes all connections of an account: `* BYE` to a client that idles.
    pub async fn kick(&self, user: &str) {
        self.doveadm(&["kick", user]).await;
    }

    /// Any command of `doveadm`, for example `["fetch", "-u", "support", "flags", "mailbox", "INBOX"]`.
    pub async fn doveadm(&self, args: &[&str]) -> String {
        let conf = self.scratch.join("dovecot.conf");
        let output = tokio::process::Command::new("doveadm").arg("-c").arg(conf).args(args).output().await.expect("doveadm is installed");
        assert!(output.status.success(), "doveadm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Puts a mail into a folder that exists.
    pub async fn save(&self, user: &str, folder: &str, octets: &[u8]) {
        let conf = self.scratch.join("dovecot.conf");
        let mut child = tokio::process::Command::new("doveadm")
            .arg("-c")
            .arg(conf)
            .args(["save", "-u", user, "-m", folder])
            .stdin(Stdio::piped())
            .spawn()
            .expect("doveadm is installed");
        child.stdin.take().unwrap().write_all(octets).await.unwrap();
        assert!(child.wait().await.unwrap().success(), "doveadm save");
    }

    fn files(&self, user: &str, folder: &str) -> Vec<PathBuf> {
        let maildir = self.maildir(user, folder);
        let mut files: Vec<(String, PathBuf)> = ["new", "cur"]
            .iter()
            .filter_map(|sub| fs::read_dir(maildir.join(sub)).ok())
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name.split(':').next().unwrap_or_default().to_owned(), entry.path())
            })
            .collect();
        // Base names begin with the seconds and microseconds of delivery.
        files.sort_by_key(|(base, _)| {
            let mut parts = base.splitn(3, ['.', 'P']);
            let secs: u64 = parts.next().and_then(|secs| secs.parse().ok()).unwrap_or_default();
            let micros: u64 = parts.next().and_then(|micros| micros.trim_start_matches('M').parse().ok()).unwrap_or_default();
            (secs, micros, base.clone())
        });
        files.dedup_by(|a, b| a.0 == b.0);
        files.into_iter().map(|(_, path)| path).collect()
    }

    fn maildir(&self, user: &str, folder: &str) -> PathBuf {
        let maildir = self.scratch.join("mail").join(user).join("Maildir");
        if folder == "INBOX" { maildir } else { maildir.join(format!(".{}", folder.replace('/', "."))) }
    }

    fn make_maildir(&self, user: &str) {
        for sub in ["tmp", "new", "cur"] {
            fs::create_dir_all(self.maildir(user, "INBOX").join(sub)).unwrap();
        }
    }

    fn write_configuration(&self) {
        let mut text = CONFIGURATION.to_owned();
        for (key, value) in [
            ("@BASE@", self.scratch.path().display().to_string()),
            ("@USER@", self.account.user.clone()),
            ("@GROUP@", self.account.group.clone()),
            ("@IMAP_PORT@", self.imap_port.to_string()),
            ("@IMAPS_PORT@", self.imaps_port.to_string()),
            ("@LMTP_PORT@", self.lmtp_port.to_string()),
            ("@SASL_PORT@", self.sasl_port.to_string()),
            ("@EXTRA@", self.extra.clone()),
        ] {
            text = text.replace(key, &value);
        }
        fs::write(self.scratch.join("dovecot.conf"), text).unwrap();
        self.account.own(self.scratch.path());
    }

    /// False if it ended, most likely because another process took one of its ports.
    async fn spawn_and_wait(&mut self) -> bool {
        let output = fs::File::options().create(true).append(true).open(self.scratch.join("dovecot.out")).unwrap();
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(self.scratch.join("dovecot.conf")).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output).process_group(0).current_dir("/");
        // Debian keeps it where an ordinary user's PATH does not look.
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        if is_root() {
            command.uid(self.account.uid).gid(self.account.gid);
        }
        let child = self.child.insert(command.spawn().expect("dovecot is installed (see tests/run)"));
        let port = self.imap_port;
        let greets = wait_until("Dovecot to greet", LIMIT, async || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            greets(port).await.then_some(true)
        })
        .await;
        if !greets {
            self.child = None;
        }
        greets
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            kill_group(child);
        }
        if std::thread::panicking() {
            eprintln!("dovecot: {}", self.log().display());
        }
    }
}

/// Until its sign-in process is up, Dovecot greets with something else, once or several times.
async fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return false,
            Ok(_) if line.starts_with("* OK [CAPABILITY") => break,
            Ok(_) => {}
        }
    }
    let _ = stream.write_all(b"x LOGOUT\r\n").await;
    true
}
