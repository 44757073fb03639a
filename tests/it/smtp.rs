//! Mail out, against a server that misbehaves and against a real one. Each of the first tests would have caught one of the ways in
//! which the obvious code loses mail or sends it twice.

use crate::support::authority::authority;
use crate::support::dovecot::Dovecot;
use crate::support::mail::MailText;
use crate::support::postfix::Postfix;
use crate::support::sink::{Fault, Options, Protection, Sink, Stage};
use guichet::channel::Attempt;
use guichet::channel::smtp::{Envelope, SmtpRelay};
use guichet::config::settings::{SmtpAccount, Tls};
use guichet::domain::address::EmailAddress;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

static ENDLESS: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "250-x\r\n".repeat(100_000));
const MAIL: &[u8] = b"From: support@acme.example\r\nTo: kai@customer.example\r\nSubject: x\r\n\r\nHello.\r\n";

fn account(port: u16) -> SmtpAccount {
    SmtpAccount {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        ca_file: None,
        credentials: None,
        hello: "desk.acme.example".to_owned(),
        connections_max: 4,
        time_limit: Duration::from_secs(20),
    }
}

fn relay(port: u16) -> SmtpRelay {
    SmtpRelay::new(account(port)).unwrap()
}

fn secured(port: u16, tls: Tls, ca: &Path) -> SmtpAccount {
    SmtpAccount { host: "localhost".to_owned(), tls, ca_file: Some(ca.to_owned()), ..account(port) }
}

fn with_password(account: SmtpAccount, user: &str, password: &str) -> SmtpAccount {
    SmtpAccount { credentials: Some((user.to_owned(), password.to_owned().into())), ..account }
}

fn to(address: &str) -> Envelope {
    Envelope {
        from: Some(EmailAddress::parse("support@acme.example").unwrap()),
        to: EmailAddress::parse(address).unwrap(),
        from_else: None,
    }
}

fn kai() -> Envelope {
    to("kai@customer.example")
}

/// The outcome without the server's words.
fn kind(attempt: &Attempt) -> &'static str {
    match attempt {
        Attempt::Done => "done",
        Attempt::Retry { of_route: false, .. } => "retry",
        Attempt::Retry { of_route: true, .. } => "retry route",
        Attempt::Uncertain { .. } => "uncertain",
        Attempt::GiveUp { .. } => "give up",
        Attempt::Offline => "offline",
    }
}

#[tokio::test]
async fn p5_a_cancelled_send_never_answers_for_the_next() {
    // lettre's pool puts a half-used connection back; the late reply to the first is then read as the answer to the second.
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Content] {
        let sink = Sink::plain().await;
        let relay = Arc::new(SmtpRelay::new(SmtpAccount { connections_max: 1, ..account(sink.port) }).unwrap());
        sink.fault(stage, Fault::Hold);
        let first = tokio::spawn({
            let relay = Arc::clone(&relay);
            async move { relay.send(&kai(), MAIL).await }
        });
        sink.wait_struck(1).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        sink.release();

        sink.fault(Stage::Content, Fault::Reply("554 5.6.0 refused"));
        let second = relay.send(&to("ana@customer.example"), MAIL).await;
        assert_eq!(kind(&second), "give up", "{stage:?}: {second:?}");
        assert_eq!(sink.state().opened, 2, "{stage:?}: a connection of its own");
        assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done, "{stage:?}: and the next is fine");
    }
}

#[tokio::test]
async fn p5_a_stalled_server_is_left_at_the_time_limit() {
    // lettre's own limit ends with the connecting.
    let stalls = [
        (Stage::Greeting, "retry route"),
        (Stage::Ehlo, "retry route"),
        (Stage::Mail, "retry"),
        (Stage::Rcpt, "retry"),
        (Stage::Data, "retry"),
        (Stage::Content, "uncertain"),
    ];
    // All at once, with a limit that a loaded machine keeps where nothing stalls.
    let each = stalls.map(|(stage, expect)| async move {
        let sink = Sink::plain().await;
        let relay = SmtpRelay::new(SmtpAccount { time_limit: Duration::from_secs(3), ..account(sink.port) }).unwrap();
        sink.fault(stage, Fault::Stall);
        let attempt = relay.send(&kai(), MAIL).await;
        assert_eq!(kind(&attempt), expect, "{stage:?}: {attempt:?}");
        assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done, "{stage:?}: the next gets a fresh connection");
        assert_eq!(sink.state().opened, 2);
    });
    futures_util::future::join_all(each).await;
}

