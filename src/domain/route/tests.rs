//! Rules, one line a case.

use super::super::cues::{Cue, CueWords, Cues};
use super::super::message::Channel;
use super::super::message::{BlobId, BlobRef, Language};
use super::super::rule::{Action, Pattern, Rules, Sender, Sought};
use super::super::testing::{World, address, authenticated, chat, judged, mail, policy, proven};
use super::*;
use crate::domain::outbound::Purpose;
use crate::domain::ticket::Status;
use proptest::prelude::*;
use std::path::Path;

/// The rules of a configuration's text, in a policy of two teams.
fn ruled(rules: &str) -> Policy {
    let text = format!(
        "[desk]\nstate_dir = 's'\nlanguages = ['en', 'pt']\nops = ['ops@acme.example']\n\
         [[mailbox]]\nname = 'support'\naddress = 'support@acme.example'\nteam = 'frontline'\nmaildir = 'in'\n[smtp]\nmaildir = 'out'\n\
         [[calendar]]\nname = 'office'\nopen = ['mon-fri 09:00-17:00']\ntime_zone = 'UTC'\n\
         [[team]]\nname = 'frontline'\nmanager = 'carla@acme.example'\n[[team]]\nname = 'billing'\ncalendar = 'office'\n\
         [[agent]]\nname = 'Ana'\naddress = 'ana@acme.example'\nteams = ['frontline', 'billing']\n\
         [[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = ['billing']\n\
         [[tier]]\nname = 'basic'\nplans = 'free'\n[[tier]]\nname = 'advanced'\nplans = 'extended'\npriority = 'high'\n\
         [[sla]]\nfirst_response = '4h'\n[[sla]]\nname = 'fast'\nfirst_response = '10m'\n{rules}"
    );
    let settings = crate::config::load_text("g.toml", &text, Path::new("/nonexistent")).unwrap_or_else(|faults| panic!("{faults:?}"));
    let rules = settings.policy.rules.clone();
    Policy {
        rules,
        teams: settings.policy.teams.clone(),
        calendars: settings.policy.calendars.clone(),
        agents: settings.policy.agents.clone(),
        slas: settings.policy.slas.clone(),
        desk: settings.policy.desk.clone(),
        ..policy()
    }
}

/// Monday, 08:00 in UTC: office hours begin at nine.
fn now() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

fn matter<'a>(inbound: &'a Inbound, known: &'a Known) -> Matter<'a> {
    Matter { inbound, known, occasion: Occasion::New, first_contact: Some(true), team: "frontline", priority: Priority::Medium, now: now() }
}

fn ran(inbound: &Inbound, policy: &Policy) -> Routing {
    let known = policy.know_sender(inbound.from.as_ref().map(|f| &f.address), &inbound.judgement, None, now());
    route(matter(inbound, &known), policy)
}

/// The mail of all cases: from João of Padaria, who has the plan `extended`.
fn letter() -> Inbound {
    let mut inbound = mail(1, "joao@padaria.example", "Fatura 4711 errada", "Onde está o ORÇAMENTO?\nIsto é uma vergonha!!!");
    inbound.language = Language::parse("pt");
    inbound.headers = vec![("x-priority".to_owned(), "1 (Highest)".to_owned())];
    let file = |media_type: &str, size| Attachment {
        name: "f".to_owned(),
        media_type: media_type.to_owned(),
        blob: BlobRef { id: BlobId([0; 32]), size },
        content_id: None,
    };
    inbound.attachments = vec![file("image/png", 2_000_000), file("application/pdf", 10)];
    inbound
}

