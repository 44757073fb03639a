//! Expectations about replies: what of a text is new, what is quoted, what is a signature.

use super::{Tally, corpora, files_with_ending, read, words};
use crate::domain::message::{Body, SpanKind};
use crate::mail::visible;
use std::collections::BTreeMap;
use std::path::Path;

fn expected(path: &Path) -> BTreeMap<String, String> {
    std::fs::read(path).map(|octets| serde_json::from_slice(&octets).unwrap()).unwrap_or_default()
}

/// All that is not quoted: some do not tell signatures apart.
fn not_quoted(body: &Body) -> String {
    let shown = body.spans.iter().filter(|span| span.kind != SpanKind::Quoted);
    shown.map(|span| &body.text[span.start as usize..span.end as usize]).collect()
}

fn as_text(octets: &[u8]) -> Body {
    let text = String::from_utf8_lossy(octets).replace("\r\n", "\n");
    Body { spans: visible::spans(&text), text, kept: None }
}

#[test]
fn what_crisp_expects_to_be_new() {
    let mut tally = Tally::default();
    for folder in corpora() {
        let crisp = folder.join("crisp-email-reply-parser");
        for (name, expect) in expected(&crisp.join("EXPECTED-first-fragment.json")) {
            let body = as_text(&std::fs::read(crisp.join(&name)).unwrap());
            let mut file = tally.file(&folder, "crisp-email-reply-parser", &crisp.join(&name));
            file.compare("new", &words(&expect), &words(&body.new_text()));
        }
    }
    tally.finish();
}

#[test]
fn what_talon_expects_to_be_new() {
    let mut tally = Tally::default();
    for folder in corpora() {
        let talon = folder.join("talon");
        for (name, expect) in expected(&talon.join("EXPECTED-reply-text.json")) {
            let body = read(&std::fs::read(talon.join(&name)).unwrap()).body;
            let mut file = tally.file(&folder, "talon", &talon.join(&name));
            file.compare("new", &words(&expect), &words(&not_quoted(&body)));
        }
        // Each of these pages is the same short reply over a quotation as another program writes it.
        for path in files_with_ending(&talon.join("html_replies"), ".html") {
            let mut mail = b"From: a@x.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n".to_vec();
            mail.extend(std::fs::read(&path).unwrap());
            let mut file = tally.file(&folder, "talon", &path);
            file.compare("new", "Hi. I am fine. Thanks, Alex", &words(&not_quoted(&read(&mail).body)));
        }
    }
    tally.finish();
}

#[test]
fn what_talon_expects_to_be_a_signature() {
    // Stands before each line of a signature; it is no part of the text.
    const MARK: &str = "#sig#";
    let mut tally = Tally::default();
    for folder in corpora() {
        let emails = folder.join("talon/signature/emails");
        for path in files_with_ending(&emails.join("stripped"), "_signature") {
            let stem = path.to_string_lossy().trim_end_matches("_signature").to_owned();
            let unmarked = |path: &Path| String::from_utf8(std::fs::read(path).unwrap()).unwrap().replace(MARK, "");
            let body = as_text(unmarked(Path::new(&format!("{stem}_body"))).as_bytes());
            let expect = unmarked(&path);
            let mut file = tally.file(&folder, "talon", &path);
            file.compare("signature", &words(&expect), &words(&body.of(SpanKind::Signature)));
        }
        for path in files_with_ending(&emails.join("P"), "").into_iter().filter(|path| !path.to_string_lossy().ends_with("_sender")) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let expect: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(MARK)).collect();
            let body = as_text(text.replace(MARK, "").as_bytes());
            let mut file = tally.file(&folder, "talon", &path);
            file.compare("signature", &words(&expect.join("\n")), &words(&body.of(SpanKind::Signature)));
        }
    }
    tally.finish();
}
