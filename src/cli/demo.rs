//! `guichet demo`: the daemon itself on local folders, with customers who write and an agent who answers by mail.
//!
//! Nothing is played: mails are files in a Maildir, what goes out is read from another, and the sample agent answers chats
//! and tickets as an agent does, with a mail to the reply address of his notification.

use super::{Ended, run, say};
use crate::Started;
use crate::channel::maildir;
use crate::domain::address::EmailAddress;
use crate::domain::change::Need;
use crate::domain::message::MessageId;
use crate::mail::normalise::{NormaliseLimits, Parsed, normalise};
use crate::view;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = include_str!("../../config/demo/demo.toml");
const CUSTOMERS: &str = include_str!("../../config/demo/customers.csv");
const MAILS: [(&str, &str); 5] = [
    ("Mary, tier basic, writes in English", include_str!("../../config/demo/1-en.eml")),
    ("João, tier advanced, writes in Portuguese about an invoice", include_str!("../../config/demo/2-pt.eml")),
    ("Mari, tier standard, writes in Estonian", include_str!("../../config/demo/3-et.eml")),
    ("a program answers that somebody is away", include_str!("../../config/demo/4-away.eml")),
    ("Mary writes again about the same matter", include_str!("../../config/demo/5-again.eml")),
];
const ANA: &str = "ana@acme.example";
/// For one step of the daemon, on a machine that is slow.
const STEP_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long the sample agent thinks before he answers a chat.
const AGENT_THINKS: Duration = Duration::from_millis(1500);

pub(super) fn demo(dir: Option<PathBuf>, listen: SocketAddr, once: bool) -> Result<(), Ended> {
    let dir = dir.unwrap_or_else(|| std::env::temp_dir().join(format!("guichet-demo-{}", std::process::id())));
    for folder in ["in", "out", "state"] {
        std::fs::create_dir_all(dir.join(folder)).with_context(|| format!("failed to create {}", dir.join(folder).display()))?;
    }
    let config = dir.join("demo.toml");
    let text = CONFIG.replace("@DIR@", &dir.display().to_string()).replace("@LISTEN@", &listen.to_string());
    std::fs::write(&config, text).with_context(|| format!("failed to write {}", config.display()))?;
    std::fs::write(dir.join("customers.csv"), CUSTOMERS).context("failed to write customers.csv")?;
    let settings = super::settings(&config)?;
    if std::env::var_os("GUICHET_LOG").is_some() {
        run::log();
    }

    let stop = CancellationToken::new();
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let (tell, started) = tokio::sync::oneshot::channel();
        let reload_from = config.clone();
        let daemon = tokio::spawn(crate::run(
            settings,
            move |in_force: &crate::domain::policy::Policy| {
                crate::config::load_again(&reload_from, in_force, crate::clock::Clock::system().now())
            },
            stop.clone(),
            crate::fault_plan::FaultPlan::default(),
            |started| {
                let _ = tell.send(started);
            },
        ));
        let Ok(started) = started.await else {
            daemon.await??;
            return Ok(());
        };
        let mut show = Show { dir: dir.clone(), config, started, seen: BTreeSet::new(), chats: Vec::new() };
        let shown = show.play(once).await;
        stop.cancel();
        daemon.await??;
        shown
    })?;
    say(&format!("stopped. Everything is in {}", dir.display()));
    Ok(())
}

struct Show {
    dir: PathBuf,
    config: PathBuf,
    started: Started,
    /// Outgoing mails that were shown.
    seen: BTreeSet<PathBuf>,
    /// Ana's notifications of chat messages that she has not answered.
    chats: Vec<Parsed>,
}