#[test]
fn p9_each_condition_says_why_or_why_not() {
    #[rustfmt::skip]
    let table = [
        ("channel = 'mail'", Ok("channel mail"), "channel"),
        ("channel = ['chat', 'phone']", Err("channel is mail, not chat or phone"), "another"),
        ("mailbox = 'support'", Ok("mailbox support"), "mailbox"),
        ("tier = 'advanced'", Ok("tier advanced"), "tier"),
        ("tier = 'basic'", Err("tier is advanced, not basic"), "another"),
        ("plan = 'extended'", Ok("plan extended"), "plan"),
        ("plan = 'free'", Err("plan is extended, not free"), "another"),
        ("organisation = 'PADARIA'", Ok("organisation padaria"), "in any case"),
        ("organisation = 'Acme'", Err("organisation is Padaria, not acme"), "another"),
        ("sender = 'joao@padaria.example'", Ok("sender joao@padaria.example"), "an address"),
        ("sender = '@padaria.example'", Ok("sender @padaria.example"), "a domain"),
        ("sender = '@example'", Err("sender is joao@padaria.example, not @example"), "a domain is no end of one"),
        ("sender = '*@*.example'", Ok("sender *@*.example"), "a pattern"),
        ("sender = 'j*@padaria.example'", Ok("sender j*@padaria.example"), "a pattern of names"),
        ("sender = '*@p*'", Ok("sender *@p*"), "a pattern without an end"),
        ("sender = '*@*.padaria.example'", Err("sender is joao@padaria.example, not *@*.padaria.example"), "only below it"),
        ("authenticity = 'unknown'", Ok("sender is unknown"), "nobody was asked"),
        ("authenticity = 'failed'", Err("sender is unknown, not failed"), "not so"),
        ("language = 'pt'", Ok("language pt"), "language"),
        ("language = ['et', 'en']", Err("language is pt, not et or en"), "another"),
        ("first_contact = true", Ok("first contact"), "no earlier ticket"),
        ("first_contact = false", Err("the sender has no earlier ticket"), "not so"),
        ("hours = 'in'", Ok("in hours of team frontline"), "always open"),
        ("hours = 'out'", Err("it is in hours of team frontline"), "never closed"),
        ("attachment = true", Ok("an attachment"), "any file"),
        ("attachment = false", Err("there is an attachment"), "there is one"),
        ("attachment_type = 'image/*'", Ok("attachment image/png of 2000000 octets"), "a type"),
        ("attachment_octets_min = 1000000", Ok("attachment image/png of 2000000 octets"), "a size"),
        ("attachment_type = 'application/*'\nattachment_octets_min = 11", Err("no attachment is of such a type and size"), "both of one file"),
        ("header = [{ name = 'X-Priority' }]", Ok("header x-priority"), "it is there"),
        ("header = [{ name = 'X-Priority', text = 'highest' }]", Ok("header x-priority 'highest'"), "a word in it"),
        ("header = [{ name = 'X-Priority', regex = '^[12]\\b' }]", Ok("header x-priority /^[12]\\b/"), "an expression in it"),
        ("header = [{ name = 'X-Priority', text = 'low' }, { name = 'X-Spam' }]", Err("no such header x-priority, x-spam"), "neither"),
        ("subject = 'fatura'", Ok("'fatura' in the subject"), "subject"),
        ("subject = 'orçamento'", Err("the subject has none of 'orçamento'"), "it is in the text"),
        ("body = 'orcamento'", Ok("'orcamento' in the text"), "text, accents folded"),
        ("body = 'fatura'", Err("the text has none of 'fatura'"), "it is in the subject"),
        ("text = 'fatura'", Ok("'fatura' in the subject"), "either"),
        ("text = 'orcamento'", Ok("'orcamento' in the text"), "either"),
        ("text = ['x', 'y']", Err("the subject and the text have none of 'x', 'y'"), "neither"),
        ("subject_regex = '\\d{4}'", Ok("/\\d{4}/ in the subject"), "expression"),
        ("body_regex = '\\d{4}'", Err("the text has none of /\\d{4}/"), "it is in the subject"),
        ("text_regex = ['x{9}', 'ORÇAMENTO\\?$']", Err("the subject and the text have none of /x{9}/, /ORÇAMENTO\\?$/"), "the end is that of the text"),
        ("text_regex = '(?m)orçamento\\?$'", Ok("/(?m)orçamento\\?$/ in the text"), "of a line"),
        ("text = 'fatura'\ntext_regex = 'z{4}'", Err("the subject and the text have none of 'fatura', /z{4}/ (of both kinds)"), "both have to hold"),
        ("cue = 'shouting'", Ok("cue shouting: 3 exclamation marks"), "shouting"),
        ("cue = ['churn', 'shouting']", Ok("cue shouting: 3 exclamation marks"), "one of them"),
        ("cue = 'churn'", Err("no cue of churn"), "he stays"),
        ("reopened = true", Err("is only for tickets that are reopened"), "a new ticket"),
        ("", Ok("it always holds"), "nothing asked"),
        ("tier = 'advanced'\nsubject = 'fatura'", Ok("tier advanced, 'fatura' in the subject"), "both"),
        ("tier = 'advanced'\nsubject = 'x'", Err("the subject has none of 'x'"), "one of two"),
        ("[rule.unless]\nsubject = 'fatura'", Err("unless: 'fatura' in the subject"), "unless"),
        ("[rule.unless]\nsubject = 'x'", Ok("it always holds"), "unless what is not so"),
    ];
    let inbound = letter();
    for (when, expect, why) in table {
        let policy = ruled(&format!("[[rule]]\nname = 'r'\nthen = {{ tags = 't' }}\n[rule.when]\n{when}"));
        let known = policy.know_sender(inbound.from.as_ref().map(|f| &f.address), &inbound.judgement, None, now());
        let explained = explain(matter(&inbound, &known), &policy);
        let expect = expect.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(explained, [("r".to_owned(), expect.clone())], "{when}: {why}");
        let routing = route(matter(&inbound, &known), &policy);
        assert_eq!(
            routing.history.first().map(|line| line.why.clone()),
            expect.ok().map(|w| format!("rule 'r' matched {w}")),
            "{when}: {why}"
        );
    }
}

