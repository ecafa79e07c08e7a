//! An application like Online Boutique at the moment one of its SLOs is breached.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagetop::causal::{CallGraph, EdgeOrigin};
use sagetop::domain::verdict::VERDICT_SCHEMA;
use sagetop::domain::*;
use sagetop::engine::{EngineEvent, ModelState, ServiceView, Snapshot};

use super::numbers::{calls, entries, load, reading, services};

/// The fixed "now" of all tests.
pub fn now() -> Timestamp {
    "2026-03-02T03:12:40Z".parse().unwrap()
}

fn s(name: &str) -> ServiceName {
    ServiceName::new(name)
}

pub fn graph() -> CallGraph {
    let mut graph = CallGraph::default();
    let spans = EdgeOrigin::Spans;
    for (caller, callees) in [
        (
            "frontend",
            &[
                "adservice",
                "cartservice",
                "checkoutservice",
                "currencyservice",
                "productcatalogservice",
                "recommendationservice",
                "shippingservice",
            ][..],
        ),
        (
            "checkoutservice",
            &[
                "cartservice",
                "currencyservice",
                "emailservice",
                "paymentservice",
                "productcatalogservice",
                "shippingservice",
            ],
        ),
        ("recommendationservice", &["productcatalogservice"]),
    ] {
        for callee in callees {
            graph.add_edge(&s(caller), &s(callee), spans, 1000);
        }
    }
    graph.add_edge(&s("cartservice"), &s("redis-cart"), EdgeOrigin::Peer, 900);
    graph
}

fn recent(from: f64, to: f64) -> Vec<Option<f64>> {
    (0..40)
        .map(|i| {
            let wobble = 1.0 + 0.08 * f64::from((i * 7) % 5 - 2);
            let level = if i < 28 { from } else { from + (to - from) * f64::from(i - 27) / 12.0 };
            (i != 12).then_some(level * wobble)
        })
        .collect()
}

#[allow(clippy::too_many_arguments)]
fn slo(
    name: &str,
    state: SloState,
    observed: Option<f64>,
    objective: f64,
    burn: [Option<f64>; 3],
    budget: Option<f64>,
    age: Option<f64>,
    recent: Vec<Option<f64>>,
) -> SloStatus {
    SloStatus {
        name: Clean::new(name),
        state,
        observed_ms: observed,
        objective_ms: objective,
        burn: ["5m", "1h", "6h"]
            .into_iter()
            .zip(burn)
            .map(|(w, rate)| Burn { window: Clean::new(w), rate })
            .collect(),
        budget_left: budget,
        newest_sample_age_s: age,
        recent_ms: recent,
        at: now(),
    }
}

pub fn slos() -> Vec<SloStatus> {
    vec![
        slo(
            "home-p50",
            SloState::Ok,
            Some(96.0),
            150.0,
            [Some(0.2), Some(0.3), Some(0.3)],
            Some(0.87),
            Some(4.0),
            recent(90.0, 96.0),
        ),
        slo(
            "checkout-p95",
            SloState::Ok,
            Some(171.0),
            400.0,
            [Some(0.0), Some(0.1), Some(0.2)],
            Some(0.93),
            Some(4.0),
            recent(170.0, 171.0),
        ),
        slo(
            "product-page-p95",
            SloState::Breached,
            Some(642.0),
            300.0,
            [Some(14.2), Some(6.1), Some(2.0)],
            Some(-0.12),
            Some(4.0),
            recent(160.0, 642.0),
        ),
        slo(
            "cart-p99",
            SloState::Burning,
            Some(288.0),
            300.0,
            [Some(3.4), Some(1.8), Some(0.9)],
            Some(0.31),
            Some(4.0),
            recent(220.0, 300.0),
        ),
        slo("search-p95", SloState::Unknown, None, 250.0, [None; 3], None, None, vec![None; 40]),
    ]
}

pub fn snapshot() -> Snapshot {
    let slos = slos();
    Snapshot {
        version: 7,
        at: now(),
        data_until: Some(now()),
        window: std::time::Duration::from_secs(60),
        frozen: false,
        context: Clean::new("boutique-prod"),
        entries: entries(&s("frontend"), &slos),
        slos,
        calls: calls(&graph()),
        graph: Arc::new(graph()),
        services: services(),
        unusual: 4.6,
        warnings: vec![Clean::new("no node metrics: causes on machines cannot be named")],
    }
}

