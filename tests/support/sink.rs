//! An SMTP server inside the test: records what it is given and misbehaves as it is told.

use super::authority::{Authority, acceptor, authority};
use super::wait::LIMIT;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the content's last octet.
    Content,
}

/// What happens there, once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// These octets and CRLF instead of the usual reply.
    Reply(&'static str),
    /// The usual reply only after this time.
    Delay(Duration),
    /// The connection ends without a reply; a content is thrown away.
    Drop,
    /// A content is kept, and the connection ends without a reply: the maker of duplicates.
    AcceptThenDrop,
    /// No reply, ever.
    Stall,
    /// No reply until [`Sink::release`]; then the usual one.
    Hold,
    /// Within the content: the connection ends after this many of its octets.
    DropWithin(usize),
}

/// One mail as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// All behind `MAIL FROM:`, with its parameters.
    pub from: String,
    /// All behind `RCPT TO:`.
    pub to: Vec<String>,
    /// With the doubled dots undone.
    pub octets: Vec<u8>,
}

/// How the connection is to be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    Clear,
    StartTls,
    Implicit,
}

/// What it offers and asks for.
#[derive(Clone, Debug)]
pub struct Options {
    pub extensions: Vec<&'static str>,
    pub protection: Protection,
    /// The one account; without it nobody signs in.
    pub account: Option<(&'static str, &'static str)>,
    /// Mechanisms in the answer to EHLO.
    pub mechanisms: &'static str,
    /// A port that is wanted again, after [`Sink::close`].
    pub port: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            extensions: vec!["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 52428800", "ENHANCEDSTATUSCODES"],
            protection: Protection::Clear,
            account: None,
            mechanisms: "PLAIN LOGIN",
            port: None,
        }
    }
}

/// All that is known of it so far.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub mails: Vec<Mail>,
    /// Each line that a client sent, contents and secrets apart.
    pub lines: Vec<String>,
    /// Connections so far.
    pub opened: usize,
    pub open_now: usize,
    pub open_max: usize,
    /// Faults that have struck.
    pub struck: usize,
    faults: Vec<(Stage, usize, Fault)>,
    released: usize,
}

/// The running server; it ends with its value.
pub struct Sink {
    pub port: u16,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
    authority: Option<Arc<Authority>>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts changes of the state.
    changed: watch::Sender<u64>,
    /// Counts orders to close all connections.
    hang_up: watch::Sender<u64>,
    options: Options,
    acceptor: Option<TlsAcceptor>,
}

impl Sink {
    /// Listens on a port of its own.
    #[expect(clippy::unused_async, reason = "as the other servers are started")]
    pub async fn start(options: Options) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        // Some systems would take 32 MB from us that the server never reads; a connection that ends within a mail must be noticed.
        socket.set_recv_buffer_size(128 * 1024).expect("an option");
        socket.bind(([127, 0, 0, 1], options.port.unwrap_or(0)).into()).expect("the port is free");
        let listener = socket.listen(1024).expect("the port is free");
        let port = listener.local_addr().unwrap().port();
        let authority = (options.protection != Protection::Clear).then(authority);
        let acceptor = authority.as_deref().map(acceptor);
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: watch::Sender::new(0), hang_up: watch::Sender::new(0), options, acceptor });
        let listener = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Self { port, shared, listener, authority }
    }

    /// In clear, with all extensions and without accounts.
    pub async fn plain() -> Self {
        Self::start(Options::default()).await
    }

    /// The next time that a stage is reached, this happens, once. Several faults of one stage strike in order.
    pub fn fault(&self, stage: Stage, fault: Fault) {
        self.fault_after(0, stage, fault);
    }

    /// The same, after the stage was passed so many times without harm.
    pub fn fault_after(&self, skip: usize, stage: Stage, fault: Fault) {
        self.shared.lock().faults.push((stage, skip, fault));
    }

    /// Lets all that is held go on.
    pub fn release(&self) {
        self.shared.change(|state| state.released += 1);
    }

    /// What is known now.
    pub fn state(&self) -> State {
        self.shared.lock().clone()
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.shared.lock().mails.clone()
    }

    /// Waits until there are so many mails.
    pub async fn wait_mails(&self, n: usize) -> Vec<Mail> {
        self.wait_for(&format!("{n} mails in the sink"), |state| (state.mails.len() >= n).then(|| state.mails.clone())).await
    }

    /// Waits until the next fault of the list has struck, `n` in all.
    pub async fn wait_struck(&self, n: usize) {
        self.wait_for(&format!("fault {n} to strike"), |state| (state.struck >= n).then_some(())).await;
    }

    /// Waits for any state.
    pub async fn wait_for<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let mut changed = self.shared.changed.subscribe();
        let found = tokio::time::timeout(LIMIT, async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = look(&self.shared.lock()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        });
        let Ok(found) = found.await else { panic!("waited {LIMIT:?} in vain for: {what}; {:?}", self.state()) };
        found
    }

    /// Closes every connection that waits for a command, as a server does to idle clients, and waits until they are closed.
    pub async fn hang_up(&self) {
        self.shared.hang_up.send_modify(|orders| *orders += 1);
        self.wait_for("connections to close", |state| (state.open_now == 0).then_some(())).await;
    }

    /// Listens no longer and closes what is open: the server is down. Another can be started on the same port.
    pub async fn close(&self) {
        self.listener.abort();
        self.hang_up().await;
    }

    /// The authority of its certificate.
    pub fn ca_pem(&self) -> &Path {
        &self.authority.as_ref().expect("it speaks TLS").ca_pem
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    fn take_fault(&self, stage: Stage) -> Option<Fault> {
        self.change(|state| {
            let at = state.faults.iter().position(|(at, ..)| *at == stage)?;
            if state.faults[at].1 > 0 {
                state.faults[at].1 -= 1;
                return None;
            }
            state.struck += 1;
            Some(state.faults.remove(at).2)
        })
    }

    async fn released(&self) {
        let before = self.lock().released;
        let mut changed = self.changed.subscribe();
        while self.lock().released == before {
            let _ = changed.changed().await;
        }
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        shared.change(|state| {
            state.opened += 1;
            state.open_now += 1;
            state.open_max = state.open_max.max(state.open_now);
        });
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // How a connection ends is the client's to judge.
            let _ = serve(stream, &shared).await;
            shared.change(|state| state.open_now -= 1);
        });
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The end of a connection.
struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

