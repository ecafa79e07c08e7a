//! Writes: what changes of which object, as a command with a precondition, as its inverse, and as what a
//! fresh read must show.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cluster::object::Object;
use super::names::{Label, NameError, ObjectName, ResourceVersion, Uid};
use super::proposal::Change;
use super::quantity::same;
use super::target::{ObjectKind, ObjectTarget};
use crate::domain::Clean;

/// Under which name the API server remembers who owns a field.
pub const FIELD_MANAGER: &str = "sagetop";

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The object, as a GET named it.
    pub target: ObjectTarget,
    /// What changes of it.
    pub edit: Edit,
}

/// How an object is changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// The number of replicas, through the subresource `scale`.
    Scale {
        /// Now.
        from: u32,
        /// Then.
        to: u32,
        /// Version of the object the number was read from; an undo is not bound to one.
        version: Option<String>,
    },
    /// Some fields, by a JSON patch (RFC 6902) whose tests are the precondition.
    Patch {
        /// Through the subresource `resize` of a pod.
        resize: bool,
        /// What must be as it was read, and stays.
        keeps: Vec<(String, Value)>,
        /// What changes.
        fields: Vec<Field>,
    },
    /// One annotation.
    Annotate {
        /// Its key.
        key: BandwidthKey,
        /// Its value now.
        before: Option<String>,
        /// Its value then; `None` removes it.
        after: Option<String>,
        /// Version of the object it was read from.
        version: String,
    },
}

/// A field before and after; `None` where it is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// JSON pointer (RFC 6901).
    pub path: String,
    /// Before, literally as it was read: `1` is not `1000m` to a test.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
}

/// The annotations that limit a pod's bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BandwidthKey {
    /// What it receives.
    Ingress,
    /// What it sends.
    Egress,
}

impl BandwidthKey {
    /// The annotation's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Ingress => "kubernetes.io/ingress-bandwidth",
            Self::Egress => "kubernetes.io/egress-bandwidth",
        }
    }

    /// JSON pointer of the annotation below `metadata`, which stands at `parent`.
    pub fn pointer(self, parent: &str) -> String {
        format!("{parent}/annotations/{}", self.key().replace('/', "~1"))
    }
}

/// Whether a command writes, or only asks the server what it would say to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `--dry-run=none`
    Real,
    /// `--dry-run=server`
    Rehearsal,
}

impl Mode {
    fn flag(self) -> String {
        match self {
            Self::Real => "--dry-run=none".to_owned(),
            Self::Rehearsal => "--dry-run=server".to_owned(),
        }
    }
}

/// How an object stands to a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// All fields have the values before it.
    Before,
    /// All fields have the values after it.
    After,
    /// Some have others; what was seen.
    Neither(Clean),
    /// It is another object of the same name.
    Replaced,
}

impl Write {
    /// The words of the command behind the ones that every command has.
    ///
    /// # Errors
    /// A name in it is no name.
    pub fn words(&self, mode: Mode) -> Result<Vec<String>, NameError> {
        let object = reference(self.target.kind, self.target.name.as_str())?;
        let mut words = match &self.edit {
            Edit::Scale { from, to, version } => {
                let mut words = vec!["scale".to_owned(), object];
                words.push(format!("--replicas={to}"));
                words.push(format!("--current-replicas={from}"));
                if let Some(version) = version {
                    words.push(format!("--resource-version={}", ResourceVersion::new(version)?));
                }
                words
            }
            Edit::Patch { resize, keeps, fields } => {
                let mut words = vec!["patch".to_owned(), object];
                words.extend(resize.then(|| "--subresource=resize".to_owned()));
                words.extend(["--type=json".to_owned(), format!("--field-manager={FIELD_MANAGER}")]);
                words.push("-p".to_owned());
                words.push(self.patch(keeps, fields)?);
                words
            }
            Edit::Annotate { key, after, version, .. } => {
                let mut words = vec!["annotate".to_owned(), object, "--overwrite".to_owned()];
                words.push(format!("--resource-version={}", ResourceVersion::new(version)?));
                words.push(format!("--field-manager={FIELD_MANAGER}"));
                words.push(match after {
                    Some(value) => format!("{}={value}", key.key()),
                    None => format!("{}-", key.key()),
                });
                words
            }
        };
        // In front of a patch's text, for who reads it.
        words.insert(2, mode.flag());
        Ok(words)
    }

