//! Hostile mail against the running daemon: each case of `tests/fixtures/attacks/INDEX.json`, and every file of the fixtures and
//! of the mail of others, where that is at hand.
//!
//! The mails of one case get a world of their own: its domains bear the case's name, and where a case supposes a ticket
//! (`#1042` in the mails), that ticket is opened first and its true number, addresses and ids are put in the mail. So all
//! may arrive at once, and whatever changes or is sent has one cause.

use crate::support::daemon::Daemon;
use crate::support::mail::{address, header, parse, text};
use crate::support::wait::{LIMIT, wait_until};
use guichet::domain::change::{Actor, Landing, Need};
use guichet::domain::message::{Author, Fingerprint, Message, MessageId, TicketNumber, Visibility};
use guichet::domain::outbound::{Audience, OutboxEntry, OutboxId, Purpose};
use guichet::domain::ticket::Ticket;
use guichet::mail::normalise::{NormaliseLimits, Parsed, normalise};
use guichet::mail::token::Signer;
use guichet::store::{OpenOptions, OutboxFilter, Store};
use mail_parser::MimeHeaders;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the verdict is not met yet, and why. Each is harmless all the same, which is checked, and a case that is met has
/// no place here.
const DIFFERS: [(&str, &str); 0] = [];

/// Cases about guessed secrets: what stands in the mail is as long and of the same letters as the true one, and wrong.
const GUESSED: [&str; 5] = ["A04", "C01", "C03", "C04", "C07"];

/// The only people besides a ticket's requester who are written to.
const STAFF: [&str; 2] = ["agent.kelly@help.example", "manager@help.example"];

const MAILBOXES: [&str; 3] = ["support", "sales", "billing"];

fn configuration() -> String {
    let mut mailboxes = String::new();
    for name in MAILBOXES {
        writeln!(mailboxes, "[[mailbox]]\nname = \"{name}\"\naddress = \"{name}@help.example\"").unwrap();
        writeln!(mailboxes, "team = \"frontline\"\nmaildir = \"@STATE@/{name}\"").unwrap();
    }
    format!(
        r#"[desk]
name = "Help Desk"
state_dir = "@STATE@"
languages = ["en", "pt", "et"]
customers = "customers.csv"
trusted_authserv_ids = ["mx.help.example"]
[smtp]
maildir = "@STATE@/out"
{mailboxes}
[[team]]
name = "frontline"
calendar = "always"
manager = "manager@help.example"
[[agent]]
name = "Kelly Agent"
address = "agent.kelly@help.example"
teams = ["frontline"]
"#
    )
}

/// One case.
struct Case {
    /// Such as `A01`.
    id: String,
    octets: Vec<u8>,
    expect: Value,
    /// `None` where it supposes no ticket.
    seeds: Vec<Seed>,
}

/// A ticket that a case supposes.
#[derive(Clone)]
struct Seed {
    number: u64,
    /// Reply addresses of its two sides, and the id of the last mail to the customer.
    customer: String,
    agent: String,
    id: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/attacks")
}

fn cases() -> Vec<Case> {
    let index: Vec<Value> = serde_json::from_slice(&std::fs::read(fixtures().join("INDEX.json")).unwrap()).unwrap();
    let case = |row: &Value| {
        let id = row["id"].as_str().unwrap().split('-').next().unwrap().to_owned();
        let octets = std::fs::read(fixtures().join(row["file"].as_str().unwrap())).unwrap();
        let octets = in_its_world(&octets, &world(&id));
        Case { id, octets, expect: row["expect"].clone(), seeds: Vec::new() }
    };
    index.iter().map(case).collect()
}

/// Cases that belong together share a world: `k01` for `K01b` and `K01c`.
fn world(id: &str) -> String {
    id[..3].to_lowercase()
}

fn in_its_world(octets: &[u8], world: &str) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for domain in ["customer", "evil", "rival", "victim", "shop", "otherdesk", "isp"] {
        for before in ["@", "="] {
            octets = replaced(&octets, &format!("{before}{domain}.example"), &format!("{before}{world}.{domain}.example"));
        }
    }
    replaced(&octets, "@CUSTOMER.EXAMPLE", &format!("@{}.CUSTOMER.EXAMPLE", world.to_uppercase()))
}

