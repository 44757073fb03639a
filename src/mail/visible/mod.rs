//! What is new in a reply, what is quoted, what is signature. Nothing is deleted: spans follow one another and cover the
//! whole text.
//!
//! Structure comes first (`>`, rules, header blocks), then phrases. A customer's words are kept in doubt ([`spans`]): it
//! costs a line too many. An agent's are cut in doubt ([`agent_spans`]): what he quotes may hold what no customer may read.
//! Where the message that is answered is known, its words decide ([`compared`]).

mod answered;
mod phrases;

pub use answered::{COMPARED_OCTETS_MIN, compared};

use super::normalise::scan::run_len;
use crate::domain::message::{Span, SpanKind};
use memchr::memmem::Finder;
use std::sync::LazyLock;

pub(in crate::mail) use phrases::Heading;
use phrases::{Begins, CLOSINGS, Ends, FORWARDED, HEADINGS, OPENERS, ORIGINAL, SENT_FROM, SENT_FROM_MORE, WROTE};

/// With this a line begins under which a brief stands: the part of a notification that only agents may read.
pub const BRIEF_MARK: &str = "— guichet #";

/// What is new in a customer's text.
#[must_use]
pub fn spans(text: &str) -> Vec<Span> {
    Reader::new(text, Doubt::Keep).read()
}

/// What is new in an agent's text: in doubt less, and nothing below a brief's mark.
#[must_use]
pub fn agent_spans(text: &str) -> Vec<Span> {
    Reader::new(text, Doubt::Cut).read()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Keep,
    Cut,
}

/// A line without its end, and where it stands.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    /// Without white space around it; empty where nothing else stands in it.
    trimmed: &'a str,
    start: usize,
    end: usize,
    may_end_attribution: bool,
}

impl<'a> Line<'a> {
    fn of(whole: &'a str, start: usize) -> Self {
        let text = whole.trim_end_matches(['\n', '\r']);
        let to_last = text.trim_end();
        Self { text, trimmed: to_last.trim_start(), start, end: start + whole.len(), may_end_attribution: may_end_attribution(to_last) }
    }

    fn is_blank(&self) -> bool {
        self.trimmed.is_empty()
    }

    fn is_quoted(&self) -> bool {
        self.trimmed.starts_with('>')
    }
}

