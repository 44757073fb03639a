//! What happens to a ticket's status and clocks: one function an event, each returning its lines for the history.
//!
//! Each deed is a line in the log of the ticket's clocks (`domain::sla`), from which they follow. After every event [`keep_watch`] sees
//! to it that an active or solved ticket has a next time (P4).

use super::change::{Actor, History, line};
use super::policy::{Agent, Policy, Sla};
use super::sla::{self, Aim, Clock, ClockEvent, ClockKind, ClockState, Entry, Event, later};
use super::ticket::{Priority, SPAM_TAG, Status, Ticket};
use jiff::{SignedDuration, Timestamp};

/// The clocks by which an answer is owed.
const RESPONSES: [ClockKind; 2] = [ClockKind::FirstResponse, ClockKind::NextResponse];

/// A new ticket: its targets start.
pub fn opened(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    let (sla, why) = policy_of(ticket, policy);
    let mut lines = Vec::new();
    for (kind, target) in [(ClockKind::FirstResponse, sla.first_response), (ClockKind::Resolution, sla.resolution)] {
        if let Some(target) = target {
            lines.push(arm(ticket, kind, target, &sla, policy, now, &why));
        }
    }
    keep_watch(ticket, policy, now);
    lines
}

/// The customer was told by when he hears from a person: should that fail, he is told before the time is over.
pub fn promised_an_answer(ticket: &mut Ticket, policy: &Policy, now: Timestamp) {
    let sla = policy.sla_of(ticket);
    let (Some(part), Some(target)) = (sla.delay_notice_at, sla.first_response) else { return };
    let Some(calendar) = clock(ticket, ClockKind::FirstResponse).map(|c| c.calendar.clone()) else { return };
    let until = add(policy, &calendar, now, target.mul_f64(part));
    alarm(ticket, policy, ClockKind::Delay, until, 0, now);
}

/// The customer writes: whatever waited for him goes on, and an answer is owed again.
pub fn customer_wrote(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    let mut lines = Vec::new();
    let (sla, why) = policy_of(ticket, policy);
    // Only a person's deed takes a ticket out of New, whether in time or late.
    let answered_once = ticket.status != Status::New;
    match ticket.status {
        Status::New | Status::Open => {}
        Status::Pending { .. } | Status::Snoozed { .. } => {
            ticket.status = Status::Open;
            lines.push(line(now, Actor::Customer, "status open", "the customer wrote"));
            silence(ticket, &[ClockKind::Nudge, ClockKind::AutoClose, ClockKind::Snooze]);
            resume(ticket, policy, now, |_| true);
        }
        Status::Solved { .. } | Status::Closed { .. } => {
            lines.push(reopen(ticket, policy, now, Actor::Customer, "the customer wrote after it was solved"));
        }
    }
    let owed = ticket.clocks.iter().any(|c| RESPONSES.contains(&c.kind) && c.is_open());
    if answered_once
        && !owed
        && let Some(target) = sla.next_response
    {
        lines.push(arm(ticket, ClockKind::NextResponse, target, &sla, policy, now, &why));
    }
    keep_watch(ticket, policy, now);
    lines
}

/// A person answers in public. `at` is when he sent it: only that meets a response target, not when we read it.
pub fn agent_answered(ticket: &mut Ticket, agent: &Agent, policy: &Policy, at: Timestamp, now: Timestamp) -> Vec<History> {
    let by = || Actor::Agent(agent.handle.clone());
    let mut lines = meet_all(
        ticket,
        policy,
        &[ClockKind::FirstResponse, ClockKind::NextResponse, ClockKind::Update, ClockKind::Promise],
        at,
        now,
        &by(),
        "a person answered",
    );
    silence(ticket, &[ClockKind::Delay, ClockKind::Escalation]);
    if ticket.status == Status::New {
        ticket.status = Status::Open;
        lines.push(line(now, by(), "status open", "a person answered"));
    }
    if ticket.assignee.is_none() {
        ticket.assignee = Some(agent.handle.clone());
        lines.push(line(now, by(), format!("assignee {}", agent.handle), "answered first"));
    }
    let (sla, why) = policy_of(ticket, policy);
    if let Some(every) = sla.update_every.filter(|_| ticket.status.is_active()) {
        lines.push(arm(ticket, ClockKind::Update, every, &sla, policy, at, &why));
    }
    keep_watch(ticket, policy, now);
    lines
}

