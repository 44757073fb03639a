//! Asks another system who a sender is: one HTTP GET for an address, one JSON object back. What its answer means for a ticket is not its
//! business.
//!
//! It is never in the way (P3):
//!
//! - All of a question, from the name of the host to the end of the answer, has one time limit. What fails is a reason in the ticket's
//!   history, and the customers' file goes on to count.
//! - A system that gave no answer a few times in a row is left alone for a while, so that a dead one costs the limit now and then and
//!   not with each mail.
//! - Questions at once, connections kept, answers kept and each answer have bounds (P11). Failures are not kept.
//! - No redirection is followed: the token goes where the configuration says.

use super::tls;
use crate::config::settings::LookUpSettings;
use crate::config::zone_named;
use crate::domain::address::EmailAddress;
use crate::domain::customer::{Customer, LookedUp};
use crate::domain::message::Language;
use crate::http::client::percent_encoded;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use jiff::civil::Date;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Questions under way at once, of all mails together.
const UNDER_WAY_MAX: usize = 16;
/// Connections kept for the next question, and for how long.
const IDLE_MAX: usize = 4;
const IDLE_KEPT: Duration = Duration::from_secs(20);
/// Status line and headers of an answer, and its body.
const HEAD_OCTETS_MAX: usize = 16 * 1024;
const BODY_OCTETS_MAX: usize = 64 * 1024;
/// One text of an answer: what is longer is no name.
const FIELD_OCTETS_MAX: usize = 300;
const TOKEN_OCTETS_MAX: u64 = 8 * 1024;
/// Answers kept. Half of them are forgotten at once when there would be more.
const KEPT_MAX: usize = 10_000;
/// How long at most it is kept that nobody is known: he may become a customer.
const NOBODY_KEPT_MAX: Duration = Duration::from_mins(1);
/// After so many failures in a row nobody is asked for a while.
const FAILURES_MAX: u32 = 5;
const QUIET: Duration = Duration::from_secs(15);
/// After that, authorities are read anew: a renewed one is believed without a restart.
const TRUST_KEPT: Duration = Duration::from_mins(10);

/// Cheap to clone.
#[derive(Clone)]
pub struct LookUp(Arc<Parts>);

// No lock is held over an await.
struct Parts {
    settings: LookUpSettings,
    cache: Mutex<Cache>,
    idle: Mutex<Vec<(Sender, Instant)>>,
    trust: Mutex<Option<(Arc<ClientConfig>, Instant)>>,
    trouble: Mutex<Trouble>,
    slots: Semaphore,
}

type Sender = SendRequest<Empty<Bytes>>;

#[derive(Default)]
struct Trouble {
    failures: u32,
    quiet_until: Option<Instant>,
}

/// Why there is no answer; reads after "the look-up".
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The system does not work; another may be asked as long.
    OutOfOrder(String),
    /// It works, and says what cannot be used.
    Nonsense(String),
}

impl LookUp {
    /// One that asks nothing yet.
    #[must_use]
    pub fn new(settings: LookUpSettings) -> Self {
        Self(Arc::new(Parts {
            settings,
            cache: Mutex::default(),
            idle: Mutex::default(),
            trust: Mutex::default(),
            trouble: Mutex::default(),
            slots: Semaphore::new(UNDER_WAY_MAX),
        }))
    }

    /// Who somebody is, at once or after the limit.
    pub async fn ask(&self, address: &EmailAddress) -> LookedUp {
        let count = |outcome: &'static str| metrics::counter!("guichet_lookups_total", "outcome" => outcome).increment(1);
        if let Some(kept) = locked(&self.0.cache).get(address, Instant::now()) {
            count("kept");
            return kept;
        }
        if locked(&self.0.trouble).quiet_until.is_some_and(|until| Instant::now() < until) {
            count("left_alone");
            return LookedUp::Failed(format!("is left alone for {} s, since it did not answer", QUIET.as_secs()));
        }
        let limit = self.0.settings.timeout;
        let late = |_| Err(Failure::OutOfOrder(format!("gave no answer within {} ms", limit.as_millis())));
        let asked = timeout(limit, self.question(address)).await.unwrap_or_else(late);
        self.note(asked.as_ref().err());
        let (answer, outcome) = match asked {
            Ok(found @ LookedUp::Found(_)) => (found, "found"),
            Ok(nobody @ LookedUp::Nobody) => (nobody, "nobody"),
            Ok(failed @ LookedUp::Failed(_)) => (failed, "failed"),
            Err(Failure::OutOfOrder(why)) => (LookedUp::Failed(why), "failed"),
            Err(Failure::Nonsense(why)) => (LookedUp::Failed(why), "nonsense"),
        };
        count(outcome);
        let kept_for = match &answer {
            LookedUp::Found(_) => self.0.settings.kept_for,
            LookedUp::Nobody => self.0.settings.kept_for.min(NOBODY_KEPT_MAX),
            LookedUp::Failed(_) => return answer,
        };
        locked(&self.0.cache).put(address, answer.clone(), Instant::now() + kept_for);
        answer
    }

