//! The smaller commands: auth can-i, version, api-resources, config, exec.

use serde_json::{Value, json};

use super::flags::Line;
use super::names;
use super::print::{self, Format};
use super::session::{Call, Session};
use super::{Failed, VERSION, error};
use crate::lab::standin::kube::kinds::{KINDS, Kind, find};

pub fn can_i(session: &mut Session, line: &Line) -> Result<u8, Failed> {
    let [_, can_i, verb, what] = line.words.as_slice() else {
        return error(
            "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i \
             -h' for help and examples.",
        );
    };
    if can_i != "can-i" {
        return error(format_args!("unknown command {can_i:?} for \"kubectl auth\""));
    }
    let (resource, name) = what.split_once('/').unwrap_or((what, ""));
    let kind = find(resource);
    match kind {
        None => session.err(&format!("Warning: the server doesn't have a resource type '{resource}'\n")),
        Some(kind) if !kind.namespaced && !line.on("all-namespaces") => {
            let group =
                if kind.group.is_empty() { String::new() } else { format!(" in group '{}'", kind.group) };
            session.err(&format!("Warning: resource '{}' is not namespace scoped{group}\n", kind.plural));
        }
        Some(_) => {}
    }
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "namespace": session.namespace(), "verb": verb, "name": name,
            "group": kind.map_or("", |kind| kind.group),
            "resource": kind.map_or(resource, |kind| kind.plural),
            "subresource": line.get("subresource").unwrap_or_default(),
        } },
    });
    let answer = session.call(&Call {
        method: "POST",
        path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
        content_type: "application/json",
        body: review.to_string().into_bytes(),
        ..Call::default()
    })?;
    let allowed = answer["status"]["allowed"] == true;
    if !line.on("quiet") {
        session.say(if allowed { "yes" } else { "no" });
    }
    Ok(if allowed { 0 } else { 1 })
}

pub fn version(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let client = json!({
        "major": "1", "minor": "33", "gitVersion": VERSION, "gitTreeState": "clean", "platform": "linux/amd64",
    });
    let path = "/version".to_owned();
    let server = if line.on("client") {
        None
    } else {
        Some(session.call(&Call { method: "GET", path, ..Call::default() })?)
    };
    if line.get("output") == Some("json") {
        let mut both = json!({ "clientVersion": client, "kustomizeVersion": "v5.6.0" });
        if let Some(server) = server {
            both["serverVersion"] = server;
        }
        session.say(format!("{both:#}"));
        return Ok(());
    }
    session.say(format!("Client Version: {VERSION}"));
    session.say("Kustomize Version: v5.6.0");
    if let Some(server) = server {
        session.say(format!("Server Version: {}", server["gitVersion"].as_str().unwrap_or_default()));
    }
    Ok(())
}

pub fn api_resources(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let wanted = |kind: &&Kind| {
        line.get("api-group").is_none_or(|group| kind.group == group)
            && line.get("namespaced").is_none_or(|value| (value != "false") == kind.namespaced)
    };
    let kinds: Vec<&Kind> = KINDS.iter().filter(wanted).collect();
    if Format::of(line)? == Format::Name {
        for kind in kinds {
            session.say(kind.qualified());
        }
        return Ok(());
    }
    let row = |kind: &&Kind| {
        vec![
            kind.plural.to_owned(),
            kind.short.join(","),
            kind.api_version(),
            kind.namespaced.to_string(),
            kind.kind.to_owned(),
        ]
    };
    let header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = kinds.iter().map(row).collect();
    session.print(&print::table((!line.on("no-headers")).then_some(header), &rows));
    Ok(())
}

pub fn config(session: &mut Session, line: &Line) -> Result<(), Failed> {
    match line.words.get(1).map(String::as_str) {
        Some("current-context") if session.context().is_empty() => error("current-context is not set"),
        Some("current-context") => {
            let context = session.context().to_owned();
            session.say(context);
            Ok(())
        }
        Some("view") if line.get("output") == Some("json") => match session.kubeconfig_read() {
            Some(config) => {
                let shown = format!("{config:#}");
                session.say(shown);
                Ok(())
            }
            None => error("there is no kubeconfig"),
        },
        _ => error("the lab's kubectl knows 'config current-context' and 'config view -o json', no more"),
    }
}

/// Nothing can be run in the lab's containers, but whether the target exists is answered.
pub fn exec(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let target = line.words.get(1).cloned().unwrap_or_default();
    let target = if target.contains('/') { target } else { format!("pods/{target}") };
    if let [(kind, Some(name))] = names::parse(&[target])?.as_slice() {
        let _: Value = session.get(kind, name, None)?;
    }
    error("the lab's containers run no commands: use ssh for their node")
}
