//! Who is to blame: the smallest set of (service, resource) whose return to normal restores the
//! objective, found by running the moment again and again.
//!
//! With k candidates there are 2^k sets, so two facts are used instead of trying all. What is
//! *necessary* (the objective stays violated with everything else normal) belongs to every set that
//! restores; this takes for granted that making one thing more normal harms nobody, which holds but
//! for a service that shields another by being slow. And what would have no effect is left out from
//! the start. Where the sets that remain are still too many, one candidate after the other is dropped,
//! the least helpful first, as long as the objective holds: that set is irreducible, but a smaller
//! one may exist, and [`Label::smallest`] says so.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Normal, Tail};
use crate::domain::Resource;
use crate::lab::app::{Call, ServiceId, offered};
use crate::lab::fault::{Cause, Fault};
use crate::lab::sim::{Change, Nanos, SimError, resource_of};

/// Sets of one size that are tried at most.
const MOST_SETS: usize = 150;
/// A service is a bottleneck of a surge if it uses this share of what the busiest uses of its limit.
const BUSY: f64 = 0.5;

/// One thing to blame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Blame {
    /// The service that suffers from it and its resource.
    #[serde(flatten)]
    pub cause: Cause,
    /// The node that is to blame for it, when something else on the service's node takes the resource.
    /// `None` when it is the service's own.
    pub node: Option<String>,
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
    pub causes: BTreeSet<Blame>,
    /// Its tail.
    pub restored: Option<Tail>,
    /// Other sets as small that restore it too.
    pub alternatives: Vec<BTreeSet<Blame>>,
    /// The smallest set of faults, by their ids, without which it would have been met. A fault of a
    /// node is one, however many services suffer from it.
    pub faults: BTreeSet<u64>,
    /// False if the set cannot be made smaller, but not all sets as small were tried.
    pub smallest: bool,
    /// Other remedies that restore it: one more replica of a service.
    pub remedies: Vec<(Change, Tail)>,
}

/// What [`smallest`] found.
struct Found<T> {
    /// Sets that restore, best first, with their tails.
    sets: Vec<(Tail, BTreeSet<T>)>,
    /// Whether all of that size were tried.
    all: bool,
}

impl Label {
    /// All services that are to blame, also in the alternatives.
    pub fn services(&self) -> BTreeSet<&str> {
        let sets = self.alternatives.iter().chain([&self.causes]);
        sets.flatten().map(|blame| blame.cause.service.as_str()).collect()
    }
}

