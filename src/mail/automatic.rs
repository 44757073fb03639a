//! Is a machine speaking? RFC 3834 and what real mailers do (P6).
//!
//! The first sign that is found decides, strongest first, and is the reason that is recorded (P9). Wrong towards silence
//! costs an acknowledgement; wrong towards answering starts a loop.

use super::normalise::Header;
use crate::domain::address::{EmailAddress, one_line};
use crate::domain::message::Machine;

/// Relays that a mail may have passed; more is a loop. RFC 5321 section 6.3 asks for a large number, Exim's is 30.
const HOPS_MAX: usize = 30;
/// Deliveries to one address that a mail may have behind it: an MTA and an LDA may both write the field.
const SAME_DELIVERY_MAX: usize = 2;

/// Which machine speaks, and the sign of it. `headers` have lower-case names; `return_path` is the value of its field.
#[must_use]
pub fn machine(
    headers: &[Header],
    from: Option<&EmailAddress>,
    return_path: Option<&str>,
    subject: &str,
    content_type: &str,
) -> Option<(Machine, String)> {
    let fields = Fields(headers);
    let submitted = auto_submitted(&fields);
    // A monitor, a web form, another desk: it may report something. Whatever says more about it goes before.
    let generated = submitted.clone().filter(|(machine, _)| *machine == Machine::Generated).or_else(|| wants_no_answer(&fields));
    looping(&fields)
        .or_else(|| report(content_type))
        .or_else(|| mail_system(&fields, from, return_path, subject))
        .or_else(|| submitted.filter(|(machine, _)| *machine != Machine::Generated))
        .or_else(|| other_fields(&fields))
        .or_else(|| away(subject).map(|phrase| (Machine::AutoReply, format!("subject begins with \"{phrase}\""))))
        .or_else(|| dmarc_report(subject))
        .or_else(|| role(from))
        .or(generated)
}

/// Ticket systems and CRMs put `X-Auto-Response-Suppress: All` on what their people write: it is not to be answered by a
/// machine, but to be read. [MS-OXCMAIL] 2.2.3.2.14.
fn wants_no_answer(fields: &Fields<'_>) -> Option<(Machine, String)> {
    let all = fields.all("x-auto-response-suppress").find(|v| v.trim().eq_ignore_ascii_case("all"))?;
    Some((Machine::Generated, format!("X-Auto-Response-Suppress: {}", shown(all))))
}

/// Whether Auto-Submitted says that no person wrote this mail (RFC 3834 section 5).
#[must_use]
pub fn is_auto_submitted(headers: &[Header]) -> bool {
    auto_submitted(&Fields(headers)).is_some()
}

struct Fields<'a>(&'a [Header]);

impl<'a> Fields<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |h| h.name == name).map(|h| h.value.as_str())
    }

    fn first(&self, name: &'static str) -> Option<&'a str> {
        self.all(name).next()
    }
}

/// The word in front of parameters and comments, lower case.
fn keyword(value: &str) -> String {
    value.trim().split(|c: char| matches!(c, ';' | '(') || c.is_whitespace()).next().unwrap_or_default().to_ascii_lowercase()
}

fn shown(value: &str) -> String {
    const SHOWN_OCTETS_MAX: usize = 60;
    one_line(value, SHOWN_OCTETS_MAX)
}

/// The mail has been round already.
fn looping(fields: &Fields<'_>) -> Option<(Machine, String)> {
    let hops = fields.all("received").count();
    if hops > HOPS_MAX {
        return Some((Machine::Ourselves, format!("loop: passed {hops} relays")));
    }
    let deliveries: Vec<String> = fields.all("delivered-to").map(|v| v.trim().to_ascii_lowercase()).collect();
    let most = deliveries.iter().map(|one| deliveries.iter().filter(|other| *other == one).count()).max().unwrap_or_default();
    (most > SAME_DELIVERY_MAX).then(|| (Machine::Ourselves, format!("loop: delivered {most} times to one address")))
}

