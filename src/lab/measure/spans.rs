//! Requests as the spans that their services report.

use std::collections::HashMap;
use std::sync::Arc;

use super::Measurement;
use super::noise::{bits, unit};
use crate::lab::app::{Application, Call, Name, ServiceId, SpanQuirk, Transport, operation, sites};
use crate::lab::cluster::{Cluster, pod_name};
use crate::lab::sim::{CallRecord, Nanos, Outcome, ReplicaReading, Request};
use crate::lab::traces::{Span, SpanKind};

/// Spans are reported once a second, as Jaeger's clients do.
const FLUSH_NS: u64 = 1_000_000_000;
/// A late span comes within half a minute.
const LATEST_NS: f64 = 30e9;
/// What a span lasts that ends before the answer is read.
const EARLY_NS: u64 = 3_000;

/// Purposes of random numbers, so that no two draws share one.
#[derive(Clone, Copy)]
enum Draw {
    Sampled = 1,
    Trace,
    Span,
    Lost,
    Late,
    LateBy,
    Skew,
    Key,
}

/// Turns sampled requests into spans.
#[derive(Debug)]
pub struct SpanWriter {
    settings: Measurement,
    app: Arc<Application>,
    /// Calls by flow and site, copied out of the tree.
    calls: Vec<Vec<Site>>,
    hosts: HashMap<(ServiceId, u32), Host>,
    /// Whether spans say their kind.
    kinds: bool,
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Site {
    service: ServiceId,
    transport: Transport,
    client_span: Option<Name>,
    server_spans: Vec<Name>,
    quirk: SpanQuirk,
}

#[derive(Clone, Debug)]
struct Host {
    pod: Name,
    node: usize,
}

impl From<&Call> for Site {
    fn from(call: &Call) -> Self {
        Self {
            service: call.service,
            transport: call.transport,
            client_span: call.client_span.clone(),
            server_spans: call.server_spans.clone(),
            quirk: call.quirk,
        }
    }
}

impl SpanWriter {
    /// For an application on a cluster.
    pub fn new(app: Arc<Application>, cluster: &Cluster, settings: Measurement) -> Self {
        let calls: Vec<Vec<Site>> =
            app.flows.iter().map(|flow| sites(flow).iter().map(|site| site.call.into()).collect()).collect();
        let mut hosts = HashMap::new();
        for (id, (service, nodes)) in app.services.iter().zip(&cluster.placement).enumerate() {
            for (replica, node) in (0_u32..).zip(nodes) {
                hosts.insert((id, replica), Host { pod: pod_name(service, replica).into(), node: *node });
            }
        }
        // Middleware of gRPC sets `span.kind`; hand-written instrumentation (DeathStarBench's C++) does not.
        let kinds = calls.iter().flatten().any(|site: &Site| site.transport == Transport::Grpc);
        Self { settings, app, calls, hosts, kinds, spans: Vec::new() }
    }

    /// Learns where the replicas run and what their pods are called.
    pub fn place(&mut self, replicas: &[ReplicaReading]) {
        for reading in replicas {
            let Some(service) = self.app.services.get(reading.service) else { continue };
            self.hosts.entry((reading.service, reading.replica)).or_insert_with(|| Host {
                pod: pod_name(service, reading.replica).into(),
                node: reading.node,
            });
        }
    }

    /// The spans written since the last call, in no order.
    pub fn take(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.spans)
    }

    /// Whether a request is traced: the root decides for all.
    pub fn sampled(&self, request: u64) -> bool {
        unit(&[self.settings.seed, Draw::Sampled as u64, request]) < self.settings.trace_sampling
    }

    /// Writes the spans of a request, if it is sampled.
    pub fn request(&mut self, request: &Request<'_>) {
        if !self.sampled(request.id) {
            return;
        }
        // For each call, the span under which the callee's own spans stand.
        let mut contexts: Vec<Option<u64>> = Vec::with_capacity(request.calls.len());
        for (index, call) in request.calls.iter().enumerate() {
            let outer = if index == 0 { None } else { contexts.get(call.parent as usize).copied().flatten() };
            let context = self.call(request, index, call, outer);
            contexts.push(context.or(outer));
        }
    }

