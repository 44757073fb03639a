//! The question to another system who a sender is, before the decision, where the configuration names one.

use super::Desk;
use crate::channel::look_up::LookUp;
use crate::domain::address::EmailAddress;
use crate::domain::customer::LookedUp;
use crate::domain::message::Inbound;
use crate::domain::policy::Policy;

impl Desk {
    /// Names whom to ask about customers; without it the file alone counts. Only the first counts.
    pub fn ask_about_customers(&self, look_up: LookUp) {
        let _ = self.0.look_up.set(look_up);
    }

    /// The message with what another system says of its sender, if it may open a ticket.
    pub(crate) async fn looked_up(&self, inbound: Inbound, policy: &Policy) -> Inbound {
        let Some(look_up) = self.0.look_up.get() else { return inbound };
        let is_ours = |inbound: &Inbound| {
            inbound.in_reply_to.iter().chain(inbound.references.iter().rev()).any(|id| self.0.signer.is_ours(id).is_some())
        };
        let Some(address) = asked_about(&inbound, policy).filter(|_| !is_ours(&inbound)) else { return inbound };
        let answer = look_up.ask(address).await;
        if let LookedUp::Found(customer) = &answer
            && policy.doubt(customer).is_some()
        {
            metrics::counter!("guichet_lookups_total", "outcome" => "unknown_tier").increment(1);
        }
        Inbound { looked_up: Some(Box::new(answer)), ..inbound }
    }
}

/// Whose ticket it may open: that of its sender, or of the writer of what an agent forwards. Nobody's, where a proof of an earlier
/// ticket stands in it, where the sender is known to be another, and where it is the desk's own.
fn asked_about<'a>(inbound: &'a Inbound, policy: &Policy) -> Option<&'a EmailAddress> {
    if !inbound.claims.is_empty() || inbound.bounce.is_some() || inbound.judgement.has_failed() {
        return None;
    }
    let is_own = |address: &EmailAddress| policy.is_ours(address) || policy.agent(address).is_some();
    let from = &inbound.from.as_ref()?.address;
    if policy.agent(from).is_some() {
        return inbound.forwarded.as_ref().map(|forwarded| &forwarded.from.address).filter(|address| !is_own(address));
    }
    Some(from).filter(|address| !is_own(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Contact;
    use crate::domain::message::{Body, Bound, Claim, Forwarded, TicketNumber};
    use crate::domain::testing::{address, mail, policy};
    use crate::domain::verdict::{Basis, Judgement, Verdict};

    #[test]
    fn who_is_asked_about() {
        let customer = || mail(1, "joao@padaria.example", "Oven", "It is cold.");
        let agent = || mail(1, "ana@acme.example", "Fwd: Oven", "x");
        let claim = Claim { ticket: TicketNumber(1), bound_to: Bound::Customer, stood_in: "reply address" };
        let judged = |verdict| Judgement { verdict, basis: Basis::AuthenticationResults, why: String::new() };
        let forwarded = |from: &str| {
            Some(Box::new(Forwarded {
                from: Contact { name: String::new(), address: address(from) },
                subject: String::new(),
                sent_at: None,
                message_id: None,
                body: Body::all_new(String::new()),
                above: Body::all_new(String::new()),
                attachments: Vec::new(),
                machine: None,
                language: None,
                attached: false,
            }))
        };
        #[rustfmt::skip]
        let table = [
            (customer(), Some("joao@padaria.example"), "a customer"),
            (Inbound { judgement: judged(Verdict::Unknown), ..customer() }, Some("joao@padaria.example"), "one for whom nobody vouches, as with the file"),
            (Inbound { judgement: judged(Verdict::Failed), ..customer() }, None, "one who is another"),
            (Inbound { claims: vec![claim], ..customer() }, None, "an answer to a ticket"),
            (Inbound { from: None, ..customer() }, None, "nobody"),
            (agent(), None, "an agent"),
            (Inbound { forwarded: forwarded("joao@padaria.example"), ..agent() }, Some("joao@padaria.example"), "the writer of what an agent forwards"),
            (Inbound { forwarded: forwarded("ben@acme.example"), ..agent() }, None, "a colleague's mail"),
            (mail(1, "support@acme.example", "x", "y"), None, "the desk itself"),
        ];
        let policy = policy();
        for (inbound, expect, why) in table {
            assert_eq!(asked_about(&inbound, &policy).map(EmailAddress::as_str), expect, "{why}");
        }
    }
}
