//! What a service's workload amounts to: which changes of the simulation a write to it means.

use serde_json::Value;

use super::kinds::Kind;
use super::quantity;
use super::store::text;
use crate::lab::app::{Name, ServiceId};
use crate::lab::sim::Change;

/// Annotations of a pod template that the CNI's bandwidth plugin reads, in bits a second.
const EGRESS: &str = "kubernetes.io/egress-bandwidth";
const INGRESS: &str = "kubernetes.io/ingress-bandwidth";

/// A deployment or stateful set, and how far its rollouts have come.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its service.
    pub service: ServiceId,
    /// Name of the object and of its container.
    pub name: Name,
    /// Kind of the object.
    pub kind: &'static Kind,
    /// The template that was rolled out last.
    pub rolled: Value,
    /// Number of that template.
    pub revision: u64,
    /// Replicas from this number on have that template.
    pub updated_from: u32,
    /// One more than the highest replica number seen.
    pub next_replica: u32,
    /// Memory of a machine: the limit of a container that has none.
    pub node_memory: u64,
}

impl Workload {
    /// What a write that made `new` of `old` changes in the simulation. Notes a new template, so that every change is
    /// told once; a paused deployment's template waits until it is resumed.
    pub fn changed(&mut self, old: &Value, new: &Value) -> Vec<Change> {
        let mut changes = Vec::new();
        let replicas = |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_u64);
        if let Some(count) = replicas(new).filter(|count| replicas(old) != Some(*count)) {
            changes.push(Change::Replicas(self.service, u32::try_from(count).unwrap_or(u32::MAX)));
        }
        let template = &new["spec"]["template"];
        if *template == self.rolled || new["spec"]["paused"] == true {
            return changes;
        }
        let [before, after] =
            [&self.rolled, template].map(|template| Limits::of(&template["spec"], self.node_memory));
        if before.cpu != after.cpu {
            changes.push(Change::CpuLimit(self.service, after.cpu));
        }
        if before.memory != after.memory {
            changes.push(Change::MemoryLimit(self.service, after.memory));
        }
        let [before, after] = [&self.rolled, template].map(bandwidth);
        if before != after {
            changes.push(Change::Bandwidth(self.service, after.0, after.1));
        }
        changes.push(Change::Restart(self.service));
        self.rolled = template.clone();
        self.revision += 1;
        self.updated_from = self.next_replica;
        changes
    }

    /// What resizing one of its pods changes.
    pub fn resized(&self, replica: u32, old: &Value, new: &Value) -> Vec<Change> {
        let [before, after] = [old, new].map(|pod| Limits::of(&pod["spec"], self.node_memory));
        let mut changes = Vec::new();
        if before.cpu != after.cpu {
            changes.push(Change::ReplicaCpuLimit(self.service, replica, after.cpu));
        }
        if before.memory != after.memory {
            changes.push(Change::ReplicaMemoryLimit(self.service, replica, after.memory));
        }
        changes
    }
}

/// Limits of a pod's only container.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    cpu: Option<f64>,
    memory: u64,
}

impl Limits {
    fn of(spec: &Value, node_memory: u64) -> Self {
        let limit =
            |name: &str| quantity::parse(text(spec, &format!("/containers/0/resources/limits/{name}")));
        Self { cpu: limit("cpu"), memory: limit("memory").map_or(node_memory, |bytes| bytes as u64) }
    }
}

/// Bytes a second from and to a pod.
fn bandwidth(template: &Value) -> (Option<f64>, Option<f64>) {
    let read = |key: &str| {
        let bits = template["metadata"]["annotations"].get(key)?.as_str()?;
        quantity::parse(bits).filter(|bits| *bits > 0.0).map(|bits| bits / 8.0)
    };
    (read(EGRESS), read(INGRESS))
}
