//! Whole lives of tickets: what was answered late, read late, overtaken, merged, slept through.

use super::super::outbound::{Outbound, Piece, Purpose};
use super::super::policy::{Sla, Step};
use super::super::sla::{Clock, ClockKind};
use super::super::testing::{World, address, mail, proven};
use super::super::ticket::{HELD_TAG, Priority};
use super::MIN;
use jiff::{SignedDuration, Timestamp};

const JOAO: &str = "joao@padaria.example";
const HOUR: fn(i64) -> SignedDuration = SignedDuration::from_hours;

/// A desk that has heard João's first mail: an hour to the first response, eight to the resolution.
fn asked(arrange: impl FnOnce(&mut World)) -> World {
    let mut world = World::new();
    arrange(&mut world);
    world.hears(mail(1, JOAO, "Fatura", "y"));
    world
}

fn ana(world: &mut World, n: u32, text: &str, sent: Option<Timestamp>) {
    let mut mail = proven(mail(n, "ana@acme.example", "Re: x", text), 1, true);
    mail.sent_at = sent;
    world.hears(mail);
}

fn joao(world: &mut World, n: u32) {
    world.hears(proven(mail(n, JOAO, "Re: x", "And now?"), 1, false));
}

fn clock(world: &World, ticket: u64, kind: ClockKind) -> Option<Clock> {
    world.ticket(ticket).clocks.iter().find(|c| c.kind == kind).cloned()
}

fn text(mail: &Outbound) -> String {
    mail.body.iter().map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { "" }).collect()
}

fn step(minutes: i64, to: &str) -> Step {
    Step { after: MIN(minutes), to: address(to) }
}

#[test]
fn p10_when_an_answer_was_sent_is_believed_only_where_it_can_be() {
    for (wait, sent, expect, why) in [
        (70, 59, "met", "read late"),
        (70, 61, "breached", "sent late"),
        (70, -60 * 24 * 365 * 50, "breached", "a clock that was never set: it counts when it was read"),
        (50, -60 * 24, "met", "the same, in time"),
        (70, 60 * 24 * 365, "breached", "from the future"),
        (50, 60 * 24, "met", "the same, in time"),
    ] {
        let mut world = asked(|_| {});
        let opened = world.now;
        world.waits(MIN(wait));
        ana(&mut world, 2, "Olá.", Some(opened + MIN(sent)));
        assert_eq!(world.clock(1, ClockKind::FirstResponse), expect, "{why}");
    }
}

#[test]
fn p3_a_clock_that_was_put_back_keeps_no_answer_from_its_ticket() {
    let mut world = asked(|_| {});
    world.now -= HOUR(25);
    let sent = world.now;
    ana(&mut world, 2, "Olá.", Some(sent));
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "met");
    ana(&mut world, 3, "#solve\nOlá.", None);
    world.waits(HOUR(24 * 30));
    assert!(world.told(Purpose::Breach).is_empty());
    assert_eq!(world.ticket(1).status.word(), "closed");
}

#[test]
fn an_answer_does_not_answer_what_the_customer_wrote_after_it_was_sent() {
    for (order, why) in
        [("", "an answer"), ("#solve\n", "solved"), ("#pending\n", "waits for him"), ("#snooze 2d\n", "snoozed"), ("#close\n", "closed")]
    {
        let mut world = asked(|world| world.policy.desk.nudge_after = Some(HOUR(72)));
        ana(&mut world, 2, "Olá.", None);
        world.waits(MIN(30));
        let sent = world.now;
        // Nothing is read for an hour; then his next mail comes before the one that was sent earlier.
        world.waits(MIN(60));
        joao(&mut world, 3);
        let due = clock(&world, 1, ClockKind::NextResponse).unwrap().due;
        ana(&mut world, 4, &format!("{order}Try this."), Some(sent));
        let owed = clock(&world, 1, ClockKind::NextResponse).unwrap();
        assert!(owed.is_open() && owed.due == due, "{why}: {owed:?}");
        assert_eq!((world.ticket(1).status.word(), world.told(Purpose::Answer).len()), ("open", 2), "{why}: and it is sent all the same");
        ana(&mut world, 5, "#solve\nThis helps.", None);
        assert_eq!((world.clock(1, ClockKind::NextResponse), world.ticket(1).status.word()), ("met", "solved"), "{why}");
        world.waits(HOUR(24 * 6));
        assert!(world.told(Purpose::Nudge).is_empty(), "{why}");
    }
    let mut world = asked(|_| {});
    ana(&mut world, 2, "Olá.", None);
    world.waits(MIN(30));
    joao(&mut world, 3);
    let sent = world.now - MIN(1);
    ana(&mut world, 4, "#solve\nTry this.", Some(sent));
    assert_eq!(
        (world.clock(1, ClockKind::NextResponse), world.ticket(1).status.word()),
        ("met", "solved"),
        "clocks of two machines differ a little"
    );
}

