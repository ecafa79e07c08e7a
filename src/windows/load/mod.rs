//! From the store's cells to one [`Frame`], its call edges and placement.

mod table;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::cells::Ends;
use super::error::Error;
use super::frame::Frame;
use super::plan::{Meaning, Plan, Query};
use super::schedule::Period;
use super::settings::LatencySource;
use super::store::{Placement, Store};
use crate::domain::{Column, NodeName, ServiceName, Stat};
use table::{Table, edge_of};

/// A replica not seen for this many windows is no longer where it was.
const PLACED_WINDOWS: i64 = 5;

/// How a call edge was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeSeen {
    /// Spans of both sides.
    Spans,
    /// Client spans that name a peer without spans of its own.
    Peer,
    /// Caller and callee labels of a metric.
    Metrics,
}

/// A call edge that the data shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedEdge {
    /// Who calls.
    pub caller: ServiceName,
    /// Who serves.
    pub callee: ServiceName,
    /// How it was observed; the same edge may be listed once for each way.
    pub seen: EdgeSeen,
    /// Calls counted over the loaded range; 0 where the data shows the edge but no count.
    pub calls: u64,
}

/// What [`load`] gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The window table; columns in [`Column`]'s order, so that equal data makes equal frames.
    pub frame: Frame,
    /// Call edges seen in its windows, sorted.
    pub edges: Vec<ObservedEdge>,
}

/// Reads the windows of `period` that are stored for `plan`. Nothing later than `period.until` is read.
///
/// Where several queries give the same cell, the first in the plan counts. Spans fill what
/// PromQL leaves open as [`LatencySource`] says, but never the column of an SLO read by PromQL.
///
/// # Errors
/// If the store cannot be read.
pub fn load(store: &Store, plan: &Plan, period: &Period) -> Result<Loaded, Error> {
    let length = plan.settings.length_s();
    let range = period.ends(length);
    let mut table = Table::new(range, length);
    let mut placements = Vec::new();
    for query in &plan.queries {
        if !plan.uses(query) {
            continue;
        }
        table.add_metrics(query, &store.cells(&query.key, range)?);
        placements.extend(store.placements(&query.key, range)?);
    }
    table.fill_maxima();
    table.derive_network();
    if let Some(traces) = &plan.traces {
        let (old, young) = range.split(period.spans_settled(&plan.settings));
        for (key, range) in [(&traces.key, old), (&traces.young, young)] {
            table.add_spans(&store.cells(key, range)?, plan.settings.latency_source);
            placements.extend(store.placements(key, range)?);
        }
    }
    Ok(Loaded { edges: table.take_edges(), frame: table.into_frame(newest(placements, length)) })
}

impl Plan {
    /// Whether a query takes part: with `latency_source = "traces"`, PromQL latencies do not.
    pub(super) fn uses(&self, query: &Query) -> bool {
        self.settings.latency_source != LatencySource::Traces || !matches!(query.meaning, Meaning::Latency(_))
    }
}

/// Whether a column tells how long calls between two services take. (How many there are is no
/// substitute: an idle edge has a count and nothing else.)
pub(super) fn is_edge(column: &Column) -> bool {
    edge_of(column).is_some() && matches!(column, Column::Latency { stat: Stat::Quantile(_), .. })
}

/// Nodes by service, as of each service's newest windows.
fn newest(placements: Vec<Placement>, length: i64) -> BTreeMap<ServiceName, Vec<NodeName>> {
    let mut last: BTreeMap<&ServiceName, i64> = BTreeMap::new();
    for p in &placements {
        let seen = last.entry(&p.service).or_insert(p.last);
        *seen = p.last.max(*seen);
    }
    let mut nodes: BTreeMap<ServiceName, BTreeSet<NodeName>> = BTreeMap::new();
    for p in &placements {
        if last.get(&p.service).is_some_and(|last| p.last > last - PLACED_WINDOWS * length) {
            nodes.entry(p.service.clone()).or_default().insert(p.node.clone());
        }
    }
    nodes.into_iter().map(|(service, nodes)| (service, nodes.into_iter().collect())).collect()
}

/// Windows of `range` in which PromQL knows the latency of some call edge.
pub(super) fn windows_with_edges(store: &Store, plan: &Plan, range: Ends) -> Result<HashSet<i64>, Error> {
    let mut known = HashSet::new();
    for query in plan.queries.iter().filter(|q| matches!(q.meaning, Meaning::Latency(_))) {
        let cells = store.cells(&query.key, range)?;
        let edges: Vec<bool> = cells.columns().map(is_edge).collect();
        let has_edge = |row: &[(usize, f32)]| row.iter().any(|(ix, _)| edges[*ix]);
        known.extend(cells.rows().filter(|(_, row)| has_edge(row)).map(|(end, _)| end));
    }
    Ok(known)
}
