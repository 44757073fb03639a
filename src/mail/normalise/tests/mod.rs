//! The hostile mails of `tests/fixtures/attacks`, a row a mail with its reason, and what holds for all of them.

mod corpora;
mod formats;

use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn attacks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/attacks")
}

fn octets_of(name: &str) -> Vec<u8> {
    std::fs::read(attacks().join(format!("{name}.eml"))).unwrap()
}

fn parsed(name: &str) -> Parsed {
    normalise(&octets_of(name), &NormaliseLimits::default())
}

fn has(parsed: &Parsed, defect: &str) -> bool {
    parsed.defects.iter().any(|d| d.name == defect)
}

fn all_attacks() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(attacks())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "eml"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() > 140, "the fixtures are there");
    all
}

/// What holds for whatever comes in.
fn assert_clean(parsed: &Parsed, why: &str) {
    let limits = NormaliseLimits::default();
    let one_line = |text: &str| !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    assert!(one_line(&parsed.subject), "{why}: subject");
    for contact in parsed.from.iter().chain(&parsed.reply_to).chain(&parsed.recipients) {
        assert!(one_line(&contact.name), "{why}: name");
    }
    for file in &parsed.attachments {
        assert!(one_line(&file.name) && !file.name.contains(['/', '\\']) && !file.name.starts_with('.'), "{why}: {:?}", file.name);
        assert!((1..=255).contains(&file.name.len()), "{why}: {}", file.name.len());
        assert!(file.media_type.contains('/') && file.media_type.is_ascii(), "{why}: {}", file.media_type);
    }
    assert!(!parsed.body.text.contains(['\0', '\r', '\x1b']), "{why}: text");
    assert!(parsed.body.text.len() <= limits.text_octets_max, "{why}: text length");
    assert_eq!(parsed.body.spans.last().map_or(0, |s| s.end as usize), parsed.body.text.len(), "{why}: spans");
    assert!(
        parsed.from.is_some() || parsed.defects.iter().any(|d| d.name.ends_with("_from") || d.name == "no_headers"),
        "{why}: nobody, and no word why"
    );
}

#[test]
fn p3_no_attack_is_refused() {
    for (name, octets) in all_attacks() {
        assert_clean(&normalise(&octets, &NormaliseLimits::default()), &name);
    }
}

#[test]
fn p8_who_writes() {
    for (name, expect, why) in [
        ("A01-subject-tag-guess", Ok("mallory@evil.example"), "plain"),
        ("B07-resent-headers", Ok("mallory@evil.example"), "Resent-From is trace"),
        ("C06-agent-display-name", Ok("mallory@evil.example"), "the address decides"),
        ("C07-agent-sender-differs", Ok("agent.kelly@help.example"), "Sender is not looked at here"),
        ("C09-agent-two-from-headers", Err("several_from"), "two From fields"),
        ("C12-agent-addr-variants", Err("bad_from"), "route, quotes and comment"),
        ("C13-agent-nul-in-address", Err("control_from"), "NUL"),
        ("C16-agent-encoded-address", Ok("mallory@evil.example"), "encoded words are of the name"),
        ("F03-name-crlf", Ok("mallory@evil.example"), "CRLF in the name"),
        ("G31-body-only", Err("no_headers"), "no header at all"),
        ("I07-raw-8bit-headers-latin1", Ok("juergen@rival.example"), "octets in the name"),
        ("I09-raw-8bit-gb18030", Ok("wang@rival.example"), "octets in the name"),
        ("K04-missing-from", Err("no_from"), "never from Return-Path"),
        ("K06-group-from", Err("group_from"), "an empty group"),
        ("K07-group-from-members", Err("group_from"), "a group"),
        ("K09-from-junk", Err("bad_from"), "junk"),
        ("K17-address-case-and-tag", Ok("alice+x@customer.example"), "case folded, tag kept"),
        ("K20-sender-only", Err("no_from"), "never from Sender or Reply-To"),
        ("L08-long-header-line", Err("bad_from"), "cut, so nobody"),
    ] {
        let parsed = parsed(name);
        match expect {
            Ok(address) => assert_eq!(parsed.from.as_ref().map(|c| c.address.as_str()), Some(address), "{name}: {why}"),
            Err(defect) => {
                assert_eq!(parsed.from, None, "{name}: {why}");
                assert!(has(&parsed, defect), "{name}: {why}: {:?}", parsed.defects);
            }
        }
    }
    let homograph = parsed("C10-agent-homograph").from.unwrap();
    assert!(homograph.address.domain().contains("xn--"), "compared and shown as A-labels: {}", homograph.address);
    assert_eq!(parsed("I07-raw-8bit-headers-latin1").from.unwrap().name, "Jürgen Müller");
    assert_eq!(parsed("I09-raw-8bit-gb18030").from.unwrap().name, "王小明", "read as the body's charset says");
}

