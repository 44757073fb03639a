//! The chat window against an in-memory desk: what is promised to windows, and what becomes of bad ones. Time stands
//! still and jumps, so the limits of hours are held to in milliseconds.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

#[path = "support/chat_window.rs"]
mod chat_window;
#[path = "support/memory_desk.rs"]
mod memory_desk;

use chat_window::{Ended, Window};
use guichet::channel::chat::{Chat, session};
use guichet::clock::Clock;
use guichet::config::settings::{ChatSettings, Limits};
use guichet::domain::message::SessionId;
use memory_desk::MemoryDesk;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_util::sync::CancellationToken;

const FRAME_MAX: usize = 4096;
const PER_MINUTE: u32 = 60;

struct Bench {
    desk: MemoryDesk,
    chat: Chat<MemoryDesk>,
    stop: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let desk = MemoryDesk::new();
        let settings = ChatSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            origins: Vec::new(),
            identity_secret: Some("a secret of the embedding site..".into()),
        };
        let limits = Limits {
            message_octets_max: 0,
            intake_octets_max: 0,
            imap_connections_per_host_max: 0,
            imap_connections_per_user_max: 0,
            spool_octets: 0,
            fetch_octets_max: 0,
            chat_frame_octets_max: FRAME_MAX,
            chat_connections_max: 10,
            chat_messages_per_minute_max: PER_MINUTE,
        };
        let stop = CancellationToken::new();
        let clock = Clock::manual("2026-11-21T10:00:00Z".parse().unwrap());
        let chat = Chat::new(desk.clone(), desk.hub.clone(), settings, limits, clock, stop.clone());
        Self { desk, chat, stop }
    }

    async fn open(&self) -> Window {
        self.open_with(1 << 20).await.0
    }

    /// `buffer` octets are under way at most. The task ends when the server is done with the window.
    async fn open_with(&self, buffer: usize) -> (Window, JoinHandle<()>) {
        let (here, there) = tokio::io::duplex(buffer);
        let task = tokio::spawn(session::run(self.chat.clone(), there));
        (Window::over(here).await, task)
    }
}

#[tokio::test(start_paused = true)]
async fn p1_the_ack_comes_when_it_is_durable_and_live_frames_do_not_wait() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, welcome) = window.hello(None, 0).await;
    assert_eq!((&welcome["resumed"], &welcome["ticket"]), (&json!(false), &json!(null)));
    assert!(welcome["expected"].as_str().unwrap().contains("18:00"));
    bench.desk.commits(false);
    window.message("c1", "olá").await;
    window.expect_nothing().await;
    bench.desk.agent_says(session, "good day");
    assert_eq!(window.expect("message").await["text"], "good day", "shown while a message is in hand");
    window.message("c2", "is not read yet").await;
    window.expect_nothing().await;
    bench.desk.commits(true);
    assert_eq!(window.expect("ack").await, json!({"type":"ack","id":"c1","seq":2,"ticket":1042}));
    assert_eq!(window.expect("ack").await["id"], "c2");
    assert_eq!(bench.desk.talk(session), ["good day", "olá", "is not read yet"]);
}

#[tokio::test(start_paused = true)]
async fn an_ack_comes_after_all_that_has_lower_numbers() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    bench.desk.agent_says_silently(session, "its hint was lost");
    window.message("c1", "hi").await;
    assert_eq!(window.expect("message").await["seq"], 1);
    assert_eq!(window.expect("ack").await["seq"], 2);
}

