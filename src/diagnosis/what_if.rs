//! What-if: the tail under changes that an engineer could make.
//!
//! A change of means does not bring a service back to normal, but part of the way. How far is a
//! question of queueing: the delay of work at a utilisation ρ is in proportion to ρ/(1 − ρ) (M/G/1 with
//! processor sharing), so that the share of the excess delay that goes away follows from the utilisation
//! before, after and in normal times. The tail at that share lies between the observed one and the
//! counterfactual in which the service is normal. Several changes at once are laid together by the
//! Lovász extension of the counterfactual over sets of services: exact where each change is whole or
//! none, linear between.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use candle_core::Result;

use super::counterfactual::{Intervention, Reset, World, summary};
use super::evidence::{self, Evidence, Finding};
use super::reference::{column, loads};
use super::search::Target;
use super::suspects::{reset_of, strongest};
use super::verdict::Case;
use crate::causal::Cbn;
use crate::domain::{Clean, Column, Counterfactual, Entity, Lever, Move, Pool, Resource, ServiceName, Tells};
use crate::gvae::data::median;

/// Features of the standard catalogue that tell how much of its limit a service uses.
const CPU: &str = "cpu_usage";
const CPU_OF_LIMIT: &str = "cpu_of_limit";
const THROTTLED: &str = "cpu_throttled";
const MEMORY_OF_LIMIT: &str = "memory_of_limit";
/// Work that takes more than there is waits for ever; what was observed did not, but hundreds of times as
/// long as it takes.
const FULL: f64 = 0.998;
/// A utilisation closer to normal than this is normal: nothing is gained by more means.
const NEAR: f64 = 0.02;

/// The diagnosed windows, ready to be asked what changes would do to the tail.
pub struct WhatIf<'a> {
    case: &'a Case<'a>,
    world: World<'a>,
    evidence: Evidence,
    target: Target,
    /// Per set of resets that was asked for: the tail per sample, milliseconds.
    tails: RefCell<BTreeMap<BTreeSet<Point>, Vec<f32>>>,
}

/// A service with what of it would be normal: all of it, or one resource.
type Point = (ServiceName, Option<Resource>);

impl<'a> WhatIf<'a> {
    /// Infers the world of the case; `None` if the SLO's own latency is not modelled.
    ///
    /// # Errors
    /// The tensor library failed.
    pub fn new(case: &'a Case<'a>) -> Result<Option<Self>> {
        let Some(target) = Target::of(case.model, case.slo) else { return Ok(None) };
        let Case { model, reference, kinds, frame, settings, .. } = case;
        let evidence = evidence::collect(model, reference, kinds, frame, settings)?;
        let world = World::abduct(model, reference, kinds, frame, settings)?;
        Ok(Some(Self { case, world, evidence, target, tails: RefCell::default() }))
    }

    /// The SLO's quantile with all of `moves`; `None` if one of them is about something of which
    /// nothing is measured, so that nobody can tell what it would do.
    ///
    /// # Errors
    /// The tensor library failed.
    pub fn tail(&self, moves: &[Move]) -> Result<Option<Counterfactual>> {
        let mut reliefs: BTreeMap<Point, f64> = BTreeMap::new();
        for change in moves {
            let Some((resource, relief)) = self.relief(change) else { return Ok(None) };
            let point = (change.service.clone(), resource);
            let best = reliefs.entry(point).or_insert(0.0);
            // Two changes that help against the same thing: what one leaves, the other may take.
            *best = 1.0 - (1.0 - *best) * (1.0 - relief);
        }
        let samples = extension(&reliefs, |set| self.samples(set))?;
        let observed_ms = self.world.observed_ms(self.target.node, self.target.quantile)?;
        Ok(summary(samples, observed_ms, self.case.slo.objective_ms))
    }

    /// What of the service a change helps against, and the share of the excess delay it takes away.
    fn relief(&self, change: &Move) -> Option<(Option<Resource>, f64)> {
        let capacity = |factor: f64| Some((None, self.cpu(&change.service)?.relief(factor)));
        match change.lever {
            Lever::Replicas { from, to } => capacity(f64::from(to) / f64::from(from.max(1))),
            Lever::Cpu { from, to } => capacity(to / from),
            Lever::Memory { from, to } => {
                let seen = self.seen(&change.service, MEMORY_OF_LIMIT)?;
                let usual = self.usual(&change.service, MEMORY_OF_LIMIT)?;
                let pressure = Pressure { now: seen, normal: usual };
                Some((Some(Resource::Memory), pressure.relief(to / from)))
            }
            Lever::Neighbour(resource) => {
                self.entity(&change.service)?;
                Some((Some(resource), 1.0))
            }
        }
    }

