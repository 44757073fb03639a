//! Decisions seen from outside: somebody says something, time passes, and the world is looked at.

mod away;
mod clocks;
mod lives;
mod threads;

use super::bounce::{Bounce, News, Told};
use super::change::ChatSession;
use super::message::{Attachment, BlobId, BlobRef, Language, Machine, MessageId, TicketNumber, Visibility};
use super::outbound::{Audience, OutboxId, Purpose, Route};
use super::sla::ClockKind;
use super::testing::{World, address, authenticated, chat, judged, mail, proven};
use super::ticket::Priority;
use super::verdict::Verdict;
use jiff::SignedDuration;
use proptest::prelude::*;

const MIN: fn(i64) -> SignedDuration = SignedDuration::from_mins;

#[test]
fn a_new_matter_gets_number_clocks_ack_and_notifications() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "Re: Fatura", "Bom dia"));
    let ticket = world.ticket(1);
    assert_eq!((ticket.tier.as_str(), ticket.priority, ticket.team.as_str()), ("advanced", Priority::High, "frontline"));
    assert_eq!(ticket.subject, "Fatura", "without the marks of mail programs");
    assert_eq!(ticket.language, Language::parse("pt").unwrap(), "the customer's setting");
    assert_eq!(world.told(Purpose::Ack), ["joao@padaria.example"]);
    assert_eq!(world.told(Purpose::Notification), ["ana@acme.example", "ben@acme.example"]);
    let due = ticket.clocks.iter().find(|c| c.kind == ClockKind::FirstResponse).unwrap().due;
    assert_eq!(due, world.now + MIN(60));
}

#[test]
fn p10_the_time_in_the_ack_is_the_clock_s() {
    let mut world = World::new();
    let change = world.hears(mail(1, "joao@padaria.example", "x", "y"));
    let ack = change.messages.iter().find(|m| m.outbox.len() == 1).unwrap();
    assert!(ack.body.text.contains("9:00") || ack.body.text.contains("09:00"), "{}", ack.body.text);
}

#[test]
fn p6_nothing_is_said_to_machines_nor_in_bulk() {
    for (machine, expect_acks, opens, why) in [
        (None, 1, true, "a person"),
        (Some(Machine::AutoReply), 0, false, "out of office, to nothing that we know"),
        (Some(Machine::Bulk), 0, false, "a newsletter"),
        (Some(Machine::Bounce), 0, false, "a report about nothing of ours"),
        (Some(Machine::Generated), 0, true, "a monitor reports: a ticket, without an answer"),
    ] {
        let mut world = World::new();
        let mut inbound = mail(1, "a@b.example", "x", "y");
        inbound.machine = machine.map(|m| (m, "because".to_owned()));
        world.hears(inbound);
        assert_eq!((world.told(Purpose::Ack).len(), world.tickets.len() == 1), (expect_acks, opens), "{why}");
    }
    let mut world = World::new();
    for n in 1..=10 {
        world.hears(mail(n, "victim@b.example", "x", "y"));
    }
    assert_eq!(world.told(Purpose::Ack).len(), 3, "the cap holds, whatever the sender forges");
    assert_eq!(world.tickets.len(), 10, "but each is a ticket (P3)");
    world.hears(mail(12, "victim+12@b.example", "x", "y"));
    assert_eq!(world.told(Purpose::Ack).len(), 3, "a tag makes no other person");
    world.waits(MIN(61));
    world.hears(mail(11, "victim@b.example", "x", "y"));
    assert_eq!(world.told(Purpose::Ack).len(), 4, "an hour later there is one more");
}

#[test]
fn p6_a_stranger_s_ack_repeats_nothing_of_his_mail() {
    let mut world = World::new();
    let mut inbound = mail(1, "stranger@b.example", "BUY PILLS", "y");
    inbound.from.as_mut().unwrap().name = "PILLS".to_owned();
    world.hears(inbound);
    let ack = world.sent.iter().find(|o| o.purpose == Purpose::Ack).unwrap();
    assert!(!format!("{ack:?}").contains("PILLS"), "not even as the name beside his address: {ack:?}");
}

#[test]
fn p2_the_same_message_changes_nothing() {
    let mut world = World::new();
    world.hears(mail(1, "a@b.example", "x", "y"));
    let change = world.hears(mail(1, "a@b.example", "x", "y"));
    assert!(change.tickets.is_empty() && change.outbox.is_empty() && change.messages.is_empty());
    assert!(change.source.is_some(), "the cursor moves past the copy all the same");
    assert_eq!(world.tickets.len(), 1);
}