fn replaced(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(at) = rest.windows(from.len()).position(|w| w == from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn holds(octets: &[u8], needle: &str) -> bool {
    octets.windows(needle.len()).any(|w| w == needle.as_bytes())
}

/// Who opens the tickets that a case supposes: the customer of `#1042`, and a second one where it speaks of two.
fn owners(case: &Case) -> Vec<String> {
    let world = world(&case.id);
    let any = |needles: &[&str]| needles.iter().any(|needle| holds(&case.octets, needle));
    let mut owners = Vec::new();
    if any(&["1042", "k7qx2m", "K7QX2M", "q2w8e4r6t1y9u3i7"]) {
        owners.push(format!("alice@{world}.customer.example"));
    }
    if any(&["zzzzzzzzzzzzzzzz", "bobsownsecret0001"]) {
        owners.push(format!("bob@{world}.rival.example"));
    }
    owners
}

/// The mail with the true number, secrets and ids of its world, or with guesses at them.
fn filled_in(case: &Case) -> Vec<u8> {
    let Some(first) = case.seeds.first() else { return case.octets.clone() };
    let second = case.seeds.last().unwrap();
    // Another last letter: a guess in the desk's own spelling.
    let guess = |secret: &str| {
        let (local, domain) = secret.split_once('@').unwrap();
        let (rest, last) = local.split_at(local.len() - 1);
        format!("{rest}{}@{domain}", if last == "a" { "b" } else { "a" })
    };
    let secret = |true_one: &str| if GUESSED.contains(&case.id.as_str()) { guess(true_one) } else { true_one.to_owned() };
    let mut octets = case.octets.clone();
    for (from, to) in [
        ("reply+k7qx2mtz9w4lh3rb@help.example", secret(&first.customer)),
        ("REPLY+K7QX2MTZ9W4LH3RB@HELP.EXAMPLE", secret(&first.customer).to_uppercase()),
        ("reply+q2w8e4r6t1y9u3i7@help.example", secret(&first.agent)),
        ("reply+zzzzzzzzzzzzzzzz@help.example", secret(&second.customer)),
        ("reply+bobsownsecret0001@help.example", secret(&second.customer)),
        // Where the desk's mail bounces to.
        ("bounce+k7qx2mtz9w4lh3rb@help.example", "support@help.example".to_owned()),
        ("ticket.1042.1.k7qx2m@help.example", secret(&first.id)),
        ("[#1042]", format!("[#{}]", first.number)),
        ("support+1042@", format!("support+{}@", first.number)),
    ] {
        octets = replaced(&octets, from, &to);
    }
    octets
}

/// The daemon, and the order in which mail was put into its mailboxes.
struct Desk {
    daemon: Daemon,
    delivered: usize,
}

impl Desk {
    async fn start(customers: &str) -> Self {
        let daemon = Daemon::start(&[("guichet.toml", &configuration()), ("customers.csv", customers)]).await;
        let desk = Self { daemon, delivered: 0 };
        for name in MAILBOXES {
            wait_until("the mailbox to be made", LIMIT, async || desk.maildir(name).join("cur").is_dir().then_some(())).await;
        }
        desk
    }

    fn maildir(&self, name: &str) -> PathBuf {
        self.daemon.state_dir().join(name)
    }

    /// Puts a mail into a mailbox; mails of one mailbox are taken in in this order.
    fn deliver(&mut self, mailbox: &str, octets: &[u8]) {
        self.delivered += 1;
        let name = format!("{}.test", self.delivered);
        let maildir = self.maildir(mailbox);
        std::fs::write(maildir.join("tmp").join(&name), octets).unwrap();
        std::fs::rename(maildir.join("tmp").join(&name), maildir.join("new").join(&name)).unwrap();
    }

    /// Waits until all that was delivered is settled and all that was decided is sent.
    async fn rest(&self) {
        let count = |name: &str, folder: &str| files(&self.maildir(name).join(folder)).len();
        wait_until("all mail to be settled", LIMIT * 2, async || {
            let settled: usize = MAILBOXES.iter().map(|name| count(name, "cur")).sum();
            (settled == self.delivered && MAILBOXES.iter().all(|name| count(name, "new") == 0)).then_some(())
        })
        .await;
        wait_until("all that was decided to be sent", LIMIT, async || {
            let report = self.daemon.json(&["verify"]).await;
            assert_eq!(report["ok"], true, "{report}");
            (report["counts"]["outbox waiting"] == 0).then_some(())
        })
        .await;
    }

    /// All that was sent.
    fn sent(&self) -> Vec<Vec<u8>> {
        files(&self.maildir("out").join("new")).iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// The end: the daemon stops, and its store is looked into.
    async fn end(mut self) -> Books {
        let report = self.daemon.json(&["verify"]).await;
        assert_eq!(report["ok"], true, "{report}");
        let sent = self.sent();
        assert_eq!(self.daemon.terminate().await.code(), Some(0), "it ran to the end");
        let store = Store::open(&self.daemon.state_dir(), &OpenOptions::default()).unwrap();
        let signer = Signer::new(&store.secret("signing").unwrap());
        let outbox = store.outbox_list(OutboxFilter::Any, usize::MAX).unwrap();
        let quarantine: BTreeMap<u64, String> = store.quarantine().unwrap().into_iter().map(|(id, q)| (id, q.reason)).collect();
        Books { report, sent, store, signer, outbox, quarantine, _daemon: self.daemon }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn parsed(octets: &[u8]) -> Parsed {
    normalise(octets, &NormaliseLimits::default())
}

/// What stands in the books after all.
struct Books {
    report: Value,
    sent: Vec<Vec<u8>>,
    store: Store,
    signer: Signer,
    outbox: Vec<OutboxEntry>,
    quarantine: BTreeMap<u64, String>,
    _daemon: Daemon,
}

impl Books {
    fn landing(&self, fingerprint: Fingerprint) -> Option<Landing> {
        self.store.context(&Need { fingerprint: Some(fingerprint), ..Need::default() }).unwrap().seen
    }

    fn ticket(&self, number: TicketNumber) -> Ticket {
        self.store.ticket(number).unwrap().unwrap()
    }

    fn message(&self, landing: Landing) -> Option<Message> {
        match landing {
            Landing::Ticket { number, seq } => self.store.message(number, seq).unwrap(),
            Landing::Quarantine { .. } => None,
        }
    }

    /// The mail that carried an entry out.
    fn mail_of(&self, id: OutboxId) -> Vec<Vec<u8>> {
        let is_it =
            |mail: &&Vec<u8>| header(mail, "Message-ID").and_then(|text| MessageId::parse(&text)).and_then(|m| self.signer.is_ours(&m));
        self.sent.iter().filter(|mail| is_it(mail) == Some(id)).cloned().collect()
    }
}

/// What came of one case.
struct Verdict {
    landed: String,
    /// What a hostile mail must never do.
    harms: Vec<String>,
    /// Where it ends otherwise than `expect` says.
    differs: Vec<String>,
}

#[tokio::test]
async fn p3_p6_p7_p8_hostile_mail_ends_as_it_must() {
    let mut cases = cases();
    let known: String =
        cases.iter().map(|case| format!("@{}.customer.example,,,,,,\n", world(&case.id))).collect::<BTreeSet<_>>().into_iter().collect();
    let mut desk = Desk::start(&format!("address,name,organisation,plan,tier,language,valid_until\n{known}")).await;

    let mut openers: Vec<(usize, String)> = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        openers.extend(owners(case).into_iter().map(|owner| (at, owner)));
    }
    for (at, owner) in &openers {
        let mail = format!(
            "From: Owner <{owner}>\r\nTo: support@help.example\r\nSubject: Your invoice\r\nMessage-ID: <seed.{at}@{}>\r\n\
             Date: Tue, 14 Oct 2025 08:00:00 +0000\r\n\r\nThe words of {owner}.\r\n",
            owner.split('@').nth(1).unwrap()
        );
        desk.deliver("support", mail.as_bytes());
    }
    let first_of_twins = cases.iter().find(|case| case.id == "K01c").unwrap().octets.clone();
    desk.deliver("support", &first_of_twins);
    desk.rest().await;
    let sent = desk.sent();
    for (at, owner) in &openers {
        cases[*at].seeds.push(seed(&sent, owner));
    }

    for case in &cases {
        let octets = filled_in(case);
        for mailbox in if case.id == "D05" { &MAILBOXES[..] } else { &MAILBOXES[..1] } {
            desk.deliver(mailbox, &octets);
        }
    }
    desk.rest().await;
    let books = desk.end().await;

    let mut table = String::new();
    let mut failed = Vec::new();
    for case in &cases {
        let Verdict { landed, harms, differs } = judge(case, &books);
        let known = DIFFERS.iter().find(|(id, _)| *id == case.id).map(|(_, why)| *why);
        let (word, why) = match (harms.is_empty(), differs.is_empty(), known) {
            (false, ..) => ("HARMS", harms.join("; ")),
            (true, false, None) => ("DIFFERS", differs.join("; ")),
            (true, false, Some(why)) => ("differs", format!("{}: {why}", differs.join("; "))),
            (true, true, Some(_)) => ("MET", "has no place among those that differ any more".to_owned()),
            (true, true, None) => ("met", String::new()),
        };
        writeln!(table, "{:<5} {word:<8} {landed:<28} {why}", case.id).unwrap();
        if word == word.to_uppercase() {
            failed.push(format!("{} {word}: {why}", case.id));
        }
    }
    println!("{table}");
    let untouched = tickets_that_no_case_names(&cases, &books);
    assert!(failed.is_empty() && untouched.is_empty(), "{}\n{}", failed.join("\n"), untouched.join("\n"));
    assert_nobody_else_is_written_to(&books);
}

/// What the desk sent when this customer opened his ticket.
fn seed(sent: &[Vec<u8>], owner: &str) -> Seed {
    let to = |who: &str| sent.iter().filter(|mail| address(mail, "To").as_deref() == Some(who)).cloned().collect::<Vec<_>>();
    let ack = to(owner).first().cloned().expect("its acknowledgement");
    let customer = address(&ack, "Reply-To").unwrap();
    let number = customer.split_once('+').unwrap().1.split('c').next().unwrap().parse().unwrap();
    let agents = to("agent.kelly@help.example").iter().map(|mail| address(mail, "Reply-To").unwrap()).collect::<Vec<_>>();
    let agent = agents.into_iter().find(|a| a.starts_with(&format!("support+{number}a"))).expect("its notification");
    let id = header(&ack, "Message-ID").unwrap().trim_matches(['<', '>']).to_owned();
    Seed { number, customer, agent, id }
}

/// Mail that opens a ticket makes these: an acknowledgement and a notification to the one agent.
const SEED_MESSAGES: u32 = 2;
const SEED_MAILS: u32 = 2;

fn judge(case: &Case, books: &Books) -> Verdict {
    let octets = filled_in(case);
    let parsed = parsed(&octets);
    let expect = |key: &str| case.expect.get(key).cloned().unwrap_or(Value::Null);
    let (mut harms, mut differs) = (Vec::new(), Vec::new());

    let Some(landing) = books.landing(parsed.fingerprint) else {
        return Verdict { landed: "nowhere".to_owned(), harms: vec!["it is lost (P3)".to_owned()], differs };
    };
    let is_twin = case.id == "K01c";
    let message = books.message(landing);
    let (landed, kinds): (String, &[&str]) = match (landing, &message) {
        (Landing::Quarantine { id }, _) => (format!("quarantine {}", books.quarantine[&id]), &["hold", "none"]),
        _ if is_twin => ("known already".to_owned(), &["none"]),
        (Landing::Ticket { number, seq: 1 }, _) => (format!("new {number}"), &["new"]),
        (Landing::Ticket { number, .. }, Some(m)) if m.visibility == Visibility::Internal => {
            (format!("internal {number}"), &["append", "hold"])
        }
        (Landing::Ticket { number, .. }, _) => (format!("append {number}"), &["append"]),
    };

    // What it caused: all entries of its ticket but those that were there before.
    let mut caused: Vec<&OutboxEntry> = Vec::new();
    if let Landing::Ticket { number, seq } = landing {
        let before = if case.seeds.iter().any(|s| s.number == number.0) { SEED_MAILS } else { 0 };
        caused.extend(books.outbox.iter().filter(|e| e.outbound.id.ticket == number && e.outbound.id.n > before));
        let ticket = books.ticket(number);
        let from = parsed.from.as_ref().map(|f| &f.address);
        let is_own = ticket.requester.address.as_ref() == from;
        let author_is_agent = matches!(message.as_ref().map(|m| &m.author), Some(Author::Agent(_)));
        let is_public = message.as_ref().is_some_and(|m| m.visibility == Visibility::Public);
        if seq > 1 && !case.seeds.iter().any(|s| s.number == number.0) && !is_twin {
            harms.push(format!("it joined {number}, a ticket of another case (P7)"));
        }
        if is_public && !is_own && !author_is_agent {
            harms.push("a stranger's words are public on a ticket that is not his (P7)".to_owned());
        }
        if !ticket.participants.is_empty() {
            harms.push(format!("participants were added: {:?} (P7)", ticket.participants));
        }
        let acts: Vec<String> =
            books.store.history(number).unwrap().into_iter().filter(|h| matches!(h.by, Actor::Agent(_))).map(|h| h.what).collect();
        let acted = acts.iter().any(|what| what != "held");
        if expect("as_agent") == false && (acted || (author_is_agent && is_public)) {
            harms.push(format!("it was believed to be an agent's: {acts:?} (P8)"));
        }
        if expect("as_agent") == true && !author_is_agent {
            differs.push("it was not taken for the agent's".to_owned());
        }
        let machine = message.as_ref().and_then(|m| m.machine.clone());
        if let Some(machine) = machine.filter(|_| caused.iter().any(|e| e.outbound.audience == Audience::Customer)) {
            harms.push(format!("a machine was answered: {machine} (P6)"));
        }
        if case.id.starts_with('E') && message.as_ref().is_some_and(|m| m.machine.is_some() && is_public) {
            harms.push("a machine's words stand among those of people (P6)".to_owned());
        }
        if case.id.starts_with('E') && message.as_ref().is_some_and(|m| m.machine.is_some()) && !caused.is_empty() {
            harms.push(format!("a machine's mail made {} more (P6)", caused.len()));
        }
        let strangers = caused.iter().filter_map(|e| e.outbound.to.as_ref()).map(|to| &to.address);
        let strangers: Vec<String> = strangers
            .filter(|to| !STAFF.contains(&to.as_str()) && ticket.requester.address.as_ref() != Some(to))
            .map(ToString::to_string)
            .collect();
        if !strangers.is_empty() {
            harms.push(format!("{strangers:?} were written to (P7)"));
        }
    }
    let to_customer: Vec<Vec<u8>> =
        caused.iter().filter(|e| e.outbound.audience == Audience::Customer).flat_map(|e| books.mail_of(e.outbound.id)).collect();
    harms.extend(leaks(case, &parsed, &to_customer));
    for mail in caused.iter().flat_map(|e| books.mail_of(e.outbound.id)) {
        harms.extend(markup(&mail));
    }

    let acks = caused.iter().filter(|e| e.outbound.purpose == Purpose::Ack).count();
    match expect("ack").as_str().unwrap() {
        "no" if acks > 0 && !is_twin => differs.push("it was acknowledged".to_owned()),
        "yes" if acks == 0 => differs.push("it was not acknowledged".to_owned()),
        _ if acks > 1 => harms.push(format!("{acks} acknowledgements")),
        _ => {}
    }
    let wanted = expect("ticket").as_str().unwrap().to_owned();
    if !wanted.split('|').any(|kind| kinds.contains(&kind)) {
        differs.push(format!("it ended as {landed}, not {wanted}"));
    }
    if expect("customer_mail") == false && !to_customer.is_empty() {
        harms.push("the customer got a mail".to_owned());
    }
    for never in expect("never_mail").as_array().into_iter().flatten() {
        let never = never.as_str().unwrap().replace('@', &format!("@{}.", world(&case.id)));
        if books.sent.iter().any(|mail| recipients(mail).contains(&never)) {
            harms.push(format!("{never} was written to (P6)"));
        }
    }
    for hidden in expect("must_not_contain").as_array().into_iter().flatten() {
        if to_customer.iter().any(|mail| whole(mail).contains(hidden.as_str().unwrap())) {
            harms.push(format!("{hidden} went to the customer (P7)"));
        }
    }
    let of_message = |value: &Value, is: &dyn Fn(&Message) -> bool, what: &str, differs: &mut Vec<String>| {
        if !value.is_null() && !message.as_ref().is_some_and(is) {
            differs.push(format!("its {what} is not {value}"));
        }
    };
    let words = expect("text");
    of_message(&words, &|m| m.body.new_text().contains(words.as_str().unwrap()), "new text", &mut differs);
    let files = expect("attachments");
    of_message(&files, &|m| m.attachments.len() as u64 == files.as_u64().unwrap(), "count of files", &mut differs);
    let subject = expect("subject");
    of_message(&subject, &|m| books.ticket(m.ticket).subject == subject.as_str().unwrap(), "subject", &mut differs);
    if let Some(mails) = expect("mails").as_u64() {
        let tickets = books.store.tickets(guichet::store::TicketFilter::Any).map(Result::unwrap);
        let count = tickets.filter(|t| t.requester.address == parsed.from.as_ref().map(|f| f.address.clone())).count();
        if count as u64 != mails {
            harms.push(format!("one mail became {count}"));
        }
    }
    Verdict { landed, harms, differs }
}

/// A mail's text and header, decoded.
fn whole(mail: &[u8]) -> String {
    let parsed = parse(mail);
    let fields = parsed.headers_raw().map(|(name, _)| header(mail, name).unwrap_or_default());
    let names = [parsed.from(), parsed.to()].into_iter().flatten().flat_map(mail_parser::Address::iter);
    let names = names.map(|a| a.name().unwrap_or_default().to_owned());
    let decoded = [parsed.subject().unwrap_or_default().to_owned(), text(mail)];
    fields.chain(names).chain(decoded).collect::<Vec<_>>().join("\n")
}

/// All addresses that a mail names as its recipients.
fn recipients(mail: &[u8]) -> Vec<String> {
    let parsed = parse(mail);
    let all = [parsed.to(), parsed.cc(), parsed.bcc()].into_iter().flatten().flat_map(mail_parser::Address::iter);
    all.map(|a| a.address().unwrap_or_default().to_owned()).collect()
}

/// What must not stand in mail to a customer: inner things, and to somebody whom nobody knows the sender's own words, which
/// he may have meant for another.
fn leaks(case: &Case, parsed: &Parsed, mails: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for mail in mails {
        let whole = whole(mail);
        for seed in &case.seeds {
            if whole.contains(&seed.agent) || whole.contains(seed.agent.split('@').next().unwrap()) {
                found.push("an agent's secret went to a customer (P8)".to_owned());
            }
        }
        if whole.contains("— guichet ") || whole.contains(STAFF[0]) {
            found.push("inner words went to a customer (P7)".to_owned());
        }
        if case.seeds.len() > 1 && case.seeds.iter().all(|seed| whole.contains(&format!("#{}", seed.number))) {
            found.push("one ticket is named in another (P7)".to_owned());
        }
        let known = parsed.from.as_ref().is_some_and(|f| f.address.domain().ends_with("customer.example"));
        let is_ack = header(mail, "Auto-Submitted").is_some();
        let name = parsed.from.as_ref().map(|f| f.name.clone()).unwrap_or_default();
        let first = parsed.body.text.lines().next().unwrap_or_default().trim().to_owned();
        for own in [name, parsed.subject.clone(), first] {
            if is_ack && !known && own.len() > 6 && own != "Hello," && whole.contains(&own) {
                found.push(format!("words of a stranger went out in our name: {own:?} (P6)"));
            }
        }
    }
    found
}

/// A mail of ours has the fields that we write, its HTML the few tags, and no file is shown by itself.
fn markup(mail: &[u8]) -> Vec<String> {
    const TAGS: [&str; 16] = [
        "<!DOCTYPE html>",
        "<html>",
        "<html lang=\"",
        "</html>",
        "<head>",
        "</head>",
        "<meta ",
        "<body>",
        "</body>",
        "<div style=\"max-width:",
        "</div>",
        "<p dir=\"auto\" style=\"margin:",
        "</p>",
        "<br>",
        "<a rel=\"noopener ",
        "</a>",
    ];
    const FIELDS: [&str; 15] = [
        "From",
        "To",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "X-Guichet",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
    ];
    let mut found = Vec::new();
    let parsed = parse(mail);
    for at in 0..parsed.html_body_count() {
        let html = parsed.body_html(at).unwrap_or_default().replace("<blockquote style=", "").replace("</blockquote>", "");
        for (at, _) in html.match_indices('<') {
            if !TAGS.iter().any(|tag| html[at..].starts_with(tag)) {
                found.push(format!("markup: {:.40}", &html[at..]));
            }
        }
        for (at, _) in html.match_indices("href=\"") {
            if !["http:", "https:", "mailto:"].iter().any(|scheme| html[at + 6..].starts_with(scheme)) {
                found.push(format!("a link of another kind: {:.40}", &html[at..]));
            }
        }
    }
    for file in parsed.attachments() {
        if !file.content_disposition().is_some_and(mail_parser::ContentType::is_attachment) {
            found.push("a file that is shown by itself".to_owned());
        }
    }
    for name in parsed.headers_raw().map(|(name, _)| name).filter(|name| !FIELDS.contains(name)) {
        found.push(format!("a field that we did not write: {name}"));
    }
    found.dedup();
    found
}

/// A ticket that was opened for a case, and in which no mail landed, is as it was.
fn tickets_that_no_case_names(cases: &[Case], books: &Books) -> Vec<String> {
    let landed: BTreeSet<u64> = cases
        .iter()
        .filter_map(|case| match books.landing(parsed(&filled_in(case)).fingerprint) {
            Some(Landing::Ticket { number, .. }) => Some(number.0),
            Some(Landing::Quarantine { .. }) | None => None,
        })
        .collect();
    let mut found = Vec::new();
    for (case, seed) in cases.iter().flat_map(|case| case.seeds.iter().map(move |seed| (case, seed))) {
        let ticket = books.ticket(TicketNumber(seed.number));
        let messages = if landed.contains(&seed.number) { SEED_MESSAGES + 1 } else { SEED_MESSAGES };
        if ticket.messages != messages || (!landed.contains(&seed.number) && ticket.outbox != SEED_MAILS) {
            found.push(format!("{}: #{} has {} messages, {} mails", case.id, seed.number, ticket.messages, ticket.outbox));
        }
    }
    found
}

/// Each mail that left is an entry of the outbox, goes to one address, and that is staff or its ticket's requester.
fn assert_nobody_else_is_written_to(books: &Books) {
    assert_eq!(books.sent.len(), books.outbox.len(), "each entry was sent once");
    for mail in &books.sent {
        let id = header(mail, "Message-ID").and_then(|id| MessageId::parse(&id)).and_then(|id| books.signer.is_ours(&id)).expect("ours");
        let to = recipients(mail);
        assert_eq!(to.len(), 1, "{to:?}");
        let requester = books.ticket(id.ticket).requester.address.map(|a| a.to_string());
        assert!(STAFF.contains(&to[0].as_str()) || to.first() == requester.as_ref(), "{to:?} was written to about {}", id.ticket);
    }
}

/// Every file of the fixtures, and of the mail of others where there is any (`GUICHET_CORPORA`, or beside the project): what
/// is no mail has to land, too.
fn every_file() -> Vec<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("GUICHET_CORPORA").map(PathBuf::from);
    assert!(named.as_ref().is_none_or(|folder| folder.is_dir()), "GUICHET_CORPORA names no folder");
    let beside = || project.ancestors().skip(1).map(|above| above.join("shared/mail/open")).find(|folder| folder.is_dir());
    let others = named.or_else(beside);
    if others.is_none() {
        println!("skipped: there is no mail of others (set GUICHET_CORPORA); only our own goes in");
    }
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = std::iter::once(project.join("tests/fixtures")).chain(others).collect();
    while let Some(folder) = folders.pop() {
        for path in files(&folder) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Signs of a machine that need no judgement, sought in the octets themselves: not what the daemon thinks of them.
fn machine_by_its_octets(octets: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(octets).to_ascii_lowercase().replace("\r\n", "\n");
    let head = text.trim_start_matches('\n').split("\n\n").next().unwrap_or_default();
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    [
        ("a null return path", value("return-path:") == Some("<>")),
        ("auto-submitted", value("auto-submitted:").is_some_and(|v| v.starts_with("auto-"))),
        ("precedence", value("precedence:").is_some_and(|v| ["bulk", "list", "junk", "auto_reply"].contains(&v))),
        ("a list", value("list-id:").is_some_and(|v| !v.is_empty())),
        ("a report", value("content-type:").is_some_and(|v| v.starts_with("multipart/report"))),
        ("mailer-daemon", value("from:").is_some_and(|v| v.contains("mailer-daemon@"))),
        ("nobody", value("from:").is_some_and(|v| v.contains("noreply@") || v.contains("no-reply@"))),
    ]
    .into_iter()
    .find_map(|(sign, holds)| holds.then_some(sign))
}

#[tokio::test]
async fn p3_p6_every_file_lands_and_stops_nothing() {
    let mails = every_file();
    assert!(mails.len() > 150, "{} files", mails.len());
    let mut desk = Desk::start("address,name,organisation,plan,tier,language,valid_until\n").await;
    for path in &mails {
        desk.deliver("support", &std::fs::read(path).unwrap());
    }
    desk.rest().await;
    let books = desk.end().await;

    let (mut tickets, mut set_aside, mut machines, mut faults) = (0, BTreeMap::<String, usize>::new(), 0, Vec::new());
    let mut seen = BTreeSet::new();
    for path in &mails {
        let octets = std::fs::read(path).unwrap();
        let fingerprint = parsed(&octets).fingerprint;
        if !seen.insert(fingerprint) {
            continue;
        }
        match books.landing(fingerprint) {
            None => faults.push(format!("{} is lost (P3)", path.display())),
            Some(Landing::Quarantine { id }) => *set_aside.entry(books.quarantine[&id].clone()).or_default() += 1,
            Some(Landing::Ticket { number, seq }) => {
                tickets += 1;
                let answered = books.outbox.iter().any(|e| e.outbound.id.ticket == number && e.outbound.audience == Audience::Customer);
                if let Some(sign) = machine_by_its_octets(&octets).filter(|_| answered && seq == 1) {
                    faults.push(format!("{} is a machine's ({sign}) and was answered (P6)", path.display()));
                }
            }
        }
        machines += usize::from(machine_by_its_octets(&octets).is_some());
    }
    for mail in &books.sent {
        faults.extend(markup(mail));
    }
    println!("{} files, {} different: {tickets} in tickets, {set_aside:?} set aside; {machines} machines", mails.len(), seen.len());
    assert_eq!(books.report["counts"]["fingerprints"].as_u64(), Some(seen.len() as u64), "each different mail once (P2)");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_nobody_else_is_written_to(&books);
}
