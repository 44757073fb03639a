//! The decision: what becomes of a message, and of a ticket whose time has come.
//!
//! [`on_message`] and [`on_time`] get facts and a time and give back one [`Change`]. The daemon commits it,
//! `guichet explain` prints it.

mod agent;
mod facts;

pub(super) use agent::{carry_out, read_orders};
pub use facts::{Further, facts, further, need};

use super::address::{Contact, EmailAddress, one_line};
use super::assign::{self, Assigned, Wanted};
use super::away::Away;
use super::bounce::{Fate, Hint, Mark, News};
use super::change::{Actor, Change, ChatSession, Context, History, Landing, Quarantined, line};
use super::forward;
use super::lifecycle::{self, Passed};
use super::look_alike;
use super::merge;
use super::message::{Author, Channel, Fingerprint, Inbound, Language, Machine, Message, Seq, SessionId, TicketNumber, Visibility};
use super::notice::{self, Voice};
use super::ops::DESK_REPORT;
use super::outbound::{Audience, Delivery, Outbound, OutboxEntry, OutboxId, Purpose};
use super::policy::{CopiedFollow, Policy};
use super::route;
use super::sla::{ClockEvent, ClockKind};
use super::subject;
use super::tally::Tally;
use super::threading::{self, Place};
use super::ticket::{NAME_OCTETS_MAX, Priority, Requester, SUBJECT_OCTETS_MAX, Status, Ticket};
use agent::{agent_writes, hold};
use jiff::Timestamp;
use std::borrow::Cow;

/// Decides about one message.
#[must_use]
pub fn on_message(inbound: &Inbound, context: &Context, policy: &Policy, now: Timestamp) -> Change {
    let mut change = Change {
        fingerprint: Some(inbound.fingerprint),
        source: inbound.cursor(),
        arrival: inbound.arrival(),
        cut: inbound.cut,
        ..Change::default()
    };
    if context.seen.is_some() {
        // P2: nothing of it is done again; only its route is noted, and the mailbox's cursor moves past this copy.
        return change;
    }
    change.unmarked = unmarked(inbound, context, policy, now);
    match threading::place(inbound, context, policy) {
        Place::Quarantine { reason, detail } => quarantine(inbound, reason, &detail, &mut change),
        Place::Agent { ticket, agent, why } => agent_writes(inbound, ticket, agent, &why, context, policy, now, &mut change),
        Place::AgentOnCustomerSide { ticket, agent, why } => {
            let fault =
                "you wrote to the customer's reply address. Answer from the notification that you got: its reply address is yours alone";
            let why = format!("{why}, but an agent's answer needs the agent's own");
            hold(inbound, ticket, agent, &why, vec![fault.to_owned()], policy, now, &mut change);
        }
        Place::Customer { ticket, also, why } => customer_writes(inbound, ticket, &also, &why, context, policy, now, &mut change),
        Place::Doubted { ticket, why } => {
            let doubt = format!("its sender is {}", inbound.judgement.sentence());
            aside(
                inbound,
                ticket,
                ("a doubted sender wrote", &format!("{why}, but {doubt}: only agents see it")),
                context,
                policy,
                now,
                &mut change,
            );
        }
        Place::ThirdParty { ticket, why } => {
            let mut met = ticket.clone();
            if let Some(from) = inbound.from.as_ref().filter(|_| inbound.machine.is_none()) {
                met.meet_third_party(from, false);
            }
            let ticket = &met;
            let why = format!("{why}, from an address that has no part in it: agents see it, nothing is sent there until one says #cc");
            aside(inbound, ticket, ("a third party wrote", &why), context, policy, now, &mut change);
        }
        Place::Report { ticket, about, fate } => report(inbound, ticket, (about, &fate), context, policy, now, &mut change),
        Place::DeskReport { about, fate } => desk_report(inbound, (about, &fate), now, &mut change),
        Place::Forwards { forwarded, agent, why } => forward::opens(inbound, forwarded, agent, &why, context, policy, now, &mut change),
        Place::Opens { continues, why } => opens(inbound, continues, &why, context, policy, now, &mut change),
    }
    if change.unmarked.is_some()
        && let Some(mut ticket) = change.tickets.pop()
    {
        let why = "mail to it had come back; now a mail from there is authenticated, or the time of its mark is over";
        record(&mut change, &mut ticket, vec![line(now, Actor::Desk, "address no longer marked", why)]);
        change.tickets.push(ticket);
    }
    change
}

