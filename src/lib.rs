//! guichet: the ticket window.
//!
//! # The life of a message
//!
//! ```text
//!  channel/imap ─┐                                           ┌─► outbox ─► channel/smtp
//!  channel/chat ─┼─► intake::prepare ─► intake::accept ──────┼─► channel/chat/hub (live)
//!  maildir ──────┘   mail::normalise    domain::decide       └─► sla_watch ─► desk
//!        ▲           store::keep        store::commit    │
//!        └────────── settle at the source ◄──── receipt ─┘
//! ```
//!
//! 1. A [`channel`] receives octets under limits and hands them to the desk: [`intake`].
//! 2. The desk parses them ([`mail`]), keeps them on disk, reads what the decision needs and calls
//!    [`domain::decide::on_message`], which is pure. Its [`domain::change::Change`] is one commit in the [`store`]: message,
//!    ticket, clocks, history, what is to be sent, the mailbox's cursor; all of it or none.
//! 3. When the receipt says that it is on disk, and not before, the channel settles the message where it came from.
//! 4. The [`outbox`] carries out what was committed. [`sla_watch`] sleeps until a clock is due and lets the desk decide
//!    about that as about anything else. [`ops_watch`] does the same for the desk itself: silent mailboxes, the daily report.
//!
//! Where things fail: what cannot be parsed or placed goes to quarantine, whole, until a person releases it. What the store
//! refuses stays at its source and comes again. What cannot be sent waits in the outbox, and is told of when it is given up.
//!
//! # What is absent
//!
//! Domain code has no clock, no socket, no disk and no log: [`clock`] alone reads time, [`channel`] and [`http`] alone open
//! sockets, [`store`] alone knows an engine. There is no way to send anything that is not a row in the outbox first, and no
//! queue that drops when it is full. `tests/tidy.rs` holds these walls.

pub mod cli;
pub mod config;
pub mod clock;
pub mod fault_plan;
pub mod channel;
pub mod mail;
pub mod intake;
pub mod domain;
pub mod store;
pub mod outbox;
pub mod sla_watch;
mod reload;
pub mod health;
pub mod ops_watch;
pub mod window;
pub mod explain;
pub mod replay;
pub mod view;
pub mod http;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

use crate::channel::chat::Chat;
use crate::channel::dns::Resolver;
use crate::channel::lane::Budget;
use crate::channel::look_up::LookUp;
use crate::channel::smtp::SmtpRelay;
use crate::channel::spool::Spool;
use crate::channel::{Health, Surroundings, imap, maildir};
use crate::clock::Clock;
use crate::config::fault::Fault;
use crate::config::settings::{MailboxSource, Settings};
use crate::domain::policy::Policy;
use crate::fault_plan::FaultPlan;
use crate::health::Board;
use crate::http::HttpLimits;
use crate::intake::{Bells, Desk};
use crate::mail::normalise::NormaliseLimits;
use crate::mail::token::Signer;
use crate::outbox::{Outbox, Relay};
use crate::store::{OpenFault, OpenOptions, Store};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The control socket's name in the state directory.
pub use crate::http::control::SOCKET as CONTROL_SOCKET;

/// How often a local folder is looked at: cheap, and its mail has nobody to announce it.
const MAILDIR_POLL: Duration = Duration::from_millis(500);
/// How long outgoing mail that is under way may take when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Why the daemon did not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// Another process has the store or the socket: try again later.
    #[error("{0}")]
    Busy(String),
    #[error(transparent)]
    Store(OpenFault),
    #[error("failed to listen on {0}: {1}; is another program there?")]
    Listen(SocketAddr, std::io::Error),
    #[error("failed to prepare the relay: {0}")]
    Relay(String),
    #[error("failed to serve the control socket: {0}")]
    Control(String),
    /// It has to be started again: half a desk would take mail in and forget it.
    #[error("stopped, since {0} ended; restart the daemon")]
    Ended(&'static str),
    #[error("failed to use the system: {0}")]
    Io(#[from] std::io::Error),
}

impl From<OpenFault> for RunFault {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Locked => Self::Busy(fault.to_string()),
            OpenFault::Newer { .. } | OpenFault::Damaged { .. } | OpenFault::Io { .. } => Self::Store(fault),
        }
    }
}

/// What the daemon tells whoever started it, once it works.
pub struct Started {
    pub desk: Desk,
    pub signer: Signer,
    /// Where the chat page is, if there is one.
    pub chat: Option<SocketAddr>,
}

