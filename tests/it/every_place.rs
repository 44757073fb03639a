//! Killed at every named place of a message's way and started again, the daemon ends where it would have ended without: the
//! store as text is the same, line by line, each mail went out, and each was settled.

use crate::desk::{CUSTOMERS, Setup, config};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{MailText, address, header};
use crate::support::sink::Sink;
use crate::support::wait::wait_until;
use futures_util::StreamExt;
use futures_util::stream;
use guichet::fault_plan::{Place, VARIABLE};
use guichet::http::client;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Daemons at once: most of the time is spent waiting, for the disk or for the end of a lease.
const SIDE_BY_SIDE: usize = 8;
/// A daemon that was killed within an attempt makes the next one when the lease of that one is over: six seconds here.
const STEP_LIMIT: Duration = Duration::from_mins(1);
/// A server without MOVE (RFC 6851): settling is COPY, STORE and EXPUNGE.
const WITHOUT_MOVE: &str = "imap_capability = IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Full,
    WithoutMove,
}

/// How often a mail may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Once,
    /// The process ended when some were sent and that was not on disk: these go out once more, under the same Message-ID.
    AtLeastOnce,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    /// Where the daemon ends, and at which turn.
    place: Option<(Place, u32)>,
    after: &'static str,
    server: Server,
    sent: Sent,
    /// A copy in the other folder may be made twice.
    copied_twice: bool,
}

const MOVE: &str = "move:Processed";

const fn at(place: Place, turn: u32, sent: Sent) -> Case {
    Case { place: Some((place, turn)), after: MOVE, server: Server::Full, sent, copied_twice: false }
}

const fn settling(place: Place, turn: u32, after: &'static str, server: Server) -> Case {
    Case { place: Some((place, turn)), after, server, sent: Sent::AtLeastOnce, copied_twice: false }
}

fn cases() -> Vec<Case> {
    use Place as P;
    use Sent::{AtLeastOnce, Once};
    // The first turn is of the first mail: before it nothing has been sent. The engine is synced once as it opens.
    let mut cases = vec![
        at(P::AfterFetch, 1, Once),
        at(P::AfterFetch, 8, AtLeastOnce),
        at(P::MidPackWrite, 1, Once),
        at(P::BeforePackSync, 1, Once),
        at(P::AfterPackSync, 1, Once),
        at(P::AfterPackSync, 5, AtLeastOnce),
        at(P::AfterPrepare, 1, Once),
        at(P::AfterPrepare, 9, AtLeastOnce),
        at(P::AfterDecide, 1, Once),
        at(P::AfterDecide, 7, AtLeastOnce),
        at(P::BeforeApply, 1, Once),
        at(P::BeforeApply, 2, AtLeastOnce),
        at(P::AfterApply, 1, Once),
        at(P::AfterApply, 12, AtLeastOnce),
        at(P::BeforeSink, 1, Once),
        at(P::BeforeSink, 3, AtLeastOnce),
        at(P::BeforeFlush, 1, Once),
        at(P::BeforeFlush, 2, Once),
        at(P::AfterFlush, 2, Once),
        at(P::AfterFlush, 4, AtLeastOnce),
        at(P::AfterSync, 2, AtLeastOnce),
        at(P::AfterReceipt, 1, AtLeastOnce),
        at(P::AfterReceipt, 6, AtLeastOnce),
        at(P::AfterMove, 1, AtLeastOnce),
        at(P::AfterMove, 4, AtLeastOnce),
        at(P::AfterClaim, 1, Once),
        at(P::AfterClaim, 8, AtLeastOnce),
        at(P::AfterContent, 1, AtLeastOnce),
        at(P::AfterContent, 6, AtLeastOnce),
        at(P::AfterSent, 1, AtLeastOnce),
        at(P::AfterSent, 5, AtLeastOnce),
        Case { copied_twice: true, ..settling(P::AfterCopy, 1, MOVE, Server::WithoutMove) },
        settling(P::AfterMark, 1, MOVE, Server::WithoutMove),
        settling(P::AfterExpunge, 1, MOVE, Server::WithoutMove),
        settling(P::AfterMark, 2, "delete", Server::Full),
        settling(P::AfterExpunge, 1, "delete", Server::Full),
        settling(P::AfterReceipt, 3, "delete", Server::Full),
        settling(P::AfterFlag, 1, "flag", Server::Full),
        settling(P::AfterReceipt, 2, "flag", Server::Full),
    ];
    for place in [P::AfterFetch, P::AfterPrepare, P::AfterDecide, P::AfterApply, P::AfterReceipt] {
        cases.push(settling(place, 4, "keep", Server::Full));
    }
    cases
}

