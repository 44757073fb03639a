//! Is a machine speaking? RFC 3834 and what real mailers do (P6).
//!
//! The first sign that is found decides, strongest first, and is the reason that is recorded (P9). Wrong towards silence
//! costs an acknowledgement; wrong towards answering starts a loop.

mod away;

use super::normalise::Header;
use super::normalise::scan::Names;
use crate::domain::address::{EmailAddress, one_line};
use crate::domain::message::Machine;

/// Relays that a mail may have passed; more is a loop. RFC 5321 section 6.3 asks for a large number, Exim's is 30.
const HOPS_MAX: usize = 30;
/// Deliveries to one address that a mail may have behind it: an MTA and an LDA may both write the field.
const SAME_DELIVERY_MAX: usize = 2;

/// Which machine speaks, and the sign of it. `headers` have lower-case names.
#[must_use]
pub fn machine(headers: &[Header], from: Option<&EmailAddress>, subject: &str) -> Option<(Machine, String)> {
    spoken(headers, from, subject, false)
}

/// The same for a mail that came through a list which is a way to the desk: that it is of a list is no sign.
#[must_use]
pub fn machine_through_list(headers: &[Header], from: Option<&EmailAddress>, subject: &str) -> Option<(Machine, String)> {
    spoken(headers, from, subject, true)
}

fn spoken(headers: &[Header], from: Option<&EmailAddress>, subject: &str, through_list: bool) -> Option<(Machine, String)> {
    let fields = Fields::of(headers);
    let (return_path, content_type) = (fields.first("return-path"), fields.first("content-type").unwrap_or_default());
    let submitted = auto_submitted(&fields);
    // A monitor, a web form, another desk: it may report something. Whatever says more about it goes before.
    let generated = submitted.clone().filter(|(machine, _)| *machine == Machine::Generated).or_else(|| wants_no_answer(&fields));
    looping(&fields)
        .or_else(|| report(content_type))
        .or_else(|| mail_system(&fields, from, return_path, subject))
        .or_else(|| submitted.filter(|(machine, _)| *machine != Machine::Generated))
        .or_else(|| of_replies(&fields))
        .or_else(|| away::away(subject).map(|phrase| (Machine::AutoReply, format!("subject begins with \"{phrase}\""))))
        .or_else(|| desk(&fields))
        .or_else(|| of_bulk(&fields, through_list))
        .or_else(|| dmarc_report(subject))
        .or_else(|| role(from))
        .or(generated)
}

/// Ticket systems and CRMs put `X-Auto-Response-Suppress: All` on what their people write: it is not to be answered by a
/// machine, but to be read. [MS-OXCMAIL] 2.2.3.2.14.
fn wants_no_answer(fields: &Fields<'_>) -> Option<(Machine, String)> {
    let all = fields.signs("x-auto-response-suppress").find(|v| v.trim().eq_ignore_ascii_case("all"))?;
    Some((Machine::Generated, format!("X-Auto-Response-Suppress: {}", shown(all))))
}

/// Whether Auto-Submitted says that no person wrote this mail (RFC 3834 section 5).
#[must_use]
pub fn is_auto_submitted(headers: &[Header]) -> bool {
    // Of this one field alone: all the others are asked for nothing here.
    let signs = headers.iter().filter(|field| field.name == "auto-submitted").collect();
    auto_submitted(&Fields { all: headers, signs }).is_some()
}

/// The fields of a mail; those that programs write apart, so that the many questions after them are of few fields or none.
struct Fields<'a> {
    all: &'a [Header],
    signs: Vec<&'a Header>,
}

impl<'a> Fields<'a> {
    fn of(headers: &'a [Header]) -> Self {
        Self { all: headers, signs: headers.iter().filter(|h| SIGNS.may_hold(&h.name)).collect() }
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.all.iter().filter(move |h| h.name == name).map(|h| h.value.as_str())
    }

