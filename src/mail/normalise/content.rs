//! What a mail says and what it brings: the choice of its text, and its attachments.

use super::decode::{Transfer, text as in_charset, utf8_or_western};
use super::headers::{message_ids, unstructured, with_value};
use super::names;
use super::structure::{self, Media, Part, Tree, fields, line_at, split_head, unfold};
use super::{NormaliseLimits, ParsedAttachment, flag};
use crate::domain::address::one_line;
use crate::domain::message::Defect;
use crate::mail::{bounce, html};
use std::borrow::Cow;

/// Text, files and report of one mail.
pub(super) struct Content {
    pub text: String,
    pub attachments: Vec<ParsedAttachment>,
    pub report: Option<bounce::Report>,
}

/// Reads the content of `octets`, whose header is its first `head_len` octets.
pub(super) fn read(octets: &[u8], head_len: usize, has_fields: bool, limits: &NormaliseLimits, defects: &mut Vec<Defect>) -> Content {
    if !has_fields {
        let text = tidy(&in_charset(octets, None).0);
        return Content { text: cut(text, limits, defects), attachments: Vec::new(), report: None };
    }
    let tree = structure::tree(octets, 0..head_len, limits, media);
    for (is_so, name, detail) in [
        (tree.too_deep, "too_deep", "has parts inside of parts beyond the limit: the inner ones are kept as one file".to_owned()),
        (tree.no_parts, "no_parts", "is a multipart without parts: shown as text".to_owned()),
        (tree.left_out > 0, "many_parts", format!("has {} parts more than are kept", tree.left_out)),
        (tree.parts.iter().any(|p| p.cut), "cut_off", "ends before its last part does".to_owned()),
    ] {
        if is_so {
            flag(defects, name, detail);
        }
    }
    let mut reader = Reader { octets, tree: &tree, limits, defects, files: Vec::new(), files_octets: 0 };
    let words = reader.walk(0).text;
    let report = reader.report();
    let attachments = std::mem::take(&mut reader.files);
    Content { text: cut(words, limits, defects), attachments, report }
}

/// Content-Type as far as structure depends on it.
fn media(head: &[u8]) -> Media {
    let about = About::of(head);
    Media { name: about.media_type, boundary: about.boundary }
}

/// What a part's header says of it.
#[derive(Debug, Default)]
struct About {
    /// Empty where no Content-Type stands.
    media_type: String,
    boundary: Option<String>,
    charset: Option<String>,
    name: Option<String>,
    flowed: bool,
    delete_space: bool,
    is_attachment: bool,
    transfer: String,
    content_id: Option<String>,
}

impl About {
    fn of(head: &[u8]) -> Self {
        let mut about = Self::default();
        let (mut typed, mut disposed) = (false, false);
        for field in fields(head) {
            let value = || utf8_or_western(&unfold(&with_semicolons(field.value))).0;
            // Of several fields of one name the first counts.
            if field.name.eq_ignore_ascii_case("content-type") && !typed {
                typed = true;
                about.read_type(&value());
            } else if field.name.eq_ignore_ascii_case("content-disposition") && !disposed {
                disposed = true;
                about.read_disposition(&value());
            } else if field.name.eq_ignore_ascii_case("content-transfer-encoding") && about.transfer.is_empty() {
                about.transfer = value();
            } else if field.name.eq_ignore_ascii_case("content-id") && about.content_id.is_none() {
                const ID_OCTETS_MAX: usize = 250;
                let id = value();
                let id = one_line(id.trim().trim_start_matches('<').trim_end_matches('>'), ID_OCTETS_MAX);
                about.content_id = Some(id).filter(|id| !id.is_empty());
            }
        }
        about
    }

