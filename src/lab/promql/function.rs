//! Calls of functions: those of single values are here, the others are passed on.

use promql_parser::parser::{Call, Expr};

use super::evaluate::{Evaluator, Value};
use super::vector::{ABSENT, Row, Steps, Twins, unite};
use super::{Error, calendar, histogram, math, over_time, relabel};

/// A function of a number.
fn of_number(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sqrt" => f64::sqrt,
        "sgn" => |v| {
            if v < 0.0 {
                -1.0
            } else if v > 0.0 {
                1.0
            } else {
                v
            }
        },
        "deg" => f64::to_degrees,
        "rad" => f64::to_radians,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        _ => return calendar::find(name),
    })
}

impl Evaluator<'_> {
    pub(super) fn call(&self, call: &Call) -> Result<Value, Error> {
        let name = call.func.name;
        if let Some(f) = of_number(name) {
            return self.each(call, |_, v| f(v));
        }
        if let Some((f, range)) = over_time::find(name) {
            return self.over_time(call, f, range).map(Value::Vector);
        }
        let argument = |i: usize| {
            let expr = call.args.args.get(i);
            expr.map(AsRef::as_ref).ok_or_else(|| Error::Unsupported(call.to_string()))
        };
        match name {
            "time" => Ok(Value::Scalar(self.seconds())),
            "pi" => Ok(Value::Scalar(vec![std::f64::consts::PI; self.grid.len])),
            "scalar" => Ok(Value::Scalar(self.only(&self.vector(argument(0)?)?))),
            "vector" => {
                let row = Row { labels: Default::default(), values: self.scalar(argument(0)?)? };
                unite(vec![row], Twins::MayTakeTurns).map(Value::Vector)
            }
            "timestamp" => self.timestamp(argument(0)?),
            "round" => {
                let nearest = match call.args.args.get(1) {
                    Some(expr) => self.scalar(expr)?,
                    None => vec![1.0; self.grid.len],
                };
                self.each(call, |step, v| {
                    // Multiplied by the inverse, as 0.1 has no exact one of its own.
                    let inverse = 1.0 / nearest[step];
                    (v * inverse + 0.5).floor() / inverse
                })
            }
            "clamp" => {
                let (low, high) = (self.scalar(argument(1)?)?, self.scalar(argument(2)?)?);
                self.each(call, |step, v| match (low[step], high[step]) {
                    (low, high) if high < low => ABSENT,
                    (low, high) => math::max(low, math::min(high, v)),
                })
            }
            "clamp_min" => {
                let low = self.scalar(argument(1)?)?;
                self.each(call, |step, v| math::max(low[step], v))
            }
            "clamp_max" => {
                let high = self.scalar(argument(1)?)?;
                self.each(call, |step, v| math::min(high[step], v))
            }
            "absent" => {
                let rows = self.vector(argument(0)?)?;
                let any = |step| rows.iter().any(|row| row.has(step));
                let values = (0..self.grid.len).map(|step| if any(step) { ABSENT } else { 1.0 }).collect();
                missing(argument(0)?, values)
            }
            "absent_over_time" => missing(argument(0)?, self.absent_over_time(argument(0)?)?),
            // They look at native histograms only, of which the lab has none: no float has an answer.
            "histogram_count" | "histogram_sum" | "histogram_avg" => {
                self.vector(argument(0)?)?;
                Ok(Value::Vector(Vec::new()))
            }
            "histogram_fraction" => {
                self.scalar(argument(0)?)?;
                self.scalar(argument(1)?)?;
                self.vector(argument(2)?)?;
                Ok(Value::Vector(Vec::new()))
            }
            "histogram_quantile" => {
                let q = self.scalar(argument(0)?)?;
                histogram::quantiles(self, &q, &self.vector(argument(1)?)?).map(Value::Vector)
            }
            "label_replace" => self.label_replace(call).map(Value::Vector),
            "label_join" => self.label_join(call).map(Value::Vector),
            "sort" => self.sorted(argument(0)?, f64::total_cmp),
            "sort_desc" => self.sorted(argument(0)?, |a, b| b.total_cmp(a)),
            _ => Err(Error::Unsupported(format!("the function {name}()"))),
        }
    }

    /// Times of the steps in seconds since the epoch.
    fn seconds(&self) -> Steps {
        self.grid.times().map(|time| time as f64 / 1e3).collect()
    }

    /// Applies a function to each value of the first argument, which is the time where there is none.
    fn each(&self, call: &Call, f: impl Fn(usize, f64) -> f64) -> Result<Value, Error> {
        let mut rows = match call.args.args.first() {
            Some(expr) => self.vector(expr)?,
            None => vec![Row { labels: Default::default(), values: self.seconds() }],
        };
        for row in &mut rows {
            row.labels = row.labels.without_name();
            row.map(&f);
        }
        unite(rows, Twins::MayTakeTurns).map(Value::Vector)
    }

    /// The value at steps with exactly one, else NaN.
    fn only(&self, rows: &[Row]) -> Steps {
        let at = |step: usize| {
            let mut present = rows.iter().filter_map(|row| row.at(step));
            match (present.next(), present.next()) {
                (Some(value), None) => value,
                _ => f64::NAN,
            }
        };
        (0..self.grid.len).map(at).collect()
    }

    /// Of a selector the times of the samples themselves, of anything else the times of the steps.
    fn timestamp(&self, expr: &Expr) -> Result<Value, Error> {
        let mut rows = match relabel::bare(expr) {
            Expr::VectorSelector(selector) => self.sample_times(selector)?,
            other => {
                let seconds = self.seconds();
                let mut rows = self.vector(other)?;
                rows.iter_mut().for_each(|row| row.map(|step, _| seconds[step]));
                rows
            }
        };
        rows.iter_mut().for_each(|row| row.labels = row.labels.without_name());
        unite(rows, Twins::MayTakeTurns).map(Value::Vector)
    }

    /// Sorted by value, NaN last. Over a range there is nothing to sort by.
    fn sorted(&self, expr: &Expr, order: fn(&f64, &f64) -> std::cmp::Ordering) -> Result<Value, Error> {
        let mut rows = self.vector(expr)?;
        if self.grid.len == 1 {
            let key = |row: &Row| row.at(0).unwrap_or(f64::NAN);
            rows.sort_by(|a, b| {
                let (a, b) = (key(a), key(b));
                a.is_nan().cmp(&b.is_nan()).then_with(|| order(&a, &b))
            });
        }
        Ok(Value::Vector(rows))
    }
}

fn missing(selector: &Expr, values: Steps) -> Result<Value, Error> {
    let row = Row { labels: relabel::absent_labels(selector)?, values };
    unite(vec![row], Twins::MayTakeTurns).map(Value::Vector)
}
