//! PromQL templates: `{{name}}` placeholders and what they may be filled with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::catalogue::CatalogueError;
use crate::domain::Clean;

/// Placeholders every template may use.
pub const BUILT_IN: [&str; 3] = ["window", "rate", "window_seconds"];
/// Label matchers that are empty unless a context sets them: a trailing comma is valid PromQL.
pub const OPTIONAL: [&str; 3] = ["selector", "span_selector", "mesh_selector"];
/// A rate needs two samples, also when one scrape fails.
const SCRAPES_PER_RATE: u32 = 4;

/// Fills the placeholders of `template`:
///
/// - `{{window}}`: the window's length as a PromQL duration; `{{window_seconds}}`: as a number;
/// - `{{rate}}`: the range for `rate()`, the longer of the window and four scrape intervals;
/// - `{{selector}}`, `{{span_selector}}`, `{{mesh_selector}}`: label matchers from `vars`, else empty;
/// - every other name: from `vars`.
///
/// Three braces in a row are a brace of PromQL and a placeholder: `up{{{selector}}}`.
pub fn render(
    template: &str,
    vars: &BTreeMap<String, String>,
    window: Duration,
    scrape: Duration,
) -> Result<String, CatalogueError> {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        // Of three braces the first is PromQL's.
        let at = if rest[at..].starts_with("{{{") { at + 1 } else { at };
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find("}}") else {
            return Err(CatalogueError::Unclosed { template: Clean::new(template) });
        };
        let name = inner[..end].trim();
        match name {
            "window" => out.push_str(&promql_duration(window)),
            "window_seconds" => out.push_str(&window.as_secs_f64().to_string()),
            "rate" => out.push_str(&promql_duration(window.max(scrape.saturating_mul(SCRAPES_PER_RATE)))),
            _ => match vars.get(name) {
                Some(value) => out.push_str(value.trim().trim_end_matches(',')),
                None if OPTIONAL.contains(&name) => {}
                None => return Err(unknown(name, vars)),
            },
        }
        rest = &inner[end + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

fn unknown(name: &str, vars: &BTreeMap<String, String>) -> CatalogueError {
    let known = BUILT_IN.into_iter().chain(OPTIONAL).chain(vars.keys().map(String::as_str));
    let nearest = known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 2)
        .map(|(_, candidate)| Clean::new(candidate));
    CatalogueError::Unknown { name: Clean::new(name), nearest }
}

/// A duration as PromQL writes it; at least a millisecond.
fn promql_duration(duration: Duration) -> String {
    let ms = duration.as_millis().max(1);
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn fill(template: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        render(template, &vars(pairs), MINUTE, Duration::from_secs(30)).map_err(|e| e.to_string())
    }

    #[test]
    fn built_in_names() {
        assert_eq!(fill("x[{{window}}] y[{{ rate }}]", &[]).unwrap(), "x[60s] y[120s]");
        let short = Duration::from_millis(2500);
        let text = render("{{window}} {{rate}} {{window_seconds}}", &vars(&[]), short, MINUTE).unwrap();
        assert_eq!(text, "2500ms 240s 2.5");
    }

    #[test]
    fn selectors_may_be_empty() {
        assert_eq!(fill("up{a=\"b\",{{selector}}}", &[]).unwrap(), "up{a=\"b\",}");
        let shop = [("selector", "namespace=\"shop\",")];
        assert_eq!(fill("up{{{selector}}}", &shop).unwrap(), "up{namespace=\"shop\"}");
        assert_eq!(fill("up{a=\"b\",{{selector}}}", &shop).unwrap(), "up{a=\"b\",namespace=\"shop\"}");
    }

    #[test]
    fn mistakes_are_named_with_the_nearest_name() {
        let told = fill("{{windw}}", &[]).unwrap_err();
        assert!(told.contains("`windw`") && told.contains("`window`"), "{told}");
        let told = fill("{{namespase}}", &[("namespace", "x")]).unwrap_err();
        assert!(told.contains("`namespace`"), "{told}");
        let told = fill("{{quux}}", &[]).unwrap_err();
        assert!(told.contains("`quux`") && !told.contains("did you mean"), "{told}");
        assert!(fill("up{{selector", &[]).unwrap_err().contains("`}}`"));
    }

    proptest! {
        #[test]
        fn any_template_is_filled_or_refused(template in "[a-z{} \"=\u{e9}]{0,40}") {
            let _ = fill(&template, &[]);
        }
    }
}
