//! What is refused, and what is said of it.

use sagetop::domain::{Clean, Resource, VerdictKind};
use sagetop::lab::standin::Manners;
use sagetop::remedy::{ActionKind, Approval, Ask, Heard, Outcome, RemedySettings, Told};
use serde_json::json;

use super::driver::{Bench, SLO, readings, settings};
use crate::lab_operators::Lab;

fn settings_of(lab: &Lab) -> RemedySettings {
    settings(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, "shop")
}

fn bench(lab: &Lab) -> Bench {
    Bench::open(settings_of(lab))
}

fn manners(value: serde_json::Value) -> Manners {
    serde_json::from_value(value).unwrap()
}

#[test]
fn nothing_is_written_without_arming_and_the_right_approval() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
    let plan = bench.review(&scale).unwrap();
    bench.approve(&plan);
    assert!(bench.refusal().contains("not armed"));
    bench.ask(Ask::Arm(Clean::new("shopp")));
    assert!(bench.refusal().contains("type the context's name"));
    bench.arm();
    // The plan was used up by the attempt before.
    bench.approve(&plan);
    assert!(bench.refusal().contains("there is no plan"));
    let second = bench.review(&scale).unwrap();
    assert_ne!(second.digest, plan.digest);
    let stale = Approval { digest: plan.digest, typed: None, reason: None, second: None };
    bench.ask(Ask::Approve(stale));
    assert!(bench.refusal().contains("not what was shown last"));
    let third = bench.review(&scale).unwrap();
    bench.ask(Ask::Disarm);
    bench.approve(&third);
    assert!(bench.refusal().contains("not armed"));
    assert_eq!(lab.changes(), []);
    let wrote = bench.seen.iter().any(|told| matches!(told, Told::Command(record) if record.writes));
    assert!(!wrote, "{:?}", bench.words());
}

#[test]
fn what_changes_meanwhile_voids_the_approval() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
    let plan = bench.review(&scale).unwrap();
    bench.arm();
    assert_eq!(lab.kubectl(&["scale", "deployments.apps/web", "--replicas=4"]).code, 0);
    lab.changes();
    bench.approve(&plan);
    assert!(bench.refusal().contains("has changed since it was shown"));
    assert_eq!(lab.changes(), []);
    // Four replicas are asked for and two are there: that is a rollout.
    assert!(bench.review(&scale).unwrap_err().contains("rollout is under way"));
}

#[test]
fn doubt_and_old_data_stop_it() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    let (none, notes) = bench.proposals();
    assert!(none.is_empty() && notes[0].contains("no verdict yet"), "{notes:?}");
    bench.blame(VerdictKind::Unsure, "web", Resource::Cpu);
    let (none, notes) = bench.proposals();
    assert!(none.is_empty() && notes[0].contains("not sure enough"), "{notes:?}");
    bench.blame(VerdictKind::Culprits, "nobody", Resource::Latent);
    let (none, notes) = bench.proposals();
    assert!(none.is_empty() && notes[0].contains("nothing in the catalogue fits"), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("no workload in the allowed namespaces")), "{notes:?}");

    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
    bench.arm();
    let plan = bench.review(&scale).unwrap();
    bench.blame(VerdictKind::Unsure, "web", Resource::Latent);
    bench.approve(&plan);
    assert!(bench.refusal().contains("does not carry an action"));
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let plan = bench.review(&scale).unwrap();
    let mut old = readings(&[250.0]);
    old.until = old.until.map(|until| until.checked_sub(std::time::Duration::from_secs(900)).unwrap());
    bench.heard.send(Heard::Readings(old)).unwrap();
    bench.approve(&plan);
    assert!(bench.refusal().contains("the newest data is"));
    assert_eq!(lab.changes(), []);
    assert_eq!(SLO, plan.slo.as_str());
}

#[test]
fn missing_rights_are_named() {
    let lab = Lab::start();
    lab.manners(manners(json!({ "forbid": [{ "verb": "update", "resource": "deployments/scale" }] })));
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
    assert!(
        scale.refusal().unwrap().text.as_str().contains("the right is missing: update deployments/scale")
    );
    assert!(bench.review(&scale).unwrap_err().contains("update deployments/scale"));
}

#[test]
fn the_end_of_a_command_is_a_hint_and_the_target_the_truth() {
    for (manner, applied) in [
        ("denied", Some(false)),
        ("conflict", Some(false)),
        ("too-many-requests", Some(false)),
        ("internal-error", Some(false)),
        ("lost-before", Some(false)),
        ("lost-after", Some(true)),
    ] {
        let lab = Lab::start();
        let mut bench = bench(&lab);
        bench.blame(VerdictKind::Latent, "web", Resource::Latent);
        let (proposals, _) = bench.proposals();
        let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
        let plan = bench.review(&scale).unwrap();
        bench.arm();
        // Without the right to leases, the first write is the one that was approved.
        let forbid = json!([{ "verb": "create", "resource": "leases" }]);
        lab.manners(manners(json!({ "kubectl": manner, "forbid": forbid })));
        bench.approve(&plan);
        let outcome = bench.outcome();
        match applied {
            Some(true) => assert_eq!(outcome, Outcome::Applied, "{manner}"),
            _ => assert!(matches!(outcome, Outcome::NotApplied(_)), "{manner}: {outcome:?}"),
        }
        let replicas = lab.get("deployments.apps/web")["spec"]["replicas"].as_u64();
        assert_eq!(replicas, Some(if outcome == Outcome::Applied { 3 } else { 2 }), "{manner}");
    }
}

#[test]
fn a_lease_tells_others_and_a_full_hour_is_enough() {
    let lab = Lab::start();
    let mut settings = settings_of(&lab);
    settings.max_actions_per_hour = 1;
    let mut bench = Bench::open(settings);
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    bench.carry_out(|proposal| proposal.kind == ActionKind::ScaleOut);
    assert_eq!(bench.outcome(), Outcome::Applied);
    lab.observe(5, &[0, 1, 2], 0.0);
    bench.done_or_verifying();
    let object = lab.get("deployments.apps/web");
    assert!(object["metadata"]["annotations"]["sagetop/op"].is_string(), "{object}");
    assert_eq!(lab.kubectl(&["get", "leases", "-o", "name"]).out, "");
    let (proposals, _) = bench.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
    let plan = bench.review(&scale).unwrap();
    bench.approve(&plan);
    assert!(bench.refusal().contains("within an hour"));
}
