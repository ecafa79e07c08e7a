//! Functions of a range of samples: they see one window of a series at a time.

use promql_parser::parser::{Call, Expr};

use super::Error;
use super::evaluate::Evaluator;
use super::math::{Sum, is_settled, quantile, regression};
use super::rate::{Kind, extrapolated, last_two};
use super::vector::{ABSENT, Row, Steps, Twins, unite};

/// The samples of one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'w> {
    pub(super) times: &'w [i64],
    pub(super) values: &'w [f64],
    /// Its ends in milliseconds, both included.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) range_ms: i64,
    /// The step's own time, in milliseconds.
    pub(super) now: i64,
    /// The number among the arguments, if there is one.
    pub(super) argument: f64,
}

type Function = fn(&Window<'_>) -> Option<f64>;

/// The functions of a range alone, or of a range and a number; the index of the range.
pub(super) fn find(name: &str) -> Option<(Function, usize)> {
    const RATE: Kind = Kind { counter: true, per_second: true };
    const INCREASE: Kind = Kind { counter: true, per_second: false };
    const DELTA: Kind = Kind { counter: false, per_second: false };
    let function: Function = match name {
        "rate" => |w| extrapolated(w, RATE),
        "increase" => |w| extrapolated(w, INCREASE),
        "delta" => |w| extrapolated(w, DELTA),
        "irate" => |w| last_two(w, RATE),
        "idelta" => |w| last_two(w, DELTA),
        "deriv" => |w| {
            let &[first, _, ..] = w.times else { return None };
            Some(regression(w.times, w.values, first).0)
        },
        "predict_linear" => |w| {
            let (slope, now) = regression(w.times, w.values, w.now);
            (w.values.len() > 1).then_some(slope * w.argument + now)
        },
        "changes" => |w| Some(pairs(w, |a, b| a != b && !(a.is_nan() && b.is_nan()))),
        "resets" => |w| Some(pairs(w, |a, b| b < a)),
        "sum_over_time" => |w| Some(sum(w.values).value()),
        "avg_over_time" => |w| Some(average(w.values)),
        "min_over_time" => {
            |w| w.values.iter().copied().reduce(|a, b| if b < a || a.is_nan() { b } else { a })
        }
        "max_over_time" => {
            |w| w.values.iter().copied().reduce(|a, b| if b > a || a.is_nan() { b } else { a })
        }
        "count_over_time" => |w| Some(w.values.len() as f64),
        "last_over_time" => |w| w.values.last().copied(),
        "present_over_time" => |_| Some(1.0),
        "stdvar_over_time" => |w| Some(variance(w.values)),
        "stddev_over_time" => |w| Some(variance(w.values).sqrt()),
        "quantile_over_time" => return Some((|w| Some(quantile(w.argument, &mut w.values.to_vec())), 1)),
        _ => return None,
    };
    Some((function, 0))
}

impl Evaluator<'_> {
    /// A function of a range.
    pub(super) fn over_time(&self, call: &Call, function: Function, range: usize) -> Result<Vec<Row>, Error> {
        let mut arguments: Steps = vec![f64::NAN; self.grid.len];
        for (_, expr) in call.args.args.iter().enumerate().filter(|(i, _)| *i != range) {
            arguments = self.scalar(expr)?;
        }
        let Some(expr) = call.args.args.get(range) else { return Ok(Vec::new()) };
        let mut rows = self.windows(expr, &arguments, function)?;
        if call.func.name != "last_over_time" {
            rows.iter_mut().for_each(|row| row.labels = row.labels.without_name());
        }
        unite(rows, Twins::AreWrong)
    }

    /// 1 at the steps at which no series has any sample.
    pub(super) fn absent_over_time(&self, expr: &Expr) -> Result<Steps, Error> {
        let nothing = vec![f64::NAN; self.grid.len];
        let rows = self.windows(expr, &nothing, |_| Some(1.0))?;
        Ok((0..self.grid.len).map(|i| if rows.iter().any(|row| row.has(i)) { ABSENT } else { 1.0 }).collect())
    }

    fn windows(&self, expr: &Expr, arguments: &[f64], function: Function) -> Result<Vec<Row>, Error> {
        let ranges = self.ranges(expr)?;
        let mut rows = Vec::with_capacity(ranges.rows.len());
        for (labels, samples) in &ranges.rows {
            self.check(self.grid.len)?;
            let (mut first, mut end) = (0, 0);
            let steps = self.grid.times().zip(arguments);
            let values = steps.map(|(now, argument)| {
                let (from, to) = ranges.bounds(now);
                while samples.times.get(end).is_some_and(|t| *t <= to) {
                    end += 1;
                }
                while first < end && samples.times[first] < from {
                    first += 1;
                }
                let window = Window {
                    times: &samples.times[first..end],
                    values: &samples.values[first..end],
                    from,
                    to,
                    range_ms: ranges.range_ms,
                    now,
                    argument: *argument,
                };
                if first == end { None } else { function(&window) }.unwrap_or(ABSENT)
            });
            rows.push(Row { values: values.collect(), labels: labels.clone() });
        }
        Ok(rows)
    }
}

/// How many neighbours are as `is` says.
fn pairs(window: &Window<'_>, is: fn(f64, f64) -> bool) -> f64 {
    window.values.windows(2).filter(|pair| is(pair[0], pair[1])).count() as f64
}

fn sum(values: &[f64]) -> Sum {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    sum
}

fn average(values: &[f64]) -> f64 {
    let mut mean = Sum::default();
    for (i, v) in values.iter().enumerate() {
        let count = (i + 1) as f64;
        if !is_settled(mean.plain(), *v) {
            mean.add(v / count - mean.plain() / count);
        }
    }
    mean.value()
}

/// Welford's method: the mean and the sum of squares are carried along together.
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for (i, v) in values.iter().enumerate() {
        let from_mean = v - mean.total();
        mean.add(from_mean / (i + 1) as f64);
        squares.add(from_mean * (v - mean.total()));
    }
    squares.total() / values.len() as f64
}
