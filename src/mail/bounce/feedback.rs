//! Complaints (RFC 5965): a recipient told his provider that he does not want a mail.

use super::{REPORT_RECIPIENTS_MAX, Report, address, values};
use crate::domain::address::one_line;
use crate::domain::bounce::{News, Told};

/// Reads the content of a message/feedback-report part. `None` if it is about no recipient.
pub(super) fn read(feedback: &[u8]) -> Option<Report> {
    let kind = values(feedback, "feedback-type").next()?;
    let kind = one_line(kind.split([' ', ';', '(']).next().unwrap_or_default(), 40).to_ascii_lowercase();
    let news = match kind.as_str() {
        // RFC 6591, RFC 7489: about whoever forges our domain.
        "" | "auth-failure" | "dmarc" => return None,
        // RFC 6430: he says that he wants it.
        "not-spam" => News::Delivered,
        _ => News::Complained,
    };
    let told = |recipient| Told { recipient, original: None, news, status: String::new(), diagnostic: format!("complaint: {kind}") };
    // RFC 5965 section 3.2: there may be several; many providers hide them.
    let mut named = 0;
    let mut all = Vec::new();
    for recipient in values(feedback, "original-rcpt-to").filter_map(|v| address(&v)) {
        named += 1;
        if all.len() < REPORT_RECIPIENTS_MAX {
            all.push(told(Some(recipient)));
        }
    }
    if all.is_empty() {
        all.push(told(None));
    }
    Some(Report { shape: "RFC 5965", originals: Vec::new(), told: all, named, mentioned: Vec::new() })
}
