//! An agent who forwards a mail opens a ticket for the person who wrote it.
//!
//! The mail that he forwards is the customer's first message, his own words above it are a note, and commands in them are obeyed if he
//! is authenticated. For the rest the customer is one whose sender nobody vouches for: his acknowledgement repeats nothing of the mail and counts against
//! all caps, so that even a forwarded forgery writes to few and tells nothing (P6).

use super::change::{Actor, Change, Context, History};
use super::command::Orders;
use super::decide;
use super::message::{Author, Defect, Forwarded, HELD, Inbound, Message, Seq, TicketNumber, Visibility};
use super::notice::Voice;
use super::policy::{Agent, Policy};
use super::verdict::{Basis, Judgement, Verdict};
use jiff::Timestamp;

/// Why a mail that an agent's address sent without a claim is not taken for a forwarded one; else the mail that it shows.
///
/// # Errors
/// What would help, for people.
pub fn usable<'a>(inbound: &'a Inbound, policy: &Policy) -> Result<&'a Forwarded, String> {
    // His address is all that there is, and anybody can write it: it counts only if it is proven, or if the configuration says that
    // addresses are enough (P8).
    let is_proven = inbound.judgement.is_authenticated() || policy.desk.agents_must_authenticate == Some(false);
    if !is_proven || !policy.believes_agent(&inbound.judgement) {
        return Err("to open a ticket by forwarding a customer's mail, the agent's mail has to be authenticated \
                    (trusted_authserv_ids of the mailbox)"
            .to_owned());
    }
    if inbound.machine.is_some() {
        return Err("a machine sent it".to_owned());
    }
    let Some(forwarded) = &inbound.forwarded else {
        return Err(
            "an agent opens a ticket by forwarding a customer's mail, with the sender's address in it, or in the chat window".to_owned()
        );
    };
    let address = &forwarded.from.address;
    if policy.is_ours(address) || policy.agent(address).is_some() {
        return Err("the mail that it forwards was written by the desk itself".to_owned());
    }
    Ok(forwarded)
}

/// The mail as its writer would have sent it.
pub(super) fn original(inbound: &Inbound, forwarded: &Forwarded, agent: &Agent) -> Inbound {
    Inbound {
        sent_at: forwarded.sent_at,
        message_id: forwarded.message_id.clone(),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: Some(forwarded.from.clone()),
        reply_to: Vec::new(),
        recipients: Vec::new(),
        claims: Vec::new(),
        subject: forwarded.subject.clone(),
        body: forwarded.body.clone(),
        attachments: forwarded.attachments.clone(),
        machine: forwarded.machine.clone(),
        bounce: None,
        language: forwarded.language,
        // Nobody vouches for him: an agent was told so, as by any mail.
        judgement: Judgement {
            verdict: Verdict::Unknown,
            basis: Basis::AuthenticationResults,
            why: format!("agent {} forwarded it", agent.handle),
        },
        // They are those of the agent's own mail.
        headers: Vec::new(),
        forwarded: None,
        ..inbound.clone()
    }
}