#[test]
fn p7_who_may_join_a_ticket() {
    let known = || MessageId::parse("m1@x.example");
    for (from, with_token, references, expect, why) in [
        ("joao@padaria.example", true, false, (1, 2), "the customer by his reply address"),
        ("joao@padaria.example", false, true, (1, 2), "the customer by a message of the thread"),
        ("mallory@evil.example", false, true, (2, 1), "a stranger who guesses an id gets a ticket of his own"),
        ("mallory@evil.example", true, false, (1, 2), "a stranger with a token: agents see it"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        let acks = world.told(Purpose::Ack).len();
        let mut second = mail(2, from, "Re: x [#1]", "z");
        if references {
            second.references.extend(known());
        }
        world.hears(if with_token { proven(second, 1, false) } else { second });
        let said = world.messages.iter().filter(|m| m.ticket.0 == 1 && m.outbox.is_empty()).count();
        assert_eq!((world.tickets.len(), said), expect, "{why}");
        if with_token && from.starts_with("mallory") {
            assert_eq!(world.told(Purpose::Ack).len(), acks, "and hears nothing");
            assert_eq!(world.messages.last().unwrap().visibility, Visibility::Internal);
            assert!(!world.ticket(1).is_participant(&address(from)));
        }
    }
}

#[test]
fn p8_what_is_released_is_a_customer_s_and_answers_no_machine() {
    let out_of_office = Some((Machine::AutoReply, "Auto-Submitted".to_owned()));
    let ours = Some((Machine::Ourselves, "it bears a mark of ours".to_owned()));
    for (from, machine, reason, requester, acks, why) in [
        ("", None, "no_sender", None, 0, "nobody to answer"),
        ("a@b.example", out_of_office, "machine", Some("a@b.example"), 0, "a program wrote it"),
        ("support+x@acme.example", None, "own_mail", None, 0, "an answer would come back to us"),
        ("a@b.example", ours, "own_mail", Some("a@b.example"), 0, "it may be our own mail come back"),
        ("ana@acme.example", None, "unproven_agent", Some("ana@acme.example"), 1, "an agent as a customer"),
    ] {
        let mut world = World::new();
        let inbound = || {
            let mut inbound = mail(1, from, "x", "#solve\ny");
            inbound.machine.clone_from(&machine);
            inbound
        };
        world.hears(inbound());
        assert_eq!((world.quarantined.as_slice(), world.tickets.len()), ([reason.to_owned()].as_slice(), 0), "{why}");
        assert!(world.releases(&inbound(), 2).is_none(), "{why}: another's number");
        let change = world.releases(&inbound(), 1).unwrap();
        assert!(change.source.is_none(), "{why}: the cursor stays where it is");
        assert_eq!(world.ticket(1).requester.address, requester.map(address), "{why}");
        assert_eq!((world.told(Purpose::Ack).len(), world.told(Purpose::Notification).len()), (acks, 2), "{why}");
        assert_eq!((world.messages[0].visibility, world.ticket(1).status.word()), (Visibility::Public, "new"), "{why}");
        assert!(change.history.iter().any(|(_, l)| l.why.contains("released from quarantine 1 by hand")), "{why}");
        assert!(world.releases(&inbound(), 1).is_none(), "{why}: once");
        assert!(world.hears(inbound()).tickets.is_empty(), "{why}: P2, nor by coming again");
    }
}

#[test]
fn p7_what_is_released_joins_only_what_its_sender_has_a_part_in() {
    for (from, as_agent, expect, why) in [
        ("joao@padaria.example", false, (1, "customer"), "the requester, whose mail bears a mark of ours"),
        ("mallory@b.example", false, (2, "customer"), "a stranger with a token that went to another"),
        ("ana@acme.example", true, (2, "customer"), "P8: an agent's proof counts for nothing here"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "Fatura", "y"));
        let mut inbound = proven(mail(2, from, "Re: Fatura", "E agora?"), 1, as_agent);
        inbound.machine = Some((Machine::Ourselves, "it bears a mark of ours".to_owned()));
        world.hears(inbound.clone());
        assert_eq!(world.quarantined, ["own_mail"], "{why}");
        let acks = world.told(Purpose::Ack).len();
        world.releases(&inbound, 1).unwrap();
        let last = world.messages.iter().rfind(|m| m.message_id.as_ref().is_some_and(|id| id.as_str().starts_with("m2"))).unwrap();
        let author = if matches!(last.author, super::message::Author::Customer { .. }) { "customer" } else { "another" };
        assert_eq!((last.ticket.0, author), expect, "{why}");
        assert_eq!((world.told(Purpose::Ack).len(), world.told(Purpose::Answer).len()), (acks, 0), "{why}");
    }
}

