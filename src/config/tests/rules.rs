//! Rules that are right, but can hold for nothing.

use super::{LEAST, load_text};
use std::path::Path;

#[test]
fn a_rule_that_never_holds_is_warned_of() {
    #[rustfmt::skip]
    let table: &[(&str, &str, Option<&str>, &str)] = &[
        ("", "subject = 'a'", Some("'b' never holds: the earlier rule 'a' holds wherever it would, and says stop"), "the earlier always holds"),
        ("text = ['a', 'b']", "text = 'a'", Some("'b' never holds: the earlier rule 'a' holds wherever it would, and says stop"), "it lists less"),
        ("text = 'a'", "text = 'a'\ntier = 'standard'", Some("'b' never holds: the earlier rule 'a' holds wherever it would, and says stop"), "it asks more"),
        ("text = 'a'", "text = ['a', 'b']", None, "it lists more"),
        ("text = 'a'\ntier = 'standard'", "text = 'a'", None, "it asks less"),
        ("subject = 'a'", "body = 'a'", None, "another place"),
        ("sender = '*@*.example'", "sender = ['@acme.example', 'a@b.example']", Some("'b' never holds: the earlier rule 'a' holds wherever it would, and says stop"), "a pattern of all of them"),
        ("sender = '@acme.example'", "sender = '*@*.acme.example'", None, "domains below are others"),
        ("attachment_octets_min = 10", "attachment_octets_min = 20", Some("'b' never holds: the earlier rule 'a' holds wherever it would, and says stop"), "larger files"),
        ("attachment_octets_min = 20", "attachment_octets_min = 10", None, "smaller ones"),
        ("hours = 'in'", "hours = 'in'", None, "the team may be another by then"),
        ("reopened = true", "text = 'a'", None, "another occasion"),
        ("text = 'x'", "text = 'a'\n[rule.unless]\ntext = ['a', 'c']", Some("never lets the rule hold: it holds wherever 'when' does"), "unless of itself"),
        ("text = 'x'", "text = 'a'\n[rule.unless]\ntext = 'b'", None, "unless of something else"),
        ("text = 'a'\n[rule.unless]\ntier = 'standard'", "text = 'a'", None, "the earlier has an exception"),
        ("text = 'x'", "plan = 'gold'", Some("unknown plan 'gold'; there is none; only customers whose plan gives no tier have it"), "a plan of no tier"),
    ];
    for (first, second, expect, why) in table {
        let rule = |name: &str, stop: bool, when: &str| {
            format!("[[rule]]\nname = '{name}'\nstop = {stop}\nthen = {{ tags = 't' }}\n[rule.when]\n{when}\n")
        };
        let text = format!("{LEAST}{}{}", rule("a", true, first), rule("b", false, second));
        let settings = load_text("g.toml", &text, Path::new("/nonexistent")).unwrap();
        let warnings: Vec<&str> = settings.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, Vec::from_iter(*expect), "{first} / {second}: {why}");
        assert!(settings.warnings.iter().all(|warning| warning.line.is_some()), "{why}");
        // Without stop nothing is in the way of anything.
        let text = text.replace("stop = true", "stop = false");
        let left = load_text("g.toml", &text, Path::new("/nonexistent")).unwrap().warnings;
        assert!(left.iter().all(|warning| !warning.message.contains("says stop")), "{why}");
    }
}

#[test]
fn a_rule_may_choose_a_text_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("texts/en")).unwrap();
    std::fs::write(dir.path().join("texts/en/ack_vip.txt"), "Subject: At once [{{ number }}]\n\nDear {{ customer }}").unwrap();
    let with = LEAST.replacen("[desk]\n", "[desk]\nlanguages = ['en']\ntemplates = 'texts'\n", 1);
    let text = format!("{with}[[rule]]\nname = 'vip'\nthen = {{ template = 'ack_vip' }}\n");
    assert!(load_text("g.toml", &text, dir.path()).is_ok(), "{:?}", load_text("g.toml", &text, dir.path()).err());
}

#[test]
fn lists_of_cues_are_replaced_language_by_language() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("cues")).unwrap();
    let with = LEAST.replacen("[desk]\n", "[desk]\ncues = 'cues'\n", 1);
    std::fs::write(dir.path().join("cues/en.txt"), "[churn]\nfarewell\n").unwrap();
    assert!(load_text("g.toml", &with, dir.path()).is_ok());
    std::fs::write(dir.path().join("cues/en.txt"), "[churn]\n[sad]\n").unwrap();
    std::fs::write(dir.path().join("cues/english.txt"), "").unwrap();
    let faults = load_text("g.toml", &with, dir.path()).unwrap_err();
    let told: Vec<(Option<u32>, &str)> = faults.iter().map(|fault| (fault.line, fault.message.as_str())).collect();
    let name = "'english' is no language; name the file with two letters such as en.txt";
    assert_eq!(told, [(Some(2), "[sad] is neither [insult] nor [churn]"), (None, name)]);
}
