//! From the series of a query to cells: labels become entities, replicas are pooled.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Cells, Ends};
use super::names::NameMap;
use super::plan::Meaning;
use crate::domain::{
    Clean, Column, Entity, NodeName, Party, Pool, Quantile, Rpc, Scope, ServiceName, Side, Stat,
};
use crate::telemetry::{Feature, LatencyQuery, Matrix, Series};

/// The windows a matrix is read into.
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    /// Window ends that may be filled; samples elsewhere are ignored, whatever the backend sent.
    pub range: Ends,
    /// Window length, seconds.
    pub length: i64,
    /// Names in labels and their workloads.
    pub names: &'a NameMap,
}

impl Grid<'_> {
    /// The finite samples that stand exactly on a window's end. A sample at time t was evaluated
    /// over what lies before t, so it belongs to the window that ends at t.
    fn samples<'s>(&self, series: &'s Series) -> impl Iterator<Item = (i64, f64)> + use<'s, '_> {
        let Grid { range, length, .. } = *self;
        series.points.iter().filter_map(move |(ms, value)| {
            let end = ms.div_euclid(1000);
            let on_grid = ms.rem_euclid(1000) == 0 && end.rem_euclid(length) == 0;
            (on_grid && range.contains(end) && value.is_finite()).then_some((end, *value))
        })
    }

    fn service(&self, raw: &Clean) -> ServiceName {
        self.names.canonical(&ServiceName(raw.clone())).clone()
    }
}

/// What a matrix brought, and how many of its series lacked the labels to place them.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The cells.
    pub cells: Cells,
    /// Series that could not be placed.
    pub unplaced: usize,
    /// Something the reader should know about the values.
    pub remark: Option<Clean>,
}

/// Reads the answer of a query.
pub fn read(matrix: &Matrix, meaning: &Meaning, grid: Grid<'_>) -> Read {
    match meaning {
        Meaning::Feature(feature) => read_feature(matrix, feature, grid),
        Meaning::Latency(query) => read_latency(matrix, query, grid),
        Meaning::Slo { rpc, quantile, to_ms } => {
            read_slo(matrix, rpc, Stat::Quantile(*quantile), *to_ms, grid)
        }
        Meaning::SloCount { rpc } => read_slo(matrix, rpc, Stat::Count, 1.0, grid),
    }
}

/// A label's value; Prometheus treats an empty label as an absent one.
fn label<'a>(series: &'a Series, name: Option<&Clean>) -> Option<&'a Clean> {
    series.labels.get(name?).filter(|value| !value.as_str().is_empty())
}

fn entity(series: &Series, feature: &Feature, grid: &Grid<'_>) -> Option<Entity> {
    match feature.scope {
        Scope::Service => label(series, feature.service.as_ref())
            .map(|name| grid.service(name))
            .or_else(|| label(series, feature.replica.as_ref()).map(|pod| grid.names.of_pod(pod.as_str())))
            .map(Entity::Service),
        Scope::Channel => Some(Entity::Channel {
            caller: grid.service(label(series, feature.caller.as_ref())?),
            callee: grid.service(label(series, feature.callee.as_ref())?),
        }),
        Scope::Node => label(series, feature.node.as_ref()).map(|node| Entity::Node(NodeName(node.clone()))),
    }
}

/// Sum and number of the series of one replica in one window.
type Replica = (f64, u32);

