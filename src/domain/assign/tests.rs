use super::*;
use crate::domain::rule::{Action, Condition, Rule, Rules};
use crate::domain::testing::{World, judged, mail, policy, proven};
use crate::domain::verdict::Verdict;
use jiff::SignedDuration;
use proptest::prelude::*;

/// A Monday, 08:00 in UTC: before the office opens.
const EARLY: &str = "2026-11-23T08:00:00Z";

fn load(low: u32, medium: u32, high: u32, critical: u32) -> Load {
    Load([low, medium, high, critical])
}

fn turn(team: &str, agent: &str, n: u64) -> Turn {
    Turn { team: team.to_owned(), agent: agent.to_owned(), n }
}

/// Frontline has ana, ben and cora, billing ana alone; both give tickets to their agents.
fn assigning(assign: Assign) -> Policy {
    let mut policy = policy();
    let cora = Agent { handle: "cora".to_owned(), teams: vec!["frontline".to_owned()], ..policy.agents[1].clone() };
    policy.agents.push(cora);
    for team in policy.teams.values_mut() {
        team.assign = assign;
    }
    policy
}

fn wanted<'a>(skills: &'a [String], known_by: &'a [(TicketNumber, String)]) -> Wanted<'a> {
    Wanted { team: "frontline", priority: Priority::Medium, skills, language: Language::EN, known_by }
}

fn workload(loads: &[(&str, Load)], turns: &[Turn]) -> Workload {
    Workload { loads: loads.iter().map(|(agent, load)| ((*agent).to_owned(), *load)).collect(), turns: turns.to_vec() }
}