/// What is left when all has come to rest.
struct Played {
    dump: Vec<String>,
    /// By recipient and Message-ID, how often.
    sent: BTreeMap<(String, String), usize>,
}

/// One daemon on two mailboxes and a relay of its own.
struct Stage<'a> {
    dovecot: &'a Dovecot,
    case: Case,
    support: String,
    sales: String,
    sink: Sink,
    daemon: Daemon,
    delivered: Vec<String>,
    ended: u32,
}

impl<'a> Stage<'a> {
    async fn start(dovecot: &'a Dovecot, n: usize, case: Case) -> Self {
        let (support, sales) = (format!("support{n}"), format!("sales{n}"));
        let sink = Sink::plain().await;
        let after = case.after;
        let mailbox = format!(
            "after = \"{after}\"\n[[mailbox]]\nname = \"sales\"\naddress = \"sales@acme.example\"\nteam = \"frontline\"\n\
             imap = {{ host = \"127.0.0.1\", port = {}, tls = \"none\", user = \"{sales}\", password = \"secret\" }}\n\
             folder = \"INBOX\"\npoll_every = \"2s\"\nafter = \"{after}\"\n[limits]\nmessage_octets_max = 60_000\n",
            dovecot.imap_port
        );
        let text = config(dovecot, sink.port, &Setup { mailbox, ..Setup::default() });
        let text =
            text.replace("user = \"support\"", &format!("user = \"{support}\"")).replace("time_limit = \"5s\"", "time_limit = \"1s\"");
        let mut daemon = Daemon::new(&[("guichet.toml", &text), ("customers.csv", CUSTOMERS)]);
        // The same secrets, so that tokens, Message-IDs and hashes are the same in all stores.
        for name in ["signing", "dump"] {
            std::fs::write(daemon.state_dir().join(format!("{name}.key")), [7; 32]).unwrap();
        }
        if let Some((place, turn)) = case.place {
            daemon.set_environment(VARIABLE, &format!("{place:?}:{turn}"));
        }
        let mut stage = Self { dovecot, case, support, sales, sink, daemon, delivered: Vec::new(), ended: 0 };
        if stage.daemon.run_or_end().await.is_some() {
            stage.start_again().await;
        }
        stage
    }

    async fn start_again(&mut self) {
        self.ended += 1;
        assert!(self.case.place.is_some() && self.ended == 1, "{:?}: it ended by itself", self.case);
        self.daemon.clear_environment();
        self.daemon.run().await;
    }

    fn deliver(&mut self, mails: &[Vec<u8>]) {
        for mail in mails {
            self.delivered.push(header(mail, "Message-ID").unwrap());
            self.dovecot.deliver_file(&self.support, mail);
        }
    }

    /// Waits until all that was delivered is taken in and settled and all that was to be sent was sent; whenever the daemon ends,
    /// it is started again.
    async fn rest(&mut self) {
        let what = format!("all to come to rest after {} mails, {:?}", self.delivered.len(), self.case);
        let socket = self.daemon.state_dir().join("control.sock");
        wait_until(&what, STEP_LIMIT, async || {
            if self.daemon.has_ended().is_some() {
                self.start_again().await;
            }
            let Ok((200, dump)) = client::get(&socket, "/api/v1/dump?without_times=true").await else { return None };
            let dump = String::from_utf8(dump).unwrap();
            let rows = |kind: &str| dump.lines().filter(|line| line.starts_with(kind)).count();
            let distinct = self.delivered.iter().collect::<BTreeSet<_>>().len();
            (rows("fingerprint ") == distinct && rows("outbox-due ") == 0 && self.is_settled()).then_some(())
        })
        .await;
    }

    fn is_settled(&self) -> bool {
        let counts = |folder| (self.dovecot.count(&self.support, folder), self.dovecot.count(&self.sales, folder));
        let in_sales = self.delivered.len() - self.delivered.iter().collect::<BTreeSet<_>>().len();
        let all = (self.delivered.len() - in_sales, in_sales);
        let kept_whole = usize::from(self.delivered.iter().any(|id| id.contains("large")));
        match self.case.after {
            "delete" => counts("INBOX") == (kept_whole, 0),
            "flag" => self.dovecot.seen(&self.support, "INBOX") == all.0 && self.dovecot.seen(&self.sales, "INBOX") == all.1,
            "keep" => true,
            _ if self.case.copied_twice => counts("INBOX") == (0, 0) && counts("Processed") >= all,
            _ => counts("INBOX") == (0, 0) && counts("Processed") == all,
        }
    }

