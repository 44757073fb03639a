//! One open window: a task that reads frames, commits what the visitor says, and shows what is new.
//!
//! ```text
//! greet ──hello──► seated ──message──► in hand ──durable──► owed ──all before it shown──► acked, seated
//! ```
//! While a message is in hand no further frame is read (the window feels the back-pressure of the store), but what is
//! new is shown all the same. What is new is read from the store after the last number shown, on every path: first
//! greeting, reconnect, hint. The seat in the hub is taken before the first read, so nothing falls between the two.
//!
//! Promised to windows: an `ack` of number n comes after every message with a lower number, so the highest number that
//! a window has seen, in whatever frame, is the right `after` of its next `hello`.

use super::hub::{InHand, Seat, Told};
use super::pace::Pace;
use super::protocol::{self, Code, FromWindow, ToWindow};
use super::{Chat, ChatDesk, ChatFault, Said, SessionState, Took, Visitor, identity};
use crate::domain::address::EmailAddress;
use crate::domain::message::{Language, SessionId};
use futures_util::{SinkExt, StreamExt};
use rand::TryRng;
use rand::rngs::SysRng;
use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

/// A window that says nothing is asked this often whether it is there,
const PING_EVERY: Duration = Duration::from_secs(30);
/// and is given up when it was silent after this many pings.
const PINGS_SILENT_MAX: u8 = 2;
/// For the first `hello`.
const HELLO_TIME_MAX: Duration = Duration::from_secs(30);
/// A window in which nothing was said or shown for so long is closed; what comes later goes by mail or waits.
const IDLE_TIME_MAX: Duration = Duration::from_hours(4);
/// For one frame to be taken by the other side; a slower window is dropped and catches up when it is back.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// For one reading question to the store.
const STORE_TIME_MAX: Duration = Duration::from_secs(10);
/// After the store failed to say what is new.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// For what is in hand, when the daemon stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// For the closing handshake.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);
/// How many messages are read from the store, and so held in memory, at a time.
const PAGE: usize = 32;
/// tungstenite's own buffers are 128 KiB a direction and connection; 4 KiB make an idle window cost 6 kB.
const BUFFER_OCTETS: usize = 4096;
/// Frames of any kind that a window may send for each message that it may send.
const FRAMES_PER_MESSAGE: u32 = 10;

/// Speaks with one window until it is closed, and closes it. `io` is past the upgrade: what follows are frames.
pub async fn run<D: ChatDesk, Io: AsyncRead + AsyncWrite + Unpin>(chat: Chat<D>, io: Io) {
    let frame_max = chat.limits.chat_frame_octets_max;
    // Twice the limit is still read, so that a frame a little too long costs the visitor an error and not the connection.
    let config = WebSocketConfig::default()
        .max_message_size(Some(frame_max.saturating_mul(2)))
        .max_frame_size(Some(frame_max.saturating_mul(2)))
        .read_buffer_size(BUFFER_OCTETS)
        .write_buffer_size(BUFFER_OCTETS)
        .max_write_buffer_size(protocol::OUTGOING_OCTETS_MAX);
    let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    metrics::gauge!("guichet_chat_windows").increment(1);
    let mut window = Window::new(chat, ws);
    let end = match window.turns().await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    tracing::debug!(?end, "chat window closed");
    window.close(end).await;
    metrics::gauge!("guichet_chat_windows").decrement(1);
}

/// Why a window is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It left, or the connection broke, or it does not take what is sent.
    Gone,
    Stopping,
    Idle,
    NoHello,
    Flood,
    Binary,
    NotText,
    TooLarge,
}

struct Window<D, Io> {
    chat: Chat<D>,
    ws: WebSocketStream<Io>,
    seated: Option<Seated>,
    hello_by: Instant,
    /// When something was last said or shown.
    active: Instant,
    messages: Pace,
    frames: Pace,
    ping: Interval,
    pings_silent: u8,
}

/// After `hello`.
struct Seated {
    seat: Seat,
    visitor: Visitor,
    /// All up to this number was passed on.
    shown: u32,
    /// Ids of messages said through this window: it knows their text, so they are not shown to it again.
    own: HashSet<String>,
    turn: Turn,
    /// When to ask the store again, if it failed to say what is new.
    ask_again: Option<Instant>,
}