/// multipart/report (RFC 6522) of any kind.
fn report(content_type: &str) -> Option<(Machine, String)> {
    let lower = content_type.to_ascii_lowercase();
    if !lower.trim_start().starts_with("multipart/report") {
        return None;
    }
    let machine = if lower.contains("disposition-notification") {
        Machine::AutoReply
    } else if lower.contains("feedback-report") {
        Machine::Bulk
    } else {
        Machine::Bounce
    };
    Some((machine, "Content-Type: multipart/report".to_owned()))
}

/// Mail of a mail system: a null return path (RFC 5321 section 4.5.5) or its usual names.
fn mail_system(fields: &Fields<'_>, from: Option<&EmailAddress>, return_path: Option<&str>, subject: &str) -> Option<(Machine, String)> {
    const BOUNCE_SUBJECTS: [&str; 14] = [
        "undeliver",
        "delivery status notification",
        "delivery failure",
        "delivery has failed",
        "mail delivery failed",
        "mail delivery system",
        "returned mail",
        "failure notice",
        "message could not be delivered",
        "unzustellbar",
        "não foi possível entregar",
        "non remis",
        "no se puede entregar",
        "недоставленное сообщение",
    ];
    let local = from.map(EmailAddress::local);
    // `From: MAILER-DAEMON` without a domain is no usable address, but a clear word.
    let bare = fields.first("from").map(str::to_ascii_lowercase).filter(|_| from.is_none()).unwrap_or_default();
    if local == Some("mailer-daemon") || bare.contains("mailer-daemon") {
        return Some((Machine::Bounce, "sender mailer-daemon".to_owned()));
    }
    let subject = subject.to_lowercase();
    let is_null = return_path.is_some_and(|p| p.split_whitespace().collect::<String>() == "<>");
    if fields.first("x-failed-recipients").is_some() {
        return Some((Machine::Bounce, "X-Failed-Recipients".to_owned()));
    }
    if is_null && (local == Some("postmaster") || BOUNCE_SUBJECTS.iter().any(|s| subject.contains(s))) {
        return Some((Machine::Bounce, "null return path".to_owned()));
    }
    if is_null {
        return Some((Machine::AutoReply, "null return path".to_owned()));
    }
    None
}

/// RFC 3834 section 5: anything but `no`.
fn auto_submitted(fields: &Fields<'_>) -> Option<(Machine, String)> {
    // Each of several counts: a `no` in front of the truth hides nothing.
    let value = fields.all("auto-submitted").find(|v| !matches!(keyword(v).as_str(), "" | "no"))?;
    let machine = match keyword(value).as_str() {
        "auto-replied" => Machine::AutoReply,
        "auto-generated" => Machine::Generated,
        _ => Machine::Bulk,
    };
    Some((machine, format!("Auto-Submitted: {}", shown(value))))
}

