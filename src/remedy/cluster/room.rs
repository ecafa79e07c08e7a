//! How much room there is: quotas, limit ranges, and what the machines have left.

use serde_json::Value;

use super::object::Object;
use super::view::View;
use crate::domain::Clean;
use crate::remedy::quantity::Quantity;

/// What one container or pod asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// CPU requested.
    pub cpu: Option<Quantity>,
    /// Memory requested.
    pub memory: Option<Quantity>,
    /// CPU limit.
    pub cpu_limit: Option<Quantity>,
    /// Memory limit.
    pub memory_limit: Option<Quantity>,
}

/// What the containers of a pod specification need together. Init containers and overhead are left out:
/// they weigh only where they exceed the rest.
pub fn needs(spec: &Value) -> Needs {
    let sum = |pointer: &str| {
        let containers = spec["containers"].as_array().into_iter().flatten();
        containers
            .filter_map(|container| Quantity::of(container["resources"].pointer(pointer)?))
            .reduce(Quantity::plus)
    };
    Needs {
        cpu: sum("/requests/cpu"),
        memory: sum("/requests/memory"),
        cpu_limit: sum("/limits/cpu"),
        memory_limit: sum("/limits/memory"),
    }
}

/// How many more pods like `spec` the namespace's quotas allow, and which one is the narrowest; `None`
/// if no quota counts them.
pub fn quota_allows(view: &View, spec: &Value) -> Option<(u32, Clean)> {
    let needs = needs(spec);
    let one = Quantity::whole(1);
    let counted = [
        ("pods", Some(one)),
        ("count/pods", Some(one)),
        ("requests.cpu", needs.cpu),
        ("cpu", needs.cpu),
        ("requests.memory", needs.memory),
        ("memory", needs.memory),
        ("limits.cpu", needs.cpu_limit),
        ("limits.memory", needs.memory_limit),
    ];
    let each = view.quotas.iter().flat_map(|quota| {
        counted.iter().filter_map(move |(name, need)| {
            let left = quota_left(quota, name)?;
            let per_pod = need.filter(|need| need.as_f64() > 0.0)?;
            let fit = (left.as_f64() / per_pod.as_f64() + 1e-9).floor();
            Some((
                fit as u32,
                Clean::new(&format!("quota {}: {name} has {} left", quota.name(), left.decimal())),
            ))
        })
    });
    each.min_by_key(|(fit, _)| *fit)
}

/// Quotas that have less than `more` left of `name`, such as `limits.cpu`.
pub fn quota_refuses(view: &View, names: &[&str], more: Quantity) -> Option<Clean> {
    view.quotas.iter().find_map(|quota| {
        names.iter().find_map(|name| {
            let left = quota_left(quota, name)?;
            (left < more).then(|| {
                Clean::new(&format!(
                    "quota {}: {name} has {} left, {} more is asked for",
                    quota.name(),
                    left.decimal(),
                    more.decimal()
                ))
            })
        })
    })
}

fn quota_left(quota: &Object, name: &str) -> Option<Quantity> {
    let pointer = |part: &str| format!("/status/{part}/{}", name.replace('/', "~1"));
    let hard = quota
        .at(&pointer("hard"))
        .or_else(|| quota.at(&format!("/spec/hard/{}", name.replace('/', "~1"))))?;
    let used = quota.at(&pointer("used")).and_then(Quantity::of).unwrap_or(Quantity::whole(0));
    Some(Quantity::of(hard)?.minus(used))
}

/// The most that limit ranges allow a container of `resource` (`cpu`, `memory`).
pub fn container_most(view: &View, resource: &str) -> Option<Quantity> {
    let limits = view.limits.iter().flat_map(|range| range.each("/spec/limits"));
    let containers = limits.filter(|limit| limit["type"] == "Container");
    containers.filter_map(|limit| Quantity::of(&limit["max"][resource])).min()
}

/// What a machine has left of `resource` for requests. `None` if machines or its pods are not known.
/// Counts the pods of this namespace only unless `pods` has those of all.
pub fn node_free(view: &View, node: &str, pods: &[Object], resource: &str) -> Option<Quantity> {
    let node = view.nodes.as_ref()?.iter().find(|object| object.name() == node)?;
    let allocatable = Quantity::of(node.at(&format!("/status/allocatable/{resource}"))?)?;
    let running = pods.iter().filter(|pod| {
        pod.text("/spec/nodeName") == node.name()
            && !["Succeeded", "Failed"].contains(&pod.text("/status/phase"))
    });
    let taken = running.filter_map(|pod| {
        let needs = needs(pod.at("/spec")?);
        if resource == "cpu" { needs.cpu } else { needs.memory }
    });
    Some(allocatable.minus(taken.reduce(Quantity::plus).unwrap_or(Quantity::whole(0))))
}