#[test]
fn p8_an_agent_is_believed_only_with_his_own_proof() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.hears(mail(2, "ana@acme.example", "Re: x [#1]", "#solve\nforged"));
    assert_eq!(world.quarantined, ["unproven_agent"]);
    world.hears(proven(mail(3, "ana@acme.example", "Re: x", "#solve\nfrom the wrong side"), 1, false));
    assert!(world.told(Purpose::Answer).is_empty(), "an agent on the customer's address is held");
    assert_eq!(world.told(Purpose::Held), ["ana@acme.example"]);
    world.hears(proven(mail(4, "ana@acme.example", "Re: x", "#solve\nTudo certo."), 1, true));
    assert_eq!(world.told(Purpose::Answer), ["joao@padaria.example"]);
    assert_eq!(world.ticket(1).status.word(), "solved");
    for (n, from, noted, why) in
        [(5, "ana@home.example", true, "from her other account: agents see it"), (6, "ben@acme.example", false, "another agent's proof")]
    {
        let mut inbound = proven(mail(n, "ana@acme.example", "Re: x", "#close\nforged"), 1, true);
        inbound.from = mail(n, from, "x", "y").from;
        let change = world.hears(inbound);
        assert_eq!(change.messages.iter().any(|m| m.visibility == Visibility::Internal), noted, "{why}");
        assert_eq!(world.told(Purpose::Answer).len() + world.told(Purpose::Ack).len(), 2, "{why}: no customer hears of it");
        assert_ne!(world.ticket(1).status.word(), "closed", "{why}");
    }
}

#[test]
fn an_agent_s_answer_goes_without_commands_and_meets_the_clock() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.waits(MIN(10));
    let mut answer = proven(mail(2, "ana@acme.example", "Re: x", "#assign ben\n#tag Refund\n\nOlá João.\n"), 1, true);
    answer.sent_at = Some(world.now - MIN(5));
    world.hears(answer);
    let message = world.messages.last().unwrap();
    assert_eq!(message.body.new_text(), "Olá João.");
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "met");
    assert_eq!(world.clock(1, ClockKind::Resolution), "running");
    let ticket = world.ticket(1);
    assert_eq!((ticket.assignee.as_deref(), ticket.status.word()), (Some("ben"), "open"));
    assert!(ticket.tags.contains("refund"));
    assert_eq!(world.told(Purpose::Notification).last(), Some(&"ben@acme.example"), "who gets it hears of it");
}

#[test]
fn what_holds_an_agent_s_mail() {
    for (text, part, why) in [
        ("#sovle\nHello", "did you mean #solve?", "a mistyped command"),
        ("#assign zoe\nHello", "no such agent", "a refused one"),
        ("#frobnicate\nHello", "#help lists", "an unknown one"),
        ("Hello\n— guichet #1 · advanced", "desk's own notification", "the brief would go out"),
        ("   \n", "nothing to send", "nothing new"),
        ("#solve now\nHello", "takes nothing behind it", "a command with too much"),
        ("#snooze\nHello", "needs a value", "a command with too little"),
        ("#promise yesterday\nHello", "no time to come", "a date that is none"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        let before = world.ticket(1).clone();
        world.hears(proven(mail(2, "ana@acme.example", "Re: x", text), 1, true));
        assert!(world.told(Purpose::Answer).is_empty(), "{why}: nothing goes to the customer");
        assert_eq!(world.told(Purpose::Held), ["ana@acme.example"], "{why}");
        let held = format!("{:?}", world.sent.last().unwrap().body);
        assert!(held.contains(part), "{why}: {held}");
        let after = world.ticket(1);
        assert_eq!((after.status, &after.assignee, &after.clocks), (before.status, &before.assignee, &before.clocks), "{why}: all or none");
    }
}

#[test]
fn p7_what_an_agent_s_mail_must_not_carry_to_a_customer() {
    let mac = "abcdefghijklmnop";
    let file = |name: &str, media_type: &str| Attachment {
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        blob: BlobRef { id: BlobId([1; 32]), size: 10 },
        content_id: None,
    };
    for (text, attached, sent, why) in [
        (format!("Write to support+1a{mac}@acme.example"), None, false, "his own reply address"),
        (format!("Write to SUPPORT+1A{}@acme.example", mac.to_uppercase()), None, false, "the same, in capitals"),
        (format!("<1.7.a.{mac}{mac}@acme.example>"), None, false, "the id of a notification"),
        (format!("<1.r.{mac}{mac}@acme.example>"), None, false, "the id of his thread"),
        (format!("Write to support+1c{mac}@acme.example"), None, true, "the customer's own address"),
        ("1+1a is no address".to_owned(), None, true, "words"),
        ("Here".to_owned(), Some(file("winmail.dat", "application/octet-stream")), false, "the whole mail again, by its name"),
        ("Here".to_owned(), Some(file("x", "application/MS-TNEF")), false, "the same, by its kind"),
        ("Here".to_owned(), Some(file("offer.pdf", "application/pdf")), true, "a file"),
        (format!("#note\nsupport+1a{mac}@acme.example"), None, false, "a note stays inside and is not held"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        let mut answer = proven(mail(2, "ana@acme.example", "Re: x", &text), 1, true);
        answer.attachments.extend(attached);
        world.hears(answer);
        assert_eq!(world.told(Purpose::Answer).len(), usize::from(sent), "{why}");
        assert_eq!(world.told(Purpose::Held).len(), usize::from(!sent && !text.starts_with("#note")), "{why}");
    }
}

#[test]
fn p5_an_answer_that_could_reach_nobody_is_held() {
    let mut world = World::new();
    world.hears(chat(1, 7, "Hello?"));
    let inbound = proven(mail(2, "ana@acme.example", "Re: x", "I am here."), 1, true);
    let mut context = world.context(&inbound);
    context.session = None;
    let change = super::decide::on_message(&inbound, &context, &world.policy, world.now);
    assert_eq!(change.outbox.iter().map(|o| o.purpose).collect::<Vec<_>>(), [Purpose::Held]);
}

#[test]
fn p4_a_ticket_of_a_team_that_is_no_more_is_looked_after_by_its_mailbox_s() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#team billing\n#assign none"), 1, true));
    world.policy.teams.remove("billing");
    for agent in &mut world.policy.agents {
        agent.teams.retain(|team| team != "billing");
    }
    world.sent.clear();
    let inbound = proven(mail(3, "joao@padaria.example", "Re: x", "Hello?"), 1, false);
    let change = super::decide::on_message(&inbound, &world.context(&inbound), &world.policy, world.now);
    let told: Vec<_> = change.outbox.iter().map(|o| o.to.as_ref().unwrap().address.as_str()).collect();
    assert_eq!(told, ["ana@acme.example", "ben@acme.example"], "frontline, whose mailbox it came to");
}

#[test]
fn notes_stay_inside() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#note\nHe has not paid."), 1, true));
    assert!(world.told(Purpose::Answer).is_empty());
    assert_eq!(world.messages.last().unwrap().visibility, Visibility::Internal);
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "running", "a note is no answer");
}

