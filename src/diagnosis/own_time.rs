//! A service's own time: what is left of its latency without the calls it waits for.
//!
//! Quantiles do not subtract: where a service and its callee are slow at different moments, the difference of
//! high quantiles is less than the service's own part; where it calls several at once, less still. So what the
//! difference grows by there is the least that is the service's own doing, and no model is needed to say so,
//! however far both are beyond what was ever seen: a decoder no longer knows there which share of a caller's
//! latency is its callees'. In the middle it may be more: of several calls at once the slowest is waited for.

use serde::{Deserialize, Serialize};

use super::reference::{Reference, column, mean_lasting, most};
use super::settings::{DiagnosisSettings, Part};
use super::tail::{Tail, surprise};
use crate::causal::{Cbn, LatencyNode};
use crate::domain::Side;
use crate::gvae::data::median;
use crate::windows::Frame;

/// By how much of what is waited for a difference may be wrong: quantiles of histograms are known to within
/// a bucket, and both sides of it may have other buckets.
const COARSE: f32 = 0.1;
/// Own times steadier than this share of the latency itself are not taken to be so.
const STEADY: f32 = 0.05;
/// Median absolute deviation of a normal distribution in units of its standard deviation.
const MAD: f32 = 0.6745;

/// What is usual of the own time behind one latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnTime {
    /// Median and spread by quantile, milliseconds.
    pub usual: Vec<(f32, f32)>,
    /// How unusual it gets over a diagnosis window in ordinary times.
    pub tail: Tail,
}

impl OwnTime {
    /// Learns it from ordinary times, for each latency node that has an own time; `calls` and `span` as in
    /// [`Reference`].
    pub fn learn(cbn: &Cbn, calls: &[Vec<f32>], frame: &Frame, span: usize) -> Vec<Option<Self>> {
        let of = |j: usize| {
            let times = times(cbn, calls, frame, j)?;
            let usual = cbn.latencies[j].quantiles.iter().zip(&times).map(|((_, c), times)| {
                let own = || times.iter().map(|time| time.own);
                let middle = middle(own());
                let deviation = self::middle(own().map(|ms| (ms - middle).abs()));
                let latency = self::middle(column(frame, c).iter().copied());
                (middle, (deviation / MAD).max(STEADY * latency))
            });
            let mut own = Self { usual: usual.collect(), tail: Tail::fit(Vec::new()) };
            let seen = own.surprises(&times);
            own.tail = Tail::fit(seen.windows(span.max(1)).filter_map(mean_lasting).collect());
            Some(own)
        };
        (0..cbn.latencies.len()).map(of).collect()
    }

    /// How surprising each window is, 0 where the highest quantile is no slower than usual: what is slow
    /// only in the middle may be the slowest of several calls at once.
    fn surprises(&self, times: &[Vec<Time>]) -> Vec<Option<f64>> {
        let rows = times.first().map_or(0, Vec::len);
        let z = |q: usize, row: usize| {
            let (middle, spread) = self.usual[q];
            let Time { own, waited } = times[q][row];
            f64::from((own - middle) / (spread + COARSE * waited).max(1e-6))
        };
        let row = |row: usize| {
            let known = Vec::from_iter((0..times.len()).map(|q| z(q, row)).filter(|z| z.is_finite()));
            let highest = *known.last()?;
            let mean = known.iter().map(|z| surprise(z.max(0.0))).sum::<f64>() / known.len() as f64;
            Some(if highest > 0.0 { mean } else { 0.0 })
        };
        (0..rows).map(row).collect()
    }
}

/// The own time behind latency `j` in the windows asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Grown {
    /// Calibrated −ln of the probability of as much in ordinary times.
    pub surprise: f64,
    /// By how much it is above the usual, milliseconds by quantile and window; never below 0.
    pub excess_ms: Vec<Vec<f32>>,
}

