//! The lab's exporters against a server that checks every field by the protocols' specifications.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use sagetop::lab::export::{Error, Exporter, Protocol, Settings};
use sagetop::lab::traces::{Span, SpanKind, Tag};
use serde_json::{Map, Value};

/// How the n-th request is answered; the last holds for ever.
type Script = Vec<(StatusCode, &'static str, &'static str)>;

#[derive(Clone)]
struct Collector {
    url: String,
    script: Arc<Script>,
    /// Path and body of each request.
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    async fn start(script: Script) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base/", listener.local_addr().unwrap());
        let collector = Self { url, script: Arc::new(script), seen: Arc::default() };
        let app = Router::new().fallback(post(receive)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        collector
    }

    fn settings(&self, protocol: Protocol) -> Settings {
        Settings {
            linger: Duration::from_millis(20),
            backoff: Duration::from_millis(5),
            max_backoff: Duration::from_millis(40),
            attempts: 4,
            ..Settings::new(&self.url, protocol)
        }
    }

    fn seen(&self) -> Vec<(String, Value)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn receive(
    State(collector): State<Collector>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    assert_eq!(headers["content-type"], "application/json");
    let n = {
        let mut seen = collector.seen.lock().unwrap();
        seen.push((uri.path().to_owned(), serde_json::from_str(&body).unwrap()));
        seen.len() - 1
    };
    let (status, after, text) = collector.script[n.min(collector.script.len() - 1)];
    if status == StatusCode::CONTINUE {
        // Never answers.
        std::future::pending::<()>().await;
    }
    (status, [("retry-after", after)], text)
}

fn ok() -> Script {
    vec![(StatusCode::OK, "", "{}")]
}

fn spans(count: u64) -> Vec<Span> {
    let kinds = [None, Some(SpanKind::Client), Some(SpanKind::Server), Some(SpanKind::Internal)];
    let span = |i: u64| Span {
        trace: if i.is_multiple_of(2) { u128::from(i) + 1 } else { u128::from(i + 1) << 70 },
        id: i + 1,
        parent: (!i.is_multiple_of(3)).then_some(i),
        service: format!("service-{}", i % 3).into(),
        operation: format!("GET /Thing/{}", i % 5).into(),
        host: format!("pod-{}", i % 2).into(),
        start_us: 1_795_316_400_000_000 + i as i64 * 1001,
        duration_us: (i % 4) as i64,
        kind: kinds[i as usize % 4],
        error: i.is_multiple_of(7),
        tags: vec![
            ("http.status_code".into(), Tag::Int(i64::MAX - i as i64)),
            ("ratio".into(), Tag::Float(0.5)),
            ("cached".into(), Tag::Bool(i.is_multiple_of(2))),
            ("component".into(), Tag::Text("nginx \"x\"".into())),
        ],
        received_ms: 0,
    };
    (0..count).map(span).collect()
}

/// The members of an object, each of which must be among `known`.
fn object<'v>(value: &'v Value, known: &[&str]) -> &'v Map<String, Value> {
    let members = value.as_object().unwrap();
    for name in members.keys() {
        assert!(known.contains(&name.as_str()), "{name} is no field");
    }
    members
}

