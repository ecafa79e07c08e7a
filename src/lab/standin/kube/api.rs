//! The verbs of the API: who may do what, and what comes of it.

use serde_json::{Value, json};

use super::failure::Failure;
use super::kinds::Target;
use super::observe::timestamp;
use super::store::{Writer, text};
use super::{
    ClusterApi, KubeRequest, KubeResponse, KubectlManner, discovery, patch, review, select, table, validate,
};

/// Name of the webhook that speaks for the lab.
const WEBHOOK: &str = "limits.lab.sagetop";

/// Answers one request.
pub fn handle(api: &mut ClusterApi, request: &KubeRequest) -> KubeResponse {
    if let Some(document) = discovery::document(&request.path) {
        return Ok((200, document)).into();
    }
    let Some(target) = Target::parse(&request.path) else {
        return Err(Failure::no_such_path()).into();
    };
    if target.kind.kind == "SelfSubjectAccessReview" {
        return review::answer(api.manners(), request).map(|body| (201, body)).into();
    }
    let verb = match (request.method.as_str(), &target.name) {
        ("GET", Some(_)) => "get",
        ("GET", None) => "list",
        ("POST", None) => "create",
        ("PUT", Some(_)) => "update",
        ("PATCH", Some(_)) => "patch",
        ("DELETE", Some(_)) => "delete",
        _ => return Err(Failure::method()).into(),
    };
    if api.manners.forbid.iter().any(|right| right.covers(verb, &target)) {
        return Err(Failure::forbidden(&target, &request.user, verb)).into();
    }
    if ["get", "list"].contains(&verb) {
        return read(api, &target, request).map(|body| (200, body)).into();
    }
    write(api, &target, verb, request)
}

fn read(api: &ClusterApi, target: &Target, request: &KubeRequest) -> Result<Value, Failure> {
    let tabular = request.accept.contains("as=Table");
    if let Some(name) = &target.name {
        let object = api.store.get(target.kind, &target.namespace, name)?;
        return Ok(match target.subresource.as_deref() {
            Some("scale") => scale_of(object),
            _ if tabular => table::of(target.kind, &[object], api.now_ms),
            _ => object.clone(),
        });
    }
    if request.query("watch").is_some_and(|watch| watch != "false") {
        return Err(Failure::bad_request("a watch is a stream of events, and this is no connection for one"));
    }
    let selector = |name| request.query(name).unwrap_or_default();
    let mut items = Vec::new();
    for object in api.store.list(target.kind, &target.namespace) {
        if select::matches(object, selector("labelSelector"), selector("fieldSelector"))? {
            items.push(object);
        }
    }
    if tabular {
        return Ok(table::of(target.kind, &items, api.now_ms));
    }
    Ok(json!({
        "apiVersion": target.kind.api_version(),
        "kind": format!("{}List", target.kind.kind),
        "metadata": { "resourceVersion": api.store.version().to_string() },
        "items": items,
    }))
}

fn write(api: &mut ClusterApi, target: &Target, verb: &str, request: &KubeRequest) -> KubeResponse {
    let manner = api.kubectl_manner();
    let refusal = match manner {
        KubectlManner::TooManyRequests => Some(Failure::too_many()),
        KubectlManner::InternalError => Some(Failure::internal()),
        KubectlManner::Denied => Some(denied("more than this cluster's operators allow")),
        KubectlManner::NoDryRun if request.dry() => {
            Some(Failure::bad_request(format!("admission webhook {WEBHOOK:?} does not support dry run")))
        }
        KubectlManner::Conflict => outpaced(api, target).err(),
        _ => None,
    };
    if let Some(failure) = refusal {
        return Err(failure).into();
    }
    if manner == KubectlManner::LostBefore {
        return KubeResponse { lost: true, ..KubeResponse::from(Ok((200, Value::Null))) };
    }
    let result = match verb {
        "create" => create(api, target, request).map(|body| (201, body)),
        "delete" => delete(api, target, request).map(|body| (200, body)),
        _ => change(api, target, verb, request).map(|body| (200, body)),
    };
    KubeResponse { lost: manner == KubectlManner::LostAfter, ..result.into() }
}

fn denied(why: &str) -> Failure {
    Failure::webhook(format!("admission webhook {WEBHOOK:?} denied the request: {why}"))
}

/// Somebody else writes to the object just now, so that the version the client knows is old.
fn outpaced(api: &mut ClusterApi, target: &Target) -> Result<(), Failure> {
    let Some(name) = &target.name else { return Ok(()) };
    let old = api.store.get(target.kind, &target.namespace, name)?.clone();
    let mut new = old.clone();
    if !new["metadata"]["annotations"].is_object() {
        new["metadata"]["annotations"] = json!({});
    }
    new["metadata"]["annotations"]["lab.sagetop/touched"] = json!(api.store.version().to_string());
    let time = timestamp(api.now_ms);
    api.store.update(
        target.kind,
        &old,
        new,
        Writer { manager: "another-operator", subresource: None, time: &time },
        false,
    )?;
    Err(Failure::conflict(target.kind, name))
}

fn body(request: &KubeRequest) -> Result<Value, Failure> {
    serde_json::from_slice(&request.body).map_err(|error| Failure::bad_request(error.to_string()))
}

