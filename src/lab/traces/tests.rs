//! The store against a plain list of the same spans.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::block::BLOCK_SPANS;
use super::*;

const DAY: Duration = Duration::from_secs(86_400);
/// The first span's start.
const START_MS: i64 = 1_795_316_400_000;

/// Spans of traces that overlap, one started every 40 ms; some are late by up to a minute.
fn spans(count: usize, seed: u64) -> Vec<Span> {
    let mut rng = StdRng::seed_from_u64(seed);
    let names: Vec<Text> = (0..8).map(|i| Text::from(format!("service-{i}"))).collect();
    let hosts: Vec<Text> = (0..24).map(|i| Text::from(format!("service-{}-{}", i % 8, i / 8))).collect();
    let status: Text = "http.status_code".into();
    let component: Text = "component".into();
    let span = |i: usize| {
        let trace = (i / 10).saturating_sub(rng.random_range(0..3));
        let service = rng.random_range(0..8usize);
        let start_us = START_MS * 1000 + i as i64 * 40_000 + rng.random_range(-5000..5000);
        let late = if rng.random_bool(0.02) { rng.random_range(0..60_000) } else { 200 };
        let error = rng.random_bool(0.05);
        let code = Tag::Int(if error { 500 } else { 200 });
        let kind = [None, Some(SpanKind::Client), Some(SpanKind::Server)][rng.random_range(0..3usize)];
        Span {
            trace: trace as u128 + 1,
            id: i as u64 + 1,
            parent: (!i.is_multiple_of(10)).then_some(i as u64),
            service: names[service].clone(),
            operation: names[rng.random_range(0..3)].clone(),
            host: hosts[service + 8 * rng.random_range(0..3usize)].clone(),
            start_us,
            duration_us: rng.random_range(0..10_000),
            kind,
            error,
            tags: vec![(status.clone(), code), (component.clone(), Tag::Text("lab".into()))],
            received_ms: start_us / 1000 + late,
        }
    };
    (0..count).map(span).collect()
}

fn store(spans: &[Span]) -> TraceStore {
    let mut store = TraceStore::new(DAY);
    spans.iter().cloned().for_each(|span| store.push(span));
    store
}

fn query(service: &str) -> Query {
    Query {
        service: service.into(),
        operation: None,
        tags: Vec::new(),
        start_us: 0..=i64::MAX,
        duration_us: 0..=i64::MAX,
        limit: usize::MAX,
    }
}

fn has(span: &Span, key: &str, value: &str) -> bool {
    match key {
        "span.kind" => span.kind.is_some_and(|kind| kind.word() == value),
        "error" => span.error && value == "true",
        "http.status_code" => span.tags[0].1 == Tag::Int(value.parse().unwrap()),
        _ => &*span.host == value,
    }
}

/// What a search must find, by reading every span.
fn expected(spans: &[Span], query: &Query, now_ms: i64) -> Vec<u128> {
    let mut found = Vec::new();
    for span in spans.iter().rev().filter(|span| span.received_ms <= now_ms) {
        let matches = span.service == query.service
            && query.operation.as_ref().is_none_or(|operation| *operation == span.operation)
            && query.tags.iter().all(|(key, value)| has(span, key, value))
            && query.start_us.contains(&span.start_us)
            && query.duration_us.contains(&span.duration_us);
        if matches && !found.contains(&span.trace) && found.len() < query.limit {
            found.push(span.trace);
        }
    }
    found
}

#[test]
fn a_trace_comes_back_as_it_was_pushed_once_it_is_there() {
    let spans = spans(BLOCK_SPANS + 300, 1);
    let store = store(&spans);
    assert_eq!(store.len(), spans.len());
    let mut rng = StdRng::seed_from_u64(2);
    let last = spans.iter().map(|span| span.trace).max().unwrap();
    // Across the border between the blocks as well.
    let border = spans[BLOCK_SPANS].trace;
    let some: Vec<u128> = (0..200).map(|_| rng.random_range(1..=last)).collect();
    let mut late = 0;
    for trace in some.into_iter().chain(border - 2..=border + 2) {
        let all: Vec<&Span> = spans.iter().filter(|span| span.trace == trace).collect();
        let Some(first) = all.first() else { continue };
        for now_ms in [first.start_us / 1000 + 500, i64::MAX] {
            let there: Vec<Span> =
                all.iter().filter(|span| span.received_ms <= now_ms).map(|span| (*span).clone()).collect();
            late += all.len() - there.len();
            let found: Vec<Span> = store.trace(trace, now_ms).into_iter().map(Span::from).collect();
            assert_eq!(found, there);
        }
    }
    assert!(late > 0, "some spans were not there yet");
    assert!(store.trace(last + 1, i64::MAX).is_empty());
}

