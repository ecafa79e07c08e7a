//! What series, labels and metrics there are.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use promql_parser::label::Matcher;
use promql_parser::parser::Expr;
use serde_json::{Value, json};

use super::Prometheus;
use super::json::{self, Failure, Reply};
use super::params::Params;
use crate::lab::promql;
use crate::lab::tsdb::{Labels, Text};

pub(super) async fn series(State(prometheus): State<Prometheus>, params: Params) -> Result<Reply, Failure> {
    if params.all("match[]").next().is_none() {
        return Err(Failure::bad_data("no match[] parameter provided"));
    }
    let found: BTreeSet<Labels> = found(&prometheus, &params, Labels::clone)?;
    cut(&params, found.iter().map(json::labels))
}

pub(super) async fn labels(State(prometheus): State<Prometheus>, params: Params) -> Result<Reply, Failure> {
    let names =
        found(&prometheus, &params, |labels| labels.0.iter().map(|(name, _)| name.clone()).collect())?;
    let names: BTreeSet<Text> = names.into_iter().flat_map(|names: Vec<Text>| names).collect();
    cut(&params, names.iter().map(|name| Value::from(&**name)))
}

pub(super) async fn values(
    State(prometheus): State<Prometheus>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Reply, Failure> {
    if !promql::is_label_name(&name) {
        return Err(Failure::bad_data(format!("invalid label name: {name:?}")));
    }
    let values = found(&prometheus, &params, |labels| labels.get(&name).to_owned())?;
    cut(&params, values.into_iter().filter(|value| !value.is_empty()).map(Value::from))
}

pub(super) async fn metadata(State(prometheus): State<Prometheus>, params: Params) -> Result<Reply, Failure> {
    let (metric, limit) = (params.get("metric"), params.limit("limit")?);
    let tsdb = prometheus.tsdb();
    let known = tsdb.metadata().iter().filter(|(name, _)| metric.is_empty() || &***name == metric);
    let shown: BTreeMap<&str, Value> = known
        .take(limit.unwrap_or(usize::MAX))
        .map(|(name, m)| (&**name, json!([{ "type": m.kind, "help": &*m.help, "unit": &*m.unit }])))
        .collect();
    Ok(Reply::data(json!(shown)))
}

/// Something of all series that match any of the selectors (all series without one) in the time that is
/// asked for, sorted and without repetition.
fn found<T: Ord>(
    prometheus: &Prometheus,
    params: &Params,
    what: impl Fn(&Labels) -> T,
) -> Result<BTreeSet<T>, Failure> {
    let (from, to) = (params.time_or("start", i64::MIN)?, params.time_or("end", i64::MAX)?);
    let mut selectors = params.all("match[]").map(matchers).collect::<Result<Vec<_>, _>>()?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    let tsdb = prometheus.tsdb();
    let series = selectors.iter().flat_map(|matchers| tsdb.matching(matchers, from, to));
    Ok(series.map(|series| what(&series.labels)).collect())
}

fn matchers(selector: &str) -> Result<Vec<Matcher>, Failure> {
    match promql::parse(selector) {
        Ok(Expr::VectorSelector(selector)) if selector.at.is_none() && selector.offset.is_none() => {
            Ok(promql::matchers(&selector)?)
        }
        Ok(_) => Err(Failure::parameter("match[]", format!("{selector:?} is not a selector of series"))),
        Err(error) => Err(Failure::parameter("match[]", error)),
    }
}

fn cut(params: &Params, mut values: impl Iterator<Item = Value>) -> Result<Reply, Failure> {
    let limit = params.limit("limit")?.unwrap_or(usize::MAX);
    let shown: Vec<Value> = values.by_ref().take(limit).collect();
    Ok(Reply::data(Value::from(shown)).truncated(values.next().is_some()))
}
