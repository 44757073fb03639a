//! Large messages, which come in pieces: from a server that is right, and from servers that are not.

use super::desk::{Desk, until};
use super::peer::{Peer, Quirk};
use super::{FULL, start, to_processed};

/// More than `spool_octets` of the tests' limits, less than `message_octets_max`.
fn large(id: &str) -> String {
    format!("Message-ID: <{id}>\r\n\r\n{}", "0123456789abcdef".repeat(48))
}

#[tokio::test]
async fn p11_a_large_message_comes_in_pieces_and_lands_as_it_is() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    for mail in [large("a@x"), "small".to_owned(), large("b@x")] {
        peer.deliver(&mail);
    }
    let watched = start(&peer, &desk, to_processed());
    until("all are moved", || peer.folder("Processed").len() == 3 && peer.inbox().is_empty()).await;
    let mut accepted = desk.accepted();
    accepted.sort();
    assert_eq!(accepted, [large("a@x"), large("b@x"), "small".to_owned()]);
    assert_eq!(desk.cuts(), [None, None, None]);
    assert_eq!(peer.count("UID FETCH 1 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0."), 1);
    assert_eq!(watched.stop().await.last_fault, None);
}

/// A decision finds a ticket by what is in it: what answers a large message must come after it, all else may pass.
#[tokio::test]
async fn p3_small_mail_passes_a_large_one_and_an_answer_to_it_does_not() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver(&large("held@x"));
    peer.deliver("References: <held@x>\r\n\r\nan answer");
    peer.deliver("small");
    let watched = start(&peer, &desk, to_processed());
    until("small and large are accepted", || desk.accepted().len() == 2).await;
    until("the small one is moved", || peer.folder("Processed") == ["small"]).await;
    desk.release.send_replace(true);
    until("all are moved", || peer.folder("Processed").len() == 3).await;
    assert!(desk.accepted()[2].ends_with("an answer"), "after what it answers");
    assert_eq!(watched.stop().await.last_fault, None);
}

/// P1: whatever the server makes of it, the mail is filed whole or not at all.
#[tokio::test]
async fn p1_pieces_that_do_not_fit_are_not_believed() {
    #[rustfmt::skip]
    let cases: [(&str, &'static str, &str); 8] = [
        ("<0.", "TAG BAD what?\r\n", "pieces are unknown"),
        ("<0.", "* 1 FETCH (UID 1 RFC822.SIZE 789 BODY[] {5}\r\nwhole)\r\nTAG OK\r\n", "not said to be a piece"),
        ("<0.", "* 1 FETCH (UID 1 RFC822.SIZE 789 BODY[]<7> {5}\r\npiece)\r\nTAG OK\r\n", "another piece"),
        ("<0.", "* 1 FETCH (UID 1 RFC822.SIZE 9 BODY[]<0> {5}\r\npiece)\r\nTAG OK\r\n", "another size"),
        ("<0.", "* 1 FETCH (UID 1 RFC822.SIZE 789 BODY[]<0> NIL)\r\nTAG OK\r\n", "no content this time"),
        ("<0.", "TAG OK\r\n", "not listed this time"),
        ("<789.", "* 1 FETCH (UID 1 BODY[]<789> {4}\r\nmore)\r\nTAG OK\r\n", "more than its size"),
        ("<789.", "* 1 FETCH (UID 1 BODY[]<0> {4}\r\nmore)\r\nTAG OK\r\n", "the same again and again"),
    ];
    for (piece, said, why) in cases {
        let (peer, desk) = (Peer::start(FULL).await, Desk::new());
        assert_eq!(large("a@x").len(), 789);
        peer.deliver(&large("a@x"));
        let mut quirk = Some(Quirk::Say(said));
        peer.rule(move |line, _| if line.contains(piece) { quirk.take() } else { None });
        let watched = start(&peer, &desk, to_processed());
        until(why, || peer.folder("Processed").len() == 1).await;
        assert_eq!(desk.accepted(), [large("a@x")], "{why}");
        assert_eq!(desk.cuts(), [None], "{why}");
        watched.stop().await;
    }
}

/// What came before a connection ended is not fetched again, and a mail that ends each is taken in by its start (P3).
#[tokio::test]
async fn p3_a_connection_that_ends_within_a_large_message() {
    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver(&large("a@x"));
    let mut quirk = Some(Quirk::Close("* 1 FETCH (UID 1 BODY[]<789> {4}\r\n"));
    peer.rule(move |line, _| if line.contains("<789.") { quirk.take() } else { None });
    let watched = start(&peer, &desk, to_processed());
    until("it is moved", || peer.folder("Processed").len() == 1).await;
    assert_eq!((desk.accepted(), desk.cuts()), (vec![large("a@x")], vec![None]));
    assert_eq!((peer.count("UID FETCH 1 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0."), peer.with(|shop| shop.connections)), (1, 2));
    watched.stop().await;

    let (peer, desk) = (Peer::start(FULL).await, Desk::new());
    peer.deliver(&large("a@x"));
    peer.deliver("small");
    peer.rule(|line, _| line.contains("<789.").then_some(Quirk::Close("")));
    let watched = start(&peer, &desk, to_processed());
    until("both are moved", || peer.folder("Processed").len() == 2).await;
    assert_eq!(desk.accepted().len(), 2);
    watched.stop().await;
}
