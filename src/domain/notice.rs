//! What to say, to whom, and when to stay silent.
//!
//! [`Voice`] gathers what one decision says. Nobody but these gets a word of a ticket (P7): its requester and
//! participants, the agents of its team, its assignee, the manager of its team. Automatic mail goes to one address, never
//! because of a machine (P6), and within a cap.

mod clocks;

use super::address::{Contact, EmailAddress, one_line};
use super::away::{self, Absence, Away};
use super::bounce::{Hint, Mark};
use super::change::{Actor, Context, EarlierTicket, History};
use super::customer::Known;
use super::dates::Moment;
use super::look_alike::LOOK_ALIKE;
use super::message::{Attachment, Author, Body, Channel, Inbound, Language, Message, TicketNumber, Visibility};
use super::outbound::{Audience, Automatic, Outbound, OutboxId, Piece, Purpose, Route};
use super::policy::{Agent, Policy};
use super::sla::{ClockKind, ClockState};
use super::subject::tagged;
use super::template::{BRIEF_MARK, ClockFacts, EarlierFacts, NoticeFacts, Rendered};
use super::ticket::{Priority, SUBJECT_OCTETS_MAX, Ticket};
use super::verdict::Judgement;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one decision says.
pub struct Voice<'a> {
    policy: &'a Policy,
    now: Timestamp,
    /// Addresses that may be marked, among them the requester's.
    pub marks: Vec<&'a Mark>,
    /// Agents who said that they are away.
    pub away: &'a [Away],
    /// Agents, managers and ops who are notified besides those who look after the ticket.
    pub also: Vec<EmailAddress>,
    /// The text that acknowledges instead of `ack`.
    pub template: Option<String>,
    /// To be queued in the same commit (P5).
    pub said: Vec<Outbound>,
    /// The desk's own words in the thread.
    pub messages: Vec<Message>,
    /// Automatic mail to a customer, for its cap.
    pub acked: Option<(EmailAddress, Timestamp)>,
    /// The mailbox that he came through, if he could not prove himself.
    pub acked_unproven: Option<String>,
    /// The agent who writes goes away, or is back.
    pub absence: Option<Absence>,
    /// What is told now is the last of its kind for a while.
    is_last_word: bool,
}

/// Notifications within an hour of what programs and third parties write in one ticket.
const NOTED_PER_HOUR_MAX: u32 = 10;

/// How the line of a ticket's history begins that tells of the first automatic answer.
const ACKNOWLEDGED: &str = "acknowledged in";

/// Whether a line of history says that the customer was answered automatically.
#[must_use]
pub fn tells_of_acknowledgement(line: &History) -> bool {
    line.by == Actor::Desk && line.what.starts_with(ACKNOWLEDGED)
}

/// Who reads: in which language, and by whose wall he is told times.
#[derive(Clone, Debug)]
struct Reader {
    language: Language,
    /// `None`: that of the calendar which a time is of.
    zone: Option<TimeZone>,
}

impl Reader {
    /// Whoever opened the ticket (P10).
    fn customer(ticket: &Ticket) -> Self {
        Self { language: ticket.language, zone: ticket.zone.clone() }
    }

    /// What all readers of one text have in common.
    fn key(&self) -> (Language, Option<String>) {
        (self.language, self.zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned))
    }
}

/// One mail before it has a place in the outbox.
struct Draft {
    purpose: Purpose,
    audience: Audience,
    from_name: String,
    to: Contact,
    subject: String,
    body: Vec<Piece>,
    attachments: Vec<Attachment>,
    automatic: Option<Automatic>,
}

impl<'a> Voice<'a> {
    /// Nothing said yet.
    #[must_use]
    pub const fn new(policy: &'a Policy, now: Timestamp) -> Self {
        Self {
            policy,
            now,
            marks: Vec::new(),
            away: &[],
            also: Vec::new(),
            template: None,
            said: Vec::new(),
            messages: Vec::new(),
            acked: None,
            acked_unproven: None,
            absence: None,
            is_last_word: false,
        }
    }

