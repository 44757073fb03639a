//! The check of a sender before the decision, where the configuration wants one and no trusted server judged the mail.

use super::{Desk, PARSED_IN_PLACE_OCTETS_MAX};
use crate::channel::dns::Resolver;
use crate::domain::message::Source;
use crate::domain::policy::Policy;
use crate::domain::verdict::{Judgement, Verdict};
use crate::mail::authenticity::facts::Facts;
use crate::mail::authenticity::own::{self, Signed, Step, Survey};
use crate::mail::authenticity::{is_told, judge};
use crate::mail::normalise::Parsed;
use jiff::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Questions of SPF about one mail, one after the other: ten look-ups, the hosts behind them, and what a record asks at first.
const QUESTIONS_MAX: usize = 40;

impl Desk {
    /// How far the sender of a mail is to be believed, and its octets back.
    pub(super) async fn judge(
        &self,
        source: &Source,
        raw: Vec<u8>,
        parsed: &Parsed,
        cut: Option<u64>,
        policy: &Policy,
    ) -> (Vec<u8>, Judgement) {
        // Of this very mailbox: what one provider's server says is no word of another's.
        let Some(mailbox) = policy.mailbox_named(source.mailbox()) else { return (raw, Judgement::default()) };
        let (told, trusted) = (parsed.authentication_results.as_deref(), mailbox.trusted_authserv_ids.as_slice());
        let from = parsed.from.as_ref().map(|from| &from.address);
        let check = match &mailbox.check {
            Some(check) if !is_told(told, trusted) => check,
            Some(_) | None => return (raw, judge(told, from, trusted)),
        };
        if cut.is_some() {
            return (raw, own::judged(Verdict::Unknown, "only its beginning was fetched"));
        }
        let Some(resolver) = self.0.resolver.get() else { return (raw, own::judged(Verdict::Unknown, "nobody can be asked")) };
        let survey = match guarded(|| own::survey(&raw, from, check)) {
            Some(Ok(survey)) => survey,
            Some(Err(judgement)) => return (raw, judgement),
            None => return (raw, panicked()),
        };
        self.check(resolver, raw, &survey).await
    }

    async fn check(&self, resolver: &Resolver, raw: Vec<u8>, survey: &Survey) -> (Vec<u8>, Judgement) {
        let limit = resolver.limit();
        let until = tokio::time::Instant::now() + limit;
        let late = || {
            resolver.doubt();
            own::judged(Verdict::Unknown, &format!("the DNS did not tell within {} s", limit.as_secs_f32()))
        };
        let Ok(answers) = tokio::time::timeout_at(until, resolver.ask(survey.questions())).await else { return (raw, late()) };
        let mut facts = Facts::from_iter(answers);
        let (raw, signed) = verify(raw, survey, &facts, self.0.clock.now()).await;
        let Some(signed) = signed else { return (raw, panicked()) };
        for _ in 0..QUESTIONS_MAX {
            match own::weigh(survey, &signed, &facts) {
                Step::Judged(judgement) => return (raw, judgement),
                Step::Ask(question) => {
                    let Ok(answers) = tokio::time::timeout_at(until, resolver.ask(&[question])).await else { return (raw, late()) };
                    for (question, answer) in answers {
                        facts.add(question, answer);
                    }
                }
            }
        }
        (raw, own::judged(Verdict::Unknown, "its SPF record asks too much"))
    }
}

/// A small mail where it is, a large one beside: hashing it holds up no socket.
async fn verify(raw: Vec<u8>, survey: &Survey, facts: &Facts, now: Timestamp) -> (Vec<u8>, Option<Signed>) {
    if raw.len() <= PARSED_IN_PLACE_OCTETS_MAX {
        let signed = guarded(|| own::verify(&raw, survey, facts, now));
        return (raw, signed);
    }
    let (survey, facts, raw) = (survey.clone(), facts.clone(), std::sync::Arc::new(raw));
    let shared = raw.clone();
    let work = tokio::task::spawn_blocking(move || guarded(|| own::verify(&shared, &survey, &facts, now)));
    let signed = work.await.ok().flatten();
    // The work is done, and its share with it.
    (std::sync::Arc::unwrap_or_clone(raw), signed)
}

/// A fault in what reads a stranger's mail ends nothing else (P3).
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn panicked() -> Judgement {
    tracing::error!("checking a sender panicked: nobody vouches for him");
    own::judged(Verdict::Unknown, "checking it failed")
}
