//! Every method, against what it promises.

use super::support::*;
use crate::domain::bounce::Mark;
use crate::domain::change::{Change, ChatSession, Landing, Need, Quarantined};
use crate::domain::message::{
    Attachment, Author, BlobId, BlobRef, Body, Message, MessageId, SessionId, Source, Span, SpanKind, TicketNumber, Visibility,
};
use crate::domain::outbound::{Delivery, Outbound, OutboxId, Piece, Route};
use crate::domain::tally::Tally;
use crate::domain::ticket::{Status, Ticket};
use crate::store::{Advice, DumpOptions, OpenFault, OpenOptions, OutboxFilter, Outcome, Settled, Store, StoreFault, TicketFilter};
use jiff::SignedDuration;
use std::os::unix::fs::PermissionsExt;

const WINDOW: SessionId = SessionId([9; 16]);

type Spoil = fn(&mut Change);
type Name = fn(&mut Change, BlobRef);

#[tokio::test]
async fn what_was_committed_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.context(&Need::default()).unwrap().next_number, None, "the policy gives the first number");
    let outcome = commit(&store, arrival(1000)).await;
    let landing = Landing::Ticket { number: TicketNumber(1000), seq: 1 };
    assert_eq!(outcome, Outcome::Committed(Some(landing)));

    let number = TicketNumber(1000);
    let need = Need {
        report: None,
        own_id: MessageId::parse("late@customer.example"),
        messages: vec![(number, 1), (number, 9)],
        fingerprint: Some(fingerprint(1000)),
        tickets: vec![TicketNumber(7), number],
        message_ids: vec![MessageId::parse("m1000@customer.example").unwrap(), MessageId::parse("other@x.example").unwrap()],
        session: Some(WINDOW),
        sender: Some(address("ze@customer.example")),
        acks_through: Some("support".to_owned()),
        answered: None,
        said_in: Vec::new(),
    };
    let context = store.context(&need).unwrap();
    assert_eq!(context.seen, Some(landing));
    assert_eq!((context.messages.len(), context.expecting.as_slice()), (1, [number].as_slice()), "who waits for the message");
    assert_eq!(context.next_number, Some(TicketNumber(1001)));
    assert_eq!(context.tickets.len(), 1, "asked for twice, there once");
    let stored = Ticket { version: 1, history: 1, ..ticket(1000) };
    assert_eq!(context.tickets[0], stored);
    assert_eq!(context.known_ids, vec![(MessageId::parse("m1000@customer.example").unwrap(), number)]);
    assert_eq!(context.session, None);
    assert_eq!((context.earlier.len(), context.earlier[0].number, context.earlier[0].status), (1, number, "new"));
    assert_eq!(context.acks, vec![at(1000)]);
    let counted = |tally: &Tally| tally.within_hour(at(1000));
    let tallies = &context.unproven_acks;
    assert_eq!([counted(&tallies.domain), counted(&tallies.mailbox), counted(&tallies.desk)], [1; 3]);
    let elsewhere = Need { sender: Some(address("a@else.example")), acks_through: Some("sales".to_owned()), ..Need::default() };
    let tallies = store.context(&elsewhere).unwrap().unproven_acks;
    assert_eq!([counted(&tallies.domain), counted(&tallies.mailbox), counted(&tallies.desk)], [0, 0, 1], "each for itself");

    assert_eq!(store.ticket(number).unwrap(), Some(stored.clone()));
    assert_eq!(store.messages(number).unwrap(), arrival(1000).messages);
    assert_eq!(store.message(number, 1).unwrap().as_ref(), arrival(1000).messages.first());
    assert_eq!(store.message(number, 2).unwrap(), None);
    assert_eq!(store.history(number).unwrap(), vec![line("team billing")]);
    assert_eq!(store.cursor("support").unwrap(), Some((1, 1000)));
    assert_eq!(store.cursor("other").unwrap(), None);
    assert_eq!(store.tickets(TicketFilter::Any).collect::<Result<Vec<_>, _>>().unwrap(), vec![stored]);
    assert_clean(&store);
}

