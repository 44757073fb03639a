//! Configurations, right and wrong.

mod policy;
mod proof;
mod rules;
mod wrong;

use super::*;
use crate::config::settings::{After, MailboxSource, Relay, SignIn, Tls};
use crate::domain::message::Language;
use crate::domain::template::{NoticeFacts, Templates};
use crate::domain::ticket::Priority;
use crate::domain::verdict::{Basis, Judgement};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The least that works; [`wrong`] counts its lines.
const LEAST: &str = "[desk]
state_dir = 'state'
[[mailbox]]
name = 'support'
address = 'support@acme.example'
maildir = 'in'
[smtp]
maildir = 'out'
[[team]]
name = 'frontline'
[[agent]]
name = 'Ana'
address = 'ana@acme.example'
teams = 'frontline'
";

#[test]
fn the_least_works() {
    let settings = load_text("least.toml", LEAST, Path::new("/etc/guichet")).unwrap();
    let policy = &settings.policy;
    assert_eq!(settings.state_dir, Path::new("/etc/guichet/state"), "paths start from the directory of the configuration");
    assert!(matches!(&settings.mailboxes[0].source, MailboxSource::Maildir(dir) if dir == Path::new("/etc/guichet/in")));
    assert!(matches!(&settings.relay, Relay::Maildir(dir) if dir == Path::new("/etc/guichet/out")));
    assert_eq!(
        (policy.mailboxes[0].team.as_str(), policy.agents[0].handle.as_str()),
        ("frontline", "ana"),
        "the only team; the local part"
    );
    assert_eq!((policy.tiers[0].name.as_str(), policy.tiers[0].priority), ("standard", Priority::Medium));
    assert!(policy.calendars["always"].is_always());
    let sla = policy.sla("standard", Priority::Low, crate::domain::message::Channel::Mail, None);
    assert_eq!(sla.first_response, Some(SignedDuration::from_hours(8)));
    assert!(policy.calendar(&sla, "frontline").is_always());
    assert!(settings.chat.is_none());
}

#[test]
fn the_daemon_is_found_whatever_else_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let of = |files: &[(&str, &str)]| {
        let config = tempfile::tempdir_in(dir.path()).unwrap();
        for (name, text) in files {
            std::fs::write(config.path().join(name), text).unwrap();
        }
        state_dir(config.path()).map(|found| found.strip_prefix(config.path()).unwrap().display().to_string())
    };
    for (files, expect, why) in [
        (&[("a.toml", LEAST)][..], Some("state"), "nothing is wrong"),
        (&[("a.toml", "[desk]\nstate_dir = 'x'\nlanguage = 3\n[[rule]]\nteam = 'nobody'")], Some("x"), "wrong keys and values"),
        (&[("a.toml", "[desk]\nstate_dir = 'x'\n[[rule]\nname =")], Some("x"), "no TOML from a line on"),
        (&[("a.toml", LEAST), ("b.toml", "nonsense")], Some("state"), "another file is none at all"),
        (&[("a.toml", LEAST), ("b.toml", "[desk]\nstate_dir = 'x'")], Some("x"), "the last word counts"),
        (&[("a.toml", LEAST), ("b.toml", "[desk]\nstate_dir = 3")], Some("state"), "a number is no word"),
        (&[("a.toml", "[desk]\nstate_dir = ' '")], None, "blank"),
        (&[("a.toml", "[desk]\nname = 'x'")], None, "none"),
        (&[], None, "no file"),
    ] {
        assert_eq!(of(files).as_deref(), expect, "{why}");
    }
}