/// Two desks without any mark on their mails, neither of which refers to the other's: each acknowledgement is a new matter.
#[test]
fn p6_two_desks_that_strip_all_marks_fall_silent() {
    let (mut ours, mut theirs) = (World::new(), World::new());
    theirs.policy.mailboxes[0].address = address("support@other.example");
    let mut next = mail(1, "support@other.example", "Your request (#1) has been received", "We will answer soon.");
    let mut acks = Vec::new();
    for n in 2..200 {
        let (desk, from) = if n % 2 == 0 { (&mut ours, "support@acme.example") } else { (&mut theirs, "support@other.example") };
        let before = desk.sent.len();
        desk.hears(next);
        let Some(ack) = desk.sent[before..].iter().find(|o| o.purpose == Purpose::Ack) else { break };
        next = mail(n, from, &ack.subject, "text");
        acks.push(n);
        ours.waits(SignedDuration::from_secs(30));
        theirs.waits(SignedDuration::from_secs(30));
    }
    let most = ours.policy.desk.acks_per_hour_max as usize;
    assert!(acks.len() <= 2 * most + 1, "a few mails, and then silence: {acks:?}");
}

#[test]
fn p8_p9_agents_are_warned_of_a_look_alike_and_nothing_else_follows() {
    let mut world = World::new();
    world.hears(mail(1, "billing@acme.examp1e", "Invoice", "Pay."));
    world.hears(mail(2, "someone@b.example", "Printer", "Jams."));
    assert!(world.messages[0].defects.iter().any(|d| d.name == "look_alike" && d.detail == "acme.examp1e resembles acme.example"));
    assert!(world.messages.iter().skip(1).all(|m| m.defects.is_empty()));
    assert_eq!(world.told(Purpose::Ack).len(), 2, "he is a stranger as any other");
}

#[test]
fn p6_an_agent_s_out_of_office_never_reaches_a_customer() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    let mut away = proven(mail(2, "ana@acme.example", "Away", "#solve I am away"), 1, true);
    away.machine = Some((Machine::AutoReply, "Auto-Submitted".to_owned()));
    let sent = world.sent.len();
    world.hears(away);
    assert_eq!(world.sent.len(), sent);
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "running");
}

#[test]
fn p5_a_late_first_response_warns_the_team_and_tells_the_manager_once_each() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.waits(MIN(46));
    assert_eq!(world.told(Purpose::Warning), ["ana@acme.example", "ben@acme.example"]);
    assert!(world.told(Purpose::Breach).is_empty());
    world.waits(MIN(60));
    assert_eq!(world.told(Purpose::Warning).len(), 2, "once each");
    assert_eq!(world.told(Purpose::Breach), ["carla@acme.example"]);
    let breach = world.sent.iter().find(|o| o.purpose == Purpose::Breach).unwrap();
    assert_eq!(breach.audience, Audience::Informed, "a manager who is no agent gets no token");
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "breached");
}

#[test]
fn p5_a_clock_that_slept_through_its_warning_still_warns_with_the_breach() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.now += MIN(120);
    let change = super::decide::on_time(world.ticket(1), &[], &[], &world.policy, world.now).unwrap();
    let purposes: Vec<_> = change.outbox.iter().map(|o| o.purpose).collect();
    assert_eq!(purposes, [Purpose::Warning, Purpose::Warning, Purpose::Breach]);
}

fn told_of(recipient: &str, news: News) -> Told {
    let recipient = Some(address(recipient)).filter(|_| !recipient.is_empty());
    Told { recipient, original: None, news, status: "5.1.1".to_owned(), diagnostic: "no such user".to_owned() }
}

