//! A short round at each door: so many damaged seeds, counted and not timed, the same ones each time.
//!
//! `GUICHET_FUZZ_SEED` chooses others, `GUICHET_FUZZ_ROUNDS` how many for each door; with `GUICHET_CORPORA` the mail of others
//! is damaged, too. What breaks a door is written to a file, and belongs into `tests/fixtures/fuzz/DOOR`, where it is a seed.

use super::mutate::{Dice, damaged};
use super::{CONFIGURATION, DOORS, Door};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Longest octets that are tried here.
const OCTETS_MAX: usize = 16 * 1024;
/// So many are enough for one day.
const BROKEN_MAX: usize = 10;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() { folders.push(path) } else { found.push(std::fs::read(&path).unwrap()) }
        }
    }
    found
}

/// What a door is meant for.
fn seeds(door: &str) -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut seeds = files(&fixtures.join("fuzz").join(door));
    let owned = |all: &[&str]| all.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let mails = || {
        let mut mails = files(&fixtures.join("attacks"));
        mails.extend(files(&fixtures.join("corpora")));
        mails.extend(std::env::var_os("GUICHET_CORPORA").into_iter().flat_map(|folder| files(Path::new(&folder))));
        mails
    };
    seeds.extend(match door {
        "mail" | "page" | "text" => mails(),
        "mbox" => mails().chunks(3).map(|mails| [&b"From a@x.example Tue Oct 14 09:30:00 2025\n"[..], &mails.join(&b"\n\nFrom - 09:30\n"[..])].concat()).collect(),
        "imap" => owned(&[
            "* OK [CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS AUTH=PLAIN] hello\r\ng1 OK done\r\n",
            "* 12 EXISTS\r\n* OK [UIDVALIDITY 7] so\r\n* FLAGS (\\Seen \\Deleted)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\ng2 OK [READ-WRITE] ok\r\n",
            "* SEARCH 1 2 3 4000000000\r\n* 3 EXPUNGE\r\ng3 OK done\r\n",
            "* 1 FETCH (UID 9 RFC822.SIZE 44 FLAGS (\\Deleted) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\ng4 OK done\r\n",
            "* 2 FETCH (UID 10 BODY[] {5}\r\nabcde)\r\n* 3 FETCH (BODY[]<0> \"quoted\" UID 11)\r\ng5 OK done\r\n",
            "g6 NO [TRYCREATE] no such folder\r\ng7 BAD what\r\n* BYE so long\r\n+ go on\r\n",
            "* 1 FETCH (UID 1 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1) ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* STATUS INBOX (MESSAGES 1)\r\n* ID (\"name\" \"x\")\r\n* ENABLED CONDSTORE\r\n* VANISHED (EARLIER) 1:3\r\n",
        ]),
        "chat" => owned(&[
            r#"{"type":"hello","session":"00112233445566778899aabbccddeeff","after":3,"identity":"a.b.c","name":"Ana","address":"a@x.example","language":"pt"}"#,
            r#"{"type":"message","id":"m1","text":"Grüße\n\u0007 end"}"#,
            r#"{"type":"typing"}"#,
            r#"{"type":"seen","seq":4294967295}"#,
            r#"{"type":"rate","score":5,"comment":"fine"}"#,
            r#"{"type":"end"}"#,
        ]),
        "configuration" => owned(&[crate::config::DEFAULTS, CONFIGURATION]),
        "report" => owned(&[
            "Your message could not be delivered.\n\n<ana@x.example>: 550 5.1.1 no\n\nMessage-ID: <42.7.c.abcdefghijklmnop@help.example>\n",
            "Final-Recipient: rfc822; ana@x.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n\n",
            "Feedback-Type: abuse\nOriginal-Rcpt-To: <ana@x.example>\n",
            "Hi. This is the qmail-send program.\nana@x.example, ben@y.example\n--- Below this line is a copy of the message.\n",
        ]),
        "customers" => owned(&[
            "address,name,organisation,plan,tier,language,valid_until\nana@x.example,Ana,X,,,pt,2026-12-31\n@y.example,\"Y, Ltd\",Y,,,en,\n",
            "\u{feff}address;name\r\nana@x.example;\"An\"\"a\"\r\n",
        ]),
        "words" => owned(&[
            "Ana.Souza+tag@Acme.Example",
            "<42.7.c.abcdefghijklmnop@help.example>",
            "support+42cabcdefghijklmnop@xn--bcher-kva.example",
            "00112233445566778899aabbccddeeff",
            "42.7",
            "pt-BR",
            "\u{202e}Grüße\u{2028}\tx",
        ]),
        other => panic!("a door without seeds: {other}"),
    });
    if door == "text" {
        seeds.extend(owned(&[
            "#solve\n#assign kelly\n#snooze 2d\n#promise fri 17:00\n\nDear Ana,\n-- \nKelly\n",
            "#tag a b\n#untag c\n#priority high\n#team frontline\n#cc ben@y.example\n> quoted\n",
            "Yes.\n\nAm 14.10.2025 um 09:30 schrieb Desk:\n> a\n>> b\n\nVon: a\nGesendet: b\nAn: c\nBetreff: d\n",
        ]));
    }
    seeds
}

/// As many rounds as take a second or two, less where one round is much work.
fn run(door: &str, rounds: u64) {
    let (_, open) = DOORS.iter().find(|(name, _)| *name == door).unwrap();
    let first = number("GUICHET_FUZZ_SEED", 1);
    let rounds = number("GUICHET_FUZZ_ROUNDS", rounds);
    println!("GUICHET_FUZZ_SEED={first} GUICHET_FUZZ_ROUNDS={rounds}");
    let seeds = seeds(door);
    let mut broken = Vec::new();
    for (at, seed) in seeds.iter().enumerate() {
        try_at(*open, seed, &format!("{door}-seed-{at}"), &mut broken);
    }
    for round in 0..rounds {
        if broken.len() >= BROKEN_MAX {
            break;
        }
        let mut dice = Dice(first.wrapping_mul(1_000_003).wrapping_add(round));
        let (seed, other) = (&seeds[dice.below(seeds.len())], &seeds[dice.below(seeds.len())]);
        let octets = damaged(seed, other, &mut dice, OCTETS_MAX);
        try_at(*open, &octets, &format!("{door}-{first}-{round}"), &mut broken);
    }
    assert!(broken.is_empty(), "broken by {broken:#?}");
}

/// Keeps what breaks a door; the next ones are tried all the same.
fn try_at(open: Door, octets: &[u8], name: &str, broken: &mut Vec<PathBuf>) {
    if catch_unwind(|| open(octets)).is_err() {
        let path = std::env::temp_dir().join(format!("guichet-broken-{name}"));
        std::fs::write(&path, octets).unwrap();
        broken.push(path);
    }
}

#[test]
fn p11_mail_breaks_nothing() {
    run("mail", 1500);
}

#[test]
fn p11_reports_break_nothing() {
    run("report", 3000);
}

#[test]
fn p11_pages_break_nothing() {
    run("page", 1500);
}

#[test]
fn p11_texts_break_nothing() {
    run("text", 1000);
}

#[test]
fn p11_servers_break_nothing() {
    run("imap", 5000);
}

#[test]
fn p11_windows_break_nothing() {
    run("chat", 10_000);
}

#[test]
fn p11_mboxes_break_nothing() {
    run("mbox", 3000);
}

#[test]
fn p12_configurations_break_nothing() {
    run("configuration", 300);
}

#[test]
fn p12_tables_of_customers_break_nothing() {
    run("customers", 500);
}

#[test]
fn p11_words_break_nothing() {
    run("words", 10_000);
}
