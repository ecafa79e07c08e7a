//! What a fault does: each becomes effects on services, each counted as one resource of the service.
//!
//! The table is in `docs/lab/simulation.md`; sizes are relative to what the service needs, so that
//! an intensity means the same for a busy service and an idle one.

use super::error::SimError;
use super::{MILLISECOND, Nanos, SECOND};
use crate::domain::Resource;
use crate::lab::app::{Application, Edge, ServiceId, Utilisation};
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Fault, FaultKind};

/// A change for the worse, of a service or of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Impact {
    /// Threads that burn the container's CPU.
    Hog(f64),
    /// Factor on the CPU demand of each call.
    Demand(f64),
    /// CPU limit in cores.
    Quota(f64),
    /// The service shares the cores of this node with the neighbour there.
    Neighbour { node: usize },
    /// Pressure on the last-level cache of this node.
    Llc { node: usize, pressure: f64 },
    /// Pressure on the memory bandwidth of this node.
    Bandwidth { node: usize, pressure: f64 },
    /// Bytes in use beyond the usual.
    Memory(f64),
    /// Bytes lost a second.
    Leak(f64),
    /// Accesses that the disks of the service's nodes do for something else, per access of the
    /// application (a factor on its time).
    Disk(f64),
    /// Mean delay of a packet in nanoseconds, each direction.
    Delay(f64),
    /// Probability that a packet is lost, each direction.
    Loss(f64),
    /// Bytes a second, each direction.
    Link(f64),
    /// Connections a caller's replica may have, and mean time that one is kept after use.
    Pool { limit: u32, hold: f64 },
    /// Factor on the hit ratio.
    Hits(f64),
    /// Stop-the-world pauses: mean gap and length in nanoseconds.
    Pauses { fault: u64, gap: f64, length: f64 },
    /// Mean time a call stands still, in nanoseconds.
    Latent(f64),
}

/// An impact on a service while it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effect {
    pub service: ServiceId,
    pub resource: Resource,
    pub from: Nanos,
    pub until: Nanos,
    pub impact: Impact,
}

/// Something else that runs on a node: it is there whether or not anybody suffers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Neighbour {
    pub node: usize,
    pub from: Nanos,
    pub until: Nanos,
    /// Cores it wants, and its weight (1 is a container with a limit of one core).
    pub cores: f64,
    pub weight: f64,
}

/// Extra requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Surge {
    pub fault: u64,
    pub factor: f64,
    pub from: Nanos,
    pub until: Nanos,
}

/// What a fault amounts to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Impacts {
    pub effects: Vec<Effect>,
    pub neighbours: Vec<Neighbour>,
    pub surge: Option<Surge>,
}

/// The resource that a fault's effects count as.
pub fn resource_of(kind: &FaultKind) -> Resource {
    match kind {
        FaultKind::CpuHog { .. }
        | FaultKind::QuotaCut { .. }
        | FaultKind::NoisyNeighbour { .. }
        | FaultKind::GarbageCollection { .. }
        | FaultKind::VersionChange { .. } => Resource::Cpu,
        FaultKind::CacheInterference { .. } | FaultKind::MemoryBandwidth { .. } => Resource::Cache,
        FaultKind::MemoryPressure { .. } | FaultKind::MemoryLeak { .. } | FaultKind::CacheMisses { .. } => {
            Resource::Memory
        }
        FaultKind::DiskContention { .. } => Resource::Disk,
        FaultKind::NetworkDelay { .. }
        | FaultKind::NetworkLoss { .. }
        | FaultKind::NetworkBandwidth { .. } => Resource::Network,
        FaultKind::PoolExhaustion { .. } | FaultKind::Latent { .. } => Resource::Latent,
        FaultKind::LoadSurge => Resource::Load,
    }
}

/// What sizes a fault.
pub(super) struct Scales<'a> {
    pub app: &'a Application,
    pub cluster: &'a Cluster,
    pub needs: &'a [Utilisation],
    pub edges: &'a [Edge],
}

