//! The offline oracle: thresholds on every metric of every tier, tuned on incidents whose cause is known
//! (the strongest of the autoscaling schemes that Sage is compared with).
//!
//! A service is blamed if one of its metrics lies so many scales above what that metric usually is in that
//! service. Scales are each tier's own; how many of them is found by a grid search for each metric, over all
//! tiers together, since of most tiers no incident is known; then for each tier and metric where an incident
//! of the tier tells better. Searched for is the number of incidents in which exactly the right services
//! are blamed, and among equals the fewest missed and wrong ones.

use std::collections::{BTreeMap, BTreeSet};

use super::method::{Answer, Blamed, Labelled, Method, MethodError, Question};
use super::signals::{called, metrics, served};
use super::stats::{known, mean, quartiles};
use crate::domain::{Quantile, Resource, ServiceName, Side};

/// Thresholds that are tried, in scales.
const GRID: [f64; 14] =
    [2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0, 110.0, 200.0, 400.0, 1_000.0];
/// A metric that stands still counts as moving by this share of its usual value, or of the largest.
const STILL: f64 = 0.01;
/// The latency that counts.
const LATENCY: Quantile = Quantile(990);

/// How far the signals of every service are above what is usual, in scales.
type Heights = BTreeMap<ServiceName, BTreeMap<String, f64>>;

/// Cases in which exactly the right services are blamed; then, negative, services missed and wrong.
type Merit = (usize, isize);

/// The oracle and what it has learned.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// By metric.
    thresholds: BTreeMap<String, f64>,
    /// By tier and metric, where it has its own.
    own: BTreeMap<(ServiceName, String), f64>,
    cases: usize,
    right: usize,
}

/// Of one question.
fn heights(question: &Question<'_>) -> Heights {
    let mut all = Heights::new();
    let mut note = |service: &ServiceName, signal: String, values: &[f64]| {
        if let Some(height) = height(question, values) {
            let known = all.entry(service.clone()).or_default().entry(signal).or_insert(height);
            *known = known.max(height);
        }
    };
    for (service, of) in metrics(question) {
        for metric in of.iter().filter(|metric| metric.kind.resource != Resource::Load) {
            note(service, metric.feature.to_string(), &metric.values);
        }
    }
    for service in question.graph.services() {
        if let Some(values) = served(question.frame, service, LATENCY) {
            note(service, "latency".to_owned(), &values);
        }
        for caller in question.graph.callers(service) {
            let side = |side| called(question.frame, caller, service, side, LATENCY);
            if let (Some(client), Some(server)) = (side(Side::Client), side(Side::Server)) {
                let gap = client.iter().zip(&server).map(|(client, server)| client - server);
                note(service, "network".to_owned(), &Vec::from_iter(gap));
            }
        }
    }
    all
}

fn height(question: &Question<'_>, values: &[f64]) -> Option<f64> {
    let (before, now) = (&values[question.history()], &values[question.now()]);
    let (low, middle, high) = quartiles(before)?;
    let largest = known(before).chain(known(now)).map(f64::abs).fold(0.0, f64::max);
    let floor = STILL * if middle == 0.0 { largest } else { middle.abs() };
    let scale = (high - low).max(floor);
    (scale > 0.0).then_some((mean(known(now))? - middle) / scale)
}

impl Oracle {
    fn threshold(&self, service: &ServiceName, signal: &str) -> f64 {
        let own = self.own.get(&(service.clone(), signal.to_owned()));
        own.or_else(|| self.thresholds.get(signal)).copied().unwrap_or(f64::INFINITY)
    }

    /// By how much the worst metric of each service exceeds its threshold; blamed from 1 on.
    fn excess(&self, heights: &Heights) -> BTreeMap<ServiceName, f64> {
        let worst = |(service, signals): (&ServiceName, &BTreeMap<String, f64>)| {
            let excess = signals.iter().map(|(signal, height)| height / self.threshold(service, signal));
            (service.clone(), excess.fold(0.0, f64::max))
        };
        heights.iter().map(worst).collect()
    }

    fn blamed(&self, heights: &Heights) -> BTreeSet<ServiceName> {
        let above = self.excess(heights).into_iter().filter(|(_, excess)| *excess >= 1.0);
        above.map(|(service, _)| service).collect()
    }
}

/// What is searched: known cases, and a threshold for each tier and metric.
struct Search {
    /// By case and tier: the metrics' heights, and whether it is to blame.
    cases: Vec<Vec<(Vec<f64>, bool)>>,
    /// By tier and metric.
    thresholds: Vec<Vec<f64>>,
}

