//! What a chat window asks of the desk: to take what the visitor says, to show what he has not seen.

use crate::channel::HandoverFault;
use crate::channel::chat::{ChatDesk, ChatFault, Said, SessionState, Shown, Speaker, Took, Visitor};
use crate::domain::address::{Contact, one_line};
use crate::domain::change::{Actor, Change, History, Landing, Need};
use crate::domain::message::{Author, Body, Inbound, Message, SessionId, TicketNumber, Visibility};
use crate::domain::ticket::NAME_OCTETS_MAX;
use crate::domain::verdict::{Basis, Judgement, Verdict};
use crate::domain::{decide, notice};
use crate::intake::{Desk, inbound};
use crate::store::{Outcome, StoreFault, TEXT_OCTETS_MAX};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

impl ChatDesk for Desk {
    fn message(&self, said: Said) -> BoxFuture<'static, Result<Took, ChatFault>> {
        let desk = self.clone();
        async move {
            let session = said.session;
            let inbound = desk.heard(said).await?;
            let receipt = desk.accept_said(inbound).await?;
            match receipt.await? {
                Landing::Ticket { number, seq } => {
                    let message = desk.store().message(number, seq)?;
                    let seq = message.and_then(|m| m.chat_seq).unwrap_or_default();
                    tracing::info!(ticket = number.0, seq, ?session, "chat message taken");
                    Ok(Took { seq, ticket: number })
                }
                Landing::Quarantine { .. } => Err(ChatFault::Store("a chat message went to quarantine".to_owned())),
            }
        }
        .boxed()
    }

    fn since(&self, session: SessionId, after: u32, limit: usize) -> BoxFuture<'static, Result<Vec<Shown>, ChatFault>> {
        let desk = self.clone();
        async move {
            let messages = desk.store().chat_since(session, after, limit)?;
            Ok(messages.into_iter().filter_map(|m| shown(&m, &desk.policy().desk.name)).collect())
        }
        .boxed()
    }

    fn session(&self, session: SessionId) -> BoxFuture<'static, Result<Option<SessionState>, ChatFault>> {
        let desk = self.clone();
        async move {
            let known = desk.store().session(session)?;
            Ok(known.map(|s| SessionState { ticket: s.ticket, last_seq: s.last_seq }))
        }
        .boxed()
    }

    fn expected(&self, visitor: &Visitor) -> String {
        let policy = self.policy();
        let now = self.clock().now();
        notice::expected_in_chat(&policy, visitor.address.as_ref(), visitor.language, now)
    }

    fn end(&self, session: SessionId) -> BoxFuture<'static, Result<Option<TicketNumber>, ChatFault>> {
        let desk = self.clone();
        async move { desk.on_session(session, "the visitor ended the chat", "the window was closed", true).await }.boxed()
    }

    fn rate(&self, session: SessionId, score: u8, comment: String) -> BoxFuture<'static, Result<(), ChatFault>> {
        let desk = self.clone();
        async move {
            let what = format!("rated {score} of 5");
            desk.on_session(session, &what, &one_line(&comment, 400), false).await.map(drop)
        }
        .boxed()
    }
}

impl Desk {
    async fn heard(&self, said: Said) -> Result<Inbound, ChatFault> {
        let Said { session, client_id, text, visitor } = said;
        let kept =
            if text.len() > TEXT_OCTETS_MAX { self.store().keep(vec![text.clone().into_bytes()]).await?.into_iter().next() } else { None };
        let name = one_line(&visitor.name, NAME_OCTETS_MAX);
        let judgement = match &visitor.address {
            Some(address) if visitor.verified => Judgement {
                verdict: Verdict::Authenticated { domain: address.domain().to_owned() },
                basis: Basis::ChatToken,
                why: "signed in by the site".to_owned(),
            },
            Some(_) | None => Judgement::default(),
        };
        let from = visitor.address.map(|address| Contact { name, address });
        let inbound = inbound::in_chat(session, client_id, from, text, self.clock().now());
        let inbound = Inbound { body: Body { kept, ..inbound.body }, language: visitor.language, judgement, ..inbound };
        // Anybody can give any address: only that of one who is signed in is worth the question.
        if !inbound.judgement.is_authenticated() {
            return Ok(inbound);
        }
        let policy = self.policy();
        Ok(self.looked_up(inbound, &policy).await)
    }

    /// A line in the history of the session's ticket; `ends` lets the next message open another ticket.
    async fn on_session(&self, session: SessionId, what: &str, why: &str, ends: bool) -> Result<Option<TicketNumber>, ChatFault> {
        loop {
            let need = Need { session: Some(session), ..Need::default() };
            let context = self.store().context(&need)?;
            let Some(state) = context.session else { return Ok(None) };
            let Some(number) = state.ticket else { return Ok(None) };
            let Some(mut ticket) = context.tickets.into_iter().find(|t| t.number == number) else { return Ok(None) };
            let mut change = Change::default();
            let line = History { at: self.clock().now(), by: Actor::Customer, what: what.to_owned(), why: why.to_owned() };
            decide::record(&mut change, &mut ticket, vec![line]);
            change.tickets.push(ticket);
            if ends {
                change.session = Some(crate::domain::change::ChatSession { ticket: None, ..state });
            }
            let committed = self.store().commit(change).await?;
            match committed.outcome {
                Outcome::Committed(_) | Outcome::Duplicate(_) => {
                    committed.receipt.await?;
                    return Ok(Some(number));
                }
                Outcome::Stale => {}
            }
        }
    }
}

fn shown(message: &Message, desk: &str) -> Option<Shown> {
    if message.visibility == Visibility::Internal {
        return None;
    }
    let (author, name) = match &message.author {
        Author::Customer { name, .. } => (Speaker::Customer, name.clone()),
        // A customer sees his agent's name, not his address.
        Author::Agent(contact) => (Speaker::Agent, if contact.name.is_empty() { desk.to_owned() } else { contact.name.clone() }),
        Author::Desk => (Speaker::Desk, desk.to_owned()),
        Author::ThirdParty(_) => return None,
    };
    Some(Shown {
        seq: message.chat_seq?,
        author,
        name,
        text: message.body.new_text(),
        at: message.at,
        client_id: message.client_id.clone(),
    })
}

impl From<StoreFault> for ChatFault {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault.to_string())
    }
}

impl From<HandoverFault> for ChatFault {
    fn from(fault: HandoverFault) -> Self {
        match fault {
            HandoverFault::Store(why) => Self::Store(why),
            HandoverFault::Stopping => Self::Stopping,
        }
    }
}
