//! What an API server refuses to store.

use serde_json::Value;

use super::failure::Failure;
use super::kinds::Kind;
use super::quantity;
use super::store::text;

/// Checks `new`; `old` is what it replaces.
pub fn check(kind: &Kind, old: Option<&Value>, new: &Value) -> Result<(), Failure> {
    let name = text(new, "/metadata/name");
    if !new["metadata"].is_object() || name.is_empty() {
        return Err(Failure::bad_request("the object has no metadata.name"));
    }
    if !new["spec"].is_object() && !new["spec"].is_null() {
        return Err(Failure::bad_request("the object's spec is not an object"));
    }
    for pointer in ["", "/spec/template"] {
        maps(new, &format!("{pointer}/metadata"))?;
    }
    let mut causes = Vec::new();
    match kind.kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" => {
            count(new, "/spec/replicas", "spec.replicas", 0, &mut causes)?;
            if old.is_some_and(|old| old["spec"]["selector"] != new["spec"]["selector"]) {
                causes.push(format!(
                    "spec.selector: Invalid value: {}: field is immutable",
                    new["spec"]["selector"]
                ));
            }
            containers(&new["spec"]["template"]["spec"], "spec.template.spec", &mut causes)?;
        }
        "Pod" => {
            containers(&new["spec"], "spec", &mut causes)?;
            if let Some(old) = old {
                resize(old, new, &mut causes);
            }
        }
        "HorizontalPodAutoscaler" => {
            count(new, "/spec/minReplicas", "spec.minReplicas", 1, &mut causes)?;
            count(new, "/spec/maxReplicas", "spec.maxReplicas", 1, &mut causes)?;
            let bound = |pointer| new.pointer(pointer).and_then(Value::as_i64);
            let (min, max) = (bound("/spec/minReplicas").unwrap_or(1), bound("/spec/maxReplicas"));
            match max {
                Some(max) if max < min => causes.push(format!(
                    "spec.maxReplicas: Invalid value: {max}: must be greater than or equal to `minReplicas`"
                )),
                Some(_) => {}
                None => causes.push("spec.maxReplicas: Required value".into()),
            }
        }
        _ => {}
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &causes)) }
}

/// Labels and annotations are texts by name, wherever there is metadata.
fn maps(object: &Value, pointer: &str) -> Result<(), Failure> {
    let wrong = |what: &str| Err(Failure::bad_request(format!("json: cannot unmarshal into field {what}")));
    let metadata = match object.pointer(pointer) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return wrong(pointer),
    };
    for key in ["labels", "annotations"] {
        match metadata.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::Object(texts)) if texts.values().all(Value::is_string) => {}
            Some(_) => return wrong(&format!("{pointer}/{key}")),
        }
    }
    Ok(())
}

/// A whole number, at least `least`, if it is there.
fn count(
    object: &Value,
    pointer: &str,
    field: &str,
    least: i64,
    causes: &mut Vec<String>,
) -> Result<(), Failure> {
    match object.pointer(pointer) {
        None | Some(Value::Null) => Ok(()),
        Some(value) => match value.as_i64().filter(|value| i32::try_from(*value).is_ok()) {
            Some(value) if value >= least => Ok(()),
            Some(value) => {
                causes.push(format!(
                    "{field}: Invalid value: {value}: must be greater than or equal to {least}"
                ));
                Ok(())
            }
            None => Err(Failure::bad_request(format!(
                "json: cannot unmarshal {value} into field {field} of type int32"
            ))),
        },
    }
}

fn containers(spec: &Value, field: &str, causes: &mut Vec<String>) -> Result<(), Failure> {
    let Some(containers) = spec["containers"].as_array().filter(|list| !list.is_empty()) else {
        causes.push(format!("{field}.containers: Required value"));
        return Ok(());
    };
    for (i, container) in containers.iter().enumerate() {
        let sides = ["requests", "limits"].map(|side| &container["resources"][side]);
        let sound = |value: &Value| value.is_null() || value.is_object();
        if !container["name"].is_string() || !sound(&container["resources"]) || !sides.into_iter().all(sound)
        {
            return Err(Failure::bad_request(format!(
                "json: cannot unmarshal into field {field}.containers[{i}]"
            )));
        }
        let amount = |side: &str, name: &str| {
            let Some(value) = container["resources"][side].get(name) else { return Ok(None) };
            let read = match value {
                Value::String(text) => quantity::parse(text),
                value => value.as_f64(),
            };
            read.map(Some).ok_or_else(|| {
                Failure::bad_request(
                    "quantities must match the regular expression \
                     '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                )
            })
        };
        for name in ["cpu", "memory"] {
            let (request, limit) = (amount("requests", name)?, amount("limits", name)?);
            let place = format!("{field}.containers[{i}].resources");
            for (side, value) in [("requests", request), ("limits", limit)] {
                if value.is_some_and(|value| value < 0.0) {
                    let text = container["resources"][side][name].clone();
                    causes.push(format!(
                        "{place}.{side}[{name}]: Invalid value: {text}: must be greater than or equal to 0"
                    ));
                }
            }
            if let (Some(request), Some(limit)) = (request, limit)
                && request > limit
            {
                let text = container["resources"]["requests"][name].clone();
                causes.push(format!(
                    "{place}.requests: Invalid value: {text}: must be less than or equal to {name} limit"
                ));
            }
        }
    }
    Ok(())
}

/// A running pod's class of service stays (Kubernetes 1.33).
fn resize(old: &Value, new: &Value, causes: &mut Vec<String>) {
    let (before, after) = (class(&old["spec"]), class(&new["spec"]));
    if before != after {
        causes.push(format!(
            "spec: Invalid value: {after:?}: Pod QOS Class may not change as a result of resizing"
        ));
    }
    let memory = |pod: &Value| quantity::parse(text(pod, "/spec/containers/0/resources/limits/memory"));
    if let (Some(before), Some(after)) = (memory(old), memory(new))
        && after < before
    {
        causes.push(
            "spec.containers[0].resources.limits: Forbidden: memory limits cannot be decreased unless resizePolicy \
             is RestartContainer"
                .into(),
        );
    }
}

/// A pod's class of service: what is evicted first when memory is short.
pub fn class(spec: &Value) -> &'static str {
    let amount = |side: &str, name: &str| {
        quantity::parse(text(spec, &format!("/containers/0/resources/{side}/{name}")))
            .filter(|value| *value > 0.0)
    };
    let pairs = ["cpu", "memory"].map(|name| (amount("requests", name), amount("limits", name)));
    if pairs.iter().all(|(request, limit)| limit.is_some() && (request.is_none() || request == limit)) {
        "Guaranteed"
    } else if pairs.iter().all(|pair| *pair == (None, None)) {
        "BestEffort"
    } else {
        "Burstable"
    }
}
