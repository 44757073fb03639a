//! One look at a mailbox for `guichet doctor`: signs in, opens the folder, tries IDLE. No mail is fetched or changed.

use super::Fault;
use super::commands::{Reply, Wire};
use super::connect::{self, Abilities};
use super::session::select;
use super::sign_in::{Keys, Tokens};
use super::slots::Slots;
use crate::channel::FaultKind;
use crate::channel::probe::Finding;
use crate::config::settings::{ImapAccount, SignIn, TokenSource};

/// Nothing large is asked for.
const LITERAL_OCTETS_MAX: u64 = 64 * 1024;

/// Tries the account, as far as it gets, once there is a place for a connection.
pub async fn probe(account: &ImapAccount, slots: &Slots) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut keys = Keys::of(&account.sign_in);
    let has_keys = match &mut keys {
        Keys::Password { .. } => true,
        Keys::Tokens(tokens) => token(tokens, account, &mut findings).await,
    };
    let _slot = slots.enter(&account.host, account.port, &account.user).await;
    let at = format!("connection to {}:{}", account.host, account.port);
    let reached = match connect::reach(account, LITERAL_OCTETS_MAX).await {
        Ok(reached) => reached,
        Err(fault) => {
            let remedy = match fault.kind() {
                FaultKind::Network => "check host, port, tls and ca_file, whether the server runs, and whether this machine may reach it",
                FaultKind::SignIn => "write tls = \"implicit\" or \"starttls\"",
                FaultKind::Protocol | FaultKind::Handover => {
                    "check port and tls: what answers there does not speak IMAP as it is configured"
                }
            };
            findings.push(Finding::failed(at, &fault, remedy));
            return findings;
        }
    };
    findings.push(Finding::ok(at));
    if !has_keys {
        return findings;
    }
    let sign_in = match &account.sign_in {
        SignIn::Password { sign_in_as: Some(other), .. } => format!("sign-in as {other}, to the mailbox of {}", account.user),
        SignIn::Password { sign_in_as: None, .. } | SignIn::Token(_) => format!("sign-in as {}", account.user),
    };
    let (mut wire, can) = match reached.sign_in(account, &mut keys).await {
        Ok(opened) => opened,
        Err(fault) => {
            findings.push(Finding::failed(sign_in, &fault, sign_in_remedy(&fault, account)));
            return findings;
        }
    };
    findings.push(Finding::ok(sign_in));
    let folder = format!("folder {}", account.folder);
    match select(&mut wire, &account.folder).await {
        Ok(_) => {
            findings.push(Finding::ok(format!("{folder}, {} messages in it", wire.folder.exists)));
            findings.extend(abilities(&mut wire, can, account).await);
        }
        Err(fault @ Fault::Refused { .. }) => findings.push(Finding::failed(
            folder,
            &fault,
            "check folder: it has to exist, with its whole path as the server names it, and the user has to be allowed to open it",
        )),
        Err(fault) => findings.push(Finding::failed(folder, &fault, "the server went away or answers what it should not: try again")),
    }
    // The server says BYE, which is a fault anywhere else.
    let _ = wire.run("LOGOUT", |_| {}).await;
    findings
}

/// Gets a token as the daemon would; true if there is one.
async fn token(tokens: &mut Tokens, account: &ImapAccount, findings: &mut Vec<Finding>) -> bool {
    let from = match &account.sign_in {
        SignIn::Token(TokenSource::OAuth(oauth)) => format!("token from {}", oauth.endpoint),
        SignIn::Token(TokenSource::Command(command)) => format!("token from {}", command.program.display()),
        SignIn::Token(TokenSource::File(file)) => format!("token in {}", file.display()),
        SignIn::Password { .. } => "token".to_owned(),
    };
    match tokens.ready().await {
        Ok(()) => {
            let good_for = tokens.good_for().map(|time| format!(", good for {} s", time.as_secs())).unwrap_or_default();
            findings.push(Finding::ok(from + &good_for));
            true
        }
        Err(fault) => {
            findings.push(Finding::failed(from, &fault, fault.remedy()));
            false
        }
    }
}

/// What would be right where the server can be reached and does not let us in.
fn sign_in_remedy(fault: &Fault, account: &ImapAccount) -> &'static str {
    match (fault.kind(), &account.sign_in) {
        (FaultKind::SignIn, SignIn::Password { sign_in_as: None, .. }) => "the server can be reached: check user and password",
        (FaultKind::SignIn, SignIn::Password { sign_in_as: Some(_), .. }) => {
            "the server can be reached: check sign_in_as and password, whether he may open the mailbox of user, and whether the server offers AUTHENTICATE PLAIN; some servers want both names in user instead"
        }
        (FaultKind::SignIn, SignIn::Token(_)) => {
            "the server can be reached and does not take the token: check user, whether the token's owner may open that mailbox, and whether the token is for mail (scope)"
        }
        (FaultKind::Network | FaultKind::Protocol | FaultKind::Handover, _) => {
            "the server went away or answers what it should not: try again"
        }
    }
}

/// What makes work faster. Without it there is a slower way, so that its absence is no fault.
async fn abilities(wire: &mut Wire, can: Abilities, account: &ImapAccount) -> Vec<Finding> {
    let polled = format!("the folder is looked at every {} s", account.poll_every.as_secs());
    let idle = if can.idle {
        match try_idle(wire).await {
            Ok(()) => Finding::ok("IDLE"),
            Err(Fault::Refused { .. }) => Finding::ok(format!("IDLE is offered and refused: {polled}")),
            Err(fault) => Finding::failed("IDLE", &fault, "the server went away or answers what it should not: try again"),
        }
    } else {
        Finding::ok(format!("IDLE is not offered: {polled}"))
    };
    let has =
        |has, name: &str, otherwise: &str| Finding::ok(if has { name.to_owned() } else { format!("{name} is not offered: {otherwise}") });
    vec![
        idle,
        has(can.moves, "MOVE", "mail is moved by COPY and \\Deleted"),
        has(can.uid_plus, "UIDPLUS", "deleted mail is expunged only when nobody else has marked any"),
    ]
}

/// RFC 2177: begun and ended at once.
async fn try_idle(wire: &mut Wire) -> Result<(), Fault> {
    let tag = wire.send("IDLE").await?;
    loop {
        match wire.next(&tag).await? {
            Reply::Continue(_) => break,
            Reply::Data(_) => {}
            Reply::Done => return Err(Fault::Refused { bad: false, code: super::Code::None, text: "IDLE ended at once".into() }),
        }
    }
    wire.send_line("DONE").await?;
    while !matches!(wire.next(&tag).await?, Reply::Done) {}
    Ok(())
}