/// By how much own times grew in `recent`, by latency node; `None` for those without. What is usual, and
/// `calls`, are those of the [`Reference`].
pub fn grown(cbn: &Cbn, usual: &[Option<OwnTime>], calls: &[Vec<f32>], recent: &Frame) -> Vec<Option<Grown>> {
    let of = |(j, own): (usize, &Option<OwnTime>)| {
        let own = own.as_ref()?;
        let times = times(cbn, calls, recent, j)?;
        let mean = mean_lasting(&own.surprises(&times))?;
        let excess = own.usual.iter().zip(times).map(|((middle, _), times)| {
            let above = |Time { own, waited }: Time| {
                let ms = own - middle - COARSE * waited;
                if ms.is_finite() { ms.max(0.0) } else { 0.0 }
            };
            times.into_iter().map(above).collect()
        });
        Some(Grown { surprise: own.tail.surprise(mean), excess_ms: excess.collect() })
    };
    usual.iter().enumerate().map(of).collect()
}

/// What of each latency is its owner's beyond doubt: the excess of [`grown`] where it is unusual.
pub fn beyond_doubt(
    cbn: &Cbn,
    reference: &Reference,
    recent: &Frame,
    settings: &DiagnosisSettings,
) -> Vec<Option<Vec<Vec<f32>>>> {
    if !settings.has(Part::OwnTime) {
        return vec![None; cbn.latencies.len()];
    }
    let certain = |grown: Grown| (grown.surprise >= settings.unusual).then_some(grown.excess_ms);
    let grown = grown(cbn, &reference.own_times, &reference.calls, recent);
    grown.into_iter().map(|grown| grown.and_then(certain)).collect()
}

/// What a latency consists of, milliseconds.
#[derive(Clone, Copy, Debug)]
struct Time {
    /// Without the calls that are waited for.
    own: f32,
    /// They.
    waited: f32,
}

/// Own times by quantile and row; `None` for what waits for nobody, which is all its own.
fn times(cbn: &Cbn, calls: &[Vec<f32>], frame: &Frame, j: usize) -> Option<Vec<Vec<Time>>> {
    let node = &cbn.latencies[j];
    if node.side != Side::Server || node.parents.is_empty() {
        return None;
    }
    let of = |(quantile, c): &(_, _)| {
        let of = column(frame, c).iter();
        let mut times = Vec::from_iter(of.map(|ms| Time { own: *ms, waited: 0.0 }));
        for (parent, calls) in node.parents.iter().zip(&calls[j]) {
            let at = cbn.latencies[*parent].quantiles.iter().find(|(q, _)| q == quantile);
            let at = column(frame, &at?.1);
            let made = made(cbn, frame, j, *parent);
            for (row, (time, ms)) in times.iter_mut().zip(at).enumerate() {
                // A cache that misses makes calls that there usually are not.
                let calls =
                    made.as_ref().and_then(|made| made.get(row)).map_or(*calls, |now| now.max(*calls));
                // Nobody called: nobody was waited for.
                let waited = if ms.is_finite() { most(calls, *quantile) * ms } else { 0.0 };
                time.waited += waited;
                time.own -= waited;
            }
        }
        Some(times)
    };
    node.quantiles.iter().map(of).collect()
}

/// Calls of `parent` to one of latency `j`'s own, by row; `None` where nobody counts.
fn made(cbn: &Cbn, frame: &Frame, j: usize, parent: usize) -> Option<Vec<f32>> {
    let count = |node: &LatencyNode| node.count.as_ref().map(|c| column(frame, c));
    let callee = &cbn.latencies[j].rpc.callee;
    // Whoever serves is called as often as its callers say together.
    let edges = cbn.latencies.iter().filter(|node| node.side == Side::Client && node.rpc.callee == *callee);
    let mut served = vec![0.0; frame.len()];
    for counts in edges.filter_map(count) {
        served.iter_mut().zip(counts).for_each(|(sum, calls)| *sum += calls);
    }
    let ratio = |(calls, served): (&f32, &f32)| if *served > 0.0 { calls / served } else { 0.0 };
    Some(count(&cbn.latencies[parent])?.iter().zip(&served).map(ratio).collect())
}

