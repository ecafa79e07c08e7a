//! `kubectl get`.

use serde_json::Value;

use super::flags::Line;
use super::print::{self, Format};
use super::session::{Call, Refusal, Session};
use super::{Failed, error, names};
use crate::lab::standin::kube::kinds::Kind;

/// Asks the server to lay out a table.
const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub fn run(session: &mut Session, line: &Line) -> Result<(), Failed> {
    let format = Format::of(line)?;
    if line.on("watch") {
        return error("the lab's kubectl does not watch: get again instead");
    }
    if line.arguments(1).is_empty() {
        session.err(
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of \
             supported resources.\n",
        );
        return error(
            "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that \
             resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples",
        );
    }
    let named = names::parse(line.arguments(1))?;
    let several = named.len() > 1;
    let tabular = format == Format::People;
    let mut found: Vec<(&'static Kind, Value)> = Vec::new();
    for (kind, name) in &named {
        match fetch(session, line, kind, name.as_deref(), tabular) {
            Ok(object) => found.push((kind, object)),
            Err(refusal) if line.on("ignore-not-found") && refusal.reason() == "NotFound" => {}
            Err(refusal) => session.fail(refusal.into()),
        }
    }
    let single = !several && named.iter().all(|(_, name)| name.is_some());
    match format {
        Format::People => people(session, line, &found, several),
        Format::Json if single => {
            for (_, object) in found {
                session.print(&print::json(&print::strip(line, object)));
            }
        }
        Format::Json => {
            let objects = items(found).into_iter().map(|(_, item)| print::strip(line, item)).collect();
            session.print(&print::json(&print::list(objects)));
        }
        Format::Name => {
            for (kind, object) in items(found) {
                session.say(print::title(kind, object["metadata"]["name"].as_str().unwrap_or_default()));
            }
        }
        Format::Path(path) => {
            let whole = if single {
                found.into_iter().map(|(_, object)| object).next()
            } else {
                Some(print::list(items(found).into_iter().map(|(_, item)| item).collect()))
            };
            if let Some(object) = whole {
                let text = print::fields(&object, &path)?;
                session.print(&text);
            }
        }
    }
    Ok(())
}

fn fetch(
    session: &Session,
    line: &Line,
    kind: &Kind,
    name: Option<&str>,
    tabular: bool,
) -> Result<Value, Refusal> {
    let everywhere = line.on("all-namespaces");
    let namespace = if everywhere { "" } else { session.namespace_of(kind) };
    let mut query = Vec::new();
    if name.is_none() {
        for (parameter, flag) in [("labelSelector", "selector"), ("fieldSelector", "field-selector")] {
            if let Some(value) = line.get(flag) {
                query.push((parameter, value.to_owned()));
            }
        }
        query.push(("limit", line.get("chunk-size").unwrap_or("500").to_owned()));
    }
    let path = kind.path(namespace, name, line.get("subresource"));
    session.call(&Call {
        method: "GET",
        path,
        query,
        accept: if tabular { AS_TABLE } else { "" },
        ..Call::default()
    })
}

/// The objects, lists opened.
fn items(found: Vec<(&'static Kind, Value)>) -> Vec<(&'static Kind, Value)> {
    found
        .into_iter()
        .flat_map(|(kind, mut object)| match object.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items.into_iter().map(|item| (kind, item)).collect(),
            _ => vec![(kind, object)],
        })
        .collect()
}

fn people(session: &mut Session, line: &Line, found: &[(&'static Kind, Value)], several: bool) {
    let everywhere = line.on("all-namespaces");
    let mut printed = 0;
    for (kind, answer) in found {
        let columns = answer["columnDefinitions"].as_array().into_iter().flatten();
        let mut header: Vec<String> =
            columns.map(|column| column["name"].as_str().unwrap_or_default().to_uppercase()).collect();
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        let lines: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let cells = row["cells"].as_array().into_iter().flatten();
                let mut cells: Vec<String> =
                    cells.map(|cell| cell.as_str().unwrap_or_default().to_owned()).collect();
                if let Some(name) = cells.first_mut().filter(|_| several) {
                    *name = print::title(kind, name);
                }
                if everywhere && kind.namespaced {
                    let namespace = row["object"]["metadata"]["namespace"].as_str().unwrap_or_default();
                    cells.insert(0, namespace.to_owned());
                }
                cells
            })
            .collect();
        if everywhere && kind.namespaced {
            header.insert(0, "NAMESPACE".to_owned());
        }
        if lines.is_empty() {
            continue;
        }
        if printed > 0 {
            session.say("");
        }
        printed += lines.len();
        session.print(&print::table((!line.on("no-headers")).then_some(header), &lines));
    }
    if printed == 0 && !session.failed() && !line.on("ignore-not-found") {
        let place = match session.namespace() {
            _ if everywhere || found.iter().any(|(kind, _)| !kind.namespaced) => String::new(),
            namespace => format!(" in {namespace} namespace"),
        };
        session.err(&format!("No resources found{place}{}", if place.is_empty() { "" } else { "." }));
    }
}