#[tokio::test]
async fn p11_what_was_said_before_is_recalled_only_if_asked_for_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let number = TicketNumber(1);
    let long = "an internal word ".repeat(3000);
    let said = |seq: u32| {
        let internal = Message { visibility: Visibility::Internal, author: Author::Desk, ..message(1, seq, &long) };
        match seq {
            2 => Message { machine: Some("away".to_owned()), ..internal },
            3..=9 => internal,
            _ => message(1, seq, "a public word"),
        }
    };
    let messages: Vec<_> = (2..=40).map(said).collect();
    let change = Change { tickets: vec![Ticket { version: 1, messages: 40, history: 1, ..ticket(1) }], messages, ..Change::default() };
    commit(&store, change).await;

    let context = store.context(&Need { tickets: vec![number], ..Need::default() }).unwrap();
    assert_eq!((context.said, context.answered), (Vec::new(), None), "not asked for");
    let id = OutboxId { ticket: number, n: 1 };
    let need = Need { tickets: vec![number], answered: Some(id), said_in: vec![TicketNumber(9), number], ..Need::default() };
    let context = store.context(&need).unwrap();
    let answered = context.answered.unwrap();
    assert!(answered.own.contains("recebemos a sua mensagem"), "the desk's own words: {answered:?}");
    assert!(answered.carried.contains(arrival(1).messages[0].body.text.trim()), "what it carried: {answered:?}");
    let octets = |visibility: Visibility| context.said.iter().filter(|s| s.visibility == visibility).map(|s| s.text.len()).sum::<usize>();
    let count = |visibility: Visibility| context.said.iter().filter(|s| s.visibility == visibility).count();
    assert_eq!((octets(Visibility::Internal), count(Visibility::Internal)), (64 * 1024, 2), "cut");
    assert_eq!(count(Visibility::Public), 20);
    assert_eq!(store.context(&Need { answered: Some(OutboxId { ticket: number, n: 9 }), ..Need::default() }).unwrap().answered, None);
}

#[tokio::test]
async fn p2_the_same_message_changes_nothing_but_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let mut again = arrival(2);
    again.fingerprint = Some(fingerprint(1));
    again.source = Some(Source::Imap { mailbox: "support".to_owned(), uid_validity: 2, uid: 40 });
    assert_eq!(commit(&store, again).await, Outcome::Duplicate(Landing::Ticket { number: TicketNumber(1), seq: 1 }));
    assert_eq!(store.ticket(TicketNumber(2)).unwrap(), None);
    assert_eq!(store.cursor("support").unwrap(), Some((2, 40)), "a changed UIDVALIDITY is not walked through again");
    assert_clean(&store);
}

#[tokio::test]
async fn a_cursor_moves_forward_within_its_validity() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, uid_validity, uid, expect, why) in [
        (1, 5, 10, (5, 10), "first"),
        (2, 5, 8, (5, 10), "an older one that took longer"),
        (3, 5, 11, (5, 11), "forward"),
        (4, 6, 1, (6, 1), "another folder under the same name"),
    ] {
        let source = Some(Source::Imap { mailbox: "support".to_owned(), uid_validity, uid });
        commit(&store, Change { source, ..arrival(n) }).await;
        assert_eq!(store.cursor("support").unwrap(), Some(expect), "{why}");
    }
}

