//! The spine: a received message becomes a committed decision.
//!
//! ```text
//! Received ─ parse ─ keep ─► Inbound ─ context ─ decide ─ commit ─► Receipt ─ (channel settles)
//! ```
//! [`Desk::prepare`] parses, asks about the sender where that is wanted, and puts the octets on disk; many run side by side. [`Desk::accept`] takes one turn at a time:
//! facts, decision, commit. The commit is visible to the next turn at once and on disk when the receipt says so, so that
//! many messages share one sync and none is settled before it (P1).

mod by_hand;
mod customer;
pub(crate) mod inbound;
mod sender;
mod whole;

pub use by_hand::{DropFault, LiftFault, ReleaseFault, RetryFault};
pub use whole::{WholeFault, is_cut};

use self::inbound::Read;

use crate::channel::chat::hub::Hub;
use crate::channel::dns::Resolver;
use crate::channel::look_up::LookUp;
use crate::channel::{Handover, HandoverFault, Receipt, Received};
use crate::clock::Clock;
use crate::domain::address::EmailAddress;
use crate::domain::change::{Change, Context, Landing, Quarantined};
use crate::domain::decide::{self, Further};
use crate::domain::message::{Arrival, BlobId, BlobRef, Body, Bound, Channel, Fingerprint, Inbound, SessionId, Source};
use crate::domain::ops::{self, DESK_REPORT, DeskState, OpsFacts};
use crate::domain::outbound::{OutboxEntry, Route};
use crate::domain::policy::Policy;
use crate::domain::ticket::Ticket;
use crate::domain::verdict::Judgement;
use crate::fault_plan::Place;
use crate::mail::forwarded;
use crate::mail::normalise::{NormaliseLimits, Parsed, normalise, normalise_start};
use crate::mail::token::Signer;
use crate::mail::visible;
use crate::store::{self, Outcome, Store, StoreFault, TicketFilter};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, Notify, watch};

/// Mails of up to so many octets are parsed where they are: a thread's wake-up costs as much.
const PARSED_IN_PLACE_OCTETS_MAX: usize = 128 * 1024;

/// The one writer that turns messages into committed decisions. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Parts>);

struct Parts {
    store: Store,
    policy: watch::Receiver<Arc<Policy>>,
    signer: Signer,
    clock: Clock,
    limits: NormaliseLimits,
    /// Held from reading the facts to the commit. Not for safety, which the versions in the change give, but for order and so
    /// that no turn is done twice. Fair: messages are decided in the order in which their channels hand them over.
    turn: Mutex<()>,
    bells: Bells,
    /// Whom to ask about senders, where a mailbox wants them checked.
    resolver: OnceLock<Resolver>,
    /// Whom to ask about customers, where the configuration names somebody.
    look_up: OnceLock<LookUp>,
}

/// Hints to the workers that there may be work. One that is lost costs them a period, no more.
#[derive(Clone, Default)]
pub struct Bells {
    pub outbox: Arc<Notify>,
    pub sla: Arc<Notify>,
    /// The open chat windows: an answer appears in them at once, however busy the outbox is with a slow relay.
    pub windows: Hub,
}

/// A message whose octets are on disk, about which nothing was decided.
pub enum Prepared {
    Inbound(Box<Inbound>),
    /// The parser gave up on it: kept whole (P3).
    Unreadable {
        source: Source,
        fingerprint: Fingerprint,
        raw: BlobRef,
        cut: Option<u64>,
    },
}

/// Whether a message that is imported is told of, as one that arrives is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notices {
    Sent,
    None,
}

/// What became of a message that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    pub landing: Landing,
    /// It was there before: nothing was done.
    pub already: bool,
}

/// Resolves once an imported message is on disk.
pub type ImportReceipt = BoxFuture<'static, Result<Imported, HandoverFault>>;

impl Desk {
    #[must_use]
    pub fn new(
        store: Store,
        policy: watch::Receiver<Arc<Policy>>,
        signer: Signer,
        clock: Clock,
        limits: NormaliseLimits,
        bells: Bells,
    ) -> Self {
        Self(Arc::new(Parts {
            store,
            policy,
            signer,
            clock,
            limits,
            turn: Mutex::new(()),
            bells,
            resolver: OnceLock::new(),
            look_up: OnceLock::new(),
        }))
    }

