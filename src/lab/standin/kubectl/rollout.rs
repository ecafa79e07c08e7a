//! `kubectl rollout`: status, restart, history, undo, pause, resume.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::flags::Line;
use super::print;
use super::session::{Call, DryRun, Session, duration};
use super::write::{MERGE_PATCH, STRATEGIC_PATCH, dry_run, objects, query};
use super::{Failed, error};
use crate::lab::standin::kube::kinds::{self, Kind};

/// How often `status` looks again. kubectl watches; nobody sees the difference.
const LOOK: Duration = Duration::from_millis(200);
/// Annotation with the number of a template.
const REVISION: &str = "deployment.kubernetes.io/revision";

pub fn run(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let run = match line.words.get(1).map(String::as_str) {
        Some("status") => status,
        Some("restart") => restart,
        Some("history") => history,
        Some("undo") => undo,
        Some("pause") => |session: &mut Session, line: &Line, kind: &'static Kind, name: &str| {
            pause(session, line, kind, name, true)
        },
        Some("resume") => |session: &mut Session, line: &Line, kind: &'static Kind, name: &str| {
            pause(session, line, kind, name, false)
        },
        _ => return error("rollout needs one of: status, restart, history, undo, pause, resume"),
    };
    for (kind, name) in objects(session, line, 2)? {
        let object = session.get(kind, &name, None)?;
        if !["Deployment", "StatefulSet"].contains(&object["kind"].as_str().unwrap_or_default()) {
            let verb = line.words.get(1).map_or("", String::as_str);
            return error(format_args!("no {verb} is known for {}", kind.kind));
        }
        run(session, line, kind, &name)?;
    }
    Ok(())
}

fn status(session: &mut Session, line: &Line, kind: &'static Kind, name: &str) -> Result<(), Failed> {
    let limit = match line.get("timeout").map(duration) {
        None => Duration::ZERO,
        Some(Some(limit)) => limit,
        Some(None) => return error("invalid argument for \"--timeout\" flag: time: invalid duration"),
    };
    let (started, mut said) = (Instant::now(), String::new());
    loop {
        let object = session.get(kind, name, None)?;
        let (message, done) = progress(&object, name);
        if message != said {
            session.say(&message);
            said = message;
        }
        if done || line.get("watch") == Some("false") {
            return Ok(());
        }
        if !limit.is_zero() && started.elapsed() > limit {
            return error("timed out waiting for the condition");
        }
        std::thread::sleep(LOOK);
    }
}

