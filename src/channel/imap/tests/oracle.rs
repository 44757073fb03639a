//! Our reader beside async-imap's. Where theirs can read a response, ours says the same; ours goes on where theirs ends the
//! session, which is why it is ours that listens to servers.

#![expect(clippy::wildcard_enum_match_arm, reason = "most of what theirs can say is not asked for")]

use super::super::answer::{Answer, Item};
use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response};
use proptest::prelude::*;

/// What both can say of a response; `None` where theirs gives up.
fn theirs(octets: &[u8]) -> Option<Answer> {
    let (rest, response) = Response::parse(octets).ok()?;
    assert!(rest.is_empty());
    Some(match response {
        Response::Fetch(_, values) => {
            let mut item = Item::default();
            for value in values {
                match value {
                    AttributeValue::Uid(uid) => item.uid = uid,
                    AttributeValue::Rfc822Size(size) => item.size = Some(size),
                    AttributeValue::Flags(flags) => item.deleted = flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Deleted")),
                    AttributeValue::BodySection { data, index, .. } => {
                        item.body = data.map(std::borrow::Cow::into_owned);
                        item.piece_at = index;
                    }
                    _ => {}
                }
            }
            Answer::Fetch(item)
        }
        Response::MailboxData(MailboxDatum::Search(uids)) => Answer::Search(uids),
        Response::MailboxData(MailboxDatum::Exists(count)) => Answer::Exists(count),
        Response::Expunge(number) => Answer::Expunged(number),
        _ => Answer::Other,
    })
}

fn fetch_item() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (1..u32::MAX).prop_map(|uid| format!("UID {uid}").into_bytes()),
        any::<u32>().prop_map(|size| format!("RFC822.SIZE {size}").into_bytes()),
        proptest::sample::subsequence(vec!["\\Seen", "\\Deleted", "$guichet", "\\Recent", "Junk"], 0..5).prop_map(|flags| format!(
            "FLAGS ({})",
            flags.join(" ")
        )
        .into_bytes()),
        Just(b"INTERNALDATE \"14-Oct-2025 09:30:00 +0000\"".to_vec()),
        (proptest::collection::vec(any::<u8>(), 0..60), prop_oneof![Just(""), Just("<0>")]).prop_map(|(mail, origin)| {
            let mut item = format!("BODY[]{origin} {{{}}}\r\n", mail.len()).into_bytes();
            item.extend_from_slice(&mail);
            item
        }),
    ]
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let fetch = (1..99_999_u32, proptest::collection::vec(fetch_item(), 1..5)).prop_map(|(number, mut items)| {
        // Of two of a kind theirs and ours take another one; a server sends one.
        items.sort_by_key(|item| item.split(|octet| matches!(octet, b' ' | b'[')).next().map(<[u8]>::to_vec));
        items.dedup_by_key(|item| item.split(|octet| matches!(octet, b' ' | b'[')).next().map(<[u8]>::to_vec));
        let mut line = format!("* {number} FETCH (").into_bytes();
        line.extend_from_slice(&items.join(&b" "[..]));
        line.extend_from_slice(b")\r\n");
        line
    });
    prop_oneof![
        4 => fetch,
        1 => proptest::collection::vec(1..u32::MAX, 0..20)
            .prop_map(|uids| uids.iter().fold("* SEARCH".to_owned(), |line, uid| format!("{line} {uid}")).into_bytes())
            .prop_map(|mut line| { line.extend_from_slice(b"\r\n"); line }),
        1 => any::<u32>().prop_map(|count| format!("* {count} EXISTS\r\n").into_bytes()),
        1 => (1..u32::MAX).prop_map(|number| format!("* {number} EXPUNGE\r\n").into_bytes()),
    ]
}

proptest! {
    #[test]
    fn both_readers_say_the_same(response in response()) {
        let ours = Answer::parse(&response);
        let theirs = theirs(&response);
        prop_assert!(theirs.is_some(), "a plain response");
        let ours = ours.map(|answer| match answer {
            Answer::Fetch(item) => Answer::Fetch(Item { arrived: None, ..item }),
            other => other,
        });
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn p3_ours_goes_on_where_the_other_ends_the_session() {
    for (line, why) in [("* 1  FETCH (UID 7)\r\n", "a space too many"), ("* SOMETHING (\"new\") 1\r\n", "a response that nobody knows")] {
        assert!(Response::parse(line.as_bytes()).is_err(), "the other has learned it: {why}");
        assert!(Answer::parse(line.as_bytes()).is_some(), "{why}");
    }
}
