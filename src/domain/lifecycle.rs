//! What happens to a ticket's status and clocks: one function an event, each returning its lines for the history.
//!
//! After every event [`keep_watch`] sees to it that an active or solved ticket has a next time (P4).

use super::calendar::Calendar;
use super::change::{Actor, History};
use super::policy::{Agent, Policy, Sla};
use super::sla::{Clock, ClockEvent, ClockKind, ClockState};
use super::ticket::{Priority, Status, Ticket};
use jiff::{SignedDuration, Timestamp};

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
            resume(ticket, policy, now, |_| true);
        }
        Status::Solved { .. } | Status::Closed { .. } => {
            lines.push(reopen(ticket, policy, now, Actor::Customer, "the customer wrote after it was solved"));
        }
    }
    let owed = ticket.clocks.iter().any(|c| matches!(c.kind, ClockKind::FirstResponse | ClockKind::NextResponse) && c.is_open());
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
    let mut lines = Vec::new();
    let by = || Actor::Agent(agent.handle.clone());
    for kind in [ClockKind::FirstResponse, ClockKind::NextResponse] {
        if meet(ticket, kind, at) {
            lines.push(line(now, by(), &format!("{} met", kind.word()), "a person answered"));
        }
    }
    if ticket.status == Status::New {
        ticket.status = Status::Open;
        lines.push(line(now, by(), "status open", "a person answered"));
    }
    if ticket.assignee.is_none() {
        ticket.assignee = Some(agent.handle.clone());
        lines.push(line(now, by(), &format!("assignee {}", agent.handle), "answered first"));
    }
    keep_watch(ticket, policy, now);
    lines
}

/// The matter is done; the customer may still come back until it closes by itself.
pub fn solve(ticket: &mut Ticket, policy: &Policy, at: Timestamp, now: Timestamp, by: Actor, why: &str) -> Vec<History> {
    let mut lines = Vec::new();
    for kind in [ClockKind::FirstResponse, ClockKind::NextResponse, ClockKind::Resolution, ClockKind::Promise] {
        if meet(ticket, kind, at) {
            lines.push(line(now, by.clone(), &format!("{} met", kind.word()), "solved"));
        }
    }
    ticket.clocks.retain(|c| !matches!(c.kind, ClockKind::Snooze | ClockKind::Review));
    ticket.status = Status::Solved { at: now };
    lines.push(line(now, by, "status solved", why));
    keep_watch(ticket, policy, now);
    lines
}

/// The end: no clock runs any more.
pub fn close(ticket: &mut Ticket, now: Timestamp, by: Actor, why: &str) -> Vec<History> {
    for kind in [ClockKind::FirstResponse, ClockKind::NextResponse, ClockKind::Resolution, ClockKind::Promise] {
        meet(ticket, kind, now);
    }
    ticket.clocks.retain(|c| c.kind.is_target());
    ticket.status = Status::Closed { at: now };
    vec![line(now, by, "status closed", why)]
}

/// Back to work: a solution that did not hold has a new target.
pub fn reopen(ticket: &mut Ticket, policy: &Policy, now: Timestamp, by: Actor, why: &str) -> History {
    ticket.status = Status::Open;
    ticket.clocks.retain(|c| !matches!(c.kind, ClockKind::AutoClose | ClockKind::Snooze));
    resume(ticket, policy, now, |_| true);
    let (sla, policy_words) = policy_of(ticket, policy);
    let resolved = ticket.clocks.iter().any(|c| c.kind == ClockKind::Resolution && !c.is_open());
    if resolved && let Some(target) = sla.resolution {
        arm(ticket, ClockKind::Resolution, target, &sla, policy, now, &policy_words);
    }
    keep_watch(ticket, policy, now);
    line(now, by, "status open", why)
}

