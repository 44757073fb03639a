//! Configuration: what was written, checked, becomes what may be used (P12).
//!
//! ```text
//!   text ──locate──► tables with their lines ──layers──► Written ──checked──► Settings, and in it the Policy
//! ```
//! Whatever is wrong on the way is a [`Fault`]; all of them are told at once, and with one of them nothing runs.
//! No socket and no clock here: who wants calendars to be looked at for the time to come says what time it is. Files are read, none
//! is written.

mod checked;
mod customers;
mod duration;
pub mod fault;
mod layers;
mod locate;
pub mod settings;
mod written;
mod zones;

pub use zones::named as zone_named;

use crate::domain::directory::{Directory, Edition};
use crate::domain::policy::Policy;
use checked::Told;
use fault::Fault;
use jiff::Timestamp;
use layers::Layers;
use locate::Places;
use settings::{Counts, Settings};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What holds where nothing else is written, with a comment for every key.
pub const DEFAULTS: &str = include_str!("../../config/guichet.toml");

/// Largest file of configuration that is read, in octets (P11).
const FILE_OCTETS_MAX: u64 = 4 << 20;

/// What `guichet check` tells of a configuration.
#[derive(Debug)]
pub struct Proof {
    /// As of [`load`].
    pub outcome: Result<Settings, Vec<Fault>>,
    /// What is not wrong, but of no use, or most likely not meant; where there are faults, too.
    pub warnings: Vec<Fault>,
    /// `None` where it could not be read at all.
    pub counts: Option<Counts>,
}

/// Reads a configuration and tells all that there is to say of it. With `now`, calendars are looked at for the time to come.
#[must_use]
pub fn prove(path: &Path, now: Option<Timestamp>) -> Proof {
    prove_beside(path, None, now)
}

/// Reads a configuration: the embedded defaults, over them a file (or all `*.toml` of a directory, in the order of their names), over
/// them the environment.
///
/// # Errors
/// Every fault that could be found, in the order of files and lines.
pub fn load(path: &Path) -> Result<Settings, Vec<Fault>> {
    prove(path, None).outcome
}

/// [`load`] while another configuration is in force: a file of customers that has not changed since is not read again. Calendars
/// are looked at from `now` on, as with [`prove`].
///
/// # Errors
/// As [`load`].
pub fn load_again(path: &Path, in_force: &Policy, now: Timestamp) -> Result<Settings, Vec<Fault>> {
    prove_beside(path, Some(&in_force.customers), Some(now)).outcome
}

fn prove_beside(path: &Path, in_force: Option<&Directory>, now: Option<Timestamp>) -> Proof {
    let (files, base_dir) = match files_of(path) {
        Ok(found) => found,
        Err(fault) => return Proof { outcome: Err(vec![fault]), warnings: Vec::new(), counts: None },
    };
    let credentials_dir = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    prove_layers(&files, std::env::vars_os().collect(), &base_dir, credentials_dir.as_deref(), in_force, now)
}

/// Where a configuration keeps its state, whatever is wrong with the rest of it: for whoever only wants to find the daemon that runs
/// with it. What cannot be read is passed over; `None` if nothing that can be read names a place.
#[must_use]
pub fn state_dir(path: &Path) -> Option<PathBuf> {
    let (files, base_dir) = names_of(path).ok()?;
    // In the order of the layers: what a later file says counts, and what the environment says most.
    let of_files = files.iter().rev().find_map(|file| locate::state_dir(&read_text(file, FILE_OCTETS_MAX).ok()?));
    let dir = layers::state_dir(std::env::vars_os()).or(of_files)?;
    Some(base_dir.join(&dir)).filter(|_| !dir.trim().is_empty())
}

/// The state of a file of customers, to be compared with [`Directory::edition`]; `None` if it cannot be seen.
#[must_use]
pub fn edition_of(customers_file: &Path) -> Option<Edition> {
    customers::edition_of(customers_file)
}

/// Reads a file of customers alone, for the tiers that are in force; if it is still the one that was read, it is not read again.
///
/// # Errors
/// Every fault that could be found, as with [`load`].
pub fn load_customers(file: &Path, in_force: &Policy) -> Result<Directory, Vec<Fault>> {
    let mut faults = Vec::new();
    let cannot = |message| vec![Fault { file: file.display().to_string(), line: None, key: "file".to_owned(), message }];
    let directory = customers::load(file, &in_force.tiers, Some(&in_force.customers), &mut faults).map_err(cannot)?;
    if faults.is_empty() { Ok(directory) } else { Err(faults) }
}

