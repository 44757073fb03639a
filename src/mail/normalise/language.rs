//! Language of a text, only where it is certain enough to answer in.

use crate::domain::message::Language;
use std::sync::LazyLock;
use whatlang::Lang;

/// Octets that are looked at; more does not make it more certain.
const LOOK_OCTETS_MAX: usize = 2048;

/// The language that a text is written in.
pub(in crate::mail) fn of(text: &str) -> Option<Language> {
    let text = &text[..text.floor_char_boundary(LOOK_OCTETS_MAX)];
    // Letter statistics cost twenty times as much as counting words, and most mails do not need them.
    let words = SmallWords::of(text);
    if let Some(sure) = words.sure() {
        return Some(sure);
    }
    let found = whatlang::detect(text)?;
    if found.is_reliable() { Language::parse(two_letters(found.lang())?) } else { words.likely() }
}

/// Small words that other languages of this table have not. Letter statistics alone are seldom sure of English or Spanish.
const SMALL_WORDS: [(&str, &[&str]); 8] = [
    (
        "en",
        &[
            "the", "and", "is", "are", "you", "your", "my", "have", "not", "that", "this", "with", "please", "can", "could", "would",
            "what", "when", "for", "it", "i'm", "thanks", "how", "which", "been", "from", "help", "we", "our", "us", "of", "to", "be",
            "or", "so", "has", "an", "as", "at", "was", "on",
        ],
    ),
    (
        "pt",
        &[
            "não", "você", "uma", "meu", "minha", "obrigado", "obrigada", "com", "estou", "muito", "até", "são", "também", "já", "ao",
            "pelo", "pela", "está", "favor", "bom", "olá", "os", "em", "isso", "o", "que", "do", "da", "na", "no", "mas", "para", "foi",
            "mesma", "nós", "após", "qual", "seu", "sua", "ou", "ainda", "desde", "quando", "mais", "é", "um", "e",
        ],
    ),
    (
        "et",
        &[
            "ma", "ei", "ja", "kui", "mis", "palun", "minu", "see", "tere", "aitäh", "saa", "kas", "oma", "et", "aga", "olen", "siis",
            "meie", "teie", "või", "ka", "tööta", "mul", "on", "ole", "meil", "mida", "kuid", "seega", "juba", "olnud", "keegi", "väga",
            "meile", "midagi", "seda", "saanud", "kuidas", "miks", "ning", "umbes", "nüüd",
        ],
    ),
    (
        "es",
        &[
            "el", "los", "las", "una", "mi", "gracias", "por", "hola", "muy", "estoy", "pero", "usted", "está", "puedo", "cuando", "desde",
            "buenos", "días", "y", "ayer", "del", "favor", "que", "para", "no", "se", "con", "es", "más", "su", "un", "la", "lo", "o", "e",
        ],
    ),
    (
        "de",
        &[
            "ich", "und", "nicht", "der", "die", "das", "ist", "bitte", "mit", "mein", "meine", "wir", "sie", "ein", "eine", "auf",
            "danke", "habe", "für", "wie", "hallo", "zu", "von", "den", "dem", "im", "wir", "uns", "so", "an", "am", "in", "sind", "es",
        ],
    ),
    (
        "fr",
        &[
            "je", "vous", "et", "est", "les", "des", "une", "mon", "ma", "pas", "merci", "bonjour", "pour", "avec", "nous", "suis", "ne",
            "votre", "cette", "plus", "le", "la", "de", "du", "un", "que", "qui", "en", "au", "ou", "se", "je", "ce", "il", "sur", "a",
        ],
    ),
    (
        "it",
        &[
            "il",
            "non",
            "che",
            "di",
            "sono",
            "grazie",
            "per",
            "mio",
            "della",
            "buongiorno",
            "ho",
            "una",
            "con",
            "mi",
            "è",
            "anche",
            "questo",
            "ciao",
            "la",
            "le",
            "lo",
            "un",
            "che",
            "in",
            "o",
            "e",
            "del",
            "da",
            "se",
            "i",
            "si",
        ],
    ),
    (
        "nl",
        &[
            "ik", "niet", "het", "een", "van", "mijn", "kunt", "graag", "bedankt", "met", "dat", "op", "voor", "wij", "hallo", "meer", "u",
            "en", "de", "in", "is", "te", "zijn", "ons", "wat", "dit", "heb", "ik", "of", "an",
        ],
    ),
];

