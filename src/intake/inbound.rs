//! From what was read of a mail to what is decided about: its parts by the names under which they are kept, and what its tokens
//! prove.

use super::fingerprint_of;
use crate::domain::address::Contact;
use crate::domain::message::{
    Attachment, BlobRef, Body, Bound, Channel, Defect, Forwarded, Inbound, Machine, SessionId, Source, TOO_LARGE,
};
use crate::domain::policy::Policy;
use crate::domain::verdict::Judgement;
use crate::mail::forwarded;
use crate::mail::list;
use crate::mail::normalise::{Parsed, ParsedAttachment};
use crate::mail::token::Signer;
use crate::mail::visible;
use crate::store::TEXT_OCTETS_MAX;
use jiff::Timestamp;

/// A mail that was read and whose parts are kept.
pub(crate) struct Read {
    pub(crate) source: Source,
    pub(crate) received_at: Timestamp,
    pub(crate) parsed: Parsed,
    /// Of [`parts`], in their order.
    pub(crate) kept: Vec<BlobRef>,
    pub(crate) cut: Option<u64>,
    pub(crate) judgement: Judgement,
}

/// The parsed mail with its kept parts, and with what its tokens prove.
pub(crate) fn assemble(read: Read, signer: &Signer, policy: &Policy) -> Inbound {
    let Read { source, received_at, mut parsed, kept, cut, judgement } = read;
    let mailbox = policy.mailbox_named(source.mailbox());
    let lists = mailbox.map(|m| m.lists.as_slice()).unwrap_or_default();
    let judgement = list::through(&mut parsed, judgement, lists, |address| policy.is_ours(address));
    let mut kept = kept.into_iter();
    let raw = kept.next();
    let text = if parsed.body.text.len() > TEXT_OCTETS_MAX { kept.next() } else { None };
    let attachments = attachments(parsed.attachments, &mut kept);
    let found = parsed.forwarded.map(|found| forwarded(*found, &attachments, &mut kept));
    let ids: Vec<_> = parsed.in_reply_to.iter().chain(parsed.references.iter().rev()).cloned().collect();
    let mut claims = signer.claims(parsed.from.as_ref().map(|f| &f.address), &parsed.addressed, &ids);
    // An agent's mail goes on to a customer: what is in doubt is cut, where a customer's is kept.
    let by_agent = claims.iter().any(|c| matches!(c.bound_to, Bound::Agent(_)));
    let spans = if by_agent { visible::agent_spans(&parsed.body.text) } else { parsed.body.spans };
    if claims.is_empty() {
        claims.extend(signer.claim_of_another(policy.agents.iter().map(|a| &a.address), &parsed.addressed));
    }
    // A claim says more than what stands in the text.
    let forwarded = found.filter(|_| claims.is_empty()).map(Box::new);
    let mut defects = parsed.defects;
    if let Some(whole) = cut {
        defects.push(Defect { name: TOO_LARGE, detail: format!("{whole} octets: only its beginning was fetched") });
    }
    // Our own id on a mail that comes in: it was sent by us and has come back (RFC 3834 section 3).
    let bounce = parsed.report.as_ref().and_then(|report| report.tie(signer, &parsed.addressed));
    let own_id = parsed.message_id.as_ref().is_some_and(|id| signer.is_ours(id).is_some());
    let own = own_id || parsed.loop_marks.contains(&signer.loop_mark());
    let headers = policy.rules.headers(parsed.headers.iter().map(|field| (field.name.as_str(), field.value.as_str())));
    let machine = if own { Some((Machine::Ourselves, "it bears a mark of ours".to_owned())) } else { parsed.machine };
    Inbound {
        source,
        landed_to: None,
        channel: Channel::Mail,
        fingerprint: parsed.fingerprint,
        raw,
        cut,
        received_at,
        sent_at: parsed.sent_at,
        message_id: parsed.message_id,
        in_reply_to: parsed.in_reply_to,
        references: parsed.references,
        from: parsed.from,
        reply_to: parsed.reply_to,
        recipients: parsed.recipients,
        claims,
        subject: parsed.subject,
        body: Body { text: parsed.body.text, spans, kept: text },
        attachments,
        machine,
        bounce,
        language: parsed.language,
        defects,
        judgement,
        headers,
        looked_up: None,
        forwarded,
    }
}

/// What is kept of a mail, in the order in which [`assemble`] names it again: the raw octets, a long text, the
/// attachments; the same of a mail that it forwards.
pub(crate) fn parts(raw: Vec<u8>, parsed: &mut Parsed) -> Vec<Vec<u8>> {
    let mut parts = vec![raw];
    if parsed.body.text.len() > TEXT_OCTETS_MAX {
        parts.push(parsed.body.text.clone().into_bytes());
    }
    parts.extend(parsed.attachments.iter_mut().map(|a| std::mem::take(&mut a.content)));
    if let Some(found) = &mut parsed.forwarded {
        if found.body.text.len() > TEXT_OCTETS_MAX {
            parts.push(found.body.text.clone().into_bytes());
        }
        parts.extend(found.attachments.iter_mut().flatten().map(|a| std::mem::take(&mut a.content)));
    }
    parts
}

/// Files with the names by which they are kept.
fn attachments(parsed: Vec<ParsedAttachment>, kept: &mut impl Iterator<Item = BlobRef>) -> Vec<Attachment> {
    let named =
        |(a, blob): (ParsedAttachment, BlobRef)| Attachment { name: a.name, media_type: a.media_type, blob, content_id: a.content_id };
    parsed.into_iter().zip(kept).map(named).collect()
}

/// A mail that is forwarded, with its kept parts; `all` are the files of the one that forwards it.
fn forwarded(found: forwarded::Found, all: &[Attachment], kept: &mut impl Iterator<Item = BlobRef>) -> Forwarded {
    let text = if found.body.text.len() > TEXT_OCTETS_MAX { kept.next() } else { None };
    Forwarded {
        from: found.from,
        subject: found.subject,
        sent_at: found.sent_at,
        message_id: found.message_id,
        body: Body { kept: text, ..found.body },
        above: found.above,
        attached: found.attachments.is_some(),
        attachments: found.attachments.map_or_else(|| all.to_vec(), |files| attachments(files, kept)),
        machine: found.machine,
        language: found.language,
    }
}

/// A line of a chat window. The text is part of what makes it the same line: a client that counts its ids anew after a reload resends
/// nothing, and nothing of it may be lost (P2).
pub(crate) fn in_chat(session: SessionId, client_id: String, from: Option<Contact>, text: String, received_at: Timestamp) -> Inbound {
    let fingerprint = fingerprint_of(&[b"chat", &session.0, client_id.as_bytes(), text.as_bytes()]);
    Inbound { from, ..Inbound::new(Source::Chat { session, client_id }, fingerprint, received_at, text) }
}
