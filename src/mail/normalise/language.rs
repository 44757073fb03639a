//! Language of a text, only where it is certain enough to answer in.

use crate::domain::message::Language;
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

/// The octets of a word in one number, the first lowest: words are no longer than [`OCTETS_MAX`], and none holds a zero.
type Word = u128;

/// What a [`Word`] holds; no small word is longer.
const OCTETS_MAX: usize = 16;

/// Each small word with the languages that have it, as bits in the order of [`SMALL_WORDS`]. A word's place is its [`slot`] or, if
/// that was taken, the next that was free.
struct Places {
    words: [Word; SLOTS],
    languages: [u8; SLOTS],
}

/// Twice as many as there are small words: few have to move on, and a search soon ends.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 9;

static PLACES: Places = {
    let mut places = Places { words: [0; SLOTS], languages: [0; SLOTS] };
    let mut nth = 0;
    while nth < SMALL_WORDS.len() {
        let mut rest = SMALL_WORDS[nth].1;
        while let [text, behind @ ..] = rest {
            let word = word(text.as_bytes());
            let mut at = slot(word);
            while places.languages[at] != 0 && places.words[at] != word {
                at = (at + 1) % SLOTS;
            }
            places.words[at] = word;
            places.languages[at] |= 1 << nth;
            rest = behind;
        }
        nth += 1;
    }
    places
};

const fn word(octets: &[u8]) -> Word {
    assert!(octets.len() <= OCTETS_MAX);
    let mut all = [0; OCTETS_MAX];
    all.split_at_mut(octets.len()).0.copy_from_slice(octets);
    Word::from_le_bytes(all)
}

/// Fibonacci hashing: the upper bits of a product depend on all octets.
#[expect(clippy::cast_possible_truncation, reason = "the upper half is folded into the lower")]
const fn slot(word: Word) -> usize {
    let folded = (word ^ (word >> u64::BITS)) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SLOT_BITS)) as usize
}

/// What words of ASCII are made of.
const IS_OF_WORD: [bool; 256] = {
    let mut is_of_word = [false; 256];
    let mut octet = 0u8;
    while octet.is_ascii() {
        is_of_word[octet as usize] = octet.is_ascii_alphanumeric() || octet == b'\'';
        octet += 1;
    }
    is_of_word
};

/// How many of a text's words are small words of which language.
struct SmallWords {
    words: usize,
    counts: [Count; SMALL_WORDS.len()],
    /// Which places were found before.
    seen: [bool; SLOTS],
}

#[derive(Clone, Copy, Default)]
struct Count {
    language: usize,
    found: usize,
    different: usize,
}

impl SmallWords {
    fn of(text: &str) -> Self {
        let mut this = Self { words: 0, counts: Default::default(), seen: [false; SLOTS] };
        for (nth, count) in this.counts.iter_mut().enumerate() {
            count.language = nth;
        }
        let octets = text.as_bytes();
        let mut at = 0;
        while at < octets.len() {
            let length = octets[at..].iter().take_while(|octet| IS_OF_WORD[usize::from(**octet)]).count();
            match octets.get(at + length) {
                Some(octet) if !octet.is_ascii() => at += this.read_beyond_ascii(&text[at..]),
                Some(_) | None => {
                    if length > 0 {
                        this.count(length, || lower_word(octets, at, length));
                    }
                    at += length + 1;
                }
            }
        }
        this.counts.sort_by_key(|count| std::cmp::Reverse(count.found));
        this
    }

    /// Reads the word at the start, whatever its letters; how many octets it had, with the character that ends it.
    fn read_beyond_ascii(&mut self, text: &str) -> usize {
        let (mut octets, mut length) = ([0; OCTETS_MAX], 0);
        let mut push = |c: char, length: &mut usize| {
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                if let Some(place) = octets.get_mut(*length) {
                    *place = octet;
                }
                *length += 1;
            }
        };
        let mut end = text.len();
        for (at, c) in text.char_indices() {
            // Letters that are in lower case, as nearly all in such words are.
            if matches!(c, 'a'..='z' | 'ß'..='ö' | 'ø'..='ÿ') {
                push(c, &mut length);
                continue;
            }
            if c.is_ascii_whitespace() || c.is_ascii_punctuation() && c != '\'' {
                end = at + 1;
                break;
            }
            // What a letter is in lower case may be no letter: the dot of the Turkish I.
            let is_of_word = |c: &char| c.is_alphanumeric() || *c == '\'';
            c.to_lowercase().take_while(is_of_word).for_each(|c| push(c, &mut length));
            if !c.to_lowercase().all(|c| is_of_word(&c)) {
                end = at + c.len_utf8();
                break;
            }
        }
        if length > 0 {
            self.count(length, || Word::from_le_bytes(octets));
        }
        end
    }

    /// Counts a word of so many octets.
    fn count(&mut self, length: usize, word: impl FnOnce() -> Word) {
        self.words += 1;
        if length > OCTETS_MAX {
            return;
        }
        let word = word();
        let mut at = slot(word);
        while PLACES.words[at] != word {
            if PLACES.languages[at] == 0 {
                return;
            }
            at = (at + 1) % SLOTS;
        }
        let first = !std::mem::replace(&mut self.seen[at], true);
        let mut languages = PLACES.languages[at];
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

/// The word of so many octets of ASCII at this place, in lower case: 0x20 sets capitals apart, and digits and the apostrophe have it
/// as well.
fn lower_word(octets: &[u8], at: usize, length: usize) -> Word {
    const LOWER: Word = Word::from_le_bytes([0x20; OCTETS_MAX]);
    let kept = Word::MAX >> (8 * (OCTETS_MAX - length));
    match octets[at..].first_chunk() {
        Some(octets) => (Word::from_le_bytes(*octets) | LOWER) & kept,
        // The last words of a text.
        None => (word(&octets[at..at + length]) | LOWER) & kept,
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
