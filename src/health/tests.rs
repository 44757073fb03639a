use super::*;
use crate::clock::Clock;
use crate::domain::testing::policy;
use crate::intake::Bells;
use crate::mail::normalise::NormaliseLimits;
use crate::mail::token::Signer;
use crate::store::{OpenOptions, Store};

fn board(dir: &std::path::Path) -> (Board, watch::Sender<Health>, Clock) {
    let clock = Clock::manual("2026-11-23T09:00:00Z".parse().unwrap());
    let (_, policies) = watch::channel(Arc::new(policy()));
    let store = Store::open(dir, &OpenOptions::default()).unwrap();
    let desk = Desk::new(store, policies, Signer::new(&[7; 32]), clock.clone(), NormaliseLimits::default(), Bells::default());
    let (tell, told) = watch::channel(Health::default());
    (Board::new(desk, vec![("support".to_owned(), told)]), tell, clock)
}

/// Both clocks go on together.
async fn pass(clock: &Clock, minutes: u64) {
    tokio::time::advance(Duration::from_mins(minutes)).await;
    clock.advance(SignedDuration::from_mins(i64::try_from(minutes).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn silence_is_measured_on_a_clock_that_nobody_sets() {
    let dir = tempfile::tempdir().unwrap();
    let (board, tell, clock) = board(dir.path());
    let quiet = || board.facts()[0].quiet.as_mins();
    let answers = || tell.send_modify(|health| health.last_answer = Some(clock.now()));
    pass(&clock, 20).await;
    assert_eq!(quiet(), 20, "since it is watched");
    answers();
    assert_eq!(quiet(), 0);
    pass(&clock, 3).await;
    answers();
    pass(&clock, 7).await;
    assert_eq!(quiet(), 7, "since the answer, not since it was noticed");
    for hours in [300, -900] {
        clock.advance(SignedDuration::from_hours(hours));
        assert_eq!(quiet(), 7, "a step of the wall's clock, or a suspended machine");
        answers();
        clock.advance(SignedDuration::from_hours(hours));
        assert!(quiet() <= 7, "an answer before the step");
        answers();
        assert_eq!(quiet(), 0);
        pass(&clock, 7).await;
    }
    assert_eq!(quiet(), 7);
}

#[tokio::test(start_paused = true)]
async fn readiness_tells_how_each_mailbox_fares_without_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let (board, tell, clock) = board(dir.path());
    let missing = || board.readiness().missing.join(", ");
    assert_eq!(missing(), "mailbox support: not connected yet");
    let now = clock.now();
    let connected = Health { connected_since: Some(now), last_success: Some(now), last_answer: Some(now), ..Health::default() };
    tell.send_replace(connected.clone());
    assert_eq!(missing(), "");
    pass(&clock, 14).await;
    assert_eq!(missing(), "", "it may be silent for a while");
    pass(&clock, 1).await;
    assert_eq!(missing(), "mailbox support: has been silent for longer than it may", "though its connection stands");
    let view = &board.readiness().mailboxes[0];
    assert_eq!(view.sentence(), "mailbox support: silent, last success 2026-11-23T09:00:00Z, lag 0 s, backlog 0");
    let fault = |kind| Some((kind, "at mail.acme.example".to_owned(), clock.now()));
    for (health, expect, lag, why) in [
        (Health { last_fault: fault(FaultKind::SignIn), ..connected.clone() }, "sign-in is refused", 0, "told even while connected"),
        (
            Health { last_fault: fault(FaultKind::Network), connected_since: None, ..connected.clone() },
            "the server cannot be reached",
            900,
            "a mail may have come after the last answer",
        ),
        (
            Health { connected_since: None, last_answer: None, oldest_seen: Some(now), backlog: 3, ..connected.clone() },
            "has been silent for longer than it may",
            900,
            "a mail that is known and not here: its turn is overdue",
        ),
        (Health { last_fault: fault(FaultKind::Handover), ..connected }, "messages cannot be stored", 0, "the disk is full"),
    ] {
        tell.send_replace(health);
        assert_eq!(missing(), format!("mailbox support: {expect}"), "{why}");
        assert_eq!(board.readiness().mailboxes[0].lag_seconds, lag, "{why}");
        assert!(!format!("{:?}", board.readiness()).contains("acme.example"));
    }
}