/// Where a rollout stands, in kubectl's words, and whether it is over.
fn progress(object: &Value, name: &str) -> (String, bool) {
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let wanted = count("/spec/replicas");
    let (total, updated) = (count("/status/replicas"), count("/status/updatedReplicas"));
    let waiting =
        |what: String| (format!("Waiting for deployment {name:?} rollout to finish: {what}..."), false);
    if count("/metadata/generation") > count("/status/observedGeneration") {
        let kind = object["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
        let kind = if kind == "statefulset" { "statefulset spec" } else { "deployment spec" };
        return (format!("Waiting for {kind} update to be observed..."), false);
    }
    if object["kind"] == "StatefulSet" {
        let ready = count("/status/readyReplicas");
        let revision = object["status"]["updateRevision"].as_str().unwrap_or_default();
        return if ready < wanted {
            (format!("Waiting for {} pods to be ready...", wanted - ready), false)
        } else if object["status"]["currentRevision"] != revision {
            let message = format!(
                "waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."
            );
            (message, false)
        } else {
            let current = count("/status/currentReplicas");
            (format!("statefulset rolling update complete {current} pods at revision {revision}..."), true)
        };
    }
    let available = count("/status/availableReplicas");
    if updated < wanted {
        waiting(format!("{updated} out of {wanted} new replicas have been updated"))
    } else if total > updated {
        waiting(format!("{} old replicas are pending termination", total - updated))
    } else if available < updated {
        waiting(format!("{available} of {updated} updated replicas are available"))
    } else {
        (format!("deployment {name:?} successfully rolled out"), true)
    }
}

fn send(
    session: &mut Session,
    line: &Line,
    (kind, name): (&'static Kind, &str),
    content_type: &'static str,
    body: &Value,
    verb: &str,
) -> Result<(), Failed> {
    let dry = dry_run(line)?;
    let path = kind.path(session.namespace_of(kind), Some(name), None);
    let query = query(line, dry, "kubectl-rollout");
    let body = body.to_string().into_bytes();
    let object = if dry == DryRun::Client {
        session.get(kind, name, None)?
    } else {
        let call = Call { method: "PATCH", path, query, content_type, body, ..Call::default() };
        match session.call(&call) {
            Ok(object) => object,
            Err(refusal) if !refusal.reason().is_empty() => {
                return error(format_args!("failed to patch: {}", refusal.message()));
            }
            Err(refusal) => return Err(refusal.into()),
        }
    };
    print::done(session, line, kind, &object, verb, dry)
}

fn restart(session: &mut Session, line: &Line, kind: &'static Kind, name: &str) -> Result<(), Failed> {
    if session.get(kind, name, None)?["spec"]["paused"] == true {
        let what = kind.qualified();
        return error(format_args!(
            "{what} {name:?} can't restart paused deployment (run rollout resume first)"
        ));
    }
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string();
    let annotations = json!({ "kubectl.kubernetes.io/restartedAt": now });
    let body = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
    send(session, line, (kind, name), STRATEGIC_PATCH, &body, "restarted")
}

fn pause(
    session: &mut Session,
    line: &Line,
    kind: &'static Kind,
    name: &str,
    pause: bool,
) -> Result<(), Failed> {
    if kind.kind != "Deployment" {
        return error(format_args!(
            "{} {name:?} {} is not supported",
            kind.qualified(),
            if pause { "pausing" } else { "resuming" }
        ));
    }
    if (session.get(kind, name, None)?["spec"]["paused"] == true) == pause {
        let state = if pause { "is already paused" } else { "is not paused" };
        return error(format_args!("{} {name:?} {state}", kind.qualified()));
    }
    let body = json!({ "spec": { "paused": if pause { json!(true) } else { Value::Null } } });
    send(session, line, (kind, name), MERGE_PATCH, &body, if pause { "paused" } else { "resumed" })
}

/// A deployment's templates by number, oldest first.
fn revisions(session: &Session, name: &str) -> Result<Vec<(u64, Value)>, Failed> {
    let path = kinds::replica_sets().path(session.namespace(), None, None);
    let list = session.call(&Call { method: "GET", path, ..Call::default() })?;
    let mut found: Vec<(u64, Value)> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|set| set["metadata"]["ownerReferences"][0]["name"] == name)
        .filter_map(|set| {
            Some((set["metadata"]["annotations"][REVISION].as_str()?.parse().ok()?, set.clone()))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    Ok(found)
}

fn history(session: &mut Session, line: &Line, kind: &'static Kind, name: &str) -> Result<(), Failed> {
    if kind.kind != "Deployment" || line.get("revision").is_some() {
        return error("the lab's kubectl lists the revisions of deployments, no more");
    }
    let found = revisions(session, name)?;
    session.say(format!("{} ", print::title(kind, name)));
    let rows: Vec<Vec<String>> =
        found.iter().map(|(number, _)| vec![number.to_string(), "<none>".to_owned()]).collect();
    let header = ["REVISION", "CHANGE-CAUSE"].map(str::to_owned).to_vec();
    // This table alone has two spaces between its columns.
    session.print(
        &print::table(Some(header), &rows)
            .replace("REVISION   ", "REVISION  ")
            .replace("   <none>", "  <none>"),
    );
    session.say("");
    Ok(())
}

fn undo(session: &mut Session, line: &Line, kind: &'static Kind, name: &str) -> Result<(), Failed> {
    if kind.kind != "Deployment" {
        return error("the lab's kubectl undoes the rollouts of deployments, no more");
    }
    let deployment = session.get(kind, name, None)?;
    let found = revisions(session, name)?;
    let wanted = line.number("to-revision")?.unwrap_or(0);
    let set = if wanted == 0 {
        match found.len().checked_sub(2).and_then(|at| found.get(at)) {
            Some((_, set)) => set,
            None => return error(format_args!("no rollout history found for deployment {name:?}")),
        }
    } else {
        match found.iter().find(|(number, _)| i64::try_from(*number) == Ok(wanted)) {
            Some((_, set)) => set,
            None => return error(format_args!("unable to find specified revision {wanted} in history")),
        }
    };
    if deployment["spec"]["paused"] == true {
        return error(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
        );
    }
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    if template == deployment["spec"]["template"] {
        let title = print::title(kind, name);
        session.say(format!("{title} skipped rollback (current template already matches revision {wanted})"));
        return Ok(());
    }
    let body = json!([{ "op": "replace", "path": "/spec/template", "value": template }]);
    send(session, line, (kind, name), "application/json-patch+json", &body, "rolled back")
}