#[test]
fn p9_each_action_is_told() {
    #[rustfmt::skip]
    let table = [
        ("team = 'billing'", "team billing", "team"),
        ("priority = 'critical'", "priority critical", "set"),
        ("priority = 'up'", "priority high", "up from medium"),
        ("priority = 'down'", "priority low", "down from medium"),
        ("tags = ['a', 'b']", "tag a, tag b", "tags"),
        ("assignee = 'ana'", "assignee ana", "assignee"),
        ("skill = ['sql', 'vat']", "skill sql, skill vat", "skills"),
        ("policy = 'fast'", "policy fast", "policy"),
        ("template = 'ack'", "template ack", "template"),
        ("notify = ['ben', 'ops@acme.example', 'carla@acme.example']", "notify ben@acme.example, notify ops@acme.example, notify carla@acme.example", "agent, ops, manager"),
        ("hold = true", "held: no automatic mail to the customer until #untag held", "hold"),
        ("spam = true", "spam", "spam"),
    ];
    for (then, what, why) in table {
        let routing = ran(&letter(), &ruled(&format!("[[rule]]\nname = 'r'\nthen = {{ {then} }}")));
        assert_eq!(routing.history.first().map(|line| line.what.as_str()), Some(what), "{then}: {why}");
        assert_eq!(routing.history[0].by, Actor::Rule("r".to_owned()));
    }
}

#[test]
fn rules_are_run_once_in_their_order() {
    #[rustfmt::skip]
    let table = [
        ("[[rule]]\nname = 'a'\nthen = { team = 'billing' }\n[[rule]]\nname = 'b'\nthen = { team = 'frontline' }", "frontline", 2, "the later wins"),
        ("[[rule]]\nname = 'a'\nstop = true\nthen = { team = 'billing' }\n[[rule]]\nname = 'b'\nthen = { team = 'frontline' }", "billing", 1, "stop"),
        ("[[rule]]\nname = 'a'\nstop = true\nwhen = { subject = 'x' }\n[[rule]]\nname = 'b'\nthen = { team = 'billing' }", "billing", 1, "one that does not hold stops nothing"),
        ("[[rule]]\nname = 'a'\nstop = true\nwhen = { subject = 'fatura' }\n[[rule]]\nname = 'b'\nthen = { team = 'billing' }", "frontline", 1, "one that only stops"),
        ("[[rule]]\nname = 'a'\nthen = { team = 'billing' }\n[[rule]]\nname = 'b'\nwhen = { hours = 'out' }\nthen = { tags = 'late' }", "billing", 2, "the hours of the team that was set"),
        ("[[rule]]\nname = 'b'\nwhen = { hours = 'out' }\nthen = { tags = 'late' }\n[[rule]]\nname = 'a'\nthen = { team = 'billing' }", "billing", 1, "and of no later one: it is not run again"),
        ("[[rule]]\nname = 'a'\nthen = { priority = 'up' }\n[[rule]]\nname = 'b'\nthen = { priority = 'up' }\n[[rule]]\nname = 'c'\nthen = { priority = 'up' }", "frontline", 3, "no further than the highest"),
    ];
    for (rules, team, held, why) in table {
        let routing = ran(&letter(), &ruled(rules));
        assert_eq!((routing.team.as_str(), routing.history.len()), (team, held), "{why}");
    }
}

