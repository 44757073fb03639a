//! Comparison with the message that is answered: some programs put it below a reply, or around it, and mark nothing.
//!
//! A line is quoted if all of its words stand in the other text too, within a run that is too long to be chance. Lines may be
//! wrapped anew, and marks and blanks differ: runs of words are compared ([`overlap`]), each text is read once. What the writer
//! says himself stays, even if it says the same in few words. Nothing is deleted.

use crate::domain::message::{Body, Span, SpanKind};
use crate::domain::overlap::{self, Runs, Word};
use std::collections::HashSet;
use std::ops::Range;

/// Words in a row by which texts are compared.
const RUN: usize = 5;
/// How long a run has to be in a customer's text: his own words are kept in doubt.
const CUSTOMER_RUN_MIN: usize = 12;
/// The same in an agent's.
const AGENT_RUN_MIN: usize = 8;

/// Fewer octets of new text cannot hold a run that counts: the message that is answered need not be looked up.
pub const COMPARED_OCTETS_MIN: usize = 40;

/// What is new in a reply, now that the texts of the message that it answers are known; `None` if that changes nothing.
#[must_use]
pub fn compared(body: &Body, answered: &[&str], by_agent: bool) -> Option<Vec<Span>> {
    let mut known = Runs::none(RUN);
    let mut run_min = if by_agent { AGENT_RUN_MIN } else { CUSTOMER_RUN_MIN };
    for words in answered.iter().map(|text| overlap::words(text)).filter(|words| words.len() >= RUN) {
        known.add(&words);
        // All of a short text is enough.
        run_min = run_min.min(words.len());
    }
    if known.is_empty() || body.text.len() < COMPARED_OCTETS_MIN {
        return None;
    }
    let marks: HashSet<&str> = answered.iter().flat_map(|text| wordless(text)).collect();
    let text = body.text.as_str();
    let lines: Vec<_> = body.spans.iter().flat_map(|span| lines(text, span)).collect();
    let is_open = |kind: SpanKind| matches!(kind, SpanKind::New | SpanKind::Signature);
    let repeated = repeated(text, &lines, &known, run_min, &marks);
    let mut kinds: Vec<SpanKind> = lines.iter().map(|(_, kind)| *kind).collect();
    let mut has_changed = false;
    for (kind, _) in kinds.iter_mut().zip(&repeated).filter(|(kind, is)| is_open(**kind) && **is) {
        *kind = SpanKind::Quoted;
        has_changed = true;
    }
    // What looked like a signature was the end of the message that is answered; below it somebody goes on.
    for at in 1..kinds.len() {
        let was_signature = |at: usize| lines[at].1 == SpanKind::Signature;
        let goes_on = was_signature(at - 1) && matches!(kinds[at - 1], SpanKind::Quoted | SpanKind::New);
        if was_signature(at) && kinds[at] == SpanKind::Signature && goes_on {
            kinds[at] = SpanKind::New;
        }
    }
    let mut spans: Vec<Span> = Vec::with_capacity(body.spans.len() + 2);
    for ((range, _), kind) in lines.iter().zip(kinds) {
        push(&mut spans, kind, range);
    }
    let says = |spans: &[Span]| {
        let new = |s: &&Span| s.kind == SpanKind::New;
        spans.iter().filter(new).any(|s| text.get(s.start as usize..s.end as usize).is_some_and(|t| !t.trim().is_empty()))
    };
    // Who repeats everything and adds nothing wants it to be read; an agent has forgotten to write.
    (has_changed && (by_agent || says(&spans))).then_some(spans)
}

fn push(spans: &mut Vec<Span>, kind: SpanKind, range: &Range<usize>) {
    let octet = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    match spans.last_mut() {
        Some(last) if last.kind == kind && last.end == octet(range.start) => last.end = octet(range.end),
        Some(_) | None => spans.push(Span { kind, start: octet(range.start), end: octet(range.end) }),
    }
}

/// The lines of a span, with its kind.
fn lines<'t>(text: &'t str, span: &Span) -> impl Iterator<Item = (Range<usize>, SpanKind)> + use<'t> {
    let (mut start, end, kind) = (span.start as usize, span.end as usize, span.kind);
    text.get(start..end).unwrap_or_default().split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        (range, kind)
    })
}

