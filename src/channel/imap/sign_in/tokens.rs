//! A token, from the time it is fetched to the time it is refused or about to end.

use super::endpoint::{self, Asked};
use super::mechanism::Bearer;
use super::{TokenFault, command};
use crate::config::settings::TokenSource;
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A token is a few kilobytes.
pub(super) const TOKEN_OCTETS_MAX: usize = 64 * 1024;
/// What an endpoint that does not say how long its token is good for is trusted with.
const LIFETIME_ELSE: Duration = Duration::from_mins(5);
/// Nothing is believed for longer.
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// So long before its end a token is not shown any more: it has to outlive the way to the server. Of a short life, a tenth.
const MARGIN_MAX: Duration = Duration::from_mins(5);

/// A token, and what is known of it.
#[derive(Debug)]
pub(in crate::channel::imap) struct Token {
    secret: SecretString,
    /// `None`: it is used once, and fetched anew the next time.
    good_until: Option<Instant>,
    /// A server has let us in with it.
    proven: bool,
}

impl Token {
    /// `lifetime`: as the endpoint says, from the time it was `asked`.
    pub(super) fn for_a_time(secret: SecretString, lifetime: Option<Duration>, asked: Instant) -> Self {
        let lifetime = lifetime.unwrap_or(LIFETIME_ELSE).min(LIFETIME_MAX);
        if lifetime.is_zero() {
            return Self::once(secret);
        }
        let good_for = lifetime.saturating_sub((lifetime / 10).min(MARGIN_MAX));
        Self { secret, good_until: Some(asked + good_for), proven: false }
    }

    fn once(secret: SecretString) -> Self {
        Self { secret, good_until: None, proven: false }
    }

    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether a server has let us in with it before.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }

    fn is_good(&self, now: Instant) -> bool {
        self.good_until.is_some_and(|until| now < until)
    }
}

/// The tokens of one mailbox.
#[derive(Debug)]
pub(in crate::channel::imap) struct Tokens {
    source: TokenSource,
    /// What can be shown at the next sign-in.
    kept: Option<Token>,
    /// How a server last took one.
    pub(super) mechanism: Option<Bearer>,
    /// A request that is under way. It goes on if nobody waits for it any more: its answer may hold the only refresh token
    /// that is still good.
    asking: Option<JoinHandle<Result<Asked, TokenFault>>>,
    /// A refresh token that could not be written down.
    unsaved: Option<SecretString>,
}

impl Tokens {
    pub(in crate::channel::imap) fn new(source: TokenSource) -> Self {
        Self { source, kept: None, mechanism: None, asking: None, unsaved: None }
    }

    /// Sees to it that there is a token.
    pub(in crate::channel::imap) async fn ready(&mut self) -> Result<(), TokenFault> {
        let token = self.take().await?;
        self.kept = Some(token);
        Ok(())
    }

    /// For how long the present one is good from now on, if its endpoint said so.
    pub(in crate::channel::imap) fn good_for(&self) -> Option<Duration> {
        Some(self.kept.as_ref()?.good_until?.saturating_duration_since(Instant::now()))
    }

    /// The token to show now: the one that is kept, or another. What becomes of it has to be told: [`Self::accepted`],
    /// [`Self::unjudged`], or nothing if it was refused, so that it is not shown again.
    pub(super) async fn take(&mut self) -> Result<Token, TokenFault> {
        // One for a single use was fetched for just this.
        if let Some(token) = self.kept.take()
            && (token.good_until.is_none() || token.is_good(Instant::now()))
        {
            return Ok(token);
        }
        let asked = self
            .asking
            .get_or_insert_with(|| {
                let (source, unsaved) = (self.source.clone(), self.unsaved.clone());
                tokio::spawn(async move { fetch(&source, unsaved).await })
            })
            .await;
        self.asking = None;
        let asked = asked.map_err(|_| TokenFault::OutOfOrder("asking for a token panicked".into()))?;
        if matches!(asked, Err(TokenFault::Refused(_))) {
            // What lies in the files is all that is left to try.
            self.unsaved = None;
        }
        let Asked { token, unsaved } = asked?;
        self.unsaved = unsaved;
        Ok(token)
    }

    /// A server has let us in with it.
    pub(super) fn accepted(&mut self, token: Token, by: Bearer) {
        self.mechanism = Some(by);
        self.kept = token.good_until.is_some().then_some(Token { proven: true, ..token });
    }

