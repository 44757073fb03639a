//! HTML mail to text: scripts and styles gone, links with their address, quotes with `> `. Bounded and never recursive on
//! what the sender nests.

use html2text::render::TextDecorator;

/// Open elements inside of one another up to which the good converter is used: its parser is quadratic in them.
const NESTING_MAX: usize = 256;
/// Octets up to which the good converter is used.
const OCTETS_MAX: usize = 512 * 1024;
/// Columns; lines are not meant to be wrapped.
const WIDTH: usize = 4000;
/// What stands for a horizontal rule, which the converter passes over: what Outlook writes in plain text.
const RULE: &str = "<br>________________________________<br>";

/// The text of a page.
#[must_use]
pub fn to_text(page: &str) -> String {
    let page = &page.replace([LINK_STARTS, LINK_ENDS, ADDRESS_ENDS], "");
    let rendered = if page.len() <= OCTETS_MAX && is_shallow(page) {
        html2text::config::with_decorator(Words::default())
            .raw_mode(true)
            .link_footnotes(false)
            .allow_width_overflow()
            .no_link_wrapping()
            .string_from_read(with_rules(page).as_bytes(), WIDTH)
            .ok()
    } else {
        None
    };
    let rendered = rendered.map_or_else(|| nanohtml2text::html2text(page), |text| links(&text));
    tidy(&rendered)
}

/// Marks that the converter puts around a link's words and address; taken out of what comes in.
const LINK_STARTS: char = '\u{e000}';
const LINK_ENDS: char = '\u{e001}';
const ADDRESS_ENDS: char = '\u{e002}';

/// Writes each link as its words and then its address, if the words do not say it already.
fn links(marked: &str) -> String {
    let mut text = String::with_capacity(marked.len());
    let mut rest = marked;
    while let Some((before, behind)) = rest.split_once(LINK_STARTS) {
        text.push_str(before);
        let Some((words, behind)) = behind.split_once(LINK_ENDS) else {
            rest = behind;
            continue;
        };
        let (address, behind) = behind.split_once(ADDRESS_ENDS).unwrap_or(("", behind));
        text.push_str(words);
        let bare = |s: &str| {
            let s = s.trim().trim_end_matches('/');
            let s = s.strip_prefix("mailto:").or_else(|| s.strip_prefix("https://")).or_else(|| s.strip_prefix("http://")).unwrap_or(s);
            s.to_ascii_lowercase()
        };
        if !address.is_empty() && !words.trim().is_empty() && bare(words) != bare(address) {
            text.push('<');
            text.push_str(address);
            text.push('>');
        }
        rest = behind;
    }
    text.push_str(rest);
    text.replace([LINK_STARTS, LINK_ENDS, ADDRESS_ENDS], "")
}

/// Whether no more than [`NESTING_MAX`] elements can be open at once. Counts what opens and closes without asking what
/// closes what: one pass, and wrong only towards caution.
fn is_shallow(page: &str) -> bool {
    const VOID: [&str; 14] =
        ["br", "hr", "img", "meta", "link", "input", "wbr", "col", "area", "base", "embed", "source", "track", "param"];
    /// Attributes of one element: the parser compares each with all.
    const ATTRIBUTES_MAX: usize = 200;
    let mut open = 0usize;
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix("!--") {
            rest = behind.split_once("-->").map_or("", |(_, behind)| behind);
            continue;
        }
        let (closes, name_at) = rest.strip_prefix('/').map_or((false, rest), |name| (true, name));
        let name_len = name_at.bytes().take_while(u8::is_ascii_alphanumeric).count();
        if name_len == 0 {
            continue;
        }
        if closes {
            open = open.saturating_sub(1);
            continue;
        }
        let name = &name_at[..name_len];
        let tag = &rest[..rest.find('>').unwrap_or(rest.len())];
        if tag.bytes().filter(|b| *b == b'=').count() + tag.split_ascii_whitespace().count() > 2 * ATTRIBUTES_MAX {
            return false;
        }
        // A paragraph or list item closes the one before it by itself, so a page of `<p>` is not deep.
        let closes_itself = ["p", "li"].iter().any(|n| name.eq_ignore_ascii_case(n));
        if !VOID.iter().any(|v| name.eq_ignore_ascii_case(v)) && !tag.ends_with('/') && !closes_itself {
            open += 1;
            if open > NESTING_MAX {
                return false;
            }
        }
        rest = &rest[tag.len()..];
    }
    true
}

