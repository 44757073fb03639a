//! An agent writes: his orders, all or none; then his answer, his question to somebody else, or his note.

use super::{file, finish, marks, quiet_note, window_of};
use crate::domain::address::{Contact, EmailAddress, one_line};
use crate::domain::arrange;
use crate::domain::assign;
use crate::domain::away::{Absence, Away};
use crate::domain::change::{Actor, Change, Context, History, line};
use crate::domain::command::{self, Command, Orders};
use crate::domain::leak;
use crate::domain::lifecycle;
use crate::domain::message::{Attachment, Author, Body, Defect, HELD, Inbound, Visibility};
use crate::domain::notice::{self, Voice};
use crate::domain::policy::{Agent, Policy};
use crate::domain::ticket::{SPAM_TAG, TAGS_MAX, Ticket};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// An agent with proof: his commands first, all or none; then his answer, or his note.
#[expect(clippy::too_many_arguments, reason = "the facts of one decision, each of another kind")]
pub(super) fn agent_writes(
    inbound: &Inbound,
    ticket: &Ticket,
    agent: &Agent,
    why: &str,
    context: &Context,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    if inbound.machine.is_some() {
        // An agent's out-of-office never reaches a customer.
        return quiet_note(inbound, &mut ticket.clone(), why, now, change);
    }
    let orders = match read_orders(&inbound.body, &ticket.team, agent, policy, now) {
        Ok(orders) => orders,
        Err(faults) => return hold(inbound, ticket, agent, why, faults, policy, now, change),
    };
    let answer = orders.body.new_text();
    let internal = orders.commands.contains(&Command::Note);
    let asked: Vec<&EmailAddress> =
        orders.commands.iter().filter_map(|c| if let Command::Ask(whom) = c { Some(whom) } else { None }).collect();
    let says = !answer.trim().is_empty() || !inbound.attachments.is_empty();
    let answers = says && !internal && asked.is_empty();
    let leaves = answers || !asked.is_empty();
    let mut faults = arrange::faults(&orders.commands, ticket, context);
    if !asked.is_empty() && internal {
        faults.push("#ask sends what follows to somebody, #note to nobody: send them in two mails".to_owned());
    }
    if !asked.is_empty() && !says {
        faults.push("#ask needs the question below it".to_owned());
    }
    faults.extend(unfit(inbound, ticket, &answer, leaves, says || !orders.commands.is_empty()).map(str::to_owned));
    if answers && !is_reachable(ticket, context) {
        let fault = "there is nobody whom it could go to: the customer gave no address and has no chat window; use #cc or #note";
        faults.push(fault.to_owned());
    }
    if faults.is_empty() && leaves {
        faults.extend(leak::fault(&answer, agent, ticket, context, policy));
    }
    if !faults.is_empty() {
        return hold(inbound, ticket, agent, why, faults, policy, now, change);
    }

    let team = ticket.team.as_str();
    let mut ticket = ticket.clone();
    let mut lines = Vec::new();
    let mut voice = Voice::new(policy, now);
    (voice.marks, voice.away) = (marks(context, change), &context.away);
    let by = || Actor::Agent(agent.handle.clone());
    // He answered when he sent it; a date from before the ticket or from the future is not believed.
    let at = inbound.sent_at.filter(|at| (ticket.opened..=now).contains(at)).unwrap_or(now);

    let inbound = &Inbound { body: orders.body, ..inbound.clone() };
    let mut session = window_of(context, ticket.session).filter(|_| answers);
    let visibility = if answers { Visibility::Public } else { Visibility::Internal };
    let author = Author::Agent(agent.contact());
    let mut message = file(inbound, &mut ticket, author, visibility, &mut session, change);
    if answers {
        lines.push(line(now, by(), "answered", why));
        lines.extend(lifecycle::agent_answered(&mut ticket, agent, policy, at, now));
    } else if says {
        let what = if asked.is_empty() {
            "noted".to_owned()
        } else {
            format!("asked {}", asked.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", "))
        };
        lines.push(line(now, by(), &what, why));
    }
    for order in &orders.commands {
        lines.extend(carry_out(order, &mut ticket, agent, policy, at, now, &mut voice));
    }
    let moved = ticket.team != team;
    let assigned = orders.commands.iter().any(|c| matches!(c, Command::Assign(_)));
    if moved && !assigned && ticket.assignee.as_deref().is_some_and(|handle| !is_member(handle, &ticket.team, policy)) {
        ticket.assignee = None;
        lines.push(line(now, by(), "assignee none", format!("not in team {}", ticket.team)));
    }
    if answers {
        message.outbox = voice.answer(&mut ticket, agent, &message);
    } else if !asked.is_empty() {
        for whom in asked {
            ticket.meet_third_party(&Contact { name: String::new(), address: whom.clone() }, true);
            message.outbox.push(voice.ask(&mut ticket, agent, &message, whom));
        }
    } else if says {
        voice.pass_note_on(&mut ticket, agent, &message);
    }
    let another = ticket.assignee.as_deref().is_some_and(|a| a != agent.handle);
    if (another && assigned) || (moved && ticket.assignee.as_deref() != Some(&agent.handle)) {
        let known = policy.know_at(ticket.requester.address.as_ref(), now);
        voice.notify(&mut ticket, Some(inbound), &message, &known, &context.earlier, Some(agent));
    }
    lines.extend(arrange::carry_out(&orders.commands, &mut ticket, context, (policy, now, &by()), &mut voice, change));
    finish(change, ticket, message, lines, voice, session);
}