    fn patch(&self, keeps: &[(String, Value)], fields: &[Field]) -> Result<String, NameError> {
        let uid = Uid::new(self.target.uid.as_str())?;
        let test = |path: &str, value: &Value| json!({ "op": "test", "path": path, "value": value });
        let mut operations = vec![test("/metadata/uid", &json!(uid.as_str()))];
        operations.extend(keeps.iter().map(|(path, value)| test(path, value)));
        operations.extend(fields.iter().filter_map(|field| Some(test(&field.path, field.before.as_ref()?))));
        operations.extend(fields.iter().map(|field| match (&field.before, &field.after) {
            (Some(_), Some(after)) => json!({ "op": "replace", "path": field.path, "value": after }),
            (None, Some(after)) => json!({ "op": "add", "path": field.path, "value": after }),
            (_, None) => json!({ "op": "remove", "path": field.path }),
        }));
        Ok(Value::Array(operations).to_string())
    }

    /// The fields it changes.
    pub fn fields(&self) -> Vec<Field> {
        match &self.edit {
            Edit::Scale { from, to, .. } => {
                let (before, after) = (Some(json!(from)), Some(json!(to)));
                vec![Field { path: "/spec/replicas".to_owned(), before, after }]
            }
            Edit::Patch { fields, .. } => fields.clone(),
            Edit::Annotate { key, before, after, .. } => {
                let value = |text: &Option<String>| text.as_ref().map(|text| json!(text));
                vec![Field { path: key.pointer("/metadata"), before: value(before), after: value(after) }]
            }
        }
    }

    /// The write that takes this one back. It holds only while the fields are as this one leaves them.
    pub fn inverse(&self) -> Self {
        let fields = || {
            let turned = |field: Field| Field { path: field.path, before: field.after, after: field.before };
            self.fields().into_iter().map(turned).collect()
        };
        let edit = match &self.edit {
            Edit::Scale { from, to, .. } => Edit::Scale { from: *to, to: *from, version: None },
            Edit::Patch { resize, keeps, .. } => {
                Edit::Patch { resize: *resize, keeps: keeps.clone(), fields: fields() }
            }
            // Not bound to a version, which is not known before the write.
            Edit::Annotate { .. } => Edit::Patch { resize: false, keeps: Vec::new(), fields: fields() },
        };
        Self { target: self.target.clone(), edit }
    }

    /// How `object`, read just now, stands to it.
    pub fn standing(&self, object: &Object) -> Standing {
        if object.uid() != self.target.uid.as_str() {
            return Standing::Replaced;
        }
        let fields = self.fields();
        let all = |value: fn(&Field) -> &Option<Value>| {
            fields.iter().all(|field| match (object.at(&field.path), value(field)) {
                (None, None) => true,
                (Some(seen), Some(value)) => same(seen, value),
                _ => false,
            })
        };
        if all(|field| &field.after) {
            return Standing::After;
        }
        if all(|field| &field.before) {
            return Standing::Before;
        }
        let seen = fields.iter().map(|field| {
            let seen = object.at(&field.path).map_or_else(|| "absent".to_owned(), Value::to_string);
            format!("{} is {seen}", field.path)
        });
        Standing::Neither(Clean::new(&seen.collect::<Vec<_>>().join(", ")))
    }

    /// The same changes in words, in the other direction.
    pub fn turned(changes: &[Change]) -> Vec<Change> {
        let turn =
            |c: &Change| Change { field: c.field.clone(), before: c.after.clone(), after: c.before.clone() };
        changes.iter().map(turn).collect()
    }
}

/// `KIND/NAME` as kubectl takes it: the only way in which objects are named.
pub fn reference(kind: ObjectKind, name: &str) -> Result<String, NameError> {
    Ok(format!("{}/{}", kind.resource(), ObjectName::new(name)?))
}

/// A namespace as a word of a command.
pub fn namespace(name: &str) -> Result<Label, NameError> {
    Label::new(name)
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
