//! What an operator may change while the cluster runs.

use super::error::ChangeError;
use super::replica::{Life, Others, Replica};
use super::{Change, SECOND, Simulation};
use crate::lab::cluster::Cluster;

/// Replicas of one service that a node can take.
const MOST_PER_NODE: u32 = 110;

impl Simulation {
    /// Changes the running cluster, now.
    ///
    /// Limits are changed in place, as Kubernetes does with in-place resize; a caller that wants a
    /// rolling update asks for [`Change::Restart`] as well.
    pub fn change(&mut self, change: Change) -> Result<(), ChangeError> {
        match change {
            Change::Replicas(service, count) => self.scale(self.known(service)?, count)?,
            Change::CpuLimit(service, limit) => {
                positive("a CPU limit (cores)", limit)?;
                let service = self.known(service)?;
                self.services[service].cpu_limit = limit;
                self.services[service].limit_renewed = true;
                for replica in self.replicas.iter_mut().filter(|replica| replica.service == service as u32) {
                    replica.cpu_limit = None;
                }
                self.refresh_service(service);
            }
            Change::MemoryLimit(service, limit) => {
                positive("a memory limit (bytes)", Some(limit as f64))?;
                let service = self.known(service)?;
                self.services[service].memory_limit = limit as f64;
                for replica in self.replicas.iter_mut().filter(|replica| replica.service == service as u32) {
                    replica.memory.limit = limit as f64;
                }
            }
            Change::Bandwidth(service, from, to) => {
                positive("a bandwidth (bytes a second)", from)?;
                positive("a bandwidth (bytes a second)", to)?;
                let service = self.known(service)?;
                self.services[service].bandwidth = (from, to);
                self.refresh_service(service);
            }
            Change::CacheWays(service, ways) => {
                positive("a number of cache ways", ways.map(f64::from))?;
                let service = self.known(service)?;
                self.services[service].cache_ways = ways;
                // The others on its nodes have fewer.
                self.refresh();
            }
            Change::MemoryBandwidthOfOthers(node, share) => {
                let others = self.others(node)?;
                if !(0.0..=1.0).contains(&share) {
                    let what = "a share of the memory bandwidth";
                    return Err(ChangeError::Number { what, value: share, must: "from 0 to 1" });
                }
                others.memory_bandwidth = share;
                self.refresh();
            }
            Change::ReplicaCpuLimit(service, number, limit) => {
                positive("a CPU limit (cores)", limit)?;
                let index = self.numbered(service, number)?;
                self.replicas[index as usize].cpu_limit = Some(limit);
                self.refresh_replica(index);
            }
            Change::ReplicaMemoryLimit(service, number, limit) => {
                positive("a memory limit (bytes)", Some(limit as f64))?;
                let index = self.numbered(service, number)?;
                self.replicas[index as usize].memory.limit = limit as f64;
            }
            Change::CpuOfOthers(node, limit) => {
                positive("a CPU limit (cores)", limit)?;
                self.others(node)?.cpu = limit;
                self.refresh();
            }
            Change::CacheWaysOfOthers(node, ways) => {
                positive("a number of cache ways", ways.map(f64::from))?;
                self.others(node)?.cache_ways = ways;
                self.refresh();
            }
            Change::DiskOfOthers(node, limit) => {
                positive("a bandwidth (bytes a second)", limit)?;
                self.others(node)?.disk = limit;
                self.refresh();
            }
            Change::NetworkOfOthers(node, limit) => {
                positive("a bandwidth (bytes a second)", limit)?;
                // Nothing but the application uses the network: there is nobody to be limited.
                self.others(node)?;
            }
            Change::Restart(service) => {
                let service = self.known(service)?;
                let under_way = !self.services[service].to_replace.is_empty();
                let ready = self.services[service].ready.iter().copied();
                self.services[service].to_replace = ready.collect();
                if !under_way {
                    self.replace_next(service);
                }
            }
        }
        Ok(())
    }

    fn known(&self, service: usize) -> Result<usize, ChangeError> {
        if service < self.services.len() { Ok(service) } else { Err(ChangeError::NoSuchService(service)) }
    }

    /// The replica of a service with this number, unless it has gone.
    fn numbered(&self, service: usize, number: u32) -> Result<u32, ChangeError> {
        let service = self.known(service)?;
        let is = |replica: &Replica| {
            replica.service == service as u32 && replica.number == number && replica.life != Life::Gone
        };
        match self.replicas.iter().position(is) {
            Some(index) => Ok(index as u32),
            None => Err(ChangeError::NoSuchReplica(self.app.services[service].name.to_string(), number)),
        }
    }

    /// What holds back everything on a node that is not the application.
    fn others(&mut self, node: usize) -> Result<&mut Others, ChangeError> {
        Ok(&mut self.nodes.get_mut(node).ok_or(ChangeError::NoSuchNode(node))?.others)
    }

    /// Starts or drains replicas until there are `count`.
    fn scale(&mut self, service: usize, count: u32) -> Result<(), ChangeError> {
        let most = MOST_PER_NODE * self.nodes.len() as u32;
        if count > most {
            let service = self.app.services[service].name.to_string();
            return Err(ChangeError::TooManyReplicas { service, asked: count, most });
        }
        let alive = |life| matches!(life, Life::Ready | Life::Starting);
        let mut present: Vec<u32> = (0..self.replicas.len() as u32)
            .filter(|index| {
                let replica = &self.replicas[*index as usize];
                replica.service == service as u32 && alive(replica.life)
            })
            .collect();
        // Those that are not up go first, then the youngest.
        present.sort_by_key(|index| (self.replicas[*index as usize].life != Life::Ready, *index));
        while present.len() > count as usize {
            if let Some(index) = present.pop() {
                self.services[service].to_replace.retain(|other| *other != index);
                self.drain(index);
            }
        }
        for _ in present.len()..count as usize {
            let node = self.place(service);
            self.create(service, node, false);
        }
        Ok(())
    }

    /// The node that a further replica goes to, by the rule of the first placement.
    fn place(&self, service: usize) -> usize {
        let mut placement = vec![Vec::new(); self.services.len()];
        for replica in self.replicas.iter().filter(|replica| replica.life != Life::Gone) {
            placement[replica.service as usize].push(replica.node as usize);
        }
        let (nodes, namespace) = (self.cluster.nodes.clone(), self.cluster.namespace.clone());
        Cluster { namespace, nodes, placement }.place(&self.app, service)
    }

    /// What a byte costs in nanoseconds, at a limit in bytes a second.
    pub(super) fn byte_cost(limit: Option<f64>) -> f64 {
        limit.map_or(0.0, |limit| SECOND as f64 / limit)
    }
}

fn positive(what: &'static str, value: Option<f64>) -> Result<(), ChangeError> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => {
            Err(ChangeError::Number { what, value, must: "above 0" })
        }
        _ => Ok(()),
    }
}
