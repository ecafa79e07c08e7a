//! Tables of values: a row per series, a column per step.

use std::collections::HashMap;

use super::Error;
use crate::lab::tsdb::{Labels, STALE, is_stale};

/// Stands where a row has no value at a step. No arithmetic yields these bits (it makes a NaN quiet), and
/// as a sample it means the same.
pub(super) const ABSENT: f64 = STALE;

/// Whether there is no value.
pub(super) fn is_absent(value: f64) -> bool {
    is_stale(value)
}

/// A value at each step, or [`ABSENT`].
pub(super) type Steps = Vec<f64>;

/// The moments at which a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    /// First, in milliseconds since the epoch.
    pub(super) start: i64,
    /// Distance in milliseconds, at least 1.
    pub(super) step: i64,
    /// How many.
    pub(super) len: usize,
}

impl Grid {
    pub(super) fn single(at: i64) -> Self {
        Self { start: at, step: 1, len: 1 }
    }

    /// From `start` to `end`, both included; empty when `end` lies before.
    pub(super) fn between(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let len = if end < start { 0 } else { (end.saturating_sub(start) / step).saturating_add(1) };
        Self { start, step, len: usize::try_from(len).unwrap_or(0) }
    }

    pub(super) fn time(self, i: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(i).unwrap_or(i64::MAX)))
    }

    pub(super) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.len).map(move |i| self.time(i))
    }

    pub(super) fn end(self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }
}

/// A series of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) labels: Labels,
    pub(super) values: Steps,
}

impl Row {
    pub(super) fn at(&self, step: usize) -> Option<f64> {
        self.values.get(step).copied().filter(|value| !is_absent(*value))
    }

    /// Whether there is no value at any step.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| is_absent(*value))
    }

    pub(super) fn has(&self, step: usize) -> bool {
        self.at(step).is_some()
    }

    pub(super) fn present(&self, grid: Grid) -> impl Iterator<Item = (i64, f64)> {
        grid.times().zip(&self.values).filter(|(_, v)| !is_absent(**v)).map(|(t, v)| (t, *v))
    }

    /// Applies `f` to the values there are.
    pub(super) fn map(&mut self, mut f: impl FnMut(usize, f64) -> f64) {
        for (i, value) in self.values.iter_mut().enumerate().filter(|(_, value)| !is_absent(**value)) {
            *value = f(i, *value);
        }
    }
}

/// What two rows with the same labels mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Twins {
    /// One series, unless both have a value at some step.
    MayTakeTurns,
    /// An error in any case.
    AreWrong,
}

/// Drops rows without values and joins those with the same labels. The order stays.
pub(super) fn unite(rows: Vec<Row>, twins: Twins) -> Result<Vec<Row>, Error> {
    unite_or(rows, twins, |labels| Error::SameLabels(labels.clone()))
}

/// [`unite`] with an error of its own.
pub(super) fn unite_or(
    rows: Vec<Row>,
    twins: Twins,
    error: impl Fn(&Labels) -> Error,
) -> Result<Vec<Row>, Error> {
    let mut united: Vec<Row> = Vec::with_capacity(rows.len());
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| !row.is_empty()) {
        let Some(known) = places.get(&row.labels).and_then(|place| united.get_mut(*place)) else {
            places.insert(row.labels.clone(), united.len());
            united.push(row);
            continue;
        };
        for (mine, its) in known.values.iter_mut().zip(&row.values).filter(|(_, its)| !is_absent(**its)) {
            if twins == Twins::AreWrong || !is_absent(*mine) {
                return Err(error(&row.labels));
            }
            *mine = *its;
        }
    }
    Ok(united)
}