/// An id of exactly so many lower-case hex digits, not 0.
fn hex(value: &Value, digits: usize) -> u128 {
    let text = value.as_str().unwrap();
    assert!(text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{text}");
    let id = u128::from_str_radix(text, 16).unwrap();
    assert_ne!(id, 0);
    id
}

/// A 64-bit integer, as text.
fn int64(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}

fn attributes(value: &Value) -> Vec<(String, Value)> {
    let attribute = |value: &Value| {
        let members = object(value, &["key", "value"]);
        (members["key"].as_str().unwrap().to_owned(), members["value"].clone())
    };
    value.as_array().unwrap().iter().map(attribute).collect()
}

fn tag(value: &Value) -> Tag {
    let members = object(value, &["stringValue", "boolValue", "intValue", "doubleValue"]);
    assert_eq!(members.len(), 1);
    let (kind, value) = members.iter().next().unwrap();
    match kind.as_str() {
        "stringValue" => Tag::Text(value.as_str().unwrap().into()),
        "boolValue" => Tag::Bool(value.as_bool().unwrap()),
        "intValue" => Tag::Int(int64(value)),
        _ => Tag::Float(value.as_f64().unwrap()),
    }
}

/// Reads an `ExportTraceServiceRequest`, which must keep to OTLP's JSON.
fn otlp(body: &Value) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in object(body, &["resourceSpans"])["resourceSpans"].as_array().unwrap() {
        let resource = object(resource, &["resource", "scopeSpans", "schemaUrl"]);
        let process = attributes(&object(&resource["resource"], &["attributes"])["attributes"]);
        let text = |key: &str| match &process.iter().find(|(name, _)| name == key).map(|(_, v)| tag(v)) {
            Some(Tag::Text(text)) => text.clone(),
            other => panic!("{key} is {other:?}"),
        };
        for scope in resource["scopeSpans"].as_array().unwrap() {
            let scope = object(scope, &["scope", "spans", "schemaUrl"]);
            for span in scope["spans"].as_array().unwrap() {
                let span = object(
                    span,
                    &[
                        "traceId",
                        "spanId",
                        "parentSpanId",
                        "name",
                        "kind",
                        "startTimeUnixNano",
                        "endTimeUnixNano",
                        "attributes",
                        "status",
                    ],
                );
                let kind = span.get("kind").map(|kind| match kind.as_u64() {
                    Some(1) => SpanKind::Internal,
                    Some(2) => SpanKind::Server,
                    Some(3) => SpanKind::Client,
                    other => panic!("kind {other:?}"),
                });
                let code = object(&span["status"], &["code", "message"]).get("code");
                let start_ns = int64(&span["startTimeUnixNano"]);
                spans.push(Span {
                    trace: hex(&span["traceId"], 32),
                    id: hex(&span["spanId"], 16) as u64,
                    parent: span.get("parentSpanId").map(|id| hex(id, 16) as u64),
                    service: text("service.name"),
                    operation: span["name"].as_str().unwrap().into(),
                    host: text("host.name"),
                    start_us: start_ns / 1000,
                    duration_us: (int64(&span["endTimeUnixNano"]) - start_ns) / 1000,
                    kind,
                    error: code.is_some_and(|code| code.as_u64() == Some(2)),
                    tags: attributes(&span["attributes"])
                        .into_iter()
                        .map(|(key, value)| (key.into(), tag(&value)))
                        .collect(),
                    received_ms: 0,
                });
            }
        }
    }
    spans
}

/// Compares a body with the spans it must hold, by Zipkin's `zipkin2-api.yaml`.
fn check_zipkin(body: &Value, expected: &[Span]) {
    let spans = body.as_array().unwrap();
    assert_eq!(spans.len(), expected.len());
    for (span, expected) in spans.iter().zip(expected) {
        let span = object(
            span,
            &["traceId", "id", "parentId", "name", "kind", "timestamp", "duration", "localEndpoint", "tags"],
        );
        let digits = if expected.trace >> 64 == 0 { 16 } else { 32 };
        assert_eq!(hex(&span["traceId"], digits), expected.trace);
        assert_eq!(hex(&span["id"], 16), u128::from(expected.id));
        let parent = span.get("parentId").map(|id| hex(id, 16) as u64);
        assert_eq!(parent, expected.parent);
        assert_eq!(span["name"], *expected.operation);
        let kind = match expected.kind {
            Some(SpanKind::Client) => Some("CLIENT"),
            Some(SpanKind::Server) => Some("SERVER"),
            _ => None,
        };
        assert_eq!(span.get("kind").and_then(Value::as_str), kind);
        assert_eq!(span["timestamp"].as_i64(), Some(expected.start_us));
        assert_eq!(span["duration"].as_i64(), Some(expected.duration_us.max(1)));
        assert_eq!(object(&span["localEndpoint"], &["serviceName"])["serviceName"], *expected.service);
        let tags = span["tags"].as_object().unwrap();
        assert!(tags.values().all(Value::is_string), "{tags:?}");
        assert_eq!(tags.contains_key("error"), expected.error);
        assert_eq!(tags["host.name"], *expected.host);
        let Tag::Int(status) = expected.tags[0].1 else { unreachable!() };
        assert_eq!(tags["http.status_code"], status.to_string());
        assert_eq!((&tags["ratio"], &tags["component"]), (&"0.5".into(), &"nginx \"x\"".into()));
    }
}

async fn export(settings: &Settings, spans: &[Span]) -> sagetop::lab::export::Counts {
    let exporter = Exporter::start(settings).unwrap();
    for span in spans {
        assert!(exporter.offer(span.clone()));
    }
    exporter.finish(Duration::from_secs(20)).await
}

#[tokio::test]
async fn otlp_arrives_whole_and_valid() {
    let collector = Collector::start(ok()).await;
    let spans = spans(1300);
    let counts = export(&collector.settings(Protocol::Otlp), &spans).await;
    assert_eq!((counts.sent, counts.failed, counts.dropped, counts.trouble), (1300, 0, 0, None));
    let seen = collector.seen();
    assert_eq!(seen.len(), 3, "in batches of 512");
    assert!(seen.iter().all(|(path, _)| path == "/base/v1/traces"));
    let mut arrived: Vec<Span> = seen.iter().flat_map(|(_, body)| otlp(body)).collect();
    arrived.sort_by_key(|span| span.id);
    assert_eq!(arrived, spans);
}

