//! From a host name to a connection that is signed in.

use super::Fault;
use super::answer::Answer;
use super::commands::{Io, Reply, Wire, quoted};
use crate::channel::tls;
use crate::config::settings::{ImapAccount, SignIn, Tls};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// For the name, the TCP connection and the TLS handshake, each.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// A token is a few kilobytes.
const TOKEN_OCTETS_MAX: usize = 64 * 1024;

/// One for the answer, one for XOAUTH2's error.
const QUESTIONS_MAX: u32 = 2;

/// What the server says that it can do, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability that is advertised or not")]
pub(super) struct Abilities {
    pub(super) idle: bool,
    pub(super) moves: bool,
    pub(super) uid_plus: bool,
    auth_plain: bool,
    auth_xoauth2: bool,
    login_disabled: bool,
    start_tls: bool,
}

/// Connects, protects and signs in.
pub(super) async fn open(account: &ImapAccount, literal_octets_max: u64) -> Result<(Wire, Abilities), Fault> {
    let tcp = connect(account).await?;
    let mut wire = match account.tls {
        Tls::Implicit => Wire::new(protect(account, Box::new(tcp)).await?, literal_octets_max),
        Tls::StartTls | Tls::None => Wire::new(Box::new(tcp), literal_octets_max),
    };
    let mut signed_in = greeting(&mut wire).await?;
    let mut abilities = capabilities(&mut wire).await?;
    if account.tls == Tls::StartTls {
        // A greeting that spares us the sign-in spares us the protection, too: RFC 9051 section 11.3 calls that an attack.
        if signed_in {
            return Err(Fault::Protocol("the server signs us in before STARTTLS".into()));
        }
        if !abilities.start_tls {
            return Err(Fault::Protocol("the server does not offer STARTTLS".into()));
        }
        wire.run("STARTTLS", |_| {}).await?;
        wire = Wire::new(protect(account, wire.into_stream()).await?, literal_octets_max);
        abilities = capabilities(&mut wire).await?;
        signed_in = false;
    }
    if !signed_in {
        sign_in(&mut wire, account, abilities).await?;
        // They change with the sign-in (RFC 9051 section 6.2), and those that stand in its answer are optional.
        abilities = capabilities(&mut wire).await?;
    }
    Ok((wire, abilities))
}

async fn connect(account: &ImapAccount) -> Result<TcpStream, Fault> {
    let tcp = timeout(CONNECT_MAX, TcpStream::connect((account.host.as_str(), account.port)))
        .await
        .map_err(|_| Fault::Network("no connection in time".into()))?
        .map_err(|e| Fault::Network(e.to_string()))?;
    // Small commands would wait for the answers to earlier ones (Nagle).
    tcp.set_nodelay(true).map_err(|e| Fault::Network(e.to_string()))?;
    let loopback = tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    if account.tls == Tls::None && !loopback {
        return Err(Fault::SignIn("a password in the clear goes to loopback only".into()));
    }
    Ok(tcp)
}

async fn protect(account: &ImapAccount, stream: Box<dyn Io>) -> Result<Box<dyn Io>, Fault> {
    let ca_file = account.ca_file.clone();
    let config = tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref()))
        .await
        .map_err(|e| Fault::Network(e.to_string()))?
        .map_err(|e| Fault::Network(e.to_string()))?;
    let name =
        ServerName::try_from(account.host.clone()).map_err(|_| Fault::Network("the host's name cannot stand in a certificate".into()))?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    let protected = timeout(CONNECT_MAX, handshake)
        .await
        .map_err(|_| Fault::Network("no TLS handshake in time".into()))?
        .map_err(|e| Fault::Network(format!("TLS: {e}")))?;
    Ok(Box::new(protected))
}

/// Reads the greeting; true if it signs us in. Some servers greet more than once (`* OK Waiting for …`): the untagged
/// answers to the CAPABILITY that follows take the others along.
async fn greeting(wire: &mut Wire) -> Result<bool, Fault> {
    if let Answer::Status { signed_in, .. } = wire.answer().await? {
        return Ok(signed_in);
    }
    Err(Fault::Protocol("the server does not greet".into()))
}

