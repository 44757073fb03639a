//! How the daemon fares: the board on which each mailbox's watcher shows it, read by `/readyz`, `/metrics`, `guichet status` and
//! the worker that tells ops ([`crate::ops_watch`]).
//!
//! How long a mailbox has been silent is measured with a clock that nobody sets and that stands still while the machine sleeps:
//! a stepped clock or a suspended machine is no silence. The times that people are told are the wall's.

use crate::channel::{FaultKind, Health};
use crate::domain::ops::{self, MailboxFacts, Trouble};
use crate::intake::Desk;
use crate::reload::Refusals;
use crate::store::{Counts, StoreFault};
use crate::view::{AwayView, MailboxView, StatusView};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How old counts of the store may be: the listener may be public, and counting walks over rows.
const COUNTS_AGE_MAX: Duration = Duration::from_secs(5);

/// What every watcher shows. Cheap to clone.
#[derive(Clone)]
pub struct Board(Arc<Parts>);

struct Parts {
    desk: Desk,
    mailboxes: Vec<Watched>,
    counted: tokio::sync::Mutex<Option<(Instant, Counts)>>,
    refusals: Refusals,
}

struct Watched {
    name: String,
    health: watch::Receiver<Health>,
    answered: Mutex<Answered>,
}

/// The last answer of a mailbox on both clocks.
struct Answered {
    wall: Option<Timestamp>,
    at: Instant,
    looked: Instant,
}

/// Whether mail is taken in, and how each mailbox fares. Without addresses: it is shown to everybody.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// What is missing, a sentence each; empty: nothing.
    pub missing: Vec<String>,
    pub mailboxes: Vec<MailboxView>,
}

impl Board {
    /// A board of watchers that begin now.
    #[must_use]
    pub fn new(desk: Desk, mailboxes: Vec<(String, watch::Receiver<Health>)>) -> Self {
        let now = Instant::now();
        let watched = |(name, health)| Watched { name, health, answered: Mutex::new(Answered { wall: None, at: now, looked: now }) };
        let mailboxes = mailboxes.into_iter().map(watched).collect();
        Self(Arc::new(Parts { desk, mailboxes, counted: tokio::sync::Mutex::new(None), refusals: Refusals::default() }))
    }

    /// Where it is written what was read anew and not taken.
    pub(crate) fn refusals(&self) -> Refusals {
        self.0.refusals.clone()
    }

    /// How the mailboxes fare, for decisions.
    #[must_use]
    pub fn facts(&self) -> Vec<MailboxFacts> {
        let now = self.0.desk.clock().now();
        self.0.mailboxes.iter().map(|watched| watched.facts(now)).collect()
    }

    /// A receiver for each mailbox, to wait for what changes.
    #[must_use]
    pub fn receivers(&self) -> Vec<watch::Receiver<Health>> {
        self.0.mailboxes.iter().map(|watched| watched.health.clone()).collect()
    }

