//! From whom a method blames to what is done about it: the same for all methods.
//!
//! | blamed | first | if that was not enough |
//! |---|---|---|
//! | a service's CPU, or a service without a resource | twice the CPU limit | twice the replicas |
//! | memory | half as much again | twice the replicas |
//! | cache, on a service's machines or one machine | others there keep one way and a tenth of the bandwidth | twice the replicas |
//! | disk | others there keep a hundredth | twice the replicas |
//! | CPU of a machine | others there keep a tenth of a core | the same for what they have left |
//! | network | the others' share of it, which is all that can be taken | twice the replicas |
//! | the load | twice the replicas of every service that uses more than half of its CPU | again |
//! | no measured metric | twice the replicas | again |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::Resource;
use crate::eval::model::score::Named;
use crate::lab::app::{Application, ServiceId};
use crate::lab::cluster::Cluster;
use crate::lab::sim::Change;

/// Minutes that a remedy is given to work before more is done in the same place.
const PATIENCE_MIN: u64 = 2;
/// Most replicas of a service.
const MOST: u32 = 12;
/// Share of the CPU limit above which a service is grown when the load is to blame.
const BUSY: f64 = 0.5;

/// What is known of the cluster by whoever acts on it, and what was done.
#[derive(Debug)]
pub struct Hands {
    app: Arc<Application>,
    cluster: Cluster,
    /// Replicas and CPU limits as they were set.
    replicas: Vec<u32>,
    limits: Vec<Option<f64>>,
    memory: Vec<u64>,
    /// What was done where, how often and when last.
    done: BTreeMap<String, (u32, u64)>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// For people.
    pub words: String,
    /// In the cluster.
    pub changes: Vec<Change>,
}

impl Hands {
    /// Nothing was done yet.
    pub fn new(app: &Arc<Application>, cluster: &Cluster) -> Self {
        Self {
            replicas: app.services.iter().map(|service| service.replicas).collect(),
            limits: app.services.iter().map(|service| service.cpu_limit).collect(),
            memory: app.services.iter().map(|service| service.memory_limit).collect(),
            app: app.clone(),
            cluster: cluster.clone(),
            done: BTreeMap::new(),
        }
    }

    /// CPU limit of a service as it stands, in cores.
    pub fn limit(&self, service: ServiceId) -> Option<f64> {
        self.limits.get(service).copied().flatten()
    }

    /// Replicas of a service as they stand.
    pub fn replicas(&self, service: ServiceId) -> u32 {
        self.replicas.get(service).copied().unwrap_or(1)
    }

    /// Replicas beyond those at the beginning.
    pub fn added(&self) -> u32 {
        let pairs = self.replicas.iter().zip(&self.app.services);
        pairs.map(|(now, service)| now.saturating_sub(service.replicas)).sum()
    }

    /// What to do about those who are blamed, at `minute`. `usage` has the cores that a replica of each
    /// service uses.
    pub fn remedy(&mut self, blamed: &[Named], usage: &BTreeMap<String, f64>, minute: u64) -> Vec<Act> {
        let mut acts = Vec::new();
        // A machine is named once for all services on it.
        let mut machines = BTreeSet::new();
        for named in blamed {
            if named.resource == Some(Resource::Load) {
                acts.extend(self.grow(usage, minute));
            } else if let Some(node) = &named.node {
                if machines.insert(node.clone()) {
                    acts.extend(self.machine(node, named.resource, minute));
                }
            } else if let Some(service) = self.app.service(&named.service) {
                acts.extend(self.service(service, named.resource, minute));
            }
        }
        acts
    }

    /// How often this was done before; `None` while it is given time to work.
    fn turn(&mut self, what: String, minute: u64) -> Option<u32> {
        let (times, last) = self.done.entry(what).or_insert((0, 0));
        if *times > 0 && minute < *last + PATIENCE_MIN {
            return None;
        }
        (*times, *last) = (*times + 1, minute);
        Some(*times - 1)
    }

    fn service(&mut self, id: ServiceId, resource: Option<Resource>, minute: u64) -> Option<Act> {
        let service = self.app.services.get(id)?.clone();
        let word = resource.map_or("", Resource::word);
        let turn = self.turn(format!("{} {word}", service.name), minute)?;
        if turn % 2 == 1 {
            return self.scale(id, self.replicas(id).saturating_mul(2));
        }
        match resource {
            None | Some(Resource::Cpu) => {
                let Some(limit) = self.limit(id) else {
                    return self.scale(id, self.replicas(id).saturating_mul(2));
                };
                self.limits[id] = Some(2.0 * limit);
                let words = format!("{}: CPU limit {:.2} → {:.2}", service.name, limit, 2.0 * limit);
                Some(Act { words, changes: vec![Change::CpuLimit(id, Some(2.0 * limit))] })
            }
            Some(Resource::Memory) => {
                let limit = self.memory.get(id)? / 2 * 3;
                self.memory[id] = limit;
                let words = format!("{}: memory limit {} MiB", service.name, limit >> 20);
                Some(Act { words, changes: vec![Change::MemoryLimit(id, limit)] })
            }
            Some(Resource::Cache | Resource::Disk | Resource::Network) => {
                let nodes = BTreeSet::from_iter(self.cluster.placement.get(id)?.iter().copied());
                let changes = nodes.iter().flat_map(|node| self.held_back(*node, resource)).collect();
                Some(Act {
                    words: format!("{}: others on its machines held back ({word})", service.name),
                    changes,
                })
            }
            Some(Resource::Load | Resource::Latent) => self.scale(id, self.replicas(id).saturating_mul(2)),
        }
    }