#[tokio::test(start_paused = true)]
async fn p2_what_is_sent_again_is_one_message() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    for _ in 0..2 {
        window.message("c1", "hi").await;
        assert_eq!(window.expect("ack").await["seq"], 1);
    }
    drop(window);
    let mut again = bench.open().await;
    assert_eq!(again.hello(Some(session), 0).await.1["resumed"], true);
    assert_eq!(again.expect("message").await["id"], "c1", "a window that sends it again knows it by its id");
    again.message("c1", "hi").await;
    assert_eq!(again.expect("ack").await["seq"], 1);
    again.expect_nothing().await;
    assert_eq!(bench.desk.talk(session), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn p2_a_window_lost_in_mid_commit_finds_its_session_again() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    bench.desk.commits(false);
    window.message("c1", "hi").await;
    window.expect_nothing().await;
    drop(window);
    let mut again = bench.open().await;
    assert_eq!(again.hello(Some(session), 0).await.0, session, "else the same message would make two tickets");
    again.message("c1", "hi").await;
    bench.desk.commits(true);
    assert_eq!(again.expect("ack").await["seq"], 1);
    assert_eq!(bench.desk.talk(session), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn p7_a_window_cannot_choose_its_session() {
    let bench = Bench::new();
    for asked in ["", "x", "00000000000000000000000000000000", "ABABABABABABABABABABABABABABABAB"] {
        let mut window = bench.open().await;
        window.say(&json!({"type":"hello","session":asked,"after":7})).await;
        let welcome = window.expect("welcome").await;
        assert_eq!(welcome["resumed"], false);
        assert_ne!(welcome["session"].as_str().unwrap(), asked.to_lowercase());
    }
}

#[tokio::test(start_paused = true)]
async fn each_window_of_a_session_shows_the_whole_once() {
    let bench = Bench::new();
    let (mut one, mut two) = (bench.open().await, bench.open().await);
    let (session, _) = one.hello(None, 0).await;
    one.message("c1", "first").await;
    one.expect("ack").await;
    assert_eq!(two.hello(Some(session), 0).await.1["ticket"], 1042);
    assert_eq!(two.expect("message").await["author"], "customer");
    one.message("c2", "second").await;
    one.expect("ack").await;
    assert_eq!(two.expect("message").await["text"], "second", "from the other window");
    bench.desk.agent_says(session, "third");
    for window in [&mut one, &mut two] {
        let shown = window.expect("message").await;
        assert_eq!(shown, json!({"type":"message","seq":3,"author":"agent","name":"Ana","text":"third","at":"2026-11-21T10:00:00Z"}));
        window.expect_nothing().await;
    }
    assert!(bench.desk.hub.typing(session, "Ana"));
    assert_eq!(one.expect("typing").await["name"], "Ana");
}

#[tokio::test(start_paused = true)]
async fn an_after_from_elsewhere_hides_nothing() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 99).await;
    bench.desk.agent_says(session, "hello");
    assert_eq!(window.expect("message").await["seq"], 1);
    drop(window);
    let mut window = bench.open().await;
    window.hello(Some(session), u32::MAX).await;
    bench.desk.agent_says(session, "again");
    assert_eq!(window.expect("message").await["seq"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_conversation_is_replayed_in_pages() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    for n in 0..500 {
        bench.desk.agent_says_silently(session, &n.to_string());
    }
    drop(window);
    let mut window = bench.open().await;
    window.hello(Some(session), 3).await;
    for seq in 4..=500 {
        assert_eq!(window.expect("message").await["seq"], seq);
    }
    window.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn p11_bad_frames_get_a_clear_word_and_the_rest_goes_on() {
    let bench = Bench::new();
    let long = format!(r#"{{"type":"message","id":"c1","text":"{}"}}"#, "x".repeat(FRAME_MAX));
    let table = [
        (r#"{"type":"message","id":"c1","text":"hi"}"#, "hello_first"),
        (r#"{"type":"seen","seq":1}"#, "hello_first"),
        (r#"{"type":"typing"}"#, "hello_first"),
        (r#"{"type":"rate","score":1}"#, "hello_first"),
        (r#"{"type":"end"}"#, "hello_first"),
        ("garbage", "bad_frame"),
        (r#"{"type":"hello","address":"nobody"}"#, "bad_address"),
        (r#"{"type":"hello","identity":"x.y.z"}"#, "bad_identity"),
        (&long, "too_large"),
    ];
    let mut window = bench.open().await;
    for (frame, code) in table {
        window.say_raw(Message::text(frame)).await;
        let error = window.expect("error").await;
        assert_eq!((&error["code"], &error["fatal"]), (&json!(code), &json!(false)), "{frame}");
    }
    let (session, _) = window.hello(None, 0).await;
    window.say_raw(Message::text(long)).await;
    assert_eq!(window.expect("error").await["code"], "too_large");
    window.say(&json!({"type":"hello"})).await;
    assert_eq!(window.expect("error").await["code"], "bad_frame", "a second hello");
    window.message("c1", "hi").await;
    window.expect("ack").await;
    window.say(&json!({"type":"rate","score":5,"comment":"good"})).await;
    window.say(&json!({"type":"end"})).await;
    assert_eq!(window.expect("ended").await["ticket"], 1042);
    assert_eq!(bench.desk.ratings(), [(5, "good".to_owned())]);
    assert_eq!(bench.desk.talk(session), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn p11_what_cannot_go_on_is_closed_with_its_reason() {
    let text = |octets: Vec<u8>| Message::Frame(Frame::message(octets, OpCode::Data(Data::Text), true));
    let table = [
        (Message::binary(vec![1, 2, 3]), Some("bad_frame"), 1003),
        (Message::text("x".repeat(FRAME_MAX * 2 + 1)), Some("too_large"), 1009),
        (Message::text("x".repeat(FRAME_MAX * 200)), Some("too_large"), 1009),
        (text(vec![0xff, 0xfe]), None, 1007),
    ];
    for (frame, code, close) in table {
        let bench = Bench::new();
        let (mut window, task) = bench.open_with(1 << 20).await;
        window.hello(None, 0).await;
        window.say_raw(frame).await;
        if let Some(code) = code {
            let error = window.expect("error").await;
            assert_eq!((&error["code"], &error["fatal"]), (&json!(code), &json!(true)));
        }
        assert_eq!(window.ended().await, Ended::Closed(close));
        drop(window);
        task.await.unwrap();
        assert_eq!(bench.desk.hub.windows(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_flood_is_slowed_then_ended() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    for n in 0..PER_MINUTE {
        window.message(&format!("c{n}"), "hi").await;
        window.expect("ack").await;
    }
    window.message("too many", "hi").await;
    assert_eq!(window.expect("error").await["code"], "bad_frame", "and a bad one stays a bad one");
    window.message("c-late", "hi").await;
    let error = window.expect("error").await;
    assert_eq!((&error["code"], &error["id"]), (&json!("slow_down"), &json!("c-late")));
    tokio::time::advance(Duration::from_millis(1100)).await;
    window.message("c-late", "hi").await;
    window.expect("ack").await;
    assert_eq!(bench.desk.talk(session).len(), PER_MINUTE as usize + 1, "what was refused was not taken");
    for _ in 0..PER_MINUTE * 10 {
        window.say(&json!({"type":"typing"})).await;
    }
    let error = window.expect("error").await;
    assert_eq!((&error["code"], &error["fatal"]), (&json!("slow_down"), &json!(true)));
    assert_eq!(window.ended().await, Ended::Closed(1008));
}

#[tokio::test(start_paused = true)]
async fn p1_a_store_that_fails_takes_nothing_and_loses_nothing() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    bench.desk.fail(1);
    window.message("c1", "hi").await;
    let error = window.expect("error").await;
    assert_eq!((&error["code"], &error["id"], &error["fatal"]), (&json!("try_again"), &json!("c1"), &json!(false)));
    assert!(bench.desk.talk(session).is_empty());
    window.message("c1", "hi").await;
    window.expect("ack").await;
    bench.desk.fail(3);
    bench.desk.agent_says(session, "shown when the store is back, without a further hint");
    assert_eq!(window.expect("message").await["seq"], 2);
    drop(window);
    let mut window = bench.open().await;
    bench.desk.fail(1);
    window.say(&json!({"type":"hello","session":session.to_hex(),"after":2})).await;
    assert_eq!(window.expect("error").await["code"], "try_again");
    assert_eq!(window.hello(Some(session), 2).await.1["resumed"], true, "a store that fails makes no new session");
}

#[tokio::test(start_paused = true)]
async fn p8_only_a_signed_visitor_is_verified() {
    let bench = Bench::new();
    let key = jsonwebtoken::EncodingKey::from_secret(b"a secret of the embedding site..");
    let claims = json!({"name":"Bia","email":"bia@customer.example","exp":1_900_000_000});
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let mut window = bench.open().await;
    window.say(&json!({"type":"hello","identity":token,"name":"Eve","address":"eve@evil.example","language":"et-EE"})).await;
    window.expect("welcome").await;
    window.message("c1", "hi").await;
    window.expect("ack").await;
    let mut other = bench.open().await;
    other.say(&json!({"type":"hello","name":"Eve","address":"Eve@Evil.example"})).await;
    other.expect("welcome").await;
    other.message("c1", "hi").await;
    other.expect("ack").await;
    let visitors = bench.desk.visitors();
    let seen: Vec<_> = visitors.iter().map(|v| (v.name.as_str(), v.address.as_ref().unwrap().to_string(), v.verified)).collect();
    assert_eq!(seen, [("Bia", "bia@customer.example".to_owned(), true), ("Eve", "eve@evil.example".to_owned(), false)]);
    assert_eq!(visitors[0].language.unwrap().as_str(), "et");
}

#[tokio::test(start_paused = true)]
async fn p11_a_silent_window_is_dropped_and_a_living_one_is_not() {
    let bench = Bench::new();
    let start = Instant::now();
    let (mut silent, task) = bench.open_with(1 << 20).await;
    let (session, _) = silent.hello(None, 0).await;
    // It is not polled any more, so it answers no ping: a machine that went to sleep.
    task.await.unwrap();
    let secs = start.elapsed().as_secs();
    assert!((60..=92).contains(&secs), "after two silent pings, not {secs} s");
    assert!(!bench.desk.hub.connected(session), "what comes now goes by mail");

    let (mut living, _task) = bench.open_with(1 << 20).await;
    let (session, _) = living.hello(None, 0).await;
    let start = Instant::now();
    let quiet = timeout(Duration::from_hours(3), living.next()).await;
    assert!(quiet.is_err(), "three hours of pings and pongs: {quiet:?}");
    bench.desk.agent_says(session, "are you there?");
    living.expect("message").await;
    assert_eq!(living.ended().await, Ended::Closed(1000), "idle");
    assert!(start.elapsed() >= Duration::from_hours(7), "four hours after the last word");
}

#[tokio::test(start_paused = true)]
async fn p11_a_connection_without_hello_is_closed() {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let error = window.expect("error").await;
    assert_eq!((&error["code"], &error["fatal"]), (&json!("hello_first"), &json!(true)));
    assert_eq!(window.ended().await, Ended::Closed(1008));
}

#[tokio::test(start_paused = true)]
async fn p11_a_window_that_does_not_read_is_dropped_and_delays_nobody() {
    let bench = Bench::new();
    let (mut slow, task) = bench.open_with(1024).await;
    let (session, _) = slow.hello(None, 0).await;
    let mut other = bench.open().await;
    other.hello(Some(session), 0).await;
    let start = Instant::now();
    for n in 1..=50 {
        bench.desk.agent_says(session, &"x".repeat(1000));
        assert_eq!(other.expect("message").await["seq"], n);
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "the slow window delays nobody");
    task.await.unwrap();
    assert_eq!(bench.desk.hub.windows(), 1, "and is gone");
    let mut again = bench.open().await;
    again.hello(Some(session), 0).await;
    for n in 1..=50 {
        assert_eq!(again.expect("message").await["seq"], n, "it misses nothing when it is back");
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_stop_acknowledges_what_is_in_hand() {
    let bench = Bench::new();
    let (mut window, mut idle, mut stranger) = (bench.open().await, bench.open().await, bench.open().await);
    let (session, _) = window.hello(None, 0).await;
    idle.hello(None, 0).await;
    bench.desk.commits(false);
    window.message("c1", "hi").await;
    window.expect_nothing().await;
    bench.stop.cancel();
    assert_eq!(idle.ended().await, Ended::Closed(1012));
    assert_eq!(stranger.ended().await, Ended::Closed(1012));
    bench.desk.commits(true);
    window.expect("ack").await;
    assert_eq!(window.ended().await, Ended::Closed(1012));
    bench.chat.drained().await;
    assert_eq!(bench.desk.talk(session), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn p5_delivered_means_that_the_other_end_has_it() {
    let bench = Bench::new();
    let patience = Duration::from_secs(20);
    let (mut window, task) = bench.open_with(1 << 20).await;
    let (session, _) = window.hello(None, 0).await;
    let seq = bench.desk.agent_says_silently(session, "one");
    let (delivered, ()) = tokio::join!(bench.desk.hub.deliver(session, seq, patience), async {
        window.expect("message").await;
        // Polled on, the client answers the ping behind the message; it sends no `seen`.
        window.expect_nothing().await;
    });
    assert!(delivered);
    let seq = bench.desk.agent_says_silently(session, "two");
    assert!(!bench.desk.hub.deliver(session, seq, patience).await, "nobody reads at the other end");
    drop(window);
    task.await.unwrap();
    assert!(!bench.desk.hub.deliver(session, seq, patience).await, "the window is closed");
}

/// What may happen to one session and its window, in any order.
#[derive(Clone, Debug)]
enum Event {
    AgentSays,
    AgentSaysAndTheHintIsLost,
    HintForNothing,
    VisitorSays,
    TheLastIsSentAgain,
    WindowReads,
    WindowReconnects,
    StoreFails,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::AgentSays),
        Just(Event::AgentSaysAndTheHintIsLost),
        Just(Event::HintForNothing),
        Just(Event::VisitorSays),
        Just(Event::TheLastIsSentAgain),
        Just(Event::WindowReads),
        Just(Event::WindowReconnects),
        Just(Event::StoreFails),
    ]
}

/// What the window has shown: each number once, in order; those of its own messages come in acks.
struct Reader {
    window: Window,
    after: u32,
    shown: Vec<u32>,
    own: Vec<(String, Option<u32>)>,
}

impl Reader {
    fn take(&mut self, frame: &serde_json::Value) {
        let seq = frame["seq"].as_u64().map(|seq| u32::try_from(seq).unwrap());
        match frame["type"].as_str().unwrap() {
            "message" => {
                let seq = seq.unwrap();
                self.shown.push(seq);
                self.after = self.after.max(seq);
                if let Some(own) = self.own.iter_mut().find(|(id, _)| frame["id"] == id.as_str()) {
                    own.1 = Some(seq);
                }
            }
            "ack" => {
                let own = self.own.iter_mut().find(|(id, _)| frame["id"] == id.as_str()).unwrap();
                assert!(own.1.is_none() || own.1 == seq, "one number for one message");
                if own.1.is_none() {
                    self.shown.push(seq.unwrap());
                }
                own.1 = seq;
                self.after = self.after.max(seq.unwrap());
            }
            "error" => assert_eq!(frame["code"], "try_again"),
            other => panic!("unexpected {other}"),
        }
    }

    async fn read_all(&mut self) {
        while let Ok(frame) = timeout(Duration::from_secs(5), self.window.next()).await {
            self.take(&frame.unwrap());
        }
    }
}

async fn interleaving(events: Vec<Event>) {
    let bench = Bench::new();
    let mut window = bench.open().await;
    let (session, _) = window.hello(None, 0).await;
    // So that the store knows the session from the start.
    bench.desk.agent_says(session, "first");
    let mut reader = Reader { window, after: 0, shown: Vec::new(), own: Vec::new() };
    for (n, event) in events.into_iter().enumerate() {
        match event {
            Event::AgentSays => drop(bench.desk.agent_says(session, "a")),
            Event::AgentSaysAndTheHintIsLost => drop(bench.desk.agent_says_silently(session, "b")),
            Event::HintForNothing => drop(bench.desk.hub.hint(session)),
            Event::VisitorSays => {
                let id = format!("c{n}");
                reader.window.message(&id, "c").await;
                reader.own.push((id, None));
            }
            Event::TheLastIsSentAgain => {
                if let Some((id, _)) = reader.own.last() {
                    reader.window.message(id, "c").await;
                }
            }
            Event::WindowReads => {
                if let Ok(Ok(frame)) = timeout(Duration::from_millis(1), reader.window.next()).await {
                    reader.take(&frame);
                }
            }
            Event::WindowReconnects => reconnect(&bench, session, &mut reader).await,
            Event::StoreFails => bench.desk.fail(1),
        }
    }
    bench.desk.fail(0);
    // As a window does: come back, then send again what was not acknowledged.
    reconnect(&bench, session, &mut reader).await;
    let open: Vec<String> = reader.own.iter().filter(|(_, seq)| seq.is_none()).map(|(id, _)| id.clone()).collect();
    for id in open {
        reader.window.message(&id, "c").await;
    }
    reader.read_all().await;
    let said = u32::try_from(bench.desk.talk(session).len()).unwrap();
    assert_eq!(reader.shown, (1..=said).collect::<Vec<_>>(), "each once, in order");
    assert!(reader.own.iter().all(|(_, seq)| seq.is_some()));
}

async fn reconnect(bench: &Bench, session: SessionId, reader: &mut Reader) {
    reader.window = bench.open().await;
    loop {
        reader.window.say(&json!({"type":"hello","session":session.to_hex(),"after":reader.after})).await;
        let answer = reader.window.next().await.unwrap();
        if answer["type"] == "welcome" {
            assert_eq!(answer["resumed"], true);
            return;
        }
        assert_eq!(answer["code"], "try_again");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn p2_whatever_happens_each_message_is_shown_once_and_in_order(events in prop::collection::vec(event(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(interleaving(events));
    }
}
