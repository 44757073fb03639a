//! Clocks: what time does to a ticket, and who hears of it, once.

use super::super::address::Contact;
use super::super::calendar::Calendar;
use super::super::message::Visibility;
use super::super::outbound::{Audience, Purpose};
use super::super::policy::Step;
use super::super::sla::{self, Aim, ClockKind, ClockState, Entry, Event};
use super::super::testing::{World, address, mail, proven};
use super::MIN;
use crate::domain::customer::{Customer, Directory, LookedUp};
use crate::domain::message::{Inbound, Language};
use crate::domain::outbound::Piece;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;

const JOAO: &str = "joao@padaria.example";
const HOUR: fn(i64) -> SignedDuration = SignedDuration::from_hours;

fn asks(world: &mut World) {
    world.hears(mail(1, JOAO, "Fatura", "y"));
}

fn ana(world: &mut World, n: u32, text: &str) {
    world.hears(proven(mail(n, "ana@acme.example", "Re: x", text), 1, true));
}

fn why(world: &World, what: &str) -> Vec<String> {
    world.history.iter().filter(|(_, l)| l.what.contains(what)).map(|(_, l)| l.why.clone()).collect()
}

#[test]
fn p5_warning_breach_and_ladder_once_each_and_none_after_an_answer() {
    for (answered, expect, reason) in [
        (None, vec!["head@acme.example", "chief@acme.example"], "nobody answers: each of the ladder, once"),
        (Some(90), vec!["head@acme.example"], "answered between the two"),
        (Some(61), vec![], "answered after the breach"),
    ] {
        let mut world = World::new();
        let step = |after, to: &str| Step { after: MIN(after), to: address(to) };
        world.policy.slas[1].escalate = vec![step(15, "head@acme.example"), step(60, "chief@acme.example")];
        world.policy.slas[1].resolution = None;
        asks(&mut world);
        if let Some(minutes) = answered {
            world.waits(MIN(minutes));
            ana(&mut world, 2, "Olá.");
        }
        world.waits(HOUR(5));
        assert_eq!(world.told(Purpose::Escalation), expect, "{reason}");
        assert_eq!(world.told(Purpose::Breach), ["carla@acme.example"], "{reason}: the manager once");
        assert_eq!(world.told(Purpose::Warning), ["ana@acme.example", "ben@acme.example"], "{reason}: the team once");
    }
}

#[test]
fn p5_the_assignee_and_his_team_are_warned() {
    let mut world = World::new();
    asks(&mut world);
    ana(&mut world, 2, "#assign ben\n#note");
    world.waits(MIN(50));
    assert_eq!(world.told(Purpose::Warning), ["ben@acme.example", "ana@acme.example"], "the assignee first");
}

#[test]
fn p10_the_customer_hears_of_a_delay_once_before_it_is_due_and_the_new_time_is_a_clock() {
    let mut world = World::new();
    world.policy.slas[1].delay_notice_at = Some(0.9);
    world.policy.slas[1].delay_by = Some(MIN(120));
    asks(&mut world);
    let due = world.ticket(1).clocks.iter().find(|c| c.kind == ClockKind::FirstResponse).unwrap().due;
    world.waits(MIN(53));
    assert!(world.told(Purpose::Delay).is_empty());
    world.waits(MIN(2));
    assert_eq!(world.told(Purpose::Delay), [JOAO]);
    let promised = world.ticket(1).clocks.iter().find(|c| c.kind == ClockKind::Promise).unwrap().due;
    assert_eq!(promised, due + MIN(120));
    let notice = world.messages.iter().rfind(|m| m.visibility == Visibility::Public).unwrap();
    assert!(notice.body.text.contains("11:00"), "the time in it is the clock's: {}", notice.body.text);
    world.waits(HOUR(24));
    assert_eq!(world.told(Purpose::Delay).len(), 1, "never twice");
    assert_eq!((world.clock(1, ClockKind::FirstResponse), world.clock(1, ClockKind::Promise)), ("breached", "breached"), "both are told");

    let mut world = World::new();
    world.policy.slas[1].delay_notice_at = Some(0.9);
    asks(&mut world);
    world.waits(MIN(30));
    ana(&mut world, 2, "Olá.");
    world.waits(HOUR(24));
    assert!(world.told(Purpose::Delay).is_empty(), "nothing is late");
}

