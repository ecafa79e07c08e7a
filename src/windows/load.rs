//! From the store's cells to one [`Frame`]: precedence, derived columns, placement, call edges.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use indexmap::IndexMap;

use super::cells::{Cells, Ends};
use super::error::Error;
use super::frame::{Frame, Source};
use super::plan::{Meaning, Plan, Query};
use super::schedule::Period;
use super::settings::LatencySource;
use super::store::{Placement, Store};
use crate::domain::{Column, Entity, NodeName, Party, Pool, Rpc, ServiceName, Side, Stat, Timestamp};

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
        table.add_spans(&store.cells(&traces.key, range)?, plan.settings.latency_source);
    }
    Ok(Loaded { edges: table.take_edges(), frame: table.into_frame(newest(placements, length)) })
}

impl Plan {
    /// Whether a query takes part: with `latency_source = "traces"`, PromQL latencies do not.
    pub(super) fn uses(&self, query: &Query) -> bool {
        self.settings.latency_source != LatencySource::Traces || !matches!(query.meaning, Meaning::Latency(_))
    }
}

/// Whether a column is the latency of a call between two services.
pub(super) fn is_edge(column: &Column) -> bool {
    edge_of(column).is_some() && matches!(column, Column::Latency { .. })
}

fn edge_of(column: &Column) -> Option<(&ServiceName, &ServiceName)> {
    match column {
        Column::Latency { rpc, .. } => Some((rpc.caller.service()?, rpc.callee.service()?)),
        Column::Metric { entity: Entity::Channel { caller, callee }, .. } => Some((caller, callee)),
        Column::Metric { .. } => None,
    }
}

/// The frame while it is put together: dense columns over every window of the range.
#[derive(Debug)]
struct Table {
    range: Ends,
    length: i64,
    columns: IndexMap<Column, Vec<f32>>,
    rows: Vec<Row>,
    /// Columns that belong to an SLO read by PromQL.
    owned: HashSet<Column>,
    edges: BTreeMap<(ServiceName, ServiceName, EdgeSeen), Calls>,
}

/// What is known about one window besides its cells.
#[derive(Clone, Debug, Default)]
struct Row {
    filled: bool,
    from_metrics: bool,
    from_spans: bool,
    /// Whether PromQL knows call edges here.
    has_edges: bool,
}

/// Calls of an edge by the side that counted them; both sides count the same calls.
#[derive(Debug, Default)]
struct Calls {
    client: f64,
    server: f64,
}

impl Table {
    fn new(range: Ends, length: i64) -> Self {
        let windows = usize::try_from(range.windows(length)).unwrap_or(0);
        Self {
            range,
            length,
            columns: IndexMap::new(),
            rows: vec![Row::default(); windows],
            owned: HashSet::new(),
            edges: BTreeMap::new(),
        }
    }

    fn slot(&self, end: i64) -> Option<usize> {
        let offset = end.checked_sub(self.range.after)?;
        let slot = usize::try_from(offset / self.length - 1).ok()?;
        (offset % self.length == 0 && slot < self.rows.len()).then_some(slot)
    }

    fn column(&mut self, column: &Column) -> usize {
        match self.columns.get_index_of(column) {
            Some(ix) => ix,
            None => self.columns.insert_full(column.clone(), vec![f32::NAN; self.rows.len()]).0,
        }
    }

    /// Fills a cell that is still empty; whether it was.
    fn fill(&mut self, slot: usize, column: &Column, value: f32) -> bool {
        let ix = self.column(column);
        let cell = &mut self.columns[ix][slot];
        let empty = cell.is_nan();
        if empty {
            *cell = value;
            self.rows[slot].filled = true;
        }
        empty
    }

    fn add_metrics(&mut self, query: &Query, cells: &Cells) {
        for (end, row) in cells.rows() {
            let Some(slot) = self.slot(end) else { continue };
            for (column, value) in row {
                self.note_edge(column, EdgeSeen::Metrics, value);
                self.fill(slot, column, value);
                self.rows[slot].from_metrics |= matches!(column, Column::Latency { .. });
                self.rows[slot].has_edges |= is_edge(column);
            }
        }
        if let Meaning::Slo { rpc, quantile, .. } = &query.meaning {
            let (rpc, side) = (rpc.clone(), Side::Client);
            self.owned.insert(Column::Latency { rpc, side, stat: Stat::Quantile(*quantile) });
        }
    }

    fn add_spans(&mut self, cells: &Cells, source: LatencySource) {
        let both_sides: BTreeSet<(ServiceName, ServiceName)> = cells
            .rows()
            .flat_map(|(_, row)| row.filter_map(|(c, _)| served_edge(c)).collect::<Vec<_>>())
            .collect();
        for (end, row) in cells.rows() {
            let Some(slot) = self.slot(end) else { continue };
            for (column, value) in row {
                if let Some((caller, callee)) = edge_of(column) {
                    let both = both_sides.contains(&(caller.clone(), callee.clone()));
                    self.note_edge(column, if both { EdgeSeen::Spans } else { EdgeSeen::Peer }, value);
                }
                let wanted = match source {
                    LatencySource::Traces => true,
                    LatencySource::Auto => !self.rows[slot].has_edges || is_entry(column),
                    LatencySource::Metrics => is_entry(column),
                };
                if wanted && !self.owned.contains(column) && self.fill(slot, column, value) {
                    self.rows[slot].from_spans = true;
                }
            }
        }
    }

