//! Time limits of the waiting, in time that moves only when everybody waits.

use super::{account, surroundings, to_processed};
use crate::channel::Health;
use crate::channel::imap::commands::Wire;
use crate::channel::imap::connect::Abilities;
use crate::channel::imap::session::watch_folder;
use crate::channel::imap::slots::Slots;
use crate::channel::imap::tests::desk::Desk;
use crate::channel::imap::{Ended, Fault, Mailbox, Pace};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

/// What a server of an empty folder heard, and when.
type Heard = mpsc::UnboundedReceiver<(String, Instant)>;

/// Answers everything, up to so many times DONE; then it is as good as dead.
async fn serve(stream: DuplexStream, heard: mpsc::UnboundedSender<(String, Instant)>, mut dones: usize) {
    let mut stream = BufReader::new(stream);
    let mut idle_tag = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        let _ = heard.send((line.rsplit(' ').next().unwrap_or_default().to_owned(), Instant::now()));
        let (tag, command) = line.split_once(' ').unwrap_or((&idle_tag, line));
        let answer = match command.split(' ').next().unwrap_or_default() {
            "SELECT" => format!("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK done\r\n"),
            "IDLE" => {
                idle_tag = tag.to_owned();
                "+ idling\r\n".to_owned()
            }
            "LOGOUT" => {
                let _ = stream.write_all(format!("* BYE\r\n{tag} OK done\r\n").as_bytes()).await;
                return;
            }
            "DONE" if dones == 0 => std::future::pending().await,
            "DONE" => {
                dones -= 1;
                format!("{idle_tag} OK done\r\n")
            }
            _ => format!("{tag} OK done\r\n"),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A session with such a server for so long: how it ended, if it did, and what the server heard.
async fn watched(poll_every: Duration, dones: usize, time: Duration) -> (Option<Result<Ended, Fault>>, Heard) {
    let (ours, theirs) = duplex(64 * 1024);
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(serve(theirs, tell, dones));
    let mut account = account(143, to_processed());
    account.poll_every = poll_every;
    let (slots, can) = (Slots::new(1, 1), Abilities::of(&["IDLE".to_owned()]));
    let slot = slots.enter("h", 143, "u").await;
    let mut mailbox =
        Mailbox::new(Pace::default(), "support".into(), account, Desk::new(), surroundings(), watch::channel(Health::default()).0);
    let ended = timeout(time, watch_folder(&mut mailbox, &slot, Wire::new(Box::new(ours), 1_000), can)).await.ok();
    (ended, heard)
}

#[tokio::test(start_paused = true)]
async fn idle_is_begun_anew_before_29_minutes_however_seldom_we_look() {
    let (ended, mut heard) = watched(Duration::from_hours(24), usize::MAX, Duration::from_hours(3)).await;
    assert!(ended.is_none(), "{ended:?}");
    let (mut idles, mut begun) = (0, None);
    while let Ok((command, at)) = heard.try_recv() {
        match (command.as_str(), begun) {
            ("IDLE", None) => begun = Some(at),
            ("DONE", Some(since)) => {
                assert!(at - since < Duration::from_mins(29), "RFC 2177");
                begun = None;
                idles += 1;
            }
            ("NOOP" | "\"INBOX\"", None) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(idles, 6, "in three hours");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_in_idle_is_noticed_at_the_next_look() {
    #[rustfmt::skip]
    let cases = [
        (Duration::from_mins(1), 3, 5, "with the usual time between looks: within a minute, and one for the answer"),
        (Duration::from_hours(24), 0, 29, "with the longest"),
    ];
    for (poll_every, dones, minutes, reason) in cases {
        let begun = Instant::now();
        let (ended, _) = watched(poll_every, dones, Duration::from_hours(3)).await;
        assert!(matches!(ended, Some(Err(Fault::Network(_)))), "{reason}: {ended:?}");
        assert!(begun.elapsed() <= Duration::from_mins(minutes) + Duration::from_secs(1), "{reason}: {:?}", begun.elapsed());
    }
}

/// A mailbox with nothing to do leaves in order as soon as another waits, and is looked at again within a minute.
#[tokio::test(start_paused = true)]
async fn an_idle_mailbox_gives_way_to_one_that_waits() {
    let (ours, theirs) = duplex(64 * 1024);
    let (tell, mut heard) = mpsc::unbounded_channel();
    tokio::spawn(serve(theirs, tell, usize::MAX));
    let mut account = account(143, to_processed());
    account.poll_every = Duration::from_hours(24);
    let slots = Slots::new(1, 1);
    let slot = slots.enter("h", 143, "u").await;
    let mut mailbox =
        Mailbox::new(Pace::default(), "support".into(), account, Desk::new(), surroundings(), watch::channel(Health::default()).0);
    let can = Abilities::of(&["IDLE".to_owned()]);
    let session = async {
        let ended = watch_folder(&mut mailbox, &slot, Wire::new(Box::new(ours), 1_000), can).await;
        drop(slot);
        ended
    };
    let other = async {
        while heard.recv().await.is_some_and(|(command, _)| command != "IDLE") {}
        slots.enter("h", 143, "u").await
    };
    let (ended, _other) = tokio::join!(session, other);
    assert!(matches!(ended, Ok(Ended::Turn { again_after }) if again_after == Duration::from_mins(1)), "{ended:?}");
    let mut rest = Vec::new();
    while let Ok((command, _)) = heard.try_recv() {
        rest.push(command);
    }
    assert_eq!(rest, ["DONE", "LOGOUT"]);
}
