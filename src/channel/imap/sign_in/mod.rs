//! Who we are, and how the server is told.
//!
//! Read in this order: here, the ways to sign in and what follows a refusal; `mechanism`, one SASL exchange; `tokens`, what
//! is kept of a token between sign-ins; then where tokens come from: `command`, `endpoint` and, for refresh tokens that
//! the endpoint replaces, `keep`.
//!
//! What it holds to:
//! - *A server that refuses a mechanism which it advertises* is asked with the next one; a server that refuses the password
//!   or token itself is not shown it again by another.
//! - *A token that has signed in before and is refused* has ended early: one fresh token is tried, then it is a fault.
//! - *Nothing is told of a secret*: they are secrecy's types, and no fault repeats what a file, a program's output or an
//!   endpoint's answer held.
//! - *A token endpoint that cannot be reached* is a fault of the network; one that says no is a fault of the sign-in, which
//!   somebody has to look after.

mod command;
mod endpoint;
mod fault;
mod keep;
mod mechanism;
mod tokens;

pub(super) use fault::TokenFault;
pub(super) use tokens::{Token, Tokens};

use super::Fault;
use super::commands::{Wire, quoted};
use super::connect::Abilities;
use crate::config::settings::{ImapAccount, SignIn};
use mechanism::{Bearer, Refusal, authenticate, refused};
use secrecy::{ExposeSecret, SecretString};

/// What proves who we are, and what was learned of it; one a mailbox, kept between its connections.
#[derive(Debug)]
pub(super) enum Keys {
    Password { password: SecretString, sign_in_as: Option<String> },
    Tokens(Box<Tokens>),
}

impl Keys {
    pub(super) fn of(sign_in: &SignIn) -> Self {
        match sign_in {
            SignIn::Password { password, sign_in_as } => Self::Password { password: password.clone(), sign_in_as: sign_in_as.clone() },
            SignIn::Token(source) => Self::Tokens(Box::new(Tokens::new(source.clone()))),
        }
    }

    /// What the next sign-in needs, fetched before a server waits for it.
    pub(super) async fn ready(&mut self) -> Result<(), Fault> {
        match self {
            Self::Password { .. } => Ok(()),
            Self::Tokens(tokens) => Ok(tokens.ready().await?),
        }
    }

    /// Waits for what must not be cut off; the caller sets the limit.
    pub(super) async fn finish(&mut self) {
        match self {
            Self::Password { .. } => {}
            Self::Tokens(tokens) => tokens.finish().await,
        }
    }
}

/// Signs in on a connection that is as protected as it will be.
pub(super) async fn sign_in(wire: &mut Wire, account: &ImapAccount, keys: &mut Keys, can: Abilities) -> Result<(), Fault> {
    match keys {
        Keys::Password { password, sign_in_as } => by_password(wire, account, password, sign_in_as.as_deref(), can).await,
        Keys::Tokens(tokens) => by_token(wire, account, tokens, can).await,
    }
}

async fn by_password(
    wire: &mut Wire,
    account: &ImapAccount,
    password: &SecretString,
    sign_in_as: Option<&str>,
    can: Abilities,
) -> Result<(), Fault> {
    if password.expose_secret().contains('\0') {
        return Err(Fault::SignIn("the password has a NUL in it, which no server can be told".into()));
    }
    let why_not_login = if can.login_disabled {
        Some(Fault::SignIn("the server takes no password here".into()))
    } else if sign_in_as.is_some() {
        Some(Fault::SignIn("the server does not do AUTHENTICATE PLAIN, and LOGIN cannot sign in as another than user".into()))
    } else {
        None
    };
    if can.auth_plain {
        match authenticate(wire, "PLAIN", &mechanism::plain(&account.user, sign_in_as, password), "").await {
            Ok(()) => return Ok(()),
            // Advertised and not done: LOGIN says the same.
            Err(Refusal::Mechanism(fault)) if why_not_login.is_some() => return Err(fault),
            Err(Refusal::Mechanism(_)) => {}
            Err(Refusal::Credentials(fault) | Refusal::Other(fault)) => return Err(fault),
        }
    }
    if let Some(fault) = why_not_login {
        return Err(fault);
    }
    let login = SecretString::from(format!("LOGIN {} {}", quoted(&account.user), quoted(password.expose_secret())));
    wire.run(login.expose_secret(), |_| {}).await.map_err(refused)
}

async fn by_token(wire: &mut Wire, account: &ImapAccount, tokens: &mut Tokens, can: Abilities) -> Result<(), Fault> {
    let token = tokens.take().await?;
    let fault = match bear(wire, account, &token, tokens.mechanism, can).await {
        Ok(mechanism) => {
            tokens.accepted(token, mechanism);
            return Ok(());
        }
        Err(Refusal::Mechanism(fault) | Refusal::Other(fault)) => {
            tokens.unjudged(token);
            return Err(fault);
        }
        Err(Refusal::Credentials(fault)) => fault,
    };
    // One that was never accepted will not be by being renewed.
    if !token.is_proven() {
        return Err(fault);
    }
    let fresh = tokens.take().await?;
    if fresh.is_same(&token) {
        return Err(fault);
    }
    match bear(wire, account, &fresh, tokens.mechanism, can).await {
        Ok(mechanism) => {
            tokens.accepted(fresh, mechanism);
            Ok(())
        }
        Err(Refusal::Mechanism(fault) | Refusal::Other(fault)) => {
            tokens.unjudged(fresh);
            Err(fault)
        }
        Err(Refusal::Credentials(fault)) => Err(fault),
    }
}

/// Shows the token by the mechanisms that the server advertises, until it judges it; gives the one that it was taken by.
async fn bear(wire: &mut Wire, account: &ImapAccount, token: &Token, last: Option<Bearer>, can: Abilities) -> Result<Bearer, Refusal> {
    let mut refusal = Refusal::Other(Fault::SignIn("the server offers neither OAUTHBEARER nor XOAUTH2".into()));
    for bearer in Bearer::to_try(can.auth_oauthbearer, can.auth_xoauth2, last) {
        let answer = bearer.response(account, token.secret());
        match authenticate(wire, bearer.name(), &answer, bearer.to_error()).await {
            Ok(()) => return Ok(bearer),
            Err(Refusal::Mechanism(fault)) => refusal = Refusal::Mechanism(fault),
            Err(judged @ (Refusal::Credentials(_) | Refusal::Other(_))) => return Err(judged),
        }
    }
    Err(refusal)
}
