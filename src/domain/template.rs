//! The texts of automatic mail: written per language, checked once at start, filled with facts.
//!
//! A text of one tier alone is named `NAME.TIER`, and goes before the one that is named `NAME`.
//!
//! A source is minijinja. That of a mail begins with `Subject: …` and an empty line; that of a part, which goes into another
//! text, has its text alone. What a customer wrote is always a value: it is shown, never expanded. Filters besides
//! minijinja's own: `word` (a word of the interface in the language of the text: `{{ priority|word }}`, from that language's
//! `words`) and `quote` (each line behind `> `).

use super::address::{on_one_line, one_line};
use super::dates::Moment;
use super::message::Language;
use super::ticket::SUBJECT_OCTETS_MAX;
use super::words::nearest;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Steps that one text may take (P11); the longest of ours takes some hundred.
const FUEL: u64 = 100_000;

/// First words of the brief. Who reads an agent's answer knows by them where the agent's own words end.
pub const BRIEF_MARK: &str = "— guichet ";

/// Texts that are mails of their own.
const MAILS: [&str; 18] = [
    "ack",
    "ack_unverified",
    "away",
    "breach",
    "checkin",
    "delay",
    "escalation",
    "held",
    "help",
    "nudge",
    "ops_digest",
    "ops_recovered",
    "ops_silent",
    "promise_reminder",
    "review",
    "status",
    "undelivered",
    "warning",
];
/// Texts that go into others.
const PARTS: [&str; 3] = ["brief", "chat_expected", "new_ticket_from_closed"];
/// Not a text: what the filter `word` knows, as `word = text`, a line each.
const WORDS: &str = "words";

/// Names of all variables: the fields of [`NoticeFacts`].
#[rustfmt::skip]
const VARIABLES: [&str; 47] = [
    "address", "agent", "assignee", "away", "away_text", "channel", "clock", "clocks", "closed_number", "copied", "customer", "desk", "doubted", "due_text", "earlier", "faults", "fetch", "fresh", "hint", "ids", "in_hours", "last_word", "left_out", "look_alike", "mailboxes", "may_answer", "number", "opened_text", "opens_text", "organisation", "plan", "priority", "purpose", "reasons", "seq", "status", "stranger", "subject", "suppressed", "tags", "team", "team_title", "text", "tier", "undeliverable", "waiting", "whole",
];

/// The texts of all languages, ready to be filled.
#[derive(Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    present: Arc<BTreeMap<Language, BTreeMap<String, Compiled>>>,
    /// Whether any text is of one tier alone.
    has_tiers: bool,
    /// Where a language has no text, that of this one is taken, and at last the English one.
    first: Language,
}

/// Under which names the environment has what a text consists of.
struct Compiled {
    /// Of a part there is none.
    subject: Option<String>,
    body: String,
}