#[test]
fn who_is_told_of_silence_and_when() {
    let read = |desk: &str, mailbox: &str| {
        let text = LEAST.replacen("[desk]", &format!("[desk]\n{desk}"), 1).replacen("maildir = 'in'", mailbox, 1);
        let policy = load_text("g.toml", &text, Path::new("/etc/guichet")).unwrap().policy;
        let at = policy.desk.digest_at.strftime("%H:%M:%S").to_string();
        (policy.desk.ops.len(), at, policy.mailboxes[0].silent_after.map(|after| after.as_mins()))
    };
    let imap = |more: &str| format!("imap = {{ host = 'localhost', user = 'a', password = 'b' }}\n{more}");
    let eight = || "08:00:00".to_owned();
    for (desk, mailbox, expect, why) in [
        ("", "maildir = 'in'".to_owned(), (0, eight(), Some(15)), "the usual"),
        ("ops = 'a@x.example, b@x.example'", imap(""), (2, eight(), Some(15)), "as the environment has to write it"),
        ("digest_at = '23:59:30'", imap("silent_after = 'never'"), (0, "23:59:30".to_owned(), None), "never"),
        ("", imap("poll_every = '10m'"), (0, eight(), Some(20)), "two turns"),
        ("", imap("poll_every = '24h'"), (0, eight(), Some(56)), "it is asked every 28 minutes all the same"),
    ] {
        assert_eq!(read(desk, &mailbox), expect, "{why}");
    }
}

#[test]
fn p8_whose_word_about_senders_counts() {
    let read = |desk: &str, mailbox: &str| {
        let text = LEAST.replacen("[desk]", &format!("[desk]\n{desk}"), 1).replacen("maildir = 'in'", mailbox, 1);
        let policy = load_text("g.toml", &text, Path::new("/etc/guichet")).unwrap().policy;
        let unknown = Judgement { basis: Basis::AuthenticationResults, ..Judgement::default() };
        let judgement = if policy.mailboxes[0].trusted_authserv_ids.is_empty() { Judgement::default() } else { unknown };
        (policy.mailboxes[0].trusted_authserv_ids.join(" "), policy.believes_agent(&judgement))
    };
    for (desk, mailbox, ids, believed, why) in [
        ("", "maildir = 'in'", "", true, "nobody is asked: an agent's token is enough"),
        ("trusted_authserv_ids = 'MX.Acme.example, b'", "maildir = 'in'", "mx.acme.example b", false, "the desk's"),
        ("trusted_authserv_ids = 'a'", "maildir = 'in'\ntrusted_authserv_ids = ['b']", "b", false, "the mailbox's own instead"),
        ("trusted_authserv_ids = 'a'", "maildir = 'in'\ntrusted_authserv_ids = []", "", true, "nobody's, in this mailbox"),
        ("", "maildir = 'in'\ncheck_senders = true", "", true, "only what was judged is judged"),
        (
            "agents_must_authenticate = true",
            "maildir = 'in'\ncheck_senders = true\nrelays = 'MX.acme.example.'",
            "",
            false,
            "a check will do",
        ),
        ("trusted_authserv_ids = 'a'\nagents_must_authenticate = false", "maildir = 'in'", "a", true, "tokens alone, as written"),
    ] {
        assert_eq!(read(desk, mailbox), (ids.to_owned(), believed), "{why}");
    }
}

#[test]
fn what_ops_are_told_reads_well_in_each_language() {
    let templates = load_text("g.toml", LEAST, Path::new("/etc/guichet")).unwrap().policy.templates.clone();
    let [full, _, empty] = NoticeFacts::samples();
    for language in LANGUAGES {
        for name in ["ops_silent", "ops_recovered", "ops_digest"] {
            for facts in [
                full.clone(),
                NoticeFacts { mailboxes: Vec::new(), ..full.clone() },
                NoticeFacts { reasons: Vec::new(), ..full.clone() },
                NoticeFacts { undeliverable: 0, ids: Vec::new(), ..full.clone() },
                empty.clone(),
            ] {
                let filled = templates.render(Language::parse(language).unwrap(), name, &facts).unwrap();
                assert!(!filled.text.contains("\n\n\n"), "{language}/{name}:\n{}\n\n{}", filled.subject, filled.text);
            }
        }
    }
}