    /// Counts failures in a row.
    fn note(&self, failure: Option<&Failure>) {
        let mut trouble = locked(&self.0.trouble);
        match failure {
            Some(Failure::OutOfOrder(why)) => {
                trouble.failures = trouble.failures.saturating_add(1);
                if trouble.failures >= FAILURES_MAX {
                    trouble.quiet_until = Some(Instant::now() + QUIET);
                    tracing::warn!(why, "the system that is asked about customers does not answer: it is left alone for a while");
                }
            }
            Some(Failure::Nonsense(_)) | None => *trouble = Trouble::default(),
        }
    }

    async fn question(&self, address: &EmailAddress) -> Result<LookedUp, Failure> {
        let out_of_order = |fault: String| Failure::OutOfOrder(format!("could not be asked: {fault}"));
        let _slot = self.0.slots.acquire().await.map_err(|fault| out_of_order(fault.to_string()))?;
        let token = self.token().await?;
        let request = || request(&self.0.settings, address, token.as_ref());
        // A connection that the other side closes just now is no failure.
        if let Some(mut sender) = self.idle()
            && sender.ready().await.is_ok()
            && let Ok(response) = sender.send_request(request()?).await
        {
            return self.understood(sender, response).await;
        }
        let mut sender = self.connect().await.map_err(out_of_order)?;
        let response = sender.send_request(request()?).await.map_err(|fault| out_of_order(fault.to_string()))?;
        self.understood(sender, response).await
    }

    async fn understood(&self, sender: Sender, response: Response<hyper::body::Incoming>) -> Result<LookedUp, Failure> {
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_OCTETS_MAX).collect().await.map_err(|fault| {
            if fault.is::<LengthLimitError>() {
                Failure::Nonsense(format!("gave more than {BODY_OCTETS_MAX} octets"))
            } else {
                Failure::OutOfOrder("ended in the midst of its answer".to_owned())
            }
        })?;
        let mut idle = locked(&self.0.idle);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
        drop(idle);
        answer(status, &body.to_bytes())
    }

    /// A connection that is there.
    fn idle(&self) -> Option<Sender> {
        let mut idle = locked(&self.0.idle);
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_KEPT);
        idle.pop().map(|(sender, _)| sender)
    }

    async fn connect(&self) -> Result<Sender, String> {
        let url = &self.0.settings.endpoint;
        let tcp = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|fault| fault.to_string())?;
        tcp.set_nodelay(true).map_err(|fault| fault.to_string())?;
        if url.https {
            let name = ServerName::try_from(url.host.clone()).map_err(|_| "its name cannot stand in a certificate".to_owned())?;
            let connector = TlsConnector::from(self.trust().await?);
            return carried(connector.connect(name, tcp).await.map_err(|fault| format!("TLS: {fault}"))?).await;
        }
        // A name may mean another machine than it says.
        if !tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback()) {
            return Err("addresses in the clear go to loopback only".to_owned());
        }
        carried(tcp).await
    }

    /// What its certificate is checked by.
    async fn trust(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some((config, since)) = &*locked(&self.0.trust)
            && since.elapsed() < TRUST_KEPT
        {
            return Ok(config.clone());
        }
        let ca_file = self.0.settings.ca_file.clone();
        let read = tokio::task::spawn_blocking(move || tls::client_config(ca_file.as_deref())).await;
        let config = read.map_err(|fault| fault.to_string())?.map_err(|fault| fault.to_string())?;
        *locked(&self.0.trust) = Some((config.clone(), Instant::now()));
        Ok(config)
    }

    async fn token(&self) -> Result<Option<SecretString>, Failure> {
        let Some(file) = &self.0.settings.token_file else { return Ok(None) };
        let failed = |why: &str| Failure::OutOfOrder(format!("has no token: lookup_token_file {why}"));
        let file = tokio::fs::File::open(file).await.map_err(|fault| failed(&format!("cannot be read: {fault}")))?;
        let mut text = String::new();
        file.take(TOKEN_OCTETS_MAX).read_to_string(&mut text).await.map_err(|_| failed("holds no text"))?;
        let token = text.trim();
        if token.is_empty() { Err(failed("is empty")) } else { Ok(Some(SecretString::from(token.to_owned()))) }
    }
}

