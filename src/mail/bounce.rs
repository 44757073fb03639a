//! Delivery reports (RFC 3464): what became of a mail, for which recipient.
//!
//! A report proves nothing by itself: whoever acts on one compares its Message-ID and its recipients with what was really
//! sent ([`super::token::Signer::is_ours`]).

use super::normalise::structure::{fields, line_at, unfold};
use crate::domain::address::{EmailAddress, one_line};
use crate::domain::message::MessageId;

/// Recipients of one report that are kept; our own mails have one each.
pub const REPORT_RECIPIENTS_MAX: usize = 50;
const DIAGNOSTIC_OCTETS_MAX: usize = 300;

/// A delivery report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Message-ID of the mail that it speaks of.
    pub original_message_id: Option<MessageId>,
    /// At most [`REPORT_RECIPIENTS_MAX`].
    pub recipients: Vec<ReportRecipient>,
    /// How many it named; more than the mail had means that it is not to be believed.
    pub recipients_named: usize,
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRecipient {
    pub final_recipient: EmailAddress,
    pub action: Action,
    /// Such as `5.1.1` (RFC 3463); empty where it cannot be read.
    pub status: String,
    /// One line, bounded; text from outside.
    pub diagnostic: String,
}

/// RFC 3464 section 2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    Relayed,
    Expanded,
}

impl Action {
    fn parse(value: &str) -> Option<Self> {
        // Some programs put a comment behind the word.
        let word = value.split([' ', '(', ';']).find(|w| !w.is_empty())?;
        [
            ("failed", Self::Failed),
            ("delayed", Self::Delayed),
            ("delivered", Self::Delivered),
            ("relayed", Self::Relayed),
            ("expanded", Self::Expanded),
        ]
        .into_iter()
        .find_map(|(name, action)| word.eq_ignore_ascii_case(name).then_some(action))
    }
}

/// Reads the content of a message/delivery-status part: blocks of fields, one for the mail, then one a recipient.
pub(super) fn read(status: &[u8], original_message_id: Option<MessageId>) -> Option<Report> {
    let mut report = Report { original_message_id, recipients: Vec::new(), recipients_named: 0 };
    let mut at = 0;
    while at < status.len() {
        let start = at;
        while at < status.len() {
            let (line, next) = line_at(status, at);
            if line.trim_ascii().is_empty() {
                break;
            }
            at = next;
        }
        if let Some(recipient) = block(&status[start..at]) {
            report.recipients_named += 1;
            if report.recipients.len() < REPORT_RECIPIENTS_MAX {
                report.recipients.push(recipient);
            }
        }
        at = line_at(status, at).1;
    }
    (report.recipients_named > 0).then_some(report)
}

fn block(octets: &[u8]) -> Option<ReportRecipient> {
    let value = |name: &str| {
        let field = fields(octets).find(|f| f.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(&unfold(field.value)).into_owned())
    };
    let final_recipient = [value("final-recipient"), value("original-recipient")].into_iter().flatten().find_map(|v| address(&v))?;
    let status = value("status").unwrap_or_default();
    let status = status.split_whitespace().next().unwrap_or_default();
    let is_status = status.len() <= 11 && status.split('.').count() == 3 && status.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let status = if is_status { status.to_owned() } else { String::new() };
    let action = value("action").as_deref().and_then(Action::parse).or(match status.as_bytes().first() {
        Some(b'5') => Some(Action::Failed),
        Some(b'4') => Some(Action::Delayed),
        Some(b'2') => Some(Action::Delivered),
        Some(_) | None => None,
    })?;
    let diagnostic = value("diagnostic-code").unwrap_or_default();
    let diagnostic = diagnostic.split_once(';').map_or(diagnostic.as_str(), |(_, text)| text);
    Some(ReportRecipient { final_recipient, action, status, diagnostic: one_line(diagnostic, DIAGNOSTIC_OCTETS_MAX) })
}

/// `rfc822; ana@x` or `utf-8; \x{e4}na@x` (RFC 6533 section 3).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_report() {
        let one =
            |block: &str| read(format!("Reporting-MTA: dns; mx\r\n\r\n{block}\r\n").as_bytes(), None).map(|r| r.recipients[0].clone());
        for (text, expect, why) in [
            ("Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nStatus: 5.1.1", Some((Action::Failed, "5.1.1")), "plain"),
            (
                "Final-Recipient: rfc822;<A@X.example>\r\nAction: delayed (later)\r\nStatus: 4.4.1 (x)",
                Some((Action::Delayed, "4.4.1")),
                "odd spelling",
            ),
            ("Original-Recipient: rfc822;a@x.example\r\nStatus: 5.0.0", Some((Action::Failed, "5.0.0")), "action from the status"),
            ("Final-Recipient: rfc822; a@x.example\r\nAction: exploded", None, "no known action"),
            ("Final-Recipient: rfc822; nobody\r\nAction: failed", None, "no address"),
            ("Action: failed\r\nStatus: 5.1.1", None, "nobody named"),
        ] {
            let got = one(text);
            assert_eq!(got.as_ref().map(|r| (r.action, r.status.as_str())), expect, "{why}");
        }
        let utf8 = one("Final-Recipient: utf-8; \\x{e4}na@x.example\r\nAction: failed").unwrap();
        assert_eq!(utf8.final_recipient.as_str(), "äna@x.example");
        let hostile = one("Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 a\r\n b\0c").unwrap();
        assert_eq!(hostile.diagnostic, "550 a b c", "on one line");
    }

    #[test]
    fn p11_many_recipients_are_counted_not_kept() {
        let block = "Final-Recipient: rfc822; a@x.example\r\nAction: failed\r\n\r\n";
        let report = read(block.repeat(20_000).as_bytes(), None).unwrap();
        assert_eq!((report.recipients.len(), report.recipients_named), (REPORT_RECIPIENTS_MAX, 20_000));
    }
}