#[test]
fn p12_every_example_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    std::fs::copy(config.join("customers.example.csv"), dir.path().join("customers.example.csv")).unwrap();
    for (name, content) in [
        ("imap.password", "one\n"),
        ("smtp.password", "two\n"),
        ("oauth.secret", "three\n"),
        ("oauth.refresh", "four\n"),
        ("crm.token", "five\n"),
        ("chat.key", "0123456789abcdef0123456789abcdef"),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("holidays.ics", "BEGIN:VCALENDAR\nEND:VCALENDAR\n"),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    std::fs::create_dir(dir.path().join("templates")).unwrap();
    std::fs::create_dir(dir.path().join("cues")).unwrap();
    for entry in std::fs::read_dir(config).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if name == "guichet.toml" {
            // The examples in it: what stands behind a '#' at the start of a line.
            text = text.lines().fold(String::new(), |mut all, line| {
                let example = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()));
                let _ = writeln!(all, "{}", example.unwrap_or(line));
                all
            });
        }
        if name == "tiers.example.toml" {
            // It stands beside the rest of a configuration.
            text = text.replacen("[desk]\n", "[desk]\nname = 'Acme'\nstate_dir = 's'\n", 1)
                + "[[mailbox]]\nname = 'a'\naddress = 'a@b.example'\nteam = 'frontline'\nmaildir = 'in'\n[smtp]\nmaildir = 'out'\n";
        }
        std::fs::write(dir.path().join("tried.toml"), text).unwrap();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let Proof { outcome, warnings, .. } = prove(&dir.path().join("tried.toml"), Some(now));
        let told = outcome.err().unwrap_or_default().into_iter().chain(warnings);
        let told: Vec<String> = told.map(|told| told.to_string()).collect();
        assert!(told.is_empty(), "{name}: {}", told.join("\n"));
    }
}

const IMAP: &str = "[desk]
state_dir = '/state'
[[mailbox]]
name = 'support'
address = 'support@acme.example'
imap = { host = 'imap.acme.example', user = 'a', password_file = 'password' }
folder = 'Support'
after = 'move:Done'
[smtp]
host = 'localhost'
tls = 'none'
[[team]]
name = 'frontline'
manager = 'carla@acme.example'
";

