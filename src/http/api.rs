//! The control API: what the command line asks of a running daemon. Served on the control socket, whose file mode
//! is its key.

use crate::channel::spool::Spool;
use crate::channel::{HandoverFault, Received};
use crate::domain::address::EmailAddress;
use crate::domain::change::Landing;
use crate::domain::message::{Source, TicketNumber};
use crate::domain::outbound::OutboxId;
use crate::domain::ticket::{Status, Ticket};
use crate::explain;
use crate::health::Board;
use crate::intake::{Desk, DropFault, Imported, LiftFault, Notices, ReleaseFault, RetryFault, WholeFault};
use crate::mail::token::Signer;
use crate::replay::archive::Span;
use crate::replay::stored;
use crate::store::{DumpOptions, OutboxFilter, StoreFault, TicketFilter};
use crate::view::{self, Urgency};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BinaryHeap;
use std::fmt::Display;

#[derive(Clone)]
struct Api {
    desk: Desk,
    signer: Signer,
    large: Large,
}

/// Which tickets are listed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Filter {
    /// A status word, or `any`; without it, all that are not closed.
    pub status: Option<String>,
    pub team: Option<String>,
    pub tier: Option<String>,
    /// Only so many, the most urgent; without it, all.
    pub limit: Option<usize>,
}

impl Filter {
    fn takes(&self, ticket: &Ticket) -> bool {
        let has_status = match self.status.as_deref() {
            None => !matches!(ticket.status, Status::Closed { .. }),
            Some(word) => word == "any" || ticket.status.word() == word,
        };
        let is_of = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        has_status && is_of(&self.team, &ticket.team) && is_of(&self.tier, &ticket.tier)
    }
}

/// The route of `guichet dump`.
pub const DUMP: &str = "/api/v1/dump";
/// The route of `guichet suppressions list`.
pub const SUPPRESSIONS: &str = "/api/v1/suppressions";
/// The route of `guichet replay`.
pub const PAST: &str = "/api/v1/past";
/// Octets of a long answer that are written at once, and how many such pieces wait for a slow reader.
const PIECE_OCTETS: usize = 64 * 1024;
const PIECES_MAX: usize = 4;

/// Most entries of the outbox that are listed.
const OUTBOX_LISTED_MAX: usize = 10_000;

/// Whether what is settled is listed, too.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Also {
    #[serde(default)]
    pub all: bool,
}

/// How large mail is handed over.
#[derive(Clone)]
pub struct Large {
    pub spool: Spool,
    pub octets_max: u64,
}

/// The routes below `/api/v1`. `mail_octets_max` bounds what `explain` and `import` take.
pub fn router(desk: Desk, signer: Signer, mail_octets_max: usize, large: Large) -> Router {
    Router::new()
        .route("/api/v1/tickets", get(tickets))
        .route("/api/v1/tickets/{number}", get(ticket))
        .route("/api/v1/tickets/{number}/messages/{seq}/origin", get(origin))
        .route("/api/v1/tickets/{number}/messages/{seq}/raw", get(message_raw))
        .route("/api/v1/tickets/{number}/messages/{seq}/whole", post(whole).layer(DefaultBodyLimit::disable()))
        .route("/api/v1/verify", get(verify))
        .route(DUMP, get(dump))
        .route(PAST, get(past))
        .route("/api/v1/quarantine", get(quarantine))
        .route("/api/v1/quarantine/{id}", get(quarantined))
        .route("/api/v1/quarantine/{id}/raw", get(raw))
        .route("/api/v1/quarantine/{id}/release", post(release))
        .route("/api/v1/outbox", get(outbox))
        .route("/api/v1/outbox/{id}/retry", post(retry))
        .route("/api/v1/outbox/{id}/drop", post(drop_entry))
        .route(SUPPRESSIONS, get(suppressions))
        .route("/api/v1/suppressions/{address}/lift", post(lift))
        .route("/api/v1/explain", post(explain).layer(DefaultBodyLimit::max(mail_octets_max)))
        .route("/api/v1/import", post(import).layer(DefaultBodyLimit::max(mail_octets_max)))
        .with_state(Api { desk, signer, large })
}

/// The route of `guichet status`.
pub fn status(board: Board) -> Router {
    let told = |State(board): State<Board>| async move { answer(board.status().await) };
    Router::new().route("/api/v1/status", get(told)).with_state(board)
}

