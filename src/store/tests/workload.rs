//! What agents have to do is counted as their tickets move, and survives what the tickets survive.

use super::support::*;
use crate::domain::assign::{Load, Turn, Workload};
use crate::domain::away::{Absence, Away};
use crate::domain::change::Change;
use crate::domain::message::TicketNumber;
use crate::domain::ticket::{Priority, Status, Ticket};
use crate::fault_plan::{Failure, FaultPlan, Place};
use crate::store::sled::keys::{self, Kind};
use crate::store::sled::open::{LAYOUT, META_LAYOUT};
use crate::store::sled::record::{CounterRecord, Encoded, Encoder, LoadRecord, Record};
use crate::store::{DumpOptions, OpenOptions, Outcome, Store};
use ::sled::Batch;
use proptest::prelude::*;

fn turn(team: &str, agent: &str, n: u64) -> Turn {
    Turn { team: team.to_owned(), agent: agent.to_owned(), n }
}

/// A mail that opens a ticket for somebody.
fn opened(n: u64, agent: Option<&str>, priority: Priority) -> Change {
    let mut change = Change { turn: None, ..arrival(n) };
    change.tickets[0].assignee = agent.map(str::to_owned);
    change.tickets[0].priority = priority;
    change
}

/// A ticket as it is stored, changed.
fn moved(store: &Store, n: u64, change: impl FnOnce(&mut Ticket)) -> Ticket {
    let mut ticket = store.ticket(TicketNumber(n)).unwrap().unwrap();
    change(&mut ticket);
    ticket
}

async fn write(store: &Store, tickets: Vec<Ticket>) {
    assert!(matches!(commit(store, Change { tickets, ..Change::default() }).await, Outcome::Committed(_)));
}

fn loads(store: &Store) -> Vec<(String, [u32; 4])> {
    store.workload().unwrap().loads.into_iter().map(|(agent, load)| (agent, load.0)).collect()
}

fn expect(loads: &[(&str, [u32; 4])]) -> Vec<(String, [u32; 4])> {
    loads.iter().map(|(agent, load)| ((*agent).to_owned(), *load)).collect()
}

fn value<R: Record>(record: &R) -> Vec<u8> {
    let (Encoded::Value(value) | Encoded::Spill(value)) = Encoder::new().unwrap().encode(record).unwrap();
    value
}

fn apply(store: &Store, rows: Vec<(keys::Key, Option<Vec<u8>>)>) {
    let mut batch = Batch::default();
    for (key, value) in rows {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    store.0.engine.apply(batch).unwrap();
}

#[tokio::test]
async fn a_load_follows_its_tickets() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.workload().unwrap(), Workload::default());
    commit(&store, opened(1, Some("ana"), Priority::High)).await;
    commit(&store, opened(2, Some("Ana"), Priority::Low)).await;
    commit(&store, opened(3, None, Priority::Low)).await;
    assert!(matches!(commit(&store, opened(2, Some("ana"), Priority::Low)).await, Outcome::Duplicate(_)));
    assert_eq!(loads(&store), expect(&[("ana", [1, 0, 1, 0])]), "a copy changes nothing (P2)");
    write(&store, vec![moved(&store, 1, |t| t.priority = Priority::Critical)]).await;
    assert_eq!(loads(&store), expect(&[("ana", [1, 0, 0, 1])]), "another priority");
    let stale = store.ticket(TicketNumber(2)).unwrap().unwrap();
    write(
        &store,
        vec![moved(&store, 1, |t| t.assignee = Some("ben".to_owned())), moved(&store, 2, |t| t.assignee = Some("ben".to_owned()))],
    )
    .await;
    assert_eq!(loads(&store), expect(&[("ben", [1, 0, 0, 1])]), "two of one agent in one change; who has none is not there");
    let late = Change { tickets: vec![stale], ..Change::default() };
    assert!(matches!(commit(&store, late).await, Outcome::Stale));
    for (status, expected, why) in [
        (Status::Pending { since: at(1) }, vec![("ben", [1, 0, 0, 0])], "it waits"),
        (Status::Open, vec![("ben", [1, 0, 0, 1])], "the customer wrote"),
        (Status::Solved { at: at(1) }, vec![("ben", [1, 0, 0, 0])], "done"),
        (Status::Closed { at: at(1) }, vec![("ben", [1, 0, 0, 0])], "gone"),
        (Status::Open, vec![("ben", [1, 0, 0, 1])], "and back"),
    ] {
        write(&store, vec![moved(&store, 1, |t| t.status = status)]).await;
        assert_eq!(loads(&store), expect(&expected), "{why}");
    }
    assert_clean(&store);
    store.close().await;
    drop(store);
    assert_eq!(loads(&open(dir.path())), expect(&[("ben", [1, 0, 0, 1])]), "it is stored");
}

