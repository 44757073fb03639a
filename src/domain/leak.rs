//! Whether internal words stand in what an agent is about to tell a customer (P7): lines of the brief of the notification that he
//! answers, or of what only agents have read in that ticket.
//!
//! Texts are compared by runs of words (`overlap`): six in a row, or a short line of which all stands there. What was public already
//! is no secret, and neither is what everybody says: a greeting, a name, the subject. In doubt the mail is held, and the agent is told
//! which words it is about.

use super::address::one_line;
use super::change::Context;
use super::message::{Author, Visibility};
use super::overlap::{Runs, Word, stretches, words};
use super::policy::{Agent, Policy};
use super::ticket::Ticket;
use std::collections::{BTreeSet, HashSet};

/// Words in a row that are no chance.
const RUN: usize = 6;
/// The fewest that a line has to have, to be sought as a whole.
const LINE_RUN_MIN: usize = 3;
/// Letters and digits that such words have together, at least.
const LETTERS_MIN: usize = 25;
/// How many of them have to be other than what everybody says.
const TELLING_MIN: usize = 3;
/// What is repeated of them to the agent, in octets.
const SHOWN_OCTETS_MAX: usize = 60;
/// The longest signature that an agent's note and his answer may end with, in words.
const SIGNATURE_WORDS_MAX: usize = 40;

/// Words of greetings, thanks and promises; alone they tell nothing, in whatever order.
const COMMON: &str = "a about again all also an and any are as at be been best but by can contact contacting could day dear do for forward from \
    further get good have hear hearing hello help hesitate hi how i if in inconvenience is it know let look looking mail email e-mail \
    many may me message more morning much my not of on or other our out please possible question questions regards reply kind sincerely \
    soon sorry so team thank thanks that the this time to touch us very via was we welcome will with would write writing you your yours \
    a ao as bom boa caro cara com cumprimentos da de do dia e em estamos favor mensagem mais melhores muito não no na nos o obrigado \
    obrigada olá os ou para por que se sua seu tarde tem um uma \
    aitäh ei ette head heade hea ja kas kirja küsimusi lugupeetud lugupidamisega me meie oma on palun parimate päevast päeva soovidega \
    siis tere tervist tervitades teie teile tänan täname või \
    am auf bei bitte danke das dem den der die ein eine für grüße grüßen guten haben herr frau hallo ich ihr ihre ihnen im ist mit \
    freundlichen nachricht nicht oder sehr geehrte geehrter sich sie tag und uns vielen von wir zu zur \
    bonjour cordialement et le la les merci nous pour votre vous des du un une je en est \
    buenos buenas días gracias hola por saludos su usted le el los las y";

/// What is wrong with an answer, for the agent; `None` if nothing internal stands in it.
#[must_use]
pub fn fault(answer: &str, agent: &Agent, ticket: &Ticket, context: &Context, policy: &Policy) -> Option<String> {
    let said = words(answer);
    let internal = Internal::of(&said, agent, context);
    let mut marks = internal.found_in(&said);
    if !marks.contains(&true) {
        return None;
    }
    // Only now: most answers hold nothing of it.
    for public in public(ticket, context) {
        let public = words(public);
        for length in LINE_RUN_MIN..=RUN {
            // A run is public only if all of it is: shorter ones are everywhere.
            let is_public = Runs::of(&public, length).cover(&said);
            if length == RUN {
                for run in stretches(&is_public) {
                    marks[run].fill(false);
                }
            } else {
                for run in stretches(&marks.clone()).filter(|run| run.len() == length) {
                    if is_public[run.clone()].iter().all(|is| *is) {
                        marks[run].fill(false);
                    }
                }
            }
        }
    }
    let untelling = untelling(agent, ticket, policy);
    let tells = |run: &[Word]| {
        let telling: BTreeSet<u64> = run.iter().map(|word| word.hash).filter(|hash| !untelling.contains(hash)).collect();
        run.iter().map(|word| word.letters).sum::<usize>() >= LETTERS_MIN && telling.len() >= TELLING_MIN
    };
    let run = stretches(&marks).find(|run| tells(&said[run.clone()]))?;
    let shown = one_line(answer.get(said[run.start].start..said[run.end - 1].end)?, SHOWN_OCTETS_MAX);
    Some(format!(
        "words that only agents may read stand in what would go to the customer: “{shown}”. Delete them and what belongs to them, or write \
         #note above if nobody but agents shall read it"
    ))
}