#[test]
fn searches_find_what_reading_everything_finds() {
    let spans = spans(BLOCK_SPANS + 2000, 3);
    let store = store(&spans);
    let mut rng = StdRng::seed_from_u64(4);
    let end_us = spans.last().unwrap().start_us;
    let mut sizes = BTreeSet::new();
    for _ in 0..60 {
        let mut query = query(&format!("service-{}", rng.random_range(0..9)));
        query.operation = rng.random_bool(0.5).then(|| format!("service-{}", rng.random_range(0..4)).into());
        for (key, values) in [
            ("span.kind", ["client", "server"]),
            ("error", ["true", "false"]),
            ("http.status_code", ["200", "500"]),
            ("hostname", ["service-1-0", "service-2-2"]),
        ] {
            if rng.random_bool(0.2) {
                query.tags.push((key.into(), values[rng.random_range(0..2usize)].into()));
            }
        }
        let from = end_us - rng.random_range(0..700_000_000);
        query.start_us = from..=from + rng.random_range(0..700_000_000);
        query.duration_us = rng.random_range(0..5000)..=rng.random_range(5000..10_000);
        query.limit = rng.random_range(1..100);
        let now_ms = end_us / 1000 + rng.random_range(-300_000..61_000);
        let found = store.search(&query, now_ms);
        assert_eq!(found, expected(&spans, &query, now_ms), "{query:?} at {now_ms}");
        sizes.insert(found.len());
    }
    assert!(sizes.len() > 10, "the searches tell something: {sizes:?}");
}

#[test]
fn names_appear_when_their_first_span_does() {
    let text = |name: &str| Text::from(name);
    let mut spans = spans(2, 5);
    (spans[0].service, spans[0].operation, spans[0].kind) = (text("b"), text("get"), Some(SpanKind::Server));
    (spans[1].service, spans[1].operation, spans[1].kind) = (text("a"), text("set"), None);
    (spans[0].received_ms, spans[1].received_ms) = (20, 10);
    let store = store(&spans);
    assert!(store.services(9).is_empty());
    assert_eq!(store.services(10), [text("a")]);
    assert_eq!(store.services(20), [text("a"), text("b")]);
    assert!(store.operations("b", 19).is_empty());
    let get = Operation { name: text("get"), kind: Some(SpanKind::Server) };
    assert_eq!(store.operations("b", 20), [get]);
    assert!(store.operations("c", 20).is_empty());
}

#[test]
fn dependencies_count_the_calls_of_whole_traces() {
    let spans = spans(5000, 6);
    let store = store(&spans);
    let range = spans[1000].start_us..=spans[4000].start_us;
    let now_ms = spans[4500].received_ms;
    let mut edges = Edges::new();
    let there: Vec<&Span> = spans.iter().filter(|span| span.received_ms <= now_ms).collect();
    for trace in there.iter().map(|span| span.trace).collect::<BTreeSet<_>>() {
        let of: Vec<&&Span> = there.iter().filter(|span| span.trace == trace).collect();
        let inside = |span: &&&Span| {
            range.contains(&span.start_us) && span.start_us + span.duration_us <= *range.end()
        };
        if of.iter().all(inside) {
            for span in &of {
                if let Some(parent) = of.iter().find(|other| Some(other.id) == span.parent) {
                    *edges.entry((parent.service.clone(), span.service.clone())).or_default() += 1;
                }
            }
        }
    }
    assert_eq!(store.dependencies(range, now_ms), edges);
    let calls: u64 = edges.values().sum();
    assert!(calls > 300, "{calls}");
}

#[test]
fn what_is_too_old_goes_with_all_its_traces() {
    let spans = spans(4 * BLOCK_SPANS, 7);
    // A block is eleven minutes.
    let mut store = TraceStore::new(Duration::from_secs(15 * 60));
    spans.iter().cloned().for_each(|span| store.push(span));
    assert_eq!(store.len(), 3 * BLOCK_SPANS, "the first block is too old, the second not wholly");
    let kept = &spans[BLOCK_SPANS..];
    let traces: BTreeSet<u128> = kept.iter().map(|span| span.trace).collect();
    assert_eq!(store.newest.len(), traces.len());
    assert!(store.trace(spans[0].trace, i64::MAX).is_empty());
    // A trace that began in the dropped block keeps its later spans.
    let cut =
        spans[..BLOCK_SPANS].iter().map(|span| span.trace).find(|trace| traces.contains(trace)).unwrap();
    let found: Vec<Span> = store.trace(cut, i64::MAX).into_iter().map(Span::from).collect();
    let rest: Vec<Span> = kept.iter().filter(|span| span.trace == cut).cloned().collect();
    assert_eq!(found, rest);
    let found = store.search(&query("service-1"), i64::MAX);
    assert_eq!(found.len(), expected(kept, &query("service-1"), i64::MAX).len());
}

#[test]
fn a_span_takes_less_than_a_hundred_bytes() {
    let spans = spans(6 * BLOCK_SPANS, 8);
    let store = store(&spans);
    let each = store.bytes() as f64 / store.len() as f64;
    assert!((64.0..100.0).contains(&each), "{each} bytes a span");
}

#[test]
fn odd_values_find_themselves_again() {
    let mut span = spans(1, 9).remove(0);
    span.tags = vec![("x".into(), Tag::Float(f64::NAN)), ("y".into(), Tag::Bool(true))];
    let mut store = TraceStore::new(DAY);
    for id in 1..=3 {
        store.push(Span { id, ..span.clone() });
    }
    assert_eq!(store.blocks[0].heads().count(), 1);
    let mut with = query(&span.service);
    with.tags = vec![("y".into(), "true".into())];
    assert_eq!(store.search(&with, i64::MAX), [span.trace]);
    with.tags = vec![("y".into(), "yes".into())];
    assert!(store.search(&with, i64::MAX).is_empty());
}
