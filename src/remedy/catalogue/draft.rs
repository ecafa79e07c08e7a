//! What the catalogue gives: a write with its reasons, and what stands against it.

use serde_json::Value;

use crate::domain::{Clean, Counterfactual, NodeName, Resource, ResourceCause, ServiceName};
use crate::domain::{Lever, Move};
use crate::remedy::forecast::Forecast;
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::{Change, Obstacle, Weight};
use crate::remedy::settings::RemedySettings;
use crate::remedy::write::Write;

/// What is wanted: the blamed service and resource, and by whose measure.
#[derive(Clone, Copy)]
pub struct Want<'a> {
    /// The service that is changed.
    pub service: &'a ServiceName,
    /// The blamed one: the same, unless a neighbour of it is limited.
    pub victim: &'a ServiceName,
    /// The resource.
    pub resource: Resource,
    /// Its machine, where the verdict names one.
    pub node: Option<&'a NodeName>,
    /// What the verdict saw of the resource.
    pub cause: Option<&'a ResourceCause>,
    /// The tail now over the objective; 1 where it is not known.
    pub excess: f64,
    /// What each replica of the service sends, bytes per second, where it is measured.
    pub sends: Option<f64>,
    /// What somebody tried and asks for: then the amount is theirs.
    pub asked: Option<Lever>,
    /// Who can tell what a change would do.
    pub forecast: Option<&'a dyn Forecast>,
    /// Limits.
    pub settings: &'a RemedySettings,
}

impl Want<'_> {
    /// The tail with `lever` on the service.
    pub fn tail(&self, lever: Lever) -> Option<Counterfactual> {
        self.forecast?.tail(&Move { service: self.service.clone(), lever })
    }

    /// The metric's value over its normal one, where both are known.
    pub fn ratio(&self) -> Option<f64> {
        let cause = self.cause?;
        let (observed, normal) = (cause.observed?, cause.normal?);
        let ratio = observed / normal;
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }
}

/// An action, worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Which.
    pub kind: ActionKind,
    /// Whether it helps only some of the service's replicas, and no machine is blamed.
    pub partial: bool,
    /// What would be written.
    pub write: Write,
    /// The same for people.
    pub changes: Vec<Change>,
    /// How much can go wrong.
    pub risk: Risk,
    /// Why this, and why so much.
    pub why: Clean,
    /// The tail with it.
    pub forecast: Option<Counterfactual>,
    /// What stands against it.
    pub obstacles: Vec<Obstacle>,
    /// A patch for a repository, as JSON on one line, which every reader of YAML reads.
    pub patch: Option<Clean>,
}

/// Why an action does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has nothing to do with this workload: not worth a word.
    Silent,
    /// Worth telling.
    Told(Clean),
}

impl Unfit {
    /// Worth telling.
    pub fn because(why: impl AsRef<str>) -> Self {
        Self::Told(Clean::capped(why.as_ref(), 400))
    }
}

/// An obstacle.
pub fn obstacle(weight: Weight, text: impl AsRef<str>) -> Obstacle {
    Obstacle { weight, text: Clean::capped(text.as_ref(), 500) }
}

/// A field before and after, for people.
pub fn change(field: &str, before: Option<&str>, after: Option<&str>) -> Change {
    Change { field: Clean::new(field), before: before.map(Clean::new), after: after.map(Clean::new) }
}

/// A patch of `spec` for the repository that owns the object.
pub fn repository_patch(api: &str, kind: &str, (namespace, name): (&str, &str), spec: &Value) -> Clean {
    let metadata = serde_json::json!({ "name": name, "namespace": namespace });
    let patch = serde_json::json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec });
    Clean::capped(&patch.to_string(), 4_000)
}
