//! One SASL exchange: what is said, and what a refusal means.

use crate::channel::imap::Fault;
use crate::channel::imap::commands::{Reply, Wire};
use crate::config::settings::ImapAccount;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// One for the response, one for the error of a token; some servers ask once more.
const QUESTIONS_MAX: u32 = 3;
/// How much of a server's reason is repeated, in characters.
const REASON_CHARS_MAX: usize = 40;

/// How a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    /// RFC 7628.
    OAuthBearer,
    /// What Google and Microsoft had before it.
    XOAuth2,
}

/// Why the server does not let us in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not do the mechanism, whatever it advertises: the credentials were not judged.
    Mechanism(Fault),
    /// It does not take the credentials.
    Credentials(Fault),
    /// Something else went wrong.
    Other(Fault),
}

impl Bearer {
    /// Those that the server advertises: the one that it took last time first, else the standard's.
    pub(super) fn to_try(oauthbearer: bool, xoauth2: bool, last: Option<Self>) -> Vec<Self> {
        let mut all = Vec::new();
        all.extend(oauthbearer.then_some(Self::OAuthBearer));
        all.extend(xoauth2.then_some(Self::XOAuth2));
        all.sort_by_key(|bearer| Some(*bearer) != last);
        all
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// What shows the token for the mailbox `user`, whosever it is.
    pub(super) fn response(self, account: &ImapAccount, token: &SecretString) -> SecretString {
        let ImapAccount { user, host, port, .. } = account;
        let token = token.expose_secret();
        SecretString::from(match self {
            // RFC 7628 section 3.1, with the header of RFC 5801 section 4, in which a name has its commas and equal signs escaped.
            Self::OAuthBearer => {
                let name = user.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
            }
            Self::XOAuth2 => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
        })
    }

    /// What the reason for a refusal is answered with, upon which the server refuses.
    pub(super) const fn to_error(self) -> &'static str {
        match self {
            // RFC 7628 section 3.2.3.
            Self::OAuthBearer => "\x01",
            Self::XOAuth2 => "",
        }
    }
}

/// RFC 4616 section 2: the identity to act as (none if it is one's own), whose password it is, the password.
pub(super) fn plain(user: &str, sign_in_as: Option<&str>, password: &SecretString) -> SecretString {
    let (acts_as, whose) = sign_in_as.map_or(("", user), |other| (user, other));
    SecretString::from(format!("{acts_as}\0{whose}\0{}", password.expose_secret()))
}

/// RFC 9051 section 6.2.2, without an initial response: nothing is shown before the server has agreed to the mechanism.
pub(super) async fn authenticate(wire: &mut Wire, mechanism: &str, response: &SecretString, to_error: &str) -> Result<(), Refusal> {
    let tag = wire.send(&format!("AUTHENTICATE {mechanism}")).await.map_err(Refusal::Other)?;
    let (mut questions, mut reason) = (0, None);
    while questions <= QUESTIONS_MAX {
        match wire.next(&tag).await {
            Ok(Reply::Continue(said)) => {
                let line = if questions == 0 {
                    SecretString::from(STANDARD.encode(response.expose_secret()))
                } else {
                    reason = Some(reason_of(&said));
                    SecretString::from(STANDARD.encode(to_error))
                };
                questions += 1;
                wire.send_line(line.expose_secret()).await.map_err(Refusal::Other)?;
            }
            Ok(Reply::Data(_)) => {}
            Ok(Reply::Done) => return Ok(()),
            Err(fault) => return Err(judge(fault, questions > 0, reason.as_deref())),
        }
    }
    Err(Refusal::Other(Fault::Protocol("the server asks on and on".into())))
}

