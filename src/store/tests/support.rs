//! What the tests put in, and what they ask of it afterwards.

use crate::domain::address::{Contact, EmailAddress};
use crate::domain::assign::Turn;
use crate::domain::away::{Absence, Away};
use crate::domain::change::{Actor, Change, History, Landing};
use crate::domain::message::{Arrival, Author, Body, Channel, Fingerprint, Language, Message, MessageId, Source, TicketNumber, Visibility};
use crate::domain::outbound::{Audience, Automatic, Outbound, OutboxId, Piece, Purpose, Route};
use crate::domain::sla;
use crate::domain::sla::{Clock, ClockKind, ClockState};
use crate::domain::tally::Tally;
use crate::domain::ticket::{Priority, Requester, Status, Ticket};
use crate::domain::verdict::Judgement;
use crate::store::{OpenFault, OpenOptions, Outcome, Store};
use jiff::Timestamp;
use std::path::Path;

/// Milliseconds after a fixed day.
pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

pub(super) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(super) fn open(dir: &Path) -> Store {
    open_with(dir, &OpenOptions::default())
}

/// Waits while the locks are held: a test beside this one that starts a process shares all open files with it between
/// fork and exec, and with them the locks of a store that was dropped meanwhile.
pub(super) fn open_with(dir: &Path, options: &OpenOptions) -> Store {
    for _ in 0..400 {
        match Store::open(dir, options) {
            Err(OpenFault::Locked) => {}
            Err(OpenFault::Io { fault, .. }) if fault.to_string().contains("could not acquire lock") => {}
            opened => return opened.unwrap(),
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("locked for two seconds");
}

pub(super) fn fingerprint(n: u64) -> Fingerprint {
    let mut octets = [7; 16];
    octets[..8].copy_from_slice(&n.to_be_bytes());
    Fingerprint(octets)
}

/// A ticket with its first message, due an hour after it was opened.
pub(crate) fn ticket(n: u64) -> Ticket {
    let ticket = bare_ticket(n);
    Ticket { log: sla::log_of(&ticket.clocks), ..ticket }
}

fn bare_ticket(n: u64) -> Ticket {
    Ticket {
        number: TicketNumber(n),
        version: 0,
        subject: format!("The invoice of week {n}"),
        status: Status::New,
        priority: Priority::Medium,
        tier: "standard".to_owned(),
        team: "billing".to_owned(),
        assignee: Some("Ben".to_owned()),
        channel: Channel::Mail,
        language: Language::parse("pt").unwrap(),
        zone: None,
        requester: Requester { name: "Zé".to_owned(), address: Some(address("ze@customer.example")) },
        participants: Vec::new(),
        organisation: "Customer Ltda".to_owned(),
        mailbox: "support".to_owned(),
        session: None,
        opened: at(i64::try_from(n).unwrap()),
        tags: ["billing".to_owned()].into(),
        clocks: vec![Clock {
            kind: ClockKind::FirstResponse,
            calendar: "office".to_owned(),
            armed: at(0),
            due: at(3_600_000 + i64::try_from(n).unwrap()),
            state: ClockState::Running { warn_at: None },
            step: 0,
        }],
        messages: 1,
        outbox: 1,
        history: 0,
        last_customer_id: MessageId::parse(&format!("m{n}@customer.example")),
        merged: None,
        third_parties: Vec::new(),
        absorbed: Vec::new(),
        split_off: None,
        moved: Vec::new(),
        apart: Vec::new(),
        noted: Tally::default(),
        log: Vec::new(),
        policy: None,
    }
}

pub(super) fn message(n: u64, seq: u32, text: &str) -> Message {
    Message {
        ticket: TicketNumber(n),
        seq,
        author: Author::Customer { name: "Zé".to_owned(), address: Some(address("ze@customer.example")) },
        visibility: Visibility::Public,
        channel: Channel::Mail,
        at: at(i64::from(seq)),
        message_id: MessageId::parse(&format!("m{n}@customer.example")),
        body: Body::all_new(text),
        attachments: Vec::new(),
        raw: None,
        machine: None,
        defects: Vec::new(),
        judgement: Judgement::default(),
        chat_seq: None,
        client_id: None,
        outbox: Vec::new(),
    }
}

pub(super) fn outbound(n: u64, count: u32) -> Outbound {
    Outbound {
        id: OutboxId { ticket: TicketNumber(n), n: count },
        purpose: Purpose::Ack,
        route: Route::Mail,
        audience: Audience::Customer,
        from: address("support@acme.example"),
        from_name: "Acme Support".to_owned(),
        to: Some(Contact { name: "Zé".to_owned(), address: address("ze@customer.example") }),
        shown_to: Vec::new(),
        subject: format!("Re: The invoice of week {n} [#{n}]"),
        in_reply_to: MessageId::parse(&format!("m{n}@customer.example")),
        references: Vec::new(),
        body: vec![Piece::Text("Olá Zé,\n\nrecebemos a sua mensagem.\n".to_owned()), Piece::QuotedTextOf(1)],
        attachments: Vec::new(),
        automatic: Some(Automatic::Replied),
        created: at(i64::try_from(n).unwrap()),
    }
}

pub(super) fn line(what: &str) -> History {
    History { at: at(1), by: Actor::Rule("invoices".to_owned()), what: what.to_owned(), why: "matched subject".to_owned() }
}

/// A mail that opens ticket `n` and is acknowledged.
pub(super) fn arrival(n: u64) -> Change {
    let number = TicketNumber(n);
    Change {
        arrival: Some(Arrival {
            source: Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: u32::try_from(n).unwrap() },
            at: at(1),
        }),
        cut: None,
        whole: None,
        bounced: None,
        fingerprint: Some(fingerprint(n)),
        source: Some(Source::Imap { mailbox: "support".to_owned(), uid_validity: 1, uid: u32::try_from(n).unwrap() }),
        landing: Some(Landing::Ticket { number, seq: 1 }),
        tickets: vec![ticket(n)],
        messages: vec![Message { outbox: vec![OutboxId { ticket: number, n: 1 }], ..message(n, 1, "Bom dia, falta a fatura.") }],
        history: vec![(number, line("team billing"))],
        outbox: vec![outbound(n, 1)],
        message_ids: vec![(MessageId::parse(&format!("m{n}@customer.example")).unwrap(), number)],
        expected_ids: vec![(MessageId::parse("late@customer.example").unwrap(), number)],
        session: None,
        quarantine: None,
        releases: None,
        dropped: None,
        marked: None,
        unmarked: None,
        acked: Some((address("ze@customer.example"), at(i64::try_from(n).unwrap()))),
        acked_unproven: Some("support".to_owned()),
        desk: None,
        undeliverable: false,
        turn: Some(Turn { team: "billing".to_owned(), agent: "ben".to_owned(), n }),
        absence: Some(Absence::Begins(Away { agent: "ben".to_owned(), since: at(1), until: Some(at(9)) })),
    }
}

/// Commits and waits for the disk.
pub(super) async fn commit(store: &Store, change: Change) -> Outcome {
    let committed = store.commit(change).await.unwrap();
    committed.receipt.await.unwrap();
    committed.outcome
}

/// What a mail of this number is made of.
pub(super) fn raw(n: u64) -> Vec<u8> {
    format!("Message-ID: <m{n}@customer.example>\r\nSubject: The invoice of week {n}\r\n\r\nBom dia, falta a fatura.\r\n").into_bytes()
}

/// Keeps and commits as the desk does; on disk on return.
pub(super) async fn take_in(store: &Store, n: u64) -> Outcome {
    let kept = store.keep(vec![raw(n)]).await.unwrap();
    let mut change = arrival(n);
    change.messages[0].raw = Some(kept[0]);
    commit(store, change).await
}

pub(super) fn assert_clean(store: &Store) {
    let report = store.verify(true).unwrap();
    assert!(report.is_clean(), "{report}");
}
