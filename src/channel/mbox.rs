//! mbox, the format of RFC 4155 and its dialects: mails in one file, each behind a line `From …`.
//!
//! Pure: lines in, mails out. A file of any size passes through with one mail in memory, and of that no more than the
//! limit.

/// A line is given in pieces of at most so many octets; a separator is far shorter.
pub const PIECE_OCTETS_MAX: usize = 64 * 1024;

/// One mail out of an mbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub raw: Vec<u8>,
    /// It was larger than the limit: `raw` is its start, and this its whole size in octets.
    pub cut: Option<u64>,
}

/// Puts mails together from the lines of a file.
#[derive(Debug)]
pub struct Splitter {
    octets_max: u64,
    cut_octets: u64,
    /// The mail at which we are; `None` before the first separator.
    part: Option<Part>,
    octets: u64,
    /// An empty line that belongs to the mail only if the mail goes on: writers put one before each separator.
    held: Vec<u8>,
    /// The next piece begins a line.
    at_line_start: bool,
}

impl Splitter {
    /// Of a mail larger than `octets_max` only the first `cut_octets` are given.
    #[must_use]
    pub const fn new(octets_max: u64, cut_octets: u64) -> Self {
        Self { octets_max, cut_octets, part: None, octets: 0, held: Vec::new(), at_line_start: true }
    }

    /// Takes a line with its end, or a piece of one that is too long, and gives the mail that it ends.
    pub fn take(&mut self, piece: &[u8]) -> Option<Part> {
        let begins = std::mem::replace(&mut self.at_line_start, piece.ends_with(b"\n"));
        if !begins {
            self.add(piece);
            return None;
        }
        let after_gap = self.part.is_none() || !self.held.is_empty();
        if is_separator(piece, after_gap) {
            let done = self.finish();
            self.part = Some(Part::default());
            return done;
        }
        let held = std::mem::take(&mut self.held);
        self.add(&held);
        if matches!(piece, b"\n" | b"\r\n") {
            self.held = piece.to_vec();
        } else {
            self.add(unescaped(piece));
        }
        None
    }

    /// Whether what was taken last is the separator that a mail begins with.
    #[must_use]
    pub fn has_just_begun(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.raw.is_empty()) && self.octets == 0 && self.held.is_empty()
    }

    /// The last mail.
    pub fn finish(&mut self) -> Option<Part> {
        self.held.clear();
        let whole = std::mem::take(&mut self.octets);
        let mut part = self.part.take()?;
        if whole > self.octets_max {
            part.raw.truncate(usize::try_from(self.cut_octets.min(self.octets_max)).unwrap_or(usize::MAX));
            part.cut = Some(whole);
        }
        // Two separators in a row: some writers leave such behind when a mail is deleted.
        (!part.raw.is_empty()).then_some(part)
    }

    fn add(&mut self, octets: &[u8]) {
        let Some(part) = &mut self.part else { return };
        let room = usize::try_from(self.octets_max.saturating_sub(self.octets)).unwrap_or(usize::MAX);
        part.raw.extend_from_slice(&octets[..octets.len().min(room)]);
        self.octets += octets.len() as u64;
    }
}

/// Whether a file of this beginning is an mbox.
#[must_use]
pub fn is_mbox(beginning: &[u8]) -> bool {
    let first = beginning.split_inclusive(|&b| b == b'\n').find(|line| !line.trim_ascii().is_empty());
    first.is_some_and(|line| is_separator(line, true))
}

/// `From sender date`. Not every writer escapes a text's own `From `, not every one puts an empty line before the
/// separator, and some leave out sender or date. A mail that is split stays readable, one that is swallowed by the mail
/// before it is lost: so behind an empty line anything like a postmark counts, elsewhere only one with a time of day.
fn is_separator(line: &[u8], after_gap: bool) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    if rest.windows(5).take(200).any(is_time) {
        return true;
    }
    let sender = rest.trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
    after_gap && (sender.is_empty() || sender == b"-" || sender.contains(&b'@') || sender == b"MAILER-DAEMON")
}

