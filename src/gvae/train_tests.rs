//! Tests of training: it learns, it repeats, it stops at its best, and it survives poor data.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use candle_nn::optim::{AdamW, Optimizer};

use super::*;
use crate::domain::{Column, NoProgress};
use crate::gvae::Batch;
use crate::gvae::loss::elbo;
use crate::gvae::testbed::{App, Episode};

fn small() -> TrainSettings {
    TrainSettings { epochs: 12, batch: 48, hidden: 8, latent: 2, min_windows: 60, ..TrainSettings::default() }
}

fn history() -> &'static Frame {
    static ONCE: OnceLock<Frame> = OnceLock::new();
    ONCE.get_or_init(|| App::chain().run(&Episode::quiet(7, 120)))
}

fn learn(frame: &Frame, settings: &TrainSettings) -> (Gvae, TrainReport) {
    train(App::chain().cbn(frame), frame, settings, &NoProgress).unwrap()
}

fn trained() -> &'static (Gvae, TrainReport) {
    static ONCE: OnceLock<(Gvae, TrainReport)> = OnceLock::new();
    ONCE.get_or_init(|| learn(history(), &small()))
}

fn weights(model: &Gvae) -> Vec<u32> {
    let flat = |v: &candle_core::Var| v.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    model.vars().iter().flat_map(|(_, v)| flat(v)).map(f32::to_bits).collect()
}

fn held_back_loss(model: &Gvae, frame: &Frame, settings: &TrainSettings) -> f32 {
    let inputs = Inputs::read(&model.cbn, &model.normaliser, frame);
    let plan = Arc::new(Plan::of(model).unwrap());
    let objective = Objective::new(plan.clone(), Columns::new(&plan, &inputs, &model.normaliser));
    let flat = plan.layout.gather(model).unwrap();
    evaluate(&objective, &flat, &split(frame.len()).1, settings).total as f32
}

/// Keeps the held-back loss of every epoch; cancels after some.
#[derive(Default)]
struct Losses {
    seen: Mutex<Vec<f32>>,
    cancel_after: Option<usize>,
    asked: AtomicUsize,
}

impl Progress for Losses {
    fn report(&self, stage: Stage, _: u64, _: u64, note: &str) {
        assert_eq!(stage, Stage::Train);
        let elbo: f32 = note.split_whitespace().nth(1).unwrap().parse().unwrap();
        self.seen.lock().unwrap().push(-elbo);
    }

    fn cancelled(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.cancel_after.is_some_and(|after| asked >= after)
    }
}

#[test]
fn training_lowers_the_held_back_loss() {
    let (model, report) = trained();
    let untrained = Gvae::new(model.cbn.clone(), model.normaliser.clone(), &small()).unwrap();
    let before = held_back_loss(&untrained, history(), &small());
    assert!(report.loss < 0.8 * before || report.loss < before - 2.0, "{before} {}", report.loss);
    assert_eq!((report.windows, report.held_back), (108, 12));
}

#[test]
fn the_seed_decides_about_every_bit() {
    let settings = TrainSettings { epochs: 3, ..small() };
    let of = |seed| weights(&learn(history(), &TrainSettings { seed, ..settings.clone() }).0);
    let (one, again, other) = (of(1), of(1), of(2));
    assert_eq!(one, again);
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!(same * 100 < one.len(), "{same} of {} weights do not depend on the seed", one.len());
}

#[test]
fn stopping_early_restores_the_best_epoch() {
    // Steps far too large: the loss jumps about.
    let settings = TrainSettings { learning_rate: 0.15, warm_up: 0.0, patience: 2, epochs: 40, ..small() };
    let progress = Losses::default();
    let (model, report) = train(App::chain().cbn(history()), history(), &settings, &progress).unwrap();
    let seen = progress.seen.into_inner().unwrap();
    assert_eq!(seen.len(), report.epochs);
    assert!(report.epochs < settings.epochs, "it did not stop early");
    let best = seen.iter().copied().fold(f32::INFINITY, f32::min);
    assert!(*seen.last().unwrap() > best, "the last epoch was the best: nothing is shown");
    assert!((report.loss - best).abs() <= 0.006, "{} {best}", report.loss);
    assert_eq!(held_back_loss(&model, history(), &settings), report.loss);
}

#[test]
fn warm_up_is_not_cut_short() {
    let settings = TrainSettings { learning_rate: 0.15, warm_up: 0.5, patience: 1, epochs: 12, ..small() };
    let report = learn(history(), &settings).1;
    assert!(report.epochs > 6, "stopped after {} epochs, before β had grown", report.epochs);
}

#[test]
fn too_few_windows_are_an_error_that_says_so() {
    let frame = history().rows(0..59);
    let error = train(App::chain().cbn(&frame), &frame, &small(), &NoProgress).unwrap_err();
    assert!(matches!(error, GvaeError::TooFewWindows { have: 59, need: 60 }), "{error}");
    let empty = history().rows(0..0);
    let none = TrainSettings { min_windows: 0, ..small() };
    let error = train(App::chain().cbn(history()), &empty, &none, &NoProgress).unwrap_err();
    assert!(matches!(error, GvaeError::TooFewWindows { have: 0, .. }), "{error}");
}

