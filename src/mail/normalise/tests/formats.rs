//! What other programs put into a mail: winmail.dat, images in a page, invitations, files in a text, mails, sealed mail,
//! odd character sets, damage; and what each budget says when it is spent.

use super::super::*;
use super::assert_clean;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

fn read(mail: impl AsRef<[u8]>) -> Parsed {
    let parsed = normalise(mail.as_ref(), &NormaliseLimits::default());
    assert_clean(&parsed, "clean");
    parsed
}

/// A mail of these parts, each with its own header.
fn mail(kind: &str, parts: &[String]) -> String {
    let mut mail = format!("From: a@x.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary=b\r\n\r\n");
    for part in parts {
        let _ = write!(mail, "--b\r\n{part}\r\n");
    }
    mail + "--b--\r\n"
}

fn plain(text: &str) -> String {
    format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}")
}

fn base64(kind: &str, content: &[u8]) -> String {
    format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", STANDARD.encode(content))
}

fn names(parsed: &Parsed) -> Vec<&str> {
    parsed.attachments.iter().map(|a| a.name.as_str()).collect()
}

fn defects(parsed: &Parsed) -> Vec<&str> {
    let expected = ["no_date"];
    parsed.defects.iter().map(|d| d.name).filter(|name| !expected.contains(name)).collect()
}

#[test]
fn winmail_dat_is_unpacked() {
    use tnef::tests::Writer;
    const BODY: u16 = 0x1000;
    let inner = Writer::new().message_properties(&[(0x1e, BODY, b"words within\0")]).file("c.txt", b"3").done();
    let object = [&[0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46][..], &inner].concat();
    let files = || Writer::new().file("../a.txt", b"1").file("b.pdf", b"2");
    let rich = rtf::tests::packed(b"{\\rtf1\\ansi \\b rich words}");
    let html = rtf::tests::packed(b"{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag <p>}page words{\\*\\htmltag </p>}}");
    let body = |value: &[u8]| files().message_properties(&[(0x1e, BODY, value)]).done();
    let mut wrong = body(b"packed words");
    *wrong.last_mut().unwrap() ^= 1;
    let ms = "application/ms-tnef; name=winmail.dat";
    for (parts, text, files, faults, why) in [
        (vec![plain("own words"), base64(ms, &body(b"packed words"))], "own words", vec!["a.txt", "b.pdf"], vec![], "beside a text"),
        (vec![base64(ms, &body(b"packed words"))], "packed words", vec!["a.txt", "b.pdf"], vec![], "for a mail without a text"),
        (
            vec![base64("application/octet-stream; name=attachment", &body(b"packed words"))],
            "packed words",
            vec!["a.txt", "b.pdf"],
            vec![],
            "known by its first octets",
        ),
        (vec![base64("application/vnd.ms-tnef", &files().done())], "", vec!["a.txt", "b.pdf"], vec![], "without a text at all"),
        (
            vec![base64(ms, &files().message_properties(&[(0x102, 0x1009, &rich)]).done())],
            "rich words",
            vec!["a.txt", "b.pdf", "message.rtf"],
            vec![],
            "rich text: its words, and as a file",
        ),
        (
            vec![base64(ms, &files().message_properties(&[(0x102, 0x1009, &html)]).done())],
            "page words",
            vec!["a.txt", "b.pdf"],
            vec![],
            "rich text around a page",
        ),
        (
            vec![base64(ms, &files().message_properties(&[(0x102, 0x1013, b"<p>page <b>words")]).done())],
            "page words",
            vec!["a.txt", "b.pdf"],
            vec![],
            "a page",
        ),
        (
            vec![plain("own words"), base64(ms, &Writer::new().file("note", b"").file_properties(&[(0x0d, 0x3701, &object)]).done())],
            "own words",
            vec!["c.txt", "note.txt"],
            vec![],
            "a message within",
        ),
        (
            vec![base64(ms, &wrong)],
            "packed words",
            vec!["a.txt", "b.pdf", "winmail.dat"],
            vec!["damaged_tnef"],
            "damaged: what could be read, and itself",
        ),
        (vec![base64(ms, &body(b"packed words")[..30])], "", vec!["winmail.dat"], vec!["damaged_tnef"], "cut off"),
        (vec![base64(ms, b"something else")], "", vec!["winmail.dat"], vec!["damaged_tnef"], "none"),
    ] {
        let parsed = read(mail("mixed", &parts));
        assert_eq!(parsed.body.text.trim(), text, "{why}");
        assert_eq!(names(&parsed), files, "{why}");
        assert_eq!(defects(&parsed), faults, "{why}");
    }
    let sole = format!("From: a@x.example\r\n{}", base64(ms, &body(b"packed words")));
    assert_eq!((read(&sole).body.text.trim(), names(&read(&sole))), ("packed words", vec!["a.txt", "b.pdf"]), "the whole mail");
}

