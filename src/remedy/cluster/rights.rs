//! What we may do: asked of the server before anything is proposed.

use crate::domain::Clean;
use crate::remedy::kubectl::{Kubectl, ReadError};
use crate::remedy::names::Label;
use crate::remedy::proposal::{Obstacle, Weight};
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{Edit, Write, reference};

/// A right as RBAC has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// `get`, `update`, `patch`.
    pub verb: &'static str,
    /// Of which kind.
    pub kind: ObjectKind,
    /// Of its subresource.
    pub subresource: Option<&'static str>,
}

impl Right {
    /// As RBAC writes it, such as `update deployments/scale`.
    pub fn words(&self) -> String {
        let plural = self.kind.resource().split('.').next().unwrap_or_default();
        match self.subresource {
            Some(subresource) => format!("{} {plural}/{subresource}", self.verb),
            None => format!("{} {plural}", self.verb),
        }
    }
}

/// The rights that `write` takes. A scale with a precondition is a GET and a PUT of the subresource, a
/// blind one would be a PATCH.
pub fn needed(write: &Write) -> Vec<Right> {
    let right = |verb, subresource| Right { verb, kind: write.target.kind, subresource };
    match &write.edit {
        Edit::Scale { .. } => vec![right("get", Some("scale")), right("update", Some("scale"))],
        // kubectl reads what it patches, and through the same subresource.
        Edit::Patch { resize: true, .. } => {
            vec![right("get", Some("resize")), right("patch", Some("resize"))]
        }
        Edit::Patch { resize: false, .. } | Edit::Annotate { .. } => vec![right("patch", None)],
    }
}

/// The rights that are missing for `write`, as refusals.
pub async fn missing(kubectl: &Kubectl, write: &Write) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    for right in needed(write) {
        let refusal = match ask(kubectl, write, right).await {
            Ok(true) => continue,
            Ok(false) => format!(
                "the right is missing: {} in {}; `sagetop actions rbac` prints what is needed",
                right.words(),
                write.target.namespace
            ),
            Err(error) => format!("whether there is the right to {} is not known: {error}", right.words()),
        };
        obstacles.push(Obstacle { weight: Weight::Refusal, text: Clean::capped(&refusal, 500) });
    }
    obstacles
}

async fn ask(kubectl: &Kubectl, write: &Write, right: Right) -> Result<bool, ReadError> {
    let namespace = Label::new(write.target.namespace.as_str())?;
    let object = reference(right.kind, write.target.name.as_str())?;
    kubectl.can_i(right.verb, &namespace, &object, right.subresource).await
}