/// Decides once more about a message that a person took out of quarantine: whatever kept it from a ticket, he says that it is
/// good. `None` if it is not in that quarantine entry any more.
#[must_use]
pub fn on_release(inbound: &Inbound, id: u64, context: &Context, policy: &Policy, now: Timestamp) -> Option<Change> {
    if context.seen != Some(Landing::Quarantine { id }) {
        return None;
    }
    // Without a source: the mailbox's cursor has long moved past it.
    let (arrival, cut) = (inbound.arrival(), inbound.cut);
    let mut change = Change { fingerprint: Some(inbound.fingerprint), releases: Some(id), arrival, cut, ..Change::default() };
    let released = |why: &str| format!("released from quarantine {id} by hand: {why}");
    // Our own address is nobody to write to: our answer would come in as his next message.
    let inbound = Inbound { from: inbound.from.clone().filter(|from| !policy.is_ours(&from.address)), ..inbound.clone() };
    match threading::place_released(&inbound, context, policy) {
        Place::Customer { ticket, why, .. } => {
            // On a known thread nothing is sent to the writer, so that it harms nobody to take a machine for a person.
            let inbound = Inbound { machine: None, ..inbound };
            customer_writes(&inbound, ticket, &[], &released(&why), context, policy, now, &mut change);
        }
        Place::Opens { continues, why } => opens(&inbound, continues, &released(&why), context, policy, now, &mut change),
        Place::Quarantine { .. }
        | Place::Agent { .. }
        | Place::AgentOnCustomerSide { .. }
        | Place::Doubted { .. }
        | Place::ThirdParty { .. }
        | Place::Report { .. }
        | Place::Forwards { .. }
        | Place::DeskReport { .. } => return None,
    }
    Some(change)
}

/// Decides about a message of which only the start had come, now that a person had all of it fetched: it takes the place
/// that it had. `fingerprint` is that of the whole, so that no later copy counts as another message; `None` if it is known.
#[must_use]
pub fn on_whole(ticket: &Ticket, whole: Message, fingerprint: Option<Fingerprint>, octets: u64, now: Timestamp) -> Change {
    let mut ticket = ticket.clone();
    let landing = Some(Landing::Ticket { number: ticket.number, seq: whole.seq });
    let why = format!("asked for by hand: only the start of message {} had come", whole.seq);
    let mut change = Change { fingerprint, landing, whole: Some(Box::new(whole)), ..Change::default() };
    record(&mut change, &mut ticket, vec![line(now, Actor::Desk, format!("whole message fetched, {octets} octets"), &why)]);
    change.tickets.push(ticket);
    change
}

/// Decides about a mail that a person takes out of the outbox: the ticket's history tells that it was never sent. One of the desk's
/// own has no ticket.
#[must_use]
pub fn on_dropped(ticket: Option<&Ticket>, entry: &OutboxEntry, now: Timestamp) -> Change {
    let why = "dropped by hand";
    let mut change = Change { dropped: Some((entry.outbound.id, why.to_owned())), ..Change::default() };
    let Some(mut ticket) = ticket.cloned() else { return change };
    let what = format!("{} {} is not sent", entry.outbound.purpose.word(), entry.outbound.id);
    record(&mut change, &mut ticket, vec![line(now, Actor::Desk, &what, why)]);
    change.tickets.push(ticket);
    change
}

/// Decides about an address that a person takes the mark from: the ticket by which it was marked tells of it.
#[must_use]
pub fn on_lifted(address: &EmailAddress, ticket: Option<&Ticket>, now: Timestamp) -> Change {
    let mut change = Change { unmarked: Some(address.clone()), ..Change::default() };
    let Some(mut ticket) = ticket.cloned() else { return change };
    record(&mut change, &mut ticket, vec![line(now, Actor::Desk, "address no longer marked", "lifted by hand")]);
    change.tickets.push(ticket);
    change
}

