//! Label and field selectors of lists.

use serde_json::Value;

use super::failure::Failure;
use super::store::text;

/// Fields that can be selected by, and where they are.
const FIELDS: [(&str, &str); 4] = [
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
    ("status.phase", "/status/phase"),
];

/// Whether `object` meets both selectors.
pub fn matches(object: &Value, labels: &str, fields: &str) -> Result<bool, Failure> {
    for term in terms(labels) {
        let (key, wanted, equal) = split(term);
        let found = object["metadata"]["labels"].get(key).and_then(Value::as_str);
        let met = match wanted {
            Some(wanted) => (found == Some(wanted)) == equal,
            None => found.is_some(),
        };
        if !met {
            return Ok(false);
        }
    }
    for term in terms(fields) {
        let (key, wanted, equal) = split(term);
        let Some((_, pointer)) = FIELDS.iter().find(|(name, _)| *name == key) else {
            return Err(Failure::bad_request(format!("field label not supported: {key}")));
        };
        if (text(object, pointer) == wanted.unwrap_or_default()) != equal {
            return Ok(false);
        }
    }
    Ok(true)
}

fn terms(selector: &str) -> impl Iterator<Item = &str> {
    selector.split(',').map(str::trim).filter(|term| !term.is_empty())
}

/// Key, value and whether they are to be equal.
fn split(term: &str) -> (&str, Option<&str>, bool) {
    if let Some((key, value)) = term.split_once("!=") {
        return (key, Some(value), false);
    }
    match term.split_once('=') {
        Some((key, value)) => (key, Some(value.trim_start_matches('=')), true),
        None => (term, None, true),
    }
}
