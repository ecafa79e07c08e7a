//! Whole stories, from the verdict to the undo.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::{Clean, Counterfactual, Move, Resource, Timestamp, VerdictKind};
use sagetop::lab::sim::Change;
use sagetop::remedy::clock::{Clock, SystemClock};
use sagetop::remedy::{ActionKind, Ask, Forecast, Heard, Opening, Outcome, Phase, Told};

use super::driver::{Bench, SLO, pace, readings, settings};
use crate::lab_operators::Lab;

/// Sure of its prediction.
struct Model;

impl Forecast for Model {
    fn tail(&self, _: &Move) -> Option<Counterfactual> {
        Some(Counterfactual { quantile_ms: 90.0, low_ms: 80.0, high_ms: 100.0, p_slo_met: 0.9 })
    }
}

/// The day after tomorrow.
struct Later;

impl Clock for Later {
    fn since_boot(&self) -> Duration {
        SystemClock.since_boot()
    }

    fn wall(&self) -> Timestamp {
        SystemClock.wall().checked_add(Duration::from_secs(48 * 3_600)).unwrap()
    }
}

#[test]
fn scaling_out_from_verdict_to_verification_and_back() {
    let lab = Lab::start();
    let state = Arc::new(tempfile::tempdir().unwrap());
    let settings = settings(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, "shop");
    let mut bench = Bench::at(settings.clone(), state.clone(), pace()).unwrap();
    bench.heard.send(Heard::Forecast(Clean::new(SLO), Arc::new(Model))).unwrap();
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
    std::thread::sleep(Duration::from_millis(4200));
    bench.heard.send(Heard::Readings(readings(&[90.0, 90.0, 90.0]))).unwrap();
    let verified = bench.done();
    let seen = verified.verification.as_ref().unwrap();
    assert_eq!((seen.met, seen.hit), (Some(true), Some(true)), "{verified:?}");

    bench.ask(Ask::Undo(operation.id.clone()));
    let undo = bench.preview().unwrap();
    assert_eq!(undo.undoes.as_ref(), Some(&operation.id));
    bench.approve(&undo);
    bench.operation("the first one undone", |seen| seen.id == operation.id && seen.undone_by.is_some());
    assert_eq!(lab.changes(), [Change::Replicas(0, 2)]);
    drop(bench);

    // Days later it is not told of any more, but how its prediction came out still counts.
    let mut opening = Opening::new(Clean::new("shop"), settings, state.path());
    opening.clock = Arc::new(Later);
    let mut bench = Bench::with(opening, state).unwrap();
    let predictions = bench.wait("how predictions came out", |told| match told {
        Told::Operation(operation) => panic!("old news: {operation:?}"),
        Told::Predictions { hits, of } => Some((*hits, *of)),
        _ => None,
    });
    assert_eq!(predictions, (1, 1));
}