#[test]
fn images_of_a_page_are_named_in_their_place() {
    let html = |page: &str| format!("Content-Type: text/html; charset=utf-8\r\n\r\n{page}");
    let png = |fields: &str| format!("Content-Type: image/png; name=screen.png\r\n{fields}\r\n\r\npng");
    let outlook = plain("see [cid:s@x] and [cid:no@x] and [cid:");
    for (parts, text, id, why) in [
        (vec![html("see <img src='cid:s@x'> here"), png("Content-ID: <s@x>")], "see [image: screen.png] here", Some("s@x"), "by id"),
        (vec![html("<img src='cid:s%40x' alt='Error'>"), png("Content-ID: <s@x>")], "[image: Error]", Some("s@x"), "by id, escaped"),
        (
            vec![html("<img src='img/s.png'>"), png("Content-Location: img/s.png")],
            "[image: screen.png]",
            Some("img/s.png"),
            "by place: that is its id then",
        ),
        (vec![html("no image"), png("Content-Location: img/s.png")], "no image", None, "a place that nobody refers to"),
        (vec![html("<img src='cid:other'>x"), png("Content-ID: <s@x>")], "x", Some("s@x"), "of another mail"),
        (vec![outlook, png("Content-ID: <s@x>")], "see [image: screen.png] and [cid:no@x] and [cid:", Some("s@x"), "plain text of Outlook"),
        (vec![html("<img src='https://t.example/1.gif' width=1>x"), png("Content-ID: <s@x>")], "x", Some("s@x"), "a tracking pixel"),
    ] {
        let parsed = read(mail("related", &parts));
        assert_eq!(parsed.body.text.trim(), text, "{why}");
        assert_eq!(parsed.attachments[0].content_id.as_deref(), id, "{why}");
    }
    // Each reference is looked up in a table: five hundred images, each shown a thousand times.
    let page = (0..500).fold(String::new(), |page, i| page + &format!("<img src='cid:{i}@x'>").repeat(200));
    let pictures = (0..499).map(|i| png(&format!("Content-ID: <{i}@x>")));
    let parsed = read(mail("related", &std::iter::once(html(&page)).chain(pictures).collect::<Vec<_>>()));
    assert!(parsed.body.text.starts_with("[image: screen.png]"));
}

#[test]
fn invitations_are_told_in_a_line() {
    let invitation = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Review\r\nDTSTART:20261123T100000Z\r\nDTEND:20261123T110000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let line = "Invitation: Review, 2026-11-23 10:00–11:00 (UTC)";
    let calendar = format!("Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n{invitation}");
    let file = base64("application/ics; name=invite.ics", invitation.as_bytes());
    let published = calendar.replace("METHOD:REQUEST", "METHOD:PUBLISH");
    for (kind, parts, text, files, why) in [
        ("mixed", vec![plain("Please come."), calendar.clone()], format!("Please come.\n\n{line}"), vec!["part-2.ics"], "below the text"),
        ("alternative", vec![plain(" "), calendar.clone()], line.to_owned(), vec!["part-2.ics"], "instead of a text"),
        (
            "mixed",
            vec![plain("Come."), calendar.clone(), file],
            format!("Come.\n\n{line}"),
            vec!["part-2.ics", "invite.ics"],
            "once, however often it came",
        ),
        ("mixed", vec![plain("Holidays"), published], "Holidays".to_owned(), vec!["part-2.ics"], "no invitation"),
    ] {
        let parsed = read(mail(kind, &parts));
        assert_eq!(parsed.body.text.trim_end(), text, "{why}");
        assert_eq!(names(&parsed), files, "{why}");
    }
    let reply = plain("Yes.\r\n\r\nOn 1 May 2026, Ana <ana@x.example> wrote:\r\n> Can you?\r\n-- \r\nBob");
    let parsed = read(mail("mixed", &[reply, calendar]));
    assert_eq!(parsed.body.new_text(), format!("Yes.\n\n{line}"), "new, though it stands below a quotation and a signature");
    assert!(parsed.body.text.contains("> Can you?"));
}