impl Case {
    /// The label: the smallest set of causes whose absence restores the objective, and what else would.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn label(&self) -> Result<Label, SimError> {
        let mut label = self.causes()?;
        if !label.causes.is_empty() {
            label.remedies = self.remedies()?;
        }
        Ok(label)
    }

    /// The label without the remedies, which cost as many runs again.
    ///
    /// # Errors
    /// The case does not fit together.
    pub fn causes(&self) -> Result<Label, SimError> {
        let candidates = self.candidates();
        // The same question comes up in several ways; each answer costs a run.
        let mut known: BTreeMap<Normal, Tail> = BTreeMap::new();
        let mut tail = |set: &Normal| -> Result<Tail, SimError> {
            if let Some(tail) = known.get(set) {
                return Ok(*tail);
            }
            let tail = self.tail(set)?;
            known.insert(set.clone(), tail);
            Ok(tail)
        };
        let mut label = Label {
            factual: tail(&Normal::new())?,
            normal: tail(&candidates)?,
            causes: BTreeSet::new(),
            restored: None,
            alternatives: Vec::new(),
            faults: BTreeSet::new(),
            smallest: true,
            remedies: Vec::new(),
        };
        if label.factual.met || !label.normal.met {
            return Ok(label);
        }
        let called = self.called();
        let touched: BTreeMap<u64, Normal> = self
            .begun()
            .map(|fault| (fault.id, self.touched(fault, &called).into_iter().collect()))
            .collect();
        let groups = Vec::from_iter(touched.values().cloned());
        let found = smallest(&groups, label.factual, label.normal, &mut tail)?;
        label.smallest = found.all;
        let mut sets = found.sets.into_iter().map(|(tail, set)| (tail, self.blame(&set)));
        if let Some((tail, set)) = sets.next() {
            label.causes = set;
            label.restored = Some(tail);
            label.alternatives = sets.map(|(_, set)| set).collect();
        }
        // Where no two faults touch the same, a fault that never happened is what it touches made normal.
        let apart = groups.iter().map(BTreeSet::len).sum::<usize>() == candidates.len();
        let without = |ids: &BTreeSet<u64>| {
            if !apart {
                return self.tail_without(ids);
            }
            tail(&ids.iter().filter_map(|id| touched.get(id)).flatten().copied().collect())
        };
        let ids = Vec::from_iter(touched.keys().map(|id| BTreeSet::from([*id])));
        let found = smallest(&ids, label.factual, label.normal, without)?;
        label.faults = found.sets.into_iter().next().map(|(_, ids)| ids).unwrap_or_default();
        Ok(label)
    }

    /// Every (service, resource) that a fault touched by the end of the window and that requests could
    /// notice.
    pub fn candidates(&self) -> Normal {
        let called = self.called();
        self.begun().flat_map(|fault| self.touched(fault, &called)).collect()
    }

    fn begun(&self) -> impl Iterator<Item = &Fault> {
        let end_s = self.window.1 as f64 / 1e9;
        self.faults.iter().filter(move |fault| fault.from_s < end_s && fault.intensity > 0.0)
    }

    /// Services that some request calls. The others mind no neighbour, having nothing to do.
    fn called(&self) -> BTreeSet<ServiceId> {
        fn add(call: &Call, called: &mut BTreeSet<ServiceId>) {
            called.insert(call.service);
            call.stages.iter().flatten().for_each(|call| add(call, called));
        }
        let mut called = BTreeSet::new();
        self.app.flows.iter().filter(|flow| flow.share > 0.0).for_each(|flow| add(&flow.root, &mut called));
        called
    }

    /// Where a fault strikes: its service, the services on its node, or the entry.
    fn touched(&self, fault: &Fault, called: &BTreeSet<ServiceId>) -> Vec<(ServiceId, Resource)> {
        let resource = resource_of(&fault.kind);
        let services: Vec<ServiceId> = match (fault.kind.service(), fault.kind.node()) {
            (Some(service), _) => self.app.service(service).into_iter().collect(),
            (None, Some(node)) => {
                called.iter().copied().filter(|service| self.stands_on(*service, node)).collect()
            }
            (None, None) => self.app.entry().into_iter().collect(),
        };
        services.into_iter().map(|service| (service, resource)).collect()
    }

    /// Whether a replica stands on a node, or may have come to it.
    fn stands_on(&self, service: ServiceId, node: &str) -> bool {
        let moved = |(_, change): &(Nanos, Change)| match change {
            Change::Replicas(id, _) | Change::Restart(id) => *id == service,
            _ => false,
        };
        let here = |at: &usize| self.cluster.nodes.get(*at).is_some_and(|known| &*known.name == node);
        self.cluster.placement.get(service).is_some_and(|nodes| nodes.iter().any(here))
            || self.changes.iter().any(moved)
    }

    /// Names for a set. What a fault of the service itself touches is the service's, even if something
    /// on its node takes the same resource.
    fn blame(&self, set: &Normal) -> BTreeSet<Blame> {
        let blame = |(id, resource): &(ServiceId, Resource)| {
            let service = self.app.services.get(*id)?.name.to_string();
            let of = || self.begun().filter(|fault| resource_of(&fault.kind) == *resource);
            let own = of().any(|fault| fault.kind.service() == Some(&service));
            let mut nodes = of().filter_map(|fault| fault.kind.node());
            let node = nodes.find(|node| !own && self.stands_on(*id, node)).map(str::to_owned);
            Some(Blame { cause: Cause { service, resource: *resource }, node })
        };
        set.iter().filter_map(blame).collect()
    }

    /// One more replica of a service, from the start of the earliest fault, where that restores the
    /// objective. Only services that a fault touched and those near their limits can gain by it.
    fn remedies(&self) -> Result<Vec<(Change, Tail)>, SimError> {
        let from_s = self.begun().map(|fault| fault.from_s).fold(f64::INFINITY, f64::min);
        let at = ((from_s.max(0.0) * 1e9) as Nanos).min(self.window.0);
        let touched: BTreeSet<ServiceId> =
            self.candidates().into_iter().map(|(service, _)| service).collect();
        let load = offered(&self.app);
        let busiest = load.iter().map(|load| load.of_limit).fold(0.0, f64::max);
        let called = self.called();
        let mut remedies = Vec::new();
        for (id, service) in self.app.services.iter().enumerate() {
            let near = load.get(id).is_some_and(|load| load.of_limit >= BUSY * busiest);
            if !called.contains(&id) || !(near || touched.contains(&id)) {
                continue;
            }
            let change = Change::Replicas(id, service.replicas + 1);
            let tail = self.tail_after(&[(at, change.clone())])?;
            if tail.met {
                remedies.push((change, tail));
            }
        }
        Ok(remedies)
    }
}

