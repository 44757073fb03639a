//! Lists and groups that are a way to the desk: customers write to `support@`, which is a group, and it hands each mail on to
//! the mailbox with its own marks (RFC 2919, RFC 2369). What people write through it is theirs.
//!
//! Only lists that the configuration names for the mailbox. A group may also put its own address into From (`'Ana' via
//! Support <support@acme.example>`, so that DMARC of her domain does not reject it) and name the writer beside it, in
//! `X-Original-From` or `X-Original-Sender`. He is taken from there; that he is it is only the group's word, so nobody
//! counts as authenticated by it.

use super::automatic;
use super::normalise::{Parsed, mailbox_of};
use crate::domain::address::EmailAddress;
use crate::domain::message::Defect;
use crate::domain::verdict::{Judgement, Verdict};

/// Reads a mail as what its writer said, if it came through one of `lists` (List-Ids, lower case). `judgement` is about its
/// From as it stands and is given back as it holds for the writer; `is_ours` knows the desk's own addresses.
#[must_use]
pub fn through(parsed: &mut Parsed, judgement: Judgement, lists: &[String], is_ours: impl Fn(&EmailAddress) -> bool) -> Judgement {
    let Some(list) = list_of(parsed, lists) else { return judgement };
    let writer = parsed.from.as_ref().filter(|from| is_ours(&from.address) || is_of(&list, &from.address)).and_then(|from| {
        // Somebody who forges the group's address names nobody.
        let writer = if judgement.has_failed() { None } else { named(parsed) };
        writer.filter(|writer| writer.address != from.address)
    });
    let judgement = match writer {
        None => judgement,
        Some(writer) => {
            let detail = format!("came through the list {list}, which put its own address into From and names the writer beside it");
            parsed.defects.push(Defect { name: "through_list", detail });
            parsed.from = Some(writer);
            let why = format!("the list {list} names the sender, and nobody proves it");
            let why = if judgement.is_judged() { why } else { String::new() };
            Judgement { verdict: Verdict::Unknown, basis: judgement.basis, why }
        }
    };
    if parsed.report.is_none() {
        parsed.machine = automatic::machine_through_list(&parsed.headers, parsed.from.as_ref().map(|f| &f.address), &parsed.subject);
    }
    judgement
}

/// The list that it came through, if all that it names are known ways: a newsletter to the group is none.
fn list_of(parsed: &Parsed, lists: &[String]) -> Option<String> {
    if lists.is_empty() {
        return None;
    }
    let mut named = parsed.headers.iter().filter(|h| h.name == "list-id").map(|h| id_of(&h.value)).peekable();
    let first = named.peek().cloned()?;
    named.all(|id| lists.contains(&id)).then_some(first)
}

/// RFC 2919 section 2: a phrase, and the id in angle brackets; without them all of it.
fn id_of(value: &str) -> String {
    let inner = value.rsplit_once('<').map_or(value, |(_, id)| id.split('>').next().unwrap_or_default());
    inner.trim().to_lowercase()
}

/// Whether an address is the list's own: `support@acme.example` is that of `support.acme.example`.
fn is_of(list: &str, address: &EmailAddress) -> bool {
    list == format!("{}.{}", address.local(), address.domain())
}