#[test]
fn p8_no_rule_speaks_of_a_sender_who_is_not_believed() {
    let policy = ruled(
        "[[rule]]\nname = 'r'\nwhen = { sender = '*@*.example' }\nthen = { tags = 't' }\n[[rule]]\nname = 'f'\nwhen = { authenticity = 'failed' }\nthen = { tags = 'doubted' }",
    );
    let tags = |verdict| ran(&judged(letter(), verdict), &policy).tags.into_iter().collect::<Vec<_>>();
    assert_eq!(tags(Verdict::Failed), ["doubted"]);
    assert_eq!(tags(authenticated("padaria.example")), ["t"]);
}

fn world(rules: &str) -> World {
    let mut world = World::new();
    let with = ruled(rules);
    (world.policy.rules, world.policy.slas) = (with.rules, with.slas);
    world.policy.desk.reopen_closed_within = jiff::SignedDuration::from_hours(24);
    world
}

fn tells(world: &World, what: &str) -> bool {
    world.history.iter().any(|(_, line)| line.what.contains(what))
}

#[test]
fn p6_spam_is_closed_and_nobody_hears_of_it() {
    let mut world = world("[[rule]]\nname = 'casino'\nwhen = { text = 'casino' }\nthen = { spam = true }");
    world.hears(mail(1, "joao@padaria.example", "Casino", "win"));
    assert!(matches!(world.ticket(1).status, Status::Closed { .. }) && world.ticket(1).tags.contains(SPAM_TAG));
    assert!(world.sent.is_empty() && tells(&world, "nobody is told"));
    world.hears(mail(2, "joao@padaria.example", "Casino bill", "about my bill"));
    assert!(world.sent.is_empty(), "each by itself");
    world.hears(mail(3, "joao@padaria.example", "Bill", "about my bill"));
    assert_eq!(world.told(Purpose::Ack), ["joao@padaria.example"]);
}

#[test]
fn p6_a_held_ticket_is_shown_to_agents_and_not_acknowledged() {
    let mut world =
        world("[[rule]]\nname = 'press'\nwhen = { text = 'journalist*' }\nthen = { hold = true, notify = ['carla@acme.example', 'ana'] }");
    world.hears(mail(1, "joao@padaria.example", "Question of a journalist", "hello"));
    assert!(world.told(Purpose::Ack).is_empty() && tells(&world, "no acknowledgement"));
    assert!(world.ticket(1).tags.contains(HELD_TAG) && world.ticket(1).status == Status::New);
    let mut told = world.told(Purpose::Notification);
    told.sort_unstable();
    assert_eq!(told, ["ana@acme.example", "ben@acme.example", "carla@acme.example"], "its team once, and whom the rule names");
    world.policy.desk.nudge_after = Some(jiff::SignedDuration::from_hours(1));
    world.hears(proven(mail(2, "ana@acme.example", "Re: x", "#pending\nWhich paper?"), 1, true));
    world.waits(jiff::SignedDuration::from_hours(3));
    assert!(world.told(Purpose::Nudge).is_empty() && tells(&world, "no nudge"), "nor asked again, until it is released");
}