    /// Names whom to ask about senders; without it those whom only the DNS knows stay unknown. Only the first counts.
    pub fn ask_about_senders(&self, resolver: Resolver) {
        let _ = self.0.resolver.set(resolver);
    }

    /// The store behind the desk.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The rules in force now.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.borrow().clone()
    }

    /// The rules, to wait for a change of them.
    #[must_use]
    pub fn policies(&self) -> watch::Receiver<Arc<Policy>> {
        self.0.policy.clone()
    }

    /// The time that the desk goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Parses a mail and puts what it consists of on disk.
    ///
    /// # Errors
    /// The store's, when it cannot keep the octets.
    pub async fn prepare(&self, received: Received) -> Result<Prepared, HandoverFault> {
        self.reach(Place::AfterFetch)?;
        let Received { source, raw, cut, landed_to, .. } = received;
        let (raw, parsed) = self.parse(raw, cut).await?;
        if let Some(parsed) = parsed {
            let policy = self.policy();
            let (raw, judgement) = self.judge(&source, raw, &parsed, cut, &policy).await;
            let inbound = self.keep(source, raw, parsed, cut, (judgement, &policy)).await?;
            let inbound = self.looked_up(inbound, &policy).await;
            return Ok(Prepared::Inbound(Box::new(Inbound { landed_to, ..inbound })));
        }
        tracing::error!(mailbox = source.mailbox(), octets = raw.len(), "the parser panicked: the mail goes to quarantine");
        let fingerprint = fingerprint_of(&[b"unreadable", &raw]);
        let kept = self.0.store.keep(vec![raw]).await?;
        let raw = kept.into_iter().next().ok_or_else(|| HandoverFault::Store("kept nothing".to_owned()))?;
        Ok(Prepared::Unreadable { source, fingerprint, raw, cut })
    }

    /// Reads a mail, or the start of one that has `cut` octets, and gives its octets back; `None` if the parser panicked, which ends
    /// nothing else.
    async fn parse(&self, raw: Vec<u8>, cut: Option<u64>) -> Result<(Vec<u8>, Option<Parsed>), HandoverFault> {
        let parse = move |desk: &Self, raw: &[u8]| catch_unwind(AssertUnwindSafe(|| desk.read(raw, cut))).ok();
        if raw.len() <= PARSED_IN_PLACE_OCTETS_MAX {
            let parsed = parse(self, &raw);
            return Ok((raw, parsed));
        }
        // Pure work of several milliseconds holds up no socket.
        let desk = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let parsed = parse(&desk, &raw);
            (raw, parsed)
        });
        work.await.map_err(|_| HandoverFault::Stopping)
    }

    /// Parses a mail, or the start of one that has `cut` octets.
    fn read(&self, raw: &[u8], cut: Option<u64>) -> Parsed {
        let limits = &self.0.limits;
        let mut parsed = cut.map_or_else(|| normalise(raw, limits), |whole| normalise_start(raw, whole, limits));
        // Nobody else's forwards mean anything: they are not looked for.
        if parsed.from.as_ref().is_some_and(|from| self.0.policy.borrow().agent(&from.address).is_some()) {
            parsed.forwarded = forwarded::find(&parsed, limits).map(Box::new);
        }
        parsed
    }

    /// One turn: facts, decision, commit, wake.
    ///
    /// # Errors
    /// The store's. Nothing was committed then, and the message may be handed over again.
    pub async fn accept(&self, prepared: Prepared) -> Result<Receipt, HandoverFault> {
        let Taken { landing, receipt, windows, .. } = self.take(prepared, Notices::Sent).await?;
        let desk = self.clone();
        Ok(async move {
            receipt.await?;
            desk.reach(Place::AfterReceipt)?;
            for window in windows {
                desk.0.bells.windows.hint(window);
            }
            Ok(landing)
        }
        .boxed())
    }

    /// One turn for a message of the past, with or without telling anybody of it.
    ///
    /// # Errors
    /// As [`Desk::accept`].
    pub async fn import(&self, prepared: Prepared, notices: Notices) -> Result<ImportReceipt, HandoverFault> {
        let Taken { landing, receipt, already, .. } = self.take(prepared, notices).await?;
        Ok(async move {
            receipt.await?;
            Ok(Imported { landing, already })
        }
        .boxed())
    }

    /// For tests: fails here if that is planned.
    fn reach(&self, place: Place) -> Result<(), StoreFault> {
        self.0.store.fault_plan().reach(place).map_err(|fault| StoreFault::Io(fault.to_string()))
    }

    async fn take(&self, prepared: Prepared, notices: Notices) -> Result<Taken, HandoverFault> {
        self.reach(Place::AfterPrepare)?;
        let taken = match prepared {
            Prepared::Inbound(inbound) => match self.turn(&inbound, notices).await {
                Err(fault) => match (unfit(&fault), inbound.raw) {
                    // Handed over again it would meet the same fault, for ever (P3).
                    (Some(reason), Some(raw)) => self.set_aside(&inbound.source, inbound.fingerprint, raw, inbound.cut, reason).await,
                    (None, _) | (_, None) => Err(fault),
                },
                done => done,
            },
            Prepared::Unreadable { source, fingerprint, raw, cut } => self.set_aside(&source, fingerprint, raw, cut, "unreadable").await,
        };
        taken.map_err(HandoverFault::from)
    }

    async fn turn(&self, inbound: &Inbound, notices: Notices) -> Result<Taken, StoreFault> {
        let policy = self.policy();
        let _turn = self.0.turn.lock().await;
        loop {
            let (_, _, mut change) = self.decide(inbound, &policy)?;
            if notices == Notices::None {
                change = decide::without_notices(change, self.0.clock.now());
            }
            let landing = change.landing;
            let windows = windows_of(&change);
            let reason = change.quarantine.as_ref().map(|quarantined| quarantined.reason.clone());
            self.reach(Place::AfterDecide)?;
            let committed = self.0.store.commit(change).await?;
            let receipt = committed.receipt;
            match committed.outcome {
                Outcome::Committed(id) => {
                    self.wake();
                    if let Some(reason) = reason {
                        tell_of_quarantine(id, reason);
                    }
                    if inbound.judgement.is_judged() {
                        let Judgement { verdict, basis, .. } = &inbound.judgement;
                        metrics::counter!("guichet_verdicts_total", "verdict" => verdict.word(), "basis" => basis.word()).increment(1);
                    }
                    let landing = landing.or(id).unwrap_or(Landing::Quarantine { id: 0 });
                    return Ok(Taken { landing, already: false, receipt, windows });
                }
                Outcome::Duplicate(landing) => return Ok(Taken { landing, already: true, receipt, windows: Vec::new() }),
                Outcome::Stale => {}
            }
        }
    }

    /// What is decided about a message, on which facts, and the message with what of it is new.
    fn decide<'i>(&self, inbound: &'i Inbound, policy: &Policy) -> Result<(Cow<'i, Inbound>, Context, Change), StoreFault> {
        let now = self.0.clock.now();
        let context = self.facts(inbound, |context| decide::further(inbound, context, policy, now))?;
        let inbound = compared(inbound, &context);
        let change = catch_unwind(AssertUnwindSafe(|| decide::on_message(&inbound, &context, policy, now)))
            .map_err(|_| StoreFault::Unsound("deciding about it panicked"))?;
        Ok((inbound, context, change))
    }

    /// All that the decision may see. What shows only from what was read is read in a second step.
    fn facts(&self, inbound: &Inbound, further: impl FnOnce(&Context) -> Further) -> Result<Context, StoreFault> {
        let mut need = decide::need(inbound);
        let is_compared = inbound.channel == Channel::Mail && inbound.body.text.len() >= visible::COMPARED_OCTETS_MIN;
        let mut ids = inbound.in_reply_to.iter().chain(inbound.references.iter().rev()).filter(|_| is_compared);
        need.answered = ids.find_map(|id| self.0.signer.is_ours(id));
        let store = &self.0.store;
        decide::facts(need, further, |need| store.context(need), || store.workload())
    }

    async fn set_aside(
        &self,
        source: &Source,
        fingerprint: Fingerprint,
        raw: BlobRef,
        cut: Option<u64>,
        reason: &str,
    ) -> Result<Taken, StoreFault> {
        tracing::error!(mailbox = source.mailbox(), reason, "a message could not be made part of a ticket: it goes to quarantine");
        let at = self.0.clock.now();
        let change = Change {
            fingerprint: Some(fingerprint),
            arrival: Some(Arrival { source: source.clone(), at }),
            cut,
            quarantine: Some(Quarantined {
                at,
                source: source.clone(),
                raw: Some(raw),
                reason: reason.to_owned(),
                detail: "it could not be made part of a ticket".to_owned(),
            }),
            ..Change::default()
        };
        let committed = self.0.store.commit(change).await?;
        let (landing, already) = match committed.outcome {
            Outcome::Committed(landing) => {
                tell_of_quarantine(landing, reason.to_owned());
                (landing.unwrap_or(Landing::Quarantine { id: 0 }), false)
            }
            Outcome::Duplicate(landing) => (landing, true),
            Outcome::Stale => return Err(StoreFault::Unsound("a quarantine entry was stale")),
        };
        Ok(Taken { landing, already, receipt: committed.receipt, windows: Vec::new() })
    }

    /// Raw octets, attachments and a long text go to disk together, under one sync.
    async fn keep(
        &self,
        source: Source,
        raw: Vec<u8>,
        mut parsed: Parsed,
        cut: Option<u64>,
        judged: (Judgement, &Policy),
    ) -> Result<Inbound, StoreFault> {
        let parts = inbound::parts(raw, &mut parsed);
        let kept = self.0.store.keep(parts).await?;
        Ok(self.assemble(source, parsed, kept, cut, judged))
    }

    /// Each address that a copy of a mail was sent to, as far as its header knows.
    pub(crate) fn addressed(&self, raw: &[u8]) -> Vec<EmailAddress> {
        self.read(raw, None).addressed
    }

    /// What would be decided about a mail now; nothing is kept or committed.
    ///
    /// # Errors
    /// The store's.
    pub async fn consider(&self, received: Received) -> Result<(Inbound, Context, Change), StoreFault> {
        let policy = self.policy();
        let mut parsed = self.read(&received.raw, received.cut);
        let (raw, judgement) = self.judge(&received.source, received.raw, &parsed, received.cut, &policy).await;
        let named = inbound::parts(raw, &mut parsed)
            .iter()
            .map(|part| BlobRef { id: BlobId(*blake3::hash(part).as_bytes()), size: part.len() as u64 })
            .collect();
        let inbound = self.assemble(received.source, parsed, named, received.cut, (judgement, &policy));
        let inbound = self.looked_up(inbound, &policy).await;
        let (compared, context, change) = self.decide(&inbound, &policy)?;
        Ok((compared.into_owned(), context, change))
    }

    /// The parsed mail with its kept parts, and with what its tokens prove.
    fn assemble(
        &self,
        source: Source,
        parsed: Parsed,
        kept: Vec<BlobRef>,
        cut: Option<u64>,
        (judgement, policy): (Judgement, &Policy),
    ) -> Inbound {
        let read = Read { source, received_at: self.0.clock.now(), parsed, kept, cut, judgement };
        inbound::assemble(read, &self.0.signer, policy)
    }

    /// Takes in what a chat window said. See [`crate::window`].
    ///
    /// # Errors
    /// The store's.
    pub async fn accept_said(&self, inbound: Inbound) -> Result<Receipt, HandoverFault> {
        self.accept(Prepared::Inbound(Box::new(inbound))).await
    }

    /// Time has come for a ticket: decides and commits. Visible on return, on disk when the receipt says so; `None` if there was
    /// nothing to do after all.
    ///
    /// # Errors
    /// The store's.
    pub async fn time_came(&self, number: crate::domain::message::TicketNumber) -> Result<Option<store::Receipt>, StoreFault> {
        let policy = self.policy();
        let decided = || {
            let Some(ticket) = self.0.store.ticket(number)? else { return Ok(None) };
            let marks = ticket.requester.address.as_ref().map(|address| self.0.store.mark(address)).transpose()?.flatten();
            let away = self.0.store.away()?;
            Ok::<_, StoreFault>(decide::on_time(&ticket, marks.as_slice(), &away, &policy, self.0.clock.now()))
        };
        self.carry_out(decided).await
    }

    /// Other calendars are in force: looks at every ticket that is not closed, and says how many are due at another time now.
    ///
    /// # Errors
    /// The store's.
    pub async fn calendars_changed(&self) -> Result<usize, StoreFault> {
        let policy = self.policy();
        let (desk, in_force) = (self.clone(), policy.clone());
        // Each is looked at once, beside the sockets' threads and without a turn; mostly none has moved.
        let look = move || {
            let now = desk.0.clock.now();
            let moves = |ticket: &Ticket| decide::on_calendars(ticket, &in_force, now).is_some();
            let tickets = desk.0.store.tickets(TicketFilter::NotClosed).filter(|ticket| ticket.as_ref().map_or(true, moves));
            tickets.map(|ticket| Ok(ticket?.number)).collect::<Result<Vec<_>, StoreFault>>()
        };
        let numbers = tokio::task::spawn_blocking(look).await.map_err(|fault| StoreFault::Io(fault.to_string()))??;
        let (mut moved, mut last) = (0, None);
        for number in numbers {
            let decided = || {
                let Some(ticket) = self.0.store.ticket(number)? else { return Ok(None) };
                Ok::<_, StoreFault>(decide::on_calendars(&ticket, &policy, self.0.clock.now()))
            };
            let receipt = self.carry_out(decided).await?;
            moved += usize::from(receipt.is_some());
            last = receipt.or(last);
        }
        // What was committed before the last is on disk with it.
        if let Some(receipt) = last {
            receipt.await?;
        }
        Ok(moved)
    }

    /// One turn for what no message asks for: decides on what is stored, and again if that has changed meanwhile. The turn ends when
    /// it is visible; the disk is waited for without it, through the receipt. `None` if there was nothing to do.
    async fn carry_out<E: From<StoreFault>>(
        &self,
        mut decide: impl FnMut() -> Result<Option<Change>, E>,
    ) -> Result<Option<store::Receipt>, E> {
        let _turn = self.0.turn.lock().await;
        loop {
            let Some(change) = decide()? else { return Ok(None) };
            let committed = self.0.store.commit(change).await?;
            match committed.outcome {
                Outcome::Committed(_) => {
                    self.wake();
                    return Ok(Some(committed.receipt));
                }
                Outcome::Duplicate(_) | Outcome::Stale => {}
            }
        }
    }

    /// The same for whoever has nothing else to do: on disk on return; `false` if there was nothing to do.
    async fn carry_out_durably<E: From<StoreFault>>(&self, decide: impl FnMut() -> Result<Option<Change>, E>) -> Result<bool, E> {
        let Some(receipt) = self.carry_out(decide).await? else { return Ok(false) };
        receipt.await?;
        Ok(true)
    }

    /// Looks at the desk itself: decides what its ops are told, and commits it. Gives the state as it is then.
    ///
    /// # Errors
    /// The store's.
    pub async fn tell_ops(&self, facts: &OpsFacts) -> Result<DeskState, StoreFault> {
        let policy = self.policy();
        let mut told = Vec::new();
        let decided = || {
            let change = ops::on_tick(&self.0.store.desk_state()?, facts, &policy, self.0.clock.now());
            told = change.iter().flat_map(|change| &change.outbox).map(|outbound| (outbound.id, outbound.purpose.word())).collect();
            Ok::<_, StoreFault>(change)
        };
        self.carry_out_durably(decided).await?;
        for (id, purpose) in told {
            tracing::info!(%id, purpose, "ops are told");
        }
        self.0.store.desk_state()
    }

    /// A mail of a ticket could not be delivered for good.
    ///
    /// # Errors
    /// The store's.
    pub async fn undelivered(&self, entry: &OutboxEntry, why: &str) -> Result<(), StoreFault> {
        if entry.outbound.id.is_desks() {
            // A mail about it would go the same way: the log and the metrics have to do.
            tracing::error!(id = %entry.outbound.id, "a mail to ops could not be delivered: look at desk.ops and at `guichet outbox list --all`");
            metrics::counter!("guichet_ops_mail_undeliverable_total").increment(1);
            return Ok(());
        }
        let policy = self.policy();
        let decided = || {
            let Some(ticket) = self.0.store.ticket(entry.outbound.id.ticket)? else { return Ok(None) };
            let away = self.0.store.away()?;
            Ok::<_, StoreFault>(Some(decide::on_undelivered(&ticket, &entry.outbound, why, &away, &policy, self.0.clock.now())))
        };
        self.carry_out_durably(decided).await.map(|_| ())
    }

    fn wake(&self) {
        self.0.bells.outbox.notify_one();
        self.0.bells.sla.notify_one();
    }
}

