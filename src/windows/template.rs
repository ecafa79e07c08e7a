//! Filling in the `{{name}}` placeholders of PromQL templates.

use std::collections::BTreeMap;

/// Replaces every `{{name}}` in `template` by its value; spaces inside the braces are allowed.
///
/// # Errors
/// A sentence that names the placeholder without a value, or the brace that is never closed.
pub fn expand(template: &str, vars: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        // In `up{{{selector}}}` the first brace is PromQL's own.
        let open = if rest[open + 2..].starts_with('{') { open + 1 } else { open };
        let (before, after) = (&rest[..open], &rest[open + 2..]);
        out.push_str(before);
        let Some(close) = after.find("}}") else {
            return Err(format!("`{{{{` without `}}}}` in `{template}`"));
        };
        let name = after[..close].trim();
        let Some(value) = vars.get(name) else {
            return Err(format!("`{{{{{name}}}}}` has no value; set it under `vars`"));
        };
        out.push_str(value);
        rest = &after[close + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars() -> BTreeMap<String, String> {
        [("selector", "namespace=\"shop\""), ("window", "60s")]
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    #[test]
    fn placeholders_are_replaced() {
        for (template, expected) in [
            ("up", "up"),
            ("up{ {{ selector }} }", "up{ namespace=\"shop\" }"),
            ("up{{{selector}}}", "up{namespace=\"shop\"}"),
            ("rate(x{a=\"b\",{{selector}}}[{{window}}])", "rate(x{a=\"b\",namespace=\"shop\"}[60s])"),
        ] {
            assert_eq!(expand(template, &vars()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            expand("{{nope}}", &vars()),
            Err("`{{nope}}` has no value; set it under `vars`".to_owned())
        );
        assert!(expand("x[{{window]", &vars()).is_err());
    }
}