#[test]
fn p10_an_answer_counts_when_it_was_sent_however_late_it_comes_to_us() {
    let mut world = World::new();
    asks(&mut world);
    let sent = world.now + MIN(59);
    world.waits(MIN(70));
    assert_eq!((world.clock(1, ClockKind::FirstResponse), world.told(Purpose::Breach).len()), ("breached", 1));
    let mut late = proven(mail(2, "ana@acme.example", "Re: x", "Olá."), 1, true);
    late.sent_at = Some(sent);
    world.hears(late);
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "met");
    assert!(why(&world, "first_response met")[0].contains("the breach is taken back"), "{:?}", why(&world, "first_response met"));
    let mut world = World::new();
    asks(&mut world);
    world.now += MIN(61);
    ana(&mut world, 2, "Olá.");
    assert_eq!(world.clock(1, ClockKind::FirstResponse), "breached", "answered before we looked at the clock, but too late");
}

#[test]
fn a_customer_who_is_waited_for_is_asked_again_and_then_it_closes() {
    let mut world = World::new();
    world.policy.desk.nudge_after = Some(HOUR(72));
    world.policy.desk.close_pending_after = Some(HOUR(24 * 14));
    asks(&mut world);
    ana(&mut world, 2, "#pending\nWhich printer?");
    world.waits(HOUR(24 * 10));
    assert_eq!(world.told(Purpose::Nudge), [JOAO, JOAO], "twice, not more");
    world.waits(HOUR(24 * 5));
    assert_eq!(world.ticket(1).status.word(), "closed");
    assert_eq!(why(&world, "status closed"), ["its customer did not answer"]);

    let mut world = World::new();
    world.policy.desk.nudge_after = Some(HOUR(72));
    world.policy.desk.close_pending_after = Some(HOUR(24 * 14));
    asks(&mut world);
    ana(&mut world, 2, "#pending\nWhich printer?");
    world.hears(proven(mail(3, JOAO, "Re: x", "The blue one."), 1, false));
    ana(&mut world, 4, "Thanks.");
    world.waits(HOUR(24 * 15));
    assert!(world.told(Purpose::Nudge).is_empty() && world.ticket(1).status.word() == "open", "he answered");
}

#[test]
fn a_solved_customer_is_asked_whether_all_is_well() {
    let mut world = World::new();
    world.policy.tiers[1].checkin_after = vec![HOUR(48), HOUR(24 * 30)];
    asks(&mut world);
    ana(&mut world, 2, "#solve\nDone.");
    world.waits(HOUR(24 * 40));
    assert_eq!(world.told(Purpose::Checkin), [JOAO, JOAO], "after two days and after thirty, closed or not");
    assert_eq!(world.ticket(1).status.word(), "closed");
    let mut world = World::new();
    world.policy.tiers[1].checkin_after = vec![HOUR(48)];
    asks(&mut world);
    ana(&mut world, 2, "#solve\nDone.");
    world.hears(proven(mail(3, JOAO, "Re: x", "It is not."), 1, false));
    world.waits(HOUR(24 * 3));
    assert!(world.told(Purpose::Checkin).is_empty(), "nothing is well");
}

