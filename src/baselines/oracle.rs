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
const GRID: [f64; 14] = [2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0, 110.0, 200.0, 400.0, 1_000.0];
/// A metric that stands still counts as moving by this share of its usual value, or of the largest.
const STILL: f64 = 0.01;
/// The latency that counts.
const LATENCY: Quantile = Quantile(990);

/// How far the signals of every service are above what is usual, in scales.
type Heights = BTreeMap<ServiceName, BTreeMap<String, f64>>;

/// The same of a case with those who are to blame.
type Known = (Heights, BTreeSet<ServiceName>);

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
    fn shared(&self, signal: &str) -> f64 {
        self.thresholds.get(signal).copied().unwrap_or(f64::INFINITY)
    }

    fn threshold(&self, service: &ServiceName, signal: &str) -> f64 {
        let own = self.own.get(&(service.clone(), signal.to_owned()));
        own.copied().unwrap_or_else(|| self.shared(signal))
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

    fn merit(&self, cases: &[Known]) -> Merit {
        let (mut right, mut off) = (0, 0);
        for (heights, truth) in cases {
            let wrong = self.blamed(heights).symmetric_difference(truth).count();
            right += usize::from(wrong == 0);
            off -= wrong as isize;
        }
        (right, off)
    }

    /// The best threshold of the grid, or none, for a metric, in one tier or in all; the one there is unless
    /// another is better.
    fn best(&self, cases: &[Known], tier: Option<&ServiceName>, signal: &str) -> (Merit, f64) {
        let mut trial = self.clone();
        let now = tier.map_or(self.shared(signal), |tier| self.threshold(tier, signal));
        let mut best = (self.merit(cases), now);
        for candidate in GRID.into_iter().chain([f64::INFINITY]) {
            trial.set(tier, signal, candidate);
            let merit = trial.merit(cases);
            if merit > best.0 {
                best = (merit, candidate);
            }
        }
        best
    }

    fn set(&mut self, tier: Option<&ServiceName>, signal: &str, threshold: f64) {
        match tier {
            None => self.thresholds.insert(signal.to_owned(), threshold),
            Some(tier) => self.own.insert((tier.clone(), signal.to_owned()), threshold),
        };
    }

    /// Sets one threshold after the other, always the one that helps most, until none helps.
    fn search(&mut self, cases: &[Known], places: &[(Option<&ServiceName>, &String)]) {
        loop {
            let before = self.merit(cases);
            let tried = places.iter().map(|(tier, signal)| (self.best(cases, *tier, signal), *tier, *signal));
            let better = tried.filter(|((merit, _), ..)| *merit > before);
            let best = better.reduce(|best, next| if next.0.0 > best.0.0 { next } else { best });
            let Some(((_, threshold), tier, signal)) = best else { return };
            self.set(tier, signal, threshold);
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
        let known: Vec<Known> = known.collect();
        let culprits: BTreeSet<&ServiceName> = known.iter().flat_map(|(_, truth)| truth).collect();
        if culprits.is_empty() {
            return Err(MethodError::NoLabels { method: self.name() });
        }
        let signals: BTreeSet<&String> =
            known.iter().flat_map(|(heights, _)| heights.values().flat_map(BTreeMap::keys)).collect();
        *self = Self { cases: known.len(), ..Self::default() };
        let shared = Vec::from_iter(signals.iter().map(|signal| (None, *signal)));
        self.search(&known, &shared);
        let tiers = culprits.iter().flat_map(|tier| signals.iter().map(|signal| (Some(*tier), *signal)));
        self.search(&known, &Vec::from_iter(tiers));
        self.right = self.merit(&known).0;
        Ok(())
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let heights = heights(question);
        Ok(Answer::blaming(self.excess(&heights), self.blamed(&heights)))
    }
}
