//! A person at the chat page of the real daemon, in a real browser, and an agent who answers by mail.

use crate::desk::{Desk, Setup};
use crate::support::browser::Browser;
use crate::support::mail::text;
use std::path::Path;

const MESSAGES: &str = "Array.from(document.querySelectorAll('#log li .bubble'), b => b.textContent).join('|')";

#[tokio::test]
async fn a_person_chats_and_an_agent_answers_from_his_mail_client() {
    let mut desk = Desk::start(Setup { chat: true, ..Setup::default() }).await;
    let mut browser = Browser::start("pt").await;
    browser.open(&format!("http://127.0.0.1:{}/", desk.chat_port)).await;
    browser.wait_for("document.getElementById('expected').textContent.length > 0").await;
    browser.evaluate("document.getElementById('text').focus()").await;
    browser.type_text("Bom dia, o programa não abre.").await;
    browser.press("Enter").await;
    // The tick comes with the ack, and the ack once it is on disk (P1).
    browser.wait_for("document.querySelectorAll('#log li.sent').length === 1").await;
    assert_eq!(desk.ticket(1).await["thread"][0]["text"], "Bom dia, o programa não abre.");

    let told = desk.nth_mail("ana", 1).await;
    desk.answer("Ana Souza <ana@acme.example>", &told, "#assign me\n\nQual é a mensagem de erro?\n\n-- \nAna\n").await;
    browser.wait_for("document.querySelectorAll('#log li.agent').length === 1").await;
    browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("chat-with-daemon.png")).await;

    desk.daemon.kill9();
    desk.daemon.run().await;
    browser.reload().await;
    browser.wait_for("document.querySelectorAll('#log li').length === 2").await;
    let shown = browser.evaluate(MESSAGES).await;
    assert_eq!(shown, "Bom dia, o programa não abre.|Qual é a mensagem de erro?", "all of it is there after a crash");
    desk.ticket_when(1, "the answer to count as delivered", |t| t["thread"][1]["delivery"] == "sent").await;
    assert!(text(&told).contains("Bom dia"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.close().await;
}