/// By how much the clocks of an agent's machine and of ours may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether the customer wrote again, and waits, after an agent sent his mail: whatever it says, it is not about that.
#[must_use]
pub fn is_overtaken(ticket: &Ticket, sent: Timestamp, now: Timestamp) -> bool {
    clock(ticket, ClockKind::NextResponse).is_some_and(|c| is_owed(ticket, c) && later(sent, SKEW) < c.armed && c.armed <= now)
}

/// Whether a target is still to be met, be it late.
fn is_owed(ticket: &Ticket, clock: &Clock) -> bool {
    let late = || ticket.log.iter().rev().find(|e| e.kind == clock.kind).is_some_and(|e| e.event == Event::Breached);
    clock.is_open() || (matches!(clock.state, ClockState::Breached { .. }) && late())
}

/// The matter is done; the customer may still come back until it closes by itself.
pub fn solve(ticket: &mut Ticket, policy: &Policy, at: Timestamp, now: Timestamp, by: Actor, why: &str) -> Vec<History> {
    let mut lines = end(ticket, policy, at, now, &by, "solved");
    ticket.status = Status::Solved { at: now };
    lines.push(line(now, by, "status solved", why));
    check_in(ticket, policy, 0, now);
    keep_watch(ticket, policy, now);
    lines
}

/// The end: no clock runs any more, but the customer may be asked later whether all is well.
pub fn close(ticket: &mut Ticket, policy: &Policy, now: Timestamp, by: Actor, why: &str) -> Vec<History> {
    let mut lines = end(ticket, policy, now, now, &by, why);
    ticket.status = Status::Closed { at: now };
    lines.push(line(now, by, "status closed", why));
    lines
}

/// Nothing more is owed: the matter is resolved. Only a person's answer meets a response; one that never came is not owed any more.
fn end(ticket: &mut Ticket, policy: &Policy, at: Timestamp, now: Timestamp, by: &Actor, why: &str) -> Vec<History> {
    let mut lines = meet_all(ticket, policy, &[ClockKind::Resolution, ClockKind::Promise], at, now, by, why);
    for kind in RESPONSES {
        if clock(ticket, kind).is_some_and(Clock::is_open) {
            lines.push(line(now, by.clone(), format!("{} cancelled", kind.word()), format!("{why} without an answer")));
        }
    }
    drop_all(ticket, policy, &[ClockKind::FirstResponse, ClockKind::NextResponse, ClockKind::Update], now);
    silence(ticket, &ALARMS);
    if ticket.tags.contains(SPAM_TAG) {
        silence(ticket, &[ClockKind::Checkin]);
    }
    lines
}

/// Alarms that belong to a ticket's present state; all but those of after its end.
const ALARMS: [ClockKind; 7] = [
    ClockKind::Snooze,
    ClockKind::AutoClose,
    ClockKind::Review,
    ClockKind::Escalation,
    ClockKind::Delay,
    ClockKind::Reminder,
    ClockKind::Nudge,
];

/// Back to work: a solution that did not hold has a new target.
pub fn reopen(ticket: &mut Ticket, policy: &Policy, now: Timestamp, by: Actor, why: &str) -> History {
    ticket.status = Status::Open;
    silence(ticket, &[ClockKind::AutoClose, ClockKind::Snooze, ClockKind::Nudge, ClockKind::Checkin]);
    resume(ticket, policy, now, |_| true);
    let (sla, policy_words) = policy_of(ticket, policy);
    let resolved = clock(ticket, ClockKind::Resolution).is_some_and(|c| !c.is_open());
    if resolved && let Some(target) = sla.resolution {
        arm(ticket, ClockKind::Resolution, target, &sla, policy, now, &policy_words);
    }
    keep_watch(ticket, policy, now);
    line(now, by, "status open", why)
}

/// What waits is not done: if it was, it has its targets again, and nobody is asked whether all is well.
fn take_up_again(ticket: &mut Ticket, policy: &Policy, now: Timestamp, by: &Actor) {
    if !ticket.status.is_active() {
        reopen(ticket, policy, now, by.clone(), "it waits again");
    }
}

