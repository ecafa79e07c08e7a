//! Every fault of the way to the API server in every phase: never a false word, never a second write.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sagetop::domain::{Resource, VerdictKind};
use sagetop::remedy::{ActionKind, Outcome, Told};

use super::driver::{Bench, settings};
use super::proxy::{FAULTS, Fault, PHASES, Phase, Proxy};
use crate::lab_operators::Lab;

/// At once: most of the time is waiting.
const THREADS: usize = 4;

/// One case; what was wrong with it.
fn case(kubectl: Option<&Path>, fault: Fault, phase: Phase) -> Option<String> {
    let lab = Lab::start();
    let folder = tempfile::tempdir().unwrap();
    let times = if fault == Fault::Hang { 1 } else { 2 };
    let proxy = Proxy::before(&lab.installed.kubeconfig, folder.path(), fault, phase, times);
    let kubectl = kubectl.map_or_else(|| lab.installed.folder.join("kubectl"), Path::to_owned);
    let mut bench = Bench::open(settings(&kubectl, &proxy.kubeconfig, "shop"));
    bench.blame(VerdictKind::Latent, "web", Resource::Latent);
    let (proposals, _) = bench.proposals();
    let mut outcome = None;
    if let Some(scale) = proposals.iter().find(|proposal| proposal.kind == ActionKind::ScaleOut)
        && let Ok(plan) = bench.review(scale)
    {
        bench.arm();
        bench.approve(&plan);
        outcome = bench.wait("an end", |told| match told {
            Told::Operation(operation) => operation.outcome.clone().map(Some),
            Told::Refused { .. } => Some(None),
            _ => None,
        });
        proxy.told();
        if outcome == Some(Outcome::Applied) {
            lab.observe(5, &[0, 1, 2], 0.0);
            let operation = bench.done_or_verifying();
            if operation.outcome != Some(Outcome::Applied) {
                return Some(format!("{fault:?} in {phase:?}: taken back its word: {operation:?}"));
            }
        }
    }
    let replicas = lab.get("deployments.apps/web")["spec"]["replicas"].as_u64();
    let fits = match &outcome {
        Some(Outcome::Applied) => replicas == Some(3),
        Some(Outcome::NotApplied(_)) | None => replicas == Some(2),
        // Honest, and only where nothing could be read.
        Some(Outcome::Unknown(_)) => phase == Phase::ReadBack || phase == Phase::Write,
    };
    let once = proxy.accepted() <= 1;
    (!fits || !once).then(|| {
        format!("{fault:?} in {phase:?}: {outcome:?}, replicas {replicas:?}, {} writes", proxy.accepted())
    })
}

fn all(kubectl: Option<PathBuf>) {
    let cases = FAULTS.iter().flat_map(|fault| PHASES.iter().map(move |phase| (*fault, *phase)));
    let (left, wrong) = (Mutex::new(cases.collect::<Vec<_>>()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((fault, phase)) = left.lock().unwrap().pop() else { return };
                    if let Some(what) = case(kubectl.as_deref(), fault, phase) {
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn with_the_stand_in_no_fault_makes_it_lie_or_write_twice() {
    all(None);
}

#[test]
#[ignore = "takes a real kubectl; tests/run runs it where there is one"]
fn with_a_real_kubectl_no_fault_makes_it_lie_or_write_twice() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|path| path.is_file());
    all(Some(found.expect("a kubectl in PATH")));
}