fn middle(values: impl Iterator<Item = f32>) -> f32 {
    let mut known = Vec::from_iter(values.filter(|ms| ms.is_finite()));
    median(&mut known).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::causal::{CallGraph, EdgeOrigin};
    use crate::domain::{Column, Quantile, Rpc, ServiceName, Stat, Timestamp};
    use crate::windows::Source;

    /// One minute of `web`, which calls `db`: median and 99th percentile of both, and how often db is called
    /// in a request.
    type Minute = ([f32; 2], [f32; 2], f32);

    fn frame(minutes: &[Minute]) -> Frame {
        let latency = |rpc: &Rpc, side, stat| Column::Latency { rpc: rpc.clone(), side, stat };
        let (web, db) = (ServiceName::new("web"), ServiceName::new("db"));
        let served = Rpc::served_by(&web);
        let called = Rpc::edge(&web, &db);
        let entry = Rpc::entry(&web, None);
        let mut columns = indexmap::IndexMap::new();
        for (q, quantile) in [Quantile(500), Quantile(990)].into_iter().enumerate() {
            let stat = Stat::Quantile(quantile);
            columns.insert(latency(&served, Side::Server, stat), minutes.iter().map(|m| m.0[q]).collect());
            columns.insert(latency(&called, Side::Client, stat), minutes.iter().map(|m| m.1[q]).collect());
            columns.insert(latency(&entry, Side::Client, stat), minutes.iter().map(|m| m.0[q]).collect());
        }
        columns.insert(latency(&entry, Side::Client, Stat::Count), vec![100.0; minutes.len()]);
        columns.insert(
            latency(&called, Side::Client, Stat::Count),
            minutes.iter().map(|m| 100.0 * m.2).collect(),
        );
        let at = |minute: usize| Timestamp::from_second(60 * minute as i64).unwrap();
        Frame {
            length: std::time::Duration::from_secs(60),
            ends: (1..=minutes.len()).map(at).collect(),
            columns,
            sources: vec![Source::Metrics; minutes.len()],
            placement: BTreeMap::new(),
        }
    }

    /// How surprising web's own time is, and by how much its 99th percentile is beyond the usual.
    fn web(now: Minute) -> (f64, f32) {
        let usual = |minute: usize| {
            let more = (minute % 7) as f32;
            ([10.0 + 0.2 * more, 40.0 + more], [4.0 + 0.1 * more, 15.0 + more], 1.0)
        };
        let history = frame(&Vec::from_iter((0..200).map(usual)));
        let mut graph = CallGraph::default();
        graph.add_edge(&ServiceName::new("web"), &ServiceName::new("db"), EdgeOrigin::Spans, 1);
        let cbn = Cbn::build(&graph, history.columns.keys(), &history.placement);
        let calls = Vec::from_iter(cbn.latencies.iter().map(|node| vec![1.0; node.parents.len()]));
        let own = OwnTime::learn(&cbn, &calls, &history, 5);
        let grown = super::grown(&cbn, &own, &calls, &frame(&[now; 5]));
        let web = Vec::from_iter(grown.into_iter().flatten());
        assert_eq!(web.len(), 1, "only web's server side waits for anybody");
        (web[0].surprise, web[0].excess_ms[1][0])
    }

    #[test]
    fn what_the_callee_does_not_take_is_own() {
        let (surprise, excess) = web(([10.5, 42.0], [4.2, 17.0], 1.0));
        assert!(surprise < 7.0 && excess == 0.0, "as always: {surprise}, {excess} ms");
        // Both are far beyond what was ever seen.
        let (surprise, excess) = web(([40.0, 420.0], [17.0, 290.0], 1.0));
        assert!(surprise > 7.0 && excess > 10.0, "{surprise}, {excess} ms");
    }

    #[test]
    fn what_the_callee_takes_is_not() {
        // All of it; and the difference of two histograms' buckets.
        for now in [([16.0, 315.0], [10.0, 290.0], 1.0), ([16.0, 330.0], [10.0, 290.0], 1.0)] {
            let (surprise, excess) = web(now);
            assert!(surprise < 7.0 && excess == 0.0, "{surprise}, {excess} ms");
        }
        // Slow in the middle alone: the slowest of several at once.
        assert!(web(([30.0, 40.0], [4.2, 17.0], 1.0)).0 < 7.0);
        // A cache misses, and what was called once is called four times.
        let (surprise, excess) = web(([30.0, 200.0], [6.0, 40.0], 4.0));
        assert!(surprise < 7.0 && excess == 0.0, "{surprise}, {excess} ms");
    }
}
