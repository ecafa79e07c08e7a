//! The three kinds of patch an API server takes.

use serde_json::{Map, Value};

/// Why a patch cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// RFC 6902. Either every operation is applied or none.
pub fn json_patch(object: &Value, operations: &Value) -> Result<Value, Refused> {
    let mut patched = object.clone();
    for operation in operations.as_array().ok_or(Refused)? {
        let text = |key| operation.get(key).and_then(Value::as_str);
        let path = text("path").ok_or(Refused)?;
        let value = || operation.get("value").cloned().ok_or(Refused);
        match text("op").ok_or(Refused)? {
            "test" => {
                // A `null` equals what is absent, as in the library that API servers use.
                let found = patched.pointer(path).unwrap_or(&Value::Null);
                if *found != value()? {
                    return Err(Refused);
                }
            }
            "add" => add(&mut patched, path, value()?)?,
            "replace" => *patched.pointer_mut(path).ok_or(Refused)? = value()?,
            "remove" => drop(remove(&mut patched, path)?),
            "move" => {
                let moved = remove(&mut patched, text("from").ok_or(Refused)?)?;
                add(&mut patched, path, moved)?;
            }
            "copy" => {
                let copied = patched.pointer(text("from").ok_or(Refused)?).ok_or(Refused)?.clone();
                add(&mut patched, path, copied)?;
            }
            _ => return Err(Refused),
        }
    }
    Ok(patched)
}

/// The parent of what `path` points at, and the last step, unescaped.
fn parent<'a>(object: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Refused> {
    let (parent, key) = path.rsplit_once('/').ok_or(Refused)?;
    Ok((object.pointer_mut(parent).ok_or(Refused)?, key.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Result<(), Refused> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    match parent(object, path)? {
        (Value::Object(fields), key) => drop(fields.insert(key, value)),
        (Value::Array(items), key) if key == "-" => items.push(value),
        (Value::Array(items), key) => {
            let at: usize = key.parse().map_err(|_| Refused)?;
            if at > items.len() {
                return Err(Refused);
            }
            items.insert(at, value);
        }
        _ => return Err(Refused),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str) -> Result<Value, Refused> {
    match parent(object, path)? {
        (Value::Object(fields), key) => fields.remove(&key).ok_or(Refused),
        (Value::Array(items), key) => {
            let at: usize = key.parse().map_err(|_| Refused)?;
            if at < items.len() { Ok(items.remove(at)) } else { Err(Refused) }
        }
        _ => Err(Refused),
    }
}

/// RFC 7396; with `strategic`, lists of named things (containers, variables) are merged by name, and
/// `$patch: delete` removes one, as Kubernetes does.
pub fn merge(object: &mut Value, patch: &Value, strategic: bool) {
    let Value::Object(changes) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(fields) = object else { return };
    for (key, change) in changes {
        match change {
            Value::Null => drop(fields.remove(key)),
            Value::Array(items) if strategic && named(items) => {
                let list = fields.entry(key).or_insert_with(|| Value::Array(Vec::new()));
                match list {
                    Value::Array(old) if named(old) => merge_named(old, items),
                    list => *list = change.clone(),
                }
            }
            change => merge(fields.entry(key).or_insert(Value::Null), change, strategic),
        }
    }
}

fn named(items: &[Value]) -> bool {
    items.iter().all(|item| item.get("name").is_some_and(Value::is_string))
}

fn merge_named(old: &mut Vec<Value>, changes: &[Value]) {
    for change in changes {
        let at = old.iter().position(|item| item["name"] == change["name"]);
        match (at, change["$patch"] == "delete") {
            (Some(at), true) => drop(old.remove(at)),
            (Some(at), false) => merge(&mut old[at], change, true),
            (None, true) => {}
            (None, false) => old.push(change.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_json_patch_is_applied_whole_or_not_at_all() {
        let object = json!({ "a": { "b/c": 1 }, "list": [1, 2] });
        let patched = |operations| json_patch(&object, &operations);
        assert_eq!(
            patched(json!([
                { "op": "test", "path": "/a/b~1c", "value": 1 },
                { "op": "replace", "path": "/a/b~1c", "value": 2 },
                { "op": "add", "path": "/list/1", "value": 9 },
                { "op": "add", "path": "/list/-", "value": 8 },
                { "op": "move", "from": "/list/0", "path": "/a/d" },
            ])),
            Ok(json!({ "a": { "b/c": 2, "d": 1 }, "list": [9, 2, 8] }))
        );
        for wrong in [
            json!([{ "op": "test", "path": "/a/b~1c", "value": 2 }]),
            json!([{ "op": "replace", "path": "/a/x", "value": 2 }]),
            json!([{ "op": "add", "path": "/x/y", "value": 2 }]),
            json!([{ "op": "add", "path": "/list/3", "value": 2 }]),
            json!([{ "op": "remove", "path": "/a/x" }]),
            json!([{ "op": "frob", "path": "/a" }]),
            json!([{ "op": "add", "path": "/a/x" }]),
            json!({ "op": "add" }),
        ] {
            assert_eq!(patched(wrong.clone()), Err(Refused), "{wrong}");
        }
    }

    #[test]
    fn a_merge_patch_removes_by_null_and_a_strategic_one_merges_by_name() {
        let object = json!({ "list": [{ "name": "a", "x": 1, "y": 2 }, { "name": "b" }], "gone": 1 });
        let patch = json!({ "list": [{ "name": "a", "x": 3 }], "gone": null });
        let merged = |strategic| {
            let mut merged = object.clone();
            merge(&mut merged, &patch, strategic);
            merged
        };
        assert_eq!(merged(false), json!({ "list": [{ "name": "a", "x": 3 }] }));
        assert_eq!(merged(true), json!({ "list": [{ "name": "a", "x": 3, "y": 2 }, { "name": "b" }] }));
    }
}
