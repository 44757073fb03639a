//! Senders that the desk checks itself, with what a name server on the wire says.

use crate::desk::{Desk, RULES, Setup};
use crate::support::dns::{NameServer, Told};
use crate::support::mail::{MailText, address};
use crate::support::scratch::free_port;
use crate::support::wait::{LIMIT, wait_until};
use base64::Engine as _;
use guichet::channel::dns::Resolver;
use guichet::config::settings::DnsSettings;
use guichet::mail::authenticity::facts::{Answer, Question};
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use std::time::Duration;

fn resolver(port: u16, timeout: Duration) -> Resolver {
    Resolver::new(DnsSettings { servers: vec![([127, 0, 0, 1], port).into()], timeout })
}

#[tokio::test]
async fn p11_whatever_a_name_server_says_there_is_an_answer() {
    let long = "x".repeat(600);
    let server = NameServer::start(&[
        ("a.example", Told::Text("hello".to_owned())),
        ("long.example", Told::Text(long.clone())),
        ("loop.example", Told::Alias("pool.example".to_owned())),
        ("pool.example", Told::Alias("loop.example".to_owned())),
        ("down.example", Told::Failure),
        ("silent.example", Told::Silence),
    ])
    .await;
    let resolver = resolver(server.port, Duration::from_secs(2));
    let ask = async |name: &str| resolver.ask(&[Question::Text(name.to_owned())]).await.remove(0).1;
    assert_eq!(ask("a.example").await, Answer::Texts(vec![b"hello".to_vec()]));
    assert_eq!(ask("long.example").await, Answer::Texts(vec![long.into_bytes()]), "its strings are joined");
    assert_eq!(ask("gone.example").await, Answer::Nothing);
    let asked = server.asked();
    assert_eq!((ask("a.example").await, ask("gone.example").await), (Answer::Texts(vec![b"hello".to_vec()]), Answer::Nothing));
    assert_eq!(server.asked(), asked, "both were kept");
    assert_eq!(ask("not a name.example").await, Answer::Nothing);
    assert_eq!(server.asked(), asked, "what is no name is not asked for");
    assert!(matches!(ask("loop.example").await, Answer::Trouble | Answer::Nothing), "a loop of aliases ends");
    assert_eq!(ask("down.example").await, Answer::Trouble);
    assert_eq!(ask("silent.example").await, Answer::Trouble, "after the limit");
    server.tell("silent.example", Told::Text("here".to_owned()));
    assert_eq!(
        ask("silent.example").await,
        Answer::Texts(vec![b"here".to_vec()]),
        "trouble is not kept, and one silent name silences no other"
    );
    assert!(resolver.probe().await.iter().all(|finding| finding.fault.is_none()));
}

#[tokio::test]
async fn p3_where_nothing_answers_the_limit_is_waited_for_once() {
    // A socket that is there and says nothing.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = resolver(silent.local_addr().unwrap().port(), Duration::from_millis(300));
    let ask = async |n: u32| resolver.ask(&[Question::Text(format!("n{n}.example"))]).await.remove(0).1;
    assert_eq!(ask(0).await, Answer::Trouble);
    wait_until("nobody to be asked any more", LIMIT, async || {
        let start = tokio::time::Instant::now();
        assert_eq!(ask(1).await, Answer::Trouble);
        (start.elapsed() < Duration::from_millis(100)).then_some(())
    })
    .await;
    assert!(resolver.probe().await[0].fault.is_some(), "doctor says so");
    let nobody = self::resolver(free_port(), Duration::from_millis(300));
    assert_eq!(nobody.ask(&[Question::Text("a.example".to_owned())]).await[0].1, Answer::Trouble, "no socket at all");
}

#[tokio::test]
async fn p8_an_agent_is_believed_by_his_signature() {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let record = format!("v=DKIM1; k=ed25519; p={}", base64::engine::general_purpose::STANDARD.encode(key.public_key()));
    let server = NameServer::start(&[
        ("_dmarc.acme.example", Told::Text("v=DMARC1; p=reject".to_owned())),
        ("s._domainkey.acme.example", Told::Text(record)),
    ])
    .await;
    let rules = format!("{RULES}\n[dns]\nservers = [\"127.0.0.1:{}\"]\n", server.port);
    let desk = Desk::start(Setup { rules: Some(rules), mailbox: "check_senders = true".to_owned(), ..Setup::default() }).await;
    desk.write("Mary Hill <mary@shop.example>", "Login fails", "I cannot log in.\n").await;
    let told = desk.nth_mail("ana", 1).await;
    let ticket = desk.ticket_when(1, "the first mail", |t| t["messages"] != 0).await;
    assert_eq!(ticket["thread"][0]["verdict"], "unknown", "her domain has no policy: {ticket}");

    let signer = DkimSigner::from_key(key).domain("acme.example").selector("s").headers(["From", "To", "Subject", "Message-ID"]);
    let answer = |text: &str| {
        let mail = MailText::new("Ana Souza <ana@acme.example>", &address(&told, "Reply-To").unwrap()).reply_to(&told).text(text).octets();
        let mail = String::from_utf8(mail).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
        format!("{}{mail}", signer.sign(mail.as_bytes()).unwrap().to_header())
    };
    let forged = answer("Pay to account 1.\n").replace("account 1", "account 2");
    desk.dovecot.deliver_lmtp("support", forged.as_bytes()).await;
    let held = wait_until("the forged one to be set aside", LIMIT, async || {
        let held = desk.daemon.json_lines(&["quarantine", "list"]).await;
        held.into_iter().next()
    })
    .await;
    assert!(held.to_string().contains("unproven_agent"), "{held}");
    desk.dovecot.deliver_lmtp("support", answer("It works again.\n").as_bytes()).await;
    let ticket = desk.ticket_when(1, "his answer", |t| t["thread"].as_array().unwrap().iter().any(|m| m["author"] == "agent")).await;
    let thread = ticket["thread"].as_array().unwrap();
    let said = thread.iter().find(|m| m["author"] == "agent").unwrap();
    assert_eq!((&said["verdict"], &said["text"]), (&"authenticated".into(), &"It works again.".into()), "{ticket}");
    assert!(said["verdict_why"].as_str().unwrap().contains("DKIM of acme.example"), "{said}");
    assert!(!ticket.to_string().contains("account"), "nothing of the forged one");
}