/// While it waits, the clocks of what is to be done stand still, or all run.
fn wait(ticket: &mut Ticket, policy: &Policy, now: Timestamp, stands: bool) {
    if stands {
        pause(ticket, policy, now, |c| stands_still(c.kind) && c.due > now);
    } else {
        resume(ticket, policy, now, |_| true);
    }
}

/// Waits for the customer: the resolution's time stands still if the policy says so. A response that is owed stays owed.
pub fn pend(ticket: &mut Ticket, policy: &Policy, now: Timestamp, by: Actor) -> History {
    take_up_again(ticket, policy, now, &by);
    silence(ticket, &[ClockKind::AutoClose, ClockKind::Snooze, ClockKind::Nudge]);
    let stands = policy.sla_of(ticket).pauses_pending;
    wait(ticket, policy, now, stands);
    ticket.status = Status::Pending { since: now };
    ask_again(ticket, policy, now);
    keep_watch(ticket, policy, now);
    line(now, by, "status pending", "waits for the customer")
}

/// When the customer who is waited for is asked again, and when it closes without him.
fn ask_again(ticket: &mut Ticket, policy: &Policy, now: Timestamp) {
    if let Some(after) = policy.desk.nudge_after.filter(|_| ticket.requester.address.is_some()) {
        alarm(ticket, policy, ClockKind::Nudge, later(now, after), 0, now);
    }
    if let Some(after) = policy.desk.close_pending_after {
        alarm(ticket, policy, ClockKind::AutoClose, later(now, after), 0, now);
    }
}

/// Waits for a time.
pub fn snooze(ticket: &mut Ticket, policy: &Policy, until: Timestamp, now: Timestamp, by: Actor) -> History {
    take_up_again(ticket, policy, now, &by);
    silence(ticket, &[ClockKind::AutoClose, ClockKind::Snooze, ClockKind::Review, ClockKind::Nudge]);
    let stands = policy.sla_of(ticket).pauses_snoozed;
    wait(ticket, policy, now, stands);
    ticket.status = Status::Snoozed { until };
    alarm(ticket, policy, ClockKind::Snooze, until, 0, now);
    line(now, by, "status snoozed", format!("until {until}"))
}

/// A date that the customer was given is a clock as any other; its agent is reminded before it.
pub fn promise(ticket: &mut Ticket, policy: &Policy, due: Timestamp, now: Timestamp, by: Actor) -> History {
    let aim = Aim::At { until: due, calendar: policy.team_calendar(&ticket.team).to_owned() };
    log(ticket, policy, now, ClockKind::Promise, Event::Armed { aim, warn: 750, step: 0 });
    remind(ticket, policy, 0, now);
    keep_watch(ticket, policy, now);
    line(now, by, "promise", format!("due {due}"))
}

/// The next reminder of the promise, from this step of the ladder on, if it is open and there is one to come.
fn remind(ticket: &mut Ticket, policy: &Policy, from: usize, now: Timestamp) {
    silence(ticket, &[ClockKind::Reminder]);
    let Some(due) = clock(ticket, ClockKind::Promise).filter(|c| c.is_open()).map(|c| c.due) else { return };
    let steps = policy.desk.promise_reminders.iter().enumerate().skip(from);
    let mut next = steps.filter_map(|(step, before)| Some((step, due.checked_sub(*before).ok()?))).filter(|(_, at)| *at > now);
    if let Some((step, at)) = next.next() {
        alarm(ticket, policy, ClockKind::Reminder, at, step, now);
    }
}

/// The next question whether all is well.
fn check_in(ticket: &mut Ticket, policy: &Policy, step: usize, now: Timestamp) {
    let ladder = policy.tier_named(&ticket.tier).map(|t| t.checkin_after.as_slice()).unwrap_or_default();
    let Some(after) = ladder.get(step).filter(|_| ticket.requester.address.is_some()) else { return };
    let since = step.checked_sub(1).and_then(|before| ladder.get(before)).copied().unwrap_or(SignedDuration::ZERO);
    alarm(ticket, policy, ClockKind::Checkin, later(now, after.saturating_sub(since)), step, now);
}

/// Its matter goes on in another ticket: nothing runs here any more, and nothing is met.
pub fn suspend(ticket: &mut Ticket, policy: &Policy, now: Timestamp) {
    silence(ticket, &ALARMS);
    silence(ticket, &[ClockKind::Checkin]);
    pause(ticket, policy, now, |_| true);
}