#[test]
fn files_in_a_text_become_files() {
    let text = "See below.\r\n\r\nbegin 644 ../h\u{e4}.txt\r\n+:&5L;&\\@=V]R;&0`\r\n`\r\nend\r\n\r\nBye";
    let parsed = read(format!("From: a@x.example\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}"));
    assert_eq!(parsed.body.text, "See below.\n\n[attached: hä.txt, 11 bytes]\n\nBye");
    assert_eq!((names(&parsed), parsed.attachments[0].content.as_slice()), (vec!["hä.txt"], &b"hello world"[..]));
    assert_eq!(parsed.attachments[0].media_type, "text/plain");
    assert_eq!(defects(&parsed), [""; 0]);
    let yenc =
        b"From: a@x.example\r\n\r\nSee below.\r\n=ybegin line=128 size=4 name=a.bin\r\n\x2a\x2b\xff=}\r\n=yend size=4\r\n".as_slice();
    let parsed = read(yenc);
    assert_eq!((parsed.body.text.as_str(), names(&parsed)), ("See below.\n[attached: a.bin, 4 bytes]\n", vec!["a.bin"]));
    assert_eq!(parsed.attachments[0].content, [0, 1, 213, 19], "octets that are no text");
    let damaged = text.replace("`\r\nend\r\n", "");
    let parsed = read(format!("From: a@x.example\r\n\r\n{damaged}"));
    assert_eq!(parsed.body.text, damaged.replace("\r\n", "\n"), "left as it is");
    assert_eq!((names(&parsed), defects(&parsed)), (vec![], vec!["damaged_block"]));
}

#[test]
fn a_mail_within_a_mail_is_a_file_and_shown_where_nothing_else_is() {
    let inner = "Content-Type: message/rfc822\r\n\r\nFrom: =?utf-8?q?J=C3=BCri?= <j@x.example>\r\nDate: Tue, 14 Oct 2025 09:30:00 +0000\r\nSubject: Broken\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nIt does not work.\r\n--c\r\nContent-Type: image/png\r\n\r\nx\r\n--c--\r\n";
    let parsed = read(mail("mixed", &[plain("See the attached mail."), inner.to_owned()]));
    assert_eq!((parsed.body.text.trim(), names(&parsed)), ("See the attached mail.", vec!["Broken.eml"]), "not mixed into the text");
    assert_eq!(parsed.attachments[0].media_type, "message/rfc822");
    let parsed = read(mail("mixed", &[plain(""), inner.to_owned()]));
    assert_eq!(
        parsed.body.text.trim(),
        "---------- Forwarded message ----------\nFrom: Jüri <j@x.example>\nDate: Tue, 14 Oct 2025 09:30:00 +0000\nSubject: Broken\n\nIt does not work."
    );
    assert_eq!(names(&parsed), ["Broken.eml"]);
    assert_eq!(parsed.body.new_text(), parsed.body.text.trim(), "a customer's: shown");
    let spans = visible::agent_spans(&parsed.body.text);
    assert!(spans.iter().all(|s| s.kind == SpanKind::Quoted), "an agent's: never sent on as his own words");
    let long = inner.replace("It does", &"It does ".repeat(100_000));
    assert!(read(mail("mixed", &[long])).body.text.len() < 20_000, "bounded");
    let deep = format!("From: a@x.example\r\n{}", "Content-Type: message/rfc822\r\n\r\n".repeat(1000));
    assert!(read(deep).body.text.len() < 20_000, "bounded in depth");
}

