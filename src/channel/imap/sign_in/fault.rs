//! Why there is no token, and what would help.

use crate::channel::imap::Fault;
use std::path::PathBuf;

/// Why there is no token. No secret is in it, nor what a program printed or an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::channel::imap) enum TokenFault {
    #[error("{} cannot be read: {why}", file.display())]
    File { file: PathBuf, why: String },
    /// What should hold or print one token does not.
    #[error("{0} is not one token")]
    NotOne(&'static str),
    #[error("token_command cannot be run: {0}")]
    CannotRun(String),
    /// The program's own words: the first line of its standard error.
    #[error("token_command ended with {status}: {said}")]
    Failed { status: String, said: String },
    /// It says itself that it is worth trying again (exit code 75).
    #[error("token_command cannot tell now: {0}")]
    NotNow(String),
    #[error("token_command did not end within {0} s")]
    Slow(u64),
    #[error("the token endpoint cannot be reached: {0}")]
    Unreachable(String),
    #[error("the token endpoint is out of order: {0}")]
    OutOfOrder(String),
    /// By the word of RFC 6749 section 5.2.
    #[error("the token endpoint refuses: {0}")]
    Refused(String),
    /// A refusal without such a word.
    #[error("the token endpoint answers with status {0}")]
    Status(u16),
    #[error("the token endpoint answers what is no token: {0}")]
    NoToken(&'static str),
    /// Without a place for the next refresh token the present one must not be spent.
    #[error("a new refresh token could not be kept in {}: {why}", dir.display())]
    Keep { dir: PathBuf, why: String },
}

impl From<TokenFault> for Fault {
    fn from(fault: TokenFault) -> Self {
        let said = fault.to_string();
        match fault {
            TokenFault::NotNow(_) | TokenFault::Slow(_) | TokenFault::Unreachable(_) | TokenFault::OutOfOrder(_) => Self::Network(said),
            TokenFault::NoToken(_) => Self::Protocol(said),
            TokenFault::File { .. }
            | TokenFault::NotOne(_)
            | TokenFault::CannotRun(_)
            | TokenFault::Failed { .. }
            | TokenFault::Refused(_)
            | TokenFault::Status(_)
            | TokenFault::Keep { .. } => Self::SignIn(said),
        }
    }
}

impl TokenFault {
    /// What would be right.
    pub(in crate::channel::imap) fn remedy(&self) -> &'static str {
        match self {
            Self::File { .. } => "the file has to be there, and readable for this user",
            Self::NotOne(_) => "write the token there alone, on one line",
            Self::CannotRun(_) => "check token_command: the program has to be there and executable for this user",
            Self::Failed { .. } => "run token_command by hand, as this user and with its environment",
            Self::NotNow(_) | Self::Slow(_) => "see what token_command waits for; it has 30 seconds",
            Self::Unreachable(_) => "check token_url and oauth.ca_file, and whether this machine may reach that host",
            Self::OutOfOrder(_) => "try again later; if it stays so, ask whoever runs the endpoint",
            Self::Refused(word) => match word.as_str() {
                "invalid_grant" => {
                    "the refresh token has ended, was revoked or is another client's: let the mailbox's owner consent again, and put the new one into refresh_token_file"
                }
                "invalid_client" => "check client_id and client_secret_file (secrets end, too), and client_auth",
                "unauthorized_client" | "unsupported_grant_type" => "allow this client the grant at the provider, or write another grant",
                "invalid_scope" => "check scope",
                _ => "look the word up in the provider's documentation; check client_id, scope and grant",
            },
            Self::Status(_) => "check token_url: there seems to be something else than a token endpoint",
            Self::NoToken(_) => "check token_url: what answers there is no token endpoint for mail (RFC 6749 section 5.1)",
            Self::Keep { .. } => "state_dir has to be writable for this user, on a disk with room",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::FaultKind;

    #[test]
    fn who_has_to_act() {
        #[rustfmt::skip]
        let cases = [
            (TokenFault::Unreachable("refused".into()), FaultKind::Network, "nobody yet: it is tried again soon"),
            (TokenFault::OutOfOrder("503".into()), FaultKind::Network, "nobody yet"),
            (TokenFault::Slow(30), FaultKind::Network, "nobody yet"),
            (TokenFault::Refused("invalid_grant".into()), FaultKind::SignIn, "somebody has to consent again"),
            (TokenFault::Status(404), FaultKind::SignIn, "somebody has to correct the URL"),
            (TokenFault::Failed { status: "exit status: 1".into(), said: String::new() }, FaultKind::SignIn, "somebody has to look at it"),
            (TokenFault::NoToken("no JSON"), FaultKind::Protocol, "it is no token endpoint"),
        ];
        for (fault, kind, reason) in cases {
            assert_eq!(Fault::from(fault).kind(), kind, "{reason}");
        }
    }
}