#[test]
fn an_agent_is_reminded_of_his_promise_and_an_answer_keeps_it() {
    let mut world = World::new();
    world.policy.desk.promise_reminders = vec![HOUR(24), HOUR(1)];
    asks(&mut world);
    ana(&mut world, 2, "#promise wed 15:00\nBy Wednesday.");
    assert_eq!(world.clock(1, ClockKind::Promise), "running", "the answer that gives it does not keep it");
    world.waits(HOUR(54));
    assert_eq!(world.told(Purpose::Reminder), ["ana@acme.example", "ana@acme.example"]);
    ana(&mut world, 3, "Here it is.");
    assert_eq!(world.clock(1, ClockKind::Promise), "met");
    world.waits(HOUR(5));
    assert_eq!(world.told(Purpose::Breach).len(), 1, "only the resolution");

    // In his own zone.
    let mut world = World::new();
    world.policy.agents[0].zone = Some(jiff::tz::TimeZone::get("America/Sao_Paulo").unwrap());
    asks(&mut world);
    ana(&mut world, 2, "#promise wed 15:00\nBy Wednesday.");
    let due = world.ticket(1).clocks.iter().find(|c| c.kind == ClockKind::Promise).unwrap().due;
    assert_eq!(due, "2026-11-25T18:00:00Z".parse::<Timestamp>().unwrap());
}

#[test]
fn a_customer_hears_from_a_person_as_often_as_the_policy_says() {
    let mut world = World::new();
    world.policy.slas[1].update_every = Some(HOUR(24));
    world.policy.slas[1].resolution = None;
    asks(&mut world);
    ana(&mut world, 2, "Olá.");
    world.waits(HOUR(20));
    ana(&mut world, 3, "Still on it.");
    world.waits(HOUR(20));
    assert_eq!(world.clock(1, ClockKind::Update), "warned", "anew since the last answer");
    world.waits(HOUR(5));
    assert_eq!((world.clock(1, ClockKind::Update), world.told(Purpose::Breach).len()), ("breached", 1));
    ana(&mut world, 4, "#pending\nWe wait for you.");
    assert_eq!(world.clock(1, ClockKind::Update), "paused");
    ana(&mut world, 5, "#solve\nDone.");
    assert_eq!(world.clock(1, ClockKind::Update), "none", "nobody owes it any more");
}

#[test]
fn pauses_are_the_policy_s() {
    for (pauses, expect) in [(true, "paused"), (false, "running")] {
        let mut world = World::new();
        (world.policy.slas[1].pauses_pending, world.policy.slas[1].pauses_snoozed) = (pauses, pauses);
        asks(&mut world);
        ana(&mut world, 2, "#pending\nWhich?");
        assert_eq!(world.clock(1, ClockKind::Resolution), expect, "pending");
        ana(&mut world, 3, "#snooze 1h\n#note");
        assert_eq!(world.clock(1, ClockKind::Resolution), expect, "snoozed");
        world.waits(MIN(61));
        assert_eq!((world.ticket(1).status.word(), world.clock(1, ClockKind::Resolution)), ("open", "running"));
    }
}

#[test]
fn p10_another_calendar_moves_what_is_due_and_says_so() {
    let mut world = World::new();
    asks(&mut world);
    let before = world.ticket(1).clone();
    let office = world.policy.calendars["office"].clone();
    world.policy.calendars.insert("always".to_owned(), Calendar { name: "always".to_owned(), ..office });
    let change = super::super::decide::on_calendars(&before, &world.policy, world.now).unwrap();
    let due = |ticket: &super::super::ticket::Ticket| ticket.clocks.iter().find(|c| c.kind == ClockKind::FirstResponse).unwrap().due;
    // Monday, 08:00: an hour of opening time ends at ten.
    assert_eq!((due(&before), due(&change.tickets[0])), (world.now + MIN(60), world.now + MIN(120)));
    assert!(change.history.iter().any(|(_, l)| l.why.contains("has changed; it was due")), "P9");
    let after = change.tickets[0].clone();
    assert!(super::super::decide::on_calendars(&after, &world.policy, world.now).is_none(), "once");
}

#[test]
fn p7_notices_by_time_go_to_the_requester_alone() {
    let mut world = World::new();
    world.policy.desk.nudge_after = Some(HOUR(1));
    asks(&mut world);
    ana(&mut world, 2, "#cc bia@else.example\n#pending\nWhich?");
    world.waits(MIN(90));
    assert_eq!(world.told(Purpose::Nudge), [JOAO], "those who are copied are not asked");
    let nudge = world.sent.iter().find(|o| o.purpose == Purpose::Nudge).unwrap();
    assert_eq!((&nudge.audience, nudge.to.as_ref().map(|t: &Contact| t.address.clone())), (&Audience::Customer, Some(address(JOAO))));
}