impl Handover for Desk {
    type Prepared = Prepared;

    fn prepare(&self, received: Received) -> BoxFuture<'static, Result<Prepared, HandoverFault>> {
        let desk = self.clone();
        async move { Self::prepare(&desk, received).await }.boxed()
    }

    fn accept(&self, prepared: Prepared) -> BoxFuture<'static, Result<Receipt, HandoverFault>> {
        let desk = self.clone();
        async move { Self::accept(&desk, prepared).await }.boxed()
    }

    fn cursor(&self, mailbox: &str) -> BoxFuture<'static, Option<(u32, u32)>> {
        let cursor = self.0.store.cursor(mailbox).unwrap_or_else(|fault| {
            // Read as "from the beginning": that costs a second look at what is there, and loses nothing (P2).
            tracing::error!(%fault, "failed to read a mailbox's cursor");
            None
        });
        std::future::ready(cursor).boxed()
    }
}

/// What one turn made of a message.
struct Taken {
    landing: Landing,
    /// It was there before, and nothing was done.
    already: bool,
    receipt: store::Receipt,
    /// Those in which there is something to show once it is on disk.
    windows: Vec<SessionId>,
}

/// Ops count these, and look at one by its id.
fn tell_of_quarantine(landing: Option<Landing>, reason: String) {
    if let Some(Landing::Quarantine { id }) = landing {
        tracing::warn!(id, reason, "a message went to quarantine: `guichet quarantine show {id}`");
    }
    if reason == DESK_REPORT {
        metrics::counter!("guichet_ops_mail_undeliverable_total").increment(1);
    }
    metrics::counter!("guichet_quarantined_total", "reason" => reason).increment(1);
}

