//! The promises, held against a server with each oddity, for each way of settling, with and without extensions: no mail is
//! lost, none is taken in twice, none is settled that has not landed, and what a person deleted is left alone.

use super::desk::Desk;
use super::odd::{self, Odd, kind};
use super::peer::{Mail, Peer};
use super::{Watched, account, start_with, until};
use crate::config::settings::{After, ImapAccount};
use futures_util::StreamExt as _;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Six customers and agents have written; two more write during the session. A seventh mail was deleted by a person.
const MAILS: [&str; 8] = [
    "From: ana@customer.example\r\nSubject: one\r\n\r\nThe printer is on fire.\r\n",
    "From: bo@customer.example\r\nSubject: two\r\n\r\nA \"quote\" and a \\ in it.\r\n",
    "From: cy@customer.example\r\nSubject: three\r\n\r\n{12}\r\n) this is not the end\r\n",
    "From: ana@acme.example\r\nTo: support+token@acme.example\r\nSubject: Re: four [#1042]\r\n\r\n#solve\r\nWater helps.\r\n",
    "From: dee@customer.example\r\nSubject: five\r\n\r\nöäü\r\n",
    "no header, no \"line\" end, and read by a person before",
    "From: fay@customer.example\r\nSubject: seven, during the session\r\n\r\nHello.\r\n",
    "From: gus@customer.example\r\nSubject: eight, at the end of it\r\n\r\nHello again.\r\n",
];
const DELETED: &str = "From: spam@example.com\r\nSubject: deleted by a person\r\n\r\nBuy.\r\n";

/// What a server can do, or says that it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Server {
    capabilities: &'static str,
    permanent_flags: &'static str,
}

const SERVERS: [Server; 3] = [
    Server {
        capabilities: "IMAP4rev1 AUTH=PLAIN IDLE MOVE UIDPLUS ESEARCH CONDSTORE ENABLE NAMESPACE LITERAL+",
        permanent_flags: "\\Deleted \\Seen \\*",
    },
    Server { capabilities: "IMAP4rev1 AUTH=PLAIN", permanent_flags: "\\Deleted \\Seen \\*" },
    Server { capabilities: "IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS", permanent_flags: "\\Deleted \\Seen" },
];

fn modes() -> [After; 4] {
    [After::Move("Processed".into()), After::Flag, After::Keep, After::Delete]
}

/// One run.
#[derive(Clone)]
struct Plan {
    name: String,
    odds: Vec<Odd>,
    after: After,
    server: Server,
}

impl Plan {
    fn lets(&self, of: impl Fn(&odd::Lets) -> bool) -> bool {
        self.odds.iter().any(|odd| of(&odd.lets))
    }

    fn keywords(&self) -> bool {
        self.server.permanent_flags.contains("\\*")
    }

    fn by_cursor(&self) -> bool {
        self.after == After::Keep || self.after == After::Flag && !self.keywords()
    }

    /// Whether the server may keep this mail to itself.
    fn may_miss(&self, mail: &str) -> bool {
        self.odds.iter().any(|odd| {
            let by_cursor = odd.lets.without_by_cursor.filter(|_| self.by_cursor());
            odd.lets.without.into_iter().chain(by_cursor).any(|word| mail.contains(word))
        })
    }

