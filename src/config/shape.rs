//! Checks a document against the schema derived from the settings' types, so that every unknown
//! key, wrong type and unknown word is reported at its place, all in one go. (Reading the values
//! through serde alone stops at the first error and has no places within flattened tables.)

use std::ops::Range;

use schemars::JsonSchema;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Findings, nearest, suggest};
use crate::domain::duration;

/// What a document may contain.
pub struct Shape {
    schema: Value,
}

impl Shape {
    /// The shape of a `T`.
    pub fn of<T: JsonSchema>() -> Self {
        Self { schema: schemars::schema_for!(T).to_value() }
    }

    /// As a JSON schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Follows `$ref` and looks through "or nothing".
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = name.strip_prefix('#').and_then(|pointer| self.schema.pointer(pointer));
            return target.map_or(schema, |target| self.resolve(target));
        }
        let options = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut some =
            options.iter().filter(|option| option.get("type").and_then(Value::as_str) != Some("null"));
        match (some.next(), some.next()) {
            (Some(only), None) => self.resolve(only),
            _ => schema,
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("oneOf").and_then(Value::as_array).into_iter().flatten()
}

/// Reports everything in `root` that is not as `shape` says.
pub fn check(shape: &Shape, root: &Spanned<DeTable<'_>>, findings: &mut Findings) {
    let walk = &mut Walk { shape, findings, path: Vec::new() };
    let schema = shape.resolve(&shape.schema);
    walk.table(schema, root.get_ref(), root.span());
}

struct Walk<'a> {
    shape: &'a Shape,
    findings: &'a mut Findings,
    path: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, schema: &Value, value: &Spanned<DeValue<'_>>) {
        let shape = self.shape;
        if schema.get("writeOnly") == Some(&Value::Bool(true)) {
            self.findings.hide(value.span());
        }
        let schema = shape.resolve(schema);
        if let Some(words) = words(schema) {
            return self.word(&words, value);
        }
        if let Some(tag) = tag(shape, schema) {
            return self.tagged(schema, tag, value);
        }
        if !allows(schema, value.get_ref()) {
            let wanted = wanted(schema);
            let is = named(value.get_ref().type_str());
            return self.findings.error(
                value.span(),
                format!("{} must be {wanted}, not {is}", self.name()),
                None,
            );
        }
        match value.get_ref() {
            DeValue::Table(table) => self.table(schema, table, value.span()),
            DeValue::Array(array) => {
                let Some(items) = schema.get("items") else { return };
                for item in array.iter() {
                    self.value(items, item);
                }
            }
            DeValue::String(text)
                if schema.get("format").and_then(Value::as_str) == Some(duration::FORMAT) =>
            {
                if let Err(why) = duration::parse(text) {
                    self.findings.error(value.span(), why, None);
                }
            }
            DeValue::Integer(number) => {
                let parsed = number.as_str().parse::<i64>().ok();
                let minimum = schema.get("minimum").and_then(Value::as_i64);
                if let (Some(parsed), Some(minimum)) = (parsed, minimum)
                    && parsed < minimum
                {
                    self.findings.error(
                        value.span(),
                        format!("{} is less than {minimum}", self.name()),
                        None,
                    );
                }
            }
            _ => {}
        }
    }

    /// A table with fixed keys (`properties`), with free ones (`additionalProperties`), or both.
    fn table(&mut self, schema: &Value, table: &DeTable<'_>, span: Range<usize>) {
        let fixed = schema.get("properties").and_then(Value::as_object);
        let free = schema.get("additionalProperties").filter(|inner| inner.is_object());
        let mut meant = Vec::new();
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            self.path.push(name.to_owned());
            match fixed.and_then(|fixed| fixed.get(name)).or(free) {
                Some(inner) => {
                    self.value(inner, value);
                    self.path.pop();
                }
                None => {
                    self.path.pop();
                    let known = || fixed.into_iter().flat_map(Map::keys).map(String::as_str);
                    let near = nearest(name, known());
                    meant.extend(near);
                    let help = match near.filter(|near| table.contains_key(*near)) {
                        Some(near) => Some(format!("did you mean `{near}`? It is there already")),
                        None => suggest(name, known().filter(|known| !table.contains_key(*known))),
                    };
                    self.findings.error(key.span(), format!("unknown key `{name}` {}", self.place()), help);
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str).filter(|name| !table.contains_key(*name)) {
            if meant.contains(&name) {
                // It is there, misspelt, and was reported as that.
                continue;
            }
            let help = fixed
                .and_then(|fixed| fixed.get(name)?.get("description")?.as_str())
                .map(|text| format!("{name}: {}", text.replace('\n', " ")));
            self.findings.error(span.clone(), format!("key `{name}` is missing {}", self.place()), help);
        }
    }

    /// One of several words.
    fn word(&mut self, words: &[&str], value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::String(text) if words.contains(&text.as_ref()) => {}
            DeValue::String(text) => {
                let message = format!("`{text}` is not a valid {}", self.name());
                self.findings.error(value.span(), message, suggest(text, words.iter().copied()));
            }
            other => {
                let message = format!("{} must be a string, not {}", self.name(), named(other.type_str()));
                self.findings.error(value.span(), message, Some(format!("one of {}", words.join(", "))));
            }
        }
    }

    /// A table whose key `tag` tells which other keys it has.
    fn tagged(&mut self, schema: &Value, tag: &str, value: &Spanned<DeValue<'_>>) {
        let shape = self.shape;
        let of = |variant: &Value| {
            variant.pointer(&format!("/properties/{tag}/const"))?.as_str().map(str::to_owned)
        };
        let known: Vec<String> = variants(schema).filter_map(of).collect();
        let one_of = || Some(format!("{tag} is one of {}", known.join(", ")));
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("{} must be a table with the key `{tag}`", self.name());
            return self.findings.error(value.span(), message, one_of());
        };
        let Some(word) = table.get(tag) else {
            let message = format!("key `{tag}` is missing in {}", self.name());
            return self.findings.error(value.span(), message, one_of());
        };
        let chosen = word
            .get_ref()
            .as_str()
            .and_then(|word| variants(schema).find(|variant| of(variant).as_deref() == Some(word)));
        match chosen {
            Some(variant) => self.table(shape.resolve(variant), table, value.span()),
            None => {
                self.path.push(tag.to_owned());
                let words: Vec<&str> = known.iter().map(String::as_str).collect();
                self.word(&words, word);
                self.path.pop();
            }
        }
    }

    fn name(&self) -> String {
        self.path.last().map_or_else(|| "the file".to_owned(), |name| format!("`{name}`"))
    }

    fn place(&self) -> String {
        if self.path.is_empty() {
            "at the top level".to_owned()
        } else {
            format!("in [{}]", self.path.join("."))
        }
    }
}