/// Reads a configuration from a text; `name` stands for it in faults, and relative paths in it start from `base_dir`. The
/// environment has no part in it.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &str, text: &str, base_dir: &Path) -> Result<Settings, Vec<Fault>> {
    prove_text(name, text, base_dir, None).outcome
}

/// [`prove`] for a text, as with [`load_text`].
#[must_use]
pub fn prove_text(name: &str, text: &str, base_dir: &Path, now: Option<Timestamp>) -> Proof {
    prove_layers(&[(name.to_owned(), text.to_owned())], Vec::new(), base_dir, None, None, now)
}

fn prove_layers(
    files: &[(String, String)],
    environment: Vec<(OsString, OsString)>,
    base_dir: &Path,
    credentials_dir: Option<&Path>,
    in_force: Option<&Directory>,
    now: Option<Timestamp>,
) -> Proof {
    let (mut places, mut layers, mut told) = (Places::default(), Layers::default(), Told::default());
    let faults = &mut told.faults;
    let mut lists = BTreeMap::new();
    let mut all_read = true;
    // What the defaults hold stands nowhere in the user's files: a fault of it is that of the section, or of the whole.
    let mut built_in = Places::default();
    if let Some(table) = locate::read("built-in guichet.toml", DEFAULTS, &mut lists, &mut built_in, faults) {
        layers.add_file(&table);
    }
    for (name, text) in files {
        match locate::read(name, text, &mut lists, &mut places, faults) {
            Some(table) => layers.add_file(&table),
            None => all_read = false,
        }
    }
    places.home = files.first().map(|(name, _)| name.clone()).unwrap_or_default();
    layers.add_environment(environment, &mut places, faults);
    // Where a file is no TOML, everything else would seem to be missing.
    let settings = if all_read {
        match layers.merge() {
            Ok(written) => checked::check(&written, places, base_dir, credentials_dir, in_force, now, &mut told),
            Err(error) => {
                faults.push(Fault { file: places.home, line: Some(1), key: "toml".to_owned(), message: error.to_string() });
                None
            }
        }
    } else {
        None
    };
    let order = |fault: &Fault| files.iter().position(|(name, _)| *name == fault.file).unwrap_or(usize::MAX);
    let Told { mut faults, mut warnings, counts } = told;
    for told in [&mut faults, &mut warnings] {
        told.sort_by(|a, b| (order(a), a).cmp(&(order(b), b)));
        told.dedup();
    }
    let outcome = match settings {
        Some(settings) if faults.is_empty() => Ok(Settings { warnings: warnings.clone(), ..settings }),
        Some(_) | None => Err(faults),
    };
    Proof { outcome, warnings, counts }
}

/// The files of a path with their texts, and the directory that relative paths in them start from.
fn files_of(path: &Path) -> Result<(Vec<(String, String)>, PathBuf), Fault> {
    let (names, base_dir) = names_of(path)?;
    let read = |file: &PathBuf| read_text(file, FILE_OCTETS_MAX).map(|text| (file.display().to_string(), text));
    let files = names.iter().map(|file| read(file).map_err(|message| no_file(file, message))).collect::<Result<_, _>>()?;
    Ok((files, base_dir))
}

/// The files of a path, in the order in which they count.
fn names_of(path: &Path) -> Result<(Vec<PathBuf>, PathBuf), Fault> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| no_file(path, format!("cannot be read: {error}")))?;
        let mut names: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|file| file.extension().is_some_and(|end| end == "toml") && file.is_file())
            .filter(|file| file.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')))
            .collect();
        names.sort();
        if names.is_empty() {
            return Err(no_file(path, "is a directory without *.toml; put your configuration there, or name a file".to_owned()));
        }
        return Ok((names, path.to_owned()));
    }
    let base_dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok((vec![path.to_owned()], base_dir.to_owned()))
}

fn no_file(path: &Path, message: String) -> Fault {
    Fault { file: path.display().to_string(), line: None, key: "file".to_owned(), message }
}

/// A whole file as text, if it is not too large; else a sentence for people.
fn read_text(path: &Path, octets_max: u64) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > octets_max {
        return Err(format!("has {size} octets, which is more than {octets_max}"));
    }
    let octets = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let text = String::from_utf8(octets).map_err(|error| format!("is no UTF-8 from octet {} on", error.utf8_error().valid_up_to()))?;
    // Editors of some systems put a mark before the text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests;
