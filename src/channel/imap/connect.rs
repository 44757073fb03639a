//! From a host name to a connection that is signed in.

use super::Fault;
use super::answer::Answer;
use super::commands::{Io, Wire};
use super::sign_in::{Keys, sign_in};
use crate::channel::tls;
use crate::config::settings::{ImapAccount, Tls};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// For the name, the TCP connection and the TLS handshake, each.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// From the greeting on, and for signing in with all that it takes: each answer has a limit of its own, but a server could
/// say this and that for ever.
const GREETING_MAX: Duration = Duration::from_mins(2);
const SIGN_IN_MAX: Duration = Duration::from_mins(3);

/// What the server says that it can do, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability that is advertised or not")]
pub(super) struct Abilities {
    pub(super) idle: bool,
    pub(super) moves: bool,
    pub(super) uid_plus: bool,
    pub(super) auth_plain: bool,
    pub(super) auth_oauthbearer: bool,
    pub(super) auth_xoauth2: bool,
    pub(super) login_disabled: bool,
    start_tls: bool,
}

/// A connection that is as protected as it will be, to a server that has greeted.
pub(super) struct Reached {
    wire: Wire,
    can: Abilities,
    /// The greeting has signed us in (RFC 9051 section 7.1.4).
    signed_in: bool,
}

/// Connects, protects and signs in.
pub(super) async fn open(account: &ImapAccount, keys: &mut Keys, literal_octets_max: u64) -> Result<(Wire, Abilities), Fault> {
    keys.ready().await?;
    reach(account, literal_octets_max).await?.sign_in(account, keys).await
}

/// Connects and protects. No credential is said here.
pub(super) async fn reach(account: &ImapAccount, literal_octets_max: u64) -> Result<Reached, Fault> {
    let tcp = connect(account).await?;
    let wire = match account.tls {
        Tls::Implicit => Wire::new(protect(&account.host, account.ca_file.as_deref(), Box::new(tcp)).await?, literal_octets_max),
        Tls::StartTls | Tls::None => Wire::new(Box::new(tcp), literal_octets_max),
    };
    timeout(GREETING_MAX, greet(wire, account, literal_octets_max))
        .await
        .map_err(|_| Fault::Network("no end to the server's greeting".into()))?
}

async fn greet(mut wire: Wire, account: &ImapAccount, literal_octets_max: u64) -> Result<Reached, Fault> {
    let signed_in = greeting(&mut wire).await?;
    let mut can = capabilities(&mut wire).await?;
    if account.tls == Tls::StartTls {
        // A greeting that spares us the sign-in spares us the protection, too: RFC 9051 section 11.3 calls that an attack.
        if signed_in {
            return Err(Fault::Protocol("the server signs us in before STARTTLS".into()));
        }
        if !can.start_tls {
            return Err(Fault::Protocol("the server does not offer STARTTLS".into()));
        }
        wire.run("STARTTLS", |_| {}).await?;
        wire = Wire::new(protect(&account.host, account.ca_file.as_deref(), wire.into_stream()).await?, literal_octets_max);
        can = capabilities(&mut wire).await?;
    }
    Ok(Reached { wire, can, signed_in })
}

impl Reached {
    /// Signs in, if that is still to be done.
    pub(super) async fn sign_in(self, account: &ImapAccount, keys: &mut Keys) -> Result<(Wire, Abilities), Fault> {
        let Self { mut wire, can, signed_in } = self;
        if signed_in {
            return Ok((wire, can));
        }
        let enter = async {
            sign_in(&mut wire, account, keys, can).await?;
            // They change with the sign-in (RFC 9051 section 6.2), and those that stand in its answer are optional.
            capabilities(&mut wire).await
        };
        let can = timeout(SIGN_IN_MAX, enter).await.map_err(|_| Fault::Network("no end to the sign-in".into()))??;
        Ok((wire, can))
    }
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

/// TLS over a connection, to a host that proves its name to the system's authorities or those of the file.
pub(super) async fn protect(host: &str, ca_file: Option<&Path>, stream: Box<dyn Io>) -> Result<Box<dyn Io>, Fault> {
    let ca_file = ca_file.map(Path::to_owned);
    let config = tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref()))
        .await
        .map_err(|e| Fault::Network(e.to_string()))?
        .map_err(|e| Fault::Network(e.to_string()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Fault::Network("the host's name cannot stand in a certificate".into()))?;
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
    pub(super) fn of(capabilities: &[String]) -> Self {
        let has = |name: &str| capabilities.iter().any(|capability| capability == name);
        Self {
            idle: has("IDLE"),
            moves: has("MOVE"),
            uid_plus: has("UIDPLUS"),
            auth_plain: has("AUTH=PLAIN"),
            auth_oauthbearer: has("AUTH=OAUTHBEARER"),
            auth_xoauth2: has("AUTH=XOAUTH2"),
            login_disabled: has("LOGINDISABLED"),
            start_tls: has("STARTTLS"),
        }
    }
}