/// Opens the ticket.
#[expect(clippy::too_many_arguments, reason = "the facts of one decision, each of another kind")]
pub(super) fn opens(
    inbound: &Inbound,
    forwarded: &Forwarded,
    agent: &Agent,
    why: &str,
    context: &Context,
    policy: &Policy,
    now: Timestamp,
    change: &mut Change,
) {
    decide::opens(&original(inbound, forwarded, agent), None, why, context, policy, now, change);
    let Some(mut ticket) = change.tickets.pop() else { return };
    let by = || Actor::Agent(agent.handle.clone());
    if let Some((_, first)) = change.history.first_mut() {
        *first = History { at: now, by: by(), what: format!("opened by agent {}, who forwarded it", agent.handle), why: why.to_owned() };
    }
    let without = || Orders { commands: Vec::new(), body: forwarded.above.clone() };
    let (orders, faults) = if inbound.judgement.is_authenticated() {
        match decide::read_orders(&forwarded.above, &ticket.team, agent, policy, now) {
            Ok(orders) => (orders, Vec::new()),
            Err(faults) => (without(), faults),
        }
    } else {
        // Anybody could have written it: enough for a ticket, as from anybody, not for an order (P8).
        (without(), Vec::new())
    };
    let mut voice = Voice::new(policy, now);
    voice.away = &context.away;
    let mut lines = Vec::new();
    for order in &orders.commands {
        lines.extend(decide::carry_out(order, &mut ticket, agent, policy, now, now, &mut voice));
    }
    if let Some(id) = &inbound.message_id {
        change.message_ids.push((id.clone(), ticket.number));
    }
    if !orders.body.text.trim().is_empty() {
        let note = note(inbound, agent, &orders, &faults, (ticket.number, place_for_note(change)));
        ticket.take_seq();
        if faults.is_empty() {
            lines.push(History { at: now, by: by(), what: "noted".to_owned(), why: "stands above what was forwarded".to_owned() });
            voice.pass_note_on(&mut ticket, agent, &note);
        } else {
            let why = super::address::one_line(&faults.join("; "), 400);
            lines.push(History { at: now, by: by(), what: "commands held".to_owned(), why });
            voice.give_back(&mut ticket, agent, &note, faults);
        }
        change.messages.insert(1.min(change.messages.len()), note);
    }
    change.outbox.extend(voice.said);
    change.absence = voice.absence;
    decide::record(change, &mut ticket, lines);
    change.tickets.push(ticket);
}

/// The place behind the customer's message. The desk's own words move one on: without them no place is left free.
fn place_for_note(change: &mut Change) -> Seq {
    let mut place = 1;
    for message in &mut change.messages {
        if message.author == Author::Desk {
            message.seq += 1;
        } else {
            place = message.seq;
        }
    }
    place + 1
}

