//! Every wart of spans, with the facts computed by hand.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::telemetry::{SpanId, SpanKind, TraceId};

/// A span of `service` named like its id; times in milliseconds.
pub(crate) fn span(id: u64, parent: u64, service: &str, kind: SpanKind, start: u64, duration: u64) -> Span {
    Span {
        trace: TraceId(1),
        id: SpanId(id),
        parent: (parent != 0).then_some(SpanId(parent)),
        follows: false,
        service: service.into(),
        operation: Clean::new(&format!("op{id}")),
        kind,
        start_ns: start * 1_000_000,
        duration_ns: duration * 1_000_000,
        host: Some(Clean::new(service)),
        node: None,
        peer: None,
        error: false,
        warned: false,
    }
}

use SpanKind::{Client, Consumer, Internal, Producer, Server};

/// Facts as short lines, sorted: `a>b client/server way total,request,response`.
fn told(spans: &[Span]) -> Vec<String> {
    told_cut(spans, false)
}

fn told_cut(spans: &[Span], cut: bool) -> Vec<String> {
    let ms = |ns: u64| ns / 1_000_000;
    let opt = |ns: Option<u64>| ns.map_or("-".to_owned(), |ns| ms(ns).to_string());
    let mut lines = Vec::new();
    facts(spans, cut, &mut |fact| {
        lines.push(match fact {
            Fact::Call { caller, callee, operation, client, server, way } => {
                let way = way.map_or(String::new(), |w| {
                    let ms = |ns: i64| ns / 1_000_000;
                    format!(" way {},{},{}", ms(w.total), ms(w.request), ms(w.response))
                });
                format!("{caller}>{callee} {operation} {}/{}{way}", opt(client), opt(server))
            }
            Fact::Served { service, server } => format!("served {service} {}", ms(server)),
            Fact::Entry { service, operation, server } => {
                format!("entry {service} {operation} {}", ms(server))
            }
        });
    });
    lines.sort();
    lines
}

#[test]
fn a_plain_call() {
    let spans = [
        span(1, 0, "web", Server, 0, 100),
        span(2, 1, "web", Client, 10, 50),
        span(3, 2, "cart", Server, 15, 30),
    ];
    assert_eq!(
        told(&spans),
        ["entry web op1 100", "served cart 30", "served web 100", "web>cart op3 50/30 way 20,5,15"]
    );
}

#[test]
fn a_missing_root_leaves_the_rest_standing() {
    // The earliest span is a client's: the server span above it got lost, so nothing is an entry.
    let spans = [span(2, 1, "web", Client, 10, 50), span(3, 2, "cart", Server, 15, 30)];
    assert_eq!(told(&spans), ["served cart 30", "web>cart op3 50/30 way 20,5,15"]);
    // The caller is uninstrumented but passes its context on: the first server span is the entry.
    let spans = [
        span(2, 1, "web", Server, 0, 90),
        span(3, 2, "web", Client, 10, 50),
        span(4, 3, "cart", Server, 15, 30),
        span(6, 5, "db", Server, 20, 5),
    ];
    let entries =
        |lines: Vec<String>| lines.into_iter().filter(|l| l.starts_with("entry")).collect::<Vec<_>>();
    assert_eq!(entries(told(&spans)), ["entry web op2 90"], "db only lost its parent");
    assert!(entries(told_cut(&spans, true)).is_empty(), "the parent may still be running");
}

#[test]
fn shared_span_ids() {
    // One id for both sides; what hangs below belongs to the side of its own service.
    let spans = [
        span(1, 0, "web", Server, 0, 100),
        span(2, 1, "web", Client, 10, 50),
        span(2, 1, "cart", Server, 15, 30),
        Span { peer: Some("redis".into()), ..span(3, 2, "cart", Client, 16, 9) },
    ];
    assert_eq!(
        told(&spans),
        [
            "cart>redis op3 9/-",
            "entry web op1 100",
            "served cart 30",
            "served web 100",
            "web>cart op2 50/30 way 20,5,15"
        ]
    );
}