/// Which lines are repeated.
fn repeated(text: &str, lines: &[(Range<usize>, SpanKind)], known: &Runs, run_min: usize, marks: &HashSet<&str>) -> Vec<bool> {
    let words = overlap::words(text);
    let mut repeated = known.cover(&words);
    let short: Vec<_> = overlap::stretches(&repeated).filter(|run| run.len() < run_min).collect();
    for run in short {
        repeated[run].fill(false);
    }
    // Of each line with words, whether all of them are repeated; `None` for a line without.
    let mut at = 0;
    let mut said: Vec<Option<bool>> = Vec::with_capacity(lines.len());
    for (line, _) in lines {
        let end = at + words[at..].iter().take_while(|word: &&Word| word.start < line.end).count();
        said.push((end > at).then(|| repeated[at..end].iter().all(|is| *is)));
        at = end;
    }
    let mut all: Vec<bool> = said.iter().map(|said| *said == Some(true)).collect();
    join(text, lines, &said, marks, &mut all);
    all
}

/// Lines without a word belong to the quotation around them: empty ones, and rules and marks that stand in the other text, too.
fn join(text: &str, lines: &[(Range<usize>, SpanKind)], said: &[Option<bool>], marks: &HashSet<&str>, all: &mut [bool]) {
    let mut at = 0;
    while at < lines.len() {
        if said[at].is_some() {
            at += 1;
            continue;
        }
        let end = (at..lines.len()).find(|i| said[*i].is_some()).unwrap_or(lines.len());
        let (above, below) = (at.checked_sub(1).and_then(|i| said[i]), said.get(end).copied().flatten());
        let is_within = above == Some(true) && below != Some(false) || above.is_none() && below == Some(true);
        let is_repeated = lines[at..end].iter().all(|(line, _)| {
            let text = text.get(line.clone()).unwrap_or_default();
            text.split_whitespace().all(|mark| is_quote_mark(mark) || marks.contains(mark))
        });
        if is_within && is_repeated {
            all[at..end].fill(true);
        }
        at = end;
    }
}

/// What stands between blanks and has neither letter nor digit.
fn wordless(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|piece| !piece.chars().any(char::is_alphanumeric))
}

