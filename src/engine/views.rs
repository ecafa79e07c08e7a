//! What the windows say about each service and each call, without a model: the numbers of the
//! dependency tree. Now and normal always come from one column, and no old window counts as now.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::Learned;
use super::core::{Engine, Picture};
use super::snapshot::{CallView, Entry, Load, Reading, Readings, Sampled, ServiceView, Snapshot};
use crate::causal::CallGraph;
use crate::diagnosis::evidence;
use crate::diagnosis::verdict::minus;
use crate::domain::{
    Clean, Column, Entity, Pool, Quantile, Resource, Rpc, Scope, ServiceName, Side, Slo, SloSource, Stat,
    Timestamp,
};
use crate::gvae::data::median;
use crate::telemetry::{Catalogue, Feature};
use crate::windows::{Frame, Source};

/// Fewest windows that tell what is normal.
const MIN_NORMAL: usize = 5;

/// Unit of loads that count requests.
const REQUESTS: &str = "requests/s";
/// From this share on, every request counts as traced: rates are measured a little beside the windows.
const ALL: f64 = 0.9;

/// The quantiles of one latency, lowest first.
type Columns<'a> = Vec<(Quantile, &'a [f32])>;

/// Reads the numbers off one picture.
pub struct Reader<'a> {
    frame: &'a Frame,
    catalogue: &'a Catalogue,
    /// The windows that are "now".
    recent: Range<usize>,
    /// The earlier windows that met the objectives.
    normal: Vec<usize>,
    /// Quantiles by what they are of, lowest first.
    quantiles: BTreeMap<(&'a Rpc, Side), Columns<'a>>,
}

impl<'a> Reader<'a> {
    /// For a picture of `engine`.
    pub fn new(engine: &'a Engine, picture: &'a Picture) -> Self {
        let frame = &picture.frame;
        let since = minus(picture.at, engine.diagnosis.window);
        let recent = frame.ends.partition_point(|end| *end <= since)..frame.len();
        let healthy = engine.healthy(frame);
        let normal = (0..recent.start).filter(|row| healthy[*row]).collect();
        let mut quantiles: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (column, values) in &frame.columns {
            if let Column::Latency { rpc, side, stat: Stat::Quantile(q) } = column {
                quantiles.entry((rpc, *side)).or_default().push((*q, values.as_slice()));
            }
        }
        quantiles.values_mut().for_each(|of| of.sort_by_key(|(q, _)| *q));
        Self { frame, catalogue: &engine.catalogue, recent, normal, quantiles }
    }

    fn now(&self, values: &[f32]) -> Option<f64> {
        middle(values[self.recent.clone()].iter().copied(), 1)
    }

    fn reading(&self, quantile: Quantile, values: &[f32]) -> Reading {
        let normal = middle(self.normal.iter().map(|row| values[*row]), MIN_NORMAL);
        Reading { quantile, now_ms: self.now(values), normal_ms: normal }
    }

    /// The readings of `rpc`, `None` if there is nothing new about it.
    fn readings(&self, rpc: &Rpc, side: Side) -> Option<Readings> {
        let columns = self.quantiles.get(&(rpc, side))?;
        let readings: Vec<_> = columns.iter().map(|(q, values)| self.reading(*q, values)).collect();
        let known = readings.iter().any(|r| r.now_ms.is_some() || r.normal_ms.is_some());
        known.then_some(Readings(readings))
    }

    /// The entry of an SLO whose requests are `rpc`.
    pub fn entry(&self, slo: &Slo, rpc: &Rpc) -> Entry {
        let column =
            Column::Latency { rpc: rpc.clone(), side: Side::Client, stat: Stat::Quantile(slo.quantile) };
        let reading = match self.frame.columns.get(&column) {
            Some(values) => self.reading(slo.quantile, values),
            None => Reading { quantile: slo.quantile, now_ms: None, normal_ms: None },
        };
        let service = rpc.callee.service().unwrap_or(&slo.service).clone();
        let sampled = self.sampled(slo, rpc, &service);
        Entry { service, reading, sampled }
    }

    /// Whether the latency of `rpc`'s requests is that of a sample: as many as were traced lately, next to as
    /// many as PromQL counted at the service.
    fn sampled(&self, slo: &Slo, rpc: &Rpc, service: &ServiceName) -> Sampled {
        let traced = |row: &usize| matches!(self.frame.sources[*row], Source::Traces | Source::Both);
        if slo.source != SloSource::Traces || !self.recent.clone().any(|row| traced(&row)) {
            return Sampled::No;
        }
        // Requests are counted by service: those of one operation are fewer.
        let counted = self.load(service).filter(|load| slo.operation.is_none() && !load.each);
        let counted = counted.filter(|load| load.unit.as_str() == REQUESTS && load.value > 0.0);
        let column = Column::Latency { rpc: rpc.clone(), side: Side::Client, stat: Stat::Count };
        let seen = self
            .frame
            .columns
            .get(&column)
            .and_then(|values| middle(self.recent.clone().filter(traced).map(|row| values[row]), 1));
        let (Some(counted), Some(seen)) = (counted, seen) else { return Sampled::Perhaps };
        let share = seen / self.frame.length.as_secs_f64().max(1.0) / counted.value;
        if share < ALL { Sampled::About(share) } else { Sampled::No }
    }