fn read_feature(matrix: &Matrix, feature: &Feature, grid: Grid<'_>) -> Read {
    let mut read = Read::default();
    let mut pooled: BTreeMap<Entity, BTreeMap<i64, BTreeMap<Option<&Clean>, Replica>>> = BTreeMap::new();
    for series in &matrix.series {
        let Some(entity) = entity(series, feature, &grid) else {
            read.unplaced += 1;
            continue;
        };
        if let (Entity::Service(service), Some(node)) = (&entity, label(series, feature.node.as_ref())) {
            let node = NodeName(node.clone());
            for (end, _) in grid.samples(series) {
                read.cells.place(service, &node, end);
            }
        }
        let replica = label(series, feature.replica.as_ref());
        let windows = pooled.entry(entity).or_default();
        for (end, value) in grid.samples(series) {
            let of_replica = windows.entry(end).or_default().entry(replica).or_default();
            of_replica.0 += value;
            of_replica.1 += 1;
        }
    }
    for (entity, windows) in pooled {
        let column = |pool| Column::Metric { entity: entity.clone(), feature: feature.name.clone(), pool };
        let mean = read.cells.column(&column(Pool::Mean));
        let mut max = None;
        for (end, replicas) in windows {
            // Several series of one replica (containers, devices) are averaged: they are no replicas.
            let values = || replicas.values().map(|(sum, n)| sum / f64::from(*n));
            read.cells.push(end, mean, values().sum::<f64>() / replicas.len() as f64);
            // With one replica the maximum is the mean; `load` fills it in where it is needed.
            if replicas.len() > 1 {
                let max = *max.get_or_insert_with(|| read.cells.column(&column(Pool::Max)));
                read.cells.push(end, max, values().fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
    read
}

fn rpc(series: &Series, query: &LatencyQuery, grid: &Grid<'_>) -> Option<Rpc> {
    let party = |name: Option<&Clean>| match name {
        None => Some(Party::Any),
        Some(_) => label(series, name).map(|value| Party::Service(grid.service(value))),
    };
    Some(Rpc {
        caller: party(query.caller.as_ref())?,
        callee: party(query.callee.as_ref())?,
        operation: match &query.operation {
            None => None,
            Some(_) => Some(label(series, query.operation.as_ref())?.clone()),
        },
    })
}

fn read_latency(matrix: &Matrix, query: &LatencyQuery, grid: Grid<'_>) -> Read {
    let (stat, factor) = match query.quantile {
        Some(q) => (Stat::Quantile(Quantile::from_fraction(q)), query.unit.to_ms()),
        None => (Stat::Count, 1.0),
    };
    let mut read = Read::default();
    let mut pooled: BTreeMap<Rpc, BTreeMap<i64, (f64, u32)>> = BTreeMap::new();
    for series in &matrix.series {
        let Some(rpc) = rpc(series, query, &grid) else {
            read.unplaced += 1;
            continue;
        };
        let windows = pooled.entry(rpc).or_default();
        for (end, value) in grid.samples(series).filter(|(_, value)| *value >= 0.0) {
            let sum = windows.entry(end).or_default();
            sum.0 += value * factor;
            sum.1 += 1;
        }
    }
    for (rpc, windows) in pooled {
        let column = read.cells.column(&Column::Latency { rpc, side: query.side, stat });
        for (end, (sum, n)) in windows {
            // Calls add up over series; of quantiles only a middle can be told.
            let value = if stat == Stat::Count { sum } else { sum / f64::from(n) };
            read.cells.push(end, column, value);
        }
    }
    read
}

fn read_slo(matrix: &Matrix, rpc: &Rpc, stat: Stat, factor: f64, grid: Grid<'_>) -> Read {
    let mut read = Read::default();
    let mut windows: BTreeMap<i64, f64> = BTreeMap::new();
    let mut filled = BTreeSet::new();
    for (n, series) in matrix.series.iter().enumerate() {
        for (end, value) in grid.samples(series).filter(|(_, value)| *value >= 0.0) {
            filled.insert(n);
            // The largest of several: a misread SLO must not look better than it is.
            let slot = windows.entry(end).or_insert(value);
            *slot = slot.max(value);
        }
    }
    if filled.len() > 1 {
        read.remark = Some(Clean::new(&format!(
            "the expression gives {} series instead of one; the largest value is used",
            filled.len()
        )));
    }
    let column = read.cells.column(&Column::Latency { rpc: rpc.clone(), side: Side::Client, stat });
    for (end, value) in windows {
        read.cells.push(end, column, value * factor);
    }
    read
}

#[cfg(test)]
mod tests;
