//! Machines on which something is wrong that is none of the services' doing.
//!
//! A neighbour that takes the machine's CPU shows in the machine's own metrics, beyond what the services
//! on it use. One that takes the last-level cache or the memory bandwidth shows nowhere but in the
//! services: most of those on the machine need more CPU time for the same work at once, and those
//! elsewhere do not.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Evidence, Finding};
use super::suspects::{Suspect, strongest};
use crate::domain::{Clean, NodeName, Resource, ServiceName, Tells};

/// So many services of a machine have to show the same …
const MOST: f64 = 0.6;
/// … and so many more than elsewhere …
const RATIO: f64 = 2.0;
/// … and at least this number.
const LEAST: usize = 2;
/// A service that is this many times as odd as the others on its machine has a reason of its own.
const OWN: f64 = 3.0;

/// What is wrong with a machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The resource that it lacks.
    pub resource: Resource,
    /// How that shows.
    pub finding: Finding,
    /// How odd the services on it are in this respect, the middle one of them.
    pub usual: f64,
    /// Which share of the services on it shows it.
    pub share: f64,
    /// Whether several of them suffer from what none of them can do to the others.
    pub certain: bool,
}

/// The odd machines.
pub fn odd(
    placement: &BTreeMap<ServiceName, Vec<NodeName>>,
    evidence: &Evidence,
    unusual: f64,
) -> BTreeMap<NodeName, Machine> {
    let nodes: BTreeSet<&NodeName> = placement.values().flatten().collect();
    // Those that are not called have nothing to do, and mind no neighbour.
    let called: Vec<&ServiceName> =
        placement.keys().filter(|service| evidence.latencies.contains_key(*service)).collect();
    let mut odd = BTreeMap::new();
    for node in nodes {
        let is_here = |service: &&&ServiceName| placement.get(**service).is_some_and(|on| on.contains(node));
        let here: Vec<&ServiceName> = called.iter().filter(is_here).copied().collect();
        let elsewhere: Vec<&ServiceName> = called.iter().filter(|s| !is_here(s)).copied().collect();
        let common = |tells: Tells| {
            let share = |of: &[&ServiceName]| {
                let shows = |service: &&&ServiceName| cpu(evidence, service, tells) >= unusual;
                let many = of.iter().filter(shows).count();
                (many, many as f64 / of.len().max(1) as f64)
            };
            let ((many, here_share), (_, there)) = (share(&here), share(&elsewhere));
            (many >= LEAST && here_share >= MOST && here_share >= RATIO * there)
                .then(|| (usual(evidence, &here, tells), here_share))
        };
        let own = evidence.nodes.get(node).into_iter().flatten();
        let own = own.filter(|f| f.resource == Resource::Cpu && f.surprise >= unusual);
        let own = own.max_by(|a, b| a.surprise.total_cmp(&b.surprise)).cloned();
        let named = |finding: &Finding, what: &str| Finding {
            what: Clean::new(&format!("{what} of node {node}")),
            ..finding.clone()
        };
        let (needs, waits) = (common(Tells::Use), common(Tells::Shortage));
        // Who takes the CPU takes some cache as well: unless the services need more CPU time for it, that is
        // not what they lack.
        let takes_cpu = own.is_some() && waits.is_some() && needs.is_none();
        let squeezed = squeezed(evidence, &here, &elsewhere, unusual).filter(|_| !takes_cpu);
        let machine = squeezed.map(|(finding, many)| Machine {
            resource: Resource::Cache,
            finding: named(&finding, &format!("{} of the services", finding.what)),
            usual: usual(evidence, &here, Tells::Use),
            share: many as f64 / here.len().max(1) as f64,
            certain: many >= LEAST,
        });
        let machine = machine.or_else(|| match (own, needs, waits) {
            (Some(finding), None, waits) => {
                let finding = named(&finding, finding.what.as_str());
                let (usual, share) = waits.unwrap_or((0.0, 1.0));
                Some(Machine { resource: Resource::Cpu, finding, usual, share, certain: waits.is_some() })
            }
            (_, Some((usual, share)), _) => example(evidence, &here, Tells::Use).map(|finding| Machine {
                resource: Resource::Cache,
                finding: named(&finding, &format!("{} of most services", finding.what)),
                usual,
                share,
                certain: true,
            }),
            // Waiting for pages is waiting as well: nothing of the machine's own says that it is full.
            (None, None, Some((usual, share))) => {
                example(evidence, &here, Tells::Shortage).map(|finding| Machine {
                    resource: Resource::Cpu,
                    finding: named(&finding, &format!("{} of most services", finding.what)),
                    usual,
                    share,
                    certain: false,
                })
            }
            (None, None, None) => None,
        });
        if let Some(machine) = machine {
            odd.insert(node.clone(), machine);
        }
    }
    odd
}