/// Each `<hr>` as a line of underscores.
fn with_rules(page: &str) -> String {
    let mut with = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let tag = &rest[at + 1..];
        let is_rule =
            tag.get(..2).is_some_and(|name| name.eq_ignore_ascii_case("hr")) && !tag[2..].starts_with(|c: char| c.is_alphanumeric());
        if is_rule {
            // An element that never ends: so does the page.
            let Some(end) = tag.find('>').map(|end| at + 1 + end + 1) else { break };
            with.push_str(&rest[..at]);
            with.push_str(RULE);
            rest = &rest[end..];
        } else {
            with.push_str(&rest[..=at]);
            rest = tag;
        }
    }
    with.push_str(rest);
    with
}

/// Blanks at line ends gone, at most two empty lines in a row.
fn tidy(rendered: &str) -> String {
    let mut text = String::with_capacity(rendered.len());
    let mut empty = 0;
    for line in rendered.lines() {
        let line = line.trim_end_matches([' ', '\t', '\r', '\u{a0}']);
        let words = line.trim_start_matches(['>', ' ']);
        if words.is_empty() && !line.contains('>') {
            empty += 1;
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
            text.extend(std::iter::repeat_n('\n', empty.min(2)));
        }
        empty = 0;
        text.push_str(&line.replace(['\u{a0}', '\u{200c}'], " "));
    }
    text.push('\n');
    text
}

/// Writes plain words: no marks for emphasis, the address behind a link, nothing for a picture but its title.
#[derive(Clone, Debug, Default)]
struct Words {
    link: String,
}

impl TextDecorator for Words {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        const LINK_OCTETS_MAX: usize = 2000;
        let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
        let is_shown = ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme)) && url.len() <= LINK_OCTETS_MAX;
        self.link = if is_shown { url.split_whitespace().collect() } else { String::new() };
        (LINK_STARTS.to_string(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        format!("{LINK_ENDS}{}{ADDRESS_ENDS}", std::mem::take(&mut self.link))
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }
    fn decorate_em_end(&self) -> String {
        String::new()
    }
    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }
    fn decorate_strong_end(&self) -> String {
        String::new()
    }
    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }
    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }
    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }
    fn decorate_code_end(&self) -> String {
        String::new()
    }
    fn decorate_superscript_start(&self) -> (String, ()) {
        (String::new(), ())
    }
    fn decorate_superscript_end(&self) -> String {
        String::new()
    }
    fn decorate_preformat_first(&self) {}
    fn decorate_preformat_cont(&self) {}
    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, ()) {
        (if title.is_empty() { String::new() } else { format!("[{title}]") }, ())
    }
    fn header_prefix(&self, _level: usize) -> String {
        // `#` begins a command line of an agent.
        String::new()
    }
    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }
    fn unordered_item_prefix(&self) -> String {
        "* ".to_owned()
    }
    fn ordered_item_prefix(&self, i: i64) -> String {
        format!("{i}. ")
    }
    fn make_subblock_decorator(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_text() {
        for (page, expect, why) in [
            ("<p>Hello</p><p>World</p>", "Hello\n\nWorld\n", "paragraphs"),
            ("a<br>b", "a\nb\n", "line ends"),
            ("<script>alert(1)</script><style>p{}</style>x", "x\n", "no script, no style"),
            ("<a href=\"https://x.example/a\">here</a>", "here<https://x.example/a>\n", "links keep their address"),
            ("<a href=\"https://x.example/a\">https://x.example/a</a>", "https://x.example/a\n", "once is enough"),
            ("<a href=\"javascript:alert(1)\">here</a>", "here\n", "only addresses that lead somewhere"),
            ("a<blockquote>b<br>c</blockquote>", "a\n\n> b\n> c\n", "quotes"),
            ("<h1>status</h1>", "status\n", "a heading is no command"),
            ("<table><tr><td>a</td><td>b</td></tr></table>", "a\nb\n", "cells apart"),
            ("&lt;b&gt; &amp; &euro; &#8364;", "<b> & € €\n", "entities"),
            ("<ul><li>a</li><li>b</li></ul>", "* a\n* b\n", "lists"),
            ("a<hr>b", "a\n________________________________\nb\n", "rules"),
        ] {
            assert_eq!(to_text(page), expect, "{why}");
        }
    }

    #[test]
    fn p11_deep_pages_take_the_linear_way() {
        assert!(!is_shallow(&"<div>".repeat(100_000)), "unclosed elements");
        assert!(is_shallow(&"<p>x".repeat(100_000)), "paragraphs close each other");
        assert!(is_shallow(&"<div>x</div>".repeat(100_000)), "closed elements");
        assert!(!is_shallow(&format!("<p {}>", "a=b ".repeat(100_000))), "attributes");
        assert!(to_text(&format!("{}deep", "<div>".repeat(100_000))).contains("deep"), "its text is found");
    }
}