struct Session<'a> {
    stream: BufReader<Box<dyn Stream>>,
    shared: &'a Shared,
    secured: bool,
    signed_in: bool,
    mail: Mail,
}

async fn serve(stream: TcpStream, shared: &Shared) -> Result<(), Ended> {
    let implicit = shared.options.protection == Protection::Implicit;
    let stream: Box<dyn Stream> = match &shared.acceptor {
        Some(acceptor) if implicit => Box::new(acceptor.accept(stream).await?),
        _ => Box::new(stream),
    };
    let mut session = Session { stream: BufReader::new(stream), shared, secured: implicit, signed_in: false, mail: Mail::default() };
    if session.goes_on(Stage::Greeting).await? {
        session.say("220 sink.test.example ESMTP").await?;
    }
    let mut hang_up = shared.hang_up.subscribe();
    loop {
        let line = tokio::select! {
            line = session.read_line() => line?,
            _ = hang_up.changed() => return Ok(()),
        };
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let recorded = if verb == "AUTH" { line.split(' ').take(2).collect::<Vec<_>>().join(" ") } else { line.clone() };
        shared.change(|state| state.lines.push(recorded));
        match verb.as_str() {
            "EHLO" => session.ehlo().await?,
            "STARTTLS" => session.start_tls().await?,
            "AUTH" => session.auth(&line).await?,
            "MAIL" if session.must_sign_in() => session.say("530 5.7.0 sign in first").await?,
            "MAIL" if !session.mail.from.is_empty() => session.say("503 5.5.1 nested MAIL").await?,
            "MAIL" => {
                if session.goes_on(Stage::Mail).await? {
                    session.mail.from = line["MAIL FROM:".len()..].to_owned();
                    session.say("250 2.1.0 ok").await?;
                }
            }
            "RCPT" => {
                if session.goes_on(Stage::Rcpt).await? {
                    session.mail.to.push(line["RCPT TO:".len()..].to_owned());
                    session.say("250 2.1.5 ok").await?;
                }
            }
            "DATA" if session.mail.to.is_empty() => session.say("503 5.5.1 no recipient").await?,
            "DATA" => {
                if session.goes_on(Stage::Data).await? {
                    session.say("354 go on").await?;
                    session.content().await?;
                }
            }
            "RSET" => {
                session.mail = Mail::default();
                session.say("250 2.0.0 ok").await?;
            }
            "NOOP" => session.say("250 2.0.0 ok").await?,
            "QUIT" => return session.say("221 2.0.0 bye").await,
            _ => session.say("500 5.5.2 what?").await?,
        }
    }
}

