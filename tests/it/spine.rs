//! The main job on real servers: a customer writes, is told what to expect, an agent answers from his mail client.

use crate::desk::{Desk, Setup, is_automatic, subject, whole};
use crate::support::mail::{MailText, address, header, text};
use crate::support::wait::{LIMIT, wait_until};

#[tokio::test]
async fn p1_p5_p7_a_mail_becomes_a_ticket_and_an_answer_comes_back() {
    let desk = Desk::start(Setup::default()).await;
    let written = desk.write("Mary Hill <mary@shop.example>", "Login fails", "Hello,\nI cannot log in.\n\nMary\n").await;

    let ack = desk.nth_mail("mary", 1).await;
    assert_eq!(subject(&ack), "Re: Login fails [#1]");
    assert!(is_automatic(&ack), "RFC 3834: marked automatic");
    assert_eq!(header(&ack, "Return-Path").as_deref(), Some("<>"), "RFC 3834: from nobody");
    assert_eq!(header(&ack, "In-Reply-To"), Some(written.message_id()));
    assert!(text(&ack).contains("#1"), "{}", text(&ack));

    let told = desk.nth_mail("ana", 1).await;
    assert!(!desk.nth_mail("ben", 1).await.is_empty(), "the whole team hears of it");
    assert!(text(&told).trim_start().starts_with("Hello,\nI cannot log in."), "the customer's words first: {}", text(&told));
    assert!(text(&told).contains("— guichet #1"), "then the brief");
    assert!(address(&told, "Reply-To").unwrap().starts_with("support+"));

    desk.dovecot.wait_for("support", "Processed", 1).await;
    assert_eq!(desk.dovecot.count("support", "INBOX"), 0, "settled");

    let quoted = format!("> {}", text(&told).replace('\n', "\n> "));
    let reply = format!(
        "#solve\n#tag login\n\nDear Mary,\n\nit works again.\n\n-- \nAna Souza\n+55 11 5555\n\nOn Monday, Mary Hill wrote:\n{quoted}"
    );
    desk.answer("Ana Souza <ana@acme.example>", &told, &reply).await;
    let answer = desk.nth_mail("mary", 2).await;
    let all = whole(&answer);
    assert!(text(&answer).contains("Dear Mary,") && text(&answer).contains("it works again."), "{}", text(&answer));
    for hidden in ["#solve", "#tag", "ana@acme.example", "5555", "guichet #1 ", &address(&told, "Reply-To").unwrap()] {
        assert!(!all.contains(hidden), "P7: {hidden} stays inside: {all}");
    }
    assert_eq!(header(&answer, "From").unwrap(), "\"Ana Souza (Acme Support)\" <support@acme.example>");
    assert_eq!(header(&answer, "In-Reply-To"), Some(written.message_id()), "it threads in the customer's client");
    assert!(!is_automatic(&answer), "a person wrote it");

    let ticket = desk.ticket_when(1, "the answer to be sent", |t| t["thread"][2]["delivery"] == "sent").await;
    assert_eq!(ticket["status"], "solved");
    assert_eq!(ticket["assignee"], "ana");
    assert_eq!(ticket["tags"][0], "login");
    assert_eq!(ticket["thread"][0]["author"], "customer");
    assert_eq!(ticket["thread"][1]["author"], "desk");
    assert_eq!(ticket["thread"][1]["delivery"], "sent");
    assert_eq!(ticket["thread"][2]["author"], "agent");
    assert_eq!(ticket["thread"][2]["text"], "Dear Mary,\n\nit works again.");
    let met = ticket["clocks"].as_array().unwrap().iter().find(|c| c["kind"] == "first_response").unwrap();
    assert_eq!(met["state"], "met");

    desk.answer("Mary Hill <mary@shop.example>", &answer, "It fails again.\n\nOn Monday, Ana wrote:\n> it works again\n").await;
    let ticket = desk.ticket_when(1, "the customer's second mail to join", |t| t["messages"] == 4).await;
    assert_eq!(ticket["status"], "open", "reopened");
    assert_eq!(ticket["thread"][3]["text"], "It fails again.");
    assert_eq!(desk.tickets().await.len(), 1);
    assert_eq!(desk.dovecot.count("mary", "INBOX"), 2, "no second acknowledgement");
    desk.verify().await;
}

