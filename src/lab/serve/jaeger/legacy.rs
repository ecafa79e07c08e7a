//! The legacy API (`http_handler.go`, `query_parser.go`): JSON of the UI's own making.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use serde::Serialize;

use super::go::{self, Params, Refusal};
use super::model;
use super::{Format, Jaeger, List, Remarked, durations, http_error, is_kind};
use crate::lab::traces::{Query, SpanKind, Text, TraceId};

/// Traces a search brings when it does not say how many.
const DEFAULT_LIMIT: i32 = 100;
/// How far a search goes back when it does not say: two days, in microseconds.
const DEFAULT_LOOKBACK_US: i64 = 48 * 3600 * 1_000_000;
/// How far dependencies go back when nothing is said: a day, in milliseconds.
const DEFAULT_DEPENDENCIES_MS: i64 = 24 * 3600 * 1000;

const NOT_FOUND: &str = "trace not found";

/// Routes that later releases keep.
pub(super) fn kept() -> Router<Arc<Jaeger>> {
    Router::new().route("/api/traces/{id}", get(trace)).route("/api/dependencies", get(dependencies))
}

/// Routes that the release after 2.20 no longer has.
pub(super) fn removed() -> Router<Arc<Jaeger>> {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operation_names))
        .route("/api/operations", get(operations))
        .route("/api/traces", get(search))
}

/// The envelope of every answer. `limit` and `offset` are always 0, and `total` counts only names.
#[derive(Serialize)]
struct Envelope<T> {
    data: T,
    total: usize,
    limit: usize,
    offset: usize,
    errors: Option<Vec<Problem>>,
}

#[derive(Serialize)]
struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
}

/// A refusal in this API's envelope.
struct Error(Refusal);

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let Self(Refusal { status, message }) = self;
        let problem = Problem { code: Some(status.as_u16()), msg: message, trace_id: None };
        let envelope = Envelope { data: (), total: 0, limit: 0, offset: 0, errors: Some(vec![problem]) };
        // Plain data cannot fail to be JSON; an empty body would be the sign.
        http_error(status, serde_json::to_string(&envelope).unwrap_or_default())
    }
}

fn json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into()).into_response()
}

fn list<T: Serialize>(data: &[T], total: usize) -> Result<Response, Error> {
    let envelope = Envelope { data, total, limit: 0, offset: 0, errors: None };
    let body = serde_json::to_vec(&envelope).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(json(body))
}

async fn services(State(jaeger): State<Arc<Jaeger>>) -> Result<Response, Error> {
    let now_ms = jaeger.now_ms();
    let services = jaeger.ask(move |store| store.services(now_ms)).await?;
    list(&services, services.len())
}

async fn operation_names(
    State(jaeger): State<Arc<Jaeger>>,
    Path(service): Path<String>,
) -> Result<Response, Error> {
    let now_ms = jaeger.now_ms();
    let found = jaeger.ask(move |store| store.operations(&service, now_ms)).await?;
    let mut names: Vec<Text> = found.into_iter().map(|operation| operation.name).collect();
    names.dedup();
    list(&names, names.len())
}

async fn operations(State(jaeger): State<Arc<Jaeger>>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Operation {
        name: Text,
        span_kind: &'static str,
    }
    let params = Params::parse(query.as_deref());
    let service = params.get(&["service"]).ok_or_else(service_required)?.to_owned();
    let now_ms = jaeger.now_ms();
    let found = jaeger.ask(move |store| store.operations(&service, now_ms)).await?;
    let kind = params.get(&["spanKind"]);
    let operations: Vec<Operation> = found
        .into_iter()
        .filter(|found| is_kind(found.kind, kind))
        .map(|found| Operation { name: found.name, span_kind: found.kind.map_or("", SpanKind::word) })
        .collect();
    list(&operations, operations.len())
}

async fn search(State(jaeger): State<Arc<Jaeger>>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let now_ms = jaeger.now_ms();
    let params = Params::parse(query.as_deref());
    let (wanted, is_raw) = (parse(&params, now_ms)?, is_raw(&params)?);
    match wanted {
        Wanted::Search(query) => {
            let found = jaeger.ask(move |store| store.search(&query, now_ms)).await?;
            send(jaeger, found, Vec::new(), now_ms, is_raw)
        }
        Wanted::Traces(ids) => {
            let is_there = |id: &u128| jaeger.read(|store| !store.trace(*id, now_ms).is_empty());
            let (found, missing) = ids.into_iter().partition(is_there);
            send(jaeger, found, missing, now_ms, is_raw)
        }
    }
}

async fn trace(
    State(jaeger): State<Arc<Jaeger>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let id = go::trace_id(&id).map_err(Refusal::bad_request)?;
    let params = Params::parse(query.as_deref());
    // The range is a hint for storages that look a trace up by time.
    for name in ["start", "end"] {
        parameter(&params, name, go::int::<i64>)?;
    }
    let is_raw = is_raw(&params)?;
    let now_ms = jaeger.now_ms();
    if jaeger.read(|store| store.trace(id, now_ms).is_empty()) {
        return Err(Refusal { status: StatusCode::NOT_FOUND, message: NOT_FOUND.to_owned() }.into());
    }
    send(jaeger, vec![id], Vec::new(), now_ms, is_raw)
}