#[test]
fn rules_for_reopened_tickets_are_run_then_and_only_then() {
    let mut world = world(
        "[[rule]]\nname = 'again'\nwhen = { reopened = true }\nthen = { priority = 'up', team = 'billing', tags = 'again' }\n\
         [[rule]]\nname = 'new'\nthen = { tags = 'fresh' }",
    );
    world.hears(mail(1, "joao@padaria.example", "Bill", "wrong"));
    assert_eq!(world.ticket(1).tags.iter().collect::<Vec<_>>(), ["fresh"]);
    let before = world.ticket(1).priority;
    world.hears(proven(mail(2, "joao@padaria.example", "Re: Bill", "more"), 1, false));
    assert_eq!(world.ticket(1).priority, before, "it was not at rest");
    world.hears(proven(mail(3, "ana@acme.example", "Re: Bill", "#solve"), 1, true));
    assert!(!world.ticket(1).status.is_active());
    let reply = proven(mail(4, "joao@padaria.example", "Re: Bill", "still wrong"), 1, false);
    let explained = explain_message(&reply, &world.context(&reply), &world.policy, world.now);
    assert_eq!(explained[0], ("again".to_owned(), Ok("reopened".to_owned())));
    assert_eq!(explained[1], ("new".to_owned(), Err("is only for new tickets".to_owned())));
    world.hears(reply);
    let ticket = world.ticket(1);
    assert_eq!((ticket.team.as_str(), ticket.status), ("billing", Status::Open));
    assert!(ticket.priority > before && ticket.tags.contains("again"));
}

#[test]
fn p9_explain_says_what_is_done() {
    let mut world = world(
        "[[rule]]\nname = 'known'\nwhen = { first_contact = false }\nthen = { tags = 'known' }\n[[rule]]\nname = 'chat'\nwhen = { channel = 'chat' }\nthen = { tags = 'chat' }",
    );
    world.hears(mail(1, "joao@padaria.example", "One", "one"));
    for inbound in [mail(2, "joao@padaria.example", "Two", "two"), mail(3, "new@x.example", "Three", "three"), chat(4, 1, "hello")] {
        let explained = explain_message(&inbound, &world.context(&inbound), &world.policy, world.now);
        let change = world.hears(inbound);
        let told: Vec<_> =
            change.history.iter().filter_map(|(_, l)| if let Actor::Rule(name) = &l.by { Some(name.clone()) } else { None }).collect();
        let yes: Vec<_> = explained.into_iter().filter(|(_, found)| found.is_ok()).map(|(name, _)| name).collect();
        assert_eq!(yes, told);
    }
}

