//! Expectations of mail-parser about single header values, each in a mail of its own. `received.json` and `list.json` speak of
//! what is not kept: trace fields and key words.

use super::{File, Tally, addresses, corpora, mail_parser_json, read};
use crate::domain::address::one_line;
use crate::domain::message::MessageId;
use crate::domain::ticket::SUBJECT_OCTETS_MAX;
use crate::mail::normalise::Parsed;
use crate::mail::normalise::names;
use crate::mail::normalise::tests::corpora::expect::field_of;
use serde_json::Value;

type Compare = fn(&mut File<'_>, &str, &Value, &Parsed);

#[test]
fn what_mail_parser_expects_of_single_fields() {
    let kinds: [(&str, &str, Compare); 6] = [
        ("address.json", "From", from),
        ("address.json", "To", to),
        ("date.json", "Date", date),
        ("id.json", "References", ids),
        ("unstructured.json", "Subject", subject),
        ("content_type.json", "Content-Type", content_type),
    ];
    let mut tally = Tally::default();
    for folder in corpora() {
        for (name, field, compare) in kinds {
            let path = folder.join("mail-parser").join(name);
            let Ok(octets) = std::fs::read(&path) else { continue };
            let cases: Vec<Value> = serde_json::from_slice(&octets).unwrap();
            let mut file = tally.file(&folder, "mail-parser", &path);
            for case in &cases {
                let header = case["header"].as_str().unwrap();
                let boundary = attribute(&case["expected"], "boundary").map(|b| format!("--{b}\n\n")).unwrap_or_default();
                let mail = format!("{field}: {}\nContent-Disposition: attachment\n\n{boundary}content", header.trim_end());
                let place = format!("{field}: {}", header.trim());
                compare(&mut file, &place, &case["expected"], &read(mail.as_bytes()));
            }
        }
    }
    tally.finish();
}

fn from(file: &mut File<'_>, place: &str, expected: &Value, parsed: &Parsed) {
    file.compare(place, &addresses::sender(&[expected]), &field_of(parsed, "from"));
}

fn to(file: &mut File<'_>, place: &str, expected: &Value, parsed: &Parsed) {
    file.compare(place, &addresses::list([expected].into_iter()), &field_of(parsed, "recipients"));
}

fn date(file: &mut File<'_>, place: &str, expected: &Value, parsed: &Parsed) {
    let expect = mail_parser_json::date(expected).map(|at| at.to_string()).unwrap_or_default();
    file.compare(place, &expect, &field_of(parsed, "date"));
}

fn ids(file: &mut File<'_>, place: &str, expected: &Value, parsed: &Parsed) {
    let ids = expected.as_array().into_iter().flatten().filter_map(|id| MessageId::parse(id.as_str()?));
    let expect: Vec<String> = ids.map(|id| id.as_str().to_owned()).collect();
    file.compare(place, &expect.join(" "), &field_of(parsed, "references"));
}

fn subject(file: &mut File<'_>, place: &str, expected: &Value, parsed: &Parsed) {
    file.compare(place, &one_line(expected.as_str().unwrap_or_default(), SUBJECT_OCTETS_MAX), &parsed.subject);
}

fn attribute<'a>(expected: &'a Value, name: &str) -> Option<&'a str> {
    let attributes = expected["attributes"].as_array().into_iter().flatten();
    attributes.filter(|attribute| attribute[0] == name).find_map(|attribute| attribute[1].as_str())
}

/// A part of its own of this type: the type and the name under which its file is kept; or what is behind a boundary.
fn content_type(file: &mut File<'_>, place: &str, expected: &Value, parsed: &Parsed) {
    let (Some(c_type), Some(subtype)) = (expected["c_type"].as_str(), expected["c_subtype"].as_str()) else { return };
    let expect = format!("{c_type}/{subtype}").to_ascii_lowercase();
    let Some(kept) = parsed.attachments.first() else {
        let got = if expect.starts_with("multipart/") && parsed.body.text.trim() == "content" { &expect } else { "no file" };
        file.compare(&format!("{place} type"), &expect, got);
        return;
    };
    file.compare(&format!("{place} type"), &expect, &kept.media_type);
    if let Some(name) = attribute(expected, "name").filter(|name| !name.trim().is_empty()) {
        file.compare(&format!("{place} name"), &names::clean(name, "unnamed"), &kept.name);
    }
}
