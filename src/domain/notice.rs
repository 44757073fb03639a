//! What to say, to whom, and when to stay silent.

use super::message::Language;
use std::collections::BTreeMap;

/// The texts of automatic mail, by language and name (`ack`, `notification`, …).
#[derive(Clone, Default)]
pub struct Templates {
    /// minijinja sources; the first line of each is its subject.
    pub sources: BTreeMap<(Language, String), String>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} templates", self.sources.len())
    }
}