    fn expected(&self) -> impl Iterator<Item = &'static str> {
        MAILS.into_iter().filter(|mail| !self.may_miss(mail))
    }

    /// Waits until all is done that can be, and says what is broken of what was promised.
    async fn run(self) -> Result<(), String> {
        let peer = Peer::start(self.server.capabilities).await;
        let desk = Desk::new();
        let landed = desk.clone();
        peer.with(|shop| {
            shop.permanent_flags = self.server.permanent_flags;
            shop.has_landed = Box::new(move |mail| landed.has_landed(mail));
        });
        for mail in &MAILS[..3] {
            peer.deliver(mail);
        }
        peer.deliver(DELETED);
        for mail in &MAILS[3..6] {
            peer.deliver(mail);
        }
        peer.with(|shop| {
            for mail in shop.inbox.values_mut() {
                if mail.raw == DELETED {
                    mail.flags.push("\\Deleted".into());
                } else if mail.raw == MAILS[5] {
                    mail.flags.push("\\Seen".into());
                }
            }
        });
        let mut odds = self.odds.clone();
        peer.rule(move |line, _| {
            let kind = kind(line);
            let odd = odds.iter_mut().find(|odd| odd.at == kind && odd.times > 0)?;
            if odd.skip > 0 {
                odd.skip -= 1;
                return None;
            }
            odd.times -= 1;
            Some((odd.act)())
        });
        let watch = || start_with(ImapAccount { poll_every: Duration::from_millis(40), ..account(peer.port, self.after.clone()) }, &desk);
        let mut watched = watch();
        let end = Instant::now() + Duration::from_secs(20);
        let mut arrived = 6;
        let mut looks_when_done = None;
        let outcome = loop {
            sleep(Duration::from_millis(3)).await;
            if peer.with(|shop| std::mem::take(&mut shop.kill)) {
                watched.task.abort();
                watched = watch();
            }
            let here = self.expected().filter(|mail| desk.has_landed(mail)).count();
            let missing = MAILS[..arrived].iter().filter(|mail| self.may_miss(mail)).count();
            if arrived < 8 && here + missing >= if arrived == 6 { 3 } else { 7 } {
                peer.deliver(MAILS[arrived]);
                arrived += 1;
            }
            let undone = self.undone(&peer, &desk, &watched);
            let looks = peer.count("UID SEARCH") + peer.count("SELECT");
            match (&undone, looks_when_done) {
                (None, None) => looks_when_done = Some(looks),
                // It goes on to be so.
                (None, Some(before)) if looks >= before + 3 => break Ok(()),
                (None, Some(_)) => {}
                (Some(_), _) => looks_when_done = None,
            }
            if let Some(undone) = undone
                && Instant::now() > end
            {
                break Err(format!("{undone}; last fault: {:?}", watched.last_fault()));
            }
        };
        watched.stop().await;
        let outcome = outcome.and_then(|()| self.broken(&peer, &desk).map_or(Ok(()), Err));
        outcome.map_err(|broken| {
            let log = peer.with(|shop| shop.log.iter().take(60).cloned().collect::<Vec<_>>().join("\n    "));
            format!("{}, {:?}, {}: {broken}\n    {log}", self.name, self.after, self.server.capabilities)
        })
    }

    /// What is still to be waited for.
    fn undone(&self, peer: &Peer, desk: &Desk, watched: &Watched) -> Option<String> {
        for mail in self.expected() {
            if !desk.has_landed(mail) {
                return Some(format!("not landed: {mail:?}"));
            }
            if !self.lets(|lets| lets.unsettled) && !self.is_settled(peer, mail) {
                return Some(format!("not settled: {mail:?}"));
            }
        }
        let backlog = watched.health.borrow().backlog;
        (backlog > 0 && !self.lets(|lets| lets.backlog)).then(|| format!("a backlog of {backlog}"))
    }

    fn is_settled(&self, peer: &Peer, mail: &str) -> bool {
        let marked =
            |flag: &str| peer.with(|shop| shop.inbox.values().find(|m| m.raw == mail).map(|m: &Mail| m.flags.contains(&flag.to_owned())));
        let gone = marked("\\Deleted").unwrap_or(true);
        match self.after {
            After::Move(_) => gone && peer.folder("Processed").iter().any(|moved| moved == mail),
            After::Delete => gone,
            // A keyword that was refused is not offered again.
            After::Flag => {
                let keyword = self.keywords() && !self.odds.iter().any(|odd| odd.at == "STORE");
                marked("\\Seen") == Some(true) && (!keyword || marked("$guichet") == Some(true))
            }
            After::Keep => marked("\\Deleted") == Some(false),
        }
    }

    /// What was promised and not kept.
    fn broken(&self, peer: &Peer, desk: &Desk) -> Option<String> {
        let promises = peer.with(|shop| shop.broken_promises.clone());
        if !promises.is_empty() {
            return Some(format!("P1: {promises:?}"));
        }
        if let Some(odd) = desk.landed().iter().find(|mail| !MAILS.contains(&mail.as_str())) {
            return Some(format!("landed and never sent: {odd:?}"));
        }
        let mut handed_over: BTreeMap<String, usize> = BTreeMap::new();
        for mail in desk.accepted() {
            *handed_over.entry(mail).or_default() += 1;
        }
        let most = if self.lets(|lets| lets.again) { 6 } else { 1 };
        if let Some((mail, times)) = handed_over.iter().find(|(_, times)| **times > most) {
            return Some(format!("handed over {times} times: {mail:?}"));
        }
        let copies_max = if self.lets(|lets| lets.copies) { 4 } else { 1 };
        let processed = peer.folder("Processed");
        for mail in MAILS {
            let copies = processed.iter().filter(|moved| *moved == mail).count();
            if copies > copies_max {
                return Some(format!("moved {copies} times: {mail:?}"));
            }
        }
        let deleted = peer.with(|shop| shop.inbox.values().find(|mail| mail.raw == DELETED).map(|mail| mail.flags.clone()));
        (deleted != Some(vec!["\\Deleted".to_owned()])).then(|| format!("what a person deleted was touched: {deleted:?}"))
    }
}

