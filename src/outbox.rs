//! The outbox worker: what a commit decided to say is carried out here, at least once (P5).
//!
//! What it promises, failure by failure:
//! - An attempt is written down, with the time of the next, before the network is touched: a crash costs one delay and
//!   never starts a storm.
//! - A second attempt is the same mail: its Message-ID was fixed by the decision.
//! - A fault of the way there (relay down, password wrong) is nobody's bounce: the mail waits.
//! - A refusal for good, or three days without success, ends the attempts; the ticket's people are told.
//! - A hint may be lost: the worker also wakes by the clock, and what it does depends only on what is stored.

use crate::channel::chat::hub::Hub;
use crate::channel::smtp::{Envelope, SmtpRelay};
use crate::channel::{Attempt, maildir};
use crate::domain::message::SpanKind;
use crate::domain::outbound::{OutboxEntry, OutboxId, Piece, Route};
use crate::fault_plan::Place;
use crate::intake::Desk;
use crate::mail::compose::{Composed, compose};
use crate::mail::token::Signer;
use crate::store::{Advice, Settled, StoreFault};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Delays between attempts; the last goes on until [`GIVE_UP_AFTER`].
const DELAYS_S: [i64; 8] = [5, 15, 60, 300, 900, 3600, 7200, 14_400];
/// How long delivery is tried, as RFC 5321 section 4.5.4.1 advises at least four to five days for relays; a help desk's
/// people want to hear sooner.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(72);
const GIVE_UP_ATTEMPTS_MIN: u32 = 10;
/// A suspended machine or a stepped clock costs at most this.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// How long an open chat window may take to say that it has shown an answer.
const WINDOW_PATIENCE: Duration = Duration::from_secs(10);
/// Entries taken at once.
const CLAIM_MAX: usize = 64;

/// Where outgoing mail goes.
pub enum Relay {
    Smtp(SmtpRelay),
    Maildir(PathBuf),
}

/// What the worker works with.
pub struct Outbox {
    pub desk: Desk,
    pub signer: Signer,
    pub relay: Relay,
    pub hub: Hub,
    /// How long one attempt may take at most: after a crash during it, the entry is due again that much later.
    pub attempt_limit: Duration,
    pub bell: Arc<Notify>,
}

/// What is being carried out.
struct UnderWay {
    parallel: Arc<Semaphore>,
    tasks: TaskTracker,
    /// An attempt may outlast its lease, waiting for a connection of the relay: what is due again then must not be sent a
    /// second time beside it.
    ids: Arc<Mutex<HashSet<OutboxId>>>,
}

impl UnderWay {
    fn new() -> Self {
        Self { parallel: Arc::new(Semaphore::new(CLAIM_MAX)), tasks: TaskTracker::new(), ids: Arc::default() }
    }

    /// `None` if this entry is being carried out already.
    fn begin(&self, id: OutboxId) -> Option<Begun> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(id).then(|| Begun { id, ids: self.ids.clone() })
    }
}