impl Search {
    fn merit(&self) -> Merit {
        let (mut right, mut off) = (0, 0);
        for tiers in &self.cases {
            let above = |(tier, (heights, _)): &(usize, &(Vec<f64>, bool))| {
                heights.iter().zip(&self.thresholds[*tier]).any(|(height, threshold)| height >= threshold)
            };
            let tiers = tiers.iter().enumerate();
            let wrong = tiers.filter(|tier| above(tier) != tier.1.1).count();
            right += usize::from(wrong == 0);
            off -= wrong as isize;
        }
        (right, off)
    }

    /// Sets a metric's threshold, of one tier or of all; what it was before.
    fn set(&mut self, tier: Option<usize>, metric: usize, threshold: f64) -> f64 {
        let chosen = tier.map_or(0..self.thresholds.len(), |tier| tier..tier + 1);
        let mut before = f64::INFINITY;
        for tier in chosen {
            before = std::mem::replace(&mut self.thresholds[tier][metric], threshold);
        }
        before
    }

    /// Sets one threshold after the other, always the one that helps most, until none helps.
    fn climb(&mut self, places: &[(Option<usize>, usize)]) {
        loop {
            let mut best = (self.merit(), None);
            for (tier, metric) in places {
                for candidate in GRID.into_iter().chain([f64::INFINITY]) {
                    let before = self.set(*tier, *metric, candidate);
                    let merit = self.merit();
                    self.set(*tier, *metric, before);
                    if merit > best.0 {
                        best = (merit, Some((*tier, *metric, candidate)));
                    }
                }
            }
            let Some((tier, metric, threshold)) = best.1 else { return };
            self.set(tier, metric, threshold);
        }
    }
}

impl Method for Oracle {
    fn name(&self) -> &'static str {
        "offline oracle"
    }

    fn settings(&self) -> String {
        let set = self.thresholds.iter().filter(|(_, threshold)| threshold.is_finite());
        let set = Vec::from_iter(set.map(|(signal, threshold)| format!("{signal} {threshold}")));
        format!(
            "{} of {} labelled cases explained; interquartile ranges above the median: {}; {} tiers' own",
            self.right,
            self.cases,
            set.join(", "),
            self.own.len()
        )
    }

    fn needs_labels(&self) -> bool {
        true
    }

    fn learn(&mut self, cases: &[Labelled<'_>]) -> Result<(), MethodError> {
        let known = cases.iter().map(|case| match &case.truth {
            Blamed::Services(services) => (heights(&case.question), services.iter().cloned().collect()),
            Blamed::Load => (heights(&case.question), BTreeSet::new()),
        });
        let known: Vec<(Heights, BTreeSet<ServiceName>)> = known.collect();
        if known.iter().all(|(_, truth)| truth.is_empty()) {
            return Err(MethodError::NoLabels { method: self.name() });
        }
        let tiers: BTreeSet<&ServiceName> = known.iter().flat_map(|(heights, _)| heights.keys()).collect();
        let signals: BTreeSet<&String> =
            known.iter().flat_map(|(heights, _)| heights.values().flat_map(BTreeMap::keys)).collect();
        let case = |(heights, truth): &(Heights, BTreeSet<ServiceName>)| {
            let tier = |tier: &&ServiceName| {
                let height = |signal: &&String| heights.get(*tier)?.get(*signal).copied();
                let heights = signals.iter().map(|signal| height(signal).unwrap_or(f64::NEG_INFINITY));
                (heights.collect(), truth.contains(*tier))
            };
            tiers.iter().map(tier).collect()
        };
        let mut search = Search {
            cases: known.iter().map(case).collect(),
            thresholds: vec![vec![f64::INFINITY; signals.len()]; tiers.len()],
        };
        search.climb(&Vec::from_iter((0..signals.len()).map(|signal| (None, signal))));
        let shared = search.thresholds.first().cloned().unwrap_or_default();
        let culprit = |tier: &usize| search.cases.iter().any(|tiers| tiers[*tier].1);
        let culprits = (0..tiers.len()).filter(culprit);
        let places = culprits.flat_map(|tier| (0..signals.len()).map(move |signal| (Some(tier), signal)));
        search.climb(&Vec::from_iter(places));
        *self = Self { cases: known.len(), right: search.merit().0, ..Self::default() };
        let named = signals.iter().map(|signal| (*signal).clone());
        self.thresholds = named.clone().zip(shared.iter().copied()).collect();
        for (tier, thresholds) in tiers.into_iter().zip(&search.thresholds) {
            let differ =
                named.clone().zip(thresholds.iter().zip(&shared)).filter(|(_, (own, all))| own != all);
            self.own.extend(differ.map(|(signal, (own, _))| ((tier.clone(), signal), *own)));
        }
        Ok(())
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let heights = heights(question);
        Ok(Answer::blaming(self.excess(&heights), self.blamed(&heights)))
    }
}