/// A condition of a few parts.
fn condition() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "channel = 'mail'",
        "channel = 'chat'",
        "tier = 'basic'",
        "plan = 'extended'",
        "organisation = 'padaria'",
        "sender = ['*@*.example', 'x@y.example']",
        "sender = '*@*.padaria.example'",
        "sender = ['joao@padaria.example']",
        "language = 'pt'",
        "attachment = true",
        "header = [{ name = 'x-priority', text = 'highest' }]",
        "subject = ['fatur*', 'x']",
        "subject = 'errad'",
        "text = ['orcamento', '発']",
        "text = ['4711 errada']",
        "text = ['é uma ver*']",
        "body = ['!!!']",
        "body = ['Onde está']",
        "subject_regex = '^fatura'",
        "text_regex = 'vergon.a'",
        "body_regex = ['z', 'onde']",
        "cue = 'shouting'",
        "first_contact = true",
    ]);
    prop::collection::vec(part, 0..3).prop_map(|parts| {
        let mut parts = parts;
        parts.sort_unstable_by_key(|part| part.split(' ').next());
        parts.dedup_by_key(|part| part.split(' ').next().map(str::to_owned));
        parts.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What the gates leave out does not hold: each rule alone, asked without them, says the same.
    #[test]
    fn p9_gates_only_leave_out_what_does_not_hold(conditions in prop::collection::vec(condition(), 1..8), empty in any::<bool>()) {
        let rule = |(n, when): (usize, &String)| format!("[[rule]]\nname = 'r{n}'\nthen = {{ tags = 't{n}' }}\n[rule.when]\n{when}\n");
        let rules = conditions.iter().enumerate().map(rule).collect::<Vec<_>>().concat();
        let policy = ruled(&rules);
        let inbound = if empty { mail(1, "a@b.c.padaria.example", "", "") } else { letter() };
        let known = policy.know_sender(inbound.from.as_ref().map(|f| &f.address), &inbound.judgement, None, now());
        let yes: Vec<_> = explain(matter(&inbound, &known), &policy).into_iter().filter(|(_, f)| f.is_ok()).map(|(n, _)| Actor::Rule(n)).collect();
        let ran: Vec<_> = route(matter(&inbound, &known), &policy).history.into_iter().map(|line| line.by).collect();
        prop_assert_eq!(ran, yes);
    }

    /// Rules that set different things may stand in any order, and what one sets lets no other hold.
    #[test]
    fn unrelated_rules_may_stand_in_any_order(
        conditions in prop::collection::vec(condition(), 4),
        order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let thens = ["team = 'billing'", "priority = 'up'", "tags = 'a'", "assignee = 'ana', skill = 'x', hold = true"];
        let rule = |n: usize| format!("[[rule]]\nname = 'r{n}'\nthen = {{ {} }}\n[rule.when]\n{}\n", thens[n], conditions[n]);
        let text = |order: &[usize]| order.iter().map(|n| rule(*n)).collect::<Vec<_>>().concat();
        let one = ran(&letter(), &ruled(&text(&[0, 1, 2, 3])));
        let other = ran(&letter(), &ruled(&text(&order)));
        for n in 0..4 {
            let alone = ran(&letter(), &ruled(&rule(n))).history.len();
            let by = Actor::Rule(format!("r{n}"));
            prop_assert_eq!(one.history.iter().filter(|line| line.by == by).count(), alone, "no other rule triggers it");
        }
        let set = |routing: Routing| (routing.team, routing.priority, routing.tags, routing.assignee, routing.skills, routing.held);
        prop_assert_eq!(set(one), set(other));
    }
}

/// Words in any script, in texts made of them: whatever [`Words`] finds, the gates let through.
#[test]
fn gates_let_through_words_of_any_script() {
    let words = [
        "invoice",
        "invoice*",
        "C++",
        "發票",
        "ใบเสร็จ",
        "счёт",
        "double charge",
        "a.c",
        "việt",
        "+1 free",
        "ﬁn*",
        "²x",
        "_a",
        "Σας",
        "e\u{301}t*",
    ];
    let texts = [
        "Your INVOICES",
        "my c++ program",
        "請開發票給我",
        "ขอใบเสร็จด้วย",
        "Где СЧЕТ?",
        "a Double\n  charge",
        "a.c",
        "VIET",
        "(+1 free)",
        "²x a²x",
        "_A",
        "σασ ΣΑΣ",
        "ÉTÉ ete\u{301}",
    ];
    for words in words {
        let said = Said {
            words: vec![super::super::rule::Sought { written: words.to_owned(), words: super::super::words::Words::parse(words).unwrap() }],
            patterns: Vec::new(),
        };
        let rule = Rule {
            name: "r".to_owned(),
            when: Condition { text: said, ..Condition::default() },
            then: Action::default(),
            ..Rule::default()
        };
        let mut cues = Cues::default();
        cues.put(Language::EN, CueWords::default());
        let policy = Policy { rules: Rules::new(vec![rule], cues), ..policy() };
        for text in texts {
            let inbound = mail(1, "a@b.example", "", text);
            let known = policy.know_sender(Some(&address("a@b.example")), &inbound.judgement, None, now());
            let found = explain(matter(&inbound, &known), &policy)[0].1.is_ok();
            assert_eq!(!route(matter(&inbound, &known), &policy).history.is_empty(), found, "{words} in {text}");
        }
    }
}

/// Texts of several scripts, and what rules may seek in them: sometimes there, sometimes nearly.
const PIECES: [&str; 20] = [
    "invoice",
    "Invoices ",
    "é uma ",
    "ORC\u{327}AMENTO",
    "orçamento",
    "發票",
    "請開",
    "ใบเสร็จ",
    "счёт",
    "СЧЕТ 4711",
    "double\n charge",
    " ",
    "\n",
    "no",
    "c++",
    "İst",
    "שלום\u{5be}",
    "Σας",
    "+\u{301}",
    "x",
];
const WORDS: [&str; 16] = [
    "invoice",
    "invoice*",
    "orcamento",
    "é uma",
    "發票",
    "開發",
    "ใบเสร็จ",
    "счёт*",
    "double charge",
    "no",
    "no invoice",
    "c++",
    "σασ",
    "שלום*",
    "ist*",
    "x",
];
const EXPRESSIONS: [&str; 20] = [
    "invoice",
    r"\binvoice\b",
    r"\bсчет \d{2,4}",
    "^invoice",
    "x$",
    r"\d{3}",
    "[a-z]{9}",
    "發票|收據",
    "(invoice|charge)s? ",
    r"double\s+charge",
    "(?-i:Inv)",
    "orçamento",
    "(?:no|é)x",
    ".x",
    r"\w+\+\+",
    "ใบ",
    r"\bno\b",
    "a?b?c?x{2}",
    "Σας",
    r"שלום\b",
];

fn said() -> impl Strategy<Value = Said> {
    let some = |of: &'static [&'static str]| prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(prop::sample::select(of), 1..4)];
    (some(&WORDS), some(&EXPRESSIONS)).prop_map(|(words, patterns)| Said {
        words: words.into_iter().map(|w| Sought { written: w.to_owned(), words: Words::parse(w).unwrap() }).collect(),
        patterns: patterns.into_iter().map(|p| Pattern::parse(p).unwrap()).collect(),
    })
}

