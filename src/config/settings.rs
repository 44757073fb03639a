//! What the daemon's edges are told: hosts, files, limits. The decisions' part is [`Policy`].

use super::fault::Fault;
use crate::domain::address::EmailAddress;
use crate::domain::policy::Policy;
use secrecy::SecretString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A configuration that was read whole and found right (P12).
#[derive(Clone, Debug)]
pub struct Settings {
    pub policy: Arc<Policy>,
    /// What is not wrong, but most likely not meant: `guichet check` shows it.
    pub warnings: Vec<Fault>,
    pub state_dir: PathBuf,
    pub mailboxes: Vec<MailboxSettings>,
    pub relay: Relay,
    pub chat: Option<ChatSettings>,
    /// Where health and metrics are served besides the chat's address and the control socket.
    pub http: Option<SocketAddr>,
    pub dns: DnsSettings,
    /// The file that the policy's customers were read from.
    pub customers_file: Option<PathBuf>,
    pub look_up: Option<LookUpSettings>,
    pub limits: Limits,
}

/// How much of what a configuration has: the last line of `guichet check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub mailboxes: usize,
    pub teams: usize,
    pub agents: usize,
    pub tiers: usize,
    /// With the one that is built in.
    pub calendars: usize,
    pub policies: usize,
    pub rules: usize,
    /// Texts in the desk's languages, built in or not.
    pub templates: usize,
    /// Rows of the file.
    pub customers: usize,
}

/// `[customers]`: another system that is asked who a sender is, by HTTP GET.
#[derive(Clone, Debug)]
pub struct LookUpSettings {
    /// `{address}` in its path stands for the address, percent-encoded.
    pub endpoint: TokenUrl,
    /// For all of one question: connection, handshake, answer.
    pub timeout: Duration,
    /// How long an answer counts.
    pub kept_for: Duration,
    /// Holds the token that is shown (`Authorization: Bearer`), read anew for each question.
    pub token_file: Option<PathBuf>,
    /// PEM file of further authorities to trust; the system's are trusted anyway.
    pub ca_file: Option<PathBuf>,
}

/// `[dns]`: who is asked about senders, where a mailbox checks them.
#[derive(Clone, Debug)]
pub struct DnsSettings {
    /// Empty: the system's resolver.
    pub servers: Vec<SocketAddr>,
    /// For all questions about one mail together.
    pub timeout: Duration,
}

/// `[[mailbox]]`: where its mail comes from.
#[derive(Clone, Debug)]
pub struct MailboxSettings {
    pub name: String,
    pub address: EmailAddress,
    pub source: MailboxSource,
}

/// An IMAP folder, or a local Maildir.
#[derive(Clone, Debug)]
pub enum MailboxSource {
    Imap(ImapAccount),
    Maildir(PathBuf),
}

/// How a connection is protected. `None` is refused by the check for anything but loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Implicit,
    StartTls,
    None,
}

/// One folder of one IMAP account.
#[derive(Clone, Debug)]
pub struct ImapAccount {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// PEM file of further authorities to trust; the system's are trusted anyway.
    pub ca_file: Option<PathBuf>,
    /// The mailbox that is opened.
    pub user: String,
    pub sign_in: SignIn,
    pub folder: String,
    pub after: After,
    pub poll_every: Duration,
}

/// How to prove who we are.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// AUTHENTICATE PLAIN where offered, else LOGIN.
    Password {
        password: SecretString,
        /// Whose password it is, if it is not that of the mailbox's own user.
        sign_in_as: Option<String>,
    },
    /// OAUTHBEARER or XOAUTH2. Whose token it is, the token says.
    Token(TokenSource),
}

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// Read anew at each sign-in: whoever renews the token replaces the file.
    File(PathBuf),
    /// Run anew at each sign-in.
    Command(TokenCommand),
    OAuth(Box<OAuth>),
}

/// A program that prints a token; no shell.
#[derive(Clone)]
pub struct TokenCommand {
    /// A path, or a bare name that is looked for in `PATH`.
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

/// Arguments may hold what others shall not see.
impl fmt::Debug for TokenCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCommand").field("program", &self.program).field("arguments", &self.arguments.len()).finish()
    }
}

/// A token endpoint (RFC 6749 section 3.2), and what it wants to see.
#[derive(Clone, Debug)]
pub struct OAuth {
    pub endpoint: TokenUrl,
    /// PEM file of further authorities to trust; the system's are trusted anyway.
    pub ca_file: Option<PathBuf>,
    pub client_id: String,
    /// Files of secrets are read anew for each request.
    pub client_secret_file: Option<PathBuf>,
    pub client_auth: ClientAuth,
    pub grant: Grant,
    pub scope: Option<String>,
    /// Where a refresh token is kept that the endpoint gave and that cannot be written back to its own file.
    pub kept_dir: PathBuf,
}

/// How the client proves who it is (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the request's body.
    Body,
    /// In an `Authorization: Basic` header.
    Basic,
}

/// What a token is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749 section 6.
    RefreshToken { file: PathBuf },
    /// RFC 6749 section 4.4.
    ClientCredentials,
}

/// Where tokens are asked for: HTTPS, or HTTP on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUrl {
    pub https: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// With its query, if it has one.
    pub path: String,
}

impl TokenUrl {
    /// Host and port, as they stand in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// For people: without the query.
impl fmt::Display for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

/// What is done with a mail at its source once it is on disk here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    Move(String),
    /// `\Seen` and the keyword `$guichet`.
    Flag,
    Keep,
    Delete,
}

/// Where outgoing mail goes.
#[derive(Clone, Debug)]
pub enum Relay {
    Smtp(SmtpAccount),
    /// Written to a local Maildir: the embedded default.
    Maildir(PathBuf),
}

/// The SMTP server that takes our mail.
#[derive(Clone, Debug)]
pub struct SmtpAccount {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub ca_file: Option<PathBuf>,
    pub credentials: Option<(String, SecretString)>,
    /// The name in EHLO.
    pub hello: String,
    pub connections_max: usize,
    /// For one mail, from connecting to the last answer.
    pub time_limit: Duration,
}

/// `[chat]`.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    pub listen: SocketAddr,
    /// Origins whose pages may open the chat; the desk's own page always may.
    pub origins: Vec<String>,
    pub identity_secret: Option<SecretString>,
}

/// Bounds on what comes from outside (P11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A mail larger than this becomes a ticket from its headers.
    pub message_octets_max: u64,
    /// Memory for fetched mail that is on its way to the disk, over all mailboxes, in octets. Larger mail than
    /// `spool_octets` is not in it: of that, one at a time is in memory.
    pub intake_octets_max: u64,
    /// IMAP connections to one host and port at once.
    pub imap_connections_per_host_max: usize,
    /// Those of them for one user.
    pub imap_connections_per_user_max: usize,
    /// A mail larger than this is fetched in pieces into a file.
    pub spool_octets: u64,
    /// Largest mail that `guichet fetch` adds to its ticket later.
    pub fetch_octets_max: u64,
    /// One chat frame.
    pub chat_frame_octets_max: usize,
    /// Chat windows open at once.
    pub chat_connections_max: usize,
    /// Chat messages of one window in a minute.
    pub chat_messages_per_minute_max: u32,
}