#[tokio::test]
async fn zipkin_arrives_whole_and_valid() {
    let collector = Collector::start(vec![(StatusCode::ACCEPTED, "", "")]).await;
    let spans = spans(700);
    let counts = export(&collector.settings(Protocol::Zipkin), &spans).await;
    assert_eq!((counts.sent, counts.failed, counts.dropped), (700, 0, 0));
    let seen = collector.seen();
    assert_eq!(seen.len(), 2);
    for ((path, body), expected) in seen.iter().zip(spans.chunks(512)) {
        assert_eq!(path, "/base/api/v2/spans");
        check_zipkin(body, expected);
    }
}

#[tokio::test]
async fn a_busy_collector_is_tried_again_and_gets_everything_once() {
    let mut script = vec![
        (StatusCode::SERVICE_UNAVAILABLE, "", "starting"),
        (StatusCode::TOO_MANY_REQUESTS, "1", "slow down"),
    ];
    script.extend(ok());
    let collector = Collector::start(script).await;
    let spans = spans(20);
    let counts = export(&collector.settings(Protocol::Otlp), &spans).await;
    assert_eq!((counts.sent, counts.failed, counts.retries), (20, 0, 2));
    assert!(counts.trouble.unwrap().contains("429"), "the last trouble is told");
    let bodies: Vec<Value> = collector.seen().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn what_will_not_be_taken_is_given_up_and_counted() {
    let bad = vec![(StatusCode::BAD_REQUEST, "", "traceId is too long")];
    let collector = Collector::start(bad).await;
    let counts = export(&collector.settings(Protocol::Zipkin), &spans(5)).await;
    assert_eq!((counts.sent, counts.failed, counts.retries, collector.seen().len()), (0, 5, 0, 1));
    assert!(counts.trouble.unwrap().contains("400 Bad Request: traceId is too long"));

    let down = vec![(StatusCode::BAD_GATEWAY, "", "")];
    let collector = Collector::start(down).await;
    let counts = export(&collector.settings(Protocol::Otlp), &spans(5)).await;
    assert_eq!((counts.sent, counts.failed, counts.retries, collector.seen().len()), (0, 5, 3, 4));

    let partly = r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#;
    let collector = Collector::start(vec![(StatusCode::OK, "", partly)]).await;
    let counts = export(&collector.settings(Protocol::Otlp), &spans(5)).await;
    assert_eq!((counts.sent, counts.failed), (3, 2));
    assert!(counts.trouble.unwrap().ends_with("turned down 2 spans: too old"));

    // Nobody listens there any more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings {
        url: format!("http://{}", listener.local_addr().unwrap()),
        ..collector.settings(Protocol::Otlp)
    };
    drop(listener);
    let counts = export(&settings, &spans(5)).await;
    assert_eq!((counts.sent, counts.failed, counts.retries), (0, 5, 3));
    assert!(counts.trouble.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_collector_that_hangs_costs_spans_but_no_time() {
    let collector = Collector::start(vec![(StatusCode::CONTINUE, "", "")]).await;
    let settings = Settings { queue: 10, batch: 5, ..collector.settings(Protocol::Otlp) };
    let exporter = Exporter::start(&settings).unwrap();
    let mut taken = 0;
    for span in spans(100) {
        taken += u64::from(exporter.offer(span));
        tokio::task::yield_now().await;
    }
    assert!((10..=15).contains(&taken), "the queue and one batch under way: {taken}");
    assert_eq!(exporter.counts().dropped, 100 - taken);
    let counts = exporter.finish(Duration::from_millis(50)).await;
    assert_eq!((counts.sent, counts.failed, counts.dropped), (0, 0, 100));
}

#[test]
fn an_exporter_that_cannot_start_says_why() {
    let start = |url: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _guard = runtime.enter();
        Exporter::start(&Settings::new(url, Protocol::Otlp)).unwrap_err()
    };
    for (url, why) in
        [("localhost:4318", "begins with localhost:"), ("4318", "relative URL"), ("file:///x", "file:")]
    {
        let text = start(url).to_string();
        assert!(text.contains(url) && text.contains(why), "{text}");
    }
    let error = Exporter::start(&Settings::new("http://localhost:4318", Protocol::Otlp)).unwrap_err();
    assert!(matches!(error, Error::NoRuntime));
}
