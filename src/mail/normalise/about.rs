//! What a part's header says of it: type, name, encoding, and the ids by which a page refers to it.

use super::decode;
use super::headers::{Kind, with_value};
use super::structure::{fields, line_at, unfold};
use super::words::extended_parameter;
use crate::domain::address::one_line;
use std::borrow::Cow;

/// What a part's header says of it.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Empty where no Content-Type stands.
    pub media_type: String,
    pub boundary: Option<String>,
    pub charset: Option<String>,
    pub name: Option<String>,
    pub flowed: bool,
    pub delete_space: bool,
    pub is_attachment: bool,
    pub transfer: String,
    pub content_id: Option<String>,
    /// Content-Location (RFC 2557).
    pub location: Option<String>,
    /// What sealed it (RFC 1847), lower case.
    pub protocol: Option<String>,
    /// What a `smime.p7m` is said to be, lower case.
    pub smime_type: Option<String>,
}

impl About {
    pub(super) fn of(head: &[u8]) -> Self {
        const ID_OCTETS_MAX: usize = 250;
        const PREFIX: &str = "content-";
        let mut about = Self::default();
        let (mut typed, mut disposed) = (false, false);
        let is = str::eq_ignore_ascii_case;
        for field in fields(head) {
            let Some((_, name)) = field.name.split_at_checked(PREFIX.len()).filter(|(prefix, _)| is(prefix, PREFIX)) else { continue };
            let value = || {
                let octets = unfold(&with_semicolons(field.value));
                String::from_utf8(octets).unwrap_or_else(|wrong| decode::guessed(wrong.as_bytes()).0)
            };
            // Of several fields of one name the first counts.
            if is(name, "type") && !typed {
                typed = true;
                about.read_type(&value());
            } else if is(name, "disposition") && !disposed {
                disposed = true;
                about.read_disposition(&value());
            } else if is(name, "transfer-encoding") && about.transfer.is_empty() {
                about.transfer = value();
            } else if is(name, "id") && about.content_id.is_none() {
                let id = value();
                let id = one_line(id.trim().trim_start_matches('<').trim_end_matches('>'), ID_OCTETS_MAX);
                about.content_id = Some(id).filter(|id| !id.is_empty());
            } else if is(name, "location") && about.location.is_none() {
                about.location = Some(one_line(value().trim(), ID_OCTETS_MAX)).filter(|location| !location.is_empty());
            }
        }
        about
    }

    fn read_type(&mut self, value: &str) {
        with_value(Kind::Parameters, value, |parsed| {
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
            self.protocol = found.attribute("protocol").map(str::to_ascii_lowercase);
            self.smime_type = found.attribute("smime-type").map(str::to_ascii_lowercase);
            self.flowed = found.attribute("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
            self.delete_space = found.attribute("delsp").is_some_and(|f| f.eq_ignore_ascii_case("yes"));
            if self.name.is_none() {
                self.name = extended(value, "name").or_else(|| attribute("name"));
            }
        });
    }

    fn read_disposition(&mut self, value: &str) {
        with_value(Kind::Parameters, value, |parsed| {
            let Some(found) = parsed.as_content_type() else { return };
            self.is_attachment = found.is_attachment();
            // RFC 2183 section 2.3: this name goes before the one of Content-Type.
            if let Some(name) = extended(value, "filename").or_else(|| found.attribute("filename").map(str::to_owned)) {
                self.name = Some(name);
            }
        });
    }
}

fn extended(value: &str, name: &str) -> Option<String> {
    if value.contains('*') { extended_parameter(value, name) } else { None }
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
}
