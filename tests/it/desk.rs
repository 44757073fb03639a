//! A whole desk: Dovecot with the mailboxes of desk, agents and customers, Postfix in front of it, and the daemon.

use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{MailText, address, header, parse};
use crate::support::postfix::Postfix;
use crate::support::scratch::free_port;
use crate::support::submit::{Protocol, submit};
use crate::support::wait::{LIMIT, wait_until};
use serde_json::Value;

/// Every account on the test's Dovecot. Mail to any domain is delivered by its local part.
const ACCOUNTS: [(&str, &str); 8] = [
    ("support", "secret"),
    ("ana", "secret"),
    ("ben", "secret"),
    ("carla", "secret"),
    ("mary", "secret"),
    ("joao", "secret"),
    ("mari", "secret"),
    ("other", "secret"),
];

pub const CUSTOMERS: &str = "address,name,organisation,plan,tier,language,valid_until\n\
    mary@shop.example,Mary Hill,Small Shop,free,,en,\n\
    joao@padaria.example,João Lima,Padaria,extended,,pt,\n\
    @tehas.example,,Tehas,team,,et,\n";

/// What every test's desk has besides its mailbox and relay.
pub const RULES: &str = r#"
[[team]]
name = "frontline"
calendar = "always"
manager = "carla@acme.example"
[[team]]
name = "billing"
calendar = "always"
manager = "carla@acme.example"
[[agent]]
name = "Ana Souza"
address = "ana@acme.example"
teams = ["frontline", "billing"]
[[agent]]
name = "Ben Ott"
address = "ben@acme.example"
teams = ["frontline"]
[[tier]]
name = "basic"
plans = ["free"]
priority = "low"
[[tier]]
name = "standard"
plans = ["team"]
priority = "medium"
[[tier]]
name = "advanced"
plans = ["extended"]
priority = "high"
[[sla]]
first_response = "4h"
next_response = "4h"
resolution = "3d"
[[sla]]
tier = "advanced"
first_response = "1h"
next_response = "1h"
resolution = "1d"
[[rule]]
name = "invoices"
when = { text = ["invoice", "fatura", "arve*"] }
then = { team = "billing", priority = "high", tags = ["billing"] }
"#;

/// The servers, and the daemon on them.
pub struct Desk {
    pub daemon: Daemon,
    /// Where the chat page is, if the setup has one.
    pub chat_port: u16,
    pub postfix: Postfix,
    pub dovecot: Dovecot,
}

/// What a test may change of the usual desk.
#[derive(Clone, Default)]
pub struct Setup {
    /// Instead of [`RULES`].
    pub rules: Option<String>,
    /// `[chat]` on a port that is free.
    pub chat: bool,
    /// Further lines of `[[mailbox]]`, such as `after`.
    pub mailbox: String,
    /// Where mail goes instead of the test's Postfix.
    pub relay_port: Option<u16>,
}

impl Desk {
    pub async fn start(setup: Setup) -> Self {
        let (dovecot, postfix) = servers().await;
        let chat_port = free_port();
        let config = config(&dovecot, setup.relay_port.unwrap_or(postfix.smtp_port), &setup).replace("@CHAT@", &chat_port.to_string());
        let daemon = Daemon::start(&[("guichet.toml", &config), ("customers.csv", CUSTOMERS)]).await;
        Self { daemon, chat_port, postfix, dovecot }
    }

    /// Sends a mail as its writer's provider would.
    pub async fn send(&self, from: &str, to: &str, mail: &MailText) {
        let bare = from.rsplit_once('<').map_or(from, |(_, a)| a.trim_end_matches('>'));
        submit(Protocol::Smtp, self.postfix.smtp_port, bare, to, &mail.octets()).await.unwrap();
    }

    /// A customer's first mail.
    pub async fn write(&self, from: &str, subject: &str, text: &str) -> MailText {
        let mail = MailText::new(from, "support@acme.example").subject(subject).text(text);
        self.send(from, "support@acme.example", &mail).await;
        mail
    }

