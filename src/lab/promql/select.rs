//! Selectors: from matchers to values at steps, and to ranges of samples.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{AtModifier, Expr, Offset, SubqueryExpr, VectorSelector};

use super::Error;
use super::evaluate::Evaluator;
use super::vector::{ABSENT, Grid, Row};
use crate::lab::tsdb::{Labels, METRIC_NAME, Samples, is_stale};

/// Which moment is meant at a step: `offset` and `@` shift it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reference {
    at: Option<i64>,
    offset: i64,
}

impl Reference {
    pub(super) fn of(self, time: i64) -> i64 {
        self.at.unwrap_or(time).saturating_sub(self.offset)
    }

    /// First and last moment over a grid.
    fn bounds(self, grid: Grid) -> (i64, i64) {
        (self.of(grid.start), self.of(grid.end()))
    }
}

/// Samples from which each step takes the stretch that ends at its reference.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    pub(super) reference: Reference,
    pub(super) range_ms: i64,
    /// Without staleness markers.
    pub(super) rows: Vec<(Labels, Samples)>,
}

impl Ranges {
    /// From when to when the samples of a step are taken, both included.
    pub(super) fn bounds(&self, time: i64) -> (i64, i64) {
        let end = self.reference.of(time);
        (end.saturating_sub(self.range_ms), end)
    }
}

impl Evaluator<'_> {
    /// A selector's series at each step: the newest sample, unless it is too old or the series has ended.
    pub(super) fn instants(&self, selector: &VectorSelector) -> Result<Vec<Row>, Error> {
        self.newest(selector, |_, value| value)
    }

    /// Like [`Evaluator::instants`], with the sample's time in seconds for its value.
    pub(super) fn sample_times(&self, selector: &VectorSelector) -> Result<Vec<Row>, Error> {
        self.newest(selector, |time, _| time as f64 / 1e3)
    }

    fn newest(&self, selector: &VectorSelector, what: impl Fn(i64, f64) -> f64) -> Result<Vec<Row>, Error> {
        let reference = self.reference(selector.offset.as_ref(), selector.at.as_ref());
        let (from, to) = reference.bounds(self.grid);
        let lookback = self.options.lookback_ms;
        let mut rows = Vec::new();
        for (labels, samples) in self.load(selector, from.saturating_sub(lookback), to)? {
            self.check(self.grid.len)?;
            let mut next = 0;
            let values = self.grid.times().map(|time| {
                let moment = reference.of(time);
                while samples.times.get(next).is_some_and(|t| *t <= moment) {
                    next += 1;
                }
                let newest =
                    next.checked_sub(1).and_then(|i| Some((*samples.times.get(i)?, *samples.values.get(i)?)));
                match newest {
                    Some((t, v)) if t >= moment.saturating_sub(lookback) && !is_stale(v) => what(t, v),
                    _ => ABSENT,
                }
            });
            let row = Row { values: values.collect(), labels };
            if !row.is_empty() {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// A range selector's or subquery's samples.
    pub(super) fn ranges(&self, expr: &Expr) -> Result<Ranges, Error> {
        match expr {
            Expr::Paren(inner) => self.ranges(&inner.expr),
            Expr::MatrixSelector(selector) => {
                let reference = self.reference(selector.vs.offset.as_ref(), selector.vs.at.as_ref());
                let range_ms = millis(selector.range);
                let (from, to) = reference.bounds(self.grid);
                let mut rows = self.load(&selector.vs, from.saturating_sub(range_ms), to)?;
                for (_, samples) in &mut rows {
                    drop_stale(samples);
                }
                rows.retain(|(_, samples)| !samples.times.is_empty());
                Ok(Ranges { reference, range_ms, rows })
            }
            Expr::Subquery(subquery) => self.subquery(subquery),
            other => Err(Error::Unsupported(format!("a range of {other}"))),
        }
    }

    /// Evaluates the inner expression on a grid of its own, whose moments are multiples of its step.
    fn subquery(&self, subquery: &SubqueryExpr) -> Result<Ranges, Error> {
        let reference = self.reference(subquery.offset.as_ref(), subquery.at.as_ref());
        let range_ms = millis(subquery.range);
        let step = subquery.step.map_or(self.options.default_step_ms, millis).max(1);
        let (from, to) = reference.bounds(self.grid);
        let from = from.saturating_sub(range_ms);
        let start = from.div_euclid(step).saturating_mul(step);
        let start = if start < from { start.saturating_add(step) } else { start };
        let grid = Grid::between(start, to, step);
        self.check(grid.len)?;
        let rows = self.on(grid).vector(&subquery.expr)?;
        let rows = rows.into_iter().map(|row| {
            let (times, values) = row.present(grid).unzip();
            (row.labels, Samples { times, values })
        });
        Ok(Ranges { reference, range_ms, rows: rows.collect() })
    }

    fn reference(&self, offset: Option<&Offset>, at: Option<&AtModifier>) -> Reference {
        let offset = match offset {
            None => 0,
            Some(Offset::Pos(duration)) => millis(*duration),
            Some(Offset::Neg(duration)) => -millis(*duration),
        };
        let at = at.map(|at| match at {
            AtModifier::Start => self.asked.0,
            AtModifier::End => self.asked.1,
            AtModifier::At(time) => match time.duration_since(std::time::UNIX_EPOCH) {
                Ok(since) => millis(since),
                Err(before) => -millis(before.duration()),
            },
        });
        Reference { at, offset }
    }

    /// The samples of a selector's series. The storage is locked only while they are looked up.
    fn load(&self, selector: &VectorSelector, from: i64, to: i64) -> Result<Vec<(Labels, Samples)>, Error> {
        let matchers = matchers(selector)?;
        let selected = {
            let storage = self.storage.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            storage.select(&matchers, from, to)
        };
        let mut rows = Vec::with_capacity(selected.len());
        for series in selected {
            let samples = series.samples();
            self.check(samples.times.len())?;
            if !samples.times.is_empty() {
                rows.push((series.labels, samples));
            }
        }
        Ok(rows)
    }
}

/// All matchers of a selector, with one for the metric's name.
pub(crate) fn matchers(selector: &VectorSelector) -> Result<Vec<Matcher>, Error> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(Error::Unsupported("`or` between matchers".to_owned()));
    }
    let name = selector.name.as_ref().map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
    Ok(name.into_iter().chain(selector.matchers.matchers.iter().cloned()).collect())
}

fn drop_stale(samples: &mut Samples) {
    if samples.values.iter().any(|v| is_stale(*v)) {
        let pairs = samples.times.iter().copied().zip(samples.values.iter().copied());
        (samples.times, samples.values) = pairs.filter(|(_, v)| !is_stale(*v)).unzip();
    }
}

pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