async fn tickets(State(api): State<Api>, Query(filter): Query<Filter>) -> Response {
    let (desk, wanted) = (api.desk.clone(), filter.clone());
    // All that is open may have to be read: that holds up no socket.
    let order = match tokio::task::spawn_blocking(move || in_order(&desk, &wanted)).await {
        Ok(Ok(order)) => order,
        Ok(Err(fault)) => return failed(&fault),
        Err(fault) => return failed(&fault),
    };
    streamed("application/x-ndjson", move |line| {
        each_of(&api.desk, &filter, order, |ticket| line(&serde_json::to_string(&ticket).unwrap_or_default()))
    })
}

/// Tells the lines of `guichet tickets`, most urgent first, until `tell` says that nobody reads on. However many there are, no more
/// than their order is held: each is read again when it is told, and left out if it is not wanted any more.
///
/// # Errors
/// The store's.
pub fn each(desk: &Desk, filter: &Filter, tell: impl FnMut(view::TicketView) -> bool) -> Result<(), StoreFault> {
    each_of(desk, filter, in_order(desk, filter)?, tell)
}

fn in_order(desk: &Desk, filter: &Filter) -> Result<Vec<Urgency>, StoreFault> {
    let (limit, mut found) = (filter.limit.unwrap_or(usize::MAX), BinaryHeap::new());
    let from = if matches!(filter.status.as_deref(), Some("any" | "closed")) { TicketFilter::Any } else { TicketFilter::NotClosed };
    for ticket in desk.store().tickets(from) {
        let ticket = ticket?;
        if filter.takes(&ticket) {
            found.push(Urgency::of(&ticket));
            if found.len() > limit {
                found.pop();
            }
        }
    }
    Ok(found.into_sorted_vec())
}

fn each_of(desk: &Desk, filter: &Filter, order: Vec<Urgency>, mut tell: impl FnMut(view::TicketView) -> bool) -> Result<(), StoreFault> {
    for Urgency { number, .. } in order {
        let ticket = desk.store().ticket(number)?.filter(|ticket| filter.takes(ticket));
        if ticket.is_some_and(|ticket| !tell(view::of_ticket(&ticket))) {
            break;
        }
    }
    Ok(())
}

async fn ticket(State(api): State<Api>, Path(number): Path<u64>) -> Response {
    match one(&api.desk, &api.signer, number) {
        Ok(Some(ticket)) => Json(ticket).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, format!("there is no ticket #{number}\n")).into_response(),
        Err(fault) => failed(&fault),
    }
}

/// What `guichet ticket N` shows; `None` if there is no such ticket.
///
/// # Errors
/// The store's.
pub fn one(desk: &Desk, signer: &Signer, number: u64) -> Result<Option<view::WholeTicketView>, StoreFault> {
    let Some(ticket) = desk.store().ticket(crate::domain::message::TicketNumber(number))? else { return Ok(None) };
    view::of_whole(desk.store(), &ticket, &desk.policy(), signer).map(Some)
}

async fn origin(State(api): State<Api>, Path((number, seq)): Path<(u64, u32)>) -> Response {
    match origin_of(&api.desk, number, seq) {
        Ok(Some(origin)) => Json(origin).into_response(),
        Ok(None) => missing(&WholeFault::NoSuch { ticket: TicketNumber(number), seq }),
        Err(fault) => failed(&fault),
    }
}

/// What `guichet fetch` asks for first; `None` if there is no such message.
///
/// # Errors
/// The store's.
pub fn origin_of(desk: &Desk, number: u64, seq: u32) -> Result<Option<view::OriginView>, StoreFault> {
    let number = TicketNumber(number);
    let Some(ticket) = desk.store().ticket(number)? else { return Ok(None) };
    let found = desk.message_and_origin(number, seq)?;
    Ok(found.map(|(message, origin)| view::of_origin(&message, &origin, &ticket.mailbox)))
}

async fn message_raw(State(api): State<Api>, Path((number, seq)): Path<(u64, u32)>) -> Response {
    match api.desk.message_raw(TicketNumber(number), seq).await {
        Ok(Some(raw)) => ([(CONTENT_TYPE, "application/octet-stream")], raw).into_response(),
        Ok(None) => missing(&WholeFault::NoSuch { ticket: TicketNumber(number), seq }),
        Err(fault) => failed(&fault),
    }
}