    /// An agent's or a customer's answer to what he got: to its reply address, with its subject and references.
    pub async fn answer(&self, from: &str, received: &[u8], text: &str) -> MailText {
        let to = address(received, "Reply-To").or_else(|| address(received, "From")).unwrap();
        let mail = MailText::new(from, &to).reply_to(received).text(text);
        self.send(from, &to, &mail).await;
        mail
    }

    /// The `n`th mail of somebody's inbox, once it is there, oldest first.
    pub async fn nth_mail(&self, user: &str, n: usize) -> Vec<u8> {
        let mails = self.dovecot.wait_for(user, "INBOX", n).await;
        mails[n - 1].clone()
    }

    pub async fn ticket(&self, number: u64) -> Value {
        self.daemon.json(&["ticket", &number.to_string()]).await
    }

    pub async fn tickets(&self) -> Vec<Value> {
        self.daemon.json_lines(&["tickets", "--status", "any"]).await
    }

    /// Waits until a ticket is as it should be.
    pub async fn ticket_when(&self, number: u64, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, LIMIT, async || {
            let output = self.daemon.cli(&["ticket", &number.to_string(), "--json"]).await;
            let ticket: Value = serde_json::from_slice(&output.stdout).ok()?;
            holds(&ticket).then_some(ticket)
        })
        .await
    }

    /// P3, P4, P5 as far as the store can prove them.
    pub async fn verify(&self) {
        let report = self.daemon.json(&["verify"]).await;
        assert_eq!(report["ok"], true, "{report}");
    }
}

pub async fn servers() -> (Dovecot, Postfix) {
    let dovecot = Dovecot::start(&ACCOUNTS).await;
    let postfix = Postfix::start(&dovecot).await;
    (dovecot, postfix)
}

/// The configuration on these servers.
pub fn config(dovecot: &Dovecot, relay_port: u16, setup: &Setup) -> String {
    let rules = setup.rules.clone().unwrap_or_else(|| RULES.to_owned());
    let chat = if setup.chat { "[chat]\nlisten = \"127.0.0.1:@CHAT@\"\nteam = \"frontline\"\n" } else { "" };
    let mailbox = &setup.mailbox;
    format!(
        r#"
[desk]
name = "Acme Support"
state_dir = "@STATE@"
languages = ["en", "pt", "et"]
customers = "customers.csv"
[[mailbox]]
name = "support"
address = "support@acme.example"
team = "frontline"
imap = {{ host = "127.0.0.1", port = {}, tls = "none", user = "support", password = "secret" }}
folder = "INBOX"
poll_every = "2s"
{mailbox}
[smtp]
host = "127.0.0.1"
port = {relay_port}
tls = "none"
time_limit = "5s"
{chat}
{rules}
"#,
        dovecot.imap_port
    )
}

/// A desk on Maildirs: no server.
pub fn maildirs(extra: &str) -> String {
    format!(
        r#"[desk]
name = "Acme Support"
state_dir = "@STATE@"
languages = ["en", "pt", "et"]
customers = "customers.csv"
[[mailbox]]
name = "support"
address = "support@acme.example"
team = "frontline"
maildir = "@STATE@/in"
[smtp]
maildir = "@STATE@/out"
{RULES}
{extra}"#
    )
}

/// What a mail says in one text, with what its headers show.
pub fn whole(octets: &[u8]) -> String {
    let mail = parse(octets);
    let mut all = String::from_utf8_lossy(octets).into_owned();
    for body in 0..mail.text_body_count() {
        all.push_str(&mail.body_text(body).unwrap_or_default());
    }
    all
}

pub fn subject(octets: &[u8]) -> String {
    parse(octets).subject().unwrap_or_default().to_owned()
}

pub fn is_automatic(octets: &[u8]) -> bool {
    header(octets, "Auto-Submitted").is_some_and(|v| v.starts_with("auto-"))
}
