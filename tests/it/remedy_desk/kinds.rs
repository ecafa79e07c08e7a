//! Each kind of action against the stand-in.

use sagetop::domain::{Resource, ServiceName, VerdictKind};
use sagetop::lab::sim::Change;
use sagetop::remedy::{ActionKind, Ask, Confirmation, Heard, Outcome, Phase};

use super::driver::{Bench, readings, settings};
use crate::lab_operators::Lab;

fn bench(lab: &Lab) -> Bench {
    Bench::open(settings(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, "shop"))
}

#[test]
fn one_running_pod_gets_more_cpu() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "web", Resource::Cpu);
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::ResizePod);
    assert!(plan.step.argv.contains(&"--subresource=resize".to_owned()), "{plan:?}");
    assert_eq!(plan.confirmation, Confirmation::Choose);
    // Half as much again: the limit of 200m was 100m over its request, which stays.
    let field = &plan.changes[0];
    assert_eq!((field.field.as_str(), field.after.as_ref().unwrap().as_str()), ("limits.cpu", "300m"));
    assert_eq!(bench.outcome(), Outcome::Applied);
    assert_eq!(lab.changes(), [Change::ReplicaCpuLimit(0, 0, Some(0.3))]);
    let operation = bench.operation("its effect", |operation| operation.phase == Phase::Verifying);
    bench.ask(Ask::Undo(operation.id.clone()));
    let undo = bench.preview().unwrap();
    bench.approve(&undo);
    bench.operation("the first one undone", |seen| seen.undone_by.is_some());
    assert_eq!(lab.changes(), [Change::ReplicaCpuLimit(0, 0, Some(0.2))]);
}

#[test]
fn a_template_gets_more_memory_by_a_rollout_that_has_to_be_typed() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "web", Resource::Memory);
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::ResizeTemplate);
    assert_eq!(plan.confirmation, Confirmation::Type("web".to_owned()));
    assert!(plan.dry_run.as_ref().unwrap().as_str().contains("would have the new values"), "{plan:?}");
    assert_eq!(bench.outcome(), Outcome::Applied);
    let changes = lab.changes();
    assert!(matches!(changes[..], [Change::MemoryLimit(0, _), Change::Restart(0)]), "{changes:?}");
    lab.observe(1, &[1, 2], 0.0);
    bench.operation("settling", |operation| matches!(operation.phase, Phase::Settling(_)));
    lab.observe(2, &[2, 3], 0.0);
    bench.operation("its effect", |operation| operation.phase == Phase::Verifying);
}

#[test]
fn under_an_autoscaler_its_floor_is_raised() {
    let lab = Lab::start();
    lab.kubectl(&["autoscale", "deployments.apps/web", "--min=2", "--max=5", "--cpu-percent=80"]);
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    assert!(proposals.iter().all(|proposal| proposal.kind != ActionKind::ScaleOut), "{proposals:#?}");
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::AutoscalerFloor);
    assert_eq!(plan.changes[0].field.as_str(), "minReplicas");
    assert_eq!(bench.outcome(), Outcome::Applied);
    let hpa = lab.get("horizontalpodautoscalers.autoscaling/web");
    assert_eq!(hpa["spec"]["minReplicas"], 3);
}

#[test]
fn a_controller_that_puts_it_back_is_noticed() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    bench.carry_out(|proposal| proposal.kind == ActionKind::ScaleOut);
    assert_eq!(bench.outcome(), Outcome::Applied);
    lab.kubectl(&["scale", "deployments.apps/web", "--replicas=2"]);
    let operation = bench.operation("the revert", |operation| operation.reverted.is_some());
    assert!(!operation.can_undo);
}

#[test]
fn who_sends_most_gets_less_of_the_network() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Network);
    let mut measured = readings(&[250.0]);
    measured.sends = [(ServiceName::new("web"), 10e6), (ServiceName::new("mongo"), 1e6)].into();
    bench.heard.send(Heard::Readings(measured)).unwrap();
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::CniBandwidth);
    assert_eq!(plan.changes[0].after.as_ref().unwrap().as_str(), "40M");
    assert_eq!(bench.outcome(), Outcome::Applied);
    let template = &lab.get("deployments.apps/web")["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"]["kubernetes.io/egress-bandwidth"], "40M");
}

#[test]
fn a_stateful_set_is_scaled_with_a_warning_and_a_typed_name() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Disk);
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::ScaleOut);
    assert_eq!(plan.confirmation, Confirmation::Type("mongo".to_owned()));
    assert!(plan.obstacles.iter().any(|found| found.text.as_str().contains("stateful set")), "{plan:?}");
    assert_eq!(bench.outcome(), Outcome::Applied);
    assert_eq!(lab.changes(), [Change::Replicas(1, 2)]);
}