#[test]
fn secrets_come_from_credentials_before_the_configuration() {
    let (config, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(config.path().join("password"), "beside \r\n").unwrap();
    let read = |credentials: Option<&Path>| {
        let settings =
            prove_layers(&[("g.toml".to_owned(), IMAP.to_owned())], Vec::new(), config.path(), credentials, None, None).outcome.unwrap();
        let MailboxSource::Imap(account) = &settings.mailboxes[0].source else { panic!("no IMAP") };
        assert_eq!((account.port, account.tls, &account.after), (993, Tls::Implicit, &After::Move("Done".to_owned())));
        assert!(!format!("{settings:?}").contains("beside"), "a secret is never printed");
        let SignIn::Password { password, .. } = &account.sign_in else { panic!("no password") };
        password.expose_secret().to_owned()
    };
    assert_eq!(read(Some(credentials.path())), "beside ", "only the line break is taken off");
    std::fs::write(credentials.path().join("password"), "credential").unwrap();
    assert_eq!(read(Some(credentials.path())), "credential");
    assert_eq!(read(None), "beside ");
}

/// What comes of [`LEAST`] with an environment.
fn with_environment(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let files = [("g.toml".to_owned(), LEAST.replace("maildir = 'out'", "host = 'localhost'"))];
    prove_layers(&files, variables, Path::new("/x"), None, None, None)
        .outcome
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn the_environment_is_the_last_layer() {
    let settings = with_environment(&[
        ("GUICHET__SMTP__PORT", "2525"),
        ("GUICHET__SMTP__HOST", "0123"),
        ("GUICHET__SMTP__USER", "on"),
        ("GUICHET__SMTP__PASSWORD", "1e3"),
        ("GUICHET__DESK__LANGUAGES", "et, en"),
        ("GUICHET__DESK__CLOSE_SOLVED_AFTER", "3d"),
        ("GUICHET_LOG", "is none of ours"),
        ("PATH", "neither"),
    ])
    .unwrap();
    let Relay::Smtp(relay) = &settings.relay else { panic!("no SMTP") };
    let (user, password) = relay.credentials.as_ref().unwrap();
    assert_eq!((relay.port, relay.host.as_str(), user.as_str()), (2525, "0123", "on"), "numbers where numbers are wanted, texts elsewhere");
    assert_eq!(password.expose_secret(), "1e3", "a password stays as it is");
    assert_eq!(settings.policy.desk.languages, [Language::parse("et").unwrap(), Language::EN]);
    assert_eq!(settings.policy.desk.close_solved_after, SignedDuration::from_hours(72));
}

#[test]
fn p12_the_environment_is_checked_too() {
    #[rustfmt::skip]
    let table = [
        ("GUICHET__SMTP__PROT", "25", "unknown key; did you mean 'port'?", "unknown"),
        ("GUICHET__SMTP__PORT", "on", "is the text \"on\", but has to be a whole number from 0 to 65535", "not the number 1"),
        ("GUICHET__SMTP__PORT", "99300", "is the text \"99300\", but has to be a whole number from 0 to 65535", "too large"),
        ("GUICHET__SMTP", "x", "is the text \"x\", but has to be a table", "a section"),
        ("GUICHET__SMTP__HOST", "a b", "'a b' is no name of a host; write it without scheme, port or path", "a fault of meaning"),
        ("GUICHET__TEAM__NAME", "x", "is part of a list of tables, which the environment cannot reach; write it into a file", "a list"),
    ];
    for (name, value, expect, why) in table {
        assert_eq!(with_environment(&[(name, value)]).unwrap_err(), [format!("environment: {name}: {expect}")], "{why}");
    }
}

#[test]
fn a_directory_is_read_in_the_order_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("10-main.toml", LEAST);
    write("20-rules.toml", "[[rule]]\nname = 'first'\nthen = { priority = 'low' }\n[desk]\nname = 'One'\n");
    write("30-rules.toml", "[[rule]]\nname = 'second'\nthen = { priority = 'high' }\n[desk]\nname = 'Two'\n");
    write(".hidden.toml", "nonsense");
    write("notes.txt", "nonsense");
    let settings = load(dir.path()).unwrap();
    let rules: Vec<&str> = settings.policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(rules, ["first", "second"], "lists of all files, one after the other");
    assert_eq!(settings.policy.desk.name, "Two", "a later value takes the place of an earlier one");

    write("40-more.toml", "\n[[rule]]\nname = 'first'\nthen = { team = 'x' }\n[[agent]]\nadress = 'x'\n");
    let faults: Vec<String> = load(dir.path()).unwrap_err().iter().map(ToString::to_string).collect();
    let file = dir.path().join("40-more.toml").display().to_string();
    let expect = [
        "3: rule.name: there is another rule 'first' already; each needs a name of its own",
        "4: rule.then.team: unknown team 'x'; known are: frontline",
        "5: agent.name: is missing; write it as customers shall see it",
        "5: agent.teams: is missing; write at least one team, or nothing ever reaches this agent",
        "6: agent.adress: unknown key; did you mean 'address'?",
    ];
    assert_eq!(faults, expect.map(|fault| format!("{file}:{fault}")), "each in its own file");
}

#[test]
fn p12_what_cannot_be_read_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let told = |path: &Path| load(path).unwrap_err()[0].message.clone();
    assert_eq!(told(&dir.path().join("none.toml")), "cannot be read: No such file or directory (os error 2)");
    assert_eq!(told(dir.path()), "is a directory without *.toml; put your configuration there, or name a file");
    std::fs::write(dir.path().join("g.toml"), b"[desk]\nname = '\xff'").unwrap();
    assert_eq!(told(dir.path()), "is no UTF-8 from octet 15 on");
}