fn cause(
    resource: Resource,
    metric: &str,
    observed: f64,
    normal: f64,
    p: Option<f64>,
    surprise: f64,
) -> ResourceCause {
    ResourceCause {
        resource,
        metric: Clean::new(metric),
        unit: metric.ends_with("_bytes").then(|| Clean::new("bytes")),
        observed: Some(observed),
        normal: Some(normal),
        p_slo_met: p,
        surprise,
    }
}

pub fn verdict() -> Verdict {
    let culprit = Culprit {
        service: s("recommendationservice"),
        node: None,
        counterfactual: Some(Counterfactual {
            quantile_ms: 171.0,
            low_ms: 150.0,
            high_ms: 198.0,
            p_slo_met: 0.97,
        }),
        resources: vec![
            cause(Resource::Cpu, "cpu_throttled_ratio", 0.83, 0.02, Some(0.96), 8.9),
            cause(
                Resource::Memory,
                "memory_working_set_bytes",
                231_000_000.0,
                224_000_000.0,
                Some(0.04),
                1.2,
            ),
            cause(Resource::Network, "receive_bytes_per_second", 1_240_000.0, 1_190_000.0, Some(0.02), 0.4),
        ],
        path: vec![s("recommendationservice"), s("frontend")],
    };
    let suspect = Culprit {
        service: s("productcatalogservice"),
        node: Some(NodeName::new("node-c")),
        counterfactual: Some(Counterfactual {
            quantile_ms: 611.0,
            low_ms: 560.0,
            high_ms: 655.0,
            p_slo_met: 0.001,
        }),
        resources: vec![cause(Resource::Network, "round_trip_ms", 3.1, 0.4, Some(0.01), 5.0)],
        path: vec![s("productcatalogservice"), s("recommendationservice"), s("frontend")],
    };
    let ranking = [
        ("recommendationservice", 9.41),
        ("productcatalogservice", 3.2),
        ("frontend", 0.8),
        ("cartservice", 0.55),
        ("checkoutservice", 0.31),
        ("currencyservice", 0.12),
        ("shippingservice", 0.0),
        ("adservice", -0.2),
    ];
    Verdict {
        schema: VERDICT_SCHEMA,
        slo: SloReading {
            name: Clean::new("product-page-p95"),
            quantile: Quantile(950),
            objective_ms: 300.0,
            observed_ms: Some(642.0),
            state: SloState::Breached,
        },
        at: now(),
        window: TimeRange {
            start: "2026-03-02T03:07:00Z".parse().unwrap(),
            end: "2026-03-02T03:12:00Z".parse().unwrap(),
        },
        kind: VerdictKind::Culprits,
        basis: Basis::EndToEnd,
        culprits: vec![culprit],
        ranking: ranking.into_iter().map(|(n, score)| Ranked { service: s(n), score }).collect(),
        resource_ranking: vec![
            RankedResource { service: s("recommendationservice"), resource: Resource::Cpu, score: 9.0 },
            RankedResource { service: s("productcatalogservice"), resource: Resource::Network, score: 3.0 },
            RankedResource { service: s("frontend"), resource: Resource::Memory, score: 0.7 },
        ],
        suspects: vec![suspect],
        model: Some(model()),
        timings_ms: BTreeMap::from([
            ("fetch", 118.0),
            ("windows", 14.2),
            ("load_or_train", 31.0),
            ("query", 11.6),
        ]),
        warnings: vec![Clean::new("2 of 60 windows have no latency")],
    }
}

pub fn unsure() -> Verdict {
    let mut v = verdict();
    v.kind = VerdictKind::Unsure;
    v.basis = Basis::OwnContribution;
    v.suspects.insert(0, v.culprits.remove(0));
    v.model.as_mut().unwrap().in_range = false;
    v
}

