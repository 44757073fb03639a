//! What makes two deliveries the same message (P2): everything that the sender wrote and nothing that the way added.

use super::scan::run_len;
use super::structure::{fields, unfold};
use crate::domain::message::Fingerprint;

/// Fields that the sender's program writes once and that relays leave alone.
const SENDERS_OWN: [&str; 4] = ["Message-ID", "Date", "From", "Subject"];

/// Octets that are hashed at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// BLAKE3 over the sender's fields and the body, each with its length. Without a Message-ID two short mails may be equal
/// in all of that and still be two, so then every other field counts as well.
pub(super) fn of(head: &[u8], body: &[u8], has_message_id: bool) -> Fingerprint {
    let body = trim_line_ends(body);
    let mut hash = of_head(b"guichet mail 1", head, has_message_id, body.len());
    hash.body(body);
    hash.short()
}

/// The same where only the start of the mail is here. Copies have other trace fields, so that their bodies end at other
/// places: counted are the beginning that all copies have, and the size of the whole body.
pub(super) fn of_start(head: &[u8], body: &[u8], body_size: u64, has_message_id: bool) -> Fingerprint {
    let mut hash = of_head(b"guichet mail cut 1", head, has_message_id, START_OCTETS);
    hash.update(&body_size.to_be_bytes());
    hash.update(body.get(..START_OCTETS).unwrap_or(body));
    hash.short()
}

/// How much of a body that is cut counts: what is fetched of such a mail is four times that, header included.
const START_OCTETS: usize = 64 * 1024;

fn of_head(domain: &[u8], head: &[u8], has_message_id: bool, body_len: usize) -> Hash {
    let mut hash = Hash::with_room(domain.len() + head.len() + body_len);
    hash.update(domain);
    // The first of each and how many there are, in one pass: more than one is rare.
    let mut found = [(None, 0usize); SENDERS_OWN.len()];
    for field in fields(head) {
        if let Some(nth) = SENDERS_OWN.iter().position(|name| field.name.eq_ignore_ascii_case(name)) {
            let (first, count) = &mut found[nth];
            first.get_or_insert(field.value);
            *count += 1;
        }
    }
    for (name, (first, count)) in SENDERS_OWN.iter().zip(found) {
        if let Some(value) = first {
            hash.field(name, value);
        }
        if count > 1 {
            for another in fields(head).filter(|f| f.name.eq_ignore_ascii_case(name)).skip(1) {
                hash.field(name, another.value);
            }
        }
    }
    if !has_message_id {
        for found in fields(head).filter(|f| !SENDERS_OWN.iter().any(|name| f.name.eq_ignore_ascii_case(name))) {
            hash.field(found.name, found.value);
        }
    }
    hash.update(&u64::MAX.to_be_bytes());
    hash
}

/// What is hashed, in long pieces: the hash takes four parts of one or more at once, and only from the start of a piece.
struct Hash {
    hash: blake3::Hasher,
    piece: Vec<u8>,
}

impl Hash {
    fn with_room(octets: usize) -> Self {
        Self { hash: blake3::Hasher::new(), piece: Vec::with_capacity(octets.min(PIECE_OCTETS)) }
    }

    fn update(&mut self, octets: &[u8]) {
        if self.piece.len() + octets.len() > PIECE_OCTETS {
            self.hash.update(&self.piece);
            self.piece.clear();
        }
        if octets.len() > PIECE_OCTETS {
            self.hash.update(octets);
        } else {
            self.piece.extend_from_slice(octets);
        }
    }