/// The cache that is taken from a service, if anybody measures that.
fn taken<'a>(evidence: &'a Evidence, service: &ServiceName) -> Option<&'a Finding> {
    let mut metrics = evidence.metrics.get(service).into_iter().flatten();
    metrics.find(|f| f.resource == Resource::Cache && f.tells == Some(Tells::Shortage))
}

/// The oddest shortage of cache on a machine most of whose services have less of it than usual, while those
/// elsewhere do not; and the number of those that have less.
fn squeezed(
    evidence: &Evidence,
    here: &[&ServiceName],
    elsewhere: &[&ServiceName],
    unusual: f64,
) -> Option<(Finding, usize)> {
    let short = |of: &[&ServiceName]| -> Vec<Finding> {
        let taken = of.iter().filter_map(|service| taken(evidence, service));
        taken.filter(|finding| finding.surprise >= unusual).cloned().collect()
    };
    let share = |of: &[&ServiceName]| short(of).len() as f64 / of.len().max(1) as f64;
    if share(here) < MOST || share(here) < RATIO * share(elsewhere) {
        return None;
    }
    let oddest = short(here).into_iter().max_by(|a, b| a.surprise.total_cmp(&b.surprise))?;
    Some((oddest, short(here).len()))
}

/// How odd the CPU of the middle one of some services is.
fn usual(evidence: &Evidence, of: &[&ServiceName], tells: Tells) -> f64 {
    let mut all = Vec::from_iter(of.iter().map(|service| cpu(evidence, service, tells)));
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// How odd a service's CPU is.
fn cpu(evidence: &Evidence, service: &ServiceName, tells: Tells) -> f64 {
    let of = |f: &Finding| f.resource == Resource::Cpu && f.tells == Some(tells);
    strongest(evidence.metrics.get(service), of)
}

/// The oddest of what the services show in common.
fn example(evidence: &Evidence, of: &[&ServiceName], tells: Tells) -> Option<Finding> {
    let findings = of.iter().filter_map(|service| evidence.metrics.get(*service)).flatten();
    let cpu = findings.filter(|f| f.resource == Resource::Cpu && f.tells == Some(tells));
    cpu.max_by(|a, b| a.surprise.total_cmp(&b.surprise)).cloned()
}

impl Machine {
    /// Whether it is the reason for what is odd about a service on it: the service shows what the others
    /// show, not much more, and, unless there are several of them, nothing else.
    pub fn explains(&self, evidence: &Evidence, suspect: &Suspect, unusual: f64) -> bool {
        let tells = if self.resource == Resource::Cache { Tells::Use } else { Tells::Shortage };
        let shown = cpu(evidence, &suspect.service, tells);
        let mut metrics = evidence.metrics.get(&suspect.service).into_iter().flatten();
        // Where nobody measures what a service lacks, the machine's own metric has to do.
        let measured = metrics.any(|f| f.resource == Resource::Cpu && f.tells == Some(tells));
        let other = |f: &Finding| {
            f.tells == Some(Tells::Shortage) && !matches!(f.resource, Resource::Cpu | Resource::Cache)
        };
        let metrics = evidence.metrics.get(&suspect.service);
        let elsewhere =
            strongest(metrics, other).max(strongest(evidence.channels.get(&suspect.service), other));
        // More work of its own is no neighbour's doing.
        let busier = self.resource == Resource::Cpu
            && cpu(evidence, &suspect.service, Tells::Use) >= 2.0 * unusual.max(self.usual);
        (shown >= unusual || !measured)
            // Where others on the machine suffer as well, what else is odd about one of them is no reason.
            && (elsewhere < unusual || self.certain)
            && !busier
            && shown <= OWN * self.usual.max(2.0 * unusual)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::{Column, Entity, Pool};

    /// Services `a` to `f`, the first three on node-1, with the surprise of their CPU use and of its shortage.
    fn evidence(cpu: [(f64, f64); 6]) -> (BTreeMap<ServiceName, Vec<NodeName>>, Evidence) {
        let (mut placement, mut evidence) = (BTreeMap::new(), Evidence::default());
        for (i, (used, short)) in cpu.into_iter().enumerate() {
            let service = ServiceName::new(&"abcdef"[i..=i]);
            let node = NodeName::new(if i < 3 { "node-1" } else { "node-2" });
            placement.insert(service.clone(), vec![node]);
            let finding = |tells, surprise| Finding {
                column: Column::Metric {
                    entity: Entity::Service(service.clone()),
                    feature: Clean::new("something"),
                    pool: Pool::Mean,
                },
                entity: Entity::Service(service.clone()),
                resource: Resource::Cpu,
                what: Clean::new("CPU"),
                observed: None,
                normal: None,
                surprise,
                tells: Some(tells),
                excess_ms: Vec::new(),
            };
            evidence.latencies.insert(service.clone(), Vec::new());
            let findings = vec![finding(Tells::Use, used), finding(Tells::Shortage, short)];
            evidence.metrics.insert(service, findings);
        }
        (placement, evidence)
    }

    /// The same with the surprise of how little of the cache each has.
    fn squeezed_ones(cache: [f64; 6]) -> Vec<(String, bool)> {
        let (placement, mut evidence) = evidence([(1.0, 1.0); 6]);
        for (i, surprise) in cache.into_iter().enumerate() {
            let findings = evidence.metrics.get_mut(&ServiceName::new(&"abcdef"[i..=i])).unwrap();
            let short = Finding { resource: Resource::Cache, surprise, ..findings[1].clone() };
            findings.push(short);
        }
        let odd = odd(&placement, &evidence, 7.0);
        odd.into_iter().map(|(node, machine)| (node.to_string(), machine.certain)).collect()
    }

    #[test]
    fn who_takes_the_cache_takes_it_from_most_services_of_the_machine() {
        assert_eq!(squeezed_ones([20.0, 20.0, 20.0, 1.0, 1.0, 1.0]), [("node-1".to_owned(), true)]);
        assert!(squeezed_ones([20.0, 1.0, 1.0, 1.0, 1.0, 1.0]).is_empty());
        assert!(squeezed_ones([20.0; 6]).is_empty());
    }

    #[test]
    fn who_takes_the_cpu_and_some_cache_is_no_reason_of_the_cache() {
        let of = |cpu: (f64, f64)| {
            let (placement, mut evidence) = evidence([cpu, cpu, cpu, (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]);
            for service in ["a", "b", "c"] {
                let findings = evidence.metrics.get_mut(&ServiceName::new(service)).unwrap();
                let short = Finding { resource: Resource::Cache, surprise: 20.0, ..findings[1].clone() };
                findings.push(short);
            }
            let pressure = evidence.metrics[&ServiceName::new("a")][1].clone();
            evidence.nodes.insert(NodeName::new("node-1"), vec![Finding { surprise: 20.0, ..pressure }]);
            odd(&placement, &evidence, 7.0).into_values().map(|machine| machine.resource).collect::<Vec<_>>()
        };
        assert_eq!(of((1.0, 20.0)), [Resource::Cpu], "they wait, and need no more than before");
        assert_eq!(of((20.0, 20.0)), [Resource::Cache], "they need more for the same work");
        assert_eq!(of((1.0, 1.0)), [Resource::Cache], "nobody waits");
    }

    fn odd_ones(cpu: [(f64, f64); 6]) -> Vec<(String, Resource)> {
        let (placement, evidence) = evidence(cpu);
        let odd = odd(&placement, &evidence, 7.0);
        odd.into_iter().map(|(node, machine)| (node.to_string(), machine.resource)).collect()
    }

    #[test]
    fn most_services_of_one_machine_at_once_are_the_machines_doing() {
        let (none, waits, works) = ((1.0, 1.0), (1.0, 20.0), (20.0, 20.0));
        assert_eq!(odd_ones([waits, waits, none, none, none, none]), [("node-1".into(), Resource::Cpu)]);
        assert_eq!(odd_ones([works, works, works, none, none, none]), [("node-1".into(), Resource::Cache)]);
        // One of them alone is its own matter, and all of them everywhere are the load's.
        assert!(odd_ones([works, none, none, none, none, none]).is_empty());
        assert!(odd_ones([works; 6]).is_empty());
    }
}
