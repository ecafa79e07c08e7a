//! Training: Adam, β warm-up, teacher forcing and free running in turns, early stopping on
//! held-back windows, reproducible from one seed.

use candle_core::Tensor;
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::GvaeError;
use super::batch::Batch;
use super::data::{Inputs, Normaliser};
use super::loss::{Parents, elbo};
use super::model::Gvae;
use super::settings::TrainSettings;
use crate::causal::Cbn;
use crate::domain::{Progress, Stage};
use crate::windows::Frame;

/// Held-back windows come in runs, since neighbouring windows are alike.
const BLOCK: usize = 12;
/// Every so many blocks one is held back.
const HOLD_BACK: usize = 8;
/// Fewer windows cannot be split.
const FEWEST: usize = HOLD_BACK / 2 + 1;

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
/// from [`FEWEST`] rows on, some are held back.
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
    let epochs = settings.epochs.max(1);
    let normaliser = Normaliser::fit(&cbn, frame);
    let inputs = Inputs::read(&cbn, &normaliser, frame);
    let model = Gvae::new(cbn, normaliser, settings)?;
    let (mut rows, held) = split(frame.len());
    let held_batch = Batch::new(&inputs.select(&held), &model.normaliser)?;
    let vars = model.vars();
    let params = ParamsAdamW { lr: settings.learning_rate, weight_decay: 1e-4, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(vars.iter().map(|(_, v)| v.clone()).collect(), params)?;
    let mut rng = StdRng::seed_from_u64(settings.seed ^ 0x5a6e);
    let (mut best, mut best_loss, mut best_epoch) = (copy(&vars)?, f32::INFINITY, 0);
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
            let batch = Batch::new(&inputs.select(chunk), &model.normaliser)?;
            // The prior's path rides on the teacher-forced half, at twice its weight.
            let (parents, prior_weight) = match (epoch + step) % 2 {
                0 => (Parents::Observed, 2.0 * settings.prior_weight),
                _ => (Parents::Decoded, 0.0),
            };
            let loss = elbo(&model, &batch, parents, beta, prior_weight, &mut rng)?;
            adam.backward_step(&loss.total)?;
        }
        done = epoch + 1;
        let (nll, kl, held_loss) = evaluate(&model, &held_batch, settings)?;
        if !held_loss.is_finite() {
            return Err(GvaeError::Diverged);
        }
        let note = format!("ELBO {:.2} (nll {nll:.2}, KL {kl:.2})", -held_loss);
        progress.report(Stage::Train, done as u64, total, &note);
        if held_loss < best_loss {
            (best, best_loss, best_epoch) = (copy(&vars)?, held_loss, epoch);
        } else if beta >= settings.beta && epoch - best_epoch >= settings.patience {
            break;
        }
    }
    for ((_, var), value) in vars.iter().zip(&best) {
        var.set(value)?;
    }
    Ok((model, TrainReport { epochs: done, windows: rows.len(), held_back: held.len(), loss: best_loss }))
}

/// Loss of the held-back windows with a fixed seed and the final β, so that epochs compare.
fn evaluate(model: &Gvae, batch: &Batch, settings: &TrainSettings) -> Result<(f32, f32, f32), GvaeError> {
    let mut rng = StdRng::seed_from_u64(settings.seed);
    let loss = elbo(model, batch, Parents::Observed, settings.beta, settings.prior_weight, &mut rng)?;
    let scalar = |t: &Tensor| t.to_scalar::<f32>();
    Ok((scalar(&loss.nll)?, scalar(&loss.kl)?, scalar(&loss.total)?))
}

fn copy(vars: &[(String, candle_core::Var)]) -> candle_core::Result<Vec<Tensor>> {
    vars.iter().map(|(_, v)| v.as_tensor().detach().copy()).collect()
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
