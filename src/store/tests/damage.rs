//! A store that is newer or damaged says so, and `verify` finds what does not fit.

use super::support::*;
use crate::domain::change::Landing;
use crate::domain::message::TicketNumber;
use crate::domain::outbound::OutboxId;
use crate::store::sled::keys;
use crate::store::sled::open::{LAYOUT, META_LAYOUT};
use crate::store::sled::record::{CounterRecord, Encoded, Encoder, LandingRecord, Record};
use crate::store::{OpenFault, OpenOptions, Store, StoreFault};
use ::sled::Batch;
use std::path::Path;

fn value<R: Record>(record: &R) -> Vec<u8> {
    let (Encoded::Value(value) | Encoded::Spill(value)) = Encoder::new().unwrap().encode(record).unwrap();
    value
}

fn put(store: &Store, key: keys::Key, value: Vec<u8>) {
    let mut batch = Batch::default();
    batch.insert(key, value);
    store.0.engine.apply(batch).unwrap();
}

fn remove(store: &Store, key: keys::Key) {
    let mut batch = Batch::default();
    batch.remove(key);
    store.0.engine.apply(batch).unwrap();
}

fn open_fault(dir: &Path) -> OpenFault {
    loop {
        let fault = Store::open(dir, &OpenOptions::default()).unwrap_err();
        // See `open_with`.
        if !matches!(fault, OpenFault::Locked) {
            return fault;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(&open(dir.path()), keys::meta(META_LAYOUT), value(&CounterRecord(u64::from(LAYOUT) + 1)));
    let fault = open_fault(dir.path());
    assert!(matches!(fault, OpenFault::Newer { found: 4, known: 3 }), "{fault}");
    assert!(fault.to_string().contains("run the guichet that wrote it"), "{fault}");
}

#[tokio::test]
async fn a_newer_record_is_not_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, arrival(1)).await;
    let mut newer = store.0.engine.get(&keys::ticket(TicketNumber(1))).unwrap().unwrap().to_vec();
    newer[0] += 1;
    let found = newer[0];
    put(&store, keys::ticket(TicketNumber(1)), newer);
    assert_eq!(store.ticket(TicketNumber(1)).unwrap_err(), StoreFault::NewerRecord { kind: "ticket", found, known: found - 1 });
    assert!(matches!(store.commit(arrival(1)).await.unwrap().outcome, crate::store::Outcome::Duplicate(_)), "the rest goes on");
}

#[tokio::test]
async fn a_damaged_store_says_what_to_do() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, &str); 4] = [
        (|dir| std::fs::remove_dir_all(dir.join("sled")).unwrap(), "a lost tree is not begun anew"),
        (|dir| std::fs::remove_file(dir.join("blobs/00000001.pack")).unwrap(), "a lost pack"),
        (|dir| std::fs::OpenOptions::new().write(true).open(dir.join("blobs/00000001.pack")).unwrap().set_len(10).unwrap(), "a cut pack"),
        (
            |dir| {
                for file in std::fs::read_dir(dir.join("sled")).unwrap() {
                    let path = file.unwrap().path();
                    if path.file_name().unwrap().to_str().unwrap().starts_with("snap") {
                        std::fs::write(path, b"rubbish, rubbish, rubbish").unwrap();
                    }
                }
            },
            "a damaged snapshot",
        ),
    ];
    for (spoil, why) in cases {
        let dir = tempfile::tempdir().unwrap();
        take_in(&open(dir.path()), 1).await;
        // A second open writes a snapshot.
        drop(open(dir.path()));
        spoil(dir.path());
        let fault = open_fault(dir.path());
        assert!(matches!(fault, OpenFault::Damaged { .. }), "{why}: {fault}");
        assert!(fault.to_string().contains("guichet restore"), "{why}: {fault}");
    }
}

#[tokio::test]
async fn verify_finds_what_does_not_fit() {
    type Spoil = fn(&Store);
    let cases: [(Spoil, &str, &str); 15] = [
        (|s| remove(s, keys::due(at(3_600_001).as_millisecond(), TicketNumber(1))), "P4", "a ticket that nothing wakes"),
        (|s| put(s, keys::due(5, TicketNumber(1)), vec![]), "P4", "a ticket that is woken twice"),
        (|s| put(s, keys::due(5, TicketNumber(9)), vec![]), "P4", "a clock of no ticket"),
        (|s| remove(s, keys::requester_ticket(&address("ze@customer.example"), TicketNumber(1))), "index", "a customer's forgotten ticket"),
        (|s| put(s, keys::requester_ticket(&address("eve@x.example"), TicketNumber(1)), vec![]), "index", "another's ticket"),
        (|s| remove(s, keys::message(TicketNumber(1), 1)), "P3", "a lost message"),
        (|s| remove(s, keys::history(TicketNumber(1), 1)), "record", "a lost line of history"),
        (|s| put(s, keys::fingerprint(fingerprint(8)), value(&LandingRecord::from(Landing::Quarantine { id: 4 }))), "P3", "nowhere"),
        (
            |s| put(s, keys::released(1), value(&LandingRecord::from(Landing::Ticket { number: TicketNumber(1), seq: 9 }))),
            "P3",
            "released into nothing",
        ),
        (|s| remove(s, keys::outbox_due(at(1), OutboxId { ticket: TicketNumber(1), n: 1 })), "P5", "a mail that would never go"),
        (|s| put(s, keys::outbox_due(at(7), OutboxId { ticket: TicketNumber(1), n: 1 }), vec![]), "P5", "a mail that would go twice"),
        (|s| remove(s, keys::outbox(OutboxId { ticket: TicketNumber(1), n: 1 })), "P5", "a mail without content"),
        (|s| remove(s, keys::blob(crate::store::blobs::name(&raw(1)).id)), "content", "a lost content"),
        (|s| put(s, keys::ticket(TicketNumber(1)), vec![1, 0, 255, 255]), "record", "rubbish"),
        (|s| put(s, keys::Key::of(keys::Kind::Ticket), vec![]), "record", "a malformed key"),
    ];
    for (spoil, of, why) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        take_in(&store, 1).await;
        assert_clean(&store);
        spoil(&store);
        let report = store.verify(false).unwrap();
        assert!(report.faults.iter().any(|fault| fault.of == of), "{why}: {report}");
        assert!(report.to_string().contains("fault: "));
    }
}

#[tokio::test]
async fn a_content_that_rots_is_found_by_a_deep_look_and_never_returned() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    take_in(&store, 1).await;
    let pack = dir.path().join("blobs/00000001.pack");
    let mut octets = std::fs::read(&pack).unwrap();
    octets[70] ^= 4;
    std::fs::write(&pack, octets).unwrap();
    assert!(store.verify(false).unwrap().is_clean());
    let report = store.verify(true).unwrap();
    assert_eq!((report.faults_total, report.faults[0].of), (1, "content"));
    assert!(matches!(store.blob(crate::store::blobs::name(&raw(1)).id).await, Err(StoreFault::Damaged { .. })));
}
