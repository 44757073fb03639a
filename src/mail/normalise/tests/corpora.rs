//! What other projects expect of mail, compared with what is kept here: every field of which their expectations speak.
//!
//! Their mail is test data of theirs and is read where it lies, never copied: in the folder that `GUICHET_CORPORA` names, or
//! in `shared/mail/open` beside the project. Mails of our own in the same forms (`tests/fixtures/corpora`) are always read,
//! so that the comparison itself is tested everywhere.
//!
//! Each comparison agrees, is in the table of skips with its reason, or fails the test. A table at the end counts them.

mod addresses;
mod expect;
mod mail_parser_json;
mod mime4j_xml;
mod mimekit;
mod replies;
mod reports;
mod single_fields;
mod skips;

use super::super::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders that are compared: our own, and that of others with a line if it is not there.
fn corpora() -> Vec<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![project.join("tests/fixtures/corpora")];
    match others() {
        Some(folder) => folders.push(folder),
        None => println!("skipped: there is no mail of others (set GUICHET_CORPORA); only our own is compared"),
    }
    folders
}

/// The mail of others, where there is any.
fn others() -> Option<PathBuf> {
    let named = std::env::var_os("GUICHET_CORPORA").map(PathBuf::from);
    assert!(named.as_ref().is_none_or(|folder| folder.is_dir()), "GUICHET_CORPORA names no folder");
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1).map(|above| above.join("shared/mail/open"));
    named.or_else(|| above.into_iter().find(|folder| folder.is_dir()))
}

/// All files below a folder, in order; none where it is missing.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn files_with_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    files_in(folder).into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// White space does not count: line ends, unfolding and blanks around a text are told in other tests. Control characters are
/// kept as U+FFFD.
fn words(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() && !c.is_whitespace() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether ours is what was expected. Where the other could not read a character (U+FFFD), any one of ours will do.
fn agrees(expect: &str, got: &str) -> bool {
    if !expect.contains(char::REPLACEMENT_CHARACTER) {
        return expect == got;
    }
    let same = |(one, other): (char, char)| one == other || one == char::REPLACEMENT_CHARACTER;
    expect.chars().count() == got.chars().count() && expect.chars().zip(got.chars()).all(same)
}

/// A text from a little before its first difference from another.
fn from_difference<'a>(text: &'a str, other: &str) -> &'a str {
    let mut at = text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(40);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[at..]
}

fn read(octets: &[u8]) -> Parsed {
    normalise(octets, &NormaliseLimits::default())
}

/// How one corpus fared.
#[derive(Default)]
struct Row {
    files: usize,
    compared: usize,
    agree: usize,
    skipped: usize,
}

/// All comparisons of one test.
#[derive(Default)]
struct Tally {
    rows: BTreeMap<String, Row>,
    used_skips: Vec<usize>,
    differ: Vec<String>,
}

/// One file of a corpus while it is compared.
struct File<'a> {
    tally: &'a mut Tally,
    corpus: String,
    /// Relative to its corpus.
    name: String,
}

impl Tally {
    /// A file of `folder/corpus`, counted.
    fn file(&mut self, folder: &Path, corpus: &str, path: &Path) -> File<'_> {
        let name = path.strip_prefix(folder.join(corpus)).unwrap().to_string_lossy().into_owned();
        self.rows.entry(corpus.to_owned()).or_default().files += 1;
        File { tally: self, corpus: corpus.to_owned(), name }
    }

    /// Prints the table; fails where something differs that is not in the table of skips.
    fn finish(self) {
        println!("{:16} {:>6} {:>9} {:>7} {:>8}", "corpus", "files", "compared", "agree", "skipped");
        for (corpus, row) in &self.rows {
            println!("{corpus:16} {:>6} {:>9} {:>7} {:>8}", row.files, row.compared, row.agree, row.skipped);
        }
        for (at, skip) in skips::SKIPS.iter().enumerate() {
            let times = self.used_skips.iter().filter(|used| **used == at).count();
            if times > 0 {
                println!("skipped {}/{} {}: {}", skip.corpus, skip.file, skip.field, skip.reason);
            }
        }
        assert!(self.differ.is_empty(), "{} differ:\n{}", self.differ.len(), self.differ.join("\n"));
    }
}

impl File<'_> {
    /// Compares one field; `got` is ours.
    fn compare(&mut self, field: &str, expect: &str, got: &str) {
        let row = self.tally.rows.entry(self.corpus.clone()).or_default();
        row.compared += 1;
        if agrees(expect, got) {
            row.agree += 1;
        } else if let Some(at) = skips::of(&self.corpus, &self.name, field) {
            row.skipped += 1;
            self.tally.used_skips.push(at);
        } else {
            let short = |text: &str, other: &str| from_difference(text, other).chars().take(300).collect::<String>();
            self.tally.differ.push(format!(
                "{}/{} {field}:\n  expect {:?}\n  got    {:?}",
                self.corpus,
                self.name,
                short(expect, got),
                short(got, expect)
            ));
        }
    }
}

#[test]
fn p3_every_file_of_the_corpora_becomes_a_value() {
    for folder in corpora() {
        let files = files_in(&folder);
        let mut reports = 0;
        for file in &files {
            let parsed = read(&std::fs::read(file).unwrap());
            super::assert_clean(&parsed, &file.display().to_string());
            reports += usize::from(parsed.report.is_some());
        }
        println!("{} files read, {reports} of them delivery reports", files.len());
    }
}

/// Beside each stream the names of what is in it; `body.rtf` and `body.html` are its text.
#[test]
fn winmail_dat_agrees_with_others() {
    let streams: Vec<_> = corpora().iter().flat_map(|folder| files_with_ending(&folder.join("mimekit/tnef"), ".tnef")).collect();
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
#[should_panic(expected = "1 differ")]
fn what_differs_without_a_reason_fails() {
    let folder = Path::new("corpora");
    let mut tally = Tally::default();
    let mut file = tally.file(folder, "talon", &folder.join("talon/signature/emails/P/x"));
    file.compare("signature", "listed with its reason", "");
    file.compare("new", "listed nowhere", "");
    tally.finish();
}
