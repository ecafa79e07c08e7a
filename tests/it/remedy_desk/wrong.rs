//! The wrong action beside the right one: what somebody tried in what-if is carried out, does not help, is taken
//! back; what the verdict calls for helps. The desk works on the lab, and the screens show what it tells.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::{Clean, Counterfactual, Lever, Move, Resource, ServiceName, VerdictKind};
use sagetop::engine::EngineEvent;
use sagetop::lab::sim::Change;
use sagetop::remedy::{
    ActionKind, Ask, Confirmation, Forecast, Heard, Operation, Outcome, Phase, Proposal, Target, Told, Weight,
};
use sagetop::tui::event::Event;
use sagetop::tui::guide::Scene;

use super::driver::{Bench, SLO, readings, settings};
use crate::lab_operators::Lab;
use crate::tui::approval::{approvals, asked};
use crate::tui::driver::Driver;
use crate::tui::remedies::ready;

/// Knows that only `mongo` is to blame.
struct Model;

impl Forecast for Model {
    fn tail(&self, change: &Move) -> Option<Counterfactual> {
        let tail = |quantile_ms: f64, p_slo_met| Counterfactual {
            quantile_ms,
            low_ms: quantile_ms - 20.0,
            high_ms: quantile_ms + 20.0,
            p_slo_met,
        };
        Some(if change.service.as_str() == "mongo" { tail(80.0, 0.9) } else { tail(250.0, 0.01) })
    }

    fn as_it_is(&self) -> Option<Counterfactual> {
        self.tail(&Move { service: ServiceName::new("web"), lever: Lever::Neighbour(Resource::Cpu) })
    }
}

/// A desk on the lab, and screens that are told what it tells.
struct Both {
    lab: Lab,
    bench: Bench,
    screen: Driver,
}

impl Both {
    fn start() -> Self {
        let lab = Lab::start();
        let settings = settings(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, "shop");
        let bench = Bench::open(settings);
        let mut screen = Driver::usual(100, 40);
        screen.engine([ready()]);
        screen.send(Event::Scene(Scene::Incident { remedy: None }));
        screen.type_keys("a");
        Self { lab, bench, screen }
    }

    /// The screens catch up, and show all of `parts`.
    fn shows(&mut self, parts: &[&str]) {
        let told: Vec<Told> = self.bench.seen.drain(..).collect();
        self.screen.engine(told.into_iter().map(EngineEvent::Remedy));
        let text = self.screen.text();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not on\n{text}");
        }
    }

    /// What came of the operation on `target` once its effect was there and windows with this tail were measured.
    fn measured(&mut self, target: &Target, ms: f64) -> Arc<Operation> {
        let phase =
            |phase| move |operation: &Operation| operation.target == *target && operation.phase == phase;
        self.bench.operation("its effect", phase(Phase::Verifying));
        std::thread::sleep(Duration::from_millis(4_200));
        self.bench.heard.send(Heard::Readings(readings(&[ms, ms, ms]))).unwrap();
        self.bench.operation("the end", phase(Phase::Done))
    }
}