    fn note_edge(&mut self, column: &Column, seen: EdgeSeen, value: f32) {
        let Some((caller, callee)) = edge_of(column) else { return };
        if caller == callee {
            return;
        }
        let calls = self.edges.entry((caller.clone(), callee.clone(), seen)).or_default();
        match column {
            Column::Latency { side: Side::Client, stat: Stat::Count, .. } => calls.client += f64::from(value),
            Column::Latency { side: Side::Server, stat: Stat::Count, .. } => calls.server += f64::from(value),
            _ => {}
        }
    }

    fn take_edges(&mut self) -> Vec<ObservedEdge> {
        std::mem::take(&mut self.edges)
            .into_iter()
            .map(|((caller, callee, seen), calls)| {
                let calls = calls.client.max(calls.server).round() as u64;
                ObservedEdge { caller, callee, seen, calls }
            })
            .collect()
    }

    /// Where there is a maximum at all, a window with one replica has it as its mean.
    fn fill_maxima(&mut self) {
        let mut pairs = Vec::new();
        for (max, column) in self.columns.keys().enumerate() {
            let Column::Metric { entity, feature, pool: Pool::Max } = column else { continue };
            let (entity, feature) = (entity.clone(), feature.clone());
            let mean = Column::Metric { entity, feature, pool: Pool::Mean };
            pairs.extend(self.columns.get_index_of(&mean).map(|mean| (max, mean)));
        }
        for (max, mean) in pairs {
            for slot in 0..self.rows.len() {
                if self.columns[max][slot].is_nan() {
                    self.columns[max][slot] = self.columns[mean][slot];
                }
            }
        }
    }

    /// The time on the way, as the difference of both sides' quantiles, where nothing measures it
    /// itself. Sides that two instruments measured may cross: then nothing is left for the way.
    fn derive_network(&mut self) {
        let mut derived = Vec::new();
        for (column, client) in &self.columns {
            let Column::Latency { rpc, side: Side::Client, stat: stat @ Stat::Quantile(_) } = column else {
                continue;
            };
            let of = |side| Column::Latency { rpc: rpc.clone(), side, stat: *stat };
            if edge_of(column).is_none() || self.columns.contains_key(&of(Side::Network)) {
                continue;
            }
            if let Some(server) = self.columns.get(&of(Side::Server)) {
                // NaN on either side must stay NaN, and `max` would make it 0.
                let way = |(c, s): (&f32, &f32)| if c - s < 0.0 { 0.0 } else { c - s };
                derived.push((of(Side::Network), client.iter().zip(server).map(way).collect::<Vec<f32>>()));
            }
        }
        self.columns.extend(derived.into_iter().filter(|(_, way)| way.iter().any(|w| w.is_finite())));
    }

    fn into_frame(self, placement: BTreeMap<ServiceName, Vec<NodeName>>) -> Frame {
        let end = |slot: usize| Timestamp::from_second(self.range.after + (slot as i64 + 1) * self.length);
        let kept: Vec<(usize, Timestamp)> = (0..self.rows.len())
            .filter(|slot| self.rows[*slot].filled)
            .filter_map(|slot| Some((slot, end(slot).ok()?)))
            .collect();
        let mut columns = self.columns;
        columns.sort_unstable_keys();
        if kept.len() < self.rows.len() {
            for values in columns.values_mut() {
                *values = kept.iter().map(|(slot, _)| values[*slot]).collect();
            }
        }
        Frame {
            length: std::time::Duration::from_secs(self.length.unsigned_abs()),
            ends: kept.iter().map(|(_, end)| *end).collect(),
            sources: kept.iter().map(|(slot, _)| self.rows[*slot].source()).collect(),
            columns,
            placement,
        }
    }
}

impl Row {
    fn source(&self) -> Source {
        match (self.from_metrics, self.from_spans) {
            (false, false) => Source::None,
            (true, false) => Source::Metrics,
            (false, true) => Source::Traces,
            (true, true) => Source::Both,
        }
    }
}

fn is_entry(column: &Column) -> bool {
    matches!(column, Column::Latency { rpc: Rpc { caller: Party::User, .. }, .. })
}

fn served_edge(column: &Column) -> Option<(ServiceName, ServiceName)> {
    let Column::Latency { side: Side::Server, .. } = column else { return None };
    edge_of(column).map(|(caller, callee)| (caller.clone(), callee.clone()))
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
        known.extend(
            cells.rows().filter_map(|(end, mut row)| row.any(|(column, _)| is_edge(column)).then_some(end)),
        );
    }
    Ok(known)
}
