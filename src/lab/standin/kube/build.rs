//! The objects a fresh cluster holds.

use serde_json::{Value, json};

use super::quantity;
use crate::lab::app::{Kind as Role, Service};
use crate::lab::cluster::{Cluster, Node};

/// Namespace of what shares the nodes with the application.
pub const TENANTS: &str = "batch";
/// Container of that.
pub const TENANT: &str = "analytics";
/// Version that the API server claims to be: the first with `pods/resize` switched on.
pub const VERSION: &str = "v1.33.1+sagetop.lab";

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" },
    })
}

/// A machine.
pub fn node(node: &Node, index: usize) -> Value {
    let (cpu, memory) = (node.cores.to_string(), quantity::bytes(node.memory));
    let resources = json!({ "cpu": cpu, "memory": memory, "pods": "110" });
    json!({
        "metadata": {
            "name": &*node.name,
            "labels": {
                "kubernetes.io/hostname": &*node.name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "spec": { "podCIDR": format!("10.244.{index}.0/24") },
        "status": {
            "addresses": [
                { "type": "InternalIP", "address": address(index) },
                { "type": "Hostname", "address": &*node.name },
            ],
            "allocatable": resources,
            "capacity": resources,
            "conditions": [
                condition("MemoryPressure", false, "KubeletHasSufficientMemory"),
                condition("DiskPressure", false, "KubeletHasNoDiskPressure"),
                condition("PIDPressure", false, "KubeletHasSufficientPID"),
                condition("Ready", true, "KubeletReady"),
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.1.0",
                "kernelVersion": super::super::node::KERNEL,
                "kubeletVersion": VERSION,
                "operatingSystem": "linux",
                "osImage": "sagetop lab",
            },
        },
    })
}

/// Address of a machine.
pub fn address(index: usize) -> String {
    format!("192.168.64.{}", index % 250 + 2)
}

fn condition(kind: &str, status: bool, reason: &str) -> Value {
    json!({ "type": kind, "status": if status { "True" } else { "False" }, "reason": reason })
}

/// Whether the service is a stateful set.
pub fn stateful(service: &Service) -> bool {
    service.kind == Role::Database
}

/// The workload of a service: a deployment, or a stateful set for a database.
pub fn workload(service: &Service, namespace: &str) -> Value {
    let name = &*service.name;
    let labels = json!({ "app": name });
    let mut spec = json!({
        "replicas": service.replicas,
        "revisionHistoryLimit": 10,
        "selector": { "matchLabels": labels },
        "template": template(service),
    });
    if stateful(service) {
        spec["serviceName"] = json!(name);
        spec["podManagementPolicy"] = json!("OrderedReady");
        spec["updateStrategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } });
    } else {
        spec["progressDeadlineSeconds"] = json!(600);
        spec["strategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } });
    }
    json!({ "metadata": { "name": name, "namespace": namespace, "labels": labels }, "spec": spec, "status": {} })
}

/// The pod template: requests are half of the limits, a usual ratio that leaves room to grow.
fn template(service: &Service) -> Value {
    let name = &*service.name;
    let mut limits = json!({ "memory": quantity::bytes(service.memory_limit) });
    let mut requests = json!({ "cpu": "100m", "memory": quantity::bytes(service.memory_limit / 2) });
    if let Some(cores) = service.cpu_limit {
        limits["cpu"] = json!(quantity::cores(cores));
        requests["cpu"] = json!(quantity::cores(cores / 2.0));
    }
    json!({
        "metadata": { "creationTimestamp": null, "labels": { "app": name } },
        "spec": pod_spec(name, &format!("lab/{name}:1"), &json!({ "limits": limits, "requests": requests })),
    })
}

fn pod_spec(container: &str, image: &str, resources: &Value) -> Value {
    json!({
        "containers": [{
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "name": container,
            "resizePolicy": [
                { "resourceName": "cpu", "restartPolicy": "NotRequired" },
                { "resourceName": "memory", "restartPolicy": "NotRequired" },
            ],
            "resources": resources,
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    })
}

/// A machine's other tenant: what a noisy neighbour runs in. It asks for nothing and has no limit.
pub fn tenant(cluster: &Cluster, node: usize) -> Value {
    let name = tenant_name(cluster, node);
    let spec = pod_spec(TENANT, "lab/analytics:1", &json!({}));
    let labels = json!({ "app": TENANT });
    json!({ "metadata": { "name": name, "namespace": TENANTS, "labels": labels }, "spec": spec, "status": {} })
}

/// Name of that tenant's pod.
pub fn tenant_name(cluster: &Cluster, node: usize) -> String {
    format!("{TENANT}-{}", cluster.nodes.get(node).map_or("", |node| &*node.name))
}
