//! What mail systems say of our mail: did it arrive, will it, and did its recipient complain?
//!
//! `status` reads delivery reports (RFC 3464, RFC 6533), `feedback` complaints (RFC 5965), `plain` what follows no standard. A report
//! proves nothing by itself: [`Report::tie`] finds the outbox entry by what this desk has signed, and the decision compares its
//! recipients with those to whom that mail went.

mod feedback;
pub(super) mod plain;
mod status;

use super::normalise::structure::{fields, unfold};
use super::token::Signer;
use crate::domain::address::EmailAddress;
use crate::domain::bounce::{Bounce, Told};
use crate::domain::message::MessageId;

/// Recipients of one report that are kept; one that names more is not believed.
pub const REPORT_RECIPIENTS_MAX: usize = 50;
/// Message-IDs of one report that are looked at.
pub const ORIGINALS_MAX: usize = 8;

/// A report of a mail system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it was recognised as: `RFC 3464`, `RFC 5965`, or the program whose words these are.
    pub shape: &'static str,
    /// Message-IDs of what it may speak of, at most [`ORIGINALS_MAX`].
    pub originals: Vec<MessageId>,
    /// At most [`REPORT_RECIPIENTS_MAX`], at least one.
    pub told: Vec<Told>,
    /// How many it named; more than are kept means that it is not to be believed.
    pub named: usize,
    /// Addresses in a text that names its recipient in no known place, at most [`REPORT_RECIPIENTS_MAX`].
    pub mentioned: Vec<EmailAddress>,
}

/// The parts of a report, decoded; empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Of type message/delivery-status, all of them with an empty line between.
    pub status: Vec<u8>,
    /// Of type message/feedback-report.
    pub feedback: Vec<u8>,
    /// Message-IDs of the mail that came back.
    pub originals: Vec<MessageId>,
}

/// Reads a report by its parts; `None` where they say nothing of anybody.
pub(super) fn read(parts: Parts) -> Option<Report> {
    let Parts { status, feedback, originals } = parts;
    let mut report = if feedback.is_empty() { status::read(&status)? } else { feedback::read(&feedback)? };
    report.originals.extend(originals);
    report.originals.truncate(ORIGINALS_MAX);
    Some(report)
}

impl Report {
    /// What it says of a mail that this desk sent, by a Message-ID or a return path that it has signed. `None` if there is neither, if
    /// they contradict each other, or if more are named than can be.
    #[must_use]
    pub fn tie(&self, signer: &Signer, addressed: &[EmailAddress]) -> Option<Bounce> {
        if self.named > REPORT_RECIPIENTS_MAX || self.told.is_empty() {
            return None;
        }
        let by_id = self.originals.iter().find_map(|id| signer.is_ours(id));
        let by_path = addressed.iter().find_map(|address| signer.is_our_return_path(address));
        let about = match (by_id, by_path) {
            (Some(id), Some(path)) if id != path => return None,
            (Some(about), _) | (None, Some(about)) => about,
            (None, None) => return None,
        };
        Some(Bounce { about, told: self.told.clone(), mentioned: self.mentioned.clone() })
    }
}

/// `rfc822; ana@x`, `<ana@x>` or `utf-8; \x{e4}na@x` (RFC 6533 section 3).
fn address(value: &str) -> Option<EmailAddress> {
    let text = value.split_once(';').map_or(value, |(_, text)| text).trim();
    let text = text.trim_start_matches('<').trim_end_matches('>');
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x{") {
        let (digits, after) = behind.split_once('}')?;
        plain.push_str(before);
        plain.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = after;
    }
    plain.push_str(rest);
    EmailAddress::parse(&plain).ok()
}

/// The values of a field within a block, in order.
fn values<'a>(block: &'a [u8], name: &'a str) -> impl Iterator<Item = String> + 'a {
    let own = fields(block).filter(move |field| field.name.eq_ignore_ascii_case(name));
    own.map(|field| String::from_utf8_lossy(&unfold(field.value)).into_owned())
}

#[cfg(test)]
mod tests;
