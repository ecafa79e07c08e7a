//! Suspects: each service's evidence and counterfactual brought together into one score.
//!
//! The score is the service's own surprise (latency, channel, metrics: −ln tail probabilities, added)
//! plus the share of all slowness that disappears when it is set to normal, in units of the largest own
//! surprise. The first part knows who is odd, the second who makes others odd: a front end that queues
//! behind a slow back end is odd too, but resetting it helps nobody else. Metrics alone make nobody slow:
//! without a slow latency of its own, a service's metrics count little, however odd they are.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Result;

use super::caches;
use super::counterfactual::{Intervention, Reset, World};
use super::evidence::{Evidence, Finding};
use super::machines::{self, Machine};
use super::resources::{Blame, resources};
use super::settings::{DiagnosisSettings, Part};
use crate::causal::Cbn;
use crate::domain::{Clean, Entity, NodeName, Resource, ServiceName, Tells};

/// A reset that removes less than this share of all slowness changes nothing that could be told from noise.
const NOTICED: f64 = 0.02;

/// A service under suspicion.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// The service.
    pub service: ServiceName,
    /// Sum of its own surprises over the three channels.
    pub own: f64,
    /// The strongest surprise of its latencies and of the delays of its channels: how slow it is itself,
    /// or makes others.
    pub symptom: f64,
    /// The strongest surprise of its metrics and of those of its channels.
    pub measured: f64,
    /// Share of all slowness that its reset removes, 0 to 1.
    pub explained: f64,
    /// What it is ranked by.
    pub score: f64,
    /// Its resources with their share of the blame, largest first; shares add up to 1.
    pub resources: Vec<Blame>,
    /// Its machine, if what is unusual about it is the machine's.
    pub node: Option<NodeName>,
    /// Services that are slow because it takes from them what they share.
    pub victims: Vec<ServiceName>,
    /// Entities that are reset with it.
    pub reset: Intervention,
}

/// What is known besides the evidence.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The network.
    pub cbn: &'a Cbn,
    /// Machines of each service.
    pub placement: &'a BTreeMap<ServiceName, Vec<NodeName>>,
    /// What is unusual, and what is looked at.
    pub settings: &'a DiagnosisSettings,
}

