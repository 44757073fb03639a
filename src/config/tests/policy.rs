//! What decisions read out of a configuration: tiers of customers, policies.

use super::load_text;
use crate::domain::address::EmailAddress;
use crate::domain::customer::{Customer, LookedUp};
use crate::domain::message::{Channel, Language};
use crate::domain::policy::Policy;
use crate::domain::ticket::Priority;
use jiff::SignedDuration;
use std::path::Path;

/// A desk with two tiers and these customers.
fn policy(customers: &str) -> Policy {
    policy_of(&format!("address,name,organisation,plan,tier,language,valid_until\n{customers}"))
}

/// The same with columns of its own.
fn policy_of(file: &str) -> Policy {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.csv"), file).unwrap();
    let text = "[desk]\nstate_dir = 's'\ncustomers = 'c.csv'\n[[mailbox]]\nname = 'a'\naddress = 'a@b.example'\nmaildir = 'in'\n\
        [smtp]\nmaildir = 'out'\n[[team]]\nname = 't'\nmanager = 'm@b.example'\n\
        [[tier]]\nname = 'basic'\n[[tier]]\nname = 'standard'\nplans = 'business'\n[[tier]]\nname = 'advanced'\nplans = 'extended'\n";
    let settings = load_text("g.toml", text, Path::new(dir.path())).unwrap();
    Policy::clone(&settings.policy)
}

#[test]
fn p9_a_tier_comes_with_its_reason() {
    let policy = policy(
        "ana@acme.example,Ana,,extended,,pt,\nbob@acme.example,Bob,,,standard,,\nold@acme.example,Old,,extended,,,2026-11-20\n\
         new@acme.example,New,Acme,,,,\n@acme.example,,Acme Inc.,business,,en,\ngone@x.example,Gone,,,advanced,,2020-01-01\n",
    );
    #[rustfmt::skip]
    let table = [
        (Some("ana@acme.example"), "advanced", "Ana", "Acme Inc.", Some("pt"), "plan 'extended' of ana@acme.example gives tier advanced", "by plan"),
        (Some("bob@acme.example"), "standard", "Bob", "Acme Inc.", Some("en"), "bob@acme.example is given tier standard", "named"),
        (Some("old@acme.example"), "standard", "Old", "Acme Inc.", Some("en"), "the contract of old@acme.example ended on 2026-11-20; plan 'business' of @acme.example gives tier standard", "past its last day, but the domain holds"),
        (Some("new@acme.example"), "standard", "New", "Acme", Some("en"), "new@acme.example has neither tier nor plan; plan 'business' of @acme.example gives tier standard", "by domain"),
        (Some("who@acme.example"), "standard", "", "Acme Inc.", Some("en"), "plan 'business' of @acme.example gives tier standard", "only the domain"),
        (Some("who@sub.acme.example"), "basic", "", "", None, "neither who@sub.acme.example nor its domain is in the customers' file; the first tier is basic", "a domain below is another"),
        (Some("gone@x.example"), "basic", "Gone", "", None, "the contract of gone@x.example ended on 2020-01-01; the first tier is basic", "past its last day"),
        (None, "basic", "", "", None, "no address is known; the first tier is basic", "a visitor"),
    ];
    let today = jiff::civil::date(2026, 11, 21);
    for (address, tier, name, organisation, language, reason, why) in table {
        let address = address.map(|text| EmailAddress::parse(text).unwrap());
        let known = policy.know(address.as_ref(), None, today);
        assert_eq!((known.tier.as_str(), known.name.as_str(), known.organisation.as_str()), (tier, name, organisation), "{why}");
        assert_eq!((known.why.as_str(), known.language), (reason, language.and_then(Language::parse)), "{why}");
    }
    let last_day = jiff::civil::date(2026, 11, 20);
    assert_eq!(
        policy.know(Some(&EmailAddress::parse("old@acme.example").unwrap()), None, last_day).tier,
        "advanced",
        "its last day counts"
    );
}