/// Runs them, many at once, as nearly all of each is waiting.
async fn hold(plans: Vec<Plan>) {
    let count = plans.len();
    let began = Instant::now();
    let runs = plans.into_iter().map(|plan| tokio::spawn(plan.run()));
    let outcomes: Vec<_> = futures_util::stream::iter(runs).buffer_unordered(48).collect().await;
    let broken: Vec<String> = outcomes.into_iter().filter_map(|outcome| outcome.unwrap().err()).collect();
    println!("{count} runs in {:?}", began.elapsed());
    for (place, broken) in broken.iter().enumerate() {
        println!("{}", if place < 3 { broken.as_str() } else { broken.lines().next().unwrap() });
    }
    assert!(broken.is_empty(), "{} of {count} broken", broken.len());
}

/// The states that a session over this server comes to.
fn comes_to(odd: &Odd, after: &After, server: Server) -> bool {
    let has = |name: &str| server.capabilities.contains(name);
    match odd.at {
        "MOVE" => matches!(after, After::Move(_)) && has("MOVE"),
        "COPY" => matches!(after, After::Move(_)) && !has("MOVE"),
        "STORE" => matches!(after, After::Flag | After::Delete) || matches!(after, After::Move(_)) && !has("MOVE"),
        "EXPUNGE" => (matches!(after, After::Delete) || matches!(after, After::Move(_)) && !has("MOVE")) && has("UIDPLUS"),
        "DELETED" => (matches!(after, After::Delete) || matches!(after, After::Move(_)) && !has("MOVE")) && !has("UIDPLUS"),
        "IDLE" | "DONE" | "NOOP" => has("IDLE"),
        _ => true,
    }
}

fn plans(odds: &[Odd]) -> Vec<Plan> {
    let mut plans = Vec::new();
    for odd in odds {
        // Nothing is settled before the sign-in: there one way to settle stands for all.
        let in_sign_in = matches!(odd.at, "GREETING" | "CAPABILITY" | "AUTHENTICATE" | "SASL");
        for after in modes().into_iter().take(if in_sign_in { 1 } else { 4 }) {
            for server in SERVERS.into_iter().filter(|server| comes_to(odd, &after, *server)) {
                plans.push(Plan { name: odd.name.clone(), odds: vec![odd.clone()], after: after.clone(), server });
            }
        }
    }
    plans
}

/// A backup is put back, with its UIDVALIDITY: mail that had been moved is there once more, what arrived since is gone, and
/// its UIDs are given to what arrives next.
#[tokio::test]
async fn p3_a_folder_that_was_put_back_loses_nothing_that_arrives_then() {
    let flag_without_keywords = (After::Flag, "\\Deleted \\Seen");
    let all = modes().map(|after| (after, "\\Deleted \\Seen \\*"));
    for (after, permanent_flags) in all.into_iter().chain([flag_without_keywords]) {
        for restart in [false, true] {
            let reason = format!("{after:?}, {permanent_flags}, restart: {restart}");
            let (peer, desk) = (Peer::start(super::FULL).await, Desk::new());
            peer.with(|shop| shop.permanent_flags = permanent_flags);
            let watch = || start_with(ImapAccount { poll_every: Duration::from_millis(40), ..account(peer.port, after.clone()) }, &desk);
            let mut watched = watch();
            for (place, mail) in MAILS[..5].iter().enumerate() {
                peer.deliver(mail);
                until(&reason, || desk.has_landed(mail) && watched.health.borrow().backlog == 0).await;
                assert_eq!(desk.accepted().len(), place + 1, "{reason}");
            }
            let put_back = |shop: &mut super::peer::Shop| {
                shop.inbox = (1..).zip(MAILS[..3].iter().map(|mail| Mail { raw: (*mail).to_owned(), flags: Vec::new() })).collect();
                shop.next_uid = 4;
            };
            if restart {
                watched.stop().await;
                peer.with(put_back);
                watched = watch();
            } else {
                peer.with(put_back);
                peer.rule(|line, connection| (connection == 1 && line == "NOOP").then_some(super::Quirk::Close("* BYE\r\n")));
            }
            until(&reason, || desk.accepted().len() == 8).await;
            // Under UIDs that others had.
            for mail in &MAILS[5..] {
                peer.deliver(mail);
                until(&reason, || desk.has_landed(mail) && watched.health.borrow().backlog == 0).await;
            }
            assert_eq!((desk.landed().len(), desk.accepted().len()), (8, 11), "{reason}: the three are told again, and known (P2)");
            watched.stop().await;
        }
    }
}

