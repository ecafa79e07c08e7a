//! AdamW over the flat parameter vector in one sweep, with the arithmetic of
//! `candle_nn::optim::AdamW` (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019).

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var};
use candle_nn::optim::ParamsAdamW;
use rayon::prelude::*;

use super::objective::{CHUNK, numbers};

/// The optimiser and its moments.
#[derive(Debug)]
pub struct Adam {
    params: ParamsAdamW,
    step: i32,
    moments: Mutex<Moments>,
    /// Per parameter, whether it moves; all do, without.
    trained: Option<Vec<bool>>,
}

#[derive(Debug)]
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// For `parameters` parameters.
    pub fn new(parameters: usize, params: ParamsAdamW) -> Self {
        let zeros = || vec![0.0; parameters];
        let moments = Mutex::new(Moments { first: zeros(), second: zeros() });
        Self { params, step: 0, moments, trained: None }
    }

    /// The same with only the `trained` parameters moving.
    #[must_use]
    pub fn only(self, trained: Vec<bool>) -> Self {
        Self { trained: Some(trained), ..self }
    }

    /// Changes the step size.
    pub fn set_learning_rate(&mut self, rate: f64) {
        self.params.lr = rate;
    }

    /// Moves `flat` against `gradient`.
    pub fn step(&mut self, flat: &Var, gradient: &Tensor) -> Result<()> {
        self.step += 1;
        flat.as_tensor().inplace_op2(gradient, &*self)
    }
}

impl InplaceOp2 for Adam {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, flat: &mut CpuStorage, at: &Layout, g: &CpuStorage, g_at: &Layout) -> Result<()> {
        let gradient = numbers(g, g_at)?;
        let n = numbers(flat, at)?.len();
        let CpuStorage::F32(all) = flat else { return Err(candle_core::Error::Msg("not f32".to_owned())) };
        let flat = &mut all[at.start_offset()..at.start_offset() + n];
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let Moments { first, second } = &mut *moments;
        if gradient.len() != n || first.len() != n {
            return Err(candle_core::Error::Msg(format!("{n} parameters, {} gradients", gradient.len())));
        }
        let ParamsAdamW { lr, beta1, beta2, eps, weight_decay } = self.params;
        let scale = |beta: f64| (1.0 / (1.0 - beta.powi(self.step))) as f32;
        let (m_scale, v_scale, eps) = (scale(beta1), scale(beta2), eps as f32);
        let (keep, lr) = ((1.0 - lr * weight_decay) as f32, lr as f32);
        let (b1, c1, b2, c2) = (beta1 as f32, (1.0 - beta1) as f32, beta2 as f32, (1.0 - beta2) as f32);
        let before = self.trained.as_ref().map(|_| flat.to_vec());
        let chunks = flat.par_chunks_mut(CHUNK).zip(first.par_chunks_mut(CHUNK));
        let chunks = chunks.zip(second.par_chunks_mut(CHUNK)).zip(gradient.par_chunks(CHUNK));
        chunks.for_each(|(((flat, first), second), gradient)| {
            for (((p, m), v), g) in flat.iter_mut().zip(first).zip(second).zip(gradient) {
                *m = *m * b1 + g * c1;
                *v = *v * b2 + g * g * c2;
                *p = *p * keep - (*m * m_scale) / ((*v * v_scale).sqrt() + eps) * lr;
            }
        });
        // Weight decay moves what has no gradient, too.
        if let (Some(trained), Some(before)) = (&self.trained, before) {
            let still = trained.iter().zip(before).enumerate().filter(|(_, (trained, _))| !**trained);
            still.for_each(|(i, (_, before))| flat[i] = before);
        }
        Ok(())
    }
}