#[test]
fn the_wrong_action_is_seen_not_to_help_and_taken_back_and_the_right_one_helps() {
    let mut both = Both::start();
    both.bench.heard.send(Heard::Forecast(Clean::new(SLO), Arc::new(Model))).unwrap();
    both.bench.blame(VerdictKind::Culprits, "mongo", Resource::Disk);
    let lever = Lever::Replicas { from: 2, to: 3 };
    let moves = vec![Move { service: ServiceName::new("web"), lever }];
    both.bench.ask(Ask::Try { slo: Clean::new(SLO), moves });
    let asked_for = |proposal: &Proposal| proposal.asked && proposal.kind == ActionKind::ScaleOut;
    let plan = both.bench.carry_out(asked_for);
    let warned = plan.obstacles.iter().filter(|obstacle| obstacle.weight == Weight::Warning);
    let warned: Vec<_> = warned.map(|obstacle| obstacle.text.to_string()).collect();
    let expected = [
        "you asked for it: the verdict does not blame web, it blames mongo",
        "predicted to change nothing: 250 ms with it, 250 ms without it",
    ];
    assert_eq!(warned, expected);
    assert_eq!(both.bench.outcome(), Outcome::Applied);
    assert_eq!(both.lab.changes(), [Change::Replicas(0, 3)]);
    both.bench.operation("settling", |operation| matches!(operation.phase, Phase::Settling(_)));
    both.lab.observe(5, &[0, 1, 2], 0.0);
    let wrong = both.measured(&plan.target, 250.0);
    let seen = wrong.verification.as_ref().unwrap();
    assert_eq!((seen.met, seen.hit), (Some(false), Some(true)), "{wrong:?}");
    both.shows(&[
        "▲ APPLIED",
        "250 ms: still violated",
        "objective still violated: measured 250 ms over 3 windows, a hit: inside the predicted |",
        "250 ms [230-270]",
        "it did not help: u shows what would take it back",
        "That did not help: still violated. u on it takes it back; then try another.",
    ]);

    // One key, and its own review and approval.
    both.screen.type_keys("u");
    let undo = Ask::Undo(wrong.id.clone());
    assert_eq!(asked(&both.screen).last(), Some(&&undo));
    both.bench.ask(undo);
    both.bench.preview().unwrap();
    both.shows(&["replicas 3 → 2", "Runs exactly this", "[ Cancel ]", "[ Apply ]"]);
    both.screen.wait(Duration::from_secs(2));
    both.screen.type_keys("pagedown pagedown pagedown tab enter");
    both.screen.wait(Duration::from_secs(1));
    let approval = approvals(&both.screen).last().copied().cloned().expect("approved by hand");
    both.bench.ask(Ask::Approve(approval));
    both.bench.operation("undone", |operation| operation.id == wrong.id && operation.undone_by.is_some());
    assert_eq!(both.lab.changes(), [Change::Replicas(0, 2)]);
    both.shows(&["UNDONE", "APPLIED taking back scale out: deployment web"]);
    let text = both.screen.text();
    assert!(!text.contains("That did not help") && !text.contains("did it help?"), "{text}");

    // What the verdict calls for.
    both.bench.blame(VerdictKind::Culprits, "mongo", Resource::Disk);
    let plan = both.bench.carry_out(|proposal| !proposal.asked && proposal.kind == ActionKind::ScaleOut);
    assert_eq!(plan.confirmation, Confirmation::Type("mongo".to_owned()));
    let right = both.bench.operation("applied", |operation| {
        operation.target == plan.target && operation.outcome == Some(Outcome::Applied)
    });
    both.lab.observe_both(9, &[0, 1], &[0, 1], 0.0);
    assert_eq!(both.measured(&plan.target, 82.0).id, right.id);
    both.shows(&["objective met: measured 82 ms over 3 windows, a hit: inside the predicted 80 ms [60-100]"]);
    both.screen.send(Event::Scene(Scene::Recovered));
    both.shows(&["Met again: 82 ms, inside the predicted 80 ms [60-100]."]);
}

/// What was tried counts as tried, is said to be more than may be added at once, and an unsure verdict
/// carries nothing, whoever asks.
#[test]
fn what_was_tried_is_sized_as_it_was_tried_and_takes_a_sure_verdict() {
    let lab = Lab::start();
    let settings = settings(&lab.installed.folder.join("kubectl"), &lab.installed.kubeconfig, "shop");
    let mut bench = Bench::open(settings);
    let tried = |lever| Ask::Try {
        slo: Clean::new(SLO),
        moves: vec![Move { service: ServiceName::new("web"), lever }],
    };
    let told = |bench: &mut Bench| {
        bench.wait("proposals", |told| match told {
            Told::Proposals { proposals, notes, .. } => Some((proposals.clone(), notes.clone())),
            _ => None,
        })
    };
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Disk);
    for (lever, kind, change, why) in [
        (Lever::Replicas { from: 2, to: 4 }, ActionKind::ScaleOut, "4", "4 replicas: what you tried"),
        (Lever::Replicas { from: 2, to: 8 }, ActionKind::ScaleOut, "4", "as much of it as may be added"),
        (Lever::Cpu { from: 0.2, to: 0.3 }, ActionKind::ResizeTemplate, "300m", "300m of cpu: what you"),
        (Lever::Memory { from: 1e8, to: 1.5e8 }, ActionKind::ResizeTemplate, "384Mi", "384Mi of memory"),
    ] {
        bench.ask(tried(lever));
        let (proposals, _) = told(&mut bench);
        let asked = proposals.iter().find(|proposal| proposal.asked && proposal.kind == kind);
        let asked = asked.unwrap_or_else(|| panic!("{lever:?}: {proposals:#?}"));
        assert_eq!(asked.changes.last().unwrap().after.as_ref().unwrap().as_str(), change, "{asked:?}");
        assert!(asked.why.as_str().contains(why), "{}", asked.why);
    }
    bench.ask(tried(Lever::Neighbour(Resource::Cpu)));
    let (_, notes) = told(&mut bench);
    assert!(notes.iter().any(|note| note.as_str().contains("takes `cpu-max`")), "{notes:?}");
    bench.ask(tried(Lever::Neighbour(Resource::Memory)));
    let (_, notes) = told(&mut bench);
    assert!(notes.iter().any(|note| note.as_str().contains("no action keeps")), "{notes:?}");

    bench.blame(VerdictKind::Unsure, "mongo", Resource::Disk);
    bench.ask(tried(Lever::Replicas { from: 2, to: 3 }));
    let (proposals, notes) = told(&mut bench);
    assert!(proposals.is_empty(), "{proposals:#?}");
    assert!(notes.iter().any(|note| note.as_str().contains("not sure enough")), "{notes:?}");
}