    /// The calls of `graph` that have a latency.
    pub fn calls(&self, graph: &CallGraph) -> BTreeMap<(ServiceName, ServiceName), CallView> {
        let by_edge = self.by_edge();
        let view = |caller: &ServiceName, callee: &ServiceName| {
            let rpcs = by_edge.get(&(caller, callee))?;
            [(Side::Client, true), (Side::Server, false)].into_iter().find_map(|(side, at_caller)| {
                let latency = rpcs.iter().find_map(|rpc| self.readings(rpc, side))?;
                Some(CallView { latency, at_caller, seen: self.seen_last(rpcs) })
            })
        };
        let edges = graph.edges().into_iter();
        edges.filter_map(|(a, b, _)| Some(((a.clone(), b.clone()), view(a, b)?))).collect()
    }

    /// The RPCs over each edge: the pooled one first, else the one that was called most.
    fn by_edge(&self) -> BTreeMap<(&'a ServiceName, &'a ServiceName), Vec<&'a Rpc>> {
        let mut edges: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (rpc, _) in self.quantiles.keys() {
            if let (Some(caller), Some(callee)) = (rpc.caller.service(), rpc.callee.service()) {
                edges.entry((caller, callee)).or_default().insert(*rpc);
            }
        }
        let sorted = |rpcs: BTreeSet<&'a Rpc>| {
            let mut rpcs: Vec<_> =
                rpcs.into_iter().map(|rpc| (rpc.operation.is_some(), self.seen(rpc), rpc)).collect();
            rpcs.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
            rpcs.into_iter().map(|(.., rpc)| rpc).collect()
        };
        edges.into_iter().map(|(edge, rpcs)| (edge, sorted(rpcs))).collect()
    }

    /// End of the newest window with a latency of any of `rpcs`.
    fn seen_last(&self, rpcs: &[&Rpc]) -> Option<Timestamp> {
        let columns = rpcs.iter().flat_map(|rpc| {
            [Side::Client, Side::Server].into_iter().filter_map(|side| self.quantiles.get(&(*rpc, side)))
        });
        let newest = |values: &&[f32]| values.iter().rposition(|v| v.is_finite());
        let row = columns.flatten().filter_map(|(_, values)| newest(values)).max()?;
        self.frame.ends.get(row).copied()
    }

    /// How often `rpc` was seen lately; only tells operations apart.
    fn seen(&self, rpc: &Rpc) -> f64 {
        let column = Column::Latency { rpc: rpc.clone(), side: Side::Client, stat: Stat::Count };
        self.frame.columns.get(&column).and_then(|v| self.now(v)).unwrap_or(0.0)
    }

    /// The services of `graph`, whose calls are `calls`.
    pub fn services(
        &self,
        graph: &CallGraph,
        calls: &BTreeMap<(ServiceName, ServiceName), CallView>,
    ) -> BTreeMap<ServiceName, ServiceView> {
        let view = |service: &ServiceName| {
            let served = self.served(graph, service);
            ServiceView {
                own_ms: own(graph, service, &served, calls),
                served,
                load: self.load(service),
                nodes: self.frame.placement.get(service).cloned().unwrap_or_default(),
                ..ServiceView::default()
            }
        };
        graph.services().into_iter().map(|service| (service.clone(), view(service))).collect()
    }

    /// Pooled over callers, and what is known of its only caller's calls, which is the same.
    fn served(&self, graph: &CallGraph, service: &ServiceName) -> Readings {
        let mut served = self.readings(&Rpc::served_by(service), Side::Server).unwrap_or_default();
        let from_users = self.quantiles.contains_key(&(&Rpc::entry(service, None), Side::Server));
        if let ([caller], false) = (&graph.callers(service)[..], from_users) {
            let of_caller = self.readings(&Rpc::edge(caller, service), Side::Server).unwrap_or_default();
            let new = of_caller.0.into_iter().filter(|r| served.of(r.quantile).is_none());
            let new: Vec<_> = new.collect();
            served.0.extend(new);
            served.0.sort_by_key(|r| r.quantile);
        }
        served
    }

    /// The catalogue's first load feature with a new value; else calls that PromQL counted. Calls seen
    /// in traces do not count: nobody knows how many were never sampled.
    fn load(&self, service: &ServiceName) -> Option<Load> {
        let features = self.catalogue.feature.iter();
        let loads = features.filter(|f| f.resource == Resource::Load && f.scope == Scope::Service);
        loads.clone().find_map(|feature| self.measured(service, feature)).or_else(|| self.counted(service))
    }

    fn measured(&self, service: &ServiceName, feature: &Feature) -> Option<Load> {
        let column = |pool| Column::Metric {
            entity: Entity::Service(service.clone()),
            feature: feature.name.clone(),
            pool,
        };
        let value = self.now(self.frame.columns.get(&column(Pool::Mean))?)?;
        // The largest is kept beside the mean only where there was more than one replica.
        let each = feature.replica.is_some() && self.frame.columns.contains_key(&column(Pool::Max));
        Some(Load { value, unit: feature.unit.clone().unwrap_or_else(|| Clean::new("")), each })
    }

    fn counted(&self, service: &ServiceName) -> Option<Load> {
        let column = Column::Latency { rpc: Rpc::served_by(service), side: Side::Server, stat: Stat::Count };
        let values = self.frame.columns.get(&column)?;
        let counted = self.recent.clone().filter(|row| self.frame.sources[*row] == Source::Metrics);
        let calls = middle(counted.map(|row| values[row]), 1)?;
        let value = calls / self.frame.length.as_secs_f64().max(1.0);
        Some(Load { value, unit: Clean::new("requests/s"), each: false })
    }
}