    /// The first automatic answer to the customer, or the reason for silence.
    pub fn acknowledge(&mut self, ticket: &mut Ticket, inbound: &Inbound, known: &Known, context: &Context) -> History {
        let silent = |why: &str| History { at: self.now, by: Actor::Desk, what: "no acknowledgement".to_owned(), why: why.to_owned() };
        if inbound.channel == Channel::Chat {
            return silent("the chat window shows who answers and by when");
        }
        if let Some((_, why)) = &inbound.machine {
            return silent(&format!("a machine wrote: {why}"));
        }
        let Some(from) = &inbound.from else { return silent("nobody to send it to") };
        if inbound.judgement.has_failed() {
            return silent(&format!("its sender is {}: an answer would go to whom it was forged from", inbound.judgement.sentence()));
        }
        if let Some(mark) = self.mark(&from.address) {
            return silent(&mark.sentence());
        }
        // Where nobody is asked about senders, those of the customers' file, or found by a look-up, are believed.
        let in_file = inbound.judgement.is_believed() && (inbound.is_found() || self.policy.customers.find(&from.address).is_some());
        let proven = in_file || inbound.judgement.is_authenticated();
        let hour_ago = self.now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
        let recent = context.acks.iter().filter(|at| **at > hour_ago).count();
        let most = if in_file { self.policy.desk.acks_per_hour_known_max } else { self.policy.desk.acks_per_hour_max };
        if recent >= most as usize {
            return silent(&format!("{recent} automatic mails went to that address within an hour"));
        }
        let full = if proven { None } else { self.full_cap(context) };
        if let Some(full) = full {
            return silent(&full);
        }
        // Nothing of the mail is repeated to somebody whom we do not know: the sender may be forged, and one who is not may have his
        // mail forwarded to others, who would read his words in our name (P6).
        let template = if in_file { self.template.clone().unwrap_or_else(|| "ack".to_owned()) } else { "ack_unverified".to_owned() };
        let clock = ticket.clocks.iter().find(|c| c.kind == ClockKind::FirstResponse);
        let due = clock.map(|c| c.due);
        let calendar = clock.map_or_else(|| self.policy.team_calendar(&ticket.team).to_owned(), |c| c.calendar.clone());
        let language = ticket.language;
        let reader = Reader::customer(ticket);
        let mut facts = self.facts(ticket, &reader);
        facts.customer = one_line(if from.name.is_empty() { &known.name } else { &from.name }, 100);
        facts.due_text = due.map_or_else(String::new, |due| self.when(due, &calendar, &reader));
        self.tell_hours(&mut facts, &calendar, &reader);
        let Rendered { subject, text } = self.render(language, &template, facts);

        let id = self.send(
            ticket,
            Draft {
                purpose: Purpose::Ack,
                audience: Audience::Customer,
                from_name: self.policy.desk.name.clone(),
                to: Contact { name: if in_file { from.name.clone() } else { String::new() }, address: from.address.clone() },
                subject,
                body: vec![Piece::Text(text.clone())],
                attachments: Vec::new(),
                automatic: Some(Automatic::Replied),
            },
        );
        self.show(ticket, id, text);
        self.acked = Some((from.address.clone(), self.now));
        self.acked_unproven = (!proven).then(|| inbound.source.mailbox().to_owned());
        let due = due.map_or_else(|| "no response target".to_owned(), |due| format!("due {due}"));
        let judged =
            if inbound.judgement.is_judged() { format!("; its sender is {}", inbound.judgement.sentence()) } else { String::new() };
        History {
            at: self.now,
            by: Actor::Desk,
            what: format!("{ACKNOWLEDGED} {language}"),
            why: format!("template {template}, {due}{judged}"),
        }
    }

    /// Whether somebody is there, and if not, when.
    fn tell_hours(&self, facts: &mut NoticeFacts, calendar: &str, reader: &Reader) {
        let closed = self.policy.calendars.get(calendar).filter(|c| !c.is_open(self.now));
        facts.in_hours = closed.is_none();
        facts.opens_text = closed.and_then(|c| c.next_opening(self.now)).map(|opens| self.moment(opens, calendar, reader));
    }