    fn read_type(&mut self, value: &str) {
        with_value("Content-Type", value, |parsed| {
            let Some(found) = parsed.as_content_type() else { return };
            let name = format!("{}/{}", found.ctype(), found.subtype().unwrap_or_default()).to_ascii_lowercase();
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-/".contains(&b);
            if name.len() <= 127 && !name.starts_with('/') && !name.ends_with('/') && name.bytes().all(is_token) {
                self.media_type = name;
            } else if found.ctype().eq_ignore_ascii_case("text") {
                "text/plain".clone_into(&mut self.media_type);
            }
            let attribute = |name: &str| found.attribute(name).map(str::to_owned);
            self.boundary = attribute("boundary");
            self.charset = attribute("charset");
            self.flowed = found.attribute("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
            self.delete_space = found.attribute("delsp").is_some_and(|f| f.eq_ignore_ascii_case("yes"));
            if self.name.is_none() {
                self.name = attribute("name");
            }
        });
    }

    fn read_disposition(&mut self, value: &str) {
        with_value("Content-Disposition", value, |parsed| {
            let Some(found) = parsed.as_content_type() else { return };
            self.is_attachment = found.is_attachment();
            // RFC 2183 section 2.3: this name goes before the one of Content-Type.
            if let Some(name) = found.attribute("filename") {
                self.name = Some(name.to_owned());
            }
        });
    }
}

/// Some programs end a line of parameters without the semicolon that RFC 2045 section 5.1 demands; where the next line begins
/// like a parameter, it is put in. Without it a boundary or a name is lost.
fn with_semicolons(value: &[u8]) -> Cow<'_, [u8]> {
    let text = value.trim_ascii_end();
    if !text.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len() + 8);
    let (mut quotes, mut at) = (0usize, 0);
    while at < text.len() {
        let (line, next) = line_at(text, at);
        let so_far = out.trim_ascii_end();
        if at > 0 && quotes.is_multiple_of(2) && !so_far.is_empty() && !so_far.ends_with(b";") && begins_parameter(line) {
            out.push(b';');
        }
        // An escaped quote does not end a quoted value.
        quotes += line.iter().enumerate().filter(|(i, b)| **b == b'"' && (*i == 0 || line[i - 1] != b'\\')).count();
        out.extend_from_slice(line);
        at = next;
    }
    Cow::Owned(out)
}

/// Whether a line begins with a name and an equals sign.
fn begins_parameter(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let name = line.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'*' | b'_')).count();
    name > 0 && line[name..].trim_ascii_start().starts_with(b"=") && !line[name..].starts_with(b"=?")
}

/// Text of a part of the tree, and what it was made of.
#[derive(Default)]
struct Words {
    text: String,
    is_html: bool,
}

struct Reader<'a> {
    octets: &'a [u8],
    tree: &'a Tree,
    limits: &'a NormaliseLimits,
    defects: &'a mut Vec<Defect>,
    files: Vec<ParsedAttachment>,
    files_octets: usize,
}