/// The order: address, organisation, plan, domain, the first tier.
#[test]
fn p9_tiers_come_in_their_order() {
    let head = "address,organisation,plan,tier,language,valid_from,valid_until\n";
    let today = jiff::civil::date(2026, 11, 21);
    #[rustfmt::skip]
    let table = [
        ("a@x.example,O,extended,basic,pt,,\n,O,,standard,et,,\n@x.example,,,advanced,en,,", "basic", Some("pt"), "a@x.example is given tier basic", "the address goes before all"),
        ("a@x.example,O,extended,,,,\n,O,business,standard,et,,\n@x.example,,,advanced,en,,", "standard", Some("et"), "organisation 'O' is given tier standard", "the organisation before his plan"),
        ("a@x.example,O,extended,,,,\n,O,business,,,,\n@x.example,,,basic,en,,", "advanced", Some("en"), "plan 'extended' of a@x.example gives tier advanced", "his plan before that of the organisation, and before the domain"),
        ("a@x.example,O,,,,,\n,O,business,,,,\n@x.example,,,basic,,,", "standard", None, "a@x.example has neither tier nor plan; plan 'business' of organisation 'O' gives tier standard", "the organisation's plan before the domain"),
        ("a@x.example,O,,,,,\n,O,,,,,\n@x.example,,business,advanced,,,", "advanced", None, "a@x.example has neither tier nor plan; organisation 'O' has neither tier nor plan; @x.example is given tier advanced", "the domain's tier before its plan"),
        ("@x.example,O,business,,,,\n,O,,advanced,et,,", "advanced", Some("et"), "organisation 'O' is given tier advanced", "the organisation of a domain is that of who writes from it"),
        ("a@x.example,P,,,,,\n@x.example,O,business,,,,\n,O,,advanced,,,", "standard", None, "a@x.example has neither tier nor plan; plan 'business' of @x.example gives tier standard", "his own organisation goes before the domain's"),
        ("a@x.example,o,,,,,\n,O,,advanced,,,", "basic", None, "a@x.example has neither tier nor plan; the first tier is basic", "an organisation is meant as it is written"),
        ("a@x.example,O,,advanced,,2026-11-22,\n,O,,standard,,,", "standard", None, "the contract of a@x.example begins on 2026-11-22; organisation 'O' is given tier standard", "not yet"),
        ("a@x.example,O,,advanced,,2026-11-21,2026-11-21\n,O,,standard,,,", "advanced", None, "a@x.example is given tier advanced", "its first and last day count"),
        ("a@x.example,O,extended,,,,\n,O,,standard,,,2026-11-20", "advanced", None, "the contract of organisation 'O' ended on 2026-11-20; plan 'extended' of a@x.example gives tier advanced", "the organisation's is over"),
        ("a@x.example,O,extended,,et,,2026-11-20\n,O,,,,,2026-11-20\n@x.example,,,advanced,en,,2026-11-20", "basic", Some("et"), "the contract of a@x.example ended on 2026-11-20; the contract of organisation 'O' ended on 2026-11-20; the contract of @x.example ended on 2026-11-20; the first tier is basic", "all are over; the language stays"),
        (",O,,advanced,,,", "basic", None, "neither a@x.example nor its domain is in the customers' file; the first tier is basic", "nobody says that he is of it"),
    ];
    for (rows, tier, language, reason, why) in table {
        let known = policy_of(&format!("{head}{rows}\n")).know(Some(&EmailAddress::parse("a@x.example").unwrap()), None, today);
        assert_eq!((known.tier.as_str(), known.why.as_str(), known.language), (tier, reason, language.and_then(Language::parse)), "{why}");
    }
}

/// As languages do: address, organisation, domain; what was looked up before all.
#[test]
fn p10_zones_come_in_the_same_order() {
    let head = "address,organisation,zone\n";
    let today = jiff::civil::date(2026, 11, 21);
    let recife = Customer { zone: crate::config::zone_named("America/Recife"), ..Customer::default() };
    #[rustfmt::skip]
    let table = [
        ("a@x.example,O,Asia/Tokyo\n,O,Europe/Lisbon\n@x.example,,UTC", None, Some("Asia/Tokyo"), "his own"),
        ("a@x.example,O,\n,O,europe/lisbon\n@x.example,,UTC", None, Some("Europe/Lisbon"), "his organisation's, in whatever case"),
        ("a@x.example,,\n@x.example,,UTC", None, Some("UTC"), "his domain's"),
        ("a@x.example,,\n", None, None, "nobody's"),
        ("a@x.example,,Asia/Tokyo\n", Some(LookedUp::Found(recife)), Some("America/Recife"), "looked up"),
        ("a@x.example,,Asia/Tokyo\n", Some(LookedUp::Nobody), Some("Asia/Tokyo"), "what is not looked up, the file says"),
    ];
    for (rows, looked_up, zone, why) in table {
        let known =
            policy_of(&format!("{head}{rows}\n")).know(Some(&EmailAddress::parse("a@x.example").unwrap()), looked_up.as_ref(), today);
        assert_eq!(known.zone.as_ref().and_then(|zone| zone.iana_name()), zone, "{why}");
    }
}