#[test]
fn what_it_is_about() {
    for (name, expect, why) in [
        ("E25-ooo-japanese", "自動応答 [#1042]", "ISO-2022-JP"),
        ("F01-subject-crlf-q", "Hello Bcc: victim@victim.example Owned", "on one line"),
        ("F06-subject-unicode-newlines", "a b c d e f g", "all line ends and NUL"),
        ("G32-mbox-from-line", "with From_ line", "one mbox line is skipped"),
        ("G34-leading-blank-line", "leading blank", "empty lines are skipped"),
        ("I07-raw-8bit-headers-latin1", "Bestellung über Bücher", "Latin-1 octets"),
        ("K15-duplicate-headers", "first subject", "the first wins"),
        ("L04-nul-bytes", "before after", "nothing is cut at NUL"),
        ("L07-header-bare-lf-injection", "harmless", "a bare LF ends the line"),
    ] {
        assert_eq!(parsed(name).subject, expect, "{name}: {why}");
    }
    assert!(parsed("K18-long-subject").subject.len() <= 500);
    assert!(!parsed("F12-encoded-word-broken").subject.is_empty());
}

#[test]
fn what_it_says() {
    for (name, expect, why) in [
        ("F10-charset-param-crlf", "Hello,\n\ncould you please help me?", "hostile charset"),
        ("G20-no-boundary-param", "hidden?", "no boundary: all is text"),
        ("G22-unterminated", "still readable", "cut off"),
        ("G25-boundary-prefix", "one\n\ntwo", "AB is not ABC"),
        ("G26-text-html-disagree", "Nothing to see, please close.", "plain text wins"),
        ("G28-format-flowed", "This is a flowedline.\nFrom here it is stuffed.\n.\n..\n-- \nsig", "unflowed"),
        ("G29-empty-mail", "", "no body"),
        ("G31-body-only", "just some words without any header\nand a second line", "all is text"),
        ("H18-qp-garbage", "=ZZ =4 ==end", "bad escapes stay"),
        ("H19-unknown-cte", "See the attachment.\n\nuryyb\n\naGVsbG8=", "unknown encodings stay"),
        ("I01-latin1-labelled-utf8", "Grüße aus München, 100 €", "labelled wrongly"),
        ("I03-unknown-charset", "hello", "unknown charset"),
        ("I04-utf7-xss", "", "the script is gone"),
        ("I10-iso2022jp-open", "こんにちは", "left in shifted state"),
        ("J14-quote-marker-injection", "real question is below the line", "somebody's marker"),
        ("K15-duplicate-headers", "Hello", "the first Content-Type wins"),
        ("L01-bare-lf-dot", "first\n.\nMAIL FROM:", "dots are text"),
        ("L04-nul-bytes", "x\u{fffd}y\u{fffd}\u{fffd}z", "NUL is shown, not cut at"),
        ("N07-calendar-reply", "See the attachment.", "text beside a calendar"),
    ] {
        let text = parsed(name).body.text;
        assert!(text.contains(expect), "{name}: {why}: {text:?}");
        assert!(!text.contains("<script"), "{name}");
    }
    assert!(has(&parsed("G20-no-boundary-param"), "no_parts"));
    assert!(has(&parsed("G22-unterminated"), "cut_off"));
    assert!(has(&parsed("G31-body-only"), "no_headers"));
    assert!(has(&parsed("N08-smime-and-pgp"), "encrypted_pgp"));
    assert!(has(&parsed("H22-winmail-bad-lengths"), "damaged_tnef"));
    assert_eq!(parsed("N05-agent-empty-reply").body.new_text(), "", "only quoted");
    assert_eq!(parsed("N01-agent-genuine").body.new_text(), "Dear Alice, the invoice is attached.");
}

