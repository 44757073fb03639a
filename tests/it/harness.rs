//! The harness shows that it is real before anything else leans on it.

use crate::support::authority::authority;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{MailText, header, parse, text};
use crate::support::postfix::Postfix;
use crate::support::scratch::is_root;
use crate::support::submit::{Protocol, submit};
use base64::Engine;
use mail_parser::MimeHeaders;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn two_offices_side_by_side_deliver_and_bounce() {
    if !is_root() {
        println!("skipped: Postfix needs root");
        return;
    }
    let one_office = async |name: &str| {
        let dovecot = Dovecot::start(&[("support", "secret"), ("ana", "secret")]).await;
        let postfix = Postfix::start(&dovecot).await;

        let question = MailText::new("Kai <kai@customer.example>", "support@acme.example")
            .subject(&format!("Grüße from {name}"))
            .text("First line\n.\n..two dots\nLast line\n")
            .attach("a.pdf", "application/pdf", &[0, 1, 2, 255]);
        submit(Protocol::Smtp, postfix.smtp_port, "kai@customer.example", "support@acme.example", &question.octets()).await.unwrap();
        let inbox = dovecot.wait_for("support", "INBOX", 1).await;
        assert_eq!(header(&inbox[0], "Message-ID"), Some(question.message_id()));
        assert_eq!(text(&inbox[0]).trim_end(), "First line\n.\n..two dots\nLast line", "dots survive");
        let mail = parse(&inbox[0]);
        assert_eq!(mail.subject(), Some(format!("Grüße from {name}").as_str()));
        let attachment = mail.attachment(0).unwrap();
        assert_eq!((attachment.attachment_name(), attachment.contents()), (Some("a.pdf"), &[0u8, 1, 2, 255][..]));

        let answer = MailText::new("support@acme.example", "nobody-here@customer.example").reply_to(&inbox[0]);
        assert_eq!(answer.octets().windows(12).filter(|w| *w == b"In-Reply-To:").count(), 1);
        submit(Protocol::Smtp, postfix.smtp_port, "support@acme.example", "nobody-here@customer.example", &answer.octets()).await.unwrap();
        let inbox = dovecot.wait_for("support", "INBOX", 2).await;
        let report = parse(&inbox[1]);
        let report_type = report.content_type().unwrap();
        assert_eq!((report_type.ctype(), report_type.subtype()), ("multipart", Some("report")), "a real bounce");
        assert_eq!(header(&inbox[1], "Return-Path"), Some("<>".to_owned()), "with the null sender");
        assert!(String::from_utf8_lossy(&inbox[1]).contains("Status: 5.1.1"));
        assert_eq!(dovecot.count("ana", "INBOX"), 0);
    };
    tokio::join!(one_office("Viljandi"), one_office("São Paulo"));
}

#[tokio::test]
async fn dovecot_signs_in_by_password_and_by_token_in_clear_and_over_tls() {
    let dovecot = Dovecot::start(&[("support", "secret")]).await;
    let bearer = |token: &str| {
        let response = format!("user=support\x01auth=Bearer {token}\x01\x01");
        format!("AUTHENTICATE XOAUTH2 {}", base64::engine::general_purpose::STANDARD.encode(response))
    };
    for (command, expect, why) in [
        ("LOGIN support secret".to_owned(), true, "password"),
        ("LOGIN support wrong".to_owned(), false, "wrong password"),
        (bearer(&dovecot.token("support", 60)), true, "token"),
        (bearer(&dovecot.token("support", -60)), false, "a token that has ended"),
        (bearer("x.y.z"), false, "no token"),
    ] {
        let clear = TcpStream::connect(("127.0.0.1", dovecot.imap_port)).await.unwrap();
        assert_eq!(signs_in(clear, &command).await, expect, "{why}");
        let config = guichet::channel::tls::client_config(Some(dovecot.ca_pem())).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", dovecot.imaps_port)).await.unwrap();
        let tls = tokio_rustls::TlsConnector::from(config).connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        assert_eq!(signs_in(tls, &command).await, expect, "{why}, over TLS");
    }
}

async fn signs_in(stream: impl AsyncRead + AsyncWrite + Unpin, command: &str) -> bool {
    let mut stream = BufReader::new(stream);
    stream.write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "closed");
        if line.starts_with("+ ") {
            // The refusal of a token comes as a challenge first.
            stream.write_all(b"\r\n").await.unwrap();
            stream.flush().await.unwrap();
        }
        if line.starts_with("a ") {
            return line.starts_with("a OK");
        }
    }
}

#[tokio::test]
async fn dovecot_takes_mail_by_lmtp_and_by_file_and_keeps_it_over_a_restart() {
    let mut dovecot = Dovecot::start(&[("support", "secret")]).await;
    let (first, second) = (MailText::new("a@x.example", "support@acme.example"), MailText::new("b@x.example", "support@acme.example"));
    dovecot.deliver_file("support", &first.octets());
    assert_eq!(dovecot.messages("support", "INBOX"), [first.octets()], "exactly these octets");
    dovecot.try_deliver_lmtp("support+token@acme.example", &second.octets()).await.unwrap();
    let refusal = dovecot.try_deliver_lmtp("nobody-here@acme.example", &second.octets()).await.unwrap_err();
    assert!(refusal.starts_with("550"), "{refusal}");

    dovecot.stop().await;
    dovecot.start_again().await;
    let inbox = dovecot.wait_for("support", "INBOX", 2).await;
    assert_eq!(header(&inbox[0], "Message-ID"), Some(first.message_id()));
    assert_eq!(header(&inbox[1], "Message-ID"), Some(second.message_id()));
    assert_eq!(header(&inbox[1], "Delivered-To"), Some("support+token@acme.example".to_owned()), "the token stays visible");
    assert_eq!(dovecot.count("support", "Processed"), 0);
    let status = dovecot.doveadm(&["mailbox", "status", "-u", "support", "messages", "INBOX"]).await;
    assert!(status.contains("messages=2"), "{status}");
}

#[tokio::test]
async fn one_authority_serves_all_that_run_at_once() {
    let (one, other) = (authority(), authority());
    assert_eq!(one.ca_pem, other.ca_pem);
    let path = one.ca_pem.clone();
    drop((one, other));
    // Another test may hold it still; if none does, it is gone.
    if path.exists() {
        assert_eq!(authority().ca_pem, path);
    }
}