/// What may happen to a clock, in steps of minutes.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Wait(i64),
    Pause,
    Resume,
    /// Another target, of so many minutes.
    Retarget(i64),
}

proptest! {
    /// A clock that was paused, resumed and re-targeted at any times has used what an oracle counts minute by minute, and its log says so (P9).
    #[test]
    fn p10_the_log_accounts_for_each_minute(deeds in proptest::collection::vec(
        prop_oneof![
            (1_i64..900).prop_map(Deed::Wait), Just(Deed::Pause), Just(Deed::Resume), (1_i64..4000).prop_map(Deed::Retarget),
        ], 1..600), first_target in 1_i64..4000) {
        let calendars: BTreeMap<String, Calendar> = World::new().policy.calendars;
        let office = &calendars["office"];
        let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let (mut now, mut paused, mut used) = (start, false, 0_i64);
        let mut log = Vec::new();
        let kind = ClockKind::Resolution;
        let mut target = first_target;
        let aim = |minutes: i64| Aim::Within { seconds: minutes * 60, calendar: "office".to_owned() };
        sla::note(&mut log, Entry { at: now, kind, event: Event::Armed { aim: aim(target), warn: 750, step: 0 } }, &calendars);
        for deed in deeds {
            match deed {
                Deed::Wait(minutes) => {
                    used += if paused { 0 } else { (0..minutes).filter(|m| office.is_open(now + MIN(*m))).map(|_| 1).sum() };
                    now += MIN(minutes);
                }
                Deed::Pause if !paused => {
                    sla::note(&mut log, Entry { at: now, kind, event: Event::Paused }, &calendars);
                    paused = true;
                }
                Deed::Resume if paused => {
                    sla::note(&mut log, Entry { at: now, kind, event: Event::Resumed }, &calendars);
                    paused = false;
                }
                Deed::Pause | Deed::Resume => {}
                Deed::Retarget(minutes) => {
                    sla::note(&mut log, Entry { at: now, kind, event: Event::Retargeted { aim: aim(minutes), warn: 750 } }, &calendars);
                    target = minutes;
                }
            }
        }
        prop_assert!(log.len() <= sla::ENTRIES_MAX, "P11: {}", log.len());
        let clock = sla::derive(&log, kind, &calendars).unwrap();
        match clock.state {
            ClockState::Paused { left_s, .. } => prop_assert_eq!((paused, left_s), (true, (target - used) * 60)),
            ClockState::Running { .. } if used <= target => {
                prop_assert_eq!(office.between(now.min(clock.due), clock.due), MIN(target - used));
            }
            ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Met { .. } | ClockState::Breached { .. } => {
                prop_assert!(used > target && clock.due <= now);
            }
        }
        let told: i64 = sla::account(&log, kind, &calendars).last().unwrap().1;
        prop_assert!(told <= used * 60);
        prop_assert_eq!(sla::derive(&log, kind, &calendars), Some(clock), "again the same");
    }
}

/// What the desk's own words were in each mail of a purpose.
fn words_of(world: &World, purpose: Purpose) -> Vec<(&str, String)> {
    let mails = world.sent.iter().filter(|o| o.purpose == purpose);
    let text = |piece: &Piece| if let Piece::Text(text) = piece { text.clone() } else { String::new() };
    mails.map(|o| (o.to.as_ref().map_or("", |to| to.address.as_str()), o.body.iter().map(text).collect())).collect()
}

