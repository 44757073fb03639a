//! Agents who are away.

use super::*;
use crate::domain::command::{self, Command};
use crate::domain::message::Body;
use crate::domain::outbound::Piece;
use crate::domain::policy::Assign;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const JOAO: &str = "joao@padaria.example";
const ANA: &str = "ana@acme.example";
const BEN: &str = "ben@acme.example";
const HOUR: fn(i64) -> SignedDuration = SignedDuration::from_hours;

fn says(world: &mut World, n: u32, who: &str, text: &str) {
    world.hears(proven(mail(n, who, "Re: x", text), 1, true));
}

/// The desk's own words in the last mail of a purpose to somebody.
fn words(world: &World, purpose: Purpose, to: &str) -> String {
    let is_it = |o: &&crate::domain::outbound::Outbound| o.purpose == purpose && o.to.as_ref().is_some_and(|t| t.address.as_str() == to);
    let mail = world.sent.iter().rev().find(is_it).unwrap();
    mail.body.iter().filter_map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None }).collect()
}

fn recipients(world: &World, purpose: Purpose, from: usize) -> Vec<&str> {
    world.told(purpose).into_iter().skip(from).collect()
}

#[test]
fn until_when_somebody_is_away() {
    // A Monday, 08:00 in UTC; 03:00 in Bogotá. The clocks of New York are set back on Sunday, 1 November.
    const MONDAY: &str = "2026-11-23T08:00:00Z";
    const AUTUMN: &str = "2026-10-31T13:00:00Z";
    #[rustfmt::skip]
    let table = [
        ("#away", "UTC", MONDAY, Some(None), "until he says so"),
        ("#away until fri 9:00", "UTC", MONDAY, Some(Some("2026-11-27T09:00:00Z")), "a time"),
        ("#away until fri 9:00", "America/Bogota", MONDAY, Some(Some("2026-11-27T14:00:00Z")), "in his zone"),
        ("#away Until Friday", "UTC", MONDAY, Some(Some("2026-11-27T00:00:00Z")), "a day: he is back when it begins"),
        ("#away until 2026-12-01", "Pacific/Kiritimati", MONDAY, Some(Some("2026-11-30T10:00:00Z")), "a date, beyond the date line"),
        ("#away fri 9:00", "UTC", MONDAY, Some(Some("2026-11-27T09:00:00Z")), "without the word"),
        ("#away 2 days", "UTC", MONDAY, Some(Some("2026-11-25T08:00:00Z")), "days"),
        ("#away for 1 week", "UTC", MONDAY, Some(Some("2026-11-30T08:00:00Z")), "a week"),
        ("#away 2d", "America/New_York", AUTUMN, Some(Some("2026-11-02T14:00:00Z")), "to the same time of the wall, over a night of 25 hours"),
        ("#away 48h", "America/New_York", AUTUMN, Some(Some("2026-11-02T13:00:00Z")), "hours are hours"),
        ("#away 30 min", "UTC", MONDAY, Some(Some("2026-11-23T08:30:00Z")), "minutes"),
        ("#away until 7:00", "UTC", MONDAY, Some(Some("2026-11-24T07:00:00Z")), "tomorrow, for today it is over"),
        ("#away until 2026-11-20", "UTC", MONDAY, None, "in the past"),
        ("#away until 2028-11-20", "UTC", MONDAY, None, "more than a year"),
        ("#away 99999999999 days", "UTC", MONDAY, None, "more than there is"),
        ("#away 0 days", "UTC", MONDAY, None, "no time"),
        ("#away until", "UTC", MONDAY, None, "until when?"),
        ("#away on holiday", "UTC", MONDAY, None, "no time"),
        ("#away é", "UTC", MONDAY, None, "nor that"),
    ];
    let policy = crate::domain::testing::policy();
    for (text, zone, now, expect, why) in table {
        let zone = TimeZone::get(zone).unwrap();
        let read = command::read(&Body::all_new(text), "ana", &policy, &zone, now.parse().unwrap());
        let until = expect.map(|until| until.map(|until: &str| until.parse::<Timestamp>().unwrap()));
        assert_eq!(read.ok().map(|orders| orders.commands), until.map(|until| vec![Command::Away(until)]), "{why}");
    }
}

