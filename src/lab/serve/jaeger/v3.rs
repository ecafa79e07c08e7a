//! The v3 API over HTTP (`apiv3/http_gateway.go`): OTLP's JSON in a gateway's envelope.
//!
//! Parameters are in camel case since 2.19, in snake case before; later servers take both.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;

use super::go::{self, Params, Refusal};
use super::{Format, Jaeger, List, PLAIN, Remarked, durations, http_error, is_kind, microseconds_up};
use crate::lab::otlp;
use crate::lab::traces::{Query, SpanKind, Text};

/// Traces a search brings when it does not say how many.
const DEFAULT_DEPTH: usize = 100;

pub(super) fn routes() -> Router<Arc<Jaeger>> {
    Router::new()
        .route("/api/v3/services", get(services))
        .route("/api/v3/operations", get(operations))
        .route("/api/v3/traces", get(search))
        .route("/api/v3/traces/{id}", get(trace))
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
        let error = serde_json::json!({ "httpCode": status.as_u16(), "message": message });
        http_error(status, serde_json::json!({ "error": error }).to_string())
    }
}

fn none_found() -> Error {
    Refusal { status: StatusCode::NOT_FOUND, message: "No traces found".to_owned() }.into()
}

fn malformed(name: &str, reason: impl Display) -> Refusal {
    Refusal::bad_request(format!("malformed parameter {name}: {reason}"))
}

/// The gateway sets no content type, so that Go's server makes one up from the first bytes: text.
fn answer(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, PLAIN)], body.into()).into_response()
}

fn object(object: &impl Serialize) -> Result<Response, Error> {
    let body = serde_json::to_vec(object).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(answer(body))
}

async fn services(State(jaeger): State<Arc<Jaeger>>) -> Result<Response, Error> {
    /// Defaults are left out: an empty list is.
    #[derive(Serialize)]
    struct Services {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        services: Vec<Text>,
    }
    let now_ms = jaeger.now_ms();
    object(&Services { services: jaeger.ask(move |store| store.services(now_ms)).await? })
}

async fn operations(State(jaeger): State<Arc<Jaeger>>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    #[derive(Serialize)]
    struct Operations {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        operations: Vec<Operation>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Operation {
        name: Text,
        span_kind: &'static str,
    }
    let params = Params::parse(query.as_deref());
    let service = params.get(&["service"]).unwrap_or_default().to_owned();
    let kind = params.get(&["spanKind", "span_kind"]);
    let now_ms = jaeger.now_ms();
    let found = jaeger.ask(move |store| store.operations(&service, now_ms)).await?;
    let operations = found.into_iter().filter(|found| is_kind(found.kind, kind));
    let operations = operations
        // Spans without a kind are reported as internal.
        .map(|found| (found.name, found.kind.unwrap_or(SpanKind::Internal).word()))
        .map(|(name, span_kind)| Operation { name, span_kind })
        .collect();
    object(&Operations { operations })
}

async fn search(State(jaeger): State<Arc<Jaeger>>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let (query, is_raw) = parse(&Params::parse(query.as_deref()))?;
    let now_ms = jaeger.now_ms();
    let found = jaeger.ask(move |store| store.search(&query, now_ms)).await?;
    send(jaeger, found, now_ms, is_raw)
}

async fn trace(
    State(jaeger): State<Arc<Jaeger>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let id = go::trace_id(&id).map_err(|reason| malformed("trace_id", reason))?;
    let params = Params::parse(query.as_deref());
    // The range is a hint for storages that look a trace up by time.
    parameter(&params, &["startTime", "start_time"], nanoseconds)?;
    parameter(&params, &["endTime", "end_time"], nanoseconds)?;
    let is_raw = parameter(&params, &["rawTraces", "raw_traces"], go::bool)?.unwrap_or(false);
    let now_ms = jaeger.now_ms();
    let is_there = jaeger.read(|store| !store.trace(id, now_ms).is_empty());
    send(jaeger, if is_there { vec![id] } else { Vec::new() }, now_ms, is_raw)
}

fn send(jaeger: Arc<Jaeger>, traces: Vec<u128>, now_ms: i64, is_raw: bool) -> Result<Response, Error> {
    if traces.is_empty() {
        return Err(none_found());
    }
    let (head, tail) = (r#"{"result":{"resourceSpans":["#, "]}}".to_owned());
    Ok(answer(jaeger.stream(traces, now_ms, Format { head, write, tail, is_raw })))
}

fn write(spans: &[Remarked<'_>], list: &mut List) -> serde_json::Result<()> {
    let spans = spans.iter().map(|each| (each.span, each.warnings.as_slice()));
    otlp::resource_spans(spans).iter().try_for_each(|resource| list.element(resource))
}

/// Reads the parameters of a search; also whether the traces are wanted raw.
fn parse(params: &Params<'_>) -> Result<(Query, bool), Refusal> {
    let tags: Option<BTreeMap<Text, Text>> =
        parameter(params, &["query.attributes"], |text| serde_json::from_str(text))?;
    let from = parameter(params, &["query.startTimeMin", "query.start_time_min"], nanoseconds)?;
    let until = parameter(params, &["query.startTimeMax", "query.start_time_max"], nanoseconds)?;
    let (Some(from), Some(until)) = (from, until) else {
        return Err(Refusal::bad_request("query.startTimeMin and query.startTimeMax are required"));
    };
    let depth = ["query.searchDepth", "query.search_depth", "query.num_traces"];
    let limit = match parameter(params, &depth, go::int::<i32>)? {
        Some(depth) => usize::try_from(depth).unwrap_or(0),
        None => DEFAULT_DEPTH,
    };
    let min = parameter(params, &["query.durationMin", "query.duration_min"], go::duration)?;
    let max = parameter(params, &["query.durationMax", "query.duration_max"], go::duration)?;
    let is_raw = parameter(params, &["query.rawTraces", "query.raw_traces"], go::bool)?.unwrap_or(false);
    let Some(service) = params.get(&["query.serviceName", "query.service_name"]) else {
        return Err(Refusal::bad_request("storage backend requires a service name"));
    };
    if limit == 0 {
        return Err(Refusal::internal("search depth must be greater than 0 and less than max traces"));
    }
    let query = Query {
        service: service.into(),
        operation: params.get(&["query.operationName", "query.operation_name"]).map(Text::from),
        tags: tags.unwrap_or_default().into_iter().collect(),
        // The end is excluded.
        start_us: microseconds_up(from)..=microseconds_up(until).saturating_sub(1),
        duration_us: durations(min.unwrap_or(0), max.unwrap_or(0)),
        limit,
    };
    Ok((query, is_raw))
}

/// Reads a parameter in the first of its spellings that is there; a refusal names that one.
fn parameter<T, E: Display>(
    params: &Params<'_>,
    spellings: &[&str],
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Refusal> {
    let found = spellings.iter().find_map(|name| Some((name, params.get(&[name])?)));
    let Some((name, text)) = found else { return Ok(None) };
    parse(text).map(Some).map_err(|reason| malformed(name, reason))
}

/// A time as RFC 3339 writes it, in nanoseconds since the epoch.
fn nanoseconds(text: &str) -> Result<i128, jiff::Error> {
    text.parse::<Timestamp>().map(|at| at.as_nanosecond())
}