/// Waits for the customer: the resolution's time stands still. A response that is owed stays owed.
pub fn pend(ticket: &mut Ticket, policy: &Policy, now: Timestamp, by: Actor) -> History {
    ticket.clocks.retain(|c| !matches!(c.kind, ClockKind::AutoClose | ClockKind::Snooze));
    pause(ticket, policy, now, |kind| kind == ClockKind::Resolution);
    ticket.status = Status::Pending { since: now };
    keep_watch(ticket, policy, now);
    line(now, by, "status pending", "waits for the customer")
}

/// Waits for a time.
pub fn snooze(ticket: &mut Ticket, policy: &Policy, until: Timestamp, now: Timestamp, by: Actor) -> History {
    ticket.clocks.retain(|c| !matches!(c.kind, ClockKind::AutoClose | ClockKind::Snooze | ClockKind::Review));
    pause(ticket, policy, now, |kind| kind == ClockKind::Resolution);
    ticket.status = Status::Snoozed { until };
    let calendar = team_calendar(ticket, policy);
    put(ticket, Clock { kind: ClockKind::Snooze, calendar, armed: now, due: until, state: ClockState::Running { warn_at: None } });
    line(now, by, "status snoozed", &format!("until {until}"))
}

/// A date that the customer was given is a clock as any other.
pub fn promise(ticket: &mut Ticket, policy: &Policy, due: Timestamp, now: Timestamp, by: Actor) -> History {
    let calendar = team_calendar(ticket, policy);
    let warn_at = part(now, due, 0.75);
    put(ticket, Clock { kind: ClockKind::Promise, calendar, armed: now, due, state: ClockState::Running { warn_at: Some(warn_at) } });
    keep_watch(ticket, policy, now);
    line(now, by, "promise", &format!("due {due}"))
}

/// Its matter goes on in another ticket: nothing runs here any more, and nothing is met.
pub fn suspend(ticket: &mut Ticket, policy: &Policy, now: Timestamp) {
    ticket.clocks.retain(|c| c.kind.is_target());
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
        resume(ticket, policy, now, |kind| !waits || kind != ClockKind::Resolution);
    }
    if let Status::Snoozed { until } = ticket.status {
        let calendar = team_calendar(ticket, policy);
        put(ticket, Clock { kind: ClockKind::Snooze, calendar, armed: now, due: until, state: ClockState::Running { warn_at: None } });
    }
    keep_watch(ticket, policy, now);
}

/// The clock by which an answer is owed to the customer; a broken target is owed still.
#[must_use]
pub fn response_owed(ticket: &Ticket) -> Option<&Clock> {
    let response = |c: &&Clock| matches!(c.kind, ClockKind::FirstResponse | ClockKind::NextResponse) && c.is_open();
    ticket.clocks.iter().find(response).filter(|_| ticket.status.is_active())
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
        lines.push(line(now, Actor::Desk, &format!("{} due {}", kind.word(), owed.due), "taken over from what was merged into it"));
        put(ticket, Clock { kind, ..owed });
    }
    keep_watch(ticket, policy, now);
    lines
}

/// What [`take_over`] took goes back with the ticket that it came from.
pub fn give_back(ticket: &mut Ticket, from: &Ticket, policy: &Policy, now: Timestamp) {
    let Some(owed) = response_owed(from) else { return };
    let taken = |c: &Clock| c.kind == ClockKind::NextResponse && c.is_open() && c.armed == owed.armed;
    ticket.clocks.retain(|c| !taken(c));
    keep_watch(ticket, policy, now);
}

/// Another priority or team: the open targets are set anew from when they began.
pub fn retarget(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    let (sla, why) = policy_of(ticket, policy);
    let mut lines = Vec::new();
    for (kind, target) in [
        (ClockKind::FirstResponse, sla.first_response),
        (ClockKind::NextResponse, sla.next_response),
        (ClockKind::Resolution, sla.resolution),
    ] {
        let armed =
            ticket.clocks.iter().find(|c| c.kind == kind && c.is_open() && !matches!(c.state, ClockState::Paused { .. })).map(|c| c.armed);
        match (armed, target) {
            (Some(armed), Some(target)) => {
                lines.push(History { at: now, ..arm(ticket, kind, target, &sla, policy, armed, &why) });
            }
            (Some(_), None) => ticket.clocks.retain(|c| c.kind != kind),
            (None, _) => {}
        }
    }
    keep_watch(ticket, policy, now);
    lines
}