/// What one text may speak of. Every field is always there; one that has nothing to say is empty.
///
/// What comes from outside stands on one line, but for `text` and `faults`. A field has the name of its variable, and is made a value
/// of the template only where the text asks for it: most texts ask for few.
#[derive(Clone, Debug, Default)]
pub struct NoticeFacts {
    /// Name of the desk: `Acme Support`.
    pub desk: String,
    /// The ticket: `#1042`.
    pub number: String,
    /// Its subject.
    pub subject: String,
    /// Name of the customer; empty if it is not known.
    pub customer: String,
    /// The requester's address, or that of a mail that did not arrive; empty if it is not known.
    pub address: String,
    pub organisation: String,
    pub plan: String,
    pub tier: String,
    pub team: String,
    /// What customers are told of the team; empty if they are told of none. The name is for those who work here.
    pub team_title: String,
    /// Handle of the agent that has it; empty if nobody has.
    pub assignee: String,
    /// Name of the agent that has it, if he is away, and until when, in words; both are empty if he is not, the latter if he did not say.
    pub away: String,
    pub away_text: String,
    /// `low`, `medium`, `high`, `critical`; to be shown through `word`.
    pub priority: &'static str,
    /// `new`, `open`, …; to be shown through `word`.
    pub status: &'static str,
    /// `mail`, `chat`, `phone`; to be shown through `word`.
    pub channel: &'static str,
    /// Tags of the ticket.
    pub tags: Vec<String>,
    /// The clock that this is about: `first_response`, …; to be shown through `word`.
    pub clock: &'static str,
    /// When that clock runs out, in words ([`super::dates::when_text`]); empty if there is no target.
    pub due_text: String,
    /// When the ticket was opened; shown in words, and nothing where it is `None`.
    pub opened_text: Option<Moment>,
    /// Whether the team is at work now.
    pub in_hours: bool,
    /// If it is not: when it is next; nothing where it is `None`.
    pub opens_text: Option<Moment>,
    /// Whether who is written to is an agent, whose answer goes to the customer and whose commands are obeyed.
    pub may_answer: bool,
    /// What kind of mail did not arrive: `ack`, `answer`, …; to be shown through `word`.
    pub purpose: &'static str,
    /// Name of the agent who is written to.
    pub agent: String,
    /// A text that is repeated: an agent's own, or what a customer wrote.
    pub text: String,
    /// Why a mail was held, a sentence each.
    pub faults: Vec<String>,
    /// The ticket's clocks.
    pub clocks: Vec<ClockFacts>,
    /// The customer's earlier tickets, newest first.
    pub earlier: Vec<EarlierFacts>,
    /// The closed ticket that this one continues: `#1041`.
    pub closed_number: String,
    /// Address of a writer who has no part in the ticket; empty for those who have.
    pub stranger: String,
    /// Address of a writer who is known not to be who he claims; empty for all others.
    pub doubted: String,
    /// The message's place in its ticket; 0 where there is none.
    pub seq: u32,
    /// Whether more of this kind is noted in silence for a while.
    pub last_word: bool,
    /// Whom the writer copied and who hears nothing of the ticket.
    pub copied: Vec<String>,
    /// Whom a new writer looks like: `acme.examp1e resembles acme.example`; empty for all others.
    pub look_alike: String,
    /// Attachments that were too large to go along, with their sizes.
    pub left_out: Vec<String>,
    /// The size of a mail of which only the start came, and the command that fetches the rest; empty for any other.
    pub whole: String,
    pub fetch: String,
    /// What can be done about a mail that did not arrive; to be shown through `word`. Empty where nothing is known.
    pub hint: &'static str,
    /// Why nothing automatic goes to the customer's address; empty if it does.
    pub suppressed: String,
    /// To ops: the mailboxes that this is about.
    pub mailboxes: Vec<SilenceFacts>,
    /// To ops: what is in quarantine, by reason; all of it together; what of it is new since the last report; the ids of a few of
    /// those.
    pub reasons: Vec<ReasonFacts>,
    pub waiting: u64,
    pub fresh: u64,
    pub ids: Vec<String>,
    /// To ops: mails that could not be delivered since the last report.
    pub undeliverable: u64,
}

/// A mailbox that is or was silent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SilenceFacts {
    pub mailbox: String,
    /// When it last answered, in words.
    pub since_text: String,
    /// For how long it has not, or had not, such as `2 h 5 min`.
    pub lasted: String,
    /// `network`, `sign_in`, `protocol`, `handover`, or empty; to be shown through `word`.
    pub trouble: String,
    /// Mails that were there when it came back.
    pub waited: u64,
}

/// What is in quarantine for one reason.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReasonFacts {
    /// `no_sender`, `machine`, …; to be shown through `word`.
    pub reason: String,
    pub waiting: u64,
    /// Those of them that are new since the last report.
    pub fresh: u64,
}