/// The names of what is internal.
struct Internal {
    runs: Runs,
    /// Whole lines that are shorter than a run, by their length less [`LINE_RUN_MIN`].
    lines: [Runs; RUN - LINE_RUN_MIN],
}

impl Internal {
    fn of(answer: &[Word], agent: &Agent, context: &Context) -> Self {
        let mut internal = Self { runs: Runs::none(RUN), lines: std::array::from_fn(|more| Runs::none(LINE_RUN_MIN + more)) };
        if let Some(answered) = &context.answered {
            internal.add(&answered.own, usize::MAX);
        }
        for said in context.said.iter().filter(|said| said.visibility == Visibility::Internal) {
            // What his own program wrote is no secret from the customer.
            if matches!(said.author, Author::Customer { .. }) {
                continue;
            }
            let by_himself = matches!(&said.author, Author::Agent(contact) if contact.address == agent.address);
            // What he could not send he sends again.
            if by_himself && said.held {
                continue;
            }
            let words = words(&said.text);
            let shared = words.iter().rev().zip(answer.iter().rev()).take_while(|(a, b)| a.hash == b.hash).count();
            let is_signature = by_himself && shared < words.len() && shared <= SIGNATURE_WORDS_MAX;
            let end = if is_signature { words[words.len() - shared..].first().map_or(usize::MAX, |w| w.start) } else { usize::MAX };
            internal.add(&said.text, end);
        }
        internal
    }

    /// Adds the words of a text that stand before `end`.
    fn add(&mut self, text: &str, end: usize) {
        let text = text.get(..end.min(text.len())).unwrap_or(text);
        self.runs.add(&words(text));
        for line in text.lines() {
            let words = words(line);
            let letters: usize = words.iter().map(|word| word.letters).sum();
            if (LINE_RUN_MIN..RUN).contains(&words.len()) && letters >= LETTERS_MIN {
                self.lines[words.len() - LINE_RUN_MIN].add(&words);
            }
        }
    }

    fn found_in(&self, words: &[Word]) -> Vec<bool> {
        let mut marks = self.runs.cover(words);
        for lines in self.lines.iter().filter(|lines| !lines.is_empty()) {
            for (mark, is) in marks.iter_mut().zip(lines.cover(words)) {
                *mark |= is;
            }
        }
        marks
    }
}

/// What the customer has read or written.
fn public<'a>(ticket: &'a Ticket, context: &'a Context) -> impl Iterator<Item = &'a str> {
    let said = context.said.iter().filter(|said| said.visibility == Visibility::Public);
    said.map(|said| said.text.as_str()).chain([ticket.subject.as_str()])
}

