//! What went wrong while a mail was being sent, and what that means for it: the one place that decides.

use crate::channel::Attempt;
use crate::domain::address::one_line;

/// Octets of the server's words that are kept for ops.
const WORDS_OCTETS_MAX: usize = 240;

/// How far the sending was. The order is that of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Connect,
    Secure,
    Hello,
    SignIn,
    Sender,
    Recipient,
    Data,
    Content,
}

impl Step {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Secure => "TLS",
            Self::Hello => "EHLO",
            Self::SignIn => "AUTH",
            Self::Sender => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Content => "the content",
        }
    }
}

/// What was met at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A reply of the server that is not the one that goes on.
    Reply { code: u16, words: String },
    /// The connection broke, or what came was no reply.
    Lost(String),
    /// No answer within the time limit.
    TimedOut,
    /// We ourselves do not go on: the route is not as the configuration requires it.
    Unsafe(&'static str),
    /// This mail needs what the server does not offer.
    Unfit(&'static str),
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) step: Step,
    pub(super) what: What,
    /// The last octet of the content had gone out (RFC 5321 section 4.1.1.4).
    pub(super) content_sent: bool,
}

impl Fault {
    pub(super) const fn new(step: Step, what: What) -> Self {
        Self { step, what, content_sent: false }
    }

    /// lettre's error at a step. It keeps a code for 4xx and 5xx; everything else is a broken conversation.
    pub(super) fn of(step: Step, error: &lettre::transport::smtp::Error) -> Self {
        let words = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let what = match error.status() {
            Some(code) => What::Reply { code: code.into(), words },
            None => What::Lost(words),
        };
        Self::new(step, what)
    }

    /// The server had closed a connection that we kept, or closes it now, and has not heard of the mail yet.
    pub(super) const fn is_stale_connection(&self) -> bool {
        matches!(self.step, Step::Sender) && matches!(self.what, What::Lost(_) | What::Reply { code: 421, .. })
    }

    /// The server has refused the mail in an orderly way; the next may go over the same connection.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        match &self.what {
            What::Reply { code, .. } => self.step >= Step::Sender && (400..=599).contains(code) && *code != 421 && !is_of_sign_in(*code),
            What::Unfit(_) => true,
            What::Lost(_) | What::TimedOut | What::Unsafe(_) => false,
        }
    }
}

/// Replies about who we are, at whatever step they come (RFC 4954 section 6): a wrong password bounces no mail.
const fn is_of_sign_in(code: u16) -> bool {
    matches!(code, 432 | 454 | 530 | 534 | 535 | 538)
}

/// What a failed attempt means for the mail. What is not known to be permanent is tried again.
pub(super) fn classify(fault: &Fault) -> Attempt {
    let of_transaction = fault.step >= Step::Sender;
    let why = why(fault);
    match &fault.what {
        What::Unfit(_) => Attempt::GiveUp { why },
        What::Unsafe(_) => Attempt::Retry { why, of_route: true },
        What::Reply { code, .. } => match code {
            // RFC 5321 section 3.8: the service as a whole goes away.
            421 => Attempt::Retry { why, of_route: true },
            code if is_of_sign_in(*code) => Attempt::Retry { why, of_route: true },
            400..=599 if !of_transaction => Attempt::Retry { why, of_route: true },
            400..=499 => Attempt::Retry { why, of_route: false },
            // What is refused here is our own address: a fault of the set-up, which must not fail the whole queue. 552 and 555 speak
            // of the mail (RFC 5321 section 4.1.1.11, RFC 1870 section 6.1).
            500..=599 if fault.step == Step::Sender && !matches!(code, 552 | 555) => Attempt::Retry { why, of_route: true },
            500..=599 => Attempt::GiveUp { why },
            // A good reply that fits no question: the conversation is out of step.
            _ if fault.content_sent => Attempt::Uncertain { why },
            _ => Attempt::Retry { why, of_route: true },
        },
        What::Lost(_) | What::TimedOut if fault.content_sent => Attempt::Uncertain { why },
        // While the content goes out, it may be the content that the server cannot bear.
        What::Lost(_) => Attempt::Retry { why, of_route: fault.step != Step::Content },
        // One recipient's server-side look-up may stall while others pass.
        What::TimedOut => Attempt::Retry { why, of_route: !of_transaction },
    }
}