/// What a refusal means. `was_shown`: the credentials were sent; `reason`: the server gave one as a question, which it does
/// about a token that it has looked at.
fn judge(fault: Fault, was_shown: bool, reason: Option<&str>) -> Refusal {
    let is_of_mechanism = |bad: bool, text: &str| {
        let text = text.to_ascii_lowercase();
        // RFC 5530 section 3: these are about us, and not about how we say it.
        let judged = ["[authenticationfailed]", "[authorizationfailed]", "[expired]", "[privacyrequired]", "[contactadmin]"];
        if reason.is_some() || judged.iter().any(|code| text.starts_with(code)) {
            return false;
        }
        let words = ["[cannot]", "unsupported", "not supported", "unknown mechanism", "unknown authentication mechanism"];
        !was_shown || bad || words.iter().any(|words| text.contains(words))
    };
    match fault {
        Fault::Refused { bad, ref text, .. } if is_of_mechanism(bad, text) => match refused(fault) {
            fault @ Fault::SignIn(_) => Refusal::Mechanism(fault),
            fault @ (Fault::Network(_) | Fault::Protocol(_) | Fault::Refused { .. }) => Refusal::Other(fault),
        },
        Fault::Refused { .. } => match refused(fault) {
            Fault::SignIn(text) => {
                let reason = reason.filter(|reason| !reason.is_empty()).map(|reason| format!(" ({reason})")).unwrap_or_default();
                Refusal::Credentials(Fault::SignIn(text + &reason))
            }
            fault @ (Fault::Network(_) | Fault::Protocol(_) | Fault::Refused { .. }) => Refusal::Other(fault),
        },
        Fault::Network(_) | Fault::SignIn(_) | Fault::Protocol(_) => Refusal::Other(fault),
    }
}

/// A refusal here concerns the sign-in, unless the server says that it is only out of order for now (RFC 5530 section 3).
pub(super) fn refused(fault: Fault) -> Fault {
    match fault {
        Fault::Refused { text, .. } => {
            let passing = ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"];
            if passing.iter().any(|code| text.to_ascii_uppercase().starts_with(code)) { Fault::Network(text) } else { Fault::SignIn(text) }
        }
        Fault::Network(_) | Fault::SignIn(_) | Fault::Protocol(_) => fault,
    }
}

