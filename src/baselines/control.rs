//! The control: the three channels of the diagnosis, calibrated in the same way, without any
//! learned model.
//!
//! Per service, the sum of the strongest surprise of its metrics, of its server latency beyond
//! that of its slowest callee, and of the delay of the channels to it. A latency's surprise is
//! that of its robust t (log-latency against median and MAD of the windows before).

use std::collections::BTreeMap;
use std::ops::Range;

use super::method::{Answer, Method, MethodError, Question};
use crate::diagnosis::metric::{MetricModel, since_gap};
use crate::diagnosis::reference::{kind_of, load_of, rolling};
use crate::diagnosis::tail::{Tail, surprise};
use crate::diagnosis::{FeatureKinds, reference::mean_known};
use crate::domain::{Column, Entity, Party, Pool, Ranked, RankedResource, Resource, ServiceName, Side, Stat};
use crate::gvae::LatencyScale;
use crate::windows::Frame;

type Scores = BTreeMap<ServiceName, BTreeMap<Resource, f64>>;

/// [`control()`] as a method.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    /// Least surprise of a metric that makes a slow latency its symptom.
    pub unusual: f64,
}

impl Method for Control {
    fn name(&self) -> &'static str {
        "control"
    }

    fn settings(&self) -> String {
        format!("unusual from {}", self.unusual)
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let (ranking, _) = control(question.kinds, question.frame, question.diagnosed, self.unusual);
        Ok(Answer { ranking, blamed: None })
    }
}

/// Services and (service, resource) pairs, most suspect first, for the last `span` windows of
/// `frame`; the windows before them are what is normal. `unusual` is the least surprise of a
/// metric that makes a slow latency its symptom.
pub fn control(
    kinds: &FeatureKinds,
    frame: &Frame,
    span: usize,
    unusual: f64,
) -> (Vec<Ranked>, Vec<RankedResource>) {
    let now = frame.len().saturating_sub(span)..frame.len();
    let mut scores = Scores::new();
    metrics(kinds, frame, &now, &mut scores);
    latencies(frame, &now, &mut scores);
    rank(scores, unusual)
}

fn raise(scores: &mut Scores, service: &ServiceName, resource: Resource, surprise: f64) {
    let best = scores.entry(service.clone()).or_default().entry(resource).or_insert(0.0);
    *best = best.max(surprise);
}

fn metrics(kinds: &FeatureKinds, frame: &Frame, now: &Range<usize>, scores: &mut Scores) {
    let since = since_gap(frame);
    let mut columns: BTreeMap<&ServiceName, Vec<Column>> = BTreeMap::new();
    for column in frame.columns.keys() {
        if let Column::Metric { entity: Entity::Service(service), pool: Pool::Mean, .. } = column {
            columns.entry(service).or_default().push(column.clone());
        }
    }
    for (service, columns) in columns {
        let load = load_of(kinds, &columns, frame);
        for column in &columns {
            let kind = kind_of(kinds, column);
            let (Some(values), false) = (frame.columns.get(column), kind.resource == Resource::Load) else {
                continue;
            };
            let before = load.map(|l| &l[..now.start]);
            let model = MetricModel::fit(&values[..now.start], before, kind.drifts, kind.direction);
            let all = (0..frame.len()).map(|row| model.surprise(values, load, row, since[row]));
            let all: Vec<_> = all.collect();
            raise(scores, service, kind.resource, calibrated(&all, now));
        }
    }
}

fn latencies(frame: &Frame, now: &Range<usize>, scores: &mut Scores) {
    let deviations: Vec<_> = frame
        .columns
        .iter()
        .filter_map(|(column, values)| match column {
            Column::Latency { rpc, side, stat: Stat::Quantile(_) } => {
                let scale = LatencyScale::of(&values[..now.start]);
                let t = |v: &f32| v.is_finite().then(|| f64::from(scale.ln.standard(scale.to_ln(*v))));
                Some((rpc, *side, values.iter().map(t).collect::<Vec<_>>()))
            }
            _ => None,
        })
        .collect();
    for (rpc, side, t) in &deviations {
        let Some(callee) = rpc.callee.service() else { continue };
        let (resource, own) = match side {
            Side::Network | Side::Request | Side::Response => (Resource::Network, t.clone()),
            Side::Server => {
                let calls = deviations.iter().filter(|(r, side, _)| {
                    *side == Side::Client && r.caller.service() == Some(callee) && r.callee != Party::Any
                });
                (Resource::Latent, calls.fold(t.clone(), |own, (.., call)| beyond(t, own, call)))
            }
            Side::Client => continue,
        };
        let all: Vec<_> = own.iter().map(|t| t.map(surprise)).collect();
        raise(scores, callee, resource, calibrated(&all, now));
    }
}

/// The smaller of `own` and what of `t` is left beyond a slow `call`.
fn beyond(t: &[Option<f64>], own: Vec<Option<f64>>, call: &[Option<f64>]) -> Vec<Option<f64>> {
    let left = |t: f64, call: Option<f64>| t - call.unwrap_or(0.0).max(0.0);
    own.into_iter()
        .zip(t.iter().zip(call))
        .map(|(own, (t, call))| Some(own?.min(left((*t)?, *call))))
        .collect()
}

/// Surprise of the mean over `now`, calibrated on the same means before.
fn calibrated(all: &[Option<f64>], now: &Range<usize>) -> f64 {
    let tail = Tail::fit(rolling(&all[..now.start], now.len()));
    mean_known(&all[now.clone()]).map_or(0.0, |mean| tail.surprise(mean))
}

/// Sums the channels; latency that comes with an unusual metric is that metric's symptom.
fn rank(scores: Scores, unusual: f64) -> (Vec<Ranked>, Vec<RankedResource>) {
    let (mut services, mut pairs) = (Vec::new(), Vec::new());
    for (service, by_resource) in scores {
        let of = |wanted: fn(Resource) -> bool| {
            let some = by_resource.iter().filter(|(r, _)| wanted(**r));
            some.map(|(_, s)| *s).fold(0.0, f64::max)
        };
        let metrics = of(|r| !matches!(r, Resource::Network | Resource::Latent));
        let network = of(|r| r == Resource::Network);
        let total = metrics + network + of(|r| r == Resource::Latent);
        let explained = metrics.max(network) >= unusual;
        let weight = |resource: Resource, s: f64| {
            if explained && resource == Resource::Latent { 0.0 } else { s }
        };
        let sum: f64 = by_resource.iter().map(|(r, s)| weight(*r, *s)).sum::<f64>().max(1e-9);
        for (resource, s) in &by_resource {
            let score = total * weight(*resource, *s) / sum;
            pairs.push(RankedResource { service: service.clone(), resource: *resource, score });
        }
        services.push(Ranked { service, score: total });
    }
    services.sort_by(|a, b| b.score.total_cmp(&a.score));
    pairs.sort_by(|a, b| b.score.total_cmp(&a.score));
    (services, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Quantile, Rpc, Timestamp};
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
        let (services, pairs) = control(&kinds, &frame, 5, 7.0);
        assert_eq!(services[0].service, db);
        assert_eq!((pairs[0].service.as_str(), pairs[0].resource), ("db", Resource::Latent));
        assert!(services[1].score < 3.0, "{services:?}");
    }
}
