//! Where an application runs: nodes, and which replica stands on which.

use sha2::{Digest, Sha256};

use super::app::{Kind, Name, Service};

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

/// Characters of generated names: no vowels, so that no words arise (Kubernetes' own choice).
const NAME_CHARACTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `length` characters that depend on `seed` alone, as Kubernetes' generated names look.
pub fn generated(seed: &str, length: usize) -> String {
    let hash = Sha256::digest(seed.as_bytes());
    hash.iter()
        .take(length)
        .map(|byte| char::from(NAME_CHARACTERS[usize::from(*byte) % NAME_CHARACTERS.len()]))
        .collect()
}

/// Name of the pod of a replica: metrics, spans and Kubernetes objects agree on it.
///
/// Databases are stateful sets (`mongodb-0`), everything else deployments
/// (`frontend-7cfc4b57c6-bxmmm`). As a replaced replica has a new number, so has its pod.
pub fn pod_name(service: &Service, replica: u32) -> String {
    let name = &service.name;
    match service.kind {
        Kind::Database => format!("{name}-{replica}"),
        _ => format!("{name}-{}-{}", generated(name, 10), generated(&format!("{name}/{replica}"), 5)),
    }
}