#[tokio::test]
async fn what_was_decided_on_an_older_ticket_is_stale() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let read = store.ticket(TicketNumber(1)).unwrap().unwrap();
    let reply = |uid: u64| {
        let mut ticket = read.clone();
        ticket.status = Status::Open;
        let seq = ticket.take_seq();
        Change {
            fingerprint: Some(fingerprint(uid)),
            landing: Some(Landing::Ticket { number: ticket.number, seq }),
            messages: vec![message(1, seq, "E agora?")],
            history: vec![(ticket.number, line("open"))],
            tickets: vec![ticket],
            ..Default::default()
        }
    };
    assert!(matches!(commit(&store, reply(50)).await, Outcome::Committed(_)));
    assert_eq!(commit(&store, reply(51)).await, Outcome::Stale);
    assert_eq!(commit(&store, Change { fingerprint: Some(fingerprint(52)), ..arrival(1) }).await, Outcome::Stale, "the number is taken");
    let after = store.ticket(TicketNumber(1)).unwrap().unwrap();
    assert_eq!((after.version, after.messages, after.history, after.status), (2, 2, 2, Status::Open));
    assert_clean(&store);
}

#[tokio::test]
async fn a_change_that_contradicts_itself_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let cases: [(Spoil, &str); 9] = [
        (|c| c.landing = None, "a message that lands nowhere"),
        (|c| c.landing = Some(Landing::Quarantine { id: 1 }), "a quarantine that is not there"),
        (|c| c.tickets.push(c.tickets[0].clone()), "a ticket twice"),
        (|c| c.tickets[0].messages = 2, "a hole in the thread"),
        (|c| c.messages[0].seq = 2, "a wrong place in the thread"),
        (|c| c.tickets[0].outbox = 0, "an outbox entry that the ticket does not count"),
        (|c| c.outbox.push(c.outbox[0].clone()), "one name for two mails"),
        (|c| c.messages[0].chat_seq = Some(1), "a chat message without a session"),
        (|c| c.history[0].0 = TicketNumber(1), "history of another ticket"),
    ];
    for (spoil, why) in cases {
        let mut change = arrival(2);
        spoil(&mut change);
        let fault = store.commit(change).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Unsound(_)), "{why}: {fault}");
        assert_eq!(fault.advice(), Advice::GiveUp);
        assert_eq!(store.ticket(TicketNumber(2)).unwrap(), None, "{why}");
    }
    assert!(matches!(commit(&store, arrival(2)).await, Outcome::Committed(_)), "and the store goes on");
    assert_clean(&store);
}

#[tokio::test]
async fn due_tickets_come_in_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in [3, 1, 2] {
        commit(&store, arrival(n)).await;
    }
    let hour = 3_600_000;
    assert_eq!(store.due(at(hour), 10).unwrap(), (vec![], Some(at(hour + 1))));
    assert_eq!(store.due(at(hour + 2), 10).unwrap(), (vec![TicketNumber(1), TicketNumber(2)], Some(at(hour + 3))));
    assert_eq!(store.due(at(hour + 2), 1).unwrap(), (vec![TicketNumber(1)], Some(at(hour + 2))), "the rest is due at once");
    assert_eq!(store.due(at(hour + 9), 10).unwrap().1, None);

    let mut first = store.ticket(TicketNumber(1)).unwrap().unwrap();
    first.clocks[0].due = at(2 * hour);
    let change = Change { tickets: vec![first], ..Default::default() };
    commit(&store, change).await;
    assert_eq!(store.due(at(hour + 9), 10).unwrap().0, vec![TicketNumber(2), TicketNumber(3)]);
    let order: Vec<u64> = store.tickets(TicketFilter::NotClosed).map(|t| t.unwrap().number.0).collect();
    assert_eq!(order, vec![2, 3, 1]);
    assert_clean(&store);
}

#[tokio::test]
async fn a_closed_ticket_leaves_the_list_and_a_forgotten_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    commit(&store, arrival(2)).await;
    for (n, status) in [(1, Status::Closed { at: at(5) }), (2, Status::Open)] {
        let mut ticket = store.ticket(TicketNumber(n)).unwrap().unwrap();
        (ticket.status, ticket.clocks) = (status, Vec::new());
        commit(&store, Change { tickets: vec![ticket], ..Default::default() }).await;
    }
    let open: Vec<u64> = store.tickets(TicketFilter::NotClosed).map(|t| t.unwrap().number.0).collect();
    assert_eq!(open, vec![2], "a decision that forgot its clock does not hide it");
    assert_eq!(store.due(at(i64::from(u32::MAX)), 10).unwrap(), (vec![], None));
    let report = store.verify(false).unwrap();
    assert_eq!(report.faults.iter().map(|fault| fault.of).collect::<Vec<_>>(), vec!["P4"], "{report}");
}