    /// What `/readyz` tells.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mailboxes = self.mailboxes();
        let missing = self.0.mailboxes.iter().zip(&mailboxes).filter_map(|(watched, view)| {
            let why = watched.missing().or(view.silent.then_some("has been silent for longer than it may"))?;
            Some(format!("mailbox {}: {why}", watched.name))
        });
        Readiness { missing: missing.collect(), mailboxes }
    }

    /// What `guichet status` tells.
    ///
    /// # Errors
    /// The store's.
    pub async fn status(&self) -> Result<StatusView, StoreFault> {
        let stored = status_of(&self.0.desk).await?;
        let (missing, warnings) = (self.readiness().missing, self.0.refusals.sentences());
        Ok(StatusView { running: true, missing, mailboxes: self.mailboxes(), warnings, ..stored })
    }

    /// Writes the figures that are not written as things happen into the metrics.
    pub async fn show_figures(&self) {
        for mailbox in self.mailboxes() {
            let name = mailbox.name.clone();
            let show = |figure: &'static str, value: f64| metrics::gauge!(figure, "mailbox" => name.clone()).set(value);
            show("guichet_mailbox_connected", f64::from(u8::from(mailbox.connected)));
            show("guichet_mailbox_silent", f64::from(u8::from(mailbox.silent)));
            show("guichet_mailbox_lag_seconds", of_count(mailbox.lag_seconds));
            show("guichet_mailbox_backlog", of_count(mailbox.backlog));
            if let Some(at) = mailbox.last_success.as_deref().and_then(|at| at.parse::<Timestamp>().ok()) {
                show("guichet_mailbox_last_success_timestamp_seconds", at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64());
            }
        }
        match self.counts().await {
            Ok(counts) => {
                metrics::gauge!("guichet_quarantine_waiting").set(of_count(counts.quarantine_waiting));
                metrics::gauge!("guichet_outbox_waiting").set(of_count(counts.outbox_waiting));
                metrics::counter!("guichet_undeliverable_total").absolute(counts.undeliverable);
            }
            Err(fault) => tracing::error!(%fault, "failed to count what waits"),
        }
    }

    fn mailboxes(&self) -> Vec<MailboxView> {
        let now = self.0.desk.clock().now();
        let policy = self.0.desk.policy();
        let view = |watched: &Watched| watched.view(ops::is_silent(&watched.facts(now), &policy), now);
        self.0.mailboxes.iter().map(view).collect()
    }

    async fn counts(&self) -> Result<Counts, StoreFault> {
        let mut counted = self.0.counted.lock().await;
        if let Some((at, counts)) = *counted
            && at.elapsed() < COUNTS_AGE_MAX
        {
            return Ok(counts);
        }
        let counts = self.0.desk.store().counts().await?;
        *counted = Some((Instant::now(), counts));
        drop(counted);
        Ok(counts)
    }
}

/// What a desk without a daemon tells.
///
/// # Errors
/// The store's.
pub async fn status_offline(desk: &Desk) -> Result<StatusView, StoreFault> {
    let mailbox = |mailbox: &crate::domain::policy::Mailbox| MailboxView { name: mailbox.name.clone(), ..MailboxView::default() };
    let mailboxes = desk.policy().mailboxes.iter().map(mailbox).collect();
    let missing = vec!["the daemon is not running".to_owned()];
    Ok(StatusView { running: false, missing, mailboxes, ..status_of(desk).await? })
}

/// What the store tells.
async fn status_of(desk: &Desk) -> Result<StatusView, StoreFault> {
    let counts = desk.store().counts().await?;
    let (policy, now) = (desk.policy(), desk.clock().now());
    let away = desk.store().away()?.into_iter().filter(|away| away.holds(now)).filter_map(|away| {
        let agent = policy.agent_by_handle(&away.agent)?.handle.clone();
        Some(AwayView { agent, since: away.since.to_string(), until: away.until.map(|at| at.to_string()) })
    });
    Ok(StatusView {
        away: away.collect(),
        quarantine_waiting: counts.quarantine_waiting,
        outbox_waiting: counts.outbox_waiting,
        undeliverable: counts.undeliverable,
        ..StatusView::default()
    })
}

impl Watched {
    fn facts(&self, now: Timestamp) -> MailboxFacts {
        let health = self.health.borrow();
        let last_answer = health.last_answer.max(health.last_success);
        let trouble = standing_fault(&health).map(|(kind, _)| match kind {
            FaultKind::Network => Trouble::Unreachable,
            FaultKind::SignIn => Trouble::SignIn,
            FaultKind::Protocol => Trouble::Protocol,
            FaultKind::Handover => Trouble::Handover,
        });
        MailboxFacts {
            name: self.name.clone(),
            connected: health.connected_since.is_some(),
            quiet: self.quiet(last_answer, now),
            last_answer,
            last_success: health.last_success,
            trouble,
            waited: health.waited as u64,
        }
    }

    /// Time since the last answer, on the clock that nobody sets.
    fn quiet(&self, last_answer: Option<Timestamp>, now: Timestamp) -> SignedDuration {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let here = Instant::now();
        if let Some(wall) = last_answer.filter(|wall| answered.wall != Some(*wall)) {
            // It came since the last look; the wall tells when, unless it was set meanwhile.
            let since_look = here.saturating_duration_since(answered.looked);
            let age = Duration::try_from(now.duration_since(wall)).unwrap_or_default().min(since_look);
            answered.wall = Some(wall);
            answered.at = here.checked_sub(age).unwrap_or(here);
        }
        answered.looked = here;
        SignedDuration::try_from(here.saturating_duration_since(answered.at)).unwrap_or(SignedDuration::MAX)
    }

