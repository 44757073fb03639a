//! The chat as a visitor has it: the real page in a real browser, over the real listener. The desk is in memory.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/chat_window.rs"]
mod chat_window;
#[path = "support/memory_desk.rs"]
mod memory_desk;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use browser::Browser;
use chat_window::{Ended, Window};
use guichet::channel::chat::{Chat, upgrade};
use guichet::clock::Clock;
use guichet::config::settings::{ChatSettings, Limits};
use guichet::domain::message::SessionId;
use guichet::http::health::Health;
use guichet::http::{self, HttpLimits};
use memory_desk::MemoryDesk;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

/// The public listener with a desk in memory.
struct Site {
    desk: MemoryDesk,
    address: SocketAddr,
    stop: CancellationToken,
    chat: Chat<MemoryDesk>,
    task: JoinHandle<()>,
}

impl Site {
    async fn start(desk: MemoryDesk, address: &str, origins: &[String]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = ChatSettings { listen: address, origins: origins.to_vec(), identity_secret: None };
        let limits = Limits {
            message_octets_max: 0,
            intake_octets_max: 0,
            imap_connections_per_host_max: 0,
            imap_connections_per_user_max: 0,
            spool_octets: 0,
            fetch_octets_max: 0,
            chat_frame_octets_max: 64 * 1024,
            chat_connections_max: 3,
            chat_messages_per_minute_max: 30,
        };
        let stop = CancellationToken::new();
        let chat = Chat::new(desk.clone(), desk.hub.clone(), settings, limits, Clock::system(), stop.clone());
        let health = Health::new(|| Err(vec!["mailbox support: not signed in".into()]), PrometheusBuilder::new().build_recorder().handle());
        let router = http::router(health, "Acme <Support>", origins).merge(upgrade::router(chat.clone()));
        let limits = HttpLimits { head_time_max: Duration::from_millis(300), ..HttpLimits::default() };
        let task = tokio::spawn(http::serve(listener, router, limits, stop.clone()));
        Self { desk, address, stop, chat, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The daemon stops; its store stays.
    async fn stop(self) -> (MemoryDesk, String) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.chat.drained().await;
        (self.desk, self.address.to_string())
    }

    /// One request as text; gives the whole answer.
    async fn ask(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n")).await
    }

    async fn window(&self, headers: &[(&'static str, &str)]) -> Result<(Window<TcpStream>, Option<String>), u16> {
        let mut request = format!("ws://{}/chat/ws", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let socket = TcpStream::connect(self.address).await.unwrap();
        match client_async(request, socket).await {
            Ok((ws, answer)) => {
                let named = answer.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap().to_owned());
                Ok((Window { ws }, named))
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(fault) => panic!("{fault}"),
        }
    }
}

/// Waits for a state of the desk.
async fn until(state: impl Fn() -> bool) {
    let reached = async {
        while !state() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
}

fn picture(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&dir).unwrap();
    dir.join(format!("{name}.png"))
}

const MESSAGES: &str = "Array.from(document.querySelectorAll('#log li .bubble'), b => b.textContent)";
const STATE: &str = "document.getElementById('state').dataset.state";

async fn write(browser: &mut Browser, text: &str) {
    browser.evaluate("document.getElementById('text').focus()").await;
    browser.type_text(text).await;
    browser.press("Enter").await;
}

async fn only_session(browser: &mut Browser, desk: &MemoryDesk) -> SessionId {
    browser.wait_for("document.querySelectorAll('#log li.sent').length > 0").await;
    let sessions = desk.sessions();
    assert_eq!(sessions.len(), 1);
    sessions[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_chats_reloads_and_goes_on_after_a_restart() {
    let site = Site::start(MemoryDesk::new(), "127.0.0.1:0", &[]).await;
    let desk = site.desk.clone();
    let mut browser = Browser::start("pt-BR,pt").await;
    browser.look(900, 700, false).await;
    browser.open(&site.url("/")).await;
    browser.wait_for(&format!("{STATE} === 'open'")).await;
    browser.screenshot(&picture("1-empty")).await;
    assert_eq!(browser.evaluate("document.title").await, "Acme <Support>");
    assert!(browser.evaluate("document.getElementById('expected').textContent").await.as_str().unwrap().contains("18:00"));

    // P1: the tick comes when the desk has it, not before.
    desk.commits(false);
    write(&mut browser, "Olá! <b>Não</b> consigo entrar. &amp;").await;
    browser.wait_for("document.querySelector('#log li.sending .tick')?.textContent === '…'").await;
    desk.commits(true);
    let session = only_session(&mut browser, &desk).await;
    assert_eq!(browser.evaluate("document.querySelector('#log li.sent .tick').textContent").await, "✓");
    assert_eq!(browser.evaluate(MESSAGES).await, json!(["Olá! <b>Não</b> consigo entrar. &amp;"]), "text is text");

    desk.hub.typing(session, "Ana");
    browser.wait_for("document.getElementById('typing').textContent.includes('Ana')").await;
    let seq = desk.agent_says_silently(session, "Bom dia! Qual é o seu usuário?\nAcho que sei o que é.");
    assert!(desk.hub.deliver(session, seq, Duration::from_secs(10)).await, "the browser has it");
    browser.wait_for("document.querySelectorAll('#log li.agent').length === 1").await;
    write(&mut browser, "É bia.silva, com ponto.").await;
    browser.wait_for("document.querySelectorAll('#log li.sent').length === 2").await;
    browser.screenshot(&picture("2-conversation")).await;
    browser.look(360, 640, true).await;
    browser.screenshot(&picture("3-phone-dark")).await;
    let before = browser.evaluate(MESSAGES).await;

    browser.reload().await;
    browser.wait_for(&format!("{STATE} === 'open' && document.querySelectorAll('#log li').length === 3")).await;
    assert_eq!(browser.evaluate(MESSAGES).await, before, "the whole conversation is there again, in order");

    let quiet = |complaints: Vec<String>, allowed: &[&str]| {
        let rest: Vec<String> = complaints.into_iter().filter(|c| !allowed.iter().any(|a| c.contains(a))).collect();
        assert!(rest.is_empty(), "{rest:?}");
    };
    quiet(browser.complaints(), &["WebSocket connection"]);

    // The daemon stops; what is written meanwhile waits in the window and is sent once it is back.
    let (desk, address) = site.stop().await;
    browser.wait_for(&format!("{STATE} !== 'open'")).await;
    write(&mut browser, "Ainda está aí?").await;
    browser.wait_for("document.querySelectorAll('#log li.sending').length === 1").await;
    desk.agent_says_silently(session, "Já voltei.");
    let site = Site::start(desk.clone(), &address, &[]).await;
    browser.wait_for("document.querySelectorAll('#log li.sent').length === 3").await;
    browser.wait_for("document.querySelectorAll('#log li.agent').length === 2").await;
    // The browser fetches the page's icon when it likes, also while nobody is there to give it.
    quiet(browser.complaints(), &["WebSocket connection", "ERR_CONNECTION_REFUSED"]);
    assert_eq!(desk.talk(session).len(), 5, "each message once");
    let mut shown: Vec<_> = desk.talk(session);
    assert_eq!(browser.evaluate(MESSAGES).await, json!(shown), "in the desk's order");

    // A reload in the midst of it loses nothing: what was not acknowledged is sent again.
    desk.commits(false);
    write(&mut browser, "Última coisa").await;
    browser.wait_for("document.querySelectorAll('#log li.sending').length === 1").await;
    browser.reload().await;
    browser.wait_for("document.querySelectorAll('#log li.sending').length === 1").await;
    desk.commits(true);
    browser.wait_for("document.querySelectorAll('#log li.sent').length === 4").await;
    shown.push("Última coisa".into());
    assert_eq!(desk.talk(session), shown);
    browser.wait_for("document.querySelectorAll('#log li').length === 6").await;

    browser.evaluate("document.getElementById('end').click()").await;
    browser.wait_for("!document.getElementById('rating').hidden").await;
    browser.evaluate("document.querySelectorAll('#scores button')[4].click()").await;
    browser.screenshot(&picture("4-ended")).await;
    until(|| !desk.ratings().is_empty()).await;
    assert_eq!(desk.ratings(), [(5, String::new())]);
    browser.evaluate("document.getElementById('again').click()").await;
    browser.wait_for(&format!("{STATE} === 'open' && document.querySelectorAll('#log li').length === 0")).await;
    quiet(browser.complaints(), &["WebSocket connection"]);
    browser.close().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_goes_by_keyboard_and_checks_the_address() {
    let site = Site::start(MemoryDesk::new(), "127.0.0.1:0", &[]).await;
    let desk = site.desk.clone();
    let mut browser = Browser::start("et").await;
    browser.look(700, 700, false).await;
    browser.open(&site.url("/chat/")).await;
    browser.wait_for(&format!("{STATE} === 'open'")).await;
    assert_eq!(browser.evaluate("document.documentElement.lang").await, "et");
    // Every control has a name that a screen reader can say.
    let nameless = "Array.from(document.querySelectorAll('button, input, textarea')).filter(c => !(c.textContent.trim() \
                    || (c.labels && c.labels.length && c.labels[0].textContent.trim()))).map(c => c.id)";
    assert_eq!(browser.evaluate(nameless).await, json!([]));
    let focused = "document.activeElement.id";
    browser.evaluate("document.getElementById('who').querySelector('summary').focus()").await;
    browser.press("Enter").await;
    browser.wait_for("document.getElementById('who').open").await;
    browser.press("Tab").await;
    assert_eq!(browser.evaluate(focused).await, "name");
    browser.type_text("Mari Tamm").await;
    browser.press("Tab").await;
    browser.type_text("not an address").await;
    browser.press("Enter").await;
    browser.wait_for("document.getElementById('address-fault').textContent !== ''").await;
    browser.screenshot(&picture("5-address")).await;
    browser.evaluate("document.getElementById('address').value = ''").await;
    // Good enough for the browser, not for the desk: the desk says so, and the chat goes on without it.
    browser.type_text("mari@-example").await;
    browser.press("Enter").await;
    browser.wait_for(&format!("document.getElementById('address-fault').textContent !== '' && {STATE} === 'open'")).await;
    browser.evaluate("document.getElementById('address').value = ''").await;
    browser.type_text("mari@example.ee").await;
    browser.press("Enter").await;
    browser.wait_for("!document.getElementById('who').open").await;
    browser.wait_for(&format!("{focused} === 'text'")).await;
    write(&mut browser, "Tere!").await;
    only_session(&mut browser, &desk).await;
    let visitor = desk.visitors().pop().unwrap();
    assert_eq!((visitor.name.as_str(), visitor.address.unwrap().as_str(), visitor.verified), ("Mari Tamm", "mari@example.ee", false));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_widget_puts_the_chat_on_a_site_that_may_have_it_and_on_no_other() {
    // Another name of this machine is another site to a browser.
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host_url = format!("http://localhost:{}", host.local_addr().unwrap().port());
    let site = Site::start(MemoryDesk::new(), "127.0.0.1:0", std::slice::from_ref(&host_url)).await;
    let page = format!(
        "<!doctype html><html lang=pt><link rel=icon href='data:,'><title>Loja</title><h1>Loja</h1><script src='{}' data-name='Bia' async></script>",
        site.url("/chat/widget.js")
    );
    let router = Router::new().route("/", get(move || async move { Html(page) }));
    tokio::spawn(async move { axum_on(host, router).await });
    let mut browser = Browser::start("en").await;
    browser.look(900, 760, false).await;
    browser.open(&host_url).await;
    browser.wait_for("document.querySelector('button')?.textContent === 'Fale conosco'").await;
    assert_eq!(site.desk.hub.windows(), 0, "nothing is loaded before it is asked for");
    browser.evaluate("document.querySelector('button').click()").await;
    until(|| site.desk.hub.windows() == 1).await;
    browser.screenshot(&picture("6-widget")).await;
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.close().await;
    // The same page under another name is a site that the configuration does not know.
    let mut browser = Browser::start("en").await;
    browser.open(&host_url.replace("localhost", "127.0.0.1")).await;
    browser.wait_for("document.querySelector('button') !== null").await;
    until(|| site.desk.hub.windows() == 0).await;
    browser.evaluate("document.querySelector('button').click()").await;
    while !browser.complaints().iter().any(|complaint| complaint.contains("frame-ancestors")) {
        browser.wait_for("true").await;
    }
    assert_eq!(site.desk.hub.windows(), 0);
    browser.close().await;
}

async fn axum_on(listener: TcpListener, router: Router) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(socket), service));
    }
}

/// Headers of a request, and what its answer should be.
type Row<'a> = (&'a [(&'static str, &'a str)], Result<Option<&'a str>, u16>);

#[tokio::test]
async fn p7_a_window_is_let_in_by_its_origin_and_subprotocol() {
    let site = Site::start(MemoryDesk::new(), "127.0.0.1:0", &["https://www.acme.example".into()]).await;
    let own = site.url("");
    let table: [Row<'_>; 7] = [
        (&[], Ok(None)),
        (&[("origin", &own)], Ok(None)),
        (&[("origin", "https://www.acme.example"), ("sec-websocket-protocol", "guichet.v1")], Ok(Some("guichet.v1"))),
        (&[("origin", "https://evil.example")], Err(403)),
        (&[("origin", "null")], Err(403)),
        (&[("sec-websocket-protocol", "guichet.v2")], Err(400)),
        (&[("sec-websocket-version", "8")], Err(426)),
    ];
    for (headers, want) in table {
        let got = site.window(headers).await.map(|(_, named)| named);
        assert_eq!(got, want.map(|named| named.map(str::to_owned)), "{headers:?}");
        // The window was dropped: its place is free again.
        until(|| site.desk.hub.windows() == 0).await;
    }
    assert!(site.get("/chat/ws").await.starts_with("HTTP/1.1 426 "));
}

#[tokio::test]
async fn p11_windows_are_counted_and_connections_hurried() {
    let site = Site::start(MemoryDesk::new(), "127.0.0.1:0", &[]).await;
    let mut windows = Vec::new();
    for _ in 0..3 {
        let (mut window, _) = site.window(&[]).await.unwrap();
        window.hello(None, 0).await;
        windows.push(window);
    }
    assert_eq!(site.window(&[]).await.map(|_| ()), Err(503), "busy");
    windows.pop();
    let mut fourth = loop {
        match site.window(&[]).await {
            Ok((window, _)) => break window,
            Err(status) => assert_eq!(status, 503),
        }
    };
    fourth.hello(None, 0).await;
    // A head that never ends is cut off; so is a connection on which nothing is asked.
    for head in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let answer = site.ask(head).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(40_000));
    let mut socket = TcpStream::connect(site.address).await.unwrap();
    let _ = socket.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    // A stop ends the open windows with a word.
    let stopping = tokio::spawn(site.stop());
    assert_eq!(fourth.ended().await, Ended::Closed(1012));
    drop((fourth, windows));
    stopping.await.unwrap();
}

#[tokio::test]
async fn answers_have_their_types_and_guards() {
    let site = Site::start(MemoryDesk::new(), "127.0.0.1:0", &["https://www.acme.example".into()]).await;
    let table = [
        ("/", "307 ", "location: /chat/"),
        ("/chat", "307 ", "location: /chat/"),
        ("/healthz", "200 ", "ok\n"),
        ("/readyz", "503 ", "mailbox support: not signed in\n"),
        ("/metrics", "200 ", "content-type: text/plain"),
        ("/chat/", "200 ", "frame-ancestors 'self' https://www.acme.example"),
        ("/chat/", "200 ", "<h1>Acme &lt;Support&gt;</h1>"),
        ("/chat/chat.js", "200 ", "content-type: text/javascript"),
        ("/chat/chat.css", "200 ", "content-type: text/css"),
        ("/chat/widget.js", "200 ", "cross-origin-resource-policy: cross-origin"),
        ("/chat/../etc/passwd", "404 ", "nosniff"),
        ("/nothing", "404 ", "frame-ancestors 'none'"),
    ];
    for (path, status, holds) in table {
        let answer = site.get(path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(holds), "{path}: {answer}");
        assert!(
            answer.contains("x-content-type-options: nosniff") && answer.contains("content-security-policy: default-src 'none'"),
            "{path}"
        );
    }
    let answer = site.get("/chat/").await;
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let again = format!("GET /chat/ HTTP/1.1\r\nHost: desk\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n");
    assert!(site.ask(&again).await.starts_with("HTTP/1.1 304 "));
}
