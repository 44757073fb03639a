//! How long an idle desk takes to acknowledge one mail.
//!
//! The clock starts when the server's `* n EXISTS` passes to the daemon that idles, and stops when the 250 to the acknowledgement's
//! content passes back to it. Both are noted by relays in front of the two servers, whose own delay is part of the time.
//! Dovecot's delay before it says EXISTS is its own (it collects news for half a second) and is shown apart.

use crate::corpus;
use crate::figures::{Times, ms, verdict};
use crate::relay::{Line, Relay, Side};
use crate::support::daemon::Daemon;
use crate::support::dovecot::Dovecot;
use crate::support::sink::Sink;
use crate::support::wait::{LIMIT, wait_until};
use crate::{AGENT, PASSWORD, configuration};
use std::time::{Duration, Instant};

const USER: &str = "support";
const P50_BELOW_MS: f64 = 50.0;
const P99_BELOW_MS: f64 = 150.0;

/// When things happened to one mail.
#[derive(Default)]
struct Course {
    exists: Option<Instant>,
    asked: Option<Instant>,
    fetched: Option<Instant>,
    from: Option<Instant>,
    accepted: Option<Instant>,
    agent_told: bool,
    moved: bool,
    idle: bool,
}

pub async fn measure(mails: usize) {
    let dovecot = Dovecot::start(&[(USER, PASSWORD)]).await;
    let sink = Sink::plain().await;
    let (imap, smtp) = (Relay::start(dovecot.imap_port).await, Relay::start(sink.port).await);
    let daemon = Daemon::start(&[("guichet.toml", &configuration(imap.port, &[USER], smtp.port))]).await;
    wait_until("the daemon to idle", LIMIT, async || imap.take().iter().any(is_idling).then_some(())).await;

    let mut columns: [Vec<Duration>; 6] = Default::default();
    for (n, sample) in corpus::mailbox(mails.saturating_mul(4)).into_iter().filter(|sample| sample.opens).take(mails).enumerate() {
        let (customer, octets) = from_customer(n, &sample.octets);
        dovecot.deliver_lmtp(USER, &octets).await;
        let delivered = Instant::now();
        let mut course = Course::default();
        let mut recipient = Vec::new();
        wait_until("a mail to be acknowledged, moved, and the desk to be idle", LIMIT, async || {
            imap.take().iter().for_each(|line| course.imap(line));
            smtp.take().iter().for_each(|line| course.smtp(line, &customer, &mut recipient));
            (course.accepted.is_some() && course.agent_told && course.moved && course.idle).then_some(())
        })
        .await;
        let [exists, asked, fetched, from, accepted] =
            [course.exists, course.asked, course.fetched, course.from, course.accepted].map(|at| at.expect("it went this way"));
        let steps = [(delivered, exists), (exists, asked), (asked, fetched), (fetched, from), (from, accepted), (exists, accepted)];
        for (column, (start, end)) in columns.iter_mut().zip(steps) {
            column.push(end.saturating_duration_since(start));
        }
    }
    drop(daemon);

    println!("latency, {mails} mails one after the other, ms");
    println!("{}", Times::head(""));
    let names = [
        "Dovecot's own: delivered -> EXISTS",
        "  EXISTS -> UID FETCH of the body",
        "  -> body fetched",
        "  -> parsed, stored, on disk, MAIL FROM",
        "  -> 250 to the content",
        "EXISTS -> acknowledgement accepted",
    ];
    let columns = columns.map(Times::new);
    for (times, name) in columns.iter().zip(names) {
        println!("{}", times.line(name));
    }
    let [.., whole] = &columns;
    for (what, value, below) in [("p50", whole.permille(500), P50_BELOW_MS), ("p99", whole.permille(990), P99_BELOW_MS)] {
        println!("target: {what} below {below} ms: {}", verdict(ms(value), below));
    }
}

/// The sample with a sender of its own: nobody gets more than a few acknowledgements an hour.
fn from_customer(n: usize, octets: &[u8]) -> (String, Vec<u8>) {
    let address = format!("customer{n}@shop{n}.example");
    let text = String::from_utf8_lossy(octets);
    let (head, body) = text.split_once("\n\n").expect("a header");
    let mut lines: Vec<String> = Vec::new();
    let mut replaced = false;
    for line in head.lines() {
        let is_continued = line.starts_with([' ', '\t']);
        if is_continued && replaced {
            continue;
        }
        replaced = line.starts_with("From:");
        lines.push(if replaced { format!("From: Customer <{address}>") } else { line.to_owned() });
    }
    (address, format!("{}\n\n{body}", lines.join("\n")).into_bytes())
}

fn is_idling(line: &Line) -> bool {
    line.side == Side::Server && line.text.starts_with("+ ")
}

impl Course {
    fn imap(&mut self, line: &Line) {
        let text = line.text.as_str();
        match line.side {
            Side::Server if text.ends_with(" EXISTS") && self.exists.is_none() => self.exists = Some(line.at),
            Side::Client if text.contains("BODY.PEEK[]") => self.asked = Some(line.at),
            // The first tagged answer after the body was asked for.
            Side::Server if self.asked.is_some() && self.fetched.is_none() && text.contains(" OK Fetch") => self.fetched = Some(line.at),
            Side::Client if text.contains(" UID MOVE ") => self.moved = true,
            Side::Client if text == "DONE" => self.idle = false,
            Side::Server if is_idling(line) => self.idle = self.moved,
            Side::Client | Side::Server => {}
        }
    }

    /// `recipients` holds the last recipient of each connection.
    fn smtp(&mut self, line: &Line, customer: &str, recipients: &mut Vec<(usize, Instant, String, bool)>) {
        let text = line.text.as_str();
        match line.side {
            Side::Client if text.starts_with("MAIL FROM:") => {
                recipients.retain(|(connection, ..)| *connection != line.connection);
                recipients.push((line.connection, line.at, String::new(), false));
            }
            Side::Client if text.starts_with("RCPT TO:") => {
                if let Some((_, _, to, _)) = recipients.iter_mut().find(|(connection, ..)| *connection == line.connection) {
                    text["RCPT TO:".len()..].clone_into(to);
                }
            }
            Side::Server => {
                let Some((_, from, to, content)) = recipients.iter_mut().find(|(connection, ..)| *connection == line.connection) else {
                    return;
                };
                if text.starts_with("354") {
                    *content = true;
                } else if *content && text.starts_with("250") {
                    *content = false;
                    if to.contains(customer) {
                        self.from = Some(*from);
                        self.accepted = Some(line.at);
                    }
                    self.agent_told |= to.contains(AGENT);
                }
            }
            Side::Client => {}
        }
    }
}