/// A word of at most [`Self::OCTETS_MAX`] octets in one number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Word {
    octets: u128,
    len: usize,
}

impl Word {
    /// No small word is longer.
    const OCTETS_MAX: usize = 16;

    fn push(&mut self, c: char) {
        c.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| self.push_octet(octet));
    }

    fn push_octet(&mut self, octet: u8) {
        self.octets = self.octets << 8 | u128::from(octet);
        self.len += 1;
    }
}

/// Each small word with the languages that have it, as bits in the order of the table. A word's place is its [`slot`] or, if
/// that was taken, the next that was free.
static LANGUAGES_OF: LazyLock<[(Word, u8); SLOTS]> = LazyLock::new(|| {
    let mut of = [(Word::default(), 0); SLOTS];
    for (nth, (_, words)) in SMALL_WORDS.iter().enumerate() {
        for text in *words {
            let mut word = Word::default();
            text.chars().for_each(|c| word.push(c));
            let mut at = slot(word);
            while of[at].1 != 0 && of[at].0 != word {
                at = (at + 1) % SLOTS;
            }
            of[at].0 = word;
            of[at].1 |= 1 << nth;
        }
    }
    of
});

/// Four times as many as there are small words: few have to move on, and a search soon ends.
const SLOTS: usize = 1024;

/// Fibonacci hashing: the upper bits of a product depend on all octets.
fn slot(word: Word) -> usize {
    let folded = (word.octets >> 64) ^ (word.octets & u128::from(u64::MAX));
    let product = u64::try_from(folded).unwrap_or_default().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(product >> 32).unwrap_or_default() % SLOTS
}

/// How many of a text's words are small words of which language.
#[derive(Default)]
struct SmallWords {
    words: usize,
    counts: [Count; SMALL_WORDS.len()],
}

#[derive(Clone, Copy, Default)]
struct Count {
    language: usize,
    found: usize,
    different: usize,
}

impl SmallWords {
    fn of(text: &str) -> Self {
        let mut this = Self::default();
        for (nth, count) in this.counts.iter_mut().enumerate() {
            count.language = nth;
        }
        let mut seen = [false; SLOTS];
        let mut word = Word::default();
        let mut rest = text;
        while let Some(&octet) = rest.as_bytes().first() {
            if octet.is_ascii() {
                // Most letters, in lower case: 0x20 sets capitals apart, and digits and the apostrophe have it as well.
                if octet.is_ascii_alphanumeric() || octet == b'\'' {
                    word.push_octet(octet | 0x20);
                } else {
                    this.count(std::mem::take(&mut word), &mut seen);
                }
                rest = &rest[1..];
                continue;
            }
            let mut chars = rest.chars();
            for c in chars.next().into_iter().flat_map(char::to_lowercase) {
                if c.is_alphanumeric() || c == '\'' {
                    word.push(c);
                } else {
                    this.count(std::mem::take(&mut word), &mut seen);
                }
            }
            rest = chars.as_str();
        }
        this.count(word, &mut seen);
        this.counts.sort_by_key(|count| std::cmp::Reverse(count.found));
        this
    }

    fn count(&mut self, word: Word, seen: &mut [bool; SLOTS]) {
        if word.len == 0 {
            return;
        }
        self.words += 1;
        if word.len > Word::OCTETS_MAX {
            return;
        }
        let mut at = slot(word);
        while LANGUAGES_OF[at].0 != word {
            if LANGUAGES_OF[at].1 == 0 {
                return;
            }
            at = (at + 1) % SLOTS;
        }
        let first = !std::mem::replace(&mut seen[at], true);
        let mut languages = LANGUAGES_OF[at].1;
        while languages != 0 {
            let count = &mut self.counts[languages.trailing_zeros() as usize];
            count.found += 1;
            count.different += usize::from(first);
            languages &= languages - 1;
        }
    }

    /// Nobody would doubt it: several of its words, many of all, and hardly any of another; or of a sister's, which has many of the
    /// same, far fewer different ones.
    fn sure(&self) -> Option<Language> {
        const DIFFERENT_MIN: usize = 4;
        const DIFFERENT_FROM_SISTER_MIN: usize = 10;
        const ONE_OF: usize = 8;
        let [best, others @ ..] = &self.counts;
        let far = others.iter().all(|other| best.found >= 3 * other.found);
        let sister = best.different >= DIFFERENT_FROM_SISTER_MIN
            && others.iter().all(|other| best.different >= 2 * other.different && 2 * best.found >= 3 * other.found);
        let sure = best.different >= DIFFERENT_MIN && best.found * ONE_OF >= self.words && (far || sister);
        sure.then(|| best.language()).flatten()
    }