/// The smallest subsets of the union of `groups` that restore, given that nothing does not and that all
/// of it does, with the tail `everything`. What belongs together is given as a group: one run clears all
/// of it.
fn smallest<T: Copy + Ord>(
    groups: &[BTreeSet<T>],
    nothing: Tail,
    everything: Tail,
    mut run: impl FnMut(&BTreeSet<T>) -> Result<Tail, SimError>,
) -> Result<Found<T>, SimError> {
    let all: BTreeSet<T> = groups.iter().flatten().copied().collect();
    let mut without = |set: &BTreeSet<T>| {
        let others: BTreeSet<T> = all.difference(set).copied().collect();
        if others.is_empty() { Ok(nothing) } else { run(&others) }
    };
    // By what is not necessary: the tail without it, which is low if it helps little.
    let (mut necessary, mut rest) = (BTreeSet::new(), BTreeMap::new());
    for group in groups {
        let tail = without(group)?;
        if tail.met {
            rest.extend(group.iter().map(|one| (*one, tail.quantile_ms)));
        } else if group.len() == 1 {
            necessary.extend(group);
        }
    }
    for one in &all {
        if !rest.contains_key(one) && !necessary.contains(one) {
            let tail = without(&[*one].into())?;
            if tail.met {
                rest.insert(*one, tail.quantile_ms);
            } else {
                necessary.insert(*one);
            }
        }
    }
    necessary.retain(|one| !rest.contains_key(one));
    let more = Vec::from_iter(rest.keys().copied());
    for size in 0..=more.len() {
        let Some(sets) = subsets(&more, size, MOST_SETS) else {
            return irreducible(&necessary, rest, everything, run);
        };
        let mut found = Vec::new();
        for set in sets {
            let set: BTreeSet<T> = necessary.union(&set).copied().collect();
            let tail = match set.len() {
                0 => nothing,
                len if len == all.len() => everything,
                _ => run(&set)?,
            };
            if tail.met {
                found.push((tail, set));
            }
        }
        if !found.is_empty() {
            found.sort_by(better);
            return Ok(Found { sets: found, all: true });
        }
    }
    Ok(Found { sets: Vec::new(), all: true })
}

/// A set from which nothing can be dropped, found greedily.
fn irreducible<T: Copy + Ord>(
    necessary: &BTreeSet<T>,
    rest: BTreeMap<T, f64>,
    everything: Tail,
    mut run: impl FnMut(&BTreeSet<T>) -> Result<Tail, SimError>,
) -> Result<Found<T>, SimError> {
    let mut kept: BTreeSet<T> = necessary.iter().chain(rest.keys()).copied().collect();
    let mut best = everything;
    let mut rest = Vec::from_iter(rest);
    rest.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    for (one, _) in rest {
        let mut fewer = kept.clone();
        fewer.remove(&one);
        let tail = run(&fewer)?;
        if tail.met {
            (kept, best) = (fewer, tail);
        }
    }
    Ok(Found { sets: vec![(best, kept)], all: false })
}

/// The lower tail first; among equals the set's own order decides, so that it is always the same.
fn better<T: Ord>(a: &(Tail, BTreeSet<T>), b: &(Tail, BTreeSet<T>)) -> Ordering {
    a.0.quantile_ms.total_cmp(&b.0.quantile_ms).then_with(|| a.1.cmp(&b.1))
}

/// All subsets of `all` with `size` members, or `None` if there are more than `most`.
fn subsets<T: Copy + Ord>(all: &[T], size: usize, most: usize) -> Option<Vec<BTreeSet<T>>> {
    let mut sets = vec![(0, BTreeSet::new())];
    for _ in 0..size {
        let longer = |(from, set): &(usize, BTreeSet<T>)| {
            let (from, set) = (*from, set.clone());
            let rest = all.iter().enumerate().skip(from);
            rest.map(move |(at, one)| (at + 1, set.iter().copied().chain([*one]).collect()))
                .collect::<Vec<_>>()
        };
        sets = sets.iter().flat_map(longer).collect();
        // Those that are too short to grow to the size are few.
        if sets.len() > 4 * most {
            return None;
        }
    }
    let sets: Vec<_> = sets.into_iter().map(|(_, set)| set).collect();
    (sets.len() <= most).then_some(sets)
}
