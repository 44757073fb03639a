//! Octets to header fields and a tree of parts: one pass over the lines, no recursion, nothing decoded yet.
//!
//! Boundaries are compared exactly (RFC 2046 section 5.1.1: `AB` is not `ABC`, and a boundary stands at the start of a
//! line). What is missing is supplied: an outer boundary closes the inner parts, the end of the octets closes all.

use super::NormaliseLimits;
use super::about::About;
use super::scan::run_len;
use std::ops::Range;

/// A header field: its name as written and its value, still folded.
#[derive(Clone, Copy, Debug)]
pub(in crate::mail) struct RawField<'a> {
    pub name: &'a str,
    pub value: &'a [u8],
}

/// One node: a leaf with content, or a multipart with children.
#[derive(Debug)]
pub(super) struct Part {
    pub head: Range<usize>,
    pub body: Range<usize>,
    pub media: Media,
    /// All that its header says.
    pub about: About,
    pub children: Vec<usize>,
    /// Whether it is a multipart with a boundary of its own.
    pub is_multipart: bool,
    /// Whether the end of the octets closed it, not a boundary.
    pub cut: bool,
}

/// The parts of Content-Type that structure depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Media {
    /// Such as `text/plain`, lower case.
    pub name: String,
    pub boundary: Option<String>,
}

/// The tree; the root is the part 0.
#[derive(Debug)]
pub(super) struct Tree {
    pub parts: Vec<Part>,
    /// Parts beyond the limit, counted and not kept.
    pub left_out: usize,
    /// A multipart deeper than the limit was kept as one part.
    pub too_deep: bool,
    /// A multipart had no part at all and is taken as text.
    pub no_parts: bool,
}

/// Splits at the first empty line; without any field in front of it all of the octets are body.
pub(super) fn split_head(octets: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < octets.len() {
        let (line, next) = line_at(octets, at);
        if line.is_empty() {
            return (&octets[..at], &octets[next..]);
        }
        at = next;
    }
    (octets, &[])
}

/// The line that begins at `at`, without its end, and where the next one begins.
pub(in crate::mail) fn line_at(octets: &[u8], at: usize) -> (&[u8], usize) {
    let rest = octets.get(at..).unwrap_or_default();
    let end = run_len(rest, |octet| octet != b'\n');
    let line = &rest[..end];
    if end == rest.len() {
        return (line, octets.len());
    }
    let line = if let [line @ .., b'\r'] = line { line } else { line };
    (line, at + end + 1)
}

/// The fields of a header block. A line that is neither a field nor the continuation of one is passed over.
pub(in crate::mail) fn fields(head: &[u8]) -> impl Iterator<Item = RawField<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < head.len() {
            let start = at;
            let (line, next) = line_at(head, at);
            at = next;
            // RFC 5322 section 2.2.3: a line that begins with white space continues the field.
            while at < head.len() && matches!(head[at], b' ' | b'\t') {
                at = line_at(head, at).1;
            }
            if let Some((name, colon)) = field_name(line) {
                return Some(RawField { name, value: &head[start + colon + 1..at] });
            }
        }
        None
    })
}

/// The name in front of the colon (RFC 5322 section 2.2: printable ASCII), and where the colon stands.
fn field_name(line: &[u8]) -> Option<(&str, usize)> {
    const NAME_OCTETS_MAX: usize = 100;
    let look = &line[..line.len().min(NAME_OCTETS_MAX)];
    let length = look.iter().position(|&b| b == b':' || !b.is_ascii_graphic())?;
    let (name, behind) = look.split_at(length);
    // Blanks may stand before the colon (RFC 5322 section 4.5).
    let blanks = if behind.starts_with(b":") { 0 } else { behind.iter().position(|b| !b.is_ascii_whitespace())? };
    if name.is_empty() || behind[blanks] != b':' {
        return None;
    }
    Some((std::str::from_utf8(name).ok()?, length + blanks))
}

/// A value on one line: line ends are taken out, white space around it is cut; a lone CR becomes a space.
pub(in crate::mail) fn unfold(value: &[u8]) -> Vec<u8> {
    let mut rest = value.trim_ascii();
    let mut line = Vec::with_capacity(rest.len());
    loop {
        let at = run_len(rest, |octet| octet != b'\r' && octet != b'\n');
        line.extend_from_slice(&rest[..at]);
        if at == rest.len() {
            return line;
        }
        if rest[at] == b'\r' && rest.get(at + 1) != Some(&b'\n') {
            line.push(b' ');
        }
        rest = &rest[at + 1..];
    }
}

enum Place {
    /// In the header block of this part.
    Head(usize),
    /// In the body of this leaf.
    Body(usize),
    /// Before, between or after parts: nobody's text.
    Nowhere,
}

struct Open {
    part: usize,
    boundary: Vec<u8>,
}