    /// The language whose small words clearly outnumber those of all others.
    fn likely(&self) -> Option<Language> {
        const COUNT_MIN: usize = 3;
        let [best, second, ..] = &self.counts;
        (best.found >= COUNT_MIN && best.found >= 2 * second.found).then(|| best.language()).flatten()
    }
}

impl Count {
    fn language(&self) -> Option<Language> {
        SMALL_WORDS.get(self.language).and_then(|(language, _)| Language::parse(language))
    }
}

/// ISO 639-1 of the languages that can be told; `None` for those that have no two letters.
fn two_letters(lang: Lang) -> Option<&'static str> {
    Some(match lang.code() {
        "afr" => "af",
        "aka" => "ak",
        "amh" => "am",
        "ara" => "ar",
        "aze" => "az",
        "bel" => "be",
        "ben" => "bn",
        "bul" => "bg",
        "cat" => "ca",
        "ces" => "cs",
        "cmn" => "zh",
        "cym" => "cy",
        "dan" => "da",
        "deu" => "de",
        "ell" => "el",
        "eng" => "en",
        "epo" => "eo",
        "est" => "et",
        "fin" => "fi",
        "fra" => "fr",
        "guj" => "gu",
        "heb" => "he",
        "hin" => "hi",
        "hrv" => "hr",
        "hun" => "hu",
        "hye" => "hy",
        "ind" => "id",
        "ita" => "it",
        "jav" => "jv",
        "jpn" => "ja",
        "kan" => "kn",
        "kat" => "ka",
        "khm" => "km",
        "kor" => "ko",
        "lat" => "la",
        "lav" => "lv",
        "lit" => "lt",
        "mal" => "ml",
        "mar" => "mr",
        "mkd" => "mk",
        "mya" => "my",
        "nep" => "ne",
        "nld" => "nl",
        "nob" => "no",
        "ori" => "or",
        "pan" => "pa",
        "pes" => "fa",
        "pol" => "pl",
        "por" => "pt",
        "ron" => "ro",
        "rus" => "ru",
        "sin" => "si",
        "slk" => "sk",
        "slv" => "sl",
        "sna" => "sn",
        "spa" => "es",
        "srp" => "sr",
        "swe" => "sv",
        "tam" => "ta",
        "tel" => "te",
        "tgl" => "tl",
        "tha" => "th",
        "tuk" => "tk",
        "tur" => "tr",
        "ukr" => "uk",
        "urd" => "ur",
        "uzb" => "uz",
        "vie" => "vi",
        "yid" => "yi",
        "zul" => "zu",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain() {
        for (text, expect, why) in [
            ("Hello, I have a question about the invoice that you sent me last week, could you please check it?", Some("en"), "English"),
            (
                "Bom dia, não consigo entrar na minha conta desde ontem, podem ajudar-me por favor? Obrigado pela atenção.",
                Some("pt"),
                "Portuguese",
            ),
            (
                "Tere, ma ei saa eilsest saadik oma kontole sisse logida, kas saaksite mind palun aidata? Aitäh juba ette.",
                Some("et"),
                "Estonian",
            ),
            ("My printer does not work. Could you please help me with this?", Some("en"), "short English"),
            ("Buenos días, no puedo acceder a mi cuenta desde ayer. ¿Podrían ayudarme, por favor?", Some("es"), "Spanish"),
            ("Hallo, ik kan sinds gisteren niet meer inloggen. Kunt u mij helpen met mijn account?", Some("nl"), "Dutch"),
            (
                "Jeg kan ikke logge ind på min konto siden i går, kan I hjælpe mig med at finde ud af det? Tak for hjælpen.",
                Some("da"),
                "Danish: of no small words here",
            ),
            ("Non riesco ad accedere al mio account da ieri. Potete aiutarmi? Grazie, questo è urgente per me.", Some("it"), "Italian"),
            ("error 0x80070005 at line 12 foo.bar.baz null pointer", None, "no language"),
            ("ok", None, "too short to tell"),
            ("", None, "nothing"),
            ("12345 67890", None, "no words"),
        ] {
            assert_eq!(of(text).map(|l| l.as_str().to_owned()).as_deref(), expect, "{why}");
        }
    }
}
