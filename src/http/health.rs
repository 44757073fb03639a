//! `/healthz`, `/readyz`, `/metrics`: for the service manager, the balancer and Prometheus.

use crate::health::{Board, Readiness};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::fmt::Write as _;
use std::sync::Arc;

/// Where the answers come from; cheap to clone.
#[derive(Clone)]
pub struct Health {
    ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Whose figures are brought up to date before they are shown.
    board: Option<Board>,
    metrics: PrometheusHandle,
}

impl Health {
    /// `ready` says what is missing, a short line each without addresses or paths: the listener may be public. It is
    /// called on each request and must not block.
    pub fn new(ready: impl Fn() -> Result<(), Vec<String>> + Send + Sync + 'static, metrics: PrometheusHandle) -> Self {
        let ready = move || Readiness { missing: ready().err().unwrap_or_default(), mailboxes: Vec::new() };
        Self { ready: Arc::new(ready), board: None, metrics }
    }

    /// Of a daemon: what its board shows.
    #[must_use]
    pub fn of(board: Board, metrics: PrometheusHandle) -> Self {
        let own = board.clone();
        Self { ready: Arc::new(move || own.readiness()), board: Some(board), metrics }
    }
}

/// The three routes.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

/// The status says whether mail is taken in; the body, how each mailbox fares: as JSON to whoever accepts nothing but that first,
/// else what is missing, a line each, and a line for each mailbox.
async fn readyz(State(health): State<Health>, headers: HeaderMap) -> Response {
    let readiness = (health.ready)();
    let status = if readiness.missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.trim_start().starts_with("application/json") {
        let told = serde_json::json!({
            "ready": readiness.missing.is_empty(), "missing": readiness.missing, "mailboxes": readiness.mailboxes,
        });
        return (status, Json(told)).into_response();
    }
    let mut told = if readiness.missing.is_empty() { "ready\n".to_owned() } else { readiness.missing.join("\n") + "\n" };
    for mailbox in &readiness.mailboxes {
        let _ = writeln!(told, "{}", mailbox.sentence());
    }
    (status, told).into_response()
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    if let Some(board) = &health.board {
        board.show_figures().await;
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.render())
}