#[tokio::test]
async fn p10_three_tiers_in_three_languages() {
    let desk = Desk::start(Setup::default()).await;
    for (number, from, subject_in, text_in, tier, language, team, greeting) in [
        (1, "mary@shop.example", "A question", "How do I export?", "basic", "en", "frontline", "Hello"),
        (2, "joao@padaria.example", "Fatura errada", "A fatura veio em dobro.", "advanced", "pt", "billing", "Olá"),
        (3, "mari@tehas.example", "Küsimus", "Kuidas eksportida?", "standard", "et", "frontline", "Tere"),
    ] {
        desk.write(from, subject_in, text_in).await;
        let user = from.split('@').next().unwrap();
        let ack = desk.nth_mail(user, 1).await;
        assert!(text(&ack).contains(greeting), "{language}: {}", text(&ack));
        assert!(subject(&ack).contains(&format!("[#{number}]")));
        let ticket = desk.ticket(number).await;
        assert_eq!(
            (ticket["tier"].as_str(), ticket["language"].as_str(), ticket["team"].as_str()),
            (Some(tier), Some(language), Some(team))
        );
    }
    let joao = desk.ticket(2).await;
    let why: Vec<_> = joao["history"].as_array().unwrap().iter().map(|h| h["why"].as_str().unwrap().to_owned()).collect();
    assert!(why.iter().any(|w| w.contains("rule 'invoices' matched 'fatura'")), "P9: {why:?}");
    assert!(why.iter().any(|w| w.contains("plan 'extended'")), "P9: {why:?}");
    let first = desk.daemon.json_lines(&["tickets"]).await;
    assert_eq!(first[0]["number"], 2, "most urgent first");
    assert_eq!(desk.daemon.json_lines(&["tickets", "--tier", "basic"]).await.len(), 1);
}

#[tokio::test]
async fn p6_machines_are_not_answered() {
    let desk = Desk::start(Setup::default()).await;
    let away = MailText::new("mary@shop.example", "support@acme.example").subject("Out of office").header("Auto-Submitted", "auto-replied");
    desk.send("mary@shop.example", "support@acme.example", &away).await;
    let list = MailText::new("other@list.example", "support@acme.example").subject("News").header("List-Id", "<news.list.example>");
    desk.send("other@list.example", "support@acme.example", &list).await;
    desk.write("joao@padaria.example", "Person", "A person writes.").await;
    desk.nth_mail("joao", 1).await;
    desk.dovecot.wait_for("support", "Processed", 3).await;
    assert_eq!(desk.dovecot.count("mary", "INBOX") + desk.dovecot.count("other", "INBOX"), 0);
    assert_eq!(desk.tickets().await.len(), 1, "P3: the others are in quarantine");
    desk.verify().await;
}

#[tokio::test]
async fn p8_orders_without_proof_are_not_carried_out() {
    let desk = Desk::start(Setup::default()).await;
    desk.write("Mary <mary@shop.example>", "Question", "One?").await;
    let told = desk.nth_mail("ana", 1).await;
    // Ben has Ana's token, but it is bound to her.
    desk.answer("Ben Ott <ben@acme.example>", &told, "#solve\nI am not Ana.\n").await;
    desk.dovecot.wait_for("support", "Processed", 2).await;
    desk.answer("Ana Souza <ana@acme.example>", &told, "#slove\n#assign nobody\nThis must not go out.\n").await;
    let held = desk.nth_mail("ana", 2).await;
    assert!(text(&held).contains("did you mean #solve?"), "{}", text(&held));
    assert!(text(&held).contains("no such agent"), "each fault: {}", text(&held));
    assert!(text(&held).contains("> This must not go out."), "his text back: {}", text(&held));
    // The held notice bears his token: he corrects it by answering it.
    desk.answer("Ana Souza <ana@acme.example>", &held, "#note\nOnly for us.\n").await;
    let ticket = desk
        .ticket_when(1, "the note", |t| t["thread"].as_array().is_some_and(|m| m.last().is_some_and(|m| m["text"] == "Only for us.")))
        .await;
    assert_eq!(ticket["thread"].as_array().unwrap().last().unwrap()["visibility"], "internal");
    assert_eq!(ticket["status"], "new");
    desk.answer("Ana Souza <ana@acme.example>", &told, "#assign ben\n\nBen will look at it.\n").await;
    let answer = desk.nth_mail("mary", 2).await;
    assert!(text(&answer).contains("Ben will look at it."));
    let ticket = desk.ticket_when(1, "assigned", |t| t["assignee"] == "ben").await;
    assert_eq!(ticket["status"], "open");
    assert_eq!(desk.dovecot.count("mary", "INBOX"), 2, "neither the held nor the forged mail reached her");
    desk.verify().await;
}