#[test]
fn some_windows_are_held_back_however_few_there_are() {
    for rows in 5..400 {
        let (used, held) = split(rows);
        assert_eq!(used.len() + held.len(), rows);
        assert!(!held.is_empty() && held.len() * 3 <= rows, "{rows}: {}", held.len());
    }
    let frame = history().rows(0..20);
    let settings = TrainSettings { min_windows: 20, epochs: 2, ..small() };
    assert!(learn(&frame, &settings).1.loss.is_finite());
}

#[test]
fn cancelling_ends_training() {
    let progress = Losses { cancel_after: Some(2), ..Losses::default() };
    let error = train(App::chain().cbn(history()), history(), &small(), &progress).unwrap_err();
    assert!(matches!(error, GvaeError::Cancelled));
    assert_eq!(progress.seen.into_inner().unwrap().len(), 2);
}

#[test]
fn a_loss_that_is_no_number_is_an_error() {
    let wild = TrainSettings { learning_rate: 1e30, ..small() };
    let error = train(App::chain().cbn(history()), history(), &wild, &NoProgress).unwrap_err();
    assert!(matches!(error, GvaeError::Diverged), "{error}");
}

/// Training on `spoilt` data works, and what it makes answers finitely about that data.
#[track_caller]
fn survives(spoil: impl Fn(&Column, &mut Vec<f32>)) {
    let mut frame = history().clone();
    let cbn = App::chain().cbn(&frame);
    frame.columns.iter_mut().for_each(|(column, values)| spoil(column, values));
    let settings = TrainSettings { epochs: 3, ..small() };
    let (model, report) = train(cbn, &frame, &settings, &NoProgress).unwrap();
    assert!(report.loss.is_finite());
    assert!(weights(&model).into_iter().all(|bits| f32::from_bits(bits).is_finite()));
}

#[test]
fn gaps_and_absurd_values_are_survived() {
    survives(|_, values| values.fill(f32::NAN));
    survives(|_, values| values[40..80].fill(f32::NAN));
    survives(|_, values| values.fill(0.0));
    survives(|_, values| values[50] = f32::INFINITY);
    survives(|_, values| values[50] = f32::MAX);
    survives(|_, values| values[51] = -1e6);
    survives(|column, values| {
        if matches!(column, Column::Metric { .. }) {
            values.fill(f32::NAN);
        }
    });
}

#[test]
fn absent_columns_are_survived() {
    let cbn = App::chain().cbn(history());
    let mut frame = history().clone();
    let mut i = 0;
    frame.columns.retain(|_, _| {
        i += 1;
        i % 3 != 0
    });
    let settings = TrainSettings { epochs: 2, ..small() };
    assert!(train(cbn.clone(), &frame, &settings, &NoProgress).unwrap().1.loss.is_finite());
    frame.columns.clear();
    assert!(train(cbn, &frame, &settings, &NoProgress).unwrap().1.loss.is_finite());
}

#[test]
fn sizes_of_nothing_are_an_error_not_a_crash() {
    let settings = [
        TrainSettings { hidden: 0, ..small() },
        TrainSettings { latent: 0, ..small() },
        TrainSettings { batch: 0, epochs: 1, ..small() },
        TrainSettings { epochs: 0, ..small() },
        TrainSettings { warm_up: 0.0, patience: 0, ..small() },
    ];
    for settings in settings {
        // Either is an answer; a panic, or a loss that is no number, is not.
        if let Ok((_, report)) = train(App::chain().cbn(history()), history(), &settings, &NoProgress) {
            assert!(report.loss.is_finite(), "{settings:?}");
        }
    }
}

/// Training by the reference: the same steps with the loss in plain candle operations and candle's
/// optimiser.
fn learn_plainly(frame: &Frame, settings: &TrainSettings) -> Gvae {
    let cbn = App::chain().cbn(frame);
    let normaliser = Normaliser::fit(&cbn, frame);
    let inputs = Inputs::read(&cbn, &normaliser, frame);
    let model = Gvae::new(cbn, normaliser, settings).unwrap();
    let vars = model.vars().into_iter().map(|(_, v)| v).collect();
    let mut optimiser = AdamW::new(vars, adam(settings)).unwrap();
    let mut rng = StdRng::seed_from_u64(settings.seed ^ 0x5a6e);
    let mut rows = split(frame.len()).0;
    for epoch in 0..settings.epochs {
        let t = epoch as f64 / settings.epochs as f64;
        let beta = settings.beta * (t / settings.warm_up).min(1.0);
        optimiser.set_learning_rate(settings.learning_rate * 0.1f64.powf(t));
        rows.shuffle(&mut rng);
        for (step, chunk) in rows.chunks(settings.batch).enumerate() {
            let batch = Batch::new(&inputs.select(chunk), &model.normaliser).unwrap();
            let (parents, prior_weight) = match (epoch + step) % 2 {
                0 => (Parents::Observed, 2.0 * settings.prior_weight),
                _ => (Parents::Decoded, 0.0),
            };
            let loss = elbo(&model, &batch, parents, beta, prior_weight, &mut rng).unwrap();
            optimiser.backward_step(&loss.total).unwrap();
        }
    }
    model
}