/// Opens the store and seats a desk at it, without any channel: for verbs that only look.
///
/// # Errors
/// The store's.
pub fn open_desk(settings: &Settings) -> Result<(Desk, Signer), RunFault> {
    let (_, policy) = watch::channel(settings.policy.clone());
    seat(settings, policy, Bells::default(), FaultPlan::default())
}

fn seat(
    settings: &Settings,
    policy: watch::Receiver<Arc<Policy>>,
    bells: Bells,
    fault_plan: FaultPlan,
) -> Result<(Desk, Signer), RunFault> {
    std::fs::create_dir_all(&settings.state_dir)?;
    let store = Store::open(&settings.state_dir, &OpenOptions { fault_plan, ..OpenOptions::default() })?;
    let key = store.secret("signing").map_err(|fault| RunFault::Control(fault.to_string()))?;
    let signer = Signer::new(&key);
    let desk = Desk::new(store, policy, signer.clone(), Clock::system(), NormaliseLimits::default(), bells);
    desk.ask_about_senders(Resolver::new(settings.dns.clone()));
    if let Some(look_up) = &settings.look_up {
        desk.ask_about_customers(LookUp::new(look_up.clone()));
    }
    Ok((desk, signer))
}

/// The daemon: opens, spawns, and when `stop` is cancelled drains and closes, in this order: what comes in, clocks, what
/// goes out, sockets, store. `fault_plan` is for tests and else empty.
///
/// # Errors
/// Why it did not start, or could not go on.
pub async fn run(
    settings: Settings,
    reload: impl Fn(&Policy) -> Result<Settings, Vec<Fault>> + Send + Sync + 'static,
    stop: CancellationToken,
    fault_plan: FaultPlan,
    started: impl FnOnce(Started) + Send,
) -> Result<(), RunFault> {
    let (policy_in, policy) = watch::channel(settings.policy.clone());
    let bells = Bells::default();
    let (desk, signer) = seat(&settings, policy, bells.clone(), fault_plan)?;
    let relay = relay(&settings)?;
    let listen = async |address: SocketAddr| http::listen(address).await.map_err(|fault| RunFault::Listen(address, fault));
    let listener = match &settings.chat {
        Some(chat) => Some(listen(chat.listen).await?),
        None => None,
    };
    let own_listener = match settings.http {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    // Before anybody can know of us: unheard, the signal would end the process.
    let hangup = signal(SignalKind::hangup())?;
    // Last of all: whoever finds the control socket finds a daemon that works.
    let control_path = settings.state_dir.join(CONTROL_SOCKET);
    let control = http::control::bind(&control_path).await.map_err(|fault| RunFault::Control(fault.to_string()))?;
    let metrics = recorder();

    let stop_in = stop.child_token();
    let stop_out = CancellationToken::new();
    let stop_last = CancellationToken::new();
    let (coming_in, going_out, served) = (TaskTracker::new(), TaskTracker::new(), TaskTracker::new());

    let hub = bells.windows.clone();
    let spool = Spool::open(&settings.state_dir, settings.limits.spool_octets)?;
    let board = Board::new(desk.clone(), watch_mailboxes(&settings, &desk, &spool, &coming_in, &stop_in));
    let health = http::health::Health::of(board.clone(), metrics);
    let chat = settings
        .chat
        .clone()
        .map(|chat| Chat::new(desk.clone(), hub.clone(), chat, settings.limits, desk.clock().clone(), stop_in.clone()));
    let attempt_limit = match &settings.relay {
        config::settings::Relay::Smtp(account) => account.time_limit + Duration::from_secs(5),
        config::settings::Relay::Maildir(_) => Duration::from_secs(30),
    };
    let outbox = Outbox { desk: desk.clone(), signer: signer.clone(), relay, hub, attempt_limit, bell: bells.outbox };
    let mut sending = going_out.spawn(outbox.run(stop_out.clone()));
    let mut watching = coming_in.spawn(sla_watch::run(desk.clone(), bells.sla, stop_in.clone()));
    let mut telling = coming_in.spawn(ops_watch::run(desk.clone(), board.clone(), stop_in.clone()));
    coming_in.spawn(keep_calendars(desk.clone(), stop_in.clone()));
    served.spawn(reload::run(hangup, reload, settings.customers_file.clone(), policy_in, board.refusals(), stop_last.clone()));
    let mail_octets_max = usize::try_from(settings.limits.message_octets_max).unwrap_or(usize::MAX);
    let large = http::api::Large { spool, octets_max: settings.limits.fetch_octets_max };
    let api = http::api::router(desk.clone(), signer.clone(), mail_octets_max, large).merge(http::api::status(board));
    served.spawn(http::control::serve(control, api.merge(http::health::router(health.clone())), stop_last.clone()));
    if let Some(listener) = own_listener {
        served.spawn(http::serve(listener, http::health::router(health.clone()), HttpLimits::default(), stop_last.clone()));
    }
    let chat_address = listener.as_ref().and_then(|l| l.local_addr().ok());
    if let (Some(listener), Some(chat), Some(given)) = (listener, &chat, &settings.chat) {
        let router = http::router(health, &settings.policy.desk.name, &given.origins).merge(channel::chat::upgrade::router(chat.clone()));
        served.spawn(http::serve(listener, router, HttpLimits::default(), stop_last.clone()));
    }

    // Else what was read at the start, with all its customers, would stay in memory beside what is read later.
    drop(settings.policy);
    // Not started by systemd: nobody to tell, and no fault.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(mailboxes = settings.mailboxes.len(), chat = chat_address.is_some(), "ready");
    started(Started { desk: desk.clone(), signer, chat: chat_address });

    // Neither of these ends by itself, but after a panic or a disk that fails.
    let ended = tokio::select! {
        // Asked first: a stop in order ends the others, too.
        biased;
        () = stop.cancelled() => None,
        _ = &mut sending => Some("the outbox's worker"),
        _ = &mut watching => Some("the clocks' worker"),
        _ = &mut telling => Some("the worker that tells ops"),
        () = desk.store().stopped() => Some("the store's writing"),
    };
    if let Some(what) = ended {
        tracing::error!("{what} ended: stopping, to be started again");
        stop.cancel();
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: nothing more is taken in");
    coming_in.close();
    coming_in.wait().await;
    if let Some(chat) = &chat {
        chat.drained().await;
    }
    stop_out.cancel();
    going_out.close();
    if tokio::time::timeout(STOP_GRACE, going_out.wait()).await.is_err() {
        tracing::warn!("outgoing mail that was under way is tried again at the next start");
    }
    stop_last.cancel();
    served.close();
    served.wait().await;
    desk.store().close().await;
    tracing::info!("stopped");
    ended.map_or(Ok(()), |what| Err(RunFault::Ended(what)))
}

fn relay(settings: &Settings) -> Result<Relay, RunFault> {
    Ok(match &settings.relay {
        config::settings::Relay::Smtp(account) => {
            Relay::Smtp(SmtpRelay::new(account.clone()).map_err(|fault| RunFault::Relay(fault.to_string()))?)
        }
        config::settings::Relay::Maildir(folder) => Relay::Maildir(folder.clone()),
    })
}

/// One task a mailbox: one that hangs delays no other.
fn watch_mailboxes(
    settings: &Settings,
    desk: &Desk,
    spool: &Spool,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Vec<(String, watch::Receiver<Health>)> {
    let around = Surroundings {
        limits: settings.limits,
        budget: Budget::new(settings.limits.intake_octets_max),
        slots: imap::Slots::new(settings.limits.imap_connections_per_host_max, settings.limits.imap_connections_per_user_max),
        spool: spool.clone(),
        clock: desk.clock().clone(),
        stop: stop.clone(),
        fault_plan: desk.store().fault_plan().clone(),
    };
    let mut health = Vec::new();
    for mailbox in &settings.mailboxes {
        let (tell, told) = watch::channel(Health::default());
        health.push((mailbox.name.clone(), told));
        match mailbox.source.clone() {
            MailboxSource::Imap(account) => {
                tasks.spawn(imap::watch(mailbox.name.clone(), account, desk.clone(), around.clone(), tell));
            }
            MailboxSource::Maildir(folder) => {
                tasks.spawn(maildir::watch_maildir(mailbox.name.clone(), folder, MAILDIR_POLL, desk.clone(), around.clone(), tell));
            }
        }
    }
    health
}

/// What is due when follows from the calendars in force: at the start, for they may have changed meanwhile, and after each reload.
async fn keep_calendars(desk: Desk, stop: CancellationToken) {
    let mut policies = desk.policies();
    loop {
        let in_force = desk.policy();
        let moved = tokio::select! {
            () = stop.cancelled() => return,
            moved = desk.calendars_changed() => moved,
        };
        match moved {
            Ok(0) => {}
            Ok(tickets) => tracing::info!(tickets, "calendars have changed: what is due when was derived anew"),
            Err(fault) => tracing::error!(%fault, "failed to derive what is due when from the calendars"),
        }
        while desk.policy().calendars == in_force.calendars {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = policies.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// The metrics of this process; a second daemon in one process (tests) shows none.
fn recorder() -> metrics_exporter_prometheus::PrometheusHandle {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _ = metrics::set_global_recorder(recorder);
    health::describe_metrics();
    handle
}