/// What mailers wrote before RFC 3834 and write beside it.
fn other_fields(fields: &Fields<'_>) -> Option<(Machine, String)> {
    const OF_REPLIES: [(&str, &str); 13] = [
        ("x-autoreply", "X-Autoreply"),
        ("x-autoreply-from", "X-Autoreply-From"),
        ("x-autorespond", "X-Autorespond"),
        ("x-autoresponder", "X-Autoresponder"),
        ("x-auto-reply", "X-Auto-Reply"),
        ("x-mail-autoreply", "X-Mail-Autoreply"),
        ("x-ms-exchange-inbox-rules-loop", "X-MS-Exchange-Inbox-Rules-Loop"),
        ("x-loop", "X-Loop"),
        ("x-guichet", "X-Guichet"),
        ("x-vacation", "X-Vacation"),
        ("x-autogenerated", "X-Autogenerated"),
        ("x-fc-machinegenerated", "X-FC-MachineGenerated"),
        ("x-otrs-loop", "X-OTRS-Loop"),
    ];
    const OF_BULK: [(&str, &str); 12] = [
        ("list-id", "List-Id"),
        ("list-post", "List-Post"),
        ("list-unsubscribe", "List-Unsubscribe"),
        ("list-unsubscribe-post", "List-Unsubscribe-Post"),
        ("list-help", "List-Help"),
        ("list-subscribe", "List-Subscribe"),
        ("list-owner", "List-Owner"),
        ("list-archive", "List-Archive"),
        ("mailing-list", "Mailing-List"),
        ("feedback-id", "Feedback-ID"),
        ("x-campaign", "X-Campaign"),
        ("x-mailing-list", "X-Mailing-List"),
    ];
    // A value of `no` or nothing says that it is none (some programs write both).
    let says_no = |value: &str| matches!(keyword(value).as_str(), "" | "no" | "none" | "false");
    for (name, shown) in OF_REPLIES {
        if fields.all(name).any(|v| !says_no(v)) {
            return Some((Machine::AutoReply, shown.to_owned()));
        }
    }
    // [MS-OXCMAIL] 2.2.3.2.14: which automatic answers the sender does not want. DR, RN and NRN ask for no receipts only.
    let wants_none = |v: &&str| v.split(',').any(|word| ["oof", "autoreply"].iter().any(|w| word.trim().eq_ignore_ascii_case(w)));
    if let Some(suppress) = fields.all("x-auto-response-suppress").find(wants_none) {
        return Some((Machine::AutoReply, format!("X-Auto-Response-Suppress: {}", shown(suppress))));
    }
    if fields.first("x-ms-exchange-generated-message-source").is_some_and(|v| v.to_ascii_lowercase().contains("rules agent")) {
        return Some((Machine::AutoReply, "X-MS-Exchange-Generated-Message-Source".to_owned()));
    }
    if fields.all("x-post-messageclass").chain(fields.all("delivered-to")).any(|v| v.to_ascii_lowercase().ends_with("autoresponder")) {
        return Some((Machine::AutoReply, "the name of an autoresponder".to_owned()));
    }
    for value in ["precedence", "x-precedence", "preference"].into_iter().flat_map(|name| fields.all(name)) {
        match keyword(value).as_str() {
            "auto_reply" | "auto-reply" | "autoreply" => return Some((Machine::AutoReply, "Precedence: auto_reply".to_owned())),
            word @ ("bulk" | "list" | "junk") => return Some((Machine::Bulk, format!("Precedence: {word}"))),
            _ => {}
        }
    }
    OF_BULK.iter().find(|(name, _)| fields.all(name).any(|v| !says_no(v))).map(|(_, shown)| (Machine::Bulk, (*shown).to_owned()))
}

/// Senders behind whom nobody reads.
fn role(from: Option<&EmailAddress>) -> Option<(Machine, String)> {
    /// Without dashes and dots.
    const NOBODY: [&str; 11] = [
        "bounce",
        "bounces",
        "postmaster",
        "autoreply",
        "autoresponder",
        "mailerdaemon",
        "mailer",
        "nobody",
        "listserv",
        "majordomo",
        "mailman",
    ];
    let local = from?.local();
    let name = local.split('+').next().unwrap_or_default();
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    // `noreply-orders@`, `orders.noreply@`: the word as a part of the name.
    let is_part = |word: &str| plain.starts_with(word) || plain.ends_with(word);
    // Web forms and shops write so for people: it may be a matter, but there is nobody to answer.
    let no_reply = ["noreply", "donotreply", "dontreply", "naoresponda", "noresponder", "nepasrepondre", "keineantwort"];
    if no_reply.iter().any(|w| is_part(w)) {
        return Some((Machine::Generated, format!("sender {}", shown(name))));
    }
    let is_nobody = NOBODY.contains(&plain.as_str());
    // RFC 3834 section 2 and the programs of lists: `owner-news@`, `news-request@`, `news-bounces@`, `bounce-17-4711@`.
    let begins = ["owner-", "bounce-", "bounces-", "bounce_", "bounces_", "bounce=", "bounces="].iter().any(|w| name.starts_with(w));
    let ends = ["-owner", "-request", "-bounce", "-bounces"].iter().any(|w| name.ends_with(w));
    (is_nobody || begins || ends).then(|| (Machine::Bulk, format!("sender {}", shown(name))))
}

/// DMARC's daily reports, whose subject is given (RFC 7489 section 7.2.1.1); few of their senders mark them.
fn dmarc_report(subject: &str) -> Option<(Machine, String)> {
    let subject = subject.to_ascii_lowercase();
    let words = ["report domain:", "submitter:", "report-id:"];
    words.iter().all(|word| subject.contains(word)).then(|| (Machine::Bulk, "subject of a DMARC report".to_owned()))
}