    /// The sign-in failed, but not by it.
    pub(super) fn unjudged(&mut self, token: Token) {
        self.kept = token.good_until.is_some().then_some(token);
    }

    /// Waits for a request that is under way. The caller sets the limit.
    pub(in crate::channel::imap) async fn finish(&mut self) {
        if let Some(asking) = &mut self.asking {
            let _ = asking.await;
            self.asking = None;
        }
    }
}

async fn fetch(source: &TokenSource, unsaved: Option<SecretString>) -> Result<Asked, TokenFault> {
    let token = match source {
        TokenSource::File(file) => one_token(&read_bounded(file).await?, "what token_file holds")?,
        TokenSource::Command(command) => one_token(&command::run(command).await?, "what token_command prints")?,
        TokenSource::OAuth(oauth) => return endpoint::ask(oauth, unsaved).await,
    };
    Ok(Asked { token: Token::once(token), unsaved: None })
}

/// A file of a secret, as far as a secret may go.
pub(super) async fn read_bounded(file: &Path) -> Result<Vec<u8>, TokenFault> {
    let read = async {
        let mut octets = Vec::new();
        tokio::fs::File::open(file).await?.take(TOKEN_OCTETS_MAX as u64 + 1).read_to_end(&mut octets).await?;
        Ok(octets)
    };
    read.await.map_err(|fault: std::io::Error| TokenFault::File { file: file.to_owned(), why: fault.to_string() })
}

/// RFC 6750 section 2.1: visible ASCII, without blanks. A line break around it is no part of it.
pub(super) fn one_token(octets: &[u8], what: &'static str) -> Result<SecretString, TokenFault> {
    let text = octets.trim_ascii();
    let is_one = !text.is_empty() && text.len() <= TOKEN_OCTETS_MAX && text.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(text).ok().filter(|_| is_one).ok_or(TokenFault::NotOne(what))?;
    Ok(SecretString::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_and_nothing_else() {
        let long = vec![b'x'; TOKEN_OCTETS_MAX + 1];
        #[rustfmt::skip]
        let cases: [(&[u8], bool, &str); 7] = [
            (b"ya29.a0Af_token-~+/=\n", true, "with the line break of an editor"),
            (b" \r\ntoken\r\n", true, "white space around it"),
            (b"", false, "nothing"),
            (b"two words", false, "a sentence"),
            (b"one\ntwo\n", false, "two lines"),
            (b"t\xc3\xb6ken", false, "not ASCII"),
            (&long, false, "no token is so long"),
        ];
        for (octets, is_one, reason) in cases {
            assert_eq!(one_token(octets, "this").is_ok(), is_one, "{reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        #[rustfmt::skip]
        let cases = [
            (Some(3600), 3600 - 300, "an hour: five minutes before"),
            (Some(100), 90, "short: a tenth before"),
            (Some(0), 0, "none: it is used once"),
            (None, 270, "unsaid: five minutes, less a tenth"),
            (Some(u64::MAX), 24 * 3600 - 300, "for ever: a day"),
        ];
        for (lifetime, good_secs, reason) in cases {
            let asked = Instant::now();
            let token = Token::for_a_time(SecretString::from("t"), lifetime.map(Duration::from_secs), asked);
            let end = asked + Duration::from_secs(good_secs);
            assert!(!token.is_good(end), "{reason}");
            assert_eq!(token.good_until.is_none(), good_secs == 0, "{reason}");
            assert!(good_secs == 0 || token.is_good(end - Duration::from_millis(1)), "{reason}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_anew_for_each_sign_in_and_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let mut tokens = Tokens::new(TokenSource::File(file.clone()));
        tokens.ready().await.unwrap();
        let token = tokens.take().await.unwrap();
        assert_eq!(token.secret.expose_secret(), "one");
        assert!(!format!("{tokens:?} {token:?}").contains("one\""), "no secret is printed");
        tokens.accepted(token, Bearer::XOAuth2);
        std::fs::write(&file, "two\n").unwrap();
        assert_eq!(tokens.take().await.unwrap().secret.expose_secret(), "two");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(tokens.take().await, Err(TokenFault::File { .. })));
        let endless = Tokens::new(TokenSource::File("/dev/zero".into())).take().await;
        assert_eq!(endless.unwrap_err(), TokenFault::NotOne("what token_file holds"), "P11: bounded");
    }
}