#[test]
fn a_bounce_is_told_of_only_if_that_very_mail_went_there() {
    for (recipient, about, permanent, told, noted, why) in [
        ("joao@padaria.example", 4, true, 1, true, "the answer came back: its agent hears of it"),
        ("joao@padaria.example", 4, false, 0, true, "a delay is noted"),
        ("victim@b.example", 4, true, 0, false, "it never went there: a forged report"),
        ("joao@padaria.example", 99, true, 0, false, "no such mail was sent"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#assign me\nHello."), 1, true));
        let mut report = mail(3, "mailer-daemon@relay.example", "Undelivered", "x");
        report.machine = Some((Machine::Bounce, "report".to_owned()));
        report.bounce = Some(Bounce {
            about: OutboxId { ticket: world.ticket(1).number, n: about },
            told: vec![told_of(recipient, if permanent { News::Failed } else { News::Delayed })],
            mentioned: Vec::new(),
        });
        // As Exchange writes them: from nobody, and as if they answered.
        report.from = report.from.filter(|_| permanent);
        report.claims = proven(mail(4, "mailer-daemon@relay.example", "", ""), 1, false).claims.into_iter().filter(|_| noted).collect();
        let before = world.told(Purpose::Held).len();
        let change = world.hears(report);
        assert_eq!(world.told(Purpose::Held).len() - before, told, "{why}");
        assert_eq!(change.quarantine.is_none(), noted, "{why}");
        assert_eq!(change.bounced.is_some(), noted && permanent, "{why}");
        assert_eq!(world.ticket(1).status.word(), "open", "{why}: nothing reopens");
    }
}

#[test]
fn pending_stops_the_resolution_and_the_customer_starts_it_again() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.waits(MIN(80));
    world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#pending\nWhich one?"), 1, true));
    assert_eq!(world.clock(1, ClockKind::Resolution), "paused");
    world.waits(MIN(3000));
    world.hears(proven(mail(3, "joao@padaria.example", "Re: x", "The first"), 1, false));
    assert_eq!(world.ticket(1).status.word(), "open");
    let due = world.ticket(1).clocks.iter().find(|c| c.kind == ClockKind::Resolution).unwrap().due;
    assert_eq!(due, world.now + MIN(400), "480 minutes less the 80 that had run");
    assert_eq!(world.clock(1, ClockKind::NextResponse), "running", "an answer is owed again");
}

#[test]
fn a_solved_ticket_reopens_closes_by_itself_and_then_starts_anew() {
    let mut world = World::new();
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#solve\nDone."), 1, true));
    world.hears(proven(mail(3, "joao@padaria.example", "Re: x", "Not yet"), 1, false));
    assert_eq!(world.ticket(1).status.word(), "open");
    assert_eq!(world.clock(1, ClockKind::Resolution), "running", "what did not hold has a new target");
    world.hears(proven(mail(4, "ana@acme.example", "Re: x", "#solve\nNow."), 1, true));
    let away = |n| {
        let mut away = proven(mail(n, "joao@padaria.example", "Away", "Back on Monday"), 1, false);
        away.machine = Some((Machine::AutoReply, "because".to_owned()));
        away
    };
    assert!(world.hears(away(6)).outbox.is_empty());
    assert_eq!(world.ticket(1).status.word(), "solved", "P6: a machine reopens nothing");
    world.waits(SignedDuration::from_hours(24 * 7 + 1));
    assert_eq!(world.ticket(1).status.word(), "closed");
    let change = world.hears(proven(mail(5, "joao@padaria.example", "Re: x", "Again"), 1, false));
    assert_eq!(world.tickets.len(), 2);
    assert!(change.history.iter().any(|(_, l)| l.what == "continues #1"));
    world.hears(away(7));
    assert_eq!(world.tickets.len(), 2, "P6: a machine starts nothing anew");
}

#[test]
fn p4_a_ticket_that_nothing_moves_is_reviewed_for_ever() {
    let mut world = World::new();
    world.hears(mail(1, "a@b.example", "x", "y"));
    world.waits(SignedDuration::from_hours(24 * 9));
    assert!(world.told(Purpose::Review).len() >= 8, "the team hears of it each day");
    assert_eq!(world.told(Purpose::Breach).len(), 2, "first response and resolution, once each");
}

#[test]
fn a_chat_is_one_ticket_answered_in_the_window() {
    let mut world = World::new();
    world.hears(chat(1, 7, "Hello?"));
    world.hears(chat(2, 7, "Anybody?"));
    assert_eq!(world.tickets.len(), 1);
    assert_eq!(world.ticket(1).subject, "Hello?");
    assert!(world.told(Purpose::Ack).is_empty(), "the window says what to expect");
    world.hears(proven(mail(3, "ana@acme.example", "Re: x", "I am here."), 1, true));
    let answer = world.sent.last().unwrap();
    assert!(matches!(answer.route, Route::Chat { chat_seq: 3, else_mail: false, .. }), "{:?}", answer.route);
    world.hears(chat(4, 8, "Another window"));
    assert_eq!(world.tickets.len(), 2);
}