/// All of a mail of which the start is here: first into a file, then, when no other large mail is in memory, into its message.
async fn whole(State(api): State<Api>, Path((number, seq)): Path<(u64, u32)>, body: Body) -> Response {
    let spooled = match api.large.spool.receive(body.into_data_stream(), api.large.octets_max).await {
        Ok(Some(spooled)) => spooled,
        Ok(None) => return refused(&format!("it is larger than fetch_octets_max, {}", api.large.octets_max)),
        Err(fault) => return failed(&fault),
    };
    let Some(turn) = api.large.spool.alone().await else { return failed(&HandoverFault::Stopping) };
    let desk = api.desk.clone();
    let work = async move {
        let _turn = turn;
        let raw = spooled.octets().await.map_err(|fault| StoreFault::Io(fault.to_string()))?;
        desk.make_whole(TicketNumber(number), seq, raw).await
    };
    let made = match api.large.spool.apart(work).await {
        Ok(made) => made,
        Err(fault) => return failed(&fault),
    };
    match made {
        Ok(message) => Json(view::of_made_whole(&message)).into_response(),
        Err(fault @ WholeFault::NoSuch { .. }) => missing(&fault),
        Err(fault @ (WholeFault::Already { .. } | WholeFault::Another { .. })) => refused(&fault),
        Err(fault @ (WholeFault::Unreadable { .. } | WholeFault::Store(_))) => failed(&fault),
    }
}

async fn verify(State(api): State<Api>) -> Response {
    let store = api.desk.store().clone();
    match tokio::task::spawn_blocking(move || store.verify(true)).await {
        Ok(report) => answer(report.map(|r| view::of_report(&r))),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the check ended early\n").into_response(),
    }
}

/// How the dump is to be written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct DumpQuery {
    #[serde(default)]
    pub without_times: bool,
}

async fn dump(State(api): State<Api>, Query(query): Query<DumpQuery>) -> Response {
    let store = api.desk.store().clone();
    streamed("text/plain; charset=utf-8", move |line| store.dump(DumpOptions { without_times: query.without_times }, |text| line(&text)))
}

/// An answer of lines, piece by piece. `work` tells the lines until it hears that nobody reads on.
fn streamed(
    content_type: &'static str,
    work: impl FnOnce(&mut dyn FnMut(&str) -> bool) -> Result<(), StoreFault> + Send + 'static,
) -> Response {
    streamed_pieces(content_type, |send| {
        let mut piece = String::new();
        work(&mut |line| {
            piece.push_str(line);
            piece.push('\n');
            piece.len() < PIECE_OCTETS || send(Bytes::from(std::mem::take(&mut piece)))
        })?;
        send(Bytes::from(piece));
        Ok(())
    })
}

/// An answer piece by piece: its reader, and not its length, says what is held of it (P11). `work` sends until it hears that nobody reads
/// on.
fn streamed_pieces(
    content_type: &'static str,
    work: impl FnOnce(&mut dyn FnMut(Bytes) -> bool) -> Result<(), StoreFault> + Send + 'static,
) -> Response {
    let (pieces, mut waiting) = tokio::sync::mpsc::channel::<Result<Bytes, StoreFault>>(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        // A reader that has gone away is no fault; one that is there hears of a broken end by a broken connection.
        if let Err(fault) = work(&mut |piece| pieces.blocking_send(Ok(piece)).is_ok()) {
            tracing::error!(%fault, "broke off an answer on the control socket");
            let _ = pieces.blocking_send(Err(fault));
        }
    });
    let body = Body::from_stream(futures_util::stream::poll_fn(move |context| waiting.poll_recv(context)));
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

/// From when until when.
#[derive(Clone, Copy, Debug, Deserialize)]
struct SpanQuery {
    since: Timestamp,
    until: Timestamp,
}

async fn past(State(api): State<Api>, Query(SpanQuery { since, until }): Query<SpanQuery>) -> Response {
    let store = api.desk.store().clone();
    streamed_pieces("application/octet-stream", move |send| {
        stored::each(&store, Span { since, until }, |told| match stored::frame(&told) {
            Ok(frame) => {
                let frame = Bytes::from(frame);
                // A mail may be large, and its reader slow.
                let mut steps = (0..frame.len()).step_by(PIECE_OCTETS);
                steps.all(|from| send(frame.slice(from..frame.len().min(from + PIECE_OCTETS))))
            }
            Err(fault) => {
                tracing::error!(%fault, "failed to tell of the past");
                false
            }
        })
    })
}

