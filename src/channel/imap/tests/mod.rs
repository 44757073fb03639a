//! The watcher against a server that is right until a test makes it odd: each way in which mail was once lost.

pub(in crate::channel) mod desk;
mod corpus;
mod idle;
mod large;
mod odd;
mod oracle;
mod peer;
mod promises;

use super::ledger::Delays;
use super::{Pace, watch_at};
use crate::channel::{FaultKind, Health, Surroundings};
use crate::config::settings::{After, ImapAccount, SignIn, Tls, TokenSource};
use crate::domain::message::Source;
use desk::{Desk, surroundings, until};
use peer::{Peer, Quirk};
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const FULL: &str = "IMAP4rev1 AUTH=PLAIN IDLE MOVE UIDPLUS";

struct Watched {
    around: Surroundings,
    health: watch::Receiver<Health>,
    task: JoinHandle<()>,
}

impl Watched {
    async fn stop(self) -> Health {
        self.around.stop.cancel();
        self.task.await.unwrap();
        self.health.borrow().clone()
    }

    fn last_fault(&self) -> Option<(FaultKind, String)> {
        self.health.borrow().last_fault.clone().map(|(kind, text, _)| (kind, text))
    }
}

fn start(peer: &Peer, desk: &Desk, after: After) -> Watched {
    start_with(account(peer.port, after), desk)
}

fn account(port: u16, after: After) -> ImapAccount {
    ImapAccount {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        ca_file: None,
        user: "support".into(),
        sign_in: SignIn::Password { password: SecretString::from("secret"), sign_in_as: None },
        folder: "INBOX".into(),
        after,
        poll_every: Duration::from_millis(100),
    }
}

fn start_with(account: ImapAccount, desk: &Desk) -> Watched {
    let quick = Delays { first: Duration::from_millis(5), last: Duration::from_millis(20) };
    let pace = Pace { reconnect: quick, sign_in: quick, message: quick, settle: quick };
    let (sender, health) = watch::channel(Health::default());
    let around = surroundings();
    let task = tokio::spawn(watch_at(pace, "support".into(), account, desk.clone(), around.clone(), sender));
    Watched { around, health, task }
}

fn to_processed() -> After {
    After::Move("Processed".into())
}

#[tokio::test]
async fn what_is_there_and_what_arrives_is_taken_in_and_moved() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    for n in 0..150 {
        peer.deliver(&format!("mail {n}"));
    }
    let watched = start(&peer, &desk, to_processed());
    until("all are moved", || peer.folder("Processed").len() == 150 && peer.inbox().is_empty()).await;
    until("IDLE", || peer.count("IDLE") > 0).await;
    peer.deliver("one more");
    until("the last is moved", || peer.folder("Processed").len() == 151).await;
    let expected: Vec<String> = (0..150).map(|n| format!("mail {n}")).chain(["one more".into()]).collect();
    assert_eq!(desk.accepted(), expected, "in the order of the folder, each once");
    let health = watched.stop().await;
    assert_eq!((health.connected_since, health.backlog, health.last_fault), (None, 0, None));
    assert_eq!(peer.count("LOGOUT"), 1, "it signs out");
}