impl Reader<'_> {
    /// The text of a part and all that is in it; files are put aside. As deep as the tree, which is bounded.
    fn walk(&mut self, at: usize) -> Words {
        let part = &self.tree.parts[at];
        if !part.is_multipart {
            return self.leaf(at);
        }
        let children = part.children.as_slice();
        match part.media.name.as_str() {
            "multipart/alternative" => self.alternative(children),
            // RFC 2387: the first part is the text, the others belong to it. RFC 1847: the second part is a signature.
            // RFC 6522: the first part is for people.
            "multipart/related" | "multipart/signed" | "multipart/report" => {
                let Some((first, others)) = children.split_first() else { return Words::default() };
                let words = self.walk(*first);
                for other in others {
                    self.file_all(*other);
                }
                words
            }
            "multipart/encrypted" => {
                flag(self.defects, "encrypted", "is encrypted: its parts are kept as they are");
                for child in children {
                    self.file_all(*child);
                }
                Words::default()
            }
            _ => self.mixed(children),
        }
    }

    /// All texts in their order: a list's footer, words between pictures.
    fn mixed(&mut self, children: &[usize]) -> Words {
        let mut all = Words::default();
        for child in children {
            if all.text.len() > self.limits.text_octets_max {
                self.file_all(*child);
                continue;
            }
            let words = self.walk(*child);
            if words.text.trim().is_empty() {
                continue;
            }
            if !all.text.is_empty() {
                all.text.truncate(all.text.trim_end_matches('\n').len());
                all.text.push_str("\n\n");
            }
            all.text.push_str(&words.text);
            all.is_html |= words.is_html;
        }
        all
    }

    /// RFC 2046 section 5.1.4: the same said in several ways. Plain text if it says anything, else HTML.
    fn alternative(&mut self, children: &[usize]) -> Words {
        let mut best = Words::default();
        let is_plain = |at: usize| matches!(self.tree.parts[at].media.name.as_str(), "" | "text/plain");
        let (plain, others): (Vec<usize>, Vec<usize>) = children.iter().partition(|at| is_plain(**at));
        for child in plain.into_iter().chain(others) {
            let is_leaf = !self.tree.parts[child].is_multipart;
            let has_text = !best.text.trim().is_empty();
            if has_text && is_leaf && self.tree.parts[child].media.name == "text/html" {
                continue;
            }
            let words = self.walk(child);
            if !words.text.trim().is_empty() && (!has_text || best.is_html && !words.is_html) {
                best = words;
            }
        }
        best
    }

    /// A part without parts: text that is meant to be read here, or a file.
    fn leaf(&mut self, at: usize) -> Words {
        let part = &self.tree.parts[at];
        let about = self.about(part);
        let is_text = matches!(part.media.name.as_str(), "" | "text/plain" | "text/html" | "text/enriched" | "text/markdown");
        let is_root = at == 0;
        if !is_text || about.is_attachment || (about.name.is_some() && !is_root) {
            self.file(at);
            return Words::default();
        }
        let body = &self.octets[part.body.clone()];
        let transfer = Transfer::parse(&about.transfer);
        if transfer == Transfer::Unknown {
            flag(self.defects, "unknown_encoding", "has a part in a transfer encoding that is not known: kept as it is");
        }
        let decoded = transfer.decode(body);
        if part.media.name == "text/html" {
            let kept = &decoded[..decoded.len().min(self.limits.html_octets_max)];
            if kept.len() < decoded.len() {
                flag(self.defects, "cut_text", "has HTML longer than is turned into text");
            }
            let page = self.decode(kept, about.charset.as_deref());
            return Words { text: tidy(&html::to_text(&page, self.limits.text_octets_max)), is_html: true };
        }
        // More than will be kept, so that the cut is noticed: decoding may shorten.
        let kept = &decoded[..decoded.len().min(self.limits.text_octets_max.saturating_mul(2).saturating_add(16))];
        let text = tidy(&self.decode(kept, about.charset.as_deref()));
        Words { text: if about.flowed { unflow(&text, about.delete_space) } else { text }, is_html: false }
    }

    fn decode(&mut self, octets: &[u8], charset: Option<&str>) -> String {
        let (text, fault) = in_charset(octets, charset);
        match fault {
            Some("unknown_charset") => flag(self.defects, "unknown_charset", "names a character set that is not known"),
            Some(name) => flag(self.defects, name, "has text that is not in the character set that it names"),
            None => {}
        }
        text
    }

    fn about(&self, part: &Part) -> About {
        let end = part.head.end.min(part.head.start + self.limits.part_head_octets_max);
        About::of(&self.octets[part.head.start..end])
    }

    /// Puts aside all that is in a part, its texts too.
    fn file_all(&mut self, at: usize) {
        let part = &self.tree.parts[at];
        if part.is_multipart {
            for child in &part.children {
                self.file_all(*child);
            }
        } else {
            self.file(at);
        }
    }

    /// Puts one part aside as a file.
    fn file(&mut self, at: usize) {
        let part = &self.tree.parts[at];
        let about = self.about(part);
        let body = &self.octets[part.body.clone()];
        let transfer = Transfer::parse(&about.transfer);
        let expected = if transfer == Transfer::Base64 { body.len() / 4 * 3 } else { body.len() };
        if self.files_octets + expected > self.limits.attachments_octets_max {
            flag(self.defects, "large_attachments", "brings more than is kept as files; the whole mail is kept");
            return;
        }
        if transfer == Transfer::Unknown {
            flag(self.defects, "unknown_encoding", "has a part in a transfer encoding that is not known: kept as it is");
        }
        let content = transfer.decode(body).into_owned();
        self.files_octets += content.len();
        let media_type = match part.media.name.as_str() {
            "" => "text/plain".to_owned(),
            name if name.starts_with("multipart/") => "application/octet-stream".to_owned(),
            name => name.to_owned(),
        };
        if matches!(media_type.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime" | "application/pgp-encrypted") {
            flag(self.defects, "encrypted", "is encrypted or sealed: its parts are kept as they are");
        }
        let name = match about.name {
            Some(name) => names::clean(&unstructured_name(&name), &default_name(at, &media_type)),
            None if media_type == "message/rfc822" || media_type == "message/global" => {
                let subject = subject_of(&content);
                names::clean(
                    &if subject.is_empty() { String::new() } else { format!("{}.eml", subject.replace(['/', '\\'], "-")) },
                    "message.eml",
                )
            }
            None => default_name(at, &media_type),
        };
        self.files.push(ParsedAttachment { name, media_type, content_id: about.content_id, content });
    }

    /// The delivery report of the outermost multipart/report, where it has one.
    fn report(&self) -> Option<bounce::Report> {
        let outer = self.tree.parts.iter().find(|p| p.is_multipart && p.media.name == "multipart/report")?;
        let mut status = None;
        let mut original = None;
        for child in outer.children.iter().map(|at| &self.tree.parts[*at]).filter(|p| !p.is_multipart) {
            let octets = || Transfer::parse(&self.about(child).transfer).decode(&self.octets[child.body.clone()]).into_owned();
            match child.media.name.as_str() {
                "message/delivery-status" | "message/global-delivery-status" if status.is_none() => status = Some(octets()),
                "text/rfc822-headers" | "message/rfc822" | "message/global" | "message/global-headers" | "message/rfc822-headers"
                    if original.is_none() =>
                {
                    original = Some(octets());
                }
                _ => {}
            }
        }
        let original_id = original.as_deref().and_then(|octets| {
            let head = split_head(octets).0;
            let field = fields(head).find(|f| f.name.eq_ignore_ascii_case("message-id"))?;
            message_ids(&String::from_utf8_lossy(&unfold(field.value))).into_iter().next()
        });
        bounce::read(&status?, original_id)
    }
}