/// The words of a plain enumeration.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter(|word| !word.is_null()).map(Value::as_str).collect();
    }
    if let Some(word) = schema.get("const") {
        return word.as_str().map(|word| vec![word]);
    }
    let mut all = Vec::new();
    for variant in variants(schema) {
        all.extend(words(variant)?);
    }
    (!all.is_empty()).then_some(all)
}

/// The key that tells the variants of a tagged enumeration apart.
fn tag<'a>(shape: &'a Shape, schema: &'a Value) -> Option<&'a str> {
    let first = shape.resolve(variants(schema).next()?);
    properties(first).find(|(_, inner)| inner.get("const").is_some()).map(|(key, _)| key.as_str())
}

/// The JSON types a schema allows; empty allows all.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect(),
        _ => Vec::new(),
    }
}

fn allows(schema: &Value, value: &DeValue<'_>) -> bool {
    let is: &[&str] = match value {
        DeValue::String(_) => &["string"],
        DeValue::Integer(_) => &["integer", "number"],
        DeValue::Float(_) => &["number"],
        DeValue::Boolean(_) => &["boolean"],
        DeValue::Array(_) => &["array"],
        DeValue::Table(_) => &["object"],
        DeValue::Datetime(_) => &[],
    };
    let types = types(schema);
    types.is_empty() || types.iter().any(|wanted| is.contains(wanted))
}

fn wanted(schema: &Value) -> String {
    if schema.get("format").and_then(Value::as_str) == Some(duration::FORMAT) {
        return "a duration in quotes such as \"500ms\", \"5m\" or \"28d\"".to_owned();
    }
    types(schema).into_iter().map(named).collect::<Vec<_>>().join(" or ")
}

/// A type in words.
fn named(kind: &str) -> &str {
    match kind {
        "string" => "a string",
        "integer" => "a whole number",
        "number" | "float" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" | "table" => "a table",
        "datetime" => "a date",
        other => other,
    }
}
