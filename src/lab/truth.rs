//! The truth: what the tail would have been, had something been normal. The same events are simulated
//! again with that made normal; everything random is keyed, so that nothing else differs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::app::{Application, ServiceId};
use super::cluster::Cluster;
use super::fault::{Cause, Fault};
use super::sim::{Change, Nanos, Observer, Request, SECOND, Settings, SimError, Simulation, resource_of};
use crate::domain::Resource;

/// How long after the window answers are waited for; what is not back by then counts as endless.
const PATIENCE: Nanos = 60 * SECOND;

/// Largest sets that are tried.
const MOST: usize = 3;

/// A moment to be explained.
#[derive(Clone, Debug)]
pub struct Case {
    /// The application.
    pub app: Arc<Application>,
    /// Where it runs.
    pub cluster: Cluster,
    /// How it was simulated; what is normal there stays so.
    pub settings: Settings,
    /// What broke.
    pub faults: Vec<Fault>,
    /// Changes that operators made, and when.
    pub changes: Vec<(Nanos, Change)>,
    /// From when to when requests are sent that count.
    pub window: (Nanos, Nanos),
}

/// The entry's tail over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The objective's quantile of the latency, as the user sees it, in milliseconds; infinite if
    /// that many answers never came.
    pub quantile_ms: f64,
    /// Requests sent in the window.
    pub requests: usize,
    /// Whether the objective is met.
    pub met: bool,
}

/// Why an objective was violated.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The tail as it was.
    pub factual: Tail,
    /// The tail with everything normal.
    pub normal: Tail,
    /// The smallest set that restores the objective; of several as small, the one with the lowest tail.
    /// Empty if the objective was met, or cannot be restored.
    pub causes: BTreeSet<Cause>,
    /// Its tail.
    pub restored: Option<Tail>,
    /// Other sets as small that restore it too.
    pub alternatives: Vec<BTreeSet<Cause>>,
    /// Other remedies that restore it: more replicas of a service.
    pub remedies: Vec<(Change, Tail)>,
}

