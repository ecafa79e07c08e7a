//! Commands that are killed, and a sagetop that dies, on a real API server.

use std::sync::Arc;

use sagetop::domain::Resource;
use sagetop::remedy::{ActionKind, Ask, Outcome, Phase, Told};

use super::cluster::{Kube, kubectls};
use super::{bench, blame, in_front, of_kind, pace};
use crate::remedy_desk::driver::{Bench, settings};

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn a_killed_command_is_found_out_about() {
    let kube = Kube::shared();
    for (namespace, arm, applied) in [
        ("killed-before", "*scale*--dry-run=none*) kill -9 $$ ;;", false),
        ("killed-after", "*scale*--dry-run=none*) \"$real\" \"$@\" >/dev/null; kill -9 $$ ;;", true),
    ] {
        kube.shop(namespace);
        let folder = tempfile::tempdir().unwrap();
        let kubectl = in_front(&kubectls()[0], folder.path(), arm);
        let mut desk = bench(&kubectl, &kube.kubeconfig, namespace);
        blame(&desk, Resource::Latent);
        desk.carry_out(of_kind(ActionKind::ScaleOut));
        let outcome = desk.outcome();
        match applied {
            true => assert_eq!(outcome, Outcome::Applied),
            false => {
                assert!(matches!(&outcome, Outcome::NotApplied(why) if why.as_str().contains("signal 9")));
            }
        }
        let replicas = kube.get(namespace, "deployments.apps/web")["spec"]["replicas"].clone();
        assert_eq!(replicas, if applied { 3 } else { 2 }, "{namespace}");
    }
}

#[test]
#[ignore = "takes a real API server: tests/run runs it where SAGETOP_KUBE_LAB names one"]
fn what_is_interrupted_is_told_by_the_next_start_and_taken_back() {
    let kube = Kube::shared();
    kube.shop("interrupted");
    let folder = tempfile::tempdir().unwrap();
    let arm = "*scale*--dry-run=none*) \"$real\" \"$@\" >/dev/null; sleep 600 ;;";
    let slow = in_front(&kubectls()[0], folder.path(), arm);
    let state = Arc::new(tempfile::tempdir().unwrap());
    let mut desk =
        Bench::at(settings(&slow, &kube.kubeconfig, "interrupted"), state.clone(), pace()).unwrap();
    blame(&desk, Resource::Latent);
    desk.carry_out(of_kind(ActionKind::ScaleOut));
    kube.replicas("interrupted", 3);
    drop(desk);

    let real = settings(&kubectls()[0], &kube.kubeconfig, "interrupted");
    let mut desk = Bench::at(real, state, pace()).unwrap();
    let recalled = desk.wait("what is recalled", |told| match told {
        Told::Operation(operation) => Some(operation.clone()),
        _ => None,
    });
    assert_eq!(recalled.phase, Phase::ReadBack);
    assert!(matches!(recalled.outcome, Some(Outcome::Unknown(_))), "{recalled:?}");
    let found = desk.operation("what was found out", |seen| seen.outcome == Some(Outcome::Applied));
    assert!(found.can_undo);
    desk.arm();
    desk.ask(Ask::Undo(found.id.clone()));
    let undo = desk.preview().unwrap();
    desk.approve(&undo);
    desk.operation("the undo", |seen| seen.id == found.id && seen.undone_by.is_some());
    assert_eq!(kube.get("interrupted", "deployments.apps/web")["spec"]["replicas"], 2);
}
