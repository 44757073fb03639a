use super::*;
use crate::domain::address::{Contact, EmailAddress};
use crate::domain::bounce::Mark;
use crate::domain::change::{Actor, History, Landing, Quarantined};
use crate::domain::message::*;
use crate::domain::ops::{DeskState, Silence};
use crate::domain::outbound::*;
use crate::domain::sla::{Clock, ClockKind, ClockState, Entry, Event};
use crate::domain::tally::Tally;
use crate::domain::ticket::{Merged, Participant, Priority, Requester, SplitOff, Status, ThirdParty, Ticket};
use crate::domain::verdict::{Basis, Judgement, Verdict};
use crate::store::outbox::Attempts;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn there_and_back<R: Record>(record: &R) -> R {
    let value = match Encoder::new().unwrap().encode(record).unwrap() {
        Encoded::Value(value) => value,
        Encoded::Spill(plain) => return decode_spilled(&plain, R::VERSION).unwrap(),
    };
    assert!(value.len() <= VALUE_OCTETS_MAX);
    match decode(&value).unwrap() {
        Decoded::Record(record) => record,
        Decoded::Spilled(..) => panic!("spilled"),
    }
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-1_000_000_000_000_i64..10_000_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

fn address() -> impl Strategy<Value = EmailAddress> {
    "[A-Za-zÀ-ÿ0-9+_-]{1,12}@[a-z]{1,9}\\.example".prop_map(|text| EmailAddress::parse(&text).unwrap())
}

fn contact() -> impl Strategy<Value = Contact> {
    (".{0,20}", address()).prop_map(|(name, address)| Contact { name, address })
}

fn message_id() -> impl Strategy<Value = MessageId> {
    ".{1,300}@.{1,20}".prop_filter_map("no id", |text| MessageId::parse(&text))
}

fn blob() -> impl Strategy<Value = BlobRef> {
    (any::<[u8; 32]>(), any::<u64>()).prop_map(|(id, size)| BlobRef { id: BlobId(id), size })
}

fn channel() -> impl Strategy<Value = Channel> {
    select(vec![Channel::Mail, Channel::Chat, Channel::Phone])
}

fn status() -> impl Strategy<Value = Status> {
    (time(), 0..6).prop_map(|(at, which)| match which {
        0 => Status::New,
        1 => Status::Open,
        2 => Status::Pending { since: at },
        3 => Status::Snoozed { until: at },
        4 => Status::Solved { at },
        _ => Status::Closed { at },
    })
}

fn clock() -> impl Strategy<Value = Clock> {
    let kinds = vec![
        ClockKind::FirstResponse,
        ClockKind::NextResponse,
        ClockKind::Resolution,
        ClockKind::Promise,
        ClockKind::Snooze,
        ClockKind::AutoClose,
        ClockKind::Review,
    ];
    (select(kinds), "[a-z]{0,9}", time(), time(), (time(), option::of(any::<i64>()), any::<i64>(), 0..5)).prop_map(
        |(kind, calendar, armed, due, (at, warn_left_s, left_s, which))| {
            let state = match which {
                0 => ClockState::Running { warn_at: warn_left_s.map(|_| at) },
                1 => ClockState::Warned { at },
                2 => ClockState::Paused { left_s, warn_left_s },
                3 => ClockState::Met { at },
                _ => ClockState::Breached { at },
            };
            Clock { kind, calendar, armed, due, state, step: 3 }
        },
    )
}

fn ticket() -> impl Strategy<Value = Ticket> {
    (
        (any::<u64>(), 0..u64::MAX, ".{0,500}", status(), select(Priority::ALL.to_vec()), "[a-z]{0,9}", "[a-z]{0,9}"),
        (option::of("[a-z]{1,9}"), channel(), "[a-z]{2}", ".{0,40}", option::of(address()), vec(contact(), 0..6), ".{0,30}"),
        (option::of(any::<[u8; 16]>()), time(), proptest::collection::btree_set("[a-z]{1,9}", 0..6), vec(clock(), 0..5)),
        (any::<u32>(), any::<u32>(), any::<u32>(), option::of(message_id())),
        (
            vec((contact(), any::<bool>()), 0..4),
            option::of((any::<u64>(), time(), status())),
            vec(any::<u64>(), 0..4),
            option::of((any::<u64>(), vec(any::<u32>(), 0..4))),
            vec((any::<u32>(), any::<u64>()), 0..4),
            vec(any::<u64>(), 0..4),
        ),
    )
        .prop_map(|(a, b, c, d, e)| Ticket {
            number: TicketNumber(a.0),
            version: a.1,
            subject: a.2,
            status: a.3,
            priority: a.4,
            tier: a.5,
            team: a.6,
            assignee: b.0,
            channel: b.1,
            language: Language::parse(&b.2).unwrap(),
            zone: (a.1 % 2 == 0).then(|| jiff::tz::TimeZone::get("Pacific/Kiritimati").unwrap()),
            requester: Requester { name: b.3, address: b.4 },
            participants: b.5.into_iter().map(|contact| Participant { name: contact.name, address: contact.address }).collect(),
            organisation: b.6.clone(),
            mailbox: b.6,
            session: c.0.map(SessionId),
            opened: c.1,
            tags: c.2,
            clocks: c.3,
            messages: d.0,
            outbox: d.1,
            history: d.2,
            last_customer_id: d.3,
            third_parties: e.0.into_iter().map(|(c, asked)| ThirdParty { name: c.name, address: c.address, asked }).collect(),
            merged: e.1.map(|(into, at, was)| Merged { into: TicketNumber(into), at, was }),
            absorbed: e.2.into_iter().map(TicketNumber).collect(),
            split_off: e.3.map(|(from, messages)| SplitOff { from: TicketNumber(from), messages }),
            moved: e.4.into_iter().map(|(seq, to)| (seq, TicketNumber(to))).collect(),
            apart: e.5.into_iter().map(TicketNumber).collect(),
            noted: Tally { last: 7, counts: vec![1, 2] },
            log: vec![Entry { at: Timestamp::UNIX_EPOCH, kind: ClockKind::Update, event: Event::Carried { used: 7 } }],
            policy: Some("gold".to_owned()),
        })
}

fn author() -> impl Strategy<Value = Author> {
    (contact(), any::<bool>(), 0..4).prop_map(|(contact, known, which)| match which {
        0 => Author::Customer { name: contact.name, address: known.then_some(contact.address) },
        1 => Author::ThirdParty(contact),
        2 => Author::Agent(contact),
        _ => Author::Desk,
    })
}

fn attachment() -> impl Strategy<Value = Attachment> {
    (".{0,60}", "[a-z]{1,9}/[a-z]{1,9}", blob(), option::of(".{0,30}")).prop_map(|(name, media_type, blob, content_id)| Attachment {
        name,
        media_type,
        blob,
        content_id,
    })
}

fn span() -> impl Strategy<Value = Span> {
    (select(vec![SpanKind::New, SpanKind::Quoted, SpanKind::Signature, SpanKind::Command]), any::<u32>(), any::<u32>())
        .prop_map(|(kind, start, end)| Span { kind, start, end })
}

fn message() -> impl Strategy<Value = Message> {
    (
        (any::<u64>(), any::<u32>(), author(), any::<bool>(), channel(), time(), option::of(message_id())),
        (".{0,3000}", option::of(blob()), vec(span(), 0..40), vec(attachment(), 0..5), option::of(blob())),
        (
            option::of("[a-z_]{1,9}"),
            vec(select(vec!["no_date", "cut_text"]), 0..3),
            option::of(any::<u32>()),
            vec(any::<(bool, u32)>(), 0..4),
        ),
    )
        .prop_map(|(a, b, c)| Message {
            ticket: TicketNumber(a.0),
            seq: a.1,
            author: a.2,
            visibility: if a.3 { Visibility::Public } else { Visibility::Internal },
            channel: a.4,
            at: a.5,
            message_id: a.6,
            body: Body { text: b.0.clone(), spans: b.2, kept: b.1 },
            attachments: b.3,
            raw: b.4,
            machine: c.0,
            judgement: Judgement {
                verdict: match c.2 {
                    None => Verdict::Unknown,
                    Some(n) if n % 2 == 0 => Verdict::Failed,
                    Some(_) => Verdict::Authenticated { domain: "x.example".to_owned() },
                },
                basis: if a.3 { Basis::Nobody } else { Basis::OwnCheck },
                why: b.0.chars().take(200).collect(),
            },
            defects: c.1.into_iter().map(|name| Defect { name, detail: "…".to_owned() }).collect(),
            chat_seq: c.2,
            client_id: c.2.map(|n| format!("c{n}")),
            outbox: c.3.into_iter().map(|(own, n)| OutboxId { ticket: TicketNumber(if own { a.0 } else { a.0 ^ 1 }), n }).collect(),
        })
}

fn outbound() -> impl Strategy<Value = Outbound> {
    let purposes = vec![
        Purpose::Ack,
        Purpose::Answer,
        Purpose::Notification,
        Purpose::Held,
        Purpose::Reply,
        Purpose::Warning,
        Purpose::Breach,
        Purpose::Review,
        Purpose::Alarm,
        Purpose::Recovery,
        Purpose::Digest,
    ];
    (
        (any::<u64>(), any::<u32>(), select(purposes), option::of((any::<[u8; 16]>(), any::<u32>(), any::<bool>())), 0..3),
        (address(), ".{0,20}", option::of(contact()), vec(contact(), 0..4), ".{0,100}"),
        (option::of(message_id()), vec(message_id(), 0..3), vec((0..3, ".{0,200}", any::<u32>()), 0..4), vec(attachment(), 0..3)),
        (option::of(any::<bool>()), time()),
    )
        .prop_map(|(a, b, c, d)| Outbound {
            id: OutboxId { ticket: TicketNumber(a.0), n: a.1 },
            purpose: a.2,
            route: a.3.map_or(Route::Mail, |(session, chat_seq, else_mail)| Route::Chat {
                session: SessionId(session),
                chat_seq,
                else_mail,
            }),
            audience: match a.4 {
                0 => Audience::Customer,
                1 => Audience::Agent(b.0.clone()),
                _ => Audience::Informed,
            },
            from: b.0,
            from_name: b.1,
            to: b.2,
            shown_to: b.3,
            subject: b.4,
            in_reply_to: c.0,
            references: c.1,
            body: c
                .2
                .into_iter()
                .map(|(which, text, seq)| match which {
                    0 => Piece::Text(text),
                    1 => Piece::NewTextOf(seq),
                    _ => Piece::QuotedTextOf(seq),
                })
                .collect(),
            attachments: c.3,
            automatic: d.0.map(|replied| if replied { Automatic::Replied } else { Automatic::Generated }),
            created: d.1,
        })
}

proptest! {
    #[test]
    fn a_mark_is_read_as_it_was_written(address in address(), since in time(), complained: bool, reason in ".{0,300}", ticket: u64, n: u32) {
        let mark = Mark { address, since, complained, reason, about: OutboxId { ticket: TicketNumber(ticket), n } };
        prop_assert_eq!(Mark::try_from(there_and_back(&MarkRecord::from(&mark))).unwrap(), mark);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_ticket_reads_back(ticket in ticket()) {
        prop_assert_eq!(there_and_back(&TicketRecord::from(&ticket)).ticket(ticket.number).unwrap(), ticket);
    }

    #[test]
    fn a_message_reads_back(message in message()) {
        let record = there_and_back(&MessageRecord::from(&message));
        prop_assert_eq!(record.kept_text(), message.body.kept);
        prop_assert_eq!(record.message(message.ticket, message.seq, message.body.text.clone()).unwrap(), message);
    }

    #[test]
    fn a_message_of_the_first_version_reads_as_judged_by_nobody(message in message()) {
        let judgement = Judgement::default();
        let record = MessageRecord::from(&Message { judgement: judgement.clone(), ..message.clone() });
        let plain = postcard::to_stdvec(&record).unwrap();
        // The judgement was put behind it: verdict, basis, and the length of the reason.
        let (first, behind) = plain.split_at(plain.len() - 3);
        prop_assert_eq!(behind, [2, 0, 0]);
        let read: MessageRecord = decode_spilled(first, 1).unwrap();
        let Decoded::Record(again) = decode::<MessageRecord>(&[&[1, 0], first].concat()).unwrap() else { panic!("spilled") };
        for record in [read, again] {
            let expect = Message { judgement: judgement.clone(), ..message.clone() };
            prop_assert_eq!(record.message(message.ticket, message.seq, message.body.text.clone()).unwrap(), expect);
        }
    }

    #[test]
    fn an_outbound_mail_reads_back(outbound in outbound()) {
        prop_assert_eq!(there_and_back(&OutboxRecord::from(&outbound)).outbound(outbound.id).unwrap(), outbound);
    }

    #[test]
    fn the_small_ones_read_back(at in time(), n: u64, seq: u32, which in 0..4, text in ".{0,300}", blob in option::of(blob()), flag: bool) {
        let by = match which {
            0 => Actor::Desk,
            1 => Actor::Rule(text.clone()),
            2 => Actor::Agent(text.clone()),
            _ => Actor::Customer,
        };
        let line = History { at, by, what: text.clone(), why: text.clone() };
        prop_assert_eq!(History::try_from(there_and_back(&HistoryRecord::from(&line))).unwrap(), line);

        let source = match which {
            0 => Source::Imap { mailbox: text.clone(), uid_validity: seq, uid: seq },
            1 => Source::Maildir { mailbox: text.clone(), file: text.clone() },
            _ => Source::Chat { session: SessionId([5; 16]), client_id: text.clone() },
        };
        let origin = Origin { cut: flag.then_some(n), arrivals: vec![Arrival { source: source.clone(), at }] };
        prop_assert_eq!(Origin::try_from(there_and_back(&OriginRecord::from(&origin))).unwrap(), origin);
        let quarantined = Quarantined { at, source, raw: blob, reason: text.clone(), detail: text.clone() };
        prop_assert_eq!(Quarantined::try_from(there_and_back(&QuarantineRecord::from(&quarantined))).unwrap(), quarantined);

        let landing = if flag { Landing::Quarantine { id: n } } else { Landing::Ticket { number: TicketNumber(n), seq } };
        prop_assert_eq!(Landing::from(there_and_back(&LandingRecord::from(landing))), landing);

        let attempts = Attempts { delivery: Delivery::Deferred, attempts: seq, next_attempt: flag.then_some(at), last_error: Some(text), by_mail: flag };
        prop_assert_eq!(Attempts::try_from(there_and_back(&AttemptsRecord::from(&attempts))).unwrap(), attempts);

        let silence = Silence { mailbox: "support".to_owned(), since: at, told: at, last_success: flag.then_some(at), ended: flag.then_some(at) };
        let desk = DeskState { version: 3, outbox: seq, digest_at: flag.then_some(at), told_quarantine: n, told_undeliverable: n, silences: vec![silence] };
        prop_assert_eq!(DeskState::try_from(there_and_back(&DeskRecord::next(&desk))).unwrap(), DeskState { version: 4, ..desk });

        let session = ChatSession { id: SessionId([5; 16]), ticket: flag.then_some(TicketNumber(n)), last_seq: seq, version: 3 };
        prop_assert_eq!(there_and_back(&SessionRecord::next(&session)).session(session.id), ChatSession { version: 4, ..session });
    }

    #[test]
    fn octets_that_are_no_record_are_a_fault(value in vec(any::<u8>(), 0..200)) {
        // Whatever it says, it says it without a panic.
        let _ = decode::<TicketRecord>(&value);
        let _ = decode::<MessageRecord>(&value).map(|decoded| match decoded {
            Decoded::Record(record) => record.message(TicketNumber(1), 1, String::new()).is_ok(),
            Decoded::Spilled(..) => false,
        });
    }
}

#[test]
fn versions_and_forms_are_told_apart() {
    let plain = value(&CounterRecord(7));
    for (octets, expect, why) in [
        (vec![], "is shorter than its head", "nothing"),
        (vec![1], "is shorter than its head", "half a head"),
        (vec![0, 0, 7], "has version 0, which was never written", "older than the first"),
        (vec![1, 9, 7], "has form 9", "a form of later"),
        (vec![1, 0, 7, 7], "has 1 octets too many", "something behind it"),
        (vec![1, 1, 255, 255, 255, 255, 0], "claims 4294967295 octets", "a bomb"),
        (vec![1, 2, 7], "names no blob", "half a name"),
    ] {
        let Err(StoreFault::Damaged { kind: "counter", detail }) = decode::<CounterRecord>(&octets) else { panic!("{why}") };
        assert_eq!(detail, expect, "{why}");
    }
    assert!(matches!(decode::<CounterRecord>(&plain), Ok(Decoded::Record(CounterRecord(7)))));
    let newer = [&[2], &plain[1..]].concat();
    assert!(matches!(decode::<CounterRecord>(&newer), Err(StoreFault::NewerRecord { kind: "counter", found: 2, known: 1 })));
}

fn value<R: Record>(record: &R) -> Vec<u8> {
    match Encoder::new().unwrap().encode(record).unwrap() {
        Encoded::Value(value) | Encoded::Spill(value) => value,
    }
}

#[test]
fn acks_are_sorted_and_bounded() {
    let mut acks = AcksRecord::default();
    for n in [5, 3, 9, 7].into_iter().chain(10..500) {
        acks.add(Timestamp::from_second(n).unwrap());
    }
    let times = acks.times().unwrap();
    assert_eq!(times.len(), AcksRecord::TIMES_MAX);
    assert!(times.is_sorted());
    assert_eq!(times.last().unwrap().as_second(), 499);
}
