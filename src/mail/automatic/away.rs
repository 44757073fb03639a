//! Out-of-office answers without a mark in their header: programs put their own words before the subject that they answer.
//!
//! Only the begin of a subject counts, and only where it is a heading: `Re: Out of office` and `Out of office hours: who
//! answers?` are a person's. The text is never looked at: `I am out of office from Monday, please hurry` is a customer's
//! word, and what such an answer costs (one notification on a ticket that is there; acknowledgements go to new ones only)
//! is less than a customer who is not heard.

use crate::domain::subject;
use icu_normalizer::ComposingNormalizerBorrowed;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Longest begin of a subject that is looked at, in characters.
const BEGIN_CHARS_MAX: usize = 120;

/// Begins of subjects by language, lower case, composed (NFKC). What Exchange and Outlook write stands first (`Automatic
/// reply: `, before 2010 `Out of Office AutoReply: `), then what others write and people set.
pub(super) const AWAY: [(&str, &[&str]); 40] = [
    (
        "en",
        &[
            "automatic reply",
            "out of office",
            "out-of-office",
            "out of the office",
            "auto-reply",
            "auto reply",
            "autoreply",
            "auto-response",
            "auto response",
            "autoresponse",
            "automatic response",
            "automated reply",
            "automated response",
            "vacation reply",
            "vacation response",
            "vacation auto-reply",
            "vacation message",
            "away from the office",
            "away from office",
            "away from my mail",
            "i am out of the office",
            "i'm out of the office",
            "i am out of office",
            "i am currently out of the office",
            "i'm currently out of the office",
            "i am on vacation",
            "i'm on vacation",
            "i am on holiday",
            "on annual leave",
            "on parental leave",
            "on maternity leave",
            "ooo",
        ],
    ),
    (
        "de",
        &[
            "automatische antwort",
            "abwesenheitsnotiz",
            "abwesenheitsmeldung",
            "abwesenheitsnachricht",
            "abwesenheitsbenachrichtigung",
            "abwesenheitsassistent",
            "automatische abwesenheitsnotiz",
            "automatische rückantwort",
            "abwesend",
            "nicht im büro",
            "ich bin nicht im büro",
            "ich bin im urlaub",
            "außer haus",
            "ausser haus",
        ],
    ),
    (
        "pt",
        &[
            "resposta automática",
            "ausência temporária",
            "fora do escritório",
            "fora da empresa",
            "ausente do escritório",
            "ausência do escritório",
            "resposta de ausência",
            "mensagem de ausência",
            "estou de férias",
            "estou ausente",
        ],
    ),
    (
        "et",
        &[
            "automaatvastus",
            "automaatne vastus",
            "automaatne teade",
            "kontorist väljas",
            "väljas kontorist",
            "kontorist eemal",
            "eemal kontorist",
            "ei viibi kontoris",
            "olen puhkusel",
            "olen kontorist väljas",
            "puhkusel",
        ],
    ),
    (
        "fr",
        &[
            "réponse automatique",
            "absence du bureau",
            "message d'absence",
            "réponse d'absence",
            "notification d'absence",
            "avis d'absence",
            "absent du bureau",
            "absente du bureau",
            "je suis absent",
            "je suis absente",
            "en congé",
            "en congés",
        ],
    ),
    (
        "es",
        &[
            "respuesta automática",
            "fuera de la oficina",
            "fuera de oficina",
            "ausente de la oficina",
            "ausencia temporal",
            "estoy fuera de la oficina",
            "estoy de vacaciones",
            "mensaje de ausencia",
        ],
    ),
    ("it", &["risposta automatica", "fuori sede", "fuori ufficio", "assente dall'ufficio", "messaggio di assenza", "assenza dall'ufficio"]),
    ("nl", &["automatisch antwoord", "automatische reactie", "afwezigheidsbericht", "afwezigheidsmelding", "niet aanwezig", "afwezig"]),
    ("sv", &["autosvar", "automatiskt svar", "frånvaromeddelande", "frånvaro", "inte på kontoret"]),
    ("da", &["automatisk svar", "autosvar", "ikke til stede", "fravær", "fraværsbesked", "ikke på kontoret"]),
    ("nb", &["automatisk svar", "autosvar", "automatisk svar fra", "fraværsmelding", "borte fra kontoret", "ikke på kontoret"]),
    ("fi", &["automaattinen vastaus", "poissaoloviesti", "poissaoloilmoitus", "poissa toimistosta", "olen lomalla"]),
    ("is", &["sjálfvirkt svar"]),
    ("pl", &["odpowiedź automatyczna", "automatyczna odpowiedź", "autoodpowiedź", "poza biurem", "nieobecność w biurze"]),
    ("cs", &["automatická odpověď", "mimo kancelář"]),
    ("sk", &["automatická odpoveď", "mimo kancelárie"]),
    ("hu", &["automatikus válasz", "házon kívül"]),
    ("ro", &["răspuns automat", "în afara biroului", "absent de la birou"]),
    ("bg", &["автоматичен отговор", "извън офиса"]),
    ("hr", &["automatski odgovor", "automatski odgovor odsutnosti", "izvan ureda"]),
    ("sr", &["аутоматски одговор", "automatski odgovor", "van kancelarije"]),
    ("sl", &["samodejni odgovor", "samodejen odgovor"]),
    (
        "ru",
        &["автоматический ответ", "автоответ", "автоматическое уведомление", "нет на работе", "вне офиса", "отсутствую на рабочем месте"],
    ),
    ("uk", &["автоматична відповідь", "автовідповідь", "поза офісом"]),
    ("lv", &["automātiska atbilde", "automātiskā atbilde", "prombūtnē", "ārpus biroja"]),
    ("lt", &["automatinis atsakymas", "nesu biure", "ne biure"]),
    ("tr", &["otomatik yanıt", "otomatik yanit", "otomatik cevap", "ofis dışında", "ofis dişinda", "iş yeri dışında", "iş yeri dişinda"]),
    ("el", &["αυτόματη απάντηση", "εκτός γραφείου"]),
    ("ca", &["resposta automàtica", "fora de l'oficina"]),
    ("eu", &["erantzun automatikoa"]),
    ("gl", &["resposta automática", "fóra da oficina"]),
    ("id", &["balasan otomatis", "jawaban otomatis", "di luar kantor"]),
    ("ms", &["balasan automatik", "luar pejabat"]),
    ("vi", &["trả lời tự động", "thư trả lời tự động"]),
    ("he", &["מענה אוטומטי", "תשובה אוטומטית", "מחוץ למשרד"]),
    // Scripts that put no blank between words follow; what is behind them does not matter.
    ("ar", &["رد تلقائي", "الرد التلقائي", "خارج المكتب"]),
    ("ja", &["自動応答", "自動返信", "不在通知", "不在のお知らせ", "不在案内"]),
    ("zh", &["自动答复", "自动回复", "自動答覆", "自動回覆", "自動回復", "外出通知", "不在办公室", "不在辦公室"]),
    ("ko", &["자동 회신", "자동회신", "자동 응답", "자동응답", "부재중", "부재 중"]),
    ("th", &["ตอบกลับอัตโนมัติ", "การตอบกลับอัตโนมัติ", "ข้อความตอบกลับอัตโนมัติ"]),
];

