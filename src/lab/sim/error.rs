//! What can be wrong with what the simulation is asked to do.

/// The simulation cannot run as described.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimError {
    /// The placement does not cover the application.
    #[error("the cluster places {placed} services, the application has {services}")]
    Placement {
        /// Services placed.
        placed: usize,
        /// Services of the application.
        services: usize,
    },
    /// A replica stands on a node that does not exist.
    #[error("a replica of `{service}` stands on node number {node}, the cluster has {nodes} nodes")]
    NoSuchNode {
        /// The service.
        service: String,
        /// The index.
        node: usize,
        /// Nodes of the cluster.
        nodes: usize,
    },
    /// A number is not usable.
    #[error("{what} is {value}: it must be {must}")]
    Number {
        /// Whose number.
        what: String,
        /// The number.
        value: f64,
        /// What it must be.
        must: &'static str,
    },
    /// A call refers to a service that does not exist.
    #[error("flow `{flow}` calls service number {service}, the application has {services} services")]
    NoSuchCallee {
        /// The flow.
        flow: String,
        /// The index.
        service: usize,
        /// Services of the application.
        services: usize,
    },
    /// A call is said to stay in its process, but names another service.
    #[error("flow `{flow}` has a local call from `{from}` to `{to}`: a local call stays in its service")]
    LocalCallLeaves {
        /// The flow.
        flow: String,
        /// The caller.
        from: String,
        /// The callee.
        to: String,
    },
    /// The application has no flows, or none with a share.
    #[error("the application has no flow with a share above 0")]
    NoFlows,
    /// A fault names a service that does not exist.
    #[error("fault {fault} is at service `{service}`, which the application does not have")]
    FaultyService {
        /// The fault's id.
        fault: u64,
        /// The service.
        service: String,
    },
    /// A fault names a node that does not exist.
    #[error("fault {fault} is at node `{node}`, which the cluster does not have")]
    FaultyNode {
        /// The fault's id.
        fault: u64,
        /// The node.
        node: String,
    },
}

/// A change of the running cluster was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// The service does not exist.
    #[error("there is no service number {0}")]
    NoSuchService(usize),
    /// The replica does not exist, or has gone.
    #[error("`{0}` has no replica number {1}")]
    NoSuchReplica(String, u32),
    /// The node does not exist.
    #[error("there is no node number {0}")]
    NoSuchNode(usize),
    /// The cluster cannot take that many replicas.
    #[error("{asked} replicas of `{service}` are more than the cluster can take ({most})")]
    TooManyReplicas {
        /// The service.
        service: String,
        /// Replicas asked for.
        asked: u32,
        /// The most that can be had.
        most: u32,
    },
    /// A number is not usable.
    #[error("{what} of {value} is not possible: it must be {must}")]
    Number {
        /// What is changed.
        what: &'static str,
        /// The number.
        value: f64,
        /// What it must be.
        must: &'static str,
    },
}
