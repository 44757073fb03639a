//! What an agent orders that concerns more tickets than his mail's own: `#merge`, `#unmerge`, `#split`, `#unsplit`.
//!
//! As with all commands, every fault is found before anything is done.

use super::change::{Actor, Change, Context, History, line};
use super::command::{Arrangement, Command};
use super::decide::record;
use super::merge::{self, Split, living};
use super::message::{Message, Seq, TicketNumber};
use super::notice::Voice;
use super::policy::Policy;
use super::ticket::Ticket;
use jiff::Timestamp;

/// What must be read before these orders can be decided on.
#[must_use]
pub fn needs(commands: &[Command], ticket: &Ticket) -> (Vec<TicketNumber>, Vec<(TicketNumber, Seq)>) {
    let (mut tickets, mut messages) = (Vec::new(), Vec::new());
    for order in arrangements(commands) {
        match order {
            Arrangement::Merge(number) | Arrangement::Unmerge(number) => tickets.push(*number),
            Arrangement::Split(seqs) => messages.extend(seqs.iter().map(|seq| (ticket.number, *seq))),
            Arrangement::Unsplit => tickets.extend(ticket.split_off.as_ref().map(|split| split.from)),
        }
    }
    (tickets, messages)
}

fn arrangements(commands: &[Command]) -> impl Iterator<Item = &Arrangement> {
    commands.iter().filter_map(|command| if let Command::Arrange(order) = command { Some(order) } else { None })
}

/// Why they cannot be carried out, a sentence each.
#[must_use]
pub fn faults(commands: &[Command], ticket: &Ticket, context: &Context) -> Vec<String> {
    let mut faults = Vec::new();
    let mut count = 0;
    for order in arrangements(commands) {
        let fault = match order {
            Arrangement::Merge(number) => match living(&context.tickets, *number) {
                Some(target) => merge::merge_fault(ticket, target).map(|why| format!("#merge {}: {why}", number.0)),
                None => Some(format!("#merge {}: there is no ticket {number}", number.0)),
            },
            Arrangement::Unmerge(number) => {
                let source = context.tickets.iter().find(|t| t.number == *number);
                merge::unmerge_fault(ticket, source, *number).map(|why| format!("#unmerge {}: {why}", number.0))
            }
            Arrangement::Split(seqs) => merge::split_fault(ticket, seqs, &context.messages).map(|why| format!("#split: {why}")),
            Arrangement::Unsplit => match origin(ticket, context) {
                Some(origin) if origin.number == ticket.number => Some("#unsplit: it is there already".to_owned()),
                Some(origin) if origin.is_closed() => Some(format!("#unsplit: {} is closed: #reopen it first", origin.number)),
                Some(_) => None,
                None => Some(format!("#unsplit: {} was not split off another ticket", ticket.number)),
            },
        };
        count += 1;
        faults.extend(fault);
    }
    if count > 1 {
        faults.push("one of #merge, #unmerge, #split and #unsplit a mail: send them in several".to_owned());
    }
    faults
}

/// Carries them out, after [`faults`] found none. The other tickets go into the change; here are the lines for this one's history.
pub fn carry_out(
    commands: &[Command],
    ticket: &mut Ticket,
    context: &Context,
    (policy, now, by): (&Policy, Timestamp, &Actor),
    voice: &mut Voice<'_>,
    change: &mut Change,
) -> Vec<History> {
    let mut lines = Vec::new();
    for order in arrangements(commands) {
        match order {
            Arrangement::Merge(number) => {
                let Some(mut target) = living(&context.tickets, *number).cloned() else { continue };
                let why = format!("#merge {}", number.0);
                let [here, there] = merge::merge(ticket, &mut target, policy, now, by, &why);
                lines.extend(here);
                add(change, target, there);
            }
            Arrangement::Unmerge(number) => {
                let Some(mut source) = context.tickets.iter().find(|t| t.number == *number).cloned() else { continue };
                let [there, here] = merge::unmerge(&mut source, ticket, policy, now, by, &format!("#unmerge {}", number.0));
                lines.extend(here);
                add(change, source, there);
            }
            Arrangement::Split(seqs) => {
                let chosen: Vec<&Message> =
                    context.messages.iter().filter(|m| m.ticket == ticket.number && seqs.contains(&m.seq)).collect();
                let next = context.next_number.unwrap_or(TicketNumber(policy.desk.first_number));
                let Split { ticket: mut made, messages, ids, lines: there } = merge::split(ticket, &chosen, next, policy, now, by);
                let named = seqs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                lines.push(line(now, by.clone(), format!("message {named} is {next} now"), "#split"));
                let known = policy.know_at(made.requester.address.as_ref(), now);
                if let Some(first) = messages.first() {
                    voice.notify(&mut made, None, first, &known, &[], None);
                }
                change.messages.extend(messages);
                change.message_ids.extend(ids);
                add(change, made, there);
            }
            Arrangement::Unsplit => {
                let Some(mut origin) = origin(ticket, context).cloned() else { continue };
                let [here, there] = merge::merge(ticket, &mut origin, policy, now, by, "#unsplit");
                lines.extend(here);
                add(change, origin, there);
            }
        }
    }
    lines
}

/// The ticket that this one was split off.
fn origin<'a>(ticket: &Ticket, context: &'a Context) -> Option<&'a Ticket> {
    living(&context.tickets, ticket.split_off.as_ref()?.from)
}

fn add(change: &mut Change, mut ticket: Ticket, lines: Vec<History>) {
    record(change, &mut ticket, lines);
    change.tickets.push(ticket);
}
