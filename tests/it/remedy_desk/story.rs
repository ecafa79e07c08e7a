//! Whole stories, from the verdict to the undo.

use sagetop::domain::{Resource, VerdictKind};
use sagetop::lab::sim::Change;
use sagetop::remedy::{ActionKind, Ask, Heard, Outcome, Phase};

use super::driver::{Bench, readings, settings};
use crate::lab_operators::Lab;

fn bench(lab: &Lab) -> Bench {
    Bench::open(settings(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, "shop"))
}

#[test]
fn scaling_out_from_verdict_to_verification_and_back() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::ScaleOut);
    assert_eq!(plan.step.argv[5..9].join(" "), "shop scale deployments.apps/web --dry-run=none");
    assert!(plan.dry_run.as_ref().unwrap().as_str().contains("server dry run"), "{plan:?}");
    assert_eq!(bench.outcome(), Outcome::Applied);
    assert_eq!(lab.changes(), [Change::Replicas(0, 3)]);
    bench.operation("settling", |operation| matches!(operation.phase, Phase::Settling(_)));
    lab.observe(5, &[0, 1, 2], 0.0);
    let operation = bench.operation("verifying", |operation| operation.phase == Phase::Verifying);
    assert!(operation.can_undo);
    std::thread::sleep(std::time::Duration::from_millis(4200));
    bench.heard.send(Heard::Readings(readings(&[90.0, 90.0, 90.0]))).unwrap();
    let verified = bench.done();
    assert_eq!(verified.verification.as_ref().unwrap().met, Some(true), "{verified:?}");

    bench.ask(Ask::Undo(operation.id.clone()));
    let undo = bench.preview().unwrap();
    assert_eq!(undo.undoes.as_ref(), Some(&operation.id));
    bench.approve(&undo);
    bench.operation("the first one undone", |seen| seen.id == operation.id && seen.undone_by.is_some());
    assert_eq!(lab.changes(), [Change::Replicas(0, 2)]);
}
