//! How far the sender of a message is to be believed, and on whose word.
//!
//! The verdict is found before the decision (`mail::authenticity` reads it out of a mail); here is only what it says, and what
//! follows from it in one place each: [`Judgement::is_judged`] tells a sender about whom nobody was asked from one about whom
//! nobody could say anything.

/// How far a sender is to be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Whoever speaks for this domain, which is that of the sender or one above it, says that the mail is its own.
    Authenticated { domain: String },
    /// It was looked into, and the mail is not what it claims.
    Failed,
    /// There is nothing to go by.
    #[default]
    Unknown,
}

impl Verdict {
    /// The word that JSON and people see.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Authenticated { .. } => "authenticated",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// On whose word a verdict rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// Nobody was asked: the mailbox has no `trusted_authserv_ids` and does not check senders.
    #[default]
    Nobody,
    /// The Authentication-Results of a mail server that the configuration trusts (RFC 8601).
    AuthenticationResults,
    /// The token with which a site signed its visitor in.
    ChatToken,
    /// A check of our own: DKIM, SPF, ARC and DMARC.
    OwnCheck,
}

impl Basis {
    /// The word that metrics show.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::AuthenticationResults => "authentication_results",
            Self::ChatToken => "chat_token",
            Self::OwnCheck => "own_check",
        }
    }
}

/// A verdict, and why it is what it is (P9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub basis: Basis,
    /// For people, on one line; empty where nobody was asked.
    pub why: String,
}

impl Judgement {
    /// Longest reason, in octets.
    pub const WHY_OCTETS_MAX: usize = 200;

    /// Whether somebody was asked about the sender, so that `Unknown` means that nobody vouches for him.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        match self.basis {
            Basis::Nobody => false,
            Basis::AuthenticationResults | Basis::ChatToken | Basis::OwnCheck => true,
        }
    }

    /// Whether the sender is known not to be who he claims.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed)
    }

    /// Whether the sender is known to be who he claims.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        matches!(self.verdict, Verdict::Authenticated { .. })
    }

    /// Whether the address may be taken for the sender's own: it is authenticated, or, where nobody is asked about anybody, it
    /// is believed as it stands.
    #[must_use]
    pub const fn is_believed(&self) -> bool {
        self.is_authenticated() || !self.is_judged()
    }

    /// Why, for people; never empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        if self.why.is_empty() {
            "nobody was asked: its mailbox has no trusted_authserv_ids, and does not check_senders itself"
        } else {
            &self.why
        }
    }

    /// For history and people: the word with its reason.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{} ({})", self.verdict.word(), self.reason())
    }
}
