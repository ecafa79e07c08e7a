//! The controllers' side: objects follow what the simulation does, and the simulation what is
//! written to the objects.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::{self, Target};
use super::store::{self, Writer, text};
use super::workload::Workload;
use super::{ClusterApi, build, hpa, validate};
use crate::lab::app::ServiceId;
use crate::lab::cluster::pod_name;
use crate::lab::sim::ReplicaReading;

/// RFC 3339 with whole seconds, as Kubernetes writes times.
pub fn timestamp(ms: i64) -> String {
    Timestamp::from_second(ms.div_euclid(1000)).map(|time| time.to_string()).unwrap_or_default()
}

impl ClusterApi {
    /// Brings the objects up to what the simulation has come to at `now_ms` milliseconds since the
    /// epoch: pods come and go with the replicas, workloads report them, autoscalers act. Call it
    /// about every second of simulated time.
    pub fn observe(&mut self, now_ms: i64, replicas: &[ReplicaReading]) {
        self.now_ms = now_ms;
        for reading in replicas {
            self.see(reading);
        }
        self.forget_pods(replicas);
        for i in 0..self.workloads.len() {
            let live: Vec<u32> = replicas
                .iter()
                .filter(|reading| reading.service == self.workloads[i].service)
                .map(|reading| reading.replica)
                .collect();
            self.report(i, &live);
        }
        hpa::sync(self, replicas);
        for machine in &mut self.machines {
            machine.tick(now_ms);
            self.changes.extend(machine.take_changes());
        }
    }

    /// A pod for the replica, with its status.
    fn see(&mut self, reading: &ReplicaReading) {
        let Some(service) = self.services.get(reading.service) else { return };
        let name = pod_name(service, reading.replica);
        let Some(workload) = self.workloads.iter_mut().find(|workload| workload.service == reading.service)
        else {
            return;
        };
        workload.next_replica = workload.next_replica.max(reading.replica + 1);
        let started = timestamp(self.start_ms + (reading.started / 1_000_000) as i64);
        if self.store.get(kinds::pods(), &self.cluster.namespace, &name).is_err() {
            let pod = new_pod(workload, &name, &self.cluster.namespace, &self.store);
            self.start(pod, reading.node, &started, Some((reading.service, reading.replica)));
        }
        let Ok(old) = self.store.get(kinds::pods(), &self.cluster.namespace, &name).cloned() else { return };
        if old["status"]["containerStatuses"][0]["restartCount"] != json!(reading.restarts) {
            let mut new = old.clone();
            new["status"] = running(&old, reading.restarts, &timestamp(self.now_ms));
            self.update_status(kinds::pods(), &old, new, "kubelet");
        }
    }

    /// Starts a pod on a machine: the object, and its processes and files there.
    fn start(&mut self, mut pod: Value, node: usize, time: &str, replica: Option<(ServiceId, u32)>) {
        let name = self.cluster.nodes.get(node).map_or("", |node| &*node.name).to_owned();
        if let Some(last) = self.addresses.get_mut(node) {
            *last = *last % 250 + 1;
        }
        let octet = self.addresses.get(node).copied().unwrap_or(1);
        pod["spec"]["nodeName"] = json!(name);
        pod["status"] = json!({
            "hostIP": build::address(node),
            "podIP": format!("10.244.{node}.{octet}"),
            "startTime": time,
            "qosClass": validate::class(&pod["spec"]),
        });
        let by = Writer { manager: "kube-controller-manager", subresource: None, time };
        let Ok(created) = self.store.create(kinds::pods(), pod, by, false) else { return };
        let mut new = created.clone();
        new["status"] = running(&created, 0, time);
        if let Some(machine) = self.machines.get_mut(node) {
            machine.start(&new, replica);
        }
        self.update_status(kinds::pods(), &created, new, "kubelet");
    }