/// How a quotation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mail) enum Begin {
    /// "On … wrote:" over this many lines.
    Attribution(usize),
    /// A rule or header block: all below is quoted.
    All,
    /// The same, but what follows was forwarded.
    Forward,
    /// Our own mark.
    Brief,
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    kinds: Vec<SpanKind>,
    doubt: Doubt,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, doubt: Doubt) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let rest = &text[start..];
            let length = run_len(rest.as_bytes(), |octet| octet != b'\n') + 1;
            lines.push(Line::of(rest.get(..length).unwrap_or(rest), start));
            start += length;
        }
        let kinds = vec![SpanKind::New; lines.len()];
        Self { text, lines, kinds, doubt }
    }

    fn read(mut self) -> Vec<Span> {
        self.mark_quotes();
        self.mark_signatures();
        self.join_blanks();
        if self.doubt == Doubt::Keep && !self.has_new() && !self.is_marked_reply() {
            // Only a rule and what stands below it: the customer forwards, or writes under the rule.
            self.kinds.fill(SpanKind::New);
        }
        self.merge()
    }

    fn mark_quotes(&mut self) {
        let mut at = 0;
        while at < self.lines.len() {
            if self.is_quoted(at) {
                self.kinds[at] = SpanKind::Quoted;
                at += 1;
                if self.doubt == Doubt::Keep {
                    if self.is_broken_off(at) {
                        self.kinds[at] = SpanKind::Quoted;
                        at += 1;
                    }
                } else {
                    // A line right below that is not marked is mostly the rest of a quoted one that was broken in two.
                    while at < self.lines.len() && !self.is_blank(at) && !self.is_quoted(at) {
                        self.kinds[at] = SpanKind::Quoted;
                        at += 1;
                    }
                }
                continue;
            }
            match self.begin(at) {
                Some(Begin::Attribution(count)) => {
                    let next = (at + count..self.lines.len()).find(|i| !self.is_blank(*i));
                    if next.is_some_and(|next| self.is_quoted(next)) {
                        self.kinds[at..at + count].fill(SpanKind::Quoted);
                        at += count;
                    } else {
                        // Nothing below is marked: it is all of the earlier message.
                        return self.quote_from(at);
                    }
                }
                Some(Begin::All) => return self.quote_from(at),
                Some(Begin::Brief | Begin::Forward) if self.doubt == Doubt::Cut => return self.quote_from(at),
                Some(Begin::Brief | Begin::Forward) | None => at += 1,
            }
        }
    }

    /// Whether this one line is the rest of the quoted line above, which a program broke in two: the quotation goes on
    /// below, the line above is long and asks nothing, and this one goes on in the middle of a sentence.
    fn is_broken_off(&self, at: usize) -> bool {
        const LONG: usize = 60;
        let (Some(above), Some(line)) = (self.lines.get(at.wrapping_sub(1)), self.lines.get(at)) else { return false };
        let goes_on = at + 1 < self.lines.len() && self.is_quoted(at + 1);
        goes_on
            && !self.is_quoted(at)
            && above.text.len() >= LONG
            && !above.trimmed.ends_with(['?', ':'])
            && line.text.starts_with(char::is_lowercase)
    }

    /// All from this line on is quoted, and a rule right above it.
    fn quote_from(&mut self, at: usize) {
        let mut start = at;
        while let Some(above) = (0..start).rev().find(|i| !self.is_blank(*i)) {
            if !is_rule(self.lines[above].text) {
                break;
            }
            start = above;
        }
        self.kinds[start..].fill(SpanKind::Quoted);
    }

    /// How a quotation begins in this line, if one does.
    fn begin(&self, at: usize) -> Option<Begin> {
        let text = self.lines[at].trimmed;
        if text.is_empty() || text.len() > 1000 {
            return None;
        }
        if is_brief_mark(text) {
            return Some(Begin::Brief);
        }
        if let Some(begin) = separator(text) {
            return Some(begin);
        }
        if self.is_heading_block(at) {
            return Some(Begin::All);
        }
        // It begins here, not in one of the lines below: those above it may be the writer's own.
        let count = (1..=3).find(|count| self.is_attribution(at, *count))?;
        let begins_here = !(1..count).any(|later| self.is_attribution(at + later, count - later));
        begins_here.then_some(Begin::Attribution(count))
    }

    /// Whether these lines together are an attribution line, wrapped perhaps.
    fn is_attribution(&self, at: usize, count: usize) -> bool {
        const OCTETS_MAX: usize = 400;
        let Some(lines) = self.lines.get(at..at + count) else { return false };
        if !lines.last().is_some_and(|last| last.may_end_attribution) {
            return false;
        }
        if lines.iter().any(Line::is_blank) || lines.iter().map(|l| l.text.len()).sum::<usize>() > OCTETS_MAX {
            return false;
        }
        // What is quoted below is not a part of the line.
        let (first, others) = lines.split_at(1);
        if others.iter().any(|l| l.is_quoted() && l.trimmed != ">:") {
            return false;
        }
        let joined = first.iter().chain(others).map(|l| l.trimmed).collect::<Vec<_>>().join(" ");
        is_attribution(&joined)
    }

    /// Whether a header block as of Outlook begins here.
    fn is_heading_block(&self, at: usize) -> bool {
        /// Lines that a block may have: long lists of recipients are folded.
        const LINES_MAX: usize = 12;
        let Some(first) = heading(self.lines[at].text) else { return false };
        let below_rule = (0..at).rev().find(|i| !self.is_blank(*i)).is_some_and(|i| is_rule(self.lines[i].trimmed));
        if first != Heading::From && !(below_rule && first == Heading::Date) {
            return false;
        }
        let mut found = vec![first];
        let mut blanks = 0;
        for line in self.lines[at + 1..].iter().take(LINES_MAX) {
            if line.is_blank() {
                blanks += 1;
                if blanks > 1 || found.len() >= 3 {
                    break;
                }
                continue;
            }
            if let Some(heading) = heading(line.trimmed)
                && !found.contains(&heading)
            {
                found.push(heading);
            }
        }
        // Three of From, Date, To and Subject: one or two stand in many a sentence.
        found.iter().filter(|h| **h != Heading::Cc).count() >= 3
    }

    fn mark_signatures(&mut self) {
        // How many lines there are from each to the next quotation or the end.
        let mut to_quote = vec![0; self.lines.len() + 1];
        for at in (0..self.lines.len()).rev() {
            to_quote[at] = if self.kinds[at] == SpanKind::Quoted { 0 } else { to_quote[at + 1] + 1 };
        }
        let mut has_words_above = false;
        let mut at = 0;
        while at < self.lines.len() {
            if self.kinds[at] == SpanKind::New
                && let Some(count) = self.signature(at, to_quote[at], has_words_above)
            {
                self.kinds[at..at + count].fill(SpanKind::Signature);
                at += count;
            } else {
                has_words_above |= self.kinds[at] == SpanKind::New && !self.is_blank(at);
                at += 1;
            }
        }
    }

    /// How many lines of signature begin here, of those up to the next quotation.
    fn signature(&self, at: usize, to_quote: usize, has_words_above: bool) -> Option<usize> {
        /// A signature that is delimited carelessly is short.
        const CARELESS_LINES_MAX: usize = 12;
        let Line { text: line, trimmed, .. } = self.lines[at];
        if trimmed.is_empty() {
            return None;
        }
        // RFC 3676 section 4.3; white space at line ends is lost on the way, and in agents' mail counts as lost.
        if line == "-- " || (self.doubt == Doubt::Cut && line.trim_end() == "--") {
            return Some(to_quote);
        }
        let is_careless = matches!(trimmed, "--" | "__" | "___") || (trimmed.len() >= 10 && trimmed.bytes().all(|b| b == b'_'));
        if is_careless && has_words_above && to_quote <= CARELESS_LINES_MAX {
            return Some(to_quote);
        }
        if self.doubt == Doubt::Keep && has_words_above && is_closing(trimmed) && self.is_name_only(at + 1, to_quote) {
            return Some(to_quote);
        }
        if is_sent_from(trimmed) {
            return Some(if self.doubt == Doubt::Cut { to_quote } else { 1 });
        }
        None
    }

    /// Whether what stands below a closing phrase is no more than a name and where it works.
    fn is_name_only(&self, from: usize, to_quote: usize) -> bool {
        const LINES_MAX: usize = 4;
        const OCTETS_MAX: usize = 60;
        let below = self.lines.get(from..from + to_quote - 1).unwrap_or_default();
        let mut words = below.iter().map(|l| l.trimmed).filter(|t| !t.is_empty());
        let count = words.clone().count();
        (1..=LINES_MAX).contains(&count) && words.all(|t| t.len() <= OCTETS_MAX && !t.contains('?') && !is_postscript(t))
    }

    /// Empty lines between two of a kind are of that kind.
    fn join_blanks(&mut self) {
        let mut at = 0;
        while at < self.lines.len() {
            let end = (at..self.lines.len()).find(|i| !self.is_blank(*i)).unwrap_or(self.lines.len());
            if end > at && at > 0 {
                let above = self.kinds[at - 1];
                if end == self.lines.len() || self.kinds[end] == above {
                    self.kinds[at..end].fill(above);
                }
            }
            at = end + 1;
        }
    }

    fn has_new(&self) -> bool {
        (0..self.lines.len()).any(|i| self.kinds[i] == SpanKind::New && !self.is_blank(i))
    }

    /// Whether what is quoted is marked as an answer: then nothing new means nothing new.
    fn is_marked_reply(&self) -> bool {
        (0..self.lines.len()).any(|i| self.is_quoted(i) || matches!(self.begin(i), Some(Begin::Attribution(_))))
    }

    fn merge(self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let octet = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        for (line, kind) in self.lines.iter().zip(&self.kinds) {
            match spans.last_mut() {
                Some(last) if last.kind == *kind => last.end = octet(line.end),
                Some(_) | None => spans.push(Span { kind: *kind, start: octet(line.start), end: octet(line.end) }),
            }
        }
        debug_assert_eq!(spans.last().map_or(0, |s| s.end as usize), self.text.len());
        spans
    }

    fn is_blank(&self, at: usize) -> bool {
        self.lines[at].is_blank()
    }

    fn is_quoted(&self, at: usize) -> bool {
        self.lines[at].is_quoted()
    }
}

