//! Training: Adam, β warm-up, teacher forcing and free running in turns, early stopping on
//! held-back windows, reproducible from one seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use candle_core::{Device, Var};
use candle_nn::optim::ParamsAdamW;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::GvaeError;
use super::data::{Inputs, Normaliser};
use super::fast::{Adam, Columns, Objective, Parts, Plan, Step};
use super::loss::Parents;
use super::model::Gvae;
use super::settings::TrainSettings;
use super::transfer::{Affected, transfer};
use crate::causal::Cbn;
use crate::domain::{Progress, ServiceName, Stage};
use crate::windows::Frame;

/// Held-back windows come in runs, since neighbouring windows are alike.
const BLOCK: usize = 12;
/// Every so many blocks one is held back.
const HOLD_BACK: usize = 8;
/// Fewer windows cannot be split.
const FEWEST: usize = HOLD_BACK / 2 + 1;

/// After a change, so many windows from before are learned again for each one since …
const REMEMBERED: usize = 3;
/// … but at least so many and at most so many.
const FEW: usize = 120;
const MANY: usize = 480;
/// A part of a model is trained for this fraction of the epochs of a whole one.
const AGAIN: usize = 3;

/// What training did.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainReport {
    /// Passes over the data, early stopping included.
    pub epochs: usize,
    /// Windows trained on.
    pub windows: usize,
    /// Windows held back.
    pub held_back: usize,
    /// Best held-back loss per window.
    pub loss: f32,
}

/// Splits rows into (training, held back) by blocks, which are shorter where data is scarce:
/// from `FEWEST` rows on, some are held back.
pub fn split(rows: usize) -> (Vec<usize>, Vec<usize>) {
    let block = (rows / FEWEST).clamp(1, BLOCK);
    (0..rows).partition(|r| (r / block) % HOLD_BACK != HOLD_BACK / 2)
}

/// Trains a model of `cbn` on `frame`. The same frame, network and settings give the same model.
pub fn train(
    cbn: Cbn,
    frame: &Frame,
    settings: &TrainSettings,
    progress: &dyn Progress,
) -> Result<(Gvae, TrainReport), GvaeError> {
    let need = settings.min_windows.max(FEWEST);
    if frame.len() < need {
        return Err(GvaeError::TooFewWindows { have: frame.len(), need });
    }
    if cbn.latencies.is_empty() {
        return Err(GvaeError::NoLatency);
    }
    let normaliser = Normaliser::fit(&cbn, frame);
    let model = Gvae::new(cbn, normaliser, settings)?;
    let affected = Affected::all(&model.cbn);
    let rows = split(frame.len());
    let report = fit(&model, &affected, frame, rows, settings, progress)?;
    Ok((model, report))
}

/// How a model is trained again after a change of the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Services that behave differently though nothing else about them changed.
    pub updated: BTreeSet<ServiceName>,
    /// Train all of it, not only what the change affects.
    pub whole: bool,
}

/// The model of a changed application from the one before: incremental, since what is known is kept, and
/// partial, since only what the change affects is trained (Gan et al. 2020, section 4). `since` is the
/// first row of `frame` after the change; of the rows before, some are learned from again, so that
/// what they taught is not forgotten.
pub fn retrain(
    old: &Gvae,
    cbn: Cbn,
    frame: &Frame,
    since: usize,
    again: &Again,
    settings: &TrainSettings,
    progress: &dyn Progress,
) -> Result<(Gvae, Affected, TrainReport), GvaeError> {
    if cbn.latencies.is_empty() {
        return Err(GvaeError::NoLatency);
    }
    let fresh = Normaliser::fit(&cbn, &frame.rows(since..frame.len()));
    let (model, mut affected) = transfer(old, cbn, fresh, settings, &again.updated)?;
    if again.whole {
        affected = Affected::all(&model.cbn);
    }
    let (mut rows, held): (Vec<_>, Vec<_>) = split(frame.len() - since.min(frame.len()));
    rows.iter_mut().for_each(|row| *row += since);
    let held = held.into_iter().map(|row| row + since).collect();
    // What is new is seen again and again until it is as much as what is old.
    let before = (REMEMBERED * rows.len()).clamp(FEW, MANY).min(since);
    let old_rows = (0..before).map(|i| since * i / before.max(1));
    let copies = before.div_ceil(rows.len().max(1)).max(1);
    let rows = old_rows.chain(std::iter::repeat_n(rows, copies).flatten()).collect();
    let settings = TrainSettings {
        epochs: settings.epochs.div_ceil(AGAIN),
        patience: settings.patience.div_ceil(AGAIN),
        warm_up: 0.0,
        ..settings.clone()
    };
    let report = fit(&model, &affected, frame, (rows, held), &settings, progress)?;
    Ok((model, affected, report))
}