/// Conditions of every part that has a gate.
fn any_condition() -> impl Strategy<Value = Condition> {
    let seldom = |said| prop_oneof![2 => Just(Said::default()), 1 => said];
    let few = |of: &'static [&'static str]| prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(prop::sample::select(of), 1..3)];
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let glob = |glob: &str| Sender::Like(Glob::new(glob));
    let senders = vec![
        Sender::Address(address("joao@padaria.example")),
        Sender::Domain("padaria.example".to_owned()),
        glob("*@*.example"),
        glob("*@padaria.*"),
        Sender::Domain("acme.example".to_owned()),
    ];
    let senders = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(prop::sample::select(senders), 1..3)];
    let header = prop_oneof![4 => Just(Vec::new()), 1 => said().prop_map(|said| vec![HeaderIs { name: "x-a".to_owned(), said }])];
    let one = prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let cues = prop_oneof![5 => Just(Vec::new()), 1 => prop::sample::subsequence(Cue::ALL.to_vec(), 1..3)];
    let facts = (
        few(&["basic", "advanced"]),
        few(&["free", "extended"]),
        few(&["padaria", "acme"]),
        few(&["support", "sales"]),
        few(&["en", "pt"]),
    );
    let channel = prop_oneof![4 => Just(Vec::new()), 1 => Just(vec![Channel::Chat]), 1 => Just(vec![Channel::Mail])];
    (facts, senders, header, (one.clone(), one, cues, channel), seldom(said().boxed()), seldom(said().boxed()), seldom(said().boxed()))
        .prop_map(
            move |(
                (tiers, plans, organisations, mailboxes, languages),
                senders,
                headers,
                (first_contact, has_attachment, cues, channels),
                subject,
                text,
                body,
            )| Condition {
                channels,
                mailboxes: owned(mailboxes),
                tiers: owned(tiers),
                plans: owned(plans),
                organisations: owned(organisations),
                languages: languages.into_iter().filter_map(Language::parse).collect(),
                senders,
                headers,
                first_contact,
                has_attachment,
                cues,
                subject,
                text,
                body,
                ..Condition::default()
            },
        )
}