/// Our mark, also where a program made a hyphen of the dash or quoted the line.
fn is_brief_mark(text: &str) -> bool {
    let text = text.trim_start_matches(['>', ' ', '*', '\u{a0}']);
    let rest = text.strip_prefix(['—', '–', '-', '―']).map(|r| r.trim_start_matches(['-', ' ', '\u{a0}']));
    rest.is_some_and(|rest| rest.starts_with("guichet #"))
}

/// "-----Original Message-----" and its like: dashes or none, a phrase, dashes.
pub(in crate::mail) fn separator(text: &str) -> Option<Begin> {
    const OCTETS_MAX: usize = 100;
    let is_dash = |c: char| matches!(c, '-' | '_' | '=' | '*' | ' ' | '>');
    if text.len() > OCTETS_MAX || !(text.starts_with(is_dash) || text.ends_with(|c| is_dash(c) || c == ':')) {
        return None;
    }
    let inner = text.trim_matches(is_dash);
    let dashes = text.len() - inner.len();
    if dashes < 4 && !text.ends_with(':') {
        return None;
    }
    let phrase = inner.trim_end_matches(':').to_lowercase();
    if dashes >= 4 && ORIGINAL.contains(&phrase.as_str()) {
        return Some(Begin::All);
    }
    (FORWARDED.contains(&phrase.as_str()) && (dashes >= 4 || text.ends_with(':'))).then_some(Begin::Forward)
}

