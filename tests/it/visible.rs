//! What of a mail goes on to whom: what is repeated without a mark, what only agents may read, what an agent forwards.

use crate::desk::{Desk, Setup, subject, whole};
use crate::support::mail::{MailText, header, text};

#[tokio::test]
async fn p7_internal_words_hold_an_agents_mail() {
    let desk = Desk::start(Setup::default()).await;
    desk.write("Mary Hill <mary@shop.example>", "Login fails", "Hello,\nI cannot log in.\n\nMary\n").await;
    let told_ana = desk.nth_mail("ana", 1).await;
    let told_ben = desk.nth_mail("ben", 1).await;
    let secret = "She has not paid since March, legal is about to sue her.";
    desk.answer("Ana Souza <ana@acme.example>", &told_ana, &format!("#note\n{secret}\n")).await;
    desk.ticket_when(1, "the note", |t| t["messages"] == 3).await;

    let mut held = 0;
    for (words, shown, why) in [
        (format!("Dear Mary,\n\nwait a little. {secret}\n"), "not paid since March", "of a note"),
        (
            "Dear Mary,\n\nwait.\n\nTeam: frontline, assigned to: nobody\n".to_owned(),
            "Team: frontline, assigned to: nobody",
            "of the brief",
        ),
    ] {
        desk.answer("Ben Ott <ben@acme.example>", &told_ben, &words).await;
        held += 1;
        let notice = desk.nth_mail("ben", 1 + held).await;
        assert!(text(&notice).contains(shown) && text(&notice).contains("#note"), "{why}: {}", text(&notice));
    }
    assert_eq!(desk.dovecot.count("mary", "INBOX"), 1, "P7: nothing of it reached her");

    // He deletes it and sends what he wrote again, by answering the notice; below it stands all of the notification, unmarked.
    let notice = desk.nth_mail("ben", 3).await;
    let told = text(&told_ben);
    let notification = told.lines().filter(|line| !line.contains("guichet #1")).collect::<Vec<_>>().join("\n");
    desk.answer("Ben Ott <ben@acme.example>", &told_ben, &format!("Dear Mary,\n\nwait a little.\n\n{notification}")).await;
    let answer = desk.nth_mail("mary", 2).await;
    assert!(text(&answer).contains("wait a little."), "{}", text(&answer));
    for hidden in ["assigned to", "First response", "I cannot log in", "#assign me"] {
        assert!(!whole(&answer).contains(hidden), "P7: {hidden} stays inside: {}", whole(&answer));
    }
    desk.answer("Ben Ott <ben@acme.example>", &notice, "Dear Mary,\n\nwait.\n").await;
    assert!(text(&desk.nth_mail("mary", 3).await).contains("wait."), "what was held goes once it is corrected");

    // And hers below an unmarked answer of ours.
    let repeated = "Dear Mary, please close all windows, wait for ten minutes, open the page again and tell us what you see then.";
    desk.answer("Ben Ott <ben@acme.example>", &told_ben, repeated).await;
    let answer = desk.nth_mail("mary", 4).await;
    let below = repeated.replace(", ", ",\n");
    desk.answer("Mary Hill <mary@shop.example>", &answer, &format!("A white page.\n\n{below}\n")).await;
    let ticket = desk
        .ticket_when(1, "her answer", |t| {
            t["thread"].as_array().is_some_and(|m| m.last().is_some_and(|m| m["author"] == "customer" && m["text"] == "A white page."))
        })
        .await;
    let last = ticket["thread"].as_array().unwrap().last().unwrap();
    assert!(last["quoted"].as_str().unwrap().contains("wait for ten minutes"), "nothing is deleted: {last}");
    desk.verify().await;
}

#[tokio::test]
async fn p6_p8_an_agent_who_forwards_opens_a_ticket_for_the_writer() {
    let desk = Desk::start(Setup { mailbox: "trusted_authserv_ids = [\"mx.acme.example\"]".to_owned(), ..Setup::default() }).await;
    let forwarded = "#assign me\nShe phoned, too.\n\n---------- Forwarded message ---------\nFrom: Mary Hill <mary@shop.example>\nDate: Thu, Mar 24, 2016 at \
                     5:17 PM\nSubject: Login fails\nTo: Ana Souza <ana@acme.example>\n\nI cannot log in.\n";
    let mail = |results: &str| {
        MailText::new("Ana Souza <ana@acme.example>", "support@acme.example")
            .subject("Fwd: Login fails")
            .header("Authentication-Results", results)
            .text(forwarded)
    };
    desk.send("ana@acme.example", "support@acme.example", &mail("mx.evil.example; dmarc=pass header.from=acme.example")).await;
    desk.dovecot.wait_for("support", "Processed", 1).await;
    assert!(desk.tickets().await.is_empty(), "P8: an address alone opens nothing");

    desk.send("ana@acme.example", "support@acme.example", &mail("mx.acme.example; dmarc=pass header.from=acme.example")).await;
    let ack = desk.nth_mail("mary", 1).await;
    for hidden in ["Login", "Mary", "phoned", "log in"] {
        assert!(!whole(&ack).contains(hidden), "P6: the acknowledgement repeats nothing, not {hidden}: {}", whole(&ack));
    }
    let ticket = desk.ticket(1).await;
    assert_eq!(ticket["requester"]["address"], "mary@shop.example");
    assert_eq!((&ticket["subject"], &ticket["assignee"]), (&"Login fails".into(), &"ana".into()));
    assert_eq!((&ticket["thread"][0]["author"], &ticket["thread"][0]["text"]), (&"customer".into(), &"I cannot log in.".into()));
    assert_eq!((&ticket["thread"][1]["visibility"], &ticket["thread"][1]["text"]), (&"internal".into(), &"She phoned, too.".into()));
    assert_eq!(ticket["history"][0]["what"], "opened by agent ana, who forwarded it");

    let told = desk.nth_mail("ana", 1).await;
    assert!(subject(&told).contains("[#1]") && header(&told, "Reply-To").is_some());
    desk.answer("Ana Souza <ana@acme.example>", &told, "Dear Mary,\n\nplease try once more.\n").await;
    desk.dovecot.wait_for("support", "Processed", 3).await;
    desk.verify().await;
}