#[tokio::test]
async fn p5_an_attempt_is_recorded_before_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let id = OutboxId { ticket: TicketNumber(1), n: 1 };
    let lease = SignedDuration::from_secs(60);
    {
        let store = open(dir.path());
        commit(&store, arrival(1)).await;
        commit(&store, arrival(2)).await;
        assert_eq!(store.next_outbox().unwrap(), Some(at(1)));
        assert!(store.claim_outbox(at(0), lease, 10).await.unwrap().is_empty(), "not due yet");
        let claimed = store.claim_outbox(at(1), lease, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!((claimed[0].outbound.clone(), claimed[0].attempts), (outbound(1, 1), 1));
        assert!(store.claim_outbox(at(1), lease, 10).await.unwrap().is_empty(), "not again while it runs");
    }
    let store = open(dir.path());
    assert!(store.claim_outbox(at(1), lease, 10).await.unwrap().is_empty(), "nor after a crash");
    let again = store.claim_outbox(at(60_001), lease, 10).await.unwrap();
    let ids: Vec<u64> = again.iter().map(|entry| entry.outbound.id.ticket.0).collect();
    assert_eq!(ids, vec![2, 1], "by time");
    assert_eq!(again[1].attempts, 2);
    assert_eq!(again[1].outbound.id, id, "the same mail");
    assert_clean(&store);
}

#[tokio::test]
async fn a_verdict_decides_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lease = SignedDuration::from_secs(60);
    let why = || "451 later".to_owned();
    for (n, verdict, delivery, next, error) in [
        (1, Settled::Sent, Delivery::Sent, None, None),
        (2, Settled::Retry { at: at(500), why: why() }, Delivery::Deferred, Some(at(500)), Some(why())),
        (3, Settled::Uncertain { at: at(600), why: why() }, Delivery::Uncertain, Some(at(600)), Some(why())),
        (4, Settled::Failed { why: why() }, Delivery::Failed, None, Some(why())),
        (5, Settled::ByMail, Delivery::Queued, Some(at(9)), None),
    ] {
        let mut change = arrival(n);
        change.outbox[0].route = Route::Chat { session: WINDOW, chat_seq: 1, else_mail: true };
        commit(&store, change).await;
        assert_eq!(store.claim_outbox(at(5), lease, 1).await.unwrap().len(), 1);
        let id = OutboxId { ticket: TicketNumber(n), n: 1 };
        let is_by_mail = verdict == Settled::ByMail;
        store.settle_outbox(id, verdict, at(9)).await.unwrap().await.unwrap();
        let entry = store.outbox_entry(id).unwrap().unwrap();
        assert_eq!((entry.delivery, entry.next_attempt, entry.last_error), (delivery, next, error), "{n}");
        assert_eq!(entry.outbound.route == Route::Mail, is_by_mail);
        assert_eq!(store.deliveries(TicketNumber(n)).unwrap()[0].attempts.delivery, delivery);
    }
    let ids = |filter| -> Vec<u64> { store.outbox_list(filter, 10).unwrap().iter().map(|entry| entry.outbound.id.ticket.0).collect() };
    assert_eq!(ids(OutboxFilter::Waiting), vec![5, 2, 3]);
    assert_eq!(ids(OutboxFilter::GivenUp), vec![4]);
    assert_eq!(ids(OutboxFilter::Any), vec![1, 2, 3, 4, 5]);
    assert_clean(&store);
}

