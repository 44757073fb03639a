//! What a mail brings: its files, those that other files hold, and the lines that tell of them.

use super::content::{self, Mail};
use super::decode::Transfer;
use super::headers::unstructured;
use super::structure::{fields, split_head, unfold};
use super::tidy::tidy;
use super::{NormaliseLimits, ParsedAttachment, calendar, decode, names, rtf, tnef};
use crate::domain::address::one_line;
use std::fmt::Write as _;

/// The files of one mail.
#[derive(Default)]
pub(super) struct Files {
    pub kept: Vec<ParsedAttachment>,
    octets: usize,
    /// Lines that tell of invitations.
    pub lines: Vec<String>,
    /// Which of them are mails.
    mails: Vec<usize>,
    /// What a `winmail.dat` says, for a mail that says nothing itself.
    packed: Option<Packed>,
}

struct Packed {
    text: String,
    /// The rich text, where not all of it went into the text.
    rtf: Option<Vec<u8>>,
}

/// Streams of TNEF inside of one another that are unpacked.
const DEPTH_MAX: usize = 4;

impl Mail<'_> {
    /// How many files, and octets of them, there is room for.
    pub(super) fn room(&self) -> (usize, usize) {
        let Files { kept, octets, .. } = &self.files;
        (self.limits.attachments_max.saturating_sub(kept.len()), self.limits.attachments_octets_max.saturating_sub(*octets))
    }

    /// Keeps a file, if there is room.
    pub(super) fn keep(&mut self, file: ParsedAttachment) {
        let (count, octets) = self.room();
        if count == 0 {
            self.flag("many_attachments", "brings more files than are kept; the whole mail is kept");
        } else if file.content.len() > octets {
            self.flag("large_attachments", "brings more than is kept as files; the whole mail is kept");
        } else {
            self.files.octets += file.content.len();
            self.files.kept.push(file);
        }
    }

    /// Puts the body of a part aside, or what it holds. The name is clean; empty where the content is to be asked.
    pub(super) fn file(
        &mut self,
        body: &[u8],
        transfer: Transfer,
        media_type: &str,
        name: String,
        content_id: Option<String>,
        charset: Option<&str>,
    ) {
        let (count, left) = self.room();
        // Without what line ends and the last group may take away.
        let octets_min = if transfer == Transfer::Base64 { (body.len() / 4 * 3).saturating_sub(body.len() / 16 + 3) } else { 0 };
        if count == 0 || octets_min > left {
            let (name, detail) = if count == 0 {
                ("many_attachments", "brings more files than are kept; the whole mail is kept")
            } else {
                ("large_attachments", "brings more than is kept as files; the whole mail is kept")
            };
            return self.flag(name, detail);
        }
        let content = self.decoded(transfer, body, left.saturating_add(1));
        if is_tnef(media_type, &content) && self.unpacked(&content) {
            return;
        }
        let media_type = match media_type {
            "" => "text/plain",
            name if name.starts_with("multipart/") => "application/octet-stream",
            name => name,
        };
        if is_calendar(media_type, &name) {
            self.invitation(&content, charset);
        }
        let is_mail = matches!(media_type, "message/rfc822" | "message/global");
        let name = if name.is_empty() { name_of_mail(&content) } else { name };
        let before = self.files.kept.len();
        self.keep(ParsedAttachment { name, media_type: media_type.to_owned(), content_id, content: content.into_owned() });
        if is_mail && self.files.kept.len() > before {
            self.files.mails.push(before);
        }
    }

    /// One line about an invitation.
    fn invitation(&mut self, content: &[u8], charset: Option<&str>) {
        const LINES_MAX: usize = 5;
        const LOOK_OCTETS_MAX: usize = 256 * 1024;
        if self.files.lines.len() >= LINES_MAX {
            return;
        }
        let look = &content[..content.len().min(LOOK_OCTETS_MAX)];
        if let Some(line) = calendar::summary(&decode::text(look, charset).0)
            && !self.files.lines.contains(&line)
        {
            self.files.lines.push(line);
        }
    }

    /// Takes a `winmail.dat` apart; `false` where it is to be kept itself, since not all of it could be read.
    fn unpacked(&mut self, content: &[u8]) -> bool {
        let (text, fault) = self.unpack(content, 0);
        if let Some(text) = text
            && self.files.packed.is_none()
        {
            self.files.packed = Some(text);
        }
        if let Some(fault) = fault {
            self.flag("damaged_tnef", format!("has a winmail.dat that could not be read whole: {fault}"));
        }
        fault.is_none()
    }

    /// The files of a stream are kept, its text is given.
    fn unpack(&mut self, content: &[u8], depth: usize) -> (Option<Packed>, Option<&'static str>) {
        let tnef = tnef::read(content, self.room().0, self.limits.html_octets_max);
        let mut fault = tnef.fault;
        for file in tnef.files {
            if file.is_message && depth < DEPTH_MAX {
                fault = fault.or(self.unpack_message(&file, depth + 1));
                continue;
            }
            let name = names::clean(&file.name, "attachment.bin");
            let named = one_line(&file.media_type, 127).to_ascii_lowercase();
            let media_type = if is_media_type(&named) { named } else { names::media_type_of(&name).to_owned() };
            let content_id = file.content_id.map(|id| one_line(id.trim_matches(['<', '>']), 250)).filter(|id| !id.is_empty());
            self.keep(ParsedAttachment { name, media_type, content_id, content: file.content.to_vec() });
        }
        let text = tnef.plain.filter(|text| !text.trim().is_empty());
        let packed = match (text, tnef.html, tnef.rtf) {
            (Some(text), _, _) => Some(Packed { text: tidy(&text), rtf: None }),
            (None, Some(page), _) => Some(Packed { text: self.page_of(&page), rtf: None }),
            (None, None, Some(rtf)) => Some(self.packed_rtf(rtf)),
            (None, None, None) => None,
        };
        (packed, fault)
    }

    /// A message inside of the stream: its files are files, its text is one too.
    fn unpack_message(&mut self, file: &tnef::File<'_>, depth: usize) -> Option<&'static str> {
        let (packed, fault) = self.unpack(file.content, depth);
        if let Some(Packed { text, rtf }) = packed {
            let title = if file.name.is_empty() { "message" } else { &file.name };
            if !text.trim().is_empty() {
                let name = names::clean(&format!("{}.txt", title.replace(['/', '\\'], "-")), "message.txt");
                self.keep(ParsedAttachment { name, media_type: "text/plain".to_owned(), content_id: None, content: text.into_bytes() });
            }
            if let Some(content) = rtf {
                self.keep_rtf(content);
            }
        }
        fault
    }

    fn packed_rtf(&mut self, octets: Vec<u8>) -> Packed {
        match rtf::read(&octets, self.limits.html_octets_max) {
            Some(rtf::Said::Html(page)) => Packed { text: self.page_of(&page), rtf: None },
            Some(rtf::Said::Text(text)) => Packed { text: tidy(&text), rtf: None },
            // Looks may matter: it stays a file beside its words.
            Some(rtf::Said::Words(text)) => Packed { text: tidy(&text), rtf: Some(octets) },
            None => Packed { text: String::new(), rtf: Some(octets) },
        }
    }

    fn page_of(&mut self, page: &str) -> String {
        let affordable = self.affordable(page.as_bytes()).len();
        let end = (0..=affordable).rev().find(|end| page.is_char_boundary(*end)).unwrap_or_default();
        self.page(&page[..end], &|_| None)
    }

    fn keep_rtf(&mut self, content: Vec<u8>) {
        self.keep(ParsedAttachment { name: "message.rtf".to_owned(), media_type: "application/rtf".to_owned(), content_id: None, content });
    }

    /// The text of a mail that has none but what a `winmail.dat` says.
    pub(super) fn packed_text(&mut self) -> Option<String> {
        let Packed { text, rtf } = self.files.packed.take()?;
        if let Some(rtf) = rtf {
            self.keep_rtf(rtf);
        }
        Some(text)
    }

    /// What the mails that came as files say, in short.
    pub(super) fn text_of_mails(&self) -> Option<String> {
        const MAILS_MAX: usize = 3;
        let mails = self.files.mails.iter().take(MAILS_MAX).filter_map(|at| self.files.kept.get(*at));
        let text: Vec<String> = mails.map(|mail| excerpt(&mail.content)).collect();
        (!text.is_empty()).then(|| text.join("\n"))
    }
}