/// About what the slowest callee leaves of a service's latency: at the lowest quantile that is
/// known of the service and of everything it calls.
fn own(
    graph: &CallGraph,
    service: &ServiceName,
    served: &Readings,
    calls: &BTreeMap<(ServiceName, ServiceName), CallView>,
) -> Option<f64> {
    let callees: Vec<_> = graph
        .callees(service)
        .into_iter()
        .map(|callee| calls.get(&(service.clone(), callee.clone())))
        .collect::<Option<_>>()?;
    served.0.iter().find_map(|of_service| {
        let slowest = callees
            .iter()
            .map(|call| call.latency.of(of_service.quantile)?.now_ms)
            .try_fold(0.0, |slowest: f64, ms| Some(slowest.max(ms?)));
        Some((of_service.now_ms? - slowest?).max(0.0))
    })
}

/// The median, if there are at least `least` values.
fn middle(values: impl Iterator<Item = f32>, least: usize) -> Option<f64> {
    let mut known: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    if known.len() < least {
        return None;
    }
    median(&mut known).map(f64::from)
}

impl Snapshot {
    /// What `engine` shows of `picture`; with a model, also who stands out by it.
    pub fn of(engine: &Engine, picture: Picture, graph: Arc<CallGraph>, learned: Option<&Learned>) -> Self {
        let reader = Reader::new(engine, &picture);
        let calls = reader.calls(&graph);
        let entries = engine.slos.iter().map(|slo| reader.entry(slo, &engine.plan.entry_rpc(slo))).collect();
        let mut services = reader.services(&graph, &calls);
        let mut warnings = picture.warnings.clone();
        // Without a recent window, the newest ones tell of a time long ago.
        if let Some(learned) = learned.filter(|_| !reader.recent.is_empty())
            && let Err(error) = mark(engine, learned, &picture.frame, &mut services)
        {
            warnings.push(Clean::new(&format!("who stands out is not known: {error}")));
        }
        Self {
            version: 0,
            at: picture.at,
            data_until: picture.frame.ends.last().copied(),
            window: picture.frame.length,
            frozen: false,
            context: engine.context.clone(),
            slos: picture.statuses,
            entries,
            graph,
            services,
            calls,
            unusual: engine.unusual(),
            warnings,
        }
    }
}

/// Marks how unusual each service's own contribution is. The load is nobody's fault.
fn mark(
    engine: &Engine,
    learned: &Learned,
    frame: &Frame,
    services: &mut BTreeMap<ServiceName, ServiceView>,
) -> candle_core::Result<()> {
    let (model, reference) = (&learned.model, &learned.reference);
    let found = evidence::collect(model, reference, &learned.kinds, frame, &engine.diagnosis)?;
    for channel in [&found.metrics, &found.latencies, &found.channels] {
        for (service, findings) in channel {
            let Some(view) = services.get_mut(service) else { continue };
            for finding in findings.iter().filter(|f| f.resource != Resource::Load) {
                if view.surprise.is_none_or(|s| finding.surprise > s) {
                    view.surprise = Some(finding.surprise);
                    view.resource = Some(finding.resource);
                }
            }
        }
    }
    Ok(())
}