/// The same decision for a message of the past: nobody is told of it, and the thread does not say that somebody was.
/// Tickets, clocks and places stay as they were decided.
#[must_use]
pub fn without_notices(mut change: Change, now: Timestamp) -> Change {
    change.outbox.clear();
    change.acked = None;
    change.acked_unproven = None;
    change.absence = None;
    let imported = line(now, Actor::Desk, "imported without notices", "asked for by the import");
    for ticket in &mut change.tickets {
        // The desk's own words stand behind the message that they answer: without them no place is left free.
        let places = change.messages.len();
        change.messages.retain(|m| m.ticket != ticket.number || m.author != Author::Desk);
        ticket.messages -= Seq::try_from(places - change.messages.len()).unwrap_or_default();
        let lines = change.history.len();
        change.history.retain(|(number, l)| *number != ticket.number || !notice::tells_of_acknowledgement(l));
        let fewer = u32::try_from(lines - change.history.len()).unwrap_or_default();
        ticket.history = ticket.history.saturating_sub(fewer).saturating_add(1);
        change.history.push((ticket.number, imported.clone()));
    }
    for message in &mut change.messages {
        message.outbox.clear();
    }
    change
}

/// Decides about a ticket whose next time has come; `None` if nothing is due yet. `marks` are those of its requester's address, `away` the
/// agents who are.
#[must_use]
pub fn on_time(ticket: &Ticket, marks: &[Mark], away: &[Away], policy: &Policy, now: Timestamp) -> Option<Change> {
    let mut ticket = ticket.clone();
    let (passed, lines) = lifecycle::time_passed(&mut ticket, policy, now);
    if passed.is_empty() {
        return None;
    }
    let mut change = Change::default();
    let mut lines = lines;
    for passed in passed {
        notices_of(passed, &mut ticket, (marks, away), policy, now, (&mut lines, &mut change));
    }
    record(&mut change, &mut ticket, lines);
    change.tickets.push(ticket);
    Some(change)
}

/// Other calendars are in force: what is due when follows from the same log anew. `None` if nothing is otherwise.
#[must_use]
pub fn on_calendars(ticket: &Ticket, policy: &Policy, now: Timestamp) -> Option<Change> {
    let mut anew = ticket.clone();
    let lines = lifecycle::derive_anew(&mut anew, policy, now);
    if anew.clocks == ticket.clocks {
        return None;
    }
    let mut change = Change::default();
    record(&mut change, &mut anew, lines);
    change.tickets.push(anew);
    Some(change)
}

/// Decides about a mail that could not be delivered for good.
#[must_use]
pub fn on_undelivered(ticket: &Ticket, mail: &Outbound, why: &str, away: &[Away], policy: &Policy, now: Timestamp) -> Change {
    let (purpose, to) = (mail.purpose, mail.to.as_ref().map(|to| &to.address));
    let mut ticket = ticket.clone();
    let mut change = Change { undeliverable: true, ..Change::default() };
    let mut voice = Voice::new(policy, now);
    voice.away = away;
    // Only what a customer should have got: telling agents that telling agents failed would never end.
    if matches!(purpose, Purpose::Answer | Purpose::Ack | Purpose::Question) {
        voice.undelivered(&mut ticket, (purpose, to), why, Hint::of(News::Failed, "", why));
    }
    let lines = vec![line(now, Actor::Desk, format!("{} could not be delivered", purpose.word()), one_line(why, 300))];
    change.outbox.extend(voice.said);
    record(&mut change, &mut ticket, lines);
    change.tickets.push(ticket);
    change
}

fn notices_of(
    passed: Passed,
    ticket: &mut Ticket,
    (marks, away): (&[Mark], &[Away]),
    policy: &Policy,
    now: Timestamp,
    (lines, change): (&mut Vec<History>, &mut Change),
) {
    let mut voice = Voice::new(policy, now);
    (voice.marks, voice.away) = (marks.iter().collect(), away);
    match (passed.kind, passed.event) {
        (kind, ClockEvent::Warned) => voice.warn_team(ticket, kind, passed.due),
        (ClockKind::Escalation, ClockEvent::Elapsed) => voice.escalate(ticket, usize::from(passed.step)),
        (ClockKind::Reminder, ClockEvent::Elapsed) => voice.remind_of_promise(ticket),
        (ClockKind::Delay, ClockEvent::Elapsed) => {
            if let Some(silent) = voice.is_silent(ticket, Purpose::Delay) {
                // What nobody is told is no promise.
                lines.push(silent);
            } else if let Some((due, line)) = lifecycle::delay(ticket, policy, now) {
                lines.push(line);
                lines.push(voice.tell_of_delay(ticket, due));
            }
        }
        (ClockKind::Nudge, ClockEvent::Elapsed) => lines.push(voice.nudge(ticket)),
        (ClockKind::Checkin, ClockEvent::Elapsed) => lines.push(voice.check_in(ticket)),
        (kind, ClockEvent::Elapsed) if kind.is_target() => {
            if !passed.was_warned {
                voice.warn_team(ticket, kind, passed.due);
            }
            voice.tell_manager(ticket, kind, passed.due);
        }
        (ClockKind::Review | ClockKind::Snooze, ClockEvent::Elapsed) => voice.remind_team(ticket),
        (
            ClockKind::FirstResponse
            | ClockKind::NextResponse
            | ClockKind::Resolution
            | ClockKind::Promise
            | ClockKind::Update
            | ClockKind::AutoClose,
            ClockEvent::Elapsed,
        ) => {}
    }
    change.outbox.extend(voice.said);
    change.messages.extend(voice.messages);
}