/// Languages without borders between words (and Arabic, whose words take endings): a begin is enough.
const WITHOUT_BORDERS: [&str; 5] = ["ar", "ja", "zh", "ko", "th"];

/// The words with which the subject of an out-of-office answer begins.
pub(super) fn away(subject: &str) -> Option<String> {
    let begin = begin_of(subject);
    let begin = begin.trim_start_matches(['[', '(', '*', '"', '<', '_', '{', '!', ' ']);
    phrase(begin).map(str::to_owned).or_else(|| auto(begin)).or_else(|| somebody_is_out(begin))
}

fn phrase(begin: &str) -> Option<&'static str> {
    let fits = |form: &&Form| {
        let rest = if form.without_accents && !begin.is_ascii() { None } else { begin.strip_prefix(form.written.as_ref()) };
        rest.is_some_and(|rest| form.begin_is_enough || ends_phrase(rest))
    };
    FORMS[usize::from(*begin.as_bytes().first()?)].iter().find(fits).map(|form| form.phrase)
}

/// One way to write a phrase.
struct Form {
    phrase: &'static str,
    written: Cow<'static, str>,
    /// Written on keyboards without them, or lost on the way: then the whole of a begin has none.
    without_accents: bool,
    begin_is_enough: bool,
}

/// All forms in the order of [`AWAY`], by their first octet.
static FORMS: LazyLock<[Vec<Form>; 256]> = LazyLock::new(|| {
    let mut forms = [const { Vec::new() }; 256];
    for (language, phrases) in AWAY {
        let begin_is_enough = WITHOUT_BORDERS.contains(&language);
        for phrase in phrases {
            let plain = plain(phrase);
            let without_accents = (!phrase.is_ascii() && plain.is_ascii()).then_some(Cow::Owned(plain));
            for (written, without_accents) in [(Some(Cow::Borrowed(*phrase)), false), (without_accents, true)] {
                let Some(written) = written else { continue };
                let Some(first) = written.bytes().next() else { continue };
                forms[usize::from(first)].push(Form { phrase, written, without_accents, begin_is_enough });
            }
        }
    }
    forms
});

