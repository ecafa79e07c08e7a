//! One series: an encoded past and the newest samples as they came.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chunk::Chunk;
use super::labels::Labels;

/// Samples that are kept plain before they are encoded: half an hour at 15 s.
const OPEN: usize = 120;

/// One series.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Labels.
    pub labels: Labels,
    closed: VecDeque<Arc<Chunk>>,
    times: Vec<i64>,
    values: Vec<f64>,
}

/// Samples of one series, decoded. A staleness marker is a sample, told from other NaNs by its bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Times in milliseconds since the epoch, ascending.
    pub times: Vec<i64>,
    /// Values.
    pub values: Vec<f64>,
}

impl Series {
    pub(super) fn new(labels: Labels) -> Self {
        Self { labels, ..Self::default() }
    }

    pub(super) fn append(&mut self, time_ms: i64, value: f64) {
        if self.last_time().is_some_and(|last| last >= time_ms) {
            return;
        }
        if self.times.len() == OPEN {
            self.closed.push_back(Arc::new(Chunk::encode(&self.times, &self.values)));
            self.times.clear();
            self.values.clear();
        }
        self.times.push(time_ms);
        self.values.push(value);
    }

    /// Forgets what lies before `from_ms`, as far as it stands in chunks of its own.
    pub(super) fn forget(&mut self, from_ms: i64) {
        while self.closed.front().is_some_and(|chunk| chunk.last < from_ms) {
            self.closed.pop_front();
        }
        if self.closed.is_empty() && self.times.last().is_some_and(|last| *last < from_ms) {
            self.times.clear();
            self.values.clear();
        }
    }

    /// Time of the oldest sample, milliseconds since the epoch.
    pub fn first_time(&self) -> Option<i64> {
        self.closed.front().map(|chunk| chunk.first).or(self.times.first().copied())
    }

    /// Time of the newest sample, milliseconds since the epoch.
    pub fn last_time(&self) -> Option<i64> {
        self.times.last().copied().or(self.closed.back().map(|chunk| chunk.last))
    }

    /// The newest sample.
    pub fn last(&self) -> Option<(i64, f64)> {
        // The open samples are empty only in a series without any: a chunk is closed to make room for one.
        Some((*self.times.last()?, *self.values.last()?))
    }

    /// Whether there may be samples between the two times, both included.
    pub fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        self.first_time().is_some_and(|first| first <= to_ms)
            && self.last_time().is_some_and(|last| last >= from_ms)
    }

    /// The samples between two times, both included.
    pub fn samples(&self, from_ms: i64, to_ms: i64) -> Samples {
        let mut found = Samples::default();
        self.window(from_ms, to_ms).decode(from_ms, to_ms, &mut found);
        found
    }

    /// Times of all samples, in milliseconds since the epoch, ascending.
    pub fn times(&self) -> Vec<i64> {
        self.samples(i64::MIN, i64::MAX).times
    }

    /// Values of all samples.
    pub fn values(&self) -> Vec<f64> {
        self.samples(i64::MIN, i64::MAX).values
    }

    /// What is needed to read the samples between two times later, without holding on to the storage.
    pub(super) fn window(&self, from_ms: i64, to_ms: i64) -> Window {
        let closed = self.closed.iter();
        let from = self.times.partition_point(|t| *t < from_ms);
        let to = self.times.partition_point(|t| *t <= to_ms).max(from);
        Window {
            closed: closed.filter(|c| c.last >= from_ms && c.first <= to_ms).cloned().collect(),
            open: Samples { times: self.times[from..to].to_vec(), values: self.values[from..to].to_vec() },
        }
    }

    /// Memory it holds, in bytes, without its labels.
    pub(super) fn size(&self) -> usize {
        let closed: usize = self.closed.iter().map(|chunk| chunk.size() + size_of::<Arc<Chunk>>()).sum();
        size_of::<Self>() + closed + (self.times.capacity() + self.values.capacity()) * 8
    }
}

/// The chunks and the open samples of a stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Window {
    closed: Vec<Arc<Chunk>>,
    open: Samples,
}

impl Window {
    pub(super) fn decode(&self, from_ms: i64, to_ms: i64, into: &mut Samples) {
        for chunk in &self.closed {
            chunk.decode(|time, value| {
                if (from_ms..=to_ms).contains(&time) {
                    into.times.push(time);
                    into.values.push(value);
                }
            });
        }
        into.times.extend_from_slice(&self.open.times);
        into.values.extend_from_slice(&self.open.values);
    }
}