/// The connection lives as long as its sender does.
async fn carried(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, String> {
    let handshake = http1::Builder::new().max_buf_size(HEAD_OCTETS_MAX).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|fault| fault.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn request(settings: &LookUpSettings, address: &EmailAddress, token: Option<&SecretString>) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut request = Request::get(settings.endpoint.path.replace("{address}", &percent_encoded(address.as_str())))
        .header(header::HOST, settings.endpoint.authority())
        .header(header::USER_AGENT, "guichet")
        .header(header::ACCEPT, "application/json");
    if let Some(token) = token {
        let value = header::HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut value = value.map_err(|_| Failure::OutOfOrder("has no token: lookup_token_file holds no token".to_owned()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    request.body(Empty::new()).map_err(|fault| Failure::OutOfOrder(format!("could not be asked: {fault}")))
}

/// What a system tells of somebody; what else it tells is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    name: Option<String>,
    organisation: Option<String>,
    plan: Option<String>,
    tier: Option<String>,
    language: Option<String>,
    zone: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
}

/// What an answer means.
fn answer(status: StatusCode, body: &[u8]) -> Result<LookedUp, Failure> {
    let told: Option<Told> = match status {
        StatusCode::OK => serde_json::from_slice(body).map_err(|_| Failure::Nonsense("gave no JSON object of texts".to_owned()))?,
        StatusCode::NOT_FOUND | StatusCode::NO_CONTENT | StatusCode::GONE => None,
        other if other.is_server_error() || other == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Failure::OutOfOrder(format!("gave status {}", other.as_u16())));
        }
        other => return Err(Failure::Nonsense(format!("gave status {}", other.as_u16()))),
    };
    let Some(told) = told else { return Ok(LookedUp::Nobody) };
    let text = |field: &str, text: Option<String>| match text.as_deref().map(str::trim).unwrap_or_default() {
        long if long.len() > FIELD_OCTETS_MAX => Err(Failure::Nonsense(format!("gave a {field} of more than {FIELD_OCTETS_MAX} octets"))),
        strange if strange.chars().any(char::is_control) => {
            Err(Failure::Nonsense(format!("gave a {field} with a line break or another control character")))
        }
        text => Ok(text.to_owned()),
    };
    let day = |field: &str, written: Option<String>| match text(field, written)?.as_str() {
        "" => Ok(None),
        day => day.parse::<Date>().map(Some).map_err(|_| Failure::Nonsense(format!("gave a {field} that is no day such as 2026-12-31"))),
    };
    let language = match text("language", told.language)?.as_str() {
        "" => None,
        tag => Some(Language::parse(tag).ok_or_else(|| Failure::Nonsense("gave a language that is none, such as en".to_owned()))?),
    };
    let zone = match text("zone", told.zone)?.as_str() {
        "" => None,
        name => Some(zone_named(name).ok_or_else(|| Failure::Nonsense("gave a zone that is none, such as Europe/Lisbon".to_owned()))?),
    };
    let customer = Customer {
        name: text("name", told.name)?,
        organisation: text("organisation", told.organisation)?,
        plan: text("plan", told.plan)?,
        tier: Some(text("tier", told.tier)?).filter(|tier| !tier.is_empty()),
        language,
        zone,
        valid_from: day("valid_from", told.valid_from)?,
        valid_until: day("valid_until", told.valid_until)?,
    };
    Ok(if customer == Customer::default() { LookedUp::Nobody } else { LookedUp::Found(customer) })
}

/// Answers with the time until which they count: the newer half, and the older one.
#[derive(Default)]
struct Cache {
    young: HashMap<EmailAddress, (LookedUp, Instant)>,
    old: HashMap<EmailAddress, (LookedUp, Instant)>,
}

impl Cache {
    fn get(&self, address: &EmailAddress, now: Instant) -> Option<LookedUp> {
        let kept = self.young.get(address).or_else(|| self.old.get(address));
        kept.filter(|(_, until)| now < *until).map(|(answer, _)| answer.clone())
    }

    fn put(&mut self, address: &EmailAddress, answer: LookedUp, until: Instant) {
        if self.young.len() >= KEPT_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(address.clone(), (answer, until));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