/// CRATES section 0, item 4: a tagged NO or BAD is not "no mail", nor is the end of the connection.
#[tokio::test]
async fn p3_a_refused_or_broken_answer_is_a_fault_and_the_mail_is_taken_in_later() {
    #[rustfmt::skip]
    let cases: [(&str, Quirk, FaultKind, &str); 10] = [
        ("UID SEARCH", Quirk::Say("TAG NO [LIMIT] later\r\n"), FaultKind::Protocol, "NO to SEARCH"),
        ("UID SEARCH", Quirk::Say("TAG BAD what?\r\n"), FaultKind::Protocol, "BAD to SEARCH"),
        ("UID SEARCH", Quirk::Close("* SEARCH 1\r\n"), FaultKind::Network, "closed during SEARCH"),
        ("UID FETCH", Quirk::Say("TAG NO [SERVERBUG] later\r\n"), FaultKind::Protocol, "NO to FETCH"),
        ("UID FETCH", Quirk::Close("* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5)\r\n"), FaultKind::Network, "closed between FETCHes"),
        ("UID FETCH 1:2 (UID FLAGS RFC822.SIZE INT", Quirk::Close("* 1 FETCH (UID 1 BODY[] {200}\r\nab"), FaultKind::Network, "closed inside a literal"),
        ("UID FETCH", Quirk::Close("* BYE going down\r\n"), FaultKind::Network, "BYE"),
        ("UID FETCH", Quirk::Say("* 1 FETCH (UID 1 BODY[] {99999999}\r\n"), FaultKind::Protocol, "more than the limit is announced (P11)"),
        ("UID FETCH", Quirk::Say("WHAT IS THIS\r\n"), FaultKind::Protocol, "not IMAP"),
        ("SELECT", Quirk::Say("TAG NO [UNAVAILABLE] later\r\n"), FaultKind::Protocol, "NO to SELECT"),
    ];
    for (command, quirk, kind, reason) in cases {
        let (peer, desk) = (Peer::start(FULL).await, Desk::new());
        peer.deliver("first");
        peer.deliver("second");
        let mut quirk = Some(quirk);
        peer.rule(move |line, _| if line.starts_with(command) { quirk.take() } else { None });
        let watched = start(&peer, &desk, to_processed());
        until(reason, || peer.folder("Processed").len() == 2).await;
        assert_eq!(watched.last_fault().map(|(kind, _)| kind), Some(kind), "{reason}");
        assert_eq!(desk.accepted().len(), 2, "{reason}: each once");
        watched.stop().await;
    }
}

/// CRATES section 0, item 5.
#[tokio::test]
async fn a_server_that_ends_idle_is_connected_to_again() {
    #[rustfmt::skip]
    let cases = [
        ("+ idling\r\n", "closed in IDLE"),
        ("+ idling\r\n* BYE kicked\r\n", "BYE in IDLE"),
        ("", "closed before IDLE began"),
    ];
    for (said, reason) in cases {
        let (peer, desk) = (Peer::start(FULL).await, Desk::new());
        peer.rule(move |line, connection| (line == "IDLE" && connection == 1).then_some(Quirk::Close(said)));
        let watched = start(&peer, &desk, to_processed());
        until(reason, || peer.with(|shop| shop.connections) == 2).await;
        peer.deliver("after it");
        until(reason, || peer.folder("Processed").len() == 1).await;
        assert_eq!(watched.last_fault().map(|(kind, _)| kind), Some(FaultKind::Network), "{reason}");
        watched.stop().await;
    }
}

#[tokio::test]
async fn idle_that_is_refused_or_missing_is_replaced_by_polling() {
    #[rustfmt::skip]
    let cases = [
        (FULL, "TAG NO not now\r\n", 1, "refused with NO"),
        (FULL, "TAG BAD what?\r\n", 1, "refused with BAD"),
        (FULL, "TAG OK done\r\n", 1, "ended at once"),
        ("IMAP4rev1 MOVE", "", 0, "not offered; LOGIN without AUTH=PLAIN"),
    ];
    for (capabilities, said, idles, reason) in cases {
        let (peer, desk) = (Peer::start(capabilities).await, Desk::new());
        peer.rule(move |line, _| (line == "IDLE").then_some(Quirk::Say(said)));
        let watched = start(&peer, &desk, to_processed());
        until(reason, || peer.count("SELECT") > 1).await;
        peer.deliver("polled");
        until(reason, || peer.folder("Processed").len() == 1).await;
        assert_eq!((peer.count("IDLE"), peer.with(|shop| shop.connections)), (idles, 1), "{reason}: on the same connection");
        assert_eq!(watched.stop().await.last_fault, None, "{reason}");
    }
}

/// CRATES section 0, item 6: this text made the parser panic; now it cannot.
#[tokio::test]
async fn text_in_other_letters_does_no_harm() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.rule(|line, _| (line == "IDLE").then_some(Quirk::First("* OK [ALERT]Überlastung\r\n")));
    let watched = start(&peer, &desk, to_processed());
    until("IDLE", || peer.count("IDLE") > 0).await;
    peer.deliver("überall");
    until("it is moved", || peer.folder("Processed").len() == 1).await;
    assert_eq!(desk.accepted(), ["überall"], "mail itself is left as it is");
    assert_eq!(watched.stop().await.last_fault, None);
}