/// Begins of the subjects of out-of-office answers, lower case. Only at the start: `Re: Out of office` is a person.
const AWAY: [&str; 98] = [
    // English
    "automatic reply",
    "auto-reply",
    "auto reply",
    "autoreply",
    "auto-response",
    "auto response",
    "automatic response",
    "automated reply",
    "automated response",
    "autoresponse",
    "out of office",
    "out-of-office",
    "out of the office",
    "vacation reply",
    "vacation response",
    "away from the office",
    "away from office",
    "i am out of the office",
    "i'm out of the office",
    "i am currently out of the office",
    "i'm currently out of the office",
    "i am on vacation",
    "on annual leave",
    "ooo",
    // German
    "automatische antwort",
    "abwesenheitsnotiz",
    "abwesenheitsmeldung",
    "abwesenheitsbenachrichtigung",
    "abwesenheitsassistent",
    "abwesend",
    "nicht im büro",
    "ich bin nicht im büro",
    "außer haus",
    // Portuguese
    "resposta automática",
    "resposta automatica",
    "ausência temporária",
    "ausencia temporaria",
    "fora do escritório",
    "fora da empresa",
    "ausente do escritório",
    "ausência do escritório",
    "resposta de ausência",
    "estou de férias",
    "estou ausente",
    // Estonian
    "automaatvastus",
    "automaatne vastus",
    "kontorist väljas",
    "olen puhkusel",
    "puhkusel",
    "kontorist eemal",
    "eemal kontorist",
    "ei viibi kontoris",
    "automaatne teade",
    // French
    "réponse automatique",
    "reponse automatique",
    "absence du bureau",
    "message d'absence",
    "absent du bureau",
    "absente du bureau",
    "je suis absent",
    "je suis absente",
    // Spanish
    "respuesta automática",
    "respuesta automatica",
    "fuera de la oficina",
    "ausente de la oficina",
    "estoy fuera de la oficina",
    "estoy de vacaciones",
    // Italian
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "assente dall'ufficio",
    // Dutch
    "automatisch antwoord",
    "afwezigheidsbericht",
    "niet aanwezig",
    // Nordic
    "autosvar",
    "automatisk svar",
    "automatiskt svar",
    "automatisk svar fra",
    "frånvaro",
    "fravær",
    "ikke til stede",
    "automaattinen vastaus",
    "poissaoloviesti",
    "sjálfvirkt svar",
    // Eastern Europe
    "automatyczna odpowiedź",
    "odpowiedź automatyczna",
    "autoodpowiedź",
    "automatická odpověď",
    "automatická odpoveď",
    "automatikus válasz",
    "răspuns automat",
    "автоматический ответ",
    "автоответ",
    "автоматична відповідь",
    // Baltic, Turkish, Greek
    "automātiska atbilde",
    "automatinis atsakymas",
    "otomatik yanıt",
    "αυτόματη απάντηση",
];

/// The same in scripts that need no word end.
const AWAY_ANYHOW: [&str; 12] = [
    "自動応答",
    "自動返信",
    "不在通知",
    "自动回复",
    "自动答复",
    "自動回覆",
    "自動回復",
    "자동 회신",
    "자동응답",
    "부재중",
    "การตอบกลับอัตโนมัติ",
    "الرد التلقائي",
];

/// The phrase with which the subject of an out-of-office answer begins.
fn away(subject: &str) -> Option<&'static str> {
    let subject = subject.trim().trim_start_matches(['[', '(', '*', '"']).to_lowercase();
    if let Some(phrase) = AWAY_ANYHOW.iter().find(|p| subject.starts_with(**p)) {
        return Some(phrase);
    }
    AWAY.iter().copied().find(|phrase| subject.strip_prefix(phrase).is_some_and(ends_phrase))
}

