//! A context's metric catalogue: the standard one, a file of the user, or the one over the other.

use std::collections::BTreeMap;
use std::path::Path;

use super::doc::{self, SourceFile};
use super::problem::{Findings, Problem, suggest};
use super::shape::Shape;
use crate::telemetry::{Catalogue, Feature};

/// The name of the built-in catalogue.
pub const STANDARD: &str = "standard";

/// Placeholders that are filled in from the window settings.
pub const BUILT_IN: [&str; 3] = ["window", "window_seconds", "rate"];

/// Selectors that are empty unless the context sets them: what is left is valid PromQL, and
/// right for a Prometheus of one application.
pub const OPTIONAL: [&str; 3] = ["selector", "span_selector", "mesh_selector"];

fn same_feature(a: &Feature, b: &Feature) -> bool {
    a.scope == b.scope && a.name == b.name
}

/// Reads a catalogue file; `vars` are the context's, to know which placeholders exist.
/// The outer error is that of reading the file.
pub fn open(
    path: &Path,
    vars: &BTreeMap<String, String>,
) -> std::io::Result<Result<Catalogue, Vec<Problem>>> {
    let file = SourceFile::open(path)?;
    let mut read = doc::read::<Catalogue>(&file.text, &Shape::of::<Catalogue>());
    let mut findings = std::mem::take(&mut read.findings);
    if let Some(catalogue) = &read.value {
        check(catalogue, vars, &read.doc, &mut findings);
    }
    Ok(match read.value.filter(|_| !findings.fatal()) {
        Some(catalogue) => Ok(catalogue),
        None => Err(file.problems(findings)),
    })
}

fn check(
    catalogue: &Catalogue,
    vars: &BTreeMap<String, String>,
    doc: &doc::Doc<'_>,
    findings: &mut Findings,
) {
    for (i, feature) in catalogue.feature.iter().enumerate() {
        let at = i.to_string();
        if catalogue.feature[..i].iter().any(|other| same_feature(other, feature)) {
            let message = format!("a second feature `{}` of this scope", feature.name);
            findings.error(doc.value(&["feature", &at, "name"]), message, None);
        }
        template(&feature.query, vars, doc.value(&["feature", &at, "query"]), findings);
    }
    for (i, latency) in catalogue.latency.iter().enumerate() {
        let at = i.to_string();
        if latency.quantile.is_some_and(|q| !(q > 0.0 && q < 1.0)) {
            let message = "a quantile lies between 0 and 1, such as 0.95";
            findings.error(doc.value(&["latency", &at, "quantile"]), message, None);
        }
        if latency.query.trim().is_empty() {
            findings.error(doc.value(&["latency", &at, "query"]), "the query is empty", None);
        }
        template(&latency.query, vars, doc.value(&["latency", &at, "query"]), findings);
    }
}

/// Reports the placeholders of `query`, which stands at `span`, that nothing fills.
pub fn template(
    query: &str,
    vars: &BTreeMap<String, String>,
    span: std::ops::Range<usize>,
    findings: &mut Findings,
) {
    for name in placeholders(query) {
        if !fillable(vars).any(|known| known == name) {
            findings.error(span.clone(), unknown(name), suggest(name, fillable(vars)));
        }
    }
}

/// The placeholders that can be filled where the context's variables are `vars`.
pub fn fillable(vars: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    vars.keys().map(String::as_str).chain(BUILT_IN)
}

/// What to say about a placeholder that nothing fills.
pub fn unknown(name: &str) -> String {
    format!("nothing fills the placeholder `{{{{{name}}}}}`: the context's `vars` have no `{name}`")
}

/// The names between `{{` and `}}` in a template.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split("{{").skip(1).filter_map(|rest| {
        // `{{{selector}}}` is a placeholder within PromQL's own braces.
        Some(rest.trim_start_matches('{').split_once("}}")?.0.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found() {
        let query = "rate(a{{{selector}}}[{{rate}}]) / b{x=\"{}\"} {{ window }} {{ broken";
        assert_eq!(placeholders(query).collect::<Vec<_>>(), ["selector", "rate", "window"]);
    }
}
