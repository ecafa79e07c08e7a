//! One object of a cluster as it was read.

use serde_json::{Map, Value};

use crate::domain::Clean;
use crate::remedy::names::{ContextName, Label, ObjectName, Uid};
use crate::remedy::target::{ObjectKind, ObjectTarget};

/// An object whose identity was checked. Fields are read where they are needed: most of them belong to
/// the cluster and not to us.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    value: Value,
    name: ObjectName,
    namespace: Option<Label>,
    uid: Uid,
}

impl Object {
    /// `value`, if it has a name, a namespace or none, and a uid that can be repeated in a command.
    pub fn of(value: Value) -> Option<Self> {
        let text = |key: &str| value["metadata"][key].as_str();
        let name = ObjectName::new(text("name")?).ok()?;
        let namespace = text("namespace").map(Label::new).transpose().ok()?;
        let uid = Uid::new(text("uid")?).ok()?;
        Some(Self { value, name, namespace, uid })
    }

    /// The objects of a list; what cannot be named is left out.
    pub fn list(list: Value) -> Vec<Self> {
        match list {
            Value::Object(mut fields) => match fields.remove("items") {
                Some(Value::Array(items)) => items.into_iter().filter_map(Self::of).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// `metadata.name`
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// `metadata.namespace`, empty where there is none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or("", Label::as_str)
    }

    /// `metadata.uid`
    pub fn uid(&self) -> &str {
        self.uid.as_str()
    }

    /// `metadata.resourceVersion`
    pub fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// `metadata.generation`: goes up with the specification only, and not every kind has it.
    pub fn generation(&self) -> Option<u64> {
        self.at("/metadata/generation").and_then(Value::as_u64)
    }

    /// `kind`
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// What is at a JSON pointer. `null` counts as nothing.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer).filter(|value| !value.is_null())
    }

    /// The text at a JSON pointer, or none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole number at a JSON pointer.
    pub fn count(&self, pointer: &str) -> Option<u32> {
        self.at(pointer).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok())
    }

    /// The list at a JSON pointer; empty where there is none.
    pub fn each(&self, pointer: &str) -> &[Value] {
        self.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The map at a JSON pointer.
    pub fn map(&self, pointer: &str) -> Option<&Map<String, Value>> {
        self.at(pointer).and_then(Value::as_object)
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.map("/metadata/labels")?.get(key)?.as_str()
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.map("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Kind and name of the controller that owns it.
    pub fn controller(&self) -> Option<(&str, &str)> {
        let owner =
            self.each("/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)?;
        Some((owner["kind"].as_str()?, owner["name"].as_str()?))
    }

    /// A condition of its status.
    pub fn condition(&self, kind: &str) -> Option<&Value> {
        self.each("/status/conditions").iter().find(|condition| condition["type"] == kind)
    }

    /// Who owns the field at `path`, in the words of `managedFields` (`f:spec`, `f:replicas`), ourselves
    /// left out; through which subresource, if any.
    pub fn managers(&self, path: &[&str]) -> Vec<(&str, Option<&str>)> {
        let owns =
            |entry: &&Value| path.iter().try_fold(&entry["fieldsV1"], |at, part| at.get(part)).is_some();
        let entries = self.each("/metadata/managedFields").iter().filter(owns);
        entries
            .filter_map(|entry| Some((entry["manager"].as_str()?, entry["subresource"].as_str())))
            .filter(|(manager, _)| *manager != crate::remedy::write::FIELD_MANAGER)
            .collect()
    }

    /// It as the target of an action.
    pub fn target(&self, kind: ObjectKind, context: &ContextName) -> ObjectTarget {
        ObjectTarget {
            context: Clean::new(context.as_str()),
            namespace: Clean::new(self.namespace()),
            kind,
            name: Clean::new(self.name()),
            uid: Clean::new(self.uid()),
        }
    }
}
