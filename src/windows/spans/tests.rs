//! Quantiles and clocks by hand, and what holds for spans of any kind.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::Party;
use crate::telemetry::{SpanId, SpanKind};
use crate::windows::trace::tests::span;
use SpanKind::{Client, Server};

const WINDOW: Window = Window { start_ns: 0, end_ns: 60_000_000_000, known_ns: 90_000_000_000 };

fn cells(spans: impl IntoIterator<Item = Span>) -> Cells {
    cells_with(&WindowSettings::default(), spans)
}

fn cells_with(settings: &WindowSettings, spans: impl IntoIterator<Item = Span>) -> Cells {
    let names = NameMap::new([("cartservice".into(), "cart".into())]);
    let mut window = Aggregator::new(WINDOW, settings, &names, &[Quantile(500), Quantile(950)]);
    for span in spans {
        window.push(span);
    }
    window.finish(60)
}

fn of_trace(trace: u128, spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    spans.into_iter().map(|s| Span { trace: TraceId(trace), ..s }).collect()
}

/// One call of web → cart: client 10..10+client ms, server `server` ms, starting after `request` ms.
fn call(trace: u128, client: u64, server: u64, request: i64) -> Vec<Span> {
    of_trace(
        trace,
        [
            span(1, 0, "web", Server, 1000, 2000),
            span(2, 1, "web", Client, 1010, client),
            span(3, 2, "cartservice", Server, (1010 + request) as u64, server),
        ],
    )
}

fn value(cells: &Cells, rpc: &Rpc, side: Side, stat: Stat) -> Option<f32> {
    cells.get(60, &Column::Latency { rpc: rpc.clone(), side, stat })
}

const P50: Stat = Stat::Quantile(Quantile(500));
const P90: Stat = Stat::Quantile(Quantile(900));

fn edge() -> Rpc {
    Rpc::edge(&"web".into(), &"cart".into())
}

#[test]
fn quantiles_interpolate_between_ranks() {
    let sorted = [10.0, 20.0, 40.0];
    assert_eq!(quantile(&sorted, Quantile(500)), Some(20.0));
    assert_eq!(quantile(&sorted, Quantile(900)), Some(36.0));
    assert_eq!(quantile(&sorted, Quantile(1000)), Some(40.0));
    assert_eq!(quantile(&[7.0], Quantile(990)), Some(7.0));
    assert_eq!(quantile(&[], Quantile(990)), None);
}

#[test]
fn a_call_has_five_sides() {
    // client 20, 30, 50 ms; server 10, 10, 20 ms; request delay 4, 5, 6 ms.
    let spans = [call(1, 20, 10, 4), call(2, 30, 10, 5), call(3, 50, 20, 6)].concat();
    let cells = cells(spans);
    let get = |side, stat| value(&cells, &edge(), side, stat);
    assert_eq!((get(Side::Client, P50), get(Side::Client, P90)), (Some(30.0), Some(46.0)));
    assert_eq!((get(Side::Server, P50), get(Side::Server, Stat::Count)), (Some(10.0), Some(3.0)));
    assert_eq!(get(Side::Network, P50), Some(20.0), "of 10, 20, 30");
    assert_eq!((get(Side::Request, P50), get(Side::Response, P50)), (Some(5.0), Some(15.0)), "of 6, 15, 24");
    let entry = Rpc::entry(&"web".into(), Some(&"op1".into()));
    assert_eq!(value(&cells, &entry, Side::Client, P50), Some(2000.0));
    assert_eq!(value(&cells, &entry, Side::Server, Stat::Count), Some(3.0));
    // The quantile of an SLO is there for its requests, and for these alone.
    let p95 = Stat::Quantile(Quantile(950));
    assert_eq!((value(&cells, &entry, Side::Client, p95), get(Side::Client, p95)), (Some(2000.0), None));
    assert_eq!(value(&cells, &Rpc::entry(&"web".into(), None), Side::Client, Stat::Count), Some(3.0));
    assert_eq!(value(&cells, &Rpc::served_by(&"cart".into()), Side::Server, P50), Some(10.0));
}

#[test]
fn one_impossible_delay_discredits_the_clocks_of_the_edge() {
    let spans = [call(1, 20, 10, 4), call(2, 20, 10, -3)].concat();
    let cells = cells(spans);
    assert_eq!(value(&cells, &edge(), Side::Request, P50), None);
    assert_eq!(value(&cells, &edge(), Side::Response, P50), None);
    assert_eq!(value(&cells, &edge(), Side::Network, P50), Some(10.0), "durations need no common clock");
}

#[test]
fn one_clock_is_trusted_and_noise_is_zero() {
    let same_host = |spans: Vec<Span>| spans.into_iter().map(|s| Span { host: Some("h".into()), ..s });
    let spans: Vec<_> = same_host(call(1, 20, 10, 4)).chain(call(2, 20, 10, -3)).collect();
    let cells_ = cells(spans);
    assert_eq!(value(&cells_, &edge(), Side::Request, Stat::Count), Some(1.0));
    assert_eq!(value(&cells_, &edge(), Side::Request, P50), Some(4.0));
    // Half a millisecond early is rounding: no delay, and no reason for distrust.
    let mut spans = call(1, 20, 10, 0);
    spans[2].start_ns -= 500_000;
    let cells_ = cells(spans);
    assert_eq!(value(&cells_, &edge(), Side::Request, P50), Some(0.0));
    assert_eq!(value(&cells_, &edge(), Side::Response, P50), Some(10.5));
}

#[test]
fn spans_that_the_backend_moved_tell_durations_only() {
    let moved = call(1, 20, 10, 4).into_iter().map(|s| Span { warned: s.id == SpanId(3), ..s });
    let cells = cells(moved);
    assert_eq!(value(&cells, &edge(), Side::Network, P50), Some(10.0));
    assert_eq!(value(&cells, &edge(), Side::Request, P50), None);
}