/// Another priority, with its targets.
pub fn set_priority(ticket: &mut Ticket, priority: Priority, policy: &Policy, now: Timestamp, by: Actor) -> Vec<History> {
    ticket.priority = priority;
    let mut lines = vec![line(now, by, &format!("priority {}", priority.word()), "ordered")];
    lines.extend(retarget(ticket, policy, now));
    lines
}

/// What time did to a clock, and whether its team had been warned before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub kind: ClockKind,
    pub event: ClockEvent,
    pub due: Timestamp,
    pub was_warned: bool,
}

/// Time passes: each clock that cares is moved, and what its end means for the ticket is done.
pub fn time_passed(ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> (Vec<Passed>, Vec<History>) {
    let mut passed = Vec::new();
    let mut lines = Vec::new();
    for clock in &mut ticket.clocks {
        let was_warned = matches!(clock.state, ClockState::Warned { .. });
        if let Some(event) = clock.advance(now) {
            passed.push(Passed { kind: clock.kind, event, due: clock.due, was_warned });
        }
    }
    for Passed { kind, event, due, .. } in &passed {
        let what = match event {
            ClockEvent::Warned => format!("{} warned", kind.word()),
            ClockEvent::Elapsed if kind.is_target() => format!("{} breached", kind.word()),
            ClockEvent::Elapsed => format!("{} elapsed", kind.word()),
        };
        lines.push(line(now, Actor::Desk, &what, &format!("due {due}")));
        match (kind, event) {
            (ClockKind::Snooze, ClockEvent::Elapsed) => {
                ticket.clocks.retain(|c| c.kind != ClockKind::Snooze);
                ticket.status = Status::Open;
                lines.push(line(now, Actor::Desk, "status open", "the snooze is over"));
                resume(ticket, policy, now, |_| true);
            }
            (ClockKind::AutoClose, ClockEvent::Elapsed) => lines.extend(close(ticket, now, Actor::Desk, "solved long enough")),
            (ClockKind::Review, ClockEvent::Elapsed) => ticket.clocks.retain(|c| c.kind != ClockKind::Review),
            (ClockKind::FirstResponse | ClockKind::NextResponse | ClockKind::Resolution | ClockKind::Promise, _)
            | (ClockKind::Snooze | ClockKind::AutoClose | ClockKind::Review, ClockEvent::Warned) => {}
        }
    }
    keep_watch(ticket, policy, now);
    (passed, lines)
}

/// P4: whatever is not closed has a next time. A solved ticket closes by itself; one that no clock would move is reviewed.
pub fn keep_watch(ticket: &mut Ticket, policy: &Policy, now: Timestamp) {
    let calendar = team_calendar(ticket, policy);
    let alarm = |kind, due| Clock { kind, calendar: calendar.clone(), armed: now, due, state: ClockState::Running { warn_at: None } };
    match ticket.status {
        Status::Closed { .. } => {}
        Status::Solved { at } => {
            if !ticket.clocks.iter().any(|c| c.kind == ClockKind::AutoClose) {
                put(ticket, alarm(ClockKind::AutoClose, later(at, policy.desk.close_solved_after)));
            }
        }
        Status::New | Status::Open | Status::Pending { .. } | Status::Snoozed { .. } => {
            let moved = ticket.clocks.iter().any(|c| c.kind != ClockKind::Review && c.next_event().is_some());
            let reviewed = ticket.clocks.iter().any(|c| c.kind == ClockKind::Review);
            if moved {
                ticket.clocks.retain(|c| c.kind != ClockKind::Review);
            } else if !reviewed {
                put(ticket, alarm(ClockKind::Review, later(now, policy.desk.review_after)));
            }
        }
    }
}

/// The targets of a ticket and the words for the history.
fn policy_of(ticket: &Ticket, policy: &Policy) -> (Sla, String) {
    let sla = policy.sla(&ticket.tier, ticket.priority);
    let why = format!("targets of tier {}, priority {}", ticket.tier, ticket.priority.word());
    (sla, why)
}

fn arm(ticket: &mut Ticket, kind: ClockKind, target: SignedDuration, sla: &Sla, policy: &Policy, from: Timestamp, why: &str) -> History {
    let name = sla.calendar.clone().unwrap_or_else(|| team_calendar(ticket, policy));
    let add = |work| policy.calendars.get(&name).map_or_else(|| later(from, work), |c: &Calendar| c.add(from, work));
    let due = add(target);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a part of some days in seconds fits both ways")]
    let warn_after = SignedDuration::from_millis((target.as_millis() as f64 * sla.warn_at) as i64);
    let warn_at = Some(add(warn_after)).filter(|at| *at < due);
    put(ticket, Clock { kind, calendar: name.clone(), armed: from, due, state: ClockState::Running { warn_at } });
    line(from, Actor::Desk, &format!("{} due {due}", kind.word()), &format!("{why}, calendar {name}"))
}

/// One clock of each kind: a new one takes the place of the old, whose end is in the history.
fn put(ticket: &mut Ticket, clock: Clock) {
    match ticket.clocks.iter_mut().find(|c| c.kind == clock.kind) {
        Some(old) => *old = clock,
        None => ticket.clocks.push(clock),
    }
}

fn meet(ticket: &mut Ticket, kind: ClockKind, at: Timestamp) -> bool {
    let open = ticket.clocks.iter_mut().find(|c| c.kind == kind && c.is_open());
    open.is_some_and(|clock| {
        clock.state = ClockState::Met { at: at.max(clock.armed) };
        true
    })
}

fn pause(ticket: &mut Ticket, policy: &Policy, now: Timestamp, which: impl Fn(ClockKind) -> bool) {
    for clock in ticket.clocks.iter_mut().filter(|c| which(c.kind)) {
        let left = |until: Timestamp| {
            policy.calendars.get(&clock.calendar).map_or_else(|| until.duration_since(now), |c| c.between(now, until)).as_secs()
        };
        let warn_left_s = match clock.state {
            ClockState::Running { warn_at } => warn_at.map(left),
            ClockState::Warned { .. } => None,
            ClockState::Paused { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => continue,
        };
        clock.state = ClockState::Paused { left_s: left(clock.due), warn_left_s };
    }
}

fn resume(ticket: &mut Ticket, policy: &Policy, now: Timestamp, which: impl Fn(ClockKind) -> bool) {
    for clock in ticket.clocks.iter_mut().filter(|c| which(c.kind)) {
        if let ClockState::Paused { left_s, warn_left_s } = clock.state {
            let calendar = policy.calendars.get(&clock.calendar);
            let add = |seconds: i64| {
                let work = SignedDuration::from_secs(seconds);
                calendar.map_or_else(|| later(now, work), |c| c.add(now, work))
            };
            clock.due = add(left_s);
            clock.state = match warn_left_s {
                Some(seconds) => ClockState::Running { warn_at: Some(add(seconds)) },
                None => ClockState::Warned { at: now },
            };
        }
    }
}

fn team_calendar(ticket: &Ticket, policy: &Policy) -> String {
    policy.teams.get(&ticket.team).map(|t| t.calendar.clone()).unwrap_or_default()
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn part(from: Timestamp, to: Timestamp, part: f64) -> Timestamp {
    later(from, to.duration_since(from).mul_f64(part))
}

fn line(at: Timestamp, by: Actor, what: &str, why: &str) -> History {
    History { at, by, what: what.to_owned(), why: why.to_owned() }
}