/// `Auto: ` before the subject that is answered (RFC 5230 section 4.4, Proton), or Notes' `AUTO: Ana is out of the office`.
/// The word alone is a person's (`Auto: Bremsen quietschen`).
fn auto(begin: &str) -> Option<String> {
    let rest = begin.strip_prefix("auto:")?.trim_start();
    let answers = rest.starts_with("re:") || rest.starts_with("auto:") || !subject::tags(rest).is_empty();
    (answers || phrase(rest).is_some() || somebody_is_out(rest).is_some() || out_words(rest)).then(|| "auto:".to_owned())
}

/// Words of Notes behind a name, in the languages of its templates.
const IS_OUT: [&str; 7] = [
    " is out of the office",
    " is out of office",
    " ist außer haus",
    " ist nicht im büro",
    " ist abwesend",
    " est absent du bureau",
    " está fuera de la oficina",
];

fn out_words(rest: &str) -> bool {
    rest.match_indices(' ').any(|(at, _)| IS_OUT.iter().any(|words| rest.get(at..).is_some_and(|behind| behind.starts_with(words))))
}

/// `Ana Souza is out of the office (returning 03/11/2026)` and nothing more (Notes).
fn somebody_is_out(begin: &str) -> Option<String> {
    const NAME_WORDS_MAX: usize = 5;
    if !out_words(begin) {
        return None;
    }
    let (name, words, rest) = IS_OUT.iter().find_map(|words| begin.split_once(words).map(|(name, rest)| (name, words, rest)))?;
    let name_like = !name.is_empty() && name.split(' ').count() <= NAME_WORDS_MAX && !name.contains([':', '?', ',', '[']);
    let who = name.split(' ').next().unwrap_or_default();
    // "he is out of the office" is a sentence of somebody else.
    let of_another =
        ["he", "she", "who", "my", "our", "your", "the", "everybody", "nobody", "if", "when", "er", "sie", "wer", "mein"].contains(&who);
    let ends =
        matches!(rest.trim(), "" | "." | "!") || rest.trim_start().starts_with("(returning") || rest.trim_start().starts_with("(rückkehr");
    (name_like && !of_another && ends).then(|| words.trim().to_owned())
}

/// The begin of a subject as it is compared: composed, in lower case, wide and half-wide forms (`：`) as the usual ones,
/// repaired where UTF-8 was read as Latin-1.
fn begin_of(subject: &str) -> String {
    let subject = subject.trim();
    let is_short = subject.len() <= BEGIN_CHARS_MAX;
    let end = if is_short { subject.len() } else { subject.char_indices().nth(BEGIN_CHARS_MAX).map_or(subject.len(), |(at, _)| at) };
    let begin = repaired(subject.get(..end).unwrap_or_default());
    if begin.is_ascii() {
        return begin.to_ascii_lowercase();
    }
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(&begin);
    // Characters that show nothing, such as the marks of direction before Hebrew and Arabic; typographic apostrophes.
    let shown =
        composed.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'));
    // Lower case of the dotted capital I is two characters, of which the second is a dot above.
    let shown: String = shown.map(|c| if matches!(c, '’' | '´' | '`') { '\'' } else { c }).collect();
    shown.to_lowercase().replace('\u{307}', "")
}

/// `RÃ©ponse` is `Réponse`: UTF-8 that somebody read as Latin-1.
fn repaired(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(['Ã', 'Â', 'Å', 'Ä']) {
        return Cow::Borrowed(text);
    }
    let octets: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    octets.and_then(|octets| String::from_utf8(octets).ok()).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Without accents, as far as a letter has one.
fn plain(phrase: &str) -> String {
    let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(phrase);
    decomposed.chars().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).collect()
}

