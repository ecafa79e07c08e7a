//! A Kubernetes API over the simulated cluster: objects with versions and owners, as much of the
//! protocol as kubectl needs for looking at workloads and changing them, and what a write means for
//! the simulation.
//!
//! The requests are those of the real API, so that a real kubectl works as well as the stand-in:
//! the tests compare the two.

mod api;
mod build;
mod discovery;
mod failure;
mod hpa;
pub mod kinds;
mod managed;
mod manners;
mod observe;
mod patch;
mod quantity;
mod review;
mod select;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod validate;
mod watch;
mod workload;

use std::collections::BTreeMap;

use serde_json::Value;

pub use build::{TENANT, TENANTS, VERSION, address};
pub use manners::{KubectlManner, Manners, Right, SshManner};
pub(super) use quantity::parse as parse_quantity;
pub use watch::Watch;

use super::node::{Machine, SshRequest, SshResponse};
use crate::lab::app::{Application, Service};
use crate::lab::cluster::Cluster;
use crate::lab::sim::{Change, ReplicaReading};
use failure::Failure;
use hpa::Autoscaler;
use observe::timestamp;
use store::{Store, Writer};
use workload::Workload;

/// The operators' side of the cluster: Kubernetes' objects and the machines' files.
#[derive(Debug)]
pub struct ClusterApi {
    cluster: Cluster,
    services: Vec<Service>,
    store: Store,
    workloads: Vec<Workload>,
    autoscalers: BTreeMap<String, Autoscaler>,
    machines: Vec<Machine>,
    manners: Manners,
    changes: Vec<Change>,
    /// Time zero of the simulation, and now, in milliseconds since the epoch.
    start_ms: i64,
    now_ms: i64,
    /// The last octet given to a pod, by node.
    addresses: Vec<u32>,
}

/// A request to the API server.
#[derive(Clone, Debug, Default)]
pub struct KubeRequest {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
    pub method: String,
    /// Path below the server's address.
    pub path: String,
    /// Decoded query.
    pub query: Vec<(String, String)>,
    /// Of the body.
    pub content_type: String,
    /// What the client wants back.
    pub accept: String,
    /// Field manager where the query names none.
    pub agent: String,
    /// Who asks.
    pub user: String,
    /// Body.
    pub body: Vec<u8>,
}

impl KubeRequest {
    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn dry(&self) -> bool {
        self.query("dryRun") == Some("All")
    }

    fn manager(&self) -> &str {
        let agent = self.agent.split('/').next().unwrap_or_default();
        self.query("fieldManager").unwrap_or(if agent.is_empty() { "unknown" } else { agent })
    }
}

/// An answer of the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeResponse {
    /// HTTP status.
    pub code: u16,
    /// The object, list or `Status`.
    pub body: Value,
    /// The connection breaks instead of carrying this answer.
    pub lost: bool,
}

impl From<Result<(u16, Value), Failure>> for KubeResponse {
    fn from(result: Result<(u16, Value), Failure>) -> Self {
        match result {
            Ok((code, body)) => Self { code, body, lost: false },
            Err(failure) => Self { code: failure.code, body: failure.body(), lost: false },
        }
    }
}

impl ClusterApi {
    /// The cluster as it is when the simulation starts, at `start_ms` milliseconds since the epoch.
    pub fn new(app: &Application, cluster: &Cluster, start_ms: i64) -> Self {
        let node_memory = cluster.nodes.iter().map(|node| node.memory).max().unwrap_or(u64::MAX);
        let mut api = Self {
            cluster: cluster.clone(),
            services: app.services.clone(),
            store: Store::default(),
            workloads: Vec::new(),
            autoscalers: BTreeMap::new(),
            machines: cluster.nodes.iter().enumerate().map(|(i, node)| Machine::new(node, i)).collect(),
            manners: Manners::default(),
            changes: Vec::new(),
            start_ms,
            now_ms: start_ms,
            addresses: vec![1; cluster.nodes.len()],
        };
        api.populate(node_memory);
        let readings: Vec<ReplicaReading> = cluster
            .placement
            .iter()
            .enumerate()
            .flat_map(|(service, nodes)| {
                nodes.iter().zip(0u32..).map(move |(node, replica)| (service, *node, replica))
            })
            .map(|(service, node, replica)| ReplicaReading {
                service,
                node,
                replica,
                ..ReplicaReading::default()
            })
            .collect();
        api.observe(start_ms, &readings);
        api
    }

    /// Answers a request; what it changes of the simulation is kept for [`Self::take_changes`].
    pub fn handle(&mut self, request: KubeRequest) -> KubeResponse {
        api::handle(self, &request)
    }

    /// Runs a command on a machine, as sshd does for a session without terminal.
    pub fn ssh(&mut self, request: &SshRequest) -> SshResponse {
        let manner =
            if self.manners.ssh == SshManner::Normal { SshManner::Normal } else { self.ssh_manner() };
        let Some(machine) = self.machines.iter_mut().find(|machine| machine.answers_to(&request.host)) else {
            return SshResponse::unknown_host(&request.host);
        };
        let response = machine.run(request, manner, self.now_ms);
        self.changes.extend(machine.take_changes());
        response
    }

    /// What operators and controllers have changed since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// How the cluster behaves towards its operators.
    pub fn manners(&self) -> &Manners {
        &self.manners
    }

    /// Sets how the cluster behaves towards its operators.
    pub fn set_manners(&mut self, manners: Manners) {
        self.manners = manners;
    }

    /// Whether the next write goes wrong, and how.
    fn kubectl_manner(&mut self) -> KubectlManner {
        if self.manners.kubectl == KubectlManner::Normal || !self.spend() {
            return KubectlManner::Normal;
        }
        self.manners.kubectl
    }

    fn ssh_manner(&mut self) -> SshManner {
        if self.spend() { self.manners.ssh } else { SshManner::Normal }
    }

    /// One use of bad manners; false when they are used up.
    fn spend(&mut self) -> bool {
        match &mut self.manners.times {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Makes the objects that are there from the beginning.
    fn populate(&mut self, node_memory: u64) {
        let namespaces = ["default", "kube-system", TENANTS, &*self.cluster.namespace];
        let mut objects: Vec<(&str, Value)> =
            namespaces.iter().map(|name| ("namespaces", build::namespace(name))).collect();
        for (i, node) in self.cluster.nodes.iter().enumerate() {
            objects.push(("nodes", build::node(node, i)));
        }
        for (service, spec) in self.services.iter().enumerate() {
            let plural = if build::stateful(spec) { "statefulsets" } else { "deployments" };
            let object = build::workload(spec, &self.cluster.namespace);
            let Some(kind) = kinds::find(plural) else { continue };
            self.workloads.push(Workload {
                service,
                name: spec.name.clone(),
                kind,
                rolled: object["spec"]["template"].clone(),
                revision: 1,
                updated_from: 0,
                next_replica: 0,
                node_memory,
            });
            objects.push((plural, object));
        }
        let time = timestamp(self.start_ms);
        for (plural, object) in objects {
            let Some(kind) = kinds::find(plural) else { continue };
            let manager = if kind.group == "apps" { "helm" } else { "kube-apiserver" };
            let by = Writer { manager, subresource: None, time: &time };
            // The only refusal is a name given twice: the first one stays.
            let _ = self.store.create(kind, object, by, false);
        }
        for node in 0..self.cluster.nodes.len() {
            self.start_tenant(node);
        }
    }
}