fn windows_of(change: &Change) -> Vec<SessionId> {
    let window = |route: &Route| match route {
        Route::Chat { session, .. } => Some(*session),
        Route::Mail => None,
    };
    change.outbox.iter().filter_map(|outbound| window(&outbound.route)).collect()
}

/// Why a message can never be taken in as it is, by the word of its quarantine; `None` for what may pass.
const fn unfit(fault: &StoreFault) -> Option<&'static str> {
    match fault {
        StoreFault::TooLarge { .. } => Some("too_large"),
        StoreFault::Unsound(_) => Some("undecided"),
        StoreFault::Io(_)
        | StoreFault::Failed(_)
        | StoreFault::Closed
        | StoreFault::Damaged { .. }
        | StoreFault::NewerRecord { .. }
        | StoreFault::MissingBlob(_)
        | StoreFault::NoSuchEntry(_) => None,
    }
}

/// The message, with what it repeats of the mail that it answers taken for quoted.
fn compared<'i>(inbound: &'i Inbound, context: &Context) -> Cow<'i, Inbound> {
    let Some(answered) = &context.answered else { return Cow::Borrowed(inbound) };
    let by_agent = inbound.claims.iter().any(|c| matches!(c.bound_to, Bound::Agent(_)));
    match visible::compared(&inbound.body, &[&answered.carried, &answered.own], by_agent) {
        Some(spans) => Cow::Owned(Inbound { body: Body { spans, ..inbound.body.clone() }, ..inbound.clone() }),
        None => Cow::Borrowed(inbound),
    }
}

/// A name for a content: each part counts with its length, so that no two lists of parts read the same.
#[must_use]
pub fn fingerprint_of(parts: &[&[u8]]) -> Fingerprint {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    hash.finalize_xof().fill(&mut short);
    Fingerprint(short)
}

impl From<StoreFault> for HandoverFault {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault.to_string())
    }
}