#[test]
fn sealed_mail_is_told_and_read_where_it_can_be() {
    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x83], &u32::try_from(content.len()).unwrap().to_be_bytes()[1..], content].concat()
    }
    let id = |number| tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, number]);
    let entity = mail("mixed", &[plain("signed words"), "Content-Type: image/png; name=a.png\r\n\r\nx".to_owned()]);
    let content = [id(1), tlv(0xa0, &tlv(0x04, entity.as_bytes()))].concat();
    let signed = [tlv(2, &[1]), tlv(0x31, b""), tlv(0x30, &content)].concat();
    let signed = tlv(0x30, &[id(2), tlv(0xa0, &tlv(0x30, &signed))].concat());
    let enveloped = tlv(0x30, &id(3));
    let smime = |kind: &str, content: &[u8]| format!("From: a@x.example\r\n{}", base64(kind, content));
    let of = |kind: &str, second: &str| mail(kind, &[plain("words"), format!("Content-Type: {second}\r\n\r\nx")]);
    let armored = |text: &str| format!("From: a@x.example\r\n\r\n{text}");
    for (mail, text, files, faults, why) in [
        (
            smime("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", &signed),
            "signed words",
            vec!["a.png"],
            vec!["signed_smime"],
            "signed, the content within",
        ),
        (smime("application/x-pkcs7-mime; name=smime.p7m", &enveloped), "", vec!["smime.p7m"], vec!["encrypted_smime"], "encrypted"),
        (
            smime("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", b"x"),
            "",
            vec!["smime.p7m"],
            vec!["signed_smime"],
            "signed, not to be read",
        ),
        (
            smime(
                "application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z",
                &tlv(0x30, &tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 1, 9])),
            ),
            "",
            vec!["smime.p7z"],
            vec!["compressed_smime"],
            "compressed",
        ),
        (
            of("signed; protocol=\"application/pkcs7-signature\"", "application/pkcs7-signature; name=smime.p7s"),
            "words",
            vec![],
            vec!["signed_smime"],
            "S/MIME, the signature apart",
        ),
        (of("signed", "application/pgp-signature"), "words", vec![], vec!["signed_pgp"], "PGP/MIME, the protocol not named"),
        (of("signed; protocol=x/y", "x/y; name=s"), "words", vec!["s"], vec!["signed"], "by something else"),
        (
            of("encrypted; protocol=\"application/pgp-encrypted\"", "application/octet-stream; name=encrypted.asc"),
            "",
            vec!["part-1.txt", "encrypted.asc"],
            vec!["encrypted_pgp"],
            "PGP/MIME, encrypted",
        ),
        (of("encrypted", "x/y; name=s"), "", vec!["part-1.txt", "s"], vec!["encrypted"], "by something else"),
        (
            armored(
                "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nwords\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nx\r\n-----END PGP SIGNATURE-----\r\n",
            ),
            "words",
            vec![],
            vec!["signed_pgp"],
            "PGP in the text, signed",
        ),
        (
            armored("-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n-----END PGP MESSAGE-----"),
            "-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----",
            vec![],
            vec!["encrypted_pgp"],
            "PGP in the text, encrypted",
        ),
    ] {
        let parsed = read(&mail);
        assert_eq!(parsed.body.text.trim(), text, "{why}");
        assert_eq!(names(&parsed), files, "{why}");
        assert_eq!(defects(&parsed), faults, "{why}");
    }
    // What was signed may be signed again, but not for ever.
    let mut sealed = signed;
    for _ in 0..20 {
        let entity = base64("application/pkcs7-mime; name=smime.p7m", &sealed);
        let content = [id(1), tlv(0xa0, &tlv(0x04, entity.as_bytes()))].concat();
        sealed = tlv(0x30, &[id(2), tlv(0xa0, &tlv(0x30, &[tlv(2, &[1]), tlv(0x31, b""), tlv(0x30, &content)].concat()))].concat());
    }
    assert_eq!(names(&read(smime("application/pkcs7-mime", &sealed))).len(), 1, "bounded");
}

