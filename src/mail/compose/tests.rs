use super::*;
use crate::domain::message::{BlobId, BlobRef, TicketNumber};
use crate::domain::outbound::{OutboxId, Route};
use crate::mail::normalise::{NormaliseLimits, Parsed, normalise};
use jiff::Timestamp;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn outbound() -> Outbound {
    Outbound {
        id: OutboxId { ticket: TicketNumber(1042), n: 3 },
        purpose: Purpose::Answer,
        route: Route::Mail,
        audience: Audience::Customer,
        from: address("support@acme.example"),
        from_name: "Ana Souza (Acme Support)".to_owned(),
        to: Some(Contact { name: "João".to_owned(), address: address("joao@customer.example") }),
        shown_to: vec![],
        subject: "Re: Fatura não paga [#1042]".to_owned(),
        in_reply_to: MessageId::parse("<b@customer.example>"),
        references: vec![MessageId::parse("<a@customer.example>").unwrap()],
        body: vec![],
        attachments: vec![],
        automatic: None,
        created: Timestamp::from_second(1_760_434_200).unwrap(),
    }
}

fn signer() -> Signer {
    Signer::new(&[1; 32])
}

fn written(outbound: &Outbound, text: &str, files: &[(Attachment, Vec<u8>)]) -> (Composed, Parsed) {
    let composed = compose(outbound, &signer(), text, files).unwrap();
    let octets = &composed.octets;
    for (at, b) in octets.iter().enumerate() {
        match b {
            b'\n' => assert_eq!(octets[at - 1], b'\r', "bare LF at {at}"),
            b'\r' => assert_eq!(octets.get(at + 1), Some(&b'\n'), "bare CR at {at}"),
            _ => {}
        }
    }
    for line in octets.split(|b| *b == b'\n') {
        assert!(line.len() <= 999, "a line of {} octets", line.len());
    }
    let parsed = normalise(octets, &NormaliseLimits::default());
    assert_eq!(parsed.defects, vec![], "what we write has no defect");
    (composed, parsed)
}

fn field<'a>(parsed: &'a Parsed, name: &str) -> Option<&'a str> {
    parsed.headers.iter().find(|h| h.name == name).map(|h| h.value.as_str())
}

#[test]
fn an_answer_to_a_customer() {
    let (composed, parsed) = written(&outbound(), "Olá João,\n\nestá pago.\n", &[]);
    assert_eq!(
        composed.envelope_from,
        Some(signer().return_path(&address("support@acme.example"), outbound().id)),
        "its bounces are known"
    );
    assert_eq!(composed.envelope_from_else, Some(address("support@acme.example")));
    assert_eq!(composed.envelope_to, address("joao@customer.example"));
    assert_eq!(
        parsed.from.as_ref().map(|c| (c.name.as_str(), c.address.as_str())),
        Some(("Ana Souza (Acme Support)", "support@acme.example"))
    );
    assert_eq!(parsed.recipients, vec![outbound().to.unwrap()]);
    assert_eq!(parsed.subject, outbound().subject);
    assert_eq!(parsed.sent_at, Some(outbound().created));
    assert_eq!(parsed.body.text.trim(), "Olá João,\n\nestá pago.");
    assert_eq!(parsed.machine, None);
    assert_eq!(parsed.in_reply_to, vec![MessageId::parse("b@customer.example").unwrap()]);
    assert_eq!(parsed.references.iter().map(MessageId::as_str).collect::<Vec<_>>(), ["a@customer.example", "b@customer.example"]);
    assert_eq!(signer().is_ours(parsed.message_id.as_ref().unwrap()), Some(outbound().id));
    let claims = signer().claims(None, &[parsed.reply_to[0].address.clone()], &[]);
    assert_eq!(claims[0].bound_to, Bound::Customer);
    assert_eq!(field(&parsed, "x-guichet"), None, "a person wrote it");
}

#[test]
fn p5_each_attempt_is_the_same_mail() {
    let files = [(attachment("a.txt", "text/plain"), b"x".to_vec())];
    let one = compose(&outbound(), &signer(), "x", &files).unwrap();
    assert_eq!(compose(&outbound(), &signer(), "x", &files).unwrap(), one);
}

#[test]
fn p6_automatic_mail_is_marked() {
    for (automatic, expect) in [(Automatic::Replied, "auto-replied"), (Automatic::Generated, "auto-generated")] {
        let ack = Outbound { purpose: Purpose::Ack, automatic: Some(automatic), ..outbound() };
        let (composed, parsed) = written(&ack, "x\n", &[]);
        assert_eq!(composed.envelope_from, None, "null return path");
        assert_eq!(field(&parsed, "auto-submitted"), Some(expect));
        assert_eq!(field(&parsed, "x-auto-response-suppress"), Some("All"));
        assert_eq!(parsed.loop_marks, vec![signer().loop_mark()]);
        assert!(parsed.machine.is_some() && parsed.auto_submitted);
    }
}