#[test]
fn who_is_away_gets_nothing_new_and_his_team_hears_of_what_he_has() {
    let mut world = World::new();
    world.policy.agents[0].zone = Some(TimeZone::get("America/Sao_Paulo").unwrap());
    world.hears(mail(1, JOAO, "x", "It is cold."));
    says(&mut world, 2, ANA, "Olá.");
    let told = world.told(Purpose::Notification).len();
    world.hears(proven(mail(3, JOAO, "Re: x", "Still."), 1, false));
    assert_eq!(recipients(&world, Purpose::Notification, told), [ANA], "while she is there");

    let (told, answers) = (world.told(Purpose::Notification).len(), world.told(Purpose::Answer).len());
    says(&mut world, 4, ANA, "#away until wed 9:00");
    assert_eq!(world.told(Purpose::Answer).len(), answers, "P7: the command alone goes to nobody");
    let confirmed = words(&world, Purpose::Reply, ANA);
    assert!(confirmed.contains("away Wednesday 25 November, 09:00 (São Paulo time, UTC-03:00)"), "in her zone: {confirmed}");
    let line = &world.history.last().unwrap().1;
    assert_eq!((line.what.as_str(), line.why.as_str()), ("agent ana away", "until 2026-11-25T12:00:00Z"), "P9");
    world.hears(proven(mail(5, JOAO, "Re: x", "And now?"), 1, false));
    assert_eq!(recipients(&world, Purpose::Notification, told), [ANA, BEN], "her team, too");
    assert_eq!(world.ticket(1).assignee.as_deref(), Some("ana"), "it stays hers");
    let brief = words(&world, Purpose::Notification, BEN);
    assert!(brief.contains("ANA is away Wednesday 25 November, 12:00 (UTC)"), "why Ben reads it, in his zone: {brief}");

    for (back, why) in [("#back", "she says so"), ("", "her time is over")] {
        let away = world.away.clone();
        let mut world = World::new();
        world.away = away;
        world.hears(mail(1, JOAO, "x", "It is cold."));
        says(&mut world, 2, BEN, "#assign ana");
        assert_eq!(world.told(Purpose::Notification).iter().filter(|to| **to == BEN).count(), 1, "who gives it to her knows");
        if back.is_empty() {
            world.now += HOUR(52);
        } else {
            says(&mut world, 3, ANA, back);
            assert!(words(&world, Purpose::Reply, ANA).contains("back"));
            assert!(world.away.is_empty());
        }
        let told = world.told(Purpose::Notification).len();
        world.hears(proven(mail(4, JOAO, "Re: x", "And now?"), 1, false));
        assert_eq!(recipients(&world, Purpose::Notification, told), [ANA], "{why}");
    }
}

#[test]
fn p4_what_time_calls_for_reaches_the_team_of_who_is_away() {
    let mut world = World::new();
    world.policy.desk.promise_reminders = vec![HOUR(1)];
    world.hears(mail(1, JOAO, "x", "It is cold."));
    says(&mut world, 2, ANA, "#promise wed 15:00\nBy Wednesday.");
    says(&mut world, 3, ANA, "#away");
    world.waits(HOUR(55));
    assert_eq!(world.told(Purpose::Reminder), [ANA, BEN], "somebody else may keep it");
}

#[test]
fn who_is_away_takes_no_seat() {
    let mut world = World::new();
    world.policy.teams.get_mut("frontline").unwrap().assign = Assign::RoundRobin;
    world.hears(mail(1, JOAO, "x", "It is cold."));
    assert_eq!(world.ticket(1).assignee.as_deref(), Some("ana"));
    says(&mut world, 2, ANA, "#away 2 days\n#note\nSee you on Wednesday.");
    for n in 3..=4 {
        world.hears(mail(n, JOAO, "Another", "It is cold."));
    }
    assert_eq!([2, 3].map(|n| world.ticket(n).assignee.as_deref()), [Some("ben"); 2], "though she knows him, and it is her turn");
    says(&mut world, 5, BEN, "#away");
    world.hears(mail(7, JOAO, "Another", "It is cold."));
    let ticket = world.ticket(4);
    assert_eq!(ticket.assignee, None);
    let why = world.history.iter().find(|(n, l)| n.0 == 4 && l.what == "assignee none").unwrap().1.why.clone();
    assert_eq!(why, "nobody in frontline can take it: 2 away", "P9");
    world.policy.agents.retain(|agent| agent.handle != "ana");
    world.now += HOUR(72);
    world.hears(mail(8, JOAO, "Another", "It is cold."));
    assert_eq!(world.ticket(5).assignee, None, "who is not in the configuration any more is nobody; Ben is away still");
}