#[test]
fn texts_of_ones_own_take_the_place_of_built_in_ones() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{LEAST}[desk]\nlanguages = ['en', 'fi']\ntemplates = 'texts'\n").replacen("[desk]\nstate_dir = 'state'\n", "", 1);
    let text = text.replacen("[desk]\n", "[desk]\nstate_dir = 'state'\n", 1);
    let write = |language: &str, name: &str, text: &str| {
        std::fs::create_dir_all(dir.path().join("texts").join(language)).unwrap();
        std::fs::write(dir.path().join("texts").join(language).join(name), text).unwrap();
    };
    write("en", "ack.txt", "Subject: Got it\n\n{{ nmber }} of {{ customer }}\n");
    write("en", "akc.txt", "Subject: Got it\n\nHello\n");
    write("fi", "ack.txt", "Subject: Da\n\n{{ number }}{% if %}\n");
    write("en", "ack.gold.txt", "Subject: Got it\n\nHello\n");
    write("en", "ack.standard.txt", "Subject: Got it\n\n{{ nmber }}\n");
    let faults: Vec<String> = load_text("g.toml", &text, dir.path()).unwrap_err().iter().map(ToString::to_string).collect();
    let dir_name = dir.path().display();
    assert_eq!(
        faults,
        [
            "g.toml:15: desk.languages: 'fi' lacks texts in the directory of desk.templates: ack_unverified, away, breach, checkin, delay, escalation, held, help, nudge, \
             ops_digest, ops_recovered, ops_silent, promise_reminder, review, status, undelivered, warning, brief, chat_expected, new_ticket_from_closed"
                .to_owned(),
            format!("{dir_name}/texts/en/ack.gold.txt: templates.en.ack.gold: unknown tier 'gold'; known are: standard"),
            format!("{dir_name}/texts/en/ack.standard.txt:3: templates.en.ack.standard: unknown variable 'nmber'; did you mean 'number'?"),
            format!("{dir_name}/texts/en/ack.txt:3: templates.en.ack: unknown variable 'nmber'; did you mean 'number'?"),
            format!("{dir_name}/texts/en/akc.txt:1: templates.en.akc: unknown text 'akc'; did you mean 'ack'?"),
            format!("{dir_name}/texts/fi/ack.txt:3: templates.fi.ack: syntax error: unexpected end of block"),
        ]
    );
}

#[test]
fn p12_changed_holidays_count_from_the_next_reading() {
    let dir = tempfile::tempdir().unwrap();
    let text = LEAST.to_owned()
        + "\n[[calendar]]\nname = 'office'\ntime_zone = 'America/Sao_Paulo'\nopen = 'daily 09:00-18:00'\nclosed = '2026-12-24'\n\
           holidays = 'h.ics'\nextra = ['2026-12-24 09:00-12:00']\n";
    let open = |at: &str, event: &str| {
        std::fs::write(dir.path().join("h.ics"), format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR\n")).unwrap();
        let read = load_text("g.toml", &text, dir.path());
        read.map(|settings| settings.policy.calendars["office"].is_open(at.parse().unwrap())).map_err(|faults| faults[0].to_string())
    };
    let (christmas, after) = ("2026-12-25T10:00-03", "2026-12-26T10:00-03");
    assert_eq!(open(christmas, "DTSTART:20261225"), Ok(false));
    assert_eq!(open(christmas, "DTSTART:20261226"), Ok(true), "it moved");
    assert_eq!(open(after, "DTSTART:20261225\nDTEND:20261227"), Ok(false));
    assert_eq!(open("2026-12-24T11:59-03", "DTSTART:20261224"), Ok(true), "half a day, whatever else is closed");
    assert_eq!(open("2026-12-24T12:00-03", "DTSTART:20261224"), Ok(false));
    let wrong = open(after, "DTSTART:christmas").unwrap_err();
    assert!(wrong.ends_with("h.ics:3: DTSTART: is no whole day; write it as DTSTART;VALUE=DATE:20261225"), "all or nothing: {wrong}");
}

/// Languages that are built in.
const LANGUAGES: [&str; 6] = ["de", "en", "es", "et", "fr", "pt"];

#[test]
fn p12_no_language_lacks_a_text_or_a_word() {
    let templates = &load_text("g.toml", LEAST, Path::new("/x")).unwrap().policy.templates;
    let lacking = LANGUAGES.iter().flat_map(|tag| {
        let language = Language::parse(tag).unwrap();
        templates.missing(language).map(move |name| format!("config/templates/{tag}/{name}.txt"))
    });
    assert_eq!(lacking.collect::<Vec<_>>(), Vec::<String>::new(), "texts to be written, and named in BUILT_IN of texts.rs");
    let words = |tag: &str| -> BTreeSet<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates").join(tag).join("words.txt");
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())).collect()
    };
    for tag in LANGUAGES {
        let lacking: Vec<String> = words("en").difference(&words(tag)).cloned().collect();
        assert_eq!(lacking, Vec::<String>::new(), "words to be written in config/templates/{tag}/words.txt");
    }
}