#[tokio::test]
async fn p5_where_it_fails_decides_what_it_means() {
    for (stage, fault, expect, connections, why) in [
        (Stage::Greeting, Fault::Reply("554 5.3.2 no service"), "retry route", 2, "says nothing about the mail"),
        (Stage::Greeting, Fault::Drop, "retry route", 2, "closed at once"),
        (Stage::Ehlo, Fault::Reply("502 5.5.1 no"), "retry route", 2, "no ESMTP"),
        (Stage::Mail, Fault::Reply("451 4.3.0 later"), "retry", 1, "this mail, for now"),
        (Stage::Mail, Fault::Reply("421 4.3.2 closing"), "retry route", 2, "the service goes away"),
        (Stage::Mail, Fault::Reply("530 5.7.0 sign in"), "retry route", 2, "our set-up"),
        (Stage::Rcpt, Fault::Reply("450 4.7.1 greylisted"), "retry", 1, "greylisted; the connection stays, after RSET"),
        (Stage::Rcpt, Fault::Reply("550 5.1.1 unknown"), "give up", 1, "no such user; the connection stays, after RSET"),
        (Stage::Rcpt, Fault::Drop, "retry route", 2, "dropped before any content"),
        (Stage::Data, Fault::Reply("554 5.5.1 no"), "give up", 1, "refused at DATA"),
        (Stage::Data, Fault::Reply("250 ok"), "retry route", 2, "an answer to something else: nothing is sent behind it"),
        (Stage::Content, Fault::Reply("452 4.3.1 full"), "retry", 1, "not taken, and said so"),
        (Stage::Content, Fault::Reply("554 5.6.0 content"), "give up", 1, "refused for good"),
        (Stage::Content, Fault::Reply("250-2.0.0 a\r\n250 2.0.0 b"), "done", 1, "an answer of two lines"),
        (Stage::Content, Fault::Reply("250"), "done", 1, "a bare code is an answer"),
        (Stage::Content, Fault::Reply("354 go on"), "uncertain", 2, "no answer to a content"),
        (Stage::Content, Fault::Drop, "uncertain", 2, "taken or not: nobody knows"),
        (Stage::Content, Fault::AcceptThenDrop, "uncertain", 2, "taken, and nobody knows"),
        (Stage::Content, Fault::DropWithin(10), "retry route or retry", 2, "half of it cannot have been taken"),
    ] {
        let sink = Sink::plain().await;
        let relay = relay(sink.port);
        sink.fault(stage, fault.clone());
        // Long, so that a connection that ends within it is noticed within it.
        let long = [MAIL, &b"a line of the body\r\n".repeat(1_000_000)].concat();
        let mail = if matches!(fault, Fault::DropWithin(_)) { long.as_slice() } else { MAIL };
        let attempt = relay.send(&kai(), mail).await;
        assert!(expect.split(" or ").any(|one| one == kind(&attempt)), "{stage:?} {fault:?}: {why}: {attempt:?}");
        assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done, "{stage:?} {fault:?}: the next mail is not harmed");
        assert_eq!(sink.state().opened, connections, "{stage:?} {fault:?}: {why}");
    }
}

#[tokio::test]
async fn p5_a_wrong_password_bounces_no_mail() {
    for (protection, tls) in [(Protection::Clear, Tls::None), (Protection::StartTls, Tls::StartTls), (Protection::Implicit, Tls::Implicit)]
    {
        for mechanisms in ["PLAIN LOGIN", "LOGIN"] {
            let options = Options { protection, mechanisms, account: Some(("support", "secret")), ..Options::default() };
            let sink = Sink::start(options).await;
            let account = match protection {
                Protection::Clear => account(sink.port),
                Protection::StartTls | Protection::Implicit => secured(sink.port, tls, sink.ca_pem()),
            };
            let attempt = SmtpRelay::new(with_password(account.clone(), "support", "wrong")).unwrap().send(&kai(), MAIL).await;
            assert_eq!(kind(&attempt), "retry route", "{protection:?} {mechanisms}: {attempt:?}");
            let attempt = SmtpRelay::new(account.clone()).unwrap().send(&kai(), MAIL).await;
            assert_eq!(kind(&attempt), "retry route", "no sign-in where it is required: {attempt:?}");
            assert_eq!(SmtpRelay::new(with_password(account, "support", "secret")).unwrap().send(&kai(), MAIL).await, Attempt::Done);
            assert_eq!(sink.mails().len(), 1);
        }
    }
    let sink = Sink::start(Options { account: Some(("support", "secret")), mechanisms: "CRAM-MD5", ..Options::default() }).await;
    let attempt = SmtpRelay::new(with_password(account(sink.port), "support", "secret")).unwrap().send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "no common mechanism: {attempt:?}");
}