/// One clock of a ticket.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClockFacts {
    /// `first_response`, …; to be shown through `word`.
    pub clock: &'static str,
    /// `running`, `paused`, …; to be shown through `word`.
    pub state: &'static str,
    /// When it runs out, in words.
    pub due_text: String,
}

/// One earlier ticket.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EarlierFacts {
    pub number: String,
    pub subject: String,
    /// To be shown through `word`.
    pub status: &'static str,
    pub opened_text: String,
}

/// A text that is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// On one line; empty for a part.
    pub subject: String,
    /// Without empty lines at its ends.
    pub text: String,
}

/// Why a text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    pub language: Language,
    pub name: String,
    pub line: u32,
    pub message: String,
}

/// Why a text could not be filled. After the check at start only fuel is left as a reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to fill template {name} in {language}: {message}")]
pub struct RenderFault {
    pub language: Language,
    pub name: String,
    pub message: String,
}

impl Templates {
    /// Compiles and tries all of them; `first` is the desk's first language. Each is filled with facts that are all there and
    /// with facts that are all empty, so that whatever would fail in use fails here.
    ///
    /// # Errors
    /// Every fault of every source.
    pub fn from_sources(sources: &BTreeMap<(Language, String), String>, first: Language) -> Result<Self, Vec<TemplateFault>> {
        let mut faults = Vec::new();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        // Lines that only hold a block leave no line behind.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_fuel(Some(FUEL));
        // As minijinja's own, but that a text goes out as it is: most values are texts.
        environment.set_formatter(|out, state, value| match value.as_str() {
            Some(text) => Ok(out.write_str(text)?),
            None => escape_formatter(out, state, value),
        });
        environment.add_filter("quote", |text: &str| quoted(text));
        let words = words_of(sources, &mut faults);
        environment.add_filter("word", move |state: &State, word: &str| {
            let language = state.name().split('/').next().and_then(Language::parse).unwrap_or(Language::EN);
            words.get(&language).and_then(|words| words.get(word)).cloned().unwrap_or_else(|| word.replace('_', " ").into())
        });

        let mut present: BTreeMap<Language, BTreeMap<String, Compiled>> = BTreeMap::new();
        for ((language, name), source) in sources {
            if name == WORDS {
                continue;
            }
            let mut fault = |line: u32, message: String| {
                faults.push(TemplateFault { language: *language, name: name.clone(), line, message });
            };
            if !Self::names().any(|known| known == base(name)) && !is_extra(base(name)) {
                fault(1, unknown("text", base(name), &Self::names().collect::<Vec<_>>()));
                continue;
            }
            let Some((subject, body, body_line)) = halves(name, source) else {
                fault(1, "its first line has to be 'Subject: …', and the second empty".to_owned());
                continue;
            };
            let compiled = Compiled {
                subject: is_mail(base(name)).then(|| format!("{language}/{name}/subject")),
                body: format!("{language}/{name}/body"),
            };
            let mut is_whole = true;
            for (half, text, first_line) in [(compiled.subject.as_ref(), subject, 1), (Some(&compiled.body), body, body_line)] {
                if let Some(half) = half
                    && let Err(error) = environment.add_template_owned(half.clone(), text.to_owned())
                {
                    fault(first_line + line_of(&error) - 1, sentence(&error));
                    is_whole = false;
                }
            }
            if is_whole {
                present.entry(*language).or_default().insert(name.clone(), compiled);
            }
        }
        let has_tiers = present.values().flat_map(BTreeMap::keys).any(|name| tier_of(name).is_some());
        let templates = Self { environment: Arc::new(environment), present: Arc::new(present), has_tiers, first };
        for (language, texts) in templates.present.iter() {
            for (name, compiled) in texts {
                if let Some(source) = sources.get(&(*language, name.clone())) {
                    templates.try_out(*language, name, compiled, source, &mut faults);
                }
            }
        }
        if faults.is_empty() { Ok(templates) } else { Err(faults) }
    }

