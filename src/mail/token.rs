//! Signed reply addresses and Message-IDs: proofs that their bearer was written to about a ticket (P7, P8).
//!
//! ```text
//! support+1042ck7qx2mtz9w4lh3rb@acme.example        ticket 1042, customer's side
//! support+1042a<mac>@acme.example                   ticket 1042, one agent's: the MAC covers his address
//! support+1042b7<mac>@acme.example                  return path of entry 7 of ticket 1042: where its bounces go
//! <1042.7.c.<mac>@acme.example>                     entry 7 of ticket 1042, sent to a customer
//! <1042.7.a.<mac><bound>@acme.example>              the same, sent to an agent: <bound> covers his address
//! <1042.7.i.<mac>@acme.example>                     the same, sent to somebody who is only informed: claims nothing
//! support+1042t<mac>@acme.example, <1042.7.t.<mac>…> to somebody whom an agent asked privately: what comes back is for agents only
//! <1042.r.<mac><bound>@acme.example>                root of the ticket's thread in one agent's mail client
//! ```
//!
//! Each MAC is 80 bits of HMAC-SHA256 in lower-case base32, so it survives programs that fold case (and `+` lets servers
//! deliver to the plain mailbox, RFC 5233). Everything is a function of the key and what is said: nothing is stored, and
//! the same mail has the same names at each attempt (P5). A key's change makes all of them strangers.

use crate::domain::address::EmailAddress;
use crate::domain::message::{Bound, Claim, MessageId, TicketNumber};
use crate::domain::outbound::{Audience, OutboxId};
use data_encoding::{Encoding, Specification};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// Octets of a MAC on the wire: 80 bits make 16 letters and no padding.
const MAC_OCTETS: usize = 10;
const MAC_LETTERS: usize = 16;
/// RFC 5321 section 4.5.3.1.1.
const LOCAL_OCTETS_MAX: usize = 64;

/// Signs and checks. Holds the key: print nothing of it.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
    letters: Encoding,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// What a MAC is made for: no MAC of one kind is one of another.
#[derive(Clone, Copy)]
enum Use {
    Reply,
    Id,
    IdOfAgent,
    Root,
    RootOfAgent,
    LoopMark,
    ReturnPath,
}

impl Use {
    const fn word(self) -> &'static str {
        match self {
            Self::Reply => "reply 1",
            Self::Id => "id 1",
            Self::IdOfAgent => "id of agent 1",
            Self::Root => "root 1",
            Self::RootOfAgent => "root of agent 1",
            Self::LoopMark => "loop mark 1",
            Self::ReturnPath => "return path 1",
        }
    }
}