/// `hh:mm`.
fn is_time(window: &[u8]) -> bool {
    matches!(window, [a, b, b':', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
}

/// `>From ` is `From `, and each further `>` stood there before (mboxrd); mboxo wrote no others.
fn unescaped(line: &[u8]) -> &[u8] {
    let marks = line.iter().take_while(|&&b| b == b'>').count();
    if marks > 0 && line[marks..].starts_with(b"From ") { &line[1..] } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POSTMARK: &str = "From kai@x.example Thu Jan  1 00:00:00 2026\n";

    fn split_in(text: &[u8], octets_max: u64, piece_max: usize) -> Vec<Part> {
        let mut splitter = Splitter::new(octets_max, 10);
        let lines = text.split_inclusive(|&b| b == b'\n').flat_map(|line| line.chunks(piece_max));
        let mut parts: Vec<Part> = lines.filter_map(|line| splitter.take(line)).collect();
        parts.extend(splitter.finish());
        parts
    }

    fn split(text: &str) -> Vec<String> {
        let parts = split_in(text.as_bytes(), u64::MAX, PIECE_OCTETS_MAX);
        parts.into_iter().map(|part| String::from_utf8(part.raw).unwrap()).collect()
    }

    #[test]
    fn mails_are_told_apart() {
        #[rustfmt::skip]
        let cases: [(&str, &[&str], &str); 16] = [
            ("", &[], "nothing"),
            ("From a@b Thu Jan 1 00:00:00 2026\nA: 1\n\nx\n\n", &["A: 1\n\nx\n"], "the gap at the end is no part of the mail"),
            ("From a@b Thu Jan 1 00:00:00 2026\nA: 1\n\nx", &["A: 1\n\nx"], "a file cut in its last line"),
            ("From a@b 00:00 x\nA: 1\n\nx\n\nFrom c@d 00:01 x\nB: 2\n\ny\n", &["A: 1\n\nx\n", "B: 2\n\ny\n"], "two"),
            ("From a@b 00:00 x\r\nA: 1\r\n\r\nx\r\n\r\nFrom c@d 00:01 x\r\nB: 2\r\n", &["A: 1\r\n\r\nx\r\n", "B: 2\r\n"], "CRLF"),
            ("From a@b 00:00 x\nA: 1\n\nx\nFrom c@d 00:01 x\nB: 2\n", &["A: 1\n\nx\n", "B: 2\n"], "no gap, but a time"),
            ("From a@b 00:00 x\nA: 1\n\nx\nFrom c@d\nB: 2\n", &["A: 1\n\nx\nFrom c@d\nB: 2\n"], "no gap and no time: text"),
            ("From a@b 00:00 x\nA: 1\n\nx\n\nFrom c@d\nB: 2\n", &["A: 1\n\nx\n", "B: 2\n"], "a gap and no date"),
            ("From \nA: 1\n\nx\n\nFrom - \nB: 2\n", &["A: 1\n\nx\n", "B: 2\n"], "no sender, as some clients write it"),
            ("From a@b 00:00 x\nA: 1\n\n\nFrom here on\n", &["A: 1\n\n\nFrom here on\n"], "a sentence that nobody escaped"),
            ("From a@b 00:00 x\nA: 1\n\n>From here on\n", &["A: 1\n\nFrom here on\n"], "one level is taken off"),
            ("From a@b 00:00 x\nA: 1\n\n>>From here\n>Fromage\n", &["A: 1\n\n>From here\n>Fromage\n"], "and only one, and only there"),
            ("From a@b 00:00 x\nA: 1\n\nx\n\n\n\nFrom c@d 00:01\nB: 2\n", &["A: 1\n\nx\n\n\n", "B: 2\n"], "of three empty lines two are the mail's"),
            ("From a@b 00:00 x\n\nFrom c@d 00:01\nB: 2\n", &["B: 2\n"], "a mail without a line is none"),
            ("\n\nFrom a@b 00:00 x\nA: 1\n", &["A: 1\n"], "empty lines before the first"),
            ("From a@b 00:00 x\nFrom: a@b at 00:00\n\nx\n", &["From: a@b at 00:00\n\nx\n"], "the header is no separator"),
        ];
        for (text, expected, why) in cases {
            assert_eq!(split(text), expected, "{why}");
        }
    }

    #[test]
    fn an_mbox_is_known_by_its_beginning() {
        for (text, expected, why) in [
            ("From a@b Thu Jan  1 00:00:00 2026\n", true, "a separator"),
            ("\n\nFrom - Thu Jan  1 00:00:00 2026\r\n", true, "behind empty lines"),
            ("From: a@b\n", false, "a header"),
            ("Subject: x\n\nFrom a@b 00:00\n", false, "later"),
            ("", false, "nothing"),
        ] {
            assert_eq!(is_mbox(text.as_bytes()), expected, "{why}");
        }
    }

    #[test]
    fn p11_a_mail_over_the_limit_is_cut_and_the_next_is_whole() {
        let text = format!("{POSTMARK}{}\n\n{POSTMARK}B: 2\n", "x".repeat(1000));
        let parts = split_in(text.as_bytes(), 100, 64);
        assert_eq!(parts[0], Part { raw: b"xxxxxxxxxx".to_vec(), cut: Some(1001) });
        assert_eq!(parts[1], Part { raw: b"B: 2\n".to_vec(), cut: None });
    }

    /// As mboxrd writes it.
    fn written(mails: &[String]) -> String {
        let mut all = String::new();
        for mail in mails {
            all.push_str(POSTMARK);
            for line in mail.split_inclusive('\n') {
                if line.trim_start_matches('>').starts_with("From ") {
                    all.push('>');
                }
                all.push_str(line);
            }
            all.push('\n');
        }
        all
    }

    proptest! {
        #[test]
        fn what_was_joined_comes_apart_again(mails in proptest::collection::vec("((>{0,2}From )?[a-z @:0-9>]{0,12}\r?\n){1,9}", 0..6)) {
            prop_assert_eq!(split(&written(&mails)), mails);
        }

        #[test]
        fn whatever_comes_no_mail_is_over_the_limit(text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'F'), any::<u8>()], 0..500)) {
            let text = [POSTMARK.as_bytes(), &text].concat();
            for part in split_in(&text, 50, 64) {
                prop_assert!(part.raw.len() <= 50 && !part.raw.is_empty());
                prop_assert!(part.cut.is_none_or(|whole| whole > 50 && part.raw.len() == 10));
            }
        }
    }
}
