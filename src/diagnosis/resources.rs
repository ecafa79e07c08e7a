//! Which resource of a suspect is to blame, as a matter of evidence: what runs short, and what its
//! latencies cannot come from.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Finding};
use crate::domain::{Resource, ServiceName, Tells};

/// A use of CPU that rose by less than this share of what the latency rose by does not explain it.
const MATERIAL: f64 = 0.15;
/// What is only a possible reason weighs this much of what is found.
const FAINT: f64 = 0.05;

/// One resource's part in a suspect.
#[derive(Clone, Debug)]
pub struct Blame {
    /// Resource group.
    pub resource: Resource,
    /// The most unusual observation of the group.
    pub finding: Finding,
    /// Part of the blame, 0 to 1.
    pub share: f64,
    /// Whether it holds calls up on their way, not at work.
    pub on_the_way: bool,
}

impl Blame {
    /// Puts a resource before all others, with most of the blame.
    pub fn put_first(blames: &mut Vec<Self>, resource: Resource, finding: Finding) {
        let on_the_way = blames.first().is_some_and(|first| first.on_the_way);
        blames.retain(|blame| blame.resource != resource);
        // Latent is what nothing else explains.
        blames.retain(|blame| blame.resource != Resource::Latent);
        let rest: f64 = blames.iter().map(|blame| blame.share).sum();
        for blame in blames.iter_mut() {
            blame.share *= FAINT / rest.max(1e-9);
        }
        let share = if rest > 0.0 { 1.0 - FAINT } else { 1.0 };
        blames.insert(0, Self { resource, finding, share, on_the_way });
    }
}

/// The resources of a service by their part in the blame. `on_the_way`: calls to it are held up before
/// they are worked on.
///
/// * Latency is a symptom, and a metric that is unusual its reason; without one the cause is latent.
/// * Use is no shortage. Bytes on the wire or on the disk slow nobody down; CPU time for the same work
///   does, in proportion.
/// * Who waits for pages waits for the disk they come from, and for the CPU that reclaims them: memory
///   comes first.
/// * A delay on the way is the network's if something of the network is odd, or if nobody measures the
///   network. If the callee lacks CPU, its queue is the way; if nothing is odd, connections are what is
///   left, and no metric shows those.
pub fn resources(evidence: &Evidence, service: &ServiceName, on_the_way: bool, unusual: f64) -> Vec<Blame> {
    let of =
        |channel: &BTreeMap<ServiceName, Vec<Finding>>| channel.get(service).cloned().unwrap_or_default();
    let latencies = [of(&evidence.latencies), of(&evidence.channels)].concat();
    let slower = |f: &Finding| f.observed.unwrap_or(0.0) / f.normal.unwrap_or(0.0).max(1e-3);
    let symptoms = latencies.iter().filter(|f| f.tells.is_none() && f.surprise >= unusual);
    let slow_down = symptoms.map(slower).fold(1.0, f64::max);
    let material = |rise: f64| rise - 1.0 >= MATERIAL * (slow_down - 1.0);
    let metrics = of(&evidence.metrics);
    let cpu_use = metrics.iter().filter(|f| f.resource == Resource::Cpu && f.tells == Some(Tells::Use));
    let more_cpu = cpu_use.map(slower).fold(1.0, f64::max);
    let mut strongest: BTreeMap<Resource, (f64, Finding)> = BTreeMap::new();
    let lack_of_cpu = |f: &Finding| f.resource == Resource::Cpu && f.tells == Some(Tells::Shortage);
    let lack_is_measured = evidence.metrics.get(service).is_some_and(|of| of.iter().any(lack_of_cpu));
    let findings = metrics.into_iter().chain(of(&evidence.channels));
    for finding in findings.filter(|f| f.tells.is_some()) {
        let weight = match (finding.resource, finding.tells) {
            (Resource::Load, _) => 0.0,
            // Less cache costs CPU time, or it costs nothing.
            (Resource::Cache, Some(Tells::Shortage)) if !material(more_cpu) => FAINT * finding.surprise,
            (_, Some(Tells::Shortage)) | (Resource::Memory, _) => finding.surprise,
            // Where nobody measures what is lacking, what is used has to do.
            (Resource::Cpu, _) if !lack_is_measured => finding.surprise,
            (Resource::Cpu, _) if material(slower(&finding)) => finding.surprise,
            _ => FAINT * finding.surprise,
        };
        match strongest.get(&finding.resource) {
            Some((have, _)) if *have >= weight => {}
            _ => {
                strongest.insert(finding.resource, (weight, finding));
            }
        }
    }
    let found = |strongest: &BTreeMap<Resource, (f64, Finding)>, resource| {
        strongest.get(&resource).is_some_and(|(weight, _): &(f64, Finding)| *weight >= unusual)
    };
    let short_of_memory = strongest
        .get(&Resource::Memory)
        .is_some_and(|(weight, f)| *weight >= unusual && f.tells == Some(Tells::Shortage));
    if short_of_memory {
        for resource in [Resource::Disk, Resource::Cpu, Resource::Cache] {
            faint(&mut strongest, resource);
        }
    }
    let probed = strongest.get(&Resource::Network).is_some_and(|(_, f)| f.tells == Some(Tells::Shortage));
    let cpu = found(&strongest, Resource::Cpu);
    if on_the_way && !probed && !cpu {
        let delays = of(&evidence.channels).into_iter().filter(|f| f.tells.is_none());
        if let Some(delay) = delays.max_by(|a, b| a.surprise.total_cmp(&b.surprise)) {
            strongest.insert(Resource::Network, (delay.surprise, delay));
        }
    }
    if !on_the_way {
        faint(&mut strongest, Resource::Network);
    } else if found(&strongest, Resource::Network) {
        for resource in [Resource::Cpu, Resource::Cache, Resource::Disk] {
            faint(&mut strongest, resource);
        }
    }
    let explained = strongest
        .iter()
        .any(|(r, (weight, _))| *weight >= unusual && !matches!(r, Resource::Load | Resource::Latent));
    if !explained {
        let symptom = latencies.into_iter().filter(|f| f.tells.is_none());
        if let Some(finding) = symptom.max_by(|a, b| a.surprise.total_cmp(&b.surprise)) {
            strongest.values_mut().for_each(|(weight, _)| *weight *= FAINT);
            let finding = Finding { resource: Resource::Latent, ..finding };
            strongest.insert(Resource::Latent, (finding.surprise, finding));
        }
    }
    let total: f64 = strongest.values().map(|(weight, _)| weight).sum();
    let share = |weight: f64| if total > 0.0 { weight / total } else { 0.0 };
    let mut blames: Vec<Blame> = strongest
        .into_iter()
        .map(|(resource, (weight, finding))| Blame { resource, finding, share: share(weight), on_the_way })
        .collect();
    blames.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.resource.cmp(&b.resource)));
    blames
}

