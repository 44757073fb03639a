//! Delivery reports (RFC 3464): blocks of fields, one for the mail, then one a recipient.

use super::{ORIGINALS_MAX, REPORT_RECIPIENTS_MAX, Report, address, values};
use crate::domain::address::one_line;
use crate::domain::bounce::{News, REASON_OCTETS_MAX, Told, is_status};
use crate::domain::message::MessageId;
use crate::mail::normalise::structure::line_at;

/// Reads the content of a message/delivery-status part.
pub(super) fn read(status: &[u8]) -> Option<Report> {
    let mut report = Report { shape: "RFC 3464", originals: Vec::new(), told: Vec::new(), named: 0, mentioned: Vec::new() };
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
        let block = &status[start..at];
        if let Some(told) = recipient(block) {
            report.named += 1;
            if report.told.len() < REPORT_RECIPIENTS_MAX {
                report.told.push(told);
            }
        }
        if report.originals.len() < ORIGINALS_MAX && report.named <= REPORT_RECIPIENTS_MAX {
            // No standard has them, but some systems return nothing else of the mail.
            let ids = ["x-original-message-id", "original-message-id"].into_iter().flat_map(|name| values(block, name));
            report.originals.extend(ids.filter_map(|id| MessageId::parse(&id)));
        }
        at = line_at(status, at).1;
    }
    (report.named > 0).then_some(report)
}

fn recipient(block: &[u8]) -> Option<Told> {
    let value = |name| values(block, name).next();
    let original = value("original-recipient").and_then(|v| address(&v));
    let last = value("final-recipient").and_then(|v| address(&v));
    let recipient = last.or_else(|| original.clone())?;
    let status = value("status").unwrap_or_default();
    let status = status.split([' ', '\t', '(', ';']).next().unwrap_or_default();
    let status = if is_status(status) { status.to_owned() } else { String::new() };
    let news = value("action").as_deref().and_then(news).or(match status.as_bytes().first() {
        Some(b'5') => Some(News::Failed),
        Some(b'4') => Some(News::Delayed),
        Some(b'2') => Some(News::Delivered),
        Some(_) | None => None,
    })?;
    let diagnostic = value("diagnostic-code").unwrap_or_default();
    let diagnostic = diagnostic.split_once(';').map_or(diagnostic.as_str(), |(_, text)| text);
    let original = original.filter(|original| *original != recipient);
    Some(Told { recipient: Some(recipient), original, news, status, diagnostic: one_line(diagnostic, REASON_OCTETS_MAX) })
}

/// RFC 3464 section 2.3.3.
fn news(action: &str) -> Option<News> {
    // Some programs put a comment behind the word.
    let word = action.split([' ', '(', ';']).find(|w| !w.is_empty())?;
    [
        ("failed", News::Failed),
        ("delayed", News::Delayed),
        ("delivered", News::Delivered),
        ("relayed", News::Delivered),
        ("expanded", News::Delivered),
    ]
    .into_iter()
    .find_map(|(name, news)| word.eq_ignore_ascii_case(name).then_some(news))
}