/// The commands of an agent's mail about a team's ticket, or what is wrong with them. Times are those of his zone, else of the team's.
pub(in crate::domain) fn read_orders(
    body: &Body,
    team: &str,
    agent: &Agent,
    policy: &Policy,
    now: Timestamp,
) -> Result<Orders, Vec<String>> {
    let calendar = policy.calendars.get(policy.team_calendar(team)).or(policy.calendars.values().next());
    let zone = agent.zone.as_ref().or(calendar.map(|c| &c.zone)).cloned().unwrap_or(TimeZone::UTC);
    command::read(body, &agent.handle, policy, &zone, now)
}

fn is_member(handle: &str, team: &str, policy: &Policy) -> bool {
    policy.members(team).any(|member| member.handle.eq_ignore_ascii_case(handle))
}

/// Whether there is anybody whom a public answer could go to.
fn is_reachable(ticket: &Ticket, context: &Context) -> bool {
    ticket.requester.address.is_some() || !ticket.participants.is_empty() || window_of(context, ticket.session).is_some()
}

/// Why an agent's mail, whose commands are right, is not carried out all the same. `leaves`: it would go to somebody outside.
fn unfit(inbound: &Inbound, ticket: &Ticket, answer: &str, leaves: bool, orders: bool) -> Option<&'static str> {
    if notice::shows_brief(answer) {
        return Some("parts of the desk's own notification stand in what would go to the customer: write above it, or delete it");
    }
    if !orders {
        return Some("there is no new text and no command in it, so there is nothing to send");
    }
    if !leaves {
        return None;
    }
    if notice::shows_agents_token(answer, ticket.number) {
        return Some("your own reply address stands in what would go to the customer, who could then write as you: delete it");
    }
    if inbound.attachments.iter().any(is_tnef) {
        // [MS-OXTNEF]: it holds the whole mail once more, with all that is quoted below the answer (P7).
        return Some(
            "your mail program put all of it, what it quotes included, into a file winmail.dat, which would go to the customer: write in \
             plain text or HTML instead of rich text",
        );
    }
    None
}

