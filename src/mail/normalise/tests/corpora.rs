//! Mail of other projects, if it lies beside this one (or where `GUICHET_MAIL_CORPORA` says): read there, never copied.

use super::super::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder, or nothing with a line that says so.
fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("GUICHET_MAIL_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/mail/open"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no corpora of mail at {} (set GUICHET_MAIL_CORPORA)", folder.display());
    None
}

fn files_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn expected(path: &Path) -> BTreeMap<String, String> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn p3_every_file_of_the_corpora_becomes_a_value() {
    let Some(folder) = corpora() else { return };
    let mut files = Vec::new();
    files_in(&folder, &mut files);
    let mut reports = 0;
    for file in &files {
        let octets = std::fs::read(file).unwrap();
        let parsed = normalise(&octets, &NormaliseLimits::default());
        assert_eq!(parsed.body.spans.last().map_or(0, |s| s.end as usize), parsed.body.text.len(), "{}", file.display());
        reports += usize::from(parsed.report.is_some());
    }
    println!("{} files read, {reports} of them delivery reports", files.len());
}

/// Beside each stream the names of what is in it; `body.rtf` and `body.html` are its text.
#[test]
fn winmail_dat_agrees_with_others() {
    let Some(folder) = corpora() else { return };
    let mut files = Vec::new();
    files_in(&folder.join("mimekit/tnef"), &mut files);
    let streams: Vec<_> = files.iter().filter(|f| f.extension().is_some_and(|e| e == "tnef")).collect();
    for stream in &streams {
        let octets = std::fs::read(stream).unwrap();
        let tnef = tnef::read(&octets, 100, 1024 * 1024);
        let mut names: Vec<String> = tnef.files.iter().map(|f| f.name.clone()).collect();
        names.extend(tnef.rtf.is_some().then(|| "body.rtf".to_owned()));
        names.extend(tnef.html.is_some().then(|| "body.html".to_owned()));
        let list = std::fs::read_to_string(stream.with_extension("list")).unwrap();
        for expect in list.lines() {
            assert!(names.iter().any(|name| name == expect), "{}: {expect} is not in {names:?}, {:?}", stream.display(), tnef.fault);
        }
        println!("{}: {names:?} {:?} {:?}", stream.display(), tnef.fault, tnef.rtf.and_then(|r| rtf::read(&r, 1000)));
    }
    println!("{} streams read", streams.len());
}

#[test]
fn visible_text_agrees_with_others() {
    let Some(folder) = corpora() else { return };
    let crisp = folder.join("crisp-email-reply-parser");
    let cases = expected(&crisp.join("EXPECTED-first-fragment.json"));
    let misses: Vec<&String> = cases
        .iter()
        .filter(|(name, expect)| {
            let text = String::from_utf8_lossy(&std::fs::read(crisp.join(name)).unwrap()).into_owned();
            let body = Body { spans: visible::spans(&text), text, kept: None };
            let got = words(&body.new_text());
            let differs = got != words(expect);
            if differs {
                println!("crisp {name}:\n  got    {got}\n  expect {}", words(expect));
            }
            differs
        })
        .map(|(name, _)| name)
        .collect();
    println!("crisp: {} of {} agree; not: {misses:?}", cases.len() - misses.len(), cases.len());
    assert!(misses.len() * 20 <= cases.len(), "95 in 100");

    let talon = folder.join("talon");
    let cases = expected(&talon.join("EXPECTED-reply-text.json"));
    let misses: Vec<&String> = cases
        .iter()
        .filter(|(name, expect)| {
            let parsed = normalise(&std::fs::read(talon.join(name)).unwrap(), &NormaliseLimits::default());
            // There a signature is not told apart: all that is not quoted is the reply.
            let shown = parsed.body.spans.iter().filter(|s| s.kind != crate::domain::message::SpanKind::Quoted);
            let got: String = shown.map(|s| &parsed.body.text[s.start as usize..s.end as usize]).collect();
            let differs = words(&got) != words(expect);
            if differs {
                println!("talon {name}:\n  got    {}\n  expect {}", words(&got), words(expect));
            }
            differs
        })
        .map(|(name, _)| name)
        .collect();
    println!("talon: {} of {} agree; not: {misses:?}", cases.len() - misses.len(), cases.len());
    assert!(misses.len() * 20 <= cases.len(), "95 in 100");
}