#[test]
fn p10_everybody_is_told_times_by_his_own_wall() {
    let zone = |name: &str| jiff::tz::TimeZone::get(name).unwrap();
    let looked_up = || Customer { zone: Some(zone("Pacific/Pago_Pago")), plan: "extended".to_owned(), ..Customer::default() };
    #[rustfmt::skip]
    let table = [
        (None, None, "hoje, às 09:00 (UTC)", "UTC)", "nothing is known: the calendar's"),
        (Some("Pacific/Auckland"), None, "hoje, às 22:00 (horário de Auckland, UTC+13:00)", "(horário de Auckland, UTC+13:00)", "the file's"),
        (Some("Pacific/Auckland"), Some(looked_up()), "hoje, às 22:00 (horário de Pago Pago, UTC-11:00)", "(horário de Pago Pago, UTC-11:00)", "looked up, and kept: nobody is asked anew for a later notice"),
    ];
    for (of_file, looked_up, due, zone_text, why) in table {
        let mut world = World::new();
        let customer = Customer { language: Language::parse("pt"), plan: "extended".to_owned(), ..Customer::default() };
        world.policy.customers = Directory::default();
        world.policy.customers.add_address(address(JOAO), Customer { zone: of_file.map(zone), ..customer });
        world.policy.agents[0].zone = Some(zone("Asia/Kolkata"));
        world.policy.slas[1].delay_notice_at = Some(0.9);
        world.policy.desk.nudge_after = Some(HOUR(72));
        world.policy.desk.close_pending_after = Some(HOUR(24 * 14));
        let asked = mail(1, JOAO, "x", "It is cold.");
        world.hears(Inbound { looked_up: looked_up.map(|found| Box::new(LookedUp::Found(found))), ..asked });
        assert!(words_of(&world, Purpose::Ack)[0].1.contains(due), "{why}: {:?}", words_of(&world, Purpose::Ack));
        world.waits(MIN(58));
        ana(&mut world, 2, "#pending\nWhich printer?");
        world.waits(HOUR(24 * 4));
        for purpose in [Purpose::Delay, Purpose::Nudge] {
            let told = words_of(&world, purpose);
            assert!(told.iter().all(|(to, text)| *to == JOAO && text.contains(zone_text)) && !told.is_empty(), "{why}: {told:?}");
        }
        let warned = words_of(&world, Purpose::Warning);
        let of = |who: &str| warned.iter().find(|(to, _)| *to == who).unwrap().1.clone();
        assert!(of("ana@acme.example").contains("14:30 (Kolkata time, UTC+05:30)"), "{why}: an agent's own: {warned:?}");
        assert!(of("ben@acme.example").contains("09:00 (UTC)"), "{why}: {warned:?}");
    }
}

/// The desk's own words in each mail of a purpose.
fn words(world: &World, purpose: Purpose) -> Vec<String> {
    let text = |piece: &Piece| if let Piece::Text(text) = piece { Some(text.clone()) } else { None };
    world.sent.iter().filter(|o| o.purpose == purpose).map(|o| o.body.iter().filter_map(text).collect()).collect()
}

#[test]
fn p10_who_writes_out_of_hours_hears_when_we_are_back() {
    for (calendar, first_response, expect, reason) in [
        ("always", true, "Hello João, #1 by hoje, às 09:00 (UTC)", "there is always somebody"),
        ("office", true, "Hello João, #1 by hoje, às 10:00 (UTC), back hoje, às 09:00 (UTC)", "it is eight o'clock"),
        ("office", false, "Hello João, #1 by , back hoje, às 09:00 (UTC)", "no target, and closed all the same"),
    ] {
        let mut world = World::new();
        world.policy.teams.get_mut("frontline").unwrap().calendar = calendar.to_owned();
        for sla in &mut world.policy.slas {
            sla.first_response = sla.first_response.filter(|_| first_response);
        }
        asks(&mut world);
        assert_eq!(words(&world, Purpose::Ack), [expect], "{reason}");
    }
}

#[test]
fn p8_who_cannot_answer_is_not_asked_to() {
    let mut world = World::new();
    asks(&mut world);
    world.waits(HOUR(24));
    let ends = |purpose| words(&world, purpose).iter().map(|text| text.ends_with("#help")).collect::<Vec<_>>();
    assert!(!ends(Purpose::Warning).is_empty() && ends(Purpose::Warning).iter().all(|ends| *ends), "agents");
    assert!(!ends(Purpose::Breach).is_empty() && !ends(Purpose::Breach).contains(&true), "a manager who is none");
}