/// What panics all the same ends the session, not the watcher.
#[tokio::test]
async fn p3_a_panic_in_a_session_is_survived() {
    #[derive(Clone)]
    struct Panics(Desk, std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl crate::channel::Handover for Panics {
        type Prepared = crate::channel::Received;
        fn prepare(
            &self,
            received: crate::channel::Received,
        ) -> futures_util::future::BoxFuture<'static, Result<Self::Prepared, crate::channel::HandoverFault>> {
            self.0.prepare(received)
        }
        fn accept(
            &self,
            prepared: Self::Prepared,
        ) -> futures_util::future::BoxFuture<'static, Result<crate::channel::Receipt, crate::channel::HandoverFault>> {
            self.0.accept(prepared)
        }
        fn cursor(&self, mailbox: &str) -> futures_util::future::BoxFuture<'static, Option<(u32, u32)>> {
            assert!(self.1.swap(true, std::sync::atomic::Ordering::Relaxed), "the first session panics");
            self.0.cursor(mailbox)
        }
    }
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver("mail");
    let (sender, health) = watch::channel(Health::default());
    let around = surroundings();
    let handover = Panics(desk.clone(), std::sync::Arc::default());
    let task = tokio::spawn(super::watch("support".into(), account(peer.port, After::Keep), handover, around.clone(), sender));
    until("it is taken in", || desk.accepted().len() == 1).await;
    assert_eq!(health.borrow().last_fault.clone().map(|(kind, ..)| kind), Some(FaultKind::Protocol));
    around.stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn without_move_it_is_copied_and_expunged() {
    #[rustfmt::skip]
    let cases = [
        ("IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS", "", "not advertised"),
        (FULL, "TAG BAD unknown command\r\n", "advertised, answered BAD"),
        (FULL, "TAG NO Unknown command MOVE\r\n", "advertised, answered NO"),
    ];
    for (capabilities, said, reason) in cases {
        let (peer, desk) = (Peer::start(capabilities).await, Desk::new());
        peer.rule(move |line, _| line.starts_with("UID MOVE").then_some(Quirk::Say(said)));
        peer.deliver("mail");
        let watched = start(&peer, &desk, to_processed());
        until(reason, || peer.inbox().is_empty()).await;
        assert_eq!(peer.folder("Processed"), ["mail"], "{reason}");
        let log = peer.with(|shop| shop.log.clone());
        let settling: Vec<&str> = log
            .iter()
            .map(String::as_str)
            .filter(|line| line.contains("UID COPY") || line.contains("STORE") || line.contains("EXPUNGE"))
            .collect();
        assert_eq!(settling, ["UID COPY 1 \"Processed\"", "UID STORE 1 +FLAGS.SILENT (\\Deleted $guichet)", "UID EXPUNGE 1"], "{reason}");
        assert_eq!(watched.stop().await.last_fault, None, "{reason}");
    }
}

#[tokio::test]
async fn without_uidplus_nobody_elses_deleted_mail_is_expunged() {
    let (peer, desk) = (Peer::start("IMAP4rev1 AUTH=PLAIN IDLE").await, Desk::new());
    peer.deliver("alone");
    let watched = start(&peer, &desk, to_processed());
    until("the only one is expunged", || peer.inbox().is_empty()).await;
    peer.deliver("marked by a person");
    peer.with(|shop| shop.inbox.values_mut().for_each(|mail| mail.flags.push("\\Deleted".into())));
    peer.deliver("ours");
    until("ours is copied", || peer.folder("Processed") == ["alone", "ours"]).await;
    until("ours is marked", || peer.with(|shop| shop.inbox.values().all(|mail| mail.flags.contains(&"\\Deleted".into())))).await;
    until("and it goes on", || peer.count("IDLE") > 3).await;
    assert_eq!(peer.inbox(), ["marked by a person", "ours"], "left to be expunged by whoever expunges");
    assert_eq!(desk.accepted(), ["alone", "ours"], "what a person deleted is no work, and ours is not taken in again");
    assert_eq!(peer.count("EXPUNGE"), 1);
    watched.stop().await;
}

