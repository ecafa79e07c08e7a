//! The table under construction: precedence of sources, derived columns.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use indexmap::IndexMap;

use super::{EdgeSeen, ObservedEdge, is_edge};
use crate::domain::{Column, Entity, NodeName, Party, Pool, Rpc, ServiceName, Side, Stat, Timestamp};
use crate::windows::cells::{Cells, Ends};
use crate::windows::frame::{Frame, Source};
use crate::windows::plan::{Meaning, Query};
use crate::windows::settings::LatencySource;

/// The frame while it is put together: dense columns over every window of the range.
#[derive(Debug)]
pub struct Table {
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
    /// An empty table of the windows of `length` seconds in `range`.
    pub fn new(range: Ends, length: i64) -> Self {
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
    fn fill(&mut self, slot: usize, column: usize, value: f32) -> bool {
        let cell = &mut self.columns[column][slot];
        let empty = cell.is_nan();
        if empty {
            *cell = value;
            self.rows[slot].filled = true;
        }
        empty
    }

    /// Adds the answer of a query; cells that earlier queries filled stay.
    pub fn add_metrics(&mut self, query: &Query, cells: &Cells) {
        self.note_edges(cells, |_| EdgeSeen::Metrics);
        // (column here, whether a latency, whether of a call edge), by the cells' handles.
        let handles: Vec<(usize, bool, bool)> = cells
            .columns()
            .map(|c| (self.column(c), matches!(c, Column::Latency { .. }), is_edge(c)))
            .collect();
        for (end, row) in cells.rows() {
            let Some(slot) = self.slot(end) else { continue };
            for (ix, value) in row {
                let (column, latency, edge) = handles[*ix];
                self.fill(slot, column, *value);
                self.rows[slot].from_metrics |= latency;
                self.rows[slot].has_edges |= edge;
            }
        }
        if let Meaning::Slo { rpc, quantile, .. } = &query.meaning {
            let (rpc, side) = (rpc.clone(), Side::Client);
            self.owned.insert(Column::Latency { rpc, side, stat: Stat::Quantile(*quantile) });
        }
    }

    /// Adds what spans tell, as far as `source` wants it and metrics left it open.
    pub fn add_spans(&mut self, cells: &Cells, source: LatencySource) {
        let served: BTreeSet<_> = cells.columns().filter_map(served_edge).collect();
        self.note_edges(cells, |edge| if served.contains(&edge) { EdgeSeen::Spans } else { EdgeSeen::Peer });
        // Columns are made when first filled: what the source does not want must not leave empty ones.
        let columns: Vec<&Column> = cells.columns().collect();
        let mut handles: Vec<Option<usize>> = vec![None; columns.len()];
        let owned: Vec<bool> = columns.iter().map(|c| self.owned.contains(*c)).collect();
        for (end, row) in cells.rows() {
            let Some(slot) = self.slot(end) else { continue };
            for (ix, value) in row {
                let wanted = match source {
                    LatencySource::Traces => true,
                    LatencySource::Auto => !self.rows[slot].has_edges || is_entry(columns[*ix]),
                    LatencySource::Metrics => is_entry(columns[*ix]),
                };
                if !wanted || owned[*ix] {
                    continue;
                }
                let column = *handles[*ix].get_or_insert_with(|| self.column(columns[*ix]));
                if self.fill(slot, column, *value) {
                    self.rows[slot].from_spans = true;
                }
            }
        }
    }

    fn note_edges<'c>(
        &mut self,
        cells: &'c Cells,
        seen: impl Fn((&'c ServiceName, &'c ServiceName)) -> EdgeSeen,
    ) {
        let mut sums = vec![0.0; cells.columns().len()];
        for (_, row) in cells.rows() {
            row.iter().for_each(|(ix, value)| sums[*ix] += f64::from(*value));
        }
        for (column, sum) in cells.columns().zip(sums) {
            let Some((caller, callee)) = edge_of(column).filter(|(caller, callee)| caller != callee) else {
                continue;
            };
            let key = (caller.clone(), callee.clone(), seen((caller, callee)));
            let calls = self.edges.entry(key).or_default();
            match column {
                Column::Latency { side: Side::Client, stat: Stat::Count, .. } => calls.client += sum,
                Column::Latency { side: Side::Server, stat: Stat::Count, .. } => calls.server += sum,
                _ => {}
            }
        }
    }

    /// The call edges seen so far.
    pub fn take_edges(&mut self) -> Vec<ObservedEdge> {
        std::mem::take(&mut self.edges)
            .into_iter()
            .map(|((caller, callee, seen), calls)| {
                let calls = calls.client.max(calls.server).round() as u64;
                ObservedEdge { caller, callee, seen, calls }
            })
            .collect()
    }

    /// Where there is a maximum at all, a window with one replica has it as its mean.
    pub fn fill_maxima(&mut self) {
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
    pub fn derive_network(&mut self) {
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

    /// The windows that have any cell, columns in order.
    pub fn into_frame(self, placement: BTreeMap<ServiceName, Vec<NodeName>>) -> Frame {
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

fn served_edge(column: &Column) -> Option<(&ServiceName, &ServiceName)> {
    let Column::Latency { side: Side::Server, .. } = column else { return None };
    edge_of(column)
}

/// The two services that a column tells to be caller and callee.
pub fn edge_of(column: &Column) -> Option<(&ServiceName, &ServiceName)> {
    match column {
        Column::Latency { rpc, .. } => Some((rpc.caller.service()?, rpc.callee.service()?)),
        Column::Metric { entity: Entity::Channel { caller, callee }, .. } => Some((caller, callee)),
        Column::Metric { .. } => None,
    }
}
