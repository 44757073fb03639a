//! A private Postfix: takes mail on loopback, delivers all of it to a Dovecot's LMTP port, and writes real bounces when that
//! refuses. Needs root, since its master does; never touches the system's own instance.

use super::authority::{Authority, authority, install_into};
use super::dovecot::Dovecot;
use super::scratch::{Account, Scratch, free_port, is_root, signal, tail};
use super::wait::{LIMIT, wait_until};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Only what is needed, and nothing in a chroot.
const SERVICES: &str = "\
127.0.0.1:@PORT@ inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
";

/// One instance with its queue.
pub struct Postfix {
    /// SMTP with STARTTLS offered.
    pub smtp_port: u16,
    authority: Arc<Authority>,
    scratch: Scratch,
}

/// What it asks of its clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clients {
    /// Everyone on loopback may send.
    Trusted,
    /// Only over TLS and after signing in with an account of the Dovecot.
    SignIn,
}

impl Postfix {
    /// Whether one can run here: only root can start its master.
    pub fn available() -> bool {
        is_root()
    }

    /// Starts one that delivers to this Dovecot, and waits until it greets.
    pub async fn start(dovecot: &Dovecot) -> Self {
        Self::start_for(dovecot, Clients::Trusted).await
    }

    /// The same, but it takes mail only over TLS and only from an account of the Dovecot with its password.
    pub async fn start_with_sign_in(dovecot: &Dovecot) -> Self {
        Self::start_for(dovecot, Clients::SignIn).await
    }

    async fn start_for(dovecot: &Dovecot, clients: Clients) -> Self {
        assert!(Self::available(), "Postfix needs root: run the tests as root, as tests/run says");
        let scratch = Scratch::new("smtp");
        let authority = authority();
        for name in ["conf", "spool", "data", "log"] {
            fs::create_dir(scratch.join(name)).unwrap();
        }
        install_into(&authority, &scratch.join("conf/tls"));
        let mut postfix = Self { smtp_port: 0, authority, scratch };
        let data = postfix.scratch.join("data");
        let owner = Account::named("postfix");
        owner.own(&data);
        for _ in 0..5 {
            postfix.smtp_port = free_port();
            postfix.write_configuration(dovecot, clients);
            if postfix.spawn_and_wait().await {
                return postfix;
            }
        }
        panic!("Postfix does not start:\n{}", tail(&postfix.log(), 20));
    }

    /// Stops it; the queue and the port stay for [`Postfix::start_again`].
    pub async fn stop(&mut self) {
        self.kill();
        let port = self.smtp_port;
        wait_until("Postfix to be gone", LIMIT, async || TcpStream::connect(("127.0.0.1", port)).await.is_err().then_some(())).await;
    }

    /// Starts it again on the same queue and port.
    pub async fn start_again(&mut self) {
        for _ in 0..20 {
            if self.spawn_and_wait().await {
                return;
            }
        }
        panic!("Postfix does not start again:\n{}", tail(&self.log(), 20));
    }

    /// The authority that signed its certificate, which names `localhost` and 127.0.0.1.
    pub fn ca_pem(&self) -> &Path {
        &self.authority.ca_pem
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.scratch.join("log/postfix.log")
    }

    fn conf(&self) -> PathBuf {
        self.scratch.join("conf")
    }

    fn write_configuration(&self, dovecot: &Dovecot, clients: Clients) {
        let base = self.scratch.path().display();
        let mut main = format!(
            "\
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
maillog_file = {base}/log/postfix.log
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
# Nothing leaves this machine: every domain goes to the one LMTP port.
default_transport = lmtp:inet:127.0.0.1:{lmtp}
relayhost =
disable_dns_lookups = yes
lmtp_host_lookup = native
# Bounces at once and quick retries, so that nobody waits for them.
minimal_backoff_time = 2s
maximal_backoff_time = 5s
queue_run_delay = 2s
bounce_queue_lifetime = 1m
maximal_queue_lifetime = 1m
smtputf8_enable = yes
message_size_limit = 52428800
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
in_flow_delay = 0
smtpd_tls_cert_file = {base}/conf/tls/server.pem
smtpd_tls_key_file = {base}/conf/tls/server.key
",
            lmtp = dovecot.lmtp_port
        );
        let who = match clients {
            Clients::Trusted => "smtpd_tls_security_level = may\nsmtpd_relay_restrictions = permit_mynetworks, reject\n".to_owned(),
            Clients::SignIn => format!(
                "smtpd_tls_security_level = encrypt\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
                 smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{}\n\
                 smtpd_sasl_security_options = noanonymous\nsmtpd_tls_auth_only = yes\n",
                dovecot.sasl_port
            ),
        };
        write!(main, "{who}").unwrap();
        fs::write(self.conf().join("main.cf"), main).unwrap();
        fs::write(self.conf().join("master.cf"), SERVICES.replace("@PORT@", &self.smtp_port.to_string())).unwrap();
    }

    async fn spawn_and_wait(&self) -> bool {
        let output = Command::new("postfix").arg("-c").arg(self.conf()).arg("start").env("PATH", path()).output().await;
        let output = output.expect("postfix is installed (see tests/run)");
        if !output.status.success() {
            return false;
        }
        let port = self.smtp_port;
        wait_until("Postfix to greet", LIMIT, async || {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).await.ok()?;
            line.starts_with("220").then_some(true)
        })
        .await
    }

    /// Its master leads a process group with all of its servers.
    fn kill(&self) {
        if let Ok(pid) = fs::read_to_string(self.scratch.join("spool/pid/master.pid")) {
            signal("KILL", &format!("-{}", pid.trim()));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("postfix: {}", self.log().display());
        }
    }
}

/// Debian keeps it where a caller's PATH may not look.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}