/// Between the mark and the removal the daemon was killed: no look for new mail would ever find it again.
#[tokio::test]
async fn what_an_earlier_process_had_marked_is_removed_and_nothing_else() {
    for after in [to_processed(), After::Delete] {
        let (peer, desk) = (Peer::start("IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS").await, Desk::new());
        for (mail, flags) in [("ours", &["\\Deleted", "$guichet"][..]), ("a person's", &["\\Deleted"]), ("flagged once", &["$guichet"])] {
            peer.deliver(mail);
            let flags = flags.iter().map(|flag| (*flag).to_owned());
            peer.with(|shop| shop.inbox.values_mut().last().unwrap().flags.extend(flags));
        }
        let watched = start(&peer, &desk, after.clone());
        until("ours is removed", || peer.inbox() == ["a person's"]).await;
        assert_eq!(desk.accepted(), ["flagged once"], "{after:?}: what is new is taken in, and nothing that is deleted");
        let copied = if after == After::Delete { vec![] } else { vec!["flagged once".to_owned()] };
        assert_eq!(peer.folder("Processed"), copied, "{after:?}: no second copy");
        assert_eq!(watched.stop().await.last_fault, None);
    }
}

#[tokio::test]
async fn a_missing_folder_is_made() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver("mail");
    let watched = start(&peer, &desk, After::Move("Töö".into()));
    until("it is moved", || peer.folder("T&APYA9g-") == ["mail"]).await;
    assert_eq!(watched.stop().await.last_fault, None);
}

#[tokio::test]
async fn a_settling_that_is_refused_is_tried_again_and_files_nothing_twice() {
    #[rustfmt::skip]
    let cases = [
        (FULL, "UID MOVE", "MOVE is refused"),
        ("IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS", "UID COPY", "COPY is refused"),
        ("IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS", "UID STORE", "copied, then STORE is refused"),
        ("IMAP4rev1 AUTH=PLAIN IDLE UIDPLUS", "UID EXPUNGE", "copied, then EXPUNGE is refused"),
    ];
    for (capabilities, command, reason) in cases {
        let (peer, desk) = (Peer::start(capabilities).await, Desk::new());
        // A folder that exists cannot be created: the refusal is about something else.
        let mut left = 3;
        peer.rule(move |line, _| {
            if line.starts_with("CREATE") {
                return Some(Quirk::Say("TAG NO [ALREADYEXISTS] there\r\n"));
            }
            left -= i32::from(line.starts_with(command));
            (line.starts_with(command) && left >= 0).then_some(Quirk::Say("TAG NO [OVERQUOTA] full\r\n"))
        });
        peer.deliver("mail");
        let watched = start(&peer, &desk, to_processed());
        until(reason, || peer.inbox().is_empty()).await;
        assert_eq!((peer.folder("Processed"), desk.prepared().len()), (vec!["mail".into()], 1), "{reason}");
        assert_eq!(peer.with(|shop| shop.connections), 1, "{reason}: no reason to part");
        watched.stop().await;
    }
}

#[tokio::test]
async fn p1_without_a_receipt_nothing_is_settled() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver("held");
    let watched = start(&peer, &desk, to_processed());
    until("it is accepted", || desk.accepted().len() == 1).await;
    peer.deliver("other");
    until("the other one is moved", || peer.folder("Processed") == ["other"]).await;
    assert_eq!(peer.inbox(), ["held"]);
    desk.release.send_replace(true);
    until("then it is moved", || peer.inbox().is_empty()).await;
    assert_eq!(desk.prepared(), ["held", "other"], "nothing was fetched twice");
    watched.stop().await;
}

