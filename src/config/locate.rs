//! Where each value stands, and what is wrong with the form of a file: syntax, unknown keys, wrong types.
//!
//! serde stops at its first fault. To tell all of them at once, the value that it stumbled over is taken out and the rest is
//! read again until it reads well; what is left goes on to the checks, so that one run shows the faults of meaning, too.

use super::fault::{Fault, explain};
use super::written::{LISTS, Written};
use serde::Deserialize as _;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Faults of form that are told of one file; past that it is another kind of file.
const FAULTS_MAX: usize = 100;

/// Where one value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: Option<u32>,
    /// What the user calls it, where that is not its path: a variable of the environment.
    pub(super) called: Option<String>,
}

/// Where every value of every layer stands, by its path: `mailbox[0].imap.port`. The last layer that has it wins.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_path: BTreeMap<String, Place>,
    /// Paths that have a fault already; a further one would only follow from it.
    faulted: BTreeSet<String>,
    /// Where things that stand nowhere belong: the first line of the first file.
    pub(super) home: String,
}

impl Places {
    pub(super) fn put(&mut self, path: String, place: Place) {
        self.by_path.insert(path, place);
    }

    /// Where a value stands, or the table that it is missing from.
    pub(super) fn find(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.by_path.get(path) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = &path[..at],
                None => return Place { file: self.home.clone(), line: Some(1), called: None },
            }
        }
    }

    /// Notes that a path needs no further fault.
    pub(super) fn mark(&mut self, path: String) {
        self.faulted.insert(path);
    }

    pub(super) fn is_marked(&self, path: &str) -> bool {
        self.faulted.contains(path)
    }
}

/// A path as TOML headers have it: without the place in a list, which the line tells better.
pub(super) fn shown(path: &str) -> String {
    let mut shown = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => shown.push(c),
            _ => {}
        }
    }
    shown
}

/// Reads one file: puts its places, tells its faults, and gives what of it reads well. `before` counts the tables of each
/// list in earlier files, and is brought forward. `None` if it is no TOML at all.
pub(super) fn read<'t>(
    name: &str,
    text: &'t str,
    before: &mut BTreeMap<String, usize>,
    places: &mut Places,
    faults: &mut Vec<Fault>,
) -> Option<DeTable<'t>> {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors.iter().take(FAULTS_MAX) {
            let start = error.span().map_or(0, |span| span.start);
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            faults.push(Fault { file: name.to_owned(), line: Some(lines.at(start)), key: key_near(text, start), message });
        }
        return None;
    }
    let span = document.span();
    let mut table = document.into_inner();
    texts_of_dates(&mut table);
    for (path, start) in paths_of(&table, before) {
        places.put(path, Place { file: name.to_owned(), line: Some(lines.at(start)), called: None });
    }
    for _ in 0..FAULTS_MAX {
        let Err(error) = Written::deserialize(toml::de::Deserializer::from(Spanned::new(span.clone(), table.clone()))) else { break };
        let Some((path, start)) = error.span().and_then(|at| take_out(&mut table, at.start, at.end, before)) else {
            faults.push(Fault { file: name.to_owned(), line: Some(1), key: "toml".to_owned(), message: error.message().to_owned() });
            break;
        };
        let said = explain(error.message(), path.ends_with("password"));
        if let Some(meant) = said.meant {
            // What was meant is not missing.
            places.mark(path.rsplit_once('.').map_or(meant.clone(), |(table, _)| format!("{table}.{meant}")));
        }
        faults.push(Fault { file: name.to_owned(), line: Some(lines.at(start)), key: shown(&path), message: said.message });
        places.mark(path);
    }
    for list in LISTS {
        if let Some(DeValue::Array(entries)) = table.get(list).map(Spanned::get_ref) {
            *before.entry(list.to_owned()).or_default() += entries.len();
        }
    }
    Some(table)
}

/// What a file says about where the state is kept, whatever else it says.
pub(super) fn state_dir(text: &str) -> Option<String> {
    let (document, _) = DeTable::parse_recoverable(text);
    let Some(DeValue::Table(desk)) = document.get_ref().get("desk").map(Spanned::get_ref) else { return None };
    let Some(DeValue::String(dir)) = desk.get("state_dir").map(Spanned::get_ref) else { return None };
    Some(dir.to_string())
}

/// The lines of a text, by the octet that each begins at.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// From 1.
    fn at(&self, octet: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= octet)).unwrap_or(u32::MAX)
    }
}

