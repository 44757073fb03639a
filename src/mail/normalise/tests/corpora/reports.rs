//! Reports of mail systems in the collections of others: every one is recognised, or listed with the reason why not.

use super::{files_in, others, read};

/// Words by which a file is taken for a report, whatever this program thinks of it; lower case.
const SIGNS: [&str; 3] = ["multipart/report", "message/delivery-status", "message/feedback-report"];

/// Files that say nothing of anybody, and why.
const NONE: [(&str, &str); 7] = [
    ("delivery-status.anonymized.eml", "every value is overwritten with x: no address, no action"),
    ("disposition-notification.anonymized.eml", "a receipt (RFC 8098), no report of a mail system"),
    ("disposition-notification.txt", "a receipt (RFC 8098), no report of a mail system"),
    ("disposition-notification.eml", "a receipt (RFC 8098), no report of a mail system"),
    ("failure.eml", "of its parts only the first text is there: no status, and a writer who is a person"),
    ("msg_05.txt", "a report without its status, by a writer who is nobody"),
    ("multipart-wo-boundary.raw", "a multipart without a boundary: it is text"),
];

#[test]
fn reports_of_others_are_recognised() {
    let Some(folder) = others() else {
        println!("skipped: there is no mail of others (set GUICHET_CORPORA)");
        return;
    };
    let mut missed = Vec::new();
    println!("{:70} {:22} {:44} action", "file", "recognised as", "recipient");
    for path in files_in(&folder) {
        let ending = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
        // What others expect of a mail, and prose.
        if matches!(ending.as_str(), "xml" | "json" | "out" | "yml" | "yaml" | "md" | "rs" | "py" | "php" | "golden") {
            continue;
        }
        let octets = std::fs::read(&path).unwrap();
        let lower = String::from_utf8_lossy(&octets).to_ascii_lowercase();
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let report = read(&octets).report;
        let looks_so = SIGNS.iter().any(|sign| lower.contains(sign)) || name.contains("bounce/");
        match report {
            Some(report) => {
                let recipient = report.told[0].recipient.as_ref().or(report.mentioned.first()).map_or("-", |a| a.as_str());
                let more = if report.named > 1 { format!(" and {} more", report.named - 1) } else { String::new() };
                println!(
                    "{name:70} {:22} {:44} {:?} {}",
                    report.shape,
                    format!("{recipient}{more}"),
                    report.told[0].news,
                    report.told[0].status
                );
            }
            None if looks_so => match NONE.iter().find(|(file, _)| name.ends_with(file)) {
                Some((_, reason)) => println!("{name:70} -                      {reason}"),
                None => missed.push(name),
            },
            None => {}
        }
    }
    assert!(missed.is_empty(), "not recognised:\n{}", missed.join("\n"));
}