#[tokio::test]
async fn p1_a_receipt_for_another_uidvalidity_settles_nothing() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver("held, under the old numbers");
    let watched = start(&peer, &desk, to_processed());
    until("it is accepted", || desk.accepted().len() == 1).await;
    // The folder is made anew: the same UID is another message, which the desk refuses.
    peer.with(|shop| {
        shop.uid_validity = 8;
        shop.inbox.get_mut(&1).unwrap().raw = "refuse this".into();
    });
    peer.rule(|line, connection| (connection == 1 && line == "NOOP").then_some(Quirk::Close("* BYE\r\n")));
    until("the other is looked at", || desk.prepared().contains(&"refuse this".to_owned())).await;
    desk.release.send_replace(true);
    let refused = desk.prepared().len();
    until("and again", || desk.prepared().len() > refused + 1).await;
    assert_eq!((peer.inbox(), peer.folder("Processed")), (vec!["refuse this".into()], vec![]));
    watched.stop().await;
}

#[tokio::test]
async fn p3_what_the_desk_refuses_blocks_nobody_and_comes_again() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    for mail in ["refuse", "panic", "refuse once", "fine", "fine, too"] {
        peer.deliver(mail);
    }
    let watched = start(&peer, &desk, to_processed());
    until("the others are moved", || peer.folder("Processed").len() == 3).await;
    assert_eq!(desk.accepted(), ["fine", "fine, too", "refuse once"]);
    assert_eq!(peer.inbox(), ["refuse", "panic"]);
    assert_eq!(watched.last_fault().map(|(kind, _)| kind), Some(FaultKind::Handover));
    watched.stop().await;
}

/// A message that the server cannot give, each time it is asked for.
#[tokio::test]
async fn p3_a_message_that_ends_the_connection_blocks_nobody() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    for mail in ["good", "evil", "good, too"] {
        peer.deliver(mail);
    }
    peer.rule(|line, _| {
        let set = line.strip_prefix("UID FETCH ")?.split(' ').next()?;
        let asks = set == "1:3" || set.split(',').any(|uid| uid == "2") || set == "2:3";
        (asks && line.contains("BODY.PEEK[])")).then_some(Quirk::Close(""))
    });
    let watched = start(&peer, &desk, to_processed());
    until("the others are moved, and the start of the evil one", || peer.folder("Processed").len() == 3).await;
    assert_eq!(desk.accepted(), ["good", "good, too", "evil"]);
    watched.stop().await;
}

#[tokio::test]
async fn p11_a_large_mail_is_taken_in_by_its_start() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver(&format!("Subject: large\r\n\r\n{}", "x".repeat(5_000)));
    peer.deliver("small");
    let watched = start(&peer, &desk, to_processed());
    until("both are moved", || peer.inbox().is_empty()).await;
    assert_eq!(desk.cuts(), [Some(5_018), None]);
    assert_eq!(desk.accepted()[0].len(), 1_000, "as much as one mail may have");
    watched.stop().await;
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_passed_over_and_gone_mail_is_skipped() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver("mail");
    peer.deliver("gone");
    let mut first = true;
    peer.rule(move |line, _| {
        if line.contains("SEARCH") && std::mem::take(&mut first) {
            return Some(Quirk::Say("* SEARCH 2 1\r\nTAG OK\r\n"));
        }
        line.contains("UID FETCH").then_some(Quirk::First(
            "* 1 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 9 FETCH (UID 99 BODY[] {3}\r\nbad)\r\n* 1 RECENT\r\n",
        ))
    });
    peer.with(|shop| shop.inbox.remove(&2));
    // The folder still counts two; then the server tells of the one that went.
    let watched = start(&peer, &desk, to_processed());
    until("it is moved", || peer.inbox().is_empty()).await;
    until("nothing is left", || watched.health.borrow().backlog == 0).await;
    assert_eq!(desk.accepted(), ["mail"]);
    assert_eq!(watched.stop().await.last_fault, None);
}

