//! The lab's Jaeger over HTTP, read by the program's own client.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sagetop::domain::{Clean, ServiceName, Timestamp};
use sagetop::lab::serve::jaeger::{Release, router};
use sagetop::lab::traces::{self, Tag, Text, TraceStore};
use sagetop::telemetry::{
    BackendSettings, Jaeger, JaegerApi, JaegerSettings, Span, SpanId, SpanKind, TraceId, TraceQuery,
};
use serde_json::Value;

/// When the first trace begins.
const START_MS: i64 = 1_795_316_400_000;
const TRACES: u64 = 300;
pub const SERVICES: [&str; 5] = ["front end", "cart/v2", "user", "media", "text"];

/// A Jaeger of the lab, its clock in the test's hands.
pub struct Served {
    url: String,
    now_ms: Arc<AtomicI64>,
}

impl Served {
    pub async fn start(spans: &[traces::Span], release: Release) -> Self {
        let mut store = TraceStore::new(Duration::from_secs(86_400));
        spans.iter().cloned().for_each(|span| store.push(span));
        let now_ms = Arc::new(AtomicI64::new(START_MS + 3_600_000));
        let clock = Arc::clone(&now_ms);
        let clock = Arc::new(move || clock.load(Ordering::SeqCst));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = router(Arc::new(RwLock::new(store)), clock, release);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, now_ms }
    }

    fn client(&self, api: JaegerApi) -> Jaeger {
        let backend = BackendSettings::at(&self.url);
        Jaeger::new(&JaegerSettings { backend, api, limit: 1500 }).unwrap()
    }

    /// Status, content type and body.
    pub async fn get(&self, path: &str) -> (u16, String, String) {
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let answer = client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let (status, kind) = (answer.status().as_u16(), answer.headers()["content-type"].clone());
        (status, kind.to_str().unwrap().to_owned(), answer.text().await.unwrap())
    }

    pub async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

/// One trace a second, a root with children of all kinds; some arrive a minute late.
pub fn spans() -> Vec<traces::Span> {
    let mut rng = StdRng::seed_from_u64(11);
    let names = SERVICES.map(Text::from);
    let mut spans = Vec::new();
    for i in 0..TRACES {
        // Tracers of 64 and of 128 bits.
        let trace = if i % 2 == 0 { u128::from(i + 1) } else { u128::from(i + 1) << 64 | 7 };
        let start_us = (START_MS + i as i64 * 1000) * 1000;
        for child in 0..10u64 {
            let service = if child == 0 { 0 } else { rng.random_range(1..5usize) };
            let kinds = [None, Some(traces::SpanKind::Client), Some(traces::SpanKind::Server)];
            // Clocks disagree: a child may begin before its parent.
            let start_us = start_us + rng.random_range(-3000..30_000);
            let late = if rng.random_bool(0.05) { 60_000 } else { 1000 };
            spans.push(traces::Span {
                trace,
                id: i << 8 | child | 0xe000_0000_0000_0000,
                parent: (child > 0).then(|| i << 8 | rng.random_range(0..child) | 0xe000_0000_0000_0000),
                service: names[service].clone(),
                operation: format!("GET /op-{}?x=a+b", rng.random_range(0..3)).into(),
                host: format!("pod-{service}-{}", rng.random_range(0..2)).into(),
                start_us,
                duration_us: rng.random_range(0..100_000),
                kind: kinds[rng.random_range(0..3usize)],
                error: rng.random_bool(0.1),
                tags: vec![
                    ("peer.service".into(), Tag::Text("else".into())),
                    ("big".into(), Tag::Int(i64::MAX)),
                    ("ratio".into(), Tag::Float(0.25)),
                    ("cached".into(), Tag::Bool(true)),
                ],
                received_ms: start_us / 1000 + late,
            });
        }
    }
    spans
}

/// A span as the program's client reduces it.
fn reduced(span: &traces::Span) -> Span {
    let kind = match span.kind {
        Some(traces::SpanKind::Client) => SpanKind::Client,
        Some(traces::SpanKind::Server) => SpanKind::Server,
        Some(traces::SpanKind::Internal) | None => SpanKind::Internal,
    };
    Span {
        trace: TraceId(span.trace),
        id: SpanId(span.id),
        parent: span.parent.map(SpanId),
        follows: false,
        service: ServiceName::new(&span.service),
        operation: Clean::new(&span.operation),
        kind,
        start_ns: span.start_us as u64 * 1000,
        duration_ns: span.duration_us as u64 * 1000,
        host: Some(Clean::new(&span.host)),
        node: None,
        peer: (kind == SpanKind::Client).then(|| ServiceName::new("else")),
        error: span.error,
        warned: false,
    }
}

fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.trace, span.id));
    spans
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn whole_range(service: &str) -> TraceQuery {
    TraceQuery {
        service: ServiceName::new(service),
        operation: None,
        start: at(START_MS - 1000),
        end: at(START_MS + 3_600_000),
        min_duration: None,
        limit: 1500,
    }
}

async fn found(jaeger: &Jaeger, query: &TraceQuery) -> Vec<Span> {
    let mut spans = Vec::new();
    let stats = jaeger.traces(query, &mut |span| spans.push(span)).await.unwrap();
    assert_eq!((stats.spans, stats.warned, stats.warnings), (spans.len(), 0, Vec::new()));
    sorted(spans)
}