    /// Fills one text, in the form for the tier of the facts if there is one. A language that lacks it gets the desk's first one, else the English one.
    ///
    /// # Errors
    /// If no language has it, or if it ran out of fuel.
    pub fn render(&self, language: Language, name: &str, facts: impl Into<Arc<NoticeFacts>>) -> Result<Rendered, RenderFault> {
        let facts: Arc<NoticeFacts> = facts.into();
        let of_tier = (self.has_tiers && !facts.tier.is_empty()).then(|| format!("{name}.{}", facts.tier));
        let (language, name, compiled) = [language, self.first, Language::EN]
            .into_iter()
            .flat_map(|language| of_tier.as_deref().into_iter().chain([name]).map(move |name| (language, name)))
            .find_map(|(language, name)| Some((language, name, self.text(language, name)?)))
            .ok_or_else(|| RenderFault { language, name: name.to_owned(), message: "no language has it".to_owned() })?;
        self.fill(compiled, &Value::from_dyn_object(facts)).map_err(|error| RenderFault {
            language,
            name: name.to_owned(),
            message: sentence(&error),
        })
    }

    /// Names of the texts that a language lacks.
    pub fn missing(&self, language: Language) -> impl Iterator<Item = &'static str> {
        Self::names().filter(move |name| self.text(language, name).is_none())
    }

    /// Whether there is a text of this name for every language, be it that of the desk's first one or the English one.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        [self.first, Language::EN].into_iter().any(|language| self.text(language, name).is_some())
    }

    /// Names of all texts that there have to be, without `words`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MAILS.into_iter().chain(PARTS)
    }

    fn text(&self, language: Language, name: &str) -> Option<&Compiled> {
        self.present.get(&language)?.get(name)
    }

    fn fill(&self, compiled: &Compiled, facts: &Value) -> Result<Rendered, Error> {
        let half = |name: &str| self.environment.get_template(name)?.render(facts);
        let subject = compiled.subject.as_deref().map(half).transpose()?.unwrap_or_default();
        let text = half(&compiled.body)?;
        Ok(Rendered { subject: one_line(&subject, SUBJECT_OCTETS_MAX), text: text.trim_matches('\n').trim_end().to_owned() })
    }

    /// Looks for what would fail in use: variables that do not exist, in branches that are not taken as well, and whatever
    /// fails as it is filled.
    fn try_out(&self, language: Language, name: &str, compiled: &Compiled, source: &str, faults: &mut Vec<TemplateFault>) {
        let mut fault = |line: u32, message: String| faults.push(TemplateFault { language, name: name.to_owned(), line, message });
        let mut strange = BTreeSet::new();
        for half in compiled.subject.iter().chain([&compiled.body]) {
            if let Ok(template) = self.environment.get_template(half) {
                strange.extend(template.undeclared_variables(false).into_iter().filter(|v| !VARIABLES.contains(&v.as_str())));
            }
        }
        // Functions of minijinja itself, such as `range`, are no variables.
        let functions: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        strange.retain(|variable| !functions.contains(variable.as_str()));
        for variable in &strange {
            let line = source.lines().position(|line| has_word(line, variable)).unwrap_or(0);
            fault(u32::try_from(line + 1).unwrap_or(1), unknown("variable", variable, &VARIABLES));
        }
        if !strange.is_empty() {
            return;
        }
        for mut facts in NoticeFacts::samples() {
            if let Some(tier) = tier_of(name) {
                tier.clone_into(&mut facts.tier);
            }
            match self.fill(compiled, &Value::from_object(facts.clone())) {
                Ok(filled) if is_mail(base(name)) && filled.subject.is_empty() => fault(1, "its subject comes out empty".to_owned()),
                Ok(filled) if filled.text.is_empty() => fault(1, "it comes out empty".to_owned()),
                Ok(filled) if base(name) == "brief" && !filled.text.starts_with(&format!("{BRIEF_MARK}{}", facts.number)) => {
                    fault(1, format!("it has to begin with '{BRIEF_MARK}{{{{ number }}}}', by which answers are read"));
                }
                Ok(_) => continue,
                Err(error) => {
                    let in_body = error.name().is_some_and(|name| name.ends_with("/body"));
                    let first = if in_body { halves(name, source).map_or(1, |(.., line)| line) } else { 1 };
                    fault(first + line_of(&error) - 1, sentence(&error));
                }
            }
            // One fault is enough to find the place; the other samples would mostly repeat it.
            return;
        }
    }
}

