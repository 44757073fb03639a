//! The words that show how somebody feels: those that are built in, and over them those of the directory that `desk.cues` names.

use super::Check;
use crate::config::fault::Fault;
use crate::config::read_text;
use crate::config::written::Desk;
use crate::domain::cues::{CueWords, Cues};
use crate::domain::message::Language;
use std::path::Path;

/// Largest list, in octets (P11).
const LIST_OCTETS_MAX: u64 = 64 << 10;

/// Every built-in list: language, source.
macro_rules! built_in {
    ($($language:literal)+) => {
        &[$(($language, include_str!(concat!("../../../config/cues/", $language, ".txt"))),)+]
    };
}
const BUILT_IN: &[(&str, &str)] = built_in! { "de" "en" "es" "et" "fr" "pt" };

impl Check<'_> {
    pub(super) fn cues(&mut self, desk: &Desk) -> Cues {
        let mut cues = Cues::default();
        for (language, source) in BUILT_IN {
            // A test reads each of them.
            if let (Some(language), Ok(words)) = (Language::parse(language), CueWords::parse(source)) {
                cues.put(language, words);
            }
        }
        if let Some(dir) = &desk.cues {
            let dir = self.path(dir);
            for (language, words) in self.note("desk.cues", &dir, lists_of).unwrap_or_default() {
                cues.put(language, words);
            }
        }
        cues
    }
}

/// Every `LANGUAGE.txt` of a directory.
fn lists_of(dir: &Path, faults: &mut Vec<Fault>) -> Result<Vec<(Language, CueWords)>, String> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .map_err(|error| format!("cannot be read: {error}"))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_none_or(|end| end != "txt") || name.starts_with('.') {
            continue;
        }
        let mut fault = |line, message| faults.push(Fault { file: path.display().to_string(), line, key: "desk.cues".to_owned(), message });
        let Some(language) = Language::parse(&name).filter(|language| language.as_str() == name) else {
            fault(None, format!("'{name}' is no language; name the file with two letters such as en.txt"));
            continue;
        };
        match read_text(&path, LIST_OCTETS_MAX).map(|source| CueWords::parse(&source)) {
            Ok(Ok(words)) => found.push((language, words)),
            Ok(Err((line, wrong))) => fault(Some(line), wrong),
            Err(wrong) => fault(None, wrong),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_list_reads_well() {
        for (language, source) in BUILT_IN {
            assert!(Language::parse(language).is_some(), "{language}");
            assert!(CueWords::parse(source).is_ok(), "{language}: {:?}", CueWords::parse(source));
            assert!(source.contains("[insult]\n") && source.contains("[churn]\n"), "{language}");
        }
    }
}
