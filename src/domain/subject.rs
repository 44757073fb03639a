//! The subject of a mail: what mail programs put before it, and our own tag behind it.
//!
//! Both are written by anybody. A tag proves nothing; whoever reads one asks who wrote it (P7).

use super::message::TicketNumber;
use super::ticket::Ticket;

/// How many tags of one subject are looked at.
pub const TAGS_MAX: usize = 4;
/// Tags with more digits are none: there will not be so many tickets.
const DIGITS_MAX: usize = 18;

/// Marks of replies and forwards in the languages of mail programs, lower case.
const MARKS: [&str; 92] = [
    // English and what all understand; "re" and "fw" are also those of many others
    "re",
    "fw",
    "fwd",
    "forward", //
    // German, Dutch
    "aw",
    "antwort",
    "wg",
    "antw",
    "doorst",
    "vb", //
    // Nordic, Icelandic: SV and VS (svar, vastaus, videresendt), VB and VL (vidarebefordrat, välitetty), FS (framsent)
    "sv",
    "svar",
    "vs",
    "vl",
    "fs",
    "videresend", //
    // Romance
    "res",
    "rés",
    "enc",
    "ref",
    "réf",
    "réf.",
    "tr",
    "rv",
    "rta",
    "r",
    "rif",
    "i",
    "inoltra",
    "rsp",
    "răsp",
    "rasp",
    "trans",
    "rep",
    "rép",
    "respuesta",
    "resposta", //
    // Estonian, Latvian, Lithuanian
    "edasi",
    "ed",
    "atb",
    "atb.",
    "pārs",
    "ats",
    "ats.",
    "pers",
    "pers.", //
    // Slavic
    "odp",
    "pd",
    "odg",
    "odgovor",
    "posr",
    "prosl",
    "ha",
    "на",
    "ответ",
    "отв",
    "отг",
    "пересл",
    "перес",
    "від",
    "відп",
    "одг",
    "пд", //
    // Hungarian, Turkish, Greek, Welsh, Basque, Indonesian, Vietnamese
    "vá",
    "továbbítás",
    "ynt",
    "i̇lt",
    "ilt",
    "απ",
    "πρθ",
    "σχετ",
    "ymlaen",
    "er",
    "bls",
    "trs",
    "tl", //
    // East Asia, Hebrew, Arabic
    "回复",
    "回覆",
    "答复",
    "答覆",
    "转发",
    "轉寄",
    "轉發",
    "返信",
    "転送",
    "답장",
    "회신",
    "전달",
    "השב",
    "הועבר",
    "رد",
    "إعادة توجيه",
];

/// A subject without the marks that mail programs put before it, and without our own tags at either end.
#[must_use]
pub fn bare(subject: &str) -> &str {
    let mut rest = subject.trim();
    loop {
        if let Some(behind) = behind_mark(rest) {
            rest = behind;
        } else if let Some((_, length)) = tag_at(rest) {
            rest = rest.get(length..).unwrap_or_default().trim_start();
        } else {
            break;
        }
    }
    while let Some(start) =
        rest.rfind('[').filter(|start| rest.get(*start..).and_then(tag_at).is_some_and(|(_, n)| start + n == rest.len()))
    {
        rest = rest.get(..start).unwrap_or_default().trim_end();
    }
    rest
}

/// The numbers of our own tags (`[#1042]`, see [`tagged`]) in their order, each once, at most [`TAGS_MAX`]. They are what
/// somebody wrote, not a proof of anything.
#[must_use]
pub fn tags(subject: &str) -> Vec<TicketNumber> {
    let mut found = Vec::new();
    for (at, _) in subject.match_indices("[#") {
        if let Some((number, _)) = subject.get(at..).and_then(tag_at)
            && !found.contains(&number)
        {
            found.push(number);
            if found.len() == TAGS_MAX {
                break;
            }
        }
    }
    found
}

/// A ticket's subject with its tag, so that people find it.
#[must_use]
pub fn tagged(ticket: &Ticket, before: &str) -> String {
    format!("{before}{} [{}]", ticket.subject, ticket.number)
}

/// Our tag at the start: its number, and its length in octets. Only as we write it: no blank, no sign, no leading zero.
fn tag_at(text: &str) -> Option<(TicketNumber, usize)> {
    let inner = text.strip_prefix("[#")?;
    let digits = inner.bytes().take(DIGITS_MAX + 1).take_while(u8::is_ascii_digit).count();
    let number = inner.get(..digits)?;
    if digits == 0 || digits > DIGITS_MAX || number.starts_with('0') || !inner.get(digits..)?.starts_with(']') {
        return None;
    }
    Some((TicketNumber(number.parse().ok()?), 2 + digits + 1))
}

