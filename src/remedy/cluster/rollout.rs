//! Whether a workload is at rest, on its way, or stuck.

use super::object::Object;
use crate::domain::Clean;
use crate::remedy::target::ObjectKind;

/// How a workload's controller stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// It has nothing to do.
    AtRest,
    /// It is rolling something out; what is missing.
    Underway(Clean),
    /// It gave up, or a person has paused it.
    Stuck(Clean),
}

/// How the controller of `workload` stands. Whether replicas are available does not count: an incident
/// takes that from them, and is no rollout.
pub fn rollout(kind: ObjectKind, workload: &Object) -> Rollout {
    if workload.at("/spec/paused").and_then(serde_json::Value::as_bool) == Some(true) {
        return Rollout::Stuck(Clean::new("its rollout is paused"));
    }
    let progressing = workload.condition("Progressing");
    if progressing.is_some_and(|condition| condition["reason"] == "ProgressDeadlineExceeded") {
        return Rollout::Stuck(Clean::new("its last rollout exceeded its deadline"));
    }
    let generation = workload.generation().unwrap_or(0);
    let observed = workload.at("/status/observedGeneration").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if observed < generation {
        return Rollout::Underway(Clean::new("its controller has not seen the last change yet"));
    }
    let wanted = workload.count("/spec/replicas").unwrap_or(1);
    let now = workload.count("/status/replicas").unwrap_or(0);
    let updated = workload.count("/status/updatedReplicas").unwrap_or(0);
    // With this strategy a stateful set changes only what is deleted by hand.
    let by_hand = kind == ObjectKind::StatefulSet && workload.text("/spec/updateStrategy/type") == "OnDelete";
    if now != wanted {
        return Rollout::Underway(Clean::new(&format!("{now} of {wanted} replicas exist")));
    }
    if updated < wanted && !by_hand {
        return Rollout::Underway(Clean::new(&format!(
            "{updated} of {wanted} replicas have the newest template"
        )));
    }
    Rollout::AtRest
}

/// Replicas that are available, and how many there should be.
pub fn available(workload: &Object) -> (u32, u32) {
    let count = |pointer: &str| workload.count(pointer);
    // Before 1.22 a stateful set tells of ready ones only.
    let available = count("/status/availableReplicas")
        .or_else(|| count("/status/readyReplicas").filter(|_| workload.kind() == "StatefulSet"));
    (available.unwrap_or(0), count("/spec/replicas").unwrap_or(1))
}

/// Why one of `pods` finds no machine, if so.
pub fn unschedulable(pods: &[Object]) -> Option<Clean> {
    pods.iter().find_map(|pod| {
        let condition = pod.condition("PodScheduled")?;
        let stuck = condition["status"] == "False" && condition["reason"] == "Unschedulable";
        let message = condition["message"].as_str().unwrap_or("no machine fits");
        stuck.then(|| Clean::capped(&format!("{}: {message}", pod.name()), 300))
    })
}
