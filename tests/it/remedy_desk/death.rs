//! What a journal tells when something died, when there are two, and when the disk is full.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagetop::domain::{Resource, VerdictKind};
use sagetop::lab::sim::Change;
use sagetop::remedy::journal::{self, Record};
use sagetop::remedy::{ActionKind, Ask, Outcome, Phase, Told};
use tempfile::TempDir;

use super::driver::{Bench, pace, settings};
use crate::lab_operators::Lab;

/// Set for the process that is going to be killed: its stand-in, kubeconfig and state folder.
const VICTIM: &str = "SAGETOP_TEST_VICTIM";

fn bench(kubectl: &Path, kubeconfig: &Path, state: Arc<TempDir>) -> Bench {
    Bench::at(settings(kubectl, kubeconfig, "shop"), state, pace()).unwrap()
}

fn approve_a_scale_out(bench: &mut Bench) {
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    bench.carry_out(|proposal| proposal.kind == ActionKind::ScaleOut);
}

/// Not a test by itself: what the killed process runs.
#[test]
fn victim() {
    let Ok(places) = std::env::var(VICTIM) else { return };
    let places: Vec<&str> = places.split('\n').collect();
    let mut opening = sagetop::remedy::Opening::new(
        "shop".into(),
        settings(places[0].as_ref(), places[1].as_ref(), "shop"),
        places[2].as_ref(),
    );
    opening.pace = pace();
    let mut bench = Bench::with(opening, Arc::new(tempfile::tempdir().unwrap())).unwrap();
    approve_a_scale_out(&mut bench);
    std::thread::sleep(Duration::from_secs(60));
}

fn records(state: &Path) -> Vec<Record> {
    let bytes = std::fs::read(journal::path(state, "shop")).unwrap_or_default();
    journal::verify(&bytes).unwrap().0.into_iter().map(|entry| entry.record).collect()
}

#[test]
fn killed_at_any_point_the_next_start_tells_the_truth() {
    let reached: [(&str, fn(&Record) -> bool); 4] = [
        ("intent", |record| matches!(record, Record::Intent(_))),
        ("started", |record| matches!(record, Record::Started { .. })),
        ("result", |record| matches!(record, Record::Result { .. })),
        ("effect", |record| matches!(record, Record::Effect { .. })),
    ];
    for (name, point) in reached {
        let lab = Lab::start();
        let state = Arc::new(tempfile::tempdir().unwrap());
        let kubectl = lab.installed.folder.join("kubectl");
        let places = [kubectl.as_path(), &lab.installed.kubeconfig, state.path()]
            .map(|path| path.display().to_string());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "remedy_desk::death::victim", "--nocapture"])
            .env(VICTIM, places.join("\n"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while !records(state.path()).iter().any(point) {
            assert!(Instant::now() < until, "{name} was not reached");
            if name == "effect" && records(state.path()).iter().any(reached[2].1) {
                lab.observe(5, &[0, 1, 2], 0.0);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let mut bench = bench(&kubectl, &lab.installed.kubeconfig, state.clone());
        let recalled = bench.operation("what is recalled", |operation| operation.phase != Phase::Running);
        let decided =
            |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Applied | Outcome::NotApplied(_)));
        let operation = if decided(&recalled.outcome) {
            recalled
        } else {
            bench.operation("what was found out", |operation| decided(&operation.outcome))
        };
        let replicas = lab.get("deployments.apps/web")["spec"]["replicas"].as_u64();
        let truth = replicas == Some(3);
        assert_eq!(operation.outcome == Some(Outcome::Applied), truth, "{name}: {operation:?}");
        assert_eq!(operation.can_undo, truth, "{name}");
        match name {
            "intent" => assert!(!truth, "nothing is run before its start is recorded"),
            "result" | "effect" => assert!(truth, "{name}"),
            _ => {}
        }
        // The undo is offered and works.
        if truth {
            bench.arm();
            bench.ask(Ask::Undo(operation.id.clone()));
            let undo = bench.preview().unwrap();
            bench.approve(&undo);
            bench.operation("the undo", |seen| seen.undone_by.is_some());
        }
        let replicas = lab.get("deployments.apps/web")["spec"]["replicas"].as_u64();
        assert_eq!(replicas, Some(2), "{name}");
    }
}

