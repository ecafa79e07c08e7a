//! Whoever puts things back, with real objects and real field owners: a repository that owns the autoscaler and not
//! the workload, one that applies on its own side, operators with and without an owner reference.

use sagetop::domain::Resource;
use sagetop::remedy::{ActionKind, Obstacle, Outcome, Weight};
use serde_json::{Value, json};

use super::cluster::{Kube, definition, deployment, kubectls};
use super::owners::{reconcile, warns};
use super::{bench, blame, of_kind, proposed};

fn texts(obstacles: &[Obstacle], weight: Weight) -> Vec<&str> {
    let such = obstacles.iter().filter(|obstacle| obstacle.weight == weight);
    such.map(|obstacle| obstacle.text.as_str()).collect()
}

fn establish(kube: &Kube, group: &str, version: &str, kind: &str) {
    kube.apply(&definition(group, version, kind));
    let name = format!("crd/{}s.{group}", kind.to_lowercase());
    kube.admin(&["wait", "--for=condition=established", "--timeout=30s", &name], "");
}

fn target() -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" })
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn a_repository_that_owns_the_autoscaler_gets_the_patch_for_it() {
    let kube = Kube::shared();
    establish(&kube, "keda.sh", "v1alpha1", "ScaledObject");
    let argo =
        json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:autoscaling/HPA:repo-hpa/web" } });
    let flux = json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "scaling" } });
    for (namespace, manager, api, kind, metadata, spec, floor, owner) in [
        (
            "repo-hpa",
            "argocd-controller",
            "autoscaling/v1",
            "HorizontalPodAutoscaler",
            argo,
            json!({ "scaleTargetRef": target(), "minReplicas": 2, "maxReplicas": 6 }),
            "minReplicas",
            "Argo CD (application shop)",
        ),
        (
            "repo-keda",
            "kustomize-controller",
            "keda.sh/v1alpha1",
            "ScaledObject",
            flux,
            json!({ "scaleTargetRef": { "name": "web" }, "minReplicaCount": 2, "maxReplicaCount": 6 }),
            "minReplicaCount",
            "Flux (kustomization scaling)",
        ),
    ] {
        kube.shop(namespace);
        let mut object = json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec });
        (object["metadata"]["name"], object["metadata"]["namespace"]) = (json!("web"), json!(namespace));
        reconcile(&kube, manager, &object);
        let mut desk = bench(&kubectls()[0], &kube.kubeconfig, namespace);
        blame(&desk, Resource::Latent);
        let raise = proposed(&mut desk, ActionKind::AutoscalerFloor);
        let words = format!("temporary: {owner} owns this field");
        warns(&raise, &words);
        let patch: Value = serde_json::from_str(raise.patch.as_ref().unwrap().as_str()).unwrap();
        assert_eq!((&patch["kind"], &patch["spec"][floor]), (&json!(kind), &json!(3)));
        assert_eq!(patch["metadata"], json!({ "name": "web", "namespace": namespace }));
        // The workload itself is not offered beside it, and the preview tells the same.
        let (proposals, _) = desk.proposals();
        assert!(!proposals.iter().any(|proposal| proposal.kind == ActionKind::ScaleOut), "{proposals:#?}");
        let raise = proposed(&mut desk, ActionKind::AutoscalerFloor);
        let plan = desk.review(&raise).unwrap();
        assert!(texts(&plan.obstacles, Weight::Warning).iter().any(|text| text.contains(&words)), "{plan:?}");
    }
}

/// Argo CD applies like a person by default: its name stands among the updates, and no label tells.
#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn a_repository_that_applies_on_its_own_side_is_known_by_its_name() {
    let kube = Kube::shared();
    let namespace = "argo-client";
    kube.admin(&["create", "namespace", namespace], "");
    let object = deployment(namespace, "web", 2);
    kube.admin(&["apply", "--field-manager=argocd-controller", "-f", "-"], &object.to_string());
    kube.replicas(namespace, 2);
    let mut desk = bench(&kubectls()[0], &kube.kubeconfig, namespace);
    blame(&desk, Resource::Memory);
    let resize = proposed(&mut desk, ActionKind::ResizeTemplate);
    warns(&resize, "temporary: Argo CD owns this field");
    // What it would have to say is what the server takes, of this one container and nothing else.
    let patch: Value = serde_json::from_str(resize.patch.as_ref().unwrap().as_str()).unwrap();
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-"];
    kube.admin(&apply, &patch.to_string());
    let container =
        kube.get(namespace, "deployments.apps/web")["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(container["resources"]["limits"], json!({ "cpu": "200m", "memory": "192Mi" }));
    assert_eq!(container["image"], "web:1");
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn an_operators_workload_is_left_to_its_operator() {
    let kube = Kube::shared();
    establish(&kube, "example.org", "v1", "Shop");
    let namespace = "operated";
    kube.admin(&["create", "namespace", namespace], "");
    let metadata = json!({ "name": "corner", "namespace": namespace });
    kube.apply(&json!({ "apiVersion": "example.org/v1", "kind": "Shop", "metadata": metadata, "spec": {} }));
    let uid = kube.get(namespace, "shops.example.org/corner")["metadata"]["uid"].clone();
    let mut object = deployment(namespace, "web", 2);
    object["metadata"]["ownerReferences"] = json!([
        { "apiVersion": "example.org/v1", "kind": "Shop", "name": "corner", "uid": uid, "controller": true }
    ]);
    reconcile(&kube, "shop-operator", &object);
    kube.replicas(namespace, 2);
    let mut desk = bench(&kubectls()[0], &kube.kubeconfig, namespace);
    blame(&desk, Resource::Latent);
    let scale = proposed(&mut desk, ActionKind::ScaleOut);
    let refused = texts(&scale.obstacles, Weight::Refusal);
    assert_eq!(refused, ["it belongs to Shop corner, which would put it back: change that instead"]);
    let why = desk.review(&scale).unwrap_err();
    assert!(why.contains("it belongs to Shop corner"), "{why}");
    assert_eq!(kube.get(namespace, "deployments.apps/web")["spec"]["replicas"], 2);

    // Without the reference, who owns the field is a warning: it may or may not act.
    object["metadata"]["ownerReferences"] = json!([]);
    reconcile(&kube, "shop-operator", &object);
    blame(&desk, Resource::Latent);
    let scale = proposed(&mut desk, ActionKind::ScaleOut);
    warns(&scale, "shop-operator owns this field and may put it back");
    assert!(scale.patch.is_none(), "there is no repository: {scale:?}");
    desk.carry_out(of_kind(ActionKind::ScaleOut));
    assert_eq!(desk.outcome(), Outcome::Applied, "{:?}", desk.words());
}
