//! The desk over HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::desk::Desk;
use crate::metrics::{self, Route};
use crate::profile;

/// What all handlers share.
struct Service {
    desk: Arc<Desk>,
    routes: [Route; 3],
    turn: AtomicU64,
}

type Shared = State<Arc<Service>>;
type Values = Query<HashMap<String, String>>;

/// Places in `Service::routes`.
const TICKET: usize = 0;
const STAMP: usize = 1;
const LETTER: usize = 2;

/// All routes of the service.
pub fn all(desk: Arc<Desk>) -> Router {
    let routes = [Route::new("/ticket"), Route::new("/stamp"), Route::new("/letter")];
    let service = Arc::new(Service { desk, routes, turn: AtomicU64::new(0) });
    Router::new()
        .route("/ticket", get(ticket))
        .route("/stamp", get(stamp))
        .route("/letter", get(letter))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(show_metrics))
        .route("/admin/get", get(read_settings))
        .route("/admin/set", post(change_settings))
        .route("/debug/pprof/", get(|| async { "profile?seconds=N\n" }))
        .route("/debug/pprof/profile", get(take_profile))
        .with_state(service)
}

impl Service {
    /// The parameter `name`, or the service's next turn if it is absent.
    fn number(&self, values: &HashMap<String, String>, name: &str) -> u64 {
        let given = values.get(name).and_then(|text| text.parse().ok());
        given.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed))
    }
}

async fn ticket(State(service): Shared, Query(values): Values) -> Response {
    let began = Instant::now();
    let id = service.number(&values, "id");
    let number = service.desk.answer(id).await;
    service.routes[TICKET].observe(began.elapsed());
    json(&json!({ "ticket": id, "number": number }))
}

async fn stamp(State(service): Shared, Query(values): Values) -> Response {
    let began = Instant::now();
    let paper = service.number(&values, "paper");
    let number = service.desk.stamp(paper).await;
    service.routes[STAMP].observe(began.elapsed());
    json(&json!({ "paper": paper, "stamp": number }))
}

async fn letter(State(service): Shared, Query(values): Values) -> Response {
    let began = Instant::now();
    let customer = service.number(&values, "customer");
    let text = service.desk.letter(customer).await;
    service.routes[LETTER].observe(began.elapsed());
    match text {
        Ok(text) => json(&json!({ "customer": customer, "text": text })),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("archive: {e}\n")).into_response(),
    }
}

async fn show_metrics(State(service): Shared) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::page(&service.routes)).into_response()
}

async fn read_settings(State(service): Shared) -> Response {
    json(&json!(service.desk.settings.read()))
}

async fn change_settings(State(service): Shared, Query(values): Values) -> Response {
    match service.desk.settings.change(&values) {
        Ok(()) => json(&json!(service.desk.settings.read())),
        Err(reason) => (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
    }
}

async fn take_profile(Query(values): Values) -> Response {
    let seconds = values.get("seconds").and_then(|text| text.parse().ok()).unwrap_or(30).clamp(1, 300);
    match profile::record(Duration::from_secs(seconds)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{reason}\n")).into_response(),
    }
}

fn json(value: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}