#[tokio::test]
async fn a_turn_is_the_last_of_its_agent_and_team() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, turn) in [turn("billing", "ana", 1), turn("billing", "ben", 2), turn("frontline", "ana", 1), turn("billing", "ana", 3)]
        .into_iter()
        .enumerate()
    {
        commit(&store, Change { turn: Some(turn), ..arrival(n as u64 + 1) }).await;
    }
    let mut turns = store.workload().unwrap().turns;
    turns.sort_by(|a, b| (&a.team, a.n).cmp(&(&b.team, b.n)));
    assert_eq!(turns, [turn("billing", "ben", 2), turn("billing", "ana", 3), turn("frontline", "ana", 1)]);
    let mut lines = Vec::new();
    store
        .dump(DumpOptions { without_times: true }, |line| {
            lines.push(line);
            true
        })
        .unwrap();
    for line in ["load ben tickets=[low:0,medium:4,high:0,critical:0] weight=8", "turn billing ana n=3", "turn frontline ana n=1"] {
        assert!(lines.iter().any(|l| l == line), "{line}: {lines:#?}");
    }
    assert_clean(&store);
}

#[tokio::test]
async fn verify_finds_loads_and_turns_that_do_not_fit() {
    type Rows = Vec<(keys::Key, Option<Vec<u8>>)>;
    let record = |load: [u32; 4]| Some(value(&LoadRecord::from(Load(load))));
    let turn_record = |team: &str, n: u64| Some(value(&crate::store::sled::record::TurnRecord::from(&turn(team, "ana", n))));
    let cases: [(Rows, &str, &str); 5] = [
        (
            vec![(keys::load("ana"), None)],
            "index: agent ana is counted with [0, 0, 0, 0] tickets by priority, and has [0, 0, 1, 0]",
            "gone",
        ),
        (
            vec![(keys::load("ana"), record([0, 0, 2, 0]))],
            "index: agent ana is counted with [0, 0, 2, 0] tickets by priority, and has [0, 0, 1, 0]",
            "too many",
        ),
        (vec![(keys::load("eve"), record([0; 4]))], "index: agent eve is counted with no ticket", "nothing is left over"),
        (vec![(keys::turn("billing", "ana"), turn_record("frontline", 1))], "index: a turn does not stand under its agent", "another's"),
        (
            vec![(keys::turn("billing", "ana"), turn_record("billing", 0))],
            "record: turn 0 of team billing was given twice, or is none",
            "none",
        ),
    ];
    for (rows, fault, why) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        commit(&store, opened(1, Some("ana"), Priority::High)).await;
        assert_clean(&store);
        store.close().await;
        drop(store);
        let store = open(dir.path());
        apply(&store, rows);
        let faults: Vec<String> = store.verify(false).unwrap().faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [fault], "{why}");
    }
}

#[tokio::test]
async fn an_older_store_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 1..=20 {
        let agent = ["ana", "ben"][usize::from(n % 3 == 0)];
        commit(&store, opened(n, Some(agent), Priority::ALL[usize::try_from(n % 4).unwrap()])).await;
    }
    write(&store, vec![moved(&store, 4, |t| t.status = Status::Closed { at: at(1) })]).await;
    let counted = loads(&store);
    assert_clean(&store);
    store.close().await;
    drop(store);
    // As the layout before had it.
    let store = open(dir.path());
    let gone = store.0.engine.scan(&keys::Key::of(Kind::Load)).map(|row| (keys::load(&keys::read_load(&row.unwrap().0).unwrap()), None));
    apply(&store, gone.chain([(keys::meta(META_LAYOUT), Some(value(&CounterRecord(1))))]).collect());
    assert_eq!(loads(&store), []);
    store.close().await;
    drop(store);
    let store = open(dir.path());
    assert_eq!((loads(&store), store.0.engine.counter(META_LAYOUT).unwrap()), (counted.clone(), u64::from(LAYOUT)));
    assert_clean(&store);
    store.close().await;
    drop(store);
    assert_eq!(loads(&open(dir.path())), counted, "and then no more");
}