fn send(
    jaeger: Arc<Jaeger>,
    found: Vec<u128>,
    missing: Vec<u128>,
    now_ms: i64,
    is_raw: bool,
) -> Result<Response, Error> {
    let missed = |id| Problem { code: None, msg: NOT_FOUND.to_owned(), trace_id: Some(TraceId(id)) };
    let errors = (!missing.is_empty()).then(|| missing.into_iter().map(missed).collect::<Vec<_>>());
    let errors = serde_json::to_string(&errors).map_err(|error| Refusal::internal(error.to_string()))?;
    let tail = format!(r#"],"total":0,"limit":0,"offset":0,"errors":{errors}}}"#);
    Ok(json(jaeger.stream(found, now_ms, Format { head: r#"{"data":["#, write, tail, is_raw })))
}

fn write(spans: &[Remarked<'_>], list: &mut List) -> serde_json::Result<()> {
    list.element(&model::Trace::of(spans))
}

async fn dependencies(
    State(jaeger): State<Arc<Jaeger>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Link {
        parent: Text,
        child: Text,
        call_count: u64,
    }
    let params = Params::parse(query.as_deref());
    let now_ms = jaeger.now_ms();
    let end_ms = parameter(&params, "endTs", go::int::<i64>)?.unwrap_or(now_ms);
    let lookback_ms = parameter(&params, "lookback", go::int::<i64>)?.unwrap_or(DEFAULT_DEPENDENCIES_MS);
    let range_us = end_ms.saturating_sub(lookback_ms).saturating_mul(1000)..=end_ms.saturating_mul(1000);
    let edges = jaeger.ask(move |store| store.dependencies(range_us, now_ms)).await?;
    let service = params.get(&["service"]);
    let links: Vec<Link> = edges
        .into_iter()
        .filter(|((parent, child), _)| service.is_none_or(|name| **parent == *name || **child == *name))
        .map(|((parent, child), call_count)| Link { parent, child, call_count })
        .collect();
    list(&links, 0)
}

/// What `/api/traces` is asked for.
enum Wanted {
    Search(Query),
    Traces(Vec<u128>),
}

/// Reads the parameters of a search.
fn parse(params: &Params<'_>, now_ms: i64) -> Result<Wanted, Refusal> {
    let now_us = now_ms.saturating_mul(1000);
    let start_us = parameter(params, "start", go::int)?.unwrap_or(now_us.saturating_sub(DEFAULT_LOOKBACK_US));
    let end_us = parameter(params, "end", go::int)?.unwrap_or(now_us);
    let tags = tags(params)?;
    let limit = params.get(&["limit"]).map(go::int::<i32>).transpose().map_err(Refusal::bad_request)?;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let min = parameter(params, "minDuration", go::duration)?.unwrap_or(0);
    let max = parameter(params, "maxDuration", go::duration)?.unwrap_or(0);
    let ids = params.all("traceID").map(go::trace_id).collect::<Result<Vec<_>, _>>();
    let ids = ids.map_err(|e| Refusal::bad_request(format!("cannot parse traceID param: {e}")))?;
    is_raw(params)?;
    let service = params.get(&["service"]);
    if service.is_none() && ids.is_empty() {
        return Err(service_required());
    }
    if limit <= 0 {
        return Err(Refusal::bad_request("invalid parameter: limit must be greater than 0"));
    }
    if start_us > end_us {
        return Err(Refusal::bad_request("invalid parameter: start time must be before end time"));
    }
    if min != 0 && max != 0 && max < min {
        return Err(Refusal::bad_request("'maxDuration' should be greater than 'minDuration'"));
    }
    match service {
        Some(service) if ids.is_empty() => Ok(Wanted::Search(Query {
            service: service.into(),
            operation: params.get(&["operation"]).map(Text::from),
            tags: tags.into_iter().collect(),
            start_us: start_us..=end_us,
            duration_us: durations(min, max),
            limit: usize::try_from(limit).unwrap_or(0),
        })),
        _ => Ok(Wanted::Traces(ids)),
    }
}

fn service_required() -> Refusal {
    Refusal::bad_request("parameter 'service' is required")
}

fn parameter<T>(
    params: &Params<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Refusal> {
    let parsed = params.get(&[name]).map(parse).transpose();
    parsed.map_err(|reason| Refusal::bad_request(format!("unable to parse param '{name}': {reason}")))
}

fn is_raw(params: &Params<'_>) -> Result<bool, Refusal> {
    Ok(parameter(params, "raw", go::bool)?.unwrap_or(false))
}

/// `tag=key:value`, as often as needed, and `tags={"key":"value"}`.
fn tags(params: &Params<'_>) -> Result<BTreeMap<Text, Text>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in params.all("tag") {
        let (key, value) = tag.split_once(':').ok_or_else(|| {
            Refusal::bad_request(format!("malformed 'tag' parameter, expecting key:value, received: {tag}"))
        })?;
        tags.insert(key.into(), value.into());
    }
    for json in params.all("tags") {
        let more: BTreeMap<Text, Text> = serde_json::from_str(json).map_err(|error| {
            Refusal::bad_request(format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}"))
        })?;
        tags.extend(more);
    }
    Ok(tags)
}
