//! How kubectl prints objects.

use serde::Serialize;
use serde_json::{Value, json};

use super::flags::Line;
use super::session::{DryRun, Session};
use super::{Failed, error};
use crate::lab::standin::kube::kinds::Kind;

/// What `-o` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table, or a sentence for writes.
    People,
    /// The object.
    Json,
    /// `kind/name`.
    Name,
    /// Fields of the object, for scripts.
    Path(String),
}

impl Format {
    /// Reads `-o`.
    pub fn of(line: &Line) -> Result<Self, Failed> {
        match line.get("output").unwrap_or_default() {
            "" | "wide" => Ok(Self::People),
            "json" => Ok(Self::Json),
            "name" => Ok(Self::Name),
            other => match other.strip_prefix("jsonpath=") {
                Some(path) => Ok(Self::Path(path.to_owned())),
                None => error(format_args!(
                    "unable to match a printer suitable for the output format {other:?}, allowed formats are: \
                     json,jsonpath,name,wide"
                )),
            },
        }
    }
}

/// JSON with four spaces, as kubectl prints it.
pub fn json(object: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Writing to memory, and a `Value` has nothing that JSON cannot say.
    let _ = object.serialize(&mut serializer);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

/// An object, without the managers of its fields unless they are asked for.
pub fn strip(line: &Line, mut object: Value) -> Value {
    if !line.on("show-managed-fields")
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.remove("managedFields");
    }
    object
}

/// `deployment.apps/web`.
pub fn title(kind: &Kind, name: &str) -> String {
    format!("{}/{name}", kind.qualified_singular())
}

/// Prints the outcome of a write: a sentence, or what `-o` asks for.
pub fn done(
    session: &mut Session,
    line: &Line,
    kind: &Kind,
    object: &Value,
    verb: &str,
    dry: DryRun,
) -> Result<(), Failed> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match Format::of(line)? {
        Format::People => {
            let note = match dry {
                DryRun::None => "",
                DryRun::Client => " (dry run)",
                DryRun::Server => " (server dry run)",
            };
            session.say(format!("{} {verb}{note}", title(kind, name)));
        }
        Format::Name => session.say(title(kind, name)),
        Format::Json => session.print(&json(&strip(line, object.clone()))),
        Format::Path(path) => {
            let text = fields(object, &path)?;
            session.print(&text);
        }
    }
    Ok(())
}

/// A simple JSONPath template: text, `{.a.b[0].c}` with `[*]` for all items, and literals such as `{"\n"}`.
/// Anything else, such as `{range …}`, is refused rather than taken for a path.
pub fn fields(object: &Value, template: &str) -> Result<String, Failed> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let Some((path, after)) = after.split_once('}') else {
            return error(format_args!("error parsing jsonpath {template}, unclosed action"));
        };
        rest = after;
        if let Some(text) = literal(path) {
            out += &text;
            continue;
        }
        if !path.starts_with(['.', '[', '$', '@']) {
            return error(format_args!(
                "error parsing jsonpath {template}, the lab's kubectl knows paths and literals, not {{{path}}}"
            ));
        }
        let path = path.trim_start_matches('@');
        let found = walk(object, path.trim_start_matches('$'), template)?;
        out += &found.iter().map(|value| plain(value)).collect::<Vec<_>>().join(" ");
    }
    Ok(out + rest)
}

/// What stands between quotes.
fn literal(text: &str) -> Option<String> {
    let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let inner = quoted('"').or_else(|| quoted('\''))?;
    Some(inner.replace("\\n", "\n").replace("\\t", "\t"))
}

fn walk<'a>(object: &'a Value, path: &str, template: &str) -> Result<Vec<&'a Value>, Failed> {
    let mut found = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = if let Some(inner) = rest.strip_prefix('[') {
            match inner.split_once(']') {
                Some(split) => split,
                None => return error(format_args!("error parsing jsonpath {template}, unterminated array")),
            }
        } else {
            let inner = rest.strip_prefix('.').unwrap_or(rest);
            inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
        };
        rest = after;
        let step = step.trim_matches('\'');
        found = found
            .into_iter()
            .flat_map(|value| match (value, step) {
                (_, "") => vec![value],
                (Value::Array(items), "*") => items.iter().collect(),
                (Value::Object(items), "*") => items.values().collect(),
                (Value::Array(items), index) => {
                    index.parse::<usize>().ok().and_then(|i| items.get(i)).into_iter().collect()
                }
                (value, key) => value.get(key).into_iter().collect(),
            })
            .collect();
    }
    Ok(found)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A table of `Table`s' cells: columns as wide as their widest cell and three spaces.
pub fn table(header: Option<Vec<String>>, rows: &[Vec<String>]) -> String {
    let lines: Vec<&Vec<String>> = header.iter().chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut out = String::new();
    for line in &lines {
        let padded: Vec<String> =
            line.iter()
                .enumerate()
                .map(|(i, cell)| {
                    if i + 1 < line.len() {
                        format!("{cell:<width$}", width = width(i))
                    } else {
                        cell.clone()
                    }
                })
                .collect();
        out += &padded.join("   ");
        out.push('\n');
    }
    out
}

/// A list of whatever kinds, as kubectl makes it up.
pub fn list(items: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "items": items, "kind": "List", "metadata": { "resourceVersion": "" } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_has_text_paths_and_literals() {
        let object = json!({ "kind": "Pod", "spec": { "containers": [{ "name": "a" }, { "name": "b" }] } });
        for (template, printed) in [
            ("{.kind}", "Pod"),
            ("{$.kind}: {.spec.containers[1].name}", "Pod: b"),
            ("{.spec.containers[*].name}{\"\\n\"}", "a b\n"),
            ("{['kind']}{'\\t'}{.nowhere}", "Pod\t"),
        ] {
            assert_eq!(fields(&object, template).unwrap(), printed, "{template}");
        }
        for template in
            ["{.kind", "{range .spec.containers[*]}{.name}{end}", "{kind}", "{.spec.containers[0}"]
        {
            assert!(fields(&object, template).is_err(), "{template}");
        }
    }
}
