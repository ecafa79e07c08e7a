//! Suspects: each service's evidence and counterfactual brought together into one score,
//! and its resources into shares of the blame.
//!
//! The score is the service's own surprise (metrics, latency, channel: −ln tail probabilities,
//! added) plus the share of all slowness that disappears when it is set to normal, in units of
//! the largest own surprise. The first part knows who is odd, the second who makes others odd:
//! a front end that queues behind a slow back end is odd too, but resetting it helps nobody else.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Result;

use super::counterfactual::{Intervention, Reset, World};
use super::evidence::{Evidence, Finding};
use crate::causal::Cbn;
use crate::domain::{Clean, Entity, NodeName, Resource, ServiceName};

/// A service under suspicion.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// The service.
    pub service: ServiceName,
    /// Sum of its own surprises over the three channels.
    pub own: f64,
    /// Its strongest single surprise: whether anything about it is unusual at all.
    pub peak: f64,
    /// Share of all slowness that its reset removes, 0 to 1.
    pub explained: f64,
    /// What it is ranked by.
    pub score: f64,
    /// Its resources with their share of the blame, largest first; shares add up to 1.
    pub resources: Vec<Blame>,
    /// Its machine, if the machine's metrics are unusual and its own are not.
    pub node: Option<NodeName>,
    /// Entities that are reset with it.
    pub reset: Intervention,
}

/// One resource's part in a suspect.
#[derive(Clone, Debug)]
pub struct Blame {
    /// Resource group.
    pub resource: Resource,
    /// The most unusual observation of the group.
    pub finding: Finding,
    /// Part of the blame, 0 to 1.
    pub share: f64,
}

/// All services with evidence, most suspect first.
pub fn suspects(cbn: &Cbn, evidence: &Evidence, world: &World, unusual: f64) -> Result<Vec<Suspect>> {
    let mut all = Vec::new();
    for service in cbn.services() {
        let reset = reset_of(cbn, evidence, service);
        let prediction = world.predict(&reset)?;
        let channels = [&evidence.metrics, &evidence.latencies, &evidence.channels]
            .map(|channel| strongest(channel.get(service)));
        all.push(Suspect {
            service: service.clone(),
            own: channels.iter().sum(),
            peak: channels.iter().copied().fold(0.0, f64::max),
            explained: world.explained(&prediction)?,
            score: 0.0,
            resources: resources(evidence, service, unusual),
            node: None,
            reset,
        });
    }
    let unit = all.iter().map(|s| s.own).fold(0.0, f64::max);
    for suspect in &mut all {
        suspect.score = suspect.own + unit * suspect.explained;
        if let Some((node, finding)) = noisy_node(cbn, evidence, suspect, unusual) {
            // The machine's metric is a measured reason: with it, the cause is not latent.
            for blame in suspect.resources.iter_mut().filter(|b| b.resource == Resource::Latent) {
                blame.resource = finding.resource;
                blame.finding = finding.clone();
            }
            suspect.node = Some(node);
        }
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    Ok(all)
}

fn strongest(findings: Option<&Vec<Finding>>) -> f64 {
    let blamable = findings.into_iter().flatten().filter(|f| f.resource != Resource::Load);
    blamable.map(|f| f.surprise).fold(0.0, f64::max)
}

/// What "this service back to normal" touches: itself, and the channels blamed on it.
pub(super) fn reset_of(cbn: &Cbn, evidence: &Evidence, service: &ServiceName) -> Intervention {
    let slow = |s: &ServiceName| evidence.slow_callers.contains(s);
    let touched = |entity: &Entity| match entity {
        Entity::Service(s) => s == service,
        Entity::Channel { caller, callee } => {
            if slow(caller) {
                caller == service
            } else {
                callee == service
            }
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
            (Entity::Channel { .. }, _) => return None,
            (_, resource) => Reset { resources: Some(vec![resource]), share: blame.share },
        };
        Some((*e, reset))
    });
    entities.collect()
}

/// Resources by surprise. Latency of its own that comes with an unusual metric is that metric's
/// symptom; only without one is the cause latent.
fn resources(evidence: &Evidence, service: &ServiceName, unusual: f64) -> Vec<Blame> {
    let mut strongest: BTreeMap<Resource, Finding> = BTreeMap::new();
    let of =
        |channel: &BTreeMap<ServiceName, Vec<Finding>>| channel.get(service).cloned().unwrap_or_default();
    for finding in of(&evidence.metrics).into_iter().chain(of(&evidence.channels)) {
        keep_larger(&mut strongest, finding);
    }
    let explained = strongest
        .values()
        .any(|f| f.surprise >= unusual && !matches!(f.resource, Resource::Load | Resource::Latent));
    if !explained {
        of(&evidence.latencies).into_iter().for_each(|f| keep_larger(&mut strongest, f));
    }
    let weight = |f: &Finding| if f.resource == Resource::Load { 0.0 } else { f.surprise };
    let total: f64 = strongest.values().map(weight).sum();
    let mut blames: Vec<Blame> = strongest
        .into_values()
        .map(|finding| Blame {
            resource: finding.resource,
            share: if total > 0.0 { weight(&finding) / total } else { 0.0 },
            finding,
        })
        .collect();
    blames.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.resource.cmp(&b.resource)));
    blames
}

fn keep_larger(strongest: &mut BTreeMap<Resource, Finding>, finding: Finding) {
    match strongest.get(&finding.resource) {
        Some(have) if have.surprise >= finding.surprise => {}
        _ => {
            strongest.insert(finding.resource, finding);
        }
    }
}

/// The machine that is unusual while the service's own metrics are not, with what is unusual
/// about it.
fn noisy_node(
    cbn: &Cbn,
    evidence: &Evidence,
    suspect: &Suspect,
    unusual: f64,
) -> Option<(NodeName, Finding)> {
    if strongest(evidence.metrics.get(&suspect.service)) >= unusual {
        return None;
    }
    let own = cbn.entity(&Entity::Service(suspect.service.clone()))?;
    let entities = cbn.owned_by(own).flat_map(|j| cbn.latencies[j].entities.iter());
    let machines: BTreeSet<&NodeName> = entities
        .filter_map(|e| match &cbn.entities[*e].entity {
            Entity::Node(n) => Some(n),
            Entity::Service(_) | Entity::Channel { .. } => None,
        })
        .collect();
    machines
        .into_iter()
        .flat_map(|n| evidence.nodes.get(n).into_iter().flatten().map(move |f| (n, f)))
        .filter(|(_, f)| f.resource != Resource::Load && f.surprise >= unusual)
        .max_by(|a, b| a.1.surprise.total_cmp(&b.1.surprise))
        .map(|(n, f)| {
            let what = Clean::new(&format!("{} of node {n}", f.what));
            (n.clone(), Finding { what, ..f.clone() })
        })
}
