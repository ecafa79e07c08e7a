//! The writes: patch, scale, annotate, autoscale, create, delete.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::flags::Line;
use super::print;
use super::session::{Call, DryRun, Refusal, Session};
use super::{Failed, error, names};
use crate::lab::standin::kube::kinds::{self, Kind};

const JSON_PATCH: &str = "application/json-patch+json";
pub const MERGE_PATCH: &str = "application/merge-patch+json";
pub const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
/// kubectl's own limits on repeating a scale that conflicts.
const SCALE_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What `--dry-run` says.
pub fn dry_run(line: &Line) -> Result<DryRun, Failed> {
    match line.get("dry-run") {
        None | Some("none") => Ok(DryRun::None),
        Some("client" | "unchanged") => Ok(DryRun::Client),
        Some("server") => Ok(DryRun::Server),
        Some(other) => error(format_args!(
            "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
        )),
    }
}

/// The query of a write.
pub fn query(line: &Line, dry: DryRun, manager: &str) -> Vec<(&'static str, String)> {
    let mut query = vec![("fieldManager", line.get("field-manager").unwrap_or(manager).to_owned())];
    if dry == DryRun::Server {
        query.push(("dryRun", "All".to_owned()));
    }
    query
}

/// The objects a write is about; each must be named.
pub fn objects(session: &Session, line: &Line, from: usize) -> Result<Vec<(&'static Kind, String)>, Failed> {
    let mut objects = Vec::new();
    for (kind, name) in names::parse(line.arguments(from))? {
        match name {
            Some(name) => objects.push((kind, name)),
            None if line.on("all") || line.get("selector").is_some() => {
                let path = kind.path(session.namespace_of(kind), None, None);
                let selector = line.get("selector").unwrap_or_default().to_owned();
                let query = vec![("labelSelector", selector)];
                let list = session.call(&Call { method: "GET", path, query, ..Call::default() })?;
                let found = list["items"].as_array().into_iter().flatten();
                objects.extend(
                    found.filter_map(|item| Some((kind, item["metadata"]["name"].as_str()?.to_owned()))),
                );
            }
            None => return error("resource(s) were provided, but no name was specified"),
        }
    }
    Ok(objects)
}

pub fn patch(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    let kind_of_patch = line.get("type").unwrap_or("strategic");
    let content_type = match kind_of_patch.to_ascii_lowercase().as_str() {
        "json" => JSON_PATCH,
        "merge" => MERGE_PATCH,
        "strategic" => STRATEGIC_PATCH,
        _ => {
            return error(format_args!(
                "--type must be one of [json merge strategic], not {kind_of_patch:?}"
            ));
        }
    };
    let text = match (line.get("patch"), line.get("patch-file")) {
        (Some(text), None) if !text.is_empty() => text.to_owned(),
        (None, Some(file)) => input(file)?,
        (Some(_), Some(_)) => return error("cannot specify --patch and --patch-file together"),
        _ => return error("must specify --patch or --patch-file containing the contents of the patch"),
    };
    for (kind, name) in objects(session, line, 1)? {
        let before = session.get(kind, &name, None)?;
        let path = kind.path(session.namespace_of(kind), Some(&name), line.get("subresource"));
        let query = query(line, dry, "kubectl-patch");
        let method = if dry == DryRun::Client { "GET" } else { "PATCH" };
        let body = if dry == DryRun::Client { Vec::new() } else { text.clone().into_bytes() };
        let after = session.call(&Call { method, path, query, content_type, body, ..Call::default() })?;
        let verb = if before == after { "patched (no change)" } else { "patched" };
        // kubectl does not say that a patch was a dry run on the server.
        let shown = if dry == DryRun::Client { dry } else { DryRun::None };
        print::done(session, line, kind, &after, verb, shown)?;
    }
    Ok(())
}

