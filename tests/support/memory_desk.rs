//! A desk that keeps its conversations in memory: what the chat needs of one, and faults on request.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of this")]

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use guichet::channel::chat::hub::Hub;
use guichet::channel::chat::{ChatDesk, ChatFault, Said, SessionState, Shown, Speaker, Took, Visitor};
use guichet::domain::message::{SessionId, TicketNumber};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

#[derive(Clone)]
pub struct MemoryDesk {
    pub hub: Hub,
    state: Arc<Mutex<State>>,
    /// Closed, commits wait.
    gate: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    talks: HashMap<SessionId, Vec<Shown>>,
    visitors: Vec<Visitor>,
    ratings: Vec<(u8, String)>,
    /// So many of the next questions fail.
    faults: u32,
    reads: u32,
}

impl MemoryDesk {
    pub fn new() -> Self {
        Self { hub: Hub::new(), state: Arc::default(), gate: watch::Sender::new(true) }
    }

    /// An agent's answer: committed, then hinted at. Gives its number.
    pub fn agent_says(&self, session: SessionId, text: &str) -> u32 {
        let seq = self.agent_says_silently(session, text);
        self.hub.hint(session);
        seq
    }

    /// The hint is lost.
    pub fn agent_says_silently(&self, session: SessionId, text: &str) -> u32 {
        let mut state = self.state();
        add(state.talks.entry(session).or_default(), Speaker::Agent, "Ana", text, None)
    }

    pub fn talk(&self, session: SessionId) -> Vec<String> {
        self.state().talks.get(&session).into_iter().flatten().map(|shown| shown.text.clone()).collect()
    }

    pub fn sessions(&self) -> Vec<SessionId> {
        self.state().talks.keys().copied().collect()
    }

    pub fn visitors(&self) -> Vec<Visitor> {
        self.state().visitors.clone()
    }

    pub fn ratings(&self) -> Vec<(u8, String)> {
        self.state().ratings.clone()
    }

    pub fn fail(&self, times: u32) {
        self.state().faults = times;
    }

    /// Whether commits go through, or wait.
    pub fn commits(&self, go_through: bool) {
        self.gate.send_replace(go_through);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn question<T: Send + 'static>(&self, ask: impl FnOnce(&mut State) -> T + Send + 'static) -> BoxFuture<'static, Result<T, ChatFault>> {
        let desk = self.clone();
        async move {
            let mut state = desk.state();
            if state.faults > 0 {
                state.faults -= 1;
                return Err(ChatFault::Store("asked to fail".into()));
            }
            Ok(ask(&mut state))
        }
        .boxed()
    }
}

fn add(talk: &mut Vec<Shown>, author: Speaker, name: &str, text: &str, client_id: Option<String>) -> u32 {
    let seq = u32::try_from(talk.len()).unwrap() + 1;
    let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    talk.push(Shown { seq, author, name: name.into(), text: text.into(), at, client_id });
    seq
}

impl ChatDesk for MemoryDesk {
    fn message(&self, said: Said) -> BoxFuture<'static, Result<Took, ChatFault>> {
        let (desk, mut gate) = (self.clone(), self.gate.subscribe());
        async move {
            gate.wait_for(|&open| open).await.map_err(|_| ChatFault::Stopping)?;
            let commit = desk.question(move |state| {
                state.visitors.push(said.visitor.clone());
                let talk = state.talks.entry(said.session).or_default();
                let known = talk.iter().find(|shown| shown.client_id.as_ref() == Some(&said.client_id)).map(|shown| shown.seq);
                let seq = known.unwrap_or_else(|| add(talk, Speaker::Customer, &said.visitor.name, &said.text, Some(said.client_id)));
                Took { seq, ticket: TicketNumber(1042) }
            });
            commit.await
        }
        .boxed()
    }

    fn since(&self, session: SessionId, after: u32, limit: usize) -> BoxFuture<'static, Result<Vec<Shown>, ChatFault>> {
        self.question(move |state| {
            state.reads += 1;
            let talk = state.talks.get(&session).into_iter().flatten();
            talk.filter(|shown| shown.seq > after).take(limit).cloned().collect()
        })
    }

    fn session(&self, session: SessionId) -> BoxFuture<'static, Result<Option<SessionState>, ChatFault>> {
        self.question(move |state| {
            let talk = state.talks.get(&session)?;
            Some(SessionState { ticket: Some(TicketNumber(1042)), last_seq: u32::try_from(talk.len()).unwrap() })
        })
    }

    fn expected(&self, visitor: &Visitor) -> String {
        let language = visitor.language.map_or("en".to_owned(), |l| l.to_string());
        match language.as_str() {
            "pt" => "Ana e Bia respondem; você tem resposta até as 18:00.".to_owned(),
            "et" => "Vastavad Ana ja Bia; vastuse saad hiljemalt kell 18.00.".to_owned(),
            _ => "Ana and Bia answer here; you have an answer by 18:00.".to_owned(),
        }
    }

    fn end(&self, session: SessionId) -> BoxFuture<'static, Result<Option<TicketNumber>, ChatFault>> {
        self.question(move |state| state.talks.contains_key(&session).then_some(TicketNumber(1042)))
    }

    fn rate(&self, _session: SessionId, score: u8, comment: String) -> BoxFuture<'static, Result<(), ChatFault>> {
        self.question(move |state| state.ratings.push((score, comment)))
    }
}