impl NoticeFacts {
    /// Facts to try a text with: all there, in and out of hours; and all empty.
    #[must_use]
    pub fn samples() -> [Self; 3] {
        let moment = |at| Moment { at, zone: TimeZone::UTC, language: Language::EN, now: Timestamp::constant(15 * 3600, 0) };
        let full = Self {
            desk: "Acme Support".to_owned(),
            number: "#1042".to_owned(),
            subject: "A question".to_owned(),
            customer: "Ana Souza".to_owned(),
            organisation: "Souza Ltda".to_owned(),
            plan: "extended".to_owned(),
            tier: "advanced".to_owned(),
            team: "billing".to_owned(),
            assignee: "ana".to_owned(),
            away: "Ana Souza".to_owned(),
            away_text: "tomorrow, 9:00 (UTC)".to_owned(),
            priority: "high",
            status: "open",
            channel: "mail",
            tags: vec!["billing".to_owned()],
            clock: "first_response",
            due_text: "today, 15:20 (UTC)".to_owned(),
            opened_text: Some(moment(Timestamp::constant(14 * 3600 + 20 * 60, 0))),
            in_hours: true,
            opens_text: None,
            may_answer: true,
            purpose: "answer",
            team_title: "Accounts".to_owned(),
            agent: "Carla".to_owned(),
            text: "Hello\nthere".to_owned(),
            faults: vec!["a fault".to_owned()],
            clocks: vec![ClockFacts { clock: "resolution", state: "running", due_text: "today, 18:00 (UTC)".to_owned() }],
            earlier: vec![EarlierFacts {
                number: "#1041".to_owned(),
                subject: "Another question".to_owned(),
                status: "solved",
                opened_text: "yesterday, 9:00 (UTC)".to_owned(),
            }],
            closed_number: "#1041".to_owned(),
            address: "ana@souza.example".to_owned(),
            stranger: "bia@else.example".to_owned(),
            doubted: "ceo@else.example".to_owned(),
            seq: 3,
            last_word: true,
            copied: vec!["eva@else.example".to_owned()],
            look_alike: "acme.examp1e resembles acme.example".to_owned(),
            left_out: vec!["plan.pdf (20 MiB)".to_owned()],
            mailboxes: vec![SilenceFacts {
                mailbox: "support".to_owned(),
                since_text: "today, 14:20 (UTC)".to_owned(),
                lasted: "2 h 5 min".to_owned(),
                trouble: "sign_in".to_owned(),
                waited: 3,
            }],
            reasons: vec![ReasonFacts { reason: "no_sender".to_owned(), waiting: 2, fresh: 1 }],
            waiting: 2,
            fresh: 1,
            ids: vec!["7".to_owned()],
            undeliverable: 1,
            whole: "60 MB".to_owned(),
            fetch: "guichet fetch 1042 1".to_owned(),
            hint: "undelivered_full",
            suppressed: "mail to it came back on 2026-11-23 (5.2.2)".to_owned(),
        };
        [
            full.clone(),
            Self { in_hours: false, opens_text: Some(moment(Timestamp::constant(33 * 3600, 0))), ..full },
            Self { number: "#1".to_owned(), desk: "Acme".to_owned(), ..Self::default() },
        ]
    }