#[test]
fn only_a_person_s_public_answer_meets_a_response_clock() {
    for (text, first, resolution, why) in [
        ("Olá.", "met", "running", "an answer"),
        ("#solve\nOlá.", "met", "met", "a solution"),
        ("#solve\n#note\nfor us", "none", "met", "solved without a word to him"),
        ("#close\n#note\nfor us", "none", "met", "closed without a word to him"),
        ("#spam", "none", "met", "nobody is answered"),
        ("#note\nfor us", "running", "running", "a note"),
    ] {
        let mut world = asked(|_| {});
        world.waits(MIN(10));
        ana(&mut world, 2, text, None);
        assert_eq!((world.clock(1, ClockKind::FirstResponse), world.clock(1, ClockKind::Resolution)), (first, resolution), "{why}");
        world.waits(MIN(55));
        assert_eq!(world.told(Purpose::Breach).len(), usize::from(first == "running"), "{why}");
    }
}

#[test]
fn p5_an_escalation_names_the_clock_that_it_is_about() {
    let mut world = asked(|world| {
        world.policy.slas[1].escalate = vec![step(15, "head@acme.example")];
        world.policy.slas[1].resolution = None;
    });
    world.waits(MIN(70));
    ana(&mut world, 2, "Late, sorry.", None);
    assert!(world.told(Purpose::Escalation).is_empty());
    joao(&mut world, 3);
    world.waits(MIN(80));
    let told: Vec<String> = world.sent.iter().filter(|o| o.purpose == Purpose::Escalation).map(text).collect();
    assert!(told.len() == 1 && told[0].contains("next_response"), "{told:?}");
}

#[test]
fn p10_whoever_was_told_a_time_hears_of_a_delay_though_the_clock_was_moved() {
    let noticing = |world: &mut World| {
        world.policy.slas[1].delay_notice_at = Some(0.9);
        world.policy.slas[1].delay_by = Some(MIN(120));
        let critical = Sla { priority: Some(Priority::Critical), first_response: Some(MIN(15)), ..world.policy.slas[1].clone() };
        world.policy.slas.push(critical);
    };
    // He was told an hour; the desk wanted to do it in a quarter, and did neither.
    let mut world = asked(noticing);
    ana(&mut world, 2, "#priority critical", None);
    world.waits(MIN(58));
    assert_eq!((world.clock(1, ClockKind::FirstResponse), world.told(Purpose::Delay)), ("breached", vec![JOAO]));
    world.waits(HOUR(24));
    assert_eq!(world.told(Purpose::Delay).len(), 1, "never twice");

    // The machine was off: late, but not silent; the new time is not past.
    let mut world = asked(noticing);
    world.now += HOUR(6);
    world.waits(MIN(1));
    let promised = clock(&world, 1, ClockKind::Promise).unwrap().due;
    assert_eq!((world.told(Purpose::Delay), promised > world.now), (vec![JOAO], true));
}

#[test]
fn p10_a_delay_that_nobody_can_be_told_of_is_no_promise() {
    let mut world = asked(|world| world.policy.slas[1].delay_notice_at = Some(0.9));
    ana(&mut world, 2, &format!("#tag {HELD_TAG}"), None);
    world.waits(MIN(59));
    assert_eq!((world.told(Purpose::Delay).len(), clock(&world, 1, ClockKind::Promise)), (0, None));
}