fn is_quote_mark(piece: &str) -> bool {
    piece.chars().all(|c| matches!(c, '>' | '|'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::visible::{agent_spans, spans};
    use proptest::prelude::*;

    const ANSWER: &str = "Dear João,\n\nplease turn the oven off, wait for ten minutes and turn it on again. If the red lamp still \
                          blinks then, send us a picture of the plate on its back.\n\n***\n\nKind regards\nAna Silva\nAcme Support\n";

    fn new_of(text: &str, answered: &str, by_agent: bool) -> String {
        let mut body = Body { spans: if by_agent { agent_spans(text) } else { spans(text) }, text: text.to_owned(), kept: None };
        if let Some(spans) = compared(&body, &[answered], by_agent) {
            let mut at = 0;
            for span in &spans {
                assert_eq!(span.start, at, "they follow one another");
                at = span.end;
            }
            assert_eq!(at as usize, text.len(), "and cover all");
            body.spans = spans;
        }
        body.new_text()
    }

    #[test]
    fn what_is_answered_is_quoted_without_any_mark() {
        let wrapped = "Dear João, please turn the\noven off, wait for ten minutes and\nturn it on again. If the red lamp\nstill blinks then, send us a \
                       picture of the plate\non its back. ***\nKind regards Ana Silva Acme\nSupport";
        for (text, new, why) in [
            (format!("It blinks.\n\n{ANSWER}"), "It blinks.", "pasted below"),
            (format!("{ANSWER}\nIt blinks."), "It blinks.", "pasted above"),
            (format!("It blinks.\n\n{wrapped}"), "It blinks.", "wrapped anew"),
            (format!("It blinks.\n{}", ANSWER.replace(' ', "\u{a0} ")), "It blinks.", "other blanks"),
            (format!("It blinks.\n{}", ANSWER.replace("ten", "*ten*").to_uppercase()), "It blinks.", "other looks"),
            (format!("It blinks.\n{}", ANSWER.replace('\n', "\n  | ")), "It blinks.", "a bar of another program"),
            (
                "> x\nplease turn the oven off, wait for ten minutes and turn it on again.\nDid that.\n\nIf the red lamp still blinks then, send us a \
                 picture of the plate on its back.\nHere it is.\n"
                    .to_owned(),
                "Did that.\n\nHere it is.",
                "answers between its lines",
            ),
        ] {
            assert_eq!(new_of(&text, ANSWER, false), new, "{why}");
        }
    }

    #[test]
    fn what_the_writer_says_himself_stays() {
        for (text, answered, new, why) in [
            ("Yes\n\nThanks\n", "Shall we?\nYes\nThanks\n", "Yes\n\nThanks", "short words that stand there, too"),
            ("Kind regards\nAna Silva\n", ANSWER, "Kind regards\nAna Silva", "her name"),
            (
                "I did turn the oven off and waited. It blinks.\n",
                ANSWER,
                "I did turn the oven off and waited. It blinks.",
                "a few words of it in a sentence",
            ),
            (
                "You wrote: please turn the oven off, wait for ten minutes and turn it on again. But how?\n",
                ANSWER,
                "You wrote: please turn the oven off, wait for ten minutes and turn it on again. But how?",
                "in a line of his own",
            ),
            ("wait for ten minutes and turn it on again\n", ANSWER, "wait for ten minutes and turn it on again", "fewer words than count"),
            (ANSWER, ANSWER, ANSWER.split("\n\nKind").next().unwrap(), "nothing but it: he wants it to be read"),
            (
                "Please send the number of the order and your name and address.\n",
                "",
                "Please send the number of the order and your name and address.",
                "nothing known",
            ),
        ] {
            assert_eq!(new_of(text, answered, false), new, "{why}");
        }
        let form = "Name:\nAddress:\nNumber of the order:\nDay on which it came:\nWhat is wrong with it:\nShall we send another one:\n";
        let filled = form.replace(":\n", ": seven\n");
        assert_eq!(new_of(&filled, form, false), filled.trim_end(), "a form that was filled in");
    }

    #[test]
    fn p7_an_agents_is_cut_in_doubt() {
        let line = "wait for ten minutes and turn it on again\n";
        assert_eq!(new_of(&format!("Done.\n{line}"), ANSWER, true), "Done.", "fewer words are enough");
        assert_eq!(new_of(ANSWER, ANSWER, true), "", "nothing new is nothing new");
    }

    /// Words that no other generator here makes.
    fn sentence(letters: &'static str, min: usize, max: usize) -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(proptest::string::string_regex(&format!("[{letters}]{{1,9}}[.,!?]?")).unwrap(), min..max)
    }

    proptest! {
        /// New text above, the answered text below in any wrapping.
        #[test]
        fn new_text_is_kept_exactly_and_what_is_pasted_is_quoted(
            new in sentence("a-m", 1, 40),
            old in sentence("n-z", 12, 80),
            new_breaks in proptest::collection::vec(0..6_usize, 40),
            old_breaks in proptest::collection::vec(0..6_usize, 80),
            by_agent in any::<bool>(),
        ) {
            let wrap = |words: &[String], breaks: &[usize]| {
                let mut text = String::new();
                for (word, gap) in words.iter().zip(breaks) {
                    text.push_str(word);
                    text.push_str(["  ", " ", " ", "\n", "\t", "\u{a0}\n"][*gap]);
                }
                text
            };
            let (above, below) = (wrap(&new, &new_breaks), wrap(&old, &old_breaks));
            let text = format!("{above}\n{below}\n");
            let mut body = Body::all_new(text.clone());
            body.spans = compared(&body, &[&old.join(" ")], by_agent).unwrap();
            let kept = body.new_text();
            prop_assert_eq!(kept.trim_end(), above.trim_end());
            let quoted = body.of(SpanKind::Quoted);
            prop_assert_eq!(quoted.split_whitespace().collect::<Vec<_>>(), old.iter().map(String::as_str).collect::<Vec<_>>());
            let all: String = body.spans.iter().map(|s| &text[s.start as usize..s.end as usize]).collect();
            prop_assert_eq!(all, text, "nothing is deleted");
        }

        #[test]
        fn any_texts_are_compared(text in "(a|b|c|>| |\n|é|-){0,80}", answered in "(a|b|c|>| |\n|-){0,80}", by_agent in any::<bool>()) {
            new_of(&text, &answered, by_agent);
        }
    }
}