#[test]
fn spans_exported_twice_count_once() {
    let server = span(3, 2, "cart", Server, 15, 30);
    let spans =
        [span(1, 0, "web", Server, 0, 100), span(2, 1, "web", Client, 10, 50), server.clone(), server];
    assert_eq!(told(&spans).len(), 4);
}

#[test]
fn skewed_and_overlong_children() {
    // The callee's clock is 20 ms behind, and it went on after the caller had given up.
    let spans = [
        span(1, 0, "web", Server, 100, 100),
        span(2, 1, "web", Client, 110, 50),
        span(3, 2, "cart", Server, 90, 80),
    ];
    assert!(told(&spans).contains(&"web>cart op3 50/80 way -30,-20,-10".to_owned()), "{:?}", told(&spans));
}

#[test]
fn followers_and_messages_are_off_the_path() {
    let follower = |s: Span| Span { follows: true, ..s };
    let spans = [
        span(1, 0, "web", Server, 0, 100),
        follower(span(2, 1, "web", Client, 10, 50)),
        span(3, 2, "cart", Server, 15, 30),
        span(4, 1, "web", Producer, 20, 1),
        span(5, 4, "mail", Consumer, 30, 500),
        span(6, 5, "mail", Client, 40, 20),
        span(7, 6, "smtp", Server, 45, 10),
        span(8, 4, "audit", Internal, 30, 40),
    ];
    assert_eq!(
        told(&spans),
        [
            "entry web op1 100",
            // What the consumer itself waits for is a call like any other; it is no entry, though.
            "mail>smtp op7 20/10 way 10,5,5",
            "served cart 30",
            "served smtp 10",
            "served web 100",
        ]
    );
    let spans = [span(1, 0, "web", Server, 0, 100), follower(span(3, 1, "cart", Server, 15, 30))];
    assert_eq!(told(&spans), ["entry web op1 100", "served cart 30", "served web 100"]);
}

#[test]
fn internal_spans_collapse() {
    let spans = [
        span(1, 0, "web", Server, 0, 100),
        span(2, 1, "web", Internal, 5, 80),
        span(3, 2, "web", Client, 10, 50),
        span(4, 3, "web", Internal, 11, 48),
        span(5, 4, "cart", Server, 15, 30),
        span(6, 5, "cart", Server, 16, 28),
    ];
    assert_eq!(
        told(&spans),
        ["entry web op1 100", "served cart 30", "served web 100", "web>cart op5 50/30 way 20,5,15"]
    );
}

#[test]
fn a_caller_without_client_span_leaves_the_way_unobserved() {
    for kind in [Server, Internal] {
        let spans = [
            span(1, 0, "web", Server, 0, 100),
            span(2, 1, "web", Internal, 1, 90),
            span(3, 2, "cart", kind, 15, 30),
        ];
        assert_eq!(
            told(&spans),
            ["entry web op1 100", "served cart 30", "served web 100", "web>cart op3 -/30"]
        );
    }
}

#[test]
fn uninstrumented_peers_are_callees() {
    let peer = |p: &str, s: Span| Span { peer: Some(p.into()), ..s };
    let spans = [
        span(1, 0, "web", Server, 0, 100),
        peer("redis", span(2, 1, "web", Client, 10, 5)),
        // Nobody to name.
        span(3, 1, "web", Client, 20, 5),
        // A wrapper: its inner client span is the call.
        peer("db", span(4, 1, "web", Client, 30, 9)),
        peer("db", span(5, 4, "web", Client, 31, 7)),
        // A call to itself, with and without the server's span.
        peer("web", span(6, 1, "web", Client, 40, 5)),
        peer("x", span(7, 1, "web", Client, 50, 5)),
        span(8, 7, "web", Server, 51, 3),
    ];
    assert_eq!(
        told(&spans),
        ["entry web op1 100", "served web 100", "served web 3", "web>db op5 7/-", "web>redis op2 5/-"]
    );
}

