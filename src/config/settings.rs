//! What the daemon's edges are told: hosts, files, limits. The decisions' part is [`Policy`].

use crate::domain::address::EmailAddress;
use crate::domain::policy::Policy;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A configuration that was read whole and found right (P12).
#[derive(Clone, Debug)]
pub struct Settings {
    pub policy: Arc<Policy>,
    pub state_dir: PathBuf,
    pub mailboxes: Vec<MailboxSettings>,
    pub relay: Relay,
    pub chat: Option<ChatSettings>,
    pub limits: Limits,
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
    Password(SecretString),
    /// XOAUTH2 with a token read anew from this file at each sign-in.
    TokenFile(PathBuf),
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