fn create(api: &mut ClusterApi, target: &Target, request: &KubeRequest) -> Result<Value, Failure> {
    if !["Lease", "HorizontalPodAutoscaler"].contains(&target.kind.kind) {
        return Err(denied("the lab runs its application alone: leases and autoscalers can be created"));
    }
    let mut new = body(request)?;
    validate::check(target.kind, None, &new)?;
    if api
        .store
        .list(super::kinds::namespaces(), "")
        .all(|space| text(space, "/metadata/name") != target.namespace)
    {
        return Err(Failure::not_found(super::kinds::namespaces(), &target.namespace));
    }
    new["metadata"]["namespace"] = json!(target.namespace);
    let time = timestamp(api.now_ms);
    let by = Writer { manager: request.manager(), subresource: None, time: &time };
    api.store.create(target.kind, new, by, request.dry())
}

fn delete(api: &mut ClusterApi, target: &Target, request: &KubeRequest) -> Result<Value, Failure> {
    let name = target.name.as_deref().unwrap_or_default();
    let object = api.store.get(target.kind, &target.namespace, name)?.clone();
    if !["Lease", "HorizontalPodAutoscaler"].contains(&target.kind.kind) {
        return Err(denied("the lab keeps its application: leases and autoscalers can be deleted"));
    }
    // kubectl says in the body what other writes say in the query.
    let options = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    let (asked, is) = (text(&options, "/preconditions/uid"), text(&object, "/metadata/uid"));
    if !asked.is_empty() && asked != is {
        return Err(Failure::other_uid(target.kind, name, asked, is));
    }
    if !request.dry() && options["dryRun"][0] != "All" {
        api.store.delete(target.kind, &target.namespace, name);
        api.autoscalers.remove(name);
    }
    Ok(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": name, "group": target.kind.group, "kind": target.kind.plural, "uid": object["metadata"]["uid"] },
    }))
}

/// `PUT` and `PATCH`, of an object or of its subresource.
fn change(
    api: &mut ClusterApi,
    target: &Target,
    verb: &str,
    request: &KubeRequest,
) -> Result<Value, Failure> {
    let name = target.name.as_deref().unwrap_or_default();
    let old = api.store.get(target.kind, &target.namespace, name)?.clone();
    let scaling = target.subresource.as_deref() == Some("scale");
    let before = if scaling { scale_of(&old) } else { old.clone() };
    let asked = if verb == "update" { body(request)? } else { patched(&before, request)? };
    if !asked.is_object() || !asked["metadata"].is_object() {
        return Err(Failure::bad_request("the object has no metadata"));
    }
    let named = text(&asked, "/metadata/name");
    if named != name {
        let message = format!("the name of the object ({named}) does not match the name on the URL ({name})");
        return Err(Failure::bad_request(message));
    }
    let uid = text(&asked, "/metadata/uid");
    if verb == "patch" && uid != text(&old, "/metadata/uid") {
        let cause = format!("metadata.uid: Invalid value: {uid:?}: field is immutable");
        return Err(Failure::invalid(target.kind, name, &[cause]));
    }
    let mut new = asked;
    if scaling {
        let version = new["metadata"]["resourceVersion"].clone();
        let replicas = new["spec"]["replicas"].clone();
        new = old.clone();
        new["spec"]["replicas"] = replicas;
        new["metadata"]["resourceVersion"] = version;
    }
    // What controllers report is not the client's to write.
    new["status"] = old["status"].clone();
    if old["status"].is_null()
        && let Some(fields) = new.as_object_mut()
    {
        fields.remove("status");
    }
    validate::check(target.kind, Some(&old), &new)?;
    if target.kind.kind == "Pod" && target.subresource.is_none() && new["spec"] != old["spec"] {
        let why = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
                   `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions \
                   to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                   previously negative)";
        return Err(Failure::invalid(target.kind, name, &[why.to_owned()]));
    }
    let time = timestamp(api.now_ms);
    let subresource = target.subresource.as_deref();
    let by = Writer { manager: request.manager(), subresource, time: &time };
    let stored = api.store.update(target.kind, &old, new, by, request.dry())?;
    if !request.dry() {
        api.stored(target, &old, &stored);
    }
    // The controllers may have gone on from there, but the answer is the object as it was stored.
    Ok(if scaling { scale_of(&stored) } else { stored })
}

fn patched(before: &Value, request: &KubeRequest) -> Result<Value, Failure> {
    let content_type = request.content_type.split(';').next().unwrap_or_default();
    let patch = body(request)?;
    match content_type {
        "application/json-patch+json" => {
            patch::json_patch(before, &patch).map_err(|patch::Refused| Failure::patch())
        }
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            let mut after = before.clone();
            patch::merge(&mut after, &patch, content_type.contains("strategic"));
            Ok(after)
        }
        _ => Err(Failure::media_type()),
    }
}

/// The `Scale` of a workload.
fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let selector: Vec<String> = object["spec"]["selector"]["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": { "replicas": object["spec"]["replicas"] },
        "status": { "replicas": object["status"]["replicas"].as_u64().unwrap_or(0), "selector": selector.join(",") },
    })
}