async fn explain(State(api): State<Api>, Query(query): Query<ExplainQuery>, raw: Bytes) -> Response {
    if query.mailbox.as_ref().is_some_and(|name| api.desk.policy().mailbox_named(name).is_none()) {
        return (StatusCode::CONFLICT, "the running daemon has no mailbox of that name\n").into_response();
    }
    answer(explain::explain(&api.desk, &raw, query.mailbox.as_deref()).await)
}

async fn quarantine(State(api): State<Api>, Query(also): Query<Also>) -> Response {
    answer(set_aside(&api.desk, also))
}

/// The lines of `guichet quarantine list`, by id.
///
/// # Errors
/// The store's.
pub fn set_aside(desk: &Desk, also: Also) -> Result<Vec<view::QuarantinedView>, StoreFault> {
    let store = desk.store();
    let mut lines = Vec::new();
    for (id, quarantined) in store.quarantine()? {
        let released = store.released(id)?;
        if released.is_none() || also.all {
            lines.push(view::of_quarantined(id, &quarantined, cut_of(desk, id)?, released));
        }
    }
    Ok(lines)
}

async fn quarantined(State(api): State<Api>, Path(id): Path<u64>) -> Response {
    match one_set_aside(&api.desk, id) {
        Ok(Some(quarantined)) => Json(quarantined).into_response(),
        Ok(None) => missing(&ReleaseFault::NoSuch(id)),
        Err(fault) => failed(&fault),
    }
}

/// What `guichet quarantine show ID` tells; `None` if there is no such message.
///
/// # Errors
/// The store's.
pub fn one_set_aside(desk: &Desk, id: u64) -> Result<Option<view::QuarantinedView>, StoreFault> {
    let Some(quarantined) = desk.store().quarantined(id)? else { return Ok(None) };
    Ok(Some(view::of_quarantined(id, &quarantined, cut_of(desk, id)?, desk.store().released(id)?)))
}

fn cut_of(desk: &Desk, id: u64) -> Result<Option<u64>, StoreFault> {
    Ok(desk.store().origin(Landing::Quarantine { id })?.and_then(|origin| origin.cut))
}

async fn raw(State(api): State<Api>, Path(id): Path<u64>) -> Response {
    match api.desk.quarantined_raw(id).await {
        Ok(Some(raw)) => ([(CONTENT_TYPE, "application/octet-stream")], raw).into_response(),
        Ok(None) => missing(&ReleaseFault::NoSuch(id)),
        Err(fault) => failed(&fault),
    }
}

async fn release(State(api): State<Api>, Path(id): Path<u64>) -> Response {
    match api.desk.release(id).await {
        Ok(landing) => Json(view::of_landing(landing)).into_response(),
        Err(fault @ ReleaseFault::NoSuch(_)) => missing(&fault),
        Err(fault @ (ReleaseFault::Already { .. } | ReleaseFault::Elsewhere { .. } | ReleaseFault::NothingKept(_))) => refused(&fault),
        Err(fault @ (ReleaseFault::Unreadable(_) | ReleaseFault::Store(_))) => failed(&fault),
    }
}

async fn outbox(State(api): State<Api>, Query(also): Query<Also>) -> Response {
    answer(outgoing(&api.desk, also))
}

/// The lines of `guichet outbox list`: what waits, in the order in which it is due; then, if asked for, what was given up.
///
/// # Errors
/// The store's.
pub fn outgoing(desk: &Desk, also: Also) -> Result<Vec<view::OutboxView>, StoreFault> {
    let mut entries = desk.store().outbox_list(OutboxFilter::Waiting, OUTBOX_LISTED_MAX)?;
    if also.all {
        entries.extend(desk.store().outbox_list(OutboxFilter::GivenUp, OUTBOX_LISTED_MAX)?);
    }
    Ok(entries.iter().map(view::of_outbox).collect())
}

async fn retry(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let Some(id) = OutboxId::parse(&id) else { return missing(&"there is no such outgoing mail") };
    match api.desk.retry(id).await {
        Ok(entry) => Json(view::of_outbox(&entry)).into_response(),
        Err(fault @ RetryFault::NoSuch(_)) => missing(&fault),
        Err(fault @ RetryFault::Sent(_)) => refused(&fault),
        Err(RetryFault::Store(fault)) => failed(&fault),
    }
}

