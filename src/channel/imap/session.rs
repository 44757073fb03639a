//! One connection: sign in, open the folder, take in what is there, wait for more.

use super::answer::{Answer, Code};
use super::commands::{Reply, Wire, folder_name};
use super::connect::{self, Abilities};
use super::fetch::{self, PLAN_MAX, Task};
use super::slots::Slot;
use super::{Ended, Fault, GRACE, Mailbox, settle};
use crate::channel::{FaultKind, Handover};
use crate::config::settings::After;
use jiff::SignedDuration;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// A server may sign us out after 30 minutes, and a client should begin IDLE anew after 29 (RFC 2177); less a margin.
const IDLE_MAX: Duration = Duration::from_mins(28);
/// A folder of so few messages is looked through whole at each turn.
const SMALL_FOLDER: u32 = 1_000;
/// A larger one is, beside what is new, now and then: servers have been seen to forget a notice.
const LOOK_WHOLE_EVERY: Duration = Duration::from_mins(15);
/// A receipt usually comes within one flush of the disk; IDLE is not begun only to be ended by it.
const RECEIPTS_BEFORE_IDLE: Duration = Duration::from_millis(200);

/// Landed messages that are settled together while there is more to fetch.
const SETTLE_TOGETHER: usize = 256;
/// A mailbox that gave way to another is looked at again after its own time, but after so long at most: nothing calls it.
const TURN_EVERY_MAX: Duration = Duration::from_mins(1);

/// What made the waiting end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// There may be something to take in or to settle.
    Round,
    /// It is time to ask the server.
    Look,
    /// Another mailbox waits for this one's place.
    GiveWay,
    Stop,
}

/// Runs until the stop is asked for, or until another mailbox wants the place; otherwise it ends with a fault.
pub(super) async fn run<H: Handover>(mailbox: &mut Mailbox<H>, slot: &Slot) -> Result<Ended, Fault> {
    let stop = mailbox.around.stop.clone();
    let limit = mailbox.around.limits.message_octets_max;
    // Sizes are claims, and some servers only estimate them: what is asked for may be larger than it was said to be.
    let literal_octets_max = limit.saturating_mul(2).saturating_add(1 << 20);
    let Mailbox { account, keys, .. } = &mut *mailbox;
    let opening = connect::open(account, keys, literal_octets_max);
    let (wire, can) = tokio::select! {
        opened = opening => opened?,
        () = stop.cancelled() => return Ok(Ended::Stop),
    };
    watch_folder(mailbox, slot, wire, can).await
}

/// The same, on a connection that is signed in.
pub(super) async fn watch_folder<H: Handover>(
    mailbox: &mut Mailbox<H>,
    slot: &Slot,
    mut wire: Wire,
    mut can: Abilities,
) -> Result<Ended, Fault> {
    let mut keywords = select(&mut wire, &mailbox.account.folder).await? && !mailbox.no_keywords;
    let by_cursor = match mailbox.account.after {
        After::Keep => true,
        After::Flag => !keywords,
        After::Move(_) | After::Delete => false,
    };
    let mut cursor = if by_cursor { mailbox.handover.cursor(&mailbox.name).await } else { None };
    if is_put_back(&wire, mailbox.ledger.uid_validity(), mailbox.ledger.highest()) {
        tracing::warn!(mailbox = mailbox.name, "the folder was put back to an earlier state: all of it is looked at anew");
        // What is on its way has UIDs that mean other messages now.
        while let Some(settled) = mailbox.lane.settled().await {
            mailbox.note(settled);
        }
        mailbox.ledger.put_back();
    }
    if cursor.is_some_and(|(validity, uid)| is_put_back(&wire, validity, uid)) {
        cursor = None;
    }
    mailbox.ledger.opened(wire.folder.uid_validity, by_cursor, cursor);
    mailbox.large.opened(wire.folder.uid_validity, mailbox.ledger.floor());
    let now = mailbox.around.clock.now();
    mailbox.health.send_modify(|health| {
        health.connected_since = Some(now);
        health.last_answer = Some(now);
        health.waited = 0;
    });
    tracing::info!(mailbox = mailbox.name, messages = wire.folder.exists, idle = can.idle, moves = can.moves, "folder open");

    let now = Instant::now();
    let mut session = Session {
        mailbox,
        slot,
        settle_not_before: None,
        settle_failures: 0,
        looked_whole: now,
        look_at: now,
        published: false,
        marked_found: false,
    };
    session.look_again_later();
    loop {
        if !session.take_in(&mut wire, &mut can, &mut keywords).await? {
            return session.give_way(&mut wire, &mut can, &mut keywords, Duration::ZERO).await;
        }
        match session.wait(&mut wire, &mut can).await? {
            Woken::Round => {}
            Woken::Look => session.refresh(&mut wire, can).await?,
            Woken::GiveWay => {
                let again_after = session.mailbox.account.poll_every.min(TURN_EVERY_MAX);
                return session.give_way(&mut wire, &mut can, &mut keywords, again_after).await;
            }
            Woken::Stop => {
                session.finish(&mut wire, &mut can, &mut keywords).await?;
                return Ok(Ended::Stop);
            }
        }
    }
}