    /// Writes the client and server spans of one call; returns the innermost span in the callee.
    fn call(
        &mut self,
        request: &Request<'_>,
        index: usize,
        call: &CallRecord,
        outer: Option<u64>,
    ) -> Option<u64> {
        let site = self.calls.get(request.flow)?.get(call.site as usize)?;
        let caller = request.calls.get(call.parent as usize).filter(|_| index > 0);
        let caller_service =
            caller.and_then(|caller| Some(self.calls[request.flow].get(caller.site as usize)?.service));
        let mut parent = outer;
        let mut spans: Vec<(Draft<'_>, ServiceId, u32)> = Vec::new();
        if let (Some(operation), Some(caller), Some(service)) = (&site.client_span, caller, caller_service) {
            let end = match site.quirk {
                SpanQuirk::None => call.returned,
                SpanQuirk::EndsEarly => call.asked + EARLY_NS,
                SpanQuirk::CoversRest => caller.ended.max(call.returned),
            };
            let kind = if site.transport == Transport::Local { SpanKind::Internal } else { SpanKind::Client };
            let failed = call.outcome != Outcome::Ok;
            spans.push((Draft { operation, kind, start: call.asked, end, failed }, service, caller.replica));
        }
        if call.served() {
            for (depth, operation) in (0_u64..).zip(&site.server_spans) {
                let start = (call.started + depth * 1_000).min(call.ended);
                let kind = if depth == 0 { SpanKind::Server } else { SpanKind::Internal };
                let failed = call.outcome == Outcome::Failed;
                spans.push((
                    Draft { operation, kind, start, end: call.ended, failed },
                    site.service,
                    call.replica,
                ));
            }
        }
        let mut written = Vec::with_capacity(spans.len());
        for (number, (draft, service, replica)) in (0_u64..).zip(&spans) {
            let id = self.id(&[Draw::Span as u64, request.id, index as u64, number]);
            // Without the client's span the server's stands directly under the caller's.
            if let Some(span) = self.span(request.id, id, parent, draft, *service, *replica) {
                written.push(span);
                parent = Some(id);
            }
        }
        self.spans.extend(written.into_iter().filter(|span| {
            unit(&[self.settings.seed, Draw::Lost as u64, span.id]) >= self.settings.lost_spans
        }));
        parent
    }

    fn span(
        &self,
        request: u64,
        id: u64,
        parent: Option<u64>,
        draft: &Draft<'_>,
        service: ServiceId,
        replica: u32,
    ) -> Option<Span> {
        let reporter = self.app.services.get(service)?;
        let name = reporter.traced_as.clone()?;
        let host = self.hosts.get(&(service, replica));
        let skew = host.map_or(0, |host| self.skew(host.node, draft.start));
        let at = |time: Nanos| self.settings.epoch_ns + time.cast_signed() + skew;
        let trace = [0_u64, 1].map(|half| self.id(&[Draw::Trace as u64, request, half]));
        Some(Span {
            trace: u128::from(trace[0]) << 64 | u128::from(trace[1]),
            id,
            parent,
            service: name,
            operation: operation(draft.operation, self.id(&[Draw::Key as u64, request, id])).into(),
            host: host.map_or_else(|| reporter.name.clone(), |host| host.pod.clone()),
            start_us: at(draft.start).div_euclid(1_000),
            duration_us: (draft.end.saturating_sub(draft.start) / 1_000).cast_signed(),
            kind: self.kinds.then_some(draft.kind),
            error: draft.failed,
            tags: Vec::new(),
            received_ms: (self.settings.epoch_ns + self.received(draft.end, id).cast_signed())
                .div_euclid(1_000_000),
        })
    }

    /// When the collector has a span that ended at `end`.
    fn received(&self, end: Nanos, id: u64) -> Nanos {
        let seed = self.settings.seed;
        let flushed = end + (unit(&[seed, Draw::LateBy as u64, id]) * FLUSH_NS as f64) as u64;
        if unit(&[seed, Draw::Late as u64, id]) < self.settings.late_spans {
            return flushed + (unit(&[seed, Draw::LateBy as u64, id, 1]) * LATEST_NS) as u64;
        }
        flushed
    }

    /// How far a node's clock is off at a time: an offset, and a drift that NTP takes back each hour.
    fn skew(&self, node: usize, at: Nanos) -> i64 {
        let most = self.settings.clock_skew_ms * 1e6;
        let hour = at / 3_600_000_000_000;
        let draw = |hour: u64| 2.0 * unit(&[self.settings.seed, Draw::Skew as u64, node as u64, hour]) - 1.0;
        let within = (at % 3_600_000_000_000) as f64 / 3.6e12;
        (most * (draw(hour) * (1.0 - within) + draw(hour + 1) * within)) as i64
    }

    /// An id that is never 0, which tracers take for "none".
    fn id(&self, keys: &[u64]) -> u64 {
        bits(&[self.settings.seed, bits(keys)]).max(1)
    }
}

/// A span before its reporter's clock and name are known.
struct Draft<'a> {
    operation: &'a Name,
    kind: SpanKind,
    start: Nanos,
    end: Nanos,
    failed: bool,
}