/// For ops. May hold an address, since servers repeat them; never content.
pub(super) fn why(fault: &Fault) -> String {
    let step = fault.step.word();
    match &fault.what {
        What::Reply { code, words } => format!("{step}: {code} {}", one_line(words, WORDS_OCTETS_MAX)),
        What::Lost(words) => format!("{step}: {}", one_line(words, WORDS_OCTETS_MAX)),
        What::TimedOut => format!("{step}: no answer within the time limit"),
        What::Unsafe(words) | What::Unfit(words) => format!("{step}: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Verdict {
        Retry,
        RetryRoute,
        Uncertain,
        GiveUp,
    }
    use Verdict::{GiveUp, Retry, RetryRoute, Uncertain};

    fn verdict(fault: &Fault) -> Verdict {
        match classify(fault) {
            Attempt::Retry { of_route: false, .. } => Retry,
            Attempt::Retry { of_route: true, .. } => RetryRoute,
            Attempt::Uncertain { .. } => Uncertain,
            Attempt::GiveUp { .. } => GiveUp,
            Attempt::Done | Attempt::Offline => unreachable!("a fault is neither"),
        }
    }

    #[test]
    fn p5_each_reply_at_each_step_means_one_thing() {
        for (step, code, expect, why) in [
            (Step::Connect, 554, RetryRoute, "no service here says nothing about a mail"),
            (Step::Connect, 421, RetryRoute, "busy"),
            (Step::Hello, 502, RetryRoute, "no EHLO"),
            (Step::Secure, 454, RetryRoute, "TLS not available now"),
            (Step::Secure, 554, RetryRoute, "TLS refused"),
            (Step::SignIn, 535, RetryRoute, "a wrong password must not bounce the queue"),
            (Step::SignIn, 454, RetryRoute, "sign-in not available now"),
            (Step::SignIn, 504, RetryRoute, "mechanism refused"),
            (Step::Sender, 530, RetryRoute, "sign-in required"),
            (Step::Sender, 421, RetryRoute, "shutting down"),
            (Step::Sender, 451, Retry, "this sender, for now"),
            (Step::Sender, 553, RetryRoute, "our own address refused"),
            (Step::Sender, 552, GiveUp, "too large for the server"),
            (Step::Recipient, 450, Retry, "greylisted"),
            (Step::Recipient, 550, GiveUp, "no such user"),
            (Step::Data, 451, Retry, "local error"),
            (Step::Data, 554, GiveUp, "no valid recipients"),
            (Step::Data, 250, RetryRoute, "not what was asked: out of step, and nothing was sent"),
        ] {
            assert_eq!(verdict(&Fault::new(step, What::Reply { code, words: String::new() })), expect, "{step:?} {code}: {why}");
        }
        for (code, expect, why) in [
            (452, Retry, "disk full there"),
            (421, RetryRoute, "shutting down, and it says that it has not taken it"),
            (554, GiveUp, "content refused"),
            (354, Uncertain, "an answer to something else"),
        ] {
            let what = What::Reply { code, words: String::new() };
            assert_eq!(verdict(&Fault { step: Step::Content, what, content_sent: true }), expect, "{code}: {why}");
        }
    }

    #[test]
    fn p5_silence_is_uncertain_only_once_the_content_is_out() {
        let lost = || What::Lost("gone".to_owned());
        for (step, what, content_sent, expect, why) in [
            (Step::Connect, lost(), false, RetryRoute, "refused"),
            (Step::Connect, What::TimedOut, false, RetryRoute, "unreachable"),
            (Step::Hello, What::TimedOut, false, RetryRoute, "hangs before any mail"),
            (Step::Recipient, lost(), false, RetryRoute, "dropped"),
            (Step::Recipient, What::TimedOut, false, Retry, "a stalled recipient is that recipient's matter"),
            (Step::Content, lost(), false, Retry, "half of the content is no mail"),
            (Step::Content, What::TimedOut, false, Retry, "neither is it after a while"),
            (Step::Content, lost(), true, Uncertain, "the classic maker of duplicates"),
            (Step::Content, What::TimedOut, true, Uncertain, "the answer may be on its way"),
            (Step::Secure, What::Unsafe("no TLS"), false, RetryRoute, "required is required"),
            (Step::Sender, What::Unfit("SMTPUTF8"), false, GiveUp, "RFC 6531 section 3.5"),
        ] {
            assert_eq!(verdict(&Fault { step, what, content_sent }), expect, "{step:?}: {why}");
        }
    }

    #[test]
    fn what_is_kept_of_the_servers_words_is_one_short_line() {
        let what = What::Reply { code: 550, words: format!("no\r\nsuch {}", "x".repeat(5000)) };
        let Attempt::GiveUp { why } = classify(&Fault::new(Step::Recipient, what)) else { panic!("550 is for good") };
        assert!(why.starts_with("RCPT: 550 no such x") && why.len() < 300, "{why}");
    }
}