/// It is taken up again as it was, with the time that its clocks had left.
pub fn take_up(ticket: &mut Ticket, was: Status, policy: &Policy, now: Timestamp) {
    ticket.status = match was {
        Status::Snoozed { until } if until <= now => Status::Open,
        Status::New | Status::Open | Status::Pending { .. } | Status::Snoozed { .. } | Status::Solved { .. } | Status::Closed { .. } => was,
    };
    let waits = matches!(ticket.status, Status::Pending { .. } | Status::Snoozed { .. });
    if ticket.status.is_active() {
        resume(ticket, policy, now, |kind| !waits || !stands_still(kind));
    }
    match ticket.status {
        Status::Snoozed { until } => alarm(ticket, policy, ClockKind::Snooze, until, 0, now),
        Status::Pending { .. } => ask_again(ticket, policy, now),
        Status::New | Status::Open | Status::Solved { .. } | Status::Closed { .. } => {}
    }
    remind(ticket, policy, 0, now);
    keep_watch(ticket, policy, now);
}

/// The clock by which an answer is owed to the customer; a broken target is owed still.
#[must_use]
pub fn response_owed(ticket: &Ticket) -> Option<&Clock> {
    let response = |c: &&Clock| RESPONSES.contains(&c.kind) && is_owed(ticket, c);
    ticket.clocks.iter().filter(response).min_by_key(|c| c.due).filter(|_| ticket.status.is_active())
}

/// An answer that is owed elsewhere is owed here, if none is owed sooner.
pub fn take_over(ticket: &mut Ticket, owed: Clock, policy: &Policy, now: Timestamp) -> Vec<History> {
    let mut lines = Vec::new();
    if !ticket.status.is_active() {
        lines.push(reopen(ticket, policy, now, Actor::Desk, "an answer is owed to what was merged into it"));
    }
    let own = response_owed(ticket).map(|c| (c.kind, c.due));
    if own.is_none_or(|(_, due)| owed.due < due) {
        let kind = own.map_or(ClockKind::NextResponse, |(kind, _)| kind);
        lines.push(line(now, Actor::Desk, format!("{} due {}", kind.word(), owed.due), "taken over from what was merged into it"));
        for entry in sla::log_of(&[Clock { kind, ..owed }]) {
            log(ticket, policy, entry.at, kind, entry.event);
        }
    }
    keep_watch(ticket, policy, now);
    lines
}

/// A promise that was given elsewhere is kept here, if none is due sooner, and the ladder of a late answer is climbed on here.
pub fn inherit(ticket: &mut Ticket, from: &Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    let sooner = |kind| {
        let own = clock(ticket, kind).filter(|c| c.is_open()).map(|c| c.due);
        clock(from, kind).filter(|c| c.is_open() && own.is_none_or(|own| c.due < own)).cloned()
    };
    let is_late = response_owed(from).is_some_and(|c| !c.is_open());
    let (promised, ladder) = (sooner(ClockKind::Promise), sooner(ClockKind::Escalation).filter(|_| is_late));
    if let Some(ladder) = ladder {
        alarm(ticket, policy, ClockKind::Escalation, ladder.due, ladder.step.into(), now);
    }
    let Some(promised) = promised else { return Vec::new() };
    let due = promised.due;
    for entry in sla::log_of(&[promised]) {
        log(ticket, policy, entry.at, entry.kind, entry.event);
    }
    remind(ticket, policy, 0, now);
    vec![line(now, Actor::Desk, format!("promise due {due}"), "taken over from what was merged into it")]
}