impl Show {
    async fn play(&mut self, once: bool) -> anyhow::Result<()> {
        say(&format!("guichet demo in {}", self.dir.display()));
        say("mail comes in through in/, goes out through out/; no server, no root\n");
        for (what, mail) in MAILS {
            say(&format!("── {what}"));
            self.arrives(mail.as_bytes()).await?;
        }
        say("── Ana answers Mary from her mail client, and solves it with one line");
        self.ana_answers("mary", "#solve\n\nHello Mary,\n\nyour account was locked after three wrong passwords. I have unlocked it.\n")
            .await?;
        say("── Ana mistypes a command: nothing goes to the customer, she gets her text back");
        self.ana_answers("joão", "#sovle\n\nBom dia João, já estornamos uma das faturas.\n").await?;

        let address = self.started.chat.map_or_else(String::new, |a| a.to_string());
        say(&format!("\nLook around:   guichet tickets --config {}", self.config.display()));
        say(&format!("               guichet ticket 1042 --config {}", self.config.display()));
        if once {
            return Ok(());
        }
        say(&format!("Chat:          open http://{address}/chat/ and write; Ana answers by mail"));
        say("João's first answer is due 40 s after he wrote: watch the warning, and then the breach.");
        say("Ctrl-C ends it.\n");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => Ok(()),
            done = self.go_on() => done,
        }
    }

    /// Puts a mail into the incoming Maildir and tells what became of it.
    async fn arrives(&mut self, octets: &[u8]) -> anyhow::Result<()> {
        let inbox = self.dir.join("in");
        let file = maildir::deliver(&inbox, self.started.desk.clock().now(), octets).context("failed to put a mail into in/")?;
        // Settled: the watcher has moved it away, which it does only when the decision is on disk.
        self.until(|| Ok((!file.exists()).then_some(()))).await.context("the mail was not taken in")?;
        let parsed = normalise(octets, &NormaliseLimits::default());
        let store = self.started.desk.store();
        let need = Need { message_ids: parsed.message_id.clone().into_iter().collect(), ..Need::default() };
        let context = store.context(&need)?;
        if let Some(ticket) = context.tickets.first() {
            let whole = view::of_whole(store, ticket, &self.started.desk.policy(), &self.started.signer)?;
            let last = whole.thread.iter().rev().find(|m| m.message_id.as_deref() == parsed.message_id.as_ref().map(MessageId::as_str));
            let at = last.map(|m| m.at.clone()).unwrap_or_default();
            say(&format!("   {}", whole.ticket.line()));
            for line in whole.history.iter().filter(|h| h.at >= at) {
                say(&view::for_terminal(&format!("     {:<14} {} ({})", line.by, line.what, line.why)));
            }
        } else if let Some(aside) = store.quarantine()?.last() {
            say(&view::for_terminal(&format!("     quarantine     {} ({})", aside.1.reason, aside.1.detail)));
        }
        self.goes_out().await
    }

    /// Waits until the outbox is empty and shows what is new in the outgoing Maildir.
    async fn goes_out(&mut self) -> anyhow::Result<()> {
        let store = self.started.desk.store().clone();
        self.until(|| Ok(store.next_outbox()?.is_none().then_some(()))).await.context("the outbox does not empty")?;
        self.show_new()?;
        say("");
        Ok(())
    }

    fn new_mails(&mut self) -> anyhow::Result<Vec<(PathBuf, Parsed)>> {
        let mut files: Vec<PathBuf> = Vec::new();
        match std::fs::read_dir(self.dir.join("out/new")) {
            Ok(entries) => files.extend(entries.flatten().map(|e| e.path())),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
            Err(fault) => return Err(fault).context("failed to read out/"),
        }
        files.sort();
        let mut mails = Vec::new();
        for file in files {
            if self.seen.insert(file.clone()) {
                let raw = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
                mails.push((file, normalise(&raw, &NormaliseLimits::default())));
            }
        }
        Ok(mails)
    }

    /// Ana looks for her notification of the customer's mail and answers it.
    async fn ana_answers(&mut self, customer: &str, text: &str) -> anyhow::Result<()> {
        let ana = EmailAddress::parse(ANA).context("the sample agent")?;
        let mut notification = None;
        for file in &self.seen {
            let mail = normalise(&std::fs::read(file).context("failed to read a notification")?, &NormaliseLimits::default());
            let for_ana = mail.recipients.iter().any(|r| r.address == ana);
            let about = mail.from.as_ref().is_some_and(|f| f.name.to_lowercase().contains(customer));
            if for_ana && about {
                notification = Some(mail);
            }
        }
        let mail = notification.context("Ana got no notification")?;
        self.arrives(reply(&mail, text).as_bytes()).await
    }

    /// Shows what goes out; Ana answers each chat message that she is notified of.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        loop {
            self.show_new()?;
            for mail in std::mem::take(&mut self.chats) {
                sleep(AGENT_THINKS).await;
                let said: String = mail.body.new_text().lines().next().unwrap_or_default().chars().take(60).collect();
                let text =
                    format!("Hello, this is Ana. You wrote “{said}”. In this demo I answer at once; in real life I would look into it.\n");
                let now = self.started.desk.clock().now();
                maildir::deliver(&self.dir.join("in"), now, reply(&mail, &text).as_bytes()).context("failed to put a mail into in/")?;
                say("   ⇠ Ana answers the chat from her mail client");
            }
            sleep(LOOK_EVERY * 4).await;
        }
    }

    /// Shows what is new in the outgoing Maildir, and keeps what asks for Ana's answer in a chat.
    fn show_new(&mut self) -> anyhow::Result<()> {
        for (_, mail) in self.new_mails()? {
            show_mail(&mail);
            let for_ana = mail.recipients.iter().any(|r| r.address.as_str() == ANA);
            // A customer's name stands in front; a warning comes from the desk alone.
            let from_somebody = mail.from.as_ref().is_some_and(|f| f.name.contains('('));
            if for_ana && from_somebody && is_chat(&self.started, &mail) {
                self.chats.push(mail);
            }
        }
        Ok(())
    }

    async fn until<T>(&self, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let looked = tokio::time::timeout(STEP_MAX, async {
            loop {
                if let Some(found) = look()? {
                    return Ok(found);
                }
                sleep(LOOK_EVERY).await;
            }
        });
        looked.await.unwrap_or_else(|_| Err(anyhow::anyhow!("nothing happened within {} s", STEP_MAX.as_secs())))
    }
}