/// Trains the `affected` networks of `model` on the first rows, and stops by the loss of the second.
fn fit(
    model: &Gvae,
    affected: &Affected,
    frame: &Frame,
    (mut rows, held): (Vec<usize>, Vec<usize>),
    settings: &TrainSettings,
    progress: &dyn Progress,
) -> Result<TrainReport, GvaeError> {
    let epochs = settings.epochs.max(1);
    let plan = Arc::new(Plan::part(model, affected)?);
    let inputs = Inputs::read(&model.cbn, &model.normaliser, frame);
    let columns = Columns::new(&plan, &inputs, &model.normaliser);
    let objective = Arc::new(Objective::new(plan.clone(), columns));
    let flat = Var::from_vec(plan.layout.gather(model)?, plan.layout.len(), &Device::Cpu)?;
    let mut adam = Adam::new(plan.layout.len(), adam(settings));
    let trained = plan.trained();
    if trained.contains(&false) {
        adam = adam.only(trained);
    }
    let mut rng = StdRng::seed_from_u64(settings.seed ^ 0x5a6e);
    let (mut best, mut best_loss, mut best_epoch) = (flat.to_vec1::<f32>()?, f32::INFINITY, 0);
    let total = epochs as u64;
    let mut done = 0;
    for epoch in 0..epochs {
        if progress.cancelled() {
            return Err(GvaeError::Cancelled);
        }
        let t = epoch as f64 / epochs as f64;
        let beta = settings.beta * (t / settings.warm_up.max(1e-6)).min(1.0);
        adam.set_learning_rate(settings.learning_rate * 0.1f64.powf(t));
        rows.shuffle(&mut rng);
        for (step, chunk) in rows.chunks(settings.batch.max(1)).enumerate() {
            // The prior's path rides on the teacher-forced half, at twice its weight.
            let (parents, prior_weight) = match (epoch + step) % 2 {
                0 => (Parents::Observed, 2.0 * settings.prior_weight),
                _ => (Parents::Decoded, 0.0),
            };
            let noise = objective.noise(chunk.len(), &mut rng);
            let step = Step { windows: chunk.to_vec(), parents, beta, prior_weight, noise };
            let gradients = objective.apply(flat.as_tensor(), step)?.backward()?;
            if let Some(gradient) = gradients.get(flat.as_tensor()) {
                adam.step(&flat, gradient)?;
            }
        }
        done = epoch + 1;
        let now = flat.to_vec1::<f32>()?;
        let Parts { total: held_loss, nll, kl } = evaluate(&objective, &now, &held, settings);
        let held_loss = held_loss as f32;
        if !held_loss.is_finite() {
            return Err(GvaeError::Diverged);
        }
        let note = format!("ELBO {:.2} (nll {nll:.2}, KL {kl:.2})", -held_loss);
        progress.report(Stage::Train, done as u64, total, &note);
        progress.epoch(done as u64, total, f64::from(-held_loss));
        if held_loss < best_loss {
            (best, best_loss, best_epoch) = (now, held_loss, epoch);
        } else if beta >= settings.beta && epoch - best_epoch >= settings.patience {
            break;
        }
    }
    plan.layout.scatter(&best, model)?;
    Ok(TrainReport { epochs: done, windows: rows.len(), held_back: held.len(), loss: best_loss })
}

/// How Adam is set.
pub fn adam(settings: &TrainSettings) -> ParamsAdamW {
    ParamsAdamW { lr: settings.learning_rate, weight_decay: 1e-4, ..ParamsAdamW::default() }
}

/// Loss of the `held` back windows with a fixed seed and the final β, so that epochs compare.
fn evaluate(objective: &Objective, flat: &[f32], held: &[usize], settings: &TrainSettings) -> Parts {
    let noise = objective.noise(held.len(), &mut StdRng::seed_from_u64(settings.seed));
    let step = Step {
        windows: held.to_vec(),
        parents: Parents::Observed,
        beta: settings.beta,
        prior_weight: settings.prior_weight,
        noise,
    };
    objective.loss(flat, &step)
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