/// A month's outage of the daemon, in which the folder was made anew and much has arrived.
#[tokio::test]
async fn p2_p3_after_a_month_all_is_looked_at_and_nothing_is_doubled() {
    for after in modes() {
        let (peer, desk) = (Peer::start(super::FULL).await, Desk::new());
        for mail in MAILS {
            peer.deliver(mail);
        }
        let watch = || start_with(ImapAccount { poll_every: Duration::from_millis(40), ..account(peer.port, after.clone()) }, &desk);
        let watched = watch();
        until("all have landed", || desk.landed().len() == 8 && watched.health.borrow().backlog == 0).await;
        watched.stop().await;
        for n in 0..300 {
            peer.deliver(&format!("Subject: meanwhile {n}\r\n\r\n{n}\r\n"));
        }
        peer.with(|shop| shop.renumber(4_000_000_000, 1));
        let watched = watch();
        until("all have landed", || desk.landed().len() == 308 && watched.health.borrow().backlog == 0).await;
        let left = if matches!(after, After::Keep | After::Flag) { 308 } else { 0 };
        assert_eq!(peer.inbox().len(), left, "{after:?}");
        let again = desk.accepted().len() - 308;
        assert_eq!(again, if after == After::Keep { 8 } else { 0 }, "{after:?}: only what nothing tells apart is told again");
        watched.stop().await;
    }
}

/// A server that falls silent in the middle of an answer and keeps the connection open.
#[tokio::test]
async fn p3_silence_is_noticed() {
    let (peer, desk) = (Peer::start(super::FULL).await, Desk::new());
    peer.deliver(MAILS[0]);
    peer.rule(|line, connection| {
        (connection == 1 && kind(line) == "BODY").then_some(super::Quirk::Say("* 1 FETCH (UID 1 BODY[] {900}\r\nFrom: "))
    });
    // Time stands still beside a thread that works, so that nothing is over before its time.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let standstill = tokio::task::spawn_blocking(move || stopped.recv());
    tokio::time::pause();
    let watched = super::start(&peer, &desk, After::Keep);
    while peer.count("UID FETCH") < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(59)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(watched.last_fault(), None, "a slow server is not a silent one");
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    until("it is taken in on another connection", || desk.has_landed(MAILS[0])).await;
    assert_eq!(watched.last_fault().map(|(kind, _)| kind), Some(crate::channel::FaultKind::Network));
    drop(stop);
    let _ = standstill.await;
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_an_oddity_of_one_command_loses_and_doubles_nothing() {
    hold(plans(&odd::special())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_an_end_a_refusal_or_chatter_in_any_state_loses_and_doubles_nothing() {
    hold(plans(&odd::everywhere())).await;
}

/// `GUICHET_TEST_SEED` repeats a run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_p2_p3_two_oddities_together_lose_and_double_nothing() {
    let seed = std::env::var("GUICHET_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x6775_6963_6865_7421);
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let all: Vec<Odd> = odd::everywhere().into_iter().chain(odd::special()).collect();
    let mut pick = |count: usize| rng.random_range(0..count);
    let mut plans = Vec::new();
    while plans.len() < 300 {
        let (first, second) = (all[pick(all.len())].clone(), all[pick(all.len())].clone());
        let (after, server) = (modes()[pick(4)].clone(), SERVERS[pick(3)]);
        // Where UIDs change, "the third" is another mail.
        let clash = [(&first, &second), (&second, &first)]
            .iter()
            .any(|(a, b)| a.lets.without.or(a.lets.without_by_cursor).is_some() && b.name.contains("UIDVALIDITY"));
        if !clash && [&first, &second].iter().all(|odd| comes_to(odd, &after, server)) {
            let name = format!("seed {seed}: {} + {}", first.name, second.name);
            plans.push(Plan { name, odds: vec![first, second], after, server });
        }
    }
    hold(plans).await;
}
