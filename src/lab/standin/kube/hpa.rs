//! Horizontal pod autoscaling: why a count of replicas that an operator sets does not last.
//!
//! The rule and its constants are the controller's defaults (kubernetes.io/docs, "Horizontal Pod
//! Autoscaling"): `ceil(current × usage / target)` every 15 s, a tolerance of 10 %, and the largest
//! recommendation of five minutes before it scales in.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::kinds::{self, Target};
use super::store::{Writer, text};
use super::{ClusterApi, observe::timestamp, quantity};
use crate::lab::sim::ReplicaReading;

const PERIOD_MS: i64 = 15_000;
const TOLERANCE: f64 = 0.1;
const SCALE_IN_AFTER_MS: i64 = 300_000;

/// What the controller remembers of one autoscaler.
#[derive(Clone, Debug, Default)]
pub struct Autoscaler {
    synced_ms: i64,
    /// CPU seconds used by then, by replica.
    used: Vec<(u32, f64)>,
    /// When, and what was recommended.
    recommended: VecDeque<(i64, u64)>,
}

/// Lets every autoscaler act that is due.
pub fn sync(api: &mut ClusterApi, replicas: &[ReplicaReading]) {
    let namespace = api.cluster.namespace.clone();
    let scalers: Vec<Value> = api.store.list(kinds::autoscalers(), &namespace).cloned().collect();
    for scaler in scalers {
        let name = text(&scaler, "/metadata/name").to_owned();
        let mut memory = api.autoscalers.remove(&name).unwrap_or_default();
        if memory.synced_ms + PERIOD_MS <= api.now_ms {
            act(api, &scaler, &mut memory, replicas);
        }
        api.autoscalers.insert(name, memory);
    }
}

fn act(api: &mut ClusterApi, scaler: &Value, memory: &mut Autoscaler, replicas: &[ReplicaReading]) {
    let (kind, name) = (text(scaler, "/spec/scaleTargetRef/kind"), text(scaler, "/spec/scaleTargetRef/name"));
    let Some(workload) =
        api.workloads.iter().find(|workload| workload.kind.kind == kind && &*workload.name == name).cloned()
    else {
        return;
    };
    let namespace = api.cluster.namespace.clone();
    let Ok(old) = api.store.get(workload.kind, &namespace, name).cloned() else { return };
    let used: Vec<(u32, f64)> = replicas
        .iter()
        .filter(|reading| reading.service == workload.service)
        .map(|reading| (reading.replica, reading.cpu_s))
        .collect();
    let request = quantity::parse(text(&workload.rolled, "/spec/containers/0/resources/requests/cpu"));
    let usage = request.and_then(|request| {
        let seconds = (api.now_ms - memory.synced_ms) as f64 / 1e3;
        utilization(&memory.used, &used, seconds * request)
    });
    let current = old["spec"]["replicas"].as_u64().unwrap_or(1);
    let desired = desired(scaler, current, usage, api.now_ms, memory);
    (memory.synced_ms, memory.used) = (api.now_ms, used);

    let mut reported = scaler.clone();
    reported["status"] = json!({
        "currentReplicas": current,
        "desiredReplicas": desired,
        "currentMetrics": usage.map(|usage| {
            let current = json!({ "averageUtilization": (usage * 100.0).round() });
            json!([{ "type": "Resource", "resource": { "name": "cpu", "current": current } }])
        }),
    });
    api.update_status(kinds::autoscalers(), scaler, reported, "kube-controller-manager");
    if desired == current || current == 0 {
        return;
    }
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(desired);
    let time = timestamp(api.now_ms);
    let by = Writer { manager: "kube-controller-manager", subresource: Some("scale"), time: &time };
    if let Ok(stored) = api.store.update(workload.kind, &old, new, by, false) {
        let target = Target {
            kind: workload.kind,
            namespace: namespace.to_string(),
            name: Some(name.to_owned()),
            subresource: Some("scale".to_owned()),
        };
        api.stored(&target, &old, &stored);
    }
}

/// Share of the requests that was used, over the replicas seen both times; `budget` is what one
/// replica requests over the time, in CPU seconds.
fn utilization(before: &[(u32, f64)], now: &[(u32, f64)], budget: f64) -> Option<f64> {
    let shares: Vec<f64> = now
        .iter()
        .filter_map(|(replica, used)| {
            let (_, was) = before.iter().find(|(other, _)| other == replica)?;
            // A restart in place starts the counter anew.
            (used >= was).then(|| (used - was) / budget)
        })
        .collect();
    (!shares.is_empty() && budget > 0.0).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

fn desired(scaler: &Value, current: u64, usage: Option<f64>, now_ms: i64, memory: &mut Autoscaler) -> u64 {
    let target = scaler["spec"]["metrics"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|metric| metric["resource"]["name"] == "cpu")
        .and_then(|metric| metric["resource"]["target"]["averageUtilization"].as_f64())
        .map(|percent| percent / 100.0);
    let mut wanted = current;
    if let (Some(usage), Some(target)) = (usage, target) {
        let ratio = usage / target;
        if (ratio - 1.0).abs() > TOLERANCE {
            wanted = (current as f64 * ratio).ceil() as u64;
        }
        memory.recommended.push_back((now_ms, wanted));
        while memory.recommended.front().is_some_and(|(at, _)| at + SCALE_IN_AFTER_MS < now_ms) {
            memory.recommended.pop_front();
        }
        let largest = memory.recommended.iter().map(|(_, count)| *count).max().unwrap_or(wanted);
        // Out at once, in only as far as the last five minutes allow.
        wanted = wanted.max(largest.min(current));
    }
    let bound = |key: &str| scaler["spec"][key].as_u64();
    let least = bound("minReplicas").unwrap_or(1);
    wanted.clamp(least, bound("maxReplicas").unwrap_or(least).max(least))
}
