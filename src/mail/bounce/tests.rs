use super::*;
use crate::domain::bounce::News::{self, Complained, Delayed, Delivered, Failed};
use crate::domain::message::{Machine, TicketNumber};
use crate::domain::outbound::{Audience, OutboxId};
use crate::mail::normalise::{NormaliseLimits, Parsed, normalise};
use proptest::prelude::*;

fn parsed(mail: &str) -> Parsed {
    normalise(mail.replace('\n', "\r\n").as_bytes(), &NormaliseLimits::default())
}

fn status_of(blocks: &str) -> Option<Report> {
    status::read(format!("Reporting-MTA: dns; mx\r\n\r\n{blocks}\r\n").as_bytes())
}

fn signer() -> Signer {
    Signer::new(&[7; 32])
}

fn at(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

#[test]
fn blocks_of_a_report() {
    let one = |block: &str| status_of(block).map(|r| r.told[0].clone());
    for (text, expect, why) in [
        ("Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.1.1", Some((Failed, "5.1.1")), "plain"),
        ("Final-Recipient: rfc822;<A@X.example>\r\nAction: delayed (later)\r\nStatus: 4.4.1 (x)", Some((Delayed, "4.4.1")), "odd spelling"),
        ("Original-Recipient: rfc822;a@x.example\r\nStatus: 5.0.0", Some((Failed, "5.0.0")), "action from the status"),
        ("Final-Recipient: rfc822; a@x.example\r\nAction: relayed\r\nStatus: 2.0.0", Some((Delivered, "2.0.0")), "it went on"),
        ("Final-Recipient: rfc822; a@x.example\r\nAction: expanded", Some((Delivered, "")), "a list took it"),
        ("Final-Recipient: rfc822; a@x.example\r\nAction: exploded", None, "no known action"),
        ("Final-Recipient: rfc822; nobody\r\nAction: failed", None, "no address"),
        ("Action: failed\r\nStatus: 5.1.1", None, "nobody named"),
    ] {
        let got = one(text);
        assert_eq!(got.as_ref().map(|told| (told.news, told.status.as_str())), expect, "{why}");
    }
    let utf8 = one("Final-Recipient: utf-8; \\x{e4}na@x.example\r\nAction: failed").unwrap();
    assert_eq!(utf8.recipient, Some(at("äna@x.example")));
    let alias = one("Original-Recipient: rfc822; list@x.example\r\nFinal-Recipient: rfc822; a@y.example\r\nAction: failed").unwrap();
    assert_eq!((alias.recipient, alias.original), (Some(at("a@y.example")), Some(at("list@x.example"))));
    let hostile = one("Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 a\r\n b\0c").unwrap();
    assert_eq!(hostile.diagnostic, "550 a b c", "on one line");
}

#[test]
fn p11_many_recipients_are_counted_not_kept() {
    let block = "Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\n\r\n";
    let report = status_of(&block.repeat(20_000)).unwrap();
    assert_eq!((report.told.len(), report.named), (REPORT_RECIPIENTS_MAX, 20_000));
    assert_eq!(report.tie(&signer(), &[signer().return_path(&at("s@x.example"), OutboxId { ticket: TicketNumber(1), n: 1 })]), None);
}

#[test]
fn complaints_by_their_kind() {
    for (feedback, expect, why) in [
        ("Feedback-Type: abuse\r\nOriginal-Rcpt-To: <a@x.example>", Some((Complained, Some("a@x.example"))), "RFC 5965"),
        ("Feedback-Type: abuse\r\nOriginal-Rcpt-To: redacted@", Some((Complained, None)), "hidden: whoever the mail went to"),
        ("Feedback-Type: fraud; x", Some((Complained, None)), "another kind of complaint"),
        ("Feedback-Type: not-spam", Some((Delivered, None)), "RFC 6430: the contrary of one"),
        ("Feedback-Type: auth-failure", None, "RFC 6591: about who forges us"),
        ("Version: 1", None, "of no kind"),
    ] {
        let told = feedback::read(feedback.as_bytes()).map(|r| r.told[0].clone());
        let expect = expect.map(|(news, recipient)| (news, recipient.map(at)));
        assert_eq!(told.map(|told| (told.news, told.recipient)), expect, "{why}");
    }
}

/// The head of a report that a mail system of `name` wrote about a mail from our desk.
fn plain(from: &str, subject: &str, text: &str) -> String {
    format!("Return-Path: <>\nFrom: {from}\nTo: support@acme.example\nSubject: {subject}\nMessage-ID: <r@mx.example>\n\n{text}\n")
}

const DAEMON: &str = "MAILER-DAEMON@mx.example";

/// Shape, what became of it, status, recipient, Message-ID of the original (`true`: it is there), and why it is so.
#[test]
fn words_of_many_programs() {
    const ID: &str = "Message-ID: <1042.7.c.x@acme.example>";
    let with = |text: &str| format!("{text}\n{ID}\nSubject: Re: x\n\nHello");
    let exim = "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or \
                more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  ana@gone.example\n    SMTP error from \
                remote mail server after RCPT TO:<ana@gone.example>:\n    host mx.gone.example [192.0.2.1]: 550 5.1.1 User \
                unknown\n\n------ This is a copy of the message, including all the headers. ------\n";
    let qmail = "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following \
                 addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<ana@gone.example>:\n192.0.2.1 does \
                 not like recipient.\nRemote host said: 550 5.2.2 mailbox full\nGiving up on 192.0.2.1.\n\n--- Below this line is a copy \
                 of the message.\n\nReturn-Path: <support@acme.example>\n";
    let postfix = "This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your message could not\nbe delivered \
                   to one or more recipients. It's attached below.\n\n<ana@gone.example>: host mx.gone.example[192.0.2.1] said: 550 5.7.1\n \
                   Refused by policy (in reply to RCPT TO command)\n";
    let sendmail = "The original message was received at Mon, 1 Jan 2024\n\n   ----- The following addresses had permanent fatal errors \
                    -----\n<ana@gone.example>\n    (reason: 550 Host unknown)\n\n   ----- Transcript of session follows -----\n550 5.1.2 \
                    <ana@gone.example>... Host unknown\n";
    let exchange = "Your message did not reach some or all of the intended recipients.\n\n      Subject:  Re: x\n      Sent:     1/1/2024 \
                    10:00\n\nThe following recipient(s) could not be reached:\n\n      ana@gone.example on 1/1/2024 10:01\n            The \
                    e-mail account does not exist.\n            <mx.example #5.1.1>\n";
    let gmail = "Delivery to the following recipient failed permanently:\n\n     ana@gone.example\n\nTechnical details of permanent \
                 failure:\nDNS Error: Domain name not found\n\n----- Original message -----\n\n";
    let yahoo = "Sorry, we were unable to deliver your message to the following address.\n\n<ana@gone.example>:\nRemote host said: 554 \
                 delivery error: dd This user doesn't have an account\n\n--- Below this line is a copy of the message.\n";
    let mdaemon = "The following data may be of use.\n\nMDaemon has been unable to deliver your message.\n\nFailed address: \
                   ana@gone.example\n\n--- Session Transcript ---\n<-- 550 5.1.1 unknown\n";
    let groupwise = "GroupWise: the message that you sent was undeliverable to the following:\n\tana@gone.example (user not found)\n";
    let lotus = "Your message\n\n  Subject: Re: x\n\nwas not delivered to:\n\n  ana@gone.example\n\nbecause:\n\n  User ana \
                 (ana@gone.example) not listed in Domino Directory\n";
    let german = "Ihre Nachricht konnte nicht zugestellt werden:\n\nEmpfänger: ana@gone.example\n550 Postfach unbekannt\n";
    let portuguese = "Não foi possível entregar a sua mensagem a ana@gone.example, a caixa está cheia (452 4.2.2).\n";
    let bare = "Your message could not be delivered.\n";
    let waits = "THIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\n<ana@gone.example>: 451 4.4.1 timed out\n";
    for (mail, shape, news, status, recipient, why) in [
        (plain(DAEMON, "Mail delivery failed", &with(exim)), "Exim", Failed, "5.1.1", "ana@gone.example", "Exim"),
        (plain(DAEMON, "failure notice", &with(qmail)), "qmail", Failed, "5.2.2", "ana@gone.example", "qmail"),
        (plain(DAEMON, "Undelivered", &with(postfix)), "Postfix", Failed, "5.7.1", "ana@gone.example", "Postfix, without its report"),
        (plain(DAEMON, "Returned mail", &with(sendmail)), "Sendmail", Failed, "5.1.2", "ana@gone.example", "Sendmail"),
        (plain("postmaster@mx.example", "Undeliverable: x", &with(exchange)), "Exchange", Failed, "5.1.1", "ana@gone.example", "Exchange"),
        (plain(DAEMON, "Delivery Status Notification (Failure)", &with(gmail)), "Gmail", Failed, "", "ana@gone.example", "Gmail"),
        (plain(DAEMON, "Failure Notice", &with(yahoo)), "Yahoo", Failed, "5.0.0", "ana@gone.example", "Yahoo"),
        (
            plain("MDaemon@mx.example", "Permanent Delivery Failure", &with(mdaemon)),
            "MDaemon",
            Failed,
            "5.1.1",
            "ana@gone.example",
            "MDaemon",
        ),
        (
            plain("Mailer-Daemon@mx.example", "Message status - undeliverable", &with(groupwise)),
            "GroupWise",
            Failed,
            "",
            "ana@gone.example",
            "GroupWise",
        ),
        (plain("postmaster@mx.example", "DELIVERY FAILURE", &with(lotus)), "Lotus Domino", Failed, "", "ana@gone.example", "Lotus"),
        (plain(DAEMON, "Unzustellbar", &with(german)), "words of a mail system", Failed, "5.0.0", "ana@gone.example", "German"),
        (plain(DAEMON, "Aviso", &with(portuguese)), "words of a mail system", Failed, "4.2.2", "~ana@gone.example", "in a sentence"),
        (plain(DAEMON, "Undelivered", &with(bare)), "words of a mail system", Failed, "", "", "names nobody"),
        (plain(DAEMON, "Warning", &with(waits)), "words of a mail system", Delayed, "4.4.1", "ana@gone.example", "a delay"),
    ] {
        let parsed = parsed(&mail);
        let report = parsed.report.unwrap_or_else(|| panic!("{why} is recognised"));
        assert_eq!((report.shape, report.told[0].news, report.told[0].status.as_str()), (shape, news, status), "{why}: {report:?}");
        let named: Vec<String> = report.told.iter().filter_map(|t| t.recipient.as_ref().map(ToString::to_string)).collect();
        let mentioned: Vec<String> = report.mentioned.iter().map(|a| format!("~{a}")).collect();
        assert_eq!(named.into_iter().chain(mentioned).collect::<Vec<_>>().join(" "), recipient, "{why}");
        assert_eq!(report.originals.iter().map(MessageId::as_str).collect::<Vec<_>>(), ["1042.7.c.x@acme.example"], "{why}");
        assert!(matches!(parsed.machine, Some((Machine::Bounce, _))), "{why}");
    }
}

#[test]
fn what_people_and_vacations_write_is_no_report() {
    let failed = "Your message could not be delivered to <ana@gone.example>: 550 5.1.1 unknown\n";
    for (mail, why) in [
        (plain("Kai <kai@x.example>", "Fwd: Undelivered Mail", failed).replacen("<>", "<kai@x.example>", 1), "a person forwards one"),
        (plain("Kai <kai@x.example>", "Away", "I am away until Monday.\n"), "a vacation has no return path either"),
        (plain(DAEMON, "Undelivered", ""), "says nothing"),
        (plain("postmaster@x.example", "Your new mailbox", "Welcome, call ana@x.example.\n"), "a postmaster who writes"),
    ] {
        assert_eq!(parsed(&mail).report, None, "{why}");
    }
}

#[test]
fn x_failed_recipients_and_returned_mail_as_a_file() {
    let mail = "Return-Path: <>\nFrom: System <bounce@isp.example>\nTo: support@acme.example\nSubject: x\nX-Failed-Recipients: \
                ana@gone.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSorry, 550 no.\n--b\nContent-Type: \
                message/rfc822\n\nMessage-ID: <i@acme.example>\n\nHi\n--b--\n";
    let report = parsed(mail).report.unwrap();
    assert_eq!(report.told[0].recipient, Some(at("ana@gone.example")));
    assert_eq!(report.originals[0].as_str(), "i@acme.example");
}

#[test]
fn p7_a_report_is_tied_by_what_we_signed_and_by_nothing_else() {
    let s = signer();
    let (mailbox, id, other) =
        (at("support@acme.example"), OutboxId { ticket: TicketNumber(1042), n: 7 }, OutboxId { ticket: TicketNumber(1042), n: 8 });
    let ours = |id| s.message_id(id, &Audience::Customer, "acme.example");
    let foreign = MessageId::parse("1042.7.c.aaaaaaaaaaaaaaaa@acme.example").unwrap();
    let path = |id| s.return_path(&mailbox, id);
    let unsigned = at("support+1042b7aaaaaaaaaaaaaaaa@acme.example");
    let reply = s.reply_address(&mailbox, id.ticket, &crate::domain::message::Bound::Customer);
    for (originals, addressed, expect, why) in [
        (vec![ours(id)], vec![mailbox.clone()], Some(id), "our Message-ID"),
        (vec![foreign.clone(), ours(id)], vec![], Some(id), "ours among others"),
        (vec![], vec![mailbox.clone(), path(id)], Some(id), "our return path"),
        (vec![foreign.clone()], vec![path(id)], Some(id), "our return path, whatever else stands there"),
        (vec![ours(other)], vec![path(id)], None, "they contradict each other"),
        (vec![foreign], vec![unsigned, mailbox.clone()], None, "neither is signed"),
        (vec![], vec![reply], None, "the customer's reply address is no return path"),
    ] {
        let told = Told { recipient: None, original: None, news: News::Failed, status: String::new(), diagnostic: String::new() };
        let report = Report { shape: "x", originals, told: vec![told], named: 0, mentioned: Vec::new() };
        assert_eq!(report.tie(&s, &addressed).map(|bounce| bounce.about), expect, "{why}");
    }
}

proptest! {
    #[test]
    fn p11_no_text_breaks_the_reader(head in "[ -~\\n]{0,200}", text in "(?s).{0,2000}", status in "(?s).{0,500}") {
        let limits = NormaliseLimits::default();
        let mail = format!("Return-Path: <>\r\nFrom: MAILER-DAEMON\r\nX-Failed-Recipients: {head}\r\n\r\n{text}");
        let report = normalise(mail.as_bytes(), &limits).report;
        if let Some(report) = report {
            prop_assert!(report.told.len() <= REPORT_RECIPIENTS_MAX && !report.told.is_empty());
            prop_assert!(report.originals.len() <= ORIGINALS_MAX && report.mentioned.len() <= REPORT_RECIPIENTS_MAX + 1);
            prop_assert!(report.told.iter().all(|told| told.diagnostic.len() <= 300 && !told.diagnostic.contains('\n')));
            prop_assert_eq!(report.tie(&signer(), &[]), None, "nobody guesses an id");
        }
        let _ = status::read(status.as_bytes());
        let _ = feedback::read(format!("Feedback-Type: {status}").as_bytes());
    }
}

/// Twice the octets take about twice the work: measured by what is looked at, which is bounded.
#[test]
fn p11_a_long_report_is_read_once() {
    for filler in ["a@b.example ", "550 5.1.1 ", "<", "message-id: <x@y>\n", "5.", "@", "-----\n", "original message"] {
        let text = filler.repeat(2_000_000 / filler.len());
        let report = parsed(&plain(DAEMON, "Undelivered", &text)).report;
        assert!(report.is_none_or(|r| r.originals.len() <= ORIGINALS_MAX && r.mentioned.len() <= REPORT_RECIPIENTS_MAX + 1), "{filler}");
    }
}
