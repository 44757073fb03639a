//! `guichet explain` over the life of one ticket: each mail is asked about first, and arrives then.

use crate::desk::{CUSTOMERS, maildirs};
use crate::support::daemon::Daemon;
use crate::support::mail::{MailText, address, header};
use crate::support::wait::{LIMIT, wait_until};
use serde_json::Value;

const JOAO: &str = "João Lima <joao@padaria.example>";
const ANA: &str = "Ana Souza <ana@acme.example>";

/// What `guichet explain` says of a mail, as text.
async fn said_of(daemon: &Daemon, mail: &[u8]) -> String {
    let file = daemon.dir().join("mail.eml").display().to_string();
    std::fs::write(&file, mail).unwrap();
    let output = daemon.cli(&["explain", &file]).await;
    let (said, fault) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{said}{fault}");
    said
}

/// The newest mail to somebody, once `n` have been sent to him.
async fn sent_to(daemon: &Daemon, to: &str, n: usize) -> Vec<u8> {
    wait_until("the mail", LIMIT, async || {
        let files = std::fs::read_dir(daemon.state_dir().join("out/new")).ok()?;
        let mut mails: Vec<_> =
            files.flatten().filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, std::fs::read(file.path()).ok()?))).collect();
        mails.retain(|(_, mail)| address(mail, "To").as_deref() == Some(to));
        mails.sort_by_key(|(at, _)| *at);
        mails.get(n - 1).map(|(_, mail)| mail.clone())
    })
    .await
}

fn answer(from: &str, received: &[u8], text: &str) -> MailText {
    let to = address(received, "Reply-To").or_else(|| address(received, "From")).unwrap();
    MailText::new(from, &to).reply_to(received).text(text)
}

/// Takes a mail in, and waits until its ticket has so many messages.
async fn takes_in(daemon: &Daemon, name: &str, mail: &[u8], number: &str, messages: u64) {
    daemon.arrives(name, mail);
    wait_until("the mail to be taken in", LIMIT, async || {
        let output = daemon.cli(&["ticket", number, "--json"]).await;
        let ticket: Value = serde_json::from_slice(&output.stdout).ok()?;
        (ticket["messages"].as_u64()? >= messages).then_some(())
    })
    .await;
}