impl Scales<'_> {
    pub(super) fn impacts(&self, fault: &Fault) -> Result<Impacts, SimError> {
        let seconds = |value: f64| (value * SECOND as f64) as Nanos;
        for value in [fault.from_s, fault.until_s] {
            if !value.is_finite() || value < 0.0 {
                return Err(SimError::Number {
                    what: format!("a time of fault {}", fault.id),
                    value,
                    must: "a number of seconds that is not negative",
                });
            }
        }
        if !(0.0..=1.0).contains(&fault.intensity) {
            return Err(SimError::Number {
                what: format!("the intensity of fault {}", fault.id),
                value: fault.intensity,
                must: "from 0 to 1",
            });
        }
        let mut impacts = Impacts::default();
        if fault.intensity == 0.0 {
            return Ok(impacts);
        }
        let (from, mut until) = (seconds(fault.from_s), seconds(fault.until_s));
        if matches!(fault.kind, FaultKind::VersionChange { .. }) {
            until = Nanos::MAX;
        }
        let resource = resource_of(&fault.kind);
        match &fault.kind {
            FaultKind::LoadSurge => {
                impacts.surge = Some(Surge { fault: fault.id, factor: 3.0 * fault.intensity, from, until });
            }
            FaultKind::NoisyNeighbour { node }
            | FaultKind::CacheInterference { node }
            | FaultKind::MemoryBandwidth { node } => {
                let node = self.node(fault, node)?;
                let impact = self.at_node(fault, node);
                if let Impact::Neighbour { .. } = impact {
                    let (cores, weight) = self.neighbour(node, fault.intensity);
                    impacts.neighbours.push(Neighbour { node, from, until, cores, weight });
                }
                // Every service, wherever it stands now: a replica may come to the node later.
                for service in 0..self.app.services.len() {
                    impacts.effects.push(Effect { service, resource, from, until, impact });
                }
            }
            FaultKind::CpuHog { service }
            | FaultKind::QuotaCut { service }
            | FaultKind::MemoryPressure { service }
            | FaultKind::MemoryLeak { service }
            | FaultKind::DiskContention { service }
            | FaultKind::NetworkDelay { service }
            | FaultKind::NetworkLoss { service }
            | FaultKind::NetworkBandwidth { service }
            | FaultKind::PoolExhaustion { service }
            | FaultKind::CacheMisses { service }
            | FaultKind::GarbageCollection { service }
            | FaultKind::Latent { service }
            | FaultKind::VersionChange { service } => {
                let service = self.service(fault, service)?;
                let impact = self.at_service(fault, service);
                impacts.effects.push(Effect { service, resource, from, until, impact });
            }
        }
        Ok(impacts)
    }

    fn service(&self, fault: &Fault, name: &str) -> Result<ServiceId, SimError> {
        let found = self.app.services.iter().position(|service| &*service.name == name);
        found.ok_or_else(|| SimError::FaultyService { fault: fault.id, service: name.to_owned() })
    }

    fn node(&self, fault: &Fault, name: &str) -> Result<usize, SimError> {
        let found = self.cluster.nodes.iter().position(|node| &*node.name == name);
        found.ok_or_else(|| SimError::FaultyNode { fault: fault.id, node: name.to_owned() })
    }

    /// Cores that a replica may use, and those it needs on average.
    fn cores(&self, service: ServiceId) -> (f64, f64) {
        let placement = &self.cluster.placement[service];
        let node = placement.first().map_or(1, |node| self.cluster.nodes[*node].cores);
        let most = f64::from(self.app.services[service].threads.min(node).max(1));
        let cap = self.app.services[service].cpu_limit.map_or(most, |limit| limit.min(most));
        let need = self.needs[service].cpu / placement.len().max(1) as f64;
        (cap, need.max(1e-4))
    }

    /// Cores and weight of a noisy neighbour: at full intensity its weight leaves the most vulnerable
    /// service on the node a little less than it needs.
    fn neighbour(&self, node: usize, intensity: f64) -> (f64, f64) {
        let cores = f64::from(self.cluster.nodes[node].cores);
        let room = (0..self.app.services.len())
            .filter(|service| self.cluster.placement[*service].contains(&node))
            .map(|service| super::weight(self.app.services[service].cpu_limit) / self.cores(service).1)
            .fold(64.0, f64::min);
        (cores * (0.5 + intensity).min(1.0), cores * (0.2 + 1.2 * room) * intensity * intensity)
    }

    fn at_node(&self, fault: &Fault, node: usize) -> Impact {
        let x = fault.intensity;
        // Beyond the threshold from which on contention slows things down.
        let pressure = super::THRESHOLD + 12.0 * x * x;
        match fault.kind {
            FaultKind::CacheInterference { .. } => Impact::Llc { node, pressure },
            FaultKind::MemoryBandwidth { .. } => Impact::Bandwidth { node, pressure },
            _ => Impact::Neighbour { node },
        }
    }

    fn at_service(&self, fault: &Fault, service: ServiceId) -> Impact {
        let x = fault.intensity;
        let own = &self.app.services[service];
        let (cap, need) = self.cores(service);
        let replicas = self.cluster.placement[service].len().max(1) as f64;
        let limit = own.memory_limit as f64;
        let usual = limit * super::memory::usual_share(own.kind);
        let objective = self.app.objective.limit_ms * MILLISECOND as f64;
        match fault.kind {
            FaultKind::CpuHog { .. } => {
                let node =
                    self.cluster.placement[service].first().map_or(1, |node| self.cluster.nodes[*node].cores);
                let cores = own.cpu_limit.unwrap_or(2.0 * f64::from(node));
                let starving = 1.2 * f64::from(own.threads) * cores / need;
                Impact::Hog((4.0 * cores * x * x + starving * x.powi(4)).min(512.0))
            }
            FaultKind::QuotaCut { .. } => Impact::Quota(between(cap, 0.75 * need, x.sqrt()).max(0.002)),
            FaultKind::VersionChange { .. } => Impact::Demand((1.05 * cap / need).clamp(2.0, 30.0).powf(x)),
            FaultKind::GarbageCollection { .. } => Impact::Pauses {
                fault: fault.id,
                gap: (2.0 - 1.2 * x) * SECOND as f64,
                length: 5.0 * 80_f64.powf(x) * MILLISECOND as f64,
            },
            FaultKind::MemoryPressure { .. } => Impact::Memory((0.85 + 0.27 * x) * limit - usual),
            FaultKind::MemoryLeak { .. } => {
                let length = (fault.until_s - fault.from_s).max(1.0);
                Impact::Leak((1.2 * limit - usual) / (length * (1.4 - x)))
            }
            FaultKind::DiskContention { .. } => Impact::Disk(60.0 * x * x),
            FaultKind::NetworkDelay { .. } => Impact::Delay(0.5 * objective * x * x),
            FaultKind::NetworkLoss { .. } => Impact::Loss(0.2 * x.powi(3)),
            FaultKind::NetworkBandwidth { .. } => {
                let (received, sent) = self.needs[service].bytes;
                let need = received.max(sent) / replicas;
                Impact::Link(between(40.0 * need, 0.8 * need, x).max(1_000.0))
            }
            FaultKind::PoolExhaustion { .. } => {
                let limit = own.connections.limit.unwrap_or(4).clamp(1, 4);
                let caller = |edge: &Edge| self.cluster.placement[edge.from].len().max(1) as f64;
                let edges = self.edges.iter().filter(|edge| edge.to == service);
                let busiest = edges.map(|edge| edge.calls / caller(edge)).fold(1e-3, f64::max);
                let hold = 1.15 * x.sqrt() * f64::from(limit) / busiest;
                Impact::Pool { limit, hold: hold * SECOND as f64 }
            }
            FaultKind::CacheMisses { .. } => Impact::Hits(1.0 - x),
            _ => Impact::Latent(0.6 * objective * x * x),
        }
    }
}

/// From `healthy` at 0 to `broken` at 1, in equal ratios; never more than healthy.
fn between(healthy: f64, broken: f64, x: f64) -> f64 {
    healthy.powf(1.0 - x) * broken.min(healthy).powf(x)
}
