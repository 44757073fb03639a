//! What the store knows of sending: how far an entry is, and what an attempt makes of it.

use crate::domain::outbound::{Delivery, Outbound, OutboxEntry, OutboxId, Route};
use jiff::{SignedDuration, Timestamp};

/// Most octets that are kept of what an attempt met.
const ERROR_OCTETS_MAX: usize = 500;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Sent,
    /// Not now; due again at `at`.
    Retry {
        at: Timestamp,
        why: String,
    },
    /// It may have been taken; due again at `at`, with the same Message-ID.
    Uncertain {
        at: Timestamp,
        why: String,
    },
    /// Given up.
    Failed {
        why: String,
    },
    /// A chat delivery that found nobody and goes by mail instead, at once.
    ByMail,
}

/// How far an entry is, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempts {
    pub delivery: Delivery,
    /// Attempts begun, the running one included.
    pub attempts: u32,
    /// `None` once the delivery is final.
    pub next_attempt: Option<Timestamp>,
    pub last_error: Option<String>,
    /// A chat delivery that has turned to mail.
    pub by_mail: bool,
}

/// One line of a ticket's deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryState {
    pub id: OutboxId,
    pub attempts: Attempts,
}

/// Which entries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxFilter {
    /// Not final, in the order in which they are due.
    Waiting,
    /// Failed or bounced, by id.
    GivenUp,
    /// All, by id.
    Any,
}

impl OutboxFilter {
    pub(super) const fn takes(self, delivery: Delivery) -> bool {
        match self {
            Self::Waiting => !delivery.is_final(),
            Self::GivenUp => matches!(delivery, Delivery::Failed | Delivery::Bounced),
            Self::Any => true,
        }
    }
}

impl Attempts {
    /// Of an entry that was just decided: due at once.
    pub(super) fn first(outbound: &Outbound) -> Self {
        Self { delivery: Delivery::Queued, attempts: 0, next_attempt: Some(outbound.created), last_error: None, by_mail: false }
    }

    /// An attempt begins. Recorded before the network is touched, so that a crash costs one delay and never a storm.
    pub(super) fn begin(&mut self, now: Timestamp, lease: SignedDuration) {
        self.attempts = self.attempts.saturating_add(1);
        self.next_attempt = Some(now.saturating_add(lease).unwrap_or(Timestamp::MAX));
    }

    /// An attempt has ended.
    pub(super) fn settle(&mut self, verdict: Settled, now: Timestamp) {
        let (delivery, next_attempt, why) = match verdict {
            Settled::Sent => (Delivery::Sent, None, None),
            Settled::Retry { at, why } => (Delivery::Deferred, Some(at), Some(why)),
            Settled::Uncertain { at, why } => (Delivery::Uncertain, Some(at), Some(why)),
            Settled::Failed { why } => (Delivery::Failed, None, Some(why)),
            Settled::ByMail => {
                self.by_mail = true;
                (Delivery::Queued, Some(now), None)
            }
        };
        self.delivery = delivery;
        self.next_attempt = next_attempt;
        self.last_error = why.map(cut);
    }

    /// Somebody decided that it is not to be sent.
    pub(super) fn give_up(&mut self, why: String) {
        self.delivery = Delivery::Failed;
        self.next_attempt = None;
        self.last_error = Some(cut(why));
    }

    /// Somebody else says how it stands: a bounce, or ops. Not final means: try again at once.
    pub(super) fn mark(&mut self, delivery: Delivery, now: Timestamp) {
        self.delivery = delivery;
        self.next_attempt = (!delivery.is_final()).then_some(now);
    }

    pub(super) fn entry(self, mut outbound: Outbound) -> OutboxEntry {
        if self.by_mail {
            outbound.route = Route::Mail;
        }
        OutboxEntry {
            outbound,
            delivery: self.delivery,
            attempts: self.attempts,
            next_attempt: self.next_attempt,
            last_error: self.last_error,
        }
    }
}

fn cut(mut why: String) -> String {
    while why.len() > ERROR_OCTETS_MAX {
        why.pop();
    }
    why
}