#[tokio::test]
async fn p5_a_late_first_response_is_told_once_each_across_restarts() {
    let rules = crate::desk::RULES.replace("first_response = \"4h\"", "first_response = \"4s\"\nwarn_at = 0.5");
    let mut desk = Desk::start(Setup { rules: Some(rules), ..Setup::default() }).await;
    desk.write("Mary <mary@shop.example>", "Question", "One?").await;
    desk.nth_mail("ana", 2).await;
    assert_eq!(desk.daemon.terminate().await.code(), Some(0), "SIGTERM ends it in order");
    desk.daemon.run().await;
    let breach = desk.nth_mail("carla", 1).await;
    assert!(subject(&breach).contains("[#1]"), "{}", subject(&breach));
    desk.daemon.kill9();
    desk.daemon.run().await;
    let ticket = desk.ticket(1).await;
    let count = |what: &str| ticket["history"].as_array().unwrap().iter().filter(|h| h["what"] == what).count();
    assert_eq!((count("first_response warned"), count("first_response breached")), (1, 1));
    wait_until("the outbox to settle", LIMIT, async || {
        let report = desk.daemon.json(&["verify"]).await;
        (report["counts"]["outbox waiting"] == 0).then_some(())
    })
    .await;
    assert_eq!(desk.dovecot.count("carla", "INBOX"), 1, "the manager once");
    assert_eq!(desk.dovecot.count("ana", "INBOX"), 2, "notification and one warning");
    assert_eq!(desk.dovecot.count("ben", "INBOX"), 2);
}

#[tokio::test]
async fn p2_the_same_mail_twice_is_one_message() {
    let desk = Desk::start(Setup { mailbox: "after = \"flag\"".to_owned(), ..Setup::default() }).await;
    let mail = desk.write("Mary <mary@shop.example>", "Twice", "Once.").await;
    desk.nth_mail("mary", 1).await;
    desk.send("mary@shop.example", "support@acme.example", &mail).await;
    let other = MailText::new("mary@shop.example", "support@acme.example")
        .subject("Twice")
        .text("Another text.")
        .header("Message-ID", &mail.message_id());
    desk.send("mary@shop.example", "support@acme.example", &other).await;
    desk.ticket_when(2, "other content under the same id to be a message of its own", |t| t["thread"][0]["text"] == "Another text.").await;
    assert_eq!(desk.tickets().await.len(), 2);
    assert_eq!(desk.ticket(1).await["messages"], 2, "the customer's and the desk's");
}

#[tokio::test]
async fn attachments_come_along_and_are_kept() {
    let desk = Desk::start(Setup::default()).await;
    let picture: Vec<u8> = (0..40_000_u32).map(|n| (n % 251) as u8).collect();
    let mail = MailText::new("mary@shop.example", "support@acme.example").subject("Screenshot").attach(
        "../screen shot.png",
        "image/png",
        &picture,
    );
    desk.send("mary@shop.example", "support@acme.example", &mail).await;
    let told = desk.nth_mail("ana", 1).await;
    let parsed = crate::support::mail::parse(&told);
    let attached = parsed.attachments().find(|a| a.contents().len() == picture.len()).expect("it comes along");
    assert_eq!(attached.contents(), picture);
    let ticket = desk.ticket(1).await;
    let kept = &ticket["thread"][0]["attachments"][0];
    assert_eq!(kept["name"], "screen shot.png", "no path");
    assert_eq!(kept["blake3"], blake3::hash(&picture).to_hex().as_str());
    desk.answer("Ana Souza <ana@acme.example>", &told, "Thank you for the picture.\n").await;
    desk.nth_mail("mary", 2).await;
}

