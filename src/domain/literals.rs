//! What a regular expression cannot do without: letters of which some stand in every text that it matches.
//!
//! They are letters as [`words`](super::words) folds them. Folding takes each character by itself, whatever stands around it,
//! but for white space, of which it leaves one, and for accents, which it may leave out; so what stands side by side in a text
//! and is neither still does when both are folded.

use super::words::{is_accent, letter_of};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};
use std::collections::BTreeSet;

/// Texts that one piece of an expression may be.
const EXACT_MAX: usize = 16;
/// Texts of which one is needed.
const NEEDED_MAX: usize = 64;
/// Octets of such a text, from which on a new one begins.
const OCTETS_MAX: usize = 24;
/// Octets below which a text stands nearly everywhere.
const OCTETS_MIN: usize = 3;

/// An expression, read as [`super::rule::Pattern`] reads it.
pub(super) fn read(written: &str) -> Option<Hir> {
    ParserBuilder::new().case_insensitive(true).build().parse(written).ok()
}

/// Texts of which at least one stands, folded, in every folded text that the expression matches; `None` if there are no such,
/// or none that would tell much.
pub(super) fn needed(expression: &Hir) -> Option<Vec<String>> {
    Piece::of(expression).needed()
}

/// An expression without borders of words, to be read with its cases as they are: it matches wherever the whole one does, and no
/// character keeps it from being sought the fast way.
pub(super) fn loosened(written: &str, expression: &Hir) -> String {
    let loose = without_borders(expression);
    let printed = loose.to_string();
    // Not all that can be read is printed so that it can be read again: a repetition of a repetition is not.
    if ParserBuilder::new().build().parse(&printed).is_ok_and(|again| again == loose) { printed } else { format!("(?i){written}") }
}

fn without_borders(expression: &Hir) -> Hir {
    let all = |pieces: &[Hir]| pieces.iter().map(without_borders).collect();
    match expression.kind() {
        HirKind::Look(look) if !is_anchor(*look) => Hir::empty(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => expression.clone(),
        HirKind::Repetition(repeated) => Hir::repetition(repeated.with(without_borders(&repeated.sub))),
        HirKind::Capture(capture) => without_borders(&capture.sub),
        HirKind::Concat(pieces) => Hir::concat(all(pieces)),
        HirKind::Alternation(pieces) => Hir::alternation(all(pieces)),
    }
}

const fn is_anchor(look: Look) -> bool {
    matches!(look, Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF)
}

/// What is known of a piece of an expression.
#[derive(Clone)]
enum Piece {
    /// It matches these and nothing else.
    Exact(Vec<String>),
    /// Whatever it matches has one of these, if any are known.
    Needs(Option<Vec<String>>),
}

impl Piece {
    fn of(expression: &Hir) -> Self {
        match expression.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::Exact(vec![String::new()]),
            HirKind::Literal(literal) => {
                let mut row = Row::default();
                for c in String::from_utf8_lossy(&literal.0).chars() {
                    row.add(letter(c).map_or(Self::Needs(None), |letter| Self::Exact(vec![letter.to_string()])));
                }
                row.close()
            }
            HirKind::Class(Class::Unicode(class)) => Self::of_class(class),
            HirKind::Class(Class::Bytes(class)) => class.to_unicode_class().map_or(Self::Needs(None), |class| Self::of_class(&class)),
            HirKind::Repetition(repeated) => {
                let once = Self::of(&repeated.sub);
                match (repeated.min, repeated.max, once) {
                    (0, Some(1), Self::Exact(mut texts)) if texts.len() < EXACT_MAX => {
                        texts.push(String::new());
                        Self::Exact(texts)
                    }
                    (0, ..) => Self::Needs(None),
                    (least, most, once) => {
                        let mut row = Row::default();
                        let times = (0..least).take(OCTETS_MAX);
                        times.for_each(|_| row.add(once.clone()));
                        let row = row.close();
                        if most == Some(least) && least as usize <= OCTETS_MAX { row } else { Self::Needs(row.needed()) }
                    }
                }
            }
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Concat(pieces) => {
                let mut row = Row::default();
                for piece in pieces {
                    row.add(Self::of(piece));
                }
                row.close()
            }
            HirKind::Alternation(pieces) => Self::one_of(pieces.iter().map(Self::of).collect()),
        }
    }

    fn of_class(class: &ClassUnicode) -> Self {
        const CHARS_MAX: usize = 64;
        if class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum::<usize>() > CHARS_MAX {
            return Self::Needs(None);
        }
        let chars = class.iter().flat_map(|range| range.start()..=range.end());
        match chars.map(letter).collect::<Option<BTreeSet<char>>>() {
            Some(letters) if (1..=EXACT_MAX).contains(&letters.len()) => Self::Exact(letters.iter().map(char::to_string).collect()),
            Some(_) | None => Self::Needs(None),
        }
    }

    fn one_of(pieces: Vec<Self>) -> Self {
        let exact = |piece: &Self| if let Self::Exact(texts) = piece { Some(texts.len()) } else { None };
        let together = pieces.iter().map(exact).sum::<Option<usize>>();
        if together.is_some_and(|together| together <= EXACT_MAX) {
            let texts = |piece| if let Self::Exact(texts) = piece { texts } else { Vec::new() };
            return Self::Exact(pieces.into_iter().flat_map(texts).collect());
        }
        let needed: Option<Vec<Vec<String>>> = pieces.into_iter().map(Self::needed).collect();
        Self::Needs(needed.map(|needed| needed.concat()).filter(|needed| needed.len() <= NEEDED_MAX))
    }

    fn needed(self) -> Option<Vec<String>> {
        match self {
            Self::Exact(texts) => Some(fewest(texts)).filter(|texts| tells(texts) >= OCTETS_MIN),
            Self::Needs(needed) => needed,
        }
    }
}

