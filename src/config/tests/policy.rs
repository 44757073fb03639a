//! What decisions read out of a configuration: tiers of customers, policies.

use super::load_text;
use crate::domain::address::EmailAddress;
use crate::domain::message::Language;
use crate::domain::policy::Policy;
use crate::domain::ticket::Priority;
use jiff::SignedDuration;
use std::path::Path;

/// A desk with two tiers and these customers.
fn policy(customers: &str) -> Policy {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.csv"), format!("address,name,organisation,plan,tier,language,valid_until\n{customers}")).unwrap();
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
        let sla = settings.policy.sla(tier, priority);
        assert_eq!(sla.resolution, Some(SignedDuration::from_hours(hours)), "{why}");
        assert_eq!(settings.policy.calendar(&sla, "t").name, calendar, "{why}");
    }
    let any = text.to_owned() + "[[sla]]\nresolution = '4h'\n";
    let settings = load_text("g.toml", &any, Path::new("/x")).unwrap();
    assert_eq!(settings.policy.sla("basic", Priority::Low).resolution, Some(SignedDuration::from_hours(4)), "neither");
}
