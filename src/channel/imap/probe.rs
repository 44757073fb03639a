//! One look at a mailbox for `guichet doctor`: signs in, opens the folder, tries IDLE. No mail is fetched or changed.

use super::Fault;
use super::commands::{Reply, Wire};
use super::connect::{self, Abilities};
use super::session::select;
use crate::channel::FaultKind;
use crate::channel::probe::Finding;
use crate::config::settings::ImapAccount;

/// Nothing large is asked for.
const LITERAL_OCTETS_MAX: u64 = 64 * 1024;

/// Tries the account, as far as it gets.
pub async fn probe(account: &ImapAccount) -> Vec<Finding> {
    let at = format!("connection to {}:{}", account.host, account.port);
    let sign_in = format!("sign-in as {}", account.user);
    let (mut wire, can) = match connect::open(account, LITERAL_OCTETS_MAX).await {
        Ok(opened) => opened,
        Err(fault) => {
            return match fault.kind() {
                FaultKind::SignIn => vec![
                    Finding::ok(at),
                    Finding::failed(sign_in, &fault, "the server can be reached: check user and password, or the token in token_file"),
                ],
                FaultKind::Network => vec![Finding::failed(
                    at,
                    &fault,
                    "check host, port, tls and ca_file, whether the server runs, and whether this machine may reach it",
                )],
                FaultKind::Protocol | FaultKind::Handover => {
                    vec![Finding::failed(at, &fault, "check port and tls: what answers there does not speak IMAP as it is configured")]
                }
            };
        }
    };
    let mut findings = vec![Finding::ok(at), Finding::ok(sign_in)];
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
            Reply::Continue => break,
            Reply::Data(_) => {}
            Reply::Done => return Err(Fault::Refused { bad: false, code: super::Code::None, text: "IDLE ended at once".into() }),
        }
    }
    wire.send_line("DONE").await?;
    while !matches!(wire.next(&tag).await?, Reply::Done) {}
    Ok(())
}