/// Whether what follows the phrase makes it a heading, not the begin of a sentence ("Out of office hours, who answers?").
fn ends_phrase(rest: &str) -> bool {
    const GOES_ON: [&str; 19] = [
        "re:",
        "aw:",
        "sv:",
        "until",
        "till",
        "from",
        "autoreply",
        "auto-reply",
        "reply",
        "message",
        "notification",
        "bis",
        "vom",
        "até",
        "kuni",
        "jusqu",
        "hasta",
        "fino al",
        "tot ",
    ];
    let next = rest.trim_start();
    next.is_empty()
        || next.starts_with([':', ';', '-', '–', '—', '[', ']', '(', ')', '!', '|', '/', ',', '.', '*', '"', '#', '>', '}', '<', '«', '»'])
        || (rest.len() > next.len() && GOES_ON.iter().any(|w| next.starts_with(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p6_each_phrase_of_each_language_is_seen_as_programs_write_it() {
        for (language, phrases) in AWAY {
            for phrase in phrases {
                for subject in [
                    (*phrase).to_owned(),
                    phrase.to_uppercase(),
                    format!("{phrase}: Re: Printer [#1042]"),
                    format!("{phrase}：x"),
                    format!("{phrase} : x"),
                ] {
                    assert!(away(&subject).is_some(), "{language}: {subject}");
                }
                let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(phrase).into_owned();
                assert!(away(&decomposed).is_some(), "{language}: decomposed {phrase}");
                let octets: String = phrase.bytes().map(char::from).collect();
                assert!(!octets.contains(['Ã', 'Â']) || away(&octets).is_some(), "{language}: UTF-8 read as Latin-1 {octets}");
                assert!(away(&format!("Re: {phrase}")).is_none(), "{language}: a person answers: {phrase}");
                assert!(phrase.to_lowercase() == *phrase && !phrase.is_empty(), "{language}: {phrase}");
            }
        }
        let languages: std::collections::BTreeSet<_> = AWAY.iter().map(|(language, _)| language).collect();
        assert!(languages.len() == AWAY.len() && AWAY.len() >= 20, "each language once");
    }

    #[test]
    fn p6_headings_are_programs_and_sentences_are_people() {
        for (subject, expect, why) in [
            ("Automatic reply: Printer [#1042]", true, "Exchange, English"),
            ("Out of Office AutoReply: Printer", true, "Exchange before 2010"),
            ("Réponse automatique : [#1042] Votre facture", true, "French, blank before the colon"),
            ("RÃ©ponse automatique : Votre facture", true, "read as Latin-1"),
            ("Re\u{301}ponse automatique", true, "decomposed"),
            ("Reponse automatique : x", true, "without accents"),
            ("Resposta automatica: x", true, "without accents"),
            ("Absence du bureau", true, "Exchange before 2010, French"),
            ("Message d’absence", true, "a typographic apostrophe"),
            ("自動返信：お問い合わせ", true, "full-width colon"),
            ("ＡＵＴＯＭＡＴＩＣ　ＲＥＰＬＹ： x", true, "full-width letters"),
            ("\u{200f}מענה אוטומטי: x", true, "a mark of direction in front"),
            ("OTOMATİK YANIT: x", true, "dotted capital I"),
            ("[Automatic reply] Printer", true, "in brackets"),
            ("Auto: Re: Printer [#1042]", true, "Sieve, RFC 5230"),
            ("Auto: We have received a message [#1042]", true, "Sieve, to our acknowledgement"),
            ("AUTO: Ana Souza is out of the office (returning 03/11/2026)", true, "Notes"),
            ("AUTO: Hans Meier ist außer Haus (Rückkehr am 03.11.2026)", true, "Notes, German"),
            ("Ana Souza is out of the office.", true, "Notes without its mark"),
            ("Ana Souza is out of the office (returning 03/11/2026)", true, "Notes without its mark"),
            ("OOO: back on Monday", true, "a habit"),
            ("Out of Office until Monday", true, "a heading that goes on"),
            ("Auto: Bremsen quietschen", false, "a car"),
            ("Auto: a bateria não liga", false, "a car"),
            ("He is out of the office.", false, "somebody tells of another"),
            ("Ana is out of the office, who can help me?", false, "a sentence"),
            ("The printer is out of the office", false, "a thing"),
            ("Who is out of the office?", false, "a question"),
            ("Re: Out of office", false, "a person answers one"),
            ("AW: Abwesenheitsnotiz: x", false, "a person answers one"),
            ("Out of office hours: who answers?", false, "a sentence"),
            ("Automatic replies do not work", false, "another word"),
            ("Automatic reply does not work", false, "a sentence"),
            ("Auto reply setup in Outlook", false, "a sentence"),
            ("Abwesenheitsnotiz einrichten geht nicht", false, "a sentence"),
            ("Férias coletivas: suporte?", false, "another word"),
            ("Fora do escritório não consigo entrar", false, "a sentence"),
            ("Vacation request form", false, "another phrase"),
            ("OOOps, sorry", false, "another word"),
            ("", false, "nothing"),
        ] {
            assert_eq!(away(subject).is_some(), expect, "{why}: {subject}");
        }
    }
}