fn is_tnef(media_type: &str, content: &[u8]) -> bool {
    matches!(media_type, "application/ms-tnef" | "application/vnd.ms-tnef") || content.starts_with(&tnef::MAGIC)
}

fn is_calendar(media_type: &str, name: &str) -> bool {
    let ends = || name.len() > 4 && name.get(name.len() - 4..).is_some_and(|ending| ending.eq_ignore_ascii_case(".ics"));
    matches!(media_type, "text/calendar" | "application/ics") || media_type == "application/octet-stream" && ends()
}

fn is_media_type(name: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_token);
    name.split_once('/').is_some_and(|(kind, sub)| is_word(kind) && is_word(sub))
}

/// What a mail within the mail says, in short. It begins like a forwarded mail does, so that it is taken for one.
fn excerpt(octets: &[u8]) -> String {
    let limits = NormaliseLimits {
        parts_max: 50,
        depth_max: 8,
        attachments_max: 0,
        text_octets_max: 16 * 1024,
        html_octets_max: 256 * 1024,
        ..NormaliseLimits::default()
    };
    let head = split_head(octets).0;
    let mut text = "---------- Forwarded message ----------\n".to_owned();
    for name in ["From", "Date", "Subject"] {
        let value = field(head, name);
        if !value.is_empty() {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let has_fields = fields(head).next().is_some();
    let said = content::read(octets, head.len(), has_fields, &limits, &mut Vec::new());
    let _ = write!(text, "\n{}\n", said.text.trim_matches('\n'));
    text
}

/// A field of a mail within the mail, decoded.
fn field(head: &[u8], name: &str) -> String {
    const LOOK_OCTETS_MAX: usize = 4096;
    const OCTETS_MAX: usize = 200;
    let found = fields(head).find(|f| f.name.eq_ignore_ascii_case(name));
    let value = found.map(|f| decode::guessed(&unfold(&f.value[..f.value.len().min(LOOK_OCTETS_MAX)])).0);
    value.map(|value| one_line(&unstructured(&value), OCTETS_MAX)).unwrap_or_default()
}

/// A mail is called by its subject.
fn name_of_mail(octets: &[u8]) -> String {
    const LOOK_OCTETS_MAX: usize = 64 * 1024;
    const SUBJECT_OCTETS_MAX: usize = 100;
    let head = split_head(&octets[..octets.len().min(LOOK_OCTETS_MAX)]).0;
    let subject = one_line(&field(head, "subject"), SUBJECT_OCTETS_MAX);
    let name = if subject.is_empty() { subject } else { format!("{}.eml", subject.replace(['/', '\\'], "-")) };
    names::clean(&name, "message.eml")
}