/// Dates may stand with or without quotes; from here on they are texts.
fn texts_of_dates(table: &mut DeTable<'_>) {
    fn of_value(value: &mut DeValue<'_>) {
        match value {
            DeValue::Datetime(date) => *value = DeValue::String(date.to_string().into()),
            DeValue::Array(values) => values.iter_mut().for_each(|value| of_value(value.get_mut())),
            DeValue::Table(table) => texts_of_dates(table),
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {}
        }
    }
    table.iter_mut().for_each(|(_, value)| of_value(value.get_mut()));
}

/// Every path of a file with the octet that it begins at.
fn paths_of(table: &DeTable<'_>, before: &BTreeMap<String, usize>) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    visit(table, "", before, &mut |path, key, _| found.push((path.to_owned(), key.start)));
    found
}

/// Takes out the innermost value that a fault lies in; gives its path and where it begins.
fn take_out(table: &mut DeTable<'_>, start: usize, end: usize, before: &BTreeMap<String, usize>) -> Option<(String, usize)> {
    let mut innermost: Option<(String, usize)> = None;
    visit(table, "", before, &mut |path, key, value| {
        let holds = |span: &std::ops::Range<usize>| span.start <= start && end <= span.end;
        // Deeper values come later. A list's own entries cannot be taken out alone: their places in the list would move.
        if (holds(key) || holds(value)) && !path.ends_with(']') {
            innermost = Some((path.to_owned(), key.start));
        }
    });
    let (path, at) = innermost?;
    remove(table, &path, before).then_some((path, at))
}

type Span = std::ops::Range<usize>;

/// Tells each key of a table and of all below it, outer ones first: its path, its span and that of its value. For an entry of
/// a list both are the entry's.
fn visit(table: &DeTable<'_>, prefix: &str, before: &BTreeMap<String, usize>, tell: &mut dyn FnMut(&str, &Span, &Span)) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        tell(&path, &key.span(), &value.span());
        match value.get_ref() {
            DeValue::Table(inner) => visit(inner, &path, before, tell),
            DeValue::Array(entries) => {
                for (at, entry) in (before.get(&path).copied().unwrap_or(0)..).zip(entries.iter()) {
                    let path = format!("{path}[{at}]");
                    tell(&path, &entry.span(), &entry.span());
                    if let DeValue::Table(inner) = entry.get_ref() {
                        visit(inner, &path, before, tell);
                    }
                }
            }
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }
}

/// Removes the value of a path.
fn remove(table: &mut DeTable<'_>, path: &str, before: &BTreeMap<String, usize>) -> bool {
    // A key may itself hold dots and brackets, so that a path cannot be taken apart: it is put together again instead.
    fn below(table: &mut DeTable<'_>, prefix: &str, path: &str, before: &BTreeMap<String, usize>) -> bool {
        let name = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        let here = table.keys().map(|key| key.get_ref().to_string()).find(|key| name(key) == path);
        if let Some(key) = here {
            return table.remove(key.as_str()).is_some();
        }
        table.iter_mut().any(|(key, value)| {
            let here = name(key.get_ref());
            match value.get_mut() {
                DeValue::Table(inner) => below(inner, &here, path, before),
                DeValue::Array(entries) => in_list(entries, &here, path, before),
                DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => false,
            }
        })
    }
    fn in_list(entries: &mut DeArray<'_>, list: &str, path: &str, before: &BTreeMap<String, usize>) -> bool {
        let first = before.get(list).copied().unwrap_or(0);
        entries.iter_mut().enumerate().any(|(at, entry)| {
            let DeValue::Table(inner) = entry.get_mut() else { return false };
            below(inner, &format!("{list}[{}]", first + at), path, before)
        })
    }
    below(table, "", path, before)
}

/// The key that a fault of syntax is most likely about: the one that its line begins with, below the last header.
fn key_near(text: &str, octet: usize) -> String {
    let mut octet = octet.min(text.len());
    while !text.is_char_boundary(octet) {
        octet -= 1;
    }
    let line_start = text[..octet].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default().trim();
    let name = |text: &str| text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')).collect::<String>();
    let header = text[..line_start].lines().rev().map(str::trim).find(|line| line.starts_with('[')).map(name).unwrap_or_default();
    let key = match line.split_once('=') {
        Some((key, _)) if !line.starts_with('[') => name(key),
        Some(_) | None => String::new(),
    };
    match (header.is_empty(), key.is_empty()) {
        _ if line.starts_with('[') => name(line.split('=').next().unwrap_or_default()),
        (true, true) => "toml".to_owned(),
        (true, false) => key,
        (false, true) => header,
        (false, false) => format!("{header}.{key}"),
    }
}