    fn first(&self, name: &'static str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Values of a field that programs write: one that [`SIGNS`] knows.
    fn signs(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        debug_assert!(SIGNS.may_hold(name), "{name} is looked for, and would not be found");
        self.signs.iter().filter(move |h| h.name == name).map(|h| h.value.as_str())
    }

    fn has(&self, name: &'static str) -> bool {
        self.signs(name).next().is_some()
    }
}

/// The names of all fields that are looked for as [`Fields::signs`].
static SIGNS: Names = Names::EMPTY.and_shown(&OF_REPLIES).and_shown(&OF_DESKS).and_shown(&OF_BULK).and(&[
    "auto-submitted",
    "precedence",
    "preference",
    "x-auto-response-suppress",
    "x-failed-recipients",
    "x-ms-exchange-generated-message-source",
    "x-post-messageclass",
    "x-precedence",
]);

/// The word in front of parameters and behind comments, lower case.
fn keyword(value: &str) -> String {
    let mut rest = value.trim_start();
    // RFC 5322 section 3.2.2; one that nests is none that anybody writes here.
    while let Some((_, behind)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
        rest = behind.trim_start();
    }
    rest.split(|c: char| matches!(c, ';' | '(') || c.is_whitespace()).next().unwrap_or_default().to_ascii_lowercase()
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
    fields.all("delivered-to").nth(SAME_DELIVERY_MAX)?;
    let deliveries: Vec<String> = fields.all("delivered-to").map(|v| v.trim().to_ascii_lowercase()).collect();
    let most = deliveries.iter().map(|one| deliveries.iter().filter(|other| *other == one).count()).max().unwrap_or_default();
    (most > SAME_DELIVERY_MAX).then(|| (Machine::Ourselves, format!("loop: delivered {most} times to one address")))
}

/// multipart/report (RFC 6522) of any kind.
fn report(content_type: &str) -> Option<(Machine, String)> {
    const REPORT: &str = "multipart/report";
    let content_type = content_type.trim_start();
    if !content_type.get(..REPORT.len()).is_some_and(|start| start.eq_ignore_ascii_case(REPORT)) {
        return None;
    }
    let lower = content_type.to_ascii_lowercase();
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
    let bare = || fields.first("from").is_some_and(|bare| bare.to_ascii_lowercase().contains("mailer-daemon"));
    if local == Some("mailer-daemon") || from.is_none() && bare() {
        return Some((Machine::Bounce, "sender mailer-daemon".to_owned()));
    }
    let is_null = return_path.is_some_and(|p| p.split_whitespace().collect::<String>() == "<>");
    if fields.has("x-failed-recipients") {
        return Some((Machine::Bounce, "X-Failed-Recipients".to_owned()));
    }
    if !is_null {
        return None;
    }
    let subject = subject.to_lowercase();
    let is_bounce = local == Some("postmaster") || BOUNCE_SUBJECTS.iter().any(|s| subject.contains(s));
    Some((if is_bounce { Machine::Bounce } else { Machine::AutoReply }, "null return path".to_owned()))
}

/// RFC 3834 section 5: anything but `no`.
fn auto_submitted(fields: &Fields<'_>) -> Option<(Machine, String)> {
    // Each of several counts: a `no` in front of the truth hides nothing.
    let value = fields.signs("auto-submitted").find(|v| !matches!(keyword(v).as_str(), "" | "no"))?;
    let machine = match keyword(value).as_str() {
        "auto-replied" => Machine::AutoReply,
        "auto-generated" => Machine::Generated,
        _ => Machine::Bulk,
    };
    Some((machine, format!("Auto-Submitted: {}", shown(value))))
}

/// What other desks write on all of theirs, and how it is shown.
const OF_DESKS: [(&str, &str); 8] = [
    ("x-rt-loop-prevention", "X-RT-Loop-Prevention"),
    ("rt-originator", "RT-Originator"),
    ("x-rt-originator", "X-RT-Originator"),
    ("x-zendesk-from-account-id", "X-Zendesk-From-Account-Id"),
    ("x-zendesk-email-id", "X-Zendesk-Email-Id"),
    ("x-servicenow-generated", "X-ServiceNow-Generated"),
    ("x-servicenow-sysemail-version", "X-ServiceNow-SysEmail-Version"),
    ("x-jira-fingerprint", "X-JIRA-FingerPrint"),
];

/// Another desk: its people and its programs write alike, with `Precedence: bulk` on all of it (RT, ServiceNow, Jira). It is
/// read by people here, and never answered by a program: two desks would go on for ever.
fn desk(fields: &Fields<'_>) -> Option<(Machine, String)> {
    if fields.has("list-id") {
        return None;
    }
    OF_DESKS.iter().find(|(name, _)| fields.has(name)).map(|(_, shown)| (Machine::Generated, (*shown).to_owned()))
}

/// A value of `no` or nothing says that it is none (some programs write both).
fn says_no(value: &str) -> bool {
    matches!(keyword(value).as_str(), "" | "no" | "none" | "false")
}

/// Values of the fields of precedence, in lower case.
fn precedences(fields: &Fields<'_>) -> impl Iterator<Item = String> {
    ["precedence", "x-precedence", "preference"].into_iter().flat_map(|name| fields.signs(name)).map(keyword)
}

/// What mailers wrote before RFC 3834 and write beside it, of answers.
const OF_REPLIES: [(&str, &str); 15] = [
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
    ("x-auto-response", "X-Auto-Response"),
    ("x-autoresponse", "X-Autoresponse"),
];

/// Marks of answers.
fn of_replies(fields: &Fields<'_>) -> Option<(Machine, String)> {
    const AUTORESPONDER: &str = "autoresponder";
    for (name, shown) in OF_REPLIES {
        if fields.signs(name).any(|v| !says_no(v)) {
            return Some((Machine::AutoReply, shown.to_owned()));
        }
    }
    // [MS-OXCMAIL] 2.2.3.2.14: which automatic answers the sender does not want. DR, RN and NRN ask for no receipts only.
    let wants_none = |v: &&str| v.split(',').any(|word| ["oof", "autoreply"].iter().any(|w| word.trim().eq_ignore_ascii_case(w)));
    if let Some(suppress) = fields.signs("x-auto-response-suppress").find(wants_none) {
        return Some((Machine::AutoReply, format!("X-Auto-Response-Suppress: {}", shown(suppress))));
    }
    if fields.signs("x-ms-exchange-generated-message-source").next().is_some_and(|v| v.to_ascii_lowercase().contains("rules agent")) {
        return Some((Machine::AutoReply, "X-MS-Exchange-Generated-Message-Source".to_owned()));
    }
    let ends_so = |v: &str| {
        let start = v.len().saturating_sub(AUTORESPONDER.len());
        v.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(AUTORESPONDER))
    };
    if fields.signs("x-post-messageclass").chain(fields.all("delivered-to")).any(ends_so) {
        return Some((Machine::AutoReply, "the name of an autoresponder".to_owned()));
    }
    let of_reply = |word: &str| matches!(word, "auto_reply" | "auto-reply" | "autoreply");
    precedences(fields).any(|word| of_reply(&word)).then(|| (Machine::AutoReply, "Precedence: auto_reply".to_owned()))
}