/// What becomes of the visitor's last message.
enum Turn {
    /// Nothing in hand: frames are read.
    Free,
    Committing {
        id: String,
        commit: JoinHandle<Result<Took, ChatFault>>,
    },
    /// Durable; the ack waits until everything before it is shown.
    Owed {
        id: String,
        took: Took,
    },
}

/// What woke the task.
enum Step {
    Frame(Option<Result<Message, Error>>),
    Committed(Result<Took, ChatFault>),
    Told(Told),
    AskAgain,
    Ping,
    HelloIsLate,
    Stop,
}

impl<D: ChatDesk, Io: AsyncRead + AsyncWrite + Unpin> Window<D, Io> {
    fn new(chat: Chat<D>, ws: WebSocketStream<Io>) -> Self {
        let now = Instant::now();
        let mut ping = interval_at(now + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let per_minute = chat.limits.chat_messages_per_minute_max;
        Self {
            ws,
            seated: None,
            hello_by: now + HELLO_TIME_MAX,
            active: now,
            messages: Pace::per_minute(per_minute, now),
            frames: Pace::per_minute(per_minute.saturating_mul(FRAMES_PER_MESSAGE), now),
            ping,
            pings_silent: 0,
            chat,
        }
    }

    async fn turns(&mut self) -> Result<Infallible, End> {
        loop {
            match self.next_step().await {
                Step::Frame(frame) => self.frame(frame).await?,
                Step::Committed(outcome) => self.committed(outcome).await?,
                Step::Told(Told { news, typing }) => {
                    if news {
                        self.catch_up().await?;
                    }
                    if let Some(name) = typing {
                        self.send(&ToWindow::Typing { name: &name }).await?;
                    }
                }
                Step::AskAgain => self.catch_up().await?,
                Step::Ping => self.ping_is_due().await?,
                Step::HelloIsLate => {
                    self.send(&Code::HelloFirst.frame(true, None)).await?;
                    return Err(End::NoHello);
                }
                Step::Stop => {
                    self.finish_in_hand().await?;
                    return Err(End::Stopping);
                }
            }
        }
    }

    /// Waits for the first thing that happens; each of these may be waited for again without loss.
    async fn next_step(&mut self) -> Step {
        let seated = self.seated.as_mut();
        let (hello_by, greeted) = (self.hello_by, seated.is_some());
        let free = seated.as_ref().is_none_or(|s| matches!(s.turn, Turn::Free));
        let (told, commit, ask_again) = match seated {
            Some(Seated { seat, turn: Turn::Committing { commit, .. }, ask_again, .. }) => (Some(&*seat), Some(commit), *ask_again),
            Some(Seated { seat, turn: Turn::Free | Turn::Owed { .. }, ask_again, .. }) => (Some(&*seat), None, *ask_again),
            None => (None, None, None),
        };
        tokio::select! {
            biased;
            () = self.chat.stop.cancelled() => Step::Stop,
            outcome = or_never(commit) => Step::Committed(outcome.unwrap_or_else(|_| Err(ChatFault::Store("the commit panicked".into())))),
            told = or_never(told.map(|seat| Box::pin(seat.told()))) => Step::Told(told),
            () = or_never(ask_again.map(|at| Box::pin(sleep_until(at)))) => Step::AskAgain,
            _ = self.ping.tick() => Step::Ping,
            () = sleep_until(hello_by), if !greeted => Step::HelloIsLate,
            frame = self.ws.next(), if free => Step::Frame(frame),
        }
    }

    async fn frame(&mut self, frame: Option<Result<Message, Error>>) -> Result<(), End> {
        self.pings_silent = 0;
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(Error::Capacity(_))) => {
                self.send(&Code::TooLarge.frame(true, None)).await?;
                return Err(End::TooLarge);
            }
            Some(Err(Error::Utf8(_))) => return Err(End::NotText),
            Some(Err(_)) | None => return Err(End::Gone),
        };
        if !self.frames.take(Instant::now()) {
            self.send(&Code::SlowDown.frame(true, None)).await?;
            return Err(End::Flood);
        }
        match frame {
            Message::Text(text) => match protocol::read(text.as_str(), self.chat.limits.chat_frame_octets_max) {
                Ok(frame) => {
                    self.active = Instant::now();
                    self.said(frame).await
                }
                Err(code) => self.refuse(code, None).await,
            },
            Message::Binary(_) => {
                self.send(&Code::BadFrame.frame(true, None)).await?;
                Err(End::Binary)
            }
            Message::Pong(seq) => {
                self.confirmed(&seq);
                Ok(())
            }
            // A ping was answered by tungstenite; a close is answered when the stream is read on, which then ends.
            Message::Ping(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn said(&mut self, frame: FromWindow) -> Result<(), End> {
        match frame {
            FromWindow::Hello { session, after, identity, name, address, language } => {
                if self.seated.is_some() {
                    return self.refuse(Code::BadFrame, None).await;
                }
                let language = language.as_deref().and_then(Language::parse);
                match self.visitor(identity.as_deref(), name, &address, language) {
                    Ok(visitor) => self.hello(session.as_deref(), after, visitor).await,
                    Err(code) => self.refuse(code, None).await,
                }
            }
            FromWindow::Message { id, text } => {
                let Some(seated) = &mut self.seated else { return self.refuse(Code::HelloFirst, Some(&id)).await };
                if !self.messages.take(Instant::now()) {
                    return self.refuse(Code::SlowDown, Some(&id)).await;
                }
                let said = Said { session: seated.seat.session(), client_id: id.clone(), text, visitor: seated.visitor.clone() };
                seated.own.insert(id.clone());
                // A task of its own: a message once taken is committed, whatever becomes of the window.
                let commit = self.chat.tasks.spawn(commit(self.chat.desk.message(said), seated.seat.in_hand()));
                seated.turn = Turn::Committing { id, commit };
                Ok(())
            }
            FromWindow::Typing {} => match self.seated {
                Some(_) => Ok(()),
                None => self.refuse(Code::HelloFirst, None).await,
            },
            FromWindow::Seen { seq } => {
                let Some(seated) = &self.seated else { return self.refuse(Code::HelloFirst, None).await };
                seated.seat.confirm(seq.min(seated.shown));
                Ok(())
            }
            FromWindow::Rate { score, comment } => {
                let Some(seated) = &self.seated else { return self.refuse(Code::HelloFirst, None).await };
                // Few and of no haste, so it counts as a message.
                if !self.messages.take(Instant::now()) {
                    return self.refuse(Code::SlowDown, None).await;
                }
                match asked(self.chat.desk.rate(seated.seat.session(), score, comment)).await {
                    Ok(()) => Ok(()),
                    Err(fault) => self.try_again(&fault, None).await,
                }
            }
            FromWindow::End {} => {
                let Some(seated) = &self.seated else { return self.refuse(Code::HelloFirst, None).await };
                if !self.messages.take(Instant::now()) {
                    return self.refuse(Code::SlowDown, None).await;
                }
                match asked(self.chat.desk.end(seated.seat.session())).await {
                    Ok(ticket) => self.send(&ToWindow::Ended { ticket: ticket.map(|t| t.0) }).await,
                    Err(fault) => self.try_again(&fault, None).await,
                }
            }
        }
    }

    fn visitor(&self, token: Option<&str>, name: String, address: &str, language: Option<Language>) -> Result<Visitor, Code> {
        if let Some(token) = token {
            let signed = identity::verify(self.chat.settings.identity_secret.as_ref(), token, self.chat.clock.now());
            let signed = signed.map_err(|fault| {
                tracing::info!(%fault, "chat identity refused");
                Code::BadIdentity
            })?;
            return Ok(Visitor { name: signed.name, address: Some(signed.address), language, verified: true });
        }
        let address = match address.trim() {
            "" => None,
            address => Some(EmailAddress::parse(address).map_err(|_| Code::BadAddress)?),
        };
        Ok(Visitor { name, address, language, verified: false })
    }

    async fn hello(&mut self, session: Option<&str>, after: u32, visitor: Visitor) -> Result<(), End> {
        let known = match session.and_then(SessionId::from_hex) {
            None => Ok(None),
            Some(id) => {
                // The hub is asked first: what leaves it between the two questions is in the store by the second.
                let in_use = self.chat.hub.in_use(id);
                let nothing_yet = SessionState { ticket: None, last_seq: 0 };
                let stored = asked(self.chat.desk.session(id)).await;
                stored.map(|stored| stored.or(in_use.then_some(nothing_yet)).map(|state| (id, state)))
            }
        };
        let resumed = match known {
            Ok(known) => known,
            Err(fault) => return self.try_again(&fault, None).await,
        };
        let (session, state) = match resumed {
            Some(known) => known,
            // An id that nobody knows is no id: a window cannot choose its own.
            None => match mint() {
                Ok(id) => (id, SessionState { ticket: None, last_seq: 0 }),
                Err(fault) => return self.try_again(&fault, None).await,
            },
        };
        let seat = self.chat.hub.join(session);
        // A number from elsewhere must not hide what will be said.
        let shown = after.min(state.last_seq);
        seat.confirm(shown);
        let expected = self.chat.desk.expected(&visitor);
        let welcome = protocol::welcome(session, state.ticket, resumed.is_some(), &expected);
        tracing::info!(
            ?session,
            ticket = state.ticket.map(|t| t.0),
            resumed = resumed.is_some(),
            verified = visitor.verified,
            "chat window open"
        );
        self.send(&welcome).await?;
        self.seated = Some(Seated { seat, visitor, shown, own: HashSet::new(), turn: Turn::Free, ask_again: None });
        self.catch_up().await
    }

    async fn committed(&mut self, outcome: Result<Took, ChatFault>) -> Result<(), End> {
        let Some(seated) = &mut self.seated else { return Ok(()) };
        let Turn::Committing { id, .. } = std::mem::replace(&mut seated.turn, Turn::Free) else { return Ok(()) };
        match outcome {
            Ok(took) => {
                tracing::info!(session = ?seated.seat.session(), ticket = took.ticket.0, seq = took.seq, "chat message taken");
                metrics::counter!("guichet_chat_messages_total").increment(1);
                if took.seq <= seated.shown {
                    seated.own.remove(&id);
                }
                seated.turn = Turn::Owed { id, took };
                seated.seat.hint_others();
                self.catch_up().await
            }
            Err(fault) => {
                // It may be committed all the same; then the window hears of it as of any other message.
                seated.own.remove(&id);
                self.try_again(&fault, Some(&id)).await
            }
        }
    }

    /// Passes on all that the store has after the last number shown, then the ack that is owed.
    async fn catch_up(&mut self) -> Result<(), End> {
        let Some(seated) = &mut self.seated else { return Ok(()) };
        seated.ask_again = None;
        let start = seated.shown;
        loop {
            let Some(seated) = &mut self.seated else { return Ok(()) };
            let page = match asked(self.chat.desk.since(seated.seat.session(), seated.shown, PAGE)).await {
                Ok(page) => page,
                Err(fault) => {
                    tracing::warn!(%fault, "chat window waits for the store");
                    seated.ask_again = Some(Instant::now() + STORE_RETRY);
                    return Ok(());
                }
            };
            let (before, last_page) = (seated.shown, page.len() < PAGE);
            for item in page {
                let Some(seated) = &mut self.seated else { return Ok(()) };
                if item.seq <= seated.shown {
                    continue;
                }
                seated.shown = item.seq;
                if item.client_id.as_ref().is_some_and(|id| seated.own.remove(id)) {
                    continue;
                }
                self.active = Instant::now();
                self.send_text(protocol::shown(&item)).await?;
            }
            if last_page || self.shown() == before {
                break;
            }
            if self.chat.stop.is_cancelled() {
                return Err(End::Stopping);
            }
        }
        let shown = self.shown();
        if shown > start {
            // Its pong proves that the window got all before it, also from windows that send no `seen`.
            self.send_raw(Message::Ping(Bytes::copy_from_slice(&shown.to_be_bytes()))).await?;
        }
        self.ack_if_owed().await
    }

    async fn ack_if_owed(&mut self) -> Result<(), End> {
        let Some(seated) = &mut self.seated else { return Ok(()) };
        match std::mem::replace(&mut seated.turn, Turn::Free) {
            Turn::Owed { id, took } => self.send(&protocol::ack(&id, took)).await,
            other @ (Turn::Free | Turn::Committing { .. }) => {
                seated.turn = other;
                Ok(())
            }
        }
    }

    fn shown(&self) -> u32 {
        self.seated.as_ref().map_or(0, |seated| seated.shown)
    }

    fn confirmed(&self, pong: &[u8]) {
        if let (Some(seated), Ok(seq)) = (&self.seated, pong.try_into()) {
            seated.seat.confirm(u32::from_be_bytes(seq).min(seated.shown));
        }
    }

    async fn ping_is_due(&mut self) -> Result<(), End> {
        let reading = self.seated.as_ref().is_none_or(|s| matches!(s.turn, Turn::Free));
        if !reading {
            // Its pong would not be read, so its silence says nothing.
            return Ok(());
        }
        if self.pings_silent >= PINGS_SILENT_MAX {
            return Err(End::Gone);
        }
        if Instant::now().saturating_duration_since(self.active) >= IDLE_TIME_MAX {
            return Err(End::Idle);
        }
        self.pings_silent += 1;
        let seq = self.shown().to_be_bytes();
        self.send_raw(Message::Ping(Bytes::copy_from_slice(&seq))).await
    }

    /// The daemon stops: what is being committed is still acknowledged, if that takes no longer than it may.
    async fn finish_in_hand(&mut self) -> Result<(), End> {
        let Some(Seated { turn: Turn::Committing { commit, .. }, .. }) = &mut self.seated else { return Ok(()) };
        match timeout(STOP_TIME_MAX, commit).await {
            Ok(Ok(outcome)) => self.committed(outcome).await,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    async fn try_again(&mut self, fault: &ChatFault, id: Option<&str>) -> Result<(), End> {
        tracing::warn!(%fault, "chat frame not carried out");
        self.refuse(Code::TryAgain, id).await
    }

    async fn refuse(&mut self, code: Code, id: Option<&str>) -> Result<(), End> {
        metrics::counter!("guichet_chat_refused_total", "code" => code.word()).increment(1);
        self.send(&code.frame(false, id)).await
    }

    async fn send(&mut self, frame: &ToWindow<'_>) -> Result<(), End> {
        self.send_text(protocol::write(frame)).await
    }

    async fn send_text(&mut self, frame: String) -> Result<(), End> {
        self.send_raw(Message::text(frame)).await
    }

    async fn send_raw(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE_TIME_MAX, self.ws.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    async fn close(mut self, end: End) {
        // The place is given up first: while hands are shaken, nothing can be delivered here.
        self.seated = None;
        let (code, reason) = match end {
            End::Gone => return,
            End::Stopping => (CloseCode::Restart, "come back in a moment"),
            End::Idle => (CloseCode::Normal, "idle"),
            End::NoHello => (CloseCode::Policy, "no hello"),
            End::Flood => (CloseCode::Policy, "too many frames"),
            End::Binary => (CloseCode::Unsupported, "text only"),
            End::NotText => (CloseCode::Invalid, "not UTF-8"),
            End::TooLarge => (CloseCode::Size, "too large"),
        };
        let farewell = async {
            let frame = CloseFrame { code, reason: reason.into() };
            if self.ws.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            while let Some(Ok(_)) = self.ws.next().await {}
            // After a fault of reading the stream is at its end but the socket may hold more; closing it unread would
            // reset the connection, and the window would lose the close frame with its reason.
            let socket = self.ws.get_mut();
            if socket.shutdown().await.is_ok() {
                let mut rest = [0; 1024];
                while socket.read(&mut rest).await.is_ok_and(|n| n > 0) {}
            }
        };
        // Whether the window takes part or not.
        let _ = timeout(CLOSE_TIME_MAX, farewell).await;
    }
}

async fn commit(message: impl Future<Output = Result<Took, ChatFault>>, in_hand: InHand) -> Result<Took, ChatFault> {
    let outcome = message.await;
    drop(in_hand);
    outcome
}

/// A question to the desk, within its time.
async fn asked<T>(answer: impl Future<Output = Result<T, ChatFault>>) -> Result<T, ChatFault> {
    timeout(STORE_TIME_MAX, answer).await.unwrap_or_else(|_| Err(ChatFault::Store("no answer in time".into())))
}

/// The output of a future that may not be there; then it never comes.
async fn or_never<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// 128 bits from the operating system: nobody guesses another visitor's session.
fn mint() -> Result<SessionId, ChatFault> {
    let mut id = [0; 16];
    SysRng.try_fill_bytes(&mut id).map_err(|fault| ChatFault::Store(format!("no randomness: {fault}")))?;
    Ok(SessionId(id))
}