impl Session<'_> {
    async fn say(&mut self, reply: &str) -> Result<(), Ended> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn read_line(&mut self) -> Result<String, Ended> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(Ended);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Whether the usual reply follows.
    async fn goes_on(&mut self, stage: Stage) -> Result<bool, Ended> {
        match self.shared.take_fault(stage) {
            None => Ok(true),
            Some(Fault::Reply(reply)) => self.say(reply).await.map(|()| false),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(true)
            }
            Some(Fault::Hold) => {
                self.shared.released().await;
                Ok(true)
            }
            Some(Fault::Stall) => Err(self.stall().await),
            Some(Fault::Drop | Fault::AcceptThenDrop | Fault::DropWithin(_)) => Err(Ended),
        }
    }

    /// Reads and says nothing until the client leaves or the server is closed.
    async fn stall(&mut self) -> Ended {
        let mut hang_up = self.shared.hang_up.subscribe();
        let mut octets = [0; 4096];
        loop {
            tokio::select! {
                read = self.stream.read(&mut octets) => if !matches!(read, Ok(1..)) { return Ended },
                _ = hang_up.changed() => return Ended,
            }
        }
    }

    async fn ehlo(&mut self) -> Result<(), Ended> {
        if !self.goes_on(Stage::Ehlo).await? {
            return Ok(());
        }
        let options = &self.shared.options;
        let mut offers: Vec<String> = options.extensions.iter().map(ToString::to_string).collect();
        if options.protection == Protection::StartTls && !self.secured {
            offers.push("STARTTLS".to_owned());
        }
        if options.account.is_some() {
            offers.push(format!("AUTH {}", options.mechanisms));
        }
        let mut lines = vec!["sink.test.example".to_owned()];
        lines.append(&mut offers);
        let last = lines.len() - 1;
        let reply: Vec<String> =
            lines.iter().enumerate().map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' })).collect();
        self.say(&reply.join("\r\n")).await
    }

    async fn start_tls(&mut self) -> Result<(), Ended> {
        let Some(acceptor) = self.shared.acceptor.as_ref().filter(|_| !self.secured) else {
            return self.say("502 5.5.1 no").await;
        };
        // An injected reply goes on to TLS all the same, as the man on the line would let it.
        let injected = match self.shared.take_fault(Stage::StartTls) {
            Some(Fault::Reply(reply)) if reply.starts_with("220") => reply,
            Some(Fault::Reply(reply)) => return self.say(reply).await,
            Some(Fault::Stall) => return Err(self.stall().await),
            Some(Fault::Drop | Fault::AcceptThenDrop | Fault::DropWithin(_)) => return Err(Ended),
            Some(Fault::Delay(_) | Fault::Hold) | None => "220 2.0.0 go",
        };
        self.say(injected).await?;
        let clear = std::mem::replace(&mut self.stream, BufReader::new(Box::new(tokio::io::empty())));
        let secured = acceptor.accept(clear.into_inner()).await?;
        self.stream = BufReader::new(Box::new(secured));
        self.secured = true;
        Ok(())
    }

    fn must_sign_in(&self) -> bool {
        self.shared.options.account.is_some() && !self.signed_in
    }

    async fn auth(&mut self, line: &str) -> Result<(), Ended> {
        if !self.goes_on(Stage::Auth).await? {
            return Ok(());
        }
        let Some((user, password)) = self.shared.options.account else { return self.say("502 5.5.1 no").await };
        let mut words = line.split(' ').skip(1);
        let given = match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "PLAIN" => words.next().map(|response| response == STANDARD.encode(format!("\0{user}\0{password}"))),
            "LOGIN" => {
                self.say(&format!("334 {}", STANDARD.encode("Username:"))).await?;
                let name = self.read_line().await?;
                self.say(&format!("334 {}", STANDARD.encode("Password:"))).await?;
                let secret = self.read_line().await?;
                Some(name == STANDARD.encode(user) && secret == STANDARD.encode(password))
            }
            _ => None,
        };
        self.signed_in = given == Some(true);
        self.say(match given {
            Some(true) => "235 2.7.0 ok",
            Some(false) => "535 5.7.8 no",
            None => "504 5.5.4 mechanism",
        })
        .await
    }

    async fn content(&mut self) -> Result<(), Ended> {
        let cut = self
            .shared
            .lock()
            .faults
            .iter()
            .find(|(stage, ..)| *stage == Stage::Content)
            .is_some_and(|(_, skip, fault)| *skip == 0 && matches!(fault, Fault::DropWithin(_)));
        let limit = match cut.then(|| self.shared.take_fault(Stage::Content)).flatten() {
            Some(Fault::DropWithin(octets)) => Some(octets),
            _ => None,
        };
        let mut octets = Vec::new();
        loop {
            let start = octets.len();
            if self.stream.read_until(b'\n', &mut octets).await? == 0 {
                return Err(Ended);
            }
            if limit.is_some_and(|limit| octets.len() >= limit) {
                return Err(Ended);
            }
            if &octets[start..] == b".\r\n" {
                octets.truncate(start);
                break;
            }
            if octets[start] == b'.' {
                octets.remove(start);
            }
        }
        let mail = Mail { octets, ..std::mem::take(&mut self.mail) };
        let keep = |mail| self.shared.change(|state| state.mails.push(mail));
        match self.shared.take_fault(Stage::Content) {
            None => keep(mail),
            Some(Fault::Reply(reply)) => return self.say(reply).await,
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                keep(mail);
            }
            Some(Fault::Hold) => {
                self.shared.released().await;
                keep(mail);
            }
            Some(Fault::AcceptThenDrop) => {
                keep(mail);
                return Err(Ended);
            }
            Some(Fault::Stall) => return Err(self.stall().await),
            Some(Fault::Drop | Fault::DropWithin(_)) => return Err(Ended),
        }
        self.say("250 2.0.0 queued").await
    }
}