/// Whether a notification is about a ticket that began in the chat window.
fn is_chat(started: &Started, mail: &Parsed) -> bool {
    let number = mail.subject.rsplit_once("[#").and_then(|(_, tag)| tag.trim_end_matches(']').parse().ok());
    number
        .and_then(|n| started.desk.store().ticket(crate::domain::message::TicketNumber(n)).ok().flatten())
        .is_some_and(|t| t.session.is_some())
}

/// What an agent's mail client sends when he answers.
fn reply(mail: &Parsed, text: &str) -> String {
    let to = mail.reply_to.first().or(mail.from.as_ref()).map(|c| c.address.to_string()).unwrap_or_default();
    let id = mail.message_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let quoted: Vec<String> = mail.body.text.lines().take(6).map(|l| format!("> {l}")).collect();
    let quoted = quoted.join("\n");
    format!(
        "From: Ana Souza <{ANA}>\nTo: {to}\nSubject: Re: your ticket\nMessage-ID: <re.{id}>\nIn-Reply-To: <{id}>\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\nOn Monday, Acme Support wrote:\n{quoted}\n"
    )
}

fn show_mail(mail: &Parsed) {
    let to = mail.recipients.first().map(|c| c.address.to_string()).unwrap_or_default();
    say(&view::for_terminal(&format!("   ⇢ mail to {to}: {}", mail.subject)));
    for line in mail.body.text.lines().filter(|l| !l.trim().is_empty()).take(4) {
        say(&view::for_terminal(&format!("       | {line}")));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn p12_the_demo_s_configuration_is_right() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("customers.csv"), super::CUSTOMERS).unwrap();
        let text = super::CONFIG.replace("@DIR@", &dir.path().display().to_string()).replace("@LISTEN@", "127.0.0.1:0");
        std::fs::write(dir.path().join("demo.toml"), text).unwrap();
        let settings = crate::config::load(&dir.path().join("demo.toml")).unwrap();
        assert_eq!(settings.policy.tiers.len(), 3, "three tiers");
        assert_eq!(settings.policy.desk.languages.len(), 3, "three languages");
    }
}
