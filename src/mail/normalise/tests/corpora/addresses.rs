//! Addresses as mail-parser's expectations write them, and which of them are kept here.

use super::super::super::*;
use crate::domain::address::one_line;
use crate::domain::message::RECIPIENTS_MAX;
use crate::domain::ticket::NAME_OCTETS_MAX;
use serde_json::Value;

/// The members of an expected list, and whether a group is among them.
fn members(value: &Value) -> (Vec<&Value>, bool) {
    match (value.get("List"), value.get("Group")) {
        (Some(members), _) => (members.as_array().unwrap().iter().collect(), false),
        (None, Some(groups)) => (groups.as_array().unwrap().iter().flat_map(|g| g["addresses"].as_array().unwrap()).collect(), true),
        (None, None) => (Vec::new(), false),
    }
}

fn shown(member: &Value) -> Option<(EmailAddress, String)> {
    let address = EmailAddress::parse(member["address"].as_str()?).ok()?;
    let name = one_line(member["name"].as_str().unwrap_or_default(), NAME_OCTETS_MAX);
    Some((address.clone(), format!("{name} <{address}>")))
}

/// Usable addresses, each once, in order; groups are opened.
pub(super) fn list<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    let (mut seen, mut all) = (Vec::new(), Vec::new());
    for (address, shown) in values.flat_map(|value| members(value).0).filter_map(shown) {
        if !seen.contains(&address) {
            seen.push(address);
            all.push(shown);
        }
    }
    all.truncate(RECIPIENTS_MAX);
    all.join(", ")
}

/// Who writes: exactly one usable mailbox in exactly one field, no group; else nobody.
pub(super) fn sender(values: &[&Value]) -> String {
    let [value] = values else { return String::new() };
    let (members, is_group) = members(value);
    match members.as_slice() {
        [member] if !is_group => shown(member).map(|(_, shown)| shown).unwrap_or_default(),
        _ => String::new(),
    }
}