/// What a condition means, each part asked by itself and by nothing that others are asked by.
fn holds_alone(when: &Condition, matter: &Matter<'_>, policy: &Policy, cues: &Cues) -> bool {
    fn none_or<T>(list: &[T], is: impl Fn(&T) -> bool) -> bool {
        list.is_empty() || list.iter().any(is)
    }
    let said = |said: &Said, texts: &[&str]| {
        none_or(&said.words, |sought| texts.iter().any(|text| Words::parse(&sought.written).unwrap().are_in(&Searched::new(text))))
            && none_or(&said.patterns, |pattern| texts.iter().any(|text| pattern.regex.is_match(text)))
    };
    let (inbound, known) = (matter.inbound, matter.known);
    let (subject, body) = (inbound.subject.as_str(), inbound.body.new_text());
    let searched = [Searched::new(subject), Searched::new(&body)];
    let are_there = |words: &Words| searched.iter().any(|text| words.are_in(text));
    let sender = inbound.from.as_ref().filter(|_| !inbound.judgement.has_failed()).map(|from| &from.address);
    none_or(&when.tiers, |tier| *tier == known.tier)
        && none_or(&when.channels, |channel| *channel == inbound.channel)
        && none_or(&when.plans, |plan| *plan == known.plan)
        && none_or(&when.organisations, |name| *name == known.organisation.to_lowercase())
        && none_or(&when.mailboxes, |name| name == inbound.source.mailbox())
        && none_or(&when.languages, |language| Some(*language) == inbound.language)
        && none_or(&when.senders, |one| sender.is_some_and(|sender| one.is(sender)))
        && none_or(&when.headers, |header| inbound.headers.iter().any(|(name, value)| *name == header.name && said(&header.said, &[value])))
        && when.first_contact.is_none_or(|first| Some(first) == matter.first_contact)
        && when.has_attachment.is_none_or(|some| some != inbound.attachments.is_empty())
        && none_or(&when.cues, |cue| cues.find(*cue, [subject, &body], are_there, inbound.language, &policy.desk.languages).is_some())
        && said(&when.subject, &[subject])
        && said(&when.text, &[subject, &body])
        && said(&when.body, &[&body])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Many rules at once, any of them with anything in any script, say what each says that is asked alone.
    #[test]
    fn p9_many_rules_hold_where_each_alone_does(
        conditions in prop::collection::vec((any_condition(), prop_oneof![2 => Just(None), 1 => any_condition().prop_map(Some)]), 1..40),
        subject in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..4),
        body in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12),
        language in prop::sample::select(vec!["", "en", "pt"]),
        (file, header, first, doubted) in any::<(bool, bool, Option<bool>, bool)>(),
    ) {
        let mut inbound = mail(1, "joao@padaria.example", &subject.concat(), &body.concat());
        inbound.language = Language::parse(language);
        inbound.headers = if header { vec![("x-a".to_owned(), "Invoice no 1".to_owned())] } else { Vec::new() };
        inbound.attachments = if file { letter().attachments } else { Vec::new() };
        let inbound = if doubted { judged(inbound, Verdict::Failed) } else { inbound };
        let mut cues = Cues::default();
        cues.put(Language::EN, CueWords::parse("[insult]\nno\n[churn]\ndouble charge").unwrap());
        let rules = (0..).zip(conditions).map(|(n, (when, unless))| Rule { name: format!("{n}"), when, unless, ..Rule::default() });
        let mut policy = ruled("");
        policy.rules = Rules::new(rules.collect(), cues.clone());
        let known = policy.know_sender(inbound.from.as_ref().map(|f| &f.address), &inbound.judgement, None, now());
        let matter = Matter { first_contact: first, ..matter(&inbound, &known) };
        let alone = |rule: &&Rule| {
            holds_alone(&rule.when, &matter, &policy, &cues) && !rule.unless.as_ref().is_some_and(|unless| holds_alone(unless, &matter, &policy, &cues))
        };
        let expect: Vec<_> = policy.rules.iter().filter(alone).map(|rule| rule.name.clone()).collect();
        let told = |by: &Actor| if let Actor::Rule(name) = by { name.clone() } else { String::new() };
        let ran: Vec<_> = route(matter, &policy).history.iter().map(|line| told(&line.by)).collect();
        let explained: Vec<_> = explain(matter, &policy).into_iter().filter(|(_, found)| found.is_ok()).map(|(name, _)| name).collect();
        prop_assert_eq!(&ran, &expect);
        prop_assert_eq!(&explained, &expect);
    }
}