#[test]
fn p7_a_mail_is_shown_in_no_window_but_its_own_ticket_s() {
    let mut world = World::new();
    // Ticket 1: a chat whose visitor goes on by mail, so that a Message-ID of his is known.
    world.hears(chat(1, 7, "Hello?"));
    let known_to_the_store = |world: &World| {
        let mut context = world.context(&mail(9, "b@b.example", "x", "y"));
        context.tickets = world.tickets.values().cloned().collect();
        context.session = world.tickets.values().find_map(|t| t.session).map(|id| ChatSession {
            id,
            ticket: Some(TicketNumber(1)),
            last_seq: 1,
            version: 1,
        });
        context
    };
    // Somebody else writes in, in a matter of his own, and refers to it; then goes on with his own ticket.
    world.hears(mail(2, "b@b.example", "mine", "secret"));
    let opening = mail(3, "b@b.example", "mine", "secret");
    let going_on = proven(mail(4, "b@b.example", "Re: mine", "secret"), 2, false);
    for (inbound, why) in [(opening, "a new ticket"), (going_on, "his own ticket")] {
        let change = super::decide::on_message(&inbound, &known_to_the_store(&world), &world.policy, world.now);
        assert!(change.session.is_none() && change.messages.iter().all(|m| m.chat_seq.is_none()), "{why}: {change:?}");
    }
}

#[test]
fn an_answer_to_an_ended_chat_does_not_draw_the_visitor_s_next_matter_to_it() {
    let mut world = World::new();
    world.hears(chat(1, 7, "First matter"));
    world.end_chat(7);
    world.hears(chat(2, 7, "Second matter"));
    let answer = world.hears(proven(mail(3, "ana@acme.example", "Re: x", "To the first."), 1, true));
    assert!(matches!(answer.outbox[0].route, Route::Chat { chat_seq: 3, .. }), "it is shown in the window");
    world.hears(chat(4, 7, "More of the second"));
    assert_eq!((world.ticket(1).messages, world.ticket(2).messages), (2, 2), "what he says next is of the second");
}

