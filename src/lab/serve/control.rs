//! Routes for operators: the Kubernetes API, ssh, and how the cluster behaves towards them.
//!
//! | route | what |
//! |---|---|
//! | `/lab/v1/kube/…` | the Kubernetes API |
//! | `/lab/v1/token/TOKEN/kube/…` | the same for a real kubectl, which sends no token over plain HTTP |
//! | `POST /lab/v1/ssh` | a command on a machine ([`SshRequest`] to [`SshResponse`](crate::lab::standin::SshResponse)) |
//! | `GET`, `PUT /lab/v1/manners` | how operators are treated ([`Manners`]) |
//!
//! All of them want the lab's token, as a bearer token or in the path.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::lab::standin::{ClusterApi, KubeRequest, Manners, SshRequest, Watch};

/// The user that the token stands for, as rights and refusals name it.
const USER: &str = "sagetop";

/// What the routes work on.
#[derive(Clone)]
pub struct Control {
    api: Arc<Mutex<ClusterApi>>,
    token: Arc<str>,
}

impl Control {
    /// Routes to `api` for whoever knows `token`.
    pub fn new(api: Arc<Mutex<ClusterApi>>, token: impl Into<Arc<str>>) -> Self {
        Self { api, token: token.into() }
    }

    /// A request that panicked has left the objects as they were before its last write.
    fn api(&self) -> MutexGuard<'_, ClusterApi> {
        self.api.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn delay(&self) {
        let delay = self.api().manners().delay_ms;
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
    }
}

/// The routes.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/lab/v1/kube/{*path}", any(kube))
        .route("/lab/v1/token/{token}/kube/{*path}", any(kube_of_path))
        .route("/lab/v1/ssh", post(ssh))
        .route("/lab/v1/manners", get(manners).put(set_manners))
        .route_layer(middleware::from_fn_with_state(control.clone(), authorized))
        .with_state(control)
}

async fn authorized(State(control): State<Control>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_path = request.uri().path().strip_prefix("/lab/v1/token/").and_then(|path| path.split('/').next());
    if in_path.or(given.and_then(|value| value.strip_prefix("Bearer "))) == Some(&control.token) {
        return next.run(request).await;
    }
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

async fn kube(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    control.delay().await;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let request = KubeRequest {
        method: method.to_string(),
        path,
        query,
        content_type: text(header::CONTENT_TYPE),
        accept: text(header::ACCEPT),
        agent: text(header::USER_AGENT),
        user: USER.to_owned(),
        body: body.to_vec(),
    };
    let watch = control.api().watch(&request);
    let answer = match watch {
        Some(Ok(watch)) => return watched(control, watch),
        Some(Err(refused)) => refused,
        None => control.api().handle(request),
    };
    if answer.lost {
        return broken();
    }
    let status = StatusCode::from_u16(answer.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(answer.body)).into_response()
}

async fn kube_of_path(
    state: State<Control>,
    Path((_, path)): Path<(String, String)>,
    query: Query<Vec<(String, String)>>,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    kube(state, Path(path), query, method, headers, body).await
}

/// An answer that goes on for as long as the watch: a line an event.
fn watched(control: Control, watch: Watch) -> Response {
    let until = Instant::now() + watch.lasts();
    let events = stream::unfold((control, watch, false), move |(control, mut watch, over)| async move {
        if over {
            return None;
        }
        let text = |events: &[Value]| events.iter().map(|event| format!("{event}\n")).collect::<String>();
        loop {
            let events = control.api().events(&mut watch);
            if !events.is_empty() {
                return Some((Ok::<_, Infallible>(text(&events)), (control, watch, false)));
            }
            if !timeout_at(until, watch.changed()).await.unwrap_or(false) {
                let last = watch.bookmark()?;
                return Some((Ok(text(&[last])), (control, watch, true)));
            }
        }
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(events)).into_response()
}

/// An answer that breaks off before it is complete.
fn broken() -> Response {
    let parts =
        [Ok(Bytes::from_static(b"{")), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    Body::from_stream(stream::iter(parts)).into_response()
}

async fn ssh(State(control): State<Control>, Json(request): Json<SshRequest>) -> Response {
    control.delay().await;
    let answer = control.api().ssh(&request);
    Json(answer).into_response()
}

async fn manners(State(control): State<Control>) -> Json<Manners> {
    Json(control.api().manners().clone())
}

async fn set_manners(State(control): State<Control>, Json(manners): Json<Manners>) -> StatusCode {
    control.api().set_manners(manners);
    StatusCode::NO_CONTENT
}
