//! A context's metric catalogue: the standard one, a file of the user, or the one over the other.

use std::collections::BTreeMap;
use std::path::Path;

use super::doc::{self, SourceFile};
use super::problem::{Findings, Problem, suggest};
use super::shape::Shape;
use crate::telemetry::{Catalogue, Feature, LatencyQuery};

/// The name of the built-in catalogue.
pub const STANDARD: &str = "standard";

/// Placeholders that are filled in from the window settings.
pub const BUILT_IN: [&str; 2] = ["window", "rate"];

/// The built-in catalogue.
pub fn standard() -> Catalogue {
    Catalogue::default()
}

/// `over` laid on `base`: features of the same scope and name, and latencies that would fill
/// the same columns, are replaced; the rest is added.
pub fn merge(base: Catalogue, over: Catalogue) -> Catalogue {
    let Catalogue { mut feature, mut latency } = base;
    feature.retain(|old| !over.feature.iter().any(|new| same_feature(old, new)));
    latency.retain(|old| !over.latency.iter().any(|new| same_latency(old, new)));
    feature.extend(over.feature);
    latency.extend(over.latency);
    Catalogue { feature, latency }
}

fn same_feature(a: &Feature, b: &Feature) -> bool {
    a.scope == b.scope && a.name == b.name
}

fn same_latency(a: &LatencyQuery, b: &LatencyQuery) -> bool {
    a.side == b.side
        && a.quantile == b.quantile
        && a.caller.is_some() == b.caller.is_some()
        && a.callee.is_some() == b.callee.is_some()
        && a.operation.is_some() == b.operation.is_some()
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
        if catalogue.latency[..i].iter().any(|other| same_latency(other, latency)) {
            let message = "a second latency with this side, quantile and kind of labels";
            findings.error(doc.value(&["latency", &at]), message, None);
        }
        if latency.quantile.is_some_and(|q| !(q > 0.0 && q < 1.0)) {
            let message = "a quantile lies between 0 and 1, such as 0.95";
            findings.error(doc.value(&["latency", &at, "quantile"]), message, None);
        }
        template(&latency.query, vars, doc.value(&["latency", &at, "query"]), findings);
    }
}

fn template(
    query: &str,
    vars: &BTreeMap<String, String>,
    span: std::ops::Range<usize>,
    findings: &mut Findings,
) {
    if query.trim().is_empty() {
        findings.error(span.clone(), "the query is empty", None);
    }
    for name in placeholders(query) {
        if !BUILT_IN.contains(&name) && !vars.contains_key(name) {
            let known = vars.keys().map(String::as_str).chain(BUILT_IN);
            findings.error(span.clone(), unknown(name), suggest(name, known));
        }
    }
}

/// What to say about a placeholder that nothing fills.
pub fn unknown(name: &str) -> String {
    format!("nothing fills the placeholder `{{{{{name}}}}}`: the context's `vars` have no `{name}`")
}

/// The names between `{{` and `}}` in a template.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split("{{").skip(1).filter_map(|rest| {
        // `{{{selector}}}` is a placeholder within PromQL's own braces.
        let name = rest.trim_start_matches('{').split_once("}}")?.0;
        let word = name.trim();
        // With blanks around it it is a mistake, not PromQL: nothing will fill it.
        (!word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn catalogue(text: &str) -> Catalogue {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn placeholders_are_found() {
        let query = "rate(a{{{selector}}}[{{rate}}]) / b{x=\"{}\"} {{ broken";
        assert_eq!(placeholders(query).collect::<Vec<_>>(), ["selector", "rate"]);
    }

    #[test]
    fn the_users_entry_wins() {
        let base = catalogue(
            r#"
            feature = [{ name = "cpu", resource = "cpu", scope = "service", query = "old" },
                       { name = "cpu", resource = "cpu", scope = "node", query = "kept" }]
            latency = [{ query = "old", side = "server", quantile = 0.5, callee = "service" },
                       { query = "kept", side = "server", quantile = 0.9, callee = "service" }]"#,
        );
        let over = catalogue(
            r#"
            feature = [{ name = "cpu", resource = "cpu", scope = "service", query = "new" }]
            latency = [{ query = "new", side = "server", quantile = 0.5, callee = "destination" }]"#,
        );
        let merged = merge(base, over);
        let queries: Vec<_> = merged.feature.iter().map(|f| f.query.as_str()).collect();
        assert_eq!(queries, ["kept", "new"]);
        let queries: Vec<_> = merged.latency.iter().map(|l| l.query.as_str()).collect();
        assert_eq!(queries, ["kept", "new"]);
    }
}