#[test]
fn a_tier_can_have_texts_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let text = LEAST.replacen("[desk]\n", "[desk]\ntemplates = 'texts'\nlanguages = 'en, pt'\n", 1)
        + "\n[[tier]]\nname = 'basic'\n[[tier]]\nname = 'advanced'\n";
    std::fs::create_dir_all(dir.path().join("texts/pt")).unwrap();
    std::fs::write(dir.path().join("texts/pt/ack.advanced.txt"), "Subject: Com prioridade [{{ number }}]\n\nOlá!\n").unwrap();
    let templates = load_text("g.toml", &text, dir.path()).unwrap().policy.templates.clone();
    let subject = |tag: &str, tier: &str| {
        let facts = NoticeFacts { tier: tier.to_owned(), ..NoticeFacts::samples()[0].clone() };
        templates.render(Language::parse(tag).unwrap(), "ack", &facts).unwrap().subject
    };
    assert_eq!(subject("pt", "advanced"), "Com prioridade [#1042]");
    assert_eq!(subject("pt", "basic"), "Re: A question [#1042]", "the text of all others");
    assert_eq!(subject("en", "advanced"), "Re: A question [#1042]", "a language is not left for it");
}

#[test]
fn built_in_texts_read_well_whatever_is_known() {
    let templates = &load_text("g.toml", LEAST, Path::new("/x")).unwrap().policy.templates;
    let [full, closed, empty] = NoticeFacts::samples();
    let unpromised = NoticeFacts { due_text: String::new(), ..closed.clone() };
    for language in LANGUAGES.map(|tag| Language::parse(tag).unwrap()) {
        for name in Templates::names() {
            // With nothing known at all it only has to come out.
            templates.render(language, name, &empty).unwrap();
            for facts in [&full, &closed, &unpromised] {
                let filled = templates.render(language, name, facts).unwrap();
                let shown = format!("{language}/{name}:\n{}\n\n{}", filled.subject, filled.text);
                assert!(!filled.text.contains("\n\n\n"), "an empty line too many: {shown}");
                let is_tidy = |line: &str| line.trim_end() == line && !line.contains("  (");
                assert!(filled.text.lines().all(is_tidy), "stray spaces: {shown}");
                assert!(!filled.subject.contains('_') && !filled.text.contains('_'), "a word of machines: {shown}");
                match name {
                    "ack_unverified" => assert!(!shown.contains("A question") && !shown.contains("Ana Souza"), "echoes nothing: {shown}"),
                    "chat_expected" => assert_eq!(filled.text.lines().count(), 1, "one line: {shown}"),
                    "ack" | "held" | "warning" => assert!(shown.contains(&facts.number), "{shown}"),
                    _ => {}
                }
            }
        }
    }
}