    /// The machine's other tenant.
    pub(super) fn start_tenant(&mut self, node: usize) {
        let time = timestamp(self.start_ms);
        self.start(build::tenant(&self.cluster, node), node, &time, None);
    }

    /// Takes away the pods of replicas that are no more.
    fn forget_pods(&mut self, replicas: &[ReplicaReading]) {
        let namespace = self.cluster.namespace.clone();
        let live: Vec<String> = replicas
            .iter()
            .filter_map(|reading| Some(pod_name(self.services.get(reading.service)?, reading.replica)))
            .collect();
        let gone: Vec<String> = self
            .store
            .list(kinds::pods(), &namespace)
            .map(|pod| text(pod, "/metadata/name").to_owned())
            .filter(|name| !live.contains(name))
            .collect();
        for name in gone {
            self.store.delete(kinds::pods(), &namespace, &name);
            for machine in &mut self.machines {
                machine.stop(&name);
            }
        }
    }

    /// The status of a workload with these replicas, and of its replica set.
    fn report(&mut self, i: usize, live: &[u32]) {
        let Some(workload) = self.workloads.get(i).cloned() else { return };
        let namespace = self.cluster.namespace.clone();
        let Ok(old) = self.store.get(workload.kind, &namespace, &workload.name).cloned() else { return };
        let updated = live.iter().filter(|replica| **replica >= workload.updated_from).count();
        let mut new = old.clone();
        let mut status = json!({
            "observedGeneration": old["metadata"]["generation"],
            "replicas": live.len(),
            "readyReplicas": live.len(),
            "availableReplicas": live.len(),
            "updatedReplicas": updated,
        });
        if workload.kind.kind == "Deployment" {
            let set = self.keep_replica_set(&workload, &old, updated);
            status["conditions"] = conditions(&old, &set, updated, live.len(), &timestamp(self.now_ms));
            if !new["metadata"]["annotations"].is_object() {
                new["metadata"]["annotations"] = json!({});
            }
            new["metadata"]["annotations"][REVISION] = json!(workload.revision.to_string());
        } else {
            let revision = format!("{}-{}", workload.name, store::template_hash(&workload.rolled));
            let current = if updated == live.len() {
                json!(revision)
            } else {
                old["status"]["currentRevision"].clone()
            };
            status["currentRevision"] = current;
            status["updateRevision"] = json!(revision);
            status["currentReplicas"] =
                json!(if updated == live.len() { updated } else { live.len() - updated });
            status["collisionCount"] = json!(0);
        }
        new["status"] = status;
        self.update_status(workload.kind, &old, new, "kube-controller-manager");
    }

