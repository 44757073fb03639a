//! A connection that is ready for mail: TCP, TLS as required, EHLO, sign-in.

use super::fault::{Fault, Step, What};
use super::replies::ReplyGate;
use super::wire::{ContentMark, Socket, Wire};
use crate::config::settings::{SmtpAccount, Tls};
use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::{ClientId, Extension};
use lettre::transport::smtp::response::{Response, Severity};
use secrecy::ExposeSecret;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// lettre's, with what it does not tell.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    pub(super) mark: ContentMark,
    /// A refused mail has left its transaction open; RSET before the next.
    pub(super) in_transaction: bool,
}

impl Connection {
    pub(super) fn offers(&self, extension: Extension) -> bool {
        self.smtp.server_info().supports_feature(extension)
    }

    /// Sends one command, whose reply must have this code.
    pub(super) async fn expect(&mut self, step: Step, command: impl Display, code: u16) -> Result<(), What> {
        let reply = self.smtp.command(command).await;
        accept(step, reply, |reply| u16::from(reply.code()) == code)
    }

    /// Sends one command, whose reply must be one of success.
    pub(super) async fn expect_2xx(&mut self, step: Step, command: impl Display) -> Result<(), What> {
        let reply = self.smtp.command(command).await;
        accept(step, reply, is_completion)
    }

    /// Says goodbye; the answer is of no interest.
    pub(super) async fn quit(&mut self) {
        let _ = self.smtp.quit().await;
    }

    /// Sends the content and its end.
    pub(super) async fn content(&mut self, lines: &[u8]) -> Result<(), What> {
        let reply = self.smtp.message(lines).await;
        accept(Step::Content, reply, is_completion)
    }
}

fn is_completion(reply: &Response) -> bool {
    reply.code().severity == Severity::PositiveCompletion
}

fn accept(step: Step, reply: Result<Response, LettreError>, fits: impl Fn(&Response) -> bool) -> Result<(), What> {
    match reply {
        Ok(reply) if fits(&reply) => Ok(()),
        Ok(reply) => Err(What::Reply { code: reply.code().into(), words: "a reply that fits no question".to_owned() }),
        Err(error) => Err(Fault::of(step, &error).what),
    }
}

/// Opens one. Every fault before the first MAIL is the route's.
pub(super) async fn connect(account: &SmtpAccount, tls: Option<&Arc<ClientConfig>>, deadline: Instant) -> Result<Connection, Fault> {
    let mut step = Step::Connect;
    match timeout_at(deadline, open(account, tls, &mut step)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(what)) => Err(Fault::new(step, what)),
        Err(_elapsed) => Err(Fault::new(step, What::TimedOut)),
    }
}

async fn open(account: &SmtpAccount, tls: Option<&Arc<ClientConfig>>, step: &mut Step) -> Result<Connection, What> {
    let mut tcp = TcpStream::connect((account.host.as_str(), account.port)).await.map_err(lost)?;
    // Without this each command waits for the acknowledgement of the one before: 45 ms a mail.
    tcp.set_nodelay(true).map_err(lost)?;
    let wire = match (account.tls, tls) {
        (Tls::None, _) => {
            if !tcp.peer_addr().map_err(lost)?.ip().is_loopback() {
                return Err(What::Unsafe("without TLS only a server on this machine is spoken to"));
            }
            Wire::new(Socket::Clear(tcp), false)
        }
        (Tls::Implicit, Some(tls)) => {
            *step = Step::Secure;
            Wire::new(secure(account, tls, tcp).await?, false)
        }
        (Tls::StartTls, Some(tls)) => {
            *step = Step::Secure;
            ask_for_tls(&mut tcp, &account.hello).await?;
            Wire::new(secure(account, tls, tcp).await?, true)
        }
        (Tls::Implicit | Tls::StartTls, None) => return Err(What::Unsafe("TLS is required and not set up")),
    }
    .map_err(lost)?;

    *step = Step::Hello;
    let mark = wire.mark();
    let hello = ClientId::Domain(account.hello.clone());
    let connected = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await;
    let smtp = connected.map_err(|error| Fault::of(Step::Hello, &error).what)?;
    let mut connection = Connection { smtp, mark, in_transaction: false };

    if let Some((user, password)) = &account.credentials {
        *step = Step::SignIn;
        let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
        let reply = connection.smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
        accept(Step::SignIn, reply, |reply| u16::from(reply.code()) == 235)?;
    }
    tracing::debug!("connected to the relay");
    Ok(connection)
}

async fn secure(account: &SmtpAccount, tls: &Arc<ClientConfig>, tcp: TcpStream) -> Result<Socket, What> {
    let name = ServerName::try_from(account.host.clone()).map_err(|_| What::Unsafe("the host is no name that a certificate can have"))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(lost)?;
    Ok(Socket::Tls(Box::new(stream)))
}

/// STARTTLS (RFC 3207), to the point where the handshake begins. The gate refuses whatever stands behind the 220: it came in
/// clear, from whoever sits on the line, and must not be taken for what the server says under TLS.
async fn ask_for_tls(tcp: &mut TcpStream, hello: &str) -> Result<(), What> {
    let mut gate = ReplyGate::before_greeting();
    let greeting = clear_reply(tcp, &mut gate).await?;
    expect_code(&greeting, "220")?;
    clear_command(tcp, &mut gate, &format!("EHLO {hello}\r\n")).await?;
    let offers = clear_reply(tcp, &mut gate).await?;
    expect_code(&offers, "250")?;
    let offered = offers.lines().skip(1).filter_map(|line| line.get(4..)).any(|keyword| keyword.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offered {
        return Err(What::Unsafe("TLS is required and the server does not offer it"));
    }
    clear_command(tcp, &mut gate, "STARTTLS\r\n").await?;
    let go = clear_reply(tcp, &mut gate).await?;
    expect_code(&go, "220")
}

async fn clear_command(tcp: &mut TcpStream, gate: &mut ReplyGate, command: &str) -> Result<(), What> {
    gate.command_goes_out();
    tcp.write_all(command.as_bytes()).await.map_err(lost)
}

/// One whole reply, and nothing behind it.
async fn clear_reply(tcp: &mut TcpStream, gate: &mut ReplyGate) -> Result<String, What> {
    let mut octets = [0; 2048];
    while gate.is_awaiting() {
        let count = tcp.read(&mut octets).await.map_err(lost)?;
        if count == 0 {
            return Err(What::Lost("closed by the server".to_owned()));
        }
        gate.take_in(&octets[..count]).map_err(|fault| What::Lost(fault.to_string()))?;
    }
    Ok(String::from_utf8_lossy(&std::mem::take(gate.ready())).into_owned())
}

fn expect_code(reply: &str, code: &str) -> Result<(), What> {
    let last = reply.lines().last().unwrap_or_default();
    match last.split_at_checked(3) {
        Some((got, _)) if got == code => Ok(()),
        Some((got, words)) => Err(What::Reply { code: got.parse().unwrap_or_default(), words: words.to_owned() }),
        None => Err(What::Lost("an empty reply".to_owned())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn lost(error: io::Error) -> What {
    What::Lost(error.to_string())
}