fn note(inbound: &Inbound, agent: &Agent, orders: &Orders, faults: &[String], (ticket, seq): (TicketNumber, Seq)) -> Message {
    let held = (!faults.is_empty()).then(|| Defect { name: HELD, detail: "its commands were not carried out".to_owned() });
    Message {
        ticket,
        seq,
        author: Author::Agent(agent.contact()),
        visibility: Visibility::Internal,
        channel: inbound.channel,
        at: inbound.received_at,
        message_id: inbound.message_id.clone(),
        body: orders.body.clone(),
        attachments: Vec::new(),
        // The octets are kept with the customer's message.
        raw: None,
        machine: None,
        defects: held.into_iter().collect(),
        judgement: inbound.judgement.clone(),
        chat_seq: None,
        client_id: None,
        outbox: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Contact;
    use crate::domain::message::Body;
    use crate::domain::outbound::Purpose;
    use crate::domain::testing::{World, address, authenticated, judged, mail};

    fn forward(n: u32, from: &str, above: &str) -> Inbound {
        let mut inbound = mail(n, "ana@acme.example", "Fwd: Oven", "not read");
        inbound.forwarded = Some(Box::new(Forwarded {
            from: Contact { name: "João".to_owned(), address: address(from) },
            subject: "Oven".to_owned(),
            sent_at: None,
            message_id: None,
            body: Body::all_new("It blinks."),
            above: Body::all_new(above),
            attachments: Vec::new(),
            machine: None,
            language: None,
            attached: false,
        }));
        judged(inbound, authenticated("acme.example"))
    }

    #[test]
    fn an_agent_who_forwards_opens_a_ticket_for_the_writer() {
        let mut world = World::new();
        let change = world.hears(forward(1, "joao@padaria.example", "#assign me\n#tag oven\nHe phoned, too."));
        let ticket = world.ticket(1);
        assert_eq!(ticket.requester.address, Some(address("joao@padaria.example")));
        assert_eq!((ticket.subject.as_str(), ticket.assignee.as_deref(), ticket.tier.as_str()), ("Oven", Some("ana"), "advanced"));
        assert!(ticket.tags.contains("oven"));
        let thread: Vec<_> = world.messages.iter().map(|m| (m.seq, m.visibility, m.body.new_text())).collect();
        assert_eq!(thread[0], (1, Visibility::Public, "It blinks.".to_owned()));
        assert_eq!(thread[1], (2, Visibility::Internal, "He phoned, too.".to_owned()));
        assert_eq!((world.messages[2].author.clone(), world.messages[2].seq), (Author::Desk, 3));
        assert_eq!(change.history[0].1.what, "opened by agent ana, who forwarded it");
        assert_eq!(world.told(Purpose::Ack), ["joao@padaria.example"]);
        let ack = world.sent.iter().find(|o| o.purpose == Purpose::Ack).unwrap();
        assert_eq!(ack.subject, "Received [#1]", "P6: it repeats nothing");
        assert_eq!(ack.to.as_ref().unwrap().name, "", "nor a name");
        assert!(change.acked_unproven.is_some(), "P6: and counts against all caps");
        assert_eq!(world.told(Purpose::Notification), ["ana@acme.example", "ben@acme.example"], "so that somebody can answer");
    }

    #[test]
    fn p6_p8_only_a_proven_agent_and_only_for_others() {
        let unjudged = |mut inbound: Inbound| {
            inbound.judgement = Judgement::default();
            inbound
        };
        let none = |mut inbound: Inbound| {
            inbound.forwarded = None;
            inbound
        };
        for (inbound, must, opens, why) in [
            (forward(1, "joao@padaria.example", ""), None, true, "authenticated"),
            (unjudged(forward(1, "joao@padaria.example", "")), None, false, "nobody was asked"),
            (unjudged(forward(1, "joao@padaria.example", "")), Some(false), true, "addresses are enough"),
            (judged(forward(1, "joao@padaria.example", ""), Verdict::Failed), Some(false), false, "forged"),
            (judged(forward(1, "joao@padaria.example", ""), Verdict::Unknown), None, false, "nobody vouches"),
            (forward(1, "ben@acme.example", ""), None, false, "an agent's own mail"),
            (forward(1, "support@acme.example", ""), None, false, "the desk's own mail"),
            (none(forward(1, "joao@padaria.example", "")), None, false, "nothing forwarded"),
        ] {
            let mut world = World::new();
            world.policy.desk.agents_must_authenticate = must;
            world.hears(inbound);
            assert_eq!(world.tickets.len(), usize::from(opens), "{why}");
            assert_eq!(world.quarantined.is_empty(), opens, "{why}");
        }
    }

    #[test]
    fn p8_an_address_alone_orders_nothing() {
        let mut world = World::new();
        world.policy.desk.agents_must_authenticate = Some(false);
        world.hears(Inbound { judgement: Judgement::default(), ..forward(1, "joao@padaria.example", "#cc eve@evil.example\n#tag oven") });
        assert!(world.ticket(1).participants.is_empty() && world.ticket(1).tags.is_empty());
        assert_eq!(world.messages[1].body.new_text(), "#cc eve@evil.example\n#tag oven", "people read what was asked for");
    }

    #[test]
    fn p6_forwards_count_against_the_caps() {
        let mut world = World::new();
        for n in 1..=6 {
            world.hears(forward(n, "victim@else.example", ""));
        }
        assert_eq!(world.told(Purpose::Ack).len(), 3);
        assert_eq!(world.tickets.len(), 6);
    }

    #[test]
    fn commands_that_are_wrong_are_told_and_none_is_obeyed() {
        let mut world = World::new();
        world.hears(forward(1, "joao@padaria.example", "#tag oven\n#asign me\nHello"));
        assert!(world.ticket(1).tags.is_empty());
        assert_eq!(world.told(Purpose::Held), ["ana@acme.example"]);
    }

    #[test]
    fn without_notices_no_place_is_left_free() {
        let world = World::new();
        let inbound = forward(1, "joao@padaria.example", "He phoned, too.");
        let change = decide::on_message(&inbound, &world.context(&inbound), &world.policy, world.now);
        let change = decide::without_notices(change, world.now);
        assert_eq!(change.messages.iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(change.tickets[0].messages, 2);
    }
}