/// What [`take_over`] and [`inherit`] took goes back with the ticket that it came from; what it stood in the place of holds again.
pub fn give_back(ticket: &mut Ticket, from: &Ticket, policy: &Policy, now: Timestamp) {
    let lent: Vec<Clock> = response_owed(from).into_iter().chain(clock(from, ClockKind::Promise)).cloned().collect();
    for kind in [ClockKind::FirstResponse, ClockKind::NextResponse, ClockKind::Promise] {
        let is_lent = |c: &Clock| c.is_open() && lent.iter().any(|lent| (lent.armed, lent.due) == (c.armed, c.due));
        let begin = ticket.log.iter().rposition(|e| e.kind == kind && matches!(e.event, Event::Armed { .. }));
        let Some(begin) = begin.filter(|_| clock(ticket, kind).is_some_and(is_lent)) else { continue };
        let before = ticket.log.get(..begin).unwrap_or_default();
        let own = sla::derive(before, kind, &policy.calendars).filter(Clock::is_open);
        let own_begin = before.iter().rposition(|e| e.kind == kind && matches!(e.event, Event::Armed { .. }));
        let again: Vec<Entry> = before.iter().skip(own_begin.unwrap_or(begin)).filter(|e| e.kind == kind).cloned().collect();
        log(ticket, policy, now, kind, Event::Cancelled);
        if kind == ClockKind::Promise {
            silence(ticket, &[ClockKind::Reminder]);
        }
        if own.is_none() {
            continue;
        }
        for entry in again {
            log(ticket, policy, entry.at, kind, entry.event);
        }
        if kind == ClockKind::Promise {
            remind(ticket, policy, 0, now);
        }
    }
    keep_watch(ticket, policy, now);
}

/// Another priority, team or policy: the open targets are set anew from when they began.
pub fn retarget(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    let (sla, why) = policy_of(ticket, policy);
    let mut lines = Vec::new();
    for (kind, target) in [
        (ClockKind::FirstResponse, sla.first_response),
        (ClockKind::NextResponse, sla.next_response),
        (ClockKind::Resolution, sla.resolution),
        (ClockKind::Update, sla.update_every),
    ] {
        let Some(open) = clock(ticket, kind).filter(|c| c.is_open()).cloned() else {
            let is_new = clock(ticket, kind).is_none() && begins(ticket, kind);
            if let Some(target) = target.filter(|_| is_new) {
                // Where it has waited meanwhile, nobody knows how long that was.
                let from = if ticket.status == Status::New { ticket.opened } else { now };
                lines.push(arm(ticket, kind, target, &sla, policy, from, &why));
            }
            continue;
        };
        let Some(target) = target else {
            log(ticket, policy, now, kind, Event::Cancelled);
            lines.push(line(now, Actor::Desk, format!("{} cancelled", kind.word()), &why));
            continue;
        };
        let aim = Aim::Within { seconds: target.as_secs(), calendar: policy.calendar_name(&sla, &ticket.team).to_owned() };
        log(ticket, policy, open.armed.max(last_word(ticket, kind)), kind, Event::Retargeted { aim, warn: per_mille(sla.warn_at) });
        if let Some(set) = clock(ticket, kind) {
            lines.push(line(now, Actor::Desk, format!("{} due {}", kind.word(), set.due), format!("{why}, calendar {}", set.calendar)));
        }
    }
    keep_watch(ticket, policy, now);
    lines
}

/// Whether a target that no policy gave the ticket until now is owed all the same: the first response of one that nobody answered, the
/// resolution of one that is not done.
fn begins(ticket: &Ticket, kind: ClockKind) -> bool {
    match ticket.status {
        Status::New => matches!(kind, ClockKind::FirstResponse | ClockKind::Resolution),
        Status::Open => kind == ClockKind::Resolution,
        Status::Pending { .. } | Status::Snoozed { .. } | Status::Solved { .. } | Status::Closed { .. } => false,
    }
}

/// When the last thing happened to a clock.
fn last_word(ticket: &Ticket, kind: ClockKind) -> Timestamp {
    ticket.log.iter().rev().find(|e| e.kind == kind).map_or(Timestamp::MIN, |e| e.at)
}

/// Another priority, with its targets.
pub fn set_priority(ticket: &mut Ticket, priority: Priority, policy: &Policy, now: Timestamp, by: Actor) -> Vec<History> {
    ticket.priority = priority;
    let mut lines = vec![line(now, by, format!("priority {}", priority.word()), "ordered")];
    lines.extend(retarget(ticket, policy, now));
    lines
}

/// Other calendars are in force: the clocks follow from the same log. Lines for what is due at another time now.
pub fn derive_anew(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    let mut lines = Vec::new();
    for old in ticket.clocks.clone() {
        let new = sla::derive(&ticket.log, old.kind, &policy.calendars);
        if new.as_ref() == Some(&old) {
            continue;
        }
        if let Some(new) = &new
            && old.is_open()
            && new.due != old.due
        {
            let why = format!("the calendar {} has changed; it was due {}", new.calendar, old.due);
            lines.push(line(now, Actor::Desk, format!("{} due {}", new.kind.word(), new.due), &why));
        }
        set(ticket, old.kind, new);
    }
    lines
}

