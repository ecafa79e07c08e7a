//! One service in full, and what the model says of more means for it: facts about the fixture.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::*;
use sagetop::engine::{
    Deviation, EngineEvent, Means, MetricView, Prediction, ServiceDetail, SpanView, Waterfall,
};

use super::fixture::now;

pub const SERVICE: &str = "recommendationservice";

fn course(from: f64, to: f64) -> Vec<Option<f64>> {
    (0..120)
        .map(|i| {
            let wobble = 1.0 + 0.06 * f64::from((i * 7) % 5 - 2);
            let level = if i < 108 { from } else { from + (to - from) * f64::from(i - 107) / 12.0 };
            (i % 37 != 5).then_some(level * wobble)
        })
        .collect()
}

fn metric(
    entity: Entity,
    resource: Option<Resource>,
    (what, unit): (&str, &str),
    (normal, observed): (f64, f64),
    surprise: f64,
) -> MetricView {
    MetricView {
        entity,
        resource,
        what: Clean::new(what),
        unit: Some(Clean::new(unit)),
        observed: Some(observed),
        normal: Some(normal),
        modelled: true,
        surprise: Some(surprise),
        deviation: if surprise >= 4.6 { Deviation::High } else { Deviation::Usual },
        recent: course(normal, observed),
    }
}

pub fn detail() -> ServiceDetail {
    let own = || Entity::Service(ServiceName::new(SERVICE));
    let channel = Entity::Channel {
        caller: ServiceName::new(SERVICE),
        callee: ServiceName::new("productcatalogservice"),
    };
    let node = Entity::Node(NodeName::new("node-c"));
    let mut unknown = metric(own(), Some(Resource::Disk), ("disk_io_time", "s/s"), (0.01, 0.01), 0.1);
    (unknown.normal, unknown.surprise, unknown.deviation) = (None, None, Deviation::Unknown);
    ServiceDetail {
        service: ServiceName::new(SERVICE),
        version: 7,
        until: Some(now()),
        window: Duration::from_secs(60),
        now: 5,
        violated: (0..120).map(|i| i >= 111).collect(),
        metrics: vec![
            metric(own(), Some(Resource::Cpu), ("cpu_throttled", "ratio"), (0.02, 0.83), 8.9),
            metric(own(), None, ("server latency p95", "ms"), (42.0, 310.0), 7.1),
            metric(own(), Some(Resource::Cpu), ("cpu_usage", "cores"), (0.21, 0.25), 1.9),
            metric(own(), Some(Resource::Memory), ("memory_working_set", "bytes"), (224e6, 231e6), 1.2),
            metric(channel, Some(Resource::Network), ("probe_rtt", "s"), (0.0004, 0.00042), 0.3),
            metric(own(), Some(Resource::Network), ("network_received", "bytes/s"), (1.19e6, 1.24e6), 0.4),
            metric(node, Some(Resource::Cpu), ("cpu_steal", "ratio"), (0.0, 0.0), 0.1),
            metric(own(), Some(Resource::Load), ("requests", "requests/s"), (38.0, 39.0), 0.2),
            unknown,
        ],
        links: vec![Some(Clean::new("https://grafana.internal/explore?schemaVersion=1&panes=x"))],
        means: Means { cpu_cores: Some(0.25), memory_bytes: Some(450e6) },
    }
}

pub fn detailed(detail: ServiceDetail) -> EngineEvent {
    EngineEvent::Detail { service: detail.service.clone(), detail: Ok(Arc::new(detail)) }
}

pub fn replicas(count: u32) -> EngineEvent {
    EngineEvent::Replicas(ServiceName::new(SERVICE), count)
}

fn span(service: &str, operation: &str, depth: usize, after_ms: f64, took_ms: f64) -> SpanView {
    SpanView {
        service: ServiceName::new(service),
        operation: Clean::new(operation),
        depth,
        after_ms,
        took_ms,
        error: false,
    }
}

pub fn waterfall() -> Waterfall {
    let mut failed = span("adservice", "GetAds", 1, 590.0, 40.0);
    failed.error = true;
    Waterfall {
        trace: Clean::new("0af7651916cd43dd8448eb211c80319c"),
        start: "2026-03-02T03:11:58Z".parse().unwrap(),
        took_ms: 684.0,
        spans: vec![
            span("frontend", "GET /product/{id}", 0, 0.0, 684.0),
            span("productcatalogservice", "GetProduct", 1, 4.0, 9.0),
            span(SERVICE, "ListRecommendations", 1, 21.0, 560.0),
            span("productcatalogservice", "ListProducts", 2, 540.0, 31.0),
            failed,
        ],
        left_out: 0,
        of: 87,
        truncated: false,
        link: Clean::new("http://jaeger.internal:16686/trace/0af7651916cd43dd8448eb211c80319c"),
    }
}

pub fn traced(trace: Result<Option<Waterfall>, &str>) -> EngineEvent {
    let trace = trace.map(|found| found.map(Arc::new)).map_err(Clean::new);
    EngineEvent::Trace { service: ServiceName::new(SERVICE), until: now(), trace }
}

pub fn tail(quantile_ms: f64, low_ms: f64, high_ms: f64, p_slo_met: f64) -> Option<Counterfactual> {
    Some(Counterfactual { quantile_ms, low_ms, high_ms, p_slo_met })
}

pub fn predicted(number: u64, with: Option<Counterfactual>) -> EngineEvent {
    let without = tail(631.0, 588.0, 677.0, 0.001);
    EngineEvent::WhatIf(Prediction { number, tails: Ok((without, with)) })
}

/// Names as nobody should choose them, and numbers that are none.
pub fn hostile(service: &ServiceName) -> Vec<EngineEvent> {
    let bad = "svc\x1b[31m\u{202e}gnol\u{200b}\tname\nwith 結帳服務 z\u{301}\u{302}\u{303}algo";
    let mut detail = detail();
    detail.service = service.clone();
    for (m, value) in detail.metrics.iter_mut().zip([f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0]) {
        m.what = Clean::new(bad);
        (m.observed, m.normal, m.surprise) = (Some(value), Some(-value), Some(value));
        m.recent = vec![Some(value), None, Some(1.0)];
        m.unit = Some(Clean::new(bad));
    }
    detail.violated = vec![true; 500];
    detail.now = 1_000;
    let mut trace = waterfall();
    for (i, s) in trace.spans.iter_mut().enumerate() {
        s.service = ServiceName::new(bad);
        s.operation = Clean::new(bad);
        s.depth = 100 * i;
        (s.after_ms, s.took_ms) =
            ([f64::NAN, 1e12, -5.0, 0.0, 700.0][i], [1e12, f64::NAN, 0.0, -1.0, 1.0][i]);
    }
    trace.link = Clean::new(bad);
    vec![
        EngineEvent::Trace { service: service.clone(), until: now(), trace: Ok(Some(Arc::new(trace))) },
        EngineEvent::Replicas(service.clone(), u32::MAX),
        detailed(detail),
        predicted(1, tail(f64::NAN, f64::INFINITY, -1.0, f64::NAN)),
    ]
}