    /// How full a replica's CPU is, as a share of its limit; `None` without a limit or its metrics.
    fn cpu(&self, service: &ServiceName) -> Option<Pressure> {
        let (seen, usual) = (self.seen(service, CPU_OF_LIMIT)?, self.usual(service, CPU_OF_LIMIT)?);
        // Work that a full quota holds back does not show in the usage: at this load it would be this much.
        let needed = self.seen(service, CPU).zip(self.expected(service, CPU)).map(|(cores, expected)| {
            let limit = cores / seen.max(1e-6);
            expected / limit.max(1e-6)
        });
        let throttled = |of: Option<f64>| of.unwrap_or(0.0);
        Some(Pressure {
            now: seen.max(needed.unwrap_or(0.0)).max(throttled(self.seen(service, THROTTLED))),
            normal: usual.max(throttled(self.usual(service, THROTTLED))),
        })
    }

    /// Whether something is wrong with the network on the way to a service.
    fn bad_network(&self, service: &ServiceName) -> bool {
        let of_network = |f: &Finding| f.resource == Resource::Network && f.tells == Some(Tells::Shortage);
        strongest(self.evidence.channels.get(service), of_network) >= self.case.settings.unusual
    }

    fn entity(&self, service: &ServiceName) -> Option<usize> {
        self.case.model.cbn.entity(&Entity::Service(service.clone()))
    }

    /// The mean over replicas of a feature of a service: entity, place among its metrics.
    fn metric(&self, service: &ServiceName, feature: &str) -> Option<(usize, usize)> {
        let e = self.entity(service)?;
        let wanted = Clean::new(feature);
        let is_it =
            |c: &Column| matches!(c, Column::Metric { feature, pool: Pool::Mean, .. } if *feature == wanted);
        Some((e, self.case.model.cbn.entities[e].x.iter().position(is_it)?))
    }

    /// Its median over the diagnosed windows.
    fn seen(&self, service: &ServiceName, feature: &str) -> Option<f64> {
        let (e, m) = self.metric(service, feature)?;
        let values = column(self.case.frame, &self.case.model.cbn.entities[e].x[m]);
        let from = values.len().saturating_sub(self.case.reference.span);
        let mut known = Vec::from_iter(values[from..].iter().copied().filter(|value| value.is_finite()));
        median(&mut known).map(f64::from)
    }

    /// Its usual value.
    fn usual(&self, service: &ServiceName, feature: &str) -> Option<f64> {
        let (e, m) = self.metric(service, feature)?;
        Some(f64::from(self.case.reference.metrics[e][m].residual.centre))
    }

    /// What it is usually at the load of the diagnosed windows.
    fn expected(&self, service: &ServiceName, feature: &str) -> Option<f64> {
        let (e, m) = self.metric(service, feature)?;
        let cbn: &Cbn = &self.case.model.cbn;
        let values = column(self.case.frame, &cbn.entities[e].x[m]);
        let load = loads(cbn, self.case.kinds, self.case.frame).swap_remove(e);
        let rows = values.len().saturating_sub(self.case.reference.span)..values.len();
        let metric = &self.case.reference.metrics[e][m];
        let at = |row| metric.expected(values, load.as_deref(), row, 0).map(|(value, _)| value);
        median(&mut Vec::from_iter(rows.filter_map(at))).map(f64::from)
    }

    /// The tail per sample had everything in `set` been normal, milliseconds.
    fn samples(&self, set: &BTreeSet<Point>) -> Result<Vec<f32>> {
        if let Some(known) = self.tails.borrow().get(set) {
            return Ok(known.clone());
        }
        let cbn = &self.case.model.cbn;
        let mut intervention = Intervention::new();
        for (service, resource) in set {
            match resource {
                // More of its own means takes away the queue in front of it, but does nothing for the
                // network.
                None => intervention.extend(reset_of(cbn, &self.evidence, service).into_iter().filter(
                    |(e, _)| {
                        matches!(cbn.entities[*e].entity, Entity::Service(_)) || !self.bad_network(service)
                    },
                )),
                Some(resource) => {
                    if let Some(e) = cbn.entity(&Entity::Service(service.clone())) {
                        intervention.insert(e, Reset { resources: Some(vec![*resource]), share: 1.0 });
                    }
                }
            }
        }
        let prediction = self.world.predict(&intervention)?;
        let tail = self.world.quantile_ms(&prediction, self.target.node, self.target.quantile)?;
        self.tails.borrow_mut().insert(set.clone(), tail.clone());
        Ok(tail)
    }
}

/// Utilisation of something that work queues for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pressure {
    now: f64,
    normal: f64,
}

