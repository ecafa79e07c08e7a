//! `Frame`: the window table, columns by [`Column`], rows by time, NaN where data is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::domain::{Column, NodeName, ServiceName, Timestamp};

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