#[tokio::test]
async fn ops_and_reports_have_a_say() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let id = OutboxId { ticket: TicketNumber(1), n: 1 };
    store.settle_outbox(id, Settled::Sent, at(2)).await.unwrap().await.unwrap();
    store.mark_delivery(id, Delivery::Bounced, at(3)).await.unwrap().await.unwrap();
    store.settle_outbox(id, Settled::Sent, at(4)).await.unwrap().await.unwrap();
    assert_eq!(store.outbox_entry(id).unwrap().unwrap().delivery, Delivery::Bounced, "a bounce is the last word");
    assert_eq!(store.next_outbox().unwrap(), None);
    store.mark_delivery(id, Delivery::Queued, at(5)).await.unwrap().await.unwrap();
    assert_eq!(store.next_outbox().unwrap(), Some(at(5)), "but for ops");
    assert_clean(&store);
    let nobody = OutboxId { ticket: TicketNumber(1), n: 9 };
    assert_eq!(store.settle_outbox(nobody, Settled::Sent, at(4)).await.unwrap_err(), StoreFault::NoSuchEntry(nobody));
}

#[tokio::test]
async fn a_chat_is_replayed_from_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut opened = arrival(1);
    opened.session = Some(ChatSession { id: WINDOW, ticket: Some(TicketNumber(1)), last_seq: 1, version: 0 });
    opened.messages[0].chat_seq = Some(1);
    opened.tickets[0].session = Some(WINDOW);
    commit(&store, opened).await;
    for seq in 2..=4 {
        let session = store.session(WINDOW).unwrap().unwrap();
        assert_eq!(session.version, u64::from(seq) - 1);
        let mut ticket = store.ticket(TicketNumber(1)).unwrap().unwrap();
        assert_eq!(ticket.take_seq(), seq);
        let change = Change {
            messages: vec![Message { chat_seq: Some(seq), ..message(1, seq, &format!("frase {seq}")) }],
            session: Some(ChatSession { last_seq: seq, ..session }),
            tickets: vec![ticket],
            ..Default::default()
        };
        commit(&store, change).await;
    }
    let texts = |after, limit| -> Vec<String> {
        store.chat_since(WINDOW, after, limit).unwrap().into_iter().map(|message| message.body.text).collect()
    };
    assert_eq!(texts(0, 10).len(), 4);
    assert_eq!(texts(2, 10), vec!["frase 3", "frase 4"]);
    assert_eq!(texts(1, 1), vec!["frase 2"]);
    assert!(texts(4, 10).is_empty());
    assert!(store.chat_since(SessionId([1; 16]), 0, 10).unwrap().is_empty(), "another's window");
    let stale = Change { session: Some(ChatSession { id: WINDOW, ticket: None, last_seq: 9, version: 1 }), ..Default::default() };
    assert_eq!(commit(&store, stale).await, Outcome::Stale);
    assert_clean(&store);
}

#[tokio::test]
async fn p3_quarantined_messages_get_numbers_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let kept = store.keep(vec![b"not a mail".to_vec()]).await.unwrap();
    for n in 1..=2 {
        let source = Source::Maildir { mailbox: "support".to_owned(), file: format!("{n}.M1") };
        let quarantine = Quarantined {
            at: at(n),
            source: source.clone(),
            raw: Some(kept[0]),
            reason: "no_sender".to_owned(),
            detail: "no From".to_owned(),
        };
        let change = Change {
            fingerprint: Some(fingerprint(n.cast_unsigned())),
            source: Some(source),
            landing: Some(Landing::Quarantine { id: 0 }),
            quarantine: Some(quarantine),
            ..Default::default()
        };
        assert_eq!(commit(&store, change.clone()).await, Outcome::Committed(Some(Landing::Quarantine { id: n.cast_unsigned() })));
        assert_eq!(commit(&store, change).await, Outcome::Duplicate(Landing::Quarantine { id: n.cast_unsigned() }));
    }
    let ids: Vec<u64> = store.quarantine().unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, vec![1, 2]);
    assert_clean(&store);
}

