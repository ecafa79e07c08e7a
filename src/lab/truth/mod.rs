//! The truth: what the tail would have been, had something been normal. The same events are simulated
//! again with that made normal; everything random is keyed, so that nothing else differs.
//!
//! ```text
//!  Case ──→ answers ──→ Tail                one run: the window's requests one by one, their tail
//!    └────→ label ────→ Label               many runs: who is to blame, and what else would help
//! ```

mod label;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::app::{Application, Objective, ServiceId};
use super::cluster::Cluster;
use super::fault::Fault;
use super::sim::{Change, Nanos, Observer, Request, SECOND, Settings, SimError, Simulation};
use crate::domain::Resource;

pub use label::{Blame, Label};

/// How long after the window answers are waited for; what is not back by then counts as endless.
const PATIENCE: Nanos = 60 * SECOND;

/// Things that are made normal.
pub type Normal = BTreeSet<(ServiceId, Resource)>;

/// A moment to be explained.
#[derive(Clone, Debug)]
pub struct Case {
    /// The application.
    pub app: Arc<Application>,
    /// Where it runs.
    pub cluster: Cluster,
    /// How it was simulated; what is normal there stays so.
    pub settings: Settings,
    /// What broke. Their order does not matter.
    pub faults: Vec<Fault>,
    /// Changes that operators made, and when.
    pub changes: Vec<(Nanos, Change)>,
    /// From when to before when requests are sent that count.
    pub window: (Nanos, Nanos),
}

/// A request sent in the window. A re-run has the same ones under the same ids, so that the difference
/// between two runs is the causal effect on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// Number of the request.
    pub id: u64,
    /// When it was sent.
    pub sent: Nanos,
    /// Until the answer was back at the user; `None` if it was an error or never came.
    pub latency: Option<Nanos>,
    /// From the beginning of the work at the entry to its end, error or not: what its own metrics
    /// count. `None` if it was never worked on to the end.
    pub seen: Option<Nanos>,
}

/// The entry's tail over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The objective's quantile of the latency, as the user sees it, in milliseconds. An error is no
    /// answer: infinite if that many failed or never came.
    pub quantile_ms: f64,
    /// The same quantile as the entry's own metrics have it, in milliseconds: without the way to the
    /// user, errors included.
    pub seen_ms: f64,
    /// Requests sent in the window.
    pub requests: usize,
    /// Of them, those without an answer.
    pub failed: usize,
    /// Whether the objective is met, for the user.
    pub met: bool,
}

impl Case {
    /// The tail with `normal` made normal.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn tail(&self, normal: &Normal) -> Result<Tail, SimError> {
        Ok(Tail::of(&self.answers(normal, &[])?, self.app.objective))
    }

    /// The tail with further changes made at the times given.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn tail_after(&self, changes: &[(Nanos, Change)]) -> Result<Tail, SimError> {
        Ok(Tail::of(&self.answers(&Normal::new(), changes)?, self.app.objective))
    }

    /// The tail had some faults, by their ids, never happened.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn tail_without(&self, faults: &BTreeSet<u64>) -> Result<Tail, SimError> {
        let mut case = self.clone();
        case.faults.retain(|fault| !faults.contains(&fault.id));
        case.tail(&Normal::new())
    }

    /// The requests of the window, by id, with `normal` made normal and further changes made.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn answers(&self, normal: &Normal, more: &[(Nanos, Change)]) -> Result<Vec<Answer>, SimError> {
        let mut settings = self.settings.clone();
        settings.normal.extend(normal.iter().copied());
        let mut faults = self.faults.clone();
        faults.sort_by_key(|fault| fault.id);
        let mut sim = Simulation::new(self.app.clone(), self.cluster.clone(), settings, faults)?;
        let mut seen = Window { window: self.window, answers: Vec::new() };
        let mut changes: Vec<&(Nanos, Change)> = self.changes.iter().chain(more).collect();
        changes.sort_by_key(|(at, _)| *at);
        for (at, change) in changes.into_iter().filter(|(at, _)| *at < self.window.1) {
            sim.run_until(*at, &mut seen);
            // What was refused changed nothing when it happened, either.
            let _ = sim.change(change.clone());
        }
        sim.run_until(self.window.1, &mut seen);
        let end = self.window.1 + PATIENCE;
        let quantile = self.app.objective.quantile;
        while sim.now() < end {
            let open = sim.under_way_since(self.window);
            if open == 0 || seen.is_settled(open, sim.now(), quantile) {
                break;
            }
            sim.run_until((sim.now() + SECOND).min(end), &mut seen);
        }
        let open = sim.under_way_since(self.window);
        let unknown = (0..open as u64).map(|i| Answer {
            id: u64::MAX - i,
            sent: self.window.1,
            latency: None,
            seen: None,
        });
        seen.answers.extend(unknown);
        seen.answers.sort_unstable();
        Ok(seen.answers)
    }
}

impl Tail {
    /// The tail of these requests.
    pub fn of(answers: &[Answer], objective: Objective) -> Self {
        let of = |latency: fn(&Answer) -> Option<Nanos>, all: usize| {
            let mut latencies: Vec<Nanos> = answers.iter().filter_map(latency).collect();
            latencies.sort_unstable();
            let at = rank(objective.quantile, all);
            let quantile = latencies.get(at).map(|latency| *latency as f64 / 1e6);
            (quantile.unwrap_or(if all == 0 { 0.0 } else { f64::INFINITY }), latencies.len())
        };
        let (quantile_ms, answered) = of(|answer| answer.latency, answers.len());
        let seen = answers.iter().filter(|answer| answer.seen.is_some()).count();
        let (seen_ms, _) = of(|answer| answer.seen, seen);
        let failed = answers.len() - answered;
        let met = quantile_ms <= objective.limit_ms;
        Self { quantile_ms, seen_ms, requests: answers.len(), failed, met }
    }
}

/// Place of the smallest latency that at least the quantile's share of `all` requests does not exceed.
fn rank(quantile: f64, all: usize) -> usize {
    // A hair less, lest 0.99 of 100 requests be the hundredth.
    (quantile * all as f64 - 1e-9).ceil().max(1.0) as usize - 1
}

/// The requests sent in the window, as they come back.
struct Window {
    window: (Nanos, Nanos),
    answers: Vec<Answer>,
}

impl Window {
    /// Whether the requests that are still `open` cannot change the tail any more: each of them lasts
    /// longer already than the requests that decide it.
    fn is_settled(&self, open: usize, now: Nanos, quantile: f64) -> bool {
        let within = |latency: &Option<Nanos>| latency.is_some_and(|latency| latency <= now - self.window.1);
        let all = self.answers.len() + open;
        let decided = |of: fn(&Answer) -> Option<Nanos>| {
            let known = self.answers.iter().filter(|answer| within(&of(answer))).count();
            known > rank(quantile, all)
        };
        decided(|answer| answer.latency) && decided(|answer| answer.seen)
    }
}

impl Observer for Window {
    fn request(&mut self, request: &Request<'_>) {
        if !(self.window.0..self.window.1).contains(&request.sent) {
            return;
        }
        let root = request.calls.first().filter(|root| root.served());
        self.answers.push(Answer {
            id: request.id,
            sent: request.sent,
            latency: (!request.failed).then_some(request.returned - request.sent),
            seen: root.map(|root| root.ended - root.started),
        });
    }
}
