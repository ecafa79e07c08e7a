//! Which fault can strike where, and which harmless things may be going on beside it.

use std::collections::BTreeSet;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::{FILLING_S, Timing};
use crate::lab::app::{Application, Call, Chance, Kind as Role, ServiceId, offered};
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Fault, FaultKind};

/// A kind of fault before it has a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Of a service, where it can strike.
    Service(fn(String) -> FaultKind, Fits),
    /// Of a node.
    Node(fn(String) -> FaultKind),
    /// Of the load.
    Load,
}

/// Services that a kind of fault can strike.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fits {
    /// All that are called.
    Called,
    /// Those that run application code: what is deployed anew, and collects garbage.
    Code,
    /// Those with a disk, called or not: the disk is the node's.
    Disk,
    /// Caches whose misses cost something.
    Cache,
    /// Those that others call.
    Callee,
}

/// All kinds, each once: seeds take them in turn.
pub(super) const KINDS: [Kind; 17] = [
    Kind::Service(|service| FaultKind::CpuHog { service }, Fits::Called),
    Kind::Service(|service| FaultKind::DiskContention { service }, Fits::Disk),
    Kind::Service(|service| FaultKind::PoolExhaustion { service }, Fits::Callee),
    Kind::Node(|node| FaultKind::NoisyNeighbour { node }),
    Kind::Service(|service| FaultKind::NetworkDelay { service }, Fits::Called),
    Kind::Service(|service| FaultKind::Latent { service }, Fits::Called),
    Kind::Service(|service| FaultKind::MemoryPressure { service }, Fits::Called),
    Kind::Service(|service| FaultKind::QuotaCut { service }, Fits::Called),
    Kind::Node(|node| FaultKind::MemoryBandwidth { node }),
    Kind::Service(|service| FaultKind::GarbageCollection { service }, Fits::Code),
    Kind::Service(|service| FaultKind::NetworkLoss { service }, Fits::Called),
    Kind::Load,
    Kind::Service(|service| FaultKind::CacheMisses { service }, Fits::Cache),
    Kind::Service(|service| FaultKind::MemoryLeak { service }, Fits::Called),
    Kind::Node(|node| FaultKind::CacheInterference { node }),
    Kind::Service(|service| FaultKind::NetworkBandwidth { service }, Fits::Called),
    Kind::Service(|service| FaultKind::VersionChange { service }, Fits::Code),
];

/// Intensities at which a few packets are lost, one in some thousand, and at which the kernel begins to
/// reclaim memory.
const LOSSY: (f64, f64) = (0.08, 0.16);
const FULL: (f64, f64) = (0.27, 0.34);

/// The places of an application on its cluster.
#[derive(Clone, Debug)]
pub(super) struct Places<'a> {
    app: &'a Application,
    cluster: &'a Cluster,
    called: BTreeSet<ServiceId>,
    callees: BTreeSet<ServiceId>,
    caches: BTreeSet<ServiceId>,
    /// Not for distractors.
    left_out: BTreeSet<ServiceId>,
}

impl<'a> Places<'a> {
    pub(super) fn of(app: &'a Application, cluster: &'a Cluster) -> Self {
        let none = BTreeSet::new;
        let mut places =
            Self { app, cluster, called: none(), callees: none(), caches: none(), left_out: none() };
        for flow in app.flows.iter().filter(|flow| flow.share > 0.0) {
            places.add(&flow.root, None);
        }
        places
    }

    /// The same, but with distractors only where none of these faults strikes.
    pub(super) fn without(&self, faults: &[Fault]) -> Self {
        let struck = faults.iter().filter_map(|fault| self.app.service(fault.kind.service()?));
        Self { left_out: struck.collect(), ..self.clone() }
    }

    fn add(&mut self, call: &Call, caller: Option<ServiceId>) {
        self.called.insert(call.service);
        if caller.is_some_and(|caller| caller != call.service) {
            self.callees.insert(call.service);
        }
        if let Chance::MissOf { cache, .. } = call.chance {
            self.caches.insert(cache);
        }
        for child in call.stages.iter().flatten() {
            self.add(child, Some(call.service));
        }
    }

    /// A fault of this kind, or of any, at a place where it can strike.
    pub(super) fn draw(&self, kind: Option<Kind>, random: &mut impl Rng) -> Option<FaultKind> {
        match kind.or_else(|| KINDS.choose(random).copied())? {
            Kind::Load => Some(FaultKind::LoadSurge),
            Kind::Node(make) => Some(make(self.node(&self.called, random)?)),
            Kind::Service(make, fits) => {
                let fitting = Vec::from_iter((0..self.app.services.len()).filter(|id| self.fits(*id, fits)));
                Some(make(self.name(*fitting.choose(random)?)))
            }
        }
    }