#[test]
fn p9_what_is_looked_up_stands_in_the_place_of_the_row() {
    let policy = policy("a@x.example,Ana,O,business,,pt,\n,,P,,advanced,,\n@x.example,,O,,advanced,en,\n");
    let found = |tier: &str, plan: &str, organisation: &str, until: Option<jiff::civil::Date>| {
        LookedUp::Found(Customer {
            name: "Ana Lima".to_owned(),
            organisation: organisation.to_owned(),
            plan: plan.to_owned(),
            tier: (!tier.is_empty()).then(|| tier.to_owned()),
            language: None,
            zone: None,
            valid_from: None,
            valid_until: until,
        })
    };
    let over = Some(jiff::civil::date(2026, 11, 20));
    #[rustfmt::skip]
    let table = [
        (found("basic", "extended", "", None), "basic", "Ana Lima", "O", "a@x.example in the look-up is given tier basic", "the tier that it names"),
        (found("", "extended", "", None), "advanced", "Ana Lima", "O", "plan 'extended' of a@x.example in the look-up gives tier advanced", "its plan"),
        (found("", "", "P", None), "advanced", "Ana Lima", "P", "organisation 'P' is given tier advanced", "its organisation, by the file"),
        (found("basic", "", "", over), "advanced", "Ana Lima", "O", "the contract of a@x.example in the look-up ended on 2026-11-20; @x.example is given tier advanced", "over: the row of the address does not come back"),
        (found("gold", "extended", "P", None), "standard", "Ana", "O", "the look-up names tier 'gold', which is none of the configuration; plan 'business' of a@x.example gives tier standard", "a tier that is none: the file's answer stands"),
        (found("", "platinum", "", None), "advanced", "Ana Lima", "O", "plan 'platinum' of a@x.example in the look-up gives no tier; @x.example is given tier advanced", "a plan that gives none"),
        (LookedUp::Nobody, "standard", "Ana", "O", "the look-up knows nobody of that address; plan 'business' of a@x.example gives tier standard", "known to the file alone"),
        (LookedUp::Failed("gave status 500".to_owned()), "standard", "Ana", "O", "the look-up gave status 500; plan 'business' of a@x.example gives tier standard", "a failure: the file's answer stands"),
    ];
    let (address, today) = (EmailAddress::parse("a@x.example").unwrap(), jiff::civil::date(2026, 11, 21));
    for (looked_up, tier, name, organisation, reason, why) in table {
        let known = policy.know(Some(&address), Some(&looked_up), today);
        assert_eq!((known.tier.as_str(), known.why.as_str()), (tier, reason), "{why}");
        assert_eq!((known.name.as_str(), known.organisation.as_str()), (name, organisation), "{why}");
        assert_eq!(known.language, Language::parse("pt"), "{why}: what it does not say, the file does");
    }
    let stranger = EmailAddress::parse("b@y.example").unwrap();
    let known = policy.know(Some(&stranger), Some(&found("advanced", "", "", None)), today);
    assert_eq!((known.tier.as_str(), known.name.as_str()), ("advanced", "Ana Lima"), "of whom the file knows nothing");
    let known = policy.know(Some(&stranger), Some(&LookedUp::Nobody), today);
    assert_eq!(
        known.why,
        "the look-up knows nobody of that address; neither b@y.example nor its domain is in the customers' file; the first tier is basic"
    );
}

#[test]
fn the_policy_that_says_most_wins() {
    let text = "[desk]\nstate_dir = 's'\n[[mailbox]]\nname = 'a'\naddress = 'a@b.example'\nmaildir = 'in'\n[smtp]\nmaildir = 'out'\n\
        [[team]]\nname = 't'\ncalendar = 'office'\nmanager = 'm@b.example'\n[[tier]]\nname = 'basic'\n[[tier]]\nname = 'advanced'\n\
        [[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\n\
        [[sla]]\npriority = 'critical'\nresolution = '1h'\n[[sla]]\ntier = 'advanced'\nresolution = '2h'\n\
        [[sla]]\ntier = 'advanced'\npriority = 'critical'\nresolution = '3h'\ncalendar = 'always'\n";
    let settings = load_text("g.toml", text, Path::new("/x")).unwrap();
    for (tier, priority, hours, calendar, why) in [
        ("advanced", Priority::Critical, 3, "always", "tier and priority"),
        ("advanced", Priority::High, 2, "office", "tier"),
        ("basic", Priority::Critical, 1, "office", "priority"),
        ("basic", Priority::Low, 40, "office", "none holds: the built-in one"),
    ] {
        let sla = settings.policy.sla(tier, priority, Channel::Mail, None);
        assert_eq!(sla.resolution, Some(SignedDuration::from_hours(hours)), "{why}");
        assert_eq!(settings.policy.calendar(&sla, "t").name, calendar, "{why}");
    }
    let any = text.to_owned() + "[[sla]]\nresolution = '4h'\n";
    let settings = load_text("g.toml", &any, Path::new("/x")).unwrap();
    assert_eq!(settings.policy.sla("basic", Priority::Low, Channel::Mail, None).resolution, Some(SignedDuration::from_hours(4)), "neither");
}