    /// The first mail to somebody about a ticket.
    fn sent_to(&self, to: &str, ticket: u64) -> Vec<u8> {
        let tag = format!("[#{ticket}]");
        let mails = self.sink.mails();
        let found = mails.iter().find(|mail| mail.to[0].contains(to) && crate::desk::subject(&mail.octets).contains(&tag));
        found.unwrap_or_else(|| panic!("{to} got nothing about {tag}")).octets.clone()
    }

    /// A dozen mails, in steps: each answers what the steps before it made.
    async fn play(mut self) -> Played {
        let new = |id: &str, from: &str, subject: &str| letter(id, from, "support@acme.example").subject(subject);
        self.deliver(&[new("first", "Mary Hill <mary@shop.example>", "It does not open").octets()]);
        self.rest().await;
        self.deliver(&[
            new("attached", "João Lima <joao@padaria.example>", "Fatura de novembro")
                .attach("fatura.pdf", "application/pdf", &vec![9; 20_000])
                .octets(),
            new("third", "Mari Mets <mari@tehas.example>", "Küsimus").octets(),
        ]);
        self.rest().await;

        let (to_mary, to_joao) = (self.sent_to("mary@shop.example", 1), self.sent_to("joao@padaria.example", 2));
        let token = address(&to_mary, "Reply-To").unwrap();
        let by_token = letter("by-token", "Mary Hill <mary@shop.example>", &token).subject("Another subject").text("By its address.\n");
        let by_reference = letter("by-reference", "João Lima <joao@padaria.example>", "support@acme.example").reply_to(&to_joao);
        self.deliver(&[by_token.octets(), by_reference.text("By its references.\n").octets()]);
        self.rest().await;

        // The first once more, in another mailbox.
        let copy = new("first", "Mary Hill <mary@shop.example>", "It does not open").octets();
        self.delivered.push(header(&copy, "Message-ID").unwrap());
        self.dovecot.deliver_file(&self.sales, &copy);
        self.rest().await;

        let (one, two) = (self.sent_to("ana@acme.example", 1), self.sent_to("ana@acme.example", 2));
        let ana = |id: &str, received: &[u8], text: &str| {
            letter(id, "Ana Souza <ana@acme.example>", &address(received, "Reply-To").unwrap()).reply_to(received).text(text).octets()
        };
        self.deliver(&[ana("solves", &one, "#solve\n\nPush it harder.\n"), ana("unknown", &two, "#frobnicate now\n\nHello.\n")]);
        self.rest().await;

        let away = letter("away", "João Lima <joao@padaria.example>", &address(&to_joao, "Reply-To").unwrap()).reply_to(&to_joao);
        let large = new("large", "big@c.example", "Huge").attach("dump.bin", "application/octet-stream", &vec![7; 90_000]);
        self.deliver(&[
            away.header("Auto-Submitted", "auto-replied").text("I am away.\n").octets(),
            bounce(&to_mary, "mary@shop.example"),
            large.octets(),
            b"Subject: nobody wrote this\r\nMessage-ID: <broken@o.example>\r\n\r\nFrom: x\0\xff\r\n".to_vec(),
        ]);
        self.rest().await;
        self.end().await
    }

