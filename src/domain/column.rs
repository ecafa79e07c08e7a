//! Columns of the window table: a metric feature of an entity, or a latency statistic of an RPC.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clean, Entity, Rpc};

/// Resource group a feature belongs to, and the level at which a cause is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Usage, throttling, run queue, pressure.
    Cpu,
    /// Working set, faults, pressure.
    Memory,
    /// Last-level cache and memory bandwidth.
    Cache,
    /// Bytes, I/O time, pressure.
    Disk,
    /// Round trip, loss, retransmits, bytes, the delay of a channel.
    Network,
    /// Request rate: nobody's fault.
    Load,
    /// In no measured metric.
    Latent,
}

impl Resource {
    /// The lower-case word used on screen and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Cache => "cache",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Load => "load",
            Self::Latent => "latent",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Kind of entity a feature is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A service, pooled over replicas.
    Service,
    /// The network between two services.
    Channel,
    /// A machine.
    Node,
}

/// Which way a feature moves when the resource gets scarce.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Higher is worse.
    #[default]
    Up,
    /// Lower is worse.
    Down,
    /// Either way is remarkable.
    Both,
}

/// What a feature tells of its resource, in the terms of the USE method (Gregg, *Systems Performance*):
/// who uses much is not who suffers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tells {
    /// How much of it is used (utilisation): usage, bytes, levels.
    Use,
    /// That there is not enough of it (saturation, errors): waiting, throttling, faults, drops, delay.
    #[default]
    Shortage,
}

impl Tells {
    /// Whether it is what a feature tells that says nothing about it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How replicas are pooled into one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Mean over replicas.
    Mean,
    /// Largest over replicas; kept only where a service ever had more than one.
    Max,
}

/// Where in the life of an RPC a latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// At the caller: request sent to response received (Y^c).
    Client,
    /// At the callee: request received to response sent (Y^s).
    Server,
    /// server.start − client.start, only where both clocks agree (Y^req).
    Request,
    /// client.end − server.end, only where both clocks agree (Y^resp).
    Response,
    /// client − server duration: the total time on the way; needs no common clock.
    Network,
}

/// A quantile in thousandths: 500 is the median, 990 is p99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantile(pub u16);

impl Quantile {
    /// From a fraction in (0, 1).
    pub fn from_fraction(q: f64) -> Self {
        Self((q.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }

    /// As a fraction in (0, 1).
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(10) {
            write!(f, "p{}", self.0 / 10)
        } else {
            write!(f, "p{}", f64::from(self.0) / 10.0)
        }
    }
}

/// A statistic of one window's latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stat {
    /// A quantile, in milliseconds.
    Quantile(Quantile),
    /// How many calls were seen in the window.
    Count,
}

/// One column of the window table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// A metric feature of an entity (X), in the feature's own unit.
    Metric {
        /// What was measured.
        entity: Entity,
        /// Name of the catalogue's feature.
        feature: Clean,
        /// How replicas were pooled.
        pool: Pool,
    },
    /// A latency statistic of an RPC (Y), in milliseconds or calls.
    Latency {
        /// Which calls.
        rpc: Rpc,
        /// Where it was measured.
        side: Side,
        /// Which statistic.
        stat: Stat,
    },
}