/// Whether what follows the phrase makes it a heading, not the begin of a sentence ("Out of office hours, who answers?").
fn ends_phrase(rest: &str) -> bool {
    const GOES_ON: [&str; 16] = [
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
        "até",
        "kuni",
        "jusqu",
        "hasta",
    ];
    let next = rest.trim_start();
    next.is_empty()
        || next.starts_with([':', ';', '-', '–', '—', '[', ']', '(', ')', '!', '|', '/', ',', '.', '*', '"', '：', '#'])
        || (rest.len() > next.len() && GOES_ON.iter().any(|w| next.starts_with(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(fields: &[(&str, &str)], from: &str, subject: &str) -> Option<(Machine, String)> {
        let headers: Vec<Header> = fields.iter().map(|(n, v)| Header { name: (*n).to_owned(), value: (*v).to_owned() }).collect();
        let from = EmailAddress::parse(from).ok();
        let first = |name: &str| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        machine(&headers, from.as_ref(), first("return-path"), subject, first("content-type").unwrap_or_default())
    }

    #[test]
    fn p6_fields_give_machines_away() {
        use Machine::{AutoReply, Bounce, Bulk, Generated};
        for (name, value, expect, why) in [
            ("auto-submitted", "auto-replied", Some(AutoReply), "RFC 3834"),
            ("auto-submitted", "Auto-Notified (rfc5435); owner-email=\"a@b.example\"", Some(Bulk), "parameters and case"),
            ("auto-submitted", "auto-generated", Some(Generated), "RFC 3834"),
            ("auto-submitted", "no", None, "a person"),
            ("auto-submitted", " No (really); x=y", None, "a person, with parameters"),
            ("auto-submitted", "", None, "says nothing"),
            ("precedence", "bulk", Some(Bulk), "old"),
            ("precedence", "List", Some(Bulk), "case"),
            ("precedence", "junk", Some(Bulk), "old"),
            ("precedence", "auto_reply", Some(AutoReply), "old"),
            ("precedence", "first-class", None, "not one of these"),
            ("x-auto-response-suppress", "OOF, DR, RN, NRN, AutoReply", Some(AutoReply), "Exchange"),
            ("x-auto-response-suppress", "All", Some(Generated), "ticket systems"),
            ("x-auto-response-suppress", "DR, RN, NRN", None, "wants no receipts only"),
            ("x-autoreply", "yes", Some(AutoReply), "old"),
            ("x-autoreply", "no", None, "says no"),
            ("x-autorespond", "Out of office", Some(AutoReply), "old"),
            ("x-loop", "support@help.example", Some(AutoReply), "a mark against loops"),
            ("x-autogenerated", "Reply", Some(AutoReply), "CommuniGate"),
            ("x-fc-machinegenerated", "true", Some(AutoReply), "FirstClass"),
            ("x-otrs-loop", "True", Some(AutoReply), "another desk"),
            ("x-post-messageclass", "9; Autoresponder", Some(AutoReply), "Mailtraq"),
            ("delivered-to", "Autoresponder", Some(AutoReply), "qmail"),
            ("x-precedence", "auto_reply", Some(AutoReply), "cPanel"),
            ("preference", "auto_reply", Some(AutoReply), "cPanel"),
            ("list-id", "<x.example>", Some(Bulk), "RFC 2919"),
            ("list-unsubscribe", "<mailto:x@y>", Some(Bulk), "RFC 2369"),
            ("feedback-id", "42:camp:acct:esp", Some(Bulk), "newsletter"),
            ("x-ms-exchange-inbox-rules-loop", "support@help.example", Some(AutoReply), "Exchange rule"),
            ("x-ms-exchange-generated-message-source", "Mailbox Rules Agent", Some(AutoReply), "Exchange rule"),
            ("return-path", "<>", Some(AutoReply), "RFC 5321 section 4.5.5"),
            ("return-path", "<a@x.example>", None, "a person's"),
            ("content-type", "multipart/report; report-type=delivery-status", Some(Bounce), "RFC 6522"),
            ("content-type", "multipart/report; report-type=disposition-notification", Some(AutoReply), "RFC 8098"),
            ("content-type", "multipart/report; report-type=feedback-report", Some(Bulk), "RFC 5965"),
            ("content-type", "multipart/mixed", None, "no report"),
        ] {
            assert_eq!(seen(&[(name, value)], "alice@customer.example", "Question").map(|m| m.0), expect, "{why}: {name}: {value}");
        }
    }

    #[test]
    fn p6_senders_and_subjects_give_machines_away() {
        use Machine::{AutoReply, Bounce, Bulk, Generated};
        for (from, subject, expect, why) in [
            ("MAILER-DAEMON@mx.example", "x", Some(Bounce), "mail system"),
            ("no-reply@shop.example", "x", Some(Generated), "nobody reads there"),
            ("noreply+17@shop.example", "x", Some(Generated), "tagged"),
            ("orders-noreply@shop.example", "x", Some(Generated), "as a part of the name"),
            ("do.not.reply@shop.example", "x", Some(Generated), "dots"),
            ("postmaster@shop.example", "x", Some(Bulk), "role"),
            ("bounce-17-4711@lists.example", "x", Some(Bulk), "a list's return address"),
            ("news-bounces+a=b@lists.example", "x", Some(Bulk), "a list's return address"),
            ("owner-news@lists.example", "x", Some(Bulk), "a list's owner"),
            ("news-request@lists.example", "x", Some(Bulk), "a list's program"),
            ("LISTSERV@lists.example", "x", Some(Bulk), "a list's program"),
            ("mailer_daemon@shop.example", "x", Some(Bulk), "mail system"),
            ("r@mx.example", "[Preview] Report Domain: a.example Submitter: b.example Report-ID: <1>", Some(Bulk), "DMARC report"),
            ("r@mx.example", "Report Domain: a.example is down", None, "a person"),
            ("bouncer@club.example", "x", None, "a person"),
            ("norman.reply@shop.example", "x", None, "a person"),
            ("alice@x.example", "Abwesenheitsnotiz: [#1042] Ihre Rechnung", Some(AutoReply), "German"),
            ("alice@x.example", "Ausência temporária Re: [#1042]", Some(AutoReply), "Portuguese"),
            ("alice@x.example", "Réponse automatique : [#1042] Votre facture", Some(AutoReply), "French"),
            ("alice@x.example", "自動応答 [#1042]", Some(AutoReply), "Japanese"),
            ("alice@x.example", "부재중: [#1042]", Some(AutoReply), "Korean"),
            ("alice@x.example", "Olen puhkusel kuni 3. novembrini", Some(AutoReply), "Estonian"),
            ("alice@x.example", "OOO: back on Monday", Some(AutoReply), "a habit"),
            ("alice@x.example", "Estoy de vacaciones", Some(AutoReply), "Spanish"),
            ("alice@x.example", "Out of Office until Monday", Some(AutoReply), "a heading that goes on"),
            ("alice@x.example", "Re: Out of office", None, "a person answers one"),
            ("alice@x.example", "Out of office hours: who answers?", None, "a sentence"),
            ("alice@x.example", "Autosvarx", None, "another word"),
        ] {
            assert_eq!(seen(&[], from, subject).map(|m| m.0), expect, "{why}: {subject}");
        }
    }

    #[test]
    fn p6_loops_are_seen() {
        let ways = vec![("received", "by r"); 41];
        assert_eq!(seen(&ways, "a@x.example", "x").map(|m| m.0), Some(Machine::Ourselves), "too many relays");
        assert_eq!(seen(&ways[..12], "a@x.example", "x"), None, "a long way");
        assert_eq!(seen(&[("delivered-to", "s@h.example"); 3], "a@x.example", "x").map(|m| m.0), Some(Machine::Ourselves), "thrice");
        assert_eq!(seen(&[("delivered-to", "s@h.example"); 2], "a@x.example", "x"), None, "MTA and LDA");
        assert_eq!(seen(&[("from", "MAILER-DAEMON")], "", "x").map(|m| m.0), Some(Machine::Bounce), "no domain");
        let twice = [("auto-submitted", "no"), ("auto-submitted", "auto-replied")];
        assert_eq!(seen(&twice, "a@x.example", "x").map(|m| m.0), Some(Machine::AutoReply), "a no in front hides nothing");
    }
}
