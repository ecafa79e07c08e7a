//! How fast the fixture's services and calls are, now and normally.

use std::collections::BTreeMap;

use sagetop::causal::CallGraph;
use sagetop::domain::*;
use sagetop::engine::{CallView, Entry, Load, Reading, Readings, Sampled, ServiceView};

const P95: Quantile = Quantile(950);

/// Service, p95 now and normally, its own part, load, surprise, node.
const SERVICES: [(&str, f64, f64, f64, f64, f64, &str); 10] = [
    ("frontend", 388.0, 96.0, 21.0, 42.0, 0.4, "node-a"),
    ("adservice", 2.1, 2.0, 2.1, 38.0, 0.1, "node-a"),
    ("cartservice", 5.6, 5.1, 2.2, 40.0, 0.6, "node-b"),
    ("checkoutservice", 61.0, 55.0, 8.4, 3.1, 0.9, "node-b"),
    ("currencyservice", 1.2, 1.1, 1.2, 160.0, 0.2, "node-a"),
    ("emailservice", 4.4, 4.6, 4.4, 3.1, 0.1, "node-c"),
    ("paymentservice", 3.0, 2.9, 3.0, 3.1, 0.3, "node-c"),
    ("productcatalogservice", 9.8, 4.0, 9.8, 310.0, 5.1, "node-c"),
    ("recommendationservice", 310.0, 42.0, 268.0, 39.0, 9.4, "node-c"),
    ("shippingservice", 2.7, 2.6, 2.7, 9.0, 0.2, "node-b"),
];

/// One reading at p95.
pub fn reading(now: f64, normal: f64) -> Readings {
    Readings(vec![Reading { quantile: P95, now_ms: Some(now), normal_ms: Some(normal) }])
}

/// Requests a second.
pub fn load(value: f64) -> Load {
    Load { value, unit: Clean::new("requests/s"), each: false }
}

pub fn services() -> BTreeMap<ServiceName, ServiceView> {
    let view = |(name, now, normal, own, rate, surprise, node): (&str, f64, f64, f64, f64, f64, &str)| {
        let resource = match name {
            "recommendationservice" => Some(Resource::Cpu),
            "productcatalogservice" => Some(Resource::Network),
            _ => None,
        };
        let view = ServiceView {
            served: reading(now, normal),
            own_ms: Some(own),
            load: Some(load(rate)),
            surprise: Some(surprise),
            resource,
            nodes: vec![NodeName::new(node)],
        };
        (ServiceName::new(name), view)
    };
    SERVICES.into_iter().map(view).collect()
}

/// Every caller waits a little longer than the callee takes; of the uninstrumented peer only the
/// caller tells.
pub fn calls(graph: &CallGraph) -> BTreeMap<(ServiceName, ServiceName), CallView> {
    let numbers: BTreeMap<&str, (f64, f64)> = SERVICES.iter().map(|s| (s.0, (s.1, s.2))).collect();
    let call = |caller: &ServiceName, callee: &ServiceName| {
        let (now, normal) = numbers.get(callee.as_str()).copied().unwrap_or((0.61, 0.58));
        // What nobody asks for shipping was seen an hour ago.
        let ago = if callee.as_str() == "shippingservice" { 3600 } else { 0 };
        let seen = super::fixture::now().checked_sub(std::time::Duration::from_secs(ago)).ok();
        let view = CallView { latency: reading(now * 1.04, normal * 1.02), at_caller: true, seen };
        ((caller.clone(), callee.clone()), view)
    };
    graph.edges().into_iter().map(|(caller, callee, _)| call(caller, callee)).collect()
}

/// All SLOs are about `service`.
pub fn entries(service: &ServiceName, slos: &[SloStatus]) -> Vec<Entry> {
    let entry = |slo: &SloStatus| Entry {
        service: service.clone(),
        reading: Reading {
            quantile: P95,
            now_ms: slo.observed_ms,
            normal_ms: slo.observed_ms.map(|_| 168.0),
        },
        // One in 25 checkouts is traced; of the rest all are.
        sampled: if slo.name.as_str() == "checkout-p95" { Sampled::About(0.04) } else { Sampled::No },
    };
    slos.iter().map(entry).collect()
}