/// Pieces one behind the other.
struct Row {
    /// What the pieces since the last that is not exact are.
    open: Vec<String>,
    is_all: bool,
    best: Option<Vec<String>>,
}

impl Default for Row {
    fn default() -> Self {
        Self { open: vec![String::new()], is_all: true, best: None }
    }
}

impl Row {
    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Exact(texts) => {
                let octets = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or_default();
                if self.open.len() * texts.len() > EXACT_MAX || octets(&self.open) + octets(&texts) > OCTETS_MAX {
                    self.cut();
                }
                self.open = self.open.iter().flat_map(|before| texts.iter().map(move |text| joined(before, text))).collect();
            }
            Piece::Needs(needed) => {
                self.cut();
                self.consider(needed);
            }
        }
    }

    /// What follows does not stand right behind what came.
    fn cut(&mut self) {
        self.is_all = false;
        let texts = std::mem::replace(&mut self.open, vec![String::new()]);
        self.consider(Piece::Exact(texts).needed());
    }

    /// The longer the shortest text is, the more it tells; and the fewer they are.
    fn consider(&mut self, needed: Option<Vec<String>>) {
        /// Letters beyond which a text is seldom enough.
        const ENOUGH: usize = 8;
        let rank = |texts: &Vec<String>| (tells(texts).min(ENOUGH), usize::MAX - texts.len());
        if let Some(needed) = needed
            && self.best.as_ref().is_none_or(|best| rank(best) < rank(&needed))
        {
            self.best = Some(needed);
        }
    }

    fn close(mut self) -> Piece {
        if self.is_all {
            return Piece::Exact(self.open);
        }
        self.cut();
        Piece::Needs(self.best)
    }
}

/// Without those in which another stands.
fn fewest(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable_by_key(String::len);
    let mut fewest: Vec<String> = Vec::new();
    for text in texts {
        if !fewest.iter().any(|other| text.contains(other.as_str())) {
            fewest.push(text);
        }
    }
    fewest
}