fn default_name(at: usize, media_type: &str) -> String {
    format!("part-{at}.{}", names::ending_of(media_type))
}

/// Encoded words are against the rules in a parameter (RFC 2047 section 5) and common all the same.
fn unstructured_name(name: &str) -> String {
    if name.contains("=?") { unstructured(name) } else { name.to_owned() }
}

/// Subject of a mail within the mail.
fn subject_of(octets: &[u8]) -> String {
    const LOOK_OCTETS_MAX: usize = 64 * 1024;
    const SUBJECT_OCTETS_MAX: usize = 100;
    let head = split_head(&octets[..octets.len().min(LOOK_OCTETS_MAX)]).0;
    let field = fields(head).find(|f| f.name.eq_ignore_ascii_case("subject"));
    field.map(|f| one_line(&unstructured(&String::from_utf8_lossy(&unfold(f.value))), SUBJECT_OCTETS_MAX)).unwrap_or_default()
}

/// One kind of line end, no control characters: NUL and its like are shown as U+FFFD, nothing is cut at them.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    tidied.push('\n');
                }
            }
            '\n' | '\t' => tidied.push(c),
            '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => tidied.push('\n'),
            '\u{feff}' => {}
            c if c.is_control() => tidied.push(char::REPLACEMENT_CHARACTER),
            c => tidied.push(c),
        }
    }
    tidied
}

/// At most as long as the limit, cut between characters and without trailing empty lines.
fn cut(mut text: String, limits: &NormaliseLimits, defects: &mut Vec<Defect>) -> String {
    if text.len() > limits.text_octets_max {
        let mut end = limits.text_octets_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        flag(defects, "cut_text", "is longer than is kept as text; the whole mail is kept");
    }
    text
}

/// RFC 3676 section 4: lines that end in a space go on in the next one of the same quote depth.
fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // Depth of the paragraph that the next line may continue.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let ended = line.ends_with('\n');
        let line = line.strip_suffix('\n').unwrap_or(line);
        let words = line.trim_start_matches('>');
        let depth = line.len() - words.len();
        let words = words.strip_prefix(' ').unwrap_or(words);
        // RFC 3676 section 4.3: the signature delimiter looks flowed and is not.
        let is_delimiter = words == "-- ";
        let flows = words.ends_with(' ') && !is_delimiter && ended;
        if open.is_some_and(|open| open != depth || is_delimiter) {
            out.push('\n');
            open = None;
        }
        if open.is_none() && depth > 0 {
            out.extend(std::iter::repeat_n('>', depth));
            out.push(' ');
        }
        out.push_str(if flows && delete_space { &words[..words.len() - 1] } else { words });
        if flows {
            open = Some(depth);
        } else {
            if ended {
                out.push('\n');
            }
            open = None;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_without_their_semicolon_are_read() {
        for (value, expect, why) in [
            ("multipart/mixed\r\n\tboundary=\"b\"", "multipart/mixed;\tboundary=\"b\"", "the boundary is found"),
            ("a/b\n name*0=x\n name*1=y", "a/b; name*0=x; name*1=y", "every line"),
            ("a/b;\n name=x;\r\n charset=y\r\n", "a/b; name=x; charset=y", "as it should be"),
            ("a/b; name=\"x\n y=z\"", "a/b; name=\"x y=z\"", "inside of quotes it is a name"),
            ("a/b; name=x\n =?utf-8?q?y?=", "a/b; name=x =?utf-8?q?y?=", "an encoded word"),
            ("a/b\n (note)", "a/b (note)", "no parameter"),
            ("a/b name=x", "a/b name=x", "one line stays as it is"),
        ] {
            assert_eq!(String::from_utf8_lossy(&with_semicolons(value.as_bytes())), expect, "{why}");
        }
    }

    #[test]
    fn flowed_text_is_unflowed() {
        for (text, delete_space, expect, why) in [
            ("a \nb\n", false, "a b\n", "one paragraph"),
            ("a \nb\n", true, "ab\n", "delsp"),
            ("> a \n> b\nc\n", false, "> a b\nc\n", "quoted paragraph"),
            ("> a \nb\n", false, "> a \nb\n", "another depth ends it"),
            (" From x\n.\n", false, "From x\n.\n", "stuffing is taken off"),
            ("x \n-- \nsig\n", false, "x \n-- \nsig\n", "the signature delimiter stays"),
            ("a ", false, "a ", "no line follows"),
        ] {
            assert_eq!(unflow(text, delete_space), expect, "{why}");
        }
    }
}