pub fn scale(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    let Some(replicas) = line.number("replicas")? else {
        return error("required flag(s) \"replicas\" not set");
    };
    if replicas < 0 {
        return error("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
    }
    for (kind, name) in objects(session, line, 1)? {
        let object = match session.get(kind, &name, None) {
            Ok(object) => object,
            Err(refusal) if refusal.reason() == "NotFound" => {
                return error(format_args!("no objects passed to scale {}", refusal.message()));
            }
            Err(refusal) => return Err(refusal.into()),
        };
        if dry != DryRun::Client
            && let Err(failed) = scale_one(session, line, kind, &name, replicas, dry)
        {
            session.fail(failed);
            continue;
        }
        print::done(session, line, kind, &object, "scaled", dry)?;
    }
    Ok(())
}

fn scale_one(
    session: &Session,
    line: &Line,
    kind: &Kind,
    name: &str,
    replicas: i64,
    dry: DryRun,
) -> Result<(), Failed> {
    let path = kind.path(session.namespace_of(kind), Some(name), Some("scale"));
    let query = query(line, dry, "kubectl");
    let count = line.number("current-replicas")?.filter(|count| *count >= 0);
    let version = line.get("resource-version").filter(|version| !version.is_empty());
    if count.is_none() && version.is_none() {
        let body = json!({ "spec": { "replicas": replicas } }).to_string().into_bytes();
        session.call(&Call {
            method: "PATCH",
            path,
            query,
            content_type: MERGE_PATCH,
            body,
            ..Call::default()
        })?;
        return Ok(());
    }
    let started = Instant::now();
    loop {
        let mut scale = session.get(kind, name, Some("scale"))?;
        let is = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if let Some(count) = count.filter(|count| *count != is) {
            return error(format_args!("Expected replicas to be {count}, was {is}"));
        }
        let now = scale["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if let Some(version) = version.filter(|version| *version != now) {
            return error(format_args!("Expected resource version to be {version}, was {now}"));
        }
        if !scale["spec"].is_object() {
            return error(format_args!("{} {name:?} cannot be scaled", kind.qualified()));
        }
        scale["spec"]["replicas"] = json!(replicas);
        let call = Call {
            method: "PUT",
            path: path.clone(),
            query: query.clone(),
            content_type: "application/json",
            body: scale.to_string().into_bytes(),
            ..Call::default()
        };
        match session.call(&call) {
            Ok(_) => return Ok(()),
            Err(refusal) if refusal.reason() == "Conflict" && started.elapsed() < SCALE_RETRY.1 => {
                std::thread::sleep(SCALE_RETRY.0);
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

pub fn annotate(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    let is_change = |word: &&String| word.contains('=') || word.ends_with('-');
    let named: Vec<String> = line.arguments(1).iter().filter(|word| !is_change(word)).cloned().collect();
    let changes: Vec<(String, Option<String>)> = line
        .arguments(1)
        .iter()
        .filter(is_change)
        .map(|word| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (word.trim_end_matches('-').to_owned(), None),
        })
        .collect();
    if changes.is_empty() {
        return error("at least one annotation update is required");
    }
    let reduced = line.with_words(std::iter::once("annotate".to_owned()).chain(named).collect());
    for (kind, name) in objects(session, &reduced, 1)? {
        let object = session.get(kind, &name, None)?;
        let present = &object["metadata"]["annotations"];
        let taken: Vec<String> = changes
            .iter()
            .filter(|(_, value)| value.is_some())
            .filter_map(|(key, value)| Some((key, present.get(key)?.as_str()?, value.as_deref()?)))
            .filter(|(_, old, new)| old != new)
            .map(|(key, old, _)| format!("'{key}' already has a value ({old})"))
            .collect();
        if !line.on("overwrite") && !taken.is_empty() {
            let taken = taken.join("; ");
            return error(format_args!(
                "--overwrite is false but found the following declared annotation(s): {taken}"
            ));
        }
        let annotations: Map<String, Value> = changes
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().map_or(Value::Null, Value::String)))
            .collect();
        let mut body = json!({ "metadata": { "annotations": annotations } });
        if let Some(version) = line.get("resource-version") {
            body["metadata"]["resourceVersion"] = json!(version);
        }
        let path = kind.path(session.namespace_of(kind), Some(&name), None);
        let query = query(line, dry, "kubectl-annotate");
        let object = if dry == DryRun::Client {
            object
        } else {
            let body = body.to_string().into_bytes();
            session.call(&Call {
                method: "PATCH",
                path,
                query,
                content_type: MERGE_PATCH,
                body,
                ..Call::default()
            })?
        };
        print::done(session, line, kind, &object, "annotated", dry)?;
    }
    Ok(())
}

pub fn autoscale(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    let (min, percent) = (line.number("min")?, line.number("cpu-percent")?);
    let Some(max) = line.number("max")? else { return error("required flag(s) \"max\" not set") };
    if max < 1 {
        return error(format_args!("--max=MAXPODS is required and must be at least 1, max: {max}"));
    }
    if let Some(min) = min.filter(|min| *min > max) {
        return error(format_args!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {max}, min: {min}"
        ));
    }
    let Some(scaler) = kinds::find("hpa") else { return error("the server has no autoscalers") };
    for (kind, name) in objects(session, line, 1)? {
        session.get(kind, &name, None)?;
        let percent = percent.filter(|percent| *percent >= 0).unwrap_or(80);
        let mut spec = json!({
            "scaleTargetRef": { "apiVersion": kind.api_version(), "kind": kind.kind, "name": name },
            "maxReplicas": max,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent },
            } }],
        });
        if let Some(min) = min.filter(|min| *min > 0) {
            spec["minReplicas"] = json!(min);
        }
        let object = json!({
            "apiVersion": scaler.api_version(), "kind": scaler.kind,
            "metadata": { "name": line.get("name").unwrap_or(&name) }, "spec": spec,
        });
        let created = post(session, line, scaler, &object, dry, "kubectl-autoscale")?;
        print::done(session, line, scaler, &created, "autoscaled", dry)?;
    }
    Ok(())
}