fn is_tnef(attachment: &Attachment) -> bool {
    let kind = attachment.media_type.to_ascii_lowercase();
    matches!(kind.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef") || attachment.name.eq_ignore_ascii_case("winmail.dat")
}

pub(in crate::domain) fn carry_out(
    order: &Command,
    ticket: &mut Ticket,
    agent: &Agent,
    policy: &Policy,
    at: Timestamp,
    now: Timestamp,
    voice: &mut Voice<'_>,
) -> Vec<History> {
    let by = || Actor::Agent(agent.handle.clone());
    match order {
        Command::Solve | Command::Close | Command::Pending | Command::Snooze(_) if lifecycle::is_overtaken(ticket, at, now) => {
            vec![line(now, by(), "status stays open", format!("the customer wrote after this was sent {at}: it is not done with him"))]
        }
        Command::Solve => lifecycle::solve(ticket, policy, at, now, by(), "#solve"),
        Command::Close => lifecycle::close(ticket, policy, now, by(), "#close"),
        Command::Reopen => vec![lifecycle::reopen(ticket, policy, now, by(), "#reopen")],
        Command::Pending => vec![lifecycle::pend(ticket, policy, now, by())],
        Command::Snooze(span) => {
            let until = now.checked_add(*span).unwrap_or(now + 24.hours());
            vec![lifecycle::snooze(ticket, policy, until, now, by())]
        }
        Command::Promise(due) => vec![lifecycle::promise(ticket, policy, *due, now, by())],
        Command::Assign(handle) => {
            ticket.assignee.clone_from(handle);
            vec![line(now, by(), format!("assignee {}", handle.as_deref().unwrap_or("none")), "#assign")]
        }
        Command::Team(team) => {
            ticket.team.clone_from(team);
            let mut lines = vec![line(now, by(), format!("team {team}"), "#team")];
            lines.extend(lifecycle::retarget(ticket, policy, now));
            lines
        }
        Command::Priority(priority) => lifecycle::set_priority(ticket, *priority, policy, now, by()),
        Command::Tag(tags) => {
            ticket.tags.extend(tags.iter().take(TAGS_MAX.saturating_sub(ticket.tags.len())).cloned());
            vec![line(now, by(), format!("tag {}", tags.join(" ")), "#tag")]
        }
        Command::Untag(tags) => {
            ticket.tags.retain(|t| !tags.contains(t));
            vec![line(now, by(), format!("untag {}", tags.join(" ")), "#untag")]
        }
        Command::Cc(address) => {
            ticket.copy_to(&Contact { name: String::new(), address: address.clone() });
            vec![line(now, by(), format!("copied to {address}"), "#cc")]
        }
        Command::Uncc(address) => {
            ticket.participants.retain(|p| p.address != *address);
            vec![line(now, by(), format!("no longer copied to {address}"), "#uncc")]
        }
        Command::Away(until) => {
            let away = Away { agent: assign::key(&agent.handle), since: now, until: *until };
            voice.reply_away(ticket, agent, Some(&away));
            let until = until.map_or_else(|| "until #back".to_owned(), |until| format!("until {until}"));
            voice.absence = Some(Absence::Begins(away));
            vec![line(now, by(), format!("agent {} away", agent.handle), &until)]
        }
        Command::Back => {
            voice.reply_away(ticket, agent, None);
            voice.absence = Some(Absence::Ends(assign::key(&agent.handle)));
            vec![line(now, by(), format!("agent {} back", agent.handle), "#back")]
        }
        // Carried out with the mail itself, or by `arrange`.
        Command::Note | Command::Ask(_) | Command::Arrange(_) => Vec::new(),
        Command::Spam => {
            ticket.tags.insert(SPAM_TAG.to_owned());
            lifecycle::close(ticket, policy, now, by(), "#spam")
        }
        Command::Status => {
            voice.reply_status(ticket, agent);
            Vec::new()
        }
        Command::Help => {
            voice.reply_help(ticket, agent);
            Vec::new()
        }
    }
}

/// Nothing of it is carried out: the agent gets each fault and his text back, the ticket keeps it internally.
#[expect(clippy::too_many_arguments, reason = "the facts of one decision, each of another kind")]
pub(super) fn hold(
    inbound: &Inbound,
    ticket: &Ticket,
    agent: &Agent,
    why: &str,
    faults: Vec<String>,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    let mut ticket = ticket.clone();
    let by = Actor::Agent(agent.handle.clone());
    let lines = vec![line(now, by, "held", format!("{why}; {}", one_line(&faults.join("; "), 400)))];
    let author = Author::Agent(agent.contact());
    let mut message = file(inbound, &mut ticket, author, Visibility::Internal, &mut None, change);
    message.defects.push(Defect { name: HELD, detail: "it was not carried out; the history says why".to_owned() });
    let mut voice = Voice::new(policy, now);
    if inbound.machine.is_none() {
        voice.give_back(&mut ticket, agent, &message, faults);
    }
    finish(change, ticket, message, lines, voice, None);
}
