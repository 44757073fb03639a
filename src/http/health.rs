//! `/healthz`, `/readyz`, `/metrics`: for the service manager, the balancer and Prometheus.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

/// Where the answers come from; cheap to clone.
#[derive(Clone)]
pub struct Health {
    ready: Arc<dyn Fn() -> Result<(), Vec<String>> + Send + Sync>,
    metrics: PrometheusHandle,
}

impl Health {
    /// `ready` says what is missing, a short line each without addresses or paths: the listener may be public. It is
    /// called on each request and must not block.
    pub fn new(ready: impl Fn() -> Result<(), Vec<String>> + Send + Sync + 'static, metrics: PrometheusHandle) -> Self {
        Self { ready: Arc::new(ready), metrics }
    }
}

pub(super) fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    match (health.ready)() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
    }
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.render())
}
