//! The manifest of `sagetop actions rbac`: with it every action works, without it each says what it lacks.

use std::path::Path;

use sagetop::domain::Resource;
use sagetop::remedy::{ActionKind, Outcome, RemedySettings, rbac};
use serde_json::json;

use super::cluster::{Kube, autoscaler, definition, kubectls};
use super::{bench, blame, of_kind};
use crate::remedy_desk::driver::{Bench, settings};

/// What is blamed for an action to be proposed, and the right that it takes.
const ACTIONS: [(ActionKind, Resource, &str); 5] = [
    (ActionKind::ScaleOut, Resource::Latent, "get deployments/scale"),
    (ActionKind::ResizeTemplate, Resource::Memory, "patch deployments"),
    (ActionKind::CiliumBandwidth, Resource::Network, "patch pods"),
    (ActionKind::CniBandwidth, Resource::Network, "patch deployments"),
    (ActionKind::AutoscalerFloor, Resource::Latent, "patch horizontalpodautoscalers"),
];

/// Makes the cluster one in which `kind` is proposed for `web`.
fn arrange(kube: &Kube, kind: ActionKind) {
    match kind {
        ActionKind::CiliumBandwidth => kube.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "cilium-config", "namespace": "kube-system" },
            "data": { "enable-bandwidth-manager": "true" },
        })),
        ActionKind::CniBandwidth => {
            kube.admin(&["delete", "-n", "kube-system", "configmap/cilium-config"], "");
        }
        ActionKind::AutoscalerFloor => kube.apply(&autoscaler("rights")),
        _ => {}
    }
}

/// A desk of somebody who may do what the manifest for `kinds` says.
fn granted(kube: &Kube, kubectl: &Path, kinds: &[ActionKind]) -> Bench {
    let nobody = kube.nobody();
    let kinds = RemedySettings { kinds: kinds.to_vec(), ..settings(kubectl, &nobody, "rights") };
    kube.admin(&["apply", "-f", "-"], &rbac::manifest(&kinds, "nobody").unwrap());
    bench(kubectl, &nobody, "rights")
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn the_manifest_is_enough_and_no_more() {
    // Its own: what one user may do, and that Cilium is there, holds for the whole cluster.
    let kube = Kube::start();
    let kubectl = &kubectls()[0];
    kube.shop("rights");
    kube.play_the_kubelet("rights");
    let mut desk = bench(kubectl, &kube.nobody(), "rights");
    blame(&desk, Resource::Latent);
    let (none, notes) = desk.proposals();
    assert!(none.is_empty() && notes.iter().any(|note| note.contains("(Forbidden)")), "{notes:?}");

    // With all rights but those of the action itself: it names what is missing, and cannot be reviewed.
    // With those of the action alone: it works.
    for (kind, resource, right) in ACTIONS {
        arrange(&kube, kind);
        let others: &[ActionKind] =
            if kind == ActionKind::CiliumBandwidth { &[ActionKind::ResizePod] } else { &[] };
        let mut desk = granted(&kube, kubectl, others);
        if kind == ActionKind::CiliumBandwidth {
            // That Cilium is there may be read with its action alone.
            kube.admin(&["apply", "-f", "-"], &reader_of_cilium());
        }
        blame(&desk, resource);
        let (proposals, notes) = desk.proposals();
        let proposal = proposals.iter().find(|proposal| proposal.kind == kind);
        let proposal = proposal.unwrap_or_else(|| panic!("{kind:?}: {proposals:#?}, {notes:?}")).clone();
        let words = format!("the right is missing: {right} in rights");
        let refusal = proposal.refusal().unwrap_or_else(|| panic!("{proposal:#?}")).text.to_string();
        assert!(refusal.contains(&words), "{kind:?}: {refusal}");
        let refused = desk.review(&proposal).unwrap_err();
        assert!(refused.contains(&words), "{kind:?}: {refused}");
        drop(desk);

        let mut desk = granted(&kube, kubectl, &[kind]);
        blame(&desk, resource);
        desk.carry_out(of_kind(kind));
        assert_eq!(desk.outcome(), Outcome::Applied, "{kind:?}: {:?}", desk.words());
        // Not before it has given its lease back.
        desk.done_or_verifying();
        drop(desk);
        kube.at_rest("rights");
        kube.play_the_kubelet("rights");
    }

    // Kinds that this server does not have: it still tells who may what.
    kube.apply(&definition("keda.sh", "v1alpha1", "ScaledObject"));
    let may = |verb: &str, resource: &str, subresource: &str| {
        let flag = format!("--subresource={subresource}");
        let words = ["auth", "can-i", verb, resource, "-n", "rights", "--as=nobody", &flag];
        kube.try_admin(&words[..if subresource.is_empty() { 7 } else { 8 }], "").0
    };
    for (kind, verb, resource, subresource) in [
        (ActionKind::ResizePod, "patch", "pods", "resize"),
        (ActionKind::AutoscalerFloor, "patch", "scaledobjects.keda.sh", ""),
        (ActionKind::ScaleOut, "update", "statefulsets.apps", "scale"),
        (ActionKind::ResizeTemplate, "patch", "statefulsets.apps", ""),
    ] {
        drop(granted(&kube, kubectl, &[]));
        assert!(!may(verb, resource, subresource), "{kind:?} without its right");
        drop(granted(&kube, kubectl, &[kind]));
        assert!(may(verb, resource, subresource), "{kind:?} with it");
    }

    // Nothing more than that, even with all of them.
    drop(granted(&kube, kubectl, &ActionKind::ALL));
    for (verb, resource, subresource) in [
        ("delete", "deployments.apps", ""),
        ("create", "pods", "exec"),
        ("get", "secrets", ""),
        ("delete", "pods", ""),
        ("update", "deployments.apps", ""),
        ("create", "rolebindings.rbac.authorization.k8s.io", ""),
    ] {
        assert!(!may(verb, resource, subresource), "{verb} {resource}/{subresource}");
    }
}

/// The part of the manifest for Cilium without its right to write.
fn reader_of_cilium() -> String {
    let metadata = json!({ "name": "reads-cilium", "namespace": "kube-system" });
    let group = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
                "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }],
            },
            {
                "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
                "roleRef": { "apiGroup": group, "kind": "Role", "name": "reads-cilium" },
                "subjects": [{ "apiGroup": group, "kind": "User", "name": "nobody" }],
            },
        ],
    })
    .to_string()
}
