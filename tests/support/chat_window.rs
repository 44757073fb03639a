//! A window for tests: the client's end of the chat, frame by frame.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of this")]

use futures_util::{SinkExt, StreamExt};
use guichet::domain::message::SessionId;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// How long "nothing comes" is waited for; with paused time it costs nothing.
const QUIET: Duration = Duration::from_secs(3);

pub struct Window<Io = DuplexStream> {
    pub ws: WebSocketStream<Io>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Closed(u16),
    Broken,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Window<Io> {
    pub async fn over(io: Io) -> Self {
        Self { ws: WebSocketStream::from_raw_socket(io, Role::Client, None).await }
    }

    pub async fn say(&mut self, frame: &Value) {
        self.say_raw(Message::text(frame.to_string())).await;
    }

    pub async fn say_raw(&mut self, message: Message) {
        // The other side may have gone; what it said before is what a test looks at.
        let _ = self.ws.send(message).await;
    }

    pub async fn message(&mut self, id: &str, text: &str) {
        self.say(&json!({"type": "message", "id": id, "text": text})).await;
    }

    /// The next frame that is not a ping.
    pub async fn next(&mut self) -> Result<Value, Ended> {
        loop {
            match self.ws.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(text.as_str()).unwrap()),
                Some(Ok(Message::Close(Some(close)))) => return Err(Ended::Closed(close.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Ended::Broken),
            }
        }
    }

    /// The next frame, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await.unwrap();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    pub async fn expect_nothing(&mut self) {
        if let Ok(frame) = timeout(QUIET, self.next()).await {
            panic!("nothing should come, but {frame:?}");
        }
    }

    /// Reads until the end.
    pub async fn ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.next().await {
                return ended;
            }
        }
    }

    /// Hello, and the session of the welcome.
    pub async fn hello(&mut self, session: Option<SessionId>, after: u32) -> (SessionId, Value) {
        let session = session.map(SessionId::to_hex);
        self.say(&json!({"type":"hello","session":session,"after":after,"identity":null,"name":"","address":"","language":"pt"})).await;
        let welcome = self.expect("welcome").await;
        (SessionId::from_hex(welcome["session"].as_str().unwrap()).unwrap(), welcome)
    }
}