#[test]
fn character_sets_by_label_by_correction_and_by_look() {
    let with = |fields: &str, body: &[u8]| [b"From: a@x.example\r\n", fields.as_bytes(), b"\r\n\r\n", body].concat();
    let labelled = |label: &str, body: &[u8]| with(&format!("Content-Type: text/plain; charset={label}"), body);
    let unlabelled = |body: &[u8]| with("X: y", body);
    let sjis = [0x82, 0xb1, 0x82, 0xf1, 0x82, 0xc9, 0x82, 0xbf, 0x82, 0xcd, 0x81, 0x42];
    let koi8 = b"\xf0\xd2\xc9\xd7\xc5\xd4, \xd0\xcf\xcd\xcf\xc7\xc9\xd4\xc5 \xd0\xcf\xd6\xc1\xcc\xd5\xca\xd3\xd4\xc1";
    let cp1251 = b"\xcf\xf0\xe8\xe2\xe5\xf2, \xef\xee\xec\xee\xe3\xe8\xf2\xe5 \xef\xee\xe6\xe0\xeb\xf3\xe9\xf1\xf2\xe0";
    let cp1257 = "Tere, ma ei saa k\u{e4}tte oma kirju".replace('\u{e4}', "\0");
    let estonian: Vec<u8> = cp1257.bytes().map(|b| if b == 0 { 0xe4 } else { b }).collect();
    for (mail, text, fault, why) in [
        (labelled("iso-8859-1", b"100 \x80 \x93a\x94"), "100 € “a”", None, "Latin-1 with the octets of windows-1252"),
        (labelled("iso-8859-1", "Grüße".as_bytes()), "Grüße", Some("wrong_charset"), "UTF-8 that is labelled Latin-1"),
        (labelled("utf-8", b"Gr\xfc\xdfe aus M\xfcnchen"), "Grüße aus München", Some("wrong_charset"), "Latin-1 that is labelled UTF-8"),
        (labelled("us-ascii", "Grüße".as_bytes()), "Grüße", None, "UTF-8 that is labelled ASCII"),
        (labelled("gb2312", b"\x94\x7a\xc4\xe3"), "攝你", None, "GBK that is labelled GB 2312"),
        (labelled("ks_c_5601-1987", b"\xb0\xa1\x8c\x63"), "가똠", None, "code page 949 that is labelled KS C 5601"),
        (labelled("iso-2022-jp", "こん".as_bytes()), "こん", Some("wrong_charset"), "UTF-8 that is labelled ISO-2022-JP"),
        (labelled("utf-7", b"Gr+APwA3w-e"), "Grüße", None, "UTF-7"),
        (labelled("utf-16", b"\xff\xfea\0\xe4\0"), "aä", None, "UTF-16"),
        (labelled("\"=?x?=\"", "ä".as_bytes()), "ä", Some("unknown_charset"), "a label that is none"),
        (unlabelled("Grüße".as_bytes()), "Grüße", None, "UTF-8"),
        (unlabelled(b"\xff\xfea\0\xe4\0"), "aä", None, "a byte order mark"),
        (unlabelled(b"\xef\xbb\xbfa"), "a", None, "a mark of UTF-8"),
        (unlabelled(b"\x1b$B$3$s\x1b(B"), "こん", Some("wrong_charset"), "escapes of ISO-2022-JP"),
        (
            unlabelled(b"Ol\xe1, n\xe3o consigo entrar na minha conta"),
            "Olá, não consigo entrar na minha conta",
            Some("wrong_charset"),
            "western",
        ),
        (unlabelled(&estonian), "Tere, ma ei saa kätte oma kirju", Some("wrong_charset"), "Estonian"),
        (unlabelled(cp1251), "Привет, помогите пожалуйста", Some("wrong_charset"), "Russian of Windows"),
        (unlabelled(koi8), "Привет, помогите пожалуйста", Some("wrong_charset"), "Russian of Unix"),
        (unlabelled(&sjis), "こんにちは。", Some("wrong_charset"), "Japanese"),
        (unlabelled(b"\xc4\xe3\xba\xc3\xa3\xac\xce\xd2\xb5\xc4\xd5\xca\xba\xc5"), "你好，我的帐号", Some("wrong_charset"), "Chinese"),
        (unlabelled("mostly UTF-8, ä, ö, ü, and \u{1}".replace('\u{1}', "x").as_bytes()), "mostly UTF-8, ä, ö, ü, and x", None, "UTF-8"),
        (unlabelled(b"\xc3\xa4\xc3\xb6 cut \xc3"), "äö cut \u{fffd}", Some("wrong_charset"), "UTF-8 that was cut"),
        (
            with(
                "Content-Type: text/html",
                b"<html><meta http-equiv=Content-Type content='text/html; charset=windows-1251'><p>\xcf\xf0\xe8",
            ),
            "При",
            None,
            "a page that names its own",
        ),
    ] {
        let parsed = read(&mail);
        assert_eq!(parsed.body.text.trim(), text, "{why}");
        assert_eq!(defects(&parsed), fault.into_iter().collect::<Vec<_>>(), "{why}");
    }
    for (fields, subject, why) in [
        (b"Subject: Bestellung \xfcber B\xfccher".as_slice(), "Bestellung über Bücher", "western octets"),
        (b"Subject: \xcf\xf0\xe8\xe2\xe5\xf2, \xef\xee\xec\xee\xe3\xe8\xf2\xe5", "Привет, помогите", "Russian octets"),
        (b"Subject: =?utf-8?q?=C3?=\r\n =?utf-8?q?=A4?=", "ä", "broken across a character and a line"),
        (b"Subject: \x1b$B$3$s\x1b(B", "こん", "ISO-2022-JP"),
    ] {
        assert_eq!(read([b"From: a@x.example\r\n", fields, b"\r\n\r\nx"].concat()).subject, subject, "{why}");
    }
    let part = b"From: \xcf\xf0\xe8\xe2\xe5\xf2 <a@x.example>\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"\xdcbersicht der B\xfccher.png\"\r\n\r\nx";
    let parsed = read(part);
    assert_eq!(names(&parsed), ["Übersicht der Bücher.png"], "western octets in a name");
    assert_eq!(parsed.from.unwrap().name, "Привет");
    let long = mail(
        "mixed",
        &["Content-Type: image/png\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8''%E2%82;\r\n filename*1*=%AC.png\r\n\r\nx"
            .to_owned()],
    );
    assert_eq!(names(&read(long)), ["€.png"], "a name broken across a character");
}