#[test]
fn a_ticket_that_slept_through_its_nudges_closes_and_asks_nobody() {
    let mut world = asked(|world| {
        world.policy.desk.nudge_after = Some(HOUR(72));
        world.policy.desk.nudges_max = 3;
        world.policy.desk.close_pending_after = Some(HOUR(24 * 14));
    });
    ana(&mut world, 2, "#pending\nWhich printer?", None);
    world.waits(HOUR(73));
    assert_eq!(world.told(Purpose::Nudge).len(), 1);
    world.now += HOUR(24 * 30);
    world.waits(HOUR(24));
    assert_eq!((world.ticket(1).status.word(), world.told(Purpose::Nudge).len()), ("closed", 1));
    world.waits(HOUR(24 * 30));
    assert_eq!(world.told(Purpose::Nudge).len(), 1, "nothing is asked on a closed ticket");
}

#[test]
fn a_snooze_ends_when_it_was_to_end_however_late_that_is_seen() {
    let mut world = asked(|_| {});
    ana(&mut world, 2, "#snooze 2h\nTomorrow.", None);
    let left = clock(&world, 1, ClockKind::Resolution).unwrap().due - world.now;
    let end = world.now + HOUR(2);
    world.now += HOUR(5);
    world.waits(MIN(1));
    let clock = clock(&world, 1, ClockKind::Resolution).unwrap();
    assert_eq!(clock.due.duration_since(end), SignedDuration::try_from(left).unwrap(), "three hours of it were ours");
}

#[test]
fn a_solved_ticket_that_is_taken_up_again_has_its_clocks_and_asks_nobody_whether_all_is_well() {
    for (order, why) in [("#pending", "pending"), ("#snooze 1h", "snoozed"), ("#reopen", "open")] {
        let mut world = asked(|world| world.policy.tiers[1].checkin_after = vec![HOUR(48)]);
        ana(&mut world, 2, "#solve\nDone.", None);
        world.waits(HOUR(1));
        ana(&mut world, 3, &format!("{order}\nOr is it?"), None);
        assert!(clock(&world, 1, ClockKind::Resolution).unwrap().is_open(), "{why}: a new target");
        world.waits(HOUR(72));
        assert!(world.told(Purpose::Checkin).is_empty(), "{why}");
    }
    let mut world = asked(|world| world.policy.tiers[1].checkin_after = vec![HOUR(48)]);
    ana(&mut world, 2, "#solve\nDone.", None);
    ana(&mut world, 3, "#spam", None);
    world.waits(HOUR(72));
    assert!(world.told(Purpose::Checkin).is_empty(), "spam is asked nothing");
}

#[test]
fn p4_a_target_that_one_priority_took_away_comes_back_with_another() {
    let without = |world: &mut World| {
        let low = Sla { priority: Some(Priority::Low), resolution: None, ..world.policy.slas[1].clone() };
        world.policy.slas.push(low);
    };
    let mut world = asked(without);
    let due = clock(&world, 1, ClockKind::Resolution).unwrap().due;
    ana(&mut world, 2, "#priority low", None);
    assert_eq!(world.clock(1, ClockKind::Resolution), "none");
    world.waits(MIN(10));
    ana(&mut world, 3, "#priority high", None);
    assert_eq!(clock(&world, 1, ClockKind::Resolution).map(|c| c.due), Some(due), "from when it began");
}

#[test]
fn p5_the_same_target_again_warns_nobody_again() {
    let mut world = asked(|world| world.policy.slas[1].resolution = None);
    world.waits(MIN(50));
    let warned = world.told(Purpose::Warning).len();
    ana(&mut world, 2, "#priority high", None);
    world.waits(MIN(5));
    assert_eq!((warned, world.told(Purpose::Warning).len()), (2, 2));
}

#[test]
fn p5_a_breach_that_was_not_seen_yet_is_not_paused_away() {
    let mut world = asked(|world| world.policy.slas[1].first_response = None);
    world.now += HOUR(9);
    ana(&mut world, 2, "#pending\nWhich?", None);
    world.waits(MIN(1));
    assert_eq!((world.clock(1, ClockKind::Resolution), world.told(Purpose::Breach).len()), ("breached", 1));
}