#[test]
fn what_it_brings() {
    for (name, expect, why) in [
        ("F04-filename-crlf", vec!["script>.txt"], "base name on one line"),
        ("G23-message-partial", vec!["part-0.eml"], "never put together"),
        ("H01-traversal", vec!["evil"], "base name"),
        ("H07-duplicate-names", vec!["a.txt", "a.txt"], "both are kept"),
        ("H08-xss-name", vec!["><img src=x onerror=alert(1)>.png"], "markup is text"),
        ("H12-cid-injection", vec!["part-2.png"], "a picture without a name"),
        ("H16-base64-garbage", vec!["g.pdf"], "decoded leniently"),
        ("H21-winmail-dat", vec!["evil.txt"], "unpacked, its name cleaned"),
        ("H22-winmail-bad-lengths", vec!["winmail.dat"], "damaged: kept as it is"),
        ("H24-html-attachment", vec!["Secure_Document.html"], "a file, not the text"),
        ("N07-calendar-reply", vec!["part-2.ics"], "kept as a file"),
        ("N08-smime-and-pgp", vec!["part-1.bin", "encrypted.asc"], "kept as they are"),
        ("G29-empty-mail", vec![], "nothing"),
    ] {
        let parsed = parsed(name);
        let names: Vec<_> = parsed.attachments.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names.len(), expect.len(), "{name}: {why}: {names:?}");
        for (name, expect) in names.iter().zip(&expect) {
            assert!(name.ends_with(expect), "{why}: {name:?} {expect:?}");
        }
    }
    for name in [
        "H01-traversal",
        "H03-nul",
        "H04-rtl-override",
        "H06-long-name",
        "H08-xss-name",
        "H11-two-names",
        "H13-newline-name",
        "H15-2231-gaps",
    ] {
        assert_eq!(parsed(name).attachments.len(), 1, "{name}");
    }
}

#[test]
fn p6_machines_are_seen() {
    use crate::domain::message::Machine::{AutoReply, Bounce, Bulk, Generated, Ourselves};
    for (name, expect) in [
        ("A01-subject-tag-guess", None),
        ("D08-from-noreply", Some(Generated)),
        ("D09-postmaster-plain", Some(Bulk)),
        ("D11-list-unsubscribe", Some(Bulk)),
        ("E01-auto-replied", Some(AutoReply)),
        ("E03-auto-notified-params", Some(Bulk)),
        ("E04-auto-submitted-no", None),
        ("E05-precedence-bulk", Some(Bulk)),
        ("E07-precedence-list", Some(Bulk)),
        ("E08-precedence-auto-reply", Some(AutoReply)),
        ("E10-suppress-oof", Some(AutoReply)),
        ("E12-x-autoreply", Some(AutoReply)),
        ("E14-list-id", Some(Bulk)),
        ("E15-exchange-rule-loop", Some(AutoReply)),
        ("E17-feedback-id", Some(Bulk)),
        ("E18-ooo-german", Some(AutoReply)),
        ("E19-ooo-german-auto", Some(AutoReply)),
        ("E21-ooo-portuguese-ausencia", Some(AutoReply)),
        ("E22-ooo-estonian", Some(AutoReply)),
        ("E24-ooo-french", Some(AutoReply)),
        ("E25-ooo-japanese", Some(AutoReply)),
        ("E27-own-ack-returned", Some(AutoReply)),
        ("E28-agent-ooo-on-token", Some(AutoReply)),
        ("E30-delivered-to-loop", Some(Ourselves)),
        ("M01-dsn-genuine", Some(Bounce)),
        ("M02-dsn-delayed", Some(Bounce)),
        ("M04-dsn-forged-unknown-id", Some(Bounce)),
        ("M05-dsn-forged-known-id", Some(Bounce)),
        ("M07-dsn-mass-recipients", Some(Bounce)),
        ("M08-dsn-xss-diagnostic", Some(Bounce)),
        ("M10-dsn-global", Some(Bounce)),
        ("M11-arf-abuse", Some(Bounce)),
        ("M13-mdn-deleted-forged", Some(AutoReply)),
        ("M14-dsn-nested-report", Some(Bounce)),
        ("N01-agent-genuine", None),
    ] {
        assert_eq!(parsed(name).machine.map(|m| m.0), expect, "{name}");
    }
    assert_eq!(parsed("E27-own-ack-returned").loop_marks, vec!["support@help.example"]);
}