#[test]
fn p3_damage_is_named_and_filed_all_the_same() {
    let of = |fields: &str, body: &str| format!("From: a@x.example\r\nDate: Tue, 14 Oct 2025 09:30:00 +0000\r\n{fields}\r\n\r\n{body}");
    let multi = |body: &str| of("Content-Type: multipart/mixed; boundary=b", body);
    let coded = |body: &str| of("Content-Transfer-Encoding: base64", body);
    for (mail, text, faults, why) in [
        (of("Subject: x", "words").replace("\r\n", "\r"), "words", vec!["bare_cr"], "CR for every line end"),
        (of("Subject: x", "one\rtwo"), "one\ntwo", vec![], "CR in the text"),
        (of("X: a\rSubject: b", "words"), "words", vec![], "CR in the header"),
        (of("Subject: a\0b", "x\0y"), "x\u{fffd}y", vec![], "NUL"),
        (coded("d29y!ZHM="), "words", vec!["bad_encoding"], "base64 with garbage in it"),
        (coded("d29yZHM"), "words", vec![], "base64 without its padding"),
        (coded("These are words, nothing else."), "These are words, nothing else.", vec!["bad_encoding"], "text that is labelled base64"),
        (of("Content-Transfer-Encoding: quoted-printable", "a=ZZb=\r\nc=3D"), "a=ZZbc=", vec!["bad_encoding"], "bad escapes"),
        (of("Content-Transfer-Encoding: x-uuencode", "words"), "words", vec!["unknown_encoding"], "an encoding that is not known"),
        (multi("--b\r\n\r\nwords\r\n"), "words", vec!["cut_off"], "no last boundary"),
        (multi("--b\r\n\r\nwords\r\n--b"), "words", vec!["cut_off"], "a last boundary without its dashes"),
        (multi("words, and no boundary"), "words, and no boundary", vec!["no_parts"], "a boundary that never comes"),
        (multi("--bb\r\n\r\nwords\r\n--bb--"), "--bb\n\nwords\n--bb--", vec!["no_parts"], "another boundary"),
        (
            multi("--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b--\r\n--b--"),
            "words",
            vec![],
            "a boundary within itself",
        ),
        (multi("--b--\r\n\r\nwords"), "--b--\n\nwords", vec!["no_parts"], "closed before it began"),
        (of("Content-Type: multipart/mixed", "words"), "words", vec!["no_parts"], "no boundary named"),
        (of("Content-Type: text/plain; charset", "words"), "words", vec![], "half a parameter"),
        (of("Content-Type: garbage", "words"), "words", vec![], "a type that is none"),
    ] {
        let parsed = read(&mail);
        if why == "a type that is none" {
            assert_eq!(parsed.attachments.len() + usize::from(!parsed.body.text.is_empty()), 1, "{why}: a text or a file");
            continue;
        }
        assert_eq!(parsed.body.text.trim(), text, "{why}");
        assert_eq!(defects(&parsed), faults, "{why}");
        assert!(parsed.from.is_some(), "{why}");
    }
}