type Spoil = fn(&mut Policy);
/// What is changed, how it is chosen, loads, who knows the customer; who gets it, why, and the reason for the case.
type Case<'a> = (Spoil, Assign, &'a [(&'a str, Load)], &'a [(TicketNumber, String)], Option<&'a str>, &'a str, &'a str);

#[test]
fn p9_who_gets_it_and_why() {
    const NOTHING: Spoil = |_| {};
    let ana: Spoil = |policy| policy.agents[0].languages = vec![Language::parse("pt").unwrap()];
    let ana_full: Spoil = |policy| policy.agents[0].cap = Some(3);
    let team_cap: Spoil = |policy| policy.teams.get_mut("frontline").unwrap().cap = Some(6);
    let own_cap: Spoil = |policy| {
        policy.teams.get_mut("frontline").unwrap().cap = Some(6);
        policy.agents[2].cap = Some(10);
    };
    let asleep: Spoil = |policy| policy.agents[0].duty = Some("office".to_owned());
    let team_asleep: Spoil = |policy| {
        policy.teams.get_mut("frontline").unwrap().calendar = "office".to_owned();
        policy.agents[2].duty = Some("always".to_owned());
    };
    let unsticky: Spoil = |policy| policy.teams.get_mut("frontline").unwrap().sticky = false;
    let busy = [("ana", load(1, 0, 0, 0)), ("ben", load(0, 1, 0, 0)), ("cora", load(0, 0, 0, 1))];
    let even = [("ana", load(0, 2, 0, 0)), ("ben", load(0, 0, 1, 0)), ("cora", load(0, 0, 0, 1))];
    let turns = [turn("frontline", "ana", 7), turn("frontline", "ben", 6), turn("billing", "ben", 9), turn("frontline", "cora", 5)];
    let (known, nobody) = ([(TicketNumber(9), "Cora".to_owned())], []);
    #[rustfmt::skip]
    let table: [Case<'_>; 15] = [
        (NOTHING, Assign::Queue, &busy, &known, None, "", "a queue is nobody's"),
        (NOTHING, Assign::LeastLoaded, &[], &nobody, Some("cora"), "least loaded: 0 as ben, and waited longer; speaks en", "nothing to do: as turns go"),
        (NOTHING, Assign::LeastLoaded, &busy, &nobody, Some("ana"), "least loaded: 1 against 2 of ben; speaks en", "weighed, not counted"),
        (NOTHING, Assign::LeastLoaded, &even, &nobody, Some("ben"), "least loaded: 4 as ana, and waited longer; speaks en", "even: as turns go"),
        (NOTHING, Assign::RoundRobin, &even, &nobody, Some("cora"), "round-robin: waited longer than ben; speaks en", "loads do not matter, nor turns of another team"),
        (NOTHING, Assign::LeastLoaded, &busy, &known, Some("cora"), "knows the customer: had #9", "whatever else she has to do"),
        (NOTHING, Assign::RoundRobin, &busy, &known, Some("cora"), "knows the customer: had #9", "and out of turn"),
        (unsticky, Assign::LeastLoaded, &busy, &known, Some("ana"), "least loaded: 1 against 2 of ben; speaks en", "where that is wanted"),
        (|policy| policy.agents[2].cap = Some(9), Assign::LeastLoaded, &busy, &known, Some("ana"), "least loaded: 1 against 2 of ben; speaks en", "who knows him is at the cap"),
        (ana, Assign::LeastLoaded, &busy, &nobody, Some("ben"), "least loaded: 2 against 8 of cora; speaks en", "who names no language speaks the desk's first"),
        (ana_full, Assign::LeastLoaded, &even, &nobody, Some("ben"), "least loaded: 4 against 8 of cora; speaks en", "4 and 2 are more than 3"),
        (team_cap, Assign::RoundRobin, &even, &nobody, Some("ben"), "round-robin: waited longer than ana; speaks en", "8 and 2 are more than 6, 4 and 2 are not"),
        (own_cap, Assign::RoundRobin, &even, &nobody, Some("cora"), "round-robin: waited longer than ben; speaks en", "one's own cap counts"),
        (asleep, Assign::LeastLoaded, &busy, &nobody, Some("ben"), "least loaded: 2 against 8 of cora; speaks en", "her own calendar is closed"),
        (team_asleep, Assign::LeastLoaded, &busy, &nobody, Some("cora"), "the only one; speaks en", "the team's is closed, hers is not"),
    ];
    let now = EARLY.parse().unwrap();
    for (spoil, assign_by, loads, known_by, expect, reason, why) in table {
        let mut policy = assigning(assign_by);
        spoil(&mut policy);
        let given = assign(&wanted(&[], known_by), &workload(loads, &turns), &[], &policy, now);
        assert_eq!((given.agent.as_deref(), given.team.as_str()), (expect, "frontline"), "{why}");
        assert_eq!(given.history.iter().map(|line| line.why.as_str()).collect::<Vec<_>>().join("|"), reason, "{why}");
        assert_eq!(given.turn, expect.map(|agent| turn("frontline", agent, 8)), "{why}");
    }
}

#[test]
fn skills_are_needed_and_languages_wished_for() {
    let mut policy = assigning(Assign::LeastLoaded);
    policy.agents[1].skills = vec!["Oven".to_owned(), "gas".to_owned()];
    policy.agents[2].languages = vec![Language::parse("pt").unwrap()];
    let (oven, roof) = (["oven".to_owned()], ["oven".to_owned(), "roof".to_owned()]);
    let pt = Language::parse("pt").unwrap();
    let et = Language::parse("et").unwrap();
    let known = [(TicketNumber(4), "ana".to_owned())];
    let loads = workload(&[("ben", load(0, 0, 0, 9)), ("cora", load(0, 0, 0, 1))], &[]);
    for (skills, language, known_by, expect, reason, why) in [
        (
            &oven[..],
            Language::EN,
            &known[..],
            Some("ben"),
            "the only one; has oven; speaks en",
            "who knows the customer, but not the matter",
        ),
        (
            &oven,
            pt,
            &[],
            Some("ben"),
            "the only one; has oven; nobody who can take it speaks pt",
            "better in another language than not at all",
        ),
        (&roof, Language::EN, &[], None, "nobody in frontline can take it: 3 without oven, roof", "all of them are needed"),
        (&[], pt, &[], Some("cora"), "the only one; speaks pt", "a language comes before a load"),
        (&[], pt, &known, Some("ana"), "knows the customer: had #4", "who knows him can talk with him"),
        (&[], et, &[], Some("ana"), "least loaded: 0 against 8 of cora; nobody who can take it speaks et", "none of them"),
    ] {
        let given = assign(&Wanted { language, ..wanted(skills, known_by) }, &loads, &[], &policy, EARLY.parse().unwrap());
        assert_eq!(given.agent.as_deref(), expect, "{why}");
        assert_eq!(given.history[0].why, reason, "{why}");
    }
}

#[test]
fn what_nobody_can_take_goes_on() {
    let to = |policy: &mut Policy, from: &str, to: &str| policy.teams.get_mut(from).unwrap().fallback = Some(to.to_owned());
    let mut policy = assigning(Assign::LeastLoaded);
    policy.teams.get_mut("frontline").unwrap().calendar = "office".to_owned();
    let told = |policy: &Policy| {
        let given = assign(&wanted(&[], &[]), &Workload::default(), &[], policy, EARLY.parse().unwrap());
        let lines: Vec<String> = given.history.iter().map(|line| format!("{}: {}", line.what, line.why)).collect();
        (given.team, given.agent.unwrap_or_default(), lines.join("; "))
    };
    let closed = "nobody in frontline can take it: 3 off duty";
    let tell = |team: &str, agent: &str, lines: &str| (team.to_owned(), agent.to_owned(), lines.to_owned());
    assert_eq!(told(&policy), tell("frontline", "", &format!("assignee none: {closed}")), "no other team: it waits");
    to(&mut policy, "frontline", "billing");
    let on = format!("team billing: fallback of frontline: {closed}");
    assert_eq!(told(&policy), tell("billing", "ana", &format!("{on}; assignee ana: the only one; speaks en")));
    policy.agents[0].cap = Some(0);
    let full = "nobody in billing can take it: 1 at the cap";
    assert_eq!(told(&policy), tell("billing", "", &format!("{on}; assignee none: {full}")), "it waits there");
    to(&mut policy, "billing", "frontline");
    let (team, agent, lines) = told(&policy);
    assert!(policy.teams.contains_key(&team) && agent.is_empty(), "a circle ends: {lines}");
    policy.teams.get_mut("billing").unwrap().assign = Assign::Queue;
    assert_eq!(told(&policy), tell("billing", "", &on), "the queue of a team takes everything");
}

#[test]
fn the_desk_gives_what_it_opens_and_takes_up() {
    let mut world = World::new();
    world.policy = assigning(Assign::RoundRobin);
    for (n, from) in (1..=4).zip(["mary@x.example", "john@x.example", "joao@padaria.example", "mary@x.example"]) {
        world.hears(mail(n, from, "Oven", "It is cold."));
    }
    let having = |world: &World, n: u64| world.ticket(n).assignee.clone().unwrap_or_default();
    assert_eq!([1, 2, 3, 4].map(|n| having(&world, n)), ["ana", "ben", "cora", "ana"], "the fourth knows her");
    world.hears(judged(mail(5, "john@x.example", "Oven", "It is cold."), Verdict::Failed));
    assert_eq!(having(&world, 5), "ben", "waited longest; the past of whom he claims to be is not his");
    assert_eq!(world.turns().iter().map(|turn| turn.n).max(), Some(5));

    world.policy.rules = Rules::from(vec![Rule {
        name: "cora's".to_owned(),
        when: Condition::default(),
        then: Action { assignee: Some("cora".to_owned()), ..Action::default() },
        ..Rule::default()
    }]);
    world.hears(mail(6, "eve@x.example", "Oven", "It is cold."));
    assert_eq!(having(&world, 6), "cora", "a rule's word is the last");
    assert_eq!(world.turns().iter().map(|turn| turn.n).max(), Some(5), "and no turn");
    world.policy.rules = Rules::default();
    world.hears(proven(mail(20, "ana@acme.example", "Re: Oven", "#assign none\n#solve\n\nDone."), 6, true));
    world.policy.rules = Rules::from(vec![Rule {
        name: "again".to_owned(),
        when: Condition { reopened: true, ..Condition::default() },
        then: Action { team: Some("billing".to_owned()), ..Action::default() },
        ..Rule::default()
    }]);
    world.hears(proven(mail(21, "eve@x.example", "Re: Oven", "Still cold."), 6, false));
    assert_eq!((world.ticket(6).team.as_str(), having(&world, 6).as_str()), ("billing", "ana"), "the rules first, then one of that team");
    world.policy.rules = Rules::default();

    let agents = |world: &World| world.policy.agents.iter().map(|a| a.address.clone()).collect::<Vec<_>>();
    let ana = agents(&world)[0].to_string();
    world.hears(proven(mail(7, &ana, "Re: Oven", "#assign none\n#solve\n\nDone."), 1, true));
    assert_eq!((having(&world, 1).as_str(), world.ticket(1).status.word()), ("", "solved"));
    world.now += SignedDuration::from_mins(5);
    world.hears(proven(mail(8, "mary@x.example", "Re: Oven", "Not at all."), 1, false));
    assert_eq!((having(&world, 1).as_str(), world.ticket(1).status.word()), ("ana", "open"), "taken up by who has another of hers");

    world.hears(proven(mail(9, "ben@acme.example", "Re: Oven", "#solve\n\nDone."), 2, true));
    world.policy.agents.retain(|agent| agent.handle != "ben");
    world.hears(proven(mail(10, "john@x.example", "Re: Oven", "No."), 2, false));
    assert_eq!(having(&world, 2), "cora", "who had it has left");
    world.hears(proven(mail(11, "john@x.example", "Re: Oven", "Still not."), 2, false));
    assert_eq!(having(&world, 2), "cora");
}

#[test]
fn only_work_weighs() {
    let mut world = World::new();
    world.hears(mail(1, "mary@x.example", "Oven", "It is cold."));
    let mut ticket = world.ticket(1).clone();
    ticket.assignee = Some("ana".to_owned());
    let at = world.now;
    for (status, weighs) in [
        (Status::New, true),
        (Status::Open, true),
        (Status::Pending { since: at }, false),
        (Status::Snoozed { until: at }, false),
        (Status::Solved { at }, false),
        (Status::Closed { at }, false),
    ] {
        ticket.status = status;
        assert_eq!(bearer(&ticket).is_some(), weighs, "{}", status.word());
    }
    ticket.status = Status::Open;
    ticket.assignee = None;
    assert_eq!(bearer(&ticket), None);
    assert_eq!(load(1, 2, 3, 4).weight(), 1 + 4 + 12 + 32);
}

/// What one agent may be like.
#[derive(Clone, Debug)]
struct Like {
    load: Load,
    cap: Option<u32>,
    on_duty: bool,
    speaks: bool,
    skilled: bool,
    last_turn: Option<u64>,
}

fn like() -> impl Strategy<Value = Like> {
    let load = proptest::array::uniform4(0_u32..4).prop_map(Load);
    (load, proptest::option::of(0_u32..40), any::<bool>(), any::<bool>(), any::<bool>(), proptest::option::of(1_u64..50))
        .prop_map(|(load, cap, on_duty, speaks, skilled, last_turn)| Like { load, cap, on_duty, speaks, skilled, last_turn })
}

/// A team of such agents, named by their places.
fn team_of(like: &[Like], assign: Assign) -> (Policy, Workload) {
    let mut policy = assigning(assign);
    let one = policy.agents[1].clone();
    policy.agents.clear();
    let mut workload = Workload::default();
    for (n, like) in like.iter().enumerate() {
        let handle = format!("a{n}");
        let languages = if like.speaks { Vec::new() } else { vec![Language::parse("pt").unwrap()] };
        let skills = if like.skilled { vec!["oven".to_owned()] } else { Vec::new() };
        let duty = Some(if like.on_duty { "always" } else { "office" }.to_owned());
        policy.agents.push(Agent { handle: handle.clone(), languages, skills, duty, cap: like.cap, ..one.clone() });
        workload.loads.insert(handle.clone(), like.load);
        workload.turns.extend(like.last_turn.map(|n| turn("frontline", &handle, n)));
    }
    (policy, workload)
}

const PRIORITY: [Priority; 4] = Priority::ALL;

proptest! {
    #[test]
    fn nobody_gets_what_he_cannot_take_or_another_should(
        likes in proptest::collection::vec(like(), 0..7), least in any::<bool>(), skill in any::<bool>(), known in 0_usize..9, priority in 0_usize..4,
    ) {
        let (policy, workload) = team_of(&likes, if least { Assign::LeastLoaded } else { Assign::RoundRobin });
        let priority = PRIORITY[priority];
        let skills: Vec<String> = skill.then(|| "oven".to_owned()).into_iter().collect();
        let known_by = [(TicketNumber(1), format!("a{known}"))];
        let given = assign(&Wanted { priority, ..wanted(&skills, &known_by) }, &workload, &[], &policy, EARLY.parse().unwrap());
        let can = |like: &Like| like.on_duty
            && (!skill || like.skilled)
            && like.cap.is_none_or(|cap| like.load.weight() + weight(priority) <= u64::from(cap));
        prop_assert_eq!(given.history.len(), 1, "why");
        let Some(agent) = given.agent else {
            prop_assert!(!likes.iter().any(can), "somebody could have taken it");
            return Ok(());
        };
        let n: usize = agent[1..].parse().unwrap();
        let chosen = &likes[n];
        prop_assert!(can(chosen));
        if likes.get(known).is_some_and(can) {
            prop_assert_eq!(n, known);
        } else {
            let others = likes.iter().filter(|like| can(like) && (like.speaks || !chosen.speaks));
            prop_assert!(chosen.speaks || !likes.iter().any(|like| can(like) && like.speaks));
            for other in others {
                let less = if least { chosen.load.weight() <= other.load.weight() } else { chosen.last_turn <= other.last_turn };
                prop_assert!(less);
            }
        }
        prop_assert!(workload.turns.iter().all(|before| before.n < given.turn.as_ref().unwrap().n));
    }

    #[test]
    fn turns_are_fair_and_loads_stay_even(agents in 1_usize..7, tickets in 1_u32..60, least in any::<bool>()) {
        let even = Like { load: Load::default(), cap: None, on_duty: true, speaks: true, skilled: true, last_turn: None };
        let (policy, mut workload) = team_of(&vec![even; agents], if least { Assign::LeastLoaded } else { Assign::RoundRobin });
        for _ in 0..tickets {
            let given = assign(&wanted(&[], &[]), &workload, &[], &policy, EARLY.parse().unwrap());
            let turn = given.turn.unwrap();
            workload.loads.get_mut(&turn.agent).unwrap().add(Priority::Medium);
            workload.turns.retain(|before| before.agent != turn.agent);
            workload.turns.push(turn);
        }
        let counts: Vec<u32> = workload.loads.values().map(|load| load.0.iter().sum()).collect();
        prop_assert_eq!(counts.iter().sum::<u32>(), tickets);
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
    }

    #[test]
    fn caps_hold_however_much_comes(caps in proptest::collection::vec(0_u32..20, 1..5), priorities in proptest::collection::vec(0_usize..4, 0..40)) {
        let idle = |cap: &u32| Like { load: Load::default(), cap: Some(*cap), on_duty: true, speaks: true, skilled: true, last_turn: None };
        let (policy, mut workload) = team_of(&caps.iter().map(idle).collect::<Vec<_>>(), Assign::LeastLoaded);
        for priority in priorities.into_iter().map(|n| PRIORITY[n]) {
            let given = assign(&Wanted { priority, ..wanted(&[], &[]) }, &workload, &[], &policy, EARLY.parse().unwrap());
            if let Some(agent) = given.agent {
                workload.loads.get_mut(&agent).unwrap().add(priority);
            }
            for (n, cap) in caps.iter().enumerate() {
                let has = workload.of(&format!("a{n}"));
                prop_assert!(has <= u64::from(*cap));
            }
        }
    }
}