#[tokio::test]
async fn nothing_injected_behind_the_answer_to_starttls_is_believed() {
    let options = Options { protection: Protection::StartTls, ..Options::default() };
    let sink = Sink::start(options).await;
    let relay = SmtpRelay::new(secured(sink.port, Tls::StartTls, sink.ca_pem())).unwrap();
    sink.fault(Stage::StartTls, Fault::Reply("220 go\r\n250-evil\r\n250 AUTH PLAIN"));
    let attempt = relay.send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "{attempt:?}");
    assert!(sink.mails().is_empty());
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done);
    let hellos = sink.state().lines.iter().filter(|line| line.starts_with("EHLO")).count();
    assert_eq!(hellos, 3, "asked again under TLS (RFC 3207 section 4.2): {:?}", sink.state().lines);
}

#[tokio::test]
async fn required_tls_is_required() {
    let stripped = Sink::plain().await;
    let ca = authority();
    let attempt = SmtpRelay::new(secured(stripped.port, Tls::StartTls, &ca.ca_pem)).unwrap().send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "not offered, or taken out of the offer: {attempt:?}");
    assert_eq!(stripped.state().lines, ["EHLO desk.acme.example"], "no mail in clear");

    let sink = Sink::start(Options { protection: Protection::StartTls, ..Options::default() }).await;
    sink.fault(Stage::StartTls, Fault::Reply("454 4.7.0 not now"));
    let attempt = SmtpRelay::new(secured(sink.port, Tls::StartTls, sink.ca_pem())).unwrap().send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "{attempt:?}");
    for (why, account) in [
        ("another authority", secured(sink.port, Tls::StartTls, &ca.stranger_pem)),
        ("another name", SmtpAccount { host: "127.0.0.2".to_owned(), ..secured(sink.port, Tls::StartTls, sink.ca_pem()) }),
        ("TLS at once to a server that begins in clear", secured(sink.port, Tls::Implicit, sink.ca_pem())),
    ] {
        let account = SmtpAccount { time_limit: Duration::from_secs(2), ..account };
        let attempt = SmtpRelay::new(account).unwrap().send(&kai(), MAIL).await;
        assert_eq!(kind(&attempt), "retry route", "{why}: {attempt:?}");
    }
    assert!(sink.mails().is_empty());
    assert!(SmtpRelay::new(secured(sink.port, Tls::StartTls, Path::new("/nowhere.pem"))).is_err(), "a file that is not there");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_attempt() {
    let sink = Sink::plain().await;
    let relay = relay(sink.port);
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done);
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done);
    assert_eq!(sink.state().opened, 1, "it is kept");
    sink.hang_up().await;
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done);
    assert_eq!(sink.state().opened, 2);
    sink.fault(Stage::Mail, Fault::Reply("421 4.4.2 idle too long"));
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done, "closing just as we come is the same");
    assert_eq!((sink.state().opened, sink.mails().len()), (3, 4));

    sink.close().await;
    assert_eq!(kind(&relay.send(&kai(), MAIL).await), "retry route", "the server is down");
    let sink = Sink::start(Options { port: Some(sink.port), ..Options::default() }).await;
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done, "and up again");
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_two_hundred_at_once_open_no_more_connections_than_allowed() {
    let sink = Sink::plain().await;
    let relay = Arc::new(relay(sink.port));
    let sends: Vec<_> = (0..200)
        .map(|n| {
            let relay = Arc::clone(&relay);
            tokio::spawn(async move { relay.send(&to(&format!("c{n}@customer.example")), MAIL).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap(), Attempt::Done);
    }
    let state = sink.state();
    assert!(state.opened <= 4, "{} connections", state.opened);
    let mut recipients: Vec<_> = state.mails.iter().map(|mail| mail.to[0].clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((state.mails.len(), recipients.len()), (200, 200), "each once");
}

#[tokio::test]
async fn the_content_arrives_line_by_line_as_it_was_meant() {
    let sink = Sink::plain().await;
    let relay = relay(sink.port);
    for (sent, arrived, why) in [
        (
            &b"A: b\r\n\r\n.\r\n..\r\n.x\r\n"[..],
            &b"A: b\r\n\r\n.\r\n..\r\n.x\r\n"[..],
            "lone and leading dots; no line is added at the end",
        ),
        (
            b"A: b\n\na\n.\nMAIL FROM:<evil@x.example>\n",
            b"A: b\r\n\r\na\r\n.\r\nMAIL FROM:<evil@x.example>\r\n",
            "no smuggling behind a bare LF",
        ),
        (b"A: b\r\rx\r.\r", b"A: b\r\n\r\nx\r\n.\r\n", "nor behind a bare CR"),
        (b"A: b\r\n\r\nno line end", b"A: b\r\n\r\nno line end\r\n", "the last line is ended"),
        (b"A: b\r\n\r\n\xff\xfe\r\n", b"A: b\r\n\r\n\xff\xfe\r\n", "octets stay octets"),
    ] {
        let before = sink.mails().len();
        assert_eq!(relay.send(&kai(), sent).await, Attempt::Done, "{why}");
        let mails = sink.mails();
        assert_eq!(mails.len(), before + 1, "{why}");
        assert_eq!(String::from_utf8_lossy(&mails[before].octets), String::from_utf8_lossy(arrived), "{why}");
    }
    assert_eq!(sink.state().opened, 1);
}

#[tokio::test]
async fn the_envelope_asks_only_for_what_the_mail_needs() {
    let umlaut = "Subject: x\r\n\r\nGrüße\r\n".as_bytes();
    let sink = Sink::plain().await;
    let relay_to_all = relay(sink.port);
    for (envelope, octets, expect, why) in [
        (Envelope { from: None, ..kai() }, MAIL, "<>", "the null sender"),
        (kai(), MAIL, "<support@acme.example>", "nothing"),
        (kai(), umlaut, "<support@acme.example> BODY=8BITMIME", "eight bits in the body"),
        (to("jörg@customer.example"), MAIL, "<support@acme.example> SMTPUTF8", "a local part in UTF-8"),
        (to("kai@bücher.example"), MAIL, "<support@acme.example>", "a domain has its ASCII form"),
    ] {
        assert_eq!(relay_to_all.send(&envelope, octets).await, Attempt::Done, "{why}");
        assert_eq!(sink.mails().last().unwrap().from, expect, "{why}");
    }
    let plain = Sink::start(Options { extensions: vec![], ..Options::default() }).await;
    let relay_to_plain = relay(plain.port);
    for (envelope, octets, expect) in [(to("jörg@customer.example"), MAIL, "give up"), (kai(), umlaut, "give up"), (kai(), MAIL, "done")] {
        assert_eq!(kind(&relay_to_plain.send(&envelope, octets).await), expect);
    }
    assert_eq!(plain.state().opened, 1, "what a mail lacks is no fault of the connection");
}

#[tokio::test]
async fn p11_odd_and_endless_replies_do_no_harm() {
    let sink = Sink::plain().await;
    let relay = relay(sink.port);
    sink.fault(Stage::Ehlo, Fault::Reply("250-sink\r\n250-   \r\n250 8BITMIME"));
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done, "a blank line in the answer to EHLO makes lettre panic");
    sink.fault(Stage::Rcpt, Fault::Reply("250 ok\r\n250 ok"));
    let attempt = relay.send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "two replies to one command: {attempt:?}");
    sink.fault(Stage::Rcpt, Fault::Reply(&ENDLESS));
    let attempt = relay.send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "{attempt:?}");
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_real_server_takes_mail_over_tls_from_who_signs_in() {
    if !Postfix::available() {
        println!("skipped: Postfix needs root");
        return;
    }
    let dovecot = Dovecot::start(&[("support", "secret"), ("kai", "x")]).await;
    let mut postfix = Postfix::start_with_sign_in(&dovecot).await;
    let account = secured(postfix.smtp_port, Tls::StartTls, postfix.ca_pem());
    let attempt = SmtpRelay::new(with_password(account.clone(), "support", "wrong")).unwrap().send(&kai(), MAIL).await;
    assert_eq!(kind(&attempt), "retry route", "{attempt:?}");
    let relay = SmtpRelay::new(with_password(account, "support", "secret")).unwrap();
    let mail = MailText::new("support@acme.example", "kai@customer.example").text(".\n..\nGrüße\n");
    for _ in 0..3 {
        assert_eq!(relay.send(&kai(), &mail.octets()).await, Attempt::Done);
    }
    let attempt = relay.send(&to("kai@customer.example"), &b"x".repeat(60_000_000)).await;
    assert_ne!(kind(&attempt), "done", "too large for it: {attempt:?}");
    let inbox = dovecot.wait_for("kai", "INBOX", 3).await;
    assert_eq!(crate::support::mail::text(&inbox[0]), ".\n..\nGrüße\n");

    postfix.stop().await;
    assert_eq!(kind(&relay.send(&kai(), MAIL).await), "retry route");
    postfix.start_again().await;
    assert_eq!(relay.send(&kai(), MAIL).await, Attempt::Done);
    dovecot.wait_for("kai", "INBOX", 4).await;
}
