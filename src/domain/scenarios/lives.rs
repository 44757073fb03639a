//! Whole lives of tickets: what was answered late, read late, overtaken, merged, slept through.

use super::super::outbound::{Outbound, Piece, Purpose};
use super::super::policy::{Sla, Step};
use super::super::sla::{self, Clock, ClockKind, Event};
use super::super::testing::{World, address, mail, proven};
use super::super::ticket::{HELD_TAG, Priority};
use super::MIN;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeSet;

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

#[derive(Clone, Debug)]
enum Deed {
    /// What the customer says, in which of the first tickets.
    Customer(u64),
    /// An agent's order, in which ticket, sent how many minutes ago.
    Agent(u64, usize, i64),
    Wait(i64),
    /// The machine is off.
    Sleep(i64),
    /// The machine's clock is put.
    Put(i64),
    /// A day becomes a holiday, or is one no more.
    Holiday(i64),
}

const ORDERS: [&str; 18] = [
    "",
    "#solve\n",
    "#close\n",
    "#reopen\n",
    "#pending\n",
    "#snooze 2h\n",
    "#snooze 4d\n",
    "#priority low\n",
    "#priority high\n",
    "#priority critical\n",
    "#team billing\n",
    "#promise tomorrow 9:00\n",
    "#promise fri 15:00\n",
    "#note\n",
    "#merge 1\n#note\n",
    "#merge 2\n#note\n",
    "#unmerge 2\n#note\n",
    "#split 1\n#note\n",
];

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (1..4_u64).prop_map(Deed::Customer),
        6 => (1..4_u64, 0..ORDERS.len(), 0..200_i64).prop_map(|(ticket, order, ago)| Deed::Agent(ticket, order, ago)),
        4 => (1..3000_i64).prop_map(Deed::Wait),
        1 => (1..30_000_i64).prop_map(Deed::Sleep),
        1 => (-1500..1500_i64).prop_map(Deed::Put),
        1 => (0..7_i64).prop_map(Deed::Holiday),
    ]
}

/// What must hold of each ticket at any time, besides what [`World`] itself looks at.
fn hold(world: &World) -> Result<(), TestCaseError> {
    let calendars = &world.policy.calendars;
    for ticket in world.tickets.values() {
        for clock in &ticket.clocks {
            prop_assert_eq!(sla::derive(&ticket.log, clock.kind, calendars), Some(clock.clone()), "after a restart");
            let used: Vec<i64> = sla::account(&ticket.log, clock.kind, calendars).into_iter().map(|(_, used)| used).collect();
            prop_assert!(used.iter().all(|used| *used >= 0), "{:?}", used);
        }
        prop_assert!(ticket.log.len() <= sla::ENTRIES_MAX + ClockKind::ALL.len(), "P11: {}", ticket.log.len());
        let kinds: BTreeSet<ClockKind> = ticket.clocks.iter().map(|c| c.kind).collect();
        prop_assert_eq!(kinds.len(), ticket.clocks.len(), "one clock of each kind");
        if ticket.is_closed() {
            // A promise can be given in a closed ticket, too, and is watched as any other.
            let may = [ClockKind::Checkin, ClockKind::Promise, ClockKind::Reminder, ClockKind::Escalation];
            let runs = ticket.clocks.iter().find(|c| c.next_event().is_some() && !may.contains(&c.kind));
            prop_assert!(runs.is_none(), "nothing runs in a closed ticket: {:?}", runs);
        }
        // Of each clock that was armed: at most one breach, none after it was met in time, and no warning after either.
        let delays = world.sent.iter().filter(|o| o.id.ticket == ticket.number && o.purpose == Purpose::Delay).count();
        prop_assert!(delays <= 1, "a delay is told once");
        for kind in ClockKind::ALL.into_iter().filter(|kind| kind.is_target()) {
            let (mut breached, mut met) = (false, false);
            for entry in ticket.log.iter().filter(|e| e.kind == kind) {
                match entry.event {
                    Event::Armed { .. } => (breached, met) = (false, false),
                    Event::Breached => {
                        prop_assert!(!breached && !met, "{kind:?}: {:?}", ticket.log);
                        breached = true;
                    }
                    Event::Warned => prop_assert!(!breached && !met, "{kind:?}: {:?}", ticket.log),
                    Event::Met => met = true,
                    Event::Retargeted { .. } | Event::Paused | Event::Resumed | Event::Cancelled | Event::Carried { .. } => {}
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: each clock follows from its log, ends once, and says so once; each open ticket has a next
    /// time ([`World`] asserts it after each step).
    #[test]
    fn p4_p5_any_life_keeps_its_clocks(deeds in proptest::collection::vec(deed(), 1..40)) {
        let mut world = asked(|world| {
            world.policy.desk.nudge_after = Some(HOUR(30));
            world.policy.desk.close_pending_after = Some(HOUR(24 * 5));
            world.policy.desk.promise_reminders = vec![HOUR(24), HOUR(1)];
            world.policy.desk.reopen_closed_within = HOUR(24 * 3);
            world.policy.tiers[1].checkin_after = vec![HOUR(48), HOUR(24 * 9)];
            let sla = &mut world.policy.slas[1];
            (sla.delay_notice_at, sla.delay_by, sla.update_every, sla.calendar) = (Some(0.8), Some(MIN(90)), Some(HOUR(10)), Some("office".to_owned()));
            sla.escalate = vec![step(30, "head@acme.example"), step(200, "chief@acme.example")];
            let low = Sla { priority: Some(Priority::Low), resolution: None, pauses_pending: false, calendar: None, ..sla.clone() };
            let critical = Sla { priority: Some(Priority::Critical), first_response: Some(MIN(15)), update_every: None, ..sla.clone() };
            world.policy.slas.extend([low, critical]);
        });
        world.hears(mail(2, JOAO, "Mais", "y"));
        world.hears(mail(3, JOAO, "Outra", "y"));
        for (n, deed) in (4..).zip(deeds) {
            match deed {
                Deed::Customer(ticket) => drop(world.hears(proven(mail(n, JOAO, "Re: x", "And now?"), ticket, false))),
                Deed::Agent(ticket, order, ago) => {
                    let mut said = proven(mail(n, "ana@acme.example", "Re: x", &format!("{}Hello.", ORDERS[order])), ticket, true);
                    said.sent_at = Some(world.now - MIN(ago));
                    world.hears(said);
                }
                Deed::Wait(minutes) => world.waits(MIN(minutes)),
                Deed::Sleep(minutes) | Deed::Put(minutes) => {
                    world.now += MIN(minutes);
                    world.waits(SignedDuration::ZERO);
                }
                Deed::Holiday(days) => {
                    let day = (world.now + HOUR(24 * days)).to_zoned(jiff::tz::TimeZone::UTC).date();
                    let office = world.policy.calendars.get_mut("office").unwrap();
                    if !office.closed.remove(&day) {
                        office.closed.insert(day);
                    }
                    world.takes_calendars();
                }
            }
            hold(&world)?;
        }
    }
}
