//! HTML mail to text: scripts and styles gone, links with their address, quotes with `> `.
//!
//! A converter of our own in one pass: parsers that build the tree of a page, and converters that look for the end of each
//! tag anew, are quadratic in what a sender may write (unclosed tags, formatting left open, lists in lists). This one never
//! looks at an octet more than twice and keeps nothing but its place.

use super::normalise::decode;
use crate::domain::address::one_line;

/// Quotes and lists inside of one another that are shown as such.
const INDENT_MAX: usize = 10;
/// What stands for a horizontal rule: what Outlook writes in plain text.
const RULE: &str = "________________________________";
const LINK_OCTETS_MAX: usize = 2000;

/// The text of a page, not much longer than `octets_max`.
#[must_use]
pub fn to_text(page: &str, octets_max: usize) -> String {
    to_text_with_images(page, octets_max, &|_| None)
}

/// The same; `name_of` gives the name of the attached file that an image's source refers to, if it is one: such an image
/// is shown as `[image: …]` with what its writer says of it, else with its name. Of an image that lies elsewhere only the
/// words for it are shown.
#[must_use]
pub fn to_text_with_images(page: &str, octets_max: usize, name_of: &dyn Fn(&str) -> Option<String>) -> String {
    let mut writer = Writer::new(octets_max, name_of);
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        if writer.is_full() {
            break;
        }
        let (words, tag) = rest.split_at(at);
        writer.words(words);
        rest = writer.tag(tag);
    }
    writer.words(rest);
    writer.finish()
}

/// One tag without its brackets.
struct Tag<'a> {
    closes: bool,
    name: String,
    attributes: &'a str,
}

/// Reads the tag at the start of `text`, which begins with `<`; gives what stands behind it. `None` where it is none.
fn tag_at(text: &str) -> Option<(Tag<'_>, &str)> {
    let inner = text.get(1..)?;
    let (closes, named) = inner.strip_prefix('/').map_or((false, inner), |named| (true, named));
    let name_len = named.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-')).count();
    if name_len == 0 || !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (name, attributes) = named.split_at(name_len);
    // A `>` in a quoted value does not end the tag; a quote begins a value only behind `=`.
    let mut quote = None;
    let mut before = b' ';
    for (at, b) in attributes.bytes().enumerate() {
        if let Some(open) = quote {
            if b == open {
                quote = None;
            }
        } else if b == b'>' {
            let tag = Tag { closes, name: name.to_ascii_lowercase(), attributes: &attributes[..at] };
            return Some((tag, &attributes[at + 1..]));
        } else if matches!(b, b'"' | b'\'') && before == b'=' {
            quote = Some(b);
        }
        if !b.is_ascii_whitespace() {
            before = b;
        }
    }
    // It never ends, and so takes the rest of the page with it.
    Some((Tag { closes, name: String::new(), attributes: "" }, ""))
}

/// The value of an attribute, its entities decoded.
fn attribute(attributes: &str, wanted: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let name = &rest[..rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len())];
        rest = rest[name.len()..].trim_start();
        let mut value = "";
        if let Some(behind) = rest.strip_prefix('=') {
            let behind = behind.trim_start();
            if let Some(quote) = behind.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                let (inside, after) = behind[1..].split_once(quote).unwrap_or((&behind[1..], ""));
                (value, rest) = (inside, after);
            } else {
                (value, rest) = behind.split_at(behind.find(char::is_whitespace).unwrap_or(behind.len()));
            }
        } else if name.is_empty() {
            return None;
        }
        if name.eq_ignore_ascii_case(wanted) {
            let mut decoded = String::new();
            entities(value, |piece| decoded.push_str(piece));
            return Some(decoded);
        }
    }
}

/// Gives the text in pieces, entities decoded.
fn entities(text: &str, mut give: impl FnMut(&str)) {
    const ENTITY_OCTETS_MAX: usize = 33;
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        give(before);
        let look = behind.as_bytes().get(..ENTITY_OCTETS_MAX.min(behind.len())).unwrap_or_default();
        let decoded = look.iter().position(|b| *b == b';').and_then(|end| Some((decode::entity(behind.get(..end)?)?, end)));
        if let Some((c, end)) = decoded {
            give(c.encode_utf8(&mut [0; 4]));
            rest = &behind[end + 1..];
        } else {
            give("&");
            rest = behind;
        }
    }
    give(rest);
}

/// Octets of characters that are shown as they are. Of those beyond ASCII that is all but what begins as one of those that
/// [`Writer::put`] looks for: white space and filling.
const IS_SHOWN: [bool; 256] = {
    let mut is_shown = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        is_shown[octet] = matches!(octet, 0x21..=0x7e | 0x80..) && !matches!(octet, 0xc2 | 0xcd | 0xe1..=0xe3 | 0xef);
        octet += 1;
    }
    is_shown
};