    fn field(&mut self, name: &str, value: &[u8]) {
        let value = unfold(value);
        self.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.update(name.to_ascii_lowercase().as_bytes());
        self.update(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.update(&value);
    }

    /// Line ends differ between IMAP, Maildir and mbox, and so do empty lines at the end, which are gone here.
    fn body(&mut self, body: &[u8]) {
        if body.is_empty() {
            return;
        }
        let mut rest = body;
        loop {
            let at = run_len(rest, |octet| octet != b'\r');
            self.update(&rest[..at]);
            let Some(behind) = rest.get(at + 1..) else { break };
            if behind.first() != Some(&b'\n') {
                self.update(b"\r");
            }
            rest = behind;
        }
        self.update(b"\n");
    }

    fn short(mut self) -> Fingerprint {
        self.hash.update(&self.piece);
        let mut short = [0u8; 16];
        short.copy_from_slice(&self.hash.finalize().as_bytes()[..16]);
        Fingerprint(short)
    }
}

fn trim_line_ends(mut octets: &[u8]) -> &[u8] {
    while let Some(rest) = octets.strip_suffix(b"\n").or_else(|| octets.strip_suffix(b"\r")) {
        octets = rest;
    }
    octets
}

#[cfg(test)]
mod tests {
    use crate::mail::normalise::{NormaliseLimits, normalise, normalise_start};

    fn print(mail: &str) -> String {
        format!("{:?}", normalise(mail.as_bytes(), &NormaliseLimits::default()).fingerprint)
    }

    #[test]
    fn p2_copies_are_one_and_others_are_not() {
        let mail = "From: a@x.example\r\nSubject: long\r\n folded\r\nDate: Tue, 14 Oct 2025 09:30:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHi\r\nthere\r\n";
        let same = [
            (mail.replace("\r\n", "\n"), "LF for CRLF"),
            (format!("Return-Path: <a@x.example>\r\nReceived: by mx; now\r\nX-Spam: no\r\nDelivered-To: b@y\r\n{mail}"), "trace fields"),
            (format!("From a@x.example Tue Oct 14 09:30:00 2025\n{}\n", mail.replace("\r\n", "\n")), "from an mbox"),
            (format!("\r\n{mail}\r\n"), "empty lines around"),
        ];
        for (other, why) in same {
            assert_eq!(print(&other), print(mail), "{why}");
        }
        let differs = [
            (mail.replace("Hi", "Ho"), "other text"),
            (mail.replace("From: a@", "From: b@"), "other sender, same Message-ID"),
            (mail.replace("<1@x>", "<2@x>"), "other Message-ID"),
            (mail.replace("Subject: long", "Subject: lang"), "other subject"),
            (mail.replace("Hi\r\nthere", "Hi\r\n\r\nthere"), "an empty line more"),
        ];
        for (other, why) in differs {
            assert_ne!(print(&other), print(mail), "{why}");
        }
    }

    #[test]
    fn p2_starts_of_large_copies_are_one_and_others_are_not() {
        let mail = format!("From: a@x.example\r\nMessage-ID: <1@x>\r\n\r\n{}", "line of text\r\n".repeat(20_000));
        let start = |mail: &str| {
            let cut = &mail.as_bytes()[..200_000];
            normalise_start(cut, mail.len() as u64, &NormaliseLimits::default()).fingerprint
        };
        assert_eq!(start(&format!("Received: by mx; now\r\n{mail}")), start(&mail), "trace fields, which move the cut");
        assert_ne!(start(&format!("{mail}more\r\n")), start(&mail), "another size");
        assert_ne!(start(&mail.replacen("line", "tile", 1)), start(&mail), "another text");
        assert_ne!(start(&mail), normalise(mail.as_bytes(), &NormaliseLimits::default()).fingerprint, "never taken for a whole one");
    }

    #[test]
    fn p2_short_mails_without_an_id_stay_two() {
        let one = "Received: by mx id 1; t\r\nFrom: a@x.example\r\nSubject: up?\r\n\r\nok\r\n";
        assert_ne!(print(one), print(&one.replace("id 1", "id 2")), "another delivery of equal words");
        assert_eq!(print(one), print(&one.replace("\r\n", "\n")), "the same delivery");
    }
}