/// Each budget, spent: the mail is filed and its defect says which.
#[test]
fn p11_each_budget_has_its_own_defect() {
    let limits = NormaliseLimits {
        parts_max: 20,
        depth_max: 3,
        head_octets_max: 4000,
        part_head_octets_max: 200,
        field_octets_max: 2000,
        attachments_max: 5,
        attachments_octets_max: 1000,
        text_octets_max: 500,
        html_octets_max: 800,
    };
    let with = |fields: &str| format!("From: a@x.example\r\nDate: Tue, 14 Oct 2025 09:30:00 +0000\r\n{fields}\r\nthe text");
    let part = |kind: &str, size: usize| format!("Content-Type: {kind}\r\n\r\n{}", "x".repeat(size));
    let dated = |mail: String| mail.replacen("\r\n", "\r\nDate: Tue, 14 Oct 2025 09:30:00 +0000\r\n", 1);
    let many = |part: String, count: usize| dated(mail("mixed", &vec![part; count]));
    let nested = (0..10)
        .fold(String::new(), |all, level| all + &format!("--b{level}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", level + 1));
    let addresses = |count: usize| (0..count).map(|i| format!("u{i}@x.example")).collect::<Vec<_>>().join(",");
    for (mail, expect, why) in [
        (many("\r\nx".to_owned(), 30), "many_parts", "parts"),
        (with(&format!("Content-Type: multipart/mixed; boundary=b0\r\n\r\n{nested}")), "too_deep", "depth"),
        (with(&"To: a@x.example\r\n".repeat(500)), "large_header", "octets of the header"),
        (with(&"X-Trace: a\r\n".repeat(500)), "large_header", "octets of trace fields"),
        (with(&format!("Subject: {}\r\n", "x".repeat(3000))), "long_header", "octets of one field"),
        (with(&format!("To: {}\r\n", addresses(100))), "many_recipients", "recipients"),
        (with(&format!("Reply-To: {}\r\n", addresses(100))), "many_reply_to", "addresses to reply to"),
        (many(part(&format!("image/png; x={}", "y".repeat(300)), 1), 1), "large_part_head", "octets of a part's header"),
        (many(part("image/png", 600), 2), "large_attachments", "octets of files"),
        (many(base64("image/png", &[0; 600]), 2), "large_attachments", "decoded octets of files"),
        (many(part("image/png", 1), 6), "many_attachments", "files"),
        (with(&format!("\r\n{}", "begin 644 a\r\n!````\r\n`\r\nend\r\n".repeat(6))), "", "files in a text: those beyond stay text"),
        (many(part("text/plain", 600), 1), "cut_text", "octets of text"),
        (
            many(format!("Content-Type: text/html\r\n\r\n{}", "<b></b>".repeat(70)), 2),
            "large_html",
            "octets of HTML, of all parts together",
        ),
    ] {
        let parsed = normalise(mail.as_bytes(), &limits);
        let names: Vec<_> = parsed.defects.iter().map(|d| d.name).collect();
        let expect: Vec<_> = (!expect.is_empty()).then_some(expect).into_iter().collect();
        assert_eq!(
            names.iter().filter(|name| **name != "cut_off" && **name != "cut_text" || expect == ["cut_text"]).copied().collect::<Vec<_>>(),
            expect,
            "{why}"
        );
        assert!(parsed.attachments.len() <= 5 && parsed.body.text.len() <= 500 && parsed.recipients.len() <= 50, "{why}");
        assert!(parsed.from.is_some(), "{why}");
    }
}
