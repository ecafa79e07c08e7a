//! `Cells`: what one query or trace search measured, before it becomes part of a [`Frame`](super::Frame).

use std::collections::BTreeMap;

use indexmap::IndexSet;

use crate::domain::{Column, NodeName, ServiceName};

/// A half-open range (`after`, `until`] of window ends, unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// Exclusive.
    pub after: i64,
    /// Inclusive.
    pub until: i64,
}

impl Ends {
    /// Whether a window ending at `end` is in the range.
    pub fn contains(self, end: i64) -> bool {
        self.after < end && end <= self.until
    }

    /// Whether no window can be in the range.
    pub fn is_empty(self) -> bool {
        self.until <= self.after
    }

    /// How many windows of `length` seconds end in the range.
    pub fn windows(self, length: i64) -> i64 {
        (self.until.div_euclid(length) - self.after.div_euclid(length)).max(0)
    }

    /// The parts up to `border` and after it; either may be empty.
    pub fn split(self, border: i64) -> (Self, Self) {
        let border = border.clamp(self.after, self.until.max(self.after));
        (Self { until: border, ..self }, Self { after: border, ..self })
    }

    /// The common part; empty if there is none.
    pub fn intersect(self, other: Self) -> Self {
        let after = self.after.max(other.after);
        Self { after, until: self.until.min(other.until).max(after) }
    }
}

/// Sparse cells of some windows. A cell exists only where a finite value was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    columns: IndexSet<Column>,
    rows: BTreeMap<i64, Vec<(usize, f32)>>,
    placed: BTreeMap<(ServiceName, NodeName), Vec<i64>>,
}

impl Cells {
    /// The handle of a column, for [`Cells::push`].
    pub fn column(&mut self, column: &Column) -> usize {
        match self.columns.get_index_of(column) {
            Some(ix) => ix,
            None => self.columns.insert_full(column.clone()).0,
        }
    }

    /// Sets a cell; values that are not finite as `f32` are missing and therefore dropped.
    pub fn push(&mut self, end: i64, column: usize, value: f64) {
        let value = value as f32;
        if value.is_finite() {
            self.rows.entry(end).or_default().push((column, value));
        }
    }

    /// Sets all cells of a window at once, finite ones only, in place of what it had.
    pub fn put_row(&mut self, end: i64, row: Vec<(usize, f32)>) {
        if !row.is_empty() {
            self.rows.insert(end, row);
        }
    }

    /// Notes that a replica of `service` ran on `node` in the window ending at `end`.
    pub fn place(&mut self, service: &ServiceName, node: &NodeName, end: i64) {
        let ends = self.placed.entry((service.clone(), node.clone())).or_default();
        if ends.last() != Some(&end) {
            ends.push(end);
        }
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns, by handle.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &Column> {
        self.columns.iter()
    }

    /// Windows with at least one cell, in time order: (end, cells by column handle).
    pub fn rows(&self) -> impl Iterator<Item = (i64, &[(usize, f32)])> {
        self.rows.iter().map(|(end, cells)| (*end, cells.as_slice()))
    }

    /// The value of one cell.
    pub fn get(&self, end: i64, column: &Column) -> Option<f32> {
        let ix = self.columns.get_index_of(column)?;
        self.rows.get(&end)?.iter().find(|(c, _)| *c == ix).map(|(_, value)| *value)
    }

    /// Where replicas ran in `range`, as runs (first, last) of adjacent windows of `length` seconds.
    pub fn placements(&self, range: Ends, length: i64) -> Vec<(&ServiceName, &NodeName, i64, i64)> {
        let mut runs = Vec::new();
        for ((service, node), ends) in &self.placed {
            let mut ends: Vec<i64> = ends.iter().copied().filter(|end| range.contains(*end)).collect();
            ends.sort_unstable();
            let mut open: Option<(i64, i64)> = None;
            for end in ends {
                open = match open {
                    Some((first, last)) if end - last <= length => Some((first, end)),
                    Some((first, last)) => {
                        runs.push((service, node, first, last));
                        Some((end, end))
                    }
                    None => Some((end, end)),
                };
            }
            runs.extend(open.map(|(first, last)| (service, node, first, last)));
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::{Entity, Pool};

    fn column(name: &str) -> Column {
        Column::Metric { entity: Entity::Service("s".into()), feature: name.into(), pool: Pool::Mean }
    }

    #[test]
    fn missing_values_make_no_cell() {
        let mut cells = Cells::default();
        let (a, b) = (cells.column(&column("a")), cells.column(&column("b")));
        for (end, value) in [(60, f64::NAN), (120, f64::INFINITY), (180, 1e300)] {
            cells.push(end, a, value);
        }
        assert!(cells.is_empty());
        cells.push(120, b, 2.0);
        assert_eq!((cells.get(120, &column("b")), cells.get(120, &column("a"))), (Some(2.0), None));
        assert_eq!(cells.rows().count(), 1);
    }

    #[test]
    fn ranges_exclude_their_start() {
        let range = Ends { after: 60, until: 180 };
        assert_eq!((range.contains(60), range.contains(180), range.windows(60)), (false, true, 2));
        assert_eq!(range.split(120), (Ends { after: 60, until: 120 }, Ends { after: 120, until: 180 }));
        assert!(range.split(0).0.is_empty() && range.split(999).1.is_empty());
        assert!(range.intersect(Ends { after: 500, until: 900 }).is_empty());
    }

    #[test]
    fn placements_are_runs() {
        let mut cells = Cells::default();
        for end in [60, 120, 120, 300] {
            cells.place(&"s".into(), &"n".into(), end);
        }
        let (s, n) = ("s".into(), "n".into());
        let all = Ends { after: 0, until: 600 };
        assert_eq!(cells.placements(all, 60), [(&s, &n, 60, 120), (&s, &n, 300, 300)]);
        let known = Ends { after: 60, until: 240 };
        assert_eq!(cells.placements(known, 60), [(&s, &n, 120, 120)]);
    }
}
