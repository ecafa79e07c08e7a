//! The two span decoders against fixtures: they must agree with each other and survive anything.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;

use proptest::prelude::*;

use super::decode::{Outcome, refusal_message};
use super::{legacy, v3};
use crate::telemetry::http::{Emit, Undecodable};
use crate::telemetry::types::{Span, SpanId, SpanKind, TraceId};

const LIMIT: u64 = 64 << 20;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/jaeger/", $name)).as_slice()
    };
}

type Decoder = for<'s, 'e> fn(&'s [u8], u64, Emit<'e, Vec<Span>>) -> Result<Outcome, Undecodable>;
const LEGACY: Decoder = |source, limit, emit| legacy::traces(source, limit, emit);
const V3: Decoder = |source, limit, emit| v3::traces(source, limit, emit);

fn decode(decoder: Decoder, body: &[u8]) -> (Vec<Vec<Span>>, Outcome) {
    let mut traces = Vec::new();
    let outcome = decoder(body, LIMIT, &mut |trace| {
        traces.push(trace);
        true
    });
    (traces, outcome.unwrap())
}

fn sorted(traces: Vec<Vec<Span>>) -> Vec<Span> {
    let mut spans = traces.concat();
    spans.sort_by_key(|span| (span.trace, span.id, span.kind as u8));
    spans
}

fn named<'s>(spans: &'s [Span], operation: &str) -> &'s Span {
    spans.iter().find(|span| span.operation.as_str() == operation).unwrap()
}

#[test]
fn recorded_traces_are_the_same_in_both_apis() {
    let (old, old_outcome) = decode(LEGACY, fixture!("recorded-legacy.json"));
    let (new, new_outcome) = decode(V3, fixture!("recorded-v3.json"));
    assert_eq!(old_outcome.stats, new_outcome.stats);
    assert_eq!((old_outcome.stats.traces, old_outcome.stats.spans), (4, 118));
    let (old, new) = (sorted(old), sorted(new));
    assert_eq!(old, new);
    let root = old.iter().find(|s| s.parent.is_none() && s.duration_ns > 0).unwrap();
    assert_eq!((root.service.as_str(), root.kind), ("frontend", SpanKind::Server));
    assert!(root.host.as_ref().unwrap().as_str().starts_with("frontend-"));
}

#[test]
fn odd_traces_are_the_same_in_both_apis() {
    let (old, old_outcome) = decode(LEGACY, fixture!("odd-legacy.json"));
    let (new, new_outcome) = decode(V3, fixture!("odd-v3.json"));
    assert_eq!(old_outcome.stats, new_outcome.stats);
    assert_eq!(sorted(old), sorted(new));
}

#[test]
fn spans_of_a_trace_come_together() {
    for (decoder, body) in [(LEGACY, fixture!("odd-legacy.json")), (V3, fixture!("odd-v3.json"))] {
        let (batches, outcome) = decode(decoder, body);
        let spans = batches.concat();
        let mut ids: Vec<TraceId> = spans.chunk_by(|a, b| a.trace == b.trace).map(|t| t[0].trace).collect();
        assert_eq!(ids.len(), outcome.stats.traces);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), outcome.stats.traces, "no trace comes in two parts");
    }
}

#[test]
fn structure_is_kept_as_sent() {
    let spans = sorted(decode(LEGACY, fixture!("odd-legacy.json")).0);
    // Without a root: the parent's id is kept although the parent is missing.
    let orphan = named(&spans, "orphan");
    assert_eq!((orphan.parent, orphan.warned), (Some(SpanId(0xff)), false));
    assert!(named(&spans, "child of the orphan").warned);
    // A client and a server that share an id are two spans.
    assert_eq!(spans.iter().filter(|span| span.id == SpanId(0xb01)).count(), 2);
    // Clocks are not corrected.
    let parent = named(&spans, "GET /");
    assert!(named(&spans, "starts before its parent").start_ns < parent.start_ns);
    assert!(named(&spans, "longer than its parent").duration_ns > parent.duration_ns);
    let handle = named(&spans, "handle");
    assert_eq!((handle.parent, handle.follows, handle.kind), (Some(SpanId(0xd01)), true, SpanKind::Consumer));
    let both = named(&spans, "both references");
    assert_eq!((both.parent, both.follows), (Some(SpanId(0xd02)), false));
    let other = named(&spans, "follows another trace");
    assert_eq!((other.parent, other.follows), (None, false));
    assert_eq!(named(&spans, "old tracer").trace, TraceId(0x00f0_67aa_0ba9_02b7));
    let bare = named(&spans, "no tags at all");
    assert_eq!((bare.kind, bare.error, &bare.peer), (SpanKind::Internal, false, &None));
    assert!(spans.iter().any(|span| span.operation.as_str() == "\\e[31mred\\e[0m\\u{202e}"));
}