/// The status that a server gives for a token (RFC 7628 section 3.2.2); empty if there is none that may be repeated.
fn reason_of(challenge: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Reason {
        status: String,
    }
    let octets = STANDARD.decode(challenge.trim()).unwrap_or_default();
    let status = serde_json::from_slice::<Reason>(&octets).map(|reason| reason.status).unwrap_or_default();
    let is_word = status.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_word { status.chars().take(REASON_CHARS_MAX).collect() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::imap::Code;
    use crate::config::settings::{After, SignIn, Tls};
    use std::time::Duration;

    fn account(user: &str) -> ImapAccount {
        ImapAccount {
            host: "imap.acme.example".into(),
            port: 993,
            tls: Tls::Implicit,
            ca_file: None,
            user: user.into(),
            sign_in: SignIn::Password { password: SecretString::from(""), sign_in_as: None },
            folder: "INBOX".into(),
            after: After::Keep,
            poll_every: Duration::from_mins(1),
        }
    }

    #[test]
    fn what_is_said() {
        let token = SecretString::from("vF9dft4qmT");
        #[rustfmt::skip]
        let cases = [
            (Bearer::OAuthBearer, "support@acme.example", "n,a=support@acme.example,\x01host=imap.acme.example\x01port=993\x01auth=Bearer vF9dft4qmT\x01\x01", "RFC 7628 section 4.1"),
            (Bearer::OAuthBearer, "a=b,c", "n,a=a=3Db=2Cc,\x01host=imap.acme.example\x01port=993\x01auth=Bearer vF9dft4qmT\x01\x01", "escaped (RFC 5801 section 4)"),
            (Bearer::XOAuth2, "a=b,c", "user=a=b,c\x01auth=Bearer vF9dft4qmT\x01\x01", "not escaped"),
        ];
        for (bearer, user, expected, reason) in cases {
            assert_eq!(bearer.response(&account(user), &token).expose_secret(), expected, "{reason}");
        }
        let password = SecretString::from("pw");
        assert_eq!(plain("support", None, &password).expose_secret(), "\0support\0pw", "one's own: no identity to act as");
        assert_eq!(plain("support", Some("ana"), &password).expose_secret(), "support\0ana\0pw", "Ana's password opens support");
    }

    #[test]
    fn the_standard_comes_first_unless_the_other_has_worked() {
        use Bearer::{OAuthBearer, XOAuth2};
        #[rustfmt::skip]
        let cases = [
            ((true, true, None), vec![OAuthBearer, XOAuth2], "both"),
            ((true, true, Some(XOAuth2)), vec![XOAuth2, OAuthBearer], "the other was taken last time"),
            ((false, true, Some(OAuthBearer)), vec![XOAuth2], "what is not advertised is not tried"),
            ((false, false, None), vec![], "none"),
        ];
        for ((oauthbearer, xoauth2, last), expected, reason) in cases {
            assert_eq!(Bearer::to_try(oauthbearer, xoauth2, last), expected, "{reason}");
        }
    }

    #[test]
    fn what_a_refusal_means() {
        #[derive(Debug, PartialEq)]
        enum Means {
            Mechanism,
            Credentials,
            OutOfOrder,
        }
        #[rustfmt::skip]
        let cases = [
            ((true, "Unknown command", false, None), Means::Mechanism, "BAD at once"),
            ((false, "Unsupported authentication mechanism.", false, None), Means::Mechanism, "NO at once: nothing was shown"),
            ((true, "Error in IMAP command", true, None), Means::Mechanism, "BAD: it does not understand what was shown"),
            ((false, "[CANNOT] not here", true, None), Means::Mechanism, "it cannot"),
            ((false, "AUTHENTICATE failed.", true, None), Means::Credentials, "NO without a reason"),
            ((false, "[AUTHENTICATIONFAILED] no", false, None), Means::Credentials, "NO at once: to us, however we say it"),
            ((false, "[AUTHENTICATIONFAILED] no", true, Some("invalid_token")), Means::Credentials, "NO with one"),
            ((true, "bad token", true, Some("invalid_token")), Means::Credentials, "BAD about a token that it has looked at"),
            ((false, "not supported", true, Some("")), Means::Credentials, "it has looked at it"),
            ((false, "[UNAVAILABLE] later", true, None), Means::OutOfOrder, "out of order"),
            ((false, "[unavailable] later", false, None), Means::OutOfOrder, "out of order, at once"),
        ];
        for ((bad, text, was_shown, reason), expected, why) in cases {
            let fault = Fault::Refused { bad, code: Code::None, text: text.to_owned() };
            let means = match judge(fault, was_shown, reason) {
                Refusal::Mechanism(Fault::SignIn(_)) => Means::Mechanism,
                Refusal::Credentials(Fault::SignIn(said)) => {
                    assert!(said.contains(reason.unwrap_or_default()), "{why}: {said}");
                    Means::Credentials
                }
                Refusal::Other(Fault::Network(_)) => Means::OutOfOrder,
                other @ (Refusal::Mechanism(_) | Refusal::Credentials(_) | Refusal::Other(_)) => panic!("{why}: {other:?}"),
            };
            assert_eq!(means, expected, "{why}");
        }
    }

    #[test]
    fn the_reason_is_one_word_or_nothing() {
        #[rustfmt::skip]
        let cases = [
            (STANDARD.encode(r#"{"status":"invalid_token","scope":"mail"}"#), "invalid_token", "RFC 7628 section 3.2.2"),
            (STANDARD.encode(r#"{"status":"400","schemes":"Bearer"}"#), "400", "as Google has it"),
            (STANDARD.encode(r#"{"status":"see <https://evil.example>"}"#), "", "no word"),
            (STANDARD.encode(r#"{"status":5}"#), "", "no text"),
            ("%%%".to_owned(), "", "no base64"),
            (String::new(), "", "nothing"),
        ];
        for (challenge, expected, reason) in cases {
            assert_eq!(reason_of(&challenge), expected, "{reason}");
        }
    }
}