impl Pressure {
    /// Share of the excess delay that goes away with `factor` times as much of it, 0 to 1.
    fn relief(self, factor: f64) -> f64 {
        if self.now - self.normal < NEAR || factor <= 1.0 {
            return 0.0;
        }
        let delay = |rho: f64| {
            let rho = rho.clamp(0.0, FULL);
            rho / (1.0 - rho)
        };
        let excess = delay(self.now) - delay(self.normal);
        if excess <= 0.0 {
            // Both are beyond what there is: only having enough helps.
            return if self.now / factor < FULL { 1.0 } else { 0.0 };
        }
        ((delay(self.now) - delay(self.now / factor)) / excess).clamp(0.0, 1.0)
    }
}

/// The Lovász extension of `tail`, which is known for sets, at the point where each member is there by
/// its share; per sample.
fn extension<K: Ord + Clone>(
    shares: &BTreeMap<K, f64>,
    tail: impl Fn(&BTreeSet<K>) -> Result<Vec<f32>>,
) -> Result<Vec<f32>> {
    let mut order = Vec::from_iter(shares);
    order.sort_by(|a, b| b.1.total_cmp(a.1));
    let mut set = BTreeSet::new();
    let nothing = tail(&set)?;
    let mut sum = nothing.clone();
    for (i, (key, share)) in order.iter().enumerate() {
        set.insert((*key).clone());
        let weight = *share - order.get(i + 1).map_or(0.0, |(_, next)| **next);
        if weight > 0.0 {
            let with = tail(&set)?;
            for ((sum, with), without) in sum.iter_mut().zip(with).zip(&nothing) {
                *sum += weight as f32 * (with - without);
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::diagnosis::testbed::bed;
    use crate::gvae::testbed::Fault;

    #[test]
    fn what_is_full_is_helped_by_more_and_what_is_not_is_not() {
        let full = Pressure { now: 1.4, normal: 0.3 };
        assert!(full.relief(2.0) > 0.9 && full.relief(4.0) > full.relief(2.0), "{}", full.relief(2.0));
        assert!(full.relief(1.2) < 0.01, "still more work than there is room for");
        assert_eq!(Pressure { now: 0.31, normal: 0.3 }.relief(8.0), 0.0);
        let busy = Pressure { now: 0.8, normal: 0.4 };
        let (some, all) = (busy.relief(1.5), busy.relief(2.0));
        assert!(some > 0.6 && some < all && (all - 1.0).abs() < 1e-9, "{some} {all}");
    }

    #[test]
    fn whole_changes_are_the_counterfactual_itself() {
        let tail = |set: &BTreeSet<&str>| {
            Ok(vec![match (set.contains("a"), set.contains("b")) {
                (false, false) => 900.0,
                (true, false) => 500.0,
                (false, true) => 700.0,
                (true, true) => 200.0,
            }])
        };
        let at = |a: f64, b: f64| extension(&BTreeMap::from([("a", a), ("b", b)]), tail).unwrap()[0];
        assert_eq!([at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)], [900.0, 500.0, 700.0, 200.0]);
        assert_eq!(at(0.5, 0.0), 700.0);
        assert_eq!(at(0.5, 0.5), 550.0);
    }

    #[test]
    fn a_neighbour_that_is_limited_gives_back_what_it_took() {
        let bed = bed();
        let frame = bed.broken(3, &[Fault::Cpu(5, 0.9)]);
        let status = bed.status(&bed.slo, &frame);
        let case = bed.case(&bed.slo, &status, &frame);
        let what_if = WhatIf::new(&case).unwrap().unwrap();
        let ask = |service: &str, lever| what_if.tail(&[Move { service: service.into(), lever }]).unwrap();
        let nothing = what_if.tail(&[]).unwrap().unwrap();
        assert!((nothing.quantile_ms / bed.tail_ms(&frame) - 1.0).abs() < 0.05, "{nothing:?}");
        let helped = ask("store", Lever::Neighbour(Resource::Cpu)).unwrap();
        let elsewhere = ask("payment", Lever::Neighbour(Resource::Cpu)).unwrap();
        assert!(helped.quantile_ms < 0.8 * nothing.quantile_ms, "{helped:?} of {nothing:?}");
        assert!(elsewhere.quantile_ms > 0.9 * nothing.quantile_ms, "{elsewhere:?} of {nothing:?}");
        // The shop's services have no CPU limit of which a share could be known, and there is no such service.
        assert_eq!(ask("store", Lever::Replicas { from: 1, to: 2 }), None);
        assert_eq!(ask("nobody", Lever::Neighbour(Resource::Cpu)), None);
    }

    proptest! {
        #[test]
        fn more_never_helps_less(now in 0.0..3.0f64, normal in 0.0..1.0f64, a in 1.0..9.0f64, b in 1.0..9.0f64) {
            let pressure = Pressure { now, normal };
            let (less, more) = (pressure.relief(a.min(b)), pressure.relief(a.max(b)));
            prop_assert!((0.0..=1.0).contains(&less) && less <= more + 1e-12);
        }
    }
}
