//! The texts of automatic mail: those that are built in, and over them those of the directory that `desk.templates` names.

use super::Check;
use crate::config::fault::{Fault, unknown};
use crate::config::read_text;
use crate::config::written::Desk;
use crate::domain::message::Language;
use crate::domain::policy::Tier;
use crate::domain::template::Templates;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest text, in octets (P11).
const TEXT_OCTETS_MAX: u64 = 64 << 10;

/// Every built-in text: language, name, source.
macro_rules! built_in {
    ($($language:literal: $($name:literal)+;)+) => {
        &[$($(($language, $name, include_str!(concat!("../../../config/templates/", $language, "/", $name, ".txt"))),)+)+]
    };
}
const BUILT_IN: &[(&str, &str, &str)] = built_in! {
    "de": "ack" "ack_unverified" "away" "breach" "brief" "chat_expected" "checkin" "delay" "escalation" "held" "help" "new_ticket_from_closed" "nudge" "ops_digest" "ops_recovered" "ops_silent" "promise_reminder" "review" "status" "undelivered" "warning" "words";
    "en": "ack" "ack_unverified" "away" "breach" "brief" "chat_expected" "checkin" "delay" "escalation" "held" "help" "new_ticket_from_closed" "nudge" "ops_digest" "ops_recovered" "ops_silent" "promise_reminder" "review" "status" "undelivered" "warning" "words";
    "es": "ack" "ack_unverified" "away" "breach" "brief" "chat_expected" "checkin" "delay" "escalation" "held" "help" "new_ticket_from_closed" "nudge" "ops_digest" "ops_recovered" "ops_silent" "promise_reminder" "review" "status" "undelivered" "warning" "words";
    "et": "ack" "ack_unverified" "away" "breach" "brief" "chat_expected" "checkin" "delay" "escalation" "held" "help" "new_ticket_from_closed" "nudge" "ops_digest" "ops_recovered" "ops_silent" "promise_reminder" "review" "status" "undelivered" "warning" "words";
    "fr": "ack" "ack_unverified" "away" "breach" "brief" "chat_expected" "checkin" "delay" "escalation" "held" "help" "new_ticket_from_closed" "nudge" "ops_digest" "ops_recovered" "ops_silent" "promise_reminder" "review" "status" "undelivered" "warning" "words";
    "pt": "ack" "ack_unverified" "away" "breach" "brief" "chat_expected" "checkin" "delay" "escalation" "held" "help" "new_ticket_from_closed" "nudge" "ops_digest" "ops_recovered" "ops_silent" "promise_reminder" "review" "status" "undelivered" "warning" "words";
};

pub(super) type Sources = BTreeMap<(Language, String), String>;

/// The texts that there are.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) sources: Sources,
    /// The files of those that are not built in.
    pub(super) files: BTreeMap<(Language, String), PathBuf>,
}

impl Texts {
    /// How many are in these languages.
    pub(super) fn count(&self, languages: &[Language]) -> usize {
        self.sources.keys().filter(|(language, name)| languages.contains(language) && name != WORDS).count()
    }
}

/// Not a text, but what the filter `word` knows.
pub(super) const WORDS: &str = "words";

impl Check<'_> {
    pub(super) fn templates(&mut self, desk: &Desk, languages: &[Language], tiers: &[Tier]) -> (Option<Templates>, Texts) {
        let mut sources = Sources::new();
        for (language, name, source) in BUILT_IN {
            if let Some(language) = Language::parse(language) {
                sources.insert((language, (*name).to_owned()), (*source).to_owned());
            }
        }
        let mut files = BTreeMap::new();
        if let Some(dir) = &desk.templates {
            let dir = self.path(dir);
            if let Some(found) = self.note("desk.templates", &dir, texts_of) {
                for ((language, name), (file, source)) in found {
                    if let Some((_, tier)) = name.split_once('.').filter(|(_, tier)| tiers.iter().all(|known| known.name != *tier)) {
                        self.faults.push(Fault {
                            file: file.display().to_string(),
                            line: None,
                            key: format!("templates.{language}.{name}"),
                            message: unknown("tier", tier, tiers.iter().map(|tier| tier.name.as_str())),
                        });
                    }
                    files.insert((language, name.clone()), file);
                    sources.insert((language, name), source);
                }
            }
        }
        for language in languages {
            let missing: Vec<&str> = Templates::names().filter(|name| !sources.contains_key(&(*language, (*name).to_owned()))).collect();
            let has_some = sources.keys().any(|(of, _)| of == language);
            if missing.is_empty() {
                continue;
            }
            let wrong = if has_some {
                format!("'{language}' lacks texts in the directory of desk.templates: {}", missing.join(", "))
            } else {
                format!(
                    "there are no texts in '{language}'; built in are {}, others go into the directory of desk.templates",
                    built_in_languages()
                )
            };
            self.fault("desk.languages", wrong);
        }
        let first = languages.first().copied().unwrap_or(Language::EN);
        let templates = match Templates::from_sources(&sources, first) {
            Ok(templates) => Some(templates),
            Err(wrong) => {
                for fault in wrong {
                    let file = files.get(&(fault.language, fault.name.clone())).map(|file: &PathBuf| file.display().to_string());
                    self.faults.push(Fault {
                        file: file.unwrap_or_else(|| format!("built-in templates/{}/{}.txt", fault.language, fault.name)),
                        line: Some(fault.line),
                        key: format!("templates.{}.{}", fault.language, fault.name),
                        message: fault.message,
                    });
                }
                None
            }
        };
        (templates, Texts { sources, files })
    }
}

/// `de, en and et`.
fn built_in_languages() -> String {
    let mut languages: Vec<&str> = BUILT_IN.iter().map(|(language, ..)| *language).collect();
    languages.dedup();
    languages.split_last().map_or_else(String::new, |(last, others)| format!("{} and {last}", others.join(", ")))
}

type Found = BTreeMap<(Language, String), (PathBuf, String)>;

/// Every `LANGUAGE/NAME.txt` of a directory.
fn texts_of(dir: &Path, faults: &mut Vec<Fault>) -> Result<Found, String> {
    let mut found = Found::new();
    let mut fault = |path: &Path, message: String| {
        faults.push(Fault { file: path.display().to_string(), line: None, key: "desk.templates".to_owned(), message });
    };
    for entry in std::fs::read_dir(dir).map_err(|error| format!("cannot be read: {error}"))? {
        let Ok(entry) = entry else { continue };
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || !path.is_dir() {
            continue;
        }
        let Some(language) = Language::parse(&name).filter(|language| language.as_str() == name) else {
            fault(&path, format!("'{name}' is no language; name the directory with two letters such as en"));
            continue;
        };
        let files = match std::fs::read_dir(&path) {
            Ok(files) => files,
            Err(error) => {
                fault(&path, format!("cannot be read: {error}"));
                continue;
            }
        };
        for file in files.filter_map(Result::ok).map(|file| file.path()) {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if file.extension().is_none_or(|end| end != "txt") || name.starts_with('.') {
                continue;
            }
            match read_text(&file, TEXT_OCTETS_MAX) {
                Ok(source) => {
                    found.insert((language, name), (file, source));
                }
                Err(wrong) => fault(&file, wrong),
            }
        }
    }
    Ok(found)
}