impl Case {
    /// The tail with `normal` made normal.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn tail(&self, normal: &BTreeSet<(ServiceId, Resource)>) -> Result<Tail, SimError> {
        self.run(normal, &[])
    }

    /// The tail with further changes made at the times given.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn tail_after(&self, changes: &[(Nanos, Change)]) -> Result<Tail, SimError> {
        self.run(&BTreeSet::new(), changes)
    }

    fn run(
        &self,
        normal: &BTreeSet<(ServiceId, Resource)>,
        more: &[(Nanos, Change)],
    ) -> Result<Tail, SimError> {
        let mut settings = self.settings.clone();
        settings.normal.extend(normal.iter().copied());
        let mut sim = Simulation::new(self.app.clone(), self.cluster.clone(), settings, self.faults.clone())?;
        let mut answers = Answers { window: self.window, latencies: Vec::new() };
        let mut changes: Vec<&(Nanos, Change)> = self.changes.iter().chain(more).collect();
        changes.sort_by_key(|(at, _)| *at);
        for (at, change) in changes {
            sim.run_until(*at, &mut answers);
            // What was refused changed nothing when it happened, either.
            let _ = sim.change(change.clone());
        }
        sim.run_until(self.window.1, &mut answers);
        let end = self.window.1 + PATIENCE;
        while sim.under_way_since(self.window) > 0 && sim.now() < end {
            sim.run_until((sim.now() + SECOND).min(end), &mut answers);
        }
        let sent = answers.latencies.len() + sim.under_way_since(self.window);
        Ok(answers.tail(sent, &self.app))
    }

    /// Every (service, resource) that a fault touched by the end of the window.
    pub fn candidates(&self) -> BTreeSet<(ServiceId, Resource)> {
        let begun = self.faults.iter().filter(|fault| fault.from_s * 1e9 < self.window.1 as f64);
        begun.flat_map(|fault| self.touched(fault)).collect()
    }

    /// Where a fault strikes: its service, the services on its node, or the entry.
    fn touched(&self, fault: &Fault) -> Vec<(ServiceId, Resource)> {
        let resource = resource_of(&fault.kind);
        let services: Vec<ServiceId> = match (fault.kind.service(), fault.kind.node()) {
            (Some(service), _) => self.app.service(service).into_iter().collect(),
            (None, Some(node)) => {
                let on_it =
                    |at: &usize| self.cluster.nodes.get(*at).is_some_and(|known| &*known.name == node);
                let placed = self.cluster.placement.iter().enumerate();
                placed.filter(|(_, nodes)| nodes.iter().any(on_it)).map(|(service, _)| service).collect()
            }
            (None, None) => self.app.entry().into_iter().collect(),
        };
        services.into_iter().map(|service| (service, resource)).collect()
    }

    /// The label: the smallest set of causes whose absence restores the objective.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn label(&self) -> Result<Label, SimError> {
        let candidates = Vec::from_iter(self.candidates());
        let factual = self.tail(&BTreeSet::new())?;
        let normal = self.tail(&candidates.iter().copied().collect())?;
        let mut label = Label {
            factual,
            normal,
            causes: BTreeSet::new(),
            restored: None,
            alternatives: Vec::new(),
            remedies: Vec::new(),
        };
        if factual.met || !normal.met {
            return Ok(label);
        }
        for size in 1..=MOST.min(candidates.len()) {
            let mut found = Vec::new();
            for set in subsets(&candidates, size) {
                let tail = self.tail(&set)?;
                if tail.met {
                    found.push((tail, set));
                }
            }
            found.sort_by(|(a, _), (b, _)| a.quantile_ms.total_cmp(&b.quantile_ms));
            let mut found = found.into_iter().map(|(tail, set)| (tail, self.causes(&set)));
            if let Some((tail, set)) = found.next() {
                label.causes = set;
                label.restored = Some(tail);
                label.alternatives = found.map(|(_, set)| set).collect();
                break;
            }
        }
        label.remedies = self.remedies()?;
        Ok(label)
    }

    /// One replica more of each service, from the start of the earliest fault: where it restores the
    /// objective.
    fn remedies(&self) -> Result<Vec<(Change, Tail)>, SimError> {
        let from_s = self.faults.iter().map(|fault| fault.from_s).fold(f64::INFINITY, f64::min);
        let at = (from_s.max(0.0) * 1e9) as Nanos;
        let mut remedies = Vec::new();
        for (id, service) in self.app.services.iter().enumerate() {
            let change = Change::Replicas(id, service.replicas + 1);
            let tail = self.tail_after(&[(at.min(self.window.0), change.clone())])?;
            if tail.met {
                remedies.push((change, tail));
            }
        }
        Ok(remedies)
    }

    fn causes(&self, set: &BTreeSet<(ServiceId, Resource)>) -> BTreeSet<Cause> {
        let cause = |(service, resource): &(ServiceId, Resource)| {
            let service = self.app.services.get(*service)?.name.to_string();
            Some(Cause { service, resource: *resource })
        };
        set.iter().filter_map(cause).collect()
    }
}

/// Latencies of the requests sent in the window, as they come back.
struct Answers {
    window: (Nanos, Nanos),
    latencies: Vec<Nanos>,
}

impl Observer for Answers {
    fn request(&mut self, request: &Request<'_>) {
        if (self.window.0..self.window.1).contains(&request.sent) {
            self.latencies.push(request.returned - request.sent);
        }
    }
}

impl Answers {
    fn tail(mut self, sent: usize, app: &Application) -> Tail {
        self.latencies.sort_unstable();
        // The smallest latency that at least the quantile's share of requests does not exceed.
        let rank = (app.objective.quantile * sent as f64).ceil().max(1.0) as usize;
        let quantile_ms = if sent == 0 {
            0.0
        } else {
            self.latencies.get(rank - 1).map_or(f64::INFINITY, |latency| *latency as f64 / 1e6)
        };
        Tail { quantile_ms, requests: sent, met: quantile_ms <= app.objective.limit_ms }
    }
}

/// All subsets of `all` with `size` members.
fn subsets<T: Copy + Ord>(all: &[T], size: usize) -> Vec<BTreeSet<T>> {
    if size == 0 {
        return vec![BTreeSet::new()];
    }
    let mut sets = Vec::new();
    for (index, first) in all.iter().enumerate() {
        for mut set in subsets(&all[index + 1..], size - 1) {
            set.insert(*first);
            sets.push(set);
        }
    }
    sets
}