/// A message that is set aside under the fingerprint of the `n`th.
fn set_aside(n: u64) -> Change {
    let source = Source::Maildir { mailbox: "support".to_owned(), file: format!("{n}.M1") };
    let (reason, detail) = ("no_sender".to_owned(), "no From".to_owned());
    let quarantine = Quarantined { at: at(1), source, raw: None, reason, detail };
    Change { fingerprint: Some(fingerprint(n)), quarantine: Some(quarantine), ..Default::default() }
}

#[tokio::test]
async fn p2_a_message_is_released_from_quarantine_once() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        commit(&store, set_aside(1)).await;
        commit(&store, set_aside(2)).await;
        let release = |id, n| Change { releases: Some(id), source: None, ..arrival(n) };
        let landing = Landing::Ticket { number: TicketNumber(1), seq: 1 };
        let elsewhere = commit(&store, release(2, 1)).await;
        assert_eq!(elsewhere, Outcome::Duplicate(Landing::Quarantine { id: 1 }), "another's entry");
        for (spoil, why) in [
            (Change { fingerprint: None, ..release(1, 1) }, "which message?"),
            (Change { releases: Some(1), ..set_aside(1) }, "from quarantine to quarantine"),
            (release(9, 9), "a message that was never set aside"),
        ] {
            let fault = store.commit(spoil).await.unwrap_err();
            assert!(matches!(fault, StoreFault::Unsound(_)), "{why}: {fault}");
        }
        assert_eq!(commit(&store, release(1, 1)).await, Outcome::Committed(Some(landing)));
        assert_eq!(commit(&store, release(1, 1)).await, Outcome::Duplicate(landing), "not twice");
        assert_eq!(commit(&store, set_aside(1)).await, Outcome::Duplicate(landing), "nor set aside again");
        assert_clean(&store);
    }
    let store = open(dir.path());
    let landing = Landing::Ticket { number: TicketNumber(1), seq: 1 };
    assert_eq!((store.released(1).unwrap(), store.released(2).unwrap()), (Some(landing), None));
    assert_eq!(store.quarantined(1).unwrap(), set_aside(1).quarantine, "it is kept");
    assert_eq!(store.context(&Need { fingerprint: Some(fingerprint(1)), ..Need::default() }).unwrap().seen, Some(landing));
    assert_eq!((store.quarantined(3).unwrap(), store.released(3).unwrap()), (None, None));
    assert_clean(&store);
}

#[tokio::test]
async fn p5_a_mail_is_dropped_with_its_line_of_history_while_it_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let id = OutboxId { ticket: TicketNumber(1), n: 1 };
    let drop = || {
        let ticket = store.ticket(TicketNumber(1)).unwrap().unwrap();
        let history = vec![(ticket.number, line("not sent"))];
        Change { dropped: Some((id, "dropped by hand".to_owned())), tickets: vec![ticket], history, ..Default::default() }
    };
    let foreign = Change { tickets: Vec::new(), history: Vec::new(), ..drop() };
    assert!(matches!(store.commit(foreign).await.unwrap_err(), StoreFault::Unsound(_)), "without its ticket");
    assert_eq!(commit(&store, drop()).await, Outcome::Committed(None));
    let entry = store.outbox_entry(id).unwrap().unwrap();
    assert_eq!((entry.delivery, entry.next_attempt, entry.last_error.as_deref()), (Delivery::Failed, None, Some("dropped by hand")));
    assert_eq!(store.next_outbox().unwrap(), None);
    assert_eq!(commit(&store, drop()).await, Outcome::Stale, "not twice");
    store.mark_delivery(id, Delivery::Queued, at(5)).await.unwrap().await.unwrap();
    store.settle_outbox(id, Settled::Sent, at(6)).await.unwrap().await.unwrap();
    assert_eq!(commit(&store, drop()).await, Outcome::Stale, "nor what was sent");
    assert_eq!(store.history(TicketNumber(1)).unwrap().len(), 2);
    assert_clean(&store);
}

