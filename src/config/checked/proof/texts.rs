//! Texts that somebody would miss, and texts that nobody gets.

use super::{Check, Whole, list};
use crate::config::checked::texts::{Sources, WORDS};
use crate::config::fault::Fault;
use crate::domain::message::Language;
use std::collections::{BTreeMap, BTreeSet};

impl Check<'_> {
    pub(super) fn prove_texts(&mut self, whole: &Whole<'_>, dead_rules: &BTreeSet<usize>) {
        let (spoken, sources) = (&whole.policy.desk.languages, &whole.texts.sources);
        let in_other = |name: &str| list(spoken.iter().filter(|language| !sources.contains_key(&(**language, name.to_owned()))));
        // Those that rules ask for.
        let mut asked = BTreeSet::new();
        for (at, template) in whole.policy.rules.iter().enumerate().filter_map(|(at, rule)| Some((at, rule.then.template.as_deref()?))) {
            asked.insert(template);
            let missing = in_other(template);
            if !missing.is_empty() && !dead_rules.contains(&at) {
                let first = spoken.first().filter(|first| sources.contains_key(&(**first, template.to_owned()))).copied();
                let got = first.unwrap_or(Language::EN);
                let wrong = format!("'{template}' is not there in {missing}: customers who are written to in it would get it in {got}");
                self.warning(
                    &format!("rule[{at}].then.template"),
                    format!("{wrong}; put {template}.txt into the directories of desk.templates"),
                );
            }
        }
        let mut foreign: BTreeMap<Language, &std::path::Path> = BTreeMap::new();
        let mut partial = BTreeSet::new();
        for ((language, name), file) in &whole.texts.files {
            let base = name.split_once('.').map_or(name.as_str(), |(base, _)| base);
            let is_choice = base.starts_with("ack_") && base != "ack_unverified";
            let mut warn = |message: String| {
                self.warnings.push(Fault {
                    file: file.display().to_string(),
                    line: None,
                    key: format!("templates.{language}.{name}"),
                    message,
                });
            };
            if is_choice && !asked.contains(base) {
                warn(format!("nobody gets it: no rule has template = \"{base}\""));
            } else if !spoken.contains(language) && *language != Language::EN {
                foreign.entry(*language).or_insert(file);
            } else if base != name && spoken.contains(language) && partial.insert(name.clone()) {
                let missing = in_other(name);
                if !missing.is_empty() {
                    warn(format!("customers of that tier who are written to in {missing} get the plain '{base}'; write it for these, too"));
                }
            }
        }
        for (language, file) in foreign {
            self.warnings.push(Fault {
                file: file.parent().unwrap_or(file).display().to_string(),
                line: None,
                key: format!("templates.{language}"),
                message: format!("nobody is written to in '{language}'; add it to desk.languages, or take the directory away"),
            });
        }
        self.prove_words(whole, sources);
    }

    /// Words that texts of one's own language lack: their names would be shown, which are English.
    fn prove_words(&mut self, whole: &Whole<'_>, sources: &Sources) {
        let words_of = |language: Language| -> BTreeSet<&str> {
            let source = sources.get(&(language, WORDS.to_owned())).map(String::as_str).unwrap_or_default();
            source.lines().filter_map(|line| Some(line.split_once('=')?.0.trim())).collect()
        };
        let all = words_of(Language::EN);
        for language in &whole.policy.desk.languages {
            let own = words_of(*language);
            let missing: Vec<&&str> = all.iter().filter(|word| !own.contains(*word)).collect();
            if !missing.is_empty() && *language != Language::EN {
                let more = if missing.len() > 5 { format!(" and {} more", missing.len() - 5) } else { String::new() };
                let lacks = format!("words.txt of '{language}' lacks {}{more}", list(missing.iter().take(5)));
                self.warning("desk.languages", format!("{lacks}: texts would show them in English; see the built-in words.txt"));
            }
        }
    }
}
