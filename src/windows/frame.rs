//! `Frame`: the window table, columns by [`Column`], rows by time, NaN where data is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::domain::{Clean, Column, Entity, NodeName, Pool, ServiceName, Timestamp};

/// Where a window's latencies came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// No latency was seen.
    #[default]
    None,
    /// Spans.
    Traces,
    /// PromQL.
    Metrics,
    /// Spans where there were any, PromQL for the rest.
    Both,
}

/// Feature that tells a model where a window's latencies came from: 0 spans, 1 PromQL.
/// Present only where both occur, see [`Frame::with_source`].
pub const SOURCE_FEATURE: &str = "latency_source";

/// One row per window. Rows are in time order without duplicates; absent windows are absent rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Length of every window.
    pub length: Duration,
    /// End of each window (exclusive): a window is knowable from this moment on.
    pub ends: Vec<Timestamp>,
    /// Column values; each as long as `ends`; NaN is "missing".
    pub columns: IndexMap<Column, Vec<f32>>,
    /// Where each row's latencies came from.
    pub sources: Vec<Source>,
    /// Nodes a service's replicas ran on, as last seen.
    pub placement: BTreeMap<ServiceName, Vec<NodeName>>,
}

impl Frame {
    /// Number of windows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows for which `keep` is true, as a new frame; rows beyond its end are dropped.
    pub fn filtered(&self, keep: &[bool]) -> Self {
        fn pick<T: Clone>(values: &[T], keep: &[bool]) -> Vec<T> {
            values.iter().zip(keep).filter(|(_, keep)| **keep).map(|(v, _)| v.clone()).collect()
        }
        Self {
            length: self.length,
            ends: pick(&self.ends, keep),
            columns: self.columns.iter().map(|(c, v)| (c.clone(), pick(v, keep))).collect(),
            sources: pick(&self.sources, keep),
            placement: self.placement.clone(),
        }
    }

    /// Adds [`SOURCE_FEATURE`] to every service if the latencies come from different sources in
    /// different windows: estimates of spans and of histograms differ, and that is no fault.
    #[must_use]
    pub fn with_source(mut self) -> Self {
        let known = |s: &&Source| **s != Source::None;
        let mixed = self
            .sources
            .iter()
            .find(known)
            .is_some_and(|first| self.sources.iter().filter(known).any(|other| other != first));
        if !mixed {
            return self;
        }
        let values: Vec<f32> = self
            .sources
            .iter()
            .map(|s| match s {
                Source::None => f32::NAN,
                Source::Traces => 0.0,
                Source::Both => 0.5,
                Source::Metrics => 1.0,
            })
            .collect();
        let services: BTreeSet<ServiceName> = self.columns.keys().filter_map(served).collect();
        for service in services {
            let feature = Clean::new(SOURCE_FEATURE);
            let column = Column::Metric { entity: Entity::Service(service), feature, pool: Pool::Mean };
            self.columns.insert(column, values.clone());
        }
        self
    }

    /// The rows whose window ends in (`after`, `until`], as a new frame.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> Self {
        let lo = self.ends.partition_point(|end| *end <= after);
        let hi = self.ends.partition_point(|end| *end <= until).max(lo);
        self.rows(lo..hi)
    }

    /// The rows of `range` as a new frame; a range beyond the end is cut.
    pub fn rows(&self, range: std::ops::Range<usize>) -> Self {
        let hi = range.end.min(self.len());
        let lo = range.start.min(hi);
        Self {
            length: self.length,
            ends: self.ends[lo..hi].to_vec(),
            columns: self.columns.iter().map(|(c, v)| (c.clone(), v[lo..hi].to_vec())).collect(),
            sources: self.sources[lo..hi].to_vec(),
            placement: self.placement.clone(),
        }
    }
}

fn served(column: &Column) -> Option<ServiceName> {
    match column {
        Column::Latency { rpc, .. } => rpc.callee.service().cloned(),
        Column::Metric { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Rpc, Side, Stat};

    #[test]
    fn the_source_is_told_only_where_it_changes() {
        let web = ServiceName::new("web");
        let column = Column::Latency { rpc: Rpc::served_by(&web), side: Side::Server, stat: Stat::Count };
        let frame = |sources: &[Source]| Frame {
            ends: vec![Timestamp::UNIX_EPOCH; sources.len()],
            columns: [(column.clone(), vec![1.0; sources.len()])].into_iter().collect(),
            sources: sources.to_vec(),
            ..Frame::default()
        };
        assert_eq!(frame(&[Source::Metrics, Source::None, Source::Metrics]).with_source().columns.len(), 1);
        let mixed = frame(&[Source::Traces, Source::Metrics, Source::None]).with_source();
        let told = &mixed.columns[1];
        assert_eq!(told[..2], [0.0, 1.0]);
        assert!(told[2].is_nan());
    }
}
