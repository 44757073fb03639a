//! A folder of an IMAP account, watched: what arrives is handed over, and settled once it is on disk.
//!
//! Read in this order: here, the loop that keeps a mailbox watched whatever happens; `session`, one connection from
//! sign-in to its end; `fetch`, what is new; `settle`, what becomes of it; `ledger`, what is remembered between
//! connections; `pieces`, a large message bit by bit; `slots`, how many connections there may be; `connect`, `sign_in`,
//! `commands`, `answer`, `guard`, down to the wire.
//!
//! What a watcher holds to, fault by fault:
//! - *The server refuses, goes away, falls silent, or speaks nonsense*: the session ends with a [`Fault`], and another
//!   begins after a delay with full jitter; a refused sign-in waits longer, so that an account is not locked.
//! - *There are more mailboxes than connections allowed*: they take turns, and one that hangs loses its place.
//! - *The parser panics*: the same; no panic leaves the watcher.
//! - *The desk cannot take a message*: it stays in its folder and is handed over again after a delay; those behind it go
//!   on (P3). If the desk takes nothing at all, fetching pauses.
//! - *A message ends the connection*: those that were asked for with it are asked for alone; the one that ends it again
//!   waits, and then is taken in by its start.
//! - *The daemon is killed*: nothing was settled that was not on disk (P1); what was not settled is found again, and the
//!   desk knows what it has (P2).

mod answer;
mod commands;
mod connect;
mod fetch;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod later;
mod ledger;
mod pieces;
mod probe;
mod session;
mod settle;
mod sign_in;
mod slots;
#[cfg(test)]
pub(super) mod tests;

pub use answer::Code;
pub use later::{LaterFault, Wanted, fetch_whole};
pub use probe::probe;
pub use slots::Slots;

use super::lane::{Lane, Settled};
use super::{FaultKind, Handover, Health, Surroundings};
use crate::config::settings::ImapAccount;
use crate::domain::message::Source;
use fetch::Large;
use futures_util::FutureExt;
use ledger::{Delays, Ledger};
use rand::RngExt as _;
use sign_in::Keys;
use slots::Slot;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// After the stop is asked for, a session has so long to wait for receipts, settle and sign out.
const GRACE: Duration = Duration::from_secs(5);
/// So many messages refused by the desk in a row, and it is the desk and not the messages.
const REFUSALS_IN_A_ROW_MAX: u32 = 16;

/// Why a session ended. The words of a server are cut and cleaned; no mail is repeated in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("network: {0}")]
    Network(String),
    #[error("sign-in refused: {0}")]
    SignIn(String),
    #[error("protocol: {0}")]
    Protocol(String),
    /// A tagged NO, or BAD, to a command.
    #[error("the server refused a command ({}): {text}", if *bad { "BAD" } else { "NO" })]
    Refused { bad: bool, code: Code, text: String },
}

impl Fault {
    /// The sort that health tells of.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Network(_) => FaultKind::Network,
            Self::SignIn(_) => FaultKind::SignIn,
            Self::Protocol(_) | Self::Refused { .. } => FaultKind::Protocol,
        }
    }
}

/// How long to wait, and for what; tests are in more of a hurry.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Before another connection, full jitter below it.
    reconnect: Delays,
    /// Before another sign-in that was refused.
    sign_in: Delays,
    /// Before a message is handed over again, or fetched again.
    message: Delays,
    /// Before settling is tried again.
    settle: Delays,
}

impl Pace {
    const fn seconds(first: u64, last: u64) -> Delays {
        Delays { first: Duration::from_secs(first), last: Duration::from_secs(last) }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            reconnect: Self::seconds(1, 60),
            sign_in: Self::seconds(30, 15 * 60),
            message: Self::seconds(2, 5 * 60),
            settle: Self::seconds(5, 5 * 60),
        }
    }
}

/// Watches the folder until the stop is asked for.
pub async fn watch<H: Handover>(name: String, account: ImapAccount, handover: H, around: Surroundings, health: watch::Sender<Health>) {
    watch_at(Pace::default(), name, account, handover, around, health).await;
}

async fn watch_at<H: Handover>(
    pace: Pace,
    name: String,
    account: ImapAccount,
    handover: H,
    around: Surroundings,
    health: watch::Sender<Health>,
) {
    let stop = around.stop.clone();
    let mut mailbox = Mailbox::new(pace, name, account, handover, around, health);
    let mut failures = 0;
    while !stop.is_cancelled() {
        let fault = match mailbox.one_session().await {
            Ended::Stop => break,
            Ended::Turn { again_after } => {
                failures = 0;
                mailbox.rest(again_after).await;
                continue;
            }
            Ended::Fault(fault) => fault,
        };
        failures = if mailbox.went_well { 1 } else { failures + 1 };
        let delays = if fault.kind() == FaultKind::SignIn { pace.sign_in } else { pace.reconnect };
        // Full jitter: many mailboxes of one server do not come back all at once. A sign-in is never tried again at once.
        let least = if fault.kind() == FaultKind::SignIn { 0.5 } else { 0.0 };
        let delay = delays.after(failures).mul_f64(rand::rng().random_range(least..=1.0));
        if fault.kind() == FaultKind::SignIn {
            metrics::counter!("guichet_sign_in_faults_total", "mailbox" => mailbox.name.clone()).increment(1);
        }
        tracing::warn!(mailbox = mailbox.name, %fault, failures, delay_ms = delay.as_millis(), "session ended");
        mailbox.rest(delay).await;
    }
    mailbox.health.send_modify(|health| health.connected_since = None);
    // A refresh token may be on its way; one that is lost costs a person's consent.
    let _ = timeout(GRACE, mailbox.keys.finish()).await;
}