    /// The mark of an address, where it is in force.
    fn mark(&self, address: &EmailAddress) -> Option<&'a Mark> {
        self.marks.iter().find(|mark| mark.address == *address && self.policy.holds(mark, self.now)).copied()
    }

    /// The desk's own words stand in the thread, too.
    fn show(&mut self, ticket: &mut Ticket, id: OutboxId, text: String) {
        let seq = ticket.take_seq();
        self.messages.push(Message {
            ticket: ticket.number,
            seq,
            author: Author::Desk,
            visibility: Visibility::Public,
            channel: Channel::Mail,
            at: self.now,
            message_id: None,
            body: Body::all_new(text),
            attachments: Vec::new(),
            raw: None,
            machine: None,
            defects: Vec::new(),
            judgement: Judgement::default(),
            chat_seq: None,
            client_id: None,
            outbox: vec![id],
        });
    }

    /// Which of the caps on automatic mail to senders who could not prove themselves is reached.
    fn full_cap(&self, context: &Context) -> Option<String> {
        let (desk, tallies) = (&self.policy.desk, &context.unproven_acks);
        [
            ("to that domain", &tallies.domain, desk.acks_per_hour_domain_max),
            ("for that mailbox", &tallies.mailbox, desk.acks_per_hour_mailbox_max),
            ("in all", &tallies.desk, desk.acks_per_hour_desk_max),
        ]
        .into_iter()
        .map(|(whose, tally, most)| (whose, tally.within_hour(self.now), most))
        .find(|(_, recent, most)| recent >= most)
        .map(|(whose, recent, _)| format!("{recent} automatic mails to unproven senders went out {whose} within an hour"))
    }

    /// A program or somebody who has no part in it wrote: as [`Voice::notify`], but only so often an hour, for neither a monitor gone
    /// wild nor a stranger with a token may fill the mailboxes of those who look after the ticket (P6).
    pub fn notify_within_bounds(&mut self, ticket: &mut Ticket, inbound: &Inbound, message: &Message, known: &Known) {
        let told = ticket.noted.within_hour(self.now);
        if told >= NOTED_PER_HOUR_MAX {
            return;
        }
        ticket.noted.add(self.now);
        self.is_last_word = told + 1 == NOTED_PER_HOUR_MAX;
        self.notify(ticket, Some(inbound), message, known, &[], None);
    }

    /// Somebody wrote: the assignee hears of it, or else the whole team. `heard` is the mail, if it has just come.
    pub fn notify(
        &mut self,
        ticket: &mut Ticket,
        heard: Option<&Inbound>,
        message: &Message,
        known: &Known,
        earlier: &[EarlierTicket],
        except: Option<&Agent>,
    ) {
        let (writer, address) = match &message.author {
            Author::Customer { name, address } => {
                let address = address.as_ref().map(ToString::to_string);
                (if name.is_empty() { address.clone().unwrap_or_else(|| "?".to_owned()) } else { name.clone() }, address)
            }
            Author::ThirdParty(contact) | Author::Agent(contact) => (contact.shown().to_owned(), Some(contact.address.to_string())),
            Author::Desk => (self.policy.desk.name.clone(), None),
        };
        let stranger = matches!(message.author, Author::ThirdParty(_));
        let copied = heard.map(|heard| to_be_copied(heard, ticket, self.policy)).unwrap_or_default();
        let copied: Vec<String> = copied.iter().map(|c| c.address.to_string()).collect();
        let (attachments, left_out) = self.within_limits(&message.attachments);
        let mut told = self.watchers(ticket, except);
        for (contact, audience, reader) in self.also() {
            if !told.iter().any(|(other, ..)| other.address == contact.address) {
                told.push((contact, audience, reader));
            }
        }
        let brief_for = |voice: &Self, ticket: &Ticket, reader: &Reader, may_answer: bool| {
            let mut facts = voice.brief_facts(ticket, known, earlier, reader);
            facts.may_answer = may_answer;
            if message.judgement.has_failed() {
                facts.doubted = address.clone().unwrap_or_default();
            } else if stranger {
                facts.stranger = address.clone().unwrap_or_default();
            }
            facts.seq = message.seq;
            facts.last_word = voice.is_last_word;
            facts.copied.clone_from(&copied);
            if let Some(defect) = message.defects.iter().find(|d| d.name == LOOK_ALIKE) {
                facts.look_alike.clone_from(&defect.detail);
            }
            facts.left_out.clone_from(&left_out);
            if let Some(whole) = heard.and_then(|heard| heard.cut) {
                facts.whole = format!("{} MB", whole.div_ceil(1_000_000));
                facts.fetch = format!("guichet fetch {} {}", ticket.number.0, message.seq);
            }
            voice.render(reader.language, "brief", facts).text
        };
        // Each brief once, however many read it.
        let mut briefs: BTreeMap<(Language, Option<String>, bool), String> = BTreeMap::new();
        let said = if message.body.says_something_new() { Piece::NewTextOf(message.seq) } else { Piece::QuotedTextOf(message.seq) };
        for (contact, audience, reader) in told {
            let may_answer = may_answer(&audience);
            let (language, zone) = reader.key();
            let brief = briefs.entry((language, zone, may_answer)).or_insert_with(|| brief_for(self, ticket, &reader, may_answer));
            let draft = Draft {
                purpose: Purpose::Notification,
                audience,
                from_name: one_line(&format!("{writer} ({})", self.policy.desk.name), 200),
                to: contact,
                subject: tagged(ticket, ""),
                body: vec![said.clone(), Piece::Text(format!("\n\n{brief}"))],
                attachments: attachments.clone(),
                automatic: Some(Automatic::Generated),
            };
            self.send(ticket, draft);
        }
    }

    /// An agent's answer to all who take part; into the chat window where the matter began there.
    pub fn answer(&mut self, ticket: &mut Ticket, agent: &Agent, message: &Message) -> Vec<OutboxId> {
        let requester = ticket.requester.address.clone().map(|address| Contact { name: ticket.requester.name.clone(), address });
        let others: Vec<Contact> =
            ticket.participants.iter().map(|p| Contact { name: p.name.clone(), address: p.address.clone() }).collect();
        let shown_to: Vec<Contact> = requester.iter().chain(&others).cloned().collect();
        let (attachments, _) = self.within_limits(&message.attachments);
        let mut ids = Vec::new();
        let window = ticket.session.zip(message.chat_seq);
        if let Some((session, chat_seq)) = window {
            let route = Route::Chat { session, chat_seq, else_mail: requester.is_some() };
            ids.push(self.queue(ticket, agent, message, route, requester.clone(), &shown_to, &attachments));
        }
        let by_mail = requester.filter(|_| window.is_none()).into_iter().chain(others);
        for to in by_mail {
            ids.push(self.queue(ticket, agent, message, Route::Mail, Some(to), &shown_to, &attachments));
        }
        ids
    }

    #[expect(clippy::too_many_arguments, reason = "one answer's parts, each of another kind")]
    fn queue(
        &mut self,
        ticket: &mut Ticket,
        agent: &Agent,
        message: &Message,
        route: Route,
        to: Option<Contact>,
        shown_to: &[Contact],
        attachments: &[Attachment],
    ) -> OutboxId {
        let id = ticket.take_outbox_id();
        let Some(from) = self.policy.mailbox(&ticket.mailbox) else { return id };
        self.said.push(Outbound {
            id,
            purpose: Purpose::Answer,
            route,
            audience: Audience::Customer,
            from: from.address.clone(),
            from_name: one_line(&format!("{} ({})", agent.name, self.policy.desk.name), 200),
            to,
            shown_to: shown_to.to_vec(),
            subject: tagged(ticket, "Re: "),
            in_reply_to: ticket.last_customer_id.clone(),
            references: ticket.last_customer_id.iter().cloned().collect(),
            body: vec![Piece::NewTextOf(message.seq)],
            attachments: attachments.to_vec(),
            automatic: None,
            created: self.now,
        });
        id
    }

    /// What an agent asks somebody else, who gets nothing of the ticket but these words and its subject.
    pub fn ask(&mut self, ticket: &mut Ticket, agent: &Agent, message: &Message, whom: &EmailAddress) -> OutboxId {
        let (attachments, _) = self.within_limits(&message.attachments);
        let draft = Draft {
            purpose: Purpose::Question,
            audience: Audience::Asked,
            from_name: one_line(&format!("{} ({})", agent.name, self.policy.desk.name), 200),
            to: Contact { name: String::new(), address: whom.clone() },
            subject: tagged(ticket, ""),
            body: vec![Piece::NewTextOf(message.seq)],
            attachments,
            automatic: None,
        };
        self.send(ticket, draft)
    }

    /// A note concerns the assignee, if another wrote it.
    pub fn pass_note_on(&mut self, ticket: &mut Ticket, agent: &Agent, message: &Message) {
        let assignee = self.policy.assignee(ticket).filter(|a| a.handle != agent.handle);
        let Some(assignee) = assignee else { return };
        let (to, audience, reader) = self.seat(assignee);
        let known = self.policy.know_at(ticket.requester.address.as_ref(), self.now);
        let facts = NoticeFacts { may_answer: may_answer(&audience), ..self.brief_facts(ticket, &known, &[], &reader) };
        let brief = self.render(reader.language, "brief", facts).text;
        let draft = Draft {
            purpose: Purpose::Notification,
            audience,
            from_name: one_line(&format!("{} ({})", agent.name, self.policy.desk.name), 200),
            to,
            subject: tagged(ticket, "#note "),
            body: vec![Piece::NewTextOf(message.seq), Piece::Text(format!("\n\n{brief}"))],
            attachments: Vec::new(),
            automatic: Some(Automatic::Generated),
        };
        self.send(ticket, draft);
    }

    /// An agent's mail that was not carried out goes back to him with each fault and his text.
    pub fn give_back(&mut self, ticket: &mut Ticket, agent: &Agent, message: &Message, faults: Vec<String>) {
        let facts = |voice: &Self, ticket: &Ticket, reader: &Reader| NoticeFacts {
            faults,
            agent: agent.name.clone(),
            ..voice.facts(ticket, reader)
        };
        self.write_to(ticket, agent, Purpose::Held, "held", facts, vec![Piece::Text("\n\n".to_owned()), Piece::QuotedTextOf(message.seq)]);
    }

    /// A mail of the ticket could not be delivered for good: whoever looks after it hears of it.
    pub fn undelivered(&mut self, ticket: &mut Ticket, (purpose, recipient): (Purpose, Option<&EmailAddress>), why: &str, hint: Hint) {
        let fault = one_line(why, 300);
        for (to, audience, reader) in self.watchers(ticket, None) {
            let facts = NoticeFacts {
                purpose: purpose.word(),
                address: recipient.map(ToString::to_string).unwrap_or_default(),
                faults: vec![fault.clone()],
                hint: hint.word(),
                may_answer: may_answer(&audience),
                ..self.facts(ticket, &reader)
            };
            self.of_its_own(ticket, Purpose::Held, self.render(reader.language, "undelivered", facts), to, audience);
        }
    }

    /// What `#status` asks for.
    pub fn reply_status(&mut self, ticket: &mut Ticket, agent: &Agent) {
        let known = self.policy.know_at(ticket.requester.address.as_ref(), self.now);
        let facts = |voice: &Self, ticket: &Ticket, reader: &Reader| voice.brief_facts(ticket, &known, &[], reader);
        self.write_to(ticket, agent, Purpose::Reply, "status", facts, Vec::new());
    }

    /// What `#help` asks for.
    pub fn reply_help(&mut self, ticket: &mut Ticket, agent: &Agent) {
        self.write_to(ticket, agent, Purpose::Reply, "help", Self::facts, Vec::new());
    }

    /// An agent said that he is away, or (`None`) that he is back: one line tells him what was understood.
    pub fn reply_away(&mut self, ticket: &mut Ticket, agent: &Agent, away: Option<&Away>) {
        let facts = |voice: &Self, ticket: &Ticket, reader: &Reader| NoticeFacts {
            agent: agent.name.clone(),
            away: away.map(|_| agent.name.clone()).unwrap_or_default(),
            away_text: away.map(|away| voice.until(away, ticket, reader)).unwrap_or_default(),
            ..voice.facts(ticket, reader)
        };
        self.write_to(ticket, agent, Purpose::Reply, "away", facts, Vec::new());
    }

    /// When somebody is back, in words; empty if he did not say.
    fn until(&self, away: &Away, ticket: &Ticket, reader: &Reader) -> String {
        away.until.map_or_else(String::new, |until| self.when(until, self.policy.team_calendar(&ticket.team), reader))
    }

    /// A text that the desk writes on its own account.
    fn of_its_own(&mut self, ticket: &mut Ticket, purpose: Purpose, rendered: Rendered, to: Contact, audience: Audience) {
        let Rendered { subject, text } = rendered;
        let draft = Draft {
            purpose,
            audience,
            from_name: self.policy.desk.name.clone(),
            to,
            subject,
            body: vec![Piece::Text(text)],
            attachments: Vec::new(),
            automatic: Some(Automatic::Generated),
        };
        self.send(ticket, draft);
    }

    fn write_to(
        &mut self,
        ticket: &mut Ticket,
        agent: &Agent,
        purpose: Purpose,
        template: &str,
        facts: impl FnOnce(&Self, &Ticket, &Reader) -> NoticeFacts,
        more: Vec<Piece>,
    ) {
        let (to, audience, reader) = self.seat(agent);
        let Rendered { subject, text } = self.render(reader.language, template, facts(self, ticket, &reader));
        let mut body = vec![Piece::Text(text)];
        body.extend(more);
        let draft = Draft {
            purpose,
            audience,
            from_name: self.policy.desk.name.clone(),
            to,
            subject,
            body,
            attachments: Vec::new(),
            automatic: Some(Automatic::Replied),
        };
        self.send(ticket, draft);
    }

    /// Who looks after a ticket: its assignee, and while he is away his team; else its team, else its team's manager. A team that the configuration no longer
    /// has leaves its tickets to the team of their mailbox: nobody's word may reach nobody (P4).
    fn watchers(&self, ticket: &Ticket, except: Option<&Agent>) -> Vec<(Contact, Audience, Reader)> {
        let others = |agent: &&Agent| except.is_none_or(|e| e.handle != agent.handle);
        if let Some(assignee) = self.policy.assignee(ticket) {
            let mut told: Vec<_> = Some(assignee).filter(others).map(|agent| self.seat(agent)).into_iter().collect();
            if away::of(self.away, &assignee.handle, self.now).is_some() {
                let colleague = |agent: &&Agent| others(agent) && agent.handle != assignee.handle;
                told.extend(self.team_or_manager(ticket, colleague));
            }
            return told;
        }
        self.team_or_manager(ticket, others)
    }

    /// Those of a ticket's team, else its manager.
    fn team_or_manager(&self, ticket: &Ticket, of: impl Fn(&&Agent) -> bool) -> Vec<(Contact, Audience, Reader)> {
        let team = self.team(ticket);
        let members: Vec<_> = self.policy.members(team).filter(|agent| of(agent)).map(|agent| self.seat(agent)).collect();
        if !members.is_empty() {
            return members;
        }
        let manager = self.policy.teams.get(team).and_then(|t| t.manager.clone());
        manager.map(|address| self.reads_only(address)).into_iter().collect()
    }

    /// Whom a rule has told besides.
    fn also(&self) -> Vec<(Contact, Audience, Reader)> {
        self.also.iter().map(|address| self.seat_of(address)).collect()
    }

    /// An agent, whose answer is his own.
    fn seat(&self, agent: &Agent) -> (Contact, Audience, Reader) {
        let reader = Reader { language: self.policy.language(agent.languages.iter().copied()), zone: agent.zone.clone() };
        (agent.contact(), Audience::Agent(agent.address.clone()), reader)
    }

    /// Somebody whom the configuration names: an agent may answer, anybody else only reads.
    fn seat_of(&self, address: &EmailAddress) -> (Contact, Audience, Reader) {
        self.policy.agent(address).map_or_else(|| self.reads_only(address.clone()), |agent| self.seat(agent))
    }

    fn reads_only(&self, address: EmailAddress) -> (Contact, Audience, Reader) {
        let reader = Reader { language: self.policy.language([]), zone: None };
        (Contact { name: String::new(), address }, Audience::Informed, reader)
    }

    /// The ticket's team, or that of its mailbox.
    fn team<'t>(&'t self, ticket: &'t Ticket) -> &'t str {
        let home = || self.policy.mailbox(&ticket.mailbox).map(|m| m.team.as_str());
        if self.policy.teams.contains_key(&ticket.team) { &ticket.team } else { home().unwrap_or(&ticket.team) }
    }

    fn send(&mut self, ticket: &mut Ticket, draft: Draft) -> OutboxId {
        let id = ticket.take_outbox_id();
        let Some(from) = self.policy.mailbox(&ticket.mailbox) else { return id };
        let to_customer = draft.audience == Audience::Customer;
        let parent = ticket.last_customer_id.clone().filter(|_| to_customer);
        self.said.push(Outbound {
            id,
            purpose: draft.purpose,
            route: Route::Mail,
            audience: draft.audience,
            from: from.address.clone(),
            from_name: draft.from_name,
            to: Some(draft.to),
            shown_to: Vec::new(),
            subject: one_line(&draft.subject, SUBJECT_OCTETS_MAX + 40),
            references: parent.iter().cloned().collect(),
            in_reply_to: parent,
            body: draft.body,
            attachments: draft.attachments,
            automatic: draft.automatic,
            created: self.now,
        });
        id
    }

    /// Attachments in their order until the limit, and the names of those that stay behind.
    fn within_limits(&self, attachments: &[Attachment]) -> (Vec<Attachment>, Vec<String>) {
        let mut octets = 0_u64;
        let (mut taken, mut left_out) = (Vec::new(), Vec::new());
        for attachment in attachments {
            if octets.saturating_add(attachment.blob.size) <= self.policy.desk.attached_octets_max {
                octets += attachment.blob.size;
                taken.push(attachment.clone());
            } else {
                left_out.push(format!("{} ({} KiB)", attachment.name, attachment.blob.size / 1024));
            }
        }
        (taken, left_out)
    }

    fn facts(&self, ticket: &Ticket, reader: &Reader) -> NoticeFacts {
        let assignee = self.policy.assignee(ticket);
        let away = assignee.and_then(|agent| Some((agent, away::of(self.away, &agent.handle, self.now)?)));
        NoticeFacts {
            away: away.map(|(agent, _)| agent.name.clone()).unwrap_or_default(),
            away_text: away.map(|(_, away)| self.until(away, ticket, reader)).unwrap_or_default(),
            desk: self.policy.desk.name.clone(),
            number: ticket.number.to_string(),
            subject: ticket.subject.clone(),
            customer: ticket.requester.name.clone(),
            tier: ticket.tier.clone(),
            team: ticket.team.clone(),
            team_title: self.title_of(&ticket.team),
            assignee: ticket.assignee.clone().unwrap_or_default(),
            priority: ticket.priority.word(),
            status: ticket.status.word(),
            opened_text: Some(self.moment(ticket.opened, self.policy.team_calendar(&ticket.team), reader)),
            in_hours: true,
            ..NoticeFacts::default()
        }
    }

    fn brief_facts(&self, ticket: &Ticket, known: &Known, earlier: &[EarlierTicket], reader: &Reader) -> NoticeFacts {
        let clocks = ticket.clocks.iter().filter(|c| c.kind.is_target()).map(|c| ClockFacts {
            clock: c.kind.word(),
            state: c.state.word(),
            due_text: match c.state {
                ClockState::Met { at } => self.when(at, &c.calendar, reader),
                ClockState::Running { .. } | ClockState::Warned { .. } | ClockState::Paused { .. } | ClockState::Breached { .. } => {
                    self.when(c.due, &c.calendar, reader)
                }
            },
        });
        let earlier = earlier.iter().filter(|e| e.number != ticket.number).take(5).map(|e| EarlierFacts {
            number: e.number.to_string(),
            subject: one_line(&e.subject, 80),
            status: e.status,
            opened_text: self.when(e.opened, self.policy.team_calendar(&ticket.team), reader),
        });
        NoticeFacts {
            suppressed: ticket.requester.address.as_ref().and_then(|a| self.mark(a)).map(Mark::sentence).unwrap_or_default(),
            address: ticket.requester.address.as_ref().map(ToString::to_string).unwrap_or_default(),
            organisation: ticket.organisation.clone(),
            plan: known.plan.clone(),
            tags: ticket.tags.iter().cloned().collect(),
            channel: ticket.channel.word(),
            clocks: clocks.collect(),
            earlier: earlier.collect(),
            ..self.facts(ticket, reader)
        }
    }

    /// What customers are told of a team.
    fn title_of(&self, team: &str) -> String {
        self.policy.teams.get(team).map_or_else(String::new, |team| team.title.clone())
    }

    fn moment(&self, at: Timestamp, calendar: &str, reader: &Reader) -> Moment {
        let of_calendar = || self.policy.calendars.get(calendar).map(|c| c.zone.clone());
        let zone = reader.zone.clone().or_else(of_calendar).unwrap_or(TimeZone::UTC);
        Moment { at, zone, language: reader.language, now: self.now }
    }

    fn when(&self, at: Timestamp, calendar: &str, reader: &Reader) -> String {
        self.moment(at, calendar, reader).text()
    }

    /// Every template was rendered with sample facts when the configuration was read; should one fail all the same, the
    /// ticket's number still reaches its reader.
    fn render(&self, language: Language, template: &str, facts: NoticeFacts) -> Rendered {
        let facts = Arc::new(facts);
        self.policy
            .templates
            .render(language, template, Arc::clone(&facts))
            .unwrap_or_else(|_| Rendered { subject: format!("[{}]", facts.number), text: format!("{}: {}", facts.desk, facts.number) })
    }
}

