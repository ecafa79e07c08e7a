//! Every kubectl that is installed does every action that the server knows.

use std::path::Path;
use std::sync::Mutex;

use sagetop::domain::Resource;
use sagetop::remedy::{ActionKind, Outcome};

use super::cluster::{Kube, autoscaler, kubectls};
use super::{bench, blame, in_front, of_kind, proposed};

/// At once: the server and the programs take turns in waiting for each other.
const THREADS: usize = 2;

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn every_kubectl_does_every_action() {
    let kube = Kube::shared();
    let left = Mutex::new(kubectls().into_iter().enumerate().collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((number, kubectl)) = left.lock().unwrap().pop() else { return };
                    every_action(&kube, &kubectl, &format!("shop-{number}"));
                }
            });
        }
    });
}

fn every_action(kube: &Kube, real: &Path, namespace: &str) {
    let version = real.display();
    kube.shop(namespace);
    let folder = tempfile::tempdir().unwrap();
    let hurry = folder.path().join("hurry");
    // Where somebody hurries, they are quicker than the command that was approved.
    let arms = format!(
        "*scale*--dry-run=none*)\n  if rm '{}' 2>/dev/null; then\n    \"$real\" --kubeconfig='{}' -n {namespace} scale deployments.apps/web --replicas=4 >/dev/null\n  fi ;;",
        hurry.display(),
        kube.kubeconfig.display(),
    );
    let kubectl = in_front(real, folder.path(), &arms);
    let web = || kube.get(namespace, "deployments.apps/web");

    let mut desk = bench(&kubectl, &kube.kubeconfig, namespace);
    blame(&desk, Resource::Memory);
    let (proposals, notes) = desk.proposals();
    assert!(notes.iter().any(|note| note.contains("from Kubernetes 1.33")), "{version}: {notes:?}");
    let find = |kind| proposals.iter().find(|proposal| proposal.kind == kind).unwrap();
    desk.arm();

    // Conflicting: the write itself is refused, and nothing of it remains.
    let plan = desk.review(find(ActionKind::ScaleOut)).unwrap();
    std::fs::write(&hurry, "").unwrap();
    desk.approve(&plan);
    let outcome = desk.outcome();
    assert!(
        matches!(&outcome, Outcome::Unknown(_) | Outcome::NotApplied(_)) && !hurry.exists(),
        "{version}: {outcome:?}"
    );
    assert_eq!(web()["spec"]["replicas"], 4, "{version}");
    kube.shop_again(namespace);

    // Applied: more replicas, and by a rollout more memory.
    for kind in [ActionKind::ScaleOut, ActionKind::ResizeTemplate] {
        let plan = desk.review(find(kind)).unwrap_or_else(|why| panic!("{version}, {kind:?}: {why}"));
        desk.approve(&plan);
        assert_eq!(desk.outcome(), Outcome::Applied, "{version}: {:?}", desk.words());
        if kind == ActionKind::ScaleOut {
            assert_eq!(web()["spec"]["replicas"], 3, "{version}");
        }
        kube.shop_again(namespace);
    }

    // Less bandwidth for whoever sends most beside the victim.
    blame(&desk, Resource::Network);
    desk.carry_out(of_kind(ActionKind::CniBandwidth));
    assert_eq!(desk.outcome(), Outcome::Applied, "{version}: {:?}", desk.words());
    let template = &web()["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"]["kubernetes.io/egress-bandwidth"], "40M", "{version}");
    assert_eq!(template["spec"]["containers"][0]["resources"]["limits"]["memory"], "192Mi", "{version}");
    kube.at_rest(namespace);

    // Owned by an autoscaler: its floor is raised instead.
    kube.apply(&autoscaler(namespace));
    blame(&desk, Resource::Latent);
    let floor = proposed(&mut desk, ActionKind::AutoscalerFloor);
    let plan = desk.review(&floor).unwrap();
    desk.approve(&plan);
    assert_eq!(desk.outcome(), Outcome::Applied, "{version}: {:?}", desk.words());
    let hpa = kube.get(namespace, "horizontalpodautoscalers.autoscaling/web");
    assert_eq!(hpa["spec"]["minReplicas"], 3, "{version}");
}