impl Signer {
    /// A signer with the desk's key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // RFC 2104: a key shorter than the block is filled up with zeros.
        let mut block = [0u8; 64];
        block[..key.len()].copy_from_slice(key);
        Self { keyed: <Hmac<Sha256> as KeyInit>::new(&block.into()), letters: letters() }
    }

    /// The address that answers to a mail about this ticket come back to. A mailbox whose name leaves no room for a token
    /// stays as it is; answers then find their ticket by Message-ID.
    #[must_use]
    pub fn reply_address(&self, mailbox: &EmailAddress, ticket: TicketNumber, bound: &Bound) -> EmailAddress {
        let (side, agent) = match bound {
            Bound::Customer => ('c', ""),
            Bound::Agent(agent) => ('a', agent.as_str()),
            Bound::Asked => ('t', ""),
        };
        let mac = self.mac(Use::Reply, &[&ticket.0.to_string(), &side.to_string(), agent]);
        tagged(mailbox, &format!("{}{side}{mac}", ticket.0))
    }

    /// Where the bounces of an outbox entry's mail go: a report that returns nothing of the mail is known by it. The mailbox's own
    /// address if the local part would become too long.
    #[must_use]
    pub fn return_path(&self, mailbox: &EmailAddress, id: OutboxId) -> EmailAddress {
        let mac = self.mac(Use::ReturnPath, &[&id.ticket.0.to_string(), &id.n.to_string()]);
        tagged(mailbox, &format!("{}b{}{mac}", id.ticket.0, id.n))
    }

    /// Which outbox entry this return path was made for, if it is one of this desk's.
    #[must_use]
    pub fn is_our_return_path(&self, address: &EmailAddress) -> Option<OutboxId> {
        let (_, token) = address.local().rsplit_once('+')?;
        let (ids, mac) = token.split_at_checked(token.len().checked_sub(MAC_LETTERS)?)?;
        let (ticket, n) = ids.split_once('b')?;
        let id = OutboxId { ticket: TicketNumber(number(ticket)?), n: u32::try_from(number(n)?).ok()? };
        self.verifies(mac, Use::ReturnPath, &[ticket, n]).then_some(id)
    }

    /// The Message-ID of an outbox entry. Always the same for the same entry and audience.
    #[must_use]
    pub fn message_id(&self, id: OutboxId, audience: &Audience, domain: &str) -> MessageId {
        let (ticket, n) = (id.ticket.0.to_string(), id.n.to_string());
        let (side, bound) = match audience {
            Audience::Customer => ("c", String::new()),
            Audience::Agent(agent) => ("a", self.mac(Use::IdOfAgent, &[&ticket, &n, agent.as_str()])),
            Audience::Informed => ("i", String::new()),
            Audience::Asked => ("t", String::new()),
        };
        let mac = self.mac(Use::Id, &[&ticket, &n, side, &bound]);
        MessageId::of_sides(&format!("{ticket}.{n}.{side}.{mac}{bound}"), domain)
    }

    /// The id that all notifications of a ticket to one agent refer to, so that his mail client makes one thread of them.
    /// No mail has it. An answer that refers to it proves what a notification's own id does.
    #[must_use]
    pub fn thread_root(&self, ticket: TicketNumber, agent: &EmailAddress, domain: &str) -> MessageId {
        let number = ticket.0.to_string();
        let bound = self.mac(Use::RootOfAgent, &[&number, agent.as_str()]);
        let mac = self.mac(Use::Root, &[&number, &bound]);
        MessageId::of_sides(&format!("{number}.r.{mac}{bound}"), domain)
    }

    /// The value of `X-Guichet` on this desk's automatic mail.
    #[must_use]
    pub fn loop_mark(&self) -> String {
        self.mac(Use::LoopMark, &[])
    }

    /// What the addresses and ids of a mail prove, addresses first, each in the order given, each proof once.
    ///
    /// A token of an agent's side counts only under the From address that it was made for; under another it claims
    /// nothing at all.
    #[must_use]
    pub fn claims(&self, from: Option<&EmailAddress>, addressed: &[EmailAddress], ids: &[MessageId]) -> Vec<Claim> {
        let mut claims: Vec<Claim> = Vec::new();
        let by_address = addressed.iter().filter_map(|address| self.claim_of_address(from, address));
        let by_id = ids.iter().filter_map(|id| self.claim_of_id(from, id));
        for claim in by_address.chain(by_id) {
            if !claims.iter().any(|c| c.ticket == claim.ticket && c.bound_to == claim.bound_to) {
                claims.push(claim);
            }
        }
        claims
    }

    /// The first claim of a reply address that was made for one of `agents`, whoever uses it: it says which ticket is meant,
    /// and nothing about who writes.
    #[must_use]
    pub fn claim_of_another<'a>(&self, agents: impl IntoIterator<Item = &'a EmailAddress>, addressed: &[EmailAddress]) -> Option<Claim> {
        agents.into_iter().find_map(|agent| {
            let mut claims = addressed.iter().filter_map(|address| self.claim_of_address(Some(agent), address));
            claims.find(|claim| matches!(claim.bound_to, Bound::Agent(_)))
        })
    }

    /// Which outbox entry has this Message-ID, if it is one that this desk gave.
    #[must_use]
    pub fn is_ours(&self, id: &MessageId) -> Option<OutboxId> {
        let local = id.as_str().split('@').next()?.to_ascii_lowercase();
        let mut fields = local.split('.');
        let (ticket, n, side, macs) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        let (mac, bound) = macs.split_at_checked(MAC_LETTERS)?;
        let is_side = match side {
            "c" | "i" | "t" => bound.is_empty(),
            "a" => bound.len() == MAC_LETTERS,
            _ => false,
        };
        let id = OutboxId { ticket: TicketNumber(number(ticket)?), n: u32::try_from(number(n)?).ok()? };
        (is_side && self.verifies(mac, Use::Id, &[ticket, n, side, bound])).then_some(id)
    }

    fn claim_of_address(&self, from: Option<&EmailAddress>, address: &EmailAddress) -> Option<Claim> {
        let (_, token) = address.local().rsplit_once('+')?;
        let digits = token.bytes().take_while(u8::is_ascii_digit).count();
        let (ticket, rest) = token.split_at_checked(digits)?;
        let (side, mac) = rest.split_at_checked(1)?;
        let number = number(ticket)?;
        let (bound_to, agent) = match side {
            "c" => (Bound::Customer, ""),
            "a" => (Bound::Agent(from?.clone()), from?.as_str()),
            "t" => (Bound::Asked, ""),
            // Machines answer there (RFC 3834 section 4): only what goes to customers has a return path.
            "b" => {
                let id = self.is_our_return_path(address)?;
                return Some(Claim { ticket: id.ticket, bound_to: Bound::Customer, stood_in: "return path" });
            }
            _ => return None,
        };
        self.verifies(mac, Use::Reply, &[ticket, side, agent]).then_some(Claim {
            ticket: TicketNumber(number),
            bound_to,
            stood_in: "reply address",
        })
    }

    fn claim_of_id(&self, from: Option<&EmailAddress>, id: &MessageId) -> Option<Claim> {
        let local = id.as_str().split('@').next()?.to_ascii_lowercase();
        let claim = |ticket: TicketNumber, bound_to: Bound| Claim { ticket, bound_to, stood_in: "Message-ID" };
        if let Some(ours) = self.is_ours(id) {
            let mut fields = local.split('.');
            let (ticket, n, side, macs) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            return match side {
                "c" => Some(claim(ours.ticket, Bound::Customer)),
                "t" => Some(claim(ours.ticket, Bound::Asked)),
                "a" => {
                    let (agent, bound) = (from?, macs.split_at_checked(MAC_LETTERS)?.1);
                    self.verifies(bound, Use::IdOfAgent, &[ticket, n, agent.as_str()])
                        .then(|| claim(ours.ticket, Bound::Agent(agent.clone())))
                }
                _ => None,
            };
        }
        let (ticket, macs) = local.split_once(".r.")?;
        let number = number(ticket)?;
        let (mac, bound) = macs.split_at_checked(MAC_LETTERS)?;
        let agent = from?;
        let holds = self.verifies(mac, Use::Root, &[ticket, bound]) & self.verifies(bound, Use::RootOfAgent, &[ticket, agent.as_str()]);
        holds.then(|| claim(TicketNumber(number), Bound::Agent(agent.clone())))
    }

    fn mac(&self, kind: Use, fields: &[&str]) -> String {
        self.letters.encode(&self.mac_octets(kind, fields))
    }

    fn mac_octets(&self, kind: Use, fields: &[&str]) -> [u8; MAC_OCTETS] {
        let mut mac = self.keyed.clone();
        for field in std::iter::once(kind.word()).chain(fields.iter().copied()) {
            // Each with its length, so that no two lists of fields are one text.
            mac.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(field.as_bytes());
        }
        let mut short = [0u8; MAC_OCTETS];
        short.copy_from_slice(&mac.finalize().into_bytes()[..MAC_OCTETS]);
        short
    }

    fn verifies(&self, letters: &str, kind: Use, fields: &[&str]) -> bool {
        if letters.len() != MAC_LETTERS {
            return false;
        }
        let Ok(given) = self.letters.decode(letters.as_bytes()) else { return false };
        self.mac_octets(kind, fields).ct_eq(given.as_slice()).into()
    }
}