/// A new matter: customer, rules, clocks, acknowledgement, notifications.
pub(super) fn opens(
    inbound: &Inbound,
    continues: Option<TicketNumber>,
    why: &str,
    context: &Context,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    let (inbound, warning) = warned(inbound, policy, now);
    let inbound = &*inbound;
    let from = inbound.from.as_ref().map(|f| &f.address);
    let start = route::Start::of(inbound, policy, now);
    let mut routing = route::route(start.matter(inbound, context, now), policy);
    let route::Start { known, mailbox, .. } = start;
    let language = policy.language(known.language.into_iter().chain(inbound.language));
    if routing.assignee.is_none() && routing.spam.is_none() {
        let wanted = (routing.team.as_str(), routing.priority, language);
        let skills: Vec<String> = routing.skills.iter().cloned().collect();
        let Assigned { team, agent, turn, history } = given(wanted, &skills, continues, inbound, context, policy, now);
        (routing.team, routing.assignee, change.turn) = (team, agent, turn);
        routing.history.extend(history);
    }
    let name = inbound.from.as_ref().map(|f| f.name.as_str()).filter(|n| !n.is_empty()).unwrap_or(&known.name);
    let number = context.next_number.unwrap_or(TicketNumber(policy.desk.first_number));

    let mut ticket = Ticket {
        number,
        version: 0,
        subject: subject_of(inbound),
        status: Status::New,
        priority: routing.priority,
        tier: known.tier.clone(),
        team: routing.team,
        assignee: routing.assignee,
        channel: inbound.channel,
        language,
        zone: known.zone.clone(),
        requester: Requester { name: one_line(name, NAME_OCTETS_MAX), address: from.cloned() },
        participants: Vec::new(),
        organisation: one_line(&known.organisation, NAME_OCTETS_MAX),
        mailbox,
        session: inbound.session(),
        opened: now,
        tags: routing.tags,
        clocks: Vec::new(),
        messages: 0,
        outbox: 0,
        history: 0,
        last_customer_id: inbound.message_id.clone(),
        merged: None,
        third_parties: Vec::new(),
        absorbed: Vec::new(),
        split_off: None,
        moved: Vec::new(),
        apart: Vec::new(),
        noted: Tally::default(),
        log: Vec::new(),
        policy: routing.policy.clone(),
    };

    let mut lines = vec![line(now, Actor::Customer, format!("opened by {}", inbound.channel.word()), why)];
    if let Some(old) = continues {
        lines.push(line(now, Actor::Desk, format!("continues {old}"), "the ticket that was answered is closed"));
    }
    lines.push(line(now, Actor::Desk, format!("tier {}", ticket.tier), &known.why));
    lines.extend(warning);
    lines.extend(routing.history);
    lines.extend(match &routing.spam {
        Some(rule) => lifecycle::close(&mut ticket, policy, now, Actor::Rule(rule.clone()), "spam"),
        None => lifecycle::opened(&mut ticket, policy, now),
    });

    lines.extend(copies(inbound, &mut ticket, policy, now));
    expect(inbound, &ticket, context, change);

    let mut session = window_of(context, inbound.session());
    let message = file(inbound, &mut ticket, customer(inbound), Visibility::Public, &mut session, change);
    let mut voice = Voice::new(policy, now);
    (voice.marks, voice.away) = (marks(context, change), &context.away);
    (voice.also, voice.template) = (routing.notify, routing.template);
    lines.push(match (&routing.spam, &routing.held) {
        (Some(rule), _) => line(now, Actor::Desk, "nobody is told", format!("rule '{rule}' says that it is spam")),
        (None, Some(rule)) => line(now, Actor::Desk, "no acknowledgement", format!("rule '{rule}' holds it until a person releases it")),
        (None, None) => voice.acknowledge(&mut ticket, inbound, &known, context),
    });
    if voice.acked.is_some() {
        lifecycle::promised_an_answer(&mut ticket, policy, now);
    }
    // The past of whom he claims to be is not his.
    let earlier = if inbound.judgement.has_failed() { &[][..] } else { &context.earlier };
    if routing.spam.is_none() {
        voice.notify(&mut ticket, Some(inbound), &message, &known, earlier, None);
    }
    finish(change, ticket, message, lines, voice, session);
}

