//! Where an application runs: nodes, and which replica stands on which.

use super::app::Name;

/// A cluster's hardware and the placement of an application on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Kubernetes namespace of the application.
    pub namespace: Name,
    /// The machines.
    pub nodes: Vec<Node>,
    /// Placement: `placement[service][replica]` is an index into `nodes`.
    pub placement: Vec<Vec<usize>>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name, such as `node-1`.
    pub name: Name,
    /// Cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Bandwidth of the network interface in bytes a second, each direction.
    pub nic: f64,
    /// Bandwidth of the disk in bytes a second.
    pub disk: f64,
    /// Last-level cache in bytes, and its ways.
    pub llc: (u64, u32),
}