#[tokio::test]
async fn p9_explain_tells_before_it_happens_and_changes_nothing() {
    let desk = Desk::start(Setup::default()).await;
    let mail = MailText::new("João <joao@padaria.example>", "support@acme.example").subject("Fatura").text("A fatura veio em dobro.\n");
    let file = desk.daemon.dir().join("mail.eml");
    std::fs::write(&file, mail.octets()).unwrap();
    let explained = desk.daemon.json(&["explain", file.to_str().unwrap()]).await;
    assert_eq!(explained["outcome"], "new");
    assert_eq!(explained["ticket"]["team"], "billing");
    assert_eq!(explained["ticket"]["tier"], "advanced");
    let ack = explained["outbox"].as_array().unwrap().iter().find(|m| m["purpose"] == "ack").unwrap();
    assert_eq!(ack["to"], "joao@padaria.example");
    assert!(desk.tickets().await.is_empty(), "nothing was changed");
    desk.send("joao@padaria.example", "support@acme.example", &mail).await;
    desk.nth_mail("joao", 1).await;
    let after = desk.daemon.json(&["explain", file.to_str().unwrap()]).await;
    assert_eq!((after["outcome"].as_str(), after["ticket"]["number"].as_u64()), (Some("duplicate"), Some(1)));
}

#[tokio::test]
async fn p7_a_stranger_with_a_token_is_seen_but_hears_nothing() {
    let desk = Desk::start(Setup::default()).await;
    desk.write("Mary <mary@shop.example>", "Private", "My number is 42.").await;
    let ack = desk.nth_mail("mary", 1).await;
    desk.answer("Other <other@evil.example>", &ack, "Send it to me too.\n").await;
    let ticket = desk.ticket_when(1, "the third party's mail", |t| t["messages"] == 3).await;
    assert_eq!(ticket["thread"][2]["visibility"], "internal");
    let told = desk.nth_mail("ana", 2).await;
    assert!(text(&told).contains("other@evil.example"), "agents see who wrote: {}", text(&told));
    desk.answer("Ana Souza <ana@acme.example>", &told, "Here it is.\n").await;
    let answer = desk.nth_mail("mary", 2).await;
    assert!(text(&answer).contains("Here it is."));
    assert_eq!(desk.dovecot.count("other", "INBOX"), 0);
    // A number in a subject opens nothing.
    desk.write("Other <other@evil.example>", "Re: Private [#1]", "And now?").await;
    desk.ticket_when(2, "a ticket of his own", |t| t["requester"]["address"] == "other@evil.example").await;
}

#[tokio::test]
async fn p5_a_bounced_answer_is_told_of() {
    let desk = Desk::start(Setup::default()).await;
    // Her provider takes mail from her, but none for her.
    desk.write("Gone <gone@nowhere.example>", "Question", "One?").await;
    let told = desk.nth_mail("ana", 1).await;
    desk.answer("Ana Souza <ana@acme.example>", &told, "#assign me\n\nHere is the answer.\n").await;
    let ticket = desk.ticket_when(1, "the answer to bounce", |t| t["thread"][2]["delivery"] == "bounced").await;
    assert_eq!(ticket["thread"][2]["text"], "Here is the answer.");
    let notice = desk.nth_mail("ana", 2).await;
    assert!(text(&notice).contains("gone@nowhere.example"), "{}", text(&notice));
    assert!(subject(&notice).contains("[#1]"));
    desk.verify().await;
}