/// How a session ended.
#[derive(Debug)]
enum Ended {
    Stop,
    Fault(Fault),
    /// It gave way to a mailbox that waits for a connection.
    Turn {
        again_after: Duration,
    },
}

/// All that is kept of a mailbox between its connections.
struct Mailbox<H: Handover> {
    name: String,
    account: ImapAccount,
    keys: Keys,
    handover: H,
    around: Surroundings,
    health: watch::Sender<Health>,
    pace: Pace,
    lane: Lane<H>,
    ledger: Ledger,
    large: Large,
    /// What was asked for and had not come when the connection ended.
    asked: Vec<u32>,
    /// The folder was looked through to its end in this session.
    went_well: bool,
    /// Messages that landed since settling was last tried.
    landed: usize,
    /// Messages that the desk did not take, since it last took one, and the pauses that this led to.
    refusals: u32,
    pauses: u32,
    /// While the desk takes nothing.
    fetch_not_before: Option<Instant>,
    /// The server offered to keep keywords, and refused ours.
    no_keywords: bool,
}

impl<H: Handover> Mailbox<H> {
    fn new(pace: Pace, name: String, account: ImapAccount, handover: H, around: Surroundings, health: watch::Sender<Health>) -> Self {
        Self {
            lane: Lane::new(handover.clone(), around.budget.clone()),
            ledger: Ledger::new(pace.message),
            large: Large::default(),
            asked: Vec::new(),
            went_well: false,
            landed: 0,
            refusals: 0,
            pauses: 0,
            fetch_not_before: None,
            no_keywords: false,
            keys: Keys::of(&account.sign_in),
            name,
            account,
            handover,
            around,
            health,
            pace,
        }
    }

    /// One connection, from waiting for a place to its end. No panic leaves it: what is kept of the mailbox is never halfway
    /// changed, as the panics that are known come out of the parser, and the connection is given up.
    async fn one_session(&mut self) -> Ended {
        self.went_well = false;
        let Some(slot) = self.place().await else { return Ended::Stop };
        let stop = self.around.stop.clone();
        let outcome = {
            let session = AssertUnwindSafe(session::run(self, &slot)).catch_unwind();
            tokio::select! {
                outcome = session => outcome.unwrap_or_else(|_| Err(Fault::Protocol("the session panicked".into()))),
                () = async { stop.cancelled().await; sleep(GRACE).await } => Ok(Ended::Stop),
                () = slot.revoked() => Err(Fault::Network("it took too long while other mailboxes waited for a connection".into())),
            }
        };
        let asked = std::mem::take(&mut self.asked);
        self.ledger.struck(&asked, Instant::now());
        self.large.struck(&asked);
        let ended = outcome.unwrap_or_else(Ended::Fault);
        let now = self.around.clock.now();
        self.health.send_modify(|health| {
            health.connected_since = None;
            health.backlog = self.ledger.backlog();
            if let Ended::Fault(fault) = &ended {
                health.fail(&self.name, fault.kind(), fault.to_string(), now);
            }
        });
        ended
    }

    /// Waits for a connection that may be opened; notes meanwhile what lands. `None` after a stop.
    async fn place(&mut self) -> Option<Slot> {
        let (stop, slots) = (self.around.stop.clone(), self.around.slots.clone());
        let (host, port, user) = (self.account.host.clone(), self.account.port, self.account.user.clone());
        let mut entered = std::pin::pin!(slots.enter(&host, port, &user));
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                slot = &mut entered => return Some(slot),
                Some(settled) = self.lane.settled() => self.note(settled),
            }
        }
    }

    /// Waits before another connection; notes meanwhile what lands.
    async fn rest(&mut self, delay: Duration) {
        let stop = self.around.stop.clone();
        let mut over = std::pin::pin!(sleep(delay));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut over => return,
                Some(settled) = self.lane.settled() => self.note(settled),
            }
        }
    }

    /// Notes what came out of the lane.
    fn note(&mut self, (source, landing): Settled) {
        let Source::Imap { uid_validity, uid, .. } = source else { return };
        // Under another validity the UID is another message's: nothing may be settled by it.
        let same = uid_validity == self.ledger.uid_validity();
        if same {
            self.large.forget(uid);
        }
        let now = Instant::now();
        match landing {
            Ok(_) => {
                self.landed += 1;
                self.refusals = 0;
                self.pauses = 0;
                self.fetch_not_before = None;
                if same {
                    self.ledger.landed(uid);
                }
            }
            Err(fault) => {
                self.refusals = self.refusals.saturating_add(1);
                if self.refusals >= REFUSALS_IN_A_ROW_MAX && self.fetch_not_before.is_none() {
                    self.pauses = self.pauses.saturating_add(1);
                    self.fetch_not_before = Some(now + self.pace.reconnect.after(self.pauses));
                }
                if same {
                    self.ledger.failed(uid, now);
                }
                tracing::warn!(mailbox = self.name, uid, %fault, "a message was not taken over");
                let at = self.around.clock.now();
                self.health.send_modify(|health| health.fail(&self.name, FaultKind::Handover, fault.to_string(), at));
            }
        }
    }

    /// Notes all that came out already.
    fn note_all(&mut self) {
        while let Some(settled) = self.lane.settled_now() {
            self.note(settled);
        }
    }
}