#[tokio::test]
async fn earlier_tickets_and_acks_are_bounded_and_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 1..=40 {
        commit(&store, arrival(n)).await;
    }
    let context = store.context(&Need { sender: Some(address("ze@customer.example")), ..Need::default() }).unwrap();
    assert_eq!(context.earlier.iter().map(|ticket| ticket.number.0).collect::<Vec<_>>(), (31..=40).rev().collect::<Vec<_>>());
    assert_eq!(context.acks, (1..=40).map(at).collect::<Vec<_>>(), "fewer than their bound");
    assert_eq!(store.context(&Need { sender: Some(address("z@customer.example")), ..Need::default() }).unwrap().earlier, vec![]);
}

#[tokio::test]
async fn contents_are_kept_once_and_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let noise: Vec<u8> = blake3::Hasher::new().finalize_xof().bytes_of(300_000);
    let parts = vec![Vec::new(), b"x".to_vec(), vec![b'a'; 100_000], noise, vec![b'a'; 100_000]];
    let kept = store.keep(parts.clone()).await.unwrap();
    assert_eq!(kept[2], kept[4]);
    let octets = store.size().unwrap().blobs_disk_octets;
    assert_eq!(store.keep(parts.clone()).await.unwrap(), kept);
    assert_eq!(store.size().unwrap().blobs_disk_octets, octets, "nothing is appended again");
    assert!(octets < 310_000, "what repeats is packed: {octets}");
    for (part, blob) in parts.into_iter().zip(&kept) {
        assert_eq!(blob.size, part.len() as u64);
        assert_eq!(store.blob(blob.id).await.unwrap(), Some(part));
    }
    assert_eq!(store.blob(BlobId([1; 32])).await.unwrap(), None);
}

trait BytesOf {
    fn bytes_of(self, octets: usize) -> Vec<u8>;
}

impl BytesOf for blake3::OutputReader {
    fn bytes_of(mut self, octets: usize) -> Vec<u8> {
        let mut bytes = vec![0; octets];
        self.fill(&mut bytes);
        bytes
    }
}

#[tokio::test]
async fn p1_a_change_cannot_name_what_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let blob = BlobRef { id: BlobId([3; 32]), size: 1 };
    let names: [Name; 2] = [
        |c, blob| c.messages[0].raw = Some(blob),
        |c, blob| c.outbox[0].attachments.push(Attachment { name: "a".to_owned(), media_type: "x/y".to_owned(), blob, content_id: None }),
    ];
    for name in names {
        let mut change = arrival(1);
        name(&mut change, blob);
        assert_eq!(store.commit(change).await.unwrap_err(), StoreFault::MissingBlob(blob.id));
    }
    let mut change = arrival(1);
    let kept = store.keep(vec![b"one text".to_vec()]).await.unwrap();
    change.messages[0].body = Body { kept: Some(kept[0]), ..Body::all_new("another text") };
    assert!(matches!(store.commit(change).await.unwrap_err(), StoreFault::Unsound(_)));
}

#[tokio::test]
async fn long_texts_and_records_live_in_the_packs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let noise = |seed: u8, octets: usize| -> String {
        let bytes = blake3::Hasher::new().update(&[seed]).finalize_xof().bytes_of(octets);
        bytes.iter().map(|b| char::from(b'!' + b % 90)).collect()
    };
    let (kept_text, long_text, long_ack) = (noise(1, 200_000), noise(2, 50_000), noise(3, 40_000));
    let kept = store.keep(vec![kept_text.clone().into_bytes()]).await.unwrap();
    let mut change = arrival(1);
    change.messages[0].body = Body { kept: Some(kept[0]), ..Body::all_new(kept_text) };
    change.messages.push(message(1, 2, &long_text));
    change.tickets[0].messages = 2;
    change.outbox[0].body = vec![Piece::Text(long_ack)];
    let expected: (Vec<Message>, Outbound) = (change.messages.clone(), change.outbox[0].clone());
    commit(&store, change).await;
    assert_clean(&store);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.messages(TicketNumber(1)).unwrap(), expected.0);
    assert_eq!(store.outbox_entry(OutboxId { ticket: TicketNumber(1), n: 1 }).unwrap().unwrap().outbound, expected.1);
    assert_clean(&store);

    let mut change = arrival(2);
    change.messages[0].body = Body::all_new(noise(4, 2_000_000));
    let fault = store.commit(change).await.unwrap_err();
    assert!(matches!(fault, StoreFault::TooLarge { kind: "message", .. }), "P11: {fault}");
}

