//! Faults: what is broken where, from when to when, and how badly.

use serde::{Deserialize, Serialize};

/// What a verdict may name as the cause: a service and one of its resources.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// The service (its container's name).
    pub service: String,
    /// The resource.
    pub resource: crate::domain::Resource,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Identifies it among others: keys its randomness.
    pub id: u64,
    /// What it is and where.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Start, in seconds of simulated time.
    pub from_s: f64,
    /// End, in seconds of simulated time.
    pub until_s: f64,
    /// 0 (nothing) to 1 (as bad as this kind gets).
    pub intensity: f64,
}

/// Kinds of faults and their places: a service or a node, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are the places")]
pub enum FaultKind {
    /// A process in the container burns its CPU.
    CpuHog { service: String },
    /// The container's CPU quota is cut.
    QuotaCut { service: String },
    /// Something else on the node burns CPU: all replicas there wait for it.
    NoisyNeighbour { node: String },
    /// Something else on the node takes the last-level cache.
    CacheInterference { node: String },
    /// Something else on the node takes the memory bandwidth.
    MemoryBandwidth { node: String },
    /// Memory near the limit: reclaim and major page faults.
    MemoryPressure { service: String },
    /// Memory grows until the container is killed and starts anew.
    MemoryLeak { service: String },
    /// The container's disk is busy with something else.
    DiskContention { service: String },
    /// Packets to and from the service are late.
    NetworkDelay { service: String },
    /// Packets to and from the service are lost.
    NetworkLoss { service: String },
    /// The service's bandwidth is cut.
    NetworkBandwidth { service: String },
    /// The connections towards the service run out.
    PoolExhaustion { service: String },
    /// A cache forgets.
    CacheMisses { service: String },
    /// Garbage collection stops the service again and again.
    GarbageCollection { service: String },
    /// More requests than usual: nobody's fault.
    LoadSurge,
    /// The service is slower, and no metric says so.
    Latent { service: String },
    /// A new version needs more CPU per request, for good.
    VersionChange { service: String },
}

impl FaultKind {
    /// The service it strikes, if it strikes one.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::CpuHog { service }
            | Self::QuotaCut { service }
            | Self::MemoryPressure { service }
            | Self::MemoryLeak { service }
            | Self::DiskContention { service }
            | Self::NetworkDelay { service }
            | Self::NetworkLoss { service }
            | Self::NetworkBandwidth { service }
            | Self::PoolExhaustion { service }
            | Self::CacheMisses { service }
            | Self::GarbageCollection { service }
            | Self::Latent { service }
            | Self::VersionChange { service } => Some(service),
            Self::NoisyNeighbour { .. }
            | Self::CacheInterference { .. }
            | Self::MemoryBandwidth { .. }
            | Self::LoadSurge => None,
        }
    }

    /// The node it strikes, if it strikes one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::NoisyNeighbour { node }
            | Self::CacheInterference { node }
            | Self::MemoryBandwidth { node } => Some(node),
            _ => None,
        }
    }
}