#[test]
fn reports_say_who_and_which() {
    use crate::domain::bounce::News::{Complained, Delayed, Failed};
    let id = "ticket.1042.1.k7qx2m@help.example";
    for (name, expect, why) in [
        ("M01-dsn-genuine", Some((id, "alice@customer.example", Failed, "5.1.1", 1)), "plain"),
        ("M02-dsn-delayed", Some((id, "alice@customer.example", Delayed, "4.4.1", 1)), "delayed"),
        (
            "M04-dsn-forged-unknown-id",
            Some(("never-sent@help.example", "alice@customer.example", Failed, "5.1.1", 1)),
            "the caller knows that it is none of ours",
        ),
        ("M05-dsn-forged-known-id", Some((id, "ceo@bigcustomer.example", Failed, "5.1.1", 1)), "the caller compares the recipient"),
        ("M07-dsn-mass-recipients", Some((id, "c0@customer0.example", Failed, "5.1.1", 200)), "counted"),
        ("M10-dsn-global", Some(("", "用户@customer.example", Failed, "5.1.1", 1)), "RFC 6533"),
        ("M11-arf-abuse", Some((id, "alice@customer.example", Complained, "", 1)), "RFC 5965"),
        ("M13-mdn-deleted-forged", None, "no delivery report"),
        ("M14-dsn-nested-report", None, "only the outermost counts"),
    ] {
        let report = parsed(name).report;
        let got = report.as_ref().map(|r| {
            let one = &r.told[0];
            let id = r.originals.first().map_or("", MessageId::as_str);
            (id, one.recipient.as_ref().map_or("", |a| a.as_str()), one.news, one.status.as_str(), r.named)
        });
        assert_eq!(got, expect, "{name}: {why}");
    }
    let diagnostic = parsed("M08-dsn-xss-diagnostic").report.unwrap().told[0].diagnostic.clone();
    assert!(diagnostic.starts_with("550 <script>"), "text on one line, escaped where it is shown: {diagnostic}");
}

#[test]
fn ids_dates_and_recipients() {
    let ids = |name: &str| parsed(name).references.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids("F09-references-garbage"), ["ok@evil.example"]);
    assert_eq!(ids("K16a-reference-self"), ["cyc-b@evil.example", "cyc-a@evil.example"], "cycles are for those who follow them");
    assert_eq!(parsed("K13-msgid-odd").message_id.unwrap().as_str(), "xy@evil.example");
    assert!(has(&parsed("K03-missing-date"), "no_date"));
    assert!(has(&parsed("K12-date-garbage"), "bad_date"));
    assert!(parsed("K10-date-2099").sent_at.is_some(), "as claimed");
    let flood = parsed("B05-cc-flood");
    assert!(has(&flood, "many_recipients") && flood.recipients.len() == 50);
    assert_eq!(parsed("F07-reply-to-crlf").reply_to[0].address.as_str(), "mallory@evil.example");
    let folded = parsed("A11-case-folded-token").addressed;
    assert_eq!(folded[0].as_str(), "reply+k7qx2mtz9w4lh3rb@help.example");
    assert!(folded.iter().any(|a| a.as_str() == "support@help.example"), "Delivered-To too");
    assert!(parsed("K21-bcc-header").recipients.iter().all(|c| c.address.as_str() != "victim@victim.example"));
    assert!(!parsed("A07-token-in-body").addressed.iter().any(|a| a.as_str().contains('+')), "never from the text");
}

#[test]
fn p2_redelivery_and_forged_ids() {
    let first = octets_of("K01c-duplicate-redelivery");
    let moved = [b"Received: by another; now\r\nDelivered-To: sales@help.example\r\n".as_slice(), &first].concat();
    let print = |octets: &[u8]| normalise(octets, &NormaliseLimits::default()).fingerprint;
    assert_eq!(print(&first), print(&moved));
    assert_ne!(print(&first), print(&octets_of("K01b-duplicate-msgid-other-content")));
}

