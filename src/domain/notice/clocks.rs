//! What is said because time has passed.

use super::{Reader, Voice, may_answer};
use crate::domain::address::Contact;
use crate::domain::change::{Actor, History, line};
use crate::domain::outbound::{Audience, Automatic, Piece, Purpose};
use crate::domain::sla::{Clock, ClockKind, ClockState};
use crate::domain::template::Rendered;
use crate::domain::ticket::{HELD_TAG, Ticket};
use jiff::Timestamp;

impl Voice<'_> {
    /// A clock is near its end, or has run out before anybody was warned.
    pub fn warn_team(&mut self, ticket: &mut Ticket, kind: ClockKind, due: Timestamp) {
        for seat in self.everybody(ticket) {
            self.tell(ticket, Purpose::Warning, "warning", Some((kind, due)), seat);
        }
    }

    /// Nothing else would move it.
    pub fn remind_team(&mut self, ticket: &mut Ticket) {
        self.tell_watchers(ticket, Purpose::Review, "review", None);
    }

    /// A clock has run out.
    pub fn tell_manager(&mut self, ticket: &mut Ticket, kind: ClockKind, due: Timestamp) {
        let Some(address) = self.policy.teams.get(self.team(ticket)).and_then(|t| t.manager.clone()) else {
            return self.tell_watchers(ticket, Purpose::Breach, "breach", Some((kind, due)));
        };
        let seat = self.seat_of(&address);
        self.tell(ticket, Purpose::Breach, "breach", Some((kind, due)), seat);
    }

    fn tell_watchers(&mut self, ticket: &mut Ticket, purpose: Purpose, template: &str, clock: Option<(ClockKind, Timestamp)>) {
        for seat in self.watchers(ticket, None) {
            self.tell(ticket, purpose, template, clock, seat);
        }
    }

    fn tell(
        &mut self,
        ticket: &mut Ticket,
        purpose: Purpose,
        template: &str,
        clock: Option<(ClockKind, Timestamp)>,
        (to, audience, reader): (Contact, Audience, Reader),
    ) {
        let known = self.policy.know_at(ticket.requester.address.as_ref(), self.now);
        let mut facts = self.brief_facts(ticket, &known, &[], &reader);
        facts.may_answer = may_answer(&audience);
        if let Some((kind, due)) = clock {
            facts.clock = kind.word();
            let calendar = ticket.clocks.iter().find(|c| c.kind == kind).map_or("", |c| c.calendar.as_str());
            facts.due_text = self.when(due, calendar, &reader);
        }
        self.of_its_own(ticket, purpose, self.render(reader.language, template, facts), to, audience);
    }

    /// The assignee and the whole team.
    fn everybody(&self, ticket: &Ticket) -> Vec<(Contact, Audience, Reader)> {
        let mut all = self.watchers(ticket, None);
        for agent in self.policy.members(self.team(ticket)) {
            if !all.iter().any(|(to, _, _)| to.address == agent.address) {
                all.push(self.seat(agent));
            }
        }
        all
    }

    /// Nobody has answered since a target was missed: the next one of the ladder hears of it.
    pub fn escalate(&mut self, ticket: &mut Ticket, step: usize) {
        let ladder = self.policy.sla_of(ticket).escalate;
        let Some(address) = ladder.get(step).map(|step| step.to.clone()) else { return };
        let missed = |c: &&Clock| c.kind.is_target() && matches!(c.state, ClockState::Breached { .. });
        // One that was answered late long ago stays missed: the ladder is about the latest.
        let clock = ticket.clocks.iter().filter(missed).max_by_key(|c| c.due).map(|c| (c.kind, c.due));
        let seat = self.seat_of(&address);
        self.tell(ticket, Purpose::Escalation, "escalation", clock, seat);
    }

    /// A promise is due before long.
    pub fn remind_of_promise(&mut self, ticket: &mut Ticket) {
        let due = ticket.clocks.iter().find(|c| c.kind == ClockKind::Promise && c.is_open()).map(|c| (c.kind, c.due));
        if due.is_some() {
            self.tell_watchers(ticket, Purpose::Reminder, "promise_reminder", due);
        }
    }

    /// The customer hears, before it is due, that the first answer will be late, and when it comes.
    pub fn tell_of_delay(&mut self, ticket: &mut Ticket, due: Timestamp) -> History {
        self.tell_customer(ticket, Purpose::Delay, "delay", Some(due))
    }

    /// The customer is asked again, and told when the ticket closes by itself.
    pub fn nudge(&mut self, ticket: &mut Ticket) -> History {
        let closes = ticket.clocks.iter().find(|c| c.kind == ClockKind::AutoClose).map(|c| c.due);
        self.tell_customer(ticket, Purpose::Nudge, "nudge", closes)
    }

    /// The customer is asked whether all is well.
    pub fn check_in(&mut self, ticket: &mut Ticket) -> History {
        self.tell_customer(ticket, Purpose::Checkin, "checkin", None)
    }

    /// Why its customer is told nothing; the line for its history.
    pub fn is_silent(&self, ticket: &Ticket, purpose: Purpose) -> Option<History> {
        let why = match &ticket.requester.address {
            None => "the customer gave no address".to_owned(),
            Some(_) if ticket.tags.contains(HELD_TAG) => "a rule holds it until #untag held".to_owned(),
            Some(address) => format!("mail to it came back: {}", self.mark(address)?.sentence()),
        };
        Some(line(self.now, Actor::Desk, format!("no {}", purpose.word()), why))
    }

    /// An automatic mail to the one who asked, and nobody else (P6, P7).
    fn tell_customer(&mut self, ticket: &mut Ticket, purpose: Purpose, template: &str, due: Option<Timestamp>) -> History {
        let address = match (self.is_silent(ticket, purpose), ticket.requester.address.clone()) {
            (None, Some(address)) => address,
            (silent, _) => return silent.unwrap_or_else(|| line(self.now, Actor::Desk, format!("no {}", purpose.word()), "no address")),
        };
        let told = line(self.now, Actor::Desk, format!("{} in {}", purpose.word(), ticket.language), format!("template {template}"));
        let language = ticket.language;
        let reader = Reader::customer(ticket);
        let mut facts = self.facts(ticket, &reader);
        let calendar = self.policy.team_calendar(&ticket.team);
        facts.due_text = due.map_or_else(String::new, |due| self.when(due, calendar, &reader));
        self.tell_hours(&mut facts, calendar, &reader);
        let Rendered { subject, text } = self.render(language, template, facts);
        let draft = super::Draft {
            purpose,
            audience: Audience::Customer,
            from_name: self.policy.desk.name.clone(),
            to: Contact { name: ticket.requester.name.clone(), address },
            subject,
            body: vec![Piece::Text(text.clone())],
            attachments: Vec::new(),
            automatic: Some(Automatic::Generated),
        };
        let id = self.send(ticket, draft);
        self.show(ticket, id, text);
        told
    }
}