    /// One of them as a text sees it, by the name of its field; `None` if there is none of that name.
    ///
    /// All that must stand on one line is put on one line: a line break in a name could end a sentence of ours and begin another.
    fn value(&self, name: &str) -> Option<Value> {
        let one_line = |text: &str| Value::from(on_one_line(text, SUBJECT_OCTETS_MAX));
        // By name, so that a new field is not forgotten below.
        let Self {
            desk,
            number,
            subject,
            customer,
            address,
            organisation,
            plan,
            tier,
            team,
            assignee,
            away,
            away_text,
            priority,
            status,
            channel,
            tags,
            clock,
            due_text,
            opened_text,
            in_hours,
            agent,
            text,
            faults,
            clocks,
            earlier,
            closed_number,
            stranger,
            doubted,
            seq,
            last_word,
            copied,
            look_alike,
            left_out,
            whole,
            fetch,
            hint,
            suppressed,
            mailboxes,
            reasons,
            waiting,
            fresh,
            ids,
            undeliverable,
            team_title,
            opens_text,
            may_answer,
            purpose,
        } = self;
        let in_words = |moment: &Option<Moment>| Value::from(moment.as_ref().map_or_else(String::new, Moment::text));
        Some(match name {
            "desk" => one_line(desk),
            "number" => number.into(),
            "subject" => one_line(subject),
            "customer" => one_line(customer),
            "address" => address.into(),
            "organisation" => one_line(organisation),
            "plan" => one_line(plan),
            "tier" => one_line(tier),
            "team" => one_line(team),
            "assignee" => one_line(assignee),
            "away" => one_line(away),
            "away_text" => away_text.into(),
            "priority" => (*priority).into(),
            "status" => (*status).into(),
            "channel" => (*channel).into(),
            "tags" => tags.iter().map(|tag| one_line(tag)).collect(),
            "clock" => (*clock).into(),
            "due_text" => due_text.into(),
            "opened_text" => in_words(opened_text),
            "opens_text" => in_words(opens_text),
            "may_answer" => (*may_answer).into(),
            "purpose" => (*purpose).into(),
            "team_title" => one_line(team_title),
            "in_hours" => (*in_hours).into(),
            "agent" => one_line(agent),
            "text" => text.into(),
            "faults" => faults.iter().collect(),
            "clocks" => Value::from(Serde(clocks)),
            "earlier" => {
                let on_one_line =
                    |e: &EarlierFacts| EarlierFacts { subject: on_one_line(&e.subject, SUBJECT_OCTETS_MAX).into_owned(), ..e.clone() };
                Value::from(Serde(earlier.iter().map(on_one_line).collect::<Vec<_>>()))
            }
            "closed_number" => closed_number.into(),
            "stranger" => stranger.into(),
            "doubted" => doubted.into(),
            "seq" => (*seq).into(),
            "last_word" => (*last_word).into(),
            "copied" => copied.iter().collect(),
            "look_alike" => look_alike.into(),
            "left_out" => left_out.iter().collect(),
            "whole" => whole.into(),
            "fetch" => fetch.into(),
            "hint" => (*hint).into(),
            "suppressed" => suppressed.into(),
            "mailboxes" => Value::from(Serde(mailboxes)),
            "reasons" => Value::from(Serde(reasons)),
            "waiting" => (*waiting).into(),
            "fresh" => (*fresh).into(),
            "ids" => ids.iter().collect(),
            "undeliverable" => (*undeliverable).into(),
            _ => return None,
        })
    }
}

/// What a text is filled with: it asks for each variable by its name.
impl Object for NoticeFacts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.value(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.value(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&VARIABLES)
    }
}

/// For whoever fills several texts with the same facts.
impl From<&NoticeFacts> for Arc<NoticeFacts> {
    fn from(facts: &NoticeFacts) -> Self {
        Self::new(facts.clone())
    }
}

impl Default for Templates {
    /// No text at all.
    fn default() -> Self {
        Self { environment: Arc::new(Environment::empty()), present: Arc::default(), has_tiers: false, first: Language::EN }
    }
}

