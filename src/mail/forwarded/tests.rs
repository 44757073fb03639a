use super::*;
use proptest::prelude::*;

fn parsed(subject: &str, text: &str) -> Parsed {
    let mail = format!(
        "From: ana@acme.example\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}"
    );
    normalise(mail.as_bytes(), &NormaliseLimits::default())
}

fn found(subject: &str, text: &str) -> Option<Found> {
    find(&parsed(subject, text), &NormaliseLimits::default())
}

#[test]
fn subjects_that_say_so() {
    for (subject, expect) in [
        ("Fwd: Oven", true),
        ("FW: Oven", true),
        ("WG: Ofen", true),
        ("ENC: Forno", true),
        ("TR : Four", true),
        ("VS: Ahi", true),
        ("Edasi: Ahi", true),
        ("RV: Horno", true),
        ("I: Forno", true),
        ("Doorst: Oven", true),
        ("VB: Ugn", true),
        ("[Fwd: Oven]", true),
        ("Fwd[2]: Oven", true),
        ("转发：烤箱", true),
        ("Re: Fwd: Oven", false),
        ("Oven", false),
        ("Invoice: fwd", false),
        ("", false),
    ] {
        assert_eq!(is_forward(subject), expect, "{subject}");
    }
}

#[test]
fn forwards_of_many_programs_name_their_writer() {
    let cases = [
        (
            "Fwd: Oven",
            "#assign me\nHe phoned, too.\n\n---------- Forwarded message ---------\nFrom: João Silva <joao@padaria.example>\nDate: Thu, Mar 24, 2016 at 5:17 PM\n\
             Subject: Oven\nTo: Ana <ana@acme.example>\n\n\nIt blinks.\n\nJoão\n",
            ("João Silva", "Oven", "It blinks.\n\nJoão", "#assign me\nHe phoned, too.", false),
            "Gmail",
        ),
        (
            "WG: Ofen",
            "Bitte\n\nVon: João Silva <joao@padaria.example>\nGesendet: Donnerstag, 24. März 2016 17:17\nAn: Ana\nBetreff: Ofen\n\nEr blinkt.\n",
            ("João Silva", "Ofen", "Er blinkt.", "Bitte", false),
            "Outlook, German, without a separator",
        ),
        (
            "FW: Oven",
            "________________________________\nFrom: João Silva [mailto:joao@padaria.example]\nSent: Thursday, March 24, 2016 5:17 PM\nTo: Ana;\n Ben\nCc: Carla\n\
             Subject: Oven\n of the bakery\nImportance: High\n\nIt blinks.\n",
            ("João Silva", "Oven of the bakery", "It blinks.", "", false),
            "old Outlook, folded, with a field more",
        ),
        (
            "Oven",
            "> Begin forwarded message:\n>\n> From: João Silva <joao@padaria.example>\n> Subject: Oven\n> Date: 24 March 2016 at 17:17:00 CET\n> To: ana@acme.example\n>\n> It \
             blinks.\n> > Does it?\n",
            ("João Silva", "Oven", "It blinks.\n> Does it?", "", false),
            "Apple, quoted, whose subject says nothing",
        ),
        (
            "Fwd: Oven",
            "-------- Forwarded Message --------\nSubject: \tOven\nDate: \tTue, 3 May 2016 14:54:27 +0200 (CEST)\nFrom: \tJoão Silva <joao@padaria.example>\nTo: \
             \tAna\n\nIt blinks.\n",
            ("João Silva", "Oven", "It blinks.", "", true),
            "Thunderbird, with a date that has a zone",
        ),
        (
            "ENC: Forno",
            "De: \"João Silva\" <joao@padaria.example>\nEnviado: quinta-feira, 24 de março de 2016 17:17\nPara: Ana\nAssunto: Forno\n\nPisca.\n",
            ("João Silva", "Forno", "Pisca.", "", false),
            "Outlook, Portuguese",
        ),
        (
            "Edasi: Ahi",
            "-------- Edastatud kiri --------\nTeema: Ahi\nKuupäev: 24.03.2016 17:17\nSaatja: João Silva <joao@padaria.example>\nSaaja: Ana\n\nVilgub.\n",
            ("João Silva", "Ahi", "Vilgub.", "", false),
            "Estonian",
        ),
        (
            "Fwd: Fwd: Oven",
            "---------- Forwarded message ---------\nFrom: João Silva <joao@padaria.example>\nDate: today\nSubject: Fwd: Oven\n\n---------- Forwarded message ---------\nFrom: Eve \
             <eve@evil.example>\nDate: yesterday\nSubject: Oven\n\nIt blinks.\n",
            (
                "João Silva",
                "Fwd: Oven",
                "---------- Forwarded message ---------\nFrom: Eve <eve@evil.example>\nDate: yesterday\nSubject: Oven\n\nIt blinks.",
                "",
                false,
            ),
            "of two the outermost",
        ),
        (
            "Fwd: Oven",
            "*From:* eve@evil.example <joao@padaria.example>\n*Date:* today\n*Subject:* Oven\n\nIt blinks.\n",
            ("", "Oven", "It blinks.", "", false),
            "a name that looks like another's address",
        ),
    ];
    for (subject, text, (name, title, his, above, dated), why) in cases {
        let found = found(subject, text).unwrap_or_else(|| panic!("{why}"));
        assert_eq!((found.from.address.as_str(), found.from.name.as_str()), ("joao@padaria.example", name), "{why}");
        assert_eq!(found.subject, title, "{why}");
        assert_eq!(found.body.text.trim(), his, "{why}");
        assert_eq!(found.above.text.trim(), above, "{why}");
        assert_eq!(found.sent_at.is_some(), dated, "{why}");
        assert!(found.attachments.is_none(), "{why}");
    }
}

