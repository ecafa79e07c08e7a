//! What can be done, and how dangerous it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of action, one per entry of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// More replicas of a Deployment or StatefulSet (`kubectl scale`).
    ScaleOut,
    /// More CPU or memory for one running pod (`pods/resize`, Kubernetes 1.33).
    ResizePod,
    /// More CPU or memory in the pod template: a rolling restart.
    ResizeTemplate,
    /// A higher floor of the autoscaler that owns the number of replicas.
    AutoscalerFloor,
    /// Bandwidth annotations of the pod template, for the CNI bandwidth plugin.
    CniBandwidth,
    /// Bandwidth annotation of one running pod, for Cilium's bandwidth manager.
    CiliumBandwidth,
    /// Fewer last-level cache ways for the neighbour (Intel CAT through resctrl).
    CacheWays,
    /// Less memory bandwidth for the neighbour (Intel MBA or its like through resctrl).
    MemoryBandwidth,
    /// A share of the link kept for the victim (Linux HTB on the host).
    HostBandwidth,
    /// A CPU quota for the neighbour (cgroup v2 `cpu.max`).
    CpuMax,
    /// A limit on the neighbour's disk traffic (cgroup v2 `io.max`).
    IoMax,
}

impl ActionKind {
    /// All of them, those on Kubernetes first.
    pub const ALL: [Self; 11] = [
        Self::ScaleOut,
        Self::ResizePod,
        Self::ResizeTemplate,
        Self::AutoscalerFloor,
        Self::CniBandwidth,
        Self::CiliumBandwidth,
        Self::CacheWays,
        Self::MemoryBandwidth,
        Self::HostBandwidth,
        Self::CpuMax,
        Self::IoMax,
    ];

    /// Name in configuration, journal and JSON, such as `scale-out`.
    pub fn word(self) -> &'static str {
        match self {
            Self::ScaleOut => "scale-out",
            Self::ResizePod => "resize-pod",
            Self::ResizeTemplate => "resize-template",
            Self::AutoscalerFloor => "autoscaler-floor",
            Self::CniBandwidth => "cni-bandwidth",
            Self::CiliumBandwidth => "cilium-bandwidth",
            Self::CacheWays => "cache-ways",
            Self::MemoryBandwidth => "memory-bandwidth",
            Self::HostBandwidth => "host-bandwidth",
            Self::CpuMax => "cpu-max",
            Self::IoMax => "io-max",
        }
    }

    /// A few words for people, such as `scale out`.
    pub fn title(self) -> &'static str {
        match self {
            Self::ScaleOut => "scale out",
            Self::ResizePod => "resize the running pod",
            Self::ResizeTemplate => "resize the pod template",
            Self::AutoscalerFloor => "raise the autoscaler's floor",
            Self::CniBandwidth => "limit bandwidth (CNI)",
            Self::CiliumBandwidth => "limit bandwidth (Cilium)",
            Self::CacheWays => "limit the neighbour's cache ways",
            Self::MemoryBandwidth => "limit the neighbour's memory bandwidth",
            Self::HostBandwidth => "keep a share of the link",
            Self::CpuMax => "limit the neighbour's CPU",
            Self::IoMax => "limit the neighbour's disk traffic",
        }
    }

    /// Whether it is done on a machine over ssh rather than through the Kubernetes API. Such actions are
    /// experimental and off unless the configuration turns them on.
    pub fn is_on_node(self) -> bool {
        matches!(
            self,
            Self::CacheWays | Self::MemoryBandwidth | Self::HostBandwidth | Self::CpuMax | Self::IoMax
        )
    }
}

/// How much can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Risk {
    /// One workload, no restart.
    R1,
    /// A restart or rollout, or one group of processes on a machine.
    R2,
    /// A whole machine or its network.
    R3,
}

impl Risk {
    /// What the class means, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::R1 => "one workload, no restart",
            Self::R2 => "a restart, or one group on a machine",
            Self::R3 => "a whole machine or its network",
        }
    }
}
