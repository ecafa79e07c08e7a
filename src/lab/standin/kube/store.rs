//! The objects and their versions.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::failure::Failure;
use super::kinds::Kind;
use super::managed;
use crate::lab::cluster;

/// Key of an object: kind's plural, namespace, name.
type Key = (&'static str, String, String);

/// Changes that are remembered for watches.
const REMEMBERED: usize = 1_024;

/// All objects. Every write gives the object the next resource version.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<Key, Value>,
    version: u64,
    /// What was written last, oldest first.
    changes: VecDeque<Change>,
    /// The newest change that is no longer remembered.
    forgotten: u64,
    /// Wakes whoever waits for the next version.
    newest: watch::Sender<u64>,
}

/// A write.
#[derive(Debug)]
pub struct Change {
    /// The version it led to.
    pub version: u64,
    key: Key,
    /// The object, if there was one.
    pub before: Option<Value>,
    /// The object, if there is one.
    pub after: Option<Value>,
}

/// Who writes, through what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// Field manager.
    pub manager: &'a str,
    /// Subresource.
    pub subresource: Option<&'a str>,
    /// RFC 3339.
    pub time: &'a str,
}

impl Store {
    /// The newest version that was given out.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Tells each newest version.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The newest version of which the changes that led to it are not known.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What was written to objects of a kind after a version, in all namespaces or one.
    pub fn since(&self, version: u64, kind: &'static Kind, namespace: &str) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| {
            let placed = namespace.is_empty() || change.key.1 == namespace;
            change.version > version && change.key.0 == kind.plural && placed
        })
    }

    /// Stores an object, or that there is none any more, as the next version.
    fn put(&mut self, key: Key, after: Option<Value>) {
        self.version += 1;
        let before = match &after {
            Some(object) => self.objects.insert(key.clone(), object.clone()),
            None => self.objects.remove(&key),
        };
        self.changes.push_back(Change { version: self.version, key, before, after });
        if self.changes.len() > REMEMBERED {
            self.forgotten = self.changes.pop_front().map_or(self.forgotten, |change| change.version);
        }
        self.newest.send_replace(self.version);
    }

    /// The object, or why not.
    pub fn get(&self, kind: &'static Kind, namespace: &str, name: &str) -> Result<&Value, Failure> {
        let key = (kind.plural, namespace.to_owned(), name.to_owned());
        self.objects.get(&key).ok_or_else(|| Failure::not_found(kind, name))
    }

    /// All objects of a kind, in all namespaces or one.
    pub fn list(&self, kind: &'static Kind, namespace: &str) -> impl Iterator<Item = &Value> {
        self.objects
            .iter()
            .filter(move |(key, _)| key.0 == kind.plural && (namespace.is_empty() || key.1 == namespace))
            .map(|(_, object)| object)
    }

    /// Makes an object out of `new` with the server's fields set.
    pub fn create(
        &mut self,
        kind: &'static Kind,
        mut new: Value,
        by: Writer<'_>,
        dry: bool,
    ) -> Result<Value, Failure> {
        let name = text(&new, "/metadata/name").to_owned();
        let namespace = text(&new, "/metadata/namespace").to_owned();
        if self.get(kind, &namespace, &name).is_ok() {
            return Err(Failure::exists(kind, &name));
        }
        new["apiVersion"] = json!(kind.api_version());
        new["kind"] = json!(kind.kind);
        new["metadata"]["uid"] = json!(uid(&format!("{}/{namespace}/{name}/{}", kind.plural, self.version)));
        new["metadata"]["creationTimestamp"] = json!(by.time);
        if has_generation(kind) {
            new["metadata"]["generation"] = json!(1);
        }
        managed::note(&json!({}), &mut new, by.manager, by.subresource, by.time);
        new["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
        if !dry {
            self.put((kind.plural, namespace, name), Some(new.clone()));
        }
        Ok(new)
    }

    /// Replaces an object by `new`, if `new` was made from its present version. Where nothing
    /// differs the version stays.
    pub fn update(
        &mut self,
        kind: &'static Kind,
        old: &Value,
        mut new: Value,
        by: Writer<'_>,
        dry: bool,
    ) -> Result<Value, Failure> {
        let name = text(old, "/metadata/name").to_owned();
        let asked = text(&new, "/metadata/resourceVersion");
        if !asked.is_empty() && asked != text(old, "/metadata/resourceVersion") {
            return Err(Failure::conflict(kind, &name));
        }
        let (asked, is) = (text(&new, "/metadata/uid"), text(old, "/metadata/uid"));
        if !asked.is_empty() && asked != is {
            return Err(Failure::other_uid(kind, &name, asked, is));
        }
        for key in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
        ] {
            copy_field(&old["metadata"], &mut new["metadata"], key);
        }
        copy_field(old, &mut new, "apiVersion");
        copy_field(old, &mut new, "kind");
        if new == *old {
            return Ok(new);
        }
        managed::note(old, &mut new, by.manager, by.subresource, by.time);
        if has_generation(kind) && new["spec"] != old["spec"] {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or(0);
            new["metadata"]["generation"] = json!(generation + 1);
        }
        if !dry {
            new["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
            let namespace = text(old, "/metadata/namespace").to_owned();
            self.put((kind.plural, namespace, name), Some(new.clone()));
        }
        Ok(new)
    }

    /// Takes an object away.
    pub fn delete(&mut self, kind: &'static Kind, namespace: &str, name: &str) {
        self.put((kind.plural, namespace.to_owned(), name.to_owned()), None);
    }
}

/// A text within an object, empty when it is not there.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn copy_field(from: &Value, to: &mut Value, key: &str) {
    let Some(to) = to.as_object_mut() else { return };
    match from.get(key) {
        Some(value) => drop(to.insert(key.to_owned(), value.clone())),
        None => drop(to.remove(key)),
    }
}

/// Kinds whose specification is counted.
fn has_generation(kind: &Kind) -> bool {
    kind.group == "apps" || kind.kind == "PodDisruptionBudget"
}

/// A version 4 UUID that depends on `seed` alone.
pub fn uid(seed: &str) -> String {
    let hash = Sha256::digest(seed.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// Ten characters that depend on a pod template alone, as the names of replica sets do.
pub fn template_hash(template: &Value) -> String {
    cluster::template_hash(&template.to_string())
}