/// A line of nothing but dashes of one kind.
pub(in crate::mail) fn is_rule(text: &str) -> bool {
    let text = text.trim();
    let Some(first) = text.chars().next() else { return false };
    matches!(first, '-' | '_' | '=' | '*' | '─' | '—') && text.chars().count() >= 3 && text.chars().all(|c| c == first)
}

/// Which field of a header block a line is.
pub(in crate::mail) fn heading(text: &str) -> Option<Heading> {
    const NAME_OCTETS_MAX: usize = 40;
    static BEGINS: LazyLock<Begins> = LazyLock::new(|| HEADINGS.iter().fold(Begins::of(&[]), |begins, (_, names)| begins.and(names)));
    let text = text.trim_start_matches(['*', ' ', '\t', '|', '\u{a0}']);
    let look = &text[..text.floor_char_boundary(NAME_OCTETS_MAX + "：".len())];
    // Most lines hold none, which this tells at once.
    if run_len(look.as_bytes(), |octet| (octet != b':') & (octet != "：".as_bytes()[0])) == look.len() {
        return None;
    }
    let colon = look.find([':', '：']).filter(|colon| *colon <= NAME_OCTETS_MAX)?;
    let name = text[..colon].trim_end_matches(['*', ' ', '\u{a0}']);
    if !BEGINS.may_fit(name) {
        return None;
    }
    let name = name.to_lowercase();
    HEADINGS.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(heading, _)| *heading)
}

/// Whether an attribution can end with this line, which ends in no white space: with a colon, or with the last word of one that says
/// "wrote". Few lines do, so that the rest need not be looked at more closely.
fn may_end_attribution(line: &str) -> bool {
    static LAST_WORDS: LazyLock<Vec<&str>> =
        LazyLock::new(|| WROTE.iter().filter_map(|verb| verb.rsplit([' ', '\u{a0}']).next()).collect());
    static ENDS: LazyLock<Ends> = LazyLock::new(|| Ends::of(&WROTE));
    let line = if line.ends_with(['-', '*']) { line.trim_end_matches(['-', ' ', '*', '\u{a0}']) } else { line };
    // "napisał(a)"
    if line.ends_with([':', ')']) {
        return true;
    }
    if !ENDS.may_fit(line) {
        return false;
    }
    let last = line.rsplit([' ', '>', ')', '"', '\u{a0}', ',', '\t']).next().unwrap_or(line);
    if last.is_ascii() {
        return LAST_WORDS.iter().any(|word| word.eq_ignore_ascii_case(last));
    }
    LAST_WORDS.contains(&last.to_lowercase().as_str())
}

/// [`WROTE`], ready to be sought.
static VERBS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| WROTE.iter().map(|verb| Finder::new(*verb)).collect());

