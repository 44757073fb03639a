//! A mail as somebody else expects it, and the comparison of what it says and brings with what is kept.
//!
//! What is kept is one text and a list of files, so each leaf of the expected tree must be found as one of the files, octet
//! for octet, or in the text; and nothing may be there that no leaf explains.

use super::super::super::decode::text as in_charset;
use super::super::super::*;
use super::{File, read, words};
use crate::mail::html;

/// The content of a leaf.
pub(super) enum Content {
    /// Characters.
    Text(String),
    Octets(Vec<u8>),
}

/// A part, as expected.
pub(super) enum Node {
    Leaf(Leaf),
    Multi {
        /// Such as `alternative`.
        subtype: String,
        children: Vec<Node>,
    },
    /// A mail in the mail, with what is expected of its header and of its parts.
    Mail(Vec<Field>, Box<Node>),
}

pub(super) struct Leaf {
    /// Such as `text/plain`; `None` where the expectation is silent.
    pub media: Option<String>,
    /// The name of the file.
    pub name: Option<String>,
    pub charset: Option<String>,
    pub content: Content,
}

/// What is expected of a field of the header, by its name in [`field_of`].
pub(super) struct Field {
    pub name: &'static str,
    pub expect: String,
}

/// Compares all that is expected of one mail; `place` tells mails in mails apart.
pub(super) fn compare(file: &mut File<'_>, place: &str, fields: &[Field], tree: &Node, parsed: &Parsed) {
    for field in fields {
        file.compare(&format!("{place}{}", field.name), &field.expect, &field_of(parsed, field.name));
    }
    let mut reader = Reader { file, place: place.to_owned(), parsed, taken: vec![false; parsed.attachments.len()], text: Vec::new() };
    reader.walk(tree, false);
    let (text, taken) = (reader.text.join(" "), reader.taken);
    file.compare(&format!("{place}text"), &words(&text), &words(&parsed.body.text));
    let more: Vec<&str> = parsed.attachments.iter().zip(taken).filter(|(_, taken)| !taken).map(|(file, _)| file.name.as_str()).collect();
    file.compare(&format!("{place}files beyond"), "", &more.join(", "));
}

/// A field as it is kept, in words.
pub(super) fn field_of(parsed: &Parsed, name: &str) -> String {
    let contacts = |all: &[Contact]| all.iter().map(|c| format!("{} <{}>", c.name, c.address)).collect::<Vec<_>>().join(", ");
    let ids = |all: &[MessageId]| all.iter().map(MessageId::as_str).collect::<Vec<_>>().join(" ");
    match name {
        "from" => parsed.from.as_ref().map(|c| contacts(std::slice::from_ref(c))).unwrap_or_default(),
        "reply_to" => contacts(&parsed.reply_to),
        "recipients" => contacts(&parsed.recipients),
        "subject" => parsed.subject.clone(),
        "date" => parsed.sent_at.map(|at| at.to_string()).unwrap_or_default(),
        "message_id" => parsed.message_id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        "in_reply_to" => ids(&parsed.in_reply_to),
        "references" => ids(&parsed.references),
        "header" => parsed.headers.iter().map(|h| format!("{}: {}", h.name, h.value)).collect::<Vec<_>>().join("\n"),
        other => panic!("no such field: {other}"),
    }
}

struct Reader<'a, 'b, 'c> {
    file: &'a mut File<'b>,
    place: String,
    parsed: &'c Parsed,
    /// Which of the kept files a leaf has explained.
    taken: Vec<bool>,
    /// Of the leaves that are not files.
    text: Vec<String>,
}