    fn fits(&self, id: ServiceId, fits: Fits) -> bool {
        let role = self.app.services.get(id).map(|service| service.kind);
        match fits {
            Fits::Called => self.called.contains(&id),
            Fits::Code => self.called.contains(&id) && matches!(role, Some(Role::Stateless | Role::Frontend)),
            Fits::Disk => role == Some(Role::Database),
            Fits::Cache => self.caches.contains(&id),
            Fits::Callee => self.callees.contains(&id),
        }
    }

    /// A node on which one of these services stands.
    fn node(&self, services: &BTreeSet<ServiceId>, random: &mut impl Rng) -> Option<String> {
        let placed = services.iter().filter_map(|id| self.cluster.placement.get(*id)).flatten();
        let nodes = Vec::from_iter(placed.collect::<BTreeSet<_>>());
        let node = self.cluster.nodes.get(**nodes.choose(random)?)?;
        Some(node.name.to_string())
    }

    fn name(&self, id: ServiceId) -> String {
        self.app.services.get(id).map_or_else(String::new, |service| service.name.to_string())
    }

    /// Each kind where it is likely to hurt: at the fitting service that uses most of its CPU limit, and
    /// on that service's node.
    pub(super) fn examples(&self) -> Vec<FaultKind> {
        let load = offered(self.app);
        let used = |id: &ServiceId| load.get(*id).map_or(0.0, |load| load.of_limit);
        let busiest = |fits: Fits| {
            let all = (0..self.app.services.len()).filter(|id| self.fits(*id, fits));
            all.max_by(|a, b| used(a).total_cmp(&used(b)))
        };
        let node = || {
            let node = self.cluster.placement.get(busiest(Fits::Callee)?)?.first()?;
            Some(self.cluster.nodes.get(*node)?.name.to_string())
        };
        let example = |kind: Kind| match kind {
            Kind::Load => Some(FaultKind::LoadSurge),
            Kind::Node(make) => Some(make(node()?)),
            // The front end of all requests is not what most incidents are about.
            Kind::Service(make, Fits::Called) => Some(make(self.name(busiest(Fits::Callee)?))),
            Kind::Service(make, fits) => Some(make(self.name(busiest(fits)?))),
        };
        KINDS.into_iter().filter_map(example).collect()
    }

    /// Something unusual that need not harm anybody. Several kinds of it make the innocent look guilty:
    /// a process that burns what nobody needs, a deployment, a full memory, a busier day. Half of it begins
    /// with the incident. A `loud` one is of those that show most.
    pub(super) fn distractor(
        &self,
        id: u64,
        loud: bool,
        timing: &Timing,
        random: &mut impl Rng,
    ) -> Option<Fault> {
        let every = Vec::from_iter((0..self.app.services.len()).filter(|id| !self.left_out.contains(id)));
        let code = Vec::from_iter(every.iter().copied().filter(|id| self.fits(*id, Fits::Code)));
        let called = Vec::from_iter(every.iter().copied().filter(|id| self.called.contains(id)));
        let mut at = |of: &[ServiceId]| Some(self.name(*of.choose(random)?));
        let (busy, deployed, full, lossy) = (at(&every)?, at(&code)?, at(&called)?, at(&called)?);
        let node = self.node(&self.called, random)?;
        // Lost packets and a full memory show in counters that otherwise stand still.
        let quiet = if loud { 2 } else { 10 };
        let (kind, (least, most)) = match random.random_range(0..quiet) {
            0 => (FaultKind::NetworkLoss { service: lossy }, LOSSY),
            1 => (FaultKind::MemoryPressure { service: full }, FULL),
            2..4 => (FaultKind::CpuHog { service: busy }, (0.2, 0.8)),
            4..6 => (FaultKind::VersionChange { service: deployed }, (0.1, 0.4)),
            6 => (FaultKind::MemoryLeak { service: full }, (0.2, 0.6)),
            7 => (FaultKind::CacheInterference { node }, (0.1, 0.3)),
            8 => (FaultKind::NoisyNeighbour { node }, (0.1, 0.4)),
            _ => (FaultKind::LoadSurge, (0.03, 0.12)),
        };
        let intensity = random.random_range(least..most);
        let together = random.random_bool(0.5);
        let from_s = if together {
            timing.lead_s + random.random_range(0.0..12.0)
        } else {
            random.random_range(timing.quiet_s + FILLING_S..timing.lead_s)
        };
        Some(Fault { id, kind, from_s, until_s: timing.until_s, intensity })
    }
}
