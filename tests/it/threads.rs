//! Threads over real wires: merged and split from a mail client, and somebody else asked.

use crate::desk::{Desk, Setup, subject, whole};
use crate::support::mail::{MailText, address, header, text};

const ANA: &str = "Ana Souza <ana@acme.example>";
const MARY: &str = "Mary Hill <mary@shop.example>";

#[tokio::test]
async fn p3_two_tickets_become_one_from_a_mail_client_and_two_again() {
    let desk = Desk::start(Setup::default()).await;
    desk.write(MARY, "Login fails", "I cannot log in.").await;
    desk.nth_mail("ana", 1).await;
    desk.write(MARY, "Still no login", "Did you get my first mail?").await;
    let (told, ack) = (desk.nth_mail("ana", 2).await, desk.nth_mail("mary", 2).await);
    desk.answer(ANA, &told, "#merge 1\n").await;
    let merged = desk.ticket_when(2, "merged", |t| t["merged_into"] == 1).await;
    assert_eq!(merged["status"], "closed");

    // Her answer to the mail about the second reaches the first, and so does Ana's to its notification.
    desk.answer(MARY, &ack, "It is the second floor.\n").await;
    let one = desk.ticket_when(1, "her answer", |t| t["messages"] == 3).await;
    let said: Vec<_> = one["thread"].as_array().unwrap().iter().map(|m| (m["of"].as_u64(), m["author"].as_str().unwrap())).collect();
    assert_eq!(one["holds"], serde_json::json!([2]));
    assert_eq!(said.iter().filter(|(of, _)| *of == Some(2)).count(), 3, "what was said in the other is seen with it: {said:?}");
    desk.answer(ANA, &told, "We are on it.\n").await;
    let answer = desk.nth_mail("mary", 3).await;
    assert!(subject(&answer).contains("[#1]"), "{}", subject(&answer));
    desk.verify().await;

    let newest = desk.nth_mail("ana", 3).await;
    desk.answer(ANA, &newest, "#unmerge 2\n").await;
    let two = desk.ticket_when(2, "on its own again", |t| t["merged_into"].is_null()).await;
    assert_eq!(two["status"], "new");
    assert!(two["history"].as_array().unwrap().iter().any(|h| h["what"] == "merged into #1" && h["by"] == "agent:ana"), "P9");
    desk.answer(ANA, &newest, "#split 3\n").await;
    let three = desk.ticket_when(3, "split off", |t| t["split_from"] == 1).await;
    assert_eq!((three["thread"][0]["text"].as_str(), three["status"].as_str()), (Some("It is the second floor."), Some("new")));
    desk.verify().await;
}

#[tokio::test]
async fn p7_somebody_is_asked_and_his_answer_stays_inside() {
    let desk = Desk::start(Setup::default()).await;
    desk.write(MARY, "Login fails", "I cannot log in.").await;
    let told = desk.nth_mail("ana", 1).await;
    desk.answer(ANA, &told, "#ask mari@tehas.example\n\nIs the gateway down?\n").await;
    let question = desk.nth_mail("mari", 1).await;
    let all = whole(&question);
    assert!(text(&question).contains("Is the gateway down?"), "{all}");
    for hidden in ["mary@shop.example", "I cannot log in", "#ask", "guichet #1"] {
        assert!(!all.contains(hidden), "P7: {hidden} stays inside: {all}");
    }
    assert_eq!(header(&question, "Auto-Submitted"), None, "a person asks");
    assert!(address(&question, "Reply-To").unwrap().starts_with("support+1t"));
    desk.answer("Mari <mari@tehas.example>", &question, "Yes, until five. Do not tell them.\n").await;
    let ticket = desk.ticket_when(1, "her answer", |t| t["thread"].as_array().is_some_and(|t| t.len() == 4)).await;
    assert_eq!((ticket["thread"][3]["visibility"].as_str(), ticket["status"].as_str()), (Some("internal"), Some("new")));
    assert_eq!(ticket["third_parties"][0]["role"], "asked");
    assert_eq!(ticket["participants"], serde_json::json!([]));
    assert_eq!((desk.dovecot.count("mary", "INBOX"), desk.dovecot.count("mari", "INBOX")), (1, 1), "an ack and a question, no more");
    desk.verify().await;
}

#[tokio::test]
async fn p3_p6_what_people_write_through_a_group_is_theirs() {
    let desk = Desk::start(Setup { mailbox: "lists = \"help.acme.example\"\n".to_owned(), ..Setup::default() }).await;
    let through = |from: &str, list: &str| {
        MailText::new(from, "support@acme.example")
            .header("List-Id", &format!("<{list}>"))
            .header("Precedence", "list")
            .header("X-Original-From", "Mary Hill <mary@shop.example>")
            .subject("Login fails")
            .text("I cannot log in.\n")
    };
    let group = "'Mary Hill' via Help <help@acme.example>";
    desk.send(group, "support@acme.example", &through(group, "help.acme.example")).await;
    let told = desk.nth_mail("ana", 1).await;
    assert!(text(&told).contains("mary@shop.example"), "the writer, not the group: {}", text(&told));
    desk.nth_mail("mary", 1).await;
    desk.send(group, "support@acme.example", &through("other@list.example", "news.list.example").subject("News")).await;
    desk.dovecot.wait_for("support", "Processed", 2).await;
    assert_eq!(desk.tickets().await.len(), 1, "another list is a machine");
    desk.answer(ANA, &told, "Try again.\n").await;
    assert!(text(&desk.nth_mail("mary", 2).await).contains("Try again."));
    desk.verify().await;
}