#[test]
fn p8_a_notification_is_bound_to_its_agent() {
    let ana = address("ana@acme.example");
    let notification = Outbound {
        purpose: Purpose::Notification,
        audience: Audience::Agent(ana.clone()),
        to: Some(Contact { name: "Ana".to_owned(), address: ana.clone() }),
        ..outbound()
    };
    let (_, parsed) = written(&notification, "x\n", &[]);
    let reply_to = [parsed.reply_to[0].address.clone()];
    assert_eq!(signer().claims(Some(&ana), &reply_to, &[])[0].bound_to, Bound::Agent(ana.clone()));
    assert_eq!(signer().claims(Some(&address("eve@evil.example")), &reply_to, &parsed.references), vec![]);
    assert_eq!(parsed.references, vec![signer().thread_root(TicketNumber(1042), &ana, "acme.example")]);
    assert_eq!(parsed.in_reply_to, parsed.references);
    assert_eq!(field(&parsed, "x-guichet"), Some(signer().loop_mark().as_str()));

    let informed = Outbound { audience: Audience::Informed, ..notification };
    let (_, parsed) = written(&informed, "x\n", &[]);
    assert_eq!(parsed.reply_to[0].address, outbound().from, "no token");
}

#[test]
fn a_mail_to_several_shows_all() {
    let both = vec![
        Contact { name: "A".to_owned(), address: address("a@x.example") },
        Contact { name: String::new(), address: address("b@x.example") },
    ];
    let (composed, parsed) = written(&Outbound { shown_to: both.clone(), ..outbound() }, "x\n", &[]);
    assert_eq!(parsed.recipients, both);
    assert_eq!(composed.envelope_to, address("joao@customer.example"), "the envelope has one");
    let nobody = Outbound { to: None, ..outbound() };
    assert_eq!(compose(&nobody, &signer(), "x", &[]), Err(ComposeFault::NoRecipient));
}

#[test]
fn nothing_that_came_from_outside_begins_a_header() {
    let hostile = "x\r\nBcc: victim@victim.example\r\n\r\nowned\0\u{2028}y";
    let mail = Outbound {
        from_name: hostile.to_owned(),
        subject: hostile.to_owned(),
        to: Some(Contact { name: hostile.to_owned(), address: address("a@x.example") }),
        in_reply_to: MessageId::parse("<a\"><script>@x>"),
        references: vec![MessageId::parse("<b>,<c@x>").unwrap(), MessageId::parse("ok@x").unwrap()],
        ..outbound()
    };
    let files = [(attachment(hostile, "text/html\r\nX-Evil: 1"), b"x".to_vec())];
    let (_, parsed) = written(&mail, "From x\n.\n..\n\r.\r\nRCPT TO:<a>\n", &files);
    let names: Vec<_> = parsed.headers.iter().map(|h| h.name.as_str()).collect();
    assert!(!names.contains(&"bcc") && !names.contains(&"x-evil"), "{names:?}");
    assert_eq!(parsed.subject, "x Bcc: victim@victim.example owned y");
    assert_eq!(parsed.references.iter().map(MessageId::as_str).collect::<Vec<_>>(), ["ok@x"]);
    assert_eq!(parsed.attachments[0].media_type, "application/octet-stream");
    assert_eq!(parsed.body.text.trim_end(), "From x\n.\n..\n\n.\nRCPT TO:<a>");
}

#[test]
fn long_values_stay_under_the_line_limit() {
    let mail = Outbound { subject: "ä".repeat(4000), from_name: "n".repeat(4000), ..outbound() };
    let long = format!("{} {}\n", "w".repeat(200_000), "ö".repeat(5000));
    let (_, parsed) = written(&mail, &long, &[(attachment(&"ü".repeat(120), "image/png"), vec![0; 5000])]);
    assert_eq!(parsed.body.text.trim_end(), long.trim_end());
    assert_eq!(parsed.attachments[0].name, "ü".repeat(120));
}

#[test]
fn files_arrive_as_they_were() {
    let contents: Vec<Vec<u8>> = vec![(0..=255).collect(), b"a\nb\rc\r\n.\r\n".to_vec(), vec![]];
    let types = ["image/png", "text/plain", "message/rfc822"];
    let files: Vec<_> = contents.iter().zip(types).map(|(content, kind)| (attachment("résumé \"x\".bin", kind), content.clone())).collect();
    let (_, parsed) = written(&outbound(), "x\n", &files);
    assert_eq!(parsed.attachments.iter().map(|a| a.content.clone()).collect::<Vec<_>>(), contents);
    assert!(parsed.attachments.iter().all(|a| a.name == "résumé \"x\".bin"));
    assert_eq!(parsed.attachments[2].media_type, "application/octet-stream", "a mail must not be encoded, so it is a file");
}