/// Octets of the words at the start, with one blank between two.
fn words_len(text: &str) -> usize {
    let octets = text.as_bytes();
    let is_shown = |at: usize| octets.get(at).is_some_and(|octet| IS_SHOWN[usize::from(*octet)]);
    let mut length = 0;
    while is_shown(length) || octets.get(length) == Some(&b' ') && is_shown(length + 1) {
        length += 1;
    }
    length
}

/// Behind the closing tag of an element whose content is no text; all of the page where it has none.
fn behind_raw<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            return rest.split_once('>').map_or("", |(_, behind)| behind);
        }
    }
    ""
}

/// Of no size to be seen: it is there to be fetched.
fn is_pixel(attributes: &str) -> bool {
    let is_tiny = |name| attribute(attributes, name).is_some_and(|size| matches!(size.trim().trim_end_matches("px"), "0" | "1"));
    is_tiny("width") || is_tiny("height")
}

struct Link {
    address: String,
    /// Where its words begin.
    from: usize,
}

struct Writer<'a> {
    octets_max: usize,
    name_of: &'a dyn Fn(&str) -> Option<String>,
    text: String,
    /// Line ends that come before the next word.
    breaks: usize,
    space: bool,
    cell: bool,
    quotes: usize,
    /// Quotes of the line above.
    quotes_above: usize,
    preformatted: usize,
    /// Number of the next item of each open list; `None` for those without numbers.
    lists: Vec<Option<u32>>,
    link: Option<Link>,
}

