//! Jaeger's query API over the lab's spans: the legacy JSON of its UI and v3.
//!
//! Facts are those of Jaeger 2 (`cmd/jaeger/internal/extension/jaegerquery`, storage `memory`): parameters,
//! defaults, envelopes, statuses, content types and the words of refusals. Search answers are written
//! trace by trace while they are sent, and the lock is held for one trace at a time.

mod adjust;
mod go;
mod legacy;
mod model;
mod v3;

use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;

use super::{Clock, dated};
use crate::lab::traces::{SharedTraces, SpanKind, SpanRef, TraceStore};
use go::Refusal;

/// Which APIs a server has; they differ between releases and clones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// Legacy alone: Jaeger 1, VictoriaTraces and other clones.
    Legacy,
    /// Both: Jaeger 2 up to 2.20.
    #[default]
    Both,
    /// v3, and of the legacy API only single traces and dependencies: what follows 2.20.
    V3,
}

/// How many bytes of an answer are made before they are sent.
const CHUNK: usize = 64 << 10;

/// A Jaeger that holds `traces`, and where it is what `clock` says.
pub fn router(traces: SharedTraces, clock: Clock, release: Release) -> Router {
    let jaeger = Arc::new(Jaeger { traces, clock: Arc::clone(&clock) });
    let mut routes = legacy::kept();
    if release != Release::V3 {
        routes = routes.merge(legacy::removed());
    }
    if release != Release::Legacy {
        routes = routes.merge(v3::routes());
    }
    dated(routes.fallback(unknown_path).with_state(jaeger), clock)
}

/// What the handlers share.
struct Jaeger {
    traces: SharedTraces,
    clock: Clock,
}

impl Jaeger {
    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    fn read<T>(&self, ask: impl FnOnce(&TraceStore) -> T) -> T {
        ask(&self.traces.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks what takes a while: reading a day of spans must not hold up the others' answers.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&TraceStore) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let jaeger = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || jaeger.read(ask)).await;
        answer.map_err(|error| Refusal::internal(error.to_string()))
    }

    /// An answer of `traces` as they are at `now_ms`, between `head` and `tail`.
    fn stream(self: Arc<Self>, traces: Vec<u128>, now_ms: i64, format: Format) -> Body {
        let answer = Answer { jaeger: self, traces: traces.into_iter(), now_ms, format, at: Part::Head };
        Body::from_stream(stream::try_unfold(answer, |mut answer| async move {
            Ok::<_, serde_json::Error>(answer.next()?.map(|chunk| (chunk, answer)))
        }))
    }
}

/// How an API writes traces.
struct Format {
    head: &'static str,
    /// Writes the elements that stand for one trace.
    write: fn(&[Remarked<'_>], &mut List) -> serde_json::Result<()>,
    tail: String,
    /// Whether the spans go out without remarks.
    is_raw: bool,
}

/// A span, and what Jaeger has to say about it.
struct Remarked<'s> {
    span: SpanRef<'s>,
    warnings: Vec<String>,
}

/// A trace's spans, with remarks unless they are asked for raw.
fn remarked(spans: Vec<SpanRef<'_>>, is_raw: bool) -> Vec<Remarked<'_>> {
    let warnings = if is_raw { vec![Vec::new(); spans.len()] } else { adjust::warnings(&spans) };
    spans.into_iter().zip(warnings).map(|(span, warnings)| Remarked { span, warnings }).collect()
}

/// An answer under way.
struct Answer {
    jaeger: Arc<Jaeger>,
    traces: std::vec::IntoIter<u128>,
    now_ms: i64,
    format: Format,
    at: Part,
}

enum Part {
    Head,
    Traces(List),
    End,
}

impl Answer {
    /// The next part of the body.
    fn next(&mut self) -> serde_json::Result<Option<Vec<u8>>> {
        let mut list = match std::mem::replace(&mut self.at, Part::End) {
            Part::Head => List { bytes: self.format.head.into(), is_begun: false },
            Part::Traces(list) => list,
            Part::End => return Ok(None),
        };
        while list.bytes.len() < CHUNK {
            let Some(trace) = self.traces.next() else {
                list.bytes.extend_from_slice(self.format.tail.as_bytes());
                return Ok(Some(list.bytes));
            };
            self.jaeger.read(|store| {
                let spans = store.trace(trace, self.now_ms);
                // It may have expired since it was found.
                if spans.is_empty() {
                    return Ok(());
                }
                (self.format.write)(&remarked(spans, self.format.is_raw), &mut list)
            })?;
        }
        let bytes = std::mem::take(&mut list.bytes);
        self.at = Part::Traces(list);
        Ok(Some(bytes))
    }
}

/// Elements of a JSON array, separated.
struct List {
    bytes: Vec<u8>,
    is_begun: bool,
}

impl List {
    fn element(&mut self, element: &impl Serialize) -> serde_json::Result<()> {
        if std::mem::replace(&mut self.is_begun, true) {
            self.bytes.push(b',');
        }
        serde_json::to_writer(&mut self.bytes, element)
    }
}

/// Whether an operation is of the kind asked for, if one is.
fn is_kind(kind: Option<SpanKind>, asked: Option<&str>) -> bool {
    asked.is_none_or(|asked| kind.is_some_and(|kind| kind.word() == asked))
}

/// A range of durations in microseconds from limits in nanoseconds, where 0 is none.
fn durations(min_ns: i64, max_ns: i64) -> RangeInclusive<i64> {
    let min = if min_ns == 0 { i64::MIN } else { microseconds_up(min_ns.into()) };
    let max = if max_ns == 0 { i64::MAX } else { max_ns.div_euclid(1000) };
    min..=max
}

/// Nanoseconds in whole microseconds, rounded up.
fn microseconds_up(ns: i128) -> i64 {
    let up = ns.div_euclid(1000) + i128::from(ns.rem_euclid(1000) != 0);
    i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
}

/// What Go's servers call plain text.
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An error as Go's `http.Error` sends it: plain text by its header, whatever `body` is.
fn http_error(status: StatusCode, mut body: String) -> Response {
    body.push('\n');
    let headers = [
        (header::CONTENT_TYPE, PLAIN),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}

async fn unknown_path() -> Response {
    http_error(StatusCode::NOT_FOUND, "404 page not found".to_owned())
}