/// What time did to a clock, and whether its team had been warned before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub kind: ClockKind,
    pub event: ClockEvent,
    pub due: Timestamp,
    pub was_warned: bool,
    /// Which step of its ladder it was.
    pub step: u8,
}

/// Time passes: each clock that cares is moved, and what its end means for the ticket is done.
pub fn time_passed(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> (Vec<Passed>, Vec<History>) {
    let mut passed = Vec::new();
    let mut lines = Vec::new();
    let mut came: Vec<Clock> = ticket.clocks.iter().filter(|c| c.next_event().is_some_and(|at| at <= now)).cloned().collect();
    // We may have slept: in the order in which it was to happen, for the end of one clock may silence another.
    came.sort_by_key(Clock::next_event);
    for mut clock in came {
        let was_warned = matches!(clock.state, ClockState::Warned { .. });
        let is_silenced = !ticket.clocks.contains(&clock);
        let Some(event) = clock.advance(now).filter(|_| !is_silenced) else { continue };
        let Clock { kind, due, step, .. } = clock;
        passed.push(Passed { kind, event, due, was_warned, step });
        let what = match event {
            ClockEvent::Warned => format!("{} warned", kind.word()),
            ClockEvent::Elapsed if kind.is_target() => format!("{} breached", kind.word()),
            ClockEvent::Elapsed => format!("{} elapsed", kind.word()),
        };
        lines.push(line(now, Actor::Desk, &what, format!("due {due}")));
        match event {
            ClockEvent::Warned => log(ticket, policy, now, kind, Event::Warned),
            ClockEvent::Elapsed => {
                log(ticket, policy, due, kind, Event::Breached);
                lines.extend(elapsed(ticket, kind, due, usize::from(step), policy, now));
            }
        }
    }
    if ticket.is_closed() {
        passed.retain(|passed| passed.kind != ClockKind::Nudge);
    }
    keep_watch(ticket, policy, now);
    (passed, lines)
}

/// What the end of a clock means for its ticket.
fn elapsed(ticket: &mut Ticket, kind: ClockKind, due: Timestamp, step: usize, policy: &Policy, now: Timestamp) -> Vec<History> {
    if !kind.is_target() {
        silence(ticket, &[kind]);
    }
    match kind {
        ClockKind::Snooze => {
            ticket.status = Status::Open;
            resume(ticket, policy, due, |_| true);
            vec![line(now, Actor::Desk, "status open", "the snooze is over")]
        }
        ClockKind::AutoClose => {
            let why = if matches!(ticket.status, Status::Pending { .. }) { "its customer did not answer" } else { "solved long enough" };
            close(ticket, policy, now, Actor::Desk, why)
        }
        ClockKind::Escalation => {
            escalate(ticket, policy, due, step + 1, now);
            Vec::new()
        }
        ClockKind::Reminder => {
            remind(ticket, policy, step + 1, now);
            Vec::new()
        }
        ClockKind::Nudge => {
            let more = step + 1 < usize::from(policy.desk.nudges_max);
            if let Some(after) = policy.desk.nudge_after.filter(|_| more) {
                alarm(ticket, policy, ClockKind::Nudge, later(now, after), step + 1, now);
            }
            Vec::new()
        }
        ClockKind::Checkin => {
            check_in(ticket, policy, step + 1, now);
            Vec::new()
        }
        ClockKind::FirstResponse | ClockKind::NextResponse | ClockKind::Resolution | ClockKind::Update => {
            if clock(ticket, ClockKind::Escalation).is_none() {
                escalate(ticket, policy, due, 0, now);
            }
            Vec::new()
        }
        ClockKind::Promise => {
            silence(ticket, &[ClockKind::Reminder]);
            if clock(ticket, ClockKind::Escalation).is_none() {
                escalate(ticket, policy, due, 0, now);
            }
            Vec::new()
        }
        ClockKind::Review | ClockKind::Delay => Vec::new(),
    }
}

/// The next step of the ladder after a breach. `from` is the breach for the first, the step before for the others.
fn escalate(ticket: &mut Ticket, policy: &Policy, from: Timestamp, step: usize, now: Timestamp) {
    let ladder = policy.sla_of(ticket).escalate;
    let Some(next) = ladder.get(step) else { return };
    let before = step.checked_sub(1).and_then(|before| ladder.get(before)).map_or(SignedDuration::ZERO, |s| s.after);
    alarm(ticket, policy, ClockKind::Escalation, later(from, next.after.saturating_sub(before)), step, now);
}

/// A late answer is promised anew to the customer, who hears of it: when. `None` if nothing is owed, or a promise stands already.
pub fn delay(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Option<(Timestamp, History)> {
    let sla = policy.sla_of(ticket);
    // He was told a time: whether it is near, past already since we slept, or another was set since, he hears of it.
    let owed = clock(ticket, ClockKind::FirstResponse).filter(|c| is_owed(ticket, c))?.clone();
    if clock(ticket, ClockKind::Promise).is_some_and(Clock::is_open) {
        return None;
    }
    let due = add(policy, &owed.calendar, owed.due.max(now), sla.delay_by.or(sla.first_response)?);
    Some((due, promise(ticket, policy, due, now, Actor::Desk)))
}

/// P4: whatever is not closed has a next time. A solved ticket closes by itself; one that no clock would move is reviewed.
pub fn keep_watch(ticket: &mut Ticket, policy: &Policy, now: Timestamp) {
    match ticket.status {
        Status::Closed { .. } => {}
        Status::Solved { at } => {
            if clock(ticket, ClockKind::AutoClose).is_none() {
                alarm(ticket, policy, ClockKind::AutoClose, later(at, policy.desk.close_solved_after), 0, now);
            }
        }
        Status::New | Status::Open | Status::Pending { .. } | Status::Snoozed { .. } => {
            let moved = ticket.clocks.iter().any(|c| c.kind != ClockKind::Review && c.next_event().is_some());
            let reviewed = clock(ticket, ClockKind::Review).is_some();
            if moved && reviewed {
                silence(ticket, &[ClockKind::Review]);
            } else if !moved && !reviewed {
                alarm(ticket, policy, ClockKind::Review, later(now, policy.desk.review_after), 0, now);
            }
        }
    }
}

/// The targets of a ticket and the words for the history.
fn policy_of(ticket: &Ticket, policy: &Policy) -> (Sla, String) {
    let sla = policy.sla_of(ticket);
    let why = match &sla.name {
        Some(name) => format!("targets of policy '{name}' for tier {}, priority {}", ticket.tier, ticket.priority.word()),
        None => format!("targets of tier {}, priority {}", ticket.tier, ticket.priority.word()),
    };
    (sla, why)
}

fn arm(ticket: &mut Ticket, kind: ClockKind, target: SignedDuration, sla: &Sla, policy: &Policy, from: Timestamp, why: &str) -> History {
    let calendar = policy.calendar_name(sla, &ticket.team).to_owned();
    let aim = Aim::Within { seconds: target.as_secs(), calendar: calendar.clone() };
    log(ticket, policy, from, kind, Event::Armed { aim, warn: per_mille(sla.warn_at), step: 0 });
    let due = clock(ticket, kind).map_or(from, |c| c.due);
    line(from, Actor::Desk, format!("{} due {due}", kind.word()), format!("{why}, calendar {calendar}"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part is above 0 and below 1")]
fn per_mille(part: f64) -> u16 {
    (part * 1000.0).clamp(0.0, 1000.0) as u16
}

/// An alarm at a moment.
fn alarm(ticket: &mut Ticket, policy: &Policy, kind: ClockKind, until: Timestamp, step: usize, now: Timestamp) {
    let aim = Aim::At { until, calendar: policy.team_calendar(&ticket.team).to_owned() };
    log(ticket, policy, now, kind, Event::Armed { aim, warn: 0, step: u8::try_from(step).unwrap_or(u8::MAX) });
}

/// Takes alarms away, with their lines.
fn silence(ticket: &mut Ticket, kinds: &[ClockKind]) {
    ticket.clocks.retain(|c| !kinds.contains(&c.kind));
    ticket.log.retain(|e| !kinds.contains(&e.kind));
}

/// Takes targets away that nobody owes any more.
fn drop_all(ticket: &mut Ticket, policy: &Policy, kinds: &[ClockKind], now: Timestamp) {
    for kind in kinds {
        if clock(ticket, *kind).is_some_and(Clock::is_open) {
            log(ticket, policy, now, *kind, Event::Cancelled);
        }
    }
}

/// Writes a line of the log, and what follows from it.
fn log(ticket: &mut Ticket, policy: &Policy, at: Timestamp, kind: ClockKind, event: Event) {
    sla::note(&mut ticket.log, Entry { at, kind, event }, &policy.calendars);
    let clock = sla::derive(&ticket.log, kind, &policy.calendars);
    set(ticket, kind, clock);
}

/// One clock of each kind.
fn set(ticket: &mut Ticket, kind: ClockKind, clock: Option<Clock>) {
    match (ticket.clocks.iter_mut().find(|c| c.kind == kind), clock) {
        (Some(old), Some(clock)) => *old = clock,
        (None, Some(clock)) => ticket.clocks.push(clock),
        (_, None) => ticket.clocks.retain(|c| c.kind != kind),
    }
}

fn clock(ticket: &Ticket, kind: ClockKind) -> Option<&Clock> {
    ticket.clocks.iter().find(|c| c.kind == kind)
}

/// Targets are met at `at`: such as are open, and such as counted as broken because what met them came late to us.
fn meet_all(
    ticket: &mut Ticket,
    policy: &Policy,
    kinds: &[ClockKind],
    at: Timestamp,
    now: Timestamp,
    by: &Actor,
    why: &str,
) -> Vec<History> {
    let mut lines = Vec::new();
    for kind in kinds {
        let Some(before) = clock(ticket, *kind).cloned() else { continue };
        if *kind == ClockKind::NextResponse && is_overtaken(ticket, at, now) {
            lines.push(line(
                now,
                by.clone(),
                format!("{} still owed", kind.word()),
                format!("sent {at}, before the customer's latest message"),
            ));
            continue;
        }
        let taken_back = matches!(before.state, ClockState::Breached { .. }) && at <= before.due;
        if !is_owed(ticket, &before) && !taken_back {
            continue;
        }
        log(ticket, policy, at.max(before.armed), *kind, Event::Met);
        let late = clock(ticket, *kind).is_some_and(|c| !matches!(c.state, ClockState::Met { .. }));
        let what = if late { format!("{} breached", kind.word()) } else { format!("{} met", kind.word()) };
        let why = match (late, taken_back) {
            (true, _) => format!("{why} after it was due {}", before.due),
            (false, true) => format!("{why} in time; it came late to us, and the breach is taken back"),
            (false, false) => why.to_owned(),
        };
        lines.push(line(now, by.clone(), &what, &why));
        if *kind == ClockKind::Promise {
            silence(ticket, &[ClockKind::Reminder]);
        }
    }
    lines
}

/// Clocks whose time stands still while nobody here can do anything.
const fn stands_still(kind: ClockKind) -> bool {
    matches!(kind, ClockKind::Resolution | ClockKind::Update)
}

fn pause(ticket: &mut Ticket, policy: &Policy, now: Timestamp, which: impl Fn(&Clock) -> bool) {
    let runs = |c: &&Clock| matches!(c.state, ClockState::Running { .. } | ClockState::Warned { .. });
    let kinds: Vec<ClockKind> = ticket.clocks.iter().filter(runs).filter(|c| which(c)).map(|c| c.kind).collect();
    for kind in kinds {
        log(ticket, policy, now, kind, Event::Paused);
    }
}

fn resume(ticket: &mut Ticket, policy: &Policy, now: Timestamp, which: impl Fn(ClockKind) -> bool) {
    let paused = |c: &&Clock| matches!(c.state, ClockState::Paused { .. });
    let kinds: Vec<ClockKind> = ticket.clocks.iter().filter(paused).map(|c| c.kind).filter(|kind| which(*kind)).collect();
    for kind in kinds {
        log(ticket, policy, now, kind, Event::Resumed);
    }
}

fn add(policy: &Policy, calendar: &str, from: Timestamp, work: SignedDuration) -> Timestamp {
    policy.calendars.get(calendar).map_or_else(|| later(from, work), |c| c.add(from, work))
}