/// Octets of the shortest.
fn tells(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or_default()
}

/// The letter of a character in a folded text; `None` if it may be left out there.
fn letter(c: char) -> Option<char> {
    if c.is_whitespace() { Some(' ') } else { letter_of(c).filter(|_| !is_accent(c)) }
}

/// White space runs together.
fn joined(before: &str, behind: &str) -> String {
    let behind = if before.ends_with(' ') { behind.strip_prefix(' ').unwrap_or(behind) } else { behind };
    format!("{before}{behind}")
}

#[cfg(test)]
mod tests {
    use super::super::words::Searched;
    use super::*;
    use proptest::prelude::*;
    use regex::RegexBuilder;

    #[test]
    fn what_an_expression_needs_is_found() {
        for (written, expect, why) in [
            (r"\bfatura nº? ?\d{4,8}", Some(vec!["fatura n"]), "up to what may be left out"),
            ("Orçamento", Some(vec!["orcamento"]), "folded"),
            ("(invoice|bill|receipt) [0-9]+", Some(vec!["bill ", "invoice ", "receipt "]), "one of them"),
            ("gr[ae]y", Some(vec!["gray", "grey"]), "both letters"),
            (r"\d+", None, "no letters"),
            ("(a|bcd)", None, "a letter alone stands everywhere"),
            ("(invoice)?", None, "may be left out"),
            ("(invoice){2,3}", Some(vec!["invoiceinvoice"]), "at least twice"),
            (r"to\s+pay the", Some(vec!["pay the"]), "the longest"),
            ("(?-i)ABC", Some(vec!["abc"]), "found in a folded text, whatever it says of case"),
            ("x{200}", Some(vec!["xxxxxxxxxxxxxxxxxxxxxxxx"]), "bounded"),
            ("發票", Some(vec!["發票"]), "any script"),
            ("a\u{301}bcd", Some(vec!["bcd"]), "an accent may be left out of a text"),
            ("ab  \n cd", Some(vec!["ab cd"]), "white space runs together"),
        ] {
            let mut found = needed(&read(written).unwrap());
            if let Some(texts) = &mut found {
                texts.sort();
            }
            assert_eq!(
                found.as_deref(),
                expect.as_ref().map(|e| e.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{written}: {why}"
            );
        }
    }

    /// Expressions of every kind, some of them wrong.
    fn written() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a", "b", "K", "é", "e\u{301}", "ς", "Σ", " ", r"\s", "ß", "א", "\u{5be}", "発", "カ", "+?", ".", r"\b", r"\d", "[ab]",
            "[aáb]", "(?-i:A)", "^", "$", "İ",
        ]);
        let piece = prop::collection::vec(atom, 1..6).prop_map(|atoms| atoms.concat());
        piece.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(|pieces| format!("(?:{})", pieces.join("|"))),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|pieces| pieces.concat()),
                (inner.clone(), prop::sample::select(vec!["?", "*", "+", "{2}", "{1,3}"]))
                    .prop_map(|(piece, times)| format!("(?:{piece}){times}")),
                inner.prop_map(|piece| format!("({piece})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn whatever_an_expression_matches_has_what_it_needs(
            written in written(),
            text in "[aábkK\u{212a}eéςσΣ\u{301}\u{345} \n\u{a0}ßא\u{5be}発カ+İi1-]{0,24}",
        ) {
            if let (Ok(regex), Some(read)) = (RegexBuilder::new(&written).case_insensitive(true).build(), read(&written))
                && regex.is_match(&text)
            {
                let searched = Searched::new(&text);
                let folded = searched.folded();
                if let Some(texts) = needed(&read) {
                    prop_assert!(texts.iter().any(|t| folded.contains(t.as_str())), "{} in {:?} needs {:?}", written, folded, texts);
                }
                let loose = regex::Regex::new(&loosened(&written, &read)).unwrap();
                prop_assert!(loose.is_match(&text), "{} is wider than {}", loose, written);
            }
        }
    }
}