    fn view(&self, silent: bool, now: Timestamp) -> MailboxView {
        let health = self.health.borrow();
        let connected = health.connected_since.is_some();
        // While it is not connected, a mail may have come right after its last answer.
        let unseen = if connected { None } else { health.last_answer };
        let behind_since = [health.oldest_seen, unseen].into_iter().flatten().min();
        let lag = behind_since.map_or(0, |since| now.duration_since(since).as_secs());
        let fault = health.last_fault.as_ref();
        MailboxView {
            name: self.name.clone(),
            connected,
            silent,
            last_success: health.last_success.map(|at| at.to_string()),
            lag_seconds: u64::try_from(lag).unwrap_or_default(),
            backlog: health.backlog as u64,
            last_fault: fault.map(|(kind, ..)| kind.word().to_owned()),
            last_fault_at: fault.map(|(.., at)| at.to_string()),
        }
    }

    /// What keeps mail from being taken in now, in words for everybody.
    fn missing(&self) -> Option<&'static str> {
        let health = self.health.borrow();
        match (standing_fault(&health), health.connected_since) {
            (Some((FaultKind::SignIn, _)), _) => Some("sign-in is refused"),
            (Some((FaultKind::Network, _)), None) => Some("the server cannot be reached"),
            (Some((FaultKind::Protocol, _)), None) => Some("the server answers what it should not"),
            (Some((FaultKind::Handover, _)), _) => Some("messages cannot be stored"),
            (None, None) if health.last_success.is_none() => Some("not connected yet"),
            // Looked through, and waiting for its next turn: others have the connections.
            (None, None) | (Some((FaultKind::Network | FaultKind::Protocol, _)) | None, Some(_)) => None,
        }
    }
}

/// The last fault, unless all went well after it.
fn standing_fault(health: &Health) -> Option<(FaultKind, Timestamp)> {
    let (kind, _, at) = health.last_fault.as_ref()?;
    health.last_success.is_none_or(|success| success < *at).then_some((*kind, *at))
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point; counts and seconds stay far below 2^52")]
const fn of_count(count: u64) -> f64 {
    count as f64
}

/// Says what each figure means, for whoever reads `/metrics`.
pub fn describe_metrics() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("guichet_mailbox_connected", "1 while the mailbox is signed in with its folder open");
    describe_gauge!("guichet_mailbox_silent", "1 once the mailbox has given no answer for silent_after");
    describe_gauge!("guichet_mailbox_last_success_timestamp_seconds", "when the mailbox was last looked through to its end");
    describe_gauge!(
        "guichet_mailbox_lag_seconds",
        "how far behind intake may be: time since the oldest message that is known and not settled was first seen; while not connected, at \
         least the time since the mailbox's last answer"
    );
    describe_gauge!("guichet_mailbox_backlog", "messages that are known and not yet on disk here and settled there");
    describe_counter!("guichet_mailbox_faults_total", "faults of a mailbox by kind: network, sign_in, protocol, handover");
    describe_gauge!("guichet_quarantine_waiting", "messages in quarantine that were not released");
    describe_counter!("guichet_quarantined_total", "messages that went to quarantine since the start, by reason");
    describe_gauge!("guichet_outbox_waiting", "outgoing mails and chat messages that are not sent yet");
    describe_counter!("guichet_verdicts_total", "messages whose sender was judged since the start, by verdict and by whose word");
    describe_counter!("guichet_reloads_total", "configurations read anew on SIGHUP since the start, by outcome: taken, refused");
    describe_counter!("guichet_customers_reloads_total", "changed files of customers since the start, by outcome: taken, refused");
    describe_gauge!("guichet_customers_rows", "rows of the customers' file in force");
    describe_gauge!("guichet_customers_refused", "1 while the customers' file on disk has faults and an earlier one is in force");
    describe_counter!(
        "guichet_lookups_total",
        "questions about customers to lookup_url since the start, by outcome: found, nobody, kept, failed, nonsense, left_alone, unknown_tier"
    );
    describe_counter!("guichet_outbox_attempts_total", "attempts to send since the start, by purpose and outcome");
    describe_counter!("guichet_undeliverable_total", "mails of tickets that could not be delivered for good, over all time");
    describe_counter!("guichet_ops_mail_undeliverable_total", "mails to ops that could not be delivered, since the start");
}

#[cfg(test)]
mod tests;