/// What stands behind the mark at the start: `Re:`, `Re[2]:`, `RE (2) :`, `Re^2:`, `AW：`.
fn behind_mark(subject: &str) -> Option<&str> {
    /// Longest mark with its count.
    const MARK_OCTETS_MAX: usize = 40;
    let colon = subject.char_indices().take_while(|(at, _)| *at <= MARK_OCTETS_MAX).find(|(_, c)| matches!(c, ':' | '：'))?;
    let (mark, behind) = (subject.get(..colon.0)?, subject.get(colon.0 + colon.1.len_utf8()..)?);
    // A count is behind the mark; digits alone are none ("2: the second question").
    let mark = mark.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^' | '*') || c.is_whitespace());
    let mark = mark.to_lowercase();
    MARKS.contains(&mark.as_str()).then(|| behind.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_of_mail_programs_go() {
        for (subject, expect, why) in [
            ("Re: Printer", "Printer", "English"),
            ("RE: FW: Fwd: Printer", "Printer", "several"),
            ("AW: WG: Drucker", "Drucker", "German"),
            ("Antwort: Drucker", "Drucker", "Notes in German"),
            ("SV: VS: Skrivare", "Skrivare", "Nordic"),
            ("VB: Skrivare", "Skrivare", "Swedish forward"),
            ("VL: Tulostin", "Tulostin", "Finnish forward"),
            ("RES: ENC: Impressora", "Impressora", "Portuguese"),
            ("TR: Imprimante", "Imprimante", "French forward"),
            ("RE : Imprimante", "Imprimante", "French puts a blank before the colon"),
            ("RÉF : Imprimante", "Imprimante", "case of letters beyond ASCII"),
            ("RV: Impresora", "Impresora", "Spanish forward"),
            ("R: I: Stampante", "Stampante", "Italian"),
            ("RIF: Stampante", "Stampante", "Notes in Italian"),
            ("Antw: Doorst: Printer", "Printer", "Dutch"),
            ("Odp: PD: Drukarka", "Drukarka", "Polish"),
            ("YNT: İLT: Yazıcı", "Yazıcı", "Turkish, dotted capital I"),
            ("ATB: Printeris", "Printeris", "Latvian, Welsh"),
            ("Vs: Edasi: Printer", "Printer", "Estonian"),
            ("Vá: Nyomtató", "Nyomtató", "Hungarian"),
            ("Απ: ΠΡΘ: Εκτυπωτής", "Εκτυπωτής", "Greek"),
            ("Ответ: Принтер", "Принтер", "Russian"),
            ("На: Принтер", "Принтер", "Russian, Notes"),
            ("回复：打印机", "打印机", "Chinese, full-width colon, no blank"),
            ("答复: 转发: 打印机", "打印机", "Chinese"),
            ("返信：プリンタ", "プリンタ", "Japanese"),
            ("회신: 프린터", "프린터", "Korean"),
            ("השב: מדפסת", "מדפסת", "Hebrew"),
            ("رد: طابعة", "طابعة", "Arabic"),
            ("Re[2]: Re(3): Re^4: RE (5): Re*6: Printer", "Printer", "counted"),
            ("Re2: Printer", "Printer", "counted without brackets"),
            ("re:Printer", "Printer", "no blank"),
            ("Re:", "", "nothing behind"),
            ("Printer: Re: jam", "Printer: Re: jam", "only at the start"),
            ("FYI: Printer", "FYI: Printer", "a person's word"),
            ("Reise: Berlin", "Reise: Berlin", "another word"),
            ("2: the second", "2: the second", "a number is no mark"),
            (": x", ": x", "no mark at all"),
            ("Re Printer", "Re Printer", "no colon"),
            ("Re: Printer [#1042]", "Printer", "our tag behind"),
            ("[#1042] Re: Printer", "Printer", "our tag before"),
            ("Re: [#1042] AW: Printer [#7] [#8]", "Printer", "between, and several"),
            ("Printer [#1042] jams", "Printer [#1042] jams", "in the middle it is a part of the sentence"),
            ("Printer [#x] [#12 ] [#007]", "Printer [#x] [#12 ] [#007]", "none of ours"),
            ("[#1042]", "", "nothing but a tag"),
        ] {
            assert_eq!(bare(subject), expect, "{why}: {subject}");
        }
    }

    #[test]
    fn tags_are_ours_or_none() {
        for (subject, expect, why) in [
            ("Re: Printer [#1042]", vec![1042], "as we write it"),
            ("[#1042]", vec![1042], "alone"),
            ("Automatic reply: Re: Printer [#1042]", vec![1042], "behind a program's words"),
            ("AW：Drucker[#1042]!", vec![1042], "no blanks needed around"),
            ("[#1] [#2] [#1] [#3] [#4] [#5]", vec![1, 2, 3, 4], "each once, a few"),
            ("[[#7]]", vec![7], "in brackets of others"),
            ("[#[#7]", vec![7], "an opened one before"),
            ("[#0] [#007] [#+7] [# 7] [#7 ] [#7", vec![], "not as we write it"),
            ("#1042 [1042] (#1042) [Ticket#1042] [##1042]", vec![], "of other desks"),
            ("[#１０４２]", vec![], "full-width digits are not ours"),
            ("[#999999999999999999]", vec![999_999_999_999_999_999], "the longest"),
            ("[#1000000000000000000] [#99999999999999999999999]", vec![], "longer than any of ours"),
            ("", vec![], "empty"),
        ] {
            assert_eq!(tags(subject).iter().map(|n| n.0).collect::<Vec<_>>(), expect, "{why}: {subject}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_found(before in "\\PC{0,20}", number in 1u64..1_000_000_000, behind in "\\PC{0,20}") {
            let subject = format!("{before} [{}]{behind}", TicketNumber(number));
            prop_assert!(tags(&subject).contains(&TicketNumber(number)) || tags(&subject).len() == TAGS_MAX);
        }

        #[test]
        fn bare_is_a_fixed_point(subject in "(Re|AW|R|\\[#[0-9]{0,3}\\]|:|：| |x){0,12}") {
            prop_assert_eq!(bare(bare(&subject)), bare(&subject));
        }
    }
}
