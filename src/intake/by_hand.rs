//! What people order: to take a message out of quarantine, to send a mail again or not at all.

use super::{Desk, fingerprint_of, unfit, windows_of};
use crate::domain::address::EmailAddress;
use crate::domain::bounce::Mark;
use crate::domain::change::{Change, Context, Landing, Need};
use crate::domain::decide::{self, Further};
use crate::domain::message::{BlobRef, Inbound, Source};
use crate::domain::outbound::{Delivery, OutboxEntry, OutboxId};
use crate::domain::policy::Policy;
use crate::domain::threading;
use crate::store::{Outcome, StoreFault};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a mark is not lifted.
#[derive(Debug, thiserror::Error)]
pub enum LiftFault {
    #[error("nothing keeps automatic mail from that address")]
    NoSuch,
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why a message stays in quarantine.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseFault {
    #[error("there is no message {0} in quarantine")]
    NoSuch(u64),
    #[error("message {id} was released already, into #{ticket}")]
    Already { id: u64, ticket: u64 },
    /// The same mail came once more and found its place.
    #[error("message {id} is already elsewhere; there is nothing to release")]
    Elsewhere { id: u64 },
    #[error("nothing is kept of message {0} that could be released")]
    NothingKept(u64),
    #[error("message {0} still cannot be made part of a ticket; `guichet quarantine show {0} --raw` prints it")]
    Unreadable(u64),
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why a mail is not sent again.
#[derive(Debug, thiserror::Error)]
pub enum RetryFault {
    #[error("there is no outgoing mail {0}")]
    NoSuch(OutboxId),
    #[error("mail {0} was sent already")]
    Sent(OutboxId),
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why a mail is not dropped.
#[derive(Debug, thiserror::Error)]
pub enum DropFault {
    #[error("there is no outgoing mail {0}")]
    NoSuch(OutboxId),
    #[error("mail {id} does not wait any more: it is {how}")]
    Settled { id: OutboxId, how: &'static str },
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Desk {
    /// The octets of a quarantined message as they came; `None` if there is no such message or nothing of it is kept.
    ///
    /// # Errors
    /// The store's.
    pub async fn quarantined_raw(&self, id: u64) -> Result<Option<Vec<u8>>, StoreFault> {
        match self.0.store.quarantined(id)?.and_then(|quarantined| quarantined.raw) {
            Some(raw) => self.0.store.blob(raw.id).await,
            None => Ok(None),
        }
    }

    /// Decides about a quarantined message again, as good; on disk on return.
    ///
    /// # Errors
    /// Why it stays where it is.
    pub async fn release(&self, id: u64) -> Result<Landing, ReleaseFault> {
        let quarantined = self.0.store.quarantined(id)?.ok_or(ReleaseFault::NoSuch(id))?;
        self.unreleased(id)?;
        let raw = quarantined.raw.ok_or(ReleaseFault::NothingKept(id))?;
        let cut = self.0.store.origin(Landing::Quarantine { id })?.and_then(|origin| origin.cut);
        let inbound = self.read_again(id, quarantined.source, raw, cut).await?;
        let policy = self.policy();
        let turn = self.0.turn.lock().await;
        loop {
            let Some(change) = self.decide_release(&inbound, id, &policy)? else {
                self.unreleased(id)?;
                return Err(ReleaseFault::Elsewhere { id });
            };
            let (landing, windows) = (change.landing, windows_of(&change));
            let committed = self.0.store.commit(change).await.map_err(|fault| release_fault(id, fault))?;
            match committed.outcome {
                Outcome::Committed(_) => {
                    // The disk is waited for without the turn.
                    drop(turn);
                    self.wake();
                    committed.receipt.await?;
                    for window in windows {
                        self.0.bells.windows.hint(window);
                    }
                    tracing::info!(id, "released from quarantine");
                    return landing.ok_or(ReleaseFault::Unreadable(id));
                }
                // Asked here, too, so that a store that contradicts itself is not asked for ever.
                Outcome::Duplicate(_) => self.unreleased(id)?,
                Outcome::Stale => {}
            }
        }
    }

    fn unreleased(&self, id: u64) -> Result<(), ReleaseFault> {
        match self.0.store.released(id)? {
            Some(Landing::Ticket { number, .. }) => Err(ReleaseFault::Already { id, ticket: number.0 }),
            Some(Landing::Quarantine { .. }) | None => Ok(()),
        }
    }

    /// What the message says, read as if it had just come. Its parts are kept already, unless it was not read the first time.
    async fn read_again(&self, id: u64, source: Source, raw: BlobRef, cut: Option<u64>) -> Result<Inbound, ReleaseFault> {
        let octets = self.0.store.blob(raw.id).await?.ok_or(ReleaseFault::NothingKept(id))?;
        let unread = fingerprint_of(&[b"unreadable", &octets]);
        let Ok((octets, Some(parsed))) = self.parse(octets, cut).await else { return Err(ReleaseFault::Unreadable(id)) };
        let policy = self.policy();
        let (octets, judgement) = self.judge(&source, octets, &parsed, cut, &policy).await;
        let mut inbound = self.keep(source, octets, parsed, cut, (judgement, &policy)).await?;
        // Whoever releases it says that its sender is good, not that he is an agent (P8).
        inbound.forwarded = None;
        // Under the name by which it was set aside: that of its octets where the parser had given up on it.
        for fingerprint in [inbound.fingerprint, unread] {
            let need = Need { fingerprint: Some(fingerprint), ..Default::default() };
            if self.0.store.context(&need)?.seen == Some(Landing::Quarantine { id }) {
                inbound.fingerprint = fingerprint;
            }
        }
        Ok(inbound)
    }

    fn decide_release(&self, inbound: &Inbound, id: u64, policy: &Policy) -> Result<Option<Change>, ReleaseFault> {
        let window = |context: &Context| {
            let session = threading::place_released(inbound, context, policy).ticket().and_then(|t| t.session);
            Further { session, workload: policy.assigns(), ..Further::default() }
        };
        let context = self.facts(inbound, window)?;
        let inbound = &*super::compared(inbound, &context);
        let now = self.0.clock.now();
        let decided = catch_unwind(AssertUnwindSafe(|| decide::on_release(inbound, id, &context, policy, now)));
        decided.map_err(|_| ReleaseFault::Unreadable(id))
    }

    /// The marked addresses whose time is not over, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn marks(&self) -> Result<Vec<Mark>, StoreFault> {
        let (policy, now) = (self.policy(), self.0.clock.now());
        let mut marks = self.0.store.marks()?;
        marks.retain(|mark| policy.holds(mark, now));
        marks.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.address.cmp(&b.address)));
        Ok(marks)
    }

    /// Lets automatic mail go to an address again; on disk on return.
    ///
    /// # Errors
    /// It is not marked, or the store's.
    pub async fn lift(&self, address: &EmailAddress) -> Result<Mark, LiftFault> {
        let mut lifted = None;
        let decided = || {
            let mark = self.0.store.mark(address)?.ok_or(LiftFault::NoSuch)?;
            let ticket = self.0.store.ticket(mark.about.ticket)?;
            lifted = Some(mark);
            Ok::<_, LiftFault>(Some(decide::on_lifted(address, ticket.as_ref(), self.0.clock.now())))
        };
        self.carry_out_durably(decided).await?;
        tracing::info!("an address gets automatic mail again, by hand");
        lifted.ok_or(LiftFault::NoSuch)
    }

    /// Makes an outgoing mail due now, whether it waits or was given up; on disk on return.
    ///
    /// # Errors
    /// It was sent, there is none, or the store's.
    pub async fn retry(&self, id: OutboxId) -> Result<OutboxEntry, RetryFault> {
        let entry = self.0.store.outbox_entry(id)?.ok_or(RetryFault::NoSuch(id))?;
        if entry.delivery == Delivery::Sent {
            return Err(RetryFault::Sent(id));
        }
        self.0.store.mark_delivery(id, Delivery::Queued, self.0.clock.now()).await?.await?;
        tracing::info!(%id, "due now, by hand");
        self.0.bells.outbox.notify_one();
        self.0.store.outbox_entry(id)?.ok_or(RetryFault::NoSuch(id))
    }

    /// Takes a mail that waits out of the outbox, for good; on disk on return.
    ///
    /// # Errors
    /// It does not wait, there is none, or the store's.
    pub async fn drop_outgoing(&self, id: OutboxId) -> Result<OutboxEntry, DropFault> {
        let decided = || {
            let entry = self.0.store.outbox_entry(id)?.ok_or(DropFault::NoSuch(id))?;
            if entry.delivery.is_final() {
                return Err(DropFault::Settled { id, how: entry.delivery.word() });
            }
            let ticket = self.0.store.ticket(id.ticket)?;
            if ticket.is_none() && !id.is_desks() {
                return Err(DropFault::NoSuch(id));
            }
            Ok(Some(decide::on_dropped(ticket.as_ref(), &entry, self.0.clock.now())))
        };
        self.carry_out_durably(decided).await?;
        tracing::info!(%id, "dropped by hand");
        self.0.store.outbox_entry(id)?.ok_or(DropFault::NoSuch(id))
    }
}

fn release_fault(id: u64, fault: StoreFault) -> ReleaseFault {
    if unfit(&fault).is_some() { ReleaseFault::Unreadable(id) } else { ReleaseFault::Store(fault) }
}