    async fn end(mut self) -> Played {
        assert_eq!(self.ended, u32::from(self.case.place.is_some()), "{:?}: the place was come by", self.case);
        let report = self.daemon.json(&["verify"]).await;
        assert_eq!(report["ok"], true, "{:?}: {report}", self.case);
        assert_eq!(self.daemon.terminate().await.code(), Some(0));
        // From the disk, and with no daemon's memory.
        let output = self.daemon.cli(&["dump", "--without-times"]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        for word in ["mary", "shop.example", "Küsimus", "Push", "acme", "novembro", "@client"] {
            let line = text.lines().find(|line| line.contains(word));
            assert!(line.is_none(), "what people wrote is not shown: {word} in {line:?}");
        }
        let mut sent = BTreeMap::new();
        for mail in self.sink.mails() {
            *sent.entry((mail.to[0].clone(), header(&mail.octets, "Message-ID").unwrap())).or_default() += 1;
        }
        Played { dump: text.lines().map(str::to_owned).collect(), sent }
    }
}

/// A mail that is the same in each run.
fn letter(id: &str, from: &str, to: &str) -> MailText {
    let mail = MailText::new(from, to).header("Date", "Sun, 22 Nov 2026 08:00:00 +0000");
    mail.header("Message-ID", &format!("<{id}@client.test.example>")).subject("Hello")
}

/// What a mail system says of one of our mails (RFC 3464).
fn bounce(of: &[u8], recipient: &str) -> Vec<u8> {
    let id = header(of, "Message-ID").unwrap();
    format!(
        "From: MAILER-DAEMON@shop.example\r\nTo: support@acme.example\r\nSubject: Undelivered\r\nMessage-ID: <bounce@shop.example>\r\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nNo.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; shop.example\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n\
         Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {id}\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

/// Without how often was tried, which counts what was begun, also before the end.
fn comparable(line: &str) -> String {
    let words = line.split(' ').filter(|word| !(line.starts_with("attempts ") && word.starts_with("attempts=")));
    words.collect::<Vec<_>>().join(" ")
}

/// Empty if all is as it is without a failure.
fn difference(case: Case, played: &Played, whole: &Played) -> Vec<String> {
    let lines = |played: &Played| played.dump.iter().map(|line| comparable(line)).collect::<BTreeSet<_>>();
    let (here, there) = (lines(played), lines(whole));
    let mut wrong: Vec<String> = there.difference(&here).map(|line| format!("missing: {line}")).collect();
    wrong.extend(here.difference(&there).map(|line| format!("too much: {line}")));
    if played.sent.keys().ne(whole.sent.keys()) {
        wrong.push(format!("sent: {:?}\nwithout failure: {:?}", played.sent, whole.sent));
    }
    let twice = played.sent.values().any(|times| *times > 1);
    if twice && case.sent == Sent::Once {
        wrong.push(format!("sent more than once: {:?}", played.sent));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_p5_killed_at_every_named_place_the_store_is_as_if_nothing_had_happened() {
    let whole = Case { place: None, after: MOVE, server: Server::Full, sent: Sent::Once, copied_twice: false };
    let mut cases = cases();
    if !cfg!(debug_assertions) {
        println!("skipped: a release build takes no plan");
        return;
    }
    if let Ok(only) = std::env::var("GUICHET_TEST_PLACE") {
        cases.retain(|case| format!("{case:?}").contains(&only));
    }
    let named: BTreeSet<String> = cases.iter().filter_map(|case| case.place).map(|(place, _)| format!("{place:?}")).collect();
    assert!(std::env::var("GUICHET_TEST_PLACE").is_ok() || named.len() == Place::ALL.len(), "each place: {named:?}");

    let users: Vec<String> = (0..=cases.len()).flat_map(|n| [format!("support{n}"), format!("sales{n}")]).collect();
    let accounts: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), "secret")).collect();
    let (full, without_move) = tokio::join!(Dovecot::start(&accounts), Dovecot::start_with(&accounts, WITHOUT_MOVE));
    let whole = Stage::start(&full, cases.len(), whole).await.play().await;
    assert!(whole.dump.iter().any(|line| line.starts_with("quarantine ")), "all kinds of rows: {:#?}", whole.dump);
    assert!(!whole.dump.iter().any(|line| line.starts_with("unreadable")), "{:#?}", whole.dump);
    assert!(whole.sent.values().all(|times| *times == 1), "{:?}", whole.sent);

    let (whole, full, without_move) = (&whole, &full, &without_move);
    let played = stream::iter(cases.into_iter().enumerate()).map(async |(n, case)| {
        let dovecot = if case.server == Server::Full { full } else { without_move };
        let played = Stage::start(dovecot, n, case).await.play().await;
        (case, difference(case, &played, whole))
    });
    let wrong: Vec<_> = played.buffer_unordered(SIDE_BY_SIDE).filter(|(_, wrong)| std::future::ready(!wrong.is_empty())).collect().await;
    for (case, lines) in &wrong {
        println!("{case:?}\n  {}", lines.join("\n  "));
    }
    assert!(wrong.is_empty(), "{} cases differ", wrong.len());
}