/// Whom the desk gives a ticket of this team, priority and language.
fn given(
    (team, priority, language): (&str, Priority, Language),
    skills: &[String],
    continues: Option<TicketNumber>,
    inbound: &Inbound,
    context: &Context,
    policy: &Policy,
    now: Timestamp,
) -> Assigned {
    // The past of whom he claims to be is not his.
    let known_by = if inbound.judgement.has_failed() { Vec::new() } else { assign::known_by(continues, context) };
    assign::assign(&Wanted { team, priority, skills, language, known_by: &known_by }, &context.workload, &context.away, policy, now)
}

/// Those whom a customer copies follow from now on, where the desk does not leave that to its agents.
fn copies(inbound: &Inbound, ticket: &mut Ticket, policy: &Policy, now: Timestamp) -> Vec<History> {
    /// More are a list, not people who take part.
    const COPIED_MAX: usize = 10;
    let requester = inbound.from.as_ref().is_some_and(|from| ticket.requester.address.as_ref() == Some(&from.address));
    let at_once = match policy.desk.copied_follow {
        CopiedFollow::OnAgentsWord => false,
        CopiedFollow::Authenticated => inbound.judgement.is_authenticated(),
    };
    let copied = notice::to_be_copied(inbound, ticket, policy);
    if !at_once || !requester || copied.is_empty() || inbound.machine.is_some() {
        return Vec::new();
    }
    if copied.len() > COPIED_MAX {
        let what = format!("{} copied addresses do not follow", copied.len());
        return vec![line(now, Actor::Desk, &what, format!("more than {COPIED_MAX} in one mail: an agent may say #cc"))];
    }
    let follows =
        |contact: &Contact| line(now, Actor::Customer, format!("copied to {}", contact.address), "named by its authenticated requester");
    copied.iter().filter(|contact| ticket.copy_to(contact)).map(follows).collect()
}

/// What a customer's mail refers to and nobody has brought yet belongs to its ticket, too: mail may arrive in any order.
fn expect(inbound: &Inbound, ticket: &Ticket, context: &Context, change: &mut Change) {
    /// Besides the first, which all of a thread have in common.
    const NEWEST: usize = 8;
    if inbound.judgement.has_failed() || inbound.machine.is_some() {
        return;
    }
    let from = inbound.from.as_ref().map(|f| &f.address);
    let takes_part =
        |number: TicketNumber| merge::living(&context.tickets, number).zip(from).is_some_and(|(t, from)| t.is_participant(from));
    let newest = inbound.in_reply_to.iter().chain(inbound.references.iter().rev()).take(NEWEST);
    for id in newest.chain(inbound.references.first()) {
        let own = |number: TicketNumber| number == ticket.number || takes_part(number);
        let known = context.known_ids.iter().any(|(known, number)| known == id && own(*number));
        let again = change.expected_ids.iter().any(|(other, _)| other == id);
        if !known && !again && inbound.message_id.as_ref() != Some(id) {
            change.expected_ids.push((id.clone(), ticket.number));
        }
    }
}

/// The marks that are left.
fn marks<'a>(context: &'a Context, change: &Change) -> Vec<&'a Mark> {
    context.marks.iter().filter(|mark| change.unmarked.as_ref() != Some(&mark.address)).collect()
}

/// The sender's address, if its mark ends now: its time is over, or a mail from there proves that somebody uses it.
fn unmarked(inbound: &Inbound, context: &Context, policy: &Policy, now: Timestamp) -> Option<EmailAddress> {
    let from = &inbound.from.as_ref()?.address;
    let mark = context.marks.iter().find(|mark| mark.address == *from)?;
    let is_over = !policy.holds(mark, now);
    let proves = inbound.judgement.is_authenticated() && inbound.channel == Channel::Mail && inbound.bounce.is_none();
    (is_over || proves).then(|| from.clone())
}