#[tokio::test]
async fn too_many_spans_hide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let text = "> a\nb\n".repeat(400);
    let spans = (0..800).map(|n| Span { kind: if n % 2 == 0 { SpanKind::Quoted } else { SpanKind::New }, start: n * 3, end: n * 3 + 3 });
    let mut change = arrival(1);
    change.messages[0].body = Body { text: text.clone(), spans: spans.collect(), kept: None };
    commit(&store, change).await;
    let body = store.message(TicketNumber(1), 1).unwrap().unwrap().body;
    assert_eq!((body.text.len(), body.spans.len()), (2400, 512));
    assert_eq!(body.spans.last().copied(), Some(Span { kind: SpanKind::New, start: 511 * 3, end: 2400 }));
}

#[tokio::test]
async fn a_second_process_is_told_to_stay_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(Store::open(dir.path(), &OpenOptions::default()), Err(OpenFault::Locked)));
    drop(store);
    open(dir.path());
}

#[tokio::test]
async fn a_closed_store_has_everything_on_disk_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let committed = store.commit(arrival(1)).await.unwrap();
    store.close().await;
    committed.receipt.await.unwrap();
    assert_eq!(store.commit(arrival(2)).await.unwrap_err(), StoreFault::Closed);
    assert_eq!(store.keep(vec![b"x".to_vec()]).await.unwrap_err(), StoreFault::Closed);
    assert!(store.ticket(TicketNumber(1)).unwrap().is_some(), "reading goes on");
}

#[tokio::test]
async fn a_secret_is_made_once_and_is_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let secret = store.secret("reply").unwrap();
    assert_eq!(store.secret("reply").unwrap(), secret);
    assert_ne!(store.secret("other").unwrap(), secret);
    let mode = std::fs::metadata(dir.path().join("reply.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(store.secret("../reply").is_err());
    std::fs::write(dir.path().join("cut.key"), b"short").unwrap();
    assert!(matches!(store.secret("cut"), Err(StoreFault::Damaged { .. })), "never replaced by a new one");
}

#[tokio::test]
async fn an_address_is_marked_until_it_is_unmarked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    take_in(&store, 1).await;
    let mark = Mark {
        address: address("ze@customer.example"),
        since: at(5),
        complained: false,
        reason: "5.1.1 no".to_owned(),
        about: OutboxId { ticket: TicketNumber(1), n: 1 },
    };
    commit(&store, Change { marked: Some(mark.clone()), ..Change::default() }).await;
    let need = Need { sender: Some(mark.address.clone()), ..Need::default() };
    assert_eq!((store.context(&need).unwrap().marks, store.marks().unwrap()), (vec![mark.clone()], vec![mark.clone()]));
    assert_clean(&store);
    let mut dumped = Vec::new();
    store
        .dump(DumpOptions::default(), |line| {
            dumped.push(line);
            true
        })
        .unwrap();
    assert!(dumped.iter().any(|line| line.starts_with("mark ") && !line.contains("ze@")), "its address is hidden");
    store.close().await;
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.mark(&mark.address).unwrap(), Some(mark.clone()), "after a restart");
    commit(&store, Change { unmarked: Some(mark.address.clone()), ..Change::default() }).await;
    assert_eq!(store.marks().unwrap(), []);
    assert_clean(&store);
}