impl<'a> Writer<'a> {
    fn new(octets_max: usize, name_of: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            octets_max,
            name_of,
            text: String::new(),
            breaks: 0,
            space: false,
            cell: false,
            quotes: 0,
            quotes_above: 0,
            preformatted: 0,
            lists: Vec::new(),
            link: None,
        }
    }

    /// What is in front of a character may be longer than what it stands for: no growth beyond the limit.
    fn is_full(&self) -> bool {
        self.text.len() > self.octets_max
    }

    /// Takes what begins with `<`; gives what stands behind the tag.
    fn tag<'p>(&mut self, text: &'p str) -> &'p str {
        if let Some(comment) = text.strip_prefix("<!--") {
            return comment.split_once("-->").map_or("", |(_, behind)| behind);
        }
        if text.starts_with("<!") || text.starts_with("<?") {
            return text.split_once('>').map_or("", |(_, behind)| behind);
        }
        let Some((tag, behind)) = tag_at(text) else {
            self.words("<");
            return &text[1..];
        };
        if !tag.closes && matches!(tag.name.as_str(), "script" | "style" | "title" | "iframe" | "noframes" | "noembed") {
            return behind_raw(behind, &tag.name);
        }
        self.element(&tag);
        behind
    }

    fn element(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "br" => self.breaks = (self.breaks + 1).min(3),
            "hr" => {
                self.break_lines(1);
                self.words(RULE);
                self.break_lines(1);
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "dl" => self.break_lines(2),
            "div" | "tr" | "section" | "article" | "header" | "footer" | "main" | "form" | "fieldset" | "center" | "address" | "dt"
            | "dd" | "caption" | "figure" | "body" | "html" | "option" => self.break_lines(1),
            "td" | "th" => self.cell = true,
            "blockquote" => {
                self.break_lines(2);
                self.quotes = if tag.closes { self.quotes.saturating_sub(1) } else { (self.quotes + 1).min(INDENT_MAX) };
            }
            "pre" => {
                self.break_lines(2);
                self.preformatted = if tag.closes { self.preformatted.saturating_sub(1) } else { self.preformatted + 1 };
            }
            "ul" | "ol" => {
                self.break_lines(if self.lists.is_empty() || tag.closes && self.lists.len() == 1 { 2 } else { 1 });
                if tag.closes {
                    self.lists.pop();
                } else if self.lists.len() < INDENT_MAX {
                    self.lists.push((tag.name == "ol").then_some(1));
                }
            }
            "li" => self.item(tag.closes),
            "a" => self.anchor(tag),
            "img" => self.image(tag),
            _ => {}
        }
    }

    fn image(&mut self, tag: &Tag<'_>) {
        const WORDS_OCTETS_MAX: usize = 200;
        let words = attribute(tag.attributes, "alt").map(|alt| one_line(alt.trim(), WORDS_OCTETS_MAX)).filter(|alt| !alt.is_empty());
        let name = attribute(tag.attributes, "src").and_then(|source| (self.name_of)(source.trim()));
        match (name, words) {
            (Some(name), words) => self.literally(&format!("[image: {}]", words.unwrap_or(name))),
            (None, Some(words)) if !is_pixel(tag.attributes) => self.literally(&format!("[{words}]")),
            (None, Some(_) | None) => {}
        }
    }

    fn item(&mut self, closes: bool) {
        self.break_lines(1);
        if closes {
            return;
        }
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                format!("{}. ", *number - 1)
            }
            Some(None) | None => "* ".to_owned(),
        };
        self.start();
        self.text.push_str(&mark);
    }

    fn anchor(&mut self, tag: &Tag<'_>) {
        if let Some(link) = self.link.take() {
            self.end_link(&link);
        }
        if tag.closes {
            return;
        }
        let address = attribute(tag.attributes, "href").unwrap_or_default();
        let address: String = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        let lower = address.get(..8).unwrap_or(&address).to_ascii_lowercase();
        if address.len() <= LINK_OCTETS_MAX && ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme)) {
            self.link = Some(Link { address, from: self.text.len() });
        }
    }

    /// Writes a link's address, if its words do not say it and there are words.
    fn end_link(&mut self, link: &Link) {
        let words = self.text.get(link.from..).unwrap_or_default();
        let bare = |s: &str| {
            let s = s.trim().trim_end_matches('/').to_ascii_lowercase();
            ["mailto:", "https://", "http://"].iter().find_map(|scheme| s.strip_prefix(scheme).map(str::to_owned)).unwrap_or(s)
        };
        if !words.trim().is_empty() && bare(words) != bare(&link.address) {
            self.text.push('<');
            self.text.push_str(&link.address);
            self.text.push('>');
        }
    }

    fn break_lines(&mut self, count: usize) {
        self.breaks = self.breaks.max(count);
    }

    /// Text between tags.
    fn words(&mut self, words: &str) {
        entities(words, |piece| self.literally(piece));
    }

    /// Text that holds no entities any more.
    fn literally(&mut self, words: &str) {
        let mut rest = words;
        while let Some(c) = rest.chars().next().filter(|_| !self.is_full()) {
            self.put(c);
            rest = &rest[c.len_utf8()..];
            if c.is_ascii_graphic() {
                // Words that follow it have nothing in front of them but their blanks.
                let room = self.octets_max.saturating_sub(self.text.len());
                let (words, behind) = rest.split_at(words_len(&rest[..rest.floor_char_boundary(room)]));
                self.text.push_str(words);
                rest = behind;
            }
        }
    }

    fn put(&mut self, c: char) {
        if self.is_full() {
            return;
        }
        match c {
            '\n' if self.preformatted > 0 => self.breaks = (self.breaks + 1).min(3),
            // Filling that senders put behind a preview line.
            '\u{200b}' | '\u{200c}' | '\u{ad}' | '\u{feff}' | '\u{34f}' => {}
            ' ' | '\t' if self.preformatted > 0 => {
                self.start();
                self.text.push(c);
            }
            c if c.is_whitespace() => self.space = true,
            c => {
                self.start();
                self.text.push(c);
            }
        }
    }

    /// Writes what comes before the next character: line ends, quote marks, a blank.
    fn start(&mut self) {
        let is_first = self.text.is_empty();
        if self.breaks > 0 || is_first {
            if !is_first {
                let marks = self.quotes.min(self.quotes_above);
                for line in 0..self.breaks {
                    if line > 0 && marks > 0 {
                        self.text.extend(std::iter::repeat_n("> ", marks));
                        self.text.truncate(self.text.trim_end_matches(' ').len());
                    }
                    self.text.push('\n');
                }
            }
            self.text.extend(std::iter::repeat_n("> ", self.quotes));
            self.quotes_above = self.quotes;
        } else if self.cell {
            self.text.push('\t');
        } else if self.space {
            self.text.push(' ');
        }
        (self.breaks, self.space, self.cell) = (0, false, false);
    }

    fn finish(mut self) -> String {
        if let Some(link) = self.link.take() {
            self.end_link(&link);
        }
        self.text.push('\n');
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_text() {
        for (page, expect, why) in [
            ("<p>Hello</p><p>World</p>", "Hello\n\nWorld\n", "paragraphs"),
            ("a<br>b<br><br>c", "a\nb\n\nc\n", "line ends"),
            ("<div>a</div><div><div>b</div></div>", "a\nb\n", "blocks in blocks"),
            ("  a \n b\t c ", "a b c\n", "white space is one blank"),
            ("<pre>a\n  b</pre>", "a\n  b\n", "except where it is meant"),
            ("<script>alert(1)</script><style>p{}</style>x", "x\n", "no script, no style"),
            ("<ScRiPt>if (a </b>) 1</sCrIpT >x<title>t</title>", "x\n", "nor in odd spelling"),
            ("<!-- a > b -->x<!doctype html>y<?xml?>", "xy\n", "comments and declarations"),
            ("<a href=\"https://x.example/a\">here</a>", "here<https://x.example/a>\n", "links keep their address"),
            ("<a title='a>b' href=https://x.example/?a=1&amp;b=2>here</a>", "here<https://x.example/?a=1&b=2>\n", "attributes"),
            ("<a href=\"https://x.example/a\">https://x.example/a</a>", "https://x.example/a\n", "once is enough"),
            ("<a href=\"mailto:a@x.example\">a@x.example</a>", "a@x.example\n", "once is enough"),
            ("<a href=\"javascript:alert(1)\">here</a>", "here\n", "only addresses that lead somewhere"),
            ("<a href=\"https://x.example/a\"><img src=x></a>y", "y\n", "a link without words"),
            ("a<blockquote>b<br>c<br><br>d</blockquote>e", "a\n\n> b\n> c\n>\n> d\n\ne\n", "quotes"),
            ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b\n", "quotes in quotes"),
            ("<h1>status</h1>x", "status\n\nx\n", "a heading gets no mark: # is a command"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a\tb\nc\n", "cells apart"),
            ("&lt;b&gt; &amp; &euro; &#8364; &#x20AC; &nope; &", "<b> & € € € &nope; &\n", "entities"),
            ("&lt;script&gt;", "<script>\n", "are text"),
            ("<ul><li>a</li><li>b</li></ul><ol><li>c<li>d</ol>e", "* a\n* b\n\n1. c\n2. d\n\ne\n", "lists"),
            ("a<hr>b", "a\n________________________________\nb\n", "rules"),
            ("1 < 2 <3> <", "1 < 2 <3> <\n", "no tags"),
            ("<img alt=\"Logo\"><img src=x>", "[Logo]\n", "pictures"),
            ("a<b", "a\n", "a tag that never ends"),
            ("", "\n", "nothing"),
        ] {
            assert_eq!(to_text(page, 10_000), expect, "{why}");
        }
    }

    #[test]
    fn attached_images_are_named_and_others_are_not() {
        let name_of = |source: &str| (source == "cid:a@x" || source == "pictures/b.png").then(|| "b.png".to_owned());
        for (page, expect, why) in [
            ("a<img src='cid:a@x'>b", "a[image: b.png]b\n", "by its name"),
            ("<img src=\"cid:a@x\" alt='  The\nbroken &amp;lt; screw '>", "[image: The broken &lt; screw]\n", "by its words, decoded once"),
            ("<img src=pictures/b.png>", "[image: b.png]\n", "by its place"),
            ("<img src='cid:b@x'>", "\n", "one that is not there"),
            ("<img src='cid:b@x' alt=Logo>", "[Logo]\n", "one that is not there, with words"),
            ("<img src='https://x.example/a.png'>", "\n", "remote"),
            ("<img src='https://x.example/a.png' alt='Pay now'>", "[Pay now]\n", "remote, with words"),
            ("<img src='https://x.example/t.gif' width=1 height=1 alt='seen'>", "\n", "a tracking pixel"),
            ("<img src='https://x.example/t.gif' height='0px' alt='seen'>", "\n", "a tracking pixel"),
            ("<a href='https://x.example/'><img src='cid:a@x'></a>", "[image: b.png]<https://x.example/>\n", "a link's only word"),
            ("<img src='cid:a@x", "\n", "a tag that never ends"),
        ] {
            assert_eq!(to_text_with_images(page, 10_000, &name_of), expect, "{why}");
        }
    }

    #[test]
    fn p11_what_marks_would_make_of_a_page_is_bounded() {
        let quoted = "<blockquote>".repeat(20);
        for page in [format!("{quoted}<pre>{}", "\n\n\nx".repeat(250_000)), format!("{quoted}{}", "x<br><br>".repeat(100_000))] {
            assert!(to_text(&page, 100_000).len() < 101_000);
        }
    }

    #[test]
    fn p11_hostile_pages_are_read_in_one_pass() {
        for piece in [
            "<div>",
            "<p a=\"",
            "<a ",
            "<style ",
            "<script>",
            "<!--",
            "<",
            "&",
            "&#",
            "<a href='",
            "<blockquote>x",
            "<ul><li>",
            "<pre>\n",
            "<hr ",
            "</",
            "<title>",
            "<font color=x>y<p>",
            "<br>x",
            "<td>x",
            "<a href=http://x.example/>y",
            "</blockquote>x<blockquote><blockquote>",
            "<!",
            "<svg><![CDATA[",
        ] {
            let text = to_text(&format!("the text {}", piece.repeat(1_000_000 / piece.len())), 262_144);
            assert!(text.starts_with("the text"), "{piece}");
            assert!(text.len() < 2_000_000, "{piece}: {}", text.len());
        }
    }
}