#[tokio::test]
async fn flag_keep_and_delete() {
    #[rustfmt::skip]
    let cases = [
        (After::Flag, "\\Seen \\*", vec!["\\Seen", "$guichet"], "a keyword of our own"),
        (After::Flag, "\\Seen", vec!["\\Seen"], "no keywords: seen"),
        (After::Keep, "\\Seen \\*", vec![], "nothing is touched"),
    ];
    for (after, permanent, flags, reason) in cases {
        let (peer, desk) = (Peer::start(FULL).await, Desk::new());
        peer.with(|shop| shop.permanent_flags = permanent);
        peer.deliver("mail");
        let watched = start(&peer, &desk, after.clone());
        until(reason, || desk.accepted().len() == 1).await;
        until(reason, || peer.with(|shop| shop.inbox[&1].flags == flags)).await;
        until("looked again", || peer.count("NOOP") > 2).await;
        assert_eq!(desk.prepared().len(), 1, "{reason}: not again");
        watched.stop().await;
        if after == After::Flag {
            let again = Desk::with_cursor((7, 1));
            let watched = start(&peer, &again, after);
            until("looked", || peer.count("NOOP") > 5).await;
            assert_eq!(again.prepared().len(), 0, "{reason}: nor after a restart");
            watched.stop().await;
        }
    }
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver("mail");
    let watched = start(&peer, &desk, After::Delete);
    until("it is deleted", || peer.inbox().is_empty() && desk.accepted().len() == 1).await;
    watched.stop().await;
}

#[tokio::test]
async fn keep_goes_on_from_the_cursor() {
    #[rustfmt::skip]
    let cases = [
        ((7, 2), vec!["c"], "of this validity"),
        ((6, 2), vec!["a", "b", "c"], "of another validity: all anew, the desk knows what it has (P2)"),
    ];
    for (cursor, expected, reason) in cases {
        let (peer, desk) = (Peer::start(FULL).await, Desk::with_cursor(cursor));
        for mail in ["a", "b", "c"] {
            peer.deliver(mail);
        }
        let watched = start(&peer, &desk, After::Keep);
        until(reason, || desk.accepted() == expected).await;
        let mut uids = desk.sources().into_iter().map(|source| match source {
            Source::Imap { uid_validity: 7, uid, .. } => uid,
            other @ (Source::Imap { .. } | Source::Maildir { .. } | Source::Chat { .. }) => panic!("{other:?}"),
        });
        assert_eq!(uids.next_back(), Some(3), "{reason}");
        watched.stop().await;
    }
}

#[tokio::test]
async fn a_refused_sign_in_is_told_apart_and_no_secret_is_in_the_fault() {
    #[rustfmt::skip]
    let cases = [
        (FULL, "AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] wrong\r\n", FaultKind::SignIn, "wrong password"),
        (FULL, "AUTHENTICATE", "TAG NO [UNAVAILABLE] later\r\n", FaultKind::Network, "the server is out of order"),
        ("IMAP4rev1", "LOGIN", "TAG NO wrong\r\n", FaultKind::SignIn, "LOGIN"),
        ("IMAP4rev1 LOGINDISABLED", "", "", FaultKind::SignIn, "no way to sign in"),
    ];
    for (capabilities, command, said, kind, reason) in cases {
        let (peer, desk) = (Peer::start(capabilities).await, Desk::new());
        peer.rule(move |line, _| (!command.is_empty() && line.starts_with(command)).then_some(Quirk::Say(said)));
        let watched = start(&peer, &desk, to_processed());
        until(reason, || watched.last_fault().is_some()).await;
        let (got, text) = watched.last_fault().unwrap();
        assert_eq!(got, kind, "{reason}");
        assert!(!text.contains("secret"), "{reason}: {text}");
        assert_eq!(peer.count("SELECT"), 0, "{reason}");
        watched.stop().await;
    }
    // Without STARTTLS on offer nothing is said in the clear; with a token file that is missing neither.
    let (peer, desk) = (Peer::start("IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2").await, Desk::new());
    let watched = start_with(ImapAccount { tls: Tls::StartTls, ..account(peer.port, After::Keep) }, &desk);
    until("a fault", || watched.last_fault().is_some_and(|(kind, _)| kind == FaultKind::Protocol)).await;
    watched.stop().await;
    let token = SignIn::Token(TokenSource::File(PathBuf::from("/nonexistent/token")));
    let watched = start_with(ImapAccount { sign_in: token, ..account(peer.port, After::Keep) }, &desk);
    until("a fault", || watched.last_fault().is_some_and(|(kind, _)| kind == FaultKind::SignIn)).await;
    watched.stop().await;
    assert_eq!(peer.count("AUTHENTICATE") + peer.count("LOGIN"), 0);
}