#[test]
fn several_servers_under_one_client_span() {
    let spans = [
        span(1, 0, "web", Server, 0, 100),
        span(2, 1, "web", Client, 10, 80),
        span(3, 2, "cart", Server, 11, 10),
        span(4, 2, "cart", Server, 50, 30),
        span(5, 2, "auth", Server, 30, 5),
    ];
    let calls: Vec<_> = told(&spans).into_iter().filter(|l| l.contains('>')).collect();
    assert_eq!(calls, ["web>auth op5 80/5", "web>cart op3 80/10", "web>cart op4 -/30"]);
}

#[test]
fn tracers_without_kinds() {
    let spans = [
        span(1, 0, "web", Internal, 0, 100),
        span(2, 1, "web", Internal, 1, 90),
        span(3, 2, "cart", Internal, 15, 30),
        span(4, 3, "cart", Internal, 16, 3),
    ];
    assert_eq!(
        told(&spans),
        ["entry web op1 100", "served cart 30", "served web 100", "web>cart op3 90/30 way 60,14,46"]
    );
    // Directly below what serves, the way is unobserved; so it is below work of the service's own.
    for work in [span(2, 1, "web", Internal, 1, 4), span(2, 9, "web", Internal, 5, 40)] {
        let below = if work.parent == Some(SpanId(9)) { 9 } else { 1 };
        let spans = [
            span(1, 0, "web", Internal, 0, 100),
            span(9, 1, "web", Internal, 1, 90),
            span(3, below, "cart", Internal, 15, 30),
            work,
        ];
        assert!(told(&spans).contains(&"web>cart op3 -/30".to_owned()), "{:?}", told(&spans));
    }
}

#[test]
fn a_client_without_a_kind_is_told_by_its_name() {
    let client = |s: Span| Span { operation: Clean::new("get_cart_client"), ..s };
    // The server's span was lost; and the client's own parent: no request of the users'.
    let lost = [span(1, 0, "web", Internal, 0, 100), client(span(2, 1, "web", Internal, 1, 90))];
    assert_eq!(told(&lost), ["entry web op1 100", "served web 100"]);
    let orphan = [client(span(2, 1, "web", Internal, 1, 90)), span(3, 2, "cart", Internal, 15, 30)];
    assert_eq!(told(&orphan), ["served cart 30", "web>cart op3 90/30 way 60,14,46"]);
    // Whose tracer knows kinds means what it says.
    let kinds = [span(1, 0, "web", Server, 0, 100), client(span(2, 1, "web", Internal, 1, 90))];
    assert_eq!(told(&kinds), ["entry web op1 100", "served web 100"]);
}

#[test]
fn an_instrumented_load_generator_is_outside() {
    let spans = [
        span(1, 0, "load", Internal, 0, 300),
        span(2, 1, "load", Client, 10, 120),
        span(3, 2, "web", Server, 15, 100),
        span(4, 3, "web", Client, 20, 50),
        span(5, 4, "cart", Server, 21, 40),
    ];
    let lines = told(&spans);
    assert_eq!(lines.iter().filter(|l| l.starts_with("entry")).collect::<Vec<_>>(), ["entry web op3 100"]);
    assert!(lines.contains(&"load>web op3 120/100 way 20,5,15".to_owned()));
}

#[test]
fn cycles_end() {
    let spans =
        [span(1, 2, "a", Server, 0, 10), span(2, 1, "b", Server, 0, 10), span(3, 3, "c", Client, 0, 1)];
    assert!(told(&spans).contains(&"served a 10".to_owned()));
}

#[test]
fn a_trace_starts_with_its_root() {
    let mut spans = vec![span(2, 1, "cart", Server, 5, 1), span(1, 0, "web", Server, 10, 100)];
    assert_eq!(start_ns(&spans), Some(10_000_000), "whatever a skewed clock says below");
    spans.pop();
    assert_eq!(start_ns(&spans), Some(5_000_000));
    assert_eq!(start_ns(&[]), None);
}