#[test]
fn of_two_racing_ones_at_most_one_writes() {
    let lab = Lab::start();
    let kubectl = lab.installed.folder.join("kubectl");
    // Sharing a journal, as two terminals of one person do; and not, as two people.
    for shared in [true, false] {
        lab.kubectl(&["scale", "deployments.apps/web", "--replicas=2"]);
        lab.observe(1, &[0, 1], 0.0);
        lab.changes();
        let state = Arc::new(tempfile::tempdir().unwrap());
        let other = if shared { state.clone() } else { Arc::new(tempfile::tempdir().unwrap()) };
        let mut desks = [state, other].map(|state| bench(&kubectl, &lab.installed.kubeconfig, state));
        let plans = desks.each_mut().map(|desk| {
            desk.blame(VerdictKind::Latent, "web", Resource::Latent);
            let (proposals, _) = desk.proposals();
            let plan =
                desk.review(proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap());
            desk.arm();
            plan.unwrap()
        });
        for (desk, plan) in desks.iter().zip(&plans) {
            desk.approve(plan);
        }
        let outcomes = desks.each_mut().map(|desk| {
            desk.wait("an end", |told| match told {
                Told::Operation(operation) => operation.outcome.clone(),
                Told::Refused { why, .. } => Some(Outcome::NotApplied(why.clone())),
                _ => None,
            })
        });
        let applied = outcomes.iter().filter(|outcome| **outcome == Outcome::Applied).count();
        assert_eq!(applied, 1, "{outcomes:?}");
        assert_eq!(lab.changes(), [Change::Replicas(0, 3)]);
        // Outcomes are told before the lease is given back.
        while !lab.kubectl(&["get", "leases", "-o", "name"]).out.is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn on_a_full_disk_nothing_is_done() {
    let state = Arc::new(tempfile::tempdir().unwrap());
    let mount =
        |args: &[&str]| Command::new("mount").args(args).arg(state.path()).stderr(Stdio::null()).status();
    if !mount(&["-t", "tmpfs", "-o", "size=64k,mode=700", "none"]).is_ok_and(|status| status.success()) {
        eprintln!("skipped: a file system of 64 KiB can be mounted by root only");
        return;
    }
    let lab = Lab::start();
    let mut bench = bench(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, state.clone());
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    let scale = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut).unwrap().clone();
    let plan = bench.review(&scale).unwrap();
    bench.arm();
    let full = std::fs::write(state.path().join("ballast"), vec![0; 1 << 20]);
    assert!(full.is_err(), "the disk is full");
    bench.approve(&plan);
    let outcome = bench.outcome();
    assert!(matches!(&outcome, Outcome::NotApplied(why) if why.as_str().contains("journal")), "{outcome:?}");
    assert_eq!(lab.changes(), []);
    let wrote = bench.seen.iter().any(|told| matches!(told, Told::Command(record) if record.writes));
    assert!(!wrote, "{:?}", bench.words());
    // With room again it goes on, on a chain that is whole.
    std::fs::remove_file(state.path().join("ballast")).unwrap();
    let plan = bench.review(&scale).unwrap();
    bench.approve(&plan);
    bench.operation("the second one", |operation| operation.outcome == Some(Outcome::Applied));
    let bytes = std::fs::read(journal::path(state.path(), "shop")).unwrap();
    assert!(!journal::verify(&bytes).unwrap().1.open_end);
    drop(bench);
    let _ = Command::new("umount").arg("-l").arg(state.path()).status();
}