/// Fields of lists and newsletters, and how they are shown.
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
    ("x-mailing-list", "X-Mailing-List"),
    ("feedback-id", "Feedback-ID"),
    ("x-campaign", "X-Campaign"),
];

/// Marks of lists and newsletters. A list that is a way to the desk puts its own on what people write.
fn of_bulk(fields: &Fields<'_>, through_list: bool) -> Option<(Machine, String)> {
    /// Those that say no more than that it came through a list (RFC 2919, RFC 2369).
    const OF_LISTS: usize = 10;
    let is_bulk = |word: &str| matches!(word, "bulk" | "junk") || (word == "list" && !through_list);
    if let Some(word) = precedences(fields).find(|word| is_bulk(word)) {
        return Some((Machine::Bulk, format!("Precedence: {word}")));
    }
    let signs = OF_BULK.get(if through_list { OF_LISTS } else { 0 }..).unwrap_or_default();
    signs.iter().find(|(name, _)| fields.signs(name).any(|v| !says_no(v))).map(|(_, shown)| (Machine::Bulk, (*shown).to_owned()))
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
    if !subject.contains(':') {
        return None;
    }
    let subject = subject.to_ascii_lowercase();
    let words = ["report domain:", "submitter:", "report-id:"];
    words.iter().all(|word| subject.contains(word)).then(|| (Machine::Bulk, "subject of a DMARC report".to_owned()))
}

#[cfg(test)]
mod tests;