/// Reads the structure of a whole mail.
pub(super) fn tree(octets: &[u8], head: Range<usize>, limits: &NormaliseLimits) -> Tree {
    let body_start = line_at(octets, head.end).1.min(octets.len());
    let mut reader =
        Reader { octets, limits, open: Vec::new(), tree: Tree { parts: Vec::new(), left_out: 0, too_deep: false, no_parts: false } };
    reader.tree.parts.push(new_part(head));
    let mut place = reader.end_of_head(0, body_start);
    let mut at = body_start;
    while at < octets.len() && !reader.open.is_empty() {
        let (line, next) = line_at(octets, at);
        if let Some((level, closes)) = reader.boundary(line) {
            place = reader.cross(&place, level, closes, at, next);
        } else if let Place::Head(part) = place
            && line.is_empty()
        {
            reader.tree.parts[part].head.end = at;
            place = reader.end_of_head(part, next);
        }
        at = next;
    }
    reader.finish(&place);
    reader.tree
}

fn new_part(head: Range<usize>) -> Part {
    Part {
        body: head.end..head.end,
        head,
        media: Media::default(),
        about: About::default(),
        children: Vec::new(),
        is_multipart: false,
        cut: false,
    }
}

struct Reader<'a> {
    octets: &'a [u8],
    limits: &'a NormaliseLimits,
    open: Vec<Open>,
    tree: Tree,
}

impl Reader<'_> {
    /// Which open multipart this line is a boundary of, innermost first, and whether it closes it.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open.iter().enumerate().rev().find_map(|(level, open)| {
            let rest = text.strip_prefix(open.boundary.as_slice())?;
            match rest {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            }
        })
    }

    /// A header block has ended: a multipart opens, anything else is a leaf that begins here.
    fn end_of_head(&mut self, part: usize, body_start: usize) -> Place {
        let head = self.tree.parts[part].head.clone();
        let head = &self.octets[head.start..head.end.min(head.start + self.limits.part_head_octets_max)];
        let about = About::of(head);
        let mut media = Media { name: about.media_type.clone(), boundary: about.boundary.clone() };
        // RFC 2046 section 5.1.5: in a digest a part without a type is a mail.
        let is_in_digest = self.open.last().is_some_and(|open| self.tree.parts[open.part].media.name == "multipart/digest");
        if media.name.is_empty() && is_in_digest {
            "message/rfc822".clone_into(&mut media.name);
        }
        let is_multipart = media.name.starts_with("multipart/");
        let boundary = media.boundary.clone().filter(|b| is_multipart && !b.is_empty());
        let node = &mut self.tree.parts[part];
        (node.media, node.about) = (media, about);
        node.body = body_start..self.octets.len();
        match boundary {
            Some(boundary) if self.open.len() < self.limits.depth_max => {
                node.is_multipart = true;
                self.open.push(Open { part, boundary: boundary.trim_end().as_bytes().to_vec() });
                Place::Nowhere
            }
            Some(_) => {
                self.tree.too_deep = true;
                Place::Body(part)
            }
            None => {
                if is_multipart {
                    // RFC 2046 section 5.1.1 demands a boundary; without one there is only text.
                    "text/plain".clone_into(&mut node.media.name);
                    self.tree.no_parts = true;
                }
                Place::Body(part)
            }
        }
    }

    /// A boundary line from `at` to `next`: all inside of its multipart ends, and perhaps a new part begins.
    fn cross(&mut self, place: &Place, level: usize, closes: bool, at: usize, next: usize) -> Place {
        let end = before_line_end(self.octets, at);
        match *place {
            Place::Head(part) => {
                self.tree.parts[part].head.end = at;
                self.end_of_head(part, at);
                self.tree.parts[part].body = at..at;
            }
            Place::Body(part) => {
                let node = &mut self.tree.parts[part];
                node.body.end = end.max(node.body.start);
            }
            Place::Nowhere => {}
        }
        let kept = if closes { level } else { level + 1 };
        for closed in self.open.split_off(kept) {
            let node = &mut self.tree.parts[closed.part];
            node.body.end = end.max(node.body.start);
        }
        if closes {
            return Place::Nowhere;
        }
        if self.tree.parts.len() >= self.limits.parts_max {
            self.tree.left_out += 1;
            return Place::Nowhere;
        }
        let part = self.tree.parts.len();
        self.tree.parts.push(new_part(next..self.octets.len()));
        let parent = self.open[level].part;
        self.tree.parts[parent].children.push(part);
        Place::Head(part)
    }

    /// The octets have ended, whatever was open.
    fn finish(&mut self, place: &Place) {
        match *place {
            Place::Head(part) => {
                self.end_of_head(part, self.octets.len());
                self.tree.parts[part].cut = true;
            }
            Place::Body(part) => self.tree.parts[part].cut = !self.open.is_empty(),
            Place::Nowhere => {}
        }
        for (at, part) in self.tree.parts.iter_mut().enumerate() {
            if part.is_multipart && part.children.is_empty() {
                if at == 0 {
                    // It was closed before any part began: what stands behind is all that there is.
                    part.body.end = self.octets.len();
                }
                // Its body is all there is to see: show it as text.
                part.is_multipart = false;
                part.media = Media { name: "text/plain".to_owned(), boundary: None };
                self.tree.no_parts = true;
            }
        }
    }
}

/// The end of the line before `at`, without its line end: that belongs to the boundary (RFC 2046 section 5.1.1).
fn before_line_end(octets: &[u8], at: usize) -> usize {
    let text = &octets[..at];
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text).len()
}