#[tokio::test]
async fn p1_loads_and_tickets_fail_together() {
    for place in [Place::BeforeApply, Place::AfterApply, Place::BeforeSink, Place::BeforeFlush, Place::AfterFlush, Place::AfterSync] {
        for turn in 1..=6 {
            let dir = tempfile::tempdir().unwrap();
            let options = OpenOptions { fault_plan: FaultPlan::at(place, turn, Failure::Error), ..OpenOptions::default() };
            let opened_store = Store::open(dir.path(), &options);
            if let Ok(store) = opened_store {
                for n in 1..=4 {
                    let Ok(committed) = store.commit(opened(n, Some("ana"), Priority::High)).await else { break };
                    if committed.receipt.await.is_err() {
                        break;
                    }
                }
            }
            let store = open(dir.path());
            assert_clean(&store);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn loads_are_what_the_tickets_say(steps in proptest::collection::vec((1_u64..6, 0_usize..4, 0_usize..4, 0_usize..6), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path());
            for (n, agent, priority, status) in steps {
                let agent = [None, Some("ana"), Some("BEN"), Some("ben")][agent];
                let status = [
                    Status::New,
                    Status::Open,
                    Status::Pending { since: at(1) },
                    Status::Snoozed { until: at(1) },
                    Status::Solved { at: at(1) },
                    Status::Closed { at: at(1) },
                ][status];
                if store.ticket(TicketNumber(n)).unwrap().is_none() {
                    store.commit(opened(n, agent, Priority::ALL[priority])).await.unwrap();
                } else {
                    let ticket = moved(&store, n, |t| {
                        (t.assignee, t.priority, t.status) = (agent.map(str::to_owned), Priority::ALL[priority], status);
                    });
                    store.commit(Change { tickets: vec![ticket], ..Change::default() }).await.unwrap();
                }
                let counted = store.0.engine.count_loads().unwrap();
                assert_eq!(store.workload().unwrap().loads, counted);
            }
            assert_clean(&store);
        });
    }
}

#[tokio::test]
async fn p5_who_is_away_stays_so_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let away = |agent: &str, until: Option<i64>| Away { agent: agent.to_owned(), since: at(1), until: until.map(at) };
    let begins = |away: &Away| Some(Absence::Begins(away.clone()));
    assert_eq!(store.away().unwrap(), []);
    let cases = [
        (begins(&away("ben", Some(9))), vec![away("ben", Some(9))], "one"),
        (begins(&away("ana", None)), vec![away("ana", None), away("ben", Some(9))], "and another"),
        (begins(&away("ben", Some(5))), vec![away("ana", None), away("ben", Some(5))], "the last word counts"),
        (Some(Absence::Ends("eve".to_owned())), vec![away("ana", None), away("ben", Some(5))], "who was not away is back"),
        (None, vec![away("ana", None), away("ben", Some(5))], "nothing is said"),
        (Some(Absence::Ends("ana".to_owned())), vec![away("ben", Some(5))], "back"),
    ];
    for (n, (absence, expect, why)) in (1..).zip(cases) {
        commit(&store, Change { absence, ..arrival(n) }).await;
        assert_eq!(store.away().unwrap(), expect, "{why}");
        assert_eq!(store.context(&crate::domain::change::Need::default()).unwrap().away, expect, "{why}, for decisions");
    }
    let mut lines = Vec::new();
    let written = |line: String| {
        lines.push(line);
        true
    };
    store.dump(DumpOptions { without_times: true }, written).unwrap();
    assert!(lines.iter().any(|line| line == "away ben since=T until=T"), "{lines:#?}");
    assert_clean(&store);
    store.close().await;
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.away().unwrap(), [away("ben", Some(5))], "it is stored");
    apply(&store, vec![(keys::away("eve"), Some(vec![1, 0, 255]))]);
    let faults: Vec<String> = store.verify(false).unwrap().faults.iter().map(ToString::to_string).collect();
    assert!(faults.len() == 1 && faults[0].contains("absence of an agent"), "{faults:?}");
}

#[tokio::test]
async fn a_store_of_the_layout_before_is_opened_and_kept_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, Change { absence: None, ..opened(1, Some("ana"), Priority::High) }).await;
    // A count that is wrong shows that it is not counted again.
    apply(
        &store,
        vec![
            (keys::load("ana"), Some(value(&LoadRecord::from(Load([0, 0, 7, 0]))))),
            (keys::meta(META_LAYOUT), Some(value(&CounterRecord(2)))),
        ],
    );
    store.close().await;
    drop(store);
    let store = open(dir.path());
    assert_eq!((loads(&store), store.away().unwrap()), (expect(&[("ana", [0, 0, 7, 0])]), vec![]));
    assert_eq!(store.0.engine.counter(META_LAYOUT).unwrap(), u64::from(LAYOUT));
}