impl Reader<'_, '_, '_> {
    fn walk(&mut self, node: &Node, leave_out_text: bool) {
        match node {
            Node::Leaf(leaf) => self.leaf(leaf, leave_out_text),
            Node::Multi { subtype, children } => {
                let chosen = if subtype == "alternative" { chosen(children) } else { None };
                for (at, child) in children.iter().enumerate() {
                    self.walk(child, leave_out_text || chosen.is_some_and(|chosen| chosen != at));
                }
            }
            Node::Mail(fields, tree) => self.mail(fields, tree),
        }
    }

    fn leaf(&mut self, leaf: &Leaf, leave_out_text: bool) {
        let kept = self.parsed.attachments.iter().enumerate().find(|(at, kept)| !self.taken[*at] && leaf.is_in(&kept.content));
        if let Some((at, kept)) = kept {
            self.taken[at] = true;
            let place = format!("{}file {}", self.place, at + 1);
            if let Some(media) = &leaf.media {
                self.file.compare(&format!("{place} type"), media, &kept.media_type);
            }
            if let Some(name) = &leaf.name {
                self.file.compare(&format!("{place} name"), &names::clean(name, "unnamed"), &kept.name);
            }
        } else if leave_out_text && leaf.is_text() {
            // Said already, in another way.
        } else {
            // Also what is no text and is no file of ours: then the texts differ.
            self.text.push(leaf.shown());
        }
    }

    /// A mail in the mail is a file, and what is in it is expected of that file.
    fn mail(&mut self, fields: &[Field], tree: &Node) {
        let is_mail = |media: &str| matches!(media, "message/rfc822" | "message/global");
        let kept = self.parsed.attachments.iter().enumerate().find(|(at, kept)| !self.taken[*at] && is_mail(&kept.media_type));
        let place = format!("{}mail: ", self.place);
        if let Some((at, kept)) = kept {
            self.taken[at] = true;
            compare(self.file, &place, fields, tree, &read(&kept.content));
        } else {
            self.file.compare(&place, "kept", "not kept");
        }
    }
}

/// RFC 2046 section 5.1.4: the same said in several ways, of which one is kept: plain text if it says anything, else the
/// first that does.
fn chosen(children: &[Node]) -> Option<usize> {
    let plain_leaf = |node: &Node| matches!(node, Node::Leaf(leaf) if !leaf.is_html()) && says(node, false);
    let first = |holds: &dyn Fn(&Node) -> bool| children.iter().position(holds);
    first(&plain_leaf).or_else(|| first(&|node| says(node, false))).or_else(|| first(&|node| says(node, true)))
}

/// Whether a text in here has words; one of HTML only if that counts.
fn says(node: &Node, html_counts: bool) -> bool {
    match node {
        Node::Leaf(leaf) => leaf.is_text() && (html_counts || !leaf.is_html()) && !words(&leaf.shown()).is_empty(),
        Node::Multi { children, .. } => children.iter().any(|child| says(child, html_counts)),
        Node::Mail(..) => false,
    }
}

impl Leaf {
    fn is_html(&self) -> bool {
        self.media.as_deref() == Some("text/html")
    }

    fn is_text(&self) -> bool {
        self.media.as_deref().is_none_or(|media| media.starts_with("text/"))
    }

    fn characters(&self) -> String {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Octets(octets) => in_charset(octets, self.charset.as_deref()).0,
        }
    }

    fn shown(&self) -> String {
        if self.is_html() { html::to_text(&self.characters(), usize::MAX) } else { self.characters() }
    }

    /// Whether a kept file is this leaf: octet for octet, line ends apart where it is a text.
    fn is_in(&self, kept: &[u8]) -> bool {
        match &self.content {
            // Some keep CRLF and some do not where no transfer encoding protects it.
            Content::Octets(octets) => octets == kept || !octets.contains(&b'\r') && same_lines(octets, kept),
            Content::Text(text) => same_lines(text.as_bytes(), in_charset(kept, self.charset.as_deref()).0.as_bytes()),
        }
    }
}

fn same_lines(one: &[u8], other: &[u8]) -> bool {
    let lines = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\r\n", "\n").trim_end_matches('\n').to_owned();
    one == other || lines(one) == lines(other)
}
