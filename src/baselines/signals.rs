//! What a question's windows hold, as most methods want it: the metrics of each service, and latencies by
//! service and call.

use std::collections::BTreeMap;

use super::method::Question;
use crate::diagnosis::FeatureKind;
use crate::diagnosis::reference::{is_source, kind_of};
use crate::domain::{Clean, Column, Entity, Party, Pool, Quantile, Rpc, ServiceName, Side, Stat};
use crate::windows::Frame;

/// A metric of a service, replicas averaged.
#[derive(Clone, Debug)]
pub struct Metric<'a> {
    /// The feature's name.
    pub feature: &'a Clean,
    /// What it means.
    pub kind: FeatureKind,
    /// One value a window.
    pub values: Vec<f64>,
}

/// As `f64`.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// The metrics of every service.
pub fn metrics<'a>(question: &Question<'a>) -> BTreeMap<&'a ServiceName, Vec<Metric<'a>>> {
    let mut services: BTreeMap<&ServiceName, Vec<Metric<'_>>> = BTreeMap::new();
    for (column, values) in question.frame.columns.iter().filter(|(column, _)| !is_source(column)) {
        if let Column::Metric { entity: Entity::Service(service), feature, pool: Pool::Mean } = column {
            let kind = kind_of(question.kinds, column);
            let metric = Metric { feature, kind, values: wide(values) };
            services.entry(service).or_default().push(metric);
        }
    }
    services
}

/// Every service that calls, is called, or has metrics.
pub fn services<'a>(question: &Question<'a>) -> Vec<&'a ServiceName> {
    let mut all = question.graph.services();
    all.extend(metrics(question).into_keys());
    all.sort();
    all.dedup();
    all
}

/// Whether calls and the side where they are measured are those that are sought.
type Fits = fn(&Rpc, Side) -> bool;

/// Latency of what `service` serves, in milliseconds, at the quantile nearest to `wanted`: its own word for
/// it, else what it says of its single callers or its users say, the slowest of them in each window.
pub fn served(frame: &Frame, service: &ServiceName, wanted: Quantile) -> Option<Vec<f64>> {
    let of = |rpc: &Rpc| rpc.callee.service() == Some(service);
    let sides: [Fits; 4] = [
        |rpc, side| side == Side::Server && rpc.caller == Party::Any,
        |_, side| side == Side::Server,
        |rpc, side| side == Side::Client && rpc.caller == Party::User,
        |_, side| side == Side::Client,
    ];
    sides.iter().find_map(|fits| slowest(frame, wanted, |rpc, side| of(rpc) && fits(rpc, side)))
}

/// What `caller` waits for `callee`, in milliseconds, at the quantile nearest to `wanted`.
pub fn called(
    frame: &Frame,
    caller: &ServiceName,
    callee: &ServiceName,
    side: Side,
    wanted: Quantile,
) -> Option<Vec<f64>> {
    slowest(frame, wanted, |rpc, s| {
        s == side && rpc.caller.service() == Some(caller) && rpc.callee.service() == Some(callee)
    })
}

/// Calls in each window from `caller` to `callee`; `caller` may be anyone.
pub fn calls(frame: &Frame, caller: Option<&ServiceName>, callee: &ServiceName) -> Option<Vec<f64>> {
    let mut sum: Option<Vec<f64>> = None;
    for (column, values) in &frame.columns {
        let Column::Latency { rpc, side: Side::Client, stat: Stat::Count } = column else { continue };
        let wanted = caller.is_none_or(|caller| rpc.caller.service() == Some(caller));
        if wanted && rpc.callee.service() == Some(callee) {
            let so_far = sum.get_or_insert_with(|| vec![0.0; values.len()]);
            so_far.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    sum
}

/// The objective's own latency, in milliseconds.
pub fn front(question: &Question<'_>) -> Option<Vec<f64>> {
    let (entry, quantile) = (&question.slo.service, question.slo.quantile);
    let users = |rpc: &Rpc, side| {
        side == Side::Client && rpc.caller == Party::User && rpc.callee.service() == Some(entry)
    };
    slowest(question.frame, quantile, users).or_else(|| served(question.frame, entry, quantile))
}

/// The largest in each window of the latencies that are `wanted`, at the quantile nearest to one.
fn slowest(frame: &Frame, quantile: Quantile, wanted: impl Fn(&Rpc, Side) -> bool) -> Option<Vec<f64>> {
    let mut nearest: BTreeMap<(u16, &Rpc), (u16, &Vec<f32>)> = BTreeMap::new();
    for (column, values) in &frame.columns {
        let Column::Latency { rpc, side, stat: Stat::Quantile(q) } = column else { continue };
        if wanted(rpc, *side) {
            nearest.insert((q.0.abs_diff(quantile.0), rpc), (q.0, values));
        }
    }
    let distance = nearest.keys().next()?.0;
    let mut columns = nearest.iter().filter(|((off, _), _)| *off == distance).map(|(_, (_, values))| values);
    let first = wide(columns.next()?);
    let longer = |slow: Vec<f64>, values: &&Vec<f32>| {
        slow.iter().zip(values.iter()).map(|(a, b)| a.max(f64::from(*b))).collect()
    };
    Some(columns.fold(first, longer))
}