#[test]
fn what_is_none() {
    for (subject, text, why) in [
        ("Oven", "It blinks.\n", "no forward"),
        ("Re: Oven", "Yes\n\nFrom: a@b.example\nSent: today\nTo: c\nSubject: Oven\n\nIt blinks?", "an answer"),
        ("Fwd: Oven", "See below.\n\nIt blinks.\n", "without a header"),
        ("Fwd: Oven", "From: João Silva\nSent: today\nTo: Ana\nSubject: Oven\n\nIt blinks.\n", "nobody's address"),
        (
            "Fwd: Oven",
            "From: João Silva\nSent: today\nTo: Ana\nSubject: Oven\n\n-------- Forwarded Message --------\nFrom: a@b.example\nDate: today\nSubject: Oven\n\nHi\n",
            "nobody's address, and one that he wrote himself below",
        ),
        ("Fwd: Oven", "From: a@b.example, c@d.example\nSent: today\nSubject: Oven\n\nIt blinks.\n", "two of them"),
        ("Fwd: Oven", "From: a@b.example\nhello\n", "one line is no header"),
    ] {
        assert!(found(subject, text).is_none(), "{why}");
    }
    let long =
        format!("{}\n-------- Forwarded Message --------\nFrom: a@b.example\nDate: today\nSubject: Oven\n\nHi\n", "word ".repeat(5000));
    assert!(found("Fwd: Oven", &long).is_none(), "a mail of his own above it");
}