#[tokio::test]
async fn p6_an_address_that_bounced_gets_nothing_automatic_until_it_is_lifted() {
    let mut desk = Desk::start(Setup::default()).await;
    desk.write("Gone <gone@nowhere.example>", "Question", "One?").await;
    let told = desk.nth_mail("ana", 1).await;
    desk.answer("Ana Souza <ana@acme.example>", &told, "#assign me\n\nHere is the answer.\n").await;
    desk.ticket_when(1, "the answer to bounce", |t| t["thread"][2]["delivery"] == "bounced").await;
    let notice = desk.nth_mail("ana", 2).await;
    assert!(text(&notice).contains("no such mailbox"), "a hint what to do: {}", text(&notice));
    let marked = desk.daemon.json_lines(&["suppressions", "list"]).await;
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0]["address"], "gone@nowhere.example");

    desk.daemon.kill9();
    desk.daemon.run().await;
    desk.write("Gone <gone@nowhere.example>", "Once more", "Two?").await;
    let held = desk.ticket_when(2, "the second ticket", |_| true).await;
    let line = held["history"].as_array().unwrap().iter().find(|h| h["what"] == "no acknowledgement").expect("it is held").clone();
    assert!(line["why"].as_str().unwrap().contains("mail to it came back on"), "{line}");
    let brief = desk.nth_mail("ana", 3).await;
    assert!(text(&brief).contains("came back on"), "whoever answers knows: {}", text(&brief));

    let lifted = desk.daemon.json(&["suppressions", "lift", "gone@nowhere.example"]).await;
    assert_eq!(lifted["address"], "gone@nowhere.example");
    assert!(desk.daemon.json_lines(&["suppressions", "list"]).await.is_empty());
    desk.write("Gone <gone@nowhere.example>", "And again", "Three?").await;
    let told = |t: &serde_json::Value| t["history"].as_array().unwrap().iter().any(|h| h["what"] == "acknowledged in en");
    desk.ticket_when(3, "an acknowledgement", told).await;
    desk.verify().await;
}

#[tokio::test]
async fn p5_a_bounce_that_returns_nothing_is_known_by_its_return_path() {
    let desk = Desk::start(Setup::default()).await;
    desk.write("Mary <mary@shop.example>", "Question", "One?").await;
    let told = desk.nth_mail("ana", 1).await;
    desk.answer("Ana Souza <ana@acme.example>", &told, "#assign me\n\nHere is the answer.\n").await;
    let answer = desk.nth_mail("mary", 2).await;
    let path = crate::support::mail::header(&answer, "Return-Path").unwrap().trim_matches(['<', '>']).to_owned();
    assert!(path.starts_with("support+1b"), "{path}");
    let report = |words: &str| {
        let text = format!("Your message could not be delivered.\n\n<mary@shop.example>: {words}\n");
        move |path: &str| MailText::new("MAILER-DAEMON@isp.example", path).subject("Undelivered").text(&text)
    };
    // A token that was guessed, and somebody to whom it did not go.
    let guessed = path.replacen("+1b", "+2b", 1);
    desk.send("", &guessed, &report("550 5.1.1 no")(&guessed)).await;
    let other = MailText::new("MAILER-DAEMON@isp.example", &path).subject("Undelivered").text("<else@shop.example>: 550 5.1.1 no\n");
    desk.send("", &path, &other).await;
    desk.send("", &path, &report("452 4.2.2 mailbox full, will be retried")(&path)).await;
    desk.ticket_when(1, "the delay", |t| t["history"].as_array().unwrap().iter().any(|h| h["what"] == "a mail is delayed")).await;
    assert!(desk.daemon.json_lines(&["suppressions", "list"]).await.is_empty(), "none of them marks her");
    desk.send("", &path, &report("552 5.2.2 mailbox full")(&path)).await;
    let ticket = desk.ticket_when(1, "the answer to bounce", |t| t["thread"][2]["delivery"] == "bounced").await;
    let reports = ticket["history"].as_array().unwrap().iter().filter(|h| h["why"].as_str().unwrap().contains("report about")).count();
    assert_eq!(reports, 2, "the forgeries left no note: {ticket}");
    let notice = desk.nth_mail("ana", 2).await;
    assert!(text(&notice).contains("the mailbox is full"), "{}", text(&notice));
    assert_eq!(desk.daemon.json_lines(&["quarantine", "list"]).await.len(), 2);
    assert_eq!(desk.daemon.json_lines(&["suppressions", "list"]).await[0]["address"], "mary@shop.example");
    desk.verify().await;
}