async fn capabilities(wire: &mut Wire) -> Result<Abilities, Fault> {
    let mut can = Abilities::default();
    wire.run("CAPABILITY", |answer| {
        if let Answer::Capabilities(all) = answer {
            can = Abilities::of(&all);
        }
    })
    .await?;
    Ok(can)
}

impl Abilities {
    fn of(capabilities: &[String]) -> Self {
        let has = |name: &str| capabilities.iter().any(|capability| capability == name);
        Self {
            idle: has("IDLE"),
            moves: has("MOVE"),
            uid_plus: has("UIDPLUS"),
            auth_plain: has("AUTH=PLAIN"),
            auth_xoauth2: has("AUTH=XOAUTH2"),
            login_disabled: has("LOGINDISABLED"),
            start_tls: has("STARTTLS"),
        }
    }
}

async fn sign_in(wire: &mut Wire, account: &ImapAccount, can: Abilities) -> Result<(), Fault> {
    let done = match &account.sign_in {
        SignIn::Password(password) if can.auth_plain => {
            // RFC 4616 section 2: authorisation identity (none), user, password.
            authenticate(wire, "PLAIN", &format!("\0{}\0{}", account.user, password.expose_secret())).await
        }
        SignIn::Password(_) if can.login_disabled => Err(Fault::SignIn("the server takes no password here".into())),
        SignIn::Password(password) => {
            let command = format!("LOGIN {} {}", quoted(&account.user), quoted(password.expose_secret()));
            wire.run(&command, |_| {}).await
        }
        SignIn::TokenFile(_) if !can.auth_xoauth2 => Err(Fault::SignIn("the server does not offer XOAUTH2".into())),
        SignIn::TokenFile(file) => {
            let token = read_token(file).await?;
            let answer = format!("user={}\x01auth=Bearer {}\x01\x01", account.user, token.expose_secret());
            authenticate(wire, "XOAUTH2", &answer).await
        }
    };
    done.map_err(refused_sign_in)
}

/// RFC 9051 section 6.2.2, with one answer to give. A further question (XOAUTH2 puts its error there) gets an empty one,
/// upon which the server refuses.
async fn authenticate(wire: &mut Wire, mechanism: &str, answer: &str) -> Result<(), Fault> {
    let mut answer = Some(STANDARD.encode(answer));
    let tag = wire.send(&format!("AUTHENTICATE {mechanism}")).await?;
    let mut questions = 0;
    while questions <= QUESTIONS_MAX {
        match wire.next(&tag).await? {
            Reply::Continue => {
                questions += 1;
                wire.send_line(&answer.take().unwrap_or_default()).await?;
            }
            Reply::Data(_) => {}
            Reply::Done => return Ok(()),
        }
    }
    Err(Fault::Protocol("the server asks on and on".into()))
}

/// A refusal here concerns the sign-in, unless the server says that it is only out of order for now (RFC 5530 section 3).
fn refused_sign_in(fault: Fault) -> Fault {
    match fault {
        Fault::Refused { text, .. } => {
            let passing = ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"];
            if passing.iter().any(|code| text.to_ascii_uppercase().starts_with(code)) { Fault::Network(text) } else { Fault::SignIn(text) }
        }
        Fault::Network(_) | Fault::SignIn(_) | Fault::Protocol(_) => fault,
    }
}

/// Read anew each time: whoever renews the token replaces the file.
async fn read_token(file: &Path) -> Result<SecretString, Fault> {
    let text = tokio::fs::read_to_string(file).await.map_err(|e| Fault::SignIn(format!("the token file: {e}")))?;
    let token = text.trim();
    if token.is_empty() || token.len() > TOKEN_OCTETS_MAX || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Fault::SignIn("the token file does not hold a token".into()));
    }
    Ok(SecretString::from(token.to_owned()))
}