#[test]
fn hosts_and_nodes() {
    let spans = sorted(decode(V3, fixture!("odd-v3.json")).0);
    let text = |clean: &Option<crate::domain::Clean>| clean.as_ref().map(ToString::to_string);
    let frontend = named(&spans, "GET /");
    assert_eq!(text(&frontend.host).as_deref(), Some("worker-1"));
    assert_eq!(text(&frontend.node).as_deref(), Some("worker-1"));
    // Another service on the same host shares its clock.
    assert_eq!(named(&spans, "orphan").host, frontend.host);
    assert_eq!(text(&named(&spans, "handle").host).as_deref(), Some("orders-5f-1"));
    // Everybody is localhost.
    assert_eq!(named(&spans, "no tags at all").host, None);
}

#[test]
fn errors_in_all_spellings() {
    let spans = sorted(decode(LEGACY, fixture!("odd-legacy.json")).0);
    for operation in
        ["text true", "bool true", "status error", "client 404 is not", "server 503", "grpc 14", "error type"]
    {
        assert!(named(&spans, operation).error, "{operation}");
    }
    for operation in ["server 404 is fine", "rpc OK", "status ok outranks the code", "text false"] {
        assert!(!named(&spans, operation).error, "{operation}");
    }
}

#[test]
fn peers_in_all_spellings() {
    let spans = sorted(decode(V3, fixture!("odd-v3.json")).0);
    for (operation, peer) in [
        ("no server child", Some("ledger")),
        ("new beats old", Some("new")),
        ("database", Some("mysql/carts")),
        ("cache", Some("redis")),
        ("name without port", Some("pay.example")),
        ("address with port", Some("10.1.2.3:8443")),
        ("url", Some("ship.example")),
        ("publish", Some("kafka/orders")),
        ("a server has no peer", None),
        ("nobody", None),
    ] {
        let found = named(&spans, operation).peer.as_ref().map(|p| p.as_str());
        assert_eq!(found, peer, "{operation}");
    }
}

#[test]
fn legacy_spellings() {
    let (traces, outcome) = decode(LEGACY, fixture!("legacy-spellings.json"));
    let spans = traces.concat();
    let text = named(&spans, "numbers as text");
    assert_eq!(
        (text.id, text.start_ns, text.duration_ns),
        (SpanId(0xa1), 1_795_316_400_000_000_000, 1_500_000)
    );
    assert_eq!((text.kind, text.service.as_str()), (SpanKind::Client, "old"));
    let negative = named(&spans, "deprecated parent, negative duration");
    assert_eq!((negative.parent, negative.duration_ns, negative.warned), (Some(SpanId(0xa1)), 0, true));
    assert_eq!(negative.service.as_str(), "unknown_service", "its process is missing");
    let extreme = named(&spans, "extremes");
    assert_eq!((extreme.start_ns, extreme.service.as_str()), (0, "embedded"));
    assert_eq!(extreme.duration_ns, u64::MAX);
    assert_eq!(outcome.stats.traces, 1, "a trace without spans does not count");
    let told: Vec<_> = outcome.stats.warnings.iter().map(|w| w.as_str()).collect();
    assert_eq!(told, ["trace is incomplete", "1 spans without a valid id were skipped"]);
    assert_eq!(outcome.errors[0].as_str(), "one shard failed");
}

#[test]
fn v3_spellings_and_chunked_streams() {
    let (traces, outcome) = decode(V3, fixture!("v3-spellings.json"));
    assert_eq!(outcome.stats.traces, 1, "base64 and hex are the same trace");
    let spans = traces.concat();
    let base64 = named(&spans, "base64 ids, kind as text");
    assert_eq!((base64.id, base64.kind), (SpanId(0xeee1_9b7e_c3c1_b174), SpanKind::Server));
    assert_eq!((base64.start_ns, base64.duration_ns), (1_795_316_400_123_456_789, 640_000_000));
    assert_eq!(base64.service.as_str(), "late-name", "the resource came after its spans");
    let plain = named(&spans, "no kind");
    assert_eq!((plain.kind, plain.parent, plain.duration_ns), (SpanKind::Internal, None, 1));
    let backwards = named(&spans, "ends before it starts");
    assert_eq!((backwards.duration_ns, backwards.warned, backwards.error), (0, true, true));
    assert_eq!((backwards.kind, backwards.parent), (SpanKind::Server, None));
    let second = named(&spans, "second chunk of a stream");
    assert_eq!((second.kind, second.service.as_str()), (SpanKind::Consumer, "unknown_service"));
    assert_eq!(outcome.stats.warnings[0].as_str(), "2 spans without a valid id were skipped");
}