/// A further acknowledgement that a rule may choose, named `ack_…`.
fn is_extra(name: &str) -> bool {
    name.len() > 4 && name.starts_with("ack_")
}

fn is_mail(name: &str) -> bool {
    MAILS.contains(&name) || is_extra(name)
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} templates", self.present.values().map(BTreeMap::len).sum::<usize>())
    }
}

/// `ack` of `ack.advanced`.
fn base(name: &str) -> &str {
    name.split_once('.').map_or(name, |(base, _)| base)
}

/// `advanced` of `ack.advanced`.
fn tier_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, tier)| tier)
}

/// Subject and body of a source, and the line that the body begins on; `None` if a mail has no subject.
fn halves<'a>(name: &str, source: &'a str) -> Option<(&'a str, &'a str, u32)> {
    if !is_mail(base(name)) {
        return Some(("", source, 1));
    }
    let (subject, rest) = source.split_once('\n')?;
    let (empty, body) = rest.split_once('\n')?;
    let subject = subject.strip_prefix("Subject:")?.trim();
    (empty.trim().is_empty() && !subject.is_empty()).then_some((subject, body, 3))
}

/// Reads the `words` of each language: `high = alta`, a line each; empty lines and those that begin with `#` are comments.
fn words_of(
    sources: &BTreeMap<(Language, String), String>,
    faults: &mut Vec<TemplateFault>,
) -> BTreeMap<Language, BTreeMap<String, Value>> {
    let mut words: BTreeMap<Language, BTreeMap<String, Value>> = BTreeMap::new();
    for ((language, name), source) in sources.iter().filter(|((_, name), _)| name == WORDS) {
        for (line, text) in (1..).zip(source.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let (word, shown) = text.split_once('=').map_or(("", ""), |(word, shown)| (word.trim(), shown.trim()));
            if word.is_empty() || shown.is_empty() {
                let message = "is no 'word = text'".to_owned();
                faults.push(TemplateFault { language: *language, name: name.clone(), line, message });
            } else {
                words.entry(*language).or_default().insert(word.to_owned(), shown.into());
            }
        }
    }
    words
}

/// Each line behind `> `, as mail programs quote.
fn quoted(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { ">".to_owned() } else { format!("> {line}") }).collect::<Vec<_>>().join("\n")
}

/// Whether a line has this word, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

fn line_of(error: &Error) -> u32 {
    error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(1).max(1)
}