    fn machine(&mut self, name: &str, resource: Option<Resource>, minute: u64) -> Option<Act> {
        let node = self.cluster.nodes.iter().position(|node| &*node.name == name)?;
        let word = resource.map_or("cpu", Resource::word);
        self.turn(format!("{name} {word}"), minute)?;
        Some(Act {
            words: format!("{name}: others held back ({word})"),
            changes: self.held_back(node, resource),
        })
    }

    /// What is not the application keeps little of a machine's resource.
    fn held_back(&self, node: usize, resource: Option<Resource>) -> Vec<Change> {
        let machine = self.cluster.nodes.get(node);
        match resource {
            Some(Resource::Cache) => {
                vec![Change::CacheWaysOfOthers(node, Some(1)), Change::MemoryBandwidthOfOthers(node, 0.1)]
            }
            Some(Resource::Disk) => {
                vec![Change::DiskOfOthers(node, machine.map(|machine| machine.disk / 100.0))]
            }
            Some(Resource::Network) => {
                vec![Change::NetworkOfOthers(node, machine.map(|machine| machine.nic / 100.0))]
            }
            _ => vec![Change::CpuOfOthers(node, Some(0.1))],
        }
    }

    fn grow(&mut self, usage: &BTreeMap<String, f64>, minute: u64) -> Vec<Act> {
        if self.turn("load".to_owned(), minute).is_none() {
            return Vec::new();
        }
        let is_busy = |id: &ServiceId| {
            let used = self.app.services.get(*id).and_then(|service| usage.get(&*service.name));
            self.limit(*id).zip(used).is_some_and(|(limit, used)| *used > BUSY * limit)
        };
        let busy = Vec::from_iter((0..self.app.services.len()).filter(is_busy));
        busy.into_iter().filter_map(|id| self.scale(id, self.replicas(id).saturating_mul(2))).collect()
    }

    /// Sets the number of replicas, unless it is that already.
    pub fn scale(&mut self, id: ServiceId, replicas: u32) -> Option<Act> {
        let replicas = replicas.clamp(1, MOST);
        let before = self.replicas.get(id).copied().filter(|before| *before != replicas)?;
        self.replicas[id] = replicas;
        let name = self.app.services.get(id).map_or("", |service| &*service.name);
        let words = format!("{name}: replicas {before} → {replicas}");
        Some(Act { words, changes: vec![Change::Replicas(id, replicas)] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::app::named;

    fn blame(service: &str, node: Option<&str>, resource: Option<Resource>) -> Named {
        Named { service: service.to_owned(), node: node.map(str::to_owned), resource }
    }

    #[test]
    fn what_is_blamed_is_remedied_and_more_is_done_only_after_a_while() {
        let app = Arc::new(named("chain-3").unwrap());
        let cluster = Cluster::for_application(&app, 2);
        let mut hands = Hands::new(&app, &cluster);
        let none = BTreeMap::new();
        let name = app.services[1].name.to_string();
        let cpu = [blame(&name, None, Some(Resource::Cpu))];
        let limit = app.services[1].cpu_limit.unwrap();
        let first = hands.remedy(&cpu, &none, 10);
        assert_eq!(first[0].changes, [Change::CpuLimit(1, Some(2.0 * limit))]);
        assert_eq!(hands.remedy(&cpu, &none, 11), [], "it needs time to work");
        let replicas = app.services[1].replicas;
        assert_eq!(hands.remedy(&cpu, &none, 12)[0].changes, [Change::Replicas(1, 2 * replicas)]);
        assert_eq!(hands.added(), replicas);
        let node = [blame(&name, Some("node-2"), Some(Resource::Cpu)), blame("x", Some("node-2"), None)];
        assert_eq!(hands.remedy(&node, &none, 12)[0].changes, [Change::CpuOfOthers(1, Some(0.1))]);
        assert_eq!(hands.remedy(&[blame("nobody", None, None)], &none, 12), []);
    }

    #[test]
    fn of_a_load_the_busy_services_are_grown() {
        let app = Arc::new(named("chain-3").unwrap());
        let mut hands = Hands::new(&app, &Cluster::for_application(&app, 2));
        let limit = app.services[2].cpu_limit.unwrap();
        let usage = BTreeMap::from([
            (app.services[2].name.to_string(), 0.9 * limit),
            (app.services[1].name.to_string(), 0.0),
        ]);
        let acts = hands.remedy(&[blame("", None, Some(Resource::Load))], &usage, 1);
        assert_eq!(
            Vec::from_iter(acts.iter().flat_map(|act| &act.changes)),
            [&Change::Replicas(2, 2 * app.services[2].replicas)]
        );
    }
}
