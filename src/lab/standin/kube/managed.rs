//! `metadata.managedFields`: who set which field last.

use serde_json::{Map, Value, json};

/// Fields that the server keeps itself and that belong to nobody.
const SERVERS: [&str; 8] = [
    "apiVersion",
    "kind",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/creationTimestamp",
];

/// Notes in `new` that `manager` made it out of `old` at `time`; takes the fields it changed from
/// their former managers. `subresource` is set for writes to `/scale` and `/status`.
pub fn note(old: &Value, new: &mut Value, manager: &str, subresource: Option<&str>, time: &str) {
    let mut managers: Vec<Value> =
        old.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut changed = changes(&stripped(old), &stripped(new));
    if changed.is_empty() {
        return;
    }
    let same = |entry: &Value| entry["manager"] == manager && entry["subresource"].as_str() == subresource;
    for entry in managers.iter_mut().filter(|entry| !same(entry)) {
        if let Some(fields) = entry["fieldsV1"].as_object_mut() {
            subtract(fields, &changed);
        }
    }
    if let Some(mine) = managers.iter().position(same) {
        let mut before = managers.remove(mine);
        if let Some(fields) = before["fieldsV1"].as_object_mut() {
            unite(&mut changed, fields);
        }
    }
    let mut entry = json!({
        "apiVersion": new["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": changed,
        "manager": manager,
        "operation": "Update",
        "time": time,
    });
    if let (Some(subresource), Some(entry)) = (subresource, entry.as_object_mut()) {
        entry.insert("subresource".into(), subresource.into());
    }
    managers.push(entry);
    managers.retain(|entry| entry["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()));
    if let Some(metadata) = new["metadata"].as_object_mut() {
        metadata.insert("managedFields".into(), Value::Array(managers));
    }
}

/// The object without what no manager owns.
fn stripped(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|key, _| !SERVERS.contains(&key.as_str()));
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| {
            key != "managedFields" && !SERVERS.contains(&format!("/metadata/{key}").as_str())
        });
    }
    object
}

/// The fields in which `new` differs from `old`, as a `FieldsV1` tree.
fn changes(old: &Value, new: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    match new {
        Value::Object(items) => {
            for (key, value) in items {
                insert(&mut fields, format!("f:{key}"), old.get(key), value);
            }
        }
        Value::Array(items) => {
            for item in items {
                let Some((key, id)) = identity(item) else { continue };
                let before = old.as_array().and_then(|old| old.iter().find(|old| old[key] == *id));
                insert(&mut fields, format!("k:{}", json!({ key: id })), before, item);
            }
        }
        _ => {}
    }
    fields
}

fn insert(fields: &mut Map<String, Value>, name: String, old: Option<&Value>, new: &Value) {
    if old == Some(new) {
        return;
    }
    let nested = match new {
        Value::Object(items) => !items.is_empty(),
        Value::Array(items) => !items.is_empty() && items.iter().all(|item| identity(item).is_some()),
        _ => false,
    };
    let mut inner = if nested { changes(old.unwrap_or(&Value::Null), new) } else { Map::new() };
    if nested && old.is_none() {
        inner.insert(".".into(), json!({}));
    }
    if !nested || !inner.is_empty() {
        fields.insert(name, Value::Object(inner));
    }
}

/// The field by which an item of a list is known.
fn identity(item: &Value) -> Option<(&'static str, &Value)> {
    ["name", "type", "uid"].into_iter().find_map(|key| Some((key, item.get(key)?)))
}

fn subtract(fields: &mut Map<String, Value>, taken: &Map<String, Value>) {
    for (name, inner) in taken {
        let gone = match (fields.get_mut(name).and_then(Value::as_object_mut), inner.as_object()) {
            (Some(mine), Some(taken)) => {
                subtract(mine, taken);
                mine.keys().all(|key| key == ".")
            }
            _ => false,
        };
        if gone {
            fields.remove(name);
        }
    }
}

fn unite(fields: &mut Map<String, Value>, others: &Map<String, Value>) {
    for (name, inner) in others {
        match (fields.get_mut(name).and_then(Value::as_object_mut), inner.as_object()) {
            (Some(mine), Some(others)) => unite(mine, others),
            _ => drop(fields.insert(name.clone(), inner.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_change_a_field_owns_it() {
        let containers = json!([{ "name": "web", "resources": { "limits": { "cpu": "1" } } }]);
        let mut first = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "labels": { "app": "web" } },
            "spec": { "replicas": 1, "containers": containers },
        });
        note(&json!({}), &mut first, "argocd-controller", None, "T1");
        let mut second = first.clone();
        second["spec"]["replicas"] = json!(2);
        note(&first, &mut second, "sagetop", Some("scale"), "T2");

        let fields = |n: usize| &second["metadata"]["managedFields"][n];
        assert_eq!(fields(0)["manager"], "argocd-controller");
        assert_eq!(fields(0)["fieldsV1"]["f:spec"]["f:replicas"], Value::Null);
        assert!(fields(0)["fieldsV1"]["f:metadata"].get("f:name").is_none());
        let cpu = r#"/fieldsV1/f:spec/f:containers/k:{"name":"web"}/f:resources/f:limits/f:cpu"#;
        assert_eq!(fields(0).pointer(cpu), Some(&json!({})));
        assert_eq!(fields(1)["fieldsV1"], json!({ "f:spec": { "f:replicas": {} } }));
        assert_eq!((&fields(1)["subresource"], &fields(1)["time"]), (&json!("scale"), &json!("T2")));
    }

    #[test]
    fn a_write_that_changes_nothing_is_not_noted() {
        let mut object = json!({ "metadata": {}, "spec": { "a": 1 } });
        note(&object.clone(), &mut object, "sagetop", None, "T");
        assert_eq!(object["metadata"], json!({}));
    }
}
