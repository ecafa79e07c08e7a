//! What a drawn scenario promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::lab::app::named;
use crate::lab::sim::resource_of;

/// A short chain: debug builds simulate it quickly.
fn chain() -> (Arc<Application>, Cluster) {
    let mut app = named("chain-3").unwrap();
    app.rate = 20.0;
    let cluster = Cluster::for_application(&app, 2);
    (Arc::new(app), cluster)
}

#[test]
fn a_scenario_is_violated_and_its_label_restores_it() {
    let (app, cluster) = chain();
    // By their place in the round of kinds.
    for (seed, kind) in [(0, "cpu-hog"), (5, "latent"), (11, "load-surge")] {
        let scenario = draw(&app, &cluster, Timing::default(), seed).unwrap();
        let word = |fault: &Fault| word(&fault.kind);
        assert!(scenario.faults.iter().any(|fault| word(fault) == kind), "{}", scenario.title);
        let case = scenario.case(&app, &cluster);
        let label = &scenario.label;
        let limit = app.objective.limit_ms;
        assert!(!label.factual.met && label.factual.seen_ms > limit, "{}", scenario.title);
        assert_eq!(case.tail(&Normal::new()).unwrap(), label.factual);
        let set = |blames: &BTreeSet<crate::lab::truth::Blame>| -> Normal {
            let id = |name: &str| app.service(name).unwrap();
            blames.iter().map(|blame| (id(&blame.cause.service), blame.cause.resource)).collect()
        };
        let restored = case.tail(&set(&label.causes)).unwrap();
        assert!(restored.met && Some(restored) == label.restored, "{}", scenario.title);
        let kinds: BTreeSet<_> = scenario.culprits().map(|fault| resource_of(&fault.kind)).collect();
        let blamed: BTreeSet<_> = label.causes.iter().map(|blame| blame.cause.resource).collect();
        assert_eq!(kinds, blamed, "{}", scenario.title);
    }
}

#[test]
fn the_seed_decides_everything() {
    let (app, cluster) = chain();
    let [a, b, c] = [3, 3, 20].map(|seed| draw(&app, &cluster, Timing::default(), seed).unwrap());
    assert_eq!(
        (&a.title, &a.faults, &a.label, a.settings.seed),
        (&b.title, &b.faults, &b.label, b.settings.seed)
    );
    assert_ne!(a.settings.seed, c.settings.seed, "the same kind of fault, at another moment");
    assert_ne!(a.faults, c.faults);
}

/// Distractors alone harm nobody: what is to blame is not among them unless it makes a real fault worse.
#[test]
fn distractors_alone_are_harmless() {
    let (app, cluster) = chain();
    for seed in [1, 2] {
        let scenario = draw(&app, &cluster, Timing::default(), seed).unwrap();
        let mut case = scenario.case(&app, &cluster);
        case.faults.retain(|fault| scenario.distractors.contains(&fault.id));
        let tail = case.tail(&Normal::new()).unwrap();
        assert!(tail.met, "{}: {tail:?}", scenario.title);
    }
}

#[test]
fn what_cannot_be_harmed_is_told() {
    let (app, cluster) = chain();
    let mut app = (*app).clone();
    app.objective.limit_ms = 1e9;
    app.rate = 1.0;
    let error = draw(&Arc::new(app), &cluster, Timing::default(), 1).unwrap_err();
    assert!(error.to_string().contains("no fault of 60 that were tried makes `chain-3` miss"), "{error}");
}

#[test]
fn every_kind_has_its_turn_and_its_place() {
    let app = named("social-network").unwrap();
    let cluster = Cluster::for_application(&app, 3);
    let places = Places::of(&app, &cluster);
    let mut random = StdRng::seed_from_u64(1);
    let mut words = BTreeSet::new();
    for kind in KINDS {
        let drawn = places.draw(Some(kind), &mut random).unwrap();
        assert!(drawn.service().is_none_or(|name| app.service(name).is_some()), "{drawn:?}");
        words.insert(word(&drawn));
    }
    assert_eq!(words.len(), KINDS.len(), "{words:?}");
    // Nothing of a chain has a disk or a cache.
    let chain = named("chain-4").unwrap();
    let cluster = Cluster::for_application(&chain, 2);
    let places = Places::of(&chain, &cluster);
    assert_eq!(KINDS.iter().filter(|kind| places.draw(Some(**kind), &mut random).is_none()).count(), 2);
}

#[test]
fn timing_decides_when_things_happen() {
    let (app, cluster) = chain();
    let timing = Timing {
        quiet_s: 30.0,
        lead_s: 70.0,
        window_s: (95.0, 140.0),
        sought_s: (95.0, 125.0),
        until_s: 200.0,
    };
    let scenario = draw(&app, &cluster, timing, 5).unwrap();
    assert_eq!(scenario.settings.quiet_until, 30 * SECOND);
    assert_eq!(scenario.window, (95 * SECOND, 140 * SECOND));
    for fault in &scenario.faults {
        let earliest = if scenario.distractors.contains(&fault.id) { 50.0 } else { 70.0 };
        assert!(fault.from_s >= earliest && fault.from_s < 95.0 && fault.until_s == 200.0, "{fault:?}");
    }
}

#[test]
fn disturbances_are_spread_over_the_time_and_the_same_for_the_same_seed() {
    let app = named("chain-5").unwrap();
    let cluster = Cluster::for_application(&app, 4);
    let of = |seed| disturbances(&app, &cluster, seed, 6, 3_600.0);
    let faults = of(1);
    assert!(faults.len() == 6 && faults == of(1) && faults != of(2));
    for pair in faults.windows(2) {
        assert!(pair[0].from_s < pair[1].from_s && pair[0].intensity < 0.9, "{pair:?}");
    }
}