fn faint(strongest: &mut BTreeMap<Resource, (f64, Finding)>, resource: Resource) {
    if let Some((weight, _)) = strongest.get_mut(&resource) {
        *weight *= FAINT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clean, Column, Entity, Pool};

    fn finding(resource: Resource, tells: Option<Tells>, surprise: f64, observed: f64) -> Finding {
        Finding {
            column: Column::Metric {
                entity: Entity::Service(ServiceName::new("db")),
                feature: Clean::new("something"),
                pool: Pool::Mean,
            },
            entity: Entity::Service(ServiceName::new("db")),
            resource,
            what: Clean::new("something"),
            observed: Some(observed),
            normal: Some(1.0),
            surprise,
            tells,
            excess_ms: Vec::new(),
        }
    }

    /// The first resource of a service ten times as slow as usual, of which these metrics are known.
    fn first(on_the_way: bool, metrics: &[(Resource, Tells, f64, f64)]) -> Resource {
        let db = ServiceName::new("db");
        let mut evidence = Evidence::default();
        let metrics = metrics.iter().map(|(r, tells, s, v)| finding(*r, Some(*tells), *s, *v));
        evidence.metrics.insert(db.clone(), metrics.collect());
        let slow = finding(Resource::Latent, None, 40.0, 10.0);
        let channel = if on_the_way { &mut evidence.channels } else { &mut evidence.latencies };
        channel.insert(db.clone(), vec![slow]);
        let blames = resources(&evidence, &db, on_the_way, 7.0);
        assert!((blames.iter().map(|b| b.share).sum::<f64>() - 1.0).abs() < 1e-9, "{blames:?}");
        blames[0].resource
    }

    #[test]
    fn use_is_no_shortage() {
        use Tells::{Shortage, Use};
        assert_eq!(first(false, &[(Resource::Cpu, Shortage, 12.0, 5.0)]), Resource::Cpu);
        assert_eq!(first(false, &[(Resource::Network, Use, 90.0, 5.0)]), Resource::Latent);
        assert_eq!(first(false, &[(Resource::Disk, Use, 90.0, 5.0)]), Resource::Latent);
        // CPU time for the same work counts by how much it rose, unless nobody knows whether it lacks.
        let enough = (Resource::Cpu, Shortage, 1.0, 1.0);
        assert_eq!(first(false, &[(Resource::Cpu, Use, 30.0, 1.3), enough]), Resource::Latent);
        assert_eq!(first(false, &[(Resource::Cpu, Use, 30.0, 4.0), enough]), Resource::Cpu);
        assert_eq!(first(false, &[(Resource::Cpu, Use, 30.0, 1.3)]), Resource::Cpu);
    }

    #[test]
    fn who_waits_for_pages_lacks_memory() {
        use Tells::{Shortage, Use};
        let faults = (Resource::Memory, Shortage, 20.0, 5.0);
        let metrics = [(Resource::Disk, Use, 300.0, 9.0), (Resource::Disk, Shortage, 60.0, 9.0), faults];
        assert_eq!(first(false, &metrics), Resource::Memory);
        assert_eq!(first(false, &metrics[..2]), Resource::Disk);
    }

    #[test]
    fn less_cache_is_a_reason_only_if_it_costs_cpu() {
        use Tells::{Shortage, Use};
        let (less, enough) = ((Resource::Cache, Shortage, 30.0, 0.3), (Resource::Cpu, Shortage, 1.0, 1.0));
        assert_eq!(first(false, &[less, (Resource::Cpu, Use, 20.0, 4.0), enough]), Resource::Cache);
        assert_eq!(first(false, &[less, (Resource::Cpu, Use, 1.0, 1.1), enough]), Resource::Latent);
    }

    #[test]
    fn a_delay_on_the_way_is_the_networks_only_if_that_is_odd() {
        let lost = (Resource::Network, Tells::Shortage, 15.0, 5.0);
        let cpu = (Resource::Cpu, Tells::Shortage, 30.0, 5.0);
        let fine = (Resource::Network, Tells::Shortage, 1.0, 1.0);
        assert_eq!(first(true, &[fine]), Resource::Latent);
        // Where nobody measures it, nothing speaks against the network.
        assert_eq!(first(true, &[]), Resource::Network);
        assert_eq!(first(true, &[lost]), Resource::Network);
        assert_eq!(first(true, &[cpu]), Resource::Cpu);
        assert_eq!(first(true, &[cpu, lost]), Resource::Network);
        assert_eq!(first(false, &[lost]), Resource::Latent);
    }
}
