//! Actions against a real API server, with every kubectl that is installed.
//!
//! The server comes from a script that `SAGETOP_KUBE_LAB` names; `tests/run` finds it where it is.

mod cluster;

use std::path::Path;

use sagetop::domain::{Clean, Resource, ServiceName, VerdictKind};
use sagetop::remedy::{ActionKind, Heard, Outcome, Proposal, RemedySettings, Weight, rbac};
use serde_json::json;

use crate::remedy_desk::driver::{Bench, readings, settings};
use cluster::{Kube, kubectls};

fn bench(kubectl: &Path, kubeconfig: &Path, namespace: &str) -> Bench {
    Bench::open(settings(kubectl, kubeconfig, namespace))
}

fn of_kind(kind: ActionKind) -> impl Fn(&Proposal) -> bool {
    move |proposal| proposal.kind == kind
}

fn blame(bench: &Bench, resource: Resource) {
    // Of the network, somebody else is the victim, and `web` sends most.
    let victim = if resource == Resource::Network { "db" } else { "web" };
    bench.blame(VerdictKind::Culprits, victim, resource);
    let mut measured = readings(&[250.0]);
    measured.sends = [(ServiceName::new("web"), 10e6)].into();
    bench.heard.send(Heard::Readings(measured)).unwrap();
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn every_kubectl_does_every_action() {
    let kube = Kube::start();
    for (number, kubectl) in kubectls().iter().enumerate() {
        let version = kubectl.display();
        let namespace = format!("shop-{number}");
        kube.shop(&namespace);

        // Applied.
        let mut desk = bench(kubectl, &kube.kubeconfig, &namespace);
        blame(&desk, Resource::Latent);
        desk.carry_out(of_kind(ActionKind::ScaleOut));
        assert_eq!(desk.outcome(), Outcome::Applied, "{version}: {:?}", desk.words());
        assert_eq!(kube.get(&namespace, "deployments.apps/web")["spec"]["replicas"], 3, "{version}");

        // Conflicting: somebody else is quicker.
        kube.shop_again(&namespace);
        let (proposals, _) = desk.proposals();
        let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap();
        let plan = desk.review(scale).unwrap();
        kube.admin(&["scale", "-n", &namespace, "deployments.apps/web", "--replicas=4"], "");
        desk.arm();
        desk.approve(&plan);
        assert!(desk.refusal().contains("has changed since it was shown"), "{version}");
        kube.shop_again(&namespace);

        // The template: resources, and bandwidth.
        for (resource, kind) in
            [(Resource::Memory, ActionKind::ResizeTemplate), (Resource::Network, ActionKind::CniBandwidth)]
        {
            let mut desk = bench(kubectl, &kube.kubeconfig, &namespace);
            blame(&desk, resource);
            let (proposals, notes) = desk.proposals();
            if resource == Resource::Memory {
                assert!(notes.iter().any(|note| note.contains("from Kubernetes 1.33")), "{notes:?}");
            }
            let proposal = proposals
                .iter()
                .find(|proposal| proposal.kind == kind)
                .unwrap_or_else(|| panic!("{notes:?}"));
            let plan = desk.review(proposal).unwrap_or_else(|why| panic!("{version}, {kind:?}: {why}"));
            desk.arm();
            desk.approve(&plan);
            assert_eq!(desk.outcome(), Outcome::Applied, "{version}, {kind:?}");
            kube.shop_again(&namespace);
        }
        let template = &kube.get(&namespace, "deployments.apps/web")["spec"]["template"];
        assert_eq!(template["metadata"]["annotations"]["kubernetes.io/egress-bandwidth"], "40M", "{version}");
        assert_eq!(template["spec"]["containers"][0]["resources"]["limits"]["memory"], "192Mi", "{version}");

        // Owned by an autoscaler: its floor is raised instead.
        kube.admin(
            &[
                "autoscale",
                "-n",
                &namespace,
                "deployments.apps/web",
                "--min=2",
                "--max=6",
                "--cpu-percent=80",
            ],
            "",
        );
        let mut desk = bench(kubectl, &kube.kubeconfig, &namespace);
        blame(&desk, Resource::Latent);
        let (proposals, _) = desk.proposals();
        assert!(!proposals.iter().any(|proposal| proposal.kind == ActionKind::ScaleOut), "{version}");
        desk.carry_out(of_kind(ActionKind::AutoscalerFloor));
        assert_eq!(desk.outcome(), Outcome::Applied, "{version}");
        let hpa = kube.get(&namespace, "horizontalpodautoscalers.autoscaling/web");
        assert_eq!(hpa["spec"]["minReplicas"], 3, "{version}");
    }
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn quotas_repositories_and_rights() {
    let kube = Kube::start();
    let kubectl = &kubectls()[0];

    // Bound by a quota: one more fits, then none.
    kube.shop("quota");
    kube.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small", "namespace": "quota" },
        "spec": { "hard": { "pods": "3" } },
    }));
    kube.settled_quota("quota");
    let mut desk = bench(kubectl, &kube.kubeconfig, "quota");
    blame(&desk, Resource::Latent);
    let plan = desk.carry_out(of_kind(ActionKind::ScaleOut));
    assert_eq!(plan.changes[0].after.as_ref().unwrap().as_str(), "3");
    assert_eq!(desk.outcome(), Outcome::Applied);
    kube.replicas("quota", 3);
    kube.used_quota("quota", "3");
    let (proposals, notes) = desk.proposals();
    assert!(!proposals.iter().any(|proposal| proposal.kind == ActionKind::ScaleOut));
    assert!(notes.iter().any(|note| note.contains("quota small: pods has 0 left")), "{notes:?}");

    // Owned by a repository: told, and a patch for it.
    kube.admin(&["create", "namespace", "gitops"], "");
    let mut object = cluster::deployment("gitops");
    object["metadata"]["annotations"] =
        json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:gitops/web" });
    kube.admin(
        &["apply", "--server-side", "--field-manager=argocd-controller", "-f", "-"],
        &object.to_string(),
    );
    kube.replicas("gitops", 2);
    let mut desk = bench(kubectl, &kube.kubeconfig, "gitops");
    blame(&desk, Resource::Latent);
    let (proposals, _) = desk.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap();
    let warned = scale.obstacles.iter().any(|found| {
        found.weight == Weight::Warning
            && found.text.as_str().contains("temporary: Argo CD (application shop)")
    });
    assert!(warned, "{scale:#?}");
    let patch: serde_json::Value = serde_json::from_str(scale.patch.as_ref().unwrap().as_str()).unwrap();
    assert_eq!((&patch["spec"]["replicas"], &patch["kind"]), (&json!(3), &json!("Deployment")));

    // Without rights each action names what is missing; with the manifest all of them work.
    kube.shop("rights");
    kube.admin(
        &["autoscale", "-n", "rights", "deployments.apps/web", "--min=2", "--max=6", "--cpu-percent=80"],
        "",
    );
    let nobody = kube.nobody();
    let mut desk = bench(kubectl, &nobody, "rights");
    blame(&desk, Resource::Latent);
    let (_, notes) = desk.proposals();
    assert!(notes.iter().any(|note| note.contains("(Forbidden)")), "{notes:?}");
    let all = settings(kubectl, &nobody, "rights");
    kube.admin(
        &["apply", "-f", "-"],
        &rbac::manifest(&RemedySettings { kinds: Vec::new(), ..all.clone() }, "nobody").unwrap(),
    );
    let mut named = Vec::new();
    for resource in [Resource::Memory, Resource::Latent, Resource::Network] {
        blame(&desk, resource);
        let (proposals, _) = desk.proposals();
        for proposal in &proposals {
            let refusal = proposal.refusal().unwrap_or_else(|| panic!("{proposal:#?}")).text.to_string();
            assert!(refusal.contains("the right is missing"), "{refusal}");
            assert!(desk.review(proposal).unwrap_err().contains("the right is missing"));
            named.push((proposal.kind, refusal));
        }
    }
    for (kind, right) in [
        (ActionKind::ResizeTemplate, "patch deployments"),
        (ActionKind::AutoscalerFloor, "patch horizontalpodautoscalers"),
        (ActionKind::CniBandwidth, "patch deployments"),
    ] {
        assert!(
            named.iter().any(|(of, refusal)| *of == kind && refusal.contains(right)),
            "{kind:?}: {named:?}"
        );
    }
    kube.admin(&["apply", "-f", "-"], &rbac::manifest(&all, "nobody").unwrap());
    for (resource, kind) in [
        (Resource::Memory, ActionKind::ResizeTemplate),
        (Resource::Latent, ActionKind::AutoscalerFloor),
        (Resource::Network, ActionKind::CniBandwidth),
    ] {
        let mut desk = bench(kubectl, &nobody, "rights");
        blame(&desk, resource);
        desk.carry_out(of_kind(kind));
        assert_eq!(desk.outcome(), Outcome::Applied, "{kind:?}: {:?}", desk.words());
        kube.at_rest("rights");
    }
    kube.admin(&["delete", "-n", "rights", "horizontalpodautoscalers.autoscaling/web"], "");
    let mut desk = bench(kubectl, &nobody, "rights");
    blame(&desk, Resource::Latent);
    desk.carry_out(of_kind(ActionKind::ScaleOut));
    assert_eq!(desk.outcome(), Outcome::Applied);
    // Nothing more than that.
    let able =
        kube.try_admin(&["auth", "can-i", "delete", "deployments.apps", "-n", "rights", "--as=nobody"], "");
    assert!(!able.0, "{}", able.1);
    assert_eq!(Clean::new(rbac::ROLE).as_str(), "sagetop-actions");
}
