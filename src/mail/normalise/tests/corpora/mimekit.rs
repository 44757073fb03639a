//! Expectations of MimeKit: what is in each `winmail.dat` (`.list`), and the summary of an mbox.

use super::{Tally, corpora, files_with_ending, read};
use crate::channel::mbox::{PIECE_OCTETS_MAX, Splitter};
use crate::domain::address::Contact;
use base64::Engine;

#[test]
fn what_mimekit_expects_in_winmail() {
    let mut tally = Tally::default();
    for folder in corpora() {
        for path in files_with_ending(&folder.join("mimekit/tnef"), ".tnef") {
            let content = base64::engine::general_purpose::STANDARD.encode(std::fs::read(&path).unwrap());
            let mail = format!(
                "From: a@x.example\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n{content}\r\n"
            );
            let list = String::from_utf8(std::fs::read(path.with_extension("list")).unwrap()).unwrap();
            // The body is no file: it is the mail's text.
            let expect: Vec<&str> = list.lines().map(str::trim).filter(|name| !name.is_empty() && !name.starts_with("body.")).collect();
            let parsed = read(mail.as_bytes());
            let got: Vec<&str> = parsed.attachments.iter().map(|file| file.name.as_str()).collect();
            let mut file = tally.file(&folder, "mimekit", &path);
            file.compare("files", &expect.join(", "), &got.join(", "));
        }
    }
    tally.finish();
}

#[test]
fn what_mimekit_expects_of_an_mbox() {
    let mut tally = Tally::default();
    for folder in corpora() {
        for path in files_with_ending(&folder.join("mimekit/mbox"), "-summary.txt") {
            let stem = path.to_string_lossy().trim_end_matches("-summary.txt").to_owned();
            let mbox = std::fs::read(format!("{stem}.mbox.txt")).unwrap();
            let summary = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            let mails: Vec<&str> = summary.trim_start_matches('\u{feff}').split("\n\n").filter(|mail| !mail.trim().is_empty()).collect();
            let mut splitter = Splitter::new(u64::MAX, u64::MAX);
            let lines = mbox.split_inclusive(|&b| b == b'\n').flat_map(|line| line.chunks(PIECE_OCTETS_MAX));
            let mut parts: Vec<_> = lines.filter_map(|line| splitter.take(line)).collect();
            parts.extend(splitter.finish());
            let mut file = tally.file(&folder, "mimekit", &path);
            file.compare("mails", &mails.len().to_string(), &parts.len().to_string());
            for (at, (expected, part)) in mails.iter().zip(&parts).enumerate() {
                let parsed = read(&part.raw);
                let line = |name: &str| expected.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
                let quoted = |contact: &Contact| format!("\"{}\" <{}>", contact.name, contact.address);
                let place = format!("mail {}", at + 1);
                file.compare(&format!("{place} from"), line("From:"), &parsed.from.as_ref().map(quoted).unwrap_or_default());
                file.compare(&format!("{place} to"), line("To:"), &parsed.recipients.iter().map(quoted).collect::<Vec<_>>().join(", "));
                file.compare(&format!("{place} subject"), line("Subject:"), &parsed.subject);
                let expect = jiff::fmt::rfc2822::parse(line("Date:")).unwrap().timestamp();
                file.compare(&format!("{place} date"), &expect.to_string(), &parsed.sent_at.unwrap_or_default().to_string());
                let is_file = |line: &&str| line.starts_with("   ") && !line.contains("text/") && !line.contains("multipart/");
                let files: Vec<&str> =
                    expected.lines().filter(is_file).map(|line| line.trim().trim_start_matches("Content-Type: ")).collect();
                let got: Vec<&str> = parsed.attachments.iter().map(|file| file.media_type.as_str()).collect();
                file.compare(&format!("{place} files"), &files.join(", "), &got.join(", "));
            }
        }
    }
    tally.finish();
}