    /// The replica set of the present template; its name.
    fn keep_replica_set(&mut self, workload: &Workload, owner: &Value, replicas: usize) -> String {
        let namespace = self.cluster.namespace.clone();
        let name = format!("{}-{}", workload.name, store::template_hash(&workload.rolled));
        let time = timestamp(self.now_ms);
        let by = Writer { manager: "kube-controller-manager", subresource: None, time: &time };
        let old = self.store.get(kinds::replica_sets(), &namespace, &name).cloned();
        let mut new = old.as_ref().map_or_else(|_| new_replica_set(workload, owner, &name), Value::clone);
        new["metadata"]["annotations"][REVISION] = json!(workload.revision.to_string());
        new["spec"]["replicas"] = json!(replicas);
        new["status"] =
            json!({ "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas });
        // Neither can be refused: the name is free, and the version is the newest.
        let _ = match old {
            Ok(old) => self.store.update(kinds::replica_sets(), &old, new, by, false),
            Err(_) => self.store.create(kinds::replica_sets(), new, by, false),
        };
        name
    }

    pub(super) fn update_status(
        &mut self,
        kind: &'static kinds::Kind,
        old: &Value,
        new: Value,
        manager: &str,
    ) {
        let time = timestamp(self.now_ms);
        let by = Writer { manager, subresource: Some("status"), time: &time };
        // `new` was made from the newest version, so there is no conflict.
        let _ = self.store.update(kind, old, new, by, false);
    }

    /// A client has written `new` over `old`: what that means for the simulation.
    pub(super) fn stored(&mut self, target: &Target, old: &Value, new: &Value) {
        if let Some(workload) = self
            .workloads
            .iter_mut()
            .find(|workload| workload.kind == target.kind && Some(&*workload.name) == target.name.as_deref())
        {
            self.changes.extend(workload.changed(old, new));
        }
        if target.subresource.as_deref() == Some("resize") {
            self.resize(old, new);
        }
    }

    /// The kubelet's answer to a resized pod: done, or a condition that says why not.
    fn resize(&mut self, old: &Value, pod: &Value) {
        let name = text(pod, "/metadata/name").to_owned();
        let found = self.workloads.iter().find_map(|workload| {
            let service = self.services.get(workload.service)?;
            (0..workload.next_replica)
                .find(|replica| pod_name(service, *replica) == name)
                .map(|at| (workload, at))
        });
        let mut new = pod.clone();
        match self.room_for(pod) {
            Some(condition) => {
                new["status"]["conditions"] = with_condition(pod, condition, &timestamp(self.now_ms))
            }
            None => {
                // What runs, not what was asked for last, is what changes: an unfulfilled wish may lie between.
                let mut running = old.clone();
                running["spec"]["containers"][0]["resources"] =
                    old["status"]["containerStatuses"][0]["resources"].clone();
                if let Some((workload, replica)) = found {
                    self.changes.extend(workload.resized(replica, &running, pod));
                }
                new["status"]["containerStatuses"][0]["resources"] =
                    pod["spec"]["containers"][0]["resources"].clone();
                new["status"]["conditions"] = without_resize(pod);
                for machine in &mut self.machines {
                    machine.resized(&new);
                }
            }
        }
        self.update_status(kinds::pods(), pod, new, "kubelet");
    }

    /// What keeps a pod's requests from being met on its node.
    fn room_for(&self, pod: &Value) -> Option<Value> {
        let node = text(pod, "/spec/nodeName");
        let at = self.cluster.nodes.iter().find(|machine| &*machine.name == node)?;
        let request = |pod: &Value, name: &str| {
            let path = format!("/spec/containers/0/resources/requests/{name}");
            super::quantity::parse(text(pod, &path)).unwrap_or(0.0)
        };
        for (name, capacity) in [("cpu", f64::from(at.cores)), ("memory", at.memory as f64)] {
            let others: f64 = self
                .store
                .list(kinds::pods(), "")
                .filter(|other| {
                    text(other, "/spec/nodeName") == node
                        && other["metadata"]["uid"] != pod["metadata"]["uid"]
                })
                .map(|other| request(other, name))
                .sum();
            let wanted = request(pod, name);
            let scale = if name == "cpu" { 1000.0 } else { 1.0 };
            if wanted > capacity {
                let message = format!(
                    "Node didn't have enough capacity: {name}, requested: {}, capacity: {}",
                    (wanted * scale).round(),
                    (capacity * scale).round()
                );
                return Some(json!({ "reason": "Infeasible", "message": message }));
            }
            if others + wanted > capacity {
                let message = format!(
                    "Node didn't have enough resource: {name}, requested: {}, used: {}, capacity: {}",
                    (wanted * scale).round(),
                    (others * scale).round(),
                    (capacity * scale).round()
                );
                return Some(json!({ "reason": "Deferred", "message": message }));
            }
        }
        None
    }
}

/// Annotation with the number of a deployment's template.
pub const REVISION: &str = "deployment.kubernetes.io/revision";

fn owner(object: &Value, api_version: &str, kind: &str) -> Value {
    json!([{
        "apiVersion": api_version, "kind": kind, "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn new_pod(workload: &Workload, name: &str, namespace: &str, store: &store::Store) -> Value {
    let template = &workload.rolled;
    let mut pod = json!({
        "metadata": { "name": name, "namespace": namespace, "labels": template["metadata"]["labels"] },
        "spec": template["spec"],
    });
    if template["metadata"]["annotations"].is_object() {
        pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    }
    let hash = store::template_hash(template);
    if workload.kind.kind == "Deployment" {
        pod["metadata"]["labels"]["pod-template-hash"] = json!(hash);
        if let Ok(set) = store.get(kinds::replica_sets(), namespace, &format!("{}-{hash}", workload.name)) {
            pod["metadata"]["ownerReferences"] = owner(set, "apps/v1", "ReplicaSet");
        }
    } else if let Ok(set) = store.get(workload.kind, namespace, &workload.name) {
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
        pod["metadata"]["ownerReferences"] = owner(set, "apps/v1", "StatefulSet");
    }
    pod
}

fn new_replica_set(workload: &Workload, deployment: &Value, name: &str) -> Value {
    let hash = store::template_hash(&workload.rolled);
    let mut template = workload.rolled.clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let labels = template["metadata"]["labels"].clone();
    json!({
        "metadata": {
            "name": name, "namespace": deployment["metadata"]["namespace"], "labels": labels, "annotations": {},
            "ownerReferences": owner(deployment, "apps/v1", "Deployment"),
        },
        "spec": { "selector": { "matchLabels": labels }, "template": template },
    })
}

/// The status of a pod that runs and was restarted in place so many times.
fn running(pod: &Value, restarts: u32, time: &str) -> Value {
    let container = &pod["spec"]["containers"][0];
    let mut status = pod["status"].clone();
    let id = [0, 1].map(|half| {
        store::uid(&format!("{}/{restarts}/{half}", text(pod, "/metadata/uid"))).replace('-', "")
    });
    status["phase"] = json!("Running");
    status["containerStatuses"] = json!([{
        "name": container["name"],
        "image": container["image"],
        "containerID": format!("containerd://{}{}", id[0], id[1]),
        "ready": true,
        "started": true,
        "restartCount": restarts,
        "resources": container["resources"],
        "state": { "running": { "startedAt": time } },
    }]);
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({ "type": kind, "status": "True", "lastTransitionTime": time }));
    status["conditions"] = json!(conditions);
    status
}

fn without_resize(pod: &Value) -> Value {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().filter(|condition| condition["type"] != "PodResizePending").collect()
}

fn with_condition(pod: &Value, mut condition: Value, time: &str) -> Value {
    condition["type"] = json!("PodResizePending");
    condition["status"] = json!("True");
    condition["lastTransitionTime"] = json!(time);
    let mut conditions = without_resize(pod);
    if let Some(list) = conditions.as_array_mut() {
        list.push(condition);
    }
    conditions
}

/// A deployment's conditions; times change only with what they tell.
fn conditions(old: &Value, set: &str, updated: usize, live: usize, time: &str) -> Value {
    let done = updated == live && old["spec"]["replicas"].as_u64() == Some(live as u64);
    let (reason, message) = if done {
        ("NewReplicaSetAvailable", format!("ReplicaSet {set:?} has successfully progressed."))
    } else {
        ("ReplicaSetUpdated", format!("ReplicaSet {set:?} is progressing."))
    };
    let available = ("MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned());
    let conditions =
        [("Available", available), ("Progressing", (reason, message))].map(|(kind, (reason, message))| {
            let before = old["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|entry| entry["type"] == kind);
            match before {
                Some(before) if before["reason"] == reason && before["message"] == message.as_str() => {
                    before.clone()
                }
                before => {
                    let since = before.map_or(json!(time), |before| before["lastTransitionTime"].clone());
                    json!({
                        "type": kind, "status": "True", "reason": reason, "message": message,
                        "lastTransitionTime": since, "lastUpdateTime": time,
                    })
                }
            }
        });
    json!(conditions)
}
