//! Aggregation: many rows become one a group, or the few that are chosen.

use std::collections::HashMap;

use promql_parser::parser::{AggregateExpr, LabelModifier, token};

use super::Error;
use super::evaluate::Evaluator;
use super::math::{is_settled, quantile};
use super::top::{Worse, best};
use super::vector::{ABSENT, Row, Steps, Twins, is_absent, unite};
use crate::lab::tsdb::Labels;

/// Rows with the same labels after grouping, in the order in which they came.
struct Group {
    labels: Labels,
    members: Vec<usize>,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&self, aggregation: &AggregateExpr) -> Result<Vec<Row>, Error> {
        let by = aggregation.modifier.as_ref();
        let op = aggregation.op.id();
        let reduce: fn(&mut [f64], f64) -> f64 = match op {
            token::T_SUM => |values, _| values.iter().sum(),
            token::T_AVG => |values, _| average(values),
            token::T_MIN => |values, _| extreme(values, |a, b| b < a),
            token::T_MAX => |values, _| extreme(values, |a, b| b > a),
            token::T_COUNT => |values, _| values.len() as f64,
            token::T_GROUP => |_, _| 1.0,
            token::T_STDVAR => |values, _| variance(values),
            token::T_STDDEV => |values, _| variance(values).sqrt(),
            token::T_QUANTILE => |values, q| quantile(q, values),
            token::T_TOPK => return self.choose(aggregation, |a, b| a < b),
            token::T_BOTTOMK => return self.choose(aggregation, |a, b| a > b),
            token::T_COUNT_VALUES => return self.count_values(aggregation),
            _ => return Err(Error::Unsupported(format!("the aggregation {}", aggregation.op))),
        };
        let argument = self.parameter(aggregation)?;
        let rows = self.vector(&aggregation.expr)?;
        let mut results = Vec::new();
        let mut present = Vec::new();
        for group in groups(&rows, by) {
            self.check(self.grid.len)?;
            let values = argument.iter().enumerate().map(|(step, argument)| {
                present.clear();
                present.extend(group.members.iter().filter_map(|m| rows[*m].at(step)));
                if present.is_empty() { ABSENT } else { reduce(&mut present, *argument) }
            });
            results.push(Row { values: values.collect(), labels: group.labels });
        }
        Ok(results)
    }

    /// The number before the vector at each step, of aggregations that have one.
    fn parameter(&self, aggregation: &AggregateExpr) -> Result<Steps, Error> {
        match &aggregation.param {
            Some(param) => self.scalar(param),
            None => Ok(vec![f64::NAN; self.grid.len]),
        }
    }

    /// `topk` and `bottomk`: the rows stay as they are, at the steps at which they are among the first.
    fn choose(&self, aggregation: &AggregateExpr, worse: Worse) -> Result<Vec<Row>, Error> {
        let limits = self.parameter(aggregation)?;
        let limits = limits.into_iter().map(whole).collect::<Result<Vec<usize>, _>>()?;
        let rows = self.vector(&aggregation.expr)?;
        let mut results = Vec::new();
        for group in groups(&rows, aggregation.modifier.as_ref()) {
            self.check(self.grid.len * group.members.len())?;
            let absent = vec![ABSENT; self.grid.len];
            let mut chosen: Vec<Row> = group
                .members
                .iter()
                .map(|m| Row { labels: rows[*m].labels.clone(), values: absent.clone() })
                .collect();
            let mut order: Vec<usize> = (0..chosen.len()).collect();
            for (step, limit) in limits.iter().enumerate() {
                let present =
                    group.members.iter().enumerate().filter_map(|(i, m)| Some((i, rows[*m].at(step)?)));
                let first = best(present, *limit, worse);
                if self.grid.len == 1 {
                    order = first.iter().map(|(i, _)| *i).collect();
                }
                for (i, value) in first {
                    chosen[i].values[step] = value;
                }
            }
            results.extend(order.into_iter().map(|i| chosen[i].clone()));
        }
        unite(results, Twins::MayTakeTurns)
    }

    /// `count_values`: a row for each value that occurs.
    fn count_values(&self, aggregation: &AggregateExpr) -> Result<Vec<Row>, Error> {
        let Some(param) = &aggregation.param else { return Ok(Vec::new()) };
        let label = self.text(param)?;
        if !super::relabel::is_label_name(&label) {
            return Err(Error::LabelName(label));
        }
        let modifier = match &aggregation.modifier {
            Some(LabelModifier::Exclude(names)) => LabelModifier::Exclude(names.clone()),
            Some(LabelModifier::Include(names)) => {
                LabelModifier::Include(names.clone().append(label.clone()))
            }
            None => LabelModifier::include(vec![&label]),
        };
        let mut results: Vec<Row> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for row in self.vector(&aggregation.expr)? {
            for (step, value) in row.values.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
                let mut labels = row.labels.clone();
                labels.set(label.as_str(), number(*value));
                let labels = grouped(&labels, Some(&modifier));
                let place = *places.entry(labels).or_insert_with_key(|labels| {
                    results.push(Row { labels: labels.clone(), values: vec![ABSENT; self.grid.len] });
                    results.len() - 1
                });
                let count = &mut results[place].values[step];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
            self.check(results.len())?;
        }
        Ok(results)
    }
}

/// The labels that are left of a series' own after grouping.
fn grouped(labels: &Labels, by: Option<&LabelModifier>) -> Labels {
    match by {
        Some(LabelModifier::Include(names)) => labels.keep(&names.labels),
        Some(LabelModifier::Exclude(names)) => labels.without(&names.labels),
        None => Labels::default(),
    }
}

fn groups(rows: &[Row], by: Option<&LabelModifier>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        let place = *places.entry(grouped(&row.labels, by)).or_insert_with_key(|labels| {
            groups.push(Group { labels: labels.clone(), members: Vec::new() });
            groups.len() - 1
        });
        groups[place].members.push(i);
    }
    groups
}

/// As Prometheus writes a number in a label or in JSON: without an exponent.
pub(crate) fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        v => v.to_string(),
    }
}

/// A number of rows: below 1 is none.
fn whole(limit: f64) -> Result<usize, Error> {
    // Beyond these a cast to a 64-bit integer is not defined in Prometheus' language.
    if limit.is_nan() || !(-9.223_372_036_854_775e18..=9.223_372_036_854_775e18).contains(&limit) {
        return Err(Error::Overflow(limit));
    }
    // Not negative any more, and saturating.
    Ok(limit.max(0.0) as usize)
}

fn average(values: &[f64]) -> f64 {
    let mut mean = 0.0;
    for (i, v) in values.iter().enumerate() {
        let count = (i + 1) as f64;
        if !is_settled(mean, *v) {
            mean += v / count - mean / count;
        }
    }
    mean
}

/// The first that none beats; NaN is beaten by everything.
fn extreme(values: &[f64], beats: fn(f64, f64) -> bool) -> f64 {
    let better = |a: f64, b: f64| if beats(a, b) || a.is_nan() { b } else { a };
    values.iter().copied().reduce(better).unwrap_or(f64::NAN)
}

fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (values.first().copied().unwrap_or(f64::NAN), 0.0);
    for (i, v) in values.iter().enumerate().skip(1) {
        let from_mean = v - mean;
        mean += from_mean / (i + 1) as f64;
        squares += from_mean * (v - mean);
    }
    squares / values.len() as f64
}
