//! Samples in memory, as a Prometheus would hold them.
//!
//! One part of the lab writes, many questions read: share it as [`SharedTsdb`]. A reader holds the lock
//! only while it finds its series and notes which chunks it wants ([`Tsdb::select`]); chunks do not change,
//! so they are decoded after the lock is given back.

mod chunk;
mod labels;
mod series;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use promql_parser::label::{MatchOp, Matcher};

pub use labels::{Labels, METRIC_NAME, Text};
pub use series::{Samples, Series};

/// Index of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// Bits of the NaN by which Prometheus marks a series that has ended.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;
/// The staleness marker.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether a value is the staleness marker.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// The samples with one writer and many readers.
pub type SharedTsdb = Arc<RwLock<Tsdb>>;

/// What an exporter says about a metric (`# TYPE`, `# HELP`, `# UNIT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `counter`, `gauge`, `histogram`, …
    pub kind: &'static str,
    /// For people.
    pub help: Text,
    /// Such as `seconds`; may be empty.
    pub unit: Text,
}

/// All series of the lab.
#[derive(Debug, Default)]
pub struct Tsdb {
    series: Vec<Series>,
    by_labels: BTreeMap<Labels, SeriesId>,
    /// Name → value → series, ascending.
    index: BTreeMap<Text, BTreeMap<Text, Vec<SeriesId>>>,
    metadata: BTreeMap<Text, Metadata>,
}

/// A series found by [`Tsdb::select`], to be decoded when the lock is given back.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Labels.
    pub labels: Labels,
    window: series::Window,
    from_ms: i64,
    to_ms: i64,
}

impl Selected {
    /// The samples that were asked for.
    pub fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        self.window.decode(self.from_ms, self.to_ms, &mut samples);
        samples
    }
}

impl Tsdb {
    /// The series with these labels, made if there is none. Keep the id: it saves the look-up.
    pub fn series(&mut self, labels: Labels) -> SeriesId {
        if let Some(id) = self.by_labels.get(&labels) {
            return *id;
        }
        let id = SeriesId(u32::try_from(self.series.len()).unwrap_or(u32::MAX));
        let shared = labels.0.into_iter().map(|(name, value)| self.file(name, value, id)).collect();
        let labels = Labels(shared);
        self.by_labels.insert(labels.clone(), id);
        self.series.push(Series::new(labels));
        id
    }

    /// Enters a series into the index; gives back the texts that are there already, so that each
    /// is kept once.
    fn file(&mut self, name: Text, value: Text, id: SeriesId) -> (Text, Text) {
        let name = self.index.get_key_value(&name).map_or(name, |(known, _)| known.clone());
        let values = self.index.entry(name.clone()).or_default();
        let value = values.get_key_value(&value).map_or(value, |(known, _)| known.clone());
        values.entry(value.clone()).or_default().push(id);
        (name, value)
    }

    /// Adds a sample, which must not be older than the series' newest (else it is dropped, as
    /// Prometheus does). A second sample of the same time is dropped as well.
    pub fn append(&mut self, id: SeriesId, time_ms: i64, value: f64) {
        if let Some(series) = self.series.get_mut(id.0 as usize) {
            series.append(time_ms, value);
        }
    }

    /// All series.
    pub fn all(&self) -> &[Series] {
        &self.series
    }

    /// Forgets samples before `from_ms` (milliseconds since the epoch), up to half an hour later than
    /// that: they are kept by the chunk.
    pub fn forget(&mut self, from_ms: i64) {
        for series in &mut self.series {
            series.forget(from_ms);
        }
    }

    /// Says what a metric is. A histogram is described under its own name, without `_bucket`.
    pub fn describe(&mut self, metric: impl Into<Text>, metadata: Metadata) {
        self.metadata.insert(metric.into(), metadata);
    }

    /// What is known about metrics, by name.
    pub fn metadata(&self) -> &BTreeMap<Text, Metadata> {
        &self.metadata
    }

    /// The series that all matchers match and that may have samples between the two times (milliseconds
    /// since the epoch, both included), in the order of their labels.
    pub fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<Selected> {
        self.matching(matchers, from_ms, to_ms)
            .into_iter()
            .map(|series| Selected {
                labels: series.labels.clone(),
                window: series.window(from_ms, to_ms),
                from_ms,
                to_ms,
            })
            .collect()
    }

    /// Like [`Tsdb::select`], without the samples.
    pub fn matching(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<&Series> {
        let is_match = |series: &&Series| {
            series.overlaps(from_ms, to_ms) && matchers.iter().all(|m| m.is_match(series.labels.get(&m.name)))
        };
        let mut found: Vec<&Series> = match self.shortest_list(matchers) {
            Some(ids) => {
                ids.iter().filter_map(|id| self.series.get(id.0 as usize)).filter(is_match).collect()
            }
            None => self.series.iter().filter(is_match).collect(),
        };
        found.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        found
    }

    /// Of the matchers for an exact value the one with the fewest series: only these need a look.
    fn shortest_list(&self, matchers: &[Matcher]) -> Option<&[SeriesId]> {
        let exact = matchers.iter().filter(|m| matches!(m.op, MatchOp::Equal) && !m.value.is_empty());
        exact
            .map(|m| {
                let values = self.index.get(m.name.as_str());
                values.and_then(|values| values.get(m.value.as_str())).map_or(&[][..], Vec::as_slice)
            })
            .min_by_key(|ids| ids.len())
    }

    /// Memory it holds, in bytes, without texts.
    pub fn size(&self) -> usize {
        let labels: usize = self.series.iter().map(|s| 2 * size_of_val(s.labels.0.as_slice())).sum();
        labels + self.series.iter().map(Series::size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