#[test]
fn a_mail_as_a_file_brings_its_own_header_and_files() {
    let inner = "From: =?utf-8?q?Jo=C3=A3o?= <joao@padaria.example>\r\nSubject: Oven\r\nDate: Thu, 24 Mar 2016 17:17:00 +0100\r\nMessage-ID: \
                 <1@padaria.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nIt blinks.\r\n--i\r\nContent-Type: \
                 image/png; name=plate.png\r\nContent-Disposition: attachment\r\n\r\nx\r\n--i--\r\n";
    for (words, above, why) in [("He phoned, too.", "He phoned, too.", "with a note"), ("", "", "without a word")] {
        let mail = format!(
            "From: ana@acme.example\r\nSubject: Oven\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n{words}\r\n--o\r\nContent-Type: \
             message/rfc822\r\n\r\n{inner}\r\n--o--\r\n"
        );
        let found = find(&normalise(mail.as_bytes(), &NormaliseLimits::default()), &NormaliseLimits::default()).expect(why);
        assert_eq!((found.from.name.as_str(), found.from.address.as_str()), ("João", "joao@padaria.example"), "{why}");
        assert_eq!(
            (found.subject.as_str(), found.body.new_text().as_str(), found.above.text.as_str()),
            ("Oven", "It blinks.", above),
            "{why}"
        );
        assert_eq!(found.message_id, MessageId::parse("<1@padaria.example>"), "{why}");
        let names: Vec<_> = found.attachments.unwrap().into_iter().map(|a| a.name).collect();
        assert_eq!((names, found.sent_at.is_some()), (vec!["plate.png".to_owned()], true), "{why}");
    }
}

proptest! {
    #[test]
    fn p11_any_text_is_read(text in "(From: |a@b.example|Date: x|Subject: |To: |-----|Forwarded message|:|>|\n| |é|<|>){0,60}", says in any::<bool>()) {
        if let Some(inline) = read(if says { "Fwd: x" } else { "x" }, &text) {
            prop_assert!(inline.above.len() + inline.text.len() <= text.len());
        }
    }
}

/// The forwards of other projects, where there are any. They are read where they lie.
#[test]
fn forwards_of_other_projects() {
    let named = std::env::var_os("GUICHET_CORPORA").map(std::path::PathBuf::from);
    let above = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1).map(|above| above.join("shared/mail/open"));
    let Some(folder) = named.or_else(|| above.into_iter().find(|folder| folder.is_dir())) else {
        println!("skipped: there is no mail of others (set GUICHET_CORPORA)");
        return;
    };
    let page = |name: &str| {
        let mut mail =
            b"From: ana@acme.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n".to_vec();
        mail.extend(std::fs::read(folder.join(name)).unwrap());
        mail
    };
    let text = |name: &str| {
        let mut mail = b"From: ana@acme.example\r\nSubject: Fwd: x\r\n\r\n".to_vec();
        mail.extend(std::fs::read(folder.join(name)).unwrap());
        mail
    };
    let mail = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for (name, octets, expect) in [
        ("quotequail/gmail_forward.html", page("quotequail/gmail_forward.html"), Some(("foo@bar.example", "The Subject"))),
        ("quotequail/apple_forward.html", page("quotequail/apple_forward.html"), Some(("foo@bar.example", "The Subject"))),
        ("quotequail/mailru_forward.html", page("quotequail/mailru_forward.html"), Some(("ivanivanov@example.com", "Тестовая тема"))),
        (
            "quotequail/thunderbird_forward.html",
            page("quotequail/thunderbird_forward.html"),
            Some(("johndoe@example.com", "Re: Example subject")),
        ),
        (
            "crisp-email-reply-parser/email_tricky_17_forward_header.txt",
            text("crisp-email-reply-parser/email_tricky_17_forward_header.txt"),
            Some(("john@example.com", "Important update")),
        ),
        ("django-helpdesk/forwarded-message.eml", mail("django-helpdesk/forwarded-message.eml"), None),
        ("rspamd/yand_forward.eml", mail("rspamd/yand_forward.eml"), None),
    ] {
        let found = find(&normalise(&octets, &NormaliseLimits::default()), &NormaliseLimits::default());
        let found = found.as_ref().map(|f| (f.from.address.as_str(), f.subject.as_str()));
        println!("{name}: {found:?}");
        assert_eq!(found, expect, "{name}");
    }
}
