//! Changes of a service's means that the model is asked about before anybody makes them.

use super::{Resource, ServiceName};

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lever {
    /// The number of replicas.
    Replicas {
        /// As it is.
        from: u32,
        /// As it would be.
        to: u32,
    },
    /// The CPU limit of each replica, in cores.
    Cpu {
        /// As it is.
        from: f64,
        /// As it would be.
        to: f64,
    },
    /// The memory limit of each replica, in bytes.
    Memory {
        /// As it is.
        from: f64,
        /// As it would be.
        to: f64,
    },
    /// A neighbour on its machine is kept from taking so much of a resource that it is scarce.
    Neighbour(Resource),
}

/// A change of one service's means.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// Of which service.
    pub service: ServiceName,
    /// What is changed.
    pub lever: Lever,
}
