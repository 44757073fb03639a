//! The layers, later ones over earlier: embedded defaults, files in name order, environment. The `config` crate merges them.
//!
//! It lets the list of a later layer replace that of an earlier one. People who split their configuration mean the
//! `[[rule]]`s of all files, one after the other: so each layer here carries the lists of those before it, and its own
//! behind them.

use super::fault::{Fault, explain};
use super::locate::{Place, Places};
use super::written::{LISTS, Written};
use config::{Config, ConfigError, Environment, Map, Source, Value, ValueKind};
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use toml::de::{DeTable, DeValue};

/// What the name of a variable begins with.
const PREFIX: &str = "GUICHET";
const SEPARATOR: &str = "__";

/// The layers that were read so far.
#[derive(Debug, Default)]
pub(super) struct Layers {
    layers: Vec<Layer>,
    lists: BTreeMap<String, Vec<Value>>,
}

/// One layer, as the `config` crate wants it.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layers {
    /// Adds what was read of a file.
    pub(super) fn add_file(&mut self, table: &DeTable<'_>) {
        let mut map: Map<String, Value> = Map::new();
        for (key, value) in table {
            let mut value = value_of(value.get_ref());
            if let (true, ValueKind::Array(entries)) = (LISTS.contains(&key.get_ref().as_ref()), &value.kind) {
                let list = self.lists.entry(key.get_ref().to_string()).or_default();
                list.extend(entries.iter().cloned());
                value = Value::new(None, ValueKind::Array(list.clone()));
            }
            map.insert(key.get_ref().to_string(), value);
        }
        self.layers.push(Layer(map));
    }

    /// Adds the variables that begin with `GUICHET__`. A variable is text; it becomes a number only where the configuration
    /// wants one, so that a host name or a password of digits stays as it is. (The `config` crate's own reading turns
    /// `0123` into `123`, and takes `on` for the number 1.)
    pub(super) fn add_environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        places: &mut Places,
        faults: &mut Vec<Fault>,
    ) {
        let mut map: Map<String, Value> = Map::new();
        let mut ours: Vec<(String, OsString)> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(&format!("{PREFIX}{SEPARATOR}")))
            .collect();
        ours.sort();
        for (name, value) in ours {
            match variable(&name, value) {
                Ok((path, value)) => {
                    let place = Place { file: "environment".to_owned(), line: None, called: Some(name) };
                    places.put(path.clone(), place);
                    map.insert(path, value);
                }
                Err(message) => faults.push(Fault { file: "environment".to_owned(), line: None, key: name, message }),
            }
        }
        self.layers.push(Layer(map));
    }

    /// All layers in one.
    pub(super) fn merge(self) -> Result<Written, ConfigError> {
        let mut builder = Config::builder();
        for layer in self.layers {
            builder = builder.add_source(layer);
        }
        builder.build()?.try_deserialize()
    }
}

/// What the environment says about where the state is kept.
pub(super) fn state_dir(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Option<String> {
    let (ours, wanted) = (format!("{PREFIX}{SEPARATOR}"), format!("DESK{SEPARATOR}STATE_DIR"));
    let is_it =
        |name: &OsString| name.to_str().and_then(|name| name.strip_prefix(&ours)).is_some_and(|key| key.eq_ignore_ascii_case(&wanted));
    variables.into_iter().find(|(name, _)| is_it(name))?.1.into_string().ok()
}

/// The path and the value of one variable, or what is wrong with it.
fn variable(name: &str, value: OsString) -> Result<(String, Value), String> {
    let text = value.into_string().map_err(|_| "is no UTF-8".to_owned())?;
    // Both separators have to be said: the one of the prefix is otherwise guessed.
    let environment = Environment::with_prefix(PREFIX).prefix_separator(SEPARATOR).separator(SEPARATOR);
    let single: Map<String, String> = std::iter::once((name.to_owned(), text.clone())).collect();
    let read = environment.source(Some(single)).collect().map_err(|error| error.to_string())?;
    let Some(path) = read.into_keys().next() else { return Err("names no key; write GUICHET__SECTION__KEY".to_owned()) };
    let is_secret = path.ends_with("password");
    if LISTS.contains(&path.split('.').next().unwrap_or_default()) {
        return Err("is part of a list of tables, which the environment cannot reach; write it into a file".to_owned());
    }
    let mut candidates = vec![toml::Value::String(text.clone())];
    candidates.extend(text.parse().ok().map(toml::Value::Integer));
    candidates.extend(text.parse().ok().map(toml::Value::Float));
    candidates.extend(text.parse().ok().map(toml::Value::Boolean));
    let mut why = None;
    for candidate in candidates {
        let mut nested = candidate.clone();
        for key in path.rsplit('.') {
            nested = toml::Value::Table(std::iter::once((key.to_owned(), nested)).collect());
        }
        match Written::deserialize(nested) {
            Ok(_) => return Ok((path, plain(candidate))),
            Err(error) => {
                why.get_or_insert_with(|| explain(error.message(), is_secret).message);
            }
        }
    }
    Err(why.unwrap_or_default())
}

fn plain(value: toml::Value) -> Value {
    let kind = match value {
        toml::Value::Integer(number) => ValueKind::I64(number),
        toml::Value::Float(number) => ValueKind::Float(number),
        toml::Value::Boolean(truth) => ValueKind::Boolean(truth),
        toml::Value::String(text) => ValueKind::String(text),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => ValueKind::Nil,
    };
    Value::new(None, kind)
}

/// A value of a file as the `config` crate has it. Numbers were seen to fit when the file was read.
fn value_of(value: &DeValue<'_>) -> Value {
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(ValueKind::Nil, ValueKind::I64),
        DeValue::Float(number) => number.as_str().parse().map_or(ValueKind::Nil, ValueKind::Float),
        DeValue::Boolean(truth) => ValueKind::Boolean(*truth),
        DeValue::Datetime(date) => ValueKind::String(date.to_string()),
        DeValue::Array(values) => ValueKind::Array(values.iter().map(|value| value_of(value.get_ref())).collect()),
        DeValue::Table(table) => {
            ValueKind::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), value_of(value.get_ref()))).collect())
        }
    };
    Value::new(None, kind)
}