/// The message with a warning where its sender looks like somebody else, and the line of history that tells of it.
fn warned<'a>(inbound: &'a Inbound, policy: &Policy, now: Timestamp) -> (Cow<'a, Inbound>, Option<History>) {
    let Some(defect) = look_alike::defect_of(inbound.from.as_ref(), policy) else { return (Cow::Borrowed(inbound), None) };
    let told = line(now, Actor::Desk, "look-alike sender", &defect.detail);
    let mut inbound = inbound.clone();
    inbound.defects.push(defect);
    (Cow::Owned(inbound), Some(told))
}

fn subject_of(inbound: &Inbound) -> String {
    let subject = one_line(subject::bare(&inbound.subject), SUBJECT_OCTETS_MAX);
    if !subject.is_empty() {
        return subject;
    }
    let text = inbound.body.new_text();
    let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("(no subject)");
    let line = one_line(first, 80);
    if line.len() < first.trim().len() { format!("{line}…") } else { line }
}

#[expect(clippy::too_many_arguments, reason = "the facts of one decision, each of another kind")]
fn customer_writes(
    inbound: &Inbound,
    ticket: &Ticket,
    also: &[&Ticket],
    why: &str,
    context: &Context,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    let mut ticket = ticket.clone();
    match inbound.machine {
        // Nothing follows from it for the customer, but people should read it.
        Some((Machine::Generated, _)) => return note(inbound, &mut ticket, why, context, policy, now, change),
        Some((Machine::AutoReply | Machine::Bounce | Machine::Bulk | Machine::Ourselves, _)) => {
            return quiet_note(inbound, &mut ticket, why, now, change);
        }
        None => {}
    }
    let mut lines = vec![line(now, Actor::Customer, "wrote", why)];
    for other in also {
        let mut other = (*other).clone();
        let [there, here] = merge::merge(&mut other, &mut ticket, policy, now, &Actor::Desk, "a mail of their customer belongs to both");
        lines.extend(here);
        record(change, &mut other, there);
        change.tickets.push(other);
    }
    let nobodys = assign::is_nobodys(&ticket, policy);
    let reopens = !ticket.status.is_active();
    lines.extend(lifecycle::customer_wrote(&mut ticket, policy, now));
    lines.extend(copies(inbound, &mut ticket, policy, now));
    expect(inbound, &ticket, context, change);
    if let Some(id) = &inbound.message_id {
        ticket.last_customer_id = Some(id.clone());
    }
    if ticket.requester.address.is_none() && inbound.session().is_some() {
        // A visitor who tells his address later can be reached by mail from then on.
        ticket.requester.address = inbound.from.as_ref().map(|f| f.address.clone());
    }
    let known = policy.know_at(ticket.requester.address.as_ref(), now);
    let mut voice = Voice::new(policy, now);
    let mut is_spam = false;
    if reopens {
        let routing = route::reopen(&mut ticket, inbound, &known, policy, now);
        lines.extend(routing.history);
        (is_spam, voice.also) = (routing.spam.is_some(), routing.notify);
        if nobodys && routing.assignee.is_none() && !is_spam {
            let wanted = (ticket.team.as_str(), ticket.priority, ticket.language);
            let skills: Vec<String> = routing.skills.into_iter().collect();
            let Assigned { team, agent, turn, history } = given(wanted, &skills, Some(ticket.number), inbound, context, policy, now);
            if !history.is_empty() {
                (ticket.team, ticket.assignee, change.turn) = (team, agent, turn);
                lines.extend(history);
            }
        }
    }
    let mut session = window_of(context, inbound.session().or(ticket.session));
    let message = file(inbound, &mut ticket, customer(inbound), Visibility::Public, &mut session, change);
    (voice.marks, voice.away) = (marks(context, change), &context.away);
    if !is_spam {
        voice.notify(&mut ticket, Some(inbound), &message, &known, &context.earlier, None);
    }
    finish(change, ticket, message, lines, voice, session);
}

/// A machine on a known thread (P6): kept and seen, but nothing follows from it.
fn quiet_note(inbound: &Inbound, ticket: &mut Ticket, why: &str, now: Timestamp, change: &mut Change) {
    let machine = inbound.machine.as_ref().map_or("a machine", |(_, why)| why.as_str());
    let lines = vec![line(now, Actor::Desk, "noted an automatic message", format!("{why}; {machine}; nothing follows from it"))];
    let author = inbound.from.clone().map_or(Author::Desk, Author::ThirdParty);
    let message = file(inbound, ticket, author, Visibility::Internal, &mut None, change);
    record(change, ticket, lines);
    change.messages.push(message);
    change.tickets.push(ticket.clone());
}