struct Session<'a, H: Handover> {
    mailbox: &'a mut Mailbox<H>,
    slot: &'a Slot,
    settle_not_before: Option<Instant>,
    settle_failures: u32,
    looked_whole: Instant,
    /// When the server is asked, even if it says nothing.
    look_at: Instant,
    /// The backlog of this connection is known.
    published: bool,
    /// What an earlier process had marked was looked for.
    marked_found: bool,
}

impl<H: Handover> Session<'_, H> {
    /// Looks, fetches and settles until nothing is left that can be done now; false: its turn was over before that.
    async fn take_in(&mut self, wire: &mut Wire, can: &mut Abilities, keywords: &mut bool) -> Result<bool, Fault> {
        let stop = self.mailbox.around.stop.clone();
        let message_octets_max = self.mailbox.around.limits.message_octets_max;
        loop {
            // An empty folder is looked at, too: what was known of it is gone.
            if wire.folder.exists > wire.folder.seen || wire.folder.exists == 0 {
                fetch::look(wire, &mut self.mailbox.ledger, &self.mailbox.account.after, *keywords).await?;
            }
            // After the look, which finds what comes before them, and before anything is settled: the ledger's floor rises by it.
            if *keywords && !std::mem::replace(&mut self.marked_found, true) {
                settle::find_marked(wire, &self.mailbox.account.after, &mut self.mailbox.ledger).await?;
            }
            self.mailbox.note_all();
            let now = Instant::now();
            if self.mailbox.fetch_not_before.is_some_and(|until| until <= now) {
                self.mailbox.fetch_not_before = None;
            }
            let may_fetch = self.mailbox.fetch_not_before.is_none() && !stop.is_cancelled();
            let wishes = if may_fetch { self.mailbox.ledger.wishes(now, PLAN_MAX) } else { Vec::new() };
            if wishes.is_empty() || self.mailbox.landed >= SETTLE_TOGETHER {
                self.settle(wire, can, keywords).await?;
            }
            self.publish();
            let is_due = may_fetch && self.mailbox.large.may_go_on(&mut self.mailbox.lane);
            if (is_due || !wishes.is_empty()) && self.slot.is_over() {
                return Ok(false);
            }
            let mut went_on = false;
            if !wishes.is_empty() {
                let Mailbox { ledger, asked, .. } = &mut *self.mailbox;
                fetch::measure(wire, ledger, &wishes, asked).await?;
                let wishes = ledger.wishes(now, PLAN_MAX);
                went_on = fetch::next_batch(wire, &wishes, self.task(message_octets_max)).await?;
            }
            // P3: between two pieces of a large message, what is small has its turn.
            if may_fetch && self.mailbox.large.may_go_on(&mut self.mailbox.lane) {
                fetch::next_piece(wire, self.task(message_octets_max)).await?;
                went_on = true;
            }
            if !went_on {
                break;
            }
        }
        let now = self.mailbox.around.clock.now();
        self.mailbox.went_well = true;
        self.mailbox.health.send_modify(|health| {
            health.last_success = Some(now);
            health.last_answer = Some(now);
        });
        Ok(true)
    }

    fn task(&mut self, message_octets_max: u64) -> Task<'_, H> {
        let Mailbox { name, lane, ledger, large, asked, around, .. } = &mut *self.mailbox;
        Task { mailbox: name, message_octets_max, lane, ledger, large, spool: &around.spool, asked }
    }

    /// Settles what has landed. A refusal is tried again later; the rest goes on.
    async fn settle(&mut self, wire: &mut Wire, can: &mut Abilities, keywords: &mut bool) -> Result<(), Fault> {
        let now = Instant::now();
        if self.settle_not_before.is_some_and(|until| until > now) {
            return Ok(());
        }
        self.mailbox.landed = 0;
        self.settle_not_before = None;
        let had_keywords = *keywords;
        let outcome =
            settle::settle(wire, can, keywords, &self.mailbox.account.after, &self.mailbox.around.fault_plan, &mut self.mailbox.ledger)
                .await;
        if had_keywords && !*keywords {
            self.mailbox.no_keywords = true;
            if self.mailbox.account.after == After::Flag {
                self.mailbox.ledger.goes_by_cursor();
            }
        }
        match outcome {
            Ok(0) => {}
            Ok(count) => {
                self.settle_failures = 0;
                tracing::info!(mailbox = self.mailbox.name, count, "settled");
            }
            Err(fault @ Fault::Refused { .. }) => {
                self.settle_failures += 1;
                self.settle_not_before = Some(now + self.mailbox.pace.settle.after(self.settle_failures));
                tracing::warn!(mailbox = self.mailbox.name, %fault, "settling was refused");
                let at = self.mailbox.around.clock.now();
                let name = &self.mailbox.name;
                self.mailbox.health.send_modify(|health| health.fail(name, FaultKind::Protocol, fault.to_string(), at));
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Waits for news of the folder, for something of our own to do, or for the time of the next look.
    async fn wait(&mut self, wire: &mut Wire, can: &mut Abilities) -> Result<Woken, Fault> {
        let stop = self.mailbox.around.stop.clone();
        if stop.is_cancelled() {
            return Ok(Woken::Stop);
        }
        if self.mailbox.lane.on_the_way() > 0 {
            let settled = tokio::select! {
                settled = timeout(RECEIPTS_BEFORE_IDLE, self.mailbox.lane.settled()) => settled.ok().flatten(),
                () = stop.cancelled() => return Ok(Woken::Stop),
            };
            if let Some(settled) = settled {
                self.mailbox.note(settled);
                return Ok(Woken::Round);
            }
        }
        let message_due = self.mailbox.ledger.next_due().max(self.mailbox.fetch_not_before);
        let until = [message_due, self.settle_not_before].into_iter().flatten().fold(self.look_at, Instant::min);
        let woken = if !can.idle {
            self.sleep(until).await
        } else if until <= Instant::now() {
            Woken::Round
        } else {
            match self.idle(wire, until).await {
                // RFC 2177 lets a server refuse: then it is polled.
                Err(fault @ Fault::Refused { .. }) => {
                    tracing::warn!(mailbox = self.mailbox.name, %fault, "IDLE was refused: polling");
                    can.idle = false;
                    Woken::Round
                }
                other => other?,
            }
        };
        Ok(if woken == Woken::Round && self.look_at <= Instant::now() { Woken::Look } else { woken })
    }

    async fn sleep(&mut self, until: Instant) -> Woken {
        let stop = self.mailbox.around.stop.clone();
        tokio::select! {
            () = stop.cancelled() => return Woken::Stop,
            () = self.slot.wanted() => return Woken::GiveWay,
            () = sleep_until(until) => {}
            Some(settled) = self.mailbox.lane.settled() => self.mailbox.note(settled),
        }
        Woken::Round
    }

    /// IDLE by hand (RFC 2177): from `+` on the server speaks when it likes, and DONE ends it.
    async fn idle(&mut self, wire: &mut Wire, until: Instant) -> Result<Woken, Fault> {
        let stop = self.mailbox.around.stop.clone();
        let tag = wire.send("IDLE").await?;
        loop {
            match wire.next(&tag).await? {
                Reply::Continue(_) => break,
                Reply::Data(_) => {}
                // Neither begun nor refused: as good as refused, or it would be asked on and on.
                Reply::Done => return Err(Fault::Refused { bad: false, code: Code::None, text: "IDLE ended at once".into() }),
            }
        }
        let mut woken = Woken::Round;
        while wire.folder.exists <= wire.folder.seen {
            tokio::select! {
                answer = wire.listen() => {
                    if matches!(answer?, Answer::Tagged { .. }) {
                        return Err(Fault::Protocol("the server ended IDLE by itself".into()));
                    }
                }
                Some(settled) = self.mailbox.lane.settled() => {
                    self.mailbox.note(settled);
                    break;
                }
                () = sleep_until(until) => break,
                () = self.slot.wanted() => {
                    woken = Woken::GiveWay;
                    break;
                }
                () = stop.cancelled() => {
                    woken = Woken::Stop;
                    break;
                }
            }
        }
        wire.send_line("DONE").await?;
        while !matches!(wire.next(&tag).await?, Reply::Done) {}
        Ok(woken)
    }

    /// Asks the server for the state of the folder where nothing tells us that it is fresh.
    async fn refresh(&mut self, wire: &mut Wire, can: Abilities) -> Result<(), Fault> {
        self.look_again_later();
        if wire.folder.exists > wire.folder.seen {
            return Ok(());
        }
        if can.idle {
            wire.run("NOOP", |_| {}).await?;
        } else {
            // Some servers without IDLE tell of new mail only at SELECT.
            select(wire, &self.mailbox.account.folder).await?;
            if is_put_back(wire, self.mailbox.ledger.uid_validity(), self.mailbox.ledger.highest()) {
                return Err(Fault::Protocol("the folder was put back to an earlier state".into()));
            }
        }
        let now = Instant::now();
        if wire.folder.exists <= SMALL_FOLDER || now.saturating_duration_since(self.looked_whole) >= LOOK_WHOLE_EVERY {
            wire.folder.seen = 0;
            self.looked_whole = now;
        }
        Ok(())
    }

    /// Leaves in order, and soon: what cannot be settled now is settled in the next turn.
    async fn give_way(&mut self, wire: &mut Wire, can: &mut Abilities, keywords: &mut bool, again_after: Duration) -> Result<Ended, Fault> {
        // It has gone as well as it could: the next turn is no attempt after a fault.
        self.mailbox.went_well = true;
        let leave = async {
            self.finish(wire, can, keywords).await?;
            // Until the server has closed it, it counts the connection among those that it allows.
            while wire.listen().await.is_ok() {}
            Ok::<(), Fault>(())
        };
        if let Ok(left) = timeout(GRACE, leave).await {
            left?;
        }
        Ok(Ended::Turn { again_after })
    }

    /// Waits for what is on its way, settles it and signs out; the supervisor sets the limit.
    async fn finish(&mut self, wire: &mut Wire, can: &mut Abilities, keywords: &mut bool) -> Result<(), Fault> {
        while let Some(settled) = self.mailbox.lane.settled().await {
            self.mailbox.note(settled);
        }
        self.settle_not_before = None;
        self.settle(wire, can, keywords).await?;
        // The server says BYE, which is a fault anywhere else.
        let _ = wire.run("LOGOUT", |_| {}).await;
        Ok(())
    }

    fn look_again_later(&mut self) {
        self.look_at = Instant::now() + self.mailbox.account.poll_every.min(IDLE_MAX);
    }

    fn publish(&mut self) {
        let backlog = self.mailbox.ledger.backlog();
        let now = self.mailbox.around.clock.now();
        let age = self.mailbox.ledger.oldest_seen().and_then(|seen| SignedDuration::try_from(seen.elapsed()).ok());
        let first = !std::mem::replace(&mut self.published, true);
        self.mailbox.health.send_if_modified(|health| {
            let changed = health.backlog != backlog;
            health.backlog = backlog;
            health.oldest_seen = age.map(|age| now.saturating_sub(age).unwrap_or(now));
            health.last_answer = Some(now);
            if first {
                health.waited = backlog;
            }
            changed
        });
    }
}

/// Opens the folder; true if keywords of our own can be kept in it.
pub(super) async fn select(wire: &mut Wire, folder: &str) -> Result<bool, Fault> {
    wire.folder.exists = 0;
    wire.folder.seen = 0;
    wire.folder.uid_next = None;
    // RFC 9051 section 7.1: without PERMANENTFLAGS all flags can be set for good, but none can be made.
    let (mut in_use, mut for_good) = (false, None);
    wire.run(&format!("SELECT {}", folder_name(folder)), |answer| {
        if let Answer::Flags { permanent, flags } = answer {
            let ours = flags.iter().any(|flag| flag == "\\*" || flag.eq_ignore_ascii_case("$guichet"));
            if permanent { for_good = Some(ours) } else { in_use = ours }
        }
    })
    .await?;
    if wire.folder.uid_validity == 0 {
        return Err(Fault::Protocol("the folder has no UIDVALIDITY".into()));
    }
    Ok(for_good.unwrap_or(in_use))
}

/// Whether a folder that had a message `highest` under `validity` gives out that UID once more. RFC 9051 section 2.3.1.1
/// forbids it; it is what putting back a backup does on servers that keep UIDVALIDITY in it.
fn is_put_back(wire: &Wire, validity: u32, highest: u32) -> bool {
    validity == wire.folder.uid_validity && wire.folder.uid_next.is_some_and(|next| next <= highest)
}