/// The names that stand in the tags of a text, those in quotes left out.
fn names_of(source: &str) -> BTreeSet<String> {
    const OF_THE_LANGUAGE: [&str; 12] = ["if", "elif", "else", "endif", "for", "in", "endfor", "not", "and", "or", "join", "capitalize"];
    let tags = source.split(['{', '}']).skip(1).step_by(2).chain(source.split("{{").skip(1).map(|tag| tag.split("}}").next().unwrap()));
    let names = tags.filter(|tag| !tag.is_empty()).flat_map(|tag| {
        let quoted = tag.split('"').step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>().join(" ");
        quoted.split(|c: char| !c.is_alphanumeric() && !"_.".contains(c)).map(ToOwned::to_owned).collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty() && !OF_THE_LANGUAGE.contains(&name.as_str())).collect()
}

#[test]
fn every_language_tells_the_same() {
    let source = |tag: &str, name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates").join(tag).join(format!("{name}.txt"));
        std::fs::read_to_string(file).unwrap()
    };
    assert!(names_of(&source("en", "ack")).is_superset(&["due_text", "opens_text", "team_title"].map(str::to_owned).into()));
    for name in Templates::names() {
        for tag in LANGUAGES {
            assert_eq!(names_of(&source(tag, name)), names_of(&source("en", name)), "what {tag}/{name} speaks of");
        }
    }
}

#[test]
fn p7_customers_read_no_words_of_the_house() {
    let templates = &load_text("g.toml", LEAST, Path::new("/x")).unwrap().policy.templates;
    let [full, closed, _] = NoticeFacts::samples();
    for language in LANGUAGES.map(|tag| Language::parse(tag).unwrap()) {
        for name in ["ack", "ack_unverified", "chat_expected", "checkin", "delay", "nudge"] {
            for facts in [&full, &closed] {
                let facts = NoticeFacts {
                    tier: "tier-9".to_owned(),
                    team: "team-9".to_owned(),
                    plan: "plan-9".to_owned(),
                    assignee: "agent-9".to_owned(),
                    organisation: "house-9".to_owned(),
                    ..facts.clone()
                };
                let filled = templates.render(language, name, &facts).unwrap();
                let shown = format!("{language}/{name}:\n{}\n\n{}", filled.subject, filled.text);
                assert!(!shown.contains("-9") && !shown.contains("high"), "{shown}");
                let asks_for_time = !matches!(name, "checkin");
                assert_eq!(shown.contains(&facts.due_text), asks_for_time, "P10, by when: {shown}");
                let opens = facts.opens_text.as_ref().map(crate::domain::dates::Moment::text);
                let tells_hours = matches!(name, "ack" | "ack_unverified" | "chat_expected");
                assert!(opens.is_none_or(|opens| shown.contains(&opens) == tells_hours), "when we are back: {shown}");
            }
        }
    }
}

#[test]
fn only_agents_are_told_to_answer() {
    let templates = &load_text("g.toml", LEAST, Path::new("/x")).unwrap().policy.templates;
    let agent = NoticeFacts::samples()[0].clone();
    let informed = NoticeFacts { may_answer: false, ..agent.clone() };
    for language in LANGUAGES.map(|tag| Language::parse(tag).unwrap()) {
        for name in ["brief", "warning", "breach", "escalation", "promise_reminder", "review"] {
            let text = |facts: &NoticeFacts| templates.render(language, name, facts).unwrap().text;
            assert!(text(&agent).contains("#help") && !text(&informed).contains("#help"), "{language}/{name}");
        }
    }
}

#[test]
fn texts_are_set_as_their_languages_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates");
    for tag in LANGUAGES {
        for file in std::fs::read_dir(folder.join(tag)).unwrap().map(|file| file.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("# "));
            for line in lines {
                let without = |line: &str, begin: &str, end: &str| {
                    line.split(begin).map(|part| part.split_once(end).map_or(part, |(_, text)| text)).collect::<String>()
                };
                let outside = without(line, "{%", "%}");
                let plain = without(&outside, "{{", "}}");
                let at = format!("{}: {line}", file.display());
                assert!(!plain.contains(['\'', '"']) || tag == "en", "straight quotes: {at}");
                assert!(tag != "fr" || [" :", " ;", " ?", " !"].iter().all(|mark| !outside.contains(mark)), "a space that may break: {at}");
                assert!(tag != "es" || outside.matches('?').count() == outside.matches('¿').count(), "{at}");
                assert!(!line.starts_with('#') || !file.ends_with("help.txt") || line.chars().count() <= 78, "too long: {at}");
            }
        }
    }
}
