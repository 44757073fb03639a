//! The chat window on the real daemon: acknowledged means durable, and nothing is lost or doubled by a crash.

use crate::desk::{Desk, Setup};
use crate::support::mail::text;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

struct Window(WebSocketStream<TcpStream>);

impl Window {
    async fn open(port: u16) -> Self {
        let mut request = format!("ws://127.0.0.1:{port}/chat/ws").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "guichet.v1".parse().unwrap());
        request.headers_mut().insert("Origin", format!("http://127.0.0.1:{port}").parse().unwrap());
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self(tokio_tungstenite::client_async(request, tcp).await.unwrap().0)
    }

    async fn hello(port: u16, session: Option<&str>, after: u64, address: &str) -> (Self, Value) {
        let mut window = Self::open(port).await;
        window.say(json!({"type": "hello", "session": session, "after": after, "identity": null, "name": "Visitor", "address": address, "language": "pt"})).await;
        let welcome = window.next("welcome").await;
        (window, welcome)
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of a type; others are passed over.
    async fn next(&mut self, kind: &str) -> Value {
        let found = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                if let Message::Text(frame) = self.0.next().await.expect("the window stays open").unwrap() {
                    let frame: Value = serde_json::from_str(&frame).unwrap();
                    if frame["type"] == kind {
                        return frame;
                    }
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {kind} frame came"))
    }

    async fn says(&mut self, id: &str, text: &str) -> Value {
        self.say(json!({"type": "message", "id": id, "text": text})).await;
        self.next("ack").await
    }
}

#[tokio::test]
async fn p1_p2_a_chat_survives_kill_9_and_is_answered_by_mail() {
    let mut desk = Desk::start(Setup { chat: true, ..Setup::default() }).await;
    let (mut window, welcome) = Window::hello(desk.chat_port, None, 0, "").await;
    assert_eq!(welcome["resumed"], false);
    assert!(!welcome["expected"].as_str().unwrap().is_empty(), "P10: who answers and by when");
    let session = welcome["session"].as_str().unwrap().to_owned();
    let ack = window.says("c1", "Olá, a fatura está errada.").await;
    assert_eq!((ack["seq"].as_u64(), ack["ticket"].as_u64()), (Some(1), Some(1)));
    // Acknowledged means durable: killed at once, it is all there.
    desk.daemon.kill9();
    desk.daemon.run().await;

    let (mut window, welcome) = Window::hello(desk.chat_port, Some(&session), 0, "").await;
    assert_eq!((welcome["resumed"].as_bool(), welcome["ticket"].as_u64()), (Some(true), Some(1)));
    assert_eq!(window.next("message").await["text"], "Olá, a fatura está errada.");
    // A client that did not see the ack sends again under the same id.
    assert_eq!(window.says("c1", "Olá, a fatura está errada.").await["seq"], 1);
    assert_eq!(window.says("c2", "É urgente.").await["seq"], 2);
    let ticket = desk.ticket(1).await;
    assert_eq!(
        (ticket["messages"].as_u64(), ticket["channel"].as_str(), ticket["team"].as_str()),
        (Some(2), Some("chat"), Some("billing"))
    );

    let told = desk.dovecot.wait_for("ana", "INBOX", 2).await;
    let told =
        told.iter().find(|m| text(m).starts_with("Olá, a fatura está errada.")).expect("her notification, sent before or after the kill");
    desk.answer("Ana Souza <ana@acme.example>", told, "#assign me\n\nJá corrigi.\n\nOn Monday, Visitor wrote:\n> Olá\n").await;
    let answer = window.next("message").await;
    assert_eq!(
        (answer["author"].as_str(), answer["text"].as_str(), answer["name"].as_str()),
        (Some("agent"), Some("Já corrigi."), Some("Ana Souza"))
    );

    // The window closes; what is said meanwhile is shown when it comes back.
    drop(window);
    desk.answer("Ana Souza <ana@acme.example>", told, "Mais alguma coisa?\n").await;
    desk.ticket_when(1, "the second answer", |t| t["messages"] == 4).await;
    let (mut window, _) = Window::hello(desk.chat_port, Some(&session), answer["seq"].as_u64().unwrap(), "").await;
    assert_eq!(window.next("message").await["text"], "Mais alguma coisa?");
    desk.verify().await;
}

#[tokio::test]
async fn an_answer_reaches_a_visitor_who_has_left_by_mail() {
    let desk = Desk::start(Setup { chat: true, ..Setup::default() }).await;
    let (mut window, _) = Window::hello(desk.chat_port, None, 0, "joao@padaria.example").await;
    window.says("c1", "Olá?").await;
    drop(window);
    let told = desk.nth_mail("ana", 1).await;
    desk.answer("Ana Souza <ana@acme.example>", &told, "Bom dia!\n").await;
    let answer = desk.nth_mail("joao", 1).await;
    assert!(text(&answer).contains("Bom dia!"));
    assert_eq!(desk.ticket(1).await["tier"], "advanced");
    // He answers by mail, and it is the same ticket.
    desk.answer("João <joao@padaria.example>", &answer, "Obrigado!\n").await;
    desk.ticket_when(1, "his answer", |t| t["messages"] == 3 && t["thread"][2]["channel"] == "mail").await;
}

#[tokio::test]
async fn p11_a_bad_frame_gets_an_error_and_the_window_goes_on() {
    let desk = Desk::start(Setup { chat: true, ..Setup::default() }).await;
    let (mut window, _) = Window::hello(desk.chat_port, None, 0, "").await;
    window.0.send(Message::text("{nonsense")).await.unwrap();
    assert_eq!(window.next("error").await["fatal"], false);
    window.say(json!({"type": "message", "id": "c1", "text": "x".repeat(200_000)})).await;
    let error = tokio::time::timeout(Duration::from_secs(20), window.0.next()).await.unwrap();
    assert!(
        format!("{error:?}").contains("too_large") || format!("{error:?}").contains("1009") || format!("{error:?}").contains("Size"),
        "{error:?}"
    );
    let (mut window, _) = Window::hello(desk.chat_port, None, 0, "").await;
    assert_eq!(window.says("c1", "still here").await["seq"], 1);
}