/// All services with evidence, most suspect first.
pub fn suspects(setting: Setting, evidence: &Evidence, world: &World) -> Result<Vec<Suspect>> {
    let Setting { cbn, placement, settings } = setting;
    let unusual = settings.unusual;
    let machines = match settings.has(Part::Machines) {
        true => machines::odd(placement, evidence, unusual),
        false => BTreeMap::new(),
    };
    let mut all = Vec::new();
    for service in cbn.services() {
        let reset = reset_of(cbn, evidence, service);
        let explained = world.explained(&world.predict(&reset)?)?;
        let way: Intervention = reset
            .iter()
            .filter(|(e, _)| matches!(cbn.entities[**e].entity, Entity::Channel { .. }))
            .map(|(e, reset)| (*e, reset.clone()))
            .collect();
        // Whether it is slow at work, or hard to reach.
        let of_way = if way.is_empty() { 0.0 } else { world.explained(&world.predict(&way)?)? };
        let symptoms = [&evidence.latencies, &evidence.channels]
            .map(|channel| strongest(channel.get(service), |f| f.tells.is_none()));
        let symptom = symptoms[0].max(symptoms[1]);
        let measured = [&evidence.metrics, &evidence.channels]
            .map(|channel| strongest(channel.get(service), |f| f.tells.is_some()));
        let measured = measured[0].max(measured[1]);
        let on_the_way = match explained > NOTICED {
            true => of_way > 0.5 * explained,
            // Too little for a counterfactual to tell.
            false => symptoms[1] > symptoms[0],
        };
        all.push(Suspect {
            service: service.clone(),
            own: symptoms[0] + symptoms[1] + measured.min(2.0 * (symptom + unusual)),
            symptom,
            measured,
            explained,
            score: 0.0,
            resources: resources(evidence, service, on_the_way, unusual),
            node: None,
            victims: Vec::new(),
            reset,
        });
    }
    for i in (0..all.len()).filter(|_| settings.has(Part::Takers)) {
        takers(setting, evidence, i, &mut all);
    }
    let caches = if settings.has(Part::Caches) { caches::missing(cbn, evidence) } else { BTreeMap::new() };
    for (store, cache) in caches {
        misses(evidence, store, cache, unusual, &mut all);
    }
    // Whoever makes others slow is no victim of its machine.
    for suspect in all.iter_mut().filter(|suspect| suspect.victims.is_empty()) {
        let here = placement.get(&suspect.service).into_iter().flatten();
        let odd = here.filter_map(|node| Some((node, machines.get(node)?)));
        // A service with replicas on several odd machines: the one whose services show it most.
        let odder = |a: &Machine, b: &Machine| {
            a.share.total_cmp(&b.share).then(a.finding.surprise.total_cmp(&b.finding.surprise))
        };
        if let Some((node, machine)) = odd.max_by(|a, b| odder(a.1, b.1))
            && machine.explains(evidence, suspect, unusual)
        {
            machines_doing(suspect, node, machine);
        }
    }
    let unit = all.iter().map(|s| s.own).fold(0.0, f64::max);
    for suspect in &mut all {
        suspect.score = suspect.own + unit * suspect.explained;
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    Ok(all)
}

/// The strongest surprise among findings that somebody can be blamed for.
pub fn strongest(findings: Option<&Vec<Finding>>, which: impl Fn(&Finding) -> bool) -> f64 {
    let blamable = findings.into_iter().flatten().filter(|f| f.resource != Resource::Load && which(f));
    blamable.map(|f| f.surprise).fold(0.0, f64::max)
}

/// What "this service back to normal" touches: itself, and the channels blamed on it.
pub(super) fn reset_of(cbn: &Cbn, evidence: &Evidence, service: &ServiceName) -> Intervention {
    let slow = |s: &ServiceName| evidence.slow_callers.contains(s);
    let touched = |entity: &Entity| match entity {
        Entity::Service(s) => s == service,
        // Whoever is slow on all its ways out is so on its ways in as well, and they are its own.
        Entity::Channel { caller, callee } => {
            (slow(caller) && caller == service) || (callee == service && !slow(caller))
        }
        Entity::Node(_) => false,
    };
    let entities = cbn.entities.iter().enumerate();
    entities.filter(|(_, e)| touched(&e.entity)).map(|(i, _)| (i, Reset::all())).collect()
}

/// The reset of one resource of a suspect: its metrics, and its share of what no metric explains.
pub fn reset_resource(cbn: &Cbn, suspect: &Suspect, blame: &Blame) -> Intervention {
    let entities = suspect.reset.keys().filter_map(|e| {
        let reset = match (&cbn.entities[*e].entity, blame.resource) {
            (Entity::Channel { .. }, Resource::Network) => Reset::all(),
            (Entity::Channel { .. }, _) if !blame.on_the_way => return None,
            (_, resource) => Reset { resources: Some(vec![resource]), share: blame.share },
        };
        Some((*e, reset))
    });
    entities.collect()
}

/// Disks are shared by everybody on a machine, and no quota keeps them apart. A service that suddenly
/// uses one far more than those beside it, which wait for it, is the reason why they are slow: its
/// return to normal is theirs as well.
fn takers(setting: Setting, evidence: &Evidence, i: usize, all: &mut [Suspect]) {
    let (placement, unusual) = (setting.placement, setting.settings.unusual);
    let uses = |service: &ServiceName| {
        let findings = evidence.metrics.get(service).into_iter().flatten();
        let disk = findings.filter(|f| f.resource == Resource::Disk && f.tells == Some(Tells::Use));
        disk.max_by(|a, b| a.surprise.total_cmp(&b.surprise)).cloned()
    };
    let excess = |f: &Finding| f.observed.unwrap_or(0.0) - f.normal.unwrap_or(0.0);
    let service = all[i].service.clone();
    let Some(use_) = uses(&service).filter(|f| f.surprise >= unusual) else { return };
    // Pages that are read back in are a matter of memory.
    let memory = |f: &Finding| f.resource == Resource::Memory && f.tells == Some(Tells::Shortage);
    if strongest(evidence.metrics.get(&service), memory) >= unusual {
        return;
    }
    let empty = Vec::new();
    let here: BTreeSet<&NodeName> = placement.get(&service).unwrap_or(&empty).iter().collect();
    let beside = |other: &Suspect| {
        other.service != service
            && placement.get(&other.service).unwrap_or(&empty).iter().any(|node| here.contains(node))
    };
    let neighbours: Vec<usize> = (0..all.len()).filter(|j| beside(&all[*j])).collect();
    let more = |j: &usize| uses(&all[*j].service).is_some_and(|f| excess(&f) > excess(&use_));
    if neighbours.iter().any(more) {
        return;
    }
    let waits = |f: &Finding| f.resource == Resource::Disk && f.tells == Some(Tells::Shortage);
    let victims: Vec<usize> = neighbours
        .into_iter()
        .filter(|j| {
            let waiting = strongest(evidence.metrics.get(&all[*j].service), waits);
            waiting >= unusual && all[*j].symptom >= unusual
        })
        .collect();
    for j in victims {
        suffers(all, j, i);
    }
    if !all[i].victims.is_empty() {
        Blame::put_first(&mut all[i].resources, Resource::Disk, use_);
    }
}

/// A store that is slow because a cache in front of it misses is the cache's victim.
fn misses(evidence: &Evidence, store: &ServiceName, cache: &ServiceName, unusual: f64, all: &mut [Suspect]) {
    let place = |service: &ServiceName| all.iter().position(|suspect| suspect.service == *service);
    let (Some(victim), Some(taker), Some(load)) = (place(store), place(cache), caches::load(evidence, store))
    else {
        return;
    };
    if all[victim].symptom < unusual {
        return;
    }
    all[taker].own = all[taker].own.max(all[victim].own);
    suffers(all, victim, taker);
    let what = Clean::new(&format!("{} of {store}", load.what));
    let asked = Finding { resource: Resource::Memory, what, ..load.clone() };
    Blame::put_first(&mut all[taker].resources, Resource::Memory, asked);
}

/// What is slow about a victim is the doing of another: its return to normal is the victim's as well.
fn suffers(all: &mut [Suspect], victim: usize, taker: usize) {
    let Suspect { service, reset, symptom, explained, .. } = all[victim].clone();
    all[taker].victims.push(service);
    all[taker].reset.extend(reset);
    all[taker].symptom = all[taker].symptom.max(symptom);
    all[taker].explained = all[taker].explained.max(explained);
}

/// Names the machine as the reason.
fn machines_doing(suspect: &mut Suspect, node: &NodeName, machine: &Machine) {
    Blame::put_first(&mut suspect.resources, machine.resource, machine.finding.clone());
    suspect.node = Some(node.clone());
}
