//! What the API serves, as clients ask before they do anything else.

use serde_json::{Value, json};

use super::build::VERSION;
use super::kinds::{KINDS, Kind};

/// The discovery document at `path`, if there is one.
pub fn document(path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["version"] => Some(json!({
            "major": "1",
            "minor": "33",
            "gitVersion": VERSION,
            "gitTreeState": "clean",
            "platform": "linux/amd64",
        })),
        ["readyz" | "livez" | "healthz"] => Some(json!("ok")),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["api", version] => list("", version),
        ["apis"] => Some(groups()),
        ["apis", group, version] => list(group, version),
        _ => None,
    }
}

fn groups() -> Value {
    let mut names: Vec<&Kind> = KINDS.iter().filter(|kind| !kind.group.is_empty()).collect();
    names.dedup_by_key(|kind| kind.group);
    let groups: Vec<Value> = names
        .iter()
        .map(|kind| {
            let version = json!({ "groupVersion": kind.api_version(), "version": kind.version });
            json!({ "name": kind.group, "versions": [version], "preferredVersion": version })
        })
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn list(group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group && kind.version == version) {
        let verbs: &[&str] = match kind.kind {
            "SelfSubjectAccessReview" => &["create"],
            _ => &["create", "delete", "get", "list", "patch", "update", "watch"],
        };
        resources.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": verbs, "shortNames": kind.short,
        }));
        for subresource in kind.subresources {
            let mut entry = json!({
                "name": format!("{}/{subresource}", kind.plural), "singularName": "", "namespaced": true,
                "kind": kind.kind, "verbs": ["get", "patch", "update"],
            });
            if *subresource == "scale" {
                entry["kind"] = json!("Scale");
                entry["group"] = json!("autoscaling");
                entry["version"] = json!("v1");
            }
            resources.push(entry);
        }
    }
    (!resources.is_empty()).then(|| {
        let group_version = KINDS.iter().find(|kind| kind.group == group).map(Kind::api_version);
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources })
    })
}
