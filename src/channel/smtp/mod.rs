//! One attempt to hand a mail to the relay, and what came of it. No retry loop and no queue: those are the outbox's.
//!
//! lettre is transport only. Its pool would lose mail when a send is cancelled, since it puts a half-used connection back and
//! then reads every reply one step late; it has no time limit on replies, sends small segments late and believes
//! what was injected behind the answer to STARTTLS. So the connections are ours: taken out of their slot while in use, put
//! back only after a complete exchange, bounded in number, with one time limit for the whole mail.

mod connect;
mod content;
mod fault;
mod probe;
mod replies;
mod wire;

use self::connect::Connection;
use self::fault::{Fault, Step, What};
use super::Attempt;
use super::tls::{TlsFault, client_config};
use crate::config::settings::{SmtpAccount, Tls};
use crate::domain::address::EmailAddress;
use lettre::transport::smtp::extension::Extension;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ClientConfig;

/// How long a connection is kept without work. Postfix closes after 300 s, others much sooner; a connection that was closed
/// earlier is noticed before a command is sent.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Who sends and who receives, for the server (RFC 5321), whatever the header shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Gets the bounces; `None` is the null sender `<>`, for what is automatic (RFC 3834 section 3.3).
    pub from: Option<EmailAddress>,
    pub to: EmailAddress,
    /// Where the server takes nothing from `from`, as some providers do that let an account write from its own address only.
    pub from_else: Option<EmailAddress>,
}

/// The way to one SMTP server.
pub struct SmtpRelay {
    account: SmtpAccount,
    tls: Option<Arc<ClientConfig>>,
    /// One for each connection that may be open; the idle ones count for nothing, since whoever has a permit takes one of them
    /// before opening another.
    permits: Semaphore,
    /// Never held over an await: only a push or a pop happens under it.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A mail in the form that the exchange needs.
struct Mail<'a> {
    envelope: &'a Envelope,
    lines: std::borrow::Cow<'a, [u8]>,
}

impl SmtpRelay {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the configured authorities cannot be used.
    pub fn new(account: SmtpAccount) -> Result<Self, TlsFault> {
        let tls = match account.tls {
            Tls::Implicit | Tls::StartTls => Some(client_config(account.ca_file.as_deref())?),
            Tls::None => None,
        };
        let permits = Semaphore::new(account.connections_max.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { account, tls, permits, idle: Mutex::new(Vec::new()) })
    }

    /// Makes one attempt. Waits for a free connection first; the account's time limit begins once there is one.
    ///
    /// A future that is dropped closes its connection: the mail may then have been taken or not. `why` in the outcome
    /// repeats the server's words, shortened, which may hold an address.
    pub async fn send(&self, envelope: &Envelope, octets: &[u8]) -> Attempt {
        let Ok(_permit) = self.permits.acquire().await else {
            return Attempt::Retry { why: "stopping".to_owned(), of_route: true };
        };
        let deadline = Instant::now() + self.account.time_limit;
        let mail = Mail { envelope, lines: content::lines_for_data(octets) };

        if let Some(kept) = self.take_idle() {
            match self.send_over(kept, &mail, deadline).await {
                Ok(()) => return Attempt::Done,
                Err(fault) if fault.is_stale_connection() => {
                    // The others have most likely been closed together with it.
                    self.lock_idle().clear();
                    tracing::debug!("a kept connection to the relay was closed; opening another");
                }
                Err(fault) => return fault::classify(&fault),
            }
        }
        let outcome = match connect::connect(&self.account, self.tls.as_ref(), deadline).await {
            Ok(connection) => self.send_over(connection, &mail, deadline).await,
            Err(fault) => Err(fault),
        };
        outcome.map_or_else(|fault| fault::classify(&fault), |()| Attempt::Done)
    }

    /// Sends over a connection and keeps it for the next mail, unless anything about it is in doubt.
    async fn send_over(&self, mut connection: Connection, mail: &Mail<'_>, deadline: Instant) -> Result<(), Fault> {
        connection.mark.clear();
        let mark = connection.mark.clone();
        let mut step = Step::Sender;
        let outcome = match timeout_at(deadline, exchange(&mut connection, mail, &mut step)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(What::TimedOut),
        };
        match outcome {
            Ok(()) => {
                self.keep(connection);
                Ok(())
            }
            Err(what) => {
                let fault = Fault { step, what, content_sent: mark.is_sent() };
                if fault.leaves_connection_usable() {
                    connection.in_transaction = step < Step::Content;
                    self.keep(connection);
                }
                Err(fault)
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.lock_idle();
        idle.retain(|kept| kept.since.elapsed() < IDLE_MAX);
        idle.pop().map(|kept| kept.connection)
    }

    fn keep(&self, connection: Connection) {
        self.lock_idle().push(Idle { connection, since: Instant::now() });
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// MAIL, RCPT, DATA and the content. Each reply must be the one that its command asks for: a positive reply to something else
/// is as bad as none.
async fn exchange(connection: &mut Connection, mail: &Mail<'_>, step: &mut Step) -> Result<(), What> {
    if std::mem::take(&mut connection.in_transaction) {
        connection.expect(Step::Sender, "RSET\r\n", 250).await?;
    }
    let parameters = mail_parameters(connection, mail)?;
    let envelope = mail.envelope;
    let from = envelope.from.as_ref().map_or("", EmailAddress::as_str);
    let begun = connection.expect(Step::Sender, format!("MAIL FROM:<{from}>{parameters}\r\n"), 250).await;
    match (begun, envelope.from_else.as_ref().filter(|plain| envelope.from.as_ref() != Some(*plain))) {
        (Err(What::Reply { code: 500..=599, .. }), Some(plain)) => {
            connection.expect(Step::Sender, format!("MAIL FROM:<{plain}>{parameters}\r\n"), 250).await?;
        }
        (begun, _) => drop(begun?),
    }
    *step = Step::Recipient;
    // 251: the server will forward (RFC 5321 section 3.4); 252 is for VRFY, but some send it.
    connection.expect_2xx(Step::Recipient, format!("RCPT TO:<{}>\r\n", mail.envelope.to)).await?;
    *step = Step::Data;
    connection.expect(Step::Data, "DATA\r\n", 354).await?;
    *step = Step::Content;
    connection.content(&mail.lines).await
}

/// Only what this mail needs, and only from a server that offers it.
fn mail_parameters(connection: &Connection, mail: &Mail<'_>) -> Result<String, What> {
    let Envelope { from, to, from_else: _ } = mail.envelope;
    let utf8_address = !to.as_str().is_ascii() || from.as_ref().is_some_and(|from| !from.as_str().is_ascii());
    let mut parameters = String::new();
    if utf8_address || content::has_utf8_header(&mail.lines) {
        if !connection.offers(Extension::SmtpUtfEight) {
            // RFC 6531 section 3.5: undeliverable, rather than sent in another form.
            return Err(What::Unfit("the mail needs SMTPUTF8, which the server does not offer"));
        }
        parameters.push_str(" SMTPUTF8");
    }
    if !mail.lines.is_ascii() {
        if !connection.offers(Extension::EightBitMime) {
            return Err(What::Unfit("the mail needs 8BITMIME, which the server does not offer"));
        }
        parameters.push_str(" BODY=8BITMIME");
    }
    Ok(parameters)
}
