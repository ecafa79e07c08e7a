//! Lists for people: the columns that an API server prints for kubectl.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::store::text;

/// A `Table` of `objects`; ages are as of `now_ms`, milliseconds since the epoch.
pub fn of(kind: &Kind, objects: &[&Value], now_ms: i64) -> Value {
    let columns = columns(kind);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|(name, _)| {
            // Where several kinds are listed, kubectl puts the kind before the column of this format.
            let format = if *name == "Name" { "name" } else { "" };
            json!({ "name": name, "type": "string", "format": format, "description": "", "priority": 0 })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<String> = columns.iter().map(|(_, cell)| cell(object, now_ms)).collect();
            json!({ "cells": cells, "object": {
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            } })
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// What stands in a column, given the object and the time.
type Cell = fn(&Value, i64) -> String;

fn columns(kind: &Kind) -> Vec<(&'static str, Cell)> {
    let mut columns: Vec<(&'static str, Cell)> =
        vec![("Name", |object, _| text(object, "/metadata/name").to_owned())];
    let own: &[(&'static str, Cell)] = match kind.kind {
        "Deployment" => &[
            ("Ready", |object, _| ready(object)),
            ("Up-to-date", |object, _| number(object, "/status/updatedReplicas")),
            ("Available", |object, _| number(object, "/status/availableReplicas")),
        ],
        "StatefulSet" => &[("Ready", |object, _| ready(object))],
        "ReplicaSet" => &[
            ("Desired", |object, _| number(object, "/spec/replicas")),
            ("Current", |object, _| number(object, "/status/replicas")),
            ("Ready", |object, _| number(object, "/status/readyReplicas")),
        ],
        "Pod" => &[
            ("Ready", |_, _| "1/1".to_owned()),
            ("Status", |object, _| text(object, "/status/phase").to_owned()),
            ("Restarts", |object, _| number(object, "/status/containerStatuses/0/restartCount")),
        ],
        "Node" => &[("Status", |_, _| "Ready".to_owned()), ("Roles", |_, _| "<none>".to_owned())],
        "Namespace" => &[("Status", |object, _| text(object, "/status/phase").to_owned())],
        "HorizontalPodAutoscaler" => &[
            ("Reference", |object, _| {
                let part = |key| text(object, key).to_owned();
                format!("{}/{}", part("/spec/scaleTargetRef/kind"), part("/spec/scaleTargetRef/name"))
            }),
            ("Targets", |object, _| targets(object)),
            ("MinPods", |object, _| number(object, "/spec/minReplicas")),
            ("MaxPods", |object, _| number(object, "/spec/maxReplicas")),
            ("Replicas", |object, _| number(object, "/status/currentReplicas")),
        ],
        "Lease" => &[("Holder", |object, _| text(object, "/spec/holderIdentity").to_owned())],
        _ => &[],
    };
    columns.extend_from_slice(own);
    columns.push(("Age", age));
    if kind.kind == "Node" {
        columns.push(("Version", |object, _| text(object, "/status/nodeInfo/kubeletVersion").to_owned()));
    }
    columns
}

fn number(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0).to_string()
}

fn ready(object: &Value) -> String {
    format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas"))
}

fn targets(object: &Value) -> String {
    let percent = |pointer: &str| object.pointer(pointer).and_then(Value::as_f64);
    let now = percent("/status/currentMetrics/0/resource/current/averageUtilization");
    match percent("/spec/metrics/0/resource/target/averageUtilization") {
        Some(target) => {
            format!("cpu: {}/{target}%", now.map_or("<unknown>".to_owned(), |now| format!("{now}%")))
        }
        None => "<none>".to_owned(),
    }
}

/// `90s`, `5m30s`, `30m`, `7h5m`, `30h`, `2d3h`, `12d`: two units only while the first is small, as
/// kubectl has it.
fn age(object: &Value, now_ms: i64) -> String {
    let Ok(born) = text(object, "/metadata/creationTimestamp").parse::<Timestamp>() else {
        return "<unknown>".to_owned();
    };
    let seconds = (now_ms / 1000 - born.as_second()).max(0);
    let two = |first: i64, unit: &str, rest: i64, name: &str| match rest {
        0 => format!("{first}{unit}"),
        rest => format!("{first}{unit}{rest}{name}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let born = json!({ "metadata": { "creationTimestamp": "1970-01-01T00:00:00Z" } });
        for (seconds, text) in [
            (119, "119s"),
            (130, "2m10s"),
            (600, "10m"),
            (10_800, "3h"),
            (25_000, "6h56m"),
            (90_000, "25h"),
            (200_000, "2d7h"),
            (864_000, "10d"),
        ] {
            assert_eq!(age(&born, seconds * 1000), text);
        }
    }
}