/// What minijinja says, without the place, which is said apart.
fn sentence(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown {what} '{name}'; did you mean '{near}'?"),
        None => format!("unknown {what} '{name}'; known are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ET: &str = "et";

    fn sources(texts: &[(&str, &str, &str)]) -> BTreeMap<(Language, String), String> {
        texts.iter().map(|(language, name, text)| ((Language::parse(language).unwrap(), (*name).to_owned()), (*text).to_owned())).collect()
    }

    fn templates(texts: &[(&str, &str, &str)]) -> Result<Templates, Vec<String>> {
        Templates::from_sources(&sources(texts), Language::parse(ET).unwrap())
            .map_err(|faults| faults.iter().map(|f| format!("{}/{}:{}: {}", f.language, f.name, f.line, f.message)).collect())
    }

    fn facts() -> NoticeFacts {
        let mut facts = NoticeFacts::samples()[0].clone();
        facts.subject = "{{ number }}\r\nBcc: x@y <b>".to_owned();
        facts.customer = "Ana {% raw %}\nSouza".to_owned();
        facts
    }

    #[test]
    fn what_a_customer_wrote_is_shown_and_never_expanded() {
        let templates =
            templates(&[("en", "ack", "Subject: Re: {{ subject }} [{{ number }}]\n\nHello {{ customer }}\n\n{{ text|quote }}\n")]).unwrap();
        let filled = templates.render(Language::EN, "ack", facts()).unwrap();
        assert_eq!(filled.subject, "Re: {{ number }} Bcc: x@y <b> [#1042]", "on one line");
        assert_eq!(filled.text, "Hello Ana {% raw %} Souza\n\n> Hello\n> there");
    }

    #[test]
    fn languages_fall_back_to_the_first_and_then_to_english() {
        let part = |text: &'static str| ("en", "chat_expected", text);
        let pt = Language::parse("pt").unwrap();
        let both =
            templates(&[part("in English"), (ET, "chat_expected", "on {{ priority|word }}"), (ET, "words", "# comment\nhigh = kõrge")])
                .unwrap();
        assert_eq!(both.render(Language::EN, "chat_expected", facts()).unwrap().text, "in English");
        assert_eq!(both.render(pt, "chat_expected", facts()).unwrap().text, "on kõrge", "the desk's first, in its own words");
        assert_eq!(
            templates(&[part("a {{ clock|word }}")]).unwrap().render(pt, "chat_expected", facts()).unwrap().text,
            "a first response"
        );
        assert!(both.render(pt, "ack", facts()).unwrap_err().to_string().ends_with("no language has it"));
        assert_eq!(both.missing(Language::EN).count(), 20);
    }

    #[test]
    fn p12_what_would_fail_in_use_fails_at_start() {
        #[rustfmt::skip]
        let table = [
            ("ack", "Hello", "en/ack:1: its first line has to be 'Subject: …', and the second empty", "no subject"),
            ("ack", "Subject: a\nHello", "en/ack:1: its first line has to be 'Subject: …', and the second empty", "no empty line"),
            ("ack", "Subject: {{ agent }}\n\nHello", "en/ack:1: its subject comes out empty", "empty where facts are"),
            ("ack", "Subject: a\n\n{% if agent %}Hello{% endif %}", "en/ack:1: it comes out empty", "empty where facts are"),
            ("ack", "Subject: a\n\nHello\n{{ custmer }}", "en/ack:4: unknown variable 'custmer'; did you mean 'customer'?", "unknown"),
            ("ack", "Subject: a\n\n{% if agent == 'x' %}{{ custmer }}{% endif %}a", "en/ack:3: unknown variable 'custmer'; did you mean 'customer'?", "in a branch that is not taken"),
            ("ack", "Subject: a\n\n{% for c in clocks %}{{ c.dueText }}{% endfor %}a", "en/ack:3: undefined value: `c.dueText` is undefined", "unknown below"),
            ("ack", "Subject: a\n\nb\n{{ customer|uper }}", "en/ack:4: unknown filter: filter uper is unknown", "unknown filter"),
            ("ack", "Subject: a\n\n{% include 'x' %}", "en/ack:3: template not found: tried to include non-existing template 'x'", "nothing is read from elsewhere"),
            ("ack", "Subject: {{ a\n\nb", "en/ack:1: syntax error: unexpected end of input, expected end of variable block", "syntax"),
            ("ack", "Subject: a\n\n{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}a", "en/ack:3: engine ran out of fuel", "endless"),
            ("brief", "{{ number }}", "en/brief:1: it has to begin with '— guichet {{ number }}', by which answers are read", "the mark"),
            ("akc", "a", "en/akc:1: unknown text 'akc'; did you mean 'ack'?", "unknown text"),
            ("words", "high", "en/words:1: is no 'word = text'", "words"),
        ];
        for (name, text, expect, why) in table {
            assert_eq!(templates(&[("en", name, text)]).unwrap_err(), [expect], "{why}");
        }
    }

    #[test]
    fn every_text_can_speak_of_every_fact() {
        assert!(VARIABLES.len() > 20 && VARIABLES.contains(&"due_text"), "{VARIABLES:?}");
        for facts in NoticeFacts::samples() {
            for variable in VARIABLES {
                assert!(facts.value(variable).is_some(), "{variable}");
            }
        }
        assert!(facts().value("desc").is_none());
    }
}