/// "On … wrote:", or a date and an address in front of a colon.
fn is_attribution(joined: &str) -> bool {
    if joined.len() < 10 || !joined.bytes().any(|b| b.is_ascii_digit()) && !joined.contains('@') && !starts_quoted(joined) {
        return false;
    }
    let line = joined.trim_start_matches(['>', '-', ' ', '*', '\u{a0}']).trim_end_matches(['-', ' ', '*', '\u{a0}']);
    let lower = line.to_lowercase();
    let ends = lower.ends_with(':');
    let words = lower.trim_end_matches([':', ' ', '\u{a0}']);
    let dated = is_dated(&lower);
    let has_address = lower.contains('@');
    let opens = OPENERS.iter().any(|o| lower.starts_with(o));
    for verb in WROTE {
        let last = words.strip_suffix(verb).is_some_and(|before| before.ends_with([' ', '>', ')', '"', '\u{a0}', ',']));
        if last && (opens && (dated || has_address || ends) || ends && (dated && has_address)) {
            return true;
        }
    }
    // "Am 13.12.2017 schrieb Ana <ana@x>:", "skrev Ana:", "Ana kirjutas kuupäeval …:"
    let may_hold_verb = ends && dated && (has_address || opens);
    if may_hold_verb && VERBS.iter().any(|verb| verb.find(words.as_bytes()).is_some_and(|at| is_word(words, at, verb.needle().len()))) {
        return true;
    }
    // "2017-11-24 16:32 GMT+01:00 Ana <ana@x>:"
    ends && has_address && is_dated_fully(&lower) && words.ends_with(['>', ')']) && words.len() <= 250
}

/// `On Tue, Help Desk wrote:` has no digit, but the opener of an attribution.
fn starts_quoted(joined: &str) -> bool {
    let lower = joined.get(..12).unwrap_or(joined).to_lowercase();
    ["on mon", "on tue", "on wed", "on thu", "on fri", "on sat", "on sun"].iter().any(|o| lower.starts_with(o))
}

fn is_word(text: &str, at: usize, len: usize) -> bool {
    let before = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    let behind = text[at + len..].chars().next().is_none_or(|c| !c.is_alphanumeric());
    before && behind
}

/// Holds a year or a time of day.
fn is_dated(lower: &str) -> bool {
    has_year(lower) || has_time(lower)
}

/// Holds a year and a time of day.
fn is_dated_fully(lower: &str) -> bool {
    has_year(lower) && has_time(lower)
}

fn has_year(text: &str) -> bool {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers.any(|n| n.len() == 4 && (n.starts_with("19") || n.starts_with("20"))) || text.split_whitespace().any(is_short_date)
}

/// `01/03/11`, `23.06.24`
fn is_short_date(word: &str) -> bool {
    let word = word.trim_matches([',', '(', ')']);
    word.len() <= 10
        && word.split(['/', '.', '-']).filter(|n| !n.is_empty() && n.len() <= 4 && n.bytes().all(|b| b.is_ascii_digit())).count() == 3
}

fn has_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(4).any(|w| w[0].is_ascii_digit() && matches!(w[1], b':' | b'.' | b'h') && w[2].is_ascii_digit() && w[3].is_ascii_digit())
}

/// "PS: one thing more" is no signature.
fn is_postscript(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| *c != '.' && *c != ' ').take(3).collect::<String>().to_lowercase();
    letters.starts_with("ps") && !letters.chars().nth(2).is_some_and(char::is_alphabetic)
}

/// "Kind regards," in a line of its own.
fn is_closing(text: &str) -> bool {
    const OCTETS_MAX: usize = 60;
    static BEGINS: LazyLock<Begins> = LazyLock::new(|| Begins::of(&CLOSINGS));
    text.len() <= OCTETS_MAX && BEGINS.may_fit(text) && CLOSINGS.contains(&text.trim_end_matches([',', '.', '!']).to_lowercase().as_str())
}

/// Of lines that end with another word of it.
const MEINEM: &str = "von meinem";

/// "Sent from my …" in a line of its own.
fn is_sent_from(text: &str) -> bool {
    const OCTETS_MAX: usize = 120;
    static BEGINS: LazyLock<Begins> = LazyLock::new(|| Begins::of(&SENT_FROM).and(&SENT_FROM_MORE).and(&[MEINEM]));
    let text = text.trim_start_matches(['*', '_', '-', '—', '[', '(', ' ']);
    if text.is_empty() || text.len() > OCTETS_MAX || !BEGINS.may_fit(text) {
        return false;
    }
    // One short sentence: a longer one says something.
    if text.split_whitespace().nth(8).is_some() || text.contains("? ") {
        return false;
    }
    let lower = text.to_lowercase();
    SENT_FROM.iter().chain(&SENT_FROM_MORE).any(|p| lower.starts_with(p)) || lower.ends_with("gesendet") && lower.starts_with(MEINEM)
}

#[cfg(test)]
mod tests;