/// Words that tell nothing by themselves.
fn untelling(agent: &Agent, ticket: &Ticket, policy: &Policy) -> HashSet<u64> {
    let address = ticket.requester.address.as_ref().map_or("", |address| address.as_str());
    [COMMON, &policy.desk.name, &agent.name, agent.address.as_str(), &ticket.requester.name, address, &ticket.organisation, &ticket.subject]
        .into_iter()
        .flat_map(words)
        .map(|word| word.hash)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Contact;
    use crate::domain::change::{Answered, Said};
    use crate::domain::testing::{World, address, mail};

    const BRIEF: &str = "— guichet #1 · advanced · high · new\nCustomer: João <joao@padaria.example>, Padaria (plan extended)\n\
                         Team: frontline, assigned to: nobody\nFirst response: Mon 23 Nov 2026, 12:00 UTC; running\n\
                         Reply to this mail to answer the customer; commands go on the first lines: #solve, #note, #assign me, #help.\n";
    const NOTE: &str = "He has not paid since March, legal is about to sue him.\nDo not tell him before the letter is out.\n\nThank you very \
                        much for your help\nANA\nAcme Support, Lai 1, Viljandi, phone 555 0100 ext 12\n";

    fn said(by: &str, visibility: Visibility, held: bool, text: &str) -> Said {
        let contact = Contact { name: by.to_owned(), address: address(&format!("{by}@acme.example")) };
        Said { author: Author::Agent(contact), visibility, held, text: text.to_owned() }
    }

    fn fault_of(answer: &str, said: Vec<Said>) -> Option<String> {
        let mut world = World::new();
        world.hears(mail(1, "joao@padaria.example", "The big oven blinks red since Monday", "hello"));
        let answered = Some(Answered { carried: "The lamp".to_owned(), own: BRIEF.to_owned() });
        let context = Context { answered, said, ..Context::default() };
        fault(answer, &world.policy.agents[0], world.ticket(1), &context, &world.policy)
    }

    #[test]
    fn p7_internal_words_are_found_however_they_are_written() {
        for (answer, words, why) in [
            ("Yes.\n\nTeam: frontline, assigned to: nobody\n", "Team: frontline, assigned to: nobody", "a short line of the brief"),
            ("Yes. | Team: *frontline*,\nassigned to: nobody", "Team: *frontline*, assigned to: nobody", "marked and wrapped"),
            (
                "Yes.\nReply to this mail to answer the\ncustomer; commands go on",
                "Reply to this mail to answer the customer; commands go on",
                "a line of it",
            ),
            (
                "Sorry.\nHe has not paid since March, legal is about to sue him.",
                "He has not paid since March, legal is about to sue him.",
                "a note",
            ),
            ("Legal says that he HAS NOT PAID SINCE MARCH, LEGAL is", "he HAS NOT PAID SINCE MARCH, LEGAL is", "within a sentence"),
        ] {
            let fault = fault_of(answer, vec![said("ben", Visibility::Internal, false, NOTE)]).expect(why);
            assert!(fault.contains(&format!("“{words}”")), "{why}: {fault}");
        }
        let long = format!("{} ", "alpha beta gamma delta epsilon zeta eta theta iota").repeat(9);
        let fault = fault_of(&long, vec![said("ben", Visibility::Internal, false, &long)]).unwrap();
        let shown = fault.split(['“', '”']).nth(1).unwrap();
        assert!(shown.len() <= SHOWN_OCTETS_MAX, "few words are repeated: {shown}");
    }

    #[test]
    fn what_everybody_says_is_no_secret() {
        let note = || said("ben", Visibility::Internal, false, NOTE);
        let own = || said("ana", Visibility::Internal, false, NOTE);
        for (answer, said, why) in [
            ("The lamp blinks since the fuse is gone.", vec![note()], "other words"),
            ("Thank you very much for your help\nANA", vec![note()], "thanks and a name"),
            ("He has not paid since March", vec![note()], "too short to be sure of it"),
            (
                "The big oven blinks red since Monday, you say?",
                vec![self::said("ben", Visibility::Internal, false, "Ask him: the big oven blinks red since Monday")],
                "the subject",
            ),
            (
                "As you wrote, the plate on its back says 4711 and nothing else.",
                vec![
                    self::said("ben", Visibility::Internal, false, "the plate on its back says 4711, I think"),
                    self::said("ana", Visibility::Public, false, "The plate on its back says 4711."),
                ],
                "public already",
            ),
            (
                "Please wait.\n\nANA\nAcme Support, Lai 1, Viljandi, phone 555 0100 ext 12",
                vec![own()],
                "her signature, which her note has too",
            ),
            (
                "We are sorry, the part will be there on Friday by courier.",
                vec![self::said(
                    "ana",
                    Visibility::Internal,
                    true,
                    "#asign me\nWe are sorry, the part will be there on Friday by courier.",
                )],
                "what she could not send, sent again",
            ),
            ("We will answer by Mon 23 Nov 2026, 12:00 UTC.", vec![], "a time that the brief has too"),
            ("Dear João, Padaria (plan extended)", vec![], "a few words of the brief"),
        ] {
            assert_eq!(fault_of(answer, said), None, "{why}");
        }
    }
}