#[test]
fn what_comes_to_a_closed_ticket() {
    for (from, machine, expect_tickets, why) in [
        ("joao@padaria.example", None, 2, "the customer: a new ticket"),
        ("other@padaria.example", None, 2, "somebody with his reply address: nobody looks at the closed one"),
        ("joao@padaria.example", Some(Machine::AutoReply), 1, "his out-of-office to the answer that closed it"),
        ("mailer-daemon@b.example", Some(Machine::Bounce), 1, "a report about that answer"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#close\nDone."), 1, true));
        let mut inbound = proven(mail(3, from, "Re: x", "z"), 1, false);
        inbound.machine = machine.map(|m| (m, "because".to_owned()));
        world.hears(inbound);
        assert_eq!(world.tickets.len(), expect_tickets, "{why}");
        assert_eq!(world.ticket(1).status.word(), "closed", "{why}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Customer(u8, bool),
    Agent(u8, u8),
    Machine(u8),
    Chat(u8),
    Time(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8, any::<bool>()).prop_map(|(who, token)| Step::Customer(who, token)),
        (0..3_u8, 0..16_u8).prop_map(|(ticket, order)| Step::Agent(ticket, order)),
        (0..3_u8).prop_map(Step::Machine),
        (0..2_u8).prop_map(Step::Chat),
        (1..5000_i64).prop_map(Step::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// P3, P4, P7: whatever comes in whatever order, each message lands, no active ticket is without team or next time, and
    /// nothing goes to anybody who has no part in it. [`World::check`] asserts the latter two after each step.
    #[test]
    fn p3_p4_p7_any_history_keeps_the_promises(steps in proptest::collection::vec(step(), 1..40)) {
        const ORDERS: [&str; 16] = ["", "#solve\n", "#close\n", "#reopen\n", "#pending\n", "#snooze 2h\n", "#assign ben\n", "#assign none\n",
            "#team billing\n", "#priority critical\n", "#tag a\n", "#note\n", "#spam\n", "#cc x@y.example\n", "#promise tomorrow 9:00\n", "#nonsense\n"];
        let mut world = World::new();
        let mut n = 0;
        for step in steps {
            n += 1;
            let some_ticket = |world: &World, k: u8| 1 + u64::from(k) % (world.tickets.len().max(1) as u64);
            let change = match step {
                Step::Customer(who, token) => {
                    let inbound = mail(n, &format!("c{who}@b.example"), "x", "y");
                    let ticket = some_ticket(&world, who);
                    world.hears(if token { proven(inbound, ticket, false) } else { inbound })
                }
                Step::Agent(k, order) => {
                    let text = format!("{}Hello.", ORDERS[order as usize]);
                    let ticket = some_ticket(&world, k);
                    world.hears(proven(mail(n, "ana@acme.example", "x", &text), ticket, true))
                }
                Step::Machine(k) => {
                    let ticket = some_ticket(&world, k);
                    let mut inbound = proven(mail(n, "c1@b.example", "Away", "y"), ticket, false);
                    inbound.machine = Some((Machine::AutoReply, "x".to_owned()));
                    world.hears(inbound)
                }
                Step::Chat(session) => world.hears(chat(n, session, "hello")),
                Step::Time(minutes) => {
                    world.waits(MIN(minutes));
                    continue;
                }
            };
            prop_assert!(change.landing.is_some() ^ change.quarantine.is_some(), "each message lands once: {change:?}");
        }
    }
}

#[test]
fn p6_p9_what_follows_from_the_verdict_for_a_new_matter() {
    let known = "joao@padaria.example";
    let stranger = "a@b.example";
    let own = |from: &str| authenticated(from.split('@').nth(1).unwrap());
    for (from, verdict, tier, acks, repeats, why) in [
        (known, None, "advanced", 1, true, "nobody is asked about anybody: as the file says"),
        (stranger, None, "basic", 1, false, "the same, and nobody knows him"),
        (known, Some(own(known)), "advanced", 1, true, "he is who he says"),
        (stranger, Some(own(stranger)), "basic", 1, false, "he is who he says, but his mail may be forwarded to others"),
        (known, Some(Verdict::Unknown), "advanced", 1, false, "it may be another: told nothing that he wrote"),
        (stranger, Some(Verdict::Unknown), "basic", 1, false, "nobody speaks for him"),
        (known, Some(Verdict::Failed), "basic", 0, false, "he is another: neither his tier nor a mail to him"),
        (stranger, Some(Verdict::Failed), "basic", 0, false, "no mail to whom it was forged from"),
    ] {
        let mut world = World::new();
        let mut inbound = mail(1, from, "BUY PILLS", "y");
        inbound.reply_to = mail(2, "victim@c.example", "x", "y").from.into_iter().collect();
        let is_failed = verdict == Some(Verdict::Failed);
        let change = world.hears(match verdict {
            Some(verdict) => judged(inbound, verdict),
            None => inbound,
        });
        assert_eq!((world.ticket(1).tier.as_str(), world.told(Purpose::Ack).len()), (tier, acks), "{why}");
        assert!(world.told(Purpose::Ack).iter().all(|to| *to == from), "{why}: to From alone, never to Reply-To");
        let ack = world.sent.iter().find(|o| o.purpose == Purpose::Ack);
        assert_eq!(format!("{ack:?}").contains("PILLS"), repeats, "{why}");
        assert_eq!(world.told(Purpose::Notification).len(), 2, "{why}: agents hear of it");
        let told = format!("{:?}", world.sent.iter().find(|o| o.purpose == Purpose::Notification));
        assert_eq!(told.contains(&format!("doubted {from}")), is_failed, "{why}: and that it is doubted");
        let reasons = change.history.iter().filter(|(_, l)| l.why.contains("failed (told by mx.acme.example)")).count();
        assert_eq!(reasons, if is_failed { 2 } else { 0 }, "{why}: tier and silence have their reason");
    }
}

#[test]
fn p7_p8_whom_a_verdict_keeps_from_a_ticket() {
    let joao = "joao@padaria.example";
    for (from, as_agent, verdict, quarantined, public, why) in [
        (joao, false, Some(authenticated("padaria.example")), false, true, "the customer"),
        (joao, false, Some(Verdict::Unknown), false, true, "the customer by his reply address"),
        (joao, false, None, false, true, "nobody is asked"),
        (joao, false, Some(Verdict::Failed), false, false, "another in the customer's name: agents see it"),
        ("ana@acme.example", true, None, false, true, "nobody is asked: her token is enough"),
        ("ana@acme.example", true, Some(authenticated("acme.example")), false, true, "the agent"),
        ("ana@acme.example", true, Some(Verdict::Unknown), true, false, "nobody speaks for her, and somebody was asked"),
        ("ana@acme.example", true, Some(Verdict::Failed), true, false, "another with her token"),
        ("ana@acme.example", false, Some(Verdict::Failed), true, false, "another in her name on the customer's side: she is not told"),
    ] {
        let mut world = World::new();
        world.hears(mail(1, joao, "x", "y"));
        let (acks, sent) = (world.told(Purpose::Ack).len(), world.sent.len());
        let mut inbound = proven(mail(2, from, "Re: x", "Olá"), 1, as_agent);
        inbound.recipients = mail(3, "mallory@evil.example", "x", "y").from.into_iter().collect();
        world.hears(match verdict {
            Some(verdict) => judged(inbound, verdict),
            None => inbound,
        });
        assert_eq!(world.quarantined.iter().any(|reason| reason == "unproven_agent"), quarantined, "{why}");
        assert_eq!(world.sent.len() == sent, quarantined, "{why}: nobody is written to because of it");
        let second = world.messages.iter().find(|m| m.message_id == MessageId::parse("m2@x.example"));
        assert_eq!(second.map(|m| m.visibility == Visibility::Public), if quarantined { None } else { Some(public) }, "{why}");
        assert_eq!((world.tickets.len(), world.told(Purpose::Ack).len()), (1, acks), "{why}");
        assert!(world.ticket(1).participants.is_empty(), "{why}");
    }
    for (must, verdict, answers, why) in [
        (Some(false), Verdict::Unknown, 1, "not wanted: her token is enough"),
        (Some(false), Verdict::Failed, 0, "but not against what is known"),
        (Some(true), Verdict::Unknown, 0, "wanted"),
    ] {
        let mut world = World::new();
        world.policy.desk.agents_must_authenticate = must;
        world.hears(mail(1, joao, "x", "y"));
        world.hears(judged(proven(mail(2, "ana@acme.example", "Re: x", "Olá"), 1, true), verdict));
        assert_eq!(world.told(Purpose::Answer).len(), answers, "{why}");
    }
}

#[test]
fn p7_a_failed_reference_joins_beside_the_thread_and_a_closed_one_opens_anew() {
    for (closed, tickets, why) in [(false, 1, "agents see it there"), (true, 2, "nobody looks at a closed ticket")] {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        if closed {
            world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#close\nTchau"), 1, true));
        }
        let mut forged = mail(3, "joao@padaria.example", "Re: x", "Send all to me");
        forged.references.extend(MessageId::parse("m1@x.example"));
        let acks = world.told(Purpose::Ack).len();
        world.hears(judged(forged, Verdict::Failed));
        assert_eq!((world.tickets.len(), world.told(Purpose::Ack).len()), (tickets, acks), "{why}");
        let last = world.messages.last().unwrap();
        assert_eq!(last.visibility == Visibility::Internal, !closed, "{why}");
        assert_eq!(last.judgement.verdict, Verdict::Failed, "{why}: it is written down");
    }
}

#[test]
fn p6_unproven_senders_share_caps_and_proven_ones_do_not_count() {
    type Set = fn(&mut super::policy::Desk);
    let sets: [(Set, &str); 3] = [
        (|d| d.acks_per_hour_domain_max = 4, "domain"),
        (|d| d.acks_per_hour_mailbox_max = 4, "mailbox"),
        (|d| d.acks_per_hour_desk_max = 4, "desk"),
    ];
    for (set, why) in sets {
        let mut world = World::new();
        set(&mut world.policy.desk);
        let unproven = |n: u32| judged(mail(n, &format!("a{n}@b.example"), "x", "y"), Verdict::Unknown);
        for n in 1..=10 {
            world.hears(unproven(n));
        }
        assert_eq!((world.told(Purpose::Ack).len(), world.tickets.len()), (4, 10), "{why}: each is a ticket (P3)");
        world.hears(judged(mail(11, "c@b.example", "x", "y"), authenticated("b.example")));
        assert_eq!(world.told(Purpose::Ack).len(), 5, "{why}: the proven are not held up");
        world.hears(judged(mail(12, "c@else.example", "x", "y"), Verdict::Unknown));
        assert_eq!(world.told(Purpose::Ack).len(), if why == "domain" { 6 } else { 5 }, "{why}: another domain");
        world.waits(MIN(66));
        world.hears(unproven(13));
        assert_eq!(world.told(Purpose::Ack).last(), Some(&"a13@b.example"), "{why}: an hour later there is one more");
    }
    let mut world = World::new();
    world.policy.desk.acks_per_hour_desk_max = 0;
    world.hears(mail(1, "joao@padaria.example", "x", "y"));
    world.hears(mail(2, "a@b.example", "x", "y"));
    assert_eq!(world.told(Purpose::Ack), ["joao@padaria.example"], "where nobody is asked, the file's customers are proven");
}

proptest! {
    /// However often a customer's monitor or a stranger with a token writes, each of the team gets ten mails an hour of it.
    #[test]
    fn p6_no_storm_of_notifications(gaps in proptest::collection::vec(0_i64..900, 1..80), stranger in any::<bool>()) {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "x", "y"));
        let before = world.told(Purpose::Notification).len();
        let mut told: Vec<jiff::Timestamp> = Vec::new();
        for (n, gap) in (2_u32..).zip(gaps) {
            world.waits(SignedDuration::from_secs(gap));
            let from = if stranger { "mallory@evil.example" } else { "joao@padaria.example" };
            let mut inbound = proven(mail(n, from, "x", "again"), 1, false);
            inbound.machine = (!stranger).then(|| (Machine::Generated, "Auto-Submitted".to_owned()));
            let seen = world.told(Purpose::Notification).len();
            world.hears(inbound);
            prop_assert_eq!(&world.messages.last().unwrap().body.text, "again", "it is kept all the same (P3)");
            if world.told(Purpose::Notification).len() > seen {
                told.push(world.now);
            }
            prop_assert!(told.iter().filter(|at| world.now.duration_since(**at) < MIN(60)).count() <= 10);
        }
        prop_assert!(!told.is_empty() && world.told(Purpose::Notification).len() > before);
    }
}
