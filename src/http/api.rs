//! The control API: what the command line asks of a running daemon. Served on the control socket, whose file mode
//! is its key.

use crate::channel::{HandoverFault, Received};
use crate::domain::change::Landing;
use crate::domain::message::{Source, TicketNumber};
use crate::explain;
use crate::intake::{Desk, Imported, Notices};
use crate::mail::token::Signer;
use crate::store::{StoreFault, TicketFilter};
use crate::view;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Api {
    desk: Desk,
    signer: Signer,
}

/// Which tickets are listed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Filter {
    /// A status word, or `any`; without it, all that are not closed.
    pub status: Option<String>,
    pub team: Option<String>,
    pub tier: Option<String>,
}

/// The routes below `/api/v1`. `mail_octets_max` bounds what `explain` and `import` take.
pub fn router(desk: Desk, signer: Signer, mail_octets_max: usize) -> Router {
    Router::new()
        .route("/api/v1/tickets", get(tickets))
        .route("/api/v1/tickets/{number}", get(ticket))
        .route("/api/v1/verify", get(verify))
        .route("/api/v1/explain", post(explain).layer(DefaultBodyLimit::max(mail_octets_max)))
        .route("/api/v1/import", post(import).layer(DefaultBodyLimit::max(mail_octets_max)))
        .with_state(Api { desk, signer })
}

async fn tickets(State(api): State<Api>, Query(filter): Query<Filter>) -> Response {
    answer(list(&api.desk, &filter))
}

/// The lines of `guichet tickets`, most urgent first.
///
/// # Errors
/// The store's.
pub fn list(desk: &Desk, filter: &Filter) -> Result<Vec<view::TicketView>, StoreFault> {
    let status = filter.status.as_deref();
    let wanted = if matches!(status, Some("any" | "closed")) { TicketFilter::Any } else { TicketFilter::NotClosed };
    let mut tickets = desk.store().tickets(wanted).collect::<Result<Vec<_>, _>>()?;
    tickets.retain(|t| {
        status.is_none_or(|s| s == "any" || t.status.word() == s)
            && filter.team.as_ref().is_none_or(|team| t.team == *team)
            && filter.tier.as_ref().is_none_or(|tier| t.tier == *tier)
    });
    view::by_urgency(&mut tickets);
    Ok(tickets.iter().map(view::of_ticket).collect())
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

async fn verify(State(api): State<Api>) -> Response {
    let store = api.desk.store().clone();
    match tokio::task::spawn_blocking(move || store.verify(true)).await {
        Ok(report) => answer(report.map(|r| view::of_report(&r))),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the check ended early\n").into_response(),
    }
}

async fn explain(State(api): State<Api>, raw: Bytes) -> Response {
    answer(explain::explain(&api.desk, &raw))
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

fn failed(fault: &StoreFault) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{fault}\n")).into_response()
}