#[test]
fn spans_tell_where_services_run() {
    let placed = call(1, 20, 10, 4).into_iter().map(|s| Span { node: Some("n1".into()), ..s });
    let cells = cells(placed);
    let (cart, web, n1) = ("cart".into(), "web".into(), "n1".into());
    let range = crate::windows::cells::Ends { after: 0, until: 60 };
    assert_eq!(cells.placements(range, 60), [(&cart, &n1, 60, 60), (&web, &n1, 60, 60)]);
}

#[test]
fn a_server_that_outlives_the_call_leaves_the_network_unknown() {
    let cells = cells(call(1, 20, 500, 4));
    assert_eq!(value(&cells, &edge(), Side::Client, P50), Some(20.0));
    assert_eq!(value(&cells, &edge(), Side::Server, P50), Some(500.0));
    assert_eq!(value(&cells, &edge(), Side::Network, P50), None);
    assert_eq!(value(&cells, &edge(), Side::Request, P50), None);
}

#[test]
fn a_trace_belongs_to_the_window_of_its_root() {
    let late: Vec<_> =
        call(2, 20, 10, 4).into_iter().map(|s| Span { start_ns: s.start_ns + 59_500_000_000, ..s }).collect();
    assert_eq!(value(&cells(call(1, 20, 10, 4)), &edge(), Side::Client, Stat::Count), Some(1.0));
    assert!(cells(late).is_empty(), "its root starts at 60.5 s");
}

#[test]
fn spans_that_end_later_are_not_known_yet() {
    let mut spans = call(1, 20, 10, 4);
    spans[0].duration_ns = 100_000_000_000;
    let cells = cells(spans);
    assert_eq!(value(&cells, &edge(), Side::Client, P50), Some(20.0));
    assert_eq!(value(&cells, &Rpc::entry(&"web".into(), None), Side::Client, P50), None);
    let callers: Vec<_> = cells
        .columns()
        .filter(|c| matches!(c, Column::Latency { rpc, .. } if rpc.caller == Party::User))
        .collect();
    assert!(callers.is_empty(), "nothing below the unfinished root is a request from outside: {callers:?}");
}

#[test]
fn a_trace_found_by_two_searches_counts_once() {
    let spans = [call(1, 20, 10, 4), call(2, 20, 10, 4), call(1, 20, 10, 4)].concat();
    assert_eq!(value(&cells(spans), &edge(), Side::Client, Stat::Count), Some(2.0));
}

#[test]
fn operations_are_told_apart_on_request() {
    let settings = WindowSettings { granularity: Granularity::Operation, ..WindowSettings::default() };
    let cells = cells_with(&settings, call(1, 20, 10, 4));
    let rpc = Rpc { operation: Some("op3".into()), ..edge() };
    assert_eq!(value(&cells, &rpc, Side::Server, P50), Some(10.0));
    assert_eq!(value(&cells, &edge(), Side::Server, P50), None);
}

fn any_span() -> impl Strategy<Value = Span> {
    let kind = prop_oneof![
        Just(SpanKind::Internal),
        Just(Server),
        Just(Client),
        Just(SpanKind::Producer),
        Just(SpanKind::Consumer)
    ];
    let service = prop_oneof![Just("a"), Just("b"), Just("c")];
    let number = prop_oneof![0..100_000_000u64, Just(0), Just(u64::MAX), any::<u64>()];
    let ids = (0..3u128, 0..12u64, proptest::option::of(0..12u64));
    (ids, kind, service, number.clone(), number, any::<[bool; 3]>()).prop_map(
        |((trace, id, parent), kind, service, start_ns, duration_ns, [follows, host, peer])| Span {
            trace: TraceId(trace),
            parent: parent.map(SpanId),
            follows,
            start_ns,
            duration_ns,
            host: host.then(|| "h".into()),
            peer: peer.then(|| "peer".into()),
            ..span(id, 0, service, kind, 0, 0)
        },
    )
}

proptest! {
    #[test]
    fn any_spans_give_sound_latencies(mut spans in proptest::collection::vec(any_span(), 0..40)) {
        spans.sort_by_key(|s| s.trace);
        let settings = WindowSettings::default();
        let names = NameMap::default();
        let everything = Window { start_ns: 0, end_ns: u64::MAX, known_ns: u64::MAX };
        let mut window = Aggregator::new(everything, &settings, &names, &settings.quantiles);
        for span in spans {
            window.push(span);
        }
        let cells = window.finish(60);
        for (_, row) in cells.rows() {
            let row: HashMap<&Column, f32> =
                row.iter().map(|(ix, value)| (cells.columns().nth(*ix).unwrap(), *value)).collect();
            for (column, value) in &row {
                prop_assert!(value.is_finite() && *value >= 0.0, "{column:?} = {value}");
                let Column::Latency { rpc, side, stat: Stat::Quantile(Quantile(500)) } = column else { continue };
                let at = |q| row[&Column::Latency { rpc: rpc.clone(), side: *side, stat: Stat::Quantile(Quantile(q)) }];
                prop_assert!(at(500) <= at(900) && at(900) <= at(990), "{column:?}");
            }
        }
    }

    #[test]
    fn quantiles_are_ordered_and_within_the_values(mut values in proptest::collection::vec(0.0..1e9f64, 1..50)) {
        values.sort_by(f64::total_cmp);
        let q = |q| quantile(&values, Quantile(q)).unwrap();
        prop_assert!(values[0] <= q(500) && q(500) <= q(900) && q(900) <= q(990) && q(990) <= values[values.len() - 1]);
    }
}