fn bounce_of(sent: &[u8], recipient: &str) -> Vec<u8> {
    let (id, from) = (header(sent, "Message-ID").unwrap(), address(sent, "From").unwrap());
    format!(
        "Return-Path: <>\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx.padaria.example>\r\nTo: {from}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMessage-ID: <b1@mx.padaria.example>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nYour mail could not be delivered.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.padaria.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.2.2\r\n\
         Diagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {id}\r\nFrom: {from}\r\nTo: {recipient}\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

/// Asks about a mail, and wants every part of the answer in it. A part that begins with `!` must not be there.
async fn explains(daemon: &Daemon, mail: &[u8], what: &str, parts: &[&str]) {
    let said = said_of(daemon, mail).await;
    if std::env::var_os("GUICHET_TEST_SHOW").is_some() {
        println!("##### {what}\n{said}");
    }
    for part in parts {
        match part.strip_prefix('!') {
            Some(part) => assert!(!said.contains(part), "{what}: {part} in:\n{said}"),
            None => assert!(said.contains(part), "{what}: no {part} in:\n{said}"),
        }
    }
}

const CUSTOMER: &str = "organisation Padaria, plan extended, language pt, tier advanced";
const BRIEF: &str = "   | Team: billing, assigned to: ";

#[tokio::test]
async fn p9_explain_tells_the_whole_way_of_every_mail_in_a_tickets_life() {
    let daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    let first = MailText::new(JOAO, "support@acme.example").subject("Fatura").text("A fatura veio em dobro.\n").octets();
    daemon.arrives("1.first", &first);
    let (ack, told) = (sent_to(&daemon, "joao@padaria.example", 1).await, sent_to(&daemon, "ana@acme.example", 1).await);
    let number = daemon.json(&["tickets"]).await["number"].to_string();

    let reply = answer(JOAO, &ack, "E agora veio a terceira.\n").octets();
    let parts = [
        "outcome   joins ticket #1: Fatura\n          because signed reply address of #1; it is the word of its customer",
        "verdict   unknown: nobody was asked",
        CUSTOMER,
        "team billing, assigned to nobody",
        "policy    tier advanced: first_response 1h",
        "clocks    first_response    stays as it was, running: due ",
        "none is run: rules are for new tickets, and for those that a customer opens again; this one was not over",
        "1 mail would be sent\n\n1. notification by mail to agent ana@acme.example",
        "   | E agora veio a terceira.",
        BRIEF,
    ];
    explains(&daemon, &reply, "a customer's reply", &parts).await;
    takes_in(&daemon, "2.reply", &reply, &number, 3).await;

    let wrong = answer(ANA, &told, "#sovle\nCaro João, devolvemos o valor.\n").octets();
    let parts = [
        "because signed reply address of #1; it is the word of agent ana",
        "agent:ana  held\n               because signed reply address of #1; #sovle is not a command: did you mean #solve?",
        "customer  João Lima <joao@padaria.example>, organisation Padaria",
        "first_response    stays as it was, running",
        "none is run: rules are for what customers write, and an agent wrote it",
        "1 mail would be sent\n\n1. held by mail to agent ana@acme.example",
        "   | - #sovle is not a command: did you mean #solve?",
        "   | > Caro João, devolvemos o valor.",
    ];
    explains(&daemon, &wrong, "an unknown command", &parts).await;
    takes_in(&daemon, "3.wrong", &wrong, &number, 4).await;

    let solved = answer(ANA, &told, "#solve\nCaro João, devolvemos o valor.\n").octets();
    let parts = [
        "sender    Ana Souza <ana@acme.example>, the address of agent ana",
        "customer  João Lima <joao@padaria.example>, organisation Padaria",
        "ticket    solved, tier advanced",
        "team billing, assigned to ana",
        "clocks    auto_close        begins, running: due ",
        "first_response    is met; was due ",
        "resolution        is met; was due ",
        "1 mail would be sent\n\n1. answer by mail to the customer joao@padaria.example",
        "   | Caro João, devolvemos o valor.",
        "!#solve\n   |",
    ];
    explains(&daemon, &solved, "#solve and an answer", &parts).await;
    let asks = answer(ANA, &told, "#pending\nCaro João, qual fatura?\n").octets();
    let parts = ["ticket    pending", "first_response    is met", "resolution        is paused; stands still, "];
    explains(&daemon, &asks, "#pending and a question", &parts).await;
    takes_in(&daemon, "4.asks", &asks, &number, 5).await;

    let sent = sent_to(&daemon, "joao@padaria.example", 2).await;
    let bounce = bounce_of(&sent, "joao@padaria.example");
    let parts = [
        "reports that mail 1.5 to joao@padaria.example came back",
        "machine   delivery report (RFC 3464)",
        "customer  João Lima <joao@padaria.example>, organisation Padaria",
        "!mailer-daemon@mx.padaria.example nor its domain",
        "desk       address marked",
        "resolution        stays as it was, paused; stands still",
        "none is run: rules are for what customers write, and a mail system wrote it",
        "1 mail would be sent\n\n1. held by mail to agent ana@acme.example",
        "   | - 5.2.2 552 5.2.2 mailbox full",
    ];
    explains(&daemon, &bounce, "a bounce of the answer", &parts).await;
    let away = answer(JOAO, &sent, "Estou de férias.\n").header("Auto-Submitted", "auto-replied").octets();
    let parts = [
        "machine   Auto-Submitted: auto-replied",
        "because signed reply address of #1; a machine wrote it: it answers and changes nothing",
        "noted an automatic message",
        CUSTOMER,
        "ticket    pending",
        "resolution        stays as it was, paused; stands still",
        "none is run: rules are for what people write, and a machine wrote it",
        "nothing would be sent",
    ];
    explains(&daemon, &away, "an out-of-office", &parts).await;
    let parts = [
        "outcome   was taken in before, as part of #1: Fatura\n          because the same mail is message 1 of #1",
        "none: nothing would change; only the way by which it came is noted",
        "none is run: it was decided about before",
        "nothing would be sent",
    ];
    explains(&daemon, &first, "the same mail once more", &parts).await;

    let which = answer(JOAO, &sent, "A de outubro.\n").octets();
    let parts =
        ["ticket    open", "next_response     begins, running: due", "resolution        goes on, running: due ", "is cancelled; was due"];
    explains(&daemon, &which, "the customer's answer to a question", &parts).await;
    takes_in(&daemon, "5.which", &which, &number, 6).await;
    let done = answer(ANA, &told, "#solve\nCaro João, devolvemos o valor.\n").octets();
    takes_in(&daemon, "6.done", &done, &number, 7).await;
    let again = answer(JOAO, &sent, "Não foi devolvido.\n").octets();
    let parts = [
        "status open\n               because the customer wrote after it was solved",
        "resolution        begins, running: due ",
        "auto_close        is cancelled; was due ",
        "no  invoices: is only for new tickets",
        BRIEF,
    ];
    explains(&daemon, &again, "the customer after it was solved", &parts).await;
    takes_in(&daemon, "7.bounce", &bounce, &number, 8).await;

    let shown = daemon.cli(&["ticket", &number]).await;
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    if std::env::var_os("GUICHET_TEST_SHOW").is_some() {
        println!("{said}");
    }
    for part in [
        "solved · priority high · tier advanced · team billing · assigned to ana · by mail · in pt\n",
        "clock first_response   met, was due ",
        "may take 1 h 00 min of calendar 'always'\n",
        "      resumed     ",
        "of opening time\n",
        "[8] machine Mail Delivery System",
        "    ! a machine wrote it: delivery report (RFC 3464)",
    ] {
        assert!(said.contains(part), "no {part} in:\n{said}");
    }
}

#[tokio::test]
async fn p9_explain_tells_of_every_ticket_that_a_mail_changes_and_of_copies_in_quarantine() {
    let daemon = Daemon::start(&[("guichet.toml", &maildirs("")), ("customers.csv", CUSTOMERS)]).await;
    let first = MailText::new(JOAO, "support@acme.example").subject("Login").text("Não entra.\n");
    let second = MailText::new(JOAO, "support@acme.example").subject("Login, outra vez").text("Ainda não.\n");
    for (name, mail, tickets) in [("1.first", &first, 1), ("2.second", &second, 2)] {
        daemon.arrives(name, &mail.octets());
        wait_until("the ticket", LIMIT, async || (daemon.json_lines(&["tickets"]).await.len() == tickets).then_some(())).await;
    }
    let both = MailText::new(JOAO, "support@acme.example").subject("Re: Login").header("In-Reply-To", &second.message_id());
    let both = both.header("References", &format!("{} {}", first.message_id(), second.message_id())).text("Então?\n").octets();
    let parts = [
        "outcome   joins ticket #1: Login\n          because answers a message of #",
        ", and #2 is the same matter; it is the word of its customer",
        "desk       #2: merged into #1",
        "clocks    first_response    stays as it was, running",
        "notification by mail to agent ana@acme.example",
    ];
    explains(&daemon, &both, "a mail of two tickets", &parts).await;

    let away = MailText::new(JOAO, "support@acme.example").subject("Away").header("Auto-Submitted", "auto-replied").octets();
    let parts = [
        "outcome   quarantine, machine: ",
        CUSTOMER,
        "none is run: it becomes part of no ticket",
        "nothing would be sent",
        "!policy",
        "!clocks",
    ];
    explains(&daemon, &away, "an out-of-office on no thread", &parts).await;
    daemon.arrives("3.away", &away);
    wait_until("quarantine", LIMIT, async || (!daemon.json_lines(&["quarantine", "list"]).await.is_empty()).then_some(())).await;
    let parts = ["outcome   was taken in before\n          because the same mail is number 1 in quarantine", "nothing would be sent"];
    explains(&daemon, &away, "the same once more", &parts).await;
}
