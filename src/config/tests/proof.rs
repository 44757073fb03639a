//! What each part of a configuration means for the others: the least that works with something added, and all that is told of it.

use super::{LEAST, Proof, prove_text};
use jiff::Timestamp;
use std::path::Path;

/// Added behind [`LEAST`] (15 lines with the first line added), what is told without the file's name, the reason.
type Case = (&'static str, &'static [&'static str], &'static str);

const NOW: &str = "2026-11-22T12:00:00Z";

/// Everything that is told of [`LEAST`] with something added: faults first.
fn told(text: &str, dir: &Path) -> Vec<String> {
    let now: Timestamp = NOW.parse().unwrap();
    let Proof { outcome, warnings, counts } = prove_text("g.toml", text, dir, Some(now));
    assert!(counts.is_some());
    let faults = outcome.as_ref().err().into_iter().flatten().map(|fault| format!("fault {fault}"));
    let all = faults.chain(warnings.iter().map(|warning| format!("warning {warning}")));
    all.map(|line| line.replace(&dir.display().to_string(), "DIR").replace("g.toml:", "")).collect()
}

#[test]
fn p12_what_can_never_be_is_told_with_its_line_key_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.csv"), "address,organisation,plan,tier\na@x.example,Initech,team,\n@y.example,,,extra\n").unwrap();
    for (file, content) in [
        ("texts/en/ack_vip.txt", "Subject: At once [{{ number }}]\n\nDear {{ customer }}"),
        ("texts/en/ack_old.txt", "Subject: Long ago [{{ number }}]\n\nDear {{ customer }}"),
        ("texts/en/ack.standard.txt", "Subject: Yours [{{ number }}]\n\nDear {{ customer }}"),
        ("texts/pt/words.txt", "low = baixa\n"),
        ("texts/fr/ack.txt", "Subject: À vous [{{ number }}]\n\nBonjour {{ customer }}"),
    ] {
        std::fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(file), content).unwrap();
    }
    std::fs::create_dir(dir.path().join("cues")).unwrap();
    std::fs::write(dir.path().join("cues/en.txt"), "[churn]\nfarewell\n").unwrap();
    let mut wrong = Vec::new();
    for (added, expect, why) in CASES {
        // What is for [desk] stands before '---'.
        let (desk, rest) = added.split_once("---\n").unwrap_or(("", added));
        let least = match desk {
            // Another team makes the mailbox name its own.
            "MB" => LEAST.replacen("maildir = 'in'", "team = 'frontline'\nmaildir = 'in'", 1),
            "CAL" => LEAST.replacen("[[agent]]", "calendar = 'office'\n[[agent]]", 1),
            desk => LEAST.replacen("[desk]\n", &format!("[desk]\n{desk}"), 1),
        };
        let text = format!("{least}{rest}");
        let got = told(&text, dir.path());
        if got != *expect {
            wrong.push(format!("{why}:\n{added}\n  got {got:#?}\n  not {expect:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const OFFICE: &str = "[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\n";

#[test]
fn p12_the_same_without_a_day_leaves_out_what_depends_on_it() {
    let shut = format!("{LEAST}{OFFICE}closed = '2020-01-01'\n")
        .replace("name = 'frontline'\n[[agent]]", "name = 'frontline'\ncalendar = 'office'\n[[agent]]");
    assert_eq!(told(&shut, Path::new("/x")).len(), 1);
    assert!(prove_text("g.toml", &shut, Path::new("/x"), None).warnings.is_empty());
}

#[test]
fn p12_a_calendar_whose_openings_all_fall_on_holidays_is_a_fault() {
    let first: jiff::civil::Date = "2026-11-23".parse().unwrap();
    let mondays = (0..106).map(|week| format!("'{}'", first + jiff::Span::new().days(7 * week))).collect::<Vec<_>>().join(", ");
    let calendar = format!("{}closed = [{mondays}]\n", OFFICE.replace("mon-fri", "mon"));
    let text = format!("{}{calendar}", LEAST.replacen("[[agent]]", "calendar = 'office'\n[[agent]]", 1));
    let expect = "fault 20: calendar.closed: swallows every opening of calendar 'office' for the next two years: no clock in it would run out; \
                  write fewer days, or openings as extra";
    assert_eq!(told(&text, Path::new("/x")), [expect]);
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("", &[], "nothing"),
    ("[[rule]]\nname = 'a'\nwhen = { tier = 'standard' }\nthen = { tags = 't' }\n", &[], "the first tier is everybody's"),
    ("[[tier]]\nname='standard'\n[[tier]]\nname = 'gold'\n[[rule]]\nname = 'a'\nwhen = { tier = 'gold' }\nthen = { tags = 't' }\n", &["warning 18: tier.name: no customer has tier 'gold'; write one of its plans, or the tier itself, into desk.customers", "warning 21: rule.when.tier: never holds: no customer has tier 'gold'"], "a tier that nobody has, and a rule for it"),
    ("[[tier]]\nname='standard'\n[[tier]]\nname = 'gold'\n[[rule]]\nname = 'a'\nwhen = { tier = ['gold', 'standard'] }\nthen = { tags = 't' }\n[customers]\nlookup_url = 'https://crm.example/{address}'\n", &[], "another system may say so of anybody"),
    ("customers = 'c.csv'\n---\n[[tier]]\nname='standard'\n[[tier]]\nname = 'gold'\nplans = 'team'\n[[tier]]\nname = 'extra'\n[[tier]]\nname = 'none'\nplans = ['x', 'y']\n[[rule]]\nname = 'a'\nwhen = { tier = ['gold', 'extra', 'none'] }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { plan = ['team', 'x'] }\nthen = { tags = 't' }\n[[rule]]\nname = 'c'\nwhen = { plan = 'y' }\nthen = { tags = 't' }\n", &["warning 24: tier.name: no customer has tier 'none'; write one of its plans, or the tier itself, into desk.customers", "warning 28: rule.when.tier: 'none' in it is never met: no customer has tier 'none'", "warning 32: rule.when.plan: 'x' in it is never met: no customer has plan 'x'", "warning 36: rule.when.plan: never holds: no customer has plan 'y'"], "by plan, by row, by nothing"),
    ("customers = 'c.csv'\n---\n[[tier]]\nname='standard'\nplans = 'team'\n[[tier]]\nname='extra'\n[[rule]]\nname = 'a'\nwhen = { organisation = ['initech', 'Initrode'] }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { organisation = 'Initrode' }\nthen = { tags = 't' }\n[[rule]]\nname = 'c'\nthen = { tags = 't' }\nunless = { organisation = 'initrode' }\n", &["warning 23: rule.when.organisation: 'initrode' in it is never met: no customer is of organisation 'initrode'", "warning 27: rule.when.organisation: never holds: no customer is of organisation 'initrode'", "warning 32: rule.unless.organisation: never holds: no customer is of organisation 'initrode', so that nothing is excepted"], "organisations"),
    ("[[rule]]\nname = 'a'\nwhen = { channel = ['chat', 'mail'] }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { channel = 'phone' }\nthen = { tags = 't' }\n[[rule]]\nname = 'c'\nwhen = { channel = 'chat', tier = 'standard' }\nthen = { tags = 't' }\n", &["warning 17: rule.when.channel: 'chat' in it is never met: there is no [chat]", "warning 21: rule.when.channel: never holds: nothing takes calls in yet", "warning 25: rule.when.channel: never holds: there is no [chat]"], "channels that nothing comes by"),
    ("[chat]\nlisten = '127.0.0.1:0'\n[[rule]]\nname = 'a'\nwhen = { channel = 'chat', header = [{ name = 'X-A' }] }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { channel = 'chat', subject = 'x' }\nthen = { tags = 't' }\n[[rule]]\nname = 'c'\nwhen = { channel = 'chat', attachment = true }\nthen = { tags = 't' }\n[[rule]]\nname = 'd'\nwhen = { channel = ['chat', 'mail'], subject = 'x' }\nthen = { tags = 't' }\n[[rule]]\nname = 'e'\nwhen = { channel = 'chat', text = 'x', attachment = false }\nthen = { tags = 't' }\n", &["warning 19: rule.when.header: never holds: the rule is for chat alone, which has none", "warning 23: rule.when.subject: never holds: the rule is for chat alone, which has none", "warning 27: rule.when.attachment: never holds: the rule is for chat alone, which has none"], "chats have neither"),
    ("[[rule]]\nname = 'a'\nwhen = { reopened = true, first_contact = true }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { reopened = true, first_contact = false }\nthen = { tags = 't' }\n", &["warning 17: rule.when.first_contact: never holds: whoever opens a ticket again has written before"], "at odds"),
    ("[[rule]]\nname = 'a'\nwhen = { authenticity = 'failed' }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { authenticity = ['unknown', 'authenticated'] }\nthen = { tags = 't' }\n", &["warning 17: rule.when.authenticity: never holds: nobody is asked about senders; write trusted_authserv_ids or check_senders", "warning 21: rule.when.authenticity: 'authenticated' in it is never met: nobody is asked about senders; write trusted_authserv_ids or check_senders"], "nobody is asked"),
    ("trusted_authserv_ids = 'mx'\n---\n[[rule]]\nname = 'a'\nwhen = { authenticity = 'failed' }\nthen = { tags = 't' }\n", &[], "somebody is"),
    ("[[rule]]\nname = 'a'\nwhen = { hours = 'out' }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { hours = 'in' }\nthen = { tags = 't' }\n", &["warning 17: rule.when.hours: never holds: every team works day and night; write a calendar for one"], "day and night"),
    ("cues = 'cues'\n---\n[[rule]]\nname = 'a'\nwhen = { cue = 'insult', language = 'en' }\nthen = { tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { cue = ['shouting', 'insult'], language = 'en' }\nthen = { tags = 't' }\n[[rule]]\nname = 'c'\nwhen = { cue = 'insult' }\nthen = { tags = 't' }\n[[rule]]\nname = 'd'\nwhen = { cue = 'churn', language = 'en' }\nthen = { tags = 't' }\n[[rule]]\nname = 'e'\nwhen = { cue = 'churn', language = 'fi' }\nthen = { tags = 't' }\n", &["warning 18: rule.when.cue: never holds: the list of its words is empty in en; see desk.cues", "warning 22: rule.when.cue: 'insult' in it is never met: the list of its words is empty in en; see desk.cues", "warning 34: rule.when.cue: never holds: the list of its words is empty in fi; see desk.cues"], "empty lists of words"),
    ("[[rule]]\nname = 'a'\nwhen = { text = ['a', 'b'] }\nthen = { spam = true }\n[[rule]]\nname = 'b'\nwhen = { text = 'a' }\nthen = { priority = 'high' }\n[[rule]]\nname = 'c'\nwhen = { text = 'c' }\nthen = { priority = 'low' }\n", &["warning 20: rule.name: 'b' changes nothing: the earlier rule 'a' holds wherever it does, and closes the ticket as spam; leave this one out"], "behind spam"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { priority = 'high' }\n[[rule]]\nname = 'b'\nwhen = { text = ['a', 'b'] }\nthen = { priority = 'low', tags = 't' }\n", &["warning 16: rule.name: 'a' changes nothing: the later rule 'b' holds wherever it does, and sets the same; write that one first"], "set again"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { priority = 'high', tags = 't' }\n[[rule]]\nname = 'b'\nwhen = { text = ['a', 'b'] }\nthen = { priority = 'low' }\n", &[], "its tag stays"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { priority = 'high' }\n[[rule]]\nname = 'b'\nwhen = { text = ['a', 'b'] }\nthen = { priority = 'up' }\n", &[], "added up"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { priority = 'high' }\n[[rule]]\nname = 'b'\nwhen = { hours = 'in' }\nthen = { priority = 'low' }\nstop = true\n[[rule]]\nname = 'c'\nwhen = { text = ['a', 'b'] }\nthen = { priority = 'low' }\n", &[], "the pass may end between"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { spam = true, team = 'frontline', notify = 'ana', tags = 't' }\n", &["warning 18: rule.then.notify: has no effect beside spam: the ticket is closed, and nobody hears of it", "warning 18: rule.then.team: has no effect beside spam: the ticket is closed, and nobody hears of it"], "beside spam"),
    ("templates = 'texts'\n---\n[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { template = 'ack_vip', hold = true }\n[[rule]]\nname = 'b'\nwhen = { reopened = true }\nthen = { template = 'ack_vip' }\n[[rule]]\nname = 'c'\nwhen = { text = 'c' }\nthen = { template = 'ack_old' }\n", &["warning 19: rule.then.template: has no effect beside hold: nothing is sent to the customer", "warning 23: rule.then.template: has no effect in a rule for reopened tickets: these were acknowledged before", "warning DIR/texts/fr: templates.fr: nobody is written to in 'fr'; add it to desk.languages, or take the directory away", "warning DIR/texts/pt: templates.pt: nobody is written to in 'pt'; add it to desk.languages, or take the directory away"], "texts that are not sent"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { skill = 'law' }\n", &["warning 18: rule.then.skill: nobody in any team has law: the ticket would wait for whoever takes it; write it in the skills of an [[agent]] there"], "nobody can"),
    ("[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { skill = 'law', team = 'frontline' }\n", &["warning 18: rule.then.skill: has no effect in team 'frontline', whose tickets are taken by whoever answers first; write assign = \"least-loaded\" or \"round-robin\" there, or leave it out"], "in a queue"),
    ("MB---\n[[team]]\nname = 'back'\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\nskills = 'Law'\n[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { skill = 'law', team = 'back' }\n[[rule]]\nname = 'b'\nwhen = { text = 'b' }\nthen = { skill = ['law', 'tax'], team = 'back' }\n[[rule]]\nname = 'c'\nwhen = { text = 'c' }\nthen = { skill = 'tax', assignee = 'ben' }\n", &["warning 31: rule.then.skill: nobody in team 'back' has law, tax: the ticket would wait for whoever takes it; write it in the skills of an [[agent]] there"], "somebody can, nobody can both, or is asked"),
    ("MB---\n[[team]]\nname = 'back'\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\nlanguages = 'pt'\n[[rule]]\nname = 'a'\nwhen = { language = ['en', 'et'] }\nthen = { team = 'back' }\n[[rule]]\nname = 'b'\nwhen = { language = ['en', 'pt'] }\nthen = { team = 'back' }\n", &["warning 27: rule.then.team: nobody of team 'back' speaks en, et, which the rule is for; write it in the languages of an [[agent]]"], "languages"),
    ("MB---\n[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\n[[team]]\nname = 'back'\ncalendar = 'office'\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\nduty = 'night'\n[[calendar]]\nname = 'night'\ntime_zone = 'UTC'\nopen = ['daily 17:00-24:00', 'sat,sun 00:00-09:00']\n", &["fault 23: team.assign: can give nobody a ticket: no agent of team 'back' is on duty in any hour in which it is open; see duty of its agents and calendar of the team"], "never on duty when it is open"),
    ("MB---\n[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\n[[team]]\nname = 'back'\ncalendar = 'office'\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\nduty = 'west'\n[[calendar]]\nname = 'west'\ntime_zone = 'America/New_York'\nopen = 'mon-fri 11:30-18:00'\n", &[], "half an hour, in winter"),
    ("MB---\n[[team]]\nname = 'back'\ncap = 5\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\n", &["warning 18: team.cap: no agent of team 'back' may have more than 5, and critical weighs 8: such tickets are given to nobody; write a larger cap, or a fallback"], "a cap below the heaviest"),
    ("MB---\n[[team]]\nname = 'back'\ncap = 5\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\ncap = 8\n", &[], "of one agent it is enough"),
    ("MB---\n[[team]]\nname = 'back'\nassign = 'least-loaded'\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'back'\ncap = 0\n", &["warning 18: team.assign: no agent of team 'back' may have more than 0, and low weighs 1, medium weighs 2, high weighs 4, critical weighs 8: such tickets are given to nobody; write a larger cap, or a fallback"], "the desk gives her nothing"),
    ("MB---\n[[agent]]\nname = 'Ben'\naddress = 'ben@acme.example'\nteams = 'frontline'\ncap = 3\nduty = 'always'\n", &["warning 20: agent.cap: has no effect: in none of the agent's teams does the desk choose who gets a ticket; write assign = \"least-loaded\" or \"round-robin\" in one", "warning 21: agent.duty: has no effect: in none of the agent's teams does the desk choose who gets a ticket; write assign = \"least-loaded\" or \"round-robin\" in one"], "of no use in a queue"),
    ("[[sla]]\nfirst_response = '1h'\n[[sla]]\nname = 'gold'\nfirst_response = '30m'\n", &["warning 18: sla.name: no ticket can have this policy: it names neither tier, priority nor channel, and no rule asks for it; write then = { policy = \"…\" } in a [[rule]], or name a tier, priority or channel here"], "named for nobody"),
    ("[[sla]]\nname = 'gold'\nfirst_response = '30m'\n[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { policy = 'gold' }\n", &[], "asked for"),
    ("[[sla]]\nname = 'gold'\nfirst_response = '30m'\n[[rule]]\nname = 'a'\nwhen = { channel = 'phone' }\nthen = { policy = 'gold' }\n", &["warning 16: sla.name: no ticket can have this policy: it names neither tier, priority nor channel, and the rule that asks for it never holds", "warning 20: rule.when.channel: never holds: nothing takes calls in yet"], "asked for by a rule that never holds"),
    ("[[sla]]\nchannel = 'phone'\nfirst_response = '30m'\n[[sla]]\nchannel = 'chat'\nfirst_response = '30m'\n", &["warning 16: sla.channel: no ticket can have this policy: nothing comes by phone, for nothing takes calls in yet", "warning 19: sla.channel: no ticket can have this policy: nothing comes by chat, for there is no [chat]"], "policies for channels that nothing comes by"),
    ("[[tier]]\nname='standard'\n[[tier]]\nname='gold'\ncheckin_after = '2d'\n[[sla]]\ntier = 'gold'\nfirst_response = '30m'\n", &["warning 18: tier.name: no customer has tier 'gold', and nobody its check-ins; write one of its plans, or the tier itself, into desk.customers", "warning 21: sla.tier: no ticket can have this policy: no customer has tier 'gold'"], "a tier that nobody has"),
    ("[[sla]]\nfirst_response = '1h'\n[[sla]]\ntier = 'standard'\nfirst_response = '30m'\n", &["warning 15: sla: no ticket can have this policy: wherever it would hold, another comes first (line 17), which says more or stands earlier; leave it out, or let it say more"], "always one that says more"),
    ("[[sla]]\nchannel = 'mail'\nfirst_response = '1h'\n[[sla]]\npriority = 'low'\nfirst_response = '30m'\n[[sla]]\npriority = 'medium'\nfirst_response = '30m'\n[[sla]]\npriority = 'high'\nfirst_response = '30m'\n[[sla]]\npriority = 'critical'\nfirst_response = '30m'\n", &["warning 15: sla: no ticket can have this policy: wherever it would hold, another comes first (lines 18, 21, 24, 27), which says more or stands earlier; leave it out, or let it say more"], "four that say more together"),
    ("[[sla]]\nfirst_response = '1h'\n[[sla]]\nname = 'b'\nfirst_response = '1h'\npriority = 'low'\n[[sla]]\npriority = 'low'\nname = 'c'\nfirst_response = '2h'\n", &["warning 21: sla: no ticket can have this policy: wherever it would hold, another comes first (line 17), which says more or stands earlier, and no rule asks for it; leave it out, or let it say more"], "the earlier of two"),
    ("[[sla]]\nfirst_response = '1h'\nescalate = ['1h head@acme.example', '2h support+x@acme.example']\n", &["fault 17: sla.escalate: 'support+x@acme.example' is the address of a mailbox: the desk would write to itself; write that of a person"], "a step to nobody"),
    ("[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\n[[sla]]\ncalendar = 'office'\nfirst_response = '8h'\nresolution = '250d'\nupdate_every = '26w'\n", &["fault 22: sla.resolution: 250d of opening time take more than two years in calendar 'office', which opens 40h a week; write it in hours of being open, or name another calendar", "fault 23: sla.update_every: 182d of opening time take more than two years in calendar 'office', which opens 40h a week; write it in hours of being open, or name another calendar"], "250 days of being open"),
    ("[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\n", &["warning 16: calendar.name: nobody goes by calendar 'office'; name it in a [[team]], an [[sla]] or as duty of an [[agent]], or leave it out"], "nobody goes by it"),
    ("CAL---\n[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon 09:00-17:00'\nclosed = ['2026-11-30', '2026-12-07', '2026-12-14', '2026-12-21', '2026-12-28', '2027-01-04']\n", &["warning 20: calendar.closed: calendar 'office' does not open from 2026-11-23 to 2027-01-11, and its clocks stand still"], "a long winter"),
    ("CAL---\n[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\nclosed = ['2024-12-25', '2025-12-25']\n", &["warning 20: calendar.closed: the last closed day of calendar 'office' was 2025-12-25: it is open on every holiday to come; write those of this year"], "the holidays of last year"),
    ("CAL---\n[[calendar]]\nname = 'office'\ntime_zone = 'UTC'\nopen = 'mon-fri 09:00-17:00'\nclosed = ['2025-12-25', '2026-12-25']\n", &[], "and of this"),
    ("nudge_after = '14d'\nclose_pending_after = '14d'\n---\n", &["warning 2: desk.nudge_after: nobody is ever asked again: close_pending_after closes the ticket before; write a shorter time, or leave it out"], "closed before it is asked again"),
    ("templates = 'texts'\nlanguages = ['en', 'pt']\n---\n[[rule]]\nname = 'a'\nwhen = { text = 'a' }\nthen = { template = 'ack_vip' }\n", &["warning 3: desk.languages: words.txt of 'pt' lacks ack, answer, auto_close, away, breached and 49 more: texts would show them in English; see the built-in words.txt", "warning 20: rule.then.template: 'ack_vip' is not there in pt: customers who are written to in it would get it in en; put ack_vip.txt into the directories of desk.templates", "warning DIR/texts/en/ack.standard.txt: templates.en.ack.standard: customers of that tier who are written to in pt get the plain 'ack'; write it for these, too", "warning DIR/texts/en/ack_old.txt: templates.en.ack_old: nobody gets it: no rule has template = \"ack_old\"", "warning DIR/texts/fr: templates.fr: nobody is written to in 'fr'; add it to desk.languages, or take the directory away"], "texts that some would miss"),
];
