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
        let text = format!("{}{rest}", LEAST.replacen("[desk]\n", &format!("[desk]\n{desk}"), 1));
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
    let shut = format!("{LEAST}{OFFICE}closed = '2020-01-01'\n").replace("name = 'frontline'\n[[agent]]", "name = 'frontline'\ncalendar = 'office'\n[[agent]]");
    assert_eq!(told(&shut, Path::new("/x")).len(), 1);
    assert!(prove_text("g.toml", &shut, Path::new("/x"), None).warnings.is_empty());
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("", &[], "nothing"),
];