fn post(
    session: &Session,
    line: &Line,
    kind: &Kind,
    object: &Value,
    dry: DryRun,
    manager: &str,
) -> Result<Value, Refusal> {
    if dry == DryRun::Client {
        return Ok(object.clone());
    }
    session.call(&Call {
        method: "POST",
        path: kind.path(session.namespace_of(kind), None, None),
        query: query(line, dry, manager),
        content_type: "application/json",
        body: object.to_string().into_bytes(),
        ..Call::default()
    })
}

pub fn create(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    let Some(file) = line.get("filename") else { return error("must specify one of -f and -k") };
    let source = if file == "-" { "STDIN" } else { file };
    let object: Value = match serde_json::from_str(&input(file)?) {
        Ok(object) => object,
        Err(why) => {
            return error(format_args!("error parsing {source}: the lab's kubectl reads JSON: {why}"));
        }
    };
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let Some(kind) = kinds::of_object(text("apiVersion"), text("kind")) else {
        return error(format_args!(
            "resource mapping not found for name: {:?} namespace: {:?} from {source:?}: no matches for kind {:?} in \
             version {:?}\nensure CRDs are installed first",
            object["metadata"]["name"].as_str().unwrap_or_default(),
            object["metadata"]["namespace"].as_str().unwrap_or_default(),
            text("kind"),
            text("apiVersion"),
        ));
    };
    match post(session, line, kind, &object, dry, "kubectl-create") {
        Ok(created) => print::done(session, line, kind, &created, "created", dry),
        Err(refusal @ Refusal::Lost(_)) => Err(refusal.into()),
        Err(refusal) => {
            let (reason, message) = (refusal.reason(), refusal.message());
            Err(Failed(format!("Error from server ({reason}): error when creating {source:?}: {message}")))
        }
    }
}

pub fn delete(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    for (kind, name) in objects(session, line, 1)? {
        if dry == DryRun::Client {
            session.get(kind, &name, None)?;
        } else {
            let path = kind.path(session.namespace_of(kind), Some(&name), None);
            let call = Call { method: "DELETE", path, query: query(line, dry, "kubectl"), ..Call::default() };
            match session.call(&call) {
                Ok(_) => {}
                Err(refusal) if line.on("ignore-not-found") && refusal.reason() == "NotFound" => continue,
                Err(refusal) => return Err(refusal.into()),
            }
        }
        let note = match dry {
            DryRun::None => "",
            DryRun::Client => " (dry run)",
            DryRun::Server => " (server dry run)",
        };
        session.say(format!("{} {name:?} deleted{note}", kind.qualified_singular()));
    }
    Ok(())
}

/// A file's text, or what comes in.
fn input(file: &str) -> Result<String, Failed> {
    let read =
        if file == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    match read {
        Ok(text) => Ok(text),
        Err(why) => error(format_args!("open {file}: {why}")),
    }
}