pub fn model() -> ModelSummary {
    ModelSummary {
        fingerprint: Clean::new("3fa9c1d2"),
        trained_at: "2026-03-02T02:30:00Z".parse().unwrap(),
        windows: 1440,
        in_range: true,
    }
}

pub fn health(kind: BackendKind, state: BackendState) -> EngineEvent {
    let (url, latency) = match kind {
        BackendKind::Prometheus => ("http://prometheus.internal:9090", 12.3),
        BackendKind::Jaeger => ("http://jaeger.internal:16686", 31.0),
    };
    EngineEvent::Health(BackendHealth {
        kind,
        url: Clean::new(url),
        state,
        detail: (state == BackendState::Down)
            .then(|| Clean::new("connection refused: is the port-forward still running?")),
        flavour: None,
        clock_offset_ms: None,
        latency_ms: (state == BackendState::Up).then_some(latency),
        last_ok: Some(now()),
    })
}

pub fn answered(version: u64, verdict: Verdict) -> EngineEvent {
    EngineEvent::Verdict { version, slo: verdict.slo.name.clone(), verdict: Arc::new(verdict) }
}

/// What a healthy engine has told a few seconds after the start.
pub fn usual() -> Vec<EngineEvent> {
    vec![
        health(BackendKind::Prometheus, BackendState::Up),
        health(BackendKind::Jaeger, BackendState::Up),
        EngineEvent::Model(ModelState::Ready(model())),
        EngineEvent::Snapshot(Arc::new(snapshot())),
    ]
}

/// Names as nobody should choose them: long, wide, bidirectional, with escapes and stacked marks.
pub fn hostile() -> Snapshot {
    let names = [
        "結帳服務-與一個非常非常非常長的名稱-因為有人喜歡這樣",
        "svc\x1b[31m\u{202e}gnol\u{200b}\tname\nwith controls",
        "👩‍👩‍👧‍👦-família-z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}algo",
        "a-very-long-service-name-that-goes-on-and-on-until-it-no-longer-fits-any-column-of-any-table-at-all",
        "ﷺ",
    ];
    let mut graph = CallGraph::default();
    for pair in names.windows(2) {
        graph.add_edge(&s(pair[0]), &s(pair[1]), EdgeOrigin::Spans, 1);
    }
    graph.add_edge(&s(names[0]), &s(names[4]), EdgeOrigin::Peer, 1);
    let mut snapshot = snapshot();
    for (slo, name) in snapshot.slos.iter_mut().zip(names) {
        slo.name = Clean::new(name);
        slo.observed_ms = slo.observed_ms.map(|v| v * 1e9);
    }
    snapshot.context = Clean::new(names[3]);
    snapshot.entries = entries(&s(names[0]), &snapshot.slos);
    snapshot.graph = Arc::new(graph);
    snapshot.services = names
        .iter()
        .map(|n| {
            (
                s(n),
                ServiceView {
                    served: reading(f64::NAN, 0.0),
                    load: Some(load(1e300)),
                    surprise: Some(1e9),
                    ..ServiceView::default()
                },
            )
        })
        .collect();
    snapshot
}

/// A big application: `n` services in layers of shared callees, every one of them with numbers.
pub fn big(n: usize) -> Snapshot {
    let name = |i: usize| ServiceName::new(&format!("service-{i:03}"));
    let mut graph = CallGraph::default();
    for i in 1..n {
        graph.add_edge(&name((i - 1) / 3), &name(i), EdgeOrigin::Spans, 10);
        graph.add_edge(&name(i / 7), &name(i), EdgeOrigin::Spans, 10);
    }
    let mut snapshot = snapshot();
    snapshot.entries = entries(&name(0), &snapshot.slos);
    snapshot.graph = Arc::new(graph);
    let template = services()[&s("recommendationservice")].clone();
    snapshot.services = (0..n).map(|i| (name(i), template.clone())).collect();
    snapshot.calls = calls(&snapshot.graph);
    snapshot
}

/// The verdict on the big application.
pub fn big_verdict(n: usize) -> Verdict {
    let mut v = verdict();
    let ranked = |i| Ranked { service: s(&format!("service-{i:03}")), score: 10.0 / (i + 1) as f64 };
    v.ranking = (0..n).map(ranked).collect();
    v
}