/// One attempt; its end, by a panic too, is its being dropped.
struct Begun {
    id: OutboxId,
    ids: Arc<Mutex<HashSet<OutboxId>>>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Outbox {
    /// Works until told to stop; then finishes the attempts that are under way.
    pub async fn run(self, stop: CancellationToken) {
        let under_way = UnderWay::new();
        let outbox = Arc::new(self);
        while !stop.is_cancelled() {
            let rest = match outbox.round(&under_way, &stop).await {
                Ok(rest) => rest,
                Err(fault) => {
                    tracing::error!(%fault, "failed to read the outbox");
                    SLEEP_MAX
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = outbox.bell.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
        under_way.tasks.close();
        under_way.tasks.wait().await;
    }

    /// Starts all that is due, unless told to stop; says how long there is nothing more to do.
    async fn round(self: &Arc<Self>, under_way: &UnderWay, stop: &CancellationToken) -> Result<Duration, StoreFault> {
        let store = self.desk.store();
        let lease = SignedDuration::try_from(self.attempt_limit).unwrap_or(SignedDuration::from_mins(5));
        while !stop.is_cancelled() {
            // Full means wait: what is not claimed loses no attempt.
            let free = under_way.parallel.available_permits();
            if free == 0 {
                tokio::select! {
                    () = stop.cancelled() => break,
                    permit = under_way.parallel.acquire() => drop(permit),
                }
                continue;
            }
            let due = store.claim_outbox(self.desk.clock().now(), lease, free).await?;
            if due.is_empty() {
                let next = store.next_outbox()?;
                return Ok(until(next, self.desk.clock().now()));
            }
            for entry in due {
                let Some(begun) = under_way.begin(entry.outbound.id) else { continue };
                let Ok(permit) = under_way.parallel.clone().acquire_owned().await else { return Ok(SLEEP_MAX) };
                let outbox = self.clone();
                under_way.tasks.spawn(async move {
                    outbox.attempt(entry).await;
                    drop((begun, permit));
                    outbox.bell.notify_one();
                });
            }
        }
        Ok(SLEEP_MAX)
    }

    async fn attempt(&self, entry: OutboxEntry) {
        let plan = self.desk.store().fault_plan();
        if plan.reach(Place::AfterClaim).is_err() {
            return;
        }
        let id = entry.outbound.id;
        let purpose = entry.outbound.purpose.word();
        let attempts = entry.attempts;
        // A panic over one mail is a failed attempt of that mail: it too comes to an end, and its people hear of it.
        let made = AssertUnwindSafe(self.carry(&entry)).catch_unwind().await;
        let made = made.unwrap_or_else(|_| Attempt::Retry { why: "writing or sending it panicked".to_owned(), of_route: false });
        let now = self.desk.clock().now();
        let settled = verdict(&entry, made, now);
        match &settled {
            Settled::Sent => tracing::info!(%id, purpose, attempts, "sent"),
            Settled::ByMail => tracing::info!(%id, purpose, "the chat window is closed: by mail"),
            Settled::Retry { at, .. } => tracing::warn!(%id, purpose, attempts, next = %at, "put off"),
            Settled::Uncertain { at, .. } => tracing::warn!(%id, purpose, attempts, next = %at, "may have been sent"),
            Settled::Failed { .. } => tracing::error!(%id, purpose, attempts, "given up"),
        }
        metrics::counter!("guichet_outbox_attempts_total", "purpose" => purpose, "outcome" => word(&settled)).increment(1);
        let failed = match &settled {
            Settled::Failed { why } => Some(why.clone()),
            Settled::Sent | Settled::ByMail | Settled::Retry { .. } | Settled::Uncertain { .. } => None,
        };
        // Told first: after a crash in between it is told twice, and not never.
        if let Some(why) = failed
            && let Err(fault) = self.desk.undelivered(&entry, &why).await
        {
            tracing::error!(%id, %fault, "failed to tell of an undeliverable mail");
            if fault.advice() != Advice::GiveUp {
                // It is tried, and told of, again when its lease ends.
                return;
            }
        }
        // Not waited for: should a crash undo it, the mail goes out once more under the same Message-ID.
        if let Err(fault) = self.desk.store().settle_outbox(id, settled, now).await {
            // It is due again when its lease ends, with the same Message-ID.
            tracing::error!(%id, %fault, "failed to write down what came of an attempt");
        }
        let _ = plan.reach(Place::AfterSent);
    }

    async fn carry(&self, entry: &OutboxEntry) -> Attempt {
        match &entry.outbound.route {
            Route::Chat { session, chat_seq, .. } => {
                if self.hub.deliver(*session, *chat_seq, WINDOW_PATIENCE).await {
                    Attempt::Done
                } else {
                    Attempt::Offline
                }
            }
            Route::Mail => match self.write_out(entry).await {
                Err(fault) => Attempt::Retry { why: fault.to_string(), of_route: false },
                Ok(None) => Attempt::GiveUp { why: "it has no recipient".to_owned() },
                Ok(Some(mail)) => {
                    let made = self.send(mail).await;
                    match self.desk.store().fault_plan().reach(Place::AfterContent) {
                        Ok(()) => made,
                        Err(fault) => Attempt::Uncertain { why: fault.to_string() },
                    }
                }
            },
        }
    }

    async fn send(&self, mail: Composed) -> Attempt {
        match &self.relay {
            Relay::Smtp(relay) => {
                let Composed { envelope_from: from, envelope_from_else: from_else, envelope_to: to, octets, .. } = mail;
                let envelope = Envelope { from, to, from_else };
                let made = relay.send(&envelope, &octets).await;
                match made {
                    // Some providers refuse only once they have all of it; from the plain address they may take it.
                    Attempt::GiveUp { .. } if envelope.from != envelope.from_else => {
                        let plain = Envelope { from: envelope.from_else, from_else: None, to: envelope.to };
                        relay.send(&plain, &octets).await
                    }
                    made @ (Attempt::Done
                    | Attempt::Offline
                    | Attempt::GiveUp { .. }
                    | Attempt::Retry { .. }
                    | Attempt::Uncertain { .. }) => made,
                }
            }
            Relay::Maildir(folder) => {
                let folder = folder.clone();
                let now = self.desk.clock().now();
                match tokio::task::spawn_blocking(move || maildir::deliver(&folder, now, &mail.octets)).await {
                    Ok(Ok(_)) => Attempt::Done,
                    Ok(Err(fault)) => Attempt::Retry { why: format!("failed to write to the outgoing Maildir: {fault}"), of_route: true },
                    Err(_) => Attempt::Retry { why: "the writer of the outgoing Maildir ended".to_owned(), of_route: true },
                }
            }
        }
    }

    /// The mail in full: its named texts and attachments are read from the store.
    async fn write_out(&self, entry: &OutboxEntry) -> Result<Option<Composed>, StoreFault> {
        let outbound = &entry.outbound;
        let store = self.desk.store();
        let mut text = String::new();
        for piece in &outbound.body {
            match piece {
                Piece::Text(written) => text.push_str(written),
                Piece::NewTextOf(seq) => {
                    let message = store.message(outbound.id.ticket, *seq)?.ok_or_else(|| missing("message"))?;
                    text.push_str(message.body.of(SpanKind::New).trim());
                }
                Piece::QuotedTextOf(seq) => {
                    let message = store.message(outbound.id.ticket, *seq)?.ok_or_else(|| missing("message"))?;
                    for line in message.body.text.trim().lines() {
                        text.push_str("> ");
                        text.push_str(line);
                        text.push('\n');
                    }
                }
            }
        }
        let mut attachments = Vec::with_capacity(outbound.attachments.len());
        for attachment in &outbound.attachments {
            let content = store.blob(attachment.blob.id).await?.ok_or_else(|| missing("attachment"))?;
            attachments.push((attachment.clone(), content));
        }
        Ok(compose(outbound, &self.signer, &text, &attachments).ok())
    }
}

/// A mail without a part of it is another mail: better late, and told of, than that.
fn missing(kind: &'static str) -> StoreFault {
    StoreFault::Damaged { kind, detail: "an outgoing mail names it, but it is not there".to_owned() }
}

/// For the metrics.
const fn word(settled: &Settled) -> &'static str {
    match settled {
        Settled::Sent => "sent",
        Settled::Retry { .. } => "retry",
        Settled::Uncertain { .. } => "uncertain",
        Settled::Failed { .. } => "failed",
        Settled::ByMail => "by_mail",
    }
}

/// What an attempt means for its entry.
fn verdict(entry: &OutboxEntry, made: Attempt, now: Timestamp) -> Settled {
    let delay = |attempts: u32| {
        let nth = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX).min(DELAYS_S.len() - 1);
        now.checked_add(SignedDuration::from_secs(DELAYS_S[nth])).unwrap_or(Timestamp::MAX)
    };
    // Both: a clock that jumps ahead must not end what was hardly tried.
    let too_long = now.duration_since(entry.outbound.created) > GIVE_UP_AFTER && entry.attempts >= GIVE_UP_ATTEMPTS_MIN;
    match made {
        Attempt::Done => Settled::Sent,
        Attempt::Offline => match &entry.outbound.route {
            Route::Chat { else_mail: true, .. } => Settled::ByMail,
            // It is in the session: the visitor sees it when he comes back.
            Route::Chat { else_mail: false, .. } | Route::Mail => Settled::Sent,
        },
        Attempt::GiveUp { why } => Settled::Failed { why },
        Attempt::Retry { why, .. } | Attempt::Uncertain { why } if too_long => {
            Settled::Failed { why: format!("tried for {} hours: {why}", GIVE_UP_AFTER.as_hours()) }
        }
        Attempt::Retry { why, of_route } => {
            Settled::Retry { at: delay(if of_route { entry.attempts.min(4) } else { entry.attempts }), why }
        }
        Attempt::Uncertain { why } => Settled::Uncertain { at: delay(entry.attempts.max(2)), why },
    }
}

fn until(next: Option<Timestamp>, now: Timestamp) -> Duration {
    next.map_or(SLEEP_MAX, |next| Duration::try_from(next.duration_since(now)).unwrap_or_default().min(SLEEP_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::{Contact, EmailAddress};
    use crate::domain::message::{SessionId, TicketNumber};
    use crate::domain::outbound::{Audience, Delivery, Outbound, Purpose};

    fn entry(route: Route, attempts: u32) -> OutboxEntry {
        let address = EmailAddress::parse("a@b.example").unwrap();
        OutboxEntry {
            outbound: Outbound {
                id: OutboxId { ticket: TicketNumber(1), n: 1 },
                purpose: Purpose::Answer,
                route,
                audience: Audience::Customer,
                from: address.clone(),
                from_name: String::new(),
                to: Some(Contact { name: String::new(), address }),
                shown_to: Vec::new(),
                subject: String::new(),
                in_reply_to: None,
                references: Vec::new(),
                body: Vec::new(),
                attachments: Vec::new(),
                automatic: None,
                created: Timestamp::UNIX_EPOCH,
            },
            delivery: Delivery::Queued,
            attempts,
            next_attempt: None,
            last_error: None,
        }
    }

    #[test]
    fn p5_an_attempt_that_outlasts_its_lease_is_not_begun_again_beside_itself() {
        let under_way = UnderWay::new();
        let id = OutboxId { ticket: TicketNumber(1), n: 1 };
        let first = under_way.begin(id);
        assert!(first.is_some() && under_way.begin(id).is_none(), "due again, and still under way");
        assert!(under_way.begin(OutboxId { n: 2, ..id }).is_some(), "another");
        drop(first);
        assert!(under_way.begin(id).is_some(), "it has ended, by a panic too");
    }

    #[test]
    fn p5_each_outcome_has_its_consequence() {
        let why = || "x".to_owned();
        let at = |s: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(s);
        let window = |else_mail| Route::Chat { session: SessionId([0; 16]), chat_seq: 1, else_mail };
        for (route, attempts, made, now, expect, reason) in [
            (Route::Mail, 1, Attempt::Done, 0, Settled::Sent, "taken"),
            (Route::Mail, 1, Attempt::Retry { why: why(), of_route: false }, 0, Settled::Retry { at: at(5), why: why() }, "soon at first"),
            (
                Route::Mail,
                9,
                Attempt::Retry { why: why(), of_route: false },
                0,
                Settled::Retry { at: at(14_400), why: why() },
                "seldom later",
            ),
            (
                Route::Mail,
                99,
                Attempt::Retry { why: why(), of_route: true },
                0,
                Settled::Retry { at: at(300), why: why() },
                "a relay comes back for all",
            ),
            (
                Route::Mail,
                1,
                Attempt::Uncertain { why: why() },
                0,
                Settled::Uncertain { at: at(15), why: why() },
                "again, with the same id",
            ),
            (Route::Mail, 1, Attempt::GiveUp { why: why() }, 0, Settled::Failed { why: why() }, "refused for good"),
            (window(true), 1, Attempt::Offline, 0, Settled::ByMail, "the window is closed, the address known"),
            (window(false), 1, Attempt::Offline, 0, Settled::Sent, "it waits in the session"),
            (
                Route::Mail,
                30,
                Attempt::Retry { why: why(), of_route: true },
                73 * 3600,
                Settled::Failed { why: "tried for 72 hours: x".to_owned() },
                "an end to it",
            ),
        ] {
            assert_eq!(verdict(&entry(route, attempts), made, at(now)), expect, "{reason}");
        }
    }
}