/// RFC 4648 section 6 in lower case: it has neither `0` nor `1` nor `8`.
fn letters() -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
}

/// A number as we write it: no sign, no leading zero, so that each has one spelling.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

/// A mailbox with a token behind a `+` (RFC 5233); as it is, where its name leaves no room.
fn tagged(mailbox: &EmailAddress, token: &str) -> EmailAddress {
    let local = format!("{}+{token}", mailbox.local());
    if local.len() > LOCAL_OCTETS_MAX {
        return mailbox.clone();
    }
    EmailAddress::parse(&format!("{local}@{}", mailbox.domain())).unwrap_or_else(|_| mailbox.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signer() -> Signer {
        Signer::new(&[7; 32])
    }

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    #[test]
    fn p8_tokens_prove_what_they_were_made_for_and_no_more() {
        let s = signer();
        let (mailbox, ana, eve) = (address("support@acme.example"), address("ana@acme.example"), address("eve@evil.example"));
        let t = TicketNumber(1042);
        let customer = s.reply_address(&mailbox, t, &Bound::Customer);
        let agent = s.reply_address(&mailbox, t, &Bound::Agent(ana.clone()));
        let mail = OutboxId { ticket: t, n: 7 };
        let to_customer = s.message_id(mail, &Audience::Customer, "acme.example");
        let to_agent = s.message_id(mail, &Audience::Agent(ana.clone()), "acme.example");
        let to_manager = s.message_id(mail, &Audience::Informed, "acme.example");
        let root = s.thread_root(t, &ana, "acme.example");
        let id = |text: String| vec![MessageId::parse(&text).unwrap()];
        for (from, to, ids, expect, why) in [
            (Some(&eve), vec![customer.clone()], vec![], vec![Bound::Customer], "customer's address, whoever writes"),
            (None, vec![customer.clone()], vec![], vec![Bound::Customer], "customer's address, nobody writes"),
            (Some(&ana), vec![agent.clone()], vec![], vec![Bound::Agent(ana.clone())], "agent's address, this agent"),
            (Some(&eve), vec![agent.clone()], vec![], vec![], "agent's address, another"),
            (None, vec![agent.clone()], vec![], vec![], "agent's address, nobody"),
            (Some(&eve), vec![], vec![to_customer.clone()], vec![Bound::Customer], "customer's Message-ID"),
            (Some(&ana), vec![], vec![to_agent.clone()], vec![Bound::Agent(ana.clone())], "agent's Message-ID"),
            (Some(&eve), vec![], vec![to_agent.clone()], vec![], "agent's Message-ID, another"),
            (Some(&ana), vec![], vec![to_manager.clone()], vec![], "informed: claims nothing"),
            (Some(&ana), vec![], vec![root.clone()], vec![Bound::Agent(ana.clone())], "thread root"),
            (Some(&eve), vec![], vec![root.clone()], vec![], "thread root, another"),
            (
                Some(&ana),
                vec![customer.clone(), agent.clone()],
                vec![to_agent.clone()],
                vec![Bound::Customer, Bound::Agent(ana.clone())],
                "in order, once",
            ),
            (Some(&ana), vec![mailbox.clone(), address("support+1042@acme.example")], vec![], vec![], "a number is no secret"),
            (Some(&ana), vec![], id(to_customer.as_str().to_uppercase()), vec![Bound::Customer], "case folded"),
        ] {
            let claims: Vec<_> = s.claims(from, &to, &ids).into_iter().map(|c| c.bound_to).collect();
            assert_eq!(claims, expect, "{why}");
        }
        for (id, expect, why) in [
            (&to_customer, Some(mail), "ours"),
            (&to_agent, Some(mail), "ours"),
            (&to_manager, Some(mail), "ours"),
            (&root, None, "no mail has it"),
        ] {
            assert_eq!(s.is_ours(id), expect, "{why}");
        }
        assert_eq!(Signer::new(&[8; 32]).is_ours(&to_customer), None, "another desk's key");
        for (agents, to, expect, why) in [
            (vec![&eve, &ana], &agent, Some(Bound::Agent(ana.clone())), "an agent's address, whoever writes"),
            (vec![&eve], &agent, None, "of nobody who is an agent"),
            (vec![&ana], &customer, None, "a customer's is no agent's"),
        ] {
            assert_eq!(s.claim_of_another(agents, std::slice::from_ref(to)).map(|c| c.bound_to), expect, "{why}");
        }
        assert!(!format!("{s:?}").contains('7'), "the key is not printed");
    }

    #[test]
    fn local_parts_stay_within_the_limit() {
        let s = signer();
        let short = s.reply_address(&address("support@acme.example"), TicketNumber(u64::MAX), &Bound::Customer);
        assert!(short.local().len() <= LOCAL_OCTETS_MAX, "{short}");
        let long = address(&format!("{}@acme.example", "x".repeat(60)));
        assert_eq!(s.reply_address(&long, TicketNumber(1), &Bound::Customer), long, "no room: as it is");
    }

    proptest! {
        #[test]
        fn p8_no_altered_token_verifies(ticket in 1u64..1_000_000, other in 1u64..1_000_000, at in 0usize..40, with in "[a-z0-9]", n in 1u32..1000) {
            let s = signer();
            let (mailbox, ana) = (address("support@acme.example"), address("ana@acme.example"));
            for bound in [Bound::Customer, Bound::Agent(ana.clone())] {
                let token = s.reply_address(&mailbox, TicketNumber(ticket), &bound);
                let honest = s.claims(Some(&ana), std::slice::from_ref(&token), &[]);
                prop_assert_eq!(honest.len(), 1);
                prop_assert_eq!(honest[0].ticket, TicketNumber(ticket));
                let folded = address(&token.as_str().to_uppercase());
                prop_assert_eq!(s.claims(Some(&ana), &[folded], &[]), honest);

                let local = token.local();
                let start = local.find('+').unwrap() + 1;
                let at = start + at % (local.len() - start);
                let altered = format!("{}{with}{}@acme.example", &local[..at], &local[at + 1..]);
                if let Ok(altered) = EmailAddress::parse(&altered) && altered != token {
                    prop_assert!(s.claims(Some(&ana), &[altered], &[]).is_empty());
                }
                let cut = format!("{}@acme.example", &local[..at]);
                if let Ok(cut) = EmailAddress::parse(&cut) {
                    prop_assert!(s.claims(Some(&ana), &[cut], &[]).is_empty());
                }
                if other != ticket {
                    let moved = token.as_str().replacen(&format!("+{ticket}"), &format!("+{other}"), 1);
                    prop_assert!(s.claims(Some(&ana), &[address(&moved)], &[]).is_empty());
                }
            }
            for audience in [Audience::Customer, Audience::Agent(ana.clone()), Audience::Informed] {
                let id = s.message_id(OutboxId { ticket: TicketNumber(ticket), n }, &audience, "acme.example");
                let text = id.as_str();
                let at = at % text.find('@').unwrap();
                let altered = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                if altered != text && let Some(altered) = MessageId::parse(&altered) {
                    prop_assert_eq!(s.is_ours(&altered), None);
                    prop_assert!(s.claims(Some(&ana), &[], &[altered]).is_empty());
                }
            }
        }
    }
}