/// Whether a reply to what goes there is an answer to the customer, and its commands are obeyed.
const fn may_answer(audience: &Audience) -> bool {
    match audience {
        Audience::Agent(_) => true,
        Audience::Customer | Audience::Asked | Audience::Informed => false,
    }
}

/// Whom a mail copies and who hears nothing of its ticket: neither its participants nor agents.
#[must_use]
pub fn to_be_copied(inbound: &Inbound, ticket: &Ticket, policy: &Policy) -> Vec<Contact> {
    let from = inbound.from.as_ref().map(|f| &f.address);
    let outside = |c: &&Contact| {
        Some(&c.address) != from && !ticket.is_participant(&c.address) && policy.agent(&c.address).is_none() && !policy.is_ours(&c.address)
    };
    inbound.recipients.iter().filter(outside).cloned().collect()
}

/// The line that a chat window shows before anything was said: who answers and by when (P10).
#[must_use]
pub fn expected_in_chat(policy: &Policy, address: Option<&EmailAddress>, language: Option<Language>, now: Timestamp) -> String {
    let Some(chat) = &policy.chat else { return String::new() };
    let known = policy.know_at(address, now);
    let priority = policy.tier_named(&known.tier).map_or(Priority::Medium, |t| t.priority);
    let sla = policy.sla(&known.tier, priority, Channel::Chat, None);
    let calendar = policy.calendar_name(&sla, &chat.team);
    let language = policy.language(known.language.into_iter().chain(language));
    let voice = Voice::new(policy, now);
    let reader = Reader { language, zone: known.zone.clone() };
    let due = sla.first_response.and_then(|target| Some(policy.calendars.get(calendar)?.add(now, target)));
    let mut facts = NoticeFacts {
        desk: policy.desk.name.clone(),
        team: chat.team.clone(),
        team_title: voice.title_of(&chat.team),
        tier: known.tier.clone(),
        due_text: due.map_or_else(String::new, |due| voice.when(due, calendar, &reader)),
        ..NoticeFacts::default()
    };
    voice.tell_hours(&mut facts, calendar, &reader);
    voice.render(language, "chat_expected", facts).text.trim().to_owned()
}

/// Whether a text shows a part of the desk's own brief, unquoted.
#[must_use]
pub fn shows_brief(text: &str) -> bool {
    text.lines().any(|l| l.trim_start().starts_with(BRIEF_MARK))
}

/// Whether a text shows an address or Message-ID by which an agent of this ticket is believed (see `mail::token`): whoever
/// reads it could write in his name.
#[must_use]
pub fn shows_agents_token(text: &str, ticket: TicketNumber) -> bool {
    const MAC_LETTERS: usize = 16;
    let text = text.to_ascii_lowercase();
    let followed = |mark: &str, letters: usize| {
        text.match_indices(mark).any(|(at, _)| {
            let behind = text.as_bytes().get(at + mark.len()..).unwrap_or_default();
            behind.iter().take_while(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')).count() >= letters
        })
    };
    followed(&format!("+{}a", ticket.0), MAC_LETTERS) || followed(".a.", 2 * MAC_LETTERS) || followed(".r.", 2 * MAC_LETTERS)
}
