//! A person at the chat page of the real daemon, in a real browser, and an agent who answers by mail.

use crate::desk::{Desk, Setup};
use crate::support::browser::Browser;
use crate::support::mail::text;
use crate::support::scratch::{Scratch, free_port, signal};
use crate::support::wait::{LIMIT, wait_until};
use std::path::Path;
use std::process::Stdio;

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

    assert_eq!(browser.complaints(), Vec::<String>::new());

    desk.daemon.kill9();
    desk.daemon.run().await;
    // While nobody was there the page may have tried to come back.
    let tried = ["WebSocket connection", "ERR_CONNECTION_REFUSED"];
    browser.reload().await;
    let others: Vec<String> = browser.complaints().into_iter().filter(|c| !tried.iter().any(|t| c.contains(t))).collect();
    assert_eq!(others, Vec::<String>::new());
    browser.wait_for("document.querySelectorAll('#log li').length === 2").await;
    let shown = browser.evaluate(MESSAGES).await;
    assert_eq!(shown, "Bom dia, o programa não abre.|Qual é a mensagem de erro?", "all of it is there after a crash");
    desk.ticket_when(1, "the answer to count as delivered", |t| t["thread"][1]["delivery"] == "sent").await;
    assert!(text(&told).contains("Bom dia"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn the_demo_s_chat_page_really_chats() {
    let scratch = Scratch::new("chat");
    let port = free_port();
    let mut demo = tokio::process::Command::new(env!("CARGO_BIN_EXE_guichet"));
    demo.args(["demo", "--dir"]).arg(scratch.join("d")).args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut demo = demo.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    wait_until("the chat page", LIMIT, async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
    let mut browser = Browser::start("en").await;
    browser.open(&format!("http://127.0.0.1:{port}/chat/")).await;
    browser.evaluate("document.getElementById('text').focus()").await;
    browser.type_text("Is anybody there?").await;
    browser.press("Enter").await;
    // The sample agent answers by mail, as agents do.
    browser.wait_for("document.querySelectorAll('#log li.agent').length === 1").await;
    let shown = browser.evaluate(MESSAGES).await;
    assert!(shown.as_str().unwrap().contains("Hello, this is Ana. You wrote “Is anybody there?”"), "{shown}");
    browser.close().await;
    signal("INT", &demo.id().unwrap().to_string());
    assert!(demo.wait().await.unwrap().success(), "Ctrl-C ends it in order");
}