#[test]
fn p10_a_promise_goes_on_where_its_ticket_goes_on() {
    let mut world = asked(|world| world.policy.desk.promise_reminders = vec![HOUR(1)]);
    world.hears(mail(2, JOAO, "Mais", "z"));
    ana(&mut world, 3, "#promise wed 15:00\nBy Wednesday.", None);
    let due = clock(&world, 1, ClockKind::Promise).unwrap().due;
    world.hears(proven(mail(4, "ana@acme.example", "Re: x", "#merge 2\n#note"), 1, true));
    assert_eq!(clock(&world, 2, ClockKind::Promise).map(|c| c.due), Some(due));
    world.waits(HOUR(24 * 4));
    let reminders = world.sent.iter().filter(|o| o.purpose == Purpose::Reminder).count();
    assert_eq!((reminders > 0, world.clock(2, ClockKind::Promise)), (true, "breached"));
}

#[test]
fn p10_what_is_taken_out_again_has_its_alarms_again() {
    let mut world = asked(|world| {
        world.policy.desk.promise_reminders = vec![HOUR(1)];
        world.policy.desk.nudge_after = Some(HOUR(72));
        world.policy.desk.close_pending_after = Some(HOUR(24 * 14));
    });
    world.hears(mail(2, JOAO, "Mais", "z"));
    ana(&mut world, 3, "#pending\n#promise wed 15:00\nWhich? By Wednesday.", None);
    world.hears(proven(mail(4, "ana@acme.example", "Re: x", "#merge 2\n#note"), 1, true));
    world.hears(proven(mail(5, "ana@acme.example", "Re: x", "#unmerge 1\n#note"), 2, true));
    assert_eq!((world.clock(1, ClockKind::Promise), world.clock(2, ClockKind::Promise)), ("running", "none"));
    assert_eq!(["running"; 3], [ClockKind::Reminder, ClockKind::Nudge, ClockKind::AutoClose].map(|kind| world.clock(1, kind)));
}

#[test]
fn p10_a_merge_that_is_undone_gives_the_first_response_its_time_back() {
    let mut world = asked(|_| {});
    world.waits(MIN(20));
    world.hears(mail(2, JOAO, "Mais", "z"));
    let [first, second] = [1, 2].map(|n| clock(&world, n, ClockKind::FirstResponse).unwrap().due);
    world.hears(proven(mail(4, "ana@acme.example", "Re: x", "#merge 2\n#note"), 1, true));
    assert_eq!(clock(&world, 2, ClockKind::FirstResponse).map(|c| c.due), Some(first), "owed at the earlier time");
    world.hears(proven(mail(5, "ana@acme.example", "Re: x", "#unmerge 1\n#note"), 2, true));
    assert_eq!(clock(&world, 2, ClockKind::FirstResponse).map(|c| c.due), Some(second));
    assert_eq!(clock(&world, 1, ClockKind::FirstResponse).map(|c| (c.due, c.is_open())), Some((first, true)));
}

#[test]
fn a_late_answer_that_is_owed_is_owed_after_a_merge_too() {
    let mut world = asked(|world| world.policy.slas[1].escalate = vec![step(60, "head@acme.example")]);
    world.hears(mail(2, JOAO, "Mais", "z"));
    world.hears(proven(mail(3, "ana@acme.example", "Re: x", "Olá."), 2, true));
    world.waits(MIN(70));
    world.hears(proven(mail(4, "ana@acme.example", "Re: x", "#merge 2\n#note"), 1, true));
    world.waits(MIN(60));
    assert_eq!(world.told(Purpose::Escalation), ["head@acme.example"], "nobody answered yet");
    world.hears(proven(mail(5, "ana@acme.example", "Re: x", "Olá."), 2, true));
}

#[test]
fn a_ticket_that_gets_another_team_is_told_to_it() {
    let mut world = asked(|_| {});
    world.policy.agents[1].teams = vec!["billing".to_owned()];
    let before = world.told(Purpose::Notification).len();
    ana(&mut world, 2, "#team billing", None);
    assert_eq!(world.told(Purpose::Notification)[before..], ["ben@acme.example"]);
}
