//! PromQL over the samples of the lab.
//!
//! An expression is evaluated once over all steps of a query: a vector is a table with a row per series
//! and a column per step, so that an operation walks along arrays instead of starting anew at every step.
//! What is computed, to the order of additions, follows Prometheus 2.42 (Debian's, against which it is
//! checked: `docs/lab/promql.md`), where a range includes both of its ends.

mod aggregate;
mod binary;
mod calendar;
mod error;
mod evaluate;
mod function;
mod histogram;
mod matching;
mod math;
mod over_time;
mod parse;
mod rate;
mod relabel;
mod select;
#[cfg(test)]
mod tests;
mod top;
mod vector;

use std::sync::RwLock;
use std::time::Instant;

use promql_parser::parser::value::ValueType;

pub(crate) use aggregate::number;
pub use error::Error;
pub use parse::parse;
pub(crate) use relabel::is_label_name;
pub(crate) use select::matchers;

use super::tsdb::{Labels, Tsdb};
use evaluate::{Evaluator, Value};
use select::Ranges;
use vector::Grid;

/// How a query is evaluated.
#[derive(Clone, Debug)]
pub struct Options {
    /// How old a sample may be to count as the present value, in milliseconds.
    pub lookback_ms: i64,
    /// Step of subqueries that name none, in milliseconds.
    pub default_step_ms: i64,
    /// How many samples a query may hold.
    pub max_samples: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
}

impl Default for Options {
    /// Prometheus' defaults: look back 5 minutes, a minute between evaluations, 50 million samples.
    fn default() -> Self {
        Self { lookback_ms: 300_000, default_step_ms: 60_000, max_samples: 50_000_000, deadline: None }
    }
}

/// The result of a query. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A number.
    Scalar(i64, f64),
    /// A text.
    Text(i64, String),
    /// One value a series.
    Vector(i64, Vec<(Labels, f64)>),
    /// Many values a series, in the order of labels.
    Matrix(Vec<(Labels, Vec<(i64, f64)>)>),
}

impl Answer {
    /// Keeps the first `most` series; says whether there were more.
    pub fn truncate(&mut self, most: usize) -> bool {
        let len = match self {
            Self::Vector(_, rows) => {
                let len = rows.len();
                rows.truncate(most);
                len
            }
            Self::Matrix(rows) => {
                let len = rows.len();
                rows.truncate(most);
                len
            }
            Self::Scalar(..) | Self::Text(..) => 0,
        };
        len > most
    }
}

/// Evaluates an expression at one moment.
pub fn instant(storage: &RwLock<Tsdb>, text: &str, at_ms: i64, options: &Options) -> Result<Answer, Error> {
    let expr = parse(text)?;
    let evaluator = Evaluator::new(storage, Grid::single(at_ms), (at_ms, at_ms), options);
    if expr.value_type() == ValueType::Matrix {
        return Ok(Answer::Matrix(evaluator.ranges(&expr)?.raw(at_ms)));
    }
    Ok(match evaluator.value(&expr)? {
        Value::Scalar(values) => Answer::Scalar(at_ms, values.first().copied().unwrap_or(f64::NAN)),
        Value::Text(text) => Answer::Text(at_ms, text),
        Value::Vector(rows) => {
            let present = rows.into_iter().filter_map(|row| Some((row.at(0)?, row.labels)));
            Answer::Vector(at_ms, present.map(|(value, labels)| (labels, value)).collect())
        }
    })
}

/// Evaluates an expression at every step from `start_ms` to `end_ms`, both included.
pub fn range(
    storage: &RwLock<Tsdb>,
    text: &str,
    (start_ms, end_ms): (i64, i64),
    step_ms: i64,
    options: &Options,
) -> Result<Answer, Error> {
    let expr = parse(text)?;
    match expr.value_type() {
        ValueType::Scalar | ValueType::Vector => {}
        other => return Err(Error::NoRange { kind: other.to_string() }),
    }
    let grid = Grid::between(start_ms, end_ms, step_ms);
    let evaluator = Evaluator::new(storage, grid, (start_ms, end_ms), options);
    let mut rows: Vec<(Labels, Vec<(i64, f64)>)> = match evaluator.value(&expr)? {
        Value::Scalar(values) => vec![(Labels::default(), grid.times().zip(values).collect())],
        Value::Vector(rows) => {
            rows.into_iter().map(|row| (row.labels.clone(), row.present(grid).collect())).collect()
        }
        Value::Text(_) => return Err(Error::NoRange { kind: "string".to_owned() }),
    };
    rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(Answer::Matrix(rows))
}

impl Ranges {
    /// The samples of the range that ends at a moment, as they are.
    fn raw(self, at_ms: i64) -> Vec<(Labels, Vec<(i64, f64)>)> {
        let (from, to) = self.bounds(at_ms);
        let mut rows: Vec<_> = self
            .rows
            .into_iter()
            .map(|(labels, samples)| {
                let pairs = samples.times.into_iter().zip(samples.values);
                (labels, pairs.filter(|(time, _)| (from..=to).contains(time)).collect::<Vec<_>>())
            })
            .filter(|(_, samples)| !samples.is_empty())
            .collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        rows
    }
}
