//! The spans of one window → latency cells: quantiles and counts per RPC and side.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::cells::Cells;
use super::names::NameMap;
use super::settings::{Granularity, WindowSettings};
use super::trace::{self, Fact, Way};
use crate::domain::{Clean, Column, NodeName, Party, Quantile, Rpc, ServiceName, Side, Stat};
use crate::telemetry::{Span, TraceId};

/// How far a difference of two durations or clocks may fall below zero and still be noise of
/// rounding and scheduling, nanoseconds. Beyond it, one of the two is not what it seems.
const TOLERANCE_NS: i64 = 1_000_000;

/// Collects the spans of one window, trace by trace: only durations are kept.
#[derive(Debug)]
pub struct Aggregator<'a> {
    window: Window,
    names: &'a NameMap,
    settings: &'a WindowSettings,
    entry_quantiles: &'a [Quantile],
    /// The trace being read, and its spans so far.
    open: Option<TraceId>,
    current: Vec<Span>,
    cut: bool,
    seen: HashSet<TraceId>,
    samples: HashMap<Rpc, Samples>,
    placed: BTreeSet<(ServiceName, NodeName)>,
    traces: usize,
}

/// The window that traces are collected for, unix nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Inclusive: roots start at or after it.
    pub start_ns: u64,
    /// Exclusive: roots start before it.
    pub end_ns: u64,
    /// Spans that end later are not read: they were not known yet at the moment in question.
    pub known_ns: u64,
}

/// Durations of one RPC, milliseconds.
#[derive(Debug, Default)]
struct Samples {
    client: Vec<f64>,
    server: Vec<f64>,
    network: Vec<f64>,
    /// Request and response delays by one clock.
    same_clock: Vec<(i64, i64)>,
    /// The same by two clocks, which may disagree.
    two_clocks: Vec<(i64, i64)>,
}

impl<'a> Aggregator<'a> {
    /// An empty window; requests from outside get `entry_quantiles` instead of the settings'.
    pub fn new(
        window: Window,
        settings: &'a WindowSettings,
        names: &'a NameMap,
        entry_quantiles: &'a [Quantile],
    ) -> Self {
        Self {
            window,
            names,
            settings,
            entry_quantiles,
            open: None,
            current: Vec::new(),
            cut: false,
            seen: HashSet::new(),
            samples: HashMap::new(),
            placed: BTreeSet::new(),
            traces: 0,
        }
    }

    /// Adds a span. Spans of one trace come together; a trace that comes a second time
    /// (found by two searches) is ignored.
    pub fn push(&mut self, mut span: Span) {
        if self.open != Some(span.trace) {
            self.close_trace();
            self.open = Some(span.trace);
        }
        if self.seen.contains(&span.trace) {
            return;
        }
        if trace::end_ns(&span) > self.window.known_ns {
            self.cut = true;
            return;
        }
        span.service = self.names.canonical(&span.service).clone();
        if let Some(peer) = &mut span.peer {
            *peer = self.names.canonical(peer).clone();
        }
        self.current.push(span);
    }

    /// Ends a search: the next span begins another trace even if its id is the same.
    pub fn close_trace(&mut self) {
        let spans = std::mem::take(&mut self.current);
        let cut = std::mem::take(&mut self.cut);
        let Some(trace) = self.open.take() else { return };
        self.seen.insert(trace);
        let Window { start_ns, end_ns, .. } = self.window;
        if trace::start_ns(&spans).is_some_and(|start| (start_ns..end_ns).contains(&start)) {
            self.traces += 1;
            for span in &spans {
                if let Some(node) = &span.node {
                    self.placed.insert((span.service.clone(), NodeName(node.clone())));
                }
            }
            trace::facts(&spans, cut, &mut |fact| self.add(fact));
        }
    }

    /// How many traces began in the window so far.
    pub fn traces(&self) -> usize {
        self.traces
    }

    fn add(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Served { service, server } => {
                self.of(Rpc::served_by(service)).server.push(to_ms(server));
            }
            Fact::Entry { service, operation, server } => {
                for operation in [None, Some(operation)] {
                    let samples = self.of(Rpc::entry(service, operation));
                    samples.client.push(to_ms(server));
                    samples.server.push(to_ms(server));
                }
            }
            Fact::Call { caller, callee, operation, client, server, way } => {
                let rpc = self.edge(caller, callee, operation);
                let samples = self.of(rpc);
                samples.client.extend(client.map(to_ms));
                samples.server.extend(server.map(to_ms));
                if let Some(way) = way {
                    samples.add_way(way);
                }
            }
        }
    }

    fn edge(&self, caller: &ServiceName, callee: &ServiceName, operation: &Clean) -> Rpc {
        let mut rpc = Rpc::edge(caller, callee);
        if self.settings.granularity == Granularity::Operation {
            rpc.operation = Some(operation.clone());
        }
        rpc
    }

    fn of(&mut self, rpc: Rpc) -> &mut Samples {
        self.samples.entry(rpc).or_default()
    }

    /// The cells of the window that ends at `end` (unix seconds).
    pub fn finish(mut self, end: i64) -> Cells {
        self.close_trace();
        let mut rpcs: Vec<_> = self.samples.into_iter().collect();
        rpcs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut cells = Cells::default();
        for (service, node) in &self.placed {
            cells.place(service, node, end);
        }
        for (rpc, samples) in rpcs {
            let quantiles = match rpc.caller {
                Party::User => self.entry_quantiles,
                Party::Any | Party::Service(_) => &self.settings.quantiles,
            };
            for (side, mut values) in samples.sides() {
                values.sort_by(f64::total_cmp);
                let mut set = |stat, value| {
                    let column = cells.column(&Column::Latency { rpc: rpc.clone(), side, stat });
                    cells.push(end, column, value);
                };
                for q in quantiles {
                    if let Some(value) = quantile(&values, *q) {
                        set(Stat::Quantile(*q), value);
                    }
                }
                set(Stat::Count, values.len() as f64);
            }
        }
        cells
    }
}

impl Samples {
    fn add_way(&mut self, way: Way) {
        // A server that outlived its caller's patience says nothing about the network.
        if way.total < -TOLERANCE_NS {
            return;
        }
        self.network.push(to_ms(way.total.max(0).unsigned_abs()));
        if way.adjusted {
            return;
        }
        let delays = (way.request, way.response);
        if way.same_clock { self.same_clock.push(delays) } else { self.two_clocks.push(delays) }
    }

    /// Values by side; sides without any are left out. Delays by two clocks count only if not a
    /// single one in this window contradicts that the clocks agree.
    fn sides(self) -> impl Iterator<Item = (Side, Vec<f64>)> {
        let possible = |(request, response): &(i64, i64)| *request.min(response) >= -TOLERANCE_NS;
        let mut delays = self.same_clock;
        delays.retain(possible);
        if self.two_clocks.iter().all(possible) {
            delays.extend(self.two_clocks);
        }
        let ms = |ns: i64| to_ms(ns.max(0).unsigned_abs());
        let request = delays.iter().map(|d| ms(d.0)).collect();
        let response = delays.iter().map(|d| ms(d.1)).collect();
        [
            (Side::Client, self.client),
            (Side::Server, self.server),
            (Side::Network, self.network),
            (Side::Request, request),
            (Side::Response, response),
        ]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
    }
}

fn to_ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Exact quantile of sorted values, linear between the two nearest ranks.
pub fn quantile(sorted: &[f64], q: Quantile) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = q.fraction().clamp(0.0, 1.0) * last as f64;
    let below = (rank.floor() as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (rank - below as f64) * (sorted[above] - sorted[below]))
}

#[cfg(test)]
mod tests;