async fn drop_entry(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let Some(id) = OutboxId::parse(&id) else { return missing(&"there is no such outgoing mail") };
    match api.desk.drop_outgoing(id).await {
        Ok(entry) => Json(view::of_outbox(&entry)).into_response(),
        Err(fault @ DropFault::NoSuch(_)) => missing(&fault),
        Err(fault @ DropFault::Settled { .. }) => refused(&fault),
        Err(DropFault::Store(fault)) => failed(&fault),
    }
}

async fn suppressions(State(api): State<Api>) -> Response {
    answer(suppressed(&api.desk))
}

/// The lines of `guichet suppressions list`, the newest first.
///
/// # Errors
/// The store's.
pub fn suppressed(desk: &Desk) -> Result<Vec<view::SuppressionView>, StoreFault> {
    let policy = desk.policy();
    Ok(desk.marks()?.iter().map(|mark| view::of_mark(mark, &policy)).collect())
}

async fn lift(State(api): State<Api>, Path(address): Path<String>) -> Response {
    let Ok(address) = EmailAddress::parse(&address) else { return missing(&LiftFault::NoSuch) };
    match api.desk.lift(&address).await {
        Ok(mark) => Json(view::of_mark(&mark, &api.desk.policy())).into_response(),
        Err(fault @ LiftFault::NoSuch) => missing(&fault),
        Err(LiftFault::Store(fault)) => failed(&fault),
    }
}

fn missing(fault: &impl Display) -> Response {
    (StatusCode::NOT_FOUND, format!("{fault}\n")).into_response()
}

/// It is there, but not so that this can be done with it.
fn refused(fault: &impl Display) -> Response {
    (StatusCode::CONFLICT, format!("{fault}\n")).into_response()
}

/// Which message is imported, beside its octets.
#[derive(Clone, Debug, Deserialize)]
pub struct ImportQuery {
    /// The mailbox that it counts as having come to.
    pub mailbox: String,
    /// Where it stood, for people.
    #[serde(default)]
    pub file: String,
    /// `false`: nothing is sent because of it.
    #[serde(default = "yes")]
    pub notices: bool,
    /// The size of all of it, if this is only its start.
    pub cut: Option<u64>,
}

const fn yes() -> bool {
    true
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedView {
    pub landing: LandingView,
    /// It was there before, and nothing was done.
    pub already: bool,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LandingView {
    Ticket { number: u64, seq: u32 },
    Quarantine { id: u64 },
}

impl From<Imported> for ImportedView {
    fn from(imported: Imported) -> Self {
        let landing = match imported.landing {
            Landing::Ticket { number, seq } => LandingView::Ticket { number: number.0, seq },
            Landing::Quarantine { id } => LandingView::Quarantine { id },
        };
        Self { landing, already: imported.already }
    }
}

impl From<ImportedView> for Imported {
    fn from(view: ImportedView) -> Self {
        let landing = match view.landing {
            LandingView::Ticket { number, seq } => Landing::Ticket { number: TicketNumber(number), seq },
            LandingView::Quarantine { id } => Landing::Quarantine { id },
        };
        Self { landing, already: view.already }
    }
}

/// How a mail is explained.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ExplainQuery {
    /// The mailbox that it counts as having come to; by default the one that it is addressed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox: Option<String>,
}

async fn import(State(api): State<Api>, Query(query): Query<ImportQuery>, raw: Bytes) -> Response {
    if api.desk.policy().mailbox(&query.mailbox).is_none() {
        return (StatusCode::BAD_REQUEST, "the running daemon has no mailbox of that name\n").into_response();
    }
    let source = Source::Maildir { mailbox: query.mailbox, file: query.file };
    let received = Received { source, raw: raw.to_vec(), arrived: None, cut: query.cut, landed_to: None };
    let notices = if query.notices { Notices::Sent } else { Notices::None };
    match take(&api.desk, received, notices).await {
        Ok(imported) => Json(ImportedView::from(imported)).into_response(),
        Err(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")).into_response(),
    }
}

async fn take(desk: &Desk, received: Received, notices: Notices) -> Result<Imported, HandoverFault> {
    let prepared = desk.prepare(received).await?;
    desk.import(prepared, notices).await?.await
}

fn answer<T: serde::Serialize>(result: Result<T, StoreFault>) -> Response {
    match result {
        Ok(found) => Json(found).into_response(),
        Err(fault) => failed(&fault),
    }
}

fn failed(fault: &impl Display) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{fault}\n")).into_response()
}
