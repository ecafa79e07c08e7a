//! The control: the same three channels as the diagnosis, scored by robust t without any model.
//!
//! Per service, the sum of the largest deviation of its metrics, of its server latency beyond
//! that of its slowest callee, and of the delay of the channels to it. A deviation is the mean
//! over the diagnosed windows of (value − median) / (1.4826 · MAD) over the windows before.

use std::collections::BTreeMap;

use crate::diagnosis::{FeatureKinds, reference::kind_of};
use crate::domain::{
    Column, Direction, Entity, Party, Pool, Ranked, RankedResource, Resource, Rpc, ServiceName, Side, Stat,
};
use crate::gvae::Scale;
use crate::windows::Frame;

/// Smallest scale as a share of the median.
const MIN_SHARE: f32 = 0.05;

/// Services and (service, resource) pairs, most suspect first, for the last `span` windows of `frame`.
pub fn control(kinds: &FeatureKinds, frame: &Frame, span: usize) -> (Vec<Ranked>, Vec<RankedResource>) {
    let now = frame.len().saturating_sub(span);
    let mut scores: BTreeMap<ServiceName, BTreeMap<Resource, f64>> = BTreeMap::new();
    let mut raise = |service: &ServiceName, resource: Resource, t: f64| {
        let best = scores.entry(service.clone()).or_default().entry(resource).or_insert(0.0);
        *best = best.max(t);
    };
    for (column, values) in &frame.columns {
        match column {
            Column::Metric { entity: Entity::Service(service), pool: Pool::Mean, .. } => {
                let kind = kind_of(kinds, column);
                if kind.resource != Resource::Load {
                    raise(service, kind.resource, directed(deviation(values, now), kind.direction));
                }
            }
            Column::Latency { rpc, side, stat: Stat::Quantile(_) } => match (side, rpc.callee.service()) {
                (Side::Network | Side::Request | Side::Response, Some(callee)) => {
                    raise(callee, Resource::Network, deviation(values, now));
                }
                (Side::Server, Some(callee)) => {
                    let own = deviation(values, now) - slowest_callee(frame, callee, now);
                    raise(callee, Resource::Latent, own);
                }
                _ => {}
            },
            Column::Metric { .. } | Column::Latency { .. } => {}
        }
    }
    rank(scores)
}

/// Sums the channels; latency that comes with a larger metric deviation is that metric's symptom.
fn rank(scores: BTreeMap<ServiceName, BTreeMap<Resource, f64>>) -> (Vec<Ranked>, Vec<RankedResource>) {
    let (mut services, mut pairs) = (Vec::new(), Vec::new());
    for (service, by_resource) in scores {
        let of = |wanted: fn(Resource) -> bool| {
            let some = by_resource.iter().filter(|(r, _)| wanted(**r));
            some.map(|(_, t)| *t).fold(0.0, f64::max)
        };
        let metrics = of(|r| !matches!(r, Resource::Network | Resource::Latent));
        let total = metrics + of(|r| r == Resource::Network) + of(|r| r == Resource::Latent);
        let sum: f64 = by_resource.values().sum::<f64>().max(1e-9);
        for (resource, t) in &by_resource {
            let symptom = *resource == Resource::Latent && metrics > 3.0;
            let share = if symptom { 0.0 } else { t / sum };
            pairs.push(RankedResource {
                service: service.clone(),
                resource: *resource,
                score: total * share,
            });
        }
        services.push(Ranked { service, score: total });
    }
    services.sort_by(|a, b| b.score.total_cmp(&a.score));
    pairs.sort_by(|a, b| b.score.total_cmp(&a.score));
    (services, pairs)
}

/// Mean deviation of the rows from `now` on against the rows before; 0 without data.
fn deviation(values: &[f32], now: usize) -> f64 {
    let (before, after) = values.split_at(now.min(values.len()));
    let plain = Scale::of(before.iter().copied(), 1e-9);
    let scale = plain.scale.max(MIN_SHARE * plain.centre.abs());
    let known: Vec<f64> =
        after.iter().filter(|v| v.is_finite()).map(|v| f64::from((v - plain.centre) / scale)).collect();
    if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 }
}

fn directed(t: f64, direction: Direction) -> f64 {
    match direction {
        Direction::Up => t,
        Direction::Down => -t,
        Direction::Both => t.abs(),
    }
}

fn slowest_callee(frame: &Frame, service: &ServiceName, now: usize) -> f64 {
    let calls = frame.columns.iter().filter_map(|(column, values)| match column {
        Column::Latency { rpc: Rpc { caller: Party::Service(caller), .. }, side: Side::Client, stat } => {
            (caller == service && *stat != Stat::Count).then(|| deviation(values, now))
        }
        _ => None,
    });
    calls.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clean, Quantile, Timestamp};
    use crate::telemetry::Catalogue;
    use std::time::Duration;

    #[test]
    fn the_slow_back_end_comes_before_the_caller_that_waits_for_it() {
        let minute = |i: usize| Timestamp::from_second(60 * i as i64).unwrap_or(Timestamp::MIN);
        let wave = |base: f32, fault: f32| {
            (0..65).map(|i| base + (i % 7) as f32 * 0.1 * base + if i >= 60 { fault } else { 0.0 }).collect()
        };
        let (web, db) = (ServiceName::new("web"), ServiceName::new("db"));
        let column =
            |rpc: &Rpc, side| Column::Latency { rpc: rpc.clone(), side, stat: Stat::Quantile(Quantile(500)) };
        let edge = Rpc::edge(&web, &db);
        let frame = Frame {
            length: Duration::from_secs(60),
            ends: (0..65).map(minute).collect(),
            columns: [
                (column(&Rpc::served_by(&db), Side::Server), wave(5.0, 100.0)),
                (column(&edge, Side::Client), wave(6.0, 100.0)),
                (column(&Rpc::served_by(&web), Side::Server), wave(20.0, 100.0)),
            ]
            .into_iter()
            .collect(),
            ..Frame::default()
        };
        let kinds = FeatureKinds::of(&Catalogue::default());
        let (services, pairs) = control(&kinds, &frame, 5);
        assert_eq!(services[0].service, db);
        assert_eq!((pairs[0].service.as_str(), pairs[0].resource), ("db", Resource::Latent));
        assert_eq!(Clean::new("web").as_str(), services[1].service.as_str());
    }
}