#[test]
fn the_fast_path_learns_what_the_reference_learns() {
    // Too short to be stopped early, and the last epoch the best: both end with the last step.
    let settings = TrainSettings { epochs: 4, warm_up: 0.5, ..small() };
    let floats = |model: &Gvae| weights(model).into_iter().map(f32::from_bits).collect::<Vec<_>>();
    let (model, _) = learn(history(), &settings);
    let plainly = learn_plainly(history(), &settings);
    let (fast, plain) = (floats(&model), floats(&plainly));
    let start = floats(&Gvae::new(model.cbn.clone(), model.normaliser.clone(), &settings).unwrap());
    let distances = |a: &[f32], b: &[f32]| {
        let mut all: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
        all.sort_by(f32::total_cmp);
        all
    };
    let (apart, moved) = (distances(&fast, &plain), distances(&plain, &start));
    // Adam divides each gradient by its own size: where the true one is 0, it walks along rounding
    // errors, a step's length at a time. So some weights differ, and it must not matter.
    let middle = apart.len() / 2;
    assert!(apart[middle] < 1e-2 * moved[middle], "{} apart after {}", apart[middle], moved[middle]);
    let loss = |model: &Gvae| held_back_loss(model, history(), &settings);
    let before = loss(&Gvae::new(model.cbn.clone(), model.normaliser.clone(), &settings).unwrap());
    let (fast, plain) = (loss(&model), loss(&plainly));
    assert!(before - plain > 1.0, "nothing was learned: {before} {plain}");
    assert!((fast - plain).abs() < 1e-5 * plain.abs(), "{fast} {plain}");
}

/// 120 windows of the chain, then `after` of what became of it.
fn changed(app: &App, after: usize) -> Frame {
    let next = app.run(&Episode::quiet(8, after));
    let mut frame = history().clone();
    let before = frame.len();
    frame.ends.extend(next.ends.iter().map(|end| *end + frame.length * before as u32));
    for (column, values) in &next.columns {
        let known = frame.columns.entry(column.clone()).or_default();
        known.resize(before, f32::NAN);
        known.extend(values);
    }
    for values in frame.columns.values_mut() {
        values.resize(before + after, f32::NAN);
    }
    frame.sources.extend(next.sources);
    frame.placement = next.placement;
    frame
}

#[test]
fn a_changed_application_is_learned_in_a_fraction_of_the_work() {
    // `store` became three times as slow, and a service came that `store` calls.
    let mut app = App::chain();
    app.services[2].work_ms *= 3.0;
    let gifts =
        crate::gvae::testbed::Service { name: "gifts", node: 1, replicas: 1, work_ms: 5.0, cores: 0.2 };
    app.services.push(gifts);
    app.calls.push(crate::gvae::testbed::Call { caller: 2, callee: 3, share: 1.0, delay_ms: 1.0 });
    let frame = changed(&app, 30);
    let (old, _) = trained();
    let again = Again { updated: BTreeSet::from([ServiceName::new("store")]), whole: false };
    let cbn = || app.cbn(&frame);
    let (new, affected, report) = retrain(old, cbn(), &frame, 120, &again, &small(), &NoProgress).unwrap();
    assert_eq!(report.epochs, small().epochs.div_ceil(AGAIN));
    assert!(affected.share() < 1.0);

    // What the change does not reach stays as it was, to the last bit.
    let vars = |model: &Gvae| model.vars().into_iter().collect::<std::collections::BTreeMap<_, _>>();
    let (before, after) = (vars(old), vars(&new));
    let mut kept = 0;
    for (j, node) in new.cbn.latencies.iter().enumerate().filter(|(j, _)| !affected.latencies[*j]) {
        let i = old.cbn.latency(&node.rpc, node.side).unwrap();
        for part in ["0.weight", "0.bias", "1.weight", "2.weight", "2.bias"] {
            let (was, is) = (&before[&format!("decoder.{i}.{part}")], &after[&format!("decoder.{j}.{part}")]);
            assert_eq!(was.to_vec1::<f32>().ok(), is.to_vec1::<f32>().ok());
            assert_eq!(was.to_vec2::<f32>().ok(), is.to_vec2::<f32>().ok());
        }
        kept += 1;
    }
    assert!(kept > 0);

    // New windows are explained better than by the model that was merely carried over.
    let recent = frame.rows(120..150);
    let fresh = Normaliser::fit(&cbn(), &recent);
    let (stale, _) = transfer(old, cbn(), fresh, &small(), &again.updated).unwrap();
    let (carried, learned) =
        (held_back_loss(&stale, &recent, &small()), held_back_loss(&new, &recent, &small()));
    assert!(learned < carried - 1.0, "{learned} after {carried}");
}
