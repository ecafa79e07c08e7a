//! Samples in memory, as a Prometheus would hold them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A label name or value.
pub type Text = Arc<str>;

/// A series' labels, with `__name__`, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(pub Vec<(Text, Text)>);

/// Index of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// One series.
#[derive(Clone, Debug)]
pub struct Series {
    /// Labels.
    pub labels: Labels,
    /// Times in milliseconds since the epoch, ascending.
    pub times: Vec<i64>,
    /// Values; a staleness marker is [`STALE`], told from other NaNs by its bits.
    pub values: Vec<f64>,
}

/// Bits of the NaN by which Prometheus marks a series that has ended.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;
/// The staleness marker.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// All series of the lab.
#[derive(Debug, Default)]
pub struct Tsdb {
    series: Vec<Series>,
    by_labels: BTreeMap<Labels, SeriesId>,
}

impl Tsdb {
    /// The series with these labels, made if there is none. Keep the id: it saves the look-up.
    pub fn series(&mut self, labels: Labels) -> SeriesId {
        if let Some(id) = self.by_labels.get(&labels) {
            return *id;
        }
        let id = SeriesId(u32::try_from(self.series.len()).unwrap_or(u32::MAX));
        self.by_labels.insert(labels.clone(), id);
        self.series.push(Series { labels, times: Vec::new(), values: Vec::new() });
        id
    }

    /// Adds a sample, which must not be older than the series' newest (else it is dropped, as
    /// Prometheus does). A second sample of the same time is dropped as well.
    pub fn append(&mut self, id: SeriesId, time_ms: i64, value: f64) {
        let Some(series) = self.series.get_mut(id.0 as usize) else { return };
        if series.times.last().is_none_or(|last| *last < time_ms) {
            series.times.push(time_ms);
            series.values.push(value);
        }
    }

    /// All series.
    pub fn all(&self) -> &[Series] {
        &self.series
    }
}