/// What a customer's own program wrote on a known thread: noted, and its people read it; it answers, reopens and meets nothing.
fn note(inbound: &Inbound, ticket: &mut Ticket, why: &str, context: &Context, policy: &Policy, now: Timestamp, change: &mut Change) {
    let machine = inbound.machine.as_ref().map_or("a machine", |(_, why)| why.as_str());
    let lines = vec![line(now, Actor::Desk, "noted a program's message", format!("{why}; {machine}"))];
    let message = file(inbound, ticket, customer(inbound), Visibility::Internal, &mut None, change);
    let known = policy.know_at(ticket.requester.address.as_ref(), now);
    let mut voice = Voice::new(policy, now);
    voice.away = &context.away;
    voice.notify_within_bounds(ticket, inbound, &message, &known);
    finish(change, ticket.clone(), message, lines, voice, None);
}

/// What became of a mail of ours: noted on its ticket; whoever looks after it hears of what is final, and a customer's address gets
/// nothing automatic from then on.
fn report(
    inbound: &Inbound,
    ticket: &Ticket,
    (about, fate): (OutboxId, &Fate),
    context: &Context,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    let mut ticket = ticket.clone();
    let what = match fate.news {
        News::Delivered => "a mail arrived",
        News::Delayed => "a mail is delayed",
        News::Failed => "a mail came back",
        News::Complained => "its recipient complained about a mail",
    };
    let mut lines = vec![line(now, Actor::Desk, what, format!("report about {about}: {}", fate.reason))];
    let author = inbound.from.clone().map_or(Author::Desk, Author::ThirdParty);
    let message = file(inbound, &mut ticket, author, Visibility::Internal, &mut None, change);
    let mut voice = Voice::new(policy, now);
    voice.away = &context.away;
    let entry = context.reported.as_ref();
    let is_customers = entry.is_some_and(|e| e.outbound.audience == Audience::Customer);
    let complained = fate.news == News::Complained;
    if is_customers && (complained || fate.news == News::Failed) {
        let until = format!("no automatic mail goes to {} until it is lifted or authenticated, or its time is over", fate.recipient);
        lines.push(line(now, Actor::Desk, "address marked", &until));
        change.marked = Some(Mark { address: fate.recipient.clone(), since: now, complained, reason: fate.reason.clone(), about });
    }
    // A complaint is told of once, too: of what came back nobody can complain any more.
    let known_already = entry.is_some_and(|e| e.delivery == Delivery::Bounced);
    let purpose = entry.map_or(Purpose::Answer, |e| e.outbound.purpose);
    let is_told = !known_already && matches!(purpose, Purpose::Answer | Purpose::Ack | Purpose::Question);
    match fate.news {
        News::Failed => {
            change.bounced = Some((about, now));
            change.undeliverable = !known_already;
            if is_told {
                voice.undelivered(&mut ticket, (purpose, Some(&fate.recipient)), &fate.reason, fate.hint);
            }
        }
        News::Complained if is_told => voice.undelivered(&mut ticket, (purpose, Some(&fate.recipient)), &fate.reason, fate.hint),
        News::Complained | News::Delivered | News::Delayed => {}
    }
    finish(change, ticket, message, lines, voice, None);
}

/// A mail to ops did not arrive. It is written down, and that is all: a mail about it would not arrive either.
fn desk_report(inbound: &Inbound, (about, fate): (OutboxId, &Fate), now: Timestamp, change: &mut Change) {
    let what = match fate.news {
        News::Delivered => "arrived",
        News::Delayed => "is delayed",
        News::Failed => "came back",
        News::Complained => "was complained about",
    };
    quarantine(inbound, DESK_REPORT, &format!("a mail to ops {what}: report about {about}: {}", fate.reason), change);
    if fate.news == News::Failed {
        change.bounced = Some((about, now));
    }
}