#[test]
fn the_page_is_escaped_and_links_are_safe() {
    for (text, expect, why) in [
        ("<script>alert(2)</script>", "&lt;script&gt;alert(2)&lt;/script&gt;</p>", "markup is text"),
        ("javascript:alert(1) data:text/html,x", "javascript:alert(1) data:text/html,x</p>", "other schemes are text"),
        (
            "see https://ok.example/a?b=c&d=e.",
            "see <a rel=\"noopener noreferrer nofollow\" href=\"https://ok.example/a?b=c&amp;d=e\">https://ok.example/a?b=c&amp;d=e</a>.</p>",
            "the full stop is not of the link",
        ),
        (
            "http://evil.example/\"onmouseover=\"alert(1)",
            "<a rel=\"noopener noreferrer nofollow\" href=\"http://evil.example/\">http://evil.example/</a>&quot;onmouseover=&quot;alert(1)</p>",
            "a quote ends the link",
        ),
        ("xhttp://a.example https://", "xhttp://a.example https://</p>", "not at the start of a word; nothing behind it"),
        (
            "> q\nn",
            "<blockquote style=\"margin:0 0 1em;border-left:2px solid #ccc;padding-left:1em\">\n<p dir=\"auto\" style=\"margin:0 0 1em\">q</p>\n\
             </blockquote>\n<p dir=\"auto\" style=\"margin:0 0 1em\">n</p>",
            "quotes",
        ),
        ("a\nb\n\n\nc", ">a<br>\nb</p>\n<p dir=\"auto\" style=\"margin:0 0 1em\">c</p>", "an empty line ends a paragraph"),
        ("#solve    x\n#tag\ty", "white-space:pre-wrap\">#solve    x<br>#tag    y</p>", "columns stay columns"),
    ] {
        assert!(html_of(text, None).contains(expect), "{why}: {}", html_of(text, None));
    }
    let storm = html_of(&"https://a.example/(((".repeat(50_000), None);
    assert!(storm.len() < 20_000_000);
}

#[test]
fn the_page_names_the_language_of_what_customers_get() {
    let text = "Guten Tag,\n\nIhre Nachricht ist bei uns angekommen, und wir haben sie gelesen.\n";
    let (customer, _) = written(&outbound(), text, &[]);
    let (agent, _) = written(&Outbound { audience: Audience::Agent(address("ana@acme.example")), ..outbound() }, text, &[]);
    let has = |mail: &Composed, what: &str| {
        let mail = mail_parser::MessageParser::default().parse(&mail.octets).unwrap().body_html(0).unwrap().into_owned();
        mail.contains(what)
    };
    assert!(has(&customer, "<html lang=\"de\">"));
    assert!(has(&agent, "<html><head>"), "agents get several languages in one mail");
}

#[test]
fn long_lines_of_ours_are_broken_so_that_they_can_be_joined() {
    let words = |n: usize| "word ".repeat(n).trim_end().to_owned();
    for (text, expect, why) in [
        (words(30), format!("{} \n{}", words(15), words(15)), "within 78, the space at the end included"),
        (format!("{} >xxxxx", words(15)), format!("{} \n >xxxxx", words(15)), "no quote begins by it"),
        (format!("{} From x", words(15)), format!("{} \n From x", words(15)), "nor what would be stuffed on its way"),
        (format!("{} #solve x", words(15)), format!("{} \nword #solve x", words(14)), "nor a command"),
        (format!("{} https://{}", words(2), "x".repeat(90)), format!("{} \nhttps://{}", words(2), "x".repeat(90)), "no word is cut"),
        (format!("{} (Lisbon time, UTC)", words(13)), format!("{} \n(Lisbon time, UTC)", words(13)), "nor a bracket within"),
        (format!("{} ({})", words(13), words(13)), format!("{} (word word \n{})", words(13), words(11)), "but for a long one"),
        (format!("> {}", words(30)), format!("> {}", words(30)), "a quote stays as it is"),
        (format!("#solve    {}", words(30)), format!("#solve    {}", words(30)), "so do columns"),
        ("a  \n\n-- \nb ".to_owned(), "a\n\n-- \nb".to_owned(), "no line goes on by chance; the delimiter of signatures stays"),
        (" indented\n".to_owned(), "  indented\n".to_owned(), "stuffed"),
    ] {
        assert_eq!(flowed(&text), expect, "{why}");
    }
    let text = format!("{}.\n\nFrom here: {} https://a.example/{}\n  - x\n", words(40), words(30), "y".repeat(100));
    let ack = Outbound { purpose: Purpose::Ack, automatic: Some(Automatic::Replied), ..outbound() };
    let (composed, parsed) = written(&ack, &text, &[]);
    assert_eq!(parsed.body.text.trim_end(), text.trim_end(), "who reads it has the lines that were written");
    assert!(String::from_utf8_lossy(&composed.octets).contains("format=\"flowed\""));
    let (composed, _) = written(&outbound(), &text, &[]);
    assert!(!String::from_utf8_lossy(&composed.octets).contains("flowed"), "an agent's lines are his own");
}

fn attachment(name: &str, media_type: &str) -> Attachment {
    Attachment {
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        blob: BlobRef { id: BlobId([0; 32]), size: 0 },
        content_id: None,
    }
}
