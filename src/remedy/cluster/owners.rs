//! Who else writes to a workload and would put back what is changed.
//!
//! Sources: Argo CD's resource tracking and automated sync, Flux' labels, KEDA's ScaledObject
//! specification, the Vertical Pod Autoscaler's update modes, and `managedFields` of the object itself,
//! which is the strongest sign.

use super::find::Workload;
use super::object::Object;
use super::view::View;
use crate::domain::Clean;

/// Managers that write what a person or the control plane itself asked for: they put nothing back.
const BENIGN: [&str; 7] = [
    "kubectl",
    "kubectl-client-side-apply",
    "kubectl-edit",
    "kubectl-patch",
    "kubectl-scale",
    "kube-controller-manager",
    "Mozilla",
];

/// Owners of a workload.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// The autoscaler that sets its number of replicas.
    pub autoscaler: Option<Object>,
    /// KEDA's object that owns that autoscaler, or will.
    pub scaled_object: Option<Object>,
    /// The vertical autoscaler that sets its resources, and whether it acts by itself.
    pub vertical: Option<(Object, bool)>,
    /// What reconciles it from a repository, in words.
    pub gitops: Option<Clean>,
    /// Kind and name of a controller whose object it is: a Rollout, a Knative service, an operator's CR.
    pub controller: Option<Clean>,
}

/// Looks for the owners of `workload`.
pub fn owners(workload: &Workload<'_>) -> Owners {
    let Workload { object, view, .. } = workload;
    let points_at = |candidate: &&Object, pointer: &str| {
        candidate.text(&format!("{pointer}/name")) == object.name()
            // KEDA's default is a deployment.
            && [object.kind(), ""].contains(&candidate.text(&format!("{pointer}/kind")))
    };
    let autoscaler = view.autoscalers.iter().find(|hpa| points_at(hpa, "/spec/scaleTargetRef"));
    let by_owner = autoscaler.and_then(Object::controller).filter(|(kind, _)| *kind == "ScaledObject");
    let scaled_object = view.scaled_objects.iter().find(|scaled| {
        points_at(scaled, "/spec/scaleTargetRef") || by_owner.is_some_and(|(_, name)| name == scaled.name())
    });
    let vertical = view.vertical.iter().find(|vpa| points_at(vpa, "/spec/targetRef"));
    let acts = |vpa: &Object| !["Off", "Initial"].contains(&vpa.text("/spec/updatePolicy/updateMode"));
    Owners {
        autoscaler: autoscaler.cloned(),
        scaled_object: scaled_object.cloned(),
        vertical: vertical.map(|vpa| (vpa.clone(), acts(vpa))),
        gitops: gitops(object),
        controller: object.controller().map(|(kind, name)| Clean::new(&format!("{kind} {name}"))),
    }
}

/// What reconciles `object` from a repository, if its labels or annotations say so.
pub fn gitops(object: &Object) -> Option<Clean> {
    let flux = |kind: &str, prefix: &str| {
        let name = object.label(&format!("{prefix}.toolkit.fluxcd.io/name"))?;
        Some(Clean::new(&format!("Flux ({kind} {name})")))
    };
    let tracking = object.annotation("argocd.argoproj.io/tracking-id");
    let instance = || object.label("argocd.argoproj.io/instance");
    let argo = tracking.and_then(|id| id.split(':').next()).or_else(instance);
    let by_manager = |name: &str| object.managers(&["f:spec"]).iter().any(|(manager, _)| *manager == name);
    argo.map(|app| Clean::new(&format!("Argo CD (application {app})")))
        .or_else(|| flux("kustomization", "kustomize"))
        .or_else(|| flux("helm release", "helm"))
        .or_else(|| by_manager("argocd-controller").then(|| Clean::new("Argo CD")))
        .or_else(|| by_manager("kustomize-controller").then(|| Clean::new("Flux (kustomize-controller)")))
        .or_else(|| by_manager("helm-controller").then(|| Clean::new("Flux (helm-controller)")))
}

/// Managers that own the field at `path` and might put its value back.
pub fn foreign_managers(object: &Object, path: &[&str]) -> Vec<Clean> {
    let foreign = |(manager, _): &(&str, Option<&str>)| {
        !BENIGN.iter().any(|benign| manager == benign || manager.starts_with(&format!("{benign}/")))
    };
    let mut names: Vec<Clean> =
        object.managers(path).into_iter().filter(foreign).map(|(manager, _)| Clean::new(manager)).collect();
    names.sort();
    names.dedup();
    names
}

/// Disruption budgets that allow none of the workload's pods to go: rollouts of a deployment do not ask
/// them, drains and evictions do.
pub fn blocking_budgets(view: &View, pods: &[&Object]) -> Vec<Clean> {
    let blocks = |budget: &&Object| {
        let selector = budget.at("/spec/selector").and_then(super::view::Selector::of);
        budget.count("/status/disruptionsAllowed") == Some(0)
            && selector.is_some_and(|selector| pods.iter().any(|pod| selector.matches(pod)))
    };
    view.budgets.iter().filter(blocks).map(|budget| Clean::new(budget.name())).collect()
}
