//! Rate, errors and duration of requests, as an OpenTelemetry collector counts them: by service and
//! span, by call edge, and at the entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{EdgeMetrics, Measurement};
use crate::lab::app::{Application, Name, ServiceId, Transport, sites};
use crate::lab::sim::{Nanos, Outcome, Request};

/// Upper bounds of a histogram's buckets in seconds, without +Inf.
#[derive(Debug)]
pub struct Bounds(pub &'static [f64]);

/// The span metrics connector's default buckets (opentelemetry-collector-contrib, `spanmetrics`).
pub static SPAN_BOUNDS: Bounds =
    Bounds(&[0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0]);

/// Finer ones for call edges and the entry, each a factor of about 1.4 above the one before, as
/// whoever watches a tail would configure them.
pub static EDGE_BOUNDS: Bounds = Bounds(&[
    0.0005, 0.0007, 0.001, 0.0014, 0.002, 0.0028, 0.004, 0.0056, 0.008, 0.011, 0.016, 0.022, 0.032, 0.045,
    0.064, 0.09, 0.128, 0.18, 0.256, 0.36, 0.512, 0.72, 1.02, 1.44, 2.05, 2.9, 4.1, 5.8, 8.2, 11.6,
]);

/// A classic histogram.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds; not cumulative.
    counts: Vec<u64>,
    sum_ns: u64,
}

impl Histogram {
    fn new(bounds: &'static Bounds) -> Self {
        Self { bounds: bounds.0, counts: vec![0; bounds.0.len() + 1], sum_ns: 0 }
    }

    fn add(&mut self, duration: Nanos) {
        let seconds = duration as f64 / 1e9;
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum_ns += duration;
    }

    /// (upper bound, requests at most that long), the last is +Inf with all.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().scan(0, |all, count| {
            *all += count;
            Some(*all)
        }))
    }

    /// Requests.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of the durations in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }
}

/// What is counted of one service's spans of one operation.
#[derive(Clone, Debug)]
pub struct SpanStats {
    /// Name the service reports under.
    pub service: Name,
    /// Operation.
    pub operation: Name,
    /// Of them, failed.
    pub failed: u64,
    /// Durations.
    pub duration: Histogram,
}

/// What is counted of the calls from one service to another.
#[derive(Clone, Debug)]
pub struct EdgeStats {
    /// Caller and callee.
    pub ends: (ServiceId, ServiceId),
    /// Of them, failed.
    pub failed: u64,
    /// As the caller sees them.
    pub client: Histogram,
    /// As the callee sees them.
    pub server: Histogram,
}

/// What is counted of one kind of request at the entry.
#[derive(Clone, Debug)]
pub struct RouteStats {
    /// Method and route.
    pub method: Name,
    /// Route.
    pub route: Name,
    /// The entry service.
    pub service: ServiceId,
    /// Durations of answers, and of errors.
    pub duration: [Histogram; 2],
}

/// Where one call is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    span: Option<usize>,
    edge: Option<usize>,
}

/// Counts requests.
#[derive(Clone, Debug)]
pub struct Red {
    slots: Vec<Vec<Slots>>,
    /// By service and operation, instrumented services only.
    pub spans: Vec<SpanStats>,
    /// By caller and callee.
    pub edges: Vec<EdgeStats>,
    /// By flow.
    pub routes: Vec<RouteStats>,
}

impl Red {
    /// Counters at zero.
    pub fn new(app: &Arc<Application>, settings: &Measurement) -> Self {
        let mut spans: BTreeMap<(Name, Name), usize> = BTreeMap::new();
        let mut edges: BTreeMap<(ServiceId, ServiceId), usize> = BTreeMap::new();
        let mut slots = Vec::new();
        for flow in &app.flows {
            let table = sites(flow);
            slots.push(Vec::from_iter(table.iter().map(|site| {
                let call = site.call;
                let mut at = Slots::default();
                let reporter = app.services.get(call.service).and_then(|service| service.traced_as.clone());
                if let (Some(service), Some(operation)) = (reporter, call.server_spans.first()) {
                    let next = spans.len();
                    at.span = Some(*spans.entry((service, operation.clone())).or_insert(next));
                }
                let caller =
                    site.parent.and_then(|parent| table.get(parent as usize)).map(|site| site.call.service);
                let counted = settings.edges == EdgeMetrics::All || call.client_span.is_some();
                if let Some(caller) = caller.filter(|_| counted && call.transport != Transport::Local) {
                    let next = edges.len();
                    at.edge = Some(*edges.entry((caller, call.service)).or_insert(next));
                }
                at
            })));
        }
        let routes = app.flows.iter().map(|flow| {
            let (method, route) = flow.http.split_once(' ').unwrap_or(("GET", &flow.http));
            let service = flow.root.service;
            let duration = [Histogram::new(&EDGE_BOUNDS), Histogram::new(&EDGE_BOUNDS)];
            RouteStats { method: method.into(), route: route.into(), service, duration }
        });
        let mut span_stats = Vec::from_iter(spans);
        span_stats.sort_by_key(|(_, slot)| *slot);
        let mut edge_stats = Vec::from_iter(edges);
        edge_stats.sort_by_key(|(_, slot)| *slot);
        Self {
            routes: routes.collect(),
            slots,
            spans: span_stats
                .into_iter()
                .map(|((service, operation), _)| SpanStats {
                    service,
                    operation,
                    failed: 0,
                    duration: Histogram::new(&SPAN_BOUNDS),
                })
                .collect(),
            edges: edge_stats
                .into_iter()
                .map(|(ends, _)| EdgeStats {
                    ends,
                    failed: 0,
                    client: Histogram::new(&EDGE_BOUNDS),
                    server: Histogram::new(&EDGE_BOUNDS),
                })
                .collect(),
        }
    }

    /// Counts a finished request.
    pub fn request(&mut self, request: &Request<'_>) {
        if let Some(route) = self.routes.get_mut(request.flow) {
            // The server's own view: without the way to the client and back.
            if let Some(root) = request.calls.first().filter(|root| root.served()) {
                route.duration[usize::from(request.failed)].add(root.ended - root.started);
            }
        }
        let Some(slots) = self.slots.get(request.flow) else { return };
        for call in request.calls {
            let Some(at) = slots.get(call.site as usize) else { continue };
            let served = call.served();
            if let Some(span) = at.span.and_then(|slot| self.spans.get_mut(slot)).filter(|_| served) {
                span.duration.add(call.ended - call.started);
                span.failed += u64::from(call.outcome == Outcome::Failed);
            }
            if let Some(edge) = at.edge.and_then(|slot| self.edges.get_mut(slot)) {
                edge.client.add(call.returned.saturating_sub(call.asked));
                edge.failed += u64::from(call.outcome != Outcome::Ok);
                if served {
                    edge.server.add(call.ended - call.started);
                }
            }
        }
    }
}
