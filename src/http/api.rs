//! The control API: what the command line asks of a running daemon. Served on the control socket, whose file mode
//! is its key.

use crate::explain;
use crate::intake::Desk;
use crate::mail::token::Signer;
use crate::store::{StoreFault, TicketFilter};
use crate::view;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;

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

/// The routes below `/api/v1`. `mail_octets_max` bounds what `explain` takes.
pub fn router(desk: Desk, signer: Signer, mail_octets_max: usize) -> Router {
    Router::new()
        .route("/api/v1/tickets", get(tickets))
        .route("/api/v1/tickets/{number}", get(ticket))
        .route("/api/v1/verify", get(verify))
        .route("/api/v1/explain", post(explain).layer(DefaultBodyLimit::max(mail_octets_max)))
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

fn answer<T: serde::Serialize>(result: Result<T, StoreFault>) -> Response {
    match result {
        Ok(found) => Json(found).into_response(),
        Err(fault) => failed(&fault),
    }
}

fn failed(fault: &StoreFault) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{fault}\n")).into_response()
}
