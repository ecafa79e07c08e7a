//! Who owns what is to be changed: quotas, repositories, autoscalers, as they look on a real API server.

use std::time::Duration;

use sagetop::domain::{Clean, Resource};
use sagetop::remedy::runner::Pace;
use sagetop::remedy::{ActionKind, Outcome, Proposal, Weight};
use serde_json::{Value, json};

use super::cluster::{Kube, definition, deployment, kubectls};
use super::{bench, blame, of_kind, opened, pace, proposed};
use crate::remedy_desk::driver::settings;

pub fn warns(proposal: &Proposal, words: &str) {
    let found = |obstacle: &sagetop::remedy::Obstacle| {
        obstacle.weight == Weight::Warning && obstacle.text.as_str().contains(words)
    };
    assert!(proposal.obstacles.iter().any(found), "{words}: {:#?}", proposal.obstacles);
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn a_quota_lets_one_more_in_and_then_none() {
    let kube = Kube::shared();
    kube.shop("quota");
    kube.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small", "namespace": "quota" },
        "spec": { "hard": { "pods": "4" } },
    }));
    kube.used_quota("quota", "3");
    let mut desk = bench(&kubectls()[0], &kube.kubeconfig, "quota");
    blame(&desk, Resource::Latent);
    let plan = desk.carry_out(of_kind(ActionKind::ScaleOut));
    assert_eq!(plan.changes[0].after.as_ref().unwrap().as_str(), "3");
    assert_eq!(desk.outcome(), Outcome::Applied);
    kube.replicas("quota", 3);
    kube.used_quota("quota", "4");
    let (proposals, notes) = desk.proposals();
    assert!(!proposals.iter().any(of_kind_of(ActionKind::ScaleOut)));
    assert!(notes.iter().any(|note| note.contains("quota small: pods has 0 left")), "{notes:?}");
}

fn of_kind_of(kind: ActionKind) -> impl Fn(&std::sync::Arc<Proposal>) -> bool {
    move |proposal| proposal.kind == kind
}

/// What a reconciler would apply, as it would: server-side, and by force.
pub fn reconcile(kube: &Kube, manager: &str, object: &Value) {
    let manager = format!("--field-manager={manager}");
    kube.admin(&["apply", "--server-side", "--force-conflicts", &manager, "-f", "-"], &object.to_string());
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn a_repository_is_named_gets_a_patch_and_is_seen_to_put_it_back() {
    let kube = Kube::shared();
    let kubectl = &kubectls()[0];
    for (namespace, manager, metadata, owner) in [
        (
            "gitops-argo",
            "argocd-controller",
            json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:gitops/web" } }),
            "Argo CD (application shop)",
        ),
        (
            "gitops-flux",
            "kustomize-controller",
            json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" } }),
            "Flux (kustomization apps)",
        ),
        // Neither label nor annotation: who owns the field tells.
        ("gitops-bare", "helm-controller", json!({}), "Flux (helm-controller)"),
    ] {
        kube.admin(&["create", "namespace", namespace], "");
        let mut object = deployment(namespace, "web", 2);
        for (key, value) in metadata.as_object().unwrap() {
            object["metadata"][key] = value.clone();
        }
        reconcile(&kube, manager, &object);
        kube.replicas(namespace, 2);
        // Long enough to see who puts it back.
        let patient = Pace { settle: Duration::from_secs(30), ..pace() };
        let mut desk = opened(settings(kubectl, &kube.kubeconfig, namespace), patient);
        blame(&desk, Resource::Latent);
        let scale = proposed(&mut desk, ActionKind::ScaleOut);
        warns(&scale, &format!("temporary: {owner} owns this field"));
        let patch: Value = serde_json::from_str(scale.patch.as_ref().unwrap().as_str()).unwrap();
        assert_eq!((&patch["spec"]["replicas"], &patch["kind"]), (&json!(3), &json!("Deployment")));

        let plan = desk.review(&scale).unwrap();
        desk.arm();
        desk.approve(&plan);
        assert_eq!(desk.outcome(), Outcome::Applied, "{:?}", desk.words());
        reconcile(&kube, manager, &object);
        let operation = desk.operation("the revert", |operation| operation.reverted.is_some());
        assert_eq!(operation.reverted, Some(Clean::new(manager)));
        assert!(!operation.can_undo);
        // What the repository would have to say is what the server takes.
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-"];
        kube.admin(&apply, &patch.to_string());
        assert_eq!(kube.get(namespace, "deployments.apps/web")["spec"]["replicas"], 3);
    }
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn the_objects_of_keda_and_of_vertical_autoscalers_are_found() {
    let kube = Kube::shared();
    for (group, version, kind) in
        [("keda.sh", "v1alpha1", "ScaledObject"), ("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler")]
    {
        kube.apply(&definition(group, version, kind));
        let name = format!("crd/{}s.{group}", kind.to_lowercase());
        kube.admin(&["wait", "--for=condition=established", "--timeout=30s", &name], "");
    }
    let object = |api: &str, kind: &str, spec: Value| json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "web", "namespace": "operators" }, "spec": spec });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    kube.shop("operators");
    let mut desk = bench(&kubectls()[0], &kube.kubeconfig, "operators");

    // A vertical autoscaler that acts by itself would put resources back; one that advises would not.
    for (mode, acts) in [("Auto", true), ("Off", false)] {
        let spec = json!({ "targetRef": target, "updatePolicy": { "updateMode": mode } });
        kube.apply(&object("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", spec));
        blame(&desk, Resource::Memory);
        let resize = proposed(&mut desk, ActionKind::ResizeTemplate);
        let told = resize.obstacles.iter().any(|found| found.text.as_str().contains("a vertical autoscaler"));
        assert_eq!(told, acts, "{mode}: {resize:#?}");
    }

    // KEDA writes its autoscaler's floor: the place to change is its own object.
    let scaled = json!({ "scaleTargetRef": { "name": "web" }, "minReplicaCount": 2, "maxReplicaCount": 6 });
    kube.apply(&object("keda.sh/v1alpha1", "ScaledObject", scaled));
    let uid = kube.get("operators", "scaledobjects.keda.sh/web")["metadata"]["uid"].clone();
    let mut hpa = object(
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        json!({ "scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6, "targetCPUUtilizationPercentage": 80 }),
    );
    hpa["metadata"]["ownerReferences"] = json!([
        { "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web", "uid": uid, "controller": true }
    ]);
    kube.apply(&hpa);
    blame(&desk, Resource::Latent);
    let (proposals, _) = desk.proposals();
    assert!(!proposals.iter().any(of_kind_of(ActionKind::ScaleOut)), "{proposals:#?}");
    let plan = desk.carry_out(of_kind(ActionKind::AutoscalerFloor));
    assert!(plan.step.argv.contains(&"scaledobjects.keda.sh/web".to_owned()), "{plan:?}");
    assert_eq!(desk.outcome(), Outcome::Applied, "{:?}", desk.words());
    assert_eq!(kube.get("operators", "scaledobjects.keda.sh/web")["spec"]["minReplicaCount"], 3);
    let hpa = kube.get("operators", "horizontalpodautoscalers.autoscaling/web");
    assert_eq!(hpa["spec"]["minReplicas"], 2, "that is KEDA's to write");
}