#[test]
fn refusals_of_both_apis() {
    let told = |body| refusal_message(body).map(|m| m.to_string());
    assert_eq!(told(fixture!("v3-none.json")).as_deref(), Some("No traces found"));
    assert_eq!(told(fixture!("legacy-bad-request.json")).as_deref(), Some("parameter 'service' is required"));
    assert!(told(fixture!("v3-bad-request.json")).unwrap().starts_with("query.startTimeMin"));
    assert_eq!(told(fixture!("wrong-base-path.html")), None);
}

/// A trace of 50,000 spans, each the child of the one before.
fn long_trace() -> String {
    let mut body = String::from(r#"{"data":[{"traceID":"77","spans":["#);
    for i in 1..=50_000 {
        let comma = if i == 1 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"traceID":"77","spanID":"{i:x}","operationName":"step","references":[{{"refType":"CHILD_OF","traceID":"77","spanID":"{:x}"}}],"startTime":{i},"duration":1,"tags":[],"processID":"p1"}}"#,
            i - 1
        )
        .unwrap();
    }
    body + r#"],"processes":{"p1":{"serviceName":"deep"}}}]}"#
}

#[test]
fn a_trace_of_50_000_spans() {
    let (traces, outcome) = decode(LEGACY, long_trace().as_bytes());
    assert_eq!((outcome.stats.traces, outcome.stats.spans), (1, 50_000));
    let first = traces[0][0].operation.as_str();
    assert!(std::ptr::eq(first, traces[0][49_999].operation.as_str()), "names are shared");
}

#[test]
fn a_flood_of_empty_spans_is_refused() {
    let body = long_trace();
    // What is kept at once is bounded by the cap on bytes, however small the spans are.
    let outcome = LEGACY(body.as_bytes(), 1 << 20, &mut |_| true);
    assert!(matches!(outcome, Err(Undecodable::TooMuch)));
}

#[test]
fn the_decoder_stops_when_nobody_listens() {
    for (decoder, body) in [(LEGACY, fixture!("odd-legacy.json")), (V3, fixture!("odd-v3.json"))] {
        let mut calls = 0;
        let outcome = decoder(body, LIMIT, &mut |_| {
            calls += 1;
            false
        });
        assert!(outcome.is_err());
        assert_eq!(calls, 1);
    }
}

#[test]
fn every_truncation_is_an_error_and_no_panic() {
    for (decoder, body) in [
        (LEGACY, fixture!("odd-legacy.json")),
        (V3, fixture!("odd-v3.json")),
        (LEGACY, fixture!("legacy-spellings.json")),
    ] {
        let body = body.trim_ascii_end();
        for end in (0..body.len()).step_by(7) {
            assert!(decoder(&body[..end], LIMIT, &mut |_| true).is_err(), "{end}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (LEGACY(&body, LIMIT, &mut |_| true), V3(&body, LIMIT, &mut |_| true));
    }

    #[test]
    fn damaged_answers_never_panic(at in 0usize..10_000, byte: u8, swap in 0usize..10_000) {
        for (decoder, body) in [(LEGACY, fixture!("odd-legacy.json")), (V3, fixture!("odd-v3.json"))] {
            let mut body = body.to_vec();
            let (at, swap) = (at % body.len(), swap % body.len());
            body[at] = byte;
            body.swap(at / 2, swap);
            let _ = decoder(&body, LIMIT, &mut |_| true);
        }
    }

    #[test]
    fn any_numbers_make_a_span(start: i64, duration: i64, kind: i64, float: f64) {
        let legacy = format!(
            r#"{{"data":[{{"spans":[{{"traceID":"1","spanID":"1","startTime":{start},"duration":{duration},
            "tags":[{{"key":"http.status_code","value":{}}}]}}]}}]}}"#,
            serde_json::Number::from_f64(float).map_or("null".into(), |n| n.to_string())
        );
        prop_assert_eq!(decode(LEGACY, legacy.as_bytes()).1.stats.spans, 1);
        let v3 = format!(
            r#"{{"result":{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"1","spanId":"1",
            "startTimeUnixNano":"{start}","endTimeUnixNano":{duration},"kind":{kind}}}]}}]}}]}}}}"#
        );
        let (traces, outcome) = decode(V3, v3.as_bytes());
        prop_assert_eq!(outcome.stats.spans, 1);
        let (start, end) = (u64::try_from(start).unwrap_or(0), u64::try_from(duration).unwrap_or(0));
        prop_assert_eq!(traces[0][0].duration_ns, end.saturating_sub(start));
    }
}