/// The writer whom the list names: in one field only, once, and as strictly read as From.
fn named(parsed: &Parsed) -> Option<crate::domain::address::Contact> {
    ["x-original-from", "x-original-sender"].into_iter().find_map(|name| {
        let mut values = parsed.headers.iter().filter(|h| h.name == name);
        let (first, second) = (values.next()?, values.next());
        if second.is_some() { None } else { mailbox_of(&first.value) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::Machine;
    use crate::domain::verdict::Basis;
    use crate::mail::normalise::{NormaliseLimits, normalise};

    const ANA: &str = "From: Ana <ana@b.example>\n";
    const VIA: &str = "From: 'Ana' via Support <support@acme.example>\n";
    const LIST: &str = "List-Id: Support team <Support.Acme.Example>\nPrecedence: list\nMailing-list: list support@acme.example\n";
    const ORIGINAL: &str = "X-Original-From: Ana <ana@b.example>\n";
    const SENDER: &str = "X-Original-Sender: ana@b.example\n";

    #[test]
    fn p6_p8_who_wrote_through_a_list_and_whether_a_machine_did() {
        use Machine::{AutoReply, Bulk};
        let (unknown, proven, failed) = (Verdict::Unknown, Verdict::Authenticated { domain: "x.example".to_owned() }, Verdict::Failed);
        let original = |value: &str| format!("{VIA}{LIST}X-Original-From: {value}\n");
        for (head, verdict, from, machine, expect, why) in [
            (format!("{ANA}{LIST}"), &proven, "ana@b.example", None, &proven, "a person, From as she wrote it"),
            (format!("{ANA}{LIST}"), &failed, "ana@b.example", None, &failed, "the same, forged"),
            (format!("{VIA}{LIST}{ORIGINAL}{SENDER}"), &proven, "ana@b.example", None, &unknown, "the group is proven, she is not"),
            (format!("{VIA}{LIST}{SENDER}"), &unknown, "ana@b.example", None, &unknown, "only the other field"),
            (format!("{VIA}{LIST}{ORIGINAL}"), &failed, "support@acme.example", None, &failed, "a forged group names nobody"),
            (format!("{VIA}{LIST}"), &proven, "support@acme.example", None, &proven, "names nobody"),
            (format!("{VIA}{LIST}{ORIGINAL}{ORIGINAL}"), &proven, "support@acme.example", None, &proven, "names two"),
            (original("ana@b.example, bo@b.example"), &proven, "support@acme.example", None, &proven, "names two in one"),
            (original("=?utf-8?q?ana=40b.example?="), &proven, "support@acme.example", None, &proven, "encoded address"),
            (format!("From: m@evil.example\n{LIST}{ORIGINAL}"), &proven, "m@evil.example", None, &proven, "From is not the group's"),
            (format!("{ANA}{LIST}Auto-Submitted: auto-replied\n"), &proven, "ana@b.example", Some(AutoReply), &proven, "her absence"),
            (format!("{ANA}{LIST}List-Id: <n.news.example>\n"), &proven, "ana@b.example", Some(Bulk), &proven, "a newsletter to it"),
            (format!("{ANA}List-Id: <x.acme.example>\n"), &proven, "ana@b.example", Some(Bulk), &proven, "another list"),
            (format!("{ANA}{ORIGINAL}"), &proven, "ana@b.example", None, &proven, "no list at all"),
            (format!("{VIA}{ORIGINAL}"), &proven, "support@acme.example", None, &proven, "no list: nobody is taken from there"),
        ] {
            let mut parsed = normalise(format!("{head}Subject: Printer\n\nJams.\n").as_bytes(), &NormaliseLimits::default());
            let judgement = Judgement { verdict: verdict.clone(), basis: Basis::AuthenticationResults, why: "told".to_owned() };
            let lists = ["other.acme.example".to_owned(), "support.acme.example".to_owned()];
            let judgement = through(&mut parsed, judgement, &lists, |_| false);
            assert_eq!(parsed.from.as_ref().map(|f| f.address.as_str()), Some(from), "{why}");
            assert_eq!(parsed.machine.as_ref().map(|m| m.0.clone()), machine, "{why}");
            assert_eq!(&judgement.verdict, expect, "{why}");
        }
    }

    #[test]
    fn without_lists_nothing_changes() {
        let mut parsed = normalise(format!("{VIA}{LIST}{ORIGINAL}\n").as_bytes(), &NormaliseLimits::default());
        assert_eq!(through(&mut parsed, Judgement::default(), &[], |_| true), Judgement::default());
        assert!(parsed.machine.is_some() && parsed.from.unwrap().address.as_str() == "support@acme.example");
    }
}