/// Mails that are too big to keep beside the others.
#[test]
fn p11_big_attacks_stay_small() {
    let head = "From: Mallory <mallory@evil.example>\r\nTo: support@help.example\r\nSubject: big\r\nDate: Tue, 14 Oct 2025 09:30:00 +0000\r\nMessage-ID: <big@evil.example>\r\n";
    let with_fields = |fields: &str| format!("{fields}{head}\r\nthe text\r\n");
    let with_body = |kind: &str, body: &str| format!("{head}Content-Type: {kind}\r\n\r\n{body}");
    let mut nested = String::new();
    for level in 0..20_000 {
        write!(nested, "--b{level}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", level + 1).unwrap();
    }
    let tiny = format!("--b\r\n\r\nthe text\r\n{}--b--\r\n", "--b\r\n\r\nx\r\n".repeat(100_000));
    let references = format!("References: {}<new@x>\r\n", "<0123456789@evil.example>\r\n ".repeat(20_000));
    let deep_mails = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let segments = (0..10_000).fold(String::new(), |all, i| all + &format!("; name*{i}*=%41"));
    for (name, mail, defect) in [
        ("nested multiparts", with_body("multipart/mixed; boundary=b0", &nested), "too_deep"),
        (
            "same boundary within itself",
            with_body("multipart/mixed; boundary=b", &"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(100_000)),
            "too_deep",
        ),
        ("tiny parts", with_body("multipart/mixed; boundary=b", &tiny), "many_parts"),
        ("mails in mails", with_body("message/rfc822", &deep_mails), ""),
        ("a long line", with_fields(&format!("X-Long: {}\r\n", "x".repeat(1 << 20))), "long_header"),
        ("many fields", with_fields(&"X-Many: y\r\n".repeat(100_000)), "large_header"),
        ("a field folded often", with_fields(&format!("X-Fold: a{}\r\n", "\r\n b".repeat(200_000))), "long_header"),
        ("references", with_fields(&references), "long_header"),
        ("recipients", with_fields(&format!("Cc: {}z@x.example\r\n", "a@x.example,\r\n ".repeat(10_000))), "long_header"),
        ("comments", with_fields(&format!("Cc: {}\r\n", "(".repeat(200_000))), "long_header"),
        ("groups and routes", with_fields(&format!("Cc: {}\r\n", "a:<@".repeat(15_000))), ""),
        ("encoded words", with_fields(&format!("X: y\r\nComments: {}\r\n", "=?utf-8?q?a?= ".repeat(100_000))), "long_header"),
        ("name segments", with_body(&format!("multipart/mixed; boundary=b{segments}"), "--b\r\n\r\nthe text\r\n--b--"), ""),
        ("deep HTML", with_body("text/html", &format!("{}the text", "<div>".repeat(100_000))), ""),
        ("attributes", with_body("text/html", &format!("<p {}>the text", "a=b ".repeat(200_000))), ""),
        ("entities", with_body("text/html", &format!("the text {}", "&<".repeat(200_000))), ""),
        ("quotes", with_body("text/plain", &format!("the text\r\n{}", "> On x wrote:\r\nOn 2025 a@b wrote\r\n".repeat(20_000))), ""),
        ("marks of images", with_body("text/plain", &format!("the text {}", "[cid:".repeat(100_000))), "cut_text"),
        ("blanks", with_body("text/plain", &format!("the text{}", " ".repeat(1_000_000))), ""),
        (
            "look-alikes",
            with_body("multipart/mixed; boundary=bb", &format!("--bb\r\n\r\nthe text\r\n{}--bb--", "--b\r\n".repeat(200_000))),
            "",
        ),
        ("empty lines", with_body("text/plain", &format!("the text{}--\r\n", "\r\n--".repeat(100_000))), ""),
    ] {
        let parsed = normalise(mail.as_bytes(), &NormaliseLimits::default());
        assert_clean(&parsed, name);
        assert!(defect.is_empty() || has(&parsed, defect), "{name}: {:?}", parsed.defects);
        assert!(parsed.from.is_some(), "{name}");
        if mail.contains("the text") {
            assert!(parsed.body.text.contains("the text"), "{name}: its text is found");
        }
    }
    let newest = normalise(with_fields(&references).as_bytes(), &NormaliseLimits::default()).references;
    assert_eq!(newest.last().map(MessageId::as_str), Some("new@x"), "the newest are kept");
    assert_eq!(newest.len(), 50);
}

#[test]
fn p11_limits_are_named_when_they_are_met() {
    let limits = NormaliseLimits { text_octets_max: 10, attachments_octets_max: 10, ..NormaliseLimits::default() };
    let mail = "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nää ää ää ää\r\n--b\r\nContent-Type: image/png\r\n\r\n12345678901\r\n--b\r\nContent-Type: image/png\r\n\r\n1234\r\n--b--\r\n";
    let parsed = normalise(mail.as_bytes(), &limits);
    assert_eq!(parsed.body.text, "ää ää ");
    assert_eq!(parsed.attachments.len(), 1, "the one that fits");
    assert!(has(&parsed, "cut_text") && has(&parsed, "large_attachments"));
}

#[test]
fn structures_of_real_programs() {
    let part = |kind: &str, body: &str| format!("Content-Type: {kind}\r\n\r\n{body}\r\n");
    let multi = |kind: &str, boundary: &str, parts: &[String]| {
        let inner = parts.iter().fold(String::new(), |all, p| all + &format!("--{boundary}\r\n{p}"));
        part(&format!("multipart/{kind}; boundary=\"{boundary}\""), &format!("preamble\r\n{inner}--{boundary}--\r\nepilogue"))
    };
    let plain = part("text/plain; charset=utf-8", "plain words");
    let html = part("text/html; charset=utf-8", "<p>html words</p>");
    let picture = part("image/png; name=p.png", "png");
    let forwarded = part("message/rfc822", "Subject: =?utf-8?q?inner_=C3=A4/b?=\r\n\r\ninner words\r\n--a\r\nx");
    for (mail, text, files, why) in [
        (multi("alternative", "a", &[plain.clone(), html.clone()]), "plain words", vec![], "the usual"),
        (multi("alternative", "a", &[html.clone(), plain.clone()]), "plain words", vec![], "the wrong way round"),
        (multi("alternative", "a", &[part("text/plain", " "), html.clone()]), "html words", vec![], "empty plain text"),
        (
            multi(
                "mixed",
                "m",
                &[multi("alternative", "a", &[plain.clone(), multi("related", "r", &[html.clone(), picture.clone()])]), picture.clone()],
            ),
            "plain words",
            vec!["p.png", "p.png"],
            "Apple and Outlook",
        ),
        (
            multi("mixed", "m", &[plain.clone(), picture.clone(), part("text/plain", "footer")]),
            "plain words\n\nfooter",
            vec!["p.png"],
            "a list's footer",
        ),
        (multi("related", "r", &[html.clone(), picture.clone()]), "html words", vec!["p.png"], "HTML only"),
        (multi("mixed", "m", &[plain.clone(), forwarded]), "plain words", vec!["inner ä-b.eml"], "a forwarded mail is a file"),
        (multi("signed", "s", &[plain.clone(), part("application/pgp-signature", "sig")]), "plain words", vec![], "signed"),
        (
            multi("alternative", "a", &[plain.clone(), part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR")]),
            "plain words",
            vec!["part-2.ics"],
            "an invitation",
        ),
        (part("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "x"), "", vec!["smime.p7m"], "S/MIME"),
        (part("application/pdf", "%PDF"), "", vec!["part-0.pdf"], "a fax"),
        (
            multi("digest", "d", &["\r\nSubject: one\r\n\r\nx\r\n".to_owned()]),
            "---------- Forwarded message ----------\nSubject: one\n\nx",
            vec!["one.eml"],
            "parts of a digest are mails, shown where nothing else is",
        ),
    ] {
        let parsed = normalise(format!("From: a@x.example\r\nMIME-Version: 1.0\r\n{mail}").as_bytes(), &NormaliseLimits::default());
        let names: Vec<_> = parsed.attachments.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(parsed.body.text.trim(), text, "{why}");
        assert_eq!(names, files, "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn p3_never_panics_on_what_was_damaged(which in 0usize..142, edits in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..6), 0usize..200), 1..6)) {
        let all = FIXTURES.get_or_init(all_attacks);
        let (name, mut octets) = all[which % all.len()].clone();
        for (at, with, cut) in edits {
            let at = at.index(octets.len() + 1);
            let end = (at + cut).min(octets.len());
            octets.splice(at..end, with);
        }
        assert_clean(&normalise(&octets, &NormaliseLimits::default()), &name);
    }
}

static FIXTURES: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();