/// What agents see beside the thread, and nobody else; `(what, why)` is its line of history.
fn aside(
    inbound: &Inbound,
    ticket: &Ticket,
    (what, why): (&str, &str),
    context: &Context,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    let mut ticket = ticket.clone();
    if inbound.machine.is_some() {
        return quiet_note(inbound, &mut ticket, why, now, change);
    }
    let (inbound, warning) = warned(inbound, policy, now);
    let inbound = &*inbound;
    let Some(from) = inbound.from.clone() else { return };
    let mut lines = vec![line(now, Actor::Customer, what, why)];
    lines.extend(warning);
    if !matches!(ticket.status, Status::New | Status::Open) {
        lines.extend(lifecycle::customer_wrote(&mut ticket, policy, now));
    }
    let known = policy.know_at(ticket.requester.address.as_ref(), now);
    let message = file(inbound, &mut ticket, Author::ThirdParty(from), Visibility::Internal, &mut None, change);
    let mut voice = Voice::new(policy, now);
    voice.away = &context.away;
    voice.notify_within_bounds(&mut ticket, inbound, &message, &known);
    finish(change, ticket, message, lines, voice, None);
}

fn quarantine(inbound: &Inbound, reason: &str, detail: &str, change: &mut Change) {
    change.quarantine = Some(Quarantined {
        at: inbound.received_at,
        source: inbound.source.clone(),
        raw: inbound.raw,
        reason: reason.to_owned(),
        detail: one_line(detail, 400),
    });
}

fn customer(inbound: &Inbound) -> Author {
    let name = inbound.from.as_ref().map(|f| one_line(&f.name, NAME_OCTETS_MAX)).unwrap_or_default();
    Author::Customer { name, address: inbound.from.as_ref().map(|f| f.address.clone()) }
}

/// The window that shows what is public in a ticket. What was read beside it may be another visitor's: a mail can refer to
/// any ticket, and a word of this one in that window would be told to a stranger (P7).
fn window_of(context: &Context, wanted: Option<SessionId>) -> Option<ChatSession> {
    context.session.clone().filter(|session| Some(session.id) == wanted)
}

/// Gives the message its place in the thread, and in the chat window if it is to be seen there.
fn file(
    inbound: &Inbound,
    ticket: &mut Ticket,
    author: Author,
    visibility: Visibility,
    session: &mut Option<ChatSession>,
    change: &mut Change,
) -> Message {
    let seq = ticket.take_seq();
    change.landing = Some(Landing::Ticket { number: ticket.number, seq });
    if session.is_none() && visibility == Visibility::Public {
        // A window that the store does not know yet begins with its first message.
        *session = inbound.session().map(|id| ChatSession { id, ticket: None, last_seq: 0, version: 0 });
    }
    let chat_seq = (visibility == Visibility::Public).then_some(()).and(session.as_mut()).map(|session| {
        if inbound.session().is_some() {
            session.ticket = Some(ticket.number);
        } else {
            // What comes by mail is shown in the window; what the visitor says next there belongs where he left off.
            session.ticket.get_or_insert(ticket.number);
        }
        session.last_seq += 1;
        session.last_seq
    });
    if let Some(id) = &inbound.message_id {
        change.message_ids.push((id.clone(), ticket.number));
    }
    Message {
        ticket: ticket.number,
        seq,
        author,
        visibility,
        channel: inbound.channel,
        at: inbound.received_at,
        message_id: inbound.message_id.clone(),
        body: inbound.body.clone(),
        attachments: inbound.attachments.clone(),
        raw: inbound.raw,
        machine: inbound.machine.as_ref().map(|(_, why)| one_line(why, 100)),
        defects: inbound.defects.clone(),
        judgement: inbound.judgement.clone(),
        chat_seq,
        client_id: inbound.client_id().map(str::to_owned),
        outbox: Vec::new(),
    }
}

fn finish(change: &mut Change, mut ticket: Ticket, message: Message, lines: Vec<History>, voice: Voice<'_>, session: Option<ChatSession>) {
    record(change, &mut ticket, lines);
    change.messages.push(message);
    change.messages.extend(voice.messages);
    change.outbox.extend(voice.said);
    change.acked = voice.acked;
    change.acked_unproven = voice.acked_unproven;
    change.absence = voice.absence;
    change.session = session;
    change.tickets.push(ticket);
}

/// Writes lines into a ticket's history.
pub fn record(change: &mut Change, ticket: &mut Ticket, lines: Vec<History>) {
    ticket.history += u32::try_from(lines.len()).unwrap_or(u32::MAX);
    change.history.extend(lines.into_iter().map(|l| (ticket.number, l)));
}