#[tokio::test]
async fn the_programs_client_reads_the_same_spans_from_both_apis() {
    let pushed = spans();
    let served = Served::start(&pushed, Release::Both).await;
    let all = sorted(pushed.iter().map(reduced).collect());
    for api in [JaegerApi::Legacy, JaegerApi::V3] {
        let jaeger = served.client(api);
        assert_eq!(found(&jaeger, &whole_range(SERVICES[0])).await, all, "{api:?}");
        let names: BTreeSet<ServiceName> = jaeger.services().await.unwrap().into_iter().collect();
        assert_eq!(names, SERVICES.map(ServiceName::new).into_iter().collect());
        let operations = jaeger.operations(&ServiceName::new(SERVICES[1])).await.unwrap();
        assert_eq!(operations, ["GET /op-0?x=a+b", "GET /op-1?x=a+b", "GET /op-2?x=a+b"].map(Clean::new));
        assert!(jaeger.operations(&ServiceName::new("nobody")).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn both_apis_find_the_same_traces() {
    let pushed = spans();
    let served = Served::start(&pushed, Release::Both).await;
    let query = TraceQuery {
        operation: Some(Clean::new("GET /op-1?x=a+b")),
        start: at(START_MS + 20_000),
        end: at(START_MS + 200_000),
        min_duration: Some(Duration::from_millis(70)),
        ..whole_range(SERVICES[2])
    };
    let matches = |span: &&traces::Span| {
        let ms = span.start_us / 1000 - START_MS;
        (&*span.service, &*span.operation) == (SERVICES[2], "GET /op-1?x=a+b")
            && (20_000..200_000).contains(&ms)
            && span.duration_us >= 70_000
    };
    let ids: BTreeSet<u128> = pushed.iter().filter(matches).map(|span| span.trace).collect();
    assert!(ids.len() > 5 && ids.len() < 100, "{}", ids.len());
    let of = |ids: &BTreeSet<u128>| -> Vec<Span> {
        sorted(pushed.iter().filter(|span| ids.contains(&span.trace)).map(reduced).collect())
    };
    let newest = pushed.iter().rev().filter(matches).fold(Vec::new(), |mut newest, span| {
        if !newest.contains(&span.trace) && newest.len() < 5 {
            newest.push(span.trace);
        }
        newest
    });
    for api in [JaegerApi::Legacy, JaegerApi::V3] {
        let jaeger = served.client(api);
        assert_eq!(found(&jaeger, &query).await, of(&ids), "{api:?}");
        let few = found(&jaeger, &TraceQuery { limit: 5, ..query.clone() }).await;
        assert_eq!(few, of(&newest.iter().copied().collect()), "{api:?}");
        let none = TraceQuery { service: ServiceName::new("nobody"), ..query.clone() };
        assert!(found(&jaeger, &none).await.is_empty());
    }
}

#[tokio::test]
async fn spans_are_there_once_they_are_received() {
    let pushed = spans();
    let served = Served::start(&pushed, Release::Both).await;
    let now_ms = START_MS + 100_000;
    served.now_ms.store(now_ms, Ordering::SeqCst);
    let there = pushed.iter().filter(|span| span.received_ms <= now_ms);
    // Not every trace has its entry's span yet.
    let entered: BTreeSet<u128> =
        there.clone().filter(|span| &*span.service == SERVICES[0]).map(|span| span.trace).collect();
    let expected =
        sorted(there.filter(|span| entered.contains(&span.trace)).map(reduced).collect::<Vec<_>>());
    for api in [JaegerApi::Legacy, JaegerApi::V3] {
        assert_eq!(found(&served.client(api), &whole_range(SERVICES[0])).await, expected, "{api:?}");
    }
    assert!(expected.len() > 500 && expected.len() < 1000, "{}", expected.len());
    // The answers are dated by the same clock.
    let jaeger = served.client(JaegerApi::V3);
    jaeger.services().await.unwrap();
    let offset = jaeger.health().await.clock_offset_ms.unwrap();
    let real = now_ms - Timestamp::now().as_millisecond();
    assert!((offset - real).abs() < 2000, "{offset} {real}");
}

#[tokio::test]
async fn releases_differ_in_what_they_serve() {
    let pushed = spans();
    for (release, flavour) in [(Release::Legacy, "legacy"), (Release::Both, "v3"), (Release::V3, "v3")] {
        let served = Served::start(&pushed, release).await;
        let jaeger = served.client(JaegerApi::Auto);
        assert_eq!(found(&jaeger, &whole_range(SERVICES[0])).await.len(), pushed.len());
        assert_eq!(jaeger.health().await.flavour.unwrap().as_str(), flavour);
        let links = jaeger.dependencies(at(START_MS + 3_600_000), Duration::from_secs(7200)).await.unwrap();
        let calls: u64 = links.iter().map(|link| link.calls).sum();
        assert_eq!(calls, TRACES * 9, "{release:?}");
    }
    let served = Served::start(&pushed, Release::V3).await;
    let unknown = (404, "text/plain; charset=utf-8".to_owned(), "404 page not found\n".to_owned());
    assert_eq!(served.get("/api/services").await, unknown);
    assert_eq!(served.get("/api/traces?service=user").await, unknown);
    assert_eq!(served.get("/api/traces/1").await.0, 200);
}
